"""`make coursework`: the notebooks of students and of instructors from their one source."""

from collections.abc import Callable
from pathlib import Path

import nbformat

from coursework.assignments import ASSIGNMENTS, SOURCE
from coursework.feedback import open_assignment
from coursework.seal import table

__all__ = ["filled", "open_source"]

FEEDBACK = Path(__file__).with_name("feedback.py")


def open_source(stem: str) -> tuple[Callable, Callable]:
    """`check` and `numbers_of` of an assignment, for its source notebook."""
    return open_assignment(table(ASSIGNMENTS[stem]))


def filled(stem: str) -> nbformat.NotebookNode:
    """The source notebook with the students' feedback in its cell `feedback`."""
    notebook = nbformat.read(SOURCE / stem / f"{stem}.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == "feedback")
    sealed = table(ASSIGNMENTS[stem])
    lines = "\n".join(f'    "{sealed[i : i + 96]}"' for i in range(0, len(sealed), 96))
    cell.source = (
        "# @title Feedback on answers: run this cell, there is nothing to write in it\n"
        f"{FEEDBACK.read_text()}\n\nTABLE = (\n{lines}\n)\n"
        "check, numbers_of = open_assignment(TABLE)"
    )
    return notebook
