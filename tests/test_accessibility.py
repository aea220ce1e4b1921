"""axe-core finds no serious barrier on any page, in light and in dark."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import PAGES, read_through
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
GRAVE = {"serious", "critical"}
COLOURS = ["color-contrast", "link-in-text-block"]  # all that differs in the dark
# axe-core's look at contrast takes most of its time: it is for some pages, FAINT is for all
SOME = ["book/index.html", "book/ledger.html", "search.html"]
# Three sections are examined with formulas and code, which come from one style sheet each;
# they are most of a chapter's 20,000 elements, and axe-core looks at each several times.
REPEATED = "mjx-container, pre"
# The contrast that WCAG 2 asks of text (4.5), measured on everything that can be read
FAINT = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) =>
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const grounds = new Map();
  const ground = e => {
    if (!e) return [255, 255, 255];
    if (!grounds.has(e)) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(e).backgroundColor);
      grounds.set(e, alpha > 0.5 ? [r, g, b] : ground(e.parentElement));
    }
    return grounds.get(e);
  };
  const unseen = 'svg, style, script, noscript, textarea, mjx-assistive-mml, [hidden]';
  const faint = new Set();
  const texts = document.createTreeWalker(document.body, 4);
  for (let text; text = texts.nextNode();) {
    const e = text.parentElement;
    if (!text.data.trim() || e.closest(unseen)) continue;
    if (!e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.add(`${contrast.toFixed(1)} ${text.data.slice(0, 40)}`);
  }
  return [...faint];
}"""


def barriers(page: Page, *, rules: list[str] | None = None, whole: bool = False) -> list[str]:
    """What axe-core finds on a page, serious and critical only, as sentences.

    It tries the rules that are named; else all but that of contrast. Unless the page is examined
    as a whole, it has no formulas and no code afterwards.
    """
    if not whole:
        page.evaluate(f"document.querySelectorAll('{REPEATED}').forEach((e) => e.remove())")
    # Buttons fade from one colour to the next; what counts is where they end.
    page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = Axe().run(page, options=options)
    return [
        f"{fault['impact']}: {fault['help']}, {len(fault['nodes'])} times: "
        f"{fault['nodes'][0]['html'][:200]}"
        for fault in found.response["violations"]
        if fault["impact"] in GRAVE
    ]


@pytest.mark.parametrize("path", [*PAGES, "search.html"])
def test_no_serious_barrier(open_page: Callable[..., Page], path):
    page = open_page(path)
    read_through(page)
    assert faint(page) == []
    darken(page)
    assert faint(page) == []
    assert barriers(page) == []


@pytest.mark.parametrize("path", SOME)
def test_colours_of_some_pages(open_page: Callable[..., Page], path):
    page = open_page(path)
    assert barriers(page, rules=COLOURS) == []
    darken(page)
    assert barriers(page, rules=COLOURS) == []


def faint(page: Page) -> list[str]:
    """Texts with too little contrast, each after its contrast."""
    page.evaluate("document.getAnimations().forEach((fading) => fading.finish())")
    return page.evaluate(FAINT)


def darken(page: Page) -> None:
    """Have the page look as for a reader who asked for the dark."""
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")


def test_formulas_and_code_of_some_sections(open_page: Callable[..., Page]):
    page = open_page("book/02_reparameterization.html")
    page.evaluate("document.fonts.ready")
    page.evaluate(
        "document.querySelectorAll('section > section ~ section').forEach(e => e.remove())"
    )
    assert page.locator("article mjx-container").count() > 20
    assert page.locator("article .cell_input pre").count() > 0
    keys = "scrollable-region-focusable"  # wide code can be scrolled by keys
    assert barriers(page, rules=[*COLOURS, keys], whole=True) == []
    darken(page)
    assert barriers(page, rules=COLOURS, whole=True) == []


def test_a_barrier_is_found(open_page: Callable[..., Page]):
    page = open_page("book/index.html")
    page.evaluate(
        """document.querySelector('article').insertAdjacentHTML('beforeend',
           '<img src="data:,"><p style="color:#bbb;background:#fff">pale</p>')"""
    )
    assert "alternative text" in " ".join(barriers(page))
    assert "contrast" in " ".join(barriers(page, rules=COLOURS))
    assert faint(page) == ["1.9 pale"]


def test_a_barrier_in_the_dark_is_found(open_page: Callable[..., Page]):
    page = open_page("book/index.html")
    page.evaluate(
        """document.querySelector('nav').insertAdjacentHTML('beforeend',
           '<p style="color:#222">good on white</p>')"""
    )
    assert barriers(page, rules=COLOURS) == faint(page) == []
    darken(page)
    assert "contrast" in " ".join(barriers(page, rules=COLOURS))
    assert "good on white" in " ".join(faint(page))
