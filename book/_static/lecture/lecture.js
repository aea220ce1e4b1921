// Lecture mode: the page's own blocks as slides, shown by reveal.js. `?lecture` in a chapter's
// address starts it. Slides take headings, claims, questions, formulas, visible code, results and
// figures; the sentences between them are the lecturer's to say. A result waits for a key, and a
// derivation goes line by line. The same page in another window follows (see book.js).

(() => {
  const SIZE = { width: 1280, height: 720 };
  const ROOM = { width: 1120, height: 596 }; // of a slide below its title
  const LARGEST = 1.5; // of figures, which are drawn for a page
  const READABLE = 0.8; // code, its results and what leads to them share a slide down to this size
  const SMALLEST = 0.6; // what is too high at this size can be scrolled
  const FIGURES = ["740px", "960px", "1120px"]; // widths to try
  const WIDE = "pre, table, div.math, mjx-container";

  const make = (name, classes, ...content) => {
    const element = document.createElement(name);
    element.className = classes;
    element.append(...content);
    return element;
  };

  // Which blocks of a page are shown

  const isPrediction = (block) =>
    /\b(Predict|Guess)\b/i.test(block.querySelector("strong")?.textContent);
  const isAsked = (words) =>
    words.querySelector("strong") || words.firstChild?.nodeName === "EM" ||
    words.matches("h2 + p, h3 + p") || /\?(\s|$)/.test(words.textContent);
  const visibleCode = (cell) => cell.querySelector(":scope > .cell_input");
  const isAnswer = (cell) => /\bcheck_answer\(/.test(visibleCode(cell)?.textContent);
  const isShown = (block) => {
    if (block.matches(".cell")) {
      return !isAnswer(block) && (visibleCode(block) || block.querySelector(".cell_output"));
    }
    if (block.matches("p:not(.facts, [id^=claim-]), ul, ol")) return isAsked(block);
    return !block.matches("section, details, .facts, a, span");
  };

  // A piece is what must stand together

  const results = (cell) => {
    const found = [];
    for (const part of [...(cell.querySelector(".cell_output")?.children ?? [])]) {
      const title = part.previousElementSibling;
      if (title?.matches("p")) {
        const box = make("div", "result");
        title.before(box);
        box.append(title, part);
        found.splice(-1, 1, box);
      } else found.push(part);
    }
    return found;
  };

  const piecesOfCell = (cell, stage) => {
    const parts = results(cell);
    const waiting = visibleCode(cell) ? parts : parts.slice(1);
    waiting.forEach((part) => part.classList.add("fragment"));
    if (stage.fit(cell).zoom >= READABLE) return [cell];
    const alone = (part) => make("div", "cell", make("div", "cell_output", part));
    const split = parts.map(alone);
    return visibleCode(cell) ? [cell, ...split] : split;
  };

  const firstWaiting = (piece) => piece.querySelector(".cell_output > .fragment");
  const piecesOf = (block, stage) => (block.matches(".cell") ? piecesOfCell(block, stage) : [block]);

  // A stage is where a piece is measured: how large it can be, and how high it is then

  const stageIn = (slides) => {
    const room = make("section", "bd-article stage");
    slides.append(room);
    const sizeAt = (box, width) => {
      box.style.width = width;
      const picture = box.querySelector(".explore, figure.align-default");
      const widths = [...box.querySelectorAll(WIDE)].map((part) => part.scrollWidth);
      const widest = picture ? picture.offsetWidth : Math.max(1, ...widths);
      const fits = Math.min(ROOM.width / widest, ROOM.height / box.offsetHeight);
      const zoom = Math.min(picture ? LARGEST : 1, fits);
      const scrolls = zoom < SMALLEST;
      const height = Math.min(ROOM.height, box.offsetHeight * (scrolls ? 1 : zoom));
      return { box, width, zoom, scrolls, height };
    };
    const fit = (piece) => {
      const box = make("div", "piece", piece);
      room.append(box);
      const isFigure = box.querySelector(".explore"); // which has one column or two
      const sizes = (isFigure ? FIGURES : [""]).map((width) => sizeAt(box, width));
      const best = sizes.reduce((best, other) => (other.zoom > best.zoom ? other : best));
      box.style.width = best.width;
      return best;
    };
    return { fit, remove: () => room.remove() };
  };

  const slideOf = (heading, number, continued) => {
    const title = heading.cloneNode(true);
    title.removeAttribute("id");
    title.querySelector(".headerlink")?.remove();
    title.classList.toggle("continued", continued);
    const slide = make("section", "bd-article", title);
    slide.dataset.block = number;
    return slide;
  };

  // Slides of the whole page: a heading begins one, and what no longer fits
  const slidesOf = (blocks, stage) => {
    const slides = [];
    let heading = null, used = 0, begins = true, waits = false;
    const add = (piece, number) => {
      const { box, zoom, scrolls, height } = stage.fit(piece);
      const shrunk = piece.matches(".cell") ? Math.min(1, (ROOM.height - used) / height) : 1;
      const isNew = begins || used + height * shrunk > ROOM.height || zoom * shrunk < READABLE;
      if (isNew) {
        slides.push(slideOf(heading, number, !begins));
        [begins, used] = [false, 0];
        if (!visibleCode(piece)) firstWaiting(piece)?.classList.remove("fragment"); // it has waited
      } else if (waits && !box.querySelector(".explore")) box.classList.add("fragment");
      box.style.zoom = scrolls ? 1 : isNew ? zoom : zoom * shrunk;
      if (scrolls) [box.tabIndex, box.className] = [0, "piece scrolls"];
      used += isNew ? height : height * shrunk;
      slides.at(-1).append(box);
    };
    const shown = new Set(blocks.filter(isShown));
    blocks.forEach((block, number) => {
      if (/^H[1-3]$/.test(block.tagName)) {
        [heading, begins, waits] = [block, true, false];
      } else if (shown.has(block)) {
        piecesOf(block, stage).forEach((piece) => add(piece, number));
        waits = isPrediction(block);
      }
    });
    return slides;
  };

  // A derivation: one line after the other with its reason, and the code that evaluates it
  const takeSteps = (table) => {
    table.querySelector("thead .why").click(); // "show all"
    [...table.tBodies[0].rows].slice(1).forEach((row) => row.classList.add("fragment"));
  };

  // Keys belong to the slides again as soon as a figure was used with the pointer
  const giveBackKeys = (event) => {
    if (event.target.closest("form")) setTimeout(() => document.activeElement.blur());
  };

  const begin = () => {
    const article = document.querySelector("article.bd-article");
    const blocks = [...article.querySelectorAll("section > *")];
    const anchors = blocks.map((block) => block.closest("section").id);
    article.querySelectorAll("table.derivation").forEach(takeSteps);
    for (const figure of article.querySelectorAll(".explore")) figure.dataset.preventSwipe = "";
    document.documentElement.classList.add("lecture");

    const out = make("button", "leave", "Leave the lecture");
    const slides = make("div", "slides");
    const deck = make("div", "reveal", slides, out);
    document.body.append(deck);
    const stage = stageIn(slides);
    const made = slidesOf(blocks, stage);
    stage.remove();
    slides.append(...made);
    deck.addEventListener("pointerup", giveBackKeys);

    const reveal = new Reveal(deck, {
      ...SIZE, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none",
      controlsTutorial: false, scrollActivationWidth: null,
    });
    const current = () => Number(reveal.getCurrentSlide().dataset.block);
    out.addEventListener("click", () => location.assign(`${location.pathname}#${anchors[current()]}`));
    const followers = new BroadcastChannel(`lecture ${location.pathname}`);
    const tell = () => followers.postMessage(current());
    reveal.on("slidechanged", tell);
    for (const [happens, pointer] of [["shown", "pointerenter"], ["hidden", "pointerleave"]]) {
      reveal.on(`fragment${happens}`, ({ fragment }) => fragment.dispatchEvent(new Event(pointer)));
    }
    reveal.initialize().then(tell);
  };

  document.fonts.ready.then(begin);
})();
