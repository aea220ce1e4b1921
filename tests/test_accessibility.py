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
# Formulas and colours of code come from one style sheet each: one chapter has them all.
REPEATED = ["mjx-container", "pre"]


def barriers(page: Page, *, rules: list[str] | None = None, leave_out: list[str]) -> list[str]:
    """What axe-core finds on a page, serious and critical only, as sentences."""
    # Buttons fade from one colour to the next; what counts is where they end.
    page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
    options = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = Axe().run(page, context={"exclude": [[name] for name in leave_out]}, options=options)
    return [
        f"{fault['impact']}: {fault['help']}, {len(fault['nodes'])} times: "
        f"{fault['nodes'][0]['html'][:200]}"
        for fault in found.response["violations"]
        if fault["impact"] in GRAVE
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", [*PAGES, "search.html"])
def test_no_serious_barrier(open_page: Callable[..., Page], path, dark):
    page = open_page(path, dark=dark)
    rules = COLOURS if dark else None
    assert barriers(page, rules=rules, leave_out=REPEATED) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_formulas_and_code_of_one_chapter(open_page: Callable[..., Page], dark):
    page = open_page("book/06_games.html", dark=dark)
    rules = [*COLOURS, "scrollable-region-focusable"]  # wide code can be scrolled by keys
    assert barriers(page, rules=rules, leave_out=[]) == []


def test_a_barrier_is_found(open_page: Callable[..., Page]):
    page = open_page("book/index.html")
    page.evaluate(
        """document.querySelector('article').insertAdjacentHTML('beforeend',
           '<img src="data:,"><p style="color:#bbb;background:#fff">pale</p>')"""
    )
    found = " ".join(barriers(page, leave_out=REPEATED))
    assert "alternative text" in found and "contrast" in found
