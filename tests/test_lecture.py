"""Lecture mode: slides made of the page's own blocks, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pages import CHAPTERS
from playwright.sync_api import BrowserContext, Page
from test_accessibility import barriers, darken, faint

READY = ".reveal.ready"
MUST_BE_SHOWN = {
    "claims": "p[id^=claim-]",
    "formulas on lines of their own": "div.math",
    "figures with controls": ".explore figcaption",
    "figures": "figure.align-default",
    "tables": "table.table",
    "notes": ".admonition:not(.hide)",
    "exercises": "p:has(> a[id^=exercise-])",
}
# What elements of the built page say and what those of the slides do, without what is folded away
# and without what scripts change
SAID = """async selectors => {
  const built = await (await fetch(location.pathname)).text();
  const page = new DOMParser().parseFromString(built, 'text/html');
  return [page.querySelector('article'), document.querySelector('.slides')].map(root =>
    Object.fromEntries(Object.entries(selectors).map(([what, selector]) => [what,
      [...root.querySelectorAll(selector)].filter(e => !e.closest('details')).map(element => {
        const copy = element.cloneNode(true);
        copy.querySelectorAll('button, .headerlink, .definition, form').forEach(e => e.remove());
        return copy.textContent.replace(/\\s+/g, ' ').trim();
      })])));
}"""
SLIDES = (45, 75)  # how many a chapter has, with the fonts of one machine or another
OVERFULL = """() => [...document.querySelectorAll('.slides > section')].filter(slide => {
  const [display, hidden] = [slide.style.display, slide.hidden];
  [slide.style.display, slide.hidden] = ['block', false];
  const edge = slide.getBoundingClientRect();
  const out = [...slide.children].map(box => box.getBoundingClientRect())
    .some(box => box.bottom > edge.bottom || box.right > edge.right);
  [slide.style.display, slide.hidden] = [display, hidden];
  return out;
}).map(slide => slide.textContent.trim().slice(0, 60))"""
IN_SIGHT = """() => {
  const { top, bottom } = document.querySelector('.shown-in-lecture').getBoundingClientRect();
  return bottom > 0 && top < innerHeight && scrollY > 500; }"""
SHOWN = "[...document.querySelectorAll('.slides > section')].findIndex(s => s.matches('.present'))"


def lecture(open_page: Callable[..., Page], path: str, **settings: object) -> Page:
    """A chapter in lecture mode, on a projector."""
    page = open_page(f"{path}?lecture", **({"width": 1280, "height": 720} | settings))
    page.wait_for_selector(READY)
    return page


def go(page: Page, number: int) -> None:
    """Show the slide with a number, counted from 0."""
    page.evaluate("number => (location.hash = `#/${number}`)", number)
    page.wait_for_selector(f".slides > section.present:nth-child({number + 1})")


@pytest.mark.parametrize("path", CHAPTERS)
def test_slides_hold_all_that_a_chapter_claims_and_shows(open_page, path):
    page = lecture(open_page, path)
    assert page.trouble == []
    on_page, on_slides = page.evaluate(SAID, MUST_BE_SHOWN)
    for what in MUST_BE_SHOWN:
        if what in ("claims", "formulas on lines of their own", "tables", "exercises"):
            assert on_page[what], f"{what}: none on the page, so nothing was tested"
        assert on_slides[what] == on_page[what], what
    assert page.evaluate(OVERFULL) == []
    slides = page.locator(".slides > section").count()
    assert SLIDES[0] <= slides <= SLIDES[1], "book/teaching.md says otherwise"


def test_what_slides_lack_is_noticed(open_page):
    page = lecture(open_page, CHAPTERS[1])
    page.evaluate(
        """() => { document.querySelector('.slides p[id^=claim-]').textContent = 'Another claim';
                   document.querySelector('.slides div.math').remove(); }"""
    )
    on_page, on_slides = page.evaluate(SAID, MUST_BE_SHOWN)
    differ = [what for what in MUST_BE_SHOWN if on_slides[what] != on_page[what]]
    assert differ == ["claims", "formulas on lines of their own"]


def test_an_overfull_slide_is_noticed(open_page):
    page = lecture(open_page, CHAPTERS[1])
    page.evaluate("document.querySelector('.slides > section .piece').style.height = '800px'")
    assert len(page.evaluate(OVERFULL)) == 1


def test_keys_lead_from_the_first_slide_to_the_last(open_page):
    """Results wait, lines of derivations come one by one, and the end is reached."""
    page = lecture(open_page, CHAPTERS[1])
    waiting = page.locator(".fragment").count()
    lines = page.locator("tr.fragment").count()
    slides = page.locator(".slides > section").count()
    assert waiting > lines > 10
    for _ in range(waiting + slides - 2):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(SHOWN) < slides - 1 or page.locator(".fragment:not(.visible)").count()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(SHOWN) == slides - 1
    assert page.locator(".fragment:not(.visible)").count() == 0
    assert page.trouble == []


def test_a_derivation_shows_a_line_and_the_code_that_evaluates_it(open_page):
    page = lecture(open_page, CHAPTERS[1])
    where = """() => [...document.querySelectorAll('.slides > section')].findIndex(slide =>
        slide.querySelector('.cell_input') && slide.querySelector('tr.fragment'))"""
    go(page, page.evaluate(where))
    rows = page.locator("section.present tr.fragment")
    assert rows.count() >= 2
    visible = page.locator("section.present tr.fragment.visible")
    while visible.count() < 2:
        page.keyboard.press("ArrowRight")
    rows.nth(1).locator(".reason").wait_for(state="visible")  # it fades in
    assert "current-step" in rows.nth(1).get_attribute("class")
    assert page.locator("section.present .step-band").is_visible()
    page.keyboard.press("ArrowLeft")
    assert visible.count() == 1
    assert "current-step" not in rows.nth(1).get_attribute("class")


def test_figures_can_be_used_and_give_the_keys_back(open_page):
    page = lecture(open_page, CHAPTERS[1])
    go(page, 1)
    slider = page.locator("section.present .explore input[type=range]").first
    said = page.locator("section.present .explore-sentence")
    before, slide = said.inner_text(), page.evaluate(SHOWN)
    slider.focus()
    page.keyboard.press("ArrowRight")  # with the keyboard: the slider's
    page.wait_for_function(
        "before => document.querySelector('.present .explore-sentence').innerText !== before",
        arg=before,
    )
    assert page.evaluate(SHOWN) == slide
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    page.wait_for_function("document.activeElement === document.body")
    page.keyboard.press("ArrowRight")  # after the pointer: the slides' again
    assert page.evaluate(SHOWN) > slide or page.locator(".present .fragment.visible").count()


def test_the_start_of_the_game_can_be_dragged_on_a_slide(open_page):
    page = lecture(open_page, CHAPTERS[5])
    go(page, 1)
    handle = page.locator("section.present .portrait .grip")
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=4)
    page.mouse.up()
    moved = handle.bounding_box()
    assert abs(moved["x"] - box["x"] - 60) < 2 and abs(moved["y"] - box["y"] - 30) < 2


def test_the_page_in_another_window_follows(open_page):
    page = lecture(open_page, CHAPTERS[1])
    context: BrowserContext = page.context
    follower = context.new_page()
    follower.goto(page.url.partition("?")[0])
    for _ in range(30):
        page.keyboard.press("PageDown")
    title = page.locator("section.present > :is(h1, h2, h3)").inner_text()
    follower.wait_for_function(
        """title => [...document.querySelectorAll('.shown-in-lecture')].some(block =>
             block.closest('section').querySelector('h1, h2, h3').innerText.startsWith(title))""",
        arg=title,
    )
    assert follower.locator(".shown-in-lecture").count() == 1
    follower.wait_for_function(IN_SIGHT)  # it scrolls there smoothly


def test_leaving_leads_to_the_same_place_of_the_page(open_page):
    page = lecture(open_page, CHAPTERS[1])
    go(page, 20)
    title = page.locator("section.present > :is(h1, h2, h3)").inner_text()
    page.get_by_role("button", name="Leave the lecture").click()
    page.wait_for_selector("article h1")
    assert "?" not in page.url
    assert page.locator(":target > :is(h2, h3)").inner_text().startswith(title)


def test_the_button_of_a_chapter_begins_a_lecture(open_page):
    page = open_page(CHAPTERS[0])
    with page.context.expect_page() as opened:
        page.locator("a.btn-lecture").click()
    opened.value.wait_for_selector(READY)
    assert open_page("book/ledger.html").locator("a.btn-lecture").count() == 0


def test_slides_from_a_folder(site: Path, browser):
    """Without a server, too: a lecture hall may have no network."""
    page = browser.new_page()
    page.goto(f"{(site / CHAPTERS[4]).as_uri()}?lecture")
    page.wait_for_selector(READY)
    go(page, 1)
    assert page.locator("section.present .explore").is_visible()
    page.close()


def test_no_serious_barrier_on_slides(open_page):
    page = lecture(open_page, CHAPTERS[5])
    go(page, 1)
    assert faint(page) == []
    darken(page)
    assert faint(page) == []
    assert barriers(page) == []
