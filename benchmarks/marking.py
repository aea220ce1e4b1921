"""Measure marking, here, on a cluster and by nbgrader's autograde; write benchmarks/marking.json.

    python -m benchmarks.marking            all of it, about 10 minutes
    python -m benchmarks.marking quick      six submissions, nothing written

Sixty submissions of the assignment on games, some right, some wrong, some blank in each task, are
marked by `make grade` with two at once, by the same on a Dask scheduler with two workers of one
thread, and by `nbgrader autograde`, on the same machine one after the other. All three must give
the same marks. Then the marking process is killed at ten random moments, and goes on each time.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat

from benchmarks.machine import machine
from coursework.assignments import ASSIGNMENTS, SOURCE
from coursework.build import INSTRUCTOR, STUDENTS, build
from coursework.grade import cluster, grade, here, jobs_in
from coursework.sandbox import Limits
from coursework.submission import score_cell
from coursework.tasks import Proof

RESULTS = Path(__file__).with_suffix(".json")
ROOT = Path(__file__).resolve().parent.parent
STEM = "06_games"
SUBMISSIONS, JOBS, KILLS = 60, 2, 10
TASKS = [task for task in ASSIGNMENTS[STEM] if not isinstance(task, Proof)]
WRONG = {
    "answer-6-1": "def step_matrix(s, p, q, a, b):\n    return [[1 - a * p, a * s], [b * s, 1]]",
    "answer-6-2": 'answer_6_2 = (mine["6.2"]["p"], mine["6.2"]["q"])',
    "answer-6-3": "answer_6_3 = 0.0",
    "answer-6-4": "import math\n\nanswer_6_4 = math.sqrt(2)",
    "answer-6-5": "def comes_home(matrix):\n    return abs(matrix[0][0]) < 1",
}

Marks = dict[str, tuple[float, ...]]


def submissions(released: Path, folder: Path, number: int) -> None:
    """Write submissions in which each task is right, wrong or blank by chance."""
    chooser = random.Random(0)
    source = nbformat.read(SOURCE / STEM / f"{STEM}.ipynb", as_version=4)
    right = {
        cell.id: "\n".join(line for line in cell.source.splitlines() if "###" not in line)
        for cell in source.cells
    }
    for place in range(number):
        student = f"s{place:04d}"
        notebook = nbformat.read(released, as_version=4)
        for cell in notebook.cells:
            if cell.id == "student":
                cell.source = f'STUDENT = "{student}"'
            elif cell.id in WRONG:
                choices = (right[cell.id], WRONG[cell.id], cell.source)
                cell.source = chooser.choices(choices, (5, 3, 2))[0]
        target = folder / student / STEM
        target.mkdir(parents=True)
        nbformat.write(notebook, target / f"{STEM}.ipynb")


def marks_in(output: Path) -> Marks:
    """The points of each student's tasks, as `make grade` keeps them."""
    results = [json.loads(p.read_text()) for p in (output / "marks" / STEM).glob("*.json")]
    return {
        result["student"]: tuple(
            float(task["points"]) for task in result["tasks"] if "groups" in task
        )
        for result in results
    }


def timed(output: Path, folder: Path, place: contextlib.AbstractContextManager) -> float:
    """Seconds that marking takes; the start of a cluster is not counted."""
    with place as ready:
        started = time.monotonic()
        run = grade(jobs_in(folder), output, ready, limits=Limits())
        taken = time.monotonic() - started
    if run.failed:
        raise ValueError(f"{len(run.failed)} submissions were not marked: {run.failed[0]}")
    return taken


@contextlib.contextmanager
def dask(place: Path) -> Iterator[str]:
    """The address of a scheduler with two workers of one thread."""
    file = place / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny"]
    commands = [[*start, "--port", "0"], *[work] * JOBS]
    with contextlib.ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                [*command, "--no-dashboard", "--scheduler-file", file],
                cwd=place,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        wait_for_workers(address)
        yield address


