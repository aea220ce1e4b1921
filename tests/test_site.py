"""The built pages in a real browser: they work with no network, on a phone, and in the dark."""

import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

import notebooks
import pytest
from line_by_line.ledger import claims_of
from pages import CHAPTERS, PAGES, read_through
from playwright.sync_api import Page, Response

ROOT = Path(__file__).resolve().parent.parent
HEAVIEST_PAGE = 1_500_000  # bytes, compressed as a server sends them
COMPRESSIBLE = (".html", ".css", ".js", ".svg", ".json")
# Whatever sticks out of the text column lies under the table of contents.
OUTSIDE = """() => { const edge = document.querySelector('article').getBoundingClientRect().right;
  return [...document.querySelectorAll('article figure, article .explore *')]
    .filter(e => e.getBoundingClientRect().right > edge + 1)
    .map(e => e.className); }"""
CUT_OFF = """() => [...document.querySelectorAll('article .cell_input pre')]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth)
    .map(e => e.textContent.slice(0, 40))"""


@pytest.mark.parametrize("path", PAGES)
def test_a_page(open_page: Callable[..., Page], path, subtests, capsys):
    """A page is opened once, for all that can be seen on it: opening is what takes time."""
    responses: list[Response] = []
    page = open_page(
        path, first_visit=True, on_response=lambda response: responses.append(response)
    )
    read_through(page)
    with subtests.test("needs no other machine"):
        assert page.trouble == []
    with subtests.test("is light"):
        sent, own = weight(responses, path)
        with capsys.disabled():
            print(f"\n{path}: {sent / 1e3:.0f} kB sent, {own / 1e3:.0f} kB its own")
        assert sent < HEAVIEST_PAGE
    with subtests.test("formulas are set"):
        require_formulas(page)
    with subtests.test("figures keep to their column"):
        assert page.evaluate(OUTSIDE) == []
    with subtests.test("code is seen to the end of its lines"):
        assert page.evaluate(CUT_OFF) == []
    for width in (390, 360):
        with subtests.test(f"nothing sticks out of a phone, {width} px"):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def weight(responses: list[Response], path: str) -> tuple[int, int]:
    """Bytes that a compressing server sends for a first visit: all of them, the page's own."""
    bodies = {response.url: response.body() for response in responses}
    sent = {
        url: len(gzip.compress(body)) if urlparse(url).path.endswith(COMPRESSIBLE) else len(body)
        for url, body in bodies.items()
    }
    return sum(sent.values()), next(size for url, size in sent.items() if url.endswith(path))


def require_formulas(page: Page) -> None:
    """Every formula is set, none is an error, and no TeX is left in the text."""
    counted = page.evaluate(
        """() => [document.querySelectorAll('article .math').length,
                  document.querySelectorAll('article .math > mjx-container').length,
                  document.querySelectorAll('mjx-merror, [data-mjx-error]').length]"""
    )
    assert counted[0] == counted[1], "formulas found and formulas set"
    assert counted[2] == 0, "formulas with errors"
    prose = page.evaluate(
        """() => { const copy = document.querySelector('article').cloneNode(true);
                   const other = copy.querySelectorAll('pre, code, script, mjx-container');
                   other.forEach(e => e.remove());
                   return copy.textContent; }"""
    )
    assert re.findall(r".{0,30}(?:\$\$|\\\(|\\\[|\$[^$\n]+\$).{0,30}", prose) == []


def test_links_lead_somewhere(site: Path, trees):
    broken = []
    anchors = {name: {e["id"] for e in tree.find_all(id=True)} for name, tree in trees.items()}
    for name, tree in trees.items():
        for link in tree.find_all("a", href=True):
            url = urlparse(link["href"])
            if url.scheme or url.netloc:
                continue
            target = (site / name).parent / unquote(url.path) if url.path else site / name
            path = target.resolve()
            if not path.is_file():
                broken.append(f"{name}: {link['href']}")
            elif url.fragment and path.suffix == ".html":
                there = anchors[str(path.relative_to(site.resolve()))]
                if unquote(url.fragment) not in there:
                    broken.append(f"{name}: {link['href']}")
    assert sorted(set(broken)) == []


