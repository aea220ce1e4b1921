"""What helps a reader through the pages: steps, verdicts, words, search and filters."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import notebooks
import pytest
from line_by_line.ledger import Claim, claims_of
from line_by_line.steps import code_lines, spread
from pages import CHAPTERS
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
FIRST = "book/06_games.html"


@functools.cache
def claims() -> dict[str, list[Claim]]:
    """The claims on each chapter's page, once the chapters have been executed."""
    return {
        f"book/{path.stem}.html": list(claims_of(ROOT, path)[0].values())
        for path in notebooks.chapters(ROOT)
    }


def named_lines(row) -> tuple[int, int]:
    """First and last line of code in the class of a derivation's row."""
    found = [re.fullmatch(r"code-(\d+)-(\d+)", name) for name in row["class"]]
    return next((int(m[1]), int(m[2])) for m in found if m)


@pytest.mark.parametrize("path", CHAPTERS)
def test_each_line_of_a_derivation_names_its_code(trees, path):
    tables = trees[path].select("table.derivation")
    assert tables, "no derivation was found"
    for table in tables:
        code = table.find_parent("div", class_="cell").select_one(".cell_input pre").text
        lines = code.split("\n")
        for row in table.select("tbody tr"):
            first, last = named_lines(row)
            assert re.search(r"\bline\(", lines[first - 1])
            piece = "\n".join(lines[first - 1 : last])
            assert piece.count("(") >= 1 and last >= first
        starts = [named_lines(row)[0] for row in table.select("tbody tr")]
        assert starts == sorted(starts)


def test_code_lines_of_several_derivations():
    source = 'x = 1\nderivation("1",\n    line("a", x),\n    line("b",\n         x))\ncheck(1)\n'
    source += 'derivation("2", line("c", 1), line("d", 2))\nother(line("e", 3))\n'
    source += 'derivation("3", line("f", 1),\n    *(line("g", i) for i in "ab"), line("h", 1))'
    first, second, third = code_lines(source)
    assert spread(first, 2) == [[3, 3], [4, 5]]
    assert spread(second, 2) == [[7, 7], [7, 7]]
    assert spread(third, 5) == [[9, 9], [10, 10], [10, 10], [10, 10], [10, 10]]
    assert code_lines("%matplotlib inline\nthis is no Python") == []


def test_reasons_unfold_and_show_their_code(open_page: Callable[..., Page]):
    page = open_page(FIRST)
    table = page.locator("table.derivation").first
    row = table.locator("tbody tr").nth(2)
    reason, button = row.locator(".reason"), row.locator("button")
    band = page.locator(".step-band").first
    assert not reason.is_visible()
    button.focus()
    first, last = named_lines({"class": row.get_attribute("class").split()})
    height = page.evaluate(
        "e => parseFloat(getComputedStyle(e).lineHeight)",
        band.locator("xpath=..").element_handle(),
    )
    place = band.evaluate("e => [e.offsetTop, e.offsetHeight]")
    padding = band.evaluate("e => parseFloat(getComputedStyle(e.parentElement).paddingTop)")
    assert place[0] == pytest.approx(padding + (first - 1) * height, abs=1)
    assert place[1] == pytest.approx((last - first + 1) * height, abs=1)
    page.keyboard.press("Enter")
    assert reason.is_visible() and button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert not reason.is_visible()
    table.locator("thead button").click()
    assert table.locator(".reason:visible").count() == table.locator("tbody .reason").count() > 0
    assert not band.is_visible(), "nothing has the focus any more"
    row.hover()
    assert band.is_visible()
    assert page.trouble == []


def test_reasons_are_there_in_print_and_without_scripts(open_page, browser, site_url):
    page = open_page(FIRST)
    reason = page.locator("table.derivation .reason").first
    assert not reason.is_visible()
    page.emulate_media(media="print")
    assert reason.is_visible() and not page.locator(".why").first.is_visible()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site_url}/{FIRST}")
    last = plain.locator("table.derivation tbody tr").nth(1).locator("td").last
    assert last.is_visible() and last.inner_text().strip()
    context.close()


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_begins_with_its_claims_and_times(trees, path):
    facts = trees[path].select_one("article .facts")
    shown = [link.get_text(" ", strip=True) for link in facts.select("a.claim-link")]
    assert shown == [f"{claim.number} ✓" for claim in claims()[path]]
    assert re.search(r"· \d+ minutes to read · \d+ seconds to run$", facts.text.strip())
    assert facts.find_previous_sibling().name == "h1"


def test_front_page_lists_every_claim_with_its_verdict(trees):
    items = trees["book/index.html"].select("ul.chapters > li")
    assert len(items) == len(CHAPTERS)
    for item, path in zip(items, CHAPTERS, strict=True):
        links = [(a["href"], a.get_text(" ", strip=True)) for a in item.select("a.claim-link")]
        page = Path(path).name
        assert links == [(f"{page}#{c.anchor}", f"{c.number} ✓") for c in claims()[path]]
        title = trees[path].select_one("h1").text
        assert item.select_one("a").text in title


