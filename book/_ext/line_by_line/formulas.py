"""Formulas are set when the book is built, by MathJax in an engine that Python brings along.

A page then needs no script to show them: nothing moves while it loads, and they stand there
without JavaScript too. What MathJax refuses is a warning of the build. Each formula carries MathML
for screen readers, with its TeX.
"""

import atexit
import functools
import html
import re
from importlib.metadata import distribution
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

STYLE_SHEET = "formulas.css"
FONTS = "mathjax/output/chtml/fonts/woff-v2"  # seen from the style sheet
SIZE = 1.195  # the letters of MathJax's font become as high as those of the text
NAME = re.compile(r' id="[^"]*"')  # a numbered formula's: the drawn one has it too
OPENING = re.compile(r"[(\[“‘]+$")
CLOSING = re.compile(r"[.,;:!?)\]”’]+")
# Parts of MathJax that work without a page, in the order in which they need each other
PARTS = (
    "loader.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
)
BEFORE = "globalThis.window = globalThis; globalThis.MathJax = {loader: {load: []}};"
SETTER = """
const part = MathJax._, page = part.adaptors.liteAdaptor.liteAdaptor();
part.handlers.html_ts.RegisterHTMLHandler(page);
const look = {fontURL: FONTS, scale: SIZE, adaptiveCSS: false, matchFontHeight: false};
const refuse = (_, error) => { throw Error(error.message); };
const paper = part.mathjax.mathjax.document("", {
  InputJax: new part.input.tex_ts.TeX({
    packages: ["base", "ams", "newcommand", "boldsymbol"], formatError: refuse,
  }),
  OutputJax: new part.output.chtml_ts.CHTML({
    ...look, font: new part.output.chtml.fonts.tex_ts.TeXFont(look),
  }),
});
const marks = new part.core.MmlTree.SerializedMmlVisitor.SerializedMmlVisitor();
const drawn = (tex, display) => page.outerHTML(paper.convert(tex, {
  display, em: 16, ex: 7.2, containerWidth: 736, end: part.core.MathItem.STATE.LAST }));
const spoken = (tex, display) => marks.visitTree(
  paper.convert(tex, { display, end: part.core.MathItem.STATE.CONVERT }));
const both = (tex, display) => [drawn(tex, display), spoken(tex, display)];
const rules = () => page.textContent(paper.outputJax.styleSheet(paper));
"""


def mathjax() -> Path:
    """The folder of MathJax's files, which come as a Python package."""
    return Path(
        distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline"),
        "static/mathjax",
    )


@functools.cache
def engine() -> MiniRacer:
    """JavaScript with MathJax in it, started at the first formula."""
    context = MiniRacer()
    atexit.register(context.close)  # Python would wait for its threads for ever
    context.eval(BEFORE)
    for part in PARTS:
        context.eval((mathjax() / part).read_text("utf8"))
    context.eval(f"const FONTS = {FONTS!r}, SIZE = {SIZE};{SETTER}")
    return context


@functools.cache
def set_formula(tex: str, display: bool = False) -> str:
    """HTML of one formula.

    Raises:
        ValueError: MathJax does not understand it.
    """
    try:
        drawn, spoken = engine().call("both", tex, display)
    except JSEvalException as error:
        reason = str(error).partition("Error: ")[2].split("\n")[0]
        raise ValueError(
            f"a formula that MathJax understands was needed; {reason}: {tex}"
        ) from None
    return with_mathml(drawn, spoken, tex)


def with_mathml(drawn: str, spoken: str, tex: str) -> str:
    """The drawn formula, hidden from screen readers, and for them the same as MathML."""
    inner = spoken[spoken.index(">") + 1 : spoken.rindex("</math>")]
    inner = NAME.sub("", "".join(line.strip() for line in inner.splitlines()))
    note = f'<annotation encoding="application/x-tex">{html.escape(tex.strip())}</annotation>'
    mathml = f"<math><semantics><mrow>{inner}</mrow>{note}</semantics></math>"
    drawn = drawn.replace("<mjx-math ", '<mjx-math aria-hidden="true" ', 1)
    end = "</mjx-container>"
    return drawn.removesuffix(end) + f"<mjx-assistive-mml>{mathml}</mjx-assistive-mml>{end}"


def keep_punctuation(app: Sphinx, document: nodes.document, name: str) -> None:
    """Keep a formula and the marks that touch it on one line.

    For a browser a formula is like a picture, beside which a line may always end.
    """
    for formula in list(document.findall(nodes.math)):
        parent, place = formula.parent, formula.parent.index(formula)
        before = parent[place - 1] if place else None
        after = parent[place + 1] if place + 1 < len(parent) else None
        opened, closed = OPENING.search(_text(before)), CLOSING.match(_text(after))
        if opened:
            parent[place - 1] = nodes.Text(before[: opened.start()])
        if closed:
            parent[place + 1] = nodes.Text(after[closed.end() :])
        if opened or closed:
            marks = [nodes.Text(found[0]) if found else None for found in (opened, closed)]
            parent[place] = box = nodes.inline("", "", classes=["unbroken"])
            box += [part for part in (marks[0], formula, marks[1]) if part]


def _text(node: nodes.Node | None) -> str:
    """The text of a piece of text, and nothing of anything else."""
    return str(node) if isinstance(node, nodes.Text) else ""


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a sentence."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(formula_of(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own.

    Sphinx would put `split` around one with two backslashes. JupyterLab, Colab and GitHub do not,
    and MathJax refuses a `\\tag` in there.
    """
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(formula_of(node, node.astext(), display=True) + "</div>\n")
    raise nodes.SkipNode


def formula_of(node: nodes.Element, tex: str, *, display: bool) -> str:
    """HTML of a node's formula; a warning and its TeX where MathJax refuses it."""
    try:
        return set_formula(tex, display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return html.escape(tex)


def write_style_sheet(app: Sphinx, error: Exception | None) -> None:
    """Write MathJax's rules beside the pages."""
    if app.builder.format == "html" and error is None:
        rules = engine().call("rules")
        Path(app.outdir, "_static", STYLE_SHEET).write_text(rules, "utf8")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathjax_at_build", (visit_inline, None), (visit_display, None))
    app.add_css_file(STYLE_SHEET)
    app.connect("doctree-resolved", keep_punctuation)
    app.connect("build-finished", write_style_sheet)
