/* The controls of a figure made by explore.py: from what is chosen to the state's number, and
   from that number to its picture and its sentence. Everything needed is inside the figure. */
(function () {
  "use strict";
  const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

  /* The text of a state: shared parts as they are, others by the state's choice of version. */
  function textOf(parts, state) {
    return parts.map(function (part) {
      if (typeof part === "string") return part;
      const versions = part[0], choices = part[1];
      if (versions.length <= DIGITS.length) return versions[DIGITS.indexOf(choices[state])];
      const high = DIGITS.indexOf(choices[2 * state]), low = DIGITS.indexOf(choices[2 * state + 1]);
      return versions[high * DIGITS.length + low];
    }).join("");
  }

  /* The number of a value among a control's, where 0.1 + 0.2 is 0.3. */
  function positionOf(value, keys) {
    return keys.findIndex((key) => key === value || Math.abs(key - value) < 1e-9);
  }

  /* One control as a number that can be read and set, whatever it is made of. */
  function numbered(box) {
    const inputs = Array.from(box.querySelectorAll("input, select")), first = inputs[0];
    if (first.type === "checkbox") {
      return { get: () => +first.checked, set: (i) => { first.checked = i === 1; } };
    }
    if (first.type === "radio") {
      return { get: () => inputs.findIndex((input) => input.checked),
               set: (i) => { inputs[i].checked = true; } };
    }
    if (first.type === "range") {
      return { get: () => +first.value, set: (i) => { first.value = i; },
               say: function (text) {
                 first.setAttribute("aria-valuetext", text);
                 box.querySelector("output").textContent = text;
               } };
    }
    return { get: () => first.selectedIndex, set: (i) => { first.selectedIndex = i; } };
  }

  function vectorView(view, data) {
    return {
      show: function (state, sentence) {
        view.innerHTML = textOf(data.lines, state);
        view.setAttribute("aria-label", sentence);
      },
      prepare: function () {},
    };
  }

  /* Frames of the sprite on a canvas, which replaces the first picture when the sprite is there. */
  function spriteView(view, data) {
    const image = view.querySelector("img"), canvas = document.createElement("canvas");
    canvas.width = +image.getAttribute("width");
    canvas.height = +image.getAttribute("height");
    canvas.setAttribute("role", "img");
    let sprite = null, loading = false, wanted = null;

    function paint() {
      const row = Math.floor(wanted / data.columns), column = wanted % data.columns;
      canvas.getContext("2d").drawImage(sprite, column * canvas.width, row * canvas.height,
        canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
      if (image.parentNode) image.replaceWith(canvas);
    }

    function prepare() {
      if (loading) return;
      loading = true;
      const whole = new Image();
      whole.onload = function () {
        createImageBitmap(whole).then(function (bitmap) {
          sprite = bitmap;
          if (wanted !== null) paint();
        });
      };
      whole.src = "data:image/webp;base64," + data.sprite;
    }

    return {
      show: function (state, sentence) {
        wanted = state;
        image.alt = sentence;
        canvas.setAttribute("aria-label", sentence);
        prepare();
        if (sprite) paint();
      },
      prepare: prepare,
    };
  }

  /* Elements with data-set choose by click, tap or drag. A finger that moves up or down scrolls
     the page; the capture is the view's, since the elements under the pointer get replaced. */
  function makeDirect(view, choose) {
    let from = null;

    function chooseAt(event) {
      // All elements there, since a label may lie over the cell it belongs to.
      const elements = document.elementsFromPoint(event.clientX, event.clientY);
      const hit = elements.filter((element) => view.contains(element))
        .map((element) => element.closest("[data-set]")).find(Boolean);
      if (hit) choose(JSON.parse(hit.getAttribute("data-set")));
    }

    view.classList.add("explore-direct");
    view.addEventListener("pointerdown", function (event) {
      if (!event.isPrimary || event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, drags: event.pointerType !== "touch" };
      view.setPointerCapture(event.pointerId);
      if (from.drags) chooseAt(event);
    });
    view.addEventListener("pointermove", function (event) {
      if (!from) return;
      const right = Math.abs(event.clientX - from.x), down = Math.abs(event.clientY - from.y);
      from.drags = from.drags || (right > 8 && right > down);
      if (from.drags) chooseAt(event);
    });
    view.addEventListener("pointerup", function (event) {
      if (from) chooseAt(event);
      from = null;
    });
    view.addEventListener("pointercancel", function () { from = null; });
  }

  function start(root) {
    const data = JSON.parse(root.querySelector(".explore-data").textContent);
    const form = root.querySelector("form"), view = root.querySelector(".explore-view");
    const sentence = root.querySelector("[role=status]");
    const boxes = Array.from(root.querySelectorAll(".explore-control")).map(numbered);
    const picture = data.sprite ? spriteView(view, data) : vectorView(view, data);
    let shown = data.start;

    function update() {
      let state = 0;
      boxes.forEach(function (box, i) {
        const choice = box.get();
        state = state * data.controls[i].keys.length + choice;
        if (box.say) box.say(data.controls[i].texts[choice]);
      });
      if (state === shown) return;
      shown = state;
      sentence.textContent = textOf(data.sentences, state);
      picture.show(state, sentence.textContent);
    }

    function choose(values) {
      data.controls.forEach(function (control, i) {
        if (control.name in values) boxes[i].set(positionOf(values[control.name], control.keys));
      });
      form.dispatchEvent(new Event("input", { bubbles: true }));
    }

    form.addEventListener("input", update);
    form.addEventListener("submit", (event) => event.preventDefault());
    root.addEventListener("keydown", (event) => event.stopPropagation()); // JupyterLab takes arrows
    root.addEventListener("pointerover", picture.prepare, { once: true });
    root.addEventListener("focusin", picture.prepare, { once: true });
    if (data.clickable) makeDirect(view, choose);
    form.hidden = false;
    update();
  }

  document.querySelectorAll(".explore:not([data-ready])").forEach(function (root) {
    root.dataset.ready = "";
    start(root);
  });
})();
