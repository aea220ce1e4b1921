"""Join the pages of the built site into one HTML document that can be printed.

Anchors carry the name of their page, so they stay unique; links between pages become links
inside the document, each with room for the number of the page that it leads to. Controls of
figures become a line of text, hints of exercises an appendix, hidden code is left out.
"""

import html
import json
import posixpath
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import FileItem, parse_toc_yaml

HINTS = "hints"
FURNITURE = "script, style, .headerlink, button"
FORMULA = re.compile(r"(<mjx-container[^>]*>)(.*?)(</mjx-container>)", re.DOTALL)
OPEN, CLOSE = "\ue000", "\ue001"  # around the number of a formula; no text has these letters
SHORT_CODE, SHORT_TABLE = 30, 12  # lines and rows: what stays on one page
PLAIN_TOKENS = ["n", "nn", "nx", "o", "p", "w"]  # parts of code that print like any text


@dataclass(frozen=True)
class About:
    """What the title page says, and where files of the repository can be read."""

    title: str
    author: str
    year: str
    licence: str  # its full text
    address: str
    branch: str
    version: str

    @property
    def files(self) -> str:
        """Where files of the repository can be read."""
        return f"{self.address}/blob/{self.branch}"


@dataclass
class Page:
    """A page of the site: its name in _toc.yml, the caption above it there, and what it holds."""

    name: str
    part: str
    article: Tag
    head: Tag | None = None
    hints: list[Tag] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)  # those that figures bring along

    @property
    def anchor(self) -> str:
        """The page's own place in the document."""
        return self.name.replace("/", ".")

    def place(self, fragment: str) -> str:
        """Where an anchor of this page is in the document."""
        return f"{self.anchor}.{fragment}" if fragment else self.anchor

    def headings(self) -> list[tuple[int, str, str]]:
        """Level, place and inner HTML of titles: the page's, and a chapter's sections."""
        is_chapter = self.article.h1.find(class_="section-number")
        found = self.article.find_all(["h1", "h2"] if is_chapter else "h1")
        return [(int(h.name[1]), h["id"], h.decode_contents().strip()) for h in found]


def join(root: Path, site: Path, about: About, style: str) -> str:
    """The whole book as one HTML document.

    Args:
        root: The repository, which has _toc.yml.
        site: The built site.
        about: What the title page says.
        style: Rules for the print, put after those of the site.

    Raises:
        ValueError: If a page is missing, or a link leads to an anchor that no page has.
    """
    pages, formulas = [], []
    for name, part in names_in_order(root):
        pages.append(read_page(site, name, part, formulas))
        clean(pages[-1])
        mark_places(pages[-1])
    known = {page.name: page for page in pages}
    for page in pages:
        for article in (page.article, *page.hints):
            point_links(article, page, known, root, about.files)
            point_pictures(article, page, site)
    pages[0].article.h1.string = "About this book"
    pages.append(hints_appendix(pages))
    require_targets(pages)
    parts = [title_page(about), contents(pages), *map(printed_page, pages)]
    return with_formulas(document(head(site, pages, about, style), "".join(parts)), formulas)


def names_in_order(root: Path) -> list[tuple[str, str]]:
    """Names of the pages as in _toc.yml, each with the caption of its part."""
    toc = parse_toc_yaml(root / "_toc.yml")
    names = [(toc.root.docname, "")]

    def add(name: str, caption: str) -> None:
        for tree in toc[name].subtrees:
            for item in tree.items:
                if isinstance(item, FileItem):
                    names.append((str(item), caption or tree.caption or ""))
                    add(str(item), caption or tree.caption or "")

    add(toc.root.docname, "")
    return names


