/* Where live code runs: a machine from Binder, or the server that this page came from. Talks to
   its Python in Jupyter's messages. Loaded by live.js when the reader asks for it. */
(function () {
  "use strict";
  const BINDER_ADVICE = "It may be busy or down, or this network may block it. Try again in a " +
    "few minutes, or use Colab in the same menu.";
  const SERVER_ADVICE = "Is make serve-live still running? Start it again, and open the address " +
    "that it prints.";
  const TOKEN_ADVICE = "Open the address with the token that make serve-live printed, then come " +
    "back to this page.";
  const PHASES = {
    waiting: "waiting for its turn",
    fetching: "fetching the book",
    building: "installing the book's packages, which takes several minutes the first time",
    pushing: "storing what it installed",
    launching: "starting the machine",
  };

  function failure(message, advice) {
    return Object.assign(new Error(message), { advice: advice });
  }

  function hostOf(address) { return new URL(address).host; }

  function cookie(name) {
    const found = document.cookie.split("; ").find((part) => part.startsWith(name + "="));
    return found ? found.slice(name.length + 1) : "";
  }

  /* A name that no other message or page has. */
  function unique() {
    const parts = crypto.getRandomValues(new Uint32Array(4));
    return Array.from(parts, (part) => part.toString(16).padStart(8, "0")).join("");
  }

  /* One request to a Jupyter server. Binder's gives a token; our own knows the reader by a cookie
     and wants the other cookie repeated in a header, which only its own pages can do. */
  function ask(server, path, options) {
    const headers = { "Content-Type": "application/json" };
    if (server.token) headers.Authorization = "token " + server.token;
    else headers["X-XSRFToken"] = cookie("_xsrf");
    const settings = { headers: headers, credentials: server.token ? "omit" : "same-origin" };
    return fetch(server.url + path, Object.assign(settings, options)).then(function (response) {
      if (response.ok) return response.status === 204 ? null : response.json();
      const refused = response.status === 401 || response.status === 403;
      throw failure(`${hostOf(server.url)} ${refused ? "refuses this page" : "has an error"} ` +
        `(${response.status}).`, refused ? server.refused : server.advice);
    }, function (error) {
      throw error.name === "AbortError" ? error
        : failure(`${hostOf(server.url)} does not answer.`, server.advice);
    });
  }

  /* A machine from Binder, which says how far it is until there is one. */
  function binderMachine(place, say, signal) {
    return new Promise(function (resolve, reject) {
      const events = new EventSource(`${place.binder}/build/${place.spec}`);
      const host = hostOf(place.binder);
      function end(action, value) {
        events.close();
        action(value);
      }
      signal.addEventListener("abort", () => end(reject, signal.reason));
      events.onerror = () => end(reject, failure(`${host} does not answer.`, BINDER_ADVICE));
      events.onmessage = function (event) {
        const told = JSON.parse(event.data), message = (told.message || "").trim();
        if (told.phase === "ready") end(resolve, { url: told.url, token: told.token });
        else if (told.phase !== "failed") say(`${host} is ${PHASES[told.phase] || "at work"} …`);
        else end(reject, failure(`${host} could not start a machine: ${message}`, BINDER_ADVICE));
      };
    });
  }

  /* The machine of the chapter read before in this tab, if it still runs; otherwise a new one. */
  function findBinder(place, say, signal) {
    const key = `lineByLine ${place.binder} ${place.spec}`;
    const about = { advice: BINDER_ADVICE, refused: BINDER_ADVICE };
    const known = JSON.parse(sessionStorage.getItem(key) || "null");
    const old = known ? ask(Object.assign(known, about), "api/status", { signal: signal })
      : Promise.reject();
    return old.then(() => known, () => binderMachine(place, say, signal).then(function (machine) {
      sessionStorage.setItem(key, JSON.stringify(machine));
      return Object.assign(machine, about);
    }));
  }

  function findServer(place, say, signal) {
    if (place.binder) return findBinder(place, say, signal);
    const url = new URL(place.server, location.href).href;
    return Promise.resolve({ url: url, token: "", advice: SERVER_ADVICE, refused: TOKEN_ADVICE });
  }

  /* A line to a kernel. `lost` is called once, when the line is cut from the other side; `died`
     when the kernel was killed and a new one, which knows nothing, is there. */
  function openLine(server, id, lost, died) {
    const session = unique(), waiting = new Map(), later = () => new Promise(
      (resolve) => setTimeout(resolve, 1000));
    const address = server.url.replace(/^http/, "ws") + `api/kernels/${id}/channels?session_id=` +
      session + (server.token ? `&token=${encodeURIComponent(server.token)}` : "");
    const socket = new WebSocket(address);
    let closing = false;

    function drop(error) {
      waiting.forEach((request) => request.reject(error));
      waiting.clear();
    }

    function send(type, content, listen) {
      const header = { msg_id: unique(), username: "", session: session, msg_type: type,
                       version: "5.3", date: new Date().toISOString() };
      socket.send(JSON.stringify({ header: header, parent_header: {}, metadata: {},
                                   content: content, channel: "shell", buffers: [] }));
      return new Promise(function (resolve, reject) {
        waiting.set(header.msg_id, { resolve: resolve, reject: reject, listen: listen });
      });
    }

    /* A request has ended when its answer and the word that the kernel is idle are both here. */
    function settle(id, request, message) {
      if (message.channel === "shell") request.answer = message.content;
      if (message.content.execution_state === "idle") request.idle = true;
      if (!request.answer || !request.idle) return;
      waiting.delete(id);
      request.resolve(request.answer);
    }

    function receive(event) {
      if (typeof event.data !== "string") return; // pictures of widgets, which the book has not
      const message = JSON.parse(event.data), parent = (message.parent_header || {}).msg_id;
      const state = message.header.msg_type === "status" && message.content.execution_state;
      const request = waiting.get(parent);
      if (state === "restarting" || state === "dead") {
        drop(failure("Python ended."));
        if (state === "dead") lost(); else died();
      } else if (request) {
        if (message.channel === "iopub") request.listen(message);
        settle(parent, request, message);
      }
    }

    /* A kernel that has just started may not hear, or not be heard: it is asked until it is. */
    async function answers() {
      const asked = [];
      let heard = false;
      while (!heard) {
        asked.push(send("kernel_info_request", {}, function () {}).then(() => true));
        heard = await Promise.race([...asked, later()]);
      }
    }

    return new Promise(function (resolve, reject) {
      socket.onmessage = receive;
      socket.onclose = function () {
        const error = failure(`${hostOf(server.url)} closed the line.`, server.advice);
        drop(error);
        reject(error);
        if (!closing) lost();
      };
      socket.onopen = () => resolve({
        run: (code, listen) => send("execute_request", {
          code: code, silent: false, store_history: true, user_expressions: {},
          allow_stdin: false, stop_on_error: true }, listen),
        answers: answers,
        close: function () {
          closing = true;
          drop(failure("The line was closed."));
          socket.close();
        },
      });
    });
  }

  /* A new kernel in a folder of the server, as an object with what can be asked of it. */
  async function startKernel(server, folder, signal, lost, died) {
    const body = JSON.stringify({ name: "python3", path: folder });
    const made = await ask(server, "api/kernels", { method: "POST", body: body });
    const path = `api/kernels/${made.id}`;
    const end = (options) => ask(server, path, { method: "DELETE", ...options }).catch(() => {});
    let line = null;

    const connect = async function () {
      if (line) line.close();
      line = await openLine(server, made.id, lost, died);
      await line.answers();
    };
    try {
      await connect();
      signal.throwIfAborted();
    } catch (error) {
      end();
      throw error;
    }
    return {
      run: (code, listen) => line.run(code, listen),
      interrupt: () => ask(server, `${path}/interrupt`, { method: "POST" }),
      restart: function () {
        line.close();
        return ask(server, `${path}/restart`, { method: "POST" }).then(connect);
      },
      reconnect: connect,
      /* Also called when the page goes away: keepalive lets the request outlive it. */
      end: function () {
        line.close();
        return end({ keepalive: true });
      },
    };
  }

  Object.assign(window.lineByLine, { findServer: findServer, startKernel: startKernel });
})();
