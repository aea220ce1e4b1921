"""The pages where scripts do not run: switched off, not understood, or newer than the browser.

A real browser of 2020 cannot be had here. What can be produced is what such a browser would
meet: a script that it cannot parse, and functions that it lacks. Text and still pictures have to
be there all the same, and the scripts have to keep to the language that README names.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, Route

from tests.pages import CHAPTERS, PAGES

ROOT = Path(__file__).resolve().parent.parent
ACORN = "acorn@8.19.0"  # a parser of JavaScript that can be held to the language of a year
YEAR = re.search(r"ECMAScript (\d{4})", (ROOT / "README.md").read_text("utf8"))[1]
OWN_SCRIPTS = ("_static/book.js", "_static/live/")
NOT_UNDERSTOOD = "const = a script from the future;"
# Came to browsers after 2020, or stood at the edge then.
LACKING = """
  delete Element.prototype.checkVisibility; delete Array.prototype.at; delete String.prototype.at;
  delete Object.hasOwn; delete window.structuredClone; delete String.prototype.replaceAll;
  delete Array.prototype.findLast; delete window.ResizeObserver; delete Promise.any;
  delete Element.prototype.replaceChildren; delete window.CSS;
"""
UNSEEN = """() => {
  // Signs beside titles show under the pointer; the portrait's still has a test of its own;
  // formulas have signs that only screen readers meet.
  const meant = 'form, button, [hidden], details:not([open]), script, style, template, .hint, ' +
    '.headerlink, .portrait, mjx-container';
  const texts = document.createTreeWalker(document.querySelector('article'), 4);
  const unseen = [];
  for (let text; text = texts.nextNode();) {
    const e = text.parentElement;
    if (!text.data.trim() || e.closest(meant)) continue;
    const {width, height} = e.getBoundingClientRect();
    const style = getComputedStyle(e);
    if (!(width && height) || style.visibility !== 'visible' || style.opacity === '0')
      unseen.push(`${e.tagName}.${e.className}: ${text.data.trim().slice(0, 50)}`);
  }
  return unseen;
}"""
PICTURES = """() => [...document.querySelectorAll('article figure')].filter(
  figure => ![...figure.querySelectorAll('img, svg, canvas, table, pre')].some(
    part => part.getBoundingClientRect().width > 50)).map(figure => figure.outerHTML.slice(0, 80))
"""


def needs_npx() -> None:
    """Leave the test out where there is no npm, or npm cannot fetch the parser."""
    if shutil.which("npx") is None:
        pytest.skip("needs npx, which comes with Node.js")
    if acorn(["--help"]).returncode:
        pytest.skip(f"npm cannot fetch {ACORN}: is there a network?")


def acorn(words: list[object]) -> subprocess.CompletedProcess:
    """What the parser says."""
    command = ["npx", "--yes", ACORN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def inline_scripts(site: Path) -> set[str]:
    """The scripts in the pages that the book wrote: those in articles."""
    trees = [BeautifulSoup((site / path).read_bytes(), "html.parser") for path in PAGES]
    found = {s.string for tree in trees for s in tree.select("article script:not([type])")}
    return {text for text in found if text}


def test_scripts_keep_to_the_language_that_is_stated(site, tmp_path):
    needs_npx()
    own = [ROOT / "book/_static/book.js", *(ROOT / "book/_static/live").glob("*.js")]
    for number, text in enumerate(sorted(inline_scripts(site))):
        own.append(tmp_path / f"inline-{number}.js")
        own[-1].write_text(text, "utf8")
    assert len(own) > 6, "no scripts were found in the pages"
    said = acorn([f"--ecma{YEAR}", "--silent", *own])
    assert said.returncode == 0, said.stderr


def test_a_newer_script_would_be_noticed(tmp_path):
    needs_npx()
    script = tmp_path / "new.js"
    script.write_text("let a; a ??= 1;\n")  # of 2021
    assert acorn([f"--ecma{YEAR}", "--silent", script]).returncode
    assert acorn(["--ecma2021", "--silent", script]).returncode == 0


def refuse_own_scripts(route: Route) -> None:
    """Give the browser, in place of the book's scripts, something that it cannot parse."""
    url = route.request.url
    if any(name in url for name in OWN_SCRIPTS) and url.split("?")[0].endswith(".js"):
        route.fulfill(body=NOT_UNDERSTOOD, content_type="text/javascript")
    elif url.endswith(".html"):
        text = route.fetch().text()
        head, article = text.split("<article", 1)
        article = re.sub(
            r"<script>.*?</script>", f"<script>{NOT_UNDERSTOOD}</script>", article, flags=re.DOTALL
        )
        route.fulfill(body=f"{head}<article{article}", content_type="text/html; charset=utf-8")
    else:
        route.continue_()


@pytest.fixture
def open_in(browser: Browser, site_url: str):
    """Opens a page in a browser that lacks something."""
    contexts = []

    def call(path: str, lacks: str) -> Page:
        context = browser.new_context(java_script_enabled=lacks != "JavaScript")
        contexts.append(context)
        page = context.new_page()
        if lacks == "the language":
            page.route("**/*", refuse_own_scripts)
        if lacks == "functions":
            page.add_init_script(LACKING)
        page.goto(f"{site_url}/{path}", wait_until="load")
        return page

    yield call
    for context in contexts:
        context.close()


@pytest.mark.parametrize("lacks", ["JavaScript", "the language", "functions"])
@pytest.mark.parametrize("path", PAGES)
def test_text_and_stills_are_there(open_in, path, lacks):
    page = open_in(path, lacks)
    assert page.evaluate(UNSEEN) == []
    assert page.evaluate(PICTURES) == []
    if path in CHAPTERS:
        assert page.locator("article figure").count() > 3


def test_a_hidden_text_would_be_noticed(open_in):
    page = open_in(CHAPTERS[0], "JavaScript")
    style = "article figure { display: none !important } article h2 { opacity: 0 }"
    page.evaluate(  # add_style_tag would wait for an event of the page's scripts
        "style => document.head.appendChild(document.createElement('style')).textContent = style",
        style,
    )
    assert any("H2" in text for text in page.evaluate(UNSEEN))
    assert page.evaluate(PICTURES)
