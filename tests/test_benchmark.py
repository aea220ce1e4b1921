"""The stored comparison of flows: complete, and as the chapter and the speed page say it is."""

import json
import statistics
from pathlib import Path

import pytest
from line_by_line import benchmark

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
    "seconds, text", [(4.15e-5, "41.5 µs"), (0.00287, "2.87 ms"), (0.142, "142 ms")]
)
def test_times_have_three_digits(seconds, text):
    assert benchmark.shown_seconds(seconds) == text


def test_failures_are_shown_as_such():
    assert [benchmark.shown_error(e) for e in ("nan", 0, 3.2e-16)] == ["nan", "0", "3e-16"]
    sizes = {64: {"ours_error": 1e-9}, 4096: {"ours_error": "inf"}}
    assert benchmark.largest(sizes, "ours_error") == "inf"
