"""How long each chapter took, and how many checks it made, as a table for people and a file.

    python -m upkeep.times        prints a table in Markdown, writes _build/times.json

It reads the records that the last build kept; it executes nothing. A chapter without a time came
with results from elsewhere: `make clean book` executes everything.
"""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from notebooks import ROOT, chapters, code_cells, executed, seconds_of

RESULT = Path("_build/times.json")
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "ipykernel")


@dataclass(frozen=True)
class Run:
    """One chapter as it was executed last.

    Attributes:
        chapter: The stem of its notebook.
        seconds: From its first cell to its last, or None if its results came from elsewhere.
        records: How many derivations, checks and failures it showed.
        slowest: Seconds of the slowest record.
    """

    chapter: str
    seconds: float | None
    records: int
    slowest: float


def run_of(root: Path, path: Path) -> Run:
    """What the last build kept of a chapter.

    Raises:
        ValueError: If there are no results of the chapter as it reads now.
    """
    notebook = executed(root, path)
    if notebook is None:
        raise ValueError(f"{path.stem} has not been executed as it reads now: run `make book`")
    found = [
        output["metadata"]["book"].get("seconds") or 0.0
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "book" in output.get("metadata", {})
    ]
    return Run(path.stem, seconds_of(root, path), len(found), max(found, default=0.0))


def table(runs: Sequence[Run]) -> str:
    """The runs as a table in Markdown."""
    rows = ["| chapter | seconds | records | slowest record, s |", "|---|---|---|---|"]
    for run in runs:
        seconds = "not known" if run.seconds is None else f"{run.seconds:.1f}"
        rows.append(f"| {run.chapter} | {seconds} | {run.records} | {run.slowest:.2f} |")
    known = [run.seconds for run in runs if run.seconds is not None]
    rows.append(f"| all | {sum(known):.1f} | {sum(run.records for run in runs)} | |")
    return "\n".join(rows)


def machine() -> dict[str, str]:
    """Where the times were taken, and with what."""
    return {"python": platform.python_version(), "system": platform.platform()} | {
        name: version(name) for name in PACKAGES
    }


def main(root: Path = ROOT) -> None:
    """Print the table and write the file; exit 1 if a time is not known."""
    try:
        runs = [run_of(root, path) for path in chapters(root)]
    except ValueError as error:
        sys.exit(f"{error}")
    kept = {"machine": machine(), "runs": [asdict(run) for run in runs]}
    (root / RESULT).write_text(json.dumps(kept, indent=1) + "\n", "utf8")
    print(table(runs))
    print("\n" + ", ".join(f"{name} {text}" for name, text in machine().items()))
    if any(run.seconds is None for run in runs):
        sys.exit("Results without a time came from elsewhere: `make clean book` executes all.")


if __name__ == "__main__":
    main()
