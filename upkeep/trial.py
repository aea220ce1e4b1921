"""Try edits of the book's code on copies of the tree: does a test or a chapter fail?

Importing torch takes longer than most tests. So one process a copy imports the libraries once,
and forks for each trial; the fork imports the edited helper and runs the tests. Nothing of the
book is imported before the fork.
"""

import importlib
import itertools
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

LIBRARIES = (
    *("torch", "torch.func", "torch.distributions", "numpy", "scipy.optimize", "scipy.stats"),
    *("scipy.special", "sympy", "sklearn.datasets", "matplotlib.pyplot", "PIL.Image", "pytest"),
    *("IPython.display", "nbformat", "nbclient", "playwright.sync_api"),
    *("jupyter_cache", "sphinx_external_toc.parsing", "ipywidgets", "bs4", "yaml", "tqdm"),
    *("torch._dynamo", "jupyter_client", "filelock", "sqlalchemy"),
)
CHECKS = {"derivation", "check", "breaks", "bites", "within", "monte_carlo", "uniform"}
MEMORY = 12 * 2**30  # bytes of address space: some edits ask for very large tensors
SETTINGS = {"OMP_NUM_THREADS": "1", "EXPLORE_MODE": "static", "MPLBACKEND": "Agg"}
PYTEST = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist")
FAILED = (1, 2)  # pytest's codes for a test that fails, and for a file that cannot be imported


@dataclass(frozen=True)
class Trial:
    """An edit, and what should notice it.

    Attributes:
        key: What the outcome is kept under.
        edits: New texts of files, by their paths in the tree.
        tests: Test files to run; or else
        chapter: a chapter's path, and
        cell: the code cell of it that is edited: it and all cells that depend on it are run.
        limit: Seconds after which the trial is given up.
    """

    key: str
    edits: Mapping[str, str]
    tests: tuple[str, ...] = ()
    chapter: str = ""
    cell: int = 0
    limit: float = 120.0


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: "caught", "survived", "too long" or "no result"; why, and how fast."""

    key: str
    verdict: str
    why: str
    seconds: float


def copy_of_tree(root: Path, folder: Path) -> None:
    """Copy what git knows, and new files that it does not ignore."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)


def tree_for_trials(root: Path, above: str) -> Path:
    """A copy of the tree in a new folder; the tree itself can no longer be imported."""
    folder = Path(tempfile.mkdtemp(dir=above))
    copy_of_tree(root, folder)
    os.environ |= SETTINGS
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != root]
    return folder


def import_libraries(names: Iterable[str]) -> None:
    """Import what is not the book's."""
    for name in names:
        with suppress(ImportError):  # then the tests that need it import it, or fail
            importlib.import_module(name)


_copy: Path
_order: Mapping[str, int]
_seconds_of_files = itertools.count(int(time.time()))


def _prepare(root: Path, above: str, order: Mapping[str, int]) -> None:
    """Make this process's copy of the tree and import the libraries."""
    global _copy, _order
    _copy, _order = tree_for_trials(root, above), order
    import_libraries(LIBRARIES)


class InOrder:
    """A plugin of pytest: a fast test that fails saves the slow ones."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: _order.get(item.nodeid, 0))


def attempt(trial: Trial) -> Outcome:
    """Edit the copy, run what should notice it in a fork, and put the copy right again."""
    before = {name: (_copy / name).read_text("utf8") for name in trial.edits}
    log, started = _copy.with_suffix(".log"), time.monotonic()
    try:
        _write(trial.edits)
        child = os.fork()
        if child == 0:
            _run(trial, log)
        status = _wait(child, trial.limit)
    finally:
        _write(before)
    said = log.read_text("utf8", errors="replace").strip().split("\n")
    return Outcome(trial.key, _verdict(status), _why(said), round(time.monotonic() - started, 2))


def _write(texts: Mapping[str, str]) -> None:
    """Write files of the copy, each time with a later second: else Python trusts old bytecode."""
    second = next(_seconds_of_files)
    for name, text in texts.items():
        (_copy / name).write_text(text, "utf8")
        os.utime(_copy / name, (second, second))


def _run(trial: Trial, log: Path) -> None:
    """In the fork: run the tests or the chapter, and end with a code like pytest's."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(_copy)
    sys.path[:0] = [str(_copy)]
    code = 70
    try:
        code = _pytest(trial.tests) if trial.tests else _chapter(trial.chapter, trial.cell)
    except BaseException as error:
        print(repr(error))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _pytest(tests: tuple[str, ...]) -> int:
    return int(pytest.main([*tests, *PYTEST], plugins=[InOrder()]))


def _chapter(chapter: str, number: int) -> int:
    """Run the edited cell and those that depend on it; 1 if one fails."""
    from upkeep import cells

    found = cells.read(Path(chapter))
    targets = [c for c in cells.dependents(found, number) if c.calls & CHECKS]
    os.chdir(Path(chapter).parent)
    names, done = {"__name__": "__main__"}, set()
    for target in [number, *(cell.number for cell in targets)]:
        for cell in cells.needed(found, [target]):
            if cell.number not in done:
                done.add(cell.number)
                try:
                    cells.execute(cell, names)
                except Exception as error:
                    print(f"\ncell {cell.number}: {type(error).__name__}: {error}")
                    return 1
    return 0


def _wait(child: int, limit: float) -> int | None:
    """The status with which a process ended; None if it did not in time and was killed."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _verdict(status: int | None) -> str:
    if status is None:
        return "too long"
    if os.WIFSIGNALED(status):  # such as a stack that overflows
        return "caught"
    code = os.waitstatus_to_exitcode(status)
    return "survived" if code == 0 else "caught" if code in FAILED else "no result"


def _why(said: list[str]) -> str:
    """The line that names what failed."""
    named = [line for line in said if line.startswith(("FAILED", "ERROR", "cell "))]
    return (named or said)[-1][:300]


def attempt_all(
    root: Path, trials: Iterable[Trial], jobs: int, order: Mapping[str, int] | None = None
) -> Iterator[Outcome]:
    """Outcomes as they come, from so many processes with a copy of the tree each.

    Tests run in the order of their places.
    """
    trials = list(trials)
    if not trials:
        return
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        context = multiprocessing.get_context("spawn")  # a fresh process: nothing is imported
        arguments = (root, folder, order or {})
        with context.Pool(jobs, initializer=_prepare, initargs=arguments) as pool:
            yield from pool.imap_unordered(attempt, trials, chunksize=1)
            pool.close()
            pool.join()
