"""`make grade SUBMISSIONS=folder`: mark a folder of submissions, each in a sandbox of its own.

    python -m coursework.grade FOLDER                       on all cores of this machine
    python -m coursework.grade FOLDER --scheduler ADDRESS   on a Dask cluster

The folder is laid out as nbgrader lays it out: FOLDER/student/assignment/assignment.ipynb. Each
submission's marks are kept in `coursework/course/marks` when they are there, so the same command
goes on after an interruption, and marks only what is new or changed.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from coursework.assignments import ASSIGNMENTS, OUTPUT
from coursework.marker import mark, marks_of, version
from coursework.marking import secret
from coursework.report import write_all, write_report
from coursework.sandbox import ADVICE, Limits, available, close_all, shown
from coursework.submission import Submission, Unreadable, read_file

__all__ = ["Job", "Run", "grade", "jobs_in"]

WINDOW = 4  # submissions that wait for each process that marks


@dataclass(frozen=True)
class Job:
    """One submission: whose, to what, and where it lies."""

    student: str
    assignment: str
    path: Path


@dataclass
class Run:
    """What a run has done.

    Attributes:
        marked: How many submissions were marked now.
        kept: How many had their marks from before.
        failed: What could not be marked, through no fault of the student's, and why.
    """

    marked: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Who marks: an executor, how many it has at work at once, and whether confined."""

    executor: Executor
    width: int
    confined: bool


def jobs_in(folder: Path) -> list[Job]:
    """The submissions in a folder.

    Raises:
        ValueError: If there is none, or the folder can be seen from inside the sandbox.
    """
    if not folder.is_dir():
        raise ValueError(f"needed a folder of submissions; {folder} is none")
    require_out_of_sight(folder)
    found = [
        Job(place.parent.name, place.name, place / f"{place.name}.ipynb")
        for place in sorted(folder.glob("*/*"))
        if place.name in ASSIGNMENTS and not place.is_symlink() and not place.parent.is_symlink()
    ]
    found = [job for job in found if os.path.lexists(job.path)]
    if not found:
        names = ", ".join(ASSIGNMENTS)
        raise ValueError(
            f"found no submission in {folder}; needed student/assignment/assignment.ipynb"
            f" with an assignment of {names}"
        )
    return found


def require_out_of_sight(folder: Path) -> None:
    """Raise ValueError if a folder can be seen from inside the sandbox."""
    if visible := shown(folder):
        raise ValueError(
            f"{folder} stands in {visible}, which submissions can see; move it elsewhere"
        )


def passed_over(folder: Path, jobs: Sequence[Job]) -> list[str]:
    """What lies where submissions lie and is none, such as one under another name."""
    found = {job.path.parent for job in jobs}
    return [
        f"{path.relative_to(folder)}" for path in sorted(folder.glob("*/*")) if path not in found
    ]


def marks_path(output: Path, job: Job) -> Path:
    """Where a submission's marks are kept."""
    return output / "marks" / job.assignment / f"{job.student}.json"


def digest_of(content: bytes, job: Job, key: str, limits: Limits) -> str:
    """A text that changes with all that marks depend on."""
    parts = (job.student, job.assignment, key, version(), f"{limits}")
    inner = hashlib.sha256(json.dumps(parts).encode()).digest()
    return hashlib.sha256(inner + content).hexdigest()


def kept(path: Path, digest: str) -> bool:
    """Whether the marks in a file are of these bytes and this marker."""
    try:
        return json.loads(path.read_text())["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def grade(
    jobs: Sequence[Job],
    output: Path,
    place: Place,
    *,
    limits: Limits,
    again: bool = False,
    quiet: bool = False,
) -> Run:
    """Mark what has no marks yet, and keep each result as soon as it is there.

    Args:
        jobs: The submissions.
        output: Where marks are kept.
        place: Who marks.
        limits: What each submission may use.
        again: Whether to mark also what has marks.
        quiet: Whether to leave the progress bar out.
    """
    run, key = Run(), secret()
    at_work: dict[Future, tuple[Job, str]] = {}
    with tqdm(total=len(jobs), unit="submission", disable=quiet) as bar:
        for job in jobs:
            content = content_of(job)
            digest = digest_of(content[0], job, key, limits)
            if not again and kept(marks_path(output, job), digest):
                run.kept += 1
                bar.update()
                continue
            future = begin(place, job, content, key, limits)
            at_work[future] = (job, digest)
            if len(at_work) >= WINDOW * place.width:
                bar.update(store_done(at_work, output, run))
        while at_work:
            bar.update(store_done(at_work, output, run))
    return run


