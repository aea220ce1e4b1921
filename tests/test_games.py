"""Two-player games: laws, the table of section 6.4 by three routes, and every wrong version."""

import cmath
import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from helpers.games import (
    RULES,
    Game,
    Orbit,
    Rule,
    dirac_gan,
    dot_game,
    increment_matrix,
    log_growth,
    orbit,
    penalized,
    play,
    rule,
    spectral_radius,
    threshold,
    turns,
    update_matrix,
)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


DOT = dot_game()
START = numbers(1.0, 0.5)
EYE = torch.eye(2, dtype=torch.float64)
B = numbers([0.0, 1.0], [-1.0, 0.0])
PENALISED = ("consensus", "gradient penalty", "gradient penalty, alternating")
WITH_MOMENTUM = ("momentum", "momentum, alternating")


def build(name, argument=0.5):
    if name in PENALISED:
        return rule(name, penalty=argument)
    return rule(name, momentum=argument) if name in WITH_MOMENTUM else rule(name)


EVERY = [build(name) for name in RULES]
each_rule = pytest.mark.parametrize("every", EVERY, ids=RULES)


def radius(name, rate, argument=0.5, game=DOT):
    return spectral_radius(update_matrix(game, build(name, argument), rate))


def table(name, a, c):
    """The one-step matrix of section 6.4, as it is printed there."""
    return {
        "simultaneous": numbers([1, a], [-a, 1]),
        "alternating": numbers([1, a], [-a, 1 - a * a]),
        "alternating, generator first": numbers([1 - a * a, a], [-a, 1]),
        "implicit": numbers([1, a], [-a, 1]) / (1 + a * a),
        "extragradient": numbers([1 - a * a, a], [-a, 1 - a * a]),
        "optimistic": numbers([1, 2 * a, 0, -a], [-2 * a, 1, a, 0], [1, 0, 0, 0], [0, 1, 0, 0]),
        "consensus": numbers([1 - a * c, a], [-a, 1 - a * c]),
        "gradient penalty": numbers([1 - a * c, a], [-a, 1]),
        "gradient penalty, alternating": numbers([1 - a * c, a], [-a * (1 - a * c), 1 - a * a]),
    }[name]


def from_trace(trace, determinant):
    """The larger modulus of the roots of z^2 - trace z + determinant."""
    root = mpmath.sqrt(trace * trace / 4 - determinant)
    return max(abs(trace / 2 + root), abs(trace / 2 - root))


@mpmath.workdps(50)
def modulus(name, rate, penalty):
    """The spectral radius of section 6.4, as it is printed there."""
    a, c = mpmath.mpf(rate), mpmath.mpf(penalty)
    if name == "optimistic":
        if a <= 0.5:
            return float(mpmath.sqrt((1 + mpmath.sqrt(1 - 4 * a * a)) / 2))
        return float(mpmath.sqrt(0.25 + (a + mpmath.sqrt(4 * a * a - 1) / 2) ** 2))
    found = {
        "simultaneous": mpmath.sqrt(1 + a * a),
        "alternating": from_trace(2 - a * a, 1),
        "alternating, generator first": from_trace(2 - a * a, 1),
        "implicit": 1 / mpmath.sqrt(1 + a * a),
        "extragradient": mpmath.sqrt(1 - a**2 + a**4),
        "consensus": mpmath.hypot(1 - a * c, a),
        "gradient penalty": from_trace(2 - a * c, 1 - a * c + a * a),
        "gradient penalty, alternating": from_trace(2 - a * c - a * a, 1 - a * c),
    }[name]
    return float(found)


TABLE = [(name, c) for name in RULES[:9] for c in ((0.3, 1.0, 2.5) if name in PENALISED else (0,))]


# The table by three routes


