/* What a cell shows: texts, tables, formulas, pictures, figures with controls, errors. */
(function () {
  "use strict";
  const book = window.lineByLine;
  const LONGEST = 100000; // characters of printed text that are kept: the last ones
  const CODES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b[@-Z\\-_]/g; // colours and the like

  function element(name, classes, content) {
    const made = document.createElement(name);
    made.className = classes;
    if (content !== undefined) made.innerHTML = content;
    return made;
  }

  function math(tex) { return `<span class="math notranslate nohighlight">\\(${tex}\\)</span>`; }

  function display(tex) { return `<div class="math notranslate nohighlight">\\[${tex}\\]</div>`; }

  /* Code, formulas and escaped signs are put aside, so that no star or bar in them counts. */
  function inline(text) {
    const aside = [];
    const keep = (html) => `\u0000${aside.push(html) - 1}\u0000`;
    return text
      .replace(/(`+)(.+?)\1/g, (_, ticks, code) => keep(
        `<code>${book.escaped(code.trim())}</code>`))
      .replace(/\$\$(.+?)\$\$|\$([^$]+?)\$/g, (_, block, tex) => keep(
        block ? display(book.escaped(block)) : math(book.escaped(tex))))
      .replace(/\\([!-/:-@[-`{-~])/g, (_, sign) => keep(book.escaped(sign)))
      .replace(/\*\*(.+?)\*\*/g, "<strong>$1</strong>")
      .replace(/\*(\S|\S.*?\S)\*/g, "<em>$1</em>")
      .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, '<a href="$2">$1</a>')
      .replace(/\u0000(\d+)\u0000/g, (_, place) => aside[place]);
  }

  function cellsOf(row) {
    const cells = row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/);
    return cells.map((cell) => inline(cell.trim()));
  }

  function table(rows) {
    const [head, , ...body] = rows.map(cellsOf);
    const row = (cells, name) =>
      `<tr>${cells.map((cell) => `<${name}>${cell}</${name}>`).join("")}</tr>`;
    const kind = head[0] === "line" ? "table derivation" : "table";
    return `<div class="pst-scrollable-table-container"><table class="${kind}"><thead>` +
      `${row(head, "th")}</thead><tbody>${body.map((cells) => row(cells, "td")).join("")}` +
      "</tbody></table></div>";
  }

  function fence(lines) {
    const language = lines[0].replace(/^`+/, "").trim();
    const code = lines.slice(1).join("\n");
    const shown = language === "python" ? book.coloured(code) : book.escaped(code);
    return `<div class="highlight-python notranslate"><div class="highlight"><pre>${shown}</pre>` +
      "</div></div>";
  }

  function list(lines) {
    const name = /^\d/.test(lines[0]) ? "ol" : "ul";
    const items = lines.map((line) => `<li>${inline(line.replace(/^([-*]|\d+\.)\s+/, ""))}</li>`);
    return `<${name}>${items.join("")}</${name}>`;
  }

  function heading(line) {
    const [, signs, text] = line.match(/^(#+)\s+(.*)$/);
    return `<p role="heading" aria-level="${signs.length}"><strong>${inline(text)}</strong></p>`;
  }

  /* The kinds of block that helpers and chapters write: what one begins with, and its HTML. */
  const BLOCKS = [
    { begin: /^```/, end: /^```\s*$/, make: fence },
    { begin: /^\$\$\s*$/, end: /^\$\$\s*$/,
      make: (lines) => display(book.escaped(lines.slice(1).join("\n"))) },
    { begin: /^\|/, make: table },
    { begin: /^#+\s/, make: (lines) => lines.map(heading).join("") },
    { begin: /^([-*]|\d+\.)\s/, make: list },
    { begin: /^\S/, make: (lines) => `<p>${inline(lines.join("\n"))}</p>` },
  ];

  /* Markdown as HTML: the part of it that the book's outputs use. */
  function markdown(text) {
    const lines = text.split("\n"), kind = (line) => BLOCKS.find((b) => b.begin.test(line));
    let made = "";
    while (lines.length) {
      const line = lines.shift(), block = kind(line.trim()), own = [line.trim()];
      if (!block) continue;
      if (block.end) {
        while (lines.length && !block.end.test(lines[0])) own.push(lines.shift());
        lines.shift();
      } else {
        while (lines.length && kind(lines[0].trim()) === block) own.push(lines.shift().trim());
      }
      made += block.make(own);
    }
    return made;
  }

  function preformatted(classes, text) {
    return element("div", `output ${classes} notranslate`,
      `<div class="highlight"><pre tabindex="0">${book.escaped(text)}</pre></div>`);
  }

  /* What a terminal would show: no codes, and only what follows the last return in a line. */
  function settled(text) {
    return text.replace(CODES, "").replace(/\r+\n/g, "\n")
      .replace(/^.*\r(?=[^\n])/gm, "").replace(/\r/g, "");
  }

  function picture(data, type, frame, edited) {
    const figure = frame ? frame.cloneNode(true)
      : element("div", "output image_png", "<img alt=''>");
    const image = figure.querySelector("img");
    image.src = `data:${type};base64,${data.replace(/\s/g, "")}`;
    if (!frame) image.alt = "Picture that the code above draws";
    else if (edited) image.alt = `Picture of changed code. Before the change: ${image.alt}`;
    return figure;
  }

  function latex(text) {
    return display(book.escaped(text.trim().replace(/^\$+(?:\\displaystyle)?|\$+$/g, "")));
  }

  /* A message's content in the best form that the page can show; `frame` is the figure with the
     caption that stood in this place. */
  function best(data, frame, edited) {
    const has = (type) => data[type] !== undefined;
    if (has("text/html")) return element("div", "output text_html", data["text/html"]);
    if (has("text/markdown")) {
      return element("div", "output text_markdown", markdown(data["text/markdown"]));
    }
    if (has("image/svg+xml")) return element("div", "output image_svg", data["image/svg+xml"]);
    for (const type of ["image/png", "image/jpeg"]) {
      if (has(type)) return picture(data[type], type, frame, edited);
    }
    if (has("text/latex")) return element("div", "output text_latex", latex(data["text/latex"]));
    return preformatted("text_plain highlight-myst-ansi", data["text/plain"] || "");
  }

  /* Scripts that came as text do not run; copies of them do. */
  function revive(part) {
    part.querySelectorAll("script").forEach(function (script) {
      const copy = document.createElement("script");
      Array.from(script.attributes).forEach((a) => copy.setAttribute(a.name, a.value));
      copy.textContent = script.textContent;
      script.replaceWith(copy);
    });
  }

  function typeset(part) {
    const formulas = Array.from(part.querySelectorAll(".math"));
    if (!formulas.length) return;
    const start = MathJax.startup;
    start.promise = start.promise.then(() => MathJax.typesetPromise(formulas));
  }

  /* What a part needs once it stands in the page; book.js hears of it too. */
  function finish(part) {
    revive(part);
    part.dispatchEvent(new Event("output", { bubbles: true }));
    typeset(part);
  }

  function errorText(content) {
    const text = settled((content.traceback || []).join("\n"));
    return text || `${content.ename}: ${content.evalue}`;
  }

  /* The outputs of one run of a cell, in `box`. What the box shows stays until there is something
     new, so that the page does not jump; `frames` are the figures of the page as it was built. */
  function outputs(box, frames, edited) {
    const named = new Map();
    let stream = null, old = true, pictures = 0;

    function clear() {
      if (old) MathJax.typesetClear([box]);
      box.replaceChildren();
      old = false;
      stream = null;
    }

    function put(part) {
      if (old) clear();
      stream = null;
      box.append(part);
      finish(part);
      return part;
    }

    function print(name, text) {
      if (!stream || stream.name !== name) {
        const part = put(preformatted(`${name === "stderr" ? "stderr" : "stream"} ` +
          "highlight-myst-ansi", ""));
        stream = { name: name, text: "", pre: part.querySelector("pre") };
      }
      stream.text = (stream.text + text).slice(-LONGEST);
      stream.pre.textContent = settled(stream.text);
    }

    function show(content, again) {
      const id = (content.transient || {}).display_id, last = id && named.get(id);
      if (again && !last) return;
      const frame = content.data["text/html"] === undefined && frames[pictures];
      const part = best(content.data, frame || null, edited);
      if (part.tagName === "FIGURE") pictures += 1;
      if (last && last.isConnected) {
        last.replaceWith(part);
        finish(part);
      } else put(part);
      if (id) named.set(id, part);
    }

    return {
      take: function (message) {
        const type = message.header.msg_type, content = message.content;
        if (type === "stream") print(content.name, content.text);
        else if (type === "error") {
          put(preformatted("traceback highlight-ipythontb", errorText(content)));
        } else if (type === "clear_output") {
          if (content.wait) old = true; else clear();
        } else if (content.data) show(content, type === "update_display_data");
      },
      note: (text) => put(element("p", "live-note", book.escaped(text))),
      finish: function () { if (old) clear(); },
    };
  }

  Object.assign(window.lineByLine, { markdown: markdown, outputs: outputs });
})();
