"""Live code: a button on each chapter, and beside the pages what it loads when it is pressed.

The scripts in `_static/live` are the book's own, speak Jupyter's messages themselves, and need
no library. `settings.js` says where code runs: at Binder, unless `make serve-live` serves the
site, which answers with a `settings.js` of its own. Each chapter has a file with all its cells,
those too that the page does not show.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from notebooks import KERNEL_ENVIRONMENT, chapters, code_cells, read
from sphinx.application import Sphinx

FOLDER = "_static/live"
LOAD = (
    "(s => {{ s.src = '{source}'; s.dataset.chapter = '{chapter}'; document.head.append(s); }})"
    "(document.createElement('script'))"
)


def settings_script(place: dict[str, str]) -> str:
    """The script that says where code runs."""
    return f"lineByLine.place = {json.dumps(place)};\n"


def binder_place(theme: dict[str, Any]) -> dict[str, str]:
    """Binder's address and its name for this book, from the theme's options."""
    owner, name = theme["repository_url"].split("/")[-2:]
    spec = f"gh/{owner}/{name}/{theme['repository_branch']}"
    return {"binder": theme["launch_buttons"]["binderhub_url"], "spec": spec}


def chapter_script(root: Path, path: Path) -> str:
    """The script with a chapter's cells.

    The first `setup` cells, up to the one labelled `imports`, run by themselves; before them
    `begin`, which gives the kernel the environment that the build has: figures with sliders come
    without widgets, and numbers are the page's.
    """
    cells = code_cells(read(path))
    begins = [number for number, cell in enumerate(cells, start=1) if begins_chapter(cell)]
    chapter = {
        "folder": str(path.parent.relative_to(root)),
        "begin": f"import os; os.environ.update({KERNEL_ENVIRONMENT!r})",
        "setup": max(begins, default=0),
        "cells": [{"code": cell.source, "shown": is_shown(cell)} for cell in cells],
    }
    return f"lineByLine.chapter = {json.dumps(chapter, ensure_ascii=False)};\n"


def begins_chapter(cell: Any) -> bool:
    """Whether a cell finds the helpers or imports what the chapter needs."""
    return "bootstrap" in cell.metadata.get("tags", []) or cell.metadata.get("label") == "imports"


def is_shown(cell: Any) -> bool:
    """Whether a code cell is on the page."""
    return "remove-cell" not in cell.metadata.get("tags", [])


def add_button(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the button into the launch menu of a chapter."""
    root = Path(app.srcdir)
    path = root / f"{name}.ipynb"
    menus = [b for b in context.get("header_buttons", []) if b.get("label") == "launch-buttons"]
    if not menus or path not in chapters(root):
        return
    source = context["pathto"](f"{FOLDER}/live.js", 1) + f"?v={_version(root, path)}"
    button = {
        "type": "javascript",
        "text": "Live code",
        "tooltip": "Edit and run the code on this page",
        "icon": "fas fa-play",
        "javascript": LOAD.format(source=source, chapter=path.stem),
        "label": "live-code",
    }
    menus[0]["buttons"].insert(0, button)


def _version(root: Path, path: Path) -> str:
    """Part of the scripts' addresses, so that a browser does not mix those of two builds."""
    scripts = sorted(root.glob(f"book/{FOLDER}/*"))
    digest = hashlib.sha256(chapter_script(root, path).encode())
    for script in scripts:
        digest.update(script.read_bytes())
    return digest.hexdigest()[:12]


def write_scripts(app: Sphinx, error: Exception | None) -> None:
    """Write what the pages' button loads besides the book's own scripts."""
    if app.builder.format != "html" or error is not None:
        return
    root, folder = Path(app.srcdir), Path(app.outdir, FOLDER)
    place = binder_place(app.config.html_theme_options)
    (folder / "settings.js").write_text(settings_script(place), "utf8")
    for path in chapters(root):
        (folder / f"{path.stem}.js").write_text(chapter_script(root, path), "utf8")


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_button, priority=600)  # after the theme's own
    app.connect("build-finished", write_scripts)
