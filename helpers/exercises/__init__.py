"""Exercises with instant feedback: right, or the misconception by name, never the solution.

A judge takes an answer and returns None if it is right, else a sentence of advice. Wrong
versions that readers are known to reach are kept beside the right one; an answer that agrees
with one of them on every instance gets that version's sentence.
"""

import copy
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from IPython.display import display
from torch import Tensor

from helpers.checks import distance, record

__all__ = [
    "Catalogue",
    "Exercise",
    "are_numbers",
    "compare",
    "is_number",
    "is_two_whole_numbers",
]

Judge = Callable[[Any], str | None]


@dataclass(frozen=True)
class Exercise:
    """What is asked for, which claim it trains, at which level, and how an answer is judged."""

    claim: str
    level: str  # "read", "do" or "prove"
    needed: str  # the form of the answer, in words
    accepts: Callable[[Any], bool]  # whether an answer has that form
    judge: Judge


class Catalogue(dict[str, Exercise]):
    """The exercises of a chapter under their numbers, such as "1.2"."""

    def check_answer(self, number: str, answer: Any) -> None:
        """Show feedback on an answer to an exercise, and leave the ledger's record.

        Args:
            number: The exercise's number, such as "1.2".
            answer: The reader's answer; None or ... stands for "not answered yet".

        Raises:
            ValueError: If there is no such exercise.
        """
        _, message = self.feedback(number, answer)
        text = f"Exercise {number}: {message}"
        exercise = self[number]
        title = f"Exercise {number} ({exercise.level})"
        anchor = f"exercise-{number.replace('.', '-')}"
        metadata = record(exercise.claim, "exercise", title, anchor)
        bundle = {"text/html": f"<p>{html.escape(text)}</p>", "text/plain": text}
        display(bundle, raw=True, metadata=metadata)

    def feedback(self, number: str, answer: Any) -> tuple[bool, str]:
        """Whether an answer is right, and what to tell the reader; see `check_answer`."""
        if number not in self:
            raise ValueError(f"there is no exercise {number!r}; there are {', '.join(self)}")
        exercise = self[number]
        if answer is None or answer is ...:
            return False, f"○ Give {exercise.needed}."
        if not exercise.accepts(answer):
            return False, f"✗ Not yet. Needed {exercise.needed}; got {answer!r:.60}."
        advice = exercise.judge(answer)
        return (True, "✓ Right.") if advice is None else (False, f"✗ Not yet. {advice}")


def compare(
    truth: Callable[..., Any],
    misconceptions: Mapping[str, Callable[..., Any] | Sequence[Callable[..., Any]]],
    instances: Sequence[tuple] = ((),),
    tolerance: float = 0.0,
) -> Judge:
    """A judge that compares an answer with the truth on every instance.

    Args:
        truth: Computes the right answer; without arguments if the answer is a plain value, else
            a function that the reader's function must agree with.
        misconceptions: For each sentence of advice, the wrong version, or versions, that
            deserve it.
        instances: Argument tuples on which functions are compared.
        tolerance: Largest distance at which two answers count as the same.
    """

    def judge(answer: Any) -> str | None:
        answers = [_call(answer, instance) for instance in instances]
        if _agree(answers, [truth(*i) for i in instances], tolerance):
            return None
        for sentence, versions in misconceptions.items():
            for wrong in versions if isinstance(versions, Sequence) else [versions]:
                if _agree(answers, [wrong(*i) for i in instances], tolerance):
                    return sentence
        for given, instance in zip(answers, instances, strict=True):
            if not _distance_or_inf(given, truth(*instance)) <= tolerance:
                return _describe_miss(given, truth(*instance), instance)
        raise AssertionError("an answer that differs nowhere was not accepted")

    return judge


def _distance_or_inf(left: Any, right: Any) -> float:
    """`checks.distance`, and infinity where the two cannot be compared at all."""
    try:
        return distance(left, right)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return float("inf")


def _agree(left: Sequence, right: Sequence, tolerance: float) -> bool:
    pairs = zip(left, right, strict=True)
    return all(_distance_or_inf(a, b) <= tolerance for a, b in pairs)


def _call(answer: Any, instance: tuple) -> Any:
    """The reader's value for a copy of one instance; an error of theirs becomes the value."""
    if not callable(answer):
        return answer
    try:
        return answer(*copy.deepcopy(instance))
    except Exception as error:  # whatever the reader's code raises is part of the feedback
        return error


def _describe_miss(given: Any, truth: Any, instance: tuple) -> str:
    """Where an answer goes wrong and by how much, without the right value."""
    where = f" for {', '.join(map(_short, instance))}" if instance else ""
    if given is None:
        return f"Your function returned nothing{where}. Is a return missing?"
    if isinstance(given, (float, Tensor)) and torch.as_tensor(given).isnan().any():
        return f"Your answer is not a number{where}. Which logarithm or division has none?"
    if isinstance(given, Exception):
        return f"Your function raised {type(given).__name__}{where}: {given}"
    if isinstance(truth, frozenset) and not isinstance(given, (set, frozenset)):
        return f"Return a set; yours was a {type(given).__name__}{where}."
    if isinstance(truth, frozenset):
        many, few = len(given - truth), len(truth - given)
        return f"Entries too many: {many}; entries missing: {few}{where}."
    return f"{_short(given)} is not right{where}."


def _short(value: Any) -> str:
    """A value in a sentence: its label, numbers of 4 digits, or the beginning of Python's text."""
    if isinstance(value, Tensor) and value.numel() > 6:
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Tensor):
        return _short(value.detach().tolist())
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.4g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"[:60]
    return getattr(value, "label", f"{value!r:.60}")


def is_number(answer: Any) -> bool:
    """Whether an answer is one real number; NumPy's and PyTorch's count too."""
    if isinstance(answer, (bool, str)) or getattr(answer, "shape", ()) != ():
        return False
    try:
        return isinstance(float(answer), float)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return False


def are_numbers(many: int) -> Callable[[Any], bool]:
    """Tells whether an answer is that many real numbers, in a tuple, list, array or tensor."""

    def accepts(answer: Any) -> bool:
        has_length = getattr(answer, "shape", (many,)) != () and hasattr(answer, "__len__")
        return has_length and len(answer) == many and all(map(is_number, answer))

    return accepts


def is_two_whole_numbers(answer: Any) -> bool:
    """Whether an answer is a pair of whole numbers."""
    pair = isinstance(answer, (tuple, list)) and len(answer) == 2
    return pair and all(is_number(n) and float(n).is_integer() for n in answer)
