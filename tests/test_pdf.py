"""The printed book: everything is in it, every link and page number is right, nothing is raw."""

import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import notebooks
import one_document
import pdf
import pytest
from browsers import find_browser
from bs4 import BeautifulSoup, Tag
from line_by_line.ledger import STATEMENT
from one_document import About, join
from pikepdf import Dictionary, Pdf
from playwright.sync_api import Browser
from pypdfium2 import PdfDocument

ROOT = Path(__file__).resolve().parent.parent
PAGES = range(100, 400)
A4 = (0, 0, 595, 842)  # points
LARGEST = 5_000_000  # bytes
ABOUT = About(
    title="A Book, Line by Line",
    author="Its makers",
    year="2026",
    licence="One.\n\nTwo <2>.",
    address="https://example.org/book",
    branch="print",
    version="Version of today",
)


# Joining, on a site of two pages that no browser sees


PAGE = """<html><head>
<link rel="stylesheet" href="../_static/look.css?v=1">
</head><body><nav>elsewhere</nav><article class="bd-article"><section id="top">
<h1>{title}<a class="headerlink" href="#top">#</a></h1>{body}</section></article></body></html>"""
FIRST = """
<p><a href="two.html#claim-1">the claim</a> <a href="two.html">all of it</a>
<a href="https://example.com/x">far</a> <a href="one.ipynb">notebook</a>
<a href="../genindex.html">index</a> <a href="#top">up</a></p>
<img src="../_images/a.png" alt="a">"""
SECOND = r"""
<p><a id="claim-1"></a>
<strong>Claim 1.</strong> Here <span class="math">x &lt; 1</span>.</p>
<section id="part"><h2>Part<a class="headerlink" href="#part">#</a></h2></section>
<div class="cell"><details class="admonition hide above-input"><summary>
<p>Show code cell source</p></summary><div class="cell_input"><pre>hidden = 1</pre></div></details>
</div>
<pre><span class="k">def</span> <span class="n">seen</span></pre>
<details><summary>A hint for 1</summary><p>Think.</p></details>
<details><summary>Proof</summary><p>Shown.</p></details>
<div class="explore" id="fig"><style>.explore {}</style><figure><div class="explore-view"></div>
<p class="explore-sentence" data-longest="longest">said</p><form hidden>
<label class="explore-control"><span class="explore-label">rate</span><input type="range">
<output>0.5</output></label>
<label class="explore-control"><span class="explore-label">on</span><input type="checkbox"></label>
<label class="explore-control"><span class="explore-label">rule</span><select>
<option>a</option><option selected>b</option></select></label>
<fieldset class="explore-control"><legend class="explore-label">kind</legend><div>
<label><input type="radio"><span>A</span></label>
<label><input type="radio" checked><span>B</span></label></div></fieldset>
<label class="explore-control"><span class="explore-label">off</span><input disabled>
<output>1</output></label></form></figure><script>run()</script></div>"""


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """A site of two pages, in a repository with a table of contents and a notebook."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book/one.ipynb").write_text("{}")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/one\nparts:\n- caption: Chapters\n  chapters:\n"
        "  - file: book/two\n"
    )
    (tmp_path / "html/book").mkdir(parents=True)
    for name, body in (("one", FIRST), ("two", SECOND)):
        text = PAGE.format(title=name.title(), body=body)
        (tmp_path / f"html/book/{name}.html").write_text(text)
    return tmp_path / "html"


@pytest.fixture
def joined(small_site: Path) -> BeautifulSoup:
    """The two pages as one document."""
    text = join(small_site.parent, small_site, ABOUT, "/* print */")
    return BeautifulSoup(text, "html.parser")


def test_formulas_come_through_as_they_are(small_site):
    formulas = [
        f'<mjx-container a="1"><mjx-math>{c} &amp; 1</mjx-math></mjx-container>' for c in "xyz"
    ]
    formulas[1] = formulas[1].replace("<mjx-math>", '<mjx-math id="equation">')
    path = small_site / "book/two.html"
    path.write_text(path.read_text().replace("</h1>", f"</h1><p>{' or '.join(formulas)}</p>", 1))
    text = join(small_site.parent, small_site, ABOUT, "/* print */")
    formulas[1] = formulas[1].replace('"equation"', '"book.two.equation"')
    assert f"<p>{' or '.join(formulas)}</p>" in text


def test_anchors_stay_unique_and_links_follow_them(joined):
    ids = [element["id"] for element in joined.select("[id]")]
    assert len(ids) == len(set(ids))
    links = {link.get_text(): link["href"] for link in joined.select("article a[href]")}
    assert links["the claim"] == "#book.two.claim-1"
    assert links["all of it"] == "#book.two"
    assert links["up"] == "#book.one.top"
    assert links["far"] == "https://example.com/x"
    assert links["notebook"] == "https://example.org/book/blob/print/book/one.ipynb"
    assert "index" not in links
    inside = {link["href"][1:] for link in joined.select('a[href^="#"]')}
    assert inside <= set(ids)


def test_links_to_other_pages_have_room_for_a_number(joined):
    beside = [link.find_next_sibling("span", class_="at") for link in joined.select("article a")]
    numbered = [span.find_previous("a").get_text() for span in beside if span]
    assert numbered[:2] == ["the claim", "all of it"]
    assert joined.select_one(".at span")["data-page-of"] == "book.two.claim-1"
    assert [a.get_text(" ") for a in joined.select(".book-contents a")] == [
        "About this book 000",
        "Two 000",
        "Hints 000",
    ]


def test_paper_shows_states_proofs_and_no_hidden_code(joined):
    text = joined.select_one("main").get_text(" ", strip=True)
    assert "Show code cell source" not in text
    assert "hidden = 1" not in text
    assert "def seen" in text
    assert "Shown." in text
    assert joined.select_one(".explore-state").get_text() == "rate: 0.5; on: no; rule: b; kind: B."
    assert joined.select("form, main script, main style, nav:not(.book-contents), button") == []
    assert joined.select_one("p#book\\.two\\.claim-1.claim")
    assert "Two <2>." in text


def test_hints_go_to_the_end_and_back(joined):
    there = joined.select_one(".to-hint a")
    hint = joined.find(id=there["href"][1:])
    assert "Think." in hint.get_text()
    assert hint.find_parent("article").h1.get_text() == "Hints"
    back = joined.find(id=hint.a["href"][1:])
    assert back is there.parent


def test_pages_bring_the_style_of_the_site_and_no_scripts(joined, small_site):
    sheets = [link["href"] for link in joined.select("link")]
    assert sheets == [(small_site / "_static/look.css").as_uri()]
    assert joined.select_one("article img")["src"] == (small_site / "_images/a.png").as_uri()
    assert joined.select("script") == []


def test_a_lost_anchor_is_named(small_site):
    page = small_site / "book/two.html"
    page.write_text(page.read_text().replace('<a id="claim-1"></a>', ""))
    with pytest.raises(ValueError, match=r"nowhere: \['#book\.two\.claim-1'\]"):
        join(small_site.parent, small_site, ABOUT, "")


def test_a_missing_page_is_named(small_site):
    (small_site / "book/two.html").unlink()
    with pytest.raises(ValueError, match=r"page with an article and a title at .*two\.html"):
        join(small_site.parent, small_site, ABOUT, "")


def test_blank_pages_put_chapters_on_the_right():
    numbers = {"a": 3, "b": 6, "b.1": 8, "c": 9, "d": 11}
    blank, shifted = pdf.arranged(numbers, ["a", "b", "c", "d"])
    assert blank == ["b", "c"]
    assert shifted == {"a": 3, "b": 7, "b.1": 9, "c": 11, "d": 13}
    assert pdf.without_blanks(shifted, blank) == numbers


@pytest.mark.parametrize("title, shown", [("What breaksWhat breaks", "What breaks"), ("ab", "ab")])
def test_titles_stand_once_in_the_outline(title, shown):
    assert pdf.once(title) == shown


def test_no_browser_is_said_plainly(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="apt-get install chromium"):
        find_browser()


# The printed book


@pytest.fixture(scope="session")
def content(site: Path, browser: Browser, tmp_path_factory) -> bytes:
    """The book, printed once."""
    folder = tmp_path_factory.mktemp("print")
    document = pdf.joined_book(ROOT, site, folder, notebooks.Progress())
    about = pdf.about_book(ROOT)
    content = pdf.print_document(browser, document, notebooks.Progress())
    return pdf.with_facts(content, about)


@pytest.fixture(scope="session")
def printed(content: bytes) -> Iterator[Pdf]:
    """The printed book, to be looked into."""
    with Pdf.open(io.BytesIO(content)) as document:
        yield document


@pytest.fixture(scope="session")
def texts(content: bytes) -> list[str]:
    """The text of every page."""
    with PdfDocument(content) as document:
        return [page.get_textpage().get_text_range() for page in document]


@pytest.fixture(scope="session")
def articles(trees) -> list[Tag]:
    """What the pages of the site say, in the order of the book."""
    return [trees[f"{name}.html"].article for name, _ in one_document.names_in_order(ROOT)]


def squeezed(text: str) -> str:
    """A text without its spaces, which PDF does not keep, and without ligatures."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def prose(element) -> list[str]:
    """What stands between the formulas of an element, as pieces of text."""
    pieces = BeautifulSoup(str(element), "html.parser")
    for other in pieces.select(".math, .headerlink"):
        other.replace_with("\n\n\n")
    return [piece for piece in re.split(r"\n\n\n", pieces.get_text()) if piece.strip()]


