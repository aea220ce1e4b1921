"""The sealed table of an assignment: everything that a student's feedback knows."""

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coursework.feedback import outcome, seal
from coursework.tasks import ADVICE_RIGHT, CodeTask, NumberTask, Proof, Task

__all__ = ["encode", "table"]


def encode(value: Any) -> Any:
    """A value as it travels in JSON; `coursework.feedback.decode` takes it back."""
    if isinstance(value, np.ndarray):
        return {"array": value.astype(float).tolist()}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return [encode(item) for item in value] if isinstance(value, (list, tuple)) else value


def table(tasks: Sequence[Task]) -> str:
    """The tasks of an assignment as one text, for `coursework.feedback.Assignment`."""
    content = {task.number: _entry(task) for task in tasks if not isinstance(task, Proof)}
    return base64.b64encode(zlib.compress(json.dumps(content).encode(), 9)).decode()


def _entry(task: NumberTask | CodeTask) -> dict[str, Any]:
    versions = [(ADVICE_RIGHT, task.truth)]
    for advice, wrong in task.wrong.items():
        several = wrong if isinstance(wrong, Sequence) else [wrong]
        versions += [(f"✗ {advice}", version) for version in several]
    if isinstance(task, CodeTask):
        found = [[outcome(version, encode(task.practice)) for _, version in versions]]
        variants = []
    else:
        variants = task.variants()
        found = [[_outcome_or_none(v, own) for _, v in versions] for own in variants]
    return {
        "needed": task.needed,
        "variants": encode(variants),
        "practice": encode(task.practice) if isinstance(task, CodeTask) else [],
        "messages": [advice for advice, _ in versions],
        "sealed": [
            [[] if row is None else seal(row, f"{task.number}/{which}") for row in rows]
            for which, rows in enumerate(found)
        ],
    }


def _outcome_or_none(version: Callable[..., Any], own: dict[str, Any]) -> list[float] | None:
    """What a version comes to for one variant; None where it does not apply."""
    try:
        return outcome(version(**own), [])
    except ValueError:
        return None