@pytest.mark.parametrize(("name", "c"), TABLE)
@pytest.mark.parametrize("a", [1e-8, 0.05, 0.45, 0.9, 2.6])
def test_matrix_modulus_and_long_run_of_the_table(name, c, a):
    matrix = update_matrix(DOT, build(name, c), a)
    torch.testing.assert_close(matrix, table(name, a, c), rtol=1e-14, atol=1e-16)
    assert spectral_radius(matrix) == pytest.approx(modulus(name, a, c), rel=1e-12)
    steps = 4000
    begin = build(name, c).begin(START)
    norms = orbit(table(name, a, c), begin, steps).log_norms
    growth = float(norms[steps] - norms[steps // 2]) / (steps // 2)
    assert growth == pytest.approx(math.log(modulus(name, a, c)), abs=3 / steps)


@pytest.mark.parametrize(("name", "c"), TABLE)
def test_a_played_run_is_that_of_the_matrix(name, c):
    played = play(DOT, build(name, c), 0.4, START, 40)
    expected = orbit(table(name, 0.4, c), build(name, c).begin(START), 40).positions()[:, :2]
    torch.testing.assert_close(played, expected, rtol=1e-10, atol=1e-12)


def scaled_table(name, d_rate, g_rate, c):
    """The one-step matrix with a rate for each player."""
    pace, zero = torch.diag(numbers(d_rate, g_rate)), torch.zeros_like(B)
    step, lift = pace @ B, pace @ (B - numbers([c, 0], [0, 0]))
    d_moves, g_moves = numbers([1, d_rate], [0, 1]), numbers([1, 0], [-g_rate, 1])

    def companion(now, before):
        return torch.cat([torch.cat([now, before], dim=1), torch.cat([EYE, zero], dim=1)])

    return {
        "simultaneous": EYE + step,
        "alternating": g_moves @ d_moves,
        "alternating, generator first": d_moves @ g_moves,
        "implicit": torch.linalg.inv(EYE - step),
        "extragradient": EYE + step @ (EYE + step),
        "optimistic": companion(EYE + 2 * step, -step),
        "consensus": EYE + pace @ (B - c * EYE),
        "gradient penalty": EYE + lift,
        "gradient penalty, alternating": g_moves @ (d_moves - numbers([d_rate * c, 0], [0, 0])),
        "momentum": companion((1 + c) * EYE + step, -c * EYE),
        "momentum, alternating": companion(g_moves @ (d_moves + c * EYE), -c * g_moves),
    }[name]


@each_rule
@pytest.mark.parametrize("rates", [(0.3, 0.7), (0.0, 0.7), (0.6, 0.0), (0.5, 0.5)])
def test_two_rates(every, rates):
    expected = scaled_table(every.name, *rates, 0.5)
    torch.testing.assert_close(update_matrix(DOT, every, rates), expected, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(update_matrix(DOT, every, list(rates)), expected)


@each_rule
def test_equal_rates_are_one_rate_and_zero_stands_still(every):
    torch.testing.assert_close(
        update_matrix(DOT, every, 0.3), update_matrix(DOT, every, (0.3, 0.3)), rtol=0, atol=0
    )
    assert torch.equal(play(DOT, every, 0, START, 3), START.expand(4, 2))


THRESHOLDS = [
    ("extragradient", 0, 1.0),
    ("optimistic", 0, 1 / math.sqrt(3)),
    *[("consensus", c, 2 * c / (1 + c * c)) for c in (0.3, 1.0, 3.0)],
    *[("gradient penalty", c, c) for c in (0.5, 1.0, 1.9)],
    *[("gradient penalty", c, c - math.sqrt(c * c - 4)) for c in (2.1, 2.5, 4.0)],
    *[("gradient penalty, alternating", c, math.sqrt(c * c + 4) - c) for c in (0.5, 2.0, 4.0)],
    ("alternating", 0, 2.0),
    ("alternating, generator first", 0, 2.0),
]


@pytest.mark.parametrize(("name", "c", "expected"), THRESHOLDS)
def test_thresholds(name, c, expected):
    found = threshold(lambda rate: radius(name, rate, c), 0.4 * expected, 1.9 * expected)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_threshold_may_be_passed_downwards_and_start_at_zero():
    assert threshold(lambda rate: 2 - rate, 0.5, 3) == pytest.approx(1, abs=1e-9)
    assert threshold(lambda rate: radius("extragradient", rate), 0, 3) == pytest.approx(1)


@pytest.mark.parametrize("high", [1.0, 1.5])
def test_a_threshold_may_be_passed_downwards_to_any_radius_up_to_one(high):
    assert threshold(lambda rate: 2 - rate, 0.5, high) == pytest.approx(1, abs=1e-9)


def test_at_penalty_two_the_branches_meet():
    found = threshold(lambda rate: radius("gradient penalty", rate, 2.0), 0.5, 3)
    assert found == pytest.approx(2, abs=1e-7)  # a defective matrix


BEST = [
    ("extragradient", 0, 1 / math.sqrt(2), math.sqrt(3) / 2),
    ("optimistic", 0, 0.5, 1 / math.sqrt(2)),
    *[("consensus", c, c / (1 + c * c), 1 / math.sqrt(1 + c * c)) for c in (0.5, 1.0, 2.0)],
]


@pytest.mark.parametrize(("name", "c", "rate", "least"), BEST)
def test_best_rates(name, c, rate, least):
    found = minimize_scalar(
        lambda a: radius(name, a, c), bounds=(0.05, 0.9), method="bounded", options={"xatol": 1e-9}
    )
    assert found.x == pytest.approx(rate, abs=1e-6)
    assert found.fun == pytest.approx(least, abs=1e-9 if name != "optimistic" else 1e-4)  # a cusp


@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e3])
def test_implicit_play_always_converges_and_simultaneous_play_never(rate):
    assert radius("implicit", rate) < 1 < radius("simultaneous", rate)


# Simultaneous play, exactly


@pytest.mark.parametrize("rate", [1e-8, 1e-3, 0.5, 1.0, 10.0, 1e3])
def test_law_of_simultaneous_play(rate):
    matrix = update_matrix(DOT, rule("simultaneous"), rate)
    run = orbit(matrix, START, 1000)
    k = torch.arange(1001).double()
    law = math.log1p(rate**2) / 2 * k + math.log(START.norm())
    torch.testing.assert_close(run.log_norms, law, rtol=1e-14, atol=1e-14)
    angle = -math.atan(rate) * k
    torch.testing.assert_close(
        turns(run.directions), angle / (2 * math.pi), rtol=1e-12, atol=1e-13
    )
    at_first = math.atan2(0.5, 1.0)
    expected = torch.stack([(at_first + angle).cos(), (at_first + angle).sin()], dim=1)
    torch.testing.assert_close(run.directions, expected, rtol=1e-11, atol=1e-12)


def test_a_turn_takes_eight_steps_at_rate_one_and_multiplies_the_radius_by_sixteen():
    run = play(DOT, rule("simultaneous"), 1.0, START, 8)
    torch.testing.assert_close(run[8], 16 * START)
    torch.testing.assert_close(turns(run), -torch.arange(9).double() / 8)


def test_continuous_time_is_a_circle():
    points = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(DOT.field(points), points @ B.T)
    assert (DOT.field(points) * points).sum(dim=1).abs().max() < 1e-15
    assert torch.equal(B @ B, -EYE)


@pytest.mark.parametrize("rates", [(0.1, 0.9), (2.0, 0.01)])
def test_unequal_rates_stretch_an_ellipse(rates):
    squared = 1 + rates[0] * rates[1]
    assert radius("simultaneous", rates) == pytest.approx(math.sqrt(squared), rel=1e-14)
    run = play(DOT, rule("simultaneous"), rates, START, 20)
    ellipse = (run.square() / numbers(*rates)).sum(dim=1)
    torch.testing.assert_close(ellipse[1:], ellipse[:-1] * squared, rtol=1e-13, atol=0)


# Alternating play


ORDERS = [("alternating", 1), ("alternating, generator first", -1)]


@pytest.mark.parametrize(("name", "sign"), ORDERS)
@pytest.mark.parametrize("a", [0.1, 0.5, 1.0, 1.9, 1.999])
def test_alternating_play_stays_on_an_ellipse(name, sign, a):
    run = orbit(update_matrix(DOT, rule(name), a), numbers(1, sign), 50_000).positions()
    invariant = run.square().sum(dim=1) + sign * a * run.prod(dim=1)
    torch.testing.assert_close(invariant, invariant[:1].expand(50_001), rtol=1e-7, atol=0)
    largest = float(run.norm(dim=1).max()) / math.sqrt(2)
    bound = math.sqrt((2 + a) / (2 - a))
    assert 0.999 * bound < largest <= bound * (1 + 1e-7) or a == 1.0  # of period 6 at rate one
    angle = torch.linalg.eigvals(table(name, a, 0)).angle().abs()
    torch.testing.assert_close(angle, numbers(2, 2) * math.asin(a / 2))


@pytest.mark.parametrize(("name", "sign"), ORDERS)
def test_at_rate_two_alternating_play_grows_linearly(name, sign):
    run = orbit(update_matrix(DOT, rule(name), 2.0), numbers(1, sign * 0.5), 1_000_001)
    k = torch.arange(0, 1_000_002, 1777).double()
    closed = torch.stack([1 - sign * 3 * k, sign * 0.5 + 3 * k], dim=1) * (
        1 - 2 * (k % 2)
    ).unsqueeze(1)
    torch.testing.assert_close(run.positions()[::1777], closed, rtol=1e-9, atol=1e-9)


def test_alternating_play_converges_on_average():
    matrix = update_matrix(DOT, rule("alternating"), 0.5)
    run = orbit(matrix, START, 300_000).positions()
    k = torch.arange(1, 300_002)
    mean = run.cumsum(dim=0) / k.unsqueeze(1)
    assert (mean.norm(dim=1) * k).max() == pytest.approx(4 * math.sqrt(2))  # O(1/k) ...
    assert (mean[10_000:].norm(dim=1) * k[10_000:]).max() > 5.6  # ... and no better
    expected = (EYE - torch.linalg.matrix_power(matrix, 100)) @ torch.linalg.inv(EYE - matrix)
    torch.testing.assert_close(mean[99], expected @ START / 100)


# Momentum


def test_simultaneous_play_with_momentum_never_converges():
    for a in (0.05, 0.5, 2.0):
        for beta in (-0.9, -0.25, 0.0, 0.5, 0.95):
            roots = np.roots([1, -(1 + beta + 1j * a), beta])
            assert radius("momentum", a, beta) == pytest.approx(abs(roots).max(), rel=1e-12)
            assert radius("momentum", a, beta) > 1
            assert (1 + beta) * math.hypot(1 - beta, a) > 1 - beta**2  # Schur and Cohn


def test_alternating_play_with_negative_momentum():
    for a in (0.2, 1.0, 1.7):
        for beta in (-0.7, -0.25, 0.3):
            quartic = np.poly([1, 1, beta, beta]) + a * a * np.array([0, 1, 0, 0, 0])
            matrix = update_matrix(DOT, rule("momentum, alternating", momentum=beta), a)
            np.testing.assert_allclose(np.poly(matrix.numpy()), quartic, atol=1e-12)


@pytest.mark.parametrize("beta", [-0.9, -0.5, -0.25, -0.05])
def test_alternating_play_converges_with_negative_momentum_up_to_a_rate(beta):
    limit = threshold(lambda rate: radius("momentum, alternating", rate, beta), 0.05, 3)
    assert limit == pytest.approx(2 * (1 + beta), abs=1e-9)
    for rate in (0.1, 1.0, 2.0, 2.5):
        assert radius("momentum, alternating", rate, -beta) > 1


def test_the_best_momentum():
    assert radius("momentum, alternating", 1.0, -0.25) == pytest.approx(0.8527806084)
    best = minimize_scalar(
        lambda beta: radius("momentum, alternating", 1.0, beta), bounds=(-0.9, 0), method="bounded"
    )
    assert best.x == pytest.approx(-0.37613, abs=1e-4)
    assert best.fun == pytest.approx(0.84354, abs=1e-4)
    least = 2 * math.sqrt(3) - 3  # of any rate and momentum: three roots of the quartic meet
    rate, beta = 8 / 3 * math.sqrt(least), -(least**2) / 3
    assert radius("momentum, alternating", rate, beta) == pytest.approx(least, abs=1e-4)
    for other in ((0.01, 0), (-0.01, 0), (0, 0.002), (0, -0.002), (0.01, 0.002), (0.01, -0.002)):
        nearby = radius("momentum, alternating", rate + other[0], beta + other[1])
        assert nearby > least + 1e-3


def test_no_momentum_is_none():
    run = play(DOT, rule("simultaneous"), 0.3, START, 9)
    torch.testing.assert_close(play(DOT, rule("momentum", momentum=0), 0.3, START, 9), run)
    run = play(DOT, rule("alternating"), 0.3, START, 9)
    with_none = rule("momentum, alternating", momentum=0)
    torch.testing.assert_close(play(DOT, with_none, 0.3, START, 9), run)


# Other games


WEIGHT = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
CURVED = Game(
    lambda d, g: torch.tanh(d @ WEIGHT @ g) + g.exp().sum() * torch.dot(d, d.flip(0)) / 8, (2, 3)
)


def finite_difference(function, point, h=1e-6):
    columns = [(function(point + h * e) - function(point - h * e)) / (2 * h) for e in axes(point)]
    return torch.stack(columns, dim=-1)


def axes(point):
    return torch.eye(len(point), dtype=point.dtype)


@pytest.mark.parametrize("game", [CURVED, penalized(CURVED, 0.7), dirac_gan()])
def test_field_against_finite_differences(game):
    size = sum(game.sizes)
    point = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    slope = finite_difference(lambda x: game.value(*game.split(x)), point)
    signs = torch.cat([torch.ones(game.sizes[0]), -torch.ones(game.sizes[1])])
    torch.testing.assert_close(game.field(point), slope * signs, rtol=1e-8, atol=1e-8)
    points = point + torch.arange(6).double().view(2, 3, 1) / 10
    field = game.field(points)
    assert field.shape == points.shape
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(field[i, j], game.field(points[i, j]))


@each_rule
@pytest.mark.parametrize("game", [CURVED, dirac_gan()], ids=["curved", "Dirac"])
def test_jacobian_of_every_rule_against_finite_differences(every, game):
    point = torch.linspace(-0.4, 0.6, sum(game.sizes), dtype=torch.float64)
    rates = (0.3, 0.2)
    expected = finite_difference(lambda x: every.step(game, x, rates), every.begin(point))
    found = update_matrix(game, every, rates, point)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)
    identity = torch.eye(len(found), dtype=torch.float64)
    assert torch.equal(found, identity + increment_matrix(game, every, rates, point))


