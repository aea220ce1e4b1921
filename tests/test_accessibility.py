"""axe-core finds no serious barrier on any page, in light and in dark."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import PAGES
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
GRAVE = {"serious", "critical"}
COLOURS = ["color-contrast", "link-in-text-block"]  # all that differs in the dark
# Three sections are examined with formulas and code, which come from one style sheet each;
# they are most of a chapter's 20,000 elements, and axe-core looks at each several times.
REPEATED = "mjx-container, pre"


def barriers(page: Page, *, rules: list[str] | None = None, whole: bool = False) -> list[str]:
    """What axe-core finds on a page, serious and critical only, as sentences.

    Unless the page is examined as a whole, it has no formulas and no code afterwards.
    """
    if not whole:
        page.evaluate(f"document.querySelectorAll('{REPEATED}').forEach((e) => e.remove())")
    # Buttons fade from one colour to the next; what counts is where they end.
    page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
    options = {"resultTypes": ["violations"]}
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
    assert barriers(page) == []
    darken(page)
    assert barriers(page, rules=COLOURS) == []


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
    found = " ".join(barriers(page))
    assert "alternative text" in found and "contrast" in found


def test_a_barrier_in_the_dark_is_found(open_page: Callable[..., Page]):
    page = open_page("book/index.html")
    page.evaluate(
        """document.querySelector('article').insertAdjacentHTML('beforeend',
           '<p style="color:#222">good on white</p>')"""
    )
    assert barriers(page, rules=COLOURS) == []
    darken(page)
    assert "contrast" in " ".join(barriers(page, rules=COLOURS))