def read_page(site: Path, name: str, part: str, formulas: list[str]) -> Page:
    """A page of the site, cut down to its article; what its formulas are made of is set aside.

    They are three quarters of a chapter's elements, and nothing here looks into those without
    anchors.
    """

    def set_aside(found: re.Match) -> str:
        if ' id="' in found[2]:
            return found[0]
        formulas.append(found[2])
        return f"{found[1]}{OPEN}{len(formulas) - 1}{CLOSE}{found[3]}"

    path = site / f"{name}.html"
    text = path.read_text("utf8") if path.is_file() else ""
    tree = BeautifulSoup(FORMULA.sub(set_aside, text), "html.parser")
    article = tree.select_one("article")
    if article is None or article.h1 is None:
        raise ValueError(f"The PDF needs a page with an article and a title at {path}.")
    return Page(name, part, article.extract(), tree.head.extract())


def with_formulas(text: str, formulas: list[str]) -> str:
    """The text with its formulas back in their places."""
    return re.sub(f"{OPEN}(\\d+){CLOSE}", lambda found: formulas[int(found[1])], text)


# What a page loses and what it shows instead


def clean(page: Page) -> None:
    """Leave what paper can show."""
    article = page.article
    page.styles = [style.get_text() for style in article.find_all("style")]
    for box in article.find_all("details", class_="hide"):
        drop_hidden_code(box)
    for element in article.select(FURNITURE):
        element.decompose()
    for figure in article.find_all("div", class_="explore"):
        show_state(figure)
    for cell in article.find_all("div", class_="cell"):
        if not cell.get_text(strip=True) and not cell.find(["img", "svg"]):
            cell.decompose()
    for code in article.find_all("pre"):
        mark_short(code, len(code.get_text().strip("\n").split("\n")), SHORT_CODE)
        for token in code.find_all("span", class_=PLAIN_TOKENS):
            token.unwrap()
    for table in article.find_all("table"):
        mark_short(table, len(table.find_all("tr")), SHORT_TABLE)
    for box in article.find_all("details"):
        unfold(page, box)


def mark_short(element: Tag, size: int, limit: int) -> None:
    """Mark what can stay on one page without leaving much of the one before empty."""
    if size <= limit:
        element["class"] = [*element.get("class", []), "short"]


def drop_hidden_code(box: Tag) -> None:
    """Hidden code goes; other things under a fold of the theme's are shown."""
    if box.select_one(".cell_input"):
        box.decompose()
    else:
        box.summary.decompose()
        box.unwrap()


def show_state(figure: Tag) -> None:
    """Write the controls of an interactive figure as a line of text."""
    sentence = figure.select_one(".explore-sentence")
    if sentence:
        del sentence["data-longest"]
    form = figure.select_one("form")
    if form is None:
        return
    texts = [text for control in form.select(".explore-control") if (text := state(control))]
    line = new("p", "; ".join(texts) + ".", "explore-state")
    form.replace_with(line)


def state(control: Tag) -> str:
    """A control's name and value; nothing if it cannot be used in this state."""
    label = control.select_one(".explore-label").get_text(" ", strip=True)
    if control.select_one("input[disabled]"):
        return ""
    if box := control.select_one("input[type=checkbox]"):
        return f"{label}: {'yes' if box.has_attr('checked') else 'no'}"
    chosen = control.select_one("output, option[selected], label:has(> input[checked]) span")
    return f"{label}: {chosen.get_text(strip=True)}"


def unfold(page: Page, box: Tag) -> None:
    """Show what a fold holds; a hint goes to the appendix, with links there and back."""
    title = box.summary.extract().decode_contents().strip()
    if not title.lower().startswith("a hint"):
        box.name, box["class"] = "div", ["unfolded"]
        box.insert(0, fragment(f"<p><strong>{title}</strong></p>"))
        return
    here, there = (f"{word}-{len(page.hints) + 1}" for word in ("to-hint", "hint"))
    box.replace_with(
        fragment(f'<p class="to-hint" id="{here}"><a href="#{there}">{title}</a></p>')
    )
    number = re.sub(r"^a hint for ", "", title, flags=re.IGNORECASE)
    box.name, box["class"], box["id"] = "div", ["hint"], there
    back = f'<a href="#{here}">Exercise {number}</a>'
    box.insert(0, fragment(f'<p class="from-hint"><strong>{back}</strong></p>'))
    page.hints.append(box)


def fragment(text: str) -> Tag:
    """The one element that the text describes."""
    return BeautifulSoup(text, "html.parser").contents[0].extract()


