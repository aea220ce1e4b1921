/* Live code: the page's own cells, edited and run in the page. This file is loaded when the reader
   presses the button, and loads the others from beside it; before that nothing here exists. */
(function () {
  "use strict";
  const script = document.currentScript;
  const PARTS = ["settings", "kernel", "editor", "output", script.dataset.chapter,
    "../mathjax/tex-chtml"]; // formulas of the page are there already, those of outputs are not
  if (window.lineByLine) {
    window.lineByLine.again();
    return;
  }
  document.querySelectorAll(".live-panel").forEach((panel) => panel.remove()); // of a failed start
  const book = window.lineByLine = { again: function () {} };
  window.MathJax = { startup: { typeset: false }, options: { enableMenu: false } };

  function load(name) {
    const part = document.createElement("script");
    part.src = new URL(`${name}.js`, script.src).href + new URL(script.src).search;
    part.async = false; // one after the other
    document.head.append(part);
    return new Promise(function (resolve, reject) {
      part.onload = resolve;
      part.onerror = () => reject(Object.assign(new Error(`${name}.js could not be loaded.`),
        { advice: "Is there a connection to this site? Reload the page and try again." }));
    });
  }

  function loadLook() {
    const look = document.createElement("link");
    look.rel = "stylesheet";
    look.href = new URL("live.css", script.src).href + new URL(script.src).search;
    document.head.append(look);
  }

  function button(text, label, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  }

  /* The bar above the text: what is going on, in words that are also read out, and buttons. */
  function makePanel(actions) {
    const panel = document.createElement("section"), status = document.createElement("p");
    const row = document.createElement("div");
    const buttons = actions.map(function ([text, states, action]) {
      const made = button(text, null, action);
      made.states = states.split(" ");
      return made;
    });
    panel.className = "live-panel";
    panel.tabIndex = -1;
    panel.setAttribute("aria-label", "Live code");
    status.setAttribute("role", "status");
    row.append(...buttons);
    panel.append(status, row);
    document.querySelector("article").prepend(panel);
    return {
      focus: () => panel.focus({ preventScroll: true }), // it is always in view
      show: function (state, text, more) {
        const focused = row.contains(document.activeElement);
        panel.dataset.state = state;
        status.textContent = text + (more ? ` ${more}` : "");
        buttons.forEach((made) => { made.hidden = !made.states.includes(state); });
        if (focused && document.activeElement.hidden) panel.focus({ preventScroll: true });
      },
    };
  }

  /* The chapter's cells in order. Those that the page shows have an editor and buttons; those
     that it hides wait in `before` of the next one that is shown. */
  function makeCells(chapter, actions) {
    const boxes = Array.from(document.querySelectorAll("article div.cell"));
    const shown = chapter.cells.filter((cell) => cell.shown).length;
    if (boxes.length !== shown) {
      throw Object.assign(new Error("This page and its code are of different days."),
        { advice: "Reload the page and try again." });
    }
    let before = [], number = 0;
    return chapter.cells.map(function (source, place) {
      const cell = { place: place, source: source.code, shown: source.shown, ran: false,
                     code: () => source.code, mark: function () {} };
      if (!source.shown) before.push(cell);
      else {
        number += 1;
        dress(Object.assign(cell, { number: number, before: before }), boxes[number - 1], actions);
        before = [];
      }
      return cell;
    });
  }

  /* Give a cell of the page its editor, its buttons and a place for what it shows. */
  function dress(cell, box, actions) {
    const input = box.querySelector("div.cell_input"), bar = document.createElement("div");
    const state = document.createElement("span"), name = `cell ${cell.number}`;
    const original = button("Original", `Original code of ${name}`, function () {
      editor.set(cell.source);
      box.querySelector("textarea").focus();
    });
    const changed = function () { original.hidden = editor.code() === cell.source; };
    const editor = book.editor(input.querySelector("pre"), cell.source, `Code of ${name}`,
      () => actions.run(cell), changed);
    let output = box.querySelector("div.cell_output");
    if (!output) {
      output = document.createElement("div");
      output.className = "cell_output docutils container";
      box.append(output);
    }
    original.hidden = true;
    state.className = "live-state";
    bar.className = "live-bar";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", `Cell ${cell.number}`);
    bar.append(button("Run", `Run ${name}`, () => actions.run(cell)),
      ...(cell.number === 1 ? [] : [button("Run all above", `Run all above ${name}`,
        () => actions.runAbove(cell))]),
      button("Restart", "Restart Python", actions.restart), original, state);
    input.append(bar);
    Object.assign(cell, {
      code: editor.code,
      output: output,
      frames: Array.from(output.querySelectorAll("figure:has(> img)"), (f) => f.cloneNode(true)),
      mark: function (kind, text) {
        state.textContent = text;
        bar.dataset.state = kind;
        output.setAttribute("aria-busy", String(kind === "running" || kind === "waiting"));
      },
    });
  }

  function began(cell) {
    const started = performance.now();
    cell.mark("running", "running …");
    return () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  }

  function start(chapter, place) {
    const where = place.binder ? new URL(place.binder).host : new URL(place.server, location.href);
    const opening = place.binder
      ? `Asking ${where} for a machine; this takes a minute or two. What you run, runs there.`
      : `Connecting to the server at ${where.origin}. What you run, runs there.`;
    const panel = makePanel([
      ["Run all", "ready", () => enqueue(cells)],
      ["Stop", "busy", () => kernel.interrupt().catch(fail)],
      ["Restart", "ready busy", restart],
      ["Try again", "failed", connect],
      ["Start again", "ended", connect],
      ["Close", "starting ready busy failed", close],
    ]);
    let cells = [], kernel = null, queue = [], current = null, aborter = null;
    let prepared = false, pumping = false;
    let round = 0; // counts kernels, so that what an old one still says is not taken for news

    function show(state, text, more) {
      panel.show(state, text, more);
      document.documentElement.dataset.live = state;
      const off = state === "failed" || state === "ended";
      document.querySelectorAll(".live-bar button").forEach((b) => { b.disabled = off; });
    }

    function forget() {
      queue = [];
      cells.forEach(function (cell) {
        if (cell.ran || cell.queued || cell === current) cell.mark("old", "");
        cell.ran = cell.queued = false;
      });
      current = null;
      prepared = false;
    }

    function fail(error) {
      if (error.name === "AbortError") return;
      round += 1;
      if (kernel) kernel.end();
      kernel = null;
      forget();
      show("failed", error.message, error.advice || "Press Try again for a new start.");
    }

    function lost() {
      const told = new Error("The connection to Python is lost, and with it what had run.");
      told.advice = place.binder ? "Binder ends machines that are idle. Try again for a new one."
        : "Is make serve-live still running? Start it again, and open the address that it prints.";
      fail(told);
    }

    /* Python was killed, mostly for want of memory; a new one is there. */
    function died() {
      const own = ++round;
      forget();
      show("busy", "Python died, perhaps for want of memory, and is starting again …");
      kernel.reconnect().then(() => own === round && prepare(own, "Python died and was started " +
        "again. Nothing that ran before is known to it."))
        .catch((error) => own === round && fail(error));
    }

    async function connect() {
      const own = ++round;
      aborter = new AbortController();
      show("starting", opening);
      panel.focus();
      try {
        const say = (text) => own === round && show("starting", text);
        const server = await book.findServer(place, say, aborter.signal);
        say("Starting Python …");
        let made = null;
        made = await book.startKernel(server, chapter.folder, aborter.signal,
          () => made && kernel === made && lost(), () => made && kernel === made && died());
        kernel = made;
        await prepare(own, "");
      } catch (error) {
        if (own === round) fail(error);
      }
    }

    /* The first cells: they find the helpers and import what the chapter needs. */
    async function prepare(own, news) {
      const first = cells.slice(0, chapter.setup);
      const doing = "Running the first cells, which import what the chapter needs …";
      show("busy", `${news} ${doing}`.trim());
      await kernel.run(chapter.begin, function () {});
      if (own !== round) return;
      const waiting = queue.filter((cell) => !first.includes(cell));
      queue = [];
      prepared = true;
      enqueue(first.concat(waiting));
    }

    function enqueue(more) {
      const wanted = more.flatMap((cell) => (cell.before || []).filter(
        (hidden) => !hidden.ran && !hidden.queued && !more.includes(hidden)).concat(cell));
      wanted.forEach(function (cell) {
        cell.queued = true;
        cell.mark("waiting", "waiting");
      });
      queue.push(...wanted);
      if (prepared && !pumping) pump();
    }

    async function pump() {
      const own = round;
      pumping = true;
      try {
        while (queue.length && own === round) {
          current = queue.shift();
          const number = current.number || nextShown(current).number;
          show("busy", `Running cell ${number} of ${cells.filter((c) => c.shown).length} …`);
          const fine = await runOne(current, own);
          if (own !== round) return;
          current = null;
          if (!fine) return stopAt(number);
        }
        if (own === round) {
          show("ready", "Python is ready.", "Edit a cell; Run or Shift+Enter runs it.");
        }
      } catch (error) {
        if (own === round) fail(error);
      } finally {
        pumping = false;
        if (own !== round && prepared && queue.length) pump();
      }
    }

    function nextShown(cell) { return cells.slice(cell.place).find((c) => c.shown) || cell; }

    function stopAt(number) {
      queue.forEach(function (cell) {
        cell.queued = false;
        cell.mark("old", "");
      });
      queue = [];
      show("ready", `Cell ${number} ended with an error, shown below its code.`);
    }

    /* Run a cell; what a hidden one shows is seen only if it fails. */
    async function runOne(cell, own) {
      const seen = cell.shown ? cell : nextShown(cell), seconds = began(cell);
      const area = book.outputs(seen.output, seen.frames, seen.code() !== seen.source);
      const listen = function (message) {
        if (own === round && (cell.shown || message.header.msg_type === "error")) {
          area.take(message);
        }
      };
      cell.queued = false;
      const answer = await kernel.run(cell.code(), listen);
      const fine = answer.status === "ok";
      if (own !== round) return false;
      if (fine && cell.shown) area.finish();
      if (answer.ename === "NameError") {
        area.note("Has a cell above not run yet? Run all above runs them in order.");
      }
      cell.ran = fine;
      seen.mark(fine ? "done" : "error", fine ? `ran in ${seconds()}` : "error");
      return fine;
    }

    function restart() {
      if (!kernel) return;
      const own = ++round;
      forget();
      show("busy", "Restarting Python …");
      kernel.restart().then(() => own === round && prepare(own, "Python was restarted."))
        .catch((error) => own === round && fail(error));
    }

    function close() {
      round += 1;
      aborter.abort();
      if (kernel) kernel.end();
      kernel = null;
      forget();
      show("ended", "Live code is closed. Code and results stay until you leave the page.");
    }

    book.again = panel.focus;
    window.addEventListener("pagehide", function () { if (kernel) close(); });
    try {
      cells = makeCells(chapter, {
        run: (cell) => document.documentElement.dataset.live.match(/failed|ended/) ||
          enqueue([cell]),
        runAbove: (cell) => enqueue(cells.slice(0, cells.indexOf((cell.before || [])[0] || cell))),
        restart: restart,
      });
      connect();
    } catch (error) {
      fail(error);
    }
  }

  loadLook();
  Promise.all(PARTS.map(load)).then(() => start(book.chapter, book.place), function (error) {
    delete window.lineByLine;
    makePanel([]).show("failed", error.message, error.advice);
  });
})();
