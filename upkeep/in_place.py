"""Mutations of functions, tried without importing anything anew.

What a function does stands in its code object, which can be exchanged while Python runs. So one
process imports a helper and collects its tests once, and a trial is a fork: it exchanges the
code that the mutation changes, and runs the tests that came by its line, the fastest first. No
other test can tell the two programs apart.

That is the whole mutation unless some of it ran before the fork, while modules were imported and
tests collected: a constant, a default, a decorator, a function that a catalogue calls. Such
mutations are left to upkeep/trial.py, which imports the edited file.
"""

import ast
import gc
import json
import math
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import pytest
import torch
from cosmic_ray.ast import get_ast

from upkeep.mutations import Mutation
from upkeep.trial import LIBRARIES, MEMORY, PYTEST, Outcome, import_libraries, tree_for_trials

IS_FUNCTION = 0x1  # the flag of code with variables of its own: not a module's or a class's
COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
LEFT = "left"  # the verdict on a mutation that cannot be tried in place


@dataclass(frozen=True)
class Session:
    """What a process that tries mutations is told.

    Attributes:
        tests: Test files.
        mutations: What to try of the modules that these test, by the names of outcomes.
        jobs: How many forks run at a time.
        grace: Seconds that a test may take beyond four times what it took.
        libraries: What is imported first.
    """

    tests: tuple[str, ...]
    mutations: dict[str, Mutation]
    jobs: int
    grace: int = 10
    libraries: tuple[str, ...] = LIBRARIES


@dataclass(frozen=True)
class Ran:
    """How a test ran on unchanged modules: how long, and by which of their lines it came."""

    seconds: float
    lines: dict[str, frozenset[int]]


def attempt_all(root: Path, session: Session) -> Iterator[dict[str, Ran] | Outcome]:
    """First how each test ran, then outcomes as they come.

    Raises:
        ValueError: If tests fail on unchanged modules, each run alone.
    """
    context = multiprocessing.get_context("spawn")  # a fresh process: nothing is imported
    receive, send = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        process = context.Process(target=_serve, args=(root, folder, session, send))
        process.start()
        send.close()
        try:
            while True:
                message = receive.recv()
                if isinstance(message, str):
                    raise ValueError(message)
                yield message
        except EOFError:
            pass
        finally:
            process.terminate()
            process.join()


def _serve(root: Path, above: str, session: Session, send: Connection) -> None:
    """In the new process: collect the tests, and try the mutations."""
    tree = tree_for_trials(root, above)
    import_libraries(session.libraries)
    torch.set_num_threads(1)  # a fork has none of its parent's threads, and would wait for them
    os.chdir(tree)
    sys.path[:0] = [str(tree)]
    plugin = Trials(session, send)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # pytest's report; what it says of mutations goes through the pipe
    plugin.importing.start()
    code = pytest.main([*session.tests, *PYTEST, "--capture=sys"], plugins=[plugin])
    if not plugin.collected:
        send.send(f"{' '.join(session.tests)} cannot be collected: pytest ended with {code}")
    send.close()


