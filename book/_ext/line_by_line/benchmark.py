"""The speed page: tables made from what `make bench` measured and stored, nothing typed."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from line_by_line.tables import as_row, as_table

RESULTS = Path("benchmarks/flows.json")
BOUNDS = Path("benchmarks/importance.json")
GAMES = Path("benchmarks/games.json")
MARKING = Path("benchmarks/marking.json")
PROGRAMS = ("streamed", "one-liner", "Pyro, vectorized", "Pyro, one by one")


def shown_error(error: float | str) -> str:
    """An error with one digit; texts such as nan stand for failures."""
    return error if isinstance(error, str) else "0" if error == 0 else f"{error:.0e}"


def shown_seconds(seconds: float) -> str:
    """A time with three digits, in the unit that suits it."""
    scale, unit = (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * scale:.3g} {unit}" if seconds < 1 else f"{seconds:.3g} s"


def lacks(row: dict) -> bool:
    """Whether the library has no such function: normflows' radial flow has no inverse."""
    return row["library"] == "normflows" and row["what"].endswith(": inverse")


def speed_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each comparison, with a column a batch size."""
    timed = [row for row in results["rows"] if row["ratio"]]
    batches = sorted({row["batch"] for row in timed})
    groups: dict[tuple, dict[int, dict]] = {}
    for row in timed:
        key = (f"{row['what']} ({row['library']})", row["dtype"], row["gradients"])
        groups.setdefault(key, {})[row["batch"]] = row
    head = ["what", "type", "gradients", *(f"batch of {size}" for size in batches), "errors"]
    return [head] + [
        [what, dtype, "with" if gradients else "without"]
        + [shown_times(sizes[batch]) for batch in batches]
        + [f"{largest(sizes, 'ours_error')} / {largest(sizes, 'theirs_error')}"]
        for (what, dtype, gradients), sizes in groups.items()
    ]


def shown_times(row: dict) -> str:
    """Our time, and its ratio to the library's."""
    return f"{shown_seconds(row['ours_seconds'])} ({row['ratio']:.2f})"


def largest(sizes: dict[int, dict], which: str) -> str:
    """The largest error over batch sizes; a failure counts as the largest."""
    errors = [row[which] for row in sizes.values()]
    failures = [error for error in errors if isinstance(error, str)]
    return shown_error(failures[0] if failures else max(errors))


def extreme_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each extreme input."""
    return [["what", "type", "library", "our error", "its error"]] + [
        [
            row["what"],
            row["dtype"],
            row["library"],
            shown_error(row["ours_error"]),
            "—" if lacks(row) else shown_error(row["theirs_error"]),
        ]
        for row in results["rows"]
        if not row["ratio"]
    ]


def summary(results: dict) -> str:
    """What the tables say, in numbers."""
    machine, ratios = results["machine"], [r["ratio"] for r in results["rows"] if r["ratio"]]
    extremes = [row for row in results["rows"] if not row["ratio"] and not lacks(row)]
    ours, theirs = (
        sum(not isinstance(row[f"{side}_error"], str) for row in extremes)
        for side in ("ours", "theirs")
    )
    libraries = sorted({f"{row['library']} {row['version']}" for row in results["rows"]})
    return (
        f"Measured on {machine['date']} on {machine['cpu']}, {machine['threads']} thread, torch "
        f"{machine['torch']}, against {' and '.join(libraries)}. In {len(ratios)} comparisons of "
        f"time ours takes {statistics.median(ratios):.2f} of theirs in the median, "
        f"{max(ratios):.2f} at most. At {len(extremes)} extreme inputs for which both have a "
        f"function, ours returns a number {ours} times, theirs {theirs} times."
    )


def bound_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each K: time and peak memory of each program that estimates L_K."""
    cells = {(row["samples"], row["program"]): shown_cost(row) for row in results["rows"]}
    counts = sorted({samples for samples, _ in cells})
    return [["K", *PROGRAMS]] + [
        [f"{samples:,}", *(cells[samples, program] for program in PROGRAMS)] for samples in counts
    ]


def shown_cost(row: dict) -> str:
    """Seconds and mebibytes, or what there would be too much of."""
    if row["too_much"]:
        return f"too much {row['too_much']}"
    return f"{shown_seconds(row['seconds'])}, {row['mebibytes']:.0f} MiB"


