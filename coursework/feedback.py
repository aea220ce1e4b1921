"""What a student's notebook carries: one's own numbers, and feedback on an answer.

`make coursework` copies this file into every assignment's second cell, followed by a sealed table.
The table holds no answer and no program that computes one. It holds fingerprints: short digests
of what right and known wrong answers come to, so that an answer can be recognized and not read.
Only the standard library and NumPy are needed.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

DIGITS = 4  # significant digits to which answers are compared here; marking is stricter
HASHES = 200  # rounds of each digest, so that guessing by machine takes patience
LENGTH = 3  # bytes kept of a digest
FEW = 3  # numbers that are compared one by one
TINY = 1e-9  # what is nearer to zero counts as zero


def variant_of(student: str, task: str, pool: int) -> int:
    """Which of a task's `pool` variants a student gets: always the same, and like no neighbour's.

    Args:
        student: The student's number or name; capitals and surrounding spaces do not matter.
        task: The task's number, such as "4.2".
        pool: How many variants there are.

    Raises:
        ValueError: If the student is no text or empty.
    """
    if not isinstance(student, str) or not student.strip():
        raise ValueError(
            f"needed your student number in quotes, such as 's1234567'; got {student!r}"
        )
    key = f"{student.strip().lower()}/{task}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % pool


def decode(value: Any) -> Any:
    """Inputs as they travel in JSON, with {"array": nested lists} for an array of float64."""
    if isinstance(value, dict) and set(value) == {"array"}:
        return np.array(value["array"], dtype=float)
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return [decode(item) for item in value] if isinstance(value, list) else value


def numbers_in(answer: Any) -> np.ndarray:
    """The shape and the numbers of an answer in one row.

    A list, tuple, set, array or tensor of the same numbers gives the same row.

    Raises:
        ValueError: If something in it is no number.
    """
    try:
        array = as_array(answer)
    except ValueError:
        if not isinstance(answer, (list, tuple)):
            raise
        parts = [numbers_in(part) for part in answer]  # rows of different lengths
        return np.concatenate([np.array([len(parts)], float), *parts])
    if not array.size:
        return np.zeros(2)  # and not that of the number 0
    return np.concatenate([np.array(array.shape, float), array.ravel()])


def as_array(answer: Any) -> np.ndarray:
    """An answer as an array of float64.

    Raises:
        ValueError: If something in it is no number, or its rows have different lengths.
    """
    if isinstance(answer, (set, frozenset)):
        answer = sorted(answer)
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, (list, tuple)):
        return np.stack([as_array(part) for part in answer]) if answer else np.zeros(0)
    array = np.asarray(answer)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"needed numbers; got {type(answer).__name__}")
    return array.astype(float)


def summary(answer: Any) -> list[float]:
    """The shape, then the numbers if they are few, else two weighted sums of them."""
    try:
        shape = [float(size) for size in as_array(answer).shape]
    except ValueError:
        shape = []
    row = numbers_in(answer)[len(shape) :]
    if len(row) <= FEW:
        return [*shape, *row.tolist()]
    places = np.arange(1, len(row) + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        return [*shape, float(row @ np.cos(places)), float(row @ np.sqrt(places))]


def spelling(number: float) -> str:
    """A number written with four significant digits; noise around zero is zero."""
    if abs(number) < TINY:
        return "0"
    return f"{number:.{DIGITS - 1}e}"


def spellings(number: float) -> set[str]:
    """The spelling, and those that half a unit in the last digit more or less would have."""
    if abs(number) < TINY or not np.isfinite(number):
        return {spelling(number)}
    half = 0.5 * 10.0 ** (np.floor(np.log10(abs(number))) + 1 - DIGITS)
    return {spelling(number + shift) for shift in (-half, 0.0, half)}


def digest(text: str, place: str) -> str:
    """A text that tells whether two answers at one place agree, and nothing else."""
    long = hashlib.pbkdf2_hmac("sha256", text.encode(), place.encode(), HASHES, LENGTH)
    return long.hex()


class Assignment:
    """The tasks of one notebook, opened from its sealed table."""

    def __init__(self, table: str) -> None:
        self.tasks = json.loads(zlib.decompress(base64.b64decode(table)))
        self.student = ""

    def numbers_of(self, student: str) -> dict[str, dict[str, Any]]:
        """A student's own numbers, for each task that has some; later checks use them too."""
        chosen = {
            number: decode(task["variants"][variant_of(student, number, len(task["variants"]))])
            for number, task in self.tasks.items()
            if task["variants"]
        }
        self.student = student
        return chosen

    def check(self, number: str, answer: Any) -> None:
        """Print whether an answer is right, or which known mistake it is."""
        print(f"Task {number}: {self.feedback(number, answer)}")

    def feedback(self, number: str, answer: Any) -> str:
        """The sentence that `check` prints.

        Raises:
            ValueError: If there is no such task, or the student is not known yet.
        """
        if number not in self.tasks:
            raise ValueError(f"there is no task {number!r}; there are {', '.join(self.tasks)}")
        task = self.tasks[number]
        if answer is None or answer is ...:
            return f"○ Give {task['needed']}."
        if callable(answer) != bool(task["practice"]):
            return f"✗ Needed {task['needed']}; got {type(answer).__name__}."
        which = variant_of(self.student, number, len(task["variants"])) if task["variants"] else 0
        try:
            found = outcome(answer, task["practice"])
        except Exception as error:  # whatever the student's code raises is part of the feedback
            return f"✗ {type(error).__name__}: {error}"
        for place, sealed in enumerate(task["sealed"][which]):
            if matches(found, sealed, f"{number}/{which}"):
                return task["messages"][place]
        return f"✗ Not right, and no mistake that is known here. Needed {task['needed']}."


def outcome(answer: Any, practice: Sequence[Any]) -> list[float]:
    """What an answer comes to: its summary, or that of its values on the practice inputs."""
    if not callable(answer):
        return summary(answer)
    values = []
    for arguments in practice:
        value = answer(*decode(arguments))
        if value is None:
            raise ValueError("your function returned nothing; is a return missing?")
        values += summary(value)
    return values


def seal(found: Sequence[float], place: str) -> list[str]:
    """The digests of an outcome."""
    return [digest(f"{i}:{spelling(number)}", place) for i, number in enumerate(found)]


def matches(found: Sequence[float], sealed: Sequence[str], place: str) -> bool:
    """Whether an outcome agrees with a sealed one, number by number."""
    return len(found) == len(sealed) and all(
        any(digest(f"{i}:{text}", place) == mark for text in spellings(number))
        for i, (number, mark) in enumerate(zip(found, sealed, strict=True))
    )


def open_assignment(
    table: str,
) -> tuple[Callable[[str, Any], None], Callable[[str], Mapping[str, Mapping[str, Any]]]]:
    """The two names that an assignment uses: `check` and `numbers_of`."""
    assignment = Assignment(table)
    return assignment.check, assignment.numbers_of
