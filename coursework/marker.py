"""Marks for one submission: a plain function of its bytes, for this machine or another.

The student's cells run in a sandbox, which is asked for values. Right answers, and what else the
course keeps for itself, stay in this process. What the sandbox sends is checked and never run.
"""

import builtins
import functools
import hashlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coursework.assignments import ASSIGNMENTS, OUTPUT
from coursework.marking import Award, Question, award, own_numbers, questions
from coursework.sandbox import EXITED, Broken, Limits, Sandbox
from coursework.seal import encode
from coursework.submission import TEXT_STUB, Submission, Unreadable, answer_cell, read
from coursework.tasks import NumberTask, Proof, Task
from coursework.worker import DEPTH, NO_NUMBER, NUMBERS, TEXT, TOO_DEEP, TOO_MANY, UNFIT

__all__ = ["decoded", "mark", "marks_of", "version"]

ROOT = Path(__file__).resolve().parent.parent
SETUP = Path(__file__).with_name("feedback.py")
PACKAGES = ("scipy", "torch", "matplotlib", "sympy", "pandas")  # imported once if mentioned
CALLS_SHARE = 3  # all calls of one question may take so many times the time of one
ENDED = {"ended": True}  # what the worker says when a question's process is no more
MISSING = "The answer cell of this task is missing from your notebook."


def mark(
    content: bytes,
    student: str,
    assignment: str,
    key: str,
    limits: Limits | None = None,
    *,
    confined: bool = True,
) -> dict[str, Any]:
    """The marks of one submission with their comments, as plain data.

    Args:
        content: The notebook's bytes.
        student: The student's number; it says which numbers and hidden inputs are the student's.
        assignment: The assignment's name, such as "06_games".
        key: The course's secret, with which hidden inputs are drawn.
        limits: What the submission may use.
        confined: False to run without a sandbox.

    Raises:
        Broken: If the sandbox does not start.
    """
    try:
        submission = read(content, ASSIGNMENTS[assignment])
    except Unreadable as error:
        submission = Submission({}, [f"{error}"])
    return marks_of(submission, student, assignment, key, limits, confined=confined)


def marks_of(
    submission: Submission,
    student: str,
    assignment: str,
    key: str,
    limits: Limits | None = None,
    *,
    confined: bool = True,
) -> dict[str, Any]:
    """As `mark`, of a submission that has been read."""
    started = time.monotonic()
    tasks = ASSIGNMENTS[assignment]
    with Bench(submission, tasks, student, limits or Limits(), confined) as bench:
        marked = [
            proof_of(task, submission) if isinstance(task, Proof) else bench.mark(task, key)
            for task in tasks
        ]
    return {
        "student": student,
        "assignment": assignment,
        "tasks": marked,
        "notes": submission.notes + name_notes(submission, student),
        "answers": submission.answers,
        "version": version(),
        "seconds": round(time.monotonic() - started, 2),
    }


