/* Code that can be edited where it stands: a text field, see-through, over its coloured copy. */
(function () {
  "use strict";
  const KEYWORDS = "and|as|assert|async|await|break|case|class|continue|def|del|elif|else|" +
    "except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|" +
    "return|try|while|with|yield";
  const BUILT_IN = "abs|all|any|bool|dict|enumerate|filter|float|frozenset|getattr|int|" +
    "isinstance|len|list|map|max|min|next|print|range|repr|reversed|round|set|sorted|str|sum|" +
    "super|tuple|type|zip";
  const LETTER = "\\p{L}\\p{N}_", NAME = `[\\p{L}_][${LETTER}]*`; // Greek is welcome
  /* Kinds of token, by the names that the page's style sheet has for them */
  const TOKENS = new RegExp([
    "(?<c1>#.*)",
    "(?<s2>\\b[rbfuRBFU]{0,2}(?:'''[^]*?(?:'''|$)|\"\"\"[^]*?(?:\"\"\"|$))|" +
      "\\b[rbfuRBFU]{0,2}(?:'(?:\\\\.|[^'\\\\\\n])*'?|\"(?:\\\\.|[^\"\\\\\\n])*\"?)|" +
      "'''[^]*?(?:'''|$)|\"\"\"[^]*?(?:\"\"\"|$)|" +
      "'(?:\\\\.|[^'\\\\\\n])*'?|\"(?:\\\\.|[^\"\\\\\\n])*\"?)",
    `(?<nf>(?<=\\b(?:def|class)\\s+)${NAME})`,
    `(?<k>\\b(?:${KEYWORDS})\\b)`,
    "(?<kc>\\b(?:True|False|None)\\b)",
    `(?<nb>(?<![.${LETTER}])(?:${BUILT_IN})(?![${LETTER}]))`,
    `(?<mi>(?<![${LETTER}])(?:0[xob][\\da-fA-F_]+|(?:\\d[\\d_]*\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?j?))`,
    `(?<n>${NAME})`,
    "(?<o>[-+*/%@=<>!&|^~]+)",
  ].join("|"), "gu");
  const INDENT = "    ";

  function escaped(text) {
    return text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
  }

  /* Python as HTML, in the classes of the page's own code. */
  function coloured(code) {
    let made = "", end = 0;
    for (const found of code.matchAll(TOKENS)) {
      const kind = Object.keys(found.groups).find((name) => found.groups[name] !== undefined);
      made += escaped(code.slice(end, found.index));
      made += `<span class="${kind}">${escaped(found[0])}</span>`;
      end = found.index + found[0].length;
    }
    return made + escaped(code.slice(end));
  }

  /* Put text in place of the selection, so that the browser can undo it. */
  function type(field, text) {
    if (!document.execCommand("insertText", false, text)) {
      field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input"));
    }
  }

  /* A new line begins where the last one did, and further in after a colon. */
  function breakLine(field) {
    const line = field.value.slice(0, field.selectionStart).split("\n").pop();
    type(field, "\n" + line.match(/^ */)[0] + (/:\s*(#.*)?$/.test(line) ? INDENT : ""));
  }

  /* Move the lines of the selection in or out. */
  function indent(field, out) {
    const start = field.value.lastIndexOf("\n", field.selectionStart - 1) + 1;
    const next = field.value.indexOf("\n", field.selectionEnd);
    const end = next < 0 ? field.value.length : next;
    const moved = field.value.slice(start, end)
      .replace(/^.*$/gm, (line) => (out ? line.replace(/^ {1,4}/, "") : line && INDENT + line));
    field.setSelectionRange(start, end);
    type(field, moved);
    field.setSelectionRange(start, start + moved.length);
  }

  /* Make a block of code editable. Tab leaves it, as it leaves any field; ctrl and a bracket
     indent. `run` is called on Shift+Enter, `changed` after every edit. */
  function editor(pre, code, label, run, changed) {
    const box = document.createElement("div"), field = document.createElement("textarea");
    box.className = "live-editor";
    pre.replaceWith(box);
    box.append(pre, field);
    pre.setAttribute("aria-hidden", "true");
    field.value = code;
    field.spellcheck = false;
    field.rows = 1;
    const plain = { autocapitalize: "off", autocomplete: "off", autocorrect: "off", wrap: "off" };
    Object.entries({ "aria-label": label, ...plain })
      .forEach(([name, value]) => field.setAttribute(name, value));

    field.addEventListener("input", function () {
      pre.innerHTML = coloured(field.value) + "\n"; // a last empty line has a height with it
      changed();
    });
    field.addEventListener("keydown", function (event) {
      const control = event.ctrlKey || event.metaKey;
      if (event.key === "Enter" && (event.shiftKey || control)) run();
      else if (event.key === "Enter" && !event.altKey && !event.isComposing) breakLine(field);
      else if (control && /^[\][]$/.test(event.key)) indent(field, event.key === "[");
      else {
        event.stopPropagation(); // the page turns over on arrow keys, and searches on others
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    return {
      code: () => field.value,
      set: function (text) {
        field.value = text;
        field.dispatchEvent(new Event("input"));
      },
    };
  }

  Object.assign(window.lineByLine, { coloured: coloured, editor: editor, escaped: escaped });
})();