def new(name: str, text: str, style: str) -> Tag:
    return fragment(f'<{name} class="{style}">{html.escape(text)}</{name}>')


# Places and links


def mark_places(page: Page) -> None:
    """Give every anchor the name of its page; one before a paragraph becomes the paragraph's."""
    for claim in page.article.select('p[id^="claim-"]'):
        claim["class"] = [*claim.get("class", []), "claim"]
    for anchor in page.article.select("p > a[id]:first-child"):
        paragraph = anchor.parent
        is_first = not "".join(map(str, anchor.previous_siblings)).strip()
        if is_first and not paragraph.has_attr("id") and not anchor.contents:
            paragraph["id"] = anchor["id"]
            paragraph["class"] = [*paragraph.get("class", []), anchor["id"].split("-")[0]]
            anchor.decompose()
    for part in (page.article, *page.hints):
        for element in [part, *part.select("[id]")]:
            if element.has_attr("id"):
                element["id"] = page.place(element["id"])
    page.article["id"] = page.anchor
    for heading in page.article.select("h1, h2, h3, h4"):
        section = heading.parent
        heading["id"] = section.get("id") or page.anchor
        if section.has_attr("id") and section is not page.article:
            del section["id"]


def point_links(article: Tag, page: Page, known: dict[str, Page], root: Path, files: str) -> None:
    """Point links at places of the document, at the repository, or at other hosts."""
    for link in article.select("a[href]"):
        url = urlparse(link["href"])
        if url.scheme or url.netloc:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), unquote(url.path)))
        target = known.get(path.removesuffix(".html")) if url.path else page
        if target:
            point_inside(link, target, target.place(unquote(url.fragment)), page)
        elif (root / path).exists():
            link["href"] = f"{files}/{path}"
        else:
            link.unwrap()


def point_inside(link: Tag, target: Page, place: str, page: Page) -> None:
    """Point a link at a place of the document; on paper one to another page needs its number."""
    link["href"] = f"#{place}"
    if {"term", "claim-link"} & set(link.get("class", [])):
        return  # too many numbers for words and lists of claims
    to_hint = link.parent.get("class") == ["to-hint"] or link.find_parent(class_="from-hint")
    if target is not page or to_hint:
        link.insert_after(fragment(f'<span class="at"> (p.&nbsp;{number_of(place)})</span>'))


def number_of(place: str) -> str:
    """Room for a page number, which the printer fills in."""
    return f'<span data-page-of="{html.escape(place)}">000</span>'


def point_pictures(article: Tag, page: Page, site: Path) -> None:
    """Name pictures by where they lie on this machine."""
    folder = (site / page.name).parent
    for picture in article.select("img[src]"):
        if not urlparse(picture["src"]).scheme:
            picture["src"] = (folder / unquote(picture["src"])).resolve().as_uri()


def require_targets(pages: list[Page]) -> None:
    """Raise ValueError unless anchors are unique and every inner link leads to one."""
    articles = [page.article for page in pages]
    places = Counter(part["id"] for article in articles for part in with_attribute(article, "id"))
    links = [link["href"] for article in articles for link in with_attribute(article, "href")]
    missing = sorted({link for link in links if link[0] == "#" and link[1:] not in places})
    twice = sorted(place for place, times in places.items() if times > 1)
    if twice or missing:
        raise ValueError(f"The PDF has anchors twice: {twice}; and links to nowhere: {missing}.")


def with_attribute(article: Tag, name: str) -> list[Tag]:
    """The article, if it has the attribute, and the elements in it that have it."""
    return [article] * article.has_attr(name) + article.find_all(attrs={name: True})


# The document


def hints_appendix(pages: list[Page]) -> Page:
    """A page of its own with all hints, those of a chapter under the chapter's title."""
    parts = [f'<h1 id="{HINTS}">Hints</h1>']
    for page in pages:
        if page.hints:
            title = page.article.h1.decode_contents().strip()
            parts.append(f'<section><h2 id="{HINTS}.{page.anchor}">{title}</h2>')
            parts += [*map(str, page.hints), "</section>"]
    article = fragment(f'<article class="bd-article">{"".join(parts)}</article>')
    return Page(HINTS, "Appendix", article)