def test_contents_beside_a_chapter_show_verdicts(trees):
    ticked = set()
    for path in CHAPTERS:
        entries = [a.text.strip() for a in trees[path].select(".bd-sidebar-secondary a")]
        headed = [text for text in entries if re.match(r"Claims? \d", text)]
        assert [text for text in headed if not text.endswith("✓")] == []
        ticked |= {path} if headed else set()
    assert len(ticked) >= len(CHAPTERS) - 1, "chapter 1 alone states its claims together"


def results(page: Page, words: str) -> list[tuple[str, str]]:
    """Title and address of what the search finds, best first."""
    page.wait_for_load_state("networkidle")
    home = re.match(r"http://[^/]+", page.url)[0]
    page.goto(f"{home}/search.html?q={words.replace(' ', '+')}")
    page.wait_for_function(  # results come one by one
        """() => {
          const said = document.querySelector('.search-summary')?.innerText ?? '';
          const number = said.match(/found (\\w+)/)?.[1].replace(/^one$/, '1');
          return number && document.querySelectorAll('ul.search > li').length >= Number(number);
        }"""
    )
    page.wait_for_load_state("networkidle")  # and their texts after them
    links = page.locator("ul.search > li > a")
    return [(link.inner_text(), link.get_attribute("href")) for link in links.all()]


def test_search_finds_claims_by_number_and_pages_by_word(open_page: Callable[..., Page]):
    page = open_page("book/index.html")
    for words in ("claim 4.2a", "4.2a"):
        found = results(page, words)
        assert found[0][1].split("?")[0].endswith("04_importance.html#claim-4-2a"), found[:3]
    quoted = page.locator("ul.search > li").first.inner_text()
    assert "Claim 4.2a" in quoted and "density" in quoted
    assert "qK≥0" in quoted and "\\" not in quoted, "formulas are quoted as letters, not as TeX"
    assert any("06_games" in address for _, address in results(page, "extragradient"))
    assert page.trouble == []


def test_ledger_shows_one_chapter_or_a_word(open_page: Callable[..., Page]):
    page = open_page("book/ledger.html")
    rows = page.locator("table.ledger tbody tr")
    shown = page.locator("table.ledger tbody tr:visible")
    everything = rows.count()
    assert shown.count() == everything == sum(map(len, claims().values()))
    page.locator(".ledger-filter select").select_option("4")
    assert shown.count() == len(claims()["book/04_importance.html"])
    assert page.locator(".ledger-filter output").inner_text() == f"4 of {everything} claims"
    page.locator(".ledger-filter input").fill("strictly")
    assert [row.locator("td").first.inner_text() for row in shown.all()] == ["4.0"]
    page.locator(".ledger-filter select").select_option("")
    page.locator(".ledger-filter input").fill("no such word anywhere")
    assert shown.count() == 0
    page.locator(".ledger-filter input").press("Enter")
    assert "ledger.html" in page.url and "?" not in page.url
    assert page.trouble == []


def test_words_are_linked_once_and_carry_their_definition(trees):
    defined = {
        term.find(string=True).strip(): " ".join(term.find_next_sibling("dd").text.split())
        for term in trees["book/glossary.html"].select("dl.glossary dt")
    }
    used = set()
    for path in CHAPTERS:
        links = trees[path].select("article a.term")
        words = [link["href"].split("#")[1] for link in links]
        assert len(words) == len(set(words)), f"{path} links a word twice"
        anchors = {t["id"]: t for t in trees["book/glossary.html"].select("dl.glossary dt")}
        for link, word in zip(links, words, strict=True):
            name = anchors[word].find(string=True).strip()
            assert link.text.lower() in (name.lower(), f"{name.lower()}s")
            assert link["title"] == defined[name]
            assert link.find_parent(["pre", "h1", "h2", "h3", "table"]) is None
        used |= set(words)
    assert len(used) > len(defined) / 2, "words of the glossary that no chapter uses"


def test_a_word_shows_its_definition_to_pointer_and_keyboard(open_page: Callable[..., Page]):
    for width in (1280, 360):
        page = open_page(FIRST, width=width)
        word = page.locator("a.term").first
        tip = page.locator(f"#{word.get_attribute('aria-describedby')}")
        assert not tip.is_visible()
        word.focus()
        assert tip.is_visible() and tip.inner_text().startswith("The player")
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        below = word.bounding_box()
        assert 0 <= box["y"] - (below["y"] + below["height"]) < 12
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        word.hover()
        assert tip.is_visible()
        assert page.trouble == []
