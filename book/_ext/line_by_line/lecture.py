"""Lecture mode: a button on each chapter, and reveal.js beside the script that makes the slides.

`book/_static/lecture/lecture.js` makes slides of the page's own blocks when the address of a
chapter ends in `?lecture`. Nothing is written for them but the chapter.
"""

import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from notebooks import chapters
from sphinx.application import Sphinx

FOLDER = "_static/lecture"
REVEAL = ("reveal.js", "reveal.css")


def add_button(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the button into the head of a chapter."""
    root = Path(app.srcdir)
    if root / f"{name}.ipynb" in chapters(root):
        button = {
            "type": "link",
            "url": "?lecture",
            "text": "",
            "tooltip": "Lecture: this page as slides",
            "icon": "fas fa-person-chalkboard",
            "label": "lecture",
        }
        context["header_buttons"].insert(0, button)


def copy_reveal(app: Sphinx, error: Exception | None) -> None:
    """Put reveal.js, which comes as a Python package, beside our script."""
    if app.builder.format != "html" or error is not None:
        return
    origin = distribution("sphinx-revealjs").locate_file("sphinx_revealjs/_static/revealjs")
    for name in REVEAL:
        shutil.copyfile(Path(origin, "dist", name), Path(app.outdir, FOLDER, name))


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_button, priority=600)  # after the theme's own
    app.connect("build-finished", copy_reveal)
