/* A portrait of the game V = d g, drawn by portrait.py: computes every other state from the nine
   rules below, and moves what Python drew. */
(function () {
  "use strict";
  const SCALE = 80, MIDDLE = 240, RADIUS = 3, FAR = 1e4; // the plane
  const CENTRE = [180, 134], HALF = [172, 112], LEAST = 1.3; // the eigenvalues
  const LEFT = 58, RIGHT = 322, TOP = 36, BOTTOM = 212; // the norms
  const SLIGHT = 1e-12, PAUSE = 400;

  /* The fields of the game, without and with a penalty c on d; one step of each rule from x. */
  const field = ([d, g]) => [g, -d];
  const damped = (c) => ([d, g]) => [g - c * d, -d];
  const add = (x, a, y) => [x[0] + a * y[0], x[1] + a * y[1]];
  const first = (x, a, v) => [x[0] + a * v(x)[0], x[1]];
  const second = (x, a, v) => [x[0], x[1] + a * v(x)[1]];
  const STEP = {
    "simultaneous": (x, a) => add(x, a, field(x)),
    "alternating": (x, a) => second(first(x, a, field), a, field),
    "alternating, generator first": (x, a) => first(second(x, a, field), a, field),
    "implicit": (x, a) => add(x, a, field(x)).map((part) => part / (1 + a * a)),
    "extragradient": (x, a) => add(x, a, field(add(x, a, field(x)))),
    "optimistic": (x, a, c, before) => add(add(x, 2 * a, field(x)), -a, field(before)),
    "consensus": (x, a, c) => add(x, a, add(field(x), -c, x)),
    "gradient penalty": (x, a, c) => add(x, a, damped(c)(x)),
    "gradient penalty, alternating": (x, a, c) => second(first(x, a, damped(c)), a, field),
  };

  function play(name, s) {
    const path = [s.at, s.at];
    for (let k = 1; k <= s.steps; k++) {
      path.push(STEP[name](path[k], s.rate, s.penalty, path[k - 1]));
    }
    return path.slice(1);
  }

  /* Of the matrix whose columns are the steps from (1, 0) and (0, 1). The optimistic rule looks
     back: its eigenvalues solve l^2 - (1 + 2ia) l + ia = 0, and the conjugate equation. */
  function eigenvalues(name, a, c) {
    if (name === "optimistic") {
      const part = 1 - 4 * a * a, root = Math.sqrt(Math.abs(part)) / 2;
      const upper = [root, -root].map((r) => part > 0 ? [0.5 + r, a] : [0.5, a + r]);
      const lower = upper.map(([re, im]) => [re, -im]);
      return upper.concat(lower).sort((x, y) => y[1] - x[1] || y[0] - x[0]);
    }
    const [p, q] = STEP[name]([1, 0], a, c), [r, t] = STEP[name]([0, 1], a, c), mean = (p + t) / 2;
    const part = ((p - t) / 2) ** 2 + q * r, root = Math.sqrt(Math.abs(part));
    return [root, -root].map((r) => part > 0 ? [mean + r, 0] : [mean, r]);
  }

  const modulus = ([x, y]) => Math.hypot(x, y);
  const largest = (values) => Math.max(...values.map(modulus));

  function verdict(values, a) {
    const excess = largest(values) - 1;
    if (a === 0) return "stays put";
    if (Math.abs(excess) > SLIGHT) return excess > 0 ? "leaves" : "comes home";
    const top = values.filter((value) => modulus(value) > 1 - SLIGHT);
    if (top[1] && modulus(add(top[0], -1, top[1])) < 1e-6) return "leaves"; // a Jordan block
    return top[0][1] ? "circles for ever" : "hops for ever";
  }

  /* Places in the pictures, and paths through them */
  const inPlane = ([d, g]) => [MIDDLE + SCALE * d, MIDDLE - SCALE * g];
  const within = (most) => ([d, g]) => Math.abs(d) <= most && Math.abs(g) <= most;
  const short = (place, digits) =>
    place.map((part) => Math.round(part * 10 ** digits) / 10 ** digits);
  const spots = (places, digits) => places.map((p) => `M${short(p, digits)}h0`).join("");
  const line = (places, digits) =>
    places.length ? "M" + places.map((place) => short(place, digits)).join("L") : "";
  const text = (value) => String(value).replace("-", "−");

  /* Free places for the rules' numbers: around the wished ones, or below each other. */
  const RING = [21, 40, 59].flatMap((r) => [6, 7, 5, 0, 4, 1, 3, 2].map((i) =>
    [r * Math.cos(i * Math.PI / 4), r * Math.sin(i * Math.PI / 4)]));
  function beside(wished, others, [width, height]) {
    const taken = others.concat(wished), free = ([x, y]) =>
      Math.min(x, y, width - x, height - y) >= 11
      && taken.every((other) => Math.hypot(other[0] - x, other[1] - y) >= 20.5);
    return wished.map(function (end) {
      const places = RING.map((shift) => add(end, 1, shift));
      taken.push(places.find(free) || places[0]);
      return taken[taken.length - 1];
    });
  }
  function belowEachOther(heights) {
    const tenth = (i) => +heights[i].toFixed(1), settled = heights.slice();
    const order = heights.map((_, i) => i).sort((i, k) => tenth(i) - tenth(k));
    let least = 11, most = 215;
    for (const i of order) least = (settled[i] = Math.max(settled[i], least)) + 21;
    for (const i of order.reverse()) most = (settled[i] = Math.min(settled[i], most)) - 21;
    return settled.map((y) => [RIGHT + 14, y]);
  }

  /* Five round numbers, from below `low` to above `high`. */
  function scale(low, high) {
    for (let i = 0; ; i++) {
      const unit = [1, 2, 5][i % 3] * 10 ** (Math.floor(i / 3) - 2);
      const least = Math.floor(low / unit + 1e-9);
      if ((least + 4) * unit >= high - 1e-9 * unit) {
        return [0, 1, 2, 3, 4].map((k) => +((least + k) * unit).toFixed(2));
      }
    }
  }

  function start(root) {
    const one = (selector) => root.querySelector(selector);
    const all = (selector) => Array.from(root.querySelectorAll(selector));
    const set = (element, name, value) => element.setAttribute(name, value);
    const plane = one(".portrait-plane"), handle = one(".handle"), form = one("form");
    const home = handle.dataset.at.split(" ").map(Number);
    const drawn = one("svg .badge").classList[0]; // the first rule that is not only in the table
    const rules = all("tbody tr").map(function (row, i) {
      const look = row.classList[0];
      if (!one("svg ." + look)) all("svg ." + drawn).forEach((part) => copy(part, look, i + 1));
      const parts = all("svg ." + look);
      const [line, dots, badge, trail, values, mark, norm, law, end] = parts;
      return { name: row.dataset.rule, tick: row.querySelector("input"), row, parts,
               line, dots, badge, trail, values, mark, norm, law, end };
    });
    let at = home, waiting = 0, timer = 0;

    function copy(part, look, number) {
      const other = part.parentNode.insertBefore(part.cloneNode(true), part);
      other.classList.replace(drawn, look);
      other.querySelectorAll("text").forEach((label) => { label.textContent = number; });
    }

    const number = (badges, places) =>
      badges.forEach((badge, i) => set(badge, "transform", `translate(${short(places[i], 1)})`));

    function drawPlane(shown) {
      const place = inPlane(at), [d, g] = at.map((part) => text(part.toFixed(2))), ends = [];
      set(handle, "transform", `translate(${short(place, 4)})`);
      set(handle, "aria-valuenow", at[0]);
      set(handle, "aria-valuetext", `d ${d}, g ${g}`);
      set(one(".flow"), "r", +(SCALE * modulus(at)).toFixed(2));
      one(".at").textContent = `start (${d}, ${g})`;
      shown.forEach(function (rule) {
        const seen = rule.path.filter(within(RADIUS)).map(inPlane);
        set(rule.line, "d", line(rule.path.filter(within(FAR)).map(inPlane), 1));
        set(rule.dots, "d", spots(seen, 4));
        ends.push(seen[seen.length - 1]);
      });
      number(shown.map((rule) => rule.badge), beside(ends, [place], [480, 480]));
    }

    function drawEigenvalues(s, shown) {
      const values = shown.flatMap((rule) => rule.eigenvalues), [x, y] = CENTRE;
      const most = (part) => Math.max(0, ...values.map((value) => Math.abs(value[part])));
      const unit = HALF[1] / Math.max(LEAST, 1.1 * most(1), 1.1 * most(0) * HALF[1] / HALF[0]);
      const place = ([re, im]) => [x + unit * re, y - unit * im];
      set(one(".circle"), "r", +unit.toFixed(8));
      set(one(".one"), "x", +(x + unit + 6).toFixed(1));
      set(one(".i"), "y", +(y - unit - 6).toFixed(1));
      shown.forEach(function (rule) {
        const rates = Array.from({ length: 23 }, (_, i) => i / 10);
        const trail = rates.flatMap((rate) => eigenvalues(rule.name, rate, s.penalty));
        set(rule.trail, "d", spots(trail.map(place), 1));
        set(rule.values, "d", spots(rule.eigenvalues.map(place), 6));
      });
      const ends = shown.map((rule) => place(rule.eigenvalues[0]));
      number(shown.map((rule) => rule.mark), beside(ends, [], [360, 254]));
    }

    function drawNorms(s, shown) {
      shown.forEach(function (rule) {
        const logs = rule.path.map((x) => Math.log10(modulus(x) / modulus(at)));
        rule.logs = logs.slice(0, logs.concat(NaN).findIndex((value) => !isFinite(value)));
        const radius = largest(rule.eigenvalues);
        rule.ends = radius > SLIGHT ? [0, s.steps * Math.log10(radius)] : [0];
      });
      const seen = [0].concat(...shown.map((rule) => rule.logs.concat(rule.ends)));
      const ticks = scale(Math.min(...seen), Math.max(...seen));
      const unit = (BOTTOM - TOP) / (ticks[4] - ticks[0]);
      const place = (value, k) =>
        [LEFT + (RIGHT - LEFT) * k / s.steps, BOTTOM - unit * (value - ticks[0])];
      all(".tick").forEach((element, i) => { element.textContent = text(ticks[i]); });
      set(one(".zero"), "d", line([place(0, 0), place(0, s.steps)], 2));
      one(".last").textContent = s.steps;
      const heights = shown.map(function (rule) {
        const places = rule.logs.map(place), end = places[places.length - 1];
        set(rule.norm, "d", line(places, 5));
        set(rule.law, "d", line(rule.ends.map((value, i) => place(value, i * s.steps)), 5));
        return end ? end[1] : BOTTOM;
      });
      number(shown.map((rule) => rule.end), belowEachOther(heights));
    }

    function say(s, shown) {
      const verdicts = Array.from(new Set(shown.map((rule) => rule.verdict))).map((word) =>
        ` ${word[0].toUpperCase() + word.slice(1)}: `
        + shown.filter((rule) => rule.verdict === word).map((rule) => rule.name).join("; ") + ".");
      const [d, g] = at.map((part) => text(part.toFixed(2)));
      one("[role=status]").textContent = `Start (${d}, ${g}), `
        + `learning rate ${s.rate.toFixed(2)}, penalty ${s.penalty.toFixed(2)}, ${s.steps} steps.`
        + verdicts.join("") + (modulus(at) ? "" : " The start is the equilibrium: no rule moves.");
    }

    function draw() {
      const value = (name) => form[name] ? +form[name].value : 0;
      const s = { at, rate: value("rate"), penalty: value("penalty"), steps: value("steps") };
      rules.forEach(function (rule) {
        const on = rule.tick.checked;
        rule.parts.forEach((part) => part.toggleAttribute("hidden", !on));
        rule.row.classList.toggle("on", on);
        rule.path = on && play(rule.name, s);
        rule.eigenvalues = on && eigenvalues(rule.name, s.rate, s.penalty);
        rule.verdict = on && verdict(rule.eigenvalues, s.rate);
        rule.row.cells[1].textContent = on ? largest(rule.eigenvalues).toFixed(5) : "";
        rule.row.cells[2].textContent = rule.verdict || "";
      });
      const shown = rules.filter((rule) => rule.path);
      const used = shown.some((rule) => "penalty" in rule.row.dataset);
      if (form.penalty) form.penalty.disabled = !used;
      all("output").forEach(function (output) {
        const input = output.previousElementSibling;
        output.textContent = (+input.value).toFixed(input.name === "steps" ? 0 : 2);
      });
      drawPlane(shown);
      drawEigenvalues(s, shown);
      drawNorms(s, shown);
      waiting = 0;
      clearTimeout(timer); // a reader of screens hears where it comes to rest, not every frame
      if (root.dataset.live === "moved") timer = setTimeout(() => say(s, shown), PAUSE);
    }

    function change() {
      root.dataset.live = "moved";
      waiting = waiting || requestAnimationFrame(draw);
    }

    function moveTo(place) {
      at = place.map((part) => Math.round(100 * Math.max(-RADIUS, Math.min(RADIUS, part))) / 100);
      change();
    }

    /* A mouse moves the start from anywhere. A finger drags its handle; elsewhere it scrolls the
       page, and a tap moves the start. */
    let grip = null, tapped = false;
    function pointed(event) {
      const box = plane.getBoundingClientRect(), unit = box.width / (2 * RADIUS);
      const [right, down] = [event.clientX - box.left, event.clientY - box.top];
      return [right / unit - RADIUS, RADIUS - down / unit];
    }
    plane.addEventListener("pointerdown", function (event) {
      if (!event.isPrimary || event.button !== 0) return;
      const held = handle.contains(event.target), point = pointed(event);
      tapped = event.pointerType === "touch" && !held;
      if (tapped) return;
      event.preventDefault();
      handle.focus({ preventScroll: true });
      plane.setPointerCapture(event.pointerId);
      grip = held ? add(at, -1, point) : [0, 0];
      if (!held) moveTo(point);
    });
    plane.addEventListener("pointermove", function (event) {
      if (grip && event.isPrimary) moveTo(add(pointed(event), 1, grip));
    });
    plane.addEventListener("touchstart", function (event) {
      if (handle.contains(event.target)) event.preventDefault(); // the page stays where it is
    }, { passive: false });
    for (const end of ["pointerup", "pointercancel"]) {
      plane.addEventListener(end, () => { grip = null; });
    }
    plane.addEventListener("click", function (event) {
      if (tapped) moveTo(pointed(event));
      tapped = false;
    });
    handle.addEventListener("keydown", function (event) {
      const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (event.key in ways) moveTo(add(at, event.shiftKey ? 0.5 : 0.05, ways[event.key]));
      else if (event.key === "Home") { at = home; change(); }
      else return;
      event.preventDefault();
    });
    root.addEventListener("keydown", (event) => event.stopPropagation()); // JupyterLab takes them
    root.addEventListener("input", change);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    root.dataset.live = "still";
    draw();
  }

  document.querySelectorAll(".portrait:not([data-live])").forEach(start);
})();
