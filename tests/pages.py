"""The pages of the built site: all that _toc.yml names, chapters by themselves too."""

from pathlib import Path

import notebooks
from playwright.sync_api import Page
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = [str(path.relative_to(ROOT).with_suffix(".html")) for path in notebooks.chapters(ROOT)]
PAGES = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]


def read_through(page: Page) -> None:
    """Unfold everything."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelectorAll('tbody .why').forEach(why => why.click())")
