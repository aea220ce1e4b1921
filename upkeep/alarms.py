"""Do the checks that rest on random numbers fail as seldom as they are designed to?

    python -m upkeep.alarms              every such check of every chapter under 200 seeds
    python -m upkeep.alarms --seeds 20 --chapter 04 --jobs 2
    python -m upkeep.alarms --go-on      after an interruption: the seeds that are missing

Only the cells that the checks need are run. Models are trained once, with the book's own seed;
what is drawn from them, and all else, is drawn anew under every seed. Each check is judged
twice: at the false-alarm rate that it is designed for, which is so small that 200 seeds say
little about it, and at one in twenty, where they say much.

Seeds are independent of each other, checks under one seed need not be: some share their draws.
So what is counted is seeds with an alarm. If each of m checks errs with probability p at most,
a seed has an alarm with probability m p at most (Bonferroni), and the number of such seeds is
compared with the binomial law. A count that has a probability below one in a thousand fails.
"""

import argparse
import ast
import contextlib
import io
import json
import multiprocessing
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from scipy import stats

from benchmarks.machine import machine
from helpers import checks, densities
from upkeep import cells

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("upkeep/alarms.json")

DESIGNED = 1e-4  # the default of every check in helpers/checks.py and helpers/densities.py
STRICT = 0.05
SURPRISE = 1e-3  # probability of a count that is taken for a fault
APART = 1000  # between the seeds of two runs: chapters use 1 to 6
SAMPLED = {"monte_carlo", "uniform"}  # besides clauses and facts that are named so
BLOCK = 20  # seeds after which results are kept
SETUP = 2  # place of the cell that imports and makes the generator
TRAINING = {"train", "train_small"}
SEED = re.compile(r"\.manual_seed\((\d+)\)")
NAMED = re.compile(r"\bsampler\b|\bfalse alarm\b")  # a fact that rests on a designed check


class Verdicts:
    """Stands in for the functions of `helpers.checks`: notes what they say and goes on."""

    def __init__(self) -> None:
        self.designed: dict[tuple[str, str], tuple[bool, bool | None]] = {}
        self.others: dict[tuple[str, str], bool] = {}
        self._strict_limits: dict[float, float] = {}

    def install(self) -> None:
        """Put the stand-ins where chapters import the functions from."""
        checks._show = lambda *_, **__: None
        for name in ("monte_carlo", "uniform"):
            setattr(checks, name, partial(self.sampled, getattr(checks, name)))
        for name in ("check", "breaks", "bites", "derivation"):
            setattr(checks, name, partial(self.other, getattr(checks, name)))
        checks.within = self.within(checks.within)
        densities._chi_square = self.chi_square(densities._chi_square)

    def sampled(self, function: Callable, claim: str, title: str, *rest, **settings) -> None:
        """A check with a false-alarm rate of its own, at that rate and at the strict one."""
        alarm = _fails(function, claim, title, *rest, **settings)
        strict = _fails(function, claim, title, *rest, **{**settings, "false_alarm": STRICT})
        self._note((claim, title), alarm, strict)

    def _note(self, key: tuple[str, str], alarm: bool, strict: bool | None) -> None:
        if key in self.designed:
            raise ValueError(f"two checks of claim {key[0]} have the title {key[1]!r}")
        self.designed[key] = alarm, strict

    def other(self, function: Callable, claim: str, *rest, **settings) -> None:
        """Any other check: which of its facts are not true."""
        title = settings.get("title") or next((r for r in rest if isinstance(r, str)), "")
        fails = _fails(function, claim, *rest, **settings)
        facts = next((r for r in rest if isinstance(r, Mapping)), {})
        for name, fact in facts.items():
            if NAMED.search(name) and not isinstance(fact, (frozenset, set)):
                self._note((claim, f"{title}: {name}"), not bool(fact), None)
                fails = fails and not all(bool(f) for n, f in facts.items() if n != name)
        self.others[claim, title] = fails

    def within(self, function: Callable) -> Callable:
        """Measured distances: the clause "sampler" has a designed rate."""

        def judge(claim: str, title: str, measured: Mapping) -> None:
            rest = dict(measured)
            if "sampler" in rest:
                statistic, limit = rest.pop("sampler")
                strict = statistic > self._strict_limits[statistic]
                self._note((claim, f"{title}: sampler"), statistic > limit, strict)
            self.others[claim, title] = bool(rest) and _fails(function, claim, title, rest)

        return judge

    def chi_square(self, function: Callable) -> Callable:
        """Remember the strict limit of each chi-square statistic."""

        def judge(counts: object, masses: object, draws: int, false_alarm: float) -> tuple:
            statistic, limit = function(counts, masses, draws, false_alarm)
            self._strict_limits[statistic] = function(counts, masses, draws, STRICT)[1]
            return statistic, limit

        return judge


