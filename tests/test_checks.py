"""The checks themselves: they accept the truth, refuse everything else, and leave a record."""

import math
from dataclasses import FrozenInstanceError
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import checks
from helpers.checks import (
    ClaimError,
    bites,
    breaks,
    check,
    derivation,
    distance,
    line,
    monte_carlo,
    record,
    start_clock,
    uniform,
    within,
    z_scores,
)


@pytest.fixture
def shown(monkeypatch):
    """What a check displays: a list of (bundle, record)."""
    outputs = []
    monkeypatch.setattr(
        checks, "display", lambda bundle, raw, metadata: outputs.append((bundle, metadata["book"]))
    )
    return outputs


@pytest.mark.parametrize(
    "left, right, apart",
    [
        ({1, 2}, {2, 3}, 2.0),
        (frozenset(), set(), 0.0),
        ({1}, 1.0, math.inf),
        (1.0, 1.5, 0.5),
        (True, False, 1.0),
        ([1.0, 2.0], torch.tensor([1.0, 4.0]), 2.0),
        (torch.zeros(2), torch.zeros(3), math.inf),
        (math.nan, 1.0, math.inf),
        (math.nan, math.nan, math.inf),
        (math.inf, math.inf, 0.0),
        (math.inf, -math.inf, math.inf),
        (torch.zeros(0), torch.zeros(0), 0.0),
    ],
)
def test_distance(left, right, apart):
    assert distance(left, right) == apart
    assert distance(right, left) == apart


def test_a_true_derivation_is_shown_line_by_line(shown):
    derivation("9.1", line("a", 1.0), line("b", 1.0 + 1e-14, "since"), tolerance=1e-12)
    bundle, record = shown[0]
    assert "| 2 | $= b$ | 1 | ≤ 1e-12 | since |" in bundle["text/markdown"]
    assert record["claim"] == "9.1"
    assert record["kind"] == "derivation"
    assert record["count"] == 2
    assert 0 < record["distance"] < 2e-14


@pytest.mark.parametrize(
    "lines",
    [
        [line("a", 1.0), line("b", 1.0 + 1e-9)],
        [line("a", {1}), line("b", {1}), line("c", {1, 2})],
        [line("a", 2.0), line("b", 1.0, "Jensen", "<=")],
        [line("a", math.nan), line("b", math.nan)],
        [line("a", math.nan), line("b", 1.0, "", "<=")],
    ],
)
def test_a_false_line_is_shown_and_stops_the_build(shown, lines):
    with pytest.raises(ClaimError, match=r"claim 9\.1, line"):
        derivation("9.1", *lines, tolerance=1e-12)
    assert len(shown) == 1


def test_an_inequality_may_be_strict(shown):
    derivation("9.1", line("a", 1.0), line("b", 2.0, "", "<="))
    assert shown[0][1]["distance"] == 0.0


def test_an_inequality_may_fail_by_the_tolerance(shown):
    derivation("9.1", line("a", 3.0), line("b", 1.0, "", "<="), tolerance=2.0)
    assert shown[0][1]["distance"] == 2.0


def test_the_first_false_line_is_named_with_its_value_and_distance(shown):
    lines = [line("a", 1.0), line("b", 1.5), line("c", 3.75), line("d", 9.0)]
    needed = r"line 3: 3\.75 is 2\.25 away from the line above, more than 0\.5$"
    with pytest.raises(ClaimError, match=needed):
        derivation("9.1", *lines, tolerance=0.5)
    table = shown[0][0]["text/markdown"]
    assert "| 1 | $a$ | 1 |  |  |" in table
    assert "| 3 | $= c$ | 3.75 | 2.25 |  |" in table


def test_a_line_keeps_what_it_was_given():
    with pytest.raises(FrozenInstanceError):
        line("a", 1.0).value = 2.0


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (torch.tensor([]), -5.0),
        (torch.zeros(3), torch.tensor(1.0)),
        (torch.tensor(0.0), torch.ones(3)),
        (torch.zeros(4, 1), torch.ones(1, 3)),
        (0.0, math.nan),
        (1.0, 0.5),
    ],
)
def test_an_inequality_is_between_numbers_that_belong_together(shown, less, more):
    with pytest.raises(ClaimError, match="line 2"):
        derivation("9.1", line("a", less), line("b", more, relation="<="))