@pytest.mark.parametrize("game", [CURVED, dirac_gan()])
def test_implicit_play_solves_its_equation(game):
    size = sum(game.sizes)
    x = torch.randn(5, size, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) / 2
    y = play(game, rule("implicit"), (0.3, 0.2), x, 1)[1]
    pace = numbers(*[0.3] * game.sizes[0], *[0.2] * game.sizes[1])
    torch.testing.assert_close(y, x + pace * game.field(y), rtol=1e-12, atol=1e-12)
    equation = axes(pace) - torch.diag(pace) @ torch.func.jacrev(game.field)(y[0])
    found = update_matrix(game, rule("implicit"), (0.3, 0.2), x[0])
    torch.testing.assert_close(found, torch.linalg.inv(equation), rtol=1e-12, atol=1e-13)


def test_implicit_play_waits_for_the_slowest_of_a_batch():
    x = numbers([0.0, 0.0], [3.0, -2.0])
    y = play(dirac_gan(), rule("implicit"), 1.5, x, 1)[1]
    torch.testing.assert_close(y, x + 1.5 * dirac_gan().field(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("unit", [2.0**-500, 1, 2.0**500])  # squares may be 0 or infinite
def test_implicit_play_of_a_fourth_power_solves_a_cubic_equation(unit):
    game = Game(lambda d, g: -(d / unit**0.5).pow(4).sum() / 4)  # y + y^3 = x
    start = unit * numbers([10, 5], [-68, 0], [1e6 + 100, 3])
    y = play(game, rule("implicit"), 1.0, start, 1)[1]
    torch.testing.assert_close(y, unit * numbers([2, 5], [-4, 0], [100, 3]), rtol=1e-13, atol=0)


def test_implicit_play_does_not_measure_one_position_by_another():
    game = Game(lambda d, g: -(g * d.pow(4)).sum() / 4)  # y + g y^3 = x
    y = play(game, rule("implicit"), (1.0, 0.0), numbers([10, 1], [1e20, 0]), 1)[1]
    torch.testing.assert_close(y, numbers([2, 1], [1e20, 0]), rtol=1e-13, atol=0)


def test_implicit_play_is_as_exact_for_large_and_small_positions():
    generator = torch.Generator().manual_seed(5)
    starts = torch.randn(50, 5, dtype=torch.float64, generator=generator)
    linear = Game(lambda d, g: d @ WEIGHT @ g - d.square().sum(), (2, 3))
    expected = play(linear, rule("implicit"), 0.3, starts, 1)[1]
    for size in (1e-300, 1e-100, 1e100, 1e300):
        found = play(linear, rule("implicit"), 0.3, starts * size, 1)[1]
        torch.testing.assert_close(found / size, expected, rtol=1e-12, atol=1e-14)


def test_implicit_play_may_move_far_from_next_to_nothing():
    generator = torch.Generator().manual_seed(6)
    starts = torch.randn(50, 5, dtype=torch.float64, generator=generator) / 1e9
    pushed = Game(lambda d, g: d @ WEIGHT @ g + d.sum() - g.cumsum(0).sum() / 3, (2, 3))
    y = play(pushed, rule("implicit"), 0.3, starts, 1)[1]
    torch.testing.assert_close(y, starts + 0.3 * pushed.field(y), rtol=1e-13, atol=1e-15)


def test_penalty_of_a_linear_discriminator_is_that_of_its_gradient():
    torch.testing.assert_close(penalized(DOT, 0.8).field(START), numbers(0.5 - 0.8, -1.0))
    assert penalized(CURVED, 1).sizes == (2, 3)
    assert torch.equal(
        penalized(CURVED, 0).field(axes(START).flatten()[:1].expand(5)),
        CURVED.field(numbers(1.0, 1, 1, 1, 1)),
    )


def test_copies_of_the_game_do_not_see_each_other():
    for every in EVERY:
        one = update_matrix(DOT, every, (0.3, 0.6))
        many = update_matrix(dot_game(3), every, (0.3, 0.6))
        torch.testing.assert_close(many, torch.kron(one, torch.eye(3, dtype=torch.float64)))


def test_dirac_gan():
    point = numbers(0.7, -1.2)
    sigmoid = 1 / (1 + math.exp(-0.84))
    torch.testing.assert_close(dirac_gan().field(point), numbers(-1.2, -0.7) * sigmoid)
    for penalty in (0.2, 0.9, 1.1, 3.0):
        penalised = rule("gradient penalty", penalty=penalty)
        field = increment_matrix(dirac_gan(), penalised, 0.1) / 0.1
        torch.testing.assert_close(field, numbers([-penalty, 0.5], [-0.5, 0.0]))
        root = cmath.sqrt(penalty**2 / 4 - 1 / 4)
        for eigenvalue in torch.linalg.eigvals(field).tolist():
            off = min(abs(eigenvalue + penalty / 2 - root), abs(eigenvalue + penalty / 2 + root))
            assert off < 1e-12
        assert (abs(root.imag) > 0) == (penalty < 1)  # they meet at penalty 2 f'(0) = 1


def test_dirac_gan_spirals_out_and_with_a_penalty_in():
    out = play(dirac_gan(), rule("simultaneous"), 0.5, START, 100)
    assert (out.norm(dim=1).diff() > 0).all()
    inwards = play(dirac_gan(), rule("gradient penalty", penalty=1.0), 0.5, START, 150)
    assert inwards[-1].norm() < 1e-4


def test_large_products_do_not_overflow_in_the_dirac_gan():
    assert dirac_gan().field(numbers(1e4, 1e4)).isfinite().all()
    torch.testing.assert_close(dirac_gan().field(numbers(1e4, -1e4)), numbers(-1e4, -1e4))


# Runs


@each_rule
def test_batches_are_single_runs(every):
    starts = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    together = play(CURVED, every, (0.02, 0.01), starts / 4, 3)
    assert together.shape == (4, 2, 3, 5)
    for i, j in ((0, 0), (0, 2), (1, 1)):
        alone = play(CURVED, every, (0.02, 0.01), starts[i, j] / 4, 3)
        torch.testing.assert_close(together[:, i, j], alone)


@each_rule
def test_float32_follows(every):
    run = play(DOT, every, 0.3, START.float(), 8)
    assert run.dtype == torch.float32
    torch.testing.assert_close(run.double(), play(DOT, every, 0.3, START, 8), rtol=1e-4, atol=1e-5)
    matrix = update_matrix(DOT, every, 0.3, START.float())
    assert matrix.dtype == torch.float64
    torch.testing.assert_close(matrix, update_matrix(DOT, every, 0.3), rtol=1e-6, atol=1e-6)


@each_rule
def test_a_run_begins_at_the_start_and_remembers_no_graph(every):
    start = START.clone().requires_grad_()
    run = play(DOT, every, 0.3, start, 2)
    assert torch.equal(run[0], START)
    assert not run.requires_grad
    assert play(DOT, every, 0.3, START, 0).shape == (1, 2)
    assert torch.equal(play(DOT, every, 0.3, 0 * START, 3), torch.zeros(4, 2).double())


def test_a_game_for_every_step():
    asked = []

    def minibatch(step):
        asked.append(step)
        return Game(lambda d, g: (step + 1) * torch.dot(d, g))

    run = play(minibatch, rule("simultaneous"), 0.5, START, 4)
    assert asked == [0, 1, 2, 3]
    squares = run.square().sum(dim=1)
    expected = [1 + (0.5 * (step + 1)) ** 2 for step in range(4)]
    torch.testing.assert_close(squares[1:] / squares[:-1], numbers(*expected))
    first = update_matrix(minibatch, rule("simultaneous"), 0.5)
    assert torch.equal(first, update_matrix(DOT, rule("simultaneous"), 0.5))


def test_players_may_have_hundreds_of_numbers():
    position = torch.arange(600.0)
    expected = torch.cat([position[300:], -position[:300]])
    assert torch.equal(dot_game(300).field(position), expected)
    assert spectral_radius(2 * torch.eye(300)) == 2


@pytest.mark.parametrize("every", [rule(name) for name, _ in ORDERS])
def test_alternating_play_asks_for_one_gradient_at_a_time(every):
    game = dot_game()

    def refuse(*_):
        raise AssertionError("both gradients, where one is needed")

    game._single["both"] = refuse
    play(game, every, 0.5, START, 2)
    with pytest.raises(AssertionError, match="both"):
        play(game, rule("simultaneous"), 0.5, START, 1)


def test_what_is_made_is_frozen_and_a_game_splits_positions():
    for frozen, name in (
        (DOT, "sizes"),
        (build("implicit"), "memory"),
        (orbit(B, START, 1), "log_norms"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(frozen, name, None)
    d, g = CURVED.split(torch.arange(10.0).view(2, 5))
    assert d.tolist() == [[0, 1], [5, 6]]
    assert g.tolist() == [[2, 3, 4], [7, 8, 9]]


def test_rules_and_their_memory():
    assert len(RULES) == len(set(RULES)) == 11
    with_memory = {every.name for every in EVERY if every.memory == 2}
    assert with_memory == {"optimistic", "momentum", "momentum, alternating"}
    assert {every.memory for every in EVERY} == {1, 2}
    assert tuple(every.name for every in EVERY) == RULES
    assert build("optimistic").begin(START).tolist() == [1, 0.5, 1, 0.5]


def test_a_player_without_influence_stands_still():
    alone = Game(lambda d, g: -(d.square().sum()))
    run = play(alone, rule("simultaneous"), 0.25, START, 3)
    torch.testing.assert_close(run[:, 0], numbers(1, 0.5, 0.25, 0.125))
    assert (run[:, 1] == 0.5).all()


# Orbits


def exact_run(matrix, start, steps):
    point, run = start, [start]
    for _ in range(steps):
        point = [sum(a * x for a, x in zip(row, point, strict=True)) for row in matrix]
        run.append(point)
    return run


@pytest.mark.parametrize("steps", [1, 2, 3, 63, 64, 200])
def test_orbit_against_exact_arithmetic(steps):
    matrix = [
        [Fraction(3, 4), Fraction(-5, 8), 2],
        [1, Fraction(1, 16), -1],
        [0, Fraction(7, 8), 1],
    ]
    start = [Fraction(1), Fraction(-3), Fraction(1, 2)]
    run = exact_run(matrix, start, steps)
    found = orbit(numbers(*[list(map(float, row)) for row in matrix]), numbers(*start), steps)
    assert found.directions.shape == (steps + 1, 3)
    expected = numbers(*[list(map(float, point)) for point in run])
    torch.testing.assert_close(found.positions(), expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(found.directions.norm(dim=1), numbers(*[1.0] * (steps + 1)))
    torch.testing.assert_close(found.log_norms, expected.norm(dim=1).log(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rate", [1e-8, 0.5, 1e3])
def test_a_million_steps_against_the_closed_form(rate):
    steps = 1_000_000
    run = orbit(numbers([1, rate], [-rate, 1]), START, steps)
    growth = steps / 2 * math.log1p(rate**2)
    logs = growth + math.log(START.norm())
    assert float(run.log_norms[-1]) == pytest.approx(logs, rel=1e-14, abs=1e-15)
    with mpmath.workdps(40):
        angle = mpmath.atan2(0.5, 1) - steps * mpmath.atan(rate)
        expected = numbers(float(mpmath.cos(angle)), float(mpmath.sin(angle)))
    torch.testing.assert_close(run.directions[-1], expected, rtol=1e-12, atol=1e-12)


def test_orbits_whose_parts_grow_apart():
    for low, high in ((0.5, 2.0), (1e-3, 1e3), (1e-200, 1e200)):
        run = orbit(torch.diag(numbers(high, low)), numbers(0, 3), 10_000)
        expected = math.log(3) + torch.arange(10_001).double() * math.log(low)
        torch.testing.assert_close(run.log_norms, expected, rtol=1e-12, atol=1e-12)
        assert torch.equal(run.directions, numbers(0, 1).expand(10_001, 2))


def test_orbits_of_defective_nilpotent_and_zero_matrices():
    run = orbit(numbers([1, 1], [0, 1]), numbers(0, 1), 100_000)
    k = torch.arange(100_001).double()
    closed = torch.stack([k, torch.ones_like(k)], dim=1)
    torch.testing.assert_close(run.positions(), closed, rtol=1e-10, atol=0)
    for size in (3, 40):
        shift = torch.diag(torch.ones(size - 1, dtype=torch.float64), 1)
        found = orbit(shift, shift[-1] + 1, 60).positions()
        sums = (torch.arange(size) + torch.arange(61).unsqueeze(1) < size).double()
        assert torch.allclose(found, sums)
    run = orbit(torch.zeros(2, 2).double(), START, 20)
    torch.testing.assert_close(run.positions()[0], START)
    assert (run.directions[1:] == 0).all() and (run.log_norms[1:] == -math.inf).all()


def test_a_large_matrix_runs_step_by_step_to_the_same_positions():
    blocks = torch.kron(torch.eye(20, dtype=torch.float64), numbers([1, 0.5], [-0.5, 1]))
    large = orbit(blocks, START.repeat(20), 200)
    small = orbit(numbers([1, 0.5], [-0.5, 1]), START, 200)
    torch.testing.assert_close(large.positions().view(201, 20, 2)[:, 7], small.positions())


def test_a_matrix_of_more_than_32_rows_is_multiplied_as_floats_are():
    generator = torch.Generator().manual_seed(7)
    matrix = torch.randn(33, 33, dtype=torch.float64, generator=generator)
    point, expected = torch.ones(1, 33, dtype=torch.float64), []
    for _ in range(21):
        expected.append(point[0] / point.abs().max())
        point = point @ matrix.mT
    found = orbit(matrix, torch.ones(33, dtype=torch.float64), 20).directions
    largest = found.abs().amax(dim=1, keepdim=True)
    torch.testing.assert_close(found / largest, torch.stack(expected), rtol=1e-15, atol=1e-15)


def test_the_orbit_of_one_number_is_a_geometric_sequence():
    run = orbit(numbers([-0.5]), numbers(3), 9)
    expected = 3 * (-0.5) ** torch.arange(10).double().unsqueeze(1)
    torch.testing.assert_close(run.positions(), expected)


def test_orbit_of_no_step_and_from_zero():
    run = orbit(B, START, 0)
    torch.testing.assert_close(run.positions(), START.unsqueeze(0))
    run = orbit(B, 0 * START, 5)
    assert (run.directions == 0).all() and (run.log_norms == -math.inf).all()
    assert (run.positions() == 0).all()


def test_orbit_has_the_dtype_of_the_start_and_drops_graphs():
    run = orbit(B.float(), START.float().requires_grad_(), 5)
    assert run.directions.dtype == run.log_norms.dtype == torch.float32
    assert not run.positions().requires_grad
    assert orbit(B.clone().requires_grad_(), START, 3).directions.dtype == torch.float64


def test_extreme_starts():
    for size in (1e-320, 1e-200, 1e300):
        run = orbit(numbers([1, 1], [-1, 1]), size * numbers(1, 1), 16)
        assert float(run.log_norms[16]) == pytest.approx(
            math.log(size) + 8.5 * math.log(2), rel=1e-4
        )
        assert run.directions.norm(dim=1).sub(1).abs().max() < 1e-12


def test_positions_that_fit_are_given_and_others_refused():
    run = orbit(torch.diag(numbers(2, 0)), numbers(1, 0), 1030)
    with pytest.raises(ValueError, match=r"x at step 102[45] has the log-norm 7(09|10)\."):
        run.positions()
    fits = Orbit(run.directions[:1024], run.log_norms[:1024]).positions()
    assert float(fits[-1, 0]) == pytest.approx(2.0**1023, rel=1e-12)
    with pytest.raises(ValueError, match=r"x at step 103 has the log-norm 711\.499"):  # 10^309
        orbit(torch.diag(numbers(1000, 0)), numbers(1, 0), 106).positions()


# Turns, growth, radius


def test_turns():
    angle = torch.arange(30).double() * 0.7
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    torch.testing.assert_close(turns(circle), angle / (2 * math.pi))
    torch.testing.assert_close(turns(circle.flip(1)), -angle / (2 * math.pi))
    sizes = 10.0 ** torch.arange(-290, 310, 20).double().unsqueeze(1)
    torch.testing.assert_close(turns(circle * sizes), angle / (2 * math.pi))
    both = turns(torch.stack([circle, circle.flip(1)], dim=1))
    assert both.shape == (30, 2)
    torch.testing.assert_close(both[:, 1], -angle / (2 * math.pi))
    both = turns(torch.stack([circle * 1e200, 1e-200 * circle.flip(1)], dim=1))
    torch.testing.assert_close(both, torch.stack([angle, -angle], dim=1) / (2 * math.pi))
    assert turns(torch.zeros(3, 2)).tolist() == [0, 0, 0]
    assert turns(circle.float()[:1]).dtype == torch.float32


def test_growth_over_a_billion_billion_steps():
    expected = {"simultaneous": 50, "implicit": -50, "extragradient": -50}
    for name, growth in expected.items():
        increment = increment_matrix(DOT, rule(name), 1e-8)
        assert log_growth(increment, 1e18) == pytest.approx(growth, rel=1e-9)
    for name, _ in ORDERS:
        assert log_growth(increment_matrix(DOT, rule(name), 1e-8), 1e18) == pytest.approx(
            0, abs=1e-6
        )
    increment = increment_matrix(DOT, rule("consensus", penalty=0.5), 1e-8)
    assert log_growth(increment, 1e8) == pytest.approx(-0.5 + 0.375e-8, rel=1e-12)
    assert math.log(radius("simultaneous", 1e-8)) * 1e18 == 0  # what the naive way says


@pytest.mark.parametrize("entry", [-1 + 2.0**-30, -0.4, 0.3, 7.0, 1e200, -3.0, -1.0, 0.0])
def test_log_growth_of_a_number(entry):
    expected = math.log(abs(1 + entry)) if entry != -1 else -math.inf
    assert log_growth(numbers([entry])) == pytest.approx(expected, rel=1e-14)
    assert log_growth(numbers([entry]), 3) == pytest.approx(3 * expected, rel=1e-14)
    assert log_growth(numbers([entry]), 0) == 0


def test_log_growth_and_radius_of_several_eigenvalues():
    matrix = numbers([0.5, 3.0, 0.0], [0.0, -4.0, 0.0], [1.0, 0.0, 2.0])
    assert spectral_radius(matrix) == 4
    assert log_growth(matrix - torch.eye(3), 2) == pytest.approx(2 * math.log(4))
    assert spectral_radius(numbers([0, 1], [0, 0])) == 0
    assert spectral_radius(torch.zeros(2, 2, requires_grad=True)) == 0


# Wrong versions, with the numbers of mathematics.md, Part C


def mutant(matrix):
    return Rule("wrong", lambda game, x, rates: x @ (matrix - EYE).T)


def first(every, start=START, rate=0.5):
    return play(DOT, every, rate, start, 1)[1].tolist()


def test_6_1_one_step():
    assert first(rule("simultaneous")) == [1.25, 0.0]
    assert first(mutant(numbers([1, 0.5], [0.5, 0])))[1] == 0.5  # g_{k+1} = d_k - ...
    assert first(rule("alternating")) == [1.25, -0.125]
    assert first(mutant(numbers([1, -0.5], [-0.5, 1]))) == [0.75, 0.0]  # both descend
    assert first(mutant(numbers([1, -0.5], [0.5, 1])))[1] == 1.0  # signs swapped
    assert first(rule("alternating"))[0] == first(rule("simultaneous"))[0]  # C.2: d hides it


def test_6_2_gradient_and_stability():
    slope = finite_difference(lambda x: x[0] * x[1], START)
    assert slope.tolist() == pytest.approx([0.5, 1.0])
    assert (-DOT.field(START)[1]).item() == pytest.approx(1.0)
    assert DOT.field(START)[1].item() == -1.0  # what "the gradient is (g, -d)" says
    run = play(DOT, rule("simultaneous"), 0.5, START * 1e-3, 100).norm(dim=1)
    assert float(run[100] / run[0]) == pytest.approx(70064.92322, rel=1e-9)
    assert torch.equal(DOT.field(numbers(0, 0)).abs(), numbers(0, 0))


def test_6_3_moduli_and_turns():
    norms = play(DOT, rule("simultaneous"), 0.5, START, 1).norm(dim=1)
    assert float(norms[1] / norms[0]) == pytest.approx(1.118033989)  # neither 1.5 ...
    assert float(norms[1] / norms[0]) ** 2 == pytest.approx(1.25)  # ... nor 0.75
    eigenvalues = torch.linalg.eigvals(update_matrix(DOT, rule("extragradient"), 0.5))
    assert eigenvalues.real.tolist() == pytest.approx([0.75, 0.75])
    assert radius("extragradient", 0.5) == pytest.approx(0.9013878189)
    run = orbit(update_matrix(DOT, rule("simultaneous"), 0.01), START, 100_000)
    ratio = (run.log_norms - run.log_norms[0]).exp()
    assert float(ratio[100]) == pytest.approx(1.00501227)
    assert float(ratio[100_000]) == pytest.approx(148.3760629)
    assert first(rule("simultaneous"), numbers(1, 0))[1] == -0.5
    turned = -turns(play(DOT, rule("simultaneous"), 1.0, START, 1))[1]
    assert 1 / float(turned) == pytest.approx(8.0)
    assert 2 * math.pi / 1.0 == pytest.approx(6.283185307)


def test_6_3_remedies_alternating():
    matrix = update_matrix(DOT, rule("alternating"), 0.5)
    assert float(orbit(matrix, START, 1000).positions()[-1].norm()) == pytest.approx(1.107500972)
    matrix = update_matrix(DOT, rule("simultaneous"), 0.5)
    norm = float(orbit(matrix, numbers(1, 0), 1000).positions()[-1].norm())
    assert norm == pytest.approx(2.851060965e48)  # of the unit start
    run = play(DOT, rule("alternating"), 0.5, START, 1)
    squares, products = run.square().sum(dim=1), run.prod(dim=1)
    assert float((squares + 0.5 * products).diff()) == 0
    assert abs(float((squares - 0.5 * products).diff())) == 0.65625
    axis = numbers(1, 0)  # C.2: on an axis, at no step, the wrong sign is hidden
    assert axis.square().sum() + 0.5 * axis.prod() == axis.square().sum() - 0.5 * axis.prod()


def test_6_3_remedies_radii():
    def once(game, state, rates):
        now, before = state.chunk(2, dim=-1)
        change = rates * (game.field(now) - game.field(before))
        return torch.cat([change, now - before], dim=-1)

    def old_point(game, x, rates):
        return 0 * (x + rates * game.field(x)) + rates * game.field(x)

    def ascent_of_penalty(game, x, rates):
        return rates * (game.field(x) + numbers(1, 0) * x)

    def without_rate(game, x, rates):
        return rates * game.field(x) - 0.5 * x

    rows = [
        (build("optimistic"), Rule("1x", once, 2), 0.25, 0.9659258263, 1.0),
        (build("extragradient"), Rule("old", old_point), 0.5, 0.9013878189, 1.118033989),
        (
            build("gradient penalty", 1.0),
            Rule("+", ascent_of_penalty),
            0.5,
            0.8660254038,
            1.322875656,
        ),
        (build("consensus"), Rule("no rate", without_rate), 0.5, 0.9013878189, 0.7071067812),
    ]
    for ours, wrong, rate, right, mutated in rows:
        assert spectral_radius(update_matrix(DOT, ours, rate)) == pytest.approx(right, rel=1e-9)
        assert spectral_radius(update_matrix(DOT, wrong, rate)) == pytest.approx(mutated, rel=1e-7)


# Bad input


BAD_RATES = [
    -0.1,
    math.nan,
    math.inf,
    True,
    "0.1",
    None,
    (0.1,),
    (0.1, 0.1, 0.1),
    (0.1, -1.0),
    (math.nan, 1),
]


@each_rule
@pytest.mark.parametrize("rates", BAD_RATES)
def test_bad_rates(every, rates):
    with pytest.raises(ValueError, match="rate"):
        play(DOT, every, rates, START, 1)
    with pytest.raises(ValueError, match="rate"):
        update_matrix(DOT, every, rates)


def test_bad_rates_are_refused_even_without_a_step():
    with pytest.raises(ValueError, match="at least 0; got -1"):
        play(DOT, rule("simultaneous"), -1, START, 0)


BAD_VALUES = [
    (lambda d, g: d * g, r"scalar; got torch.float64 of shape \(1,\)"),
    (lambda d, g: None, "scalar tensor; got None"),
    (lambda d, g: 1.0, "scalar tensor; got 1.0"),
    (lambda d, g: torch.tensor(3), "floating-point scalar; got torch.int64"),
    (lambda d, g: torch.as_tensor(d.numpy()).sum(), "differentiate"),
]


@pytest.mark.parametrize(("value", "message"), BAD_VALUES)
def test_bad_values(value, message):
    for game in (Game(value), penalized(Game(value), 1.0)):
        for position in (START, START.expand(3, 2)):
            with pytest.raises(ValueError, match=message):
                game.field(position)
        with pytest.raises(ValueError, match=message):
            play(game, rule("alternating"), 0.1, START, 1)
    with pytest.raises(ValueError, match=message):
        update_matrix(Game(value), rule("implicit"), 0.1)


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1), (0, 1), (1, -1), (1, 1.5), (True, 1), 2, None])
def test_bad_games(sizes):
    with pytest.raises(ValueError, match="need"):
        Game(torch.dot, sizes)


def test_bad_games_of_other_kinds():
    with pytest.raises(ValueError, match=r"function V\(d, g\); got 3"):
        Game(3)
    for copies in (0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match="from 1 on, got"):
            dot_game(copies)
    for penalty in (-1, math.nan, math.inf, True, "1", None):
        with pytest.raises(ValueError, match="penalty needs to be"):
            penalized(DOT, penalty)


def test_bad_rules():
    with pytest.raises(ValueError, match=r"'optimistic'.*; got 'simultan'"):
        rule("simultan")
    for name in PENALISED:
        for penalty in (-1, math.nan, math.inf, True, "1"):
            with pytest.raises(ValueError, match="penalty needs to be"):
                rule(name, penalty=penalty)
        with pytest.raises(ValueError, match="needs a penalty"):
            rule(name)
        with pytest.raises(ValueError, match="no use for a momentum"):
            rule(name, penalty=1, momentum=0.1)
        assert rule(name, penalty=0).name == name
    for name in WITH_MOMENTUM:
        for momentum in (-1.5, -1, 1, 1.5, math.nan, math.inf, False, "0"):
            with pytest.raises(ValueError, match="momentum needs to be"):
                rule(name, momentum=momentum)
        with pytest.raises(ValueError, match="needs a momentum"):
            rule(name)
        with pytest.raises(ValueError, match="no use for a penalty"):
            rule(name, penalty=1, momentum=0.1)
    for name in RULES[:6]:
        with pytest.raises(ValueError, match="no use for a penalty"):
            rule(name, penalty=1)
        with pytest.raises(ValueError, match="no use for a momentum"):
            rule(name, momentum=0.5)


BAD_STARTS = [
    numbers(1),
    numbers(1, 2, 3),
    numbers([1], [2]),
    torch.tensor(1.0),
    torch.tensor([1, 2]),
    torch.zeros(0, 2),
    numbers(1, math.nan),
    numbers(math.inf, 1),
    [1.0, 2.0],
    None,
]


@pytest.mark.parametrize("start", BAD_STARTS)
def test_bad_starts(start):
    for call in (
        lambda: play(DOT, rule("simultaneous"), 0.1, start, 1),
        lambda: play(DOT, rule("optimistic"), 0.1, start, 0),
        lambda: orbit(B, start, 1),
    ):
        with pytest.raises(ValueError, match=r"position.*(needs?|got)|an orbit needs a start"):
            call()
    if start is not None:
        with pytest.raises(ValueError, match="position"):
            update_matrix(DOT, rule("simultaneous"), 0.1, start)


def test_bad_positions():
    for position in (numbers(1), torch.tensor(1.0), torch.tensor([1, 2]), [1.0, 2.0]):
        with pytest.raises(ValueError, match="a position"):
            DOT.field(position)
    with pytest.raises(ValueError, match="one position"):
        update_matrix(DOT, rule("simultaneous"), 0.1, START.expand(2, 2))
    with pytest.raises(ValueError, match="a last axis of 2"):
        play(lambda step: DOT, rule("simultaneous"), 0.1, numbers(1, 2, 3), 1)
    with pytest.raises(ValueError, match="a start of shape"):
        orbit(B, START.expand(2, 2), 1)
    with pytest.raises(ValueError, match=r"a start of shape \(2,\); got shape \(3,\)"):
        orbit(B, numbers(1, 2, 3), 1)


@pytest.mark.parametrize("steps", [-1, 1.0, 2.5, "3", None, True, math.nan])
def test_bad_numbers_of_steps(steps):
    with pytest.raises(ValueError, match="whole number from 0 on, got"):
        play(DOT, rule("simultaneous"), 0.1, START, steps)
    with pytest.raises(ValueError, match="whole number from 0 on, got"):
        orbit(B, START, steps)


def test_bad_steps_of_log_growth():
    for steps in (-1, math.nan, math.inf, "3", True):
        with pytest.raises(ValueError, match="number of steps needs to be"):
            log_growth(B, steps)


def test_bad_runs():
    for game in (None, 3, lambda step: None):
        with pytest.raises(ValueError, match="needs a Game"):
            play(game, rule("simultaneous"), 0.1, START, 1)
        with pytest.raises(ValueError, match="needs a Game"):
            update_matrix(game, rule("simultaneous"), 0.1)
    for bad in (None, "simultaneous"):
        with pytest.raises(ValueError, match=r"need a Rule, such as rule\('simultaneous'\); got"):
            play(DOT, bad, 0.1, START, 0)
        with pytest.raises(ValueError, match="need a Rule"):
            update_matrix(DOT, bad, 0.1)


BAD_MATRICES = [
    numbers([1, 2]),
    numbers([1], [2]),
    numbers(1, 2),
    torch.zeros(0, 0),
    torch.zeros(2, 2, 2),
    torch.eye(2, dtype=torch.int64),
    numbers([1, math.nan], [0, 1]),
    numbers([1, math.inf], [0, 1]),
    [[1.0]],
    None,
]


@pytest.mark.parametrize("matrix", BAD_MATRICES)
def test_bad_matrices(matrix):
    for call in (spectral_radius, log_growth, lambda bad: orbit(bad, START, 1)):
        with pytest.raises(ValueError, match="matrix"):
            call(matrix)


def test_bad_brackets():
    for low, high in ((0.1, 0.5), (2, 3), (3, 0.5), (1, 1)):
        with pytest.raises(ValueError, match=r"passes 1 in the bracket; got .* at .* and .* at"):
            threshold(lambda rate: rate, low, high) if low < high else threshold(
                lambda rate: 2 - rate, low, high
            )
    with pytest.raises(ValueError, match=r"got 1\.25 at 0\.5 and 1\.49 at 0\.7$"):
        threshold(lambda rate: 1 + rate**2, 0.5, 0.7)
    for low in (-1, math.nan, "0", True):
        with pytest.raises(ValueError, match="rate needs to be"):
            threshold(lambda rate: rate, low, 2)
    with pytest.raises(ValueError, match="got nan at"):
        threshold(lambda rate: rate if rate > 1 else math.nan, 0.5, 2)


def test_bad_turns():
    for positions in (
        START,
        torch.zeros(4, 1),
        torch.zeros(4, 3),
        torch.zeros(0, 2),
        numbers([1, math.nan]),
    ):
        with pytest.raises(ValueError, match="positions"):
            turns(positions)


def test_implicit_play_without_a_solution():
    with pytest.raises(ValueError, match="the implicit rule needs a non-singular"):
        play(Game(lambda d, g: torch.dot(d, d)), rule("implicit"), 0.5, START, 1)
    with pytest.raises(ValueError, match="the implicit rule needs"):
        play(Game(lambda d, g: d.exp().sum()), rule("implicit"), 1.0, START, 1)