def _fails(function: Callable, *rest, **settings) -> bool:
    try:
        function(*rest, **settings)
    except checks.ClaimError:
        return True
    return False


@dataclass(frozen=True)
class Plan:
    """What to run of a chapter.

    Attributes:
        chosen: The cells with such checks and those that they need, in order.
        once: Those to run once: they train a model, or nothing that they use was drawn. Under a
            seed, what they made is put back in their place.
        before: Those, the set-up cell, whose imports take long, and what they need, in order.
    """

    chosen: list[cells.Cell]
    once: frozenset[int]
    before: list[cells.Cell]


def plan(chapter: list[cells.Cell]) -> Plan:
    """Find the cells whose checks rest on draws, and what they need."""
    ends = {cell.number: end for cell in chapter if (end := last_check(cell.source))}
    chosen = cells.needed(chapter, ends)
    used_later = set().union(*(cell.needs for cell in chosen)) if chosen else set()
    chosen = [trimmed(cell, ends.get(cell.number), used_later) for cell in chosen]
    trained = {cell.number for cell in chosen if cell.calls & TRAINING}
    drawn = _with_draws(chosen) - trained
    once = frozenset(cell.number for cell in chosen if cell.number not in drawn)
    return Plan(chosen, once, cells.needed(chosen, once | {SETUP}) if chosen else [])


def last_check(source: str) -> int:
    """Lines of a cell up to the end of its last check with a designed rate; 0 if it has none."""
    found = [
        statement.end_lineno
        for statement in ast.parse(source).body
        for part in getattr(statement, "body", [statement])
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)
        if _is_designed(part.value, source)
    ]
    return max(found, default=0)


def _is_designed(call: ast.Call, source: str) -> bool:
    function = ast.unparse(call.func)
    if function == "within":
        return "contract(" in source or "measured(" in ast.unparse(call)
    keys = [key for part in call.args if isinstance(part, ast.Dict) for key in part.keys]
    named = any(NAMED.search(ast.unparse(key)) for key in keys)
    return function in SAMPLED or (function == "check" and named)


def trimmed(cell: cells.Cell, end: int | None, used_later: set[str]) -> cells.Cell:
    """The cell up to a line, if nothing that it binds after it is used by the others."""
    if end is None:
        return cell
    lines = cell.source.split("\n")
    first, rest = (cells.analysed(cell.number, "\n".join(p)) for p in (lines[:end], lines[end:]))
    return cell if rest.binds & used_later else first


def _with_draws(chosen: list[cells.Cell]) -> set[int]:
    """Cells that draw, or use what was drawn; the set-up cell makes the generator anew."""
    names, found = {"generator"}, {SETUP}
    for cell in chosen:
        if cell.number == SETUP:
            continue
        if (cell.needs | cell.touches) & names or SEED.search(cell.source):
            found.add(cell.number)
            names |= cell.binds
    return found


