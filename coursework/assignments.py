"""The assignments: which tasks belong to which notebook under `source/`."""

from pathlib import Path

from coursework.tasks import (
    Task,
    autoregressive,
    flows,
    games,
    importance,
    reparameterization,
    variational,
)

__all__ = ["ASSIGNMENTS", "OUTPUT", "SOURCE", "task_of"]

SOURCE = Path(__file__).with_name("source")
OUTPUT = Path(__file__).with_name("course")  # outside _build, as it holds marks given by hand
ASSIGNMENTS: dict[str, list[Task]] = {
    "01_autoregressive": autoregressive.TASKS,
    "02_reparameterization": reparameterization.TASKS,
    "03_variational": variational.TASKS,
    "04_importance": importance.TASKS,
    "05_flows": flows.TASKS,
    "06_games": games.TASKS,
}


def task_of(number: str) -> Task:
    """The task of that number.

    Raises:
        ValueError: If there is none.
    """
    for tasks in ASSIGNMENTS.values():
        for task in tasks:
            if task.number == number:
                return task
    raise ValueError(f"there is no task {number!r}")