@functools.cache
def version() -> str:
    """A digest of all that marks depend on, but for the secret and the submission."""
    digest = hashlib.sha256()
    for folder in ("coursework", "helpers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if OUTPUT not in path.parents:  # what is made there is made from the rest
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def name_notes(submission: Submission, student: str) -> list[str]:
    """A sentence if the notebook names somebody else: the student's numbers are then others."""
    said = submission.student
    if said is None or said.strip().lower() in ("", student.strip().lower()):
        return []
    return [
        f"Your notebook says STUDENT = {said!r}, and you handed in as {student!r}:"
        f" your own numbers are those of {student!r}."
    ]


def proof_of(task: Proof, submission: Submission) -> dict[str, Any]:
    """A proof, which waits for a person; without one there is nothing to wait for."""
    text = submission.answers.get(answer_cell(task))
    written = text is not None and text.strip() not in ("", TEXT_STUB)
    return {
        "number": task.number,
        "points": None if written else 0,
        "out_of": task.points,
        "comment": "" if written else "No proof was given." if text is not None else MISSING,
    }


class Bench:
    """A sandbox for one submission, put up again when a cell has broken it."""

    def __init__(
        self,
        submission: Submission,
        tasks: Sequence[Task],
        student: str,
        limits: Limits,
        confined: bool,
    ) -> None:
        self.student, self.limits, self.confined = student, limits, confined
        self.cells = {
            task.number: submission.answers[answer_cell(task)]
            for task in tasks
            if not isinstance(task, Proof) and answer_cell(task) in submission.answers
        }
        numbered = [task for task in tasks if isinstance(task, NumberTask)]
        self.mine = encode({task.number: own_numbers(task, student) for task in numbered})
        self.harmful: dict[str, Exception] = {}
        self.sandbox: Sandbox | None = None

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        """End the sandbox; the next question gets a fresh one."""
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None

    def ready(self) -> Sandbox:
        """The sandbox that runs, or a fresh one."""
        if self.sandbox is None:
            text = "\n".join(self.cells.values())
            imports = ["numpy", *(package for package in PACKAGES if package in text)]
            self.sandbox = Sandbox(
                self.limits, setup=SETUP.read_text(), imports=imports, confined=self.confined
            )
        return self.sandbox

    def mark(self, task: Task, key: str) -> dict[str, Any]:
        """A task's points, and the comments of its groups of inputs."""
        asked = questions(task, self.student, key)
        if task.number in self.cells:
            awards = [self.best(task, question) for question in asked]
        else:
            awards = [Award(question.group, 0, question.points, MISSING) for question in asked]
        return {
            "number": task.number,
            "points": sum(given.points for given in awards),
            "out_of": task.points,
            "groups": [vars(given) for given in awards],
        }

    def best(self, task: Task, question: Question) -> Award:
        """The marks for a cell alone, or after the student's earlier ones if that gives more.

        Alone, no other cell can harm it; and what it uses of others, such as an import, it finds
        in the second try.
        """
        values, broken = self.values(task, question, [task.number])
        alone = award(task, question, self.student, values)
        numbers = list(self.cells)
        before = [n for n in numbers[: numbers.index(task.number)] if n not in self.harmful]
        if alone.points == question.points or broken or not before:
            return alone
        values, broken = self.values(task, question, [*before, task.number])
        after = award(task, question, self.student, values)
        return alone if broken or after.points < alone.points else after

    def values(
        self, task: Task, question: Question, numbers: Sequence[str]
    ) -> tuple[list[Any], bool]:
        """The values that cells give for a question, and whether the sandbox broke."""
        calls = question.calls or ()
        if len(numbers) == 1 and task.number in self.harmful:
            return [self.harmful[task.number]] * max(1, len(calls)), True
        sandbox, defined = self.ready(), False
        try:
            reply = self.define(sandbox, question, numbers)
            defined = reply != ENDED
            if reply == {"function": True} and question.calls is not None:
                values, reply = self.called(sandbox, calls)
            else:
                values = [read_reply(reply, told=False)]
            if reply != ENDED:
                reply = sandbox.answer(self.limits.seconds)
            if reply != ENDED or not sandbox.clean():
                self.drop()
        except Broken as broken:
            self.drop()
            values = [Exception(sentence(broken))]
            if not defined and len(numbers) == 1:
                self.harmful[task.number] = values[0]
            return values * max(1, len(calls)), True
        if not defined and len(numbers) == 1:
            self.harmful[task.number] = values[0]
        return values + values[-1:] * (len(calls) - len(values)), not defined

    def define(self, sandbox: Sandbox, question: Question, numbers: Sequence[str]) -> dict:
        """Have cells run, and take the first reply."""
        sandbox.ask(
            {
                "cells": [[f"task {number}", self.cells[number]] for number in numbers],
                "mine": self.mine,
                "name": question.name,
                "function": question.calls is not None,
            }
        )
        return sandbox.answer(self.limits.seconds)

    def called(self, sandbox: Sandbox, calls: Sequence[tuple]) -> tuple[list[Any], dict]:
        """A function's values, up to the first that could not be had, and the last reply."""
        values: list[Any] = []
        end = time.monotonic() + CALLS_SHARE * self.limits.seconds
        for arguments in calls:
            sandbox.ask({"call": encode(arguments)})
            reply = sandbox.answer(min(self.limits.seconds, end - time.monotonic()))
            values.append(read_reply(reply, told=True))
            if reply == ENDED:
                return values, reply
            if isinstance(values[-1], Exception):
                break
        sandbox.ask({"end": True})
        return values, {}


def sentence(error: Exception) -> str:
    """The error's text with a capital and a full stop."""
    text = f"{error}"
    return f"{text[:1].upper()}{text[1:]}."


def read_reply(reply: dict[str, Any], *, told: bool) -> Any:
    """The value in a reply, or an exception with a sentence for the student.

    Args:
        reply: What came out of the sandbox: anything.
        told: Whether the sandbox knows hidden inputs; then no text of its own is passed on.
    """
    if reply == ENDED:
        return Exception(sentence(Broken(EXITED)))
    if "raised" in reply:
        return Exception(complaint(reply, told))
    try:
        return decoded(reply["value"])
    except (KeyError, ValueError, OverflowError):
        return Exception("Your answer could not be read.")


def complaint(reply: dict[str, Any], told: bool) -> str:
    """What a student's code raised; of what it says itself, only known words if it was told."""
    raised, text, line = (reply.get(name) for name in ("raised", "text", "line"))
    if raised == UNFIT and text in (NO_NUMBER, TOO_MANY, TOO_DEEP):
        return sentence(ValueError(text))
    known = isinstance(getattr(builtins, f"{raised}", None), type)
    said = f"{raised}" if known else "An error of its own"
    if not told and isinstance(text, str) and text:
        said += f": {''.join(filter(str.isprintable, text[:TEXT]))}"
    if type(line) is int and 0 < line < 10_000:
        said += f", in line {line} of your cell"
    return f"{said}."


def decoded(tree: Any) -> Any:
    """An answer from JSON that anybody may have written.

    Raises:
        ValueError: If it is not made of numbers, or too large.
    """
    left = [NUMBERS + 1]

    def part(value: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > DEPTH:
            raise ValueError("needed a smaller answer")
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, int) and abs(value) < 2**63:
            return value
        if isinstance(value, list):
            return [part(item, depth + 1) for item in value]
        if isinstance(value, dict) and set(value) == {"number"}:
            return special(value["number"])
        if isinstance(value, dict) and set(value) == {"shape", "array"}:
            return array(value["shape"], part(value["array"], depth + 1))
        raise ValueError("needed numbers")

    return part(tree, 0)


def special(name: Any) -> float:
    """A number that JSON does not have."""
    return {"inf": math.inf, "-inf": -math.inf}.get(
        name if isinstance(name, str) else "", math.nan
    )


def array(shape: Any, row: Any) -> np.ndarray:
    """An array of numbers of a given shape.

    Raises:
        ValueError: If they do not fit.
    """
    if not isinstance(shape, list) or not isinstance(row, list) or len(shape) > DEPTH:
        raise ValueError("needed a shape and a row of numbers")
    if not all(type(size) is int and 0 <= size <= NUMBERS for size in shape):
        raise ValueError("needed a shape of whole numbers")
    if math.prod(shape) != len(row) or not all(type(number) in (int, float) for number in row):
        raise ValueError("needed as many numbers as the shape says")
    return np.array(row, dtype=float).reshape(shape)
