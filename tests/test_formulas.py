"""Formulas are set when the book is built: no script is needed to see them, and none moves."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from line_by_line.formulas import set_formula
from pages import PAGES
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
EXTENSIONS, TOOLS = ROOT / "book/_ext", ROOT / "tools"
LARGEST_SHIFT = 0.1  # of what is on the screen; what browsers' makers call good
SHIFT = """() => new Promise(done => {
  let sum = 0;
  const watch = new PerformanceObserver(list => list.getEntries().forEach(e => sum += e.value));
  watch.observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 300);
})"""


def test_a_formula_is_drawn_and_can_be_read_out():
    made = BeautifulSoup(set_formula(r"\tfrac12<x", display=True), "html.parser")
    assert made.select_one('mjx-container[display="true"] > mjx-math[aria-hidden="true"] mjx-frac')
    assert [n.get_text() for n in made.select("mjx-assistive-mml math mfrac mn")] == ["1", "2"]
    assert made.select_one("annotation").get_text() == r"\tfrac12<x"
    assert "aria-hidden" not in str(made.select_one("mjx-assistive-mml"))


def test_formulas_in_sentences_and_on_lines_differ():
    assert 'display="true"' not in set_formula(r"\sum_i x_i")
    assert set_formula(r"\sum_i x_i") != set_formula(r"\sum_i x_i", display=True)


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\frca12", r"Undefined control sequence \\frca"),
        (r"\frac{1", "Missing close brace"),
        (r"\begin{matrix} x", r"Missing \\end\{matrix\}"),
        (r"\tag{1}\tag{2}", r"Multiple \\tag"),
    ],
)
def test_what_mathjax_refuses_is_named(tex, reason):
    with pytest.raises(ValueError, match=f"MathJax understands was needed; {reason}"):
        set_formula(tex, display=True)


def build(folder: Path, text: str) -> subprocess.CompletedProcess:
    """Sphinx on one page, warnings being errors."""
    (folder / "index.rst").write_text(text)
    settings = [
        "extensions=sphinx.ext.mathjax,line_by_line.formulas",
        "html_math_renderer=mathjax_at_build",
    ]
    options = [option for setting in settings for option in ("-D", setting)]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-CWq", *options, folder, folder / "html"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (EXTENSIONS, TOOLS)))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_page_needs_no_script(tmp_path):
    made = build(tmp_path, "Title\n=====\n\nHere :math:`x^2` and\n\n.. math:: a \\\\ b \\tag{7}\n")
    assert made.returncode == 0, made.stderr
    tree = BeautifulSoup((tmp_path / "html/index.html").read_bytes(), "html.parser")
    assert len(tree.select("span.math > mjx-container:not([display])")) == 1
    assert len(tree.select("div.math > mjx-container[display=true]")) == 1
    assert [s["src"] for s in tree.select("script[src]") if "mathjax" in s["src"]] == []
    rules = (tmp_path / "html/_static/formulas.css").read_text("utf8")
    assert "MJXTEX" in rules
    # pages that were not read again need rules for letters that this build has not met
    assert "mjx-c.mjx-c1D714" in rules


def test_marks_stay_with_their_formula(tmp_path):
    text = "Of :math:`x`, :math:`y` (:math:`z`), :math:`u` and :math:`v`.)\n"
    assert build(tmp_path, f"Title\n=====\n\n{text}").returncode == 0
    tree = BeautifulSoup((tmp_path / "html/index.html").read_bytes(), "html.parser")
    for hidden in tree.select("mjx-assistive-mml, mjx-math"):
        hidden.decompose()
    boxes = [box.get_text() for box in tree.select(".unbroken")]
    assert boxes == [",", "(),", ".)"]
    assert tree.select_one("section p").get_text() == "Of ,  (),  and .)"
    assert [len(box.select(".math")) for box in tree.select(".unbroken")] == [1, 1, 1]


def test_a_wrong_formula_stops_the_build(tmp_path):
    made = build(tmp_path, "Title\n=====\n\nHere :math:`\\frca12`.\n")
    assert made.returncode != 0
    assert "index.rst:4:" in made.stderr
    assert r"Undefined control sequence \frca: \frca12" in made.stderr


def test_every_formula_of_the_book_is_in_the_page(site, trees):
    found = 0
    for path in PAGES:
        tree = trees[path]
        formulas = tree.select("article .math")
        assert [f for f in formulas if len(f.select("mjx-container annotation")) != 1] == []
        names = [element["id"] for element in tree.select("[id]")]
        assert len(names) == len(set(names))
        found += len(formulas)
    assert found > 1000
    assert (site / "_static/mathjax/output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff").exists()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["book/02_reparameterization.html", "book/06_games.html"])
def test_nothing_jumps_while_a_chapter_loads(open_page: Callable[..., Page], path, width):
    page = open_page(path, width=width, first_visit=True)
    page.evaluate("document.fonts.ready")
    assert page.evaluate(SHIFT) < LARGEST_SHIFT
