"""Measure long runs of play, of two numbers and of networks, and write benchmarks/games.json.

    python -m benchmarks.games            all of it, about 2 minutes
    python -m benchmarks.games quick      up to 10^4 steps, nothing written

Four programs give all positions of V = d g from (1, 1/2), in float64 and one thread. Seconds are
CPU seconds, the median of runs that alternate between the programs. The error is that of the last
log-norm against the closed form; a run that leaves the range of float64 has none.

Then the networks of chapter 6, from its own cells and its own beginnings, play on for thousands of
steps, at the chapter's rates and at slower ones, and the clusters that they cover are counted.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import torch

from benchmarks.machine import machine
from helpers.games import dot_game, orbit, play, rule

RESULTS = Path(__file__).with_suffix(".json")
STEPS = tuple(10**power for power in range(3, 7))
RATES = (0.01, 0.5)
SECONDS, RUNS = 10, 5  # what one run may take, and how often each program runs

CHAPTER = Path(__file__).resolve().parent.parent / "book/06_games.ipynb"
CONTESTS = (  # rule, penalty, rates
    ("simultaneous", 0.0, (0.35, 0.2)),
    ("simultaneous", 0.0, (0.1, 0.01)),
    ("alternating", 0.0, (0.35, 0.2)),
    ("alternating", 0.0, (0.1, 0.03)),
    ("alternating", 0.7, (0.35, 0.2)),
)
STOPS = (300, 800, 2000, 4000)  # steps after which clusters are counted

START = torch.tensor([1.0, 0.5], dtype=torch.float64)

Program = Callable[[float, int], float]  # from the rate and steps to the last log-norm


def matrix(rate: float) -> torch.Tensor:
    """One step of simultaneous play."""
    return torch.tensor([[1.0, rate], [-rate, 1.0]], dtype=torch.float64)


def at_once(rate: float, steps: int) -> float:
    """`orbit`: all steps in a few large products."""
    return float(orbit(matrix(rate), START, steps).log_norms[-1])


def floats(rate: float, steps: int) -> float:
    """A loop over two Python numbers."""
    d, g = START.tolist()
    path = [(d, g)]
    for _ in range(steps):
        d, g = d + rate * g, g - rate * d
        path.append((d, g))
    return math.log(math.hypot(*path[-1]))


def products(rate: float, steps: int) -> float:
    """A loop of torch products, matrix times vector."""
    step, path = matrix(rate), [START]
    for _ in range(steps):
        path.append(step @ path[-1])
    return float(torch.stack(path)[-1].norm().log())


def by_autograd(rate: float, steps: int) -> float:
    """`play`: a loop that takes the gradients of V at every step, as for any other game."""
    path = play(dot_game(), rule("simultaneous"), rate, START, steps)
    return float(path[-1].norm().log())


PROGRAMS = {
    "all at once": at_once,
    "loop, Python numbers": floats,
    "loop, torch products": products,
    "loop, autograd": by_autograd,
}


def exact(rate: float, steps: int) -> float:
    """The last log-norm, by claim 6.3."""
    return math.log(math.hypot(*START.tolist())) + steps / 2 * math.log1p(rate**2)


def rows_of(rate: float, steps: int, previous: dict[str, dict]) -> list[dict]:
    """A row a program; one that would take too long has no seconds."""
    rows = {name: {"program": name, "rate": rate, "steps": steps} for name in PROGRAMS}
    for name, row in rows.items():
        before = previous.get(name, {"seconds": 0.0})
        row["too_long"] = "seconds" not in before or 10 * before["seconds"] > SECONDS
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(RUNS):
        for name, row in rows.items():
            if row["too_long"]:
                continue
            started = time.process_time()
            found = PROGRAMS[name](rate, steps)
            taken[name].append(time.process_time() - started)
            error = abs(found - exact(rate, steps))
            row["error"] = error if math.isfinite(error) else None
    for name, row in rows.items():
        if taken[name]:
            row["seconds"] = statistics.median(taken[name])
    return list(rows.values())


def cells() -> dict:
    """The names that the chapter's cells about the networks define, up to the beginnings."""
    notebook = nbformat.read(CHAPTER, as_version=4)
    source = {cell.metadata.get("label"): cell.source for cell in notebook.cells}
    names: dict = {"generator": torch.Generator().manual_seed(6)}
    exec(source["imports"].split("torch.set_num_threads")[0], names)
    for label in ("networks", "beginning", "contests", "judge"):
        exec(source[label].split("contests =")[0], names)
    return names


def coverage(stops: tuple[int, ...] = STOPS) -> list[dict]:
    """A row a contest and stop: clusters covered and share of good samples, five beginnings."""
    names, rows = cells(), []
    for how, penalty, rates in CONTESTS:
        position, done = names["starts"], 0
        for stop in stops:
            contest = names["gan"](penalty)
            position = play(contest, rule(how), rates, position, stop - done)[-1]
            done = stop
            _, covered, good = names["judge"](position)
            row = {"rule": how, "penalty": penalty, "rates": rates, "step": stop}
            rows.append(row | {"covered": covered.tolist(), "good": good.tolist()})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    torch.set_num_threads(1)
    quick = "quick" in sys.argv[1:]
    rows: list[dict] = []
    for rate in RATES:
        previous: dict[str, dict] = {}
        for steps in STEPS[:2] if quick else STEPS:
            made = rows_of(rate, steps, previous)
            previous = {row["program"]: row for row in made}
            rows += made
            print(*made, sep="\n", flush=True)
    if not quick:
        found = {"machine": machine(), "seconds": SECONDS, "rows": rows, "coverage": coverage()}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
