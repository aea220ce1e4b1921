"""Marks for values: hidden inputs of each student, and how answers to them are judged.

Nothing here runs a student's code. The marker asks a sandbox for values and judges them with
`award`. Only nbgrader's own autograde, which trusts the student's kernel, calls `points_for`
there.
"""

import contextlib
import os
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursework.assignments import task_of
from coursework.feedback import decode, variant_of
from coursework.seal import encode
from coursework.tasks import NumberTask, Proof, Task, agree

__all__ = ["Award", "Question", "award", "own_numbers", "points_for", "questions", "secret"]

SECRET = Path(__file__).parent / "secret.txt"


@dataclass(frozen=True)
class Question:
    """What the sandbox is asked for: a name's value, or a function's values at some arguments."""

    group: str
    points: int
    name: str
    calls: tuple[tuple, ...] | None


@dataclass(frozen=True)
class Award:
    """The marks for one question, and a sentence for the student."""

    group: str
    points: float
    out_of: int
    comment: str


def secret() -> str:
    """What hidden inputs are drawn with: a text of one's own, made once for each course.

    It stands in `coursework/secret.txt`, which git ignores; COURSEWORK_SECRET names another.
    """
    if given := os.environ.get("COURSEWORK_SECRET"):
        return given
    if not SECRET.exists():
        fresh = SECRET.with_name(f".secret-{secrets.token_hex(4)}.txt")
        fresh.write_text(secrets.token_hex(16) + "\n")
        with contextlib.suppress(FileExistsError):  # whoever comes first
            SECRET.hardlink_to(fresh)
        fresh.unlink()
    return SECRET.read_text().strip()


def own_numbers(task: NumberTask, student: str) -> dict[str, Any]:
    """A student's parameters of a number task, as the student's notebook shows them."""
    variants = task.variants()
    return decode(encode(variants[variant_of(student, task.number, len(variants))]))


def questions(task: Task, student: str, key: str) -> list[Question]:
    """What to ask a student's code for; nothing for a proof."""
    if isinstance(task, Proof):
        return []
    if isinstance(task, NumberTask):
        return [Question("your number", task.points, task.answer, None)]
    asked = []
    for group, (points, draw) in task.hidden.items():
        chooser = random.Random(f"{key}/{student.strip().lower()}/{task.number}/{group}")
        calls = tuple(decode(encode(arguments)) for arguments in draw(chooser))
        asked.append(Question(group, points, task.answer, tuple(map(tuple, calls))))
    return asked


def award(task: Task, question: Question, student: str, values: Sequence[Any]) -> Award:
    """Marks for the values that a student's code gave: one, or one for each call.

    A value that could not be had is an exception, whose text goes into the comment.
    """
    if question.calls is None:
        own = own_numbers(task, student)
        rights, wrongs = [task.truth(**own)], task.wrong
    else:
        own = None
        rights, wrongs = [task.truth(*call) for call in question.calls], {}
    if len(values) != len(rights):
        return Award(question.group, 0, question.points, "No answer was had for every input.")
    for place, (value, right) in enumerate(zip(values, rights, strict=True)):
        if isinstance(value, Exception):
            return Award(question.group, 0, question.points, f"{value}")
        if not agree(value, right, task.tolerance):
            where = "" if question.calls is None else f"Input {place + 1} of {len(rights)}. "
            comment = f"{where}{_mistake(value, wrongs, own, task.tolerance)}"
            return Award(question.group, 0, question.points, comment)
    return Award(question.group, question.points, question.points, "Right.")


def _mistake(value: Any, wrongs: Any, own: dict[str, Any] | None, tolerance: float) -> str:
    """The known mistake that leads to a value, or that it is another one."""
    if value is None:
        return "No answer."
    for advice, version in wrongs.items():
        for wrong in version if isinstance(version, Sequence) else [version]:
            try:
                if agree(value, wrong(**own), tolerance):
                    return advice
            except ValueError:
                continue
    return "Not the right value."


def points_for(number: str, answer: Any, student: str) -> float:
    """Points of a task inside a notebook, for nbgrader's own autograde; prints the comments.

    It runs in the student's kernel, so a dishonest student can beat it: `make grade` is safe.
    """
    task = task_of(number)
    total = 0.0
    for question in questions(task, student, secret()):
        values = (
            [answer] if question.calls is None else [_value(answer, c) for c in question.calls]
        )
        given = award(task, question, student, values)
        print(f"{given.group}: {given.points:g} of {given.out_of}. {given.comment}")
        total += given.points
    return total


def _value(function: Any, arguments: tuple) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        return error