@pytest.fixture(scope="session")
def outline(printed: Pdf) -> list[tuple[str, int]]:
    """Every title of the outline, squeezed, with its page."""
    numbers = {page.objgen: number for number, page in enumerate(printed.pages, start=1)}
    entries = pdf.entries(printed.Root.Outlines)
    return [(squeezed(str(entry.Title)), numbers[entry.Dest[0].objgen]) for entry in entries]


def test_the_book_has_a_book_s_size_and_facts(printed, content):
    assert len(printed.pages) in PAGES
    assert printed.docinfo["/Title"] == pdf.about_book(ROOT).title
    assert printed.docinfo["/Author"] == pdf.about_book(ROOT).author
    assert printed.Root.Lang == "en"
    assert printed.Root.MarkInfo.Marked
    assert {tuple(map(round, page.mediabox.as_list())) for page in printed.pages} == {A4}
    assert len(content) < LARGEST


def test_the_outline_has_every_chapter_and_section(outline, articles):
    shown = {title for title, _ in outline}
    titles = [
        squeezed("".join(prose(heading)))
        for article in articles[1:]
        for heading in article.select("h1, h2, h3")
    ]
    assert [title for title in titles if title not in shown] == []


def test_every_inner_link_has_a_destination(printed):
    links = [note for page in printed.pages for note in page.get("/Annots", []) if is_link(note)]
    inner = [str(link.Dest) for link in links if "/Dest" in link]
    assert len(inner) > 300
    assert set(inner) <= set(printed.Root.Dests.keys())
    addresses = {str(link.A.URI) for link in links if "/A" in link}
    assert [a for a in addresses if not a.startswith("https://")] == []


