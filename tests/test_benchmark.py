"""The stored comparisons: complete, and as the chapters and the speed page say they are."""

import inspect
import json
import math
import re
import statistics
from pathlib import Path

import pytest
from docutils import nodes
from line_by_line import benchmark

from benchmarks import games
from benchmarks.importance import example, measure, rows_of
from helpers.importance import NormalWorld

ROOT = Path(__file__).resolve().parent.parent
RESULTS = json.loads((ROOT / benchmark.RESULTS).read_text("utf8"))
TIMED = [row for row in RESULTS["rows"] if row["ratio"]]
EXTREME = [row for row in RESULTS["rows"] if not row["ratio"]]


def test_every_comparison_is_there():
    kinds = {(row["what"].split(",")[0], row["library"]) for row in TIMED}
    assert kinds == {("radial", "normflows"), ("sigmoidal inverse", "zuko"), ("sigmoidal", "zuko")}
    for key, values in {
        "dtype": {"float32", "float64"},
        "batch": {64, 4096, 65536},
        "gradients": {True, False},
    }.items():
        for kind in kinds:
            rows = [r for r in TIMED if (r["what"].split(",")[0], r["library"]) == kind]
            assert {row[key] for row in rows} == values


def test_ours_is_no_slower_up_to_noise():
    """A row of a shared machine may be off by a few per cent; the median of a kind may not."""
    assert max(row["ratio"] for row in TIMED) <= 1.1
    for kind in {row["what"] for row in TIMED}:
        assert statistics.median(r["ratio"] for r in TIMED if r["what"] == kind) < 1


def test_ours_is_right_at_every_extreme_input():
    assert [row["what"] for row in EXTREME if isinstance(row["ours_error"], str)] == []
    for row in EXTREME:
        assert row["ours_error"] <= {"float32": 1e-5, "float64": 1e-13}[row["dtype"]], row


def test_ours_is_never_worse_beyond_rounding_and_often_better():
    rounding = {"float32": 2e-6, "float64": 4e-15}
    better = 0
    for row in EXTREME:
        if not isinstance(row["theirs_error"], str):
            assert row["ours_error"] <= row["theirs_error"] + rounding[row["dtype"]], row
            better += row["theirs_error"] > 100 * (row["ours_error"] + rounding[row["dtype"]])
        else:
            better += not benchmark.lacks(row)
    assert better >= 10


def test_tables_show_every_row():
    head, *rows = benchmark.speed_rows(RESULTS)
    assert len(head) == 7
    assert sum(cell.endswith(")") for row in rows for cell in row[3:6]) == len(TIMED)
    assert len(benchmark.extreme_rows(RESULTS)) == len(EXTREME) + 1
    assert "torch" in benchmark.summary(RESULTS)


@pytest.mark.parametrize(
    "seconds, text",
    [(4.15e-5, "41.5 µs"), (0.00287, "2.87 ms"), (0.142, "142 ms"), (32.61, "32.6 s")],
)
def test_times_have_three_digits(seconds, text):
    assert benchmark.shown_seconds(seconds) == text


def test_failures_are_shown_as_such():
    assert [benchmark.shown_error(e) for e in ("nan", 0, 3.2e-16)] == ["nan", "0", "3e-16"]
    sizes = {64: {"ours_error": 1e-9}, 4096: {"ours_error": "inf"}}
    assert benchmark.largest(sizes, "ours_error") == "inf"


# Bounds with many weights

BOUNDS = json.loads((ROOT / benchmark.BOUNDS).read_text("utf8"))
COSTS = {(row["program"], row["samples"]): row for row in BOUNDS["rows"]}
STREAM, ONE_LINER, VECTORIZED, SERIAL = benchmark.PROGRAMS
SAMPLES = [10**power for power in range(3, 8)]


def test_every_bound_is_there_and_only_one_program_needed_too_much():
    assert set(COSTS) == {(p, samples) for p in benchmark.PROGRAMS for samples in SAMPLES}
    left_out = [key for key, row in COSTS.items() if row["too_much"]]
    assert {program for program, _ in left_out} <= {SERIAL}
    limits = BOUNDS["limits"]
    for row in COSTS.values():
        if not row["too_much"]:
            assert row["seconds"] <= limits["seconds"]
            assert row["mebibytes"] <= limits["mebibytes"]


