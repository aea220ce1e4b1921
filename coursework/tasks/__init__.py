"""What a task is: its numbers, its truth by a route of its own, and the known wrong versions.

Instructors only. Nothing of this package travels to students, except a task's `needed`, its
variants, its practice inputs and its sentences of advice. One module a chapter holds the tasks
of one assignment in a list `TASKS`, and the statements stand in the notebook under `source/`.
"""

import math
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coursework.feedback import TINY, numbers_in

__all__ = ["ADVICE_RIGHT", "POOL", "CodeTask", "NumberTask", "Proof", "Task", "agree"]

POOL = 200  # variants of a number task
ADVICE_RIGHT = "✓ Right."

Versions = Mapping[str, Callable[..., Any] | Sequence[Callable[..., Any]]]


@dataclass(frozen=True)
class NumberTask:
    """A number, or a few, to be found for one's own parameters.

    Attributes:
        number: Chapter and place, such as "4.2".
        claims: The claims of the chapter that it tests.
        points: Marks for a right answer.
        needed: The form of the answer in words, such as "a number".
        draw: Draws one variant's parameters, plain numbers, lists and arrays by name, from a
            `random.Random`.
        truth: The right answer for given parameters, by a route of its own: not the one of the
            notebook's solution. It is computed for every variant: a few milliseconds at most.
        wrong: For each sentence of advice, the wrong version or versions that deserve it; they
            take the same parameters. A version that raises ValueError does not apply there.
        alike: What all variants must have in common to be equally hard, from the parameters.
        tolerance: Largest relative distance at which marking accepts an answer.
    """

    number: str
    claims: tuple[str, ...]
    points: int
    needed: str
    draw: Callable[[random.Random], Mapping[str, Any]]
    truth: Callable[..., Any]
    wrong: Versions
    alike: Callable[..., Hashable]
    tolerance: float = 1e-3

    @property
    def answer(self) -> str:
        """The name under which the notebook holds the answer."""
        return f"answer_{self.number.replace('.', '_')}"

    def variants(self) -> list[dict[str, Any]]:
        """All variants, the same in every process: no two of them are equal."""
        chooser = random.Random(f"variants of task {self.number}")
        found: dict[str, dict[str, Any]] = {}
        for _ in range(100 * POOL):
            if len(found) == POOL:
                return list(found.values())
            drawn = dict(self.draw(chooser))
            found.setdefault(repr(drawn), drawn)
        raise ValueError(f"task {self.number} has only {len(found)} variants; needed {POOL}")


@dataclass(frozen=True)
class CodeTask:
    """A function to be written.

    Attributes:
        number, claims, points, needed: As for `NumberTask`.
        answer: The function's name.
        practice: Argument tuples of the student's feedback; they travel to students.
        hidden: Draws the hidden argument tuples of one student; part of the points go with each
            group, such as {"ordinary inputs": (3, draw), "extreme inputs": (1, draw)}.
        truth: The right value for given arguments, by a route of its own.
        wrong: As for `NumberTask`; the versions take the function's arguments.
        tolerance: Largest relative distance at which marking accepts a value.
    """

    number: str
    claims: tuple[str, ...]
    needed: str
    answer: str
    practice: Sequence[tuple]
    hidden: Mapping[str, tuple[int, Callable[[random.Random], Sequence[tuple]]]]
    truth: Callable[..., Any]
    wrong: Versions
    tolerance: float = 1e-6

    @property
    def points(self) -> int:
        """Marks for a function that is right on all groups of inputs."""
        return sum(points for points, _ in self.hidden.values())


@dataclass(frozen=True)
class Proof:
    """A proof, which a person marks by the rubric that stands in the notebook's source."""

    number: str
    claims: tuple[str, ...]
    points: int


Task = NumberTask | CodeTask | Proof


def agree(given: Any, right: Any, tolerance: float) -> bool:
    """Whether two answers have the same shape and, number by number, nearly the same values.

    `tolerance` is relative. Infinities agree with themselves; a value that is no number agrees
    with nothing, and an answer that holds no numbers at all is just wrong.
    """
    try:
        left, right = numbers_in(given), numbers_in(right)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return False
    if left.shape != right.shape:
        return False
    return all(
        a == b or (math.isfinite(a - b) and abs(a - b) <= tolerance * abs(b) + TINY)
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    )