def is_link(note: Dictionary) -> bool:
    return note.Subtype == "/Link"


def test_page_numbers_are_those_of_the_places(outline, texts, articles):
    starts = dict(reversed(outline))  # the first of a name: hints repeat chapters' titles
    contents = "".join(texts[2:6])
    for article in articles[1:]:
        title = squeezed("".join(prose(article.h1)))
        number = re.search(re.escape(title) + r"(\d+)", squeezed(contents))
        assert number, f"{title} is not in the table of contents"
        assert int(number[1][: len(str(starts[title]))]) == starts[title]
        assert starts[title] % 2 == 1, "a chapter starts on the left"
        assert title in squeezed(texts[starts[title] - 1])


def test_every_claim_and_caption_is_there(texts, articles):
    book = squeezed("".join(texts))
    claims = [
        statement
        for path in notebooks.chapters(ROOT)
        for cell in notebooks.read(path).cells
        if cell.cell_type == "markdown"
        for statement in STATEMENT.findall(cell.source)
    ]
    assert [number for number, _ in claims if f"Claim{number}." not in book] == []
    elements = [
        element
        for article in articles
        for element in article.select("p:has(> a[id^=claim-]), figcaption, .explore-sentence")
    ]
    assert len(elements) > len(claims)
    pieces = [squeezed(piece) for element in elements for piece in prose(element)]
    assert [piece for piece in pieces if piece not in book] == []


def test_nothing_raw_or_local_is_printed(texts, articles):
    book = "\n".join(texts)
    raw = r"\$\$|Show code cell|file://|127\.0\.0\.1|p\.\s(?:000|undefined)|\[object"
    assert re.findall(rf".{{0,40}}(?:{raw}).{{0,40}}", book) == []
    code = squeezed(
        "".join(pre.get_text() for article in articles for pre in article.select("pre"))
    )
    commands = re.findall(r".{0,20}\\(?:frac|mathbb|log|theta|\()", book)
    assert [found for found in commands if squeezed(found) not in code] == []


def test_fonts_are_embedded(printed):
    fonts = [font for page in printed.pages for font in page.Resources.get("/Font", {}).values()]
    assert fonts
    for font in fonts:
        below = font.get("/DescendantFonts", [font])[0]
        embedded = {"/FontFile", "/FontFile2", "/FontFile3"} & set(below.FontDescriptor.keys())
        assert embedded, font.BaseFont