def test_time_of_the_stream_is_linear_and_its_memory_constant():
    assert 60 <= benchmark.growth(BOUNDS, STREAM) <= 160
    assert max(COSTS[STREAM, samples]["mebibytes"] for samples in SAMPLES) < 16
    for other in (ONE_LINER, VECTORIZED):  # of the three that draw the same numbers
        assert COSTS[other, 10**7]["mebibytes"] > 20 * COSTS[STREAM, 10**7]["mebibytes"]
        assert COSTS[other, 10**7]["mebibytes"] > 7.5 * 10**7 / 2**20  # K numbers of 8 bytes


def test_the_stream_is_no_slower_than_the_others_up_to_noise():
    for samples in SAMPLES:
        ours = COSTS[STREAM, samples]["seconds"]
        for other in (VECTORIZED, SERIAL):
            assert COSTS[other, samples]["too_much"] or ours < COSTS[other, samples]["seconds"]
        if samples >= 10**5:  # below, calls cost more than numbers
            assert ours < 1.2 * COSTS[ONE_LINER, samples]["seconds"]


def test_programs_estimate_the_same_bound():
    for samples in SAMPLES:
        ours = COSTS[STREAM, samples]["value"]
        for other in (ONE_LINER, VECTORIZED):
            assert COSTS[other, samples]["value"] == pytest.approx(ours, rel=1e-12)
        for program in (STREAM, SERIAL):
            row = COSTS[program, samples]
            if not row["too_much"]:
                exact = BOUNDS["exact"][str(samples)]
                assert row["value"] == pytest.approx(exact, abs=5 / math.sqrt(samples))


def test_the_page_shows_every_cost():
    head, *rows = benchmark.bound_rows(BOUNDS)
    assert head == ["K", "streamed", "one-liner", "Pyro, vectorized", "Pyro, one by one"]
    assert [row[0] for row in rows] == ["1,000", "10,000", "100,000", "1,000,000", "10,000,000"]
    assert all("MiB" in cell for row in rows for cell in row[1:4])
    assert rows[0][1] == benchmark.shown_cost(COSTS[STREAM, 1000])
    assert benchmark.shown_cost({"too_much": "time"}) == "too much time"
    row = {"too_much": "", "seconds": 0.5, "mebibytes": 2.1}
    assert benchmark.shown_cost(row) == "500 ms, 2 MiB"
    said = benchmark.bound_summary(BOUNDS)
    growth = f"{benchmark.growth(BOUNDS, STREAM):.0f} times as long as at a hundredth of that K"
    assert f"{growth} (100 would be exactly linear);" in said
    assert all(text in said for text in ("K = 10,000,000", "Pyro 1.", "60 seconds", "4096 MiB"))


# Long runs of a game

GAMES = json.loads((ROOT / benchmark.GAMES).read_text("utf8"))
LONG = {(row["program"], row["rate"], row["steps"]): row for row in GAMES["rows"]}


def test_every_run_is_there_and_only_autograd_takes_too_long():
    steps = [10**power for power in range(3, 7)]
    assert set(LONG) == {
        (p, rate, n) for p in games.PROGRAMS for rate in games.RATES for n in steps
    }
    assert {program for (program, _, _), row in LONG.items() if row["too_long"]} <= {
        "loop, autograd"
    }


def test_a_million_steps_at_once_take_well_under_a_second_and_never_overflow():
    for (program, rate, steps), row in LONG.items():
        if program == "all at once":
            assert row["seconds"] < 0.5
            assert row["error"] <= 1e-9 * max(1.0, games.exact(rate, steps))
            products = LONG["loop, torch products", rate, steps]
            assert steps < 10**4 or row["seconds"] < products["seconds"]


def test_loops_overflow_where_the_norm_leaves_float64():
    for (program, rate, steps), row in LONG.items():
        if program.startswith("loop") and not row["too_long"]:
            assert (row["error"] is None) == (games.exact(rate, steps) > 709)


def test_programs_agree_where_none_overflows():
    found = [run(0.3, 500) for run in games.PROGRAMS.values()]
    assert found == pytest.approx([games.exact(0.3, 500)] * 4, rel=1e-12)


