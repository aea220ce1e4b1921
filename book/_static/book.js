// What the pages do beside figures: derivations step by step, definitions of words, and the
// ledger's filters. Without this script every reason is shown and every row is there.

// Lines of code that a row of a derivation names in its class, such as code-3-4
const namedLines = (row) => {
  const name = [...row.classList].find((word) => /^code-\d+-\d+$/.test(word));
  return name ? name.split("-").slice(1).map(Number) : null;
};

const showLines = (row, shown) => {
  const code = row.closest(".cell")?.querySelector(".cell_input pre");
  const lines = namedLines(row);
  if (!code || !lines) return;
  let band = code.querySelector(".step-band");
  if (!band) {
    band = document.createElement("span");
    band.className = "step-band";
    band.setAttribute("aria-hidden", "true");
    code.append(band);
  }
  const style = getComputedStyle(code);
  const height = parseFloat(style.lineHeight);
  band.hidden = !shown;
  band.style.top = `${parseFloat(style.paddingTop) + (lines[0] - 1) * height}px`;
  band.style.height = `${(lines[1] - lines[0] + 1) * height}px`;
  row.classList.toggle("current-step", shown);
};

// A table or formula that is wider than its box can be scrolled with the arrow keys too.
const reachByKeys = (part) => {
  const boxes = part.querySelectorAll(".pst-scrollable-table-container, div.math, mjx-container");
  for (const box of boxes) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
};

// A button in place of a reason, which shows it
const foldReason = (row) => {
  const cell = row.lastElementChild;
  if (!cell.textContent.trim()) return null;
  const reason = document.createElement("div");
  reason.className = "reason";
  reason.append(...cell.childNodes);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "why";
  const line = row.firstElementChild.textContent.trim();
  const unfold = (open) => {
    reason.hidden = !open;
    if (open) reachByKeys(reason);
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "hide" : "why?";
    button.setAttribute("aria-label", `${open ? "hide the reason" : "why"}, line ${line}`);
  };
  button.addEventListener("click", () => unfold(reason.hidden));
  cell.append(button, reason);
  unfold(false);
  return unfold;
};

const stepThrough = (table) => {
  const rows = [...table.tBodies[0].rows];
  const folds = rows.map(foldReason).filter(Boolean);
  const all = document.createElement("button");
  all.type = "button";
  all.className = "why";
  all.textContent = "show all";
  all.addEventListener("click", () => {
    const open = all.textContent === "show all";
    folds.forEach((unfold) => unfold(open));
    all.textContent = open ? "hide all" : "show all";
  });
  table.tHead.rows[0].lastElementChild.append(" ", all);
  for (const row of rows) {
    row.addEventListener("pointerenter", () => showLines(row, true));
    row.addEventListener("pointerleave", () => showLines(row, false));
    row.addEventListener("focusin", () => showLines(row, true));
    row.addEventListener("focusout", () => showLines(row, false));
  }
};

// The ledger: only one chapter's claims, or those with a word in their statement
const filterLedger = (table) => {
  const rows = [...table.tBodies[0].rows];
  const chapterOf = (row) => row.cells[0].textContent.trim().split(".")[0];
  const form = document.createElement("form");
  form.className = "ledger-filter";
  form.setAttribute("role", "search");
  const chapters = [...new Set(rows.map(chapterOf))];
  form.innerHTML =
    `<label>Chapter <select><option value="">all</option>${chapters
      .map((name) => `<option>${name}</option>`)
      .join("")}</select></label>` +
    '<label>Statement has <input type="search" placeholder="a word"></label>' +
    '<output aria-live="polite"></output>';
  const [chapter, word, count] = form.elements;
  const apply = () => {
    const wanted = word.value.trim().toLowerCase();
    for (const row of rows) {
      const text = `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase();
      row.hidden = (chapter.value && chapter.value !== chapterOf(row)) || !text.includes(wanted);
    }
    count.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  table.closest(".pst-scrollable-table-container").before(form);
  apply();
};

// A glossary word: its definition beside it, for pointer and keyboard; Escape puts it away
const defineWord = (link, number) => {
  const tip = document.createElement("span");
  tip.className = "definition";
  tip.id = `definition-${number}`;
  tip.setAttribute("role", "tooltip");
  tip.textContent = link.title;
  tip.hidden = true;
  link.removeAttribute("title");
  link.setAttribute("aria-describedby", tip.id);
  link.after(tip);
  const show = () => {
    tip.hidden = false;
    const room = document.documentElement.clientWidth - 12;
    tip.style.left = "0px";
    const { left, bottom } = link.getBoundingClientRect();
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.min(left, room - box.width) - box.left}px`;
    tip.style.top = "0px";
    tip.style.top = `${bottom + 4 - tip.getBoundingClientRect().top}px`;
  };
  const hide = () => (tip.hidden = true);
  link.addEventListener("pointerenter", show);
  link.addEventListener("focus", show);
  link.addEventListener("pointerleave", hide);
  link.addEventListener("blur", hide);
  link.addEventListener("keydown", (event) => event.key === "Escape" && hide());
};

// Lecture mode, if the address asks for it; its files are beside this one
const here = document.currentScript.src;
const beginLecture = () => {
  for (const name of ["reveal.css", "lecture.css", "reveal.js", "lecture.js"]) {
    const isStyle = name.endsWith(".css");
    const part = document.createElement(isStyle ? "link" : "script");
    part[isStyle ? "href" : "src"] = here.replace(/book\.js.*/, `lecture/${name}`);
    if (isStyle) part.rel = "stylesheet";
    else part.async = false; // one after the other
    document.head.append(part);
  }
};

// This page goes where the slides of the same page are that another window shows
const followLecture = () => {
  const blocks = document.querySelectorAll("article section > *"); // numbered as in lecture.js
  const channel = new BroadcastChannel(`lecture ${location.pathname}`);
  channel.onmessage = ({ data }) => {
    blocks.forEach((block, number) => block.classList.toggle("shown-in-lecture", number === data));
    blocks[data]?.scrollIntoView({ block: "center" });
  };
};

// What the search quotes of a page: a formula's letters once, without its TeX
const quoteFormulasOnce = () => {
  const textOf = Search.htmlToText;
  Search.htmlToText = (page, anchor) =>
    textOf(page.replace(/<annotation\b.*?<\/annotation>/gs, ""), anchor);
};

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search !== "undefined") quoteFormulasOnce(); // this is the search's own page
  document.querySelectorAll("a.term[title]").forEach(defineWord);
  const foldReasons = (part) => part.querySelectorAll("table.derivation").forEach(stepThrough);
  foldReasons(document);
  document.addEventListener("output", (event) => foldReasons(event.target)); // of live code
  document.querySelectorAll("table.ledger").forEach(filterLedger);
  const reachAll = () => reachByKeys(document);
  reachAll();
  document.fonts.ready.then(reachAll); // letters of another font are wider
  window.addEventListener("resize", reachAll);
  document.addEventListener("toggle", (event) => reachByKeys(event.target), true); // unfolded
  const slides = new URLSearchParams(location.search).has("lecture");
  if (document.querySelector("article .cell")) slides ? beginLecture() : followLecture();
});