def test_an_inequality_holds_between_infinities(shown):
    for less, more in ((-math.inf, -math.inf), (-math.inf, 0.0), (math.inf, math.inf)):
        derivation("9.1", line("a", less), line("b", more, relation="<="))


def test_check_accepts_equal_routes_and_refuses_one_that_differs(shown):
    check("9.1", "sum", 3.0, {"one way": 3.0, "another": 3.0})
    with pytest.raises(ClaimError, match=r"another: got 3\.1, needed 3"):
        check("9.1", "sum", 3.0, {"one way": 3.0, "another": 3.1}, tolerance=0.05)


def test_no_distance_is_accepted_where_no_tolerance_is_named(shown):
    check("9.1", "sum", 3.0, {"exact": 3.0})
    assert "| exact | 3 | 0 |" in shown[0][0]["text/markdown"]
    with pytest.raises(ClaimError, match="near: got 3"):
        check("9.1", "sum", 3.0, {"near": 3.0 + 1e-12})
    bites("9.1", "sum", 3.0, {"near": 3.0 + 1e-12})


@pytest.mark.parametrize(
    ("gap", "shown_as"), [(0.25, "≤ 0.5"), (0.5, "≤ 0.5"), (0.625, "0.625"), (0.0, "≤ 0.5")]
)
def test_a_distance_is_shown_as_a_bound_where_it_is_within_it(shown, gap, shown_as):
    try:
        check("9.1", "sum", 3.0, {"way": 3.0 + gap}, tolerance=0.5)
    except ClaimError:
        assert gap > 0.5
    assert shown[0][0]["text/markdown"].strip().endswith(f"| {shown_as} |")


def test_breaks_needs_every_fact(shown):
    breaks("9.1", "without S", {"it fails": True})
    with pytest.raises(ClaimError, match="not true that it holds"):
        breaks("9.1", "without S", {"it fails": True, "it holds": False})
    table = shown[1][0]["text/markdown"]
    assert "| it fails | yes |" in table
    assert "| it holds | no |" in table


@pytest.mark.parametrize(
    "fact", ["no", lambda: False, 1, torch.tensor(1), torch.tensor([True]), None]
)
def test_a_fact_is_true_or_false_and_nothing_else(shown, fact):
    breaks("9.1", "facts", {"so": True, "also so": np.bool_(True), "and so": torch.tensor(True)})
    with pytest.raises(ValueError, match="needed True or False for 'it'"):
        breaks("9.1", "facts", {"so": True, "it": fact})


def test_what_has_nothing_in_it_is_no_evidence(shown):
    for attempt, needed in [
        (lambda: breaks("9.1", "t", {}), "one fact, got none"),
        (lambda: check("9.1", "t", 1.0, {}), "one route, got none"),
        (lambda: check("9.1", "t", 1.0, {}, what="case"), "one case, got none"),
        (lambda: bites("9.1", "t", 1.0, {}), "one wrong version, got none"),
        (lambda: within("9.1", "t", {}), "one distance, got none"),
    ]:
        with pytest.raises(ValueError, match=f"needed at least {needed}"):
            attempt()
    assert shown == []


@pytest.mark.parametrize("tolerance", [math.inf, float("inf"), math.nan, -1.0])
def test_a_tolerance_is_a_finite_number(shown, tolerance):
    for attempt in (
        lambda: check("9.1", "t", 1.0, {"one": 1.0}, tolerance),
        lambda: bites("9.1", "t", 1.0, {"one": 2.0}, tolerance),
        lambda: derivation("9.1", line("a", 1.0), line("b", 1.0), tolerance=tolerance),
    ):
        with pytest.raises(ValueError, match="needed a finite tolerance from 0 on"):
            attempt()