def growth(results: dict, program: str) -> float:
    """How many times as long the largest K takes as one a hundredth of it."""
    seconds = {r["samples"]: r.get("seconds") for r in results["rows"] if r["program"] == program}
    largest = max(seconds)
    return seconds[largest] / seconds[largest // 100]


def bound_summary(results: dict) -> str:
    """What the table of bounds says, in numbers."""
    machine, limits = results["machine"], results["limits"]
    largest = max(row["samples"] for row in results["rows"])
    ours, plain = (
        next(r for r in results["rows"] if (r["program"], r["samples"]) == (program, largest))
        for program in PROGRAMS[:2]
    )
    return (
        f"Measured on {machine['date']} on {machine['cpu']}, {machine['threads']} thread, torch "
        f"{machine['torch']}, Pyro {machine['pyro']}. At K = {largest:,} the stream takes "
        f"{shown_seconds(ours['seconds'])} and {ours['mebibytes']:.0f} MiB, "
        f"{growth(results, PROGRAMS[0]):.0f} times as long as at a hundredth of that K "
        f"(100 would be exactly linear); the "
        f"one-liner takes {shown_seconds(plain['seconds'])} and {plain['mebibytes']:.0f} MiB. "
        f"Left out is what would take more than {limits['seconds']} seconds or "
        f"{limits['mebibytes']} MiB."
    )


def run_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each rate and number of steps: time and error of each program."""
    programs = list(dict.fromkeys(row["program"] for row in results["rows"]))
    cells: dict[tuple, list[str]] = {}
    for row in results["rows"]:
        cells.setdefault((row["rate"], row["steps"]), []).append(shown_run(row))
    head = ["α", "steps", *programs]
    return [head] + [[f"{rate:g}", f"{steps:,}", *shown] for (rate, steps), shown in cells.items()]


def shown_run(row: dict) -> str:
    """Seconds and the error of the last log-norm; or why there is none."""
    if row["too_long"]:
        return "too long"
    error = "overflow" if row["error"] is None else f"error {shown_error(row['error'])}"
    return f"{shown_seconds(row['seconds'])}, {error}"


def coverage_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each contest: clusters covered by the five generators at each stop."""
    stops = sorted({row["step"] for row in results["coverage"]})
    contests: dict[str, list[str]] = {}
    for row in results["coverage"]:
        penalty = f", penalty {row['penalty']:g}" if row["penalty"] else ""
        name = f"{row['rule']}{penalty}, rates {row['rates'][0]:g} and {row['rates'][1]:g}"
        contests.setdefault(name, []).append(", ".join(map(str, sorted(row["covered"]))))
    return [["rule", *(f"{stop:,} steps" for stop in stops)]] + [
        [name, *shown] for name, shown in contests.items()
    ]


def run_summary(results: dict) -> str:
    """What the table of runs says, in numbers."""
    machine, most = results["machine"], max(row["steps"] for row in results["rows"])
    longest = [r for r in results["rows"] if r["steps"] == most and r["program"] == "all at once"]
    products = [r for r in results["rows"] if r["program"].endswith("products")]
    slower = statistics.median(
        theirs["seconds"] / ours["seconds"]
        for ours in longest
        for theirs in products
        if (theirs["rate"], theirs["steps"]) == (ours["rate"], most)
    )
    return (
        f"Measured on {machine['date']} on {machine['cpu']}, {machine['threads']} thread, torch "
        f"{machine['torch']}. {most:,} steps at once take "
        f"{shown_seconds(max(row['seconds'] for row in longest))} at most; the loop of torch "
        f"products takes {slower:.0f} times as long. Left out is what would take more than "
        f"{results['seconds']} seconds."
    )


def marking_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each program that marked the same submissions."""
    return [["program", "submissions", "seconds", "a minute", "marks of honest ones"]] + [
        [
            row["program"],
            str(results["submissions"]),
            f"{row['seconds']:.0f}",
            f"{row['per_minute']:.0f}",
            "the same" if results["same_marks"][row["program"]] else "different",
        ]
        for row in results["rows"]
    ]


def marking_summary(results: dict) -> str:
    """Where it was measured, and what was left after kills."""
    machine, kills = results["machine"], results["kills"]
    lost = "nothing was lost" if results["whole_after_kills"] else "marks were lost"
    wrong = sum(kill["wrong"] for kill in kills)
    return (
        f"Measured on {machine['date']} on {machine['cpu']} with two cores, in one run. Then the "
        f"marking process was killed {len(kills)} times at random moments and started again: "
        f"{lost}, and {wrong} stored marks were wrong."
    )


SHOWN: dict[str, tuple[Path, Callable]] = {
    "summary": (RESULTS, summary),
    "speed": (RESULTS, speed_rows),
    "extremes": (RESULTS, extreme_rows),
    "bounds-summary": (BOUNDS, bound_summary),
    "bounds": (BOUNDS, bound_rows),
    "runs-summary": (GAMES, run_summary),
    "runs": (GAMES, run_rows),
    "coverage": (GAMES, coverage_rows),
    "marking-summary": (MARKING, marking_summary),
    "marking": (MARKING, marking_rows),
}


def as_node(name: str, made: str | list[list[str]]) -> nodes.Node:
    """A paragraph, or a table whose second class tells the style sheet which one it is."""
    if isinstance(made, str):
        return nodes.paragraph("", made)
    head, *rows = made
    table = as_table(head, map(as_row, rows), "benchmark")
    table["classes"].append(f"benchmark-{name}")
    return table


class Benchmark(SphinxDirective):
    """`{benchmark}` and what to show: a table, or a paragraph that sums one up."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments[0] not in SHOWN:
            raise self.error(f"benchmark needs one of {', '.join(SHOWN)}: {self.arguments[0]}")
        file, make = SHOWN[self.arguments[0]]
        path = Path(self.env.srcdir) / file
        self.env.note_dependency(str(path))
        return [as_node(self.arguments[0], make(json.loads(path.read_text("utf8"))))]


def setup(app: Sphinx) -> None:
    app.add_directive("benchmark", Benchmark)