def reseeded(cell: cells.Cell, seed: int) -> cells.Cell:
    """The cell with every seed that it names moved by the same amount."""
    source = SEED.sub(lambda found: f".manual_seed({int(found[1]) + APART * seed})", cell.source)
    return cells.analysed(cell.number, source)


_prepared: dict = {}


def under(seed: int) -> tuple[dict, dict]:
    """All verdicts of the prepared cells under one seed, designed checks apart from others."""
    verdicts, names = Verdicts(), _prepared["names"]  # of this process, which ends after it
    verdicts.install()
    for cell in _prepared["cells"]:
        if cell.number in _prepared["made"]:
            names.update(_prepared["made"][cell.number])
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                cells.execute(reseeded(cell, seed), names)
        except Exception as error:  # a fact of another kind: the cell goes no further
            verdicts.others[type(error).__name__, where(cell, error)] = True
    return verdicts.designed, verdicts.others


def where(cell: cells.Cell, error: Exception) -> str:
    """The line of the cell that ended it, and the error's message."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == f"<cell {cell.number}>"]
    line = cell.source.split("\n")[own[-1] - 1].strip() if own else ""
    return f"{line} {error}".strip()


def prepare(path: Path) -> dict:
    """Run what is run once, in this process.

    Returns:
        What `under` needs: the cells to run under every seed, the chapter's names, and what the
        cells made that are run once.
    """
    os.chdir(path.parent)
    work = plan(cells.read(path))
    names, made = {"__name__": "__main__"}, {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in work.before:
            cells.execute(cell, names)
            if cell.number in work.once:
                made[cell.number] = {name: names[name] for name in cell.binds}
    return {"names": names, "cells": work.chosen, "made": made}


def block_rows(stem: str, seeds: range, jobs: int) -> list[dict]:
    """A row for each check of the prepared chapter that rests on draws."""
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        found = pool.map(under, seeds, chunksize=1)
    return rows_of(stem, found, seeds)


def merged(old: list[dict], new: list[dict]) -> list[dict]:
    """Rows of one chapter, over the seeds of both."""
    rows = {(row["claim"], row["title"]): row for row in old}
    seeds = max((row["seeds"] for row in [*old, *new]), default=0)
    for row in new:
        before = rows.get((row["claim"], row["title"]))
        if before:
            row = row | {"alarms": before["alarms"] + row["alarms"]}
            if row["strict_alarms"] is not None:
                row["strict_alarms"] += before["strict_alarms"]
        rows[row["claim"], row["title"]] = row
    return [row | {"seeds": seeds} for row in rows.values()]


def rows_of(stem: str, found: list[tuple[dict, dict]], numbers: range) -> list[dict]:
    """The verdicts under seeds with these numbers, counted.

    Raises:
        ValueError: If a check did not run under every seed.
    """
    rows, seeds = [], numbers[-1]
    for key in found[0][0]:
        pairs = [designed[key] for designed, _ in found if key in designed]
        if len(pairs) != len(found):
            raise ValueError(f"{stem}: {key} was judged under {len(pairs)} of {len(found)} seeds")
        alarms = [number for number, pair in zip(numbers, pairs, strict=True) if pair[0]]
        strict = None if pairs[0][1] is None else sum(pair[1] for pair in pairs)
        row = {"chapter": stem, "claim": key[0], "title": key[1], "rate": DESIGNED}
        rows.append(row | {"seeds": seeds, "alarms": alarms, "strict_alarms": strict})
    keys = {key for _, others in found for key in others}
    for key in sorted(keys):
        failing = [n for n, (_, others) in zip(numbers, found, strict=True) if others.get(key)]
        if failing:
            row = {"chapter": stem, "claim": key[0], "title": key[1], "rate": None}
            rows.append(row | {"seeds": seeds, "alarms": failing, "strict_alarms": None})
    return rows


def judged(rows: list[dict]) -> dict:
    """How many seeds had an alarm, and how probable that many are if all claims are true."""
    designed = [row for row in rows if row["rate"] is not None]
    if not designed:
        raise ValueError("needed a check with a designed false-alarm rate, found none")
    seeds = max(row["seeds"] for row in designed)
    with_alarm = {seed for row in designed for seed in row["alarms"]}
    rate = min(1.0, sum(row["rate"] for row in designed))
    graded = [row for row in designed if row["strict_alarms"] is not None]
    return {
        "checks": len(designed),
        "seeds": seeds,
        "least_seeds": min(row["seeds"] for row in designed),
        "alarms": sum(len(row["alarms"]) for row in designed),
        "expected_at_most": sum(row["seeds"] * row["rate"] for row in designed),
        "seeds_with_alarm": len(with_alarm),
        "probability": float(stats.binom.sf(len(with_alarm) - 1, seeds, rate)),
        "strict_rate": STRICT,
        "strict_checks": len(graded),
        "strict_alarms": sum(row["strict_alarms"] for row in graded),
        "strict_expected_at_most": sum(STRICT * row["seeds"] for row in graded),
        "strict_worst": min(strict_probability(row) for row in graded) * len(graded),
    }


def strict_probability(row: dict) -> float:
    """How probable so many strict alarms of one check are if it errs at the strict rate."""
    return float(stats.binom.sf(row["strict_alarms"] - 1, row["seeds"], STRICT))


def faults(summary: dict) -> list[str]:
    """What is more than chance explains."""
    found = []
    if summary["probability"] < SURPRISE:
        found.append(f"{summary['seeds_with_alarm']} seeds with an alarm")
    if summary["strict_worst"] < SURPRISE:
        found.append(f"a check fails too often at the rate {STRICT}")
    return found


def run_blocks(paths: list[Path], seeds: int, jobs: int, kept: list[dict]) -> None:
    """Run all chapters' checks in blocks of seeds, in turn; results are kept after each block."""
    prepared = {path: prepare(path) for path in paths}
    for first in range(1, seeds + 1, BLOCK):
        numbers = range(first, min(first + BLOCK, seeds + 1))
        for path, work in prepared.items():
            own = [row for row in kept if row["chapter"] == path.stem]
            done = max((row["seeds"] for row in own), default=0)
            left = range(max(first, done + 1), numbers[-1] + 1)
            if work["cells"] and left:
                _prepared.update(work)
                os.chdir(path.parent)
                own = merged(own, block_rows(path.stem, left, jobs))
                kept[:] = [row for row in kept if row["chapter"] != path.stem] + own
                keep(kept)
                print(f"{path.stem}: {left[-1]} seeds", flush=True)