@pytest.mark.parametrize("number", [1j, np.complex64(1), torch.tensor(1j)])
def test_complex_numbers_are_refused(number):
    with pytest.raises(ValueError, match="needed real numbers"):
        distance(number, 1.0)


def test_samples_may_have_derivatives(shown, generator):
    monte_carlo("9.1", "m", torch.randn(1000, generator=generator, requires_grad=True), 0.0)


def test_pixels_are_named_as_in_the_source_where_one_digit_is_enough():
    assert checks.format_value({(3, 4), (1, 9)}) == "19 34 (2)"
    assert checks.format_value({(3, 10)}) == "(3, 10) (1)"
    assert checks.format_value({(0, 4)}) == "(0, 4) (1)"
    assert checks.format_value({(-1, 4)}) == "(-1, 4) (1)"
    assert checks.format_value({(3, 11)}) == "(3, 11) (1)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        ("a word", "a word"),
        (2, "2"),
        (torch.tensor(0.5), "0.5"),
        ([1.0, 2.5], "1, 2.5"),
        (torch.eye(2), "1, 0, 0, 1"),
        (torch.arange(8), "0, 1, 2, 3, 4, 5, 6, 7"),
        (torch.zeros(3, 3), "3×3 numbers"),
        (set(), "none (0)"),
        ({7, 12}, "7 12 (2)"),
        (set(range(16)), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (16)"),
        (set(range(17)), "0 1 2 3 4 5 … 16 (17)"),
    ],
)
def test_a_value_is_a_short_text(value, text):
    assert checks.format_value(value) == text


def test_bites_refuses_a_wrong_version_that_the_check_accepts(shown):
    bites("9.1", "sum", 3.0, {"sign": -3.0})
    assert "| sign | -3 | 6 | yes |" in shown[0][0]["text/markdown"]
    with pytest.raises(ClaimError, match="accepts the wrong version hidden"):
        bites("9.1", "sum", 3.0, {"sign": -3.0, "hidden": 3.0})
    assert "| hidden | 3 | 0 | no |" in shown[1][0]["text/markdown"]


@pytest.mark.parametrize("gap", [0.0, 0.25, 0.5])
def test_bites_needs_more_than_the_tolerance_of_its_check(shown, gap):
    with pytest.raises(ClaimError, match="accepts the wrong version near"):
        bites("9.1", "sum", 3.0, {"far": 4.0, "near": 3.0 + gap}, tolerance=0.5)
    table, record = shown[0][0]["text/markdown"], shown[0][1]
    assert "| far | 4 | 1 | yes |" in table
    assert f"| {gap:g} | no |" in table
    assert record["distance"] == gap


@pytest.mark.parametrize("other", [torch.tensor([-3.0]), (3.0, 4.0), {3}])
def test_bites_refuses_a_wrong_version_that_differs_by_its_shape_alone(shown, other):
    with pytest.raises(ValueError, match=r"wrong version 'other' of shape \(\)"):
        bites("9.1", "sum", 3.0, {"sign": -3.0, "other": other})
    with pytest.raises(ValueError, match="wrong version 'other' that is a set"):
        bites("9.1", "pixels", frozenset({3}), {"other": 3.0})


def test_monte_carlo_accepts_the_true_mean_and_refuses_a_wrong_one(shown, generator):
    samples = torch.randn(20_000, generator=generator)
    monte_carlo("9.1", "mean", samples, 0.0)
    assert "designed false-alarm rate | 0.0001" in shown[0][0]["text/markdown"]
    with pytest.raises(ClaimError, match="standard errors off"):
        monte_carlo("9.1", "mean", samples, 0.05)


def test_monte_carlo_refuses_samples_without_spread_at_a_wrong_place(shown):
    monte_carlo("9.1", "constant", torch.ones(1000), 1.0)
    with pytest.raises(ClaimError):
        monte_carlo("9.1", "constant", torch.ones(1000), 1.0001)
    z, error = z_scores(torch.ones(9, 2), torch.tensor([1.0, 0.5]))
    assert z.tolist() == [0.0, math.inf]
    assert error.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("low", [-1, 0, 1])
