"""Print the built site as one PDF: _build/pdf/deep-generative-models.pdf.

Chromium prints one document made of all pages, at least twice: the first print tells on which
page each place lies, and these numbers are then written into the table of contents and after
the links. No TeX is needed, and figures, tables and formulas look as they do on the site.

    python tools/pdf.py
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from browsers import find_browser
from build import build
from notebooks import Progress, git, main, setting
from one_document import About, join
from pikepdf import Dictionary, Name, ObjectStreamMode, Pdf
from playwright.sync_api import Browser, Page, sync_playwright
from print_fonts import FORMULA_FONTS, convert_fonts, font_rules, formula_font_rules

RESULT = Path("_build/pdf/deep-generative-models.pdf")
STYLE = Path(__file__).with_name("pdf.css")
OLDEST = 131  # the first Chromium that prints titles and numbers in the margins of a page
MEASURE = 643  # px: the width of the text, 170 mm
MOST_PRINTS = 5
LOADING = 120_000  # ms: a browser on a busy machine


def make_pdf(root: Path, progress: Progress) -> None:
    """Print the site, which is built first if it is not there.

    Raises:
        NotebookError: If the site has to be built and a cell fails.
        ValueError: If there is no browser, a page cannot be printed whole, or a place is lost.
    """
    started = time.monotonic()
    executable = find_browser()
    if not (root / "_build/html/index.html").exists():
        build(root, progress)
    target = root / RESULT
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        joined = joined_book(root, root / "_build/html", Path(folder), progress)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable)
            require_recent(browser)
            pdf = with_facts(print_document(browser, joined, progress), about_book(root))
            browser.close()
        printed = Path(folder, "book.pdf")
        printed.write_bytes(pdf)
        os.replace(printed, target)
    with Pdf.open(target) as document:
        pages = len(document.pages)
    size, seconds = target.stat().st_size / 1e6, time.monotonic() - started
    progress.done(f"The PDF has {pages} pages and {size:.1f} MB ({seconds:.0f} s): {target}")


def joined_book(root: Path, site: Path, folder: Path, progress: Progress) -> Path:
    """Write the whole book as one HTML document, and its fonts for formulas, in the folder."""
    progress.show("joining the pages")
    convert_fonts(site / "_static" / FORMULA_FONTS, folder / "fonts")
    rules = (site / "_static/formulas.css").read_text("utf8")
    style = font_rules() + formula_font_rules(rules, folder / "fonts") + STYLE.read_text("utf8")
    joined = folder / "book.html"
    joined.write_text(join(root, site, about_book(root), style), "utf8")
    return joined


# The browser


def require_recent(browser: Browser) -> None:
    """Raise ValueError if the browser prints pages without titles and numbers."""
    if int(browser.version.split(".")[0]) < OLDEST:
        raise ValueError(f"The PDF needs Chromium {OLDEST} or newer; it is {browser.version}.")


# What the title page says


def about_book(root: Path) -> About:
    """Title, author and year from _config.yml, licence from LICENSE, version from git."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    licence = root / "LICENSE"
    return About(
        title=config["title"],
        author=config["author"],
        year=str(config["copyright"]),
        licence=licence.read_text("utf8") if licence.exists() else "",
        address=setting(root),
        branch=config["repository"]["branch"],
        version=version(root),
    )


def version(root: Path) -> str:
    """Date and name of the commit; today's date where there is none."""
    commit = git(root, "log", "-1", "--format=%cs, commit %h")
    if not commit:
        return time.strftime("Version of %Y-%m-%d")
    changed = git(root, "status", "--porcelain", "--untracked-files=no")
    return f"Version of {commit}{' with changes' if changed else ''}"


# Printing


def print_document(browser: Browser, joined: Path, progress: Progress) -> bytes:
    """Print until the page numbers that are written on the pages are the true ones.

    Raises:
        ValueError: If something is wider than the page, a link leads nowhere, or the numbers
            do not settle.
    """
    page = open_document(browser, joined)
    progress.show("setting the pages")
    if wide := page.evaluate(SET_AND_FIT, MEASURE):
        raise ValueError("The PDF would cut what is too wide:\n" + "\n".join(wide))
    chapters, wanted = page.evaluate(PLACES)
    blank, written = [], {}
    for number in range(1, MOST_PRINTS + 1):
        progress.show(f"print {number}")
        whole = number > 1  # the first is for the numbers only
        pdf = page.pdf(
            prefer_css_page_size=True, print_background=True, outline=whole, tagged=whole
        )
        found = page_numbers(pdf)
        if lost := sorted(set(wanted) - set(found)):
            raise ValueError(f"The PDF has links that lead nowhere: {lost}.")
        if whole and found == written:
            return pdf
        blank, written = arranged(without_blanks(found, blank), chapters)
        page.evaluate(FILL_IN, [blank, written])
    raise ValueError(f"The page numbers do not settle in {MOST_PRINTS} prints.")


def open_document(browser: Browser, joined: Path) -> Page:
    """The document as it will be on paper; it cannot ask another machine for anything."""
    context = browser.new_context(
        offline=True, viewport={"width": MEASURE, "height": 1000}, color_scheme="light"
    )
    page = context.new_page()
    page.emulate_media(media="print")
    page.goto(joined.as_uri(), wait_until="load", timeout=LOADING)
    return page