class Trials:
    """A plugin of pytest that runs each collected test alone, and then the mutations."""

    def __init__(self, session: Session, send: Connection) -> None:
        self.session, self.send = session, send
        self.modules = sorted({one.module for one in session.mutations.values()})
        self.importing = Lines(self.modules)
        self.collected = False
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what failed."""
        if report.failed and not self.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed = f"FAILED {report.nodeid} - {getattr(crash, 'message', report.longrepr)}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take pytest's place once tests are collected."""
        self.importing.stop()
        self.collected = True
        items = {item.nodeid: item for item in session.items}
        measured = dict(self.measured(items))
        if wrong := [name for name, found in measured.items() if isinstance(found, str)]:
            self.send.send(f"fails on unchanged code, run alone: {', '.join(wrong)}")
            return True
        self.send.send(measured)
        for outcome in self.outcomes(items, measured):
            self.send.send(outcome)
        return True

    def measured(self, items: dict[str, pytest.Item]) -> Iterator[tuple[str, Ran | str]]:
        """How each test ran, or what it said when it failed."""
        tasks = ((name, lambda item=item: self.measure(item)) for name, item in items.items())
        for name, found, seconds in in_forks(tasks, self.session.jobs):
            if not isinstance(found, dict) or found["failed"]:
                yield name, str(found)
            else:
                lines = {module: frozenset(lines) for module, lines in found["lines"].items()}
                yield name, Ran(seconds, lines)

    def measure(self, item: pytest.Item) -> dict:
        """In a fork: run a test and watch the modules' lines."""
        watched = Lines(self.modules)
        watched.start()
        self.run(item)
        watched.stop()
        return {"failed": self.failed, "lines": watched.lines}

    def run(self, item: pytest.Item) -> bool:
        """In a fork: whether a test passes."""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def outcomes(
        self, items: dict[str, pytest.Item], measured: dict[str, Ran]
    ) -> Iterator[Outcome]:
        """What became of each mutation."""
        sources = {module: Path(module).read_text("utf8") for module in self.modules}
        trees = {module: get_ast(source) for module, source in sources.items()}
        spans = {module: Spans(source) for module, source in sources.items()}
        exchanges = {module: Exchange(module, source) for module, source in sources.items()}
        fastest = sorted(measured, key=lambda name: measured[name].seconds)

        def attempt(one: Mutation) -> dict:
            module, pairs = one.module, exchanges[one.module].pairs(one.applied(trees[one.module]))
            near = spans[module].around(one.line, [chain for chain, _ in pairs])
            on_import = not near.isdisjoint(self.importing.lines[module])
            if on_import or not exchanges[module].done(pairs):
                return {"verdict": LEFT, "why": ""}
            seeing = [n for n in fastest if not near.isdisjoint(measured[n].lines[module])]
            for name in seeing:
                signal.alarm(math.ceil(self.session.grace + 4 * measured[name].seconds))
                if not self.run(items[name]):
                    return {"verdict": "caught", "why": self.failed[:300]}
            return {"verdict": "survived", "why": f"{len(seeing)} tests come by this line"}

        ones = self.session.mutations.items()
        tasks = ((key, lambda one=one: attempt(one)) for key, one in ones)
        for key, found, seconds in in_forks(tasks, self.session.jobs):
            if found == signal.SIGALRM:
                found = {"verdict": "too long", "why": ""}
            elif isinstance(found, int):  # such as a stack that overflows
                found = {"verdict": "caught", "why": f"ended by signal {found}"}
            yield Outcome(key, found["verdict"], found["why"], round(seconds, 2))


class Lines:
    """Watches which lines of some files run; -7 stands for entering a function of line 7."""

    def __init__(self, files: Sequence[str]) -> None:
        self.paths = {file: str(Path(file).resolve()) for file in files}
        self.lines: dict[str, list[int]] = {}

    def start(self) -> None:
        """Watch from now on."""
        paths = list(self.paths.values())
        self.coverage = coverage.Coverage(
            data_file=None, include=paths, config_file=False, branch=True
        )
        self.coverage.start()

    def stop(self) -> None:
        """Watch no longer."""
        self.coverage.stop()
        with warnings.catch_warnings(action="ignore"):  # a test may run none of them
            found = self.coverage.get_data()
        for file, path in self.paths.items():
            self.lines[file] = sorted({n for step in found.arcs(path) or () for n in step})


class Spans:
    """The parts of a module that run as one: statements, heads of blocks, lambdas."""

    def __init__(self, source: str) -> None:
        self.spans = [_span(node) for node in ast.walk(ast.parse(source)) if _is_part(node)]

    def around(self, line: int, chains: list["Chain"]) -> frozenset[int]:
        """The lines of the part that holds this one; the entry, if the code is a lambda's.

        A lambda shares its lines with the catalogue in which it stands.
        """
        deepest = max(chains, key=len, default=())
        named = [code for code in deepest if code.co_name not in COMPREHENSIONS]
        if named and named[-1].co_name == "<lambda>":
            return frozenset({-named[-1].co_firstlineno})
        holding = (span for span in self.spans if line in span)
        return frozenset(min(holding, key=len, default=range(line, line + 1)))


def _is_part(node: ast.AST) -> bool:
    return isinstance(node, (ast.stmt, ast.ExceptHandler))