def test_numbers_that_are_no_events_are_judged_by_their_spread(shown, generator, low):
    samples = low + torch.rand(2000, dtype=torch.float64, generator=generator)
    monte_carlo("9.1", "numbers", samples, low + 0.5)
    with pytest.raises(ClaimError):
        monte_carlo("9.1", "numbers", samples, float(samples.mean()) + 0.03)


def test_common_events_are_judged_by_their_spread_too(shown, generator):
    events = (torch.rand(20_000, 1, generator=generator) < 0.3).double()
    monte_carlo("9.1", "events", events, 0.3)
    z, _ = z_scores(events, torch.tensor([0.3], dtype=torch.float64))
    assert shown[0][1]["distance"] == pytest.approx(float(z.abs()), rel=1e-9)


@pytest.mark.parametrize("flip", [False, True])
def test_rare_events_are_as_far_off_as_their_count_is_improbable(shown, flip):
    chance, number = 0.002, 2000
    for count in (0, 1, 4, 9, 11):
        events = (torch.arange(number) < count) ^ flip
        monte_carlo("9.1", "events", events, abs(flip - chance))
        below = sum(
            math.comb(number, k) * chance**k * (1 - chance) ** (number - k)
            for k in range(count + (count < 4))
        )
        tail = below if count < 4 else 1 - below
        expected = max(-NormalDist().inv_cdf(tail), 0)
        bundle, record = shown[-1]
        assert record["distance"] == pytest.approx(expected, abs=1e-9)
        sign = "-" if (count < 4) ^ flip else "+"
        if expected:
            assert f"z-score | {sign}{expected:.1f}, allowed" in bundle["text/markdown"]


@pytest.mark.parametrize("test", [monte_carlo, uniform])
def test_a_title_says_of_how_many_columns_the_worst_is_shown(shown, test):
    for columns in (1, 2, 3):
        samples = draws(3, columns=columns)
        test("9.1", "Numbers", samples, *([[0.5] * columns] if test is monte_carlo else []))
        title, worst = shown[-1][1]["title"], f"Numbers (worst of {columns})"
        assert title == (worst if columns > 1 else "Numbers")
        assert shown[-1][1]["count"] == 1


def test_the_false_alarm_rate_is_the_designed_one(generator):
    """2000 checks of three columns at a designed rate of 5 %: between 3 % and 7 % fail."""
    alarms = 0
    for _ in range(2000):
        samples = torch.randn(1000, 3, dtype=torch.float64, generator=generator)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checks, "_show", lambda *_, **__: None)
                monte_carlo("9.1", "mean", samples, torch.zeros(3), false_alarm=0.05)
        except ClaimError:
            alarms += 1
    assert 0.035 < alarms / 2000 < 0.065  # three standard errors either side of 5 %


@pytest.mark.parametrize("flip", [False, True])
def test_rare_events_raise_no_more_alarms_than_designed(generator, flip):
    """Events expected 0.5, 3 and 40 times among 1000, or missing as often: at most 5 % fail."""
    expected, alarms = torch.tensor([0.0005, 0.003, 0.04], dtype=torch.float64), 0
    for _ in range(500):
        events = torch.rand(1000, 3, dtype=torch.float64, generator=generator) < expected
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checks, "_show", lambda *_, **__: None)
                exact = 1 - expected if flip else expected
                monte_carlo("9.1", "events", events ^ flip, exact, false_alarm=0.05)
        except ClaimError:
            alarms += 1
    assert alarms / 500 < 0.06  # counts are whole: the rate is 3 %, below the designed one


def test_rare_events_at_a_wrong_rate_are_refused(shown):
    events = torch.zeros(8000)
    monte_carlo("9.1", "expected once, never seen", events, 1 / 8000)
    assert "z-score | -0.3, allowed 3.9" in shown[0][0]["text/markdown"]
    with pytest.raises(ClaimError):
        monte_carlo("9.1", "expected 12 times, never seen", events, 12 / 8000)
    events[:9] = 1
    with pytest.raises(ClaimError):
        monte_carlo("9.1", "expected once, seen 9 times", events, 1 / 8000)