def keep(rows: list[dict]) -> None:
    """Store the rows, in the order of the chapters, with their summary."""
    ordered = sorted(rows, key=lambda row: (row["chapter"], row["rate"] is None))
    found = {"machine": machine(), "summary": judged(ordered), "rows": ordered}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (ROOT / RESULTS).write_text(text, "utf8")


def main() -> None:
    """Run what was asked for, keep the counts; exit code 1 if alarms are too many."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.alarms")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--chapter", default="", help="only chapters with this in their name")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--go-on", action="store_true", help="add to the seeds that were run")
    arguments = parser.parse_args()
    os.environ |= {"EXPLORE_MODE": "static", "MPLBACKEND": "Agg"}
    torch.set_num_threads(1)
    path = ROOT / RESULTS
    rows = json.loads(path.read_text("utf8"))["rows"] if path.exists() else []
    if not arguments.go_on:
        rows = [row for row in rows if arguments.chapter not in row["chapter"]]
    paths = [p for p in sorted((ROOT / "book").glob("*.ipynb")) if arguments.chapter in p.stem]
    run_blocks(paths, arguments.seeds, arguments.jobs, rows)
    summary = judged(rows)
    print(json.dumps(summary, indent=1))
    if found := faults(summary):
        raise SystemExit("more than chance explains: " + "; ".join(found))


if __name__ == "__main__":
    main()