def test_the_page_shows_every_run():
    head, *rows = benchmark.run_rows(GAMES)
    assert head == ["α", "steps", *games.PROGRAMS]
    assert len(rows) == len(games.RATES) * 4
    assert benchmark.shown_run({"too_long": True}) == "too long"
    row = {"too_long": False, "seconds": 0.25, "error": None}
    assert benchmark.shown_run(row) == "250 ms, overflow"
    assert benchmark.shown_run(row | {"error": 2e-12}) == "250 ms, error 2e-12"
    said = benchmark.run_summary(GAMES)
    assert "1,000,000 steps at once" in said
    assert "10 seconds" in said


def test_without_a_penalty_networks_find_the_clusters_late_and_lose_them():
    """What chapter 6 and the speed page say of the long runs."""
    rows = {(r["rule"], r["penalty"], tuple(r["rates"]), r["step"]): r for r in GAMES["coverage"]}
    assert set(rows) == {(*contest, stop) for contest in games.CONTESTS for stop in games.STOPS}
    for contest in games.CONTESTS:
        _, penalty, rates = contest
        covered = [rows[*contest, stop]["covered"] for stop in games.STOPS]
        if penalty:
            assert covered == [[4] * 5] * 4
            assert min(rows[*contest, games.STOPS[-1]]["good"]) > 0.8
        else:
            assert covered[-1] == [0] * 5
            reached = [max(stops) for stops in zip(*covered, strict=True)]
            assert reached == ([0] * 5 if rates == (0.35, 0.2) else [4] * 5)


def test_the_long_runs_begin_as_the_chapter_does():
    rows = games.coverage((20,))
    assert len(rows) == len(games.CONTESTS)
    assert {len(row["covered"]) for row in rows} == {5}


def test_the_page_shows_the_clusters():
    head, *rows = benchmark.coverage_rows(GAMES)
    assert head == ["rule", "300 steps", "800 steps", "2,000 steps", "4,000 steps"]
    assert rows[-1] == ["alternating, penalty 0.7, rates 0.35 and 0.2", *["4, 4, 4, 4, 4"] * 4]


def test_the_pages_ask_for_what_the_extension_shows():
    page = (ROOT / "book/speed.md").read_text("utf8")
    teaching = (ROOT / "book/teaching.md").read_text("utf8")
    assert re.findall(r"```{benchmark} (.*)", page + teaching) == list(benchmark.SHOWN)
    assert "chunks of 65,536" in page
    source = (ROOT / "benchmarks/importance.py").read_text("utf8")
    assert "CHUNK = 65_536" in source


def test_the_page_names_the_model_that_was_measured():
    page = (ROOT / "book/speed.md").read_text("utf8")
    world, _ = example()
    assert world == NormalWorld(observation=1.5, noise=1 / 2, mean=1 / 2, scale=1.0)
    prior, likelihood = r"$z\sim\mathcal N(0,1)$", r"$x\mid z\sim\mathcal N(z,1/2)$"
    assert rf"{prior}, {likelihood}, $x=1.5$, with the proposal $\mathcal N(1/2,1)$" in page


def test_the_page_says_what_memory_is_measured_against():
    page = (ROOT / "book/speed.md").read_text("utf8")
    assert "imports the same libraries and makes one call with $K=16$" in page
    assert "run(16)" in inspect.getsource(measure)
    assert "measured(program, 0)" in inspect.getsource(rows_of)


def test_only_tables_of_numbers_have_a_narrow_first_column():
    """Their first column is K or a rate; 14rem of it would push a phone's page to the side."""
    narrow = ".benchmark-bounds, .benchmark-runs"
    rule = f"table.benchmark:not({narrow}) td:first-child {{ min-width: 14rem; }}"
    style = (ROOT / "book/_static/book.css").read_text("utf8")
    lines = style.splitlines()
    assert [line for line in lines if "table.benchmark" in line and "14rem" in line] == [rule]
    for name, (file, make) in benchmark.SHOWN.items():
        node = benchmark.as_node(name, make(json.loads((ROOT / file).read_text("utf8"))))
        if isinstance(node, nodes.table):
            assert node["classes"] == ["benchmark", f"benchmark-{name}"]
        else:
            assert isinstance(node, nodes.paragraph)