def test_one_column_is_what_a_limit_is_for_unless_more_are_named():
    assert checks.z_limit() == pytest.approx(3.890592, abs=1e-6)  # two-sided, one in 10,000
    assert checks.z_limit(2) == pytest.approx(4.055627, abs=1e-6)


def test_z_scores_agree_with_the_formula(generator):
    samples = torch.randn(5000, 2, dtype=torch.float64, generator=generator)
    z, error = z_scores(samples, torch.tensor([0.1, -0.1], dtype=torch.float64))
    mean, spread = samples.mean(0), samples.var(0)
    torch.testing.assert_close(error**2, spread / 5000)
    torch.testing.assert_close(z, (mean - torch.tensor([0.1, -0.1])) / error)


def test_tables_do_not_change_with_the_last_digits(shown):
    """Stored outputs are compared on other machines: tiny residuals are shown as bounds."""
    for residual in (1e-15, 3e-15):
        derivation("9.1", line("a", 1.0), line("b", 1.0 + residual), tolerance=1e-12)
    assert shown[0][0] == shown[1][0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: line("a", 1.0, relation=">"), 'must be "=" or "<=", got'),
        (lambda: line("|a|", 1.0), "lvert"),
        (lambda: derivation("9.1", line("a", 1.0)), "two lines or more, got 1"),
        (lambda: monte_carlo("9.1", "m", torch.zeros(10), 0.0), "n at least 1000, got"),
        (lambda: monte_carlo("9.1", "m", torch.zeros(999), 0.0), "n at least 1000, got"),
        (lambda: monte_carlo("9.1", "m", torch.tensor(0.0), 0.0), "needed samples"),
        (lambda: monte_carlo("9.1", "m", torch.zeros(1000, 2), 0.0), "needed samples"),
        (lambda: monte_carlo("9.1", "m", torch.zeros(1000, 2), torch.zeros(3)), "needed samples"),
    ],
)
def test_bad_input_is_refused_with_advice(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def draws(seed, number=2000, columns=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, columns, dtype=torch.float64, generator=generator)


def test_uniform_values_pass_and_leave_a_record(shown):
    uniform("9.9", "Transformed samples", draws(0))
    bundle, record = shown[0]
    assert "(worst of 2)" in bundle["text/markdown"]
    assert record["kind"] == "check"
    assert 0 < record["distance"] <= record["tolerance"]


@pytest.mark.parametrize("wrong", [lambda u: u**1.2, lambda u: u / 2, lambda u: u.round()])
def test_other_values_are_not_uniform(shown, wrong):
    values = draws(0)
    values[:, 1] = wrong(values[:, 1])
    with pytest.raises(ClaimError, match="from uniform"):
        uniform("9.9", "Transformed samples", values)
    assert shown, "the table is shown before the build fails"


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_values_outside_the_unit_interval_are_refused(bad):
    with pytest.raises(ValueError, match=r"needed values in \[0, 1\]"):
        uniform("9.9", "Not probabilities", torch.tensor([0.5, bad]))


def test_zero_and_one_are_in_the_unit_interval(shown):
    values = draws(0, columns=1)
    values[:2, 0] = torch.tensor([0.0, 1.0])
    uniform("9.9", "Transformed samples", values)


def test_the_alarms_of_two_columns_share_what_one_may_raise(shown):
    values = draws(0)
    uniform("9.9", "Transformed samples", values, false_alarm=0.02)
    uniform("9.9", "Transformed samples", values[:, 0], false_alarm=0.01)
    assert shown[0][1]["tolerance"] == shown[1][1]["tolerance"]


def test_uniformity_raises_no_more_alarms_than_designed(shown):
    alarms = 0
    for seed in range(200):
        try:
            uniform("9.9", "Transformed samples", draws(seed, 500), false_alarm=0.01)
        except ClaimError:
            alarms += 1
    assert alarms <= 8


def test_within_compares_each_clause_with_its_own_limit(shown):
    within("9.9", "Clauses", {"one": (1e-12, 1e-9), "two": (3.0, 40.0)})
    bundle, record = shown[0]
    assert "| one | ≤ 1e-09 |" in bundle["text/markdown"]
    assert (record["distance"], record["tolerance"], record["count"]) == (3.0, 40.0, 2)
    within("9.9", "Exactly", {"one": (1.0, 2.0), "none allowed": (0.0, 0.0)})
    assert (shown[1][1]["distance"], shown[1][1]["tolerance"]) == (1.0, 2.0)
    within("9.9", "Shares", {"far from it": (30.0, 100.0), "close": (0.875, 1.0)})
    assert (shown[2][1]["distance"], shown[2][1]["tolerance"]) == (0.875, 1.0)
    within("9.9", "Nothing found", {"first": (0.0, 0.0), "second": (0.0, 2.0)})
    assert (shown[3][1]["distance"], shown[3][1]["tolerance"]) == (0.0, 0.0)
    with pytest.raises(ClaimError, match="none allowed: 1e-30, allowed 0"):
        within("9.9", "Exactly", {"one": (1.0, 2.0), "none allowed": (1e-30, 0.0)})


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ((0.5, 1.0), "0.5, allowed 1"),
        ((0.002, 0.01), "0.002, allowed 0.01"),
        ((0.002, 0.009), "≤ 0.009"),
        ((0.0, 0.0), "0"),
    ],
)
def test_within_shows_small_limits_as_bounds(shown, measured, text):
    within("9.9", "Clauses", {"one": measured})
    assert f"| one | {text} |" in shown[0][0]["text/markdown"]