def test_no_anchor_is_given_twice(trees):
    twice = {
        (name, anchor)
        for name, tree in trees.items()
        for anchor, times in Counter(node["id"] for node in tree.select("article [id]")).items()
        if times > 1
    }
    assert twice == set()


def test_every_picture_is_described(trees):
    pictures = [(name, img) for name, tree in trees.items() for img in tree.select("article img")]
    assert [(name, img["src"][:80]) for name, img in pictures if not img.get("alt")] == []


def test_wide_formulas_can_be_read_from_their_beginning_on_a_phone(open_page: Callable[..., Page]):
    """What sticks out to the left of a box cannot be scrolled to; to the right it can."""
    page = open_page("book/01_autoregressive.html", width=390, height=800)
    read_through(page)
    cut, wide = page.evaluate(
        """() => { const boxes = [...document.querySelectorAll('div.math')];
                   const left = box => box.getBoundingClientRect().left;
                   const out = box => left(box.querySelector('mjx-container')) < left(box) - 1;
                   return [boxes.filter(out).length,
                           boxes.filter(box => box.scrollWidth > box.clientWidth + 1).length]; }"""
    )
    assert wide > 0, "no formula is wider than the page: nothing was tested"
    assert cut == 0


def test_dark_mode_follows_the_reader(open_page: Callable[..., Page]):
    brightness = (
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert open_page(CHAPTERS[0]).evaluate(brightness) > 200
    page = open_page(CHAPTERS[0], dark=True)
    assert page.evaluate(brightness) < 60
    page.click(".theme-switch-button")  # from "as the system" to light
    assert page.evaluate(brightness) > 200
    page.reload()
    assert page.evaluate(brightness) > 200, "the choice is not kept"


def test_launch_buttons_point_at_the_repository(trees):
    address = trees[CHAPTERS[0]].select_one(".btn-source-repository-button")["href"]
    name = address.removeprefix("https://github.com/")
    for chapter in CHAPTERS:
        notebook = chapter.removesuffix(".html") + ".ipynb"
        expected = {
            f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{notebook}",
            f"https://colab.research.google.com/github/{name}/blob/main/{notebook}",
        }
        buttons = trees[chapter].select(".dropdown-launch-buttons a")
        assert {button["href"] for button in buttons} == expected
    front = {link["href"] for link in trees["book/index.html"].select("a.launch")}
    assert front == {url.replace(notebook, CHAPTERS[0][:-5] + ".ipynb") for url in expected}


def test_chapters_and_figures_carry_the_number_of_their_file(trees):
    for name in CHAPTERS:
        number = re.match(r"book/0*(\d+)_", name)[1]
        tree = trees[name]
        assert tree.select_one("h1 .section-number").text.strip() == f"{number}."
        figures = [caption.text for caption in tree.select("figcaption .caption-number")]
        assert [f for f in figures if not f.startswith(f"Fig. {number}.")] == []
        ledger, own = trees["book/ledger.html"], Path(name).name
        link = ledger.find("a", class_="reference internal", href=own)
        assert link.text.startswith(f"{number}. ")


def test_ledger_has_a_row_for_each_claim(trees):
    rows = trees["book/ledger.html"].select("table.ledger tbody tr")
    shown = [row.select_one("td").get_text(strip=True) for row in rows]
    stated = [claim for path in notebooks.chapters(ROOT) for claim in claims_of(ROOT, path)[0]]
    assert shown == stated
    assert all(row.select_one("td.holds") for row in rows), "a claim is open"


def test_front_page_figure_is_the_chapters(trees):
    figure = trees["book/index.html"].select_one("article .portrait")
    assert figure is not None
    assert str(figure) in [str(found) for found in trees[CHAPTERS[5]].select("article .portrait")]


@pytest.mark.parametrize("address", ["https://example.org/a", "http://192.0.2.1/a"])
def test_what_a_page_asks_of_another_machine_is_noticed(open_page: Callable[..., Page], address):
    page = open_page("book/index.html")
    assert page.trouble == []
    with page.expect_event("requestfailed"):
        page.evaluate("address => fetch(address).catch(() => 0)", address)
    assert f"failed: {address}" in page.trouble
    assert "ERR_NAME_NOT_RESOLVED" in " ".join(page.trouble)