def wait_for_workers(address: str) -> None:
    """Wait until both workers are there, with the course's modules imported."""
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(JOBS, timeout=120)
        client.run(warm)


def warm() -> None:
    """Import what marking needs."""
    import coursework.marker  # noqa: F401


def by_nbgrader(course: Path, folder: Path) -> tuple[float, Marks]:
    """Seconds that nbgrader's autograde takes, and its marks."""
    shutil.copytree(folder, course / "submitted")
    paths = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", STEM, "--create"],
        cwd=course,
        env=os.environ | {"PATH": paths, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    taken = time.monotonic() - started
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as connection:
        rows = connection.execute(
            "select submitted_assignment.student_id, base_cell.name, grade.auto_score from grade"
            " join base_cell on base_cell.id = grade.cell_id"
            " join submitted_notebook on submitted_notebook.id = grade.notebook_id"
            " join submitted_assignment"
            " on submitted_assignment.id = submitted_notebook.assignment_id"
        ).fetchall()
    scores = {(student, cell): score for student, cell, score in rows}
    students = {student for student, _, _ in rows}
    return taken, {
        student: tuple(scores[student, score_cell(task)] for task in TASKS) for student in students
    }


def kills(output: Path, folder: Path, marks: Marks) -> list[dict]:
    """Kill the marking process at random moments; how many marks were there each time."""
    chooser, rows = random.Random(1), []
    for number in range(KILLS):
        before = len(marks_in(output))
        with subprocess.Popen(
            [sys.executable, "-m", "coursework.grade", folder, "--output", output],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            started = time.monotonic()
            while len(marks_in(output)) == before and process.poll() is None:
                time.sleep(0.05)
            time.sleep(chooser.uniform(0, 2))
            process.send_signal(signal.SIGKILL)
            seconds = time.monotonic() - started
        found = marks_in(output)
        lost = sum(found[student] != marks[student] for student in found)
        rows.append({"kill": number + 1, "seconds": round(seconds, 1), "before": before})
        rows[-1] |= {"after": len(found), "wrong": lost}
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    quick = "quick" in sys.argv[1:]
    number = 6 if quick else SUBMISSIONS
    os.environ |= {"COURSEWORK_SECRET": "of the benchmark", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder, packs = place / "submissions", place / "packs"
        build([STEM], packs)
        submissions(packs / STUDENTS / f"{STEM}.ipynb", folder, number)
        rows, found = [], {}
        for program, seconds, marks in measured(place, packs, folder):
            found[program] = marks
            row = {"program": program, "seconds": round(seconds, 1)}
            rows.append(row | {"per_minute": round(60 * number / seconds, 1)})
            print(rows[-1], flush=True)
        expected = found["make grade, two at once"]
        same = {program: marks == expected for program, marks in found.items()}
        print(same, flush=True)
        shutil.copytree(packs / INSTRUCTOR, place / "killed" / INSTRUCTOR)
        killed = kills(place / "killed", folder, expected)
        with here(JOBS, True) as ready:
            grade(jobs_in(folder), place / "killed", ready, limits=Limits())
        whole = marks_in(place / "killed") == expected
        print({"after all kills the marks are the same": whole}, flush=True)
    if not quick:
        told = {"machine": machine(), "submissions": number, "rows": rows, "same_marks": same}
        told |= {"kills": killed, "whole_after_kills": whole}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")


def measured(place: Path, packs: Path, folder: Path) -> Iterator[tuple[str, float, Marks]]:
    """Each program with its seconds and marks."""
    seconds = timed(place / "here", folder, here(JOBS, True))
    yield "make grade, two at once", seconds, marks_in(place / "here")
    with dask(place) as address:
        seconds = timed(place / "cluster", folder, cluster(address, True))
    yield "make grade, two Dask workers", seconds, marks_in(place / "cluster")
    course = place / "nbgrader"
    shutil.copytree(packs / INSTRUCTOR, course)
    yield "nbgrader autograde", *by_nbgrader(course, folder)


if __name__ == "__main__":
    main()
