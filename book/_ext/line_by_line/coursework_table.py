"""A directive that lists the tasks of the coursework, from its one source."""

import re
import sys
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from line_by_line.tables import as_row, as_table

HEADING = re.compile(r"^## Task (\d\.\d): (.+?) \((\d+) points", re.MULTILINE)
KINDS = {"CodeTask": "code", "NumberTask": "own number", "Proof": "proof, by hand"}


def task_rows(root: Path) -> list[list[str]]:
    """Head, and a row for each task: what it is called, asks for, tests and earns.

    Raises:
        ValueError: If a notebook's headings and its tasks differ.
    """
    from coursework.assignments import ASSIGNMENTS

    rows = [["task", "title", "form", "claims", "points"]]
    for stem, tasks in ASSIGNMENTS.items():
        path = root / f"coursework/source/{stem}/{stem}.ipynb"
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        titles = {number: (title, points) for number, title, points in HEADING.findall(text)}
        stated = {number: points for number, (_, points) in titles.items()}
        if {task.number: str(task.points) for task in tasks} != stated:
            raise ValueError(f"{path} and coursework/tasks do not name the same tasks and points")
        rows += [
            [
                task.number,
                titles[task.number][0],
                KINDS[type(task).__name__],
                ", ".join(task.claims),
                str(task.points),
            ]
            for task in tasks
        ]
    return rows


class Coursework(SphinxDirective):
    """`{coursework}`: the table of all tasks."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for pattern in ("tasks/*.py", "source/*/*.ipynb"):
            for path in sorted(root.glob(f"coursework/{pattern}")):
                self.env.note_dependency(str(path))
        head, *rows = task_rows(root)
        return [as_table(head, map(as_row, rows), "coursework")]


def setup(app: Sphinx) -> None:
    sys.path.insert(0, str(app.srcdir))
    app.add_directive("coursework", Coursework)