@pytest.mark.parametrize("value", [50.0, math.nan, math.inf])
def test_within_refuses_a_clause_that_is_not_kept(shown, value):
    with pytest.raises(ClaimError, match="two: "):
        within("9.9", "Clauses", {"one": (1e-12, 1e-9), "two": (value, 40.0)})


@pytest.mark.parametrize("show", [check, bites])
def test_a_name_that_would_split_its_table_is_refused(shown, show):
    with pytest.raises(ValueError, match=r"must not hold the character \|"):
        show("9.9", "Names", 0.0, {"log |f|": 1.0 if show is bites else 0.0})


def test_the_first_name_that_would_split_a_table_is_named(shown):
    with pytest.raises(ValueError, match=r"got 'first \| bad'"):
        check("9.9", "Names", 0.0, {"good": 0.0, "first | bad": 0.0, "second | bad": 0.0})


def test_a_table_is_displayed_in_two_formats(monkeypatch):
    outputs = []
    monkeypatch.setattr(checks, "display", lambda bundle, **how: outputs.append((bundle, how)))
    check("9.9", "Names", 1.0, {"way": 1.0})
    bundle, how = outputs[0]
    assert set(bundle) == {"text/markdown", "text/plain"}
    assert how["raw"] is True


def test_a_record_leaves_out_what_was_not_measured_or_is_infinite():
    kept = record("9.9", "exercise", "Title", "anchor")["book"]
    assert (kept["count"], kept["distance"], kept["tolerance"]) == (1, None, None)
    for apart, left in ((math.inf, None), (math.nan, None), (0.5, 0.5)):
        assert record("9.9", "check", "Title", "anchor", apart)["book"]["distance"] == left


def test_a_record_says_how_long_its_cell_has_run(monkeypatch):
    started = {}
    shell = SimpleNamespace(events=SimpleNamespace(register=started.__setitem__))
    monkeypatch.setattr(checks, "get_ipython", lambda: shell)
    monkeypatch.setattr(checks, "_cell_started", 0.0)
    start_clock()
    for time, seconds in ((40.0, 0.0), (90.25678, 50.257)):
        monkeypatch.setattr(checks.time, "perf_counter", lambda time=time: time)
        if not seconds:
            started["pre_run_cell"]()
        assert record("9.9", "check", "Title", "anchor")["book"]["seconds"] == seconds


def test_there_is_no_clock_outside_a_notebook(monkeypatch):
    monkeypatch.setattr(checks, "get_ipython", lambda: None)
    start_clock()
