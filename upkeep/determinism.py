"""Are the book's outputs the same on every machine, and is its site the same at every build?

    python -m upkeep.determinism        chapters, then the site; results in determinism.json
    python -m upkeep.determinism --only chapters --threads 2 8 --runs 1
    python -m upkeep.determinism --only chapters --python other/bin/python

The chapters are executed with several numbers of threads, several times, and every text is
compared with the stored one, every picture by its bytes or else by its pixels. Then the site is
built twice from one commit, each time from nothing, and the two folders are compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nbformat import NotebookNode

from tools import notebooks
from upkeep import outputs, sites
from upkeep.results import keep

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("upkeep/determinism.json")
# What BLAS and OpenMP libraries read when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ONE_THREAD = "torch.set_num_threads(1)"


class Quiet(notebooks.Progress):
    """Says nothing while a chapter runs."""

    def show(self, text: str) -> None:
        """Leave it out."""


def let_go(notebook: NotebookNode, threads: int) -> None:
    """Let torch use more than one thread, which the chapters forbid.

    Raises:
        ValueError: If the chapter has no line that forbids it.
    """
    lines = sum(ONE_THREAD in cell.source for cell in notebooks.code_cells(notebook))
    if lines != 1:
        raise ValueError(f"needed one cell with {ONE_THREAD}, found {lines}")
    for cell in notebooks.code_cells(notebook):
        cell.source = cell.source.replace(ONE_THREAD, f"torch.set_num_threads({threads})")


@contextmanager
def kernel_of(python: str | None) -> Iterator[Mapping[str, str]]:
    """Where Jupyter finds a kernel that runs another Python; nothing for this one."""
    if python is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "kernels/python3")
        spec.mkdir(parents=True)
        command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        described = {"argv": command, "display_name": "other", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(described))
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = folder
        try:
            yield {"VIRTUAL_ENV": str(Path(python).parent.parent)}
        finally:
            os.environ.pop("JUPYTER_PATH")
            os.environ |= {} if before is None else {"JUPYTER_PATH": before}


def execute(path: Path, threads: int, environment: Mapping[str, str], *, free: bool) -> dict:
    """Execute a chapter and compare it with what is stored in its file."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    fresh = notebooks.run(
        path,
        Quiet(),
        change=lambda notebook: let_go(notebook, threads) if free else None,
        environment={**notebooks.KERNEL_ENVIRONMENT, **variables, **environment},
    )
    return outputs.compare(notebooks.read(path), fresh)


def version_of_torch(python: str | None) -> str:
    """The version that the kernels import."""
    command = [python or sys.executable, "-c", "import torch; print(torch.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def chapters(arguments: argparse.Namespace) -> list[dict]:
    """A row for each chapter, number of threads and run."""
    rows = []
    wanted = [p for p in notebooks.chapters(ROOT) if (arguments.chapter or "") in p.stem]
    setting = {"torch": version_of_torch(arguments.python), "free": arguments.free}
    with kernel_of(arguments.python) as environment:
        for run in range(1, arguments.runs + 1):
            for threads in arguments.threads:
                for path in wanted:
                    row = {"chapter": path.stem, "threads": threads, "run": run, **setting}
                    try:
                        row |= execute(path, threads, environment, free=arguments.free)
                    except notebooks.NotebookError as error:
                        row |= {"failed": str(error)}
                    print(told(row), flush=True)
                    rows.append(row)
                    keep(ROOT / RESULTS, "chapters", with_older(rows))
    return rows


def told(row: dict) -> str:
    """A row as a line."""
    head = f"{row['chapter']}, {row['threads']} threads, run {row['run']}, torch {row['torch']}"
    if "failed" in row:
        return f"{head}: FAILED\n{row['failed']}"
    if outputs.agrees(row):
        return f"{head}: {row['texts']} texts and {sum(row['pictures'].values())} pictures agree"
    return (
        f"{head}: cells with other texts {row['texts_differ']}, pictures {row['pictures_differ']}"
    )


def holds(row: dict) -> bool:
    """Whether an execution passed and agreed with the stored outputs."""
    return "failed" not in row and outputs.agrees(row)


def key(row: dict) -> tuple:
    """What two rows share if the later one is the other's repetition."""
    return tuple(row[name] for name in ("chapter", "threads", "run", "torch", "free"))


def with_older(rows: list[dict]) -> list[dict]:
    """The rows, and those of other settings that were kept before."""
    path = ROOT / RESULTS
    old = json.loads(path.read_text("utf8")).get("chapters", []) if path.exists() else []
    fresh = {key(row) for row in rows}
    return sorted([*rows, *(row for row in old if key(row) not in fresh)], key=key)


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """The command line's settings."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.determinism")
    parser.add_argument("--only", choices=["chapters", "site"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 8])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--chapter", help="only chapters with this in their name")
    parser.add_argument(
        "--python", help="run the kernels with another Python, as of another torch"
    )
    parser.add_argument(
        "--free", action="store_true", help="let torch have the threads, to see what it would do"
    )
    return parser.parse_args(words)


def main() -> None:
    """Run what was asked for; exit code 1 if something differs."""
    arguments, wrong = arguments_of(), 0
    if arguments.only != "site":
        rows = chapters(arguments)
        wrong += 0 if arguments.free else sum(not holds(row) for row in rows)
    if arguments.only != "chapters":
        found = sites.build_twice(ROOT)
        print(sites.told(found))
        wrong += len(found["differ"])
        keep(ROOT / RESULTS, "site", found)
    raise SystemExit(f"{wrong} executions or files differ" if wrong else 0)


if __name__ == "__main__":
    main()