def _span(node: ast.AST) -> range:
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno
    return range(node.lineno, max(last, node.lineno) + 1)


class Exchange:
    """Puts the code of a mutated module in place of the code of its functions."""

    def __init__(self, module: str, source: str) -> None:
        self.path = str(Path(module).resolve())
        self.old = compile(source, self.path, "exec", dont_inherit=True)
        self.living: dict[tuple, list[FunctionType]] = {}
        gc.unfreeze()  # the tests' own settings hide what was there when they were collected
        for found in gc.get_objects():
            if type(found) is FunctionType and found.__code__.co_filename == self.path:
                self.living.setdefault(identity(found.__code__), []).append(found)
        gc.freeze()  # forks share it

    def pairs(self, source: str) -> "Pairs":
        """What differs in the mutated module."""
        return list(differing(self.old, compile(source, self.path, "exec", dont_inherit=True)))

    def done(self, pairs: "Pairs") -> bool:
        """Exchange; False, with nothing done, if code differs that ran on import."""
        if not all(reached(chain, self.living) for chain, _ in pairs):
            return False
        for chain, code in pairs:
            for function in self.living.get(identity(chain[-1]), ()):
                function.__code__ = code
        return True


Chain = tuple[CodeType, ...]  # codes, each within the one before it
Pairs = list[tuple[Chain, CodeType]]  # code at the end of a chain, and what takes its place


def differing(old: CodeType, new: CodeType, above: Chain = ()) -> Iterator[tuple[Chain, CodeType]]:
    """Codes that differ: the old one, after those around it, and the new one."""
    chain = (*above, old)
    if own(old) != own(new) or len(inner(old)) != len(inner(new)):
        yield chain, new
        return
    for before, after in zip(inner(old), inner(new), strict=True):
        found = list(differing(before, after, chain))
        if found and old.co_flags & IS_FUNCTION:
            yield chain, new  # makes functions of the new code from now on
        yield from found


def reached(chain: Chain, living: dict[tuple, list[FunctionType]]) -> bool:
    """Whether code only runs as, or within, a function that lives."""
    functions = [code for code in chain if code.co_flags & IS_FUNCTION]
    return chain[-1] in functions and any(identity(code) in living for code in functions)


def own(code: CodeType) -> tuple:
    """What code does, less what the code within it does."""
    return (
        *(code.co_code, code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars),
        *(code.co_flags, code.co_argcount, code.co_kwonlyargcount, code.co_exceptiontable),
        repr([c for c in code.co_consts if not isinstance(c, CodeType)]),  # 1, 1.0, True differ
    )


def inner(code: CodeType) -> list[CodeType]:
    """The codes that stand within."""
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def identity(code: CodeType) -> tuple:
    """What tells code from all other code of its file."""
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def in_forks(
    tasks: Iterable[tuple[str, Callable[[], object]]], jobs: int
) -> Iterator[tuple[str, object, float]]:
    """Name, result and seconds of each task as it ends; a signal's number if that ended it."""
    running: dict[int, tuple[str, int, float]] = {}
    try:
        for name, task in tasks:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                _in_fork(task, writing)
            os.close(writing)
            running[child] = name, reading, time.monotonic()
            while len(running) >= jobs:
                yield _ended(running)
        while running:
            yield _ended(running)
    finally:
        for child in running:
            os.killpg(child, signal.SIGKILL)


def _in_fork(task: Callable[[], object], writing: int) -> None:
    """Run a task, write its result, and end."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        result = task()
    except BaseException as error:  # what even pytest does not catch
        result = {"verdict": "caught", "why": repr(error)[:300], "failed": repr(error)}
    with open(writing, "w", encoding="utf8") as file:
        json.dump(result, file)
    os._exit(0)


def _ended(running: dict[int, tuple[str, int, float]]) -> tuple[str, object, float]:
    """Wait for the next task to end."""
    child, status = os.waitpid(-1, 0)
    name, reading, started = running.pop(child)
    seconds = time.monotonic() - started
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started, which would keep the pipe open
    with open(reading, encoding="utf8") as file:
        said = file.read()
    if os.WIFSIGNALED(status):
        return name, os.WTERMSIG(status), seconds
    return name, json.loads(said), seconds
