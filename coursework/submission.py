"""A submitted notebook, of which nothing is believed: its answers, read by the ids of cells."""

import ast
import errno
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursework.tasks import Proof, Task

__all__ = [
    "CODE_STUB",
    "TEXT_STUB",
    "Submission",
    "Unreadable",
    "answer_cell",
    "read",
    "read_file",
    "score_cell",
]

CODE_STUB = "# Write your answer here.\n..."
TEXT_STUB = "Write your proof here."
LARGEST = 64 * 2**20  # bytes of a notebook
LONGEST = 200_000  # characters of a cell
ADDED = "Cells that you added do not count; define helpers inside your answer cells."


class Unreadable(ValueError):
    """A file in which no answers can be found; the text says why, for the student."""


@dataclass(frozen=True)
class Submission:
    """What counts of a notebook.

    Attributes:
        answers: The text of each answer cell that is there, by its id.
        notes: Sentences for the student on what does not count.
        student: What the notebook itself says that the student is called, if it says so.
    """

    answers: dict[str, str]
    notes: list[str]
    student: str | None = None


def answer_cell(task: Task) -> str:
    """The id of the cell in which a task is answered."""
    kind = "proof" if isinstance(task, Proof) else "answer"
    return f"{kind}-{task.number.replace('.', '-')}"


def score_cell(task: Task) -> str:
    """The id of the cell to which nbgrader gives the points of a task."""
    kind = "proof" if isinstance(task, Proof) else "test"
    return f"{kind}-{task.number.replace('.', '-')}"


def read_file(path: Path) -> bytes:
    """A submitted file's bytes: no link, device or pipe, and no giant.

    Raises:
        Unreadable: If it is one of those.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        linked = error.errno == errno.ELOOP
        said = "it is a link to another file" if linked else f"{error.strerror}"
        raise Unreadable(f"Your notebook could not be opened: {said}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("Your notebook could not be opened: it is no ordinary file.")
    with open(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Unreadable(
            f"Your notebook is larger than {LARGEST // 2**20} MB. Clear its outputs and save it."
        )
    return content


def read(content: bytes, tasks: Sequence[Task]) -> Submission:
    """The answers in a notebook to an assignment's tasks.

    Raises:
        Unreadable: If it is no notebook.
    """
    cells = list(cells_of(content))
    wanted = {answer_cell(task): isinstance(task, Proof) for task in tasks}
    answers: dict[str, str] = {}
    notes, claimed, added = [], None, False
    for name, is_code, text in cells:
        if name in wanted and (is_code or wanted[name]):
            if name in answers:
                notes.append(f"Your notebook holds {name} more than once; the first counts.")
            answers.setdefault(name, text)
        elif is_code and claimed is None and (found := student_in(text)) is not None:
            claimed = found
        elif is_code and text.strip() and name is None:
            added = True
    too_long = [name for name, text in answers.items() if len(text) > LONGEST]
    for name in too_long:
        notes.append(f"The cell {name} is longer than {LONGEST} characters, and does not count.")
        del answers[name]
    return Submission(answers, list(dict.fromkeys(notes)) + [ADDED] * added, claimed)


def cells_of(content: bytes) -> Iterator[tuple[str | None, bool, str]]:
    """Of each cell the id that nbgrader gave it, whether it holds code, and its text."""
    try:
        text = content.decode(json.detect_encoding(content), errors="replace")
        notebook = json.loads(text)
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable("Your file is no Jupyter notebook: it could not be read.") from None
    if not isinstance(cells, list):
        raise Unreadable("Your file is no Jupyter notebook: it holds no list of cells.")
    for cell in cells:
        if isinstance(cell, dict):
            yield grade_id(cell), cell.get("cell_type") == "code", source_of(cell)


def source_of(cell: dict[str, Any]) -> str:
    """A cell's text, which a notebook holds as one text or as a list of lines."""
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str)).replace("\0", "")
    return text.encode(errors="replace").decode()  # halves of characters would stop others


def grade_id(cell: dict[str, Any]) -> str | None:
    """The id that nbgrader gave a cell; that of the cell itself where the other is lost."""
    metadata = cell.get("metadata")
    marked = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    found = marked.get("grade_id") if isinstance(marked, dict) else None
    if not isinstance(found, str):
        found = cell.get("id")
        if not isinstance(found, str) or not re.fullmatch(r"(answer|proof|test)-\d+-\d+", found):
            return None
    return found


def student_in(text: str) -> str | None:
    """The name in a cell such as `STUDENT = "s1234567"`; None if it is no such cell."""
    match = re.search(r"^STUDENT *= *(\"[^\"\n]{0,100}\"|'[^'\n]{0,100}')", text, re.MULTILINE)
    if match is None:
        return None
    try:
        return str(ast.literal_eval(match.group(1)))
    except (ValueError, SyntaxError):
        return None