def printed_page(page: Page) -> str:
    """A page's article with the box that tells the printer where it starts."""
    return (
        f'<div class="blank" data-before="{page.article.h1["id"]}" hidden></div>'
        f'<div class="printed" style="page: {page_name(page)}">{page.article}</div>'
    )


def page_name(page: Page) -> str:
    """What style sheets call the sheets of this page."""
    return "p-" + re.sub(r"\W", "-", page.name)


def title_page(about: About) -> str:
    """Title, and overleaf version, licence and what the print leaves out."""
    title, _, subtitle = about.title.partition(", ")
    text = {name: html.escape(value) for name, value in vars(about).items()}
    licence = "".join(f"<p>{html.escape(p)}</p>" for p in about.licence.strip().split("\n\n"))
    return f"""
<div class="title-page"><p class="title">{html.escape(title)}</p>
<p class="subtitle">{html.escape(subtitle)}</p><p class="author">{text["author"]}</p>
<p class="version">{text["version"]}</p></div>
<div class="imprint">
<p>{text["title"]}<br>© {text["year"]} {text["author"]}<br>{text["version"]}<br>
<a href="{text["address"]}">{text["address"]}</a></p>
<p>This is the printed form of an interactive book. Figures with sliders show one state, named
below them. Code that draws figures or repeats a check is left out; the notebooks at the address
above hold all of it, and run. Hints for exercises are at the end, so that nobody reads one by
accident. A number in brackets after a link is the page that it leads to.</p>
<div class="licence">{licence}</div></div>"""


def contents(pages: list[Page]) -> str:
    """The table of contents, with room for page numbers."""
    rows, part = [], None
    for page in pages:
        if page.part and page.part != part:
            rows.append(f'<p class="part">{html.escape(page.part)}</p>')
        part = page.part
        for level, place, title in page.headings():
            rows.append(
                f'<p class="entry level-{level}"><a href="#{place}"><span>{title}</span>'
                f'<span class="leader"></span>{number_of(place)}</a></p>'
            )
    return f'<nav class="book-contents"><h1 id="contents">Contents</h1>{"".join(rows)}</nav>'


def head(site: Path, pages: list[Page], about: About, style: str) -> str:
    """The site's own style sheets, then the rules for the print."""
    sheets = addresses(site, pages, "link[rel=stylesheet]", "href")
    figures = dict.fromkeys(style for page in pages for style in page.styles)
    return "".join(
        [
            f"<title>{html.escape(about.title)}</title>",
            f'<meta name="author" content="{html.escape(about.author)}">',
            *(f'<link rel="stylesheet" href="{sheet}">' for sheet in sheets),
            *(f"<style>{rules}</style>" for rules in [*figures, style, running_titles(pages)]),
        ]
    )


def addresses(site: Path, pages: list[Page], selector: str, attribute: str) -> list[str]:
    """Where on this machine the files are that the pages ask for, in their order."""
    found = {}
    for page in pages:
        for element in page.head.select(selector) if page.head else ():
            path = (site / page.name).parent / urlparse(element[attribute]).path
            found[path.resolve().as_uri()] = None
    return list(found)


def running_titles(pages: list[Page]) -> str:
    """Rules that put the title of a chapter at the top of its sheets."""
    rules = []
    for page in pages:
        title = json.dumps(page.article.h1.get_text().strip(), ensure_ascii=False)
        text = title.replace("<", "\\3c ")
        for side, corner in (("left", "right"), ("right", "left")):
            rules.append(
                f"@page {page_name(page)}:{side} {{ @top-{corner} {{ content: {text} }} }}"
            )
    return "\n".join(rules)


def document(head: str, body: str) -> str:
    """The parts, in the boxes that the site's style sheets expect."""
    return (
        '<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light">'
        f'<head><meta charset="utf-8">{head}</head>'
        f'<body><main class="bd-main"><div class="bd-content">{body}</div></main></body></html>'
    )