def content_of(job: Job) -> tuple[bytes, str]:
    """A submission's bytes, or none and the reason."""
    try:
        return read_file(job.path), ""
    except Unreadable as error:
        return f"{error}".encode(), f"{error}"


def begin(
    place: Place, job: Job, content: tuple[bytes, str], key: str, limits: Limits
) -> "Future[dict[str, Any]]":
    """Hand a submission to those who mark; one that cannot be read needs no sandbox."""
    about = (job.student, job.assignment, key, limits)
    data, reason = content
    if reason:
        future: Future = Future()
        future.set_result(marks_of(Submission({}, [reason]), *about))
        return future
    return place.executor.submit(mark, data, *about, confined=place.confined)


def store_done(at_work: dict[Future, tuple[Job, str]], output: Path, run: Run) -> int:
    """Wait until something is done, and keep its marks; how many were done."""
    done, _ = wait(at_work, return_when=FIRST_COMPLETED)
    for future in done:
        job, digest = at_work.pop(future)
        try:
            result = future.result()
            if result["version"] != version():
                raise ValueError("the machine that marked it has other files of the course")
        except Exception as error:  # one submission never stops the others
            run.failed.append(f"{job.student}/{job.assignment}: {type(error).__name__}: {error}")
            continue
        write_all(marks_path(output, job), json.dumps(result | {"digest": digest}))
        run.marked += 1
    return len(done)


@contextlib.contextmanager
def here(jobs: int, confined: bool) -> Iterator[Place]:
    """This machine, with so many submissions at once.

    Raises:
        ValueError: If it has no sandbox, and one is wanted.
    """
    if confined and (reason := available()):
        raise ValueError(reason)
    executor = ThreadPoolExecutor(jobs)
    try:
        yield Place(executor, jobs, confined)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def cluster(address: str, confined: bool) -> Iterator[Place]:
    """A Dask cluster, whose workers run in a checkout like this one.

    Raises:
        ValueError: If nobody answers there, or a worker has no sandbox.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ValueError(f"needed a Dask scheduler's address; at {address}: {error}") from error
    with client:
        width = sum(client.nthreads().values())
        if not width:
            raise ValueError(f"the scheduler at {address} has no workers")
        reasons = client.run(available) if confined else {}
        for worker, reason in reasons.items():
            if reason:
                raise ValueError(f"the worker {worker} cannot mark safely: {reason}")
        yield Place(client.get_executor(pure=False), width, confined)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    chosen = parsed(arguments)
    confined = not chosen.without_sandbox
    jobs: list[Job] = []
    limits = Limits(seconds=chosen.seconds, memory=chosen.memory * 2**20)
    if not confined:
        print(f"Marking WITHOUT a sandbox. {ADVICE}", file=sys.stderr)
    try:
        jobs = jobs_in(chosen.folder)
        require_out_of_sight(chosen.output)
        if others := passed_over(chosen.folder, jobs):
            print(
                f"Passed over, for they are no submissions: {', '.join(others)}", file=sys.stderr
            )
        place = cluster(chosen.scheduler, confined) if chosen.scheduler else None
        with place or here(chosen.jobs, confined) as place:
            run = grade(jobs, chosen.output, place, limits=limits, again=chosen.again)
        write_report(chosen.output)
    except ValueError as error:
        sys.exit(f"{error}")
    except (OSError, SQLAlchemyError) as error:
        sys.exit(f"{error}\nMarks that were written are kept; the same command goes on.")
    except KeyboardInterrupt:
        close_all()
        done = sum(marks_path(chosen.output, job).exists() for job in jobs)
        print(f"\nStopped. Marks of {done} of {len(jobs)} are kept; the same command goes on.")
        sys.stdout.flush()
        os._exit(130)  # threads that wait for sandboxes have nothing left to say
    print(f"{run.marked} marked now, {run.kept} marked before, {len(run.failed)} failed.")
    print(f"Marks: {chosen.output / 'marks.csv'}, feedback: {chosen.output / 'feedback'}")
    print("Proofs: start JupyterLab in", chosen.output / "instructor", "and open Formgrader")
    if run.failed:
        sys.exit("\n".join(["Not marked; the same command tries again:", *run.failed]))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's words."""
    parser = argparse.ArgumentParser(
        prog="python -m coursework.grade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="such as tcp://10.0.0.5:8786")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--jobs", type=int, default=cores, help="submissions at once here")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="for one answer")
    parser.add_argument("--memory", type=int, default=1024, help="megabytes for one process")
    parser.add_argument("--again", action="store_true", help="mark also what has marks")
    parser.add_argument("--without-sandbox", action="store_true", help="trust every submission")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where marks go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