def page_numbers(pdf: bytes) -> dict[str, int]:
    """The page, counted from 1, of every place that a link leads to."""
    with Pdf.open(io.BytesIO(pdf)) as document:
        numbers = {page.objgen: number for number, page in enumerate(document.pages, start=1)}
        places = document.Root.Dests.items()
        return {name.lstrip("/"): numbers[place[0].objgen] for name, place in places}


def without_blanks(found: dict[str, int], blank: list[str]) -> dict[str, int]:
    """The numbers that places would have without the blank pages before some chapters."""
    starts = [found[chapter] for chapter in blank]
    return {
        place: number - sum(start <= number for start in starts) for place, number in found.items()
    }


def arranged(numbers: dict[str, int], chapters: list[str]) -> tuple[list[str], dict[str, int]]:
    """The chapters that need a blank page to start on the right, and all numbers then.

    Args:
        numbers: The page of every place if there are no blank pages.
        chapters: The places where chapters start, in their order.
    """
    blank: list[str] = []
    for chapter in chapters:
        if (numbers[chapter] + len(blank)) % 2 == 0:
            blank.append(chapter)
    starts = [numbers[chapter] for chapter in blank]
    return blank, {
        place: number + sum(start <= number for start in starts)
        for place, number in numbers.items()
    }


def with_facts(pdf: bytes, about: About) -> bytes:
    """The PDF with its author, shown with its outline open, and packed to 40 % of its size."""
    packed = io.BytesIO()
    with Pdf.open(io.BytesIO(pdf)) as document:
        document.docinfo.Title, document.docinfo.Author = about.title, about.author
        document.Root.PageMode = Name.UseOutlines
        for entry in entries(document.Root.Outlines):
            entry.Title = once(str(entry.Title))
        document.save(packed, object_stream_mode=ObjectStreamMode.generate)
    return packed.getvalue()


def entries(parent: Dictionary) -> Iterator[Dictionary]:
    """All entries below one of a PDF's outline, in their order."""
    child = parent.get("/First")
    while child is not None:
        yield child
        yield from entries(child)
        child = child.get("/Next")


def once(title: str) -> str:
    """A title in the outline: Chromium writes it twice if it was moved to the next page."""
    half = len(title) // 2
    return title[:half] if title == 2 * title[:half] else title


# What runs in the browser

# Fonts and pictures first, then what is wider than the text becomes smaller, to 55 %.
SET_AND_FIT = """async measure => {
  await document.fonts.ready;
  const pictures = [...document.images];
  await Promise.all(pictures.map(picture => picture.decode()));
  for (const picture of document.querySelectorAll('figure > img')) {  // 110 px to an inch
    picture.style.width = `${Math.min(picture.naturalWidth * 96 / 110, measure)}px`;
  }
  for (const view of document.querySelectorAll('.explore-view')) {
    view.style.width = `${parseFloat(view.style.width) * 96 / 110}px`;
  }
  for (const formula of document.querySelectorAll('mjx-container')) {  // for who cannot see them
    const spoken = formula.querySelector('mjx-assistive-mml');
    formula.setAttribute('role', 'img');
    formula.setAttribute('aria-label', spoken.querySelector('annotation').textContent);
    spoken.remove();
  }
  const width = element => Math.max(element.scrollWidth, element.getBoundingClientRect().width);
  const room = element => element.parentElement.clientWidth + 1;
  const fit = (element, needed, available) => {
    for (let share = 1; share > 0.55 && needed() > available(); share -= 0.025) {
      element.style.fontSize = `${share}em`;
    }
    const text = element.textContent.trim().replace(/\\s+/g, ' ').slice(0, 80);
    return needed() > available() ? [`${element.className || element.tagName}: ${text}`] : [];
  };
  const wide = [];
  for (const table of document.querySelectorAll('.printed table')) {
    wide.push(...fit(table, () => width(table), () => room(table)));
  }
  for (const code of document.querySelectorAll('.printed pre')) {
    wide.push(...fit(code, () => code.scrollWidth, () => code.clientWidth));
  }
  const ends = element => element.getBoundingClientRect().right;
  for (const formula of document.querySelectorAll('.printed mjx-container')) {
    const box = formula.closest('td, p, li, div');
    wide.push(...fit(formula, () => ends(formula), () => ends(box) + 1));
  }
  for (const figure of document.querySelectorAll('.printed :is(figure, img, svg)')) {
    if (ends(figure) > measure + 1) wide.push(`figure: ${figure.textContent.slice(0, 80)}`);
  }
  return wide;
}"""
PLACES = """() => [
  [...document.querySelectorAll('.blank')].map(box => box.dataset.before),
  [...document.querySelectorAll('a[href^="#"]')].map(link => link.hash.slice(1)),
]"""
FILL_IN = """([blank, numbers]) => {
  for (const box of document.querySelectorAll('.blank')) {
    box.hidden = !blank.includes(box.dataset.before);
  }
  for (const box of document.querySelectorAll('[data-page-of]')) {
    box.textContent = numbers[box.dataset.pageOf];
  }
}"""

if __name__ == "__main__":
    main(make_pdf)
