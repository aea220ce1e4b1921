"""The density contract: kept by true densities, and broken clause by clause by false ones."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import AffineTransform, ExpTransform, MultivariateNormal, Normal

from helpers.densities import (
    _chi_square,
    cell_masses,
    contract,
    failed,
    grid_edges,
    integral,
    log_det_by_autograd,
    transform_clauses,
)

ZERO = torch.zeros((), dtype=torch.float64)
NORMAL = Normal(ZERO, ZERO + 1)
LINE, PLANE = grid_edges(-9, 9, 36), grid_edges(-9, 9, 36, axes=2)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
PAIR = MultivariateNormal(torch.zeros(2, dtype=torch.float64), COVARIANCE)


def draw(scale=1.0, shift=0.0):
    def sample(number, generator):
        return shift + scale * torch.randn(number, dtype=torch.float64, generator=generator)

    return sample


def draw_pair(number, generator):
    noise = torch.randn(number, 2, dtype=torch.float64, generator=generator)
    return noise @ torch.linalg.cholesky(COVARIANCE).T


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_masses_of_a_normal_are_differences_of_its_distribution_function():
    expected = NORMAL.cdf(LINE[0]).diff()
    assert torch.allclose(cell_masses(NORMAL.log_prob, LINE), expected, atol=1e-12)


def test_cells_may_have_any_width():
    edges = torch.tensor([-9.0, -6.0, -1.0, -0.7, 0.6, 2.0, 9.0], dtype=torch.float64)
    found = cell_masses(NORMAL.log_prob, [edges], order=40)
    assert torch.allclose(found, NORMAL.cdf(edges).diff(), atol=1e-12)


def test_masses_in_the_plane_are_products_for_independent_axes():
    def log_prob(points):
        return NORMAL.log_prob(points[:, 0]) + Normal(ZERO, ZERO + 2).log_prob(points[:, 1])

    one, two = NORMAL.cdf(PLANE[0]).diff(), Normal(ZERO, ZERO + 2).cdf(PLANE[1]).diff()
    assert torch.allclose(cell_masses(log_prob, PLANE), torch.outer(one, two), atol=1e-10)
    assert integral(PAIR.log_prob, PLANE) == pytest.approx(1, abs=1e-9)


def test_log_det_by_autograd_of_maps_with_known_determinants():
    matrix = torch.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=torch.float64)
    points = torch.randn(5, 2, dtype=torch.float64, generator=generator())
    found = log_det_by_autograd(lambda z: z @ matrix.T, points)
    assert torch.allclose(found, torch.full((5,), math.log(5), dtype=torch.float64))
    line = points[:, 0]
    with torch.no_grad():  # it needs gradients itself, whatever its caller does
        assert torch.allclose(log_det_by_autograd(torch.exp, line), line)


def test_true_densities_keep_the_contract():
    assert failed(contract(NORMAL.log_prob, draw(), LINE, generator=generator())) == frozenset()
    clauses = contract(PAIR.log_prob, draw_pair, PLANE, generator=generator(), draws=100_000)
    assert failed(clauses) == frozenset()


@pytest.mark.parametrize(
    "name, log_prob, sample, broken",
    [
        ("twice too high", lambda x: NORMAL.log_prob(x) + math.log(2), draw(), "integral sampler"),
        ("10 % too low", lambda x: NORMAL.log_prob(x) + math.log(0.9), draw(), "integral sampler"),
        ("1 % too high", lambda x: NORMAL.log_prob(x) + 0.01, draw(), "integral"),
        ("sampler too wide", NORMAL.log_prob, draw(scale=1.1), "sampler"),
        ("sampler shifted", NORMAL.log_prob, draw(shift=0.1), "sampler"),
        ("sampler far away", NORMAL.log_prob, draw(shift=100.0), "sampler"),
        ("not a number", lambda x: x * math.nan, draw(), "integral sampler"),
    ],
)
def test_each_fault_breaks_its_clauses(name, log_prob, sample, broken):
    clauses = contract(log_prob, sample, LINE, generator=generator())
    assert failed(clauses) == frozenset(broken.split()), clauses


def test_the_limit_of_the_sampler_is_chi_squares():
    """By hand: own cells, the rest, degrees of freedom, and a rest too small for its own cell."""
    masses, counts = np.array([0.3, 0.2, 0.499, 0.0005]), np.array([310.0, 190.0, 499.0, 1.0])
    statistic, limit = _chi_square(counts, masses, 1000, 0.01)  # rest: 1 expected, joins 0.499
    assert statistic == pytest.approx(100 / 300 + 100 / 200 + 0 / 500)
    assert limit == pytest.approx(stats.chi2.isf(0.01, 2))
    statistic, limit = _chi_square(counts * 100, masses, 100_000, 0.01)
    rest, cell = 100_000 * 0.001 - 50, 100_000 * 0.0005
    expected = 1000**2 / 30_000 + 1000**2 / 20_000 + 0 + (100 - cell) ** 2 / cell
    assert statistic == pytest.approx(expected + (0 - rest) ** 2 / rest)
    assert limit == pytest.approx(stats.chi2.isf(0.01, 4))


def test_ten_expected_draws_are_enough_for_a_cell_of_its_own():
    counts = np.array([20.0, 10.0, 5.0, 5.0])
    statistic, limit = _chi_square(counts, np.full(4, 0.25), 40, 0.01)
    assert statistic == pytest.approx((100 + 0 + 25 + 25) / 10)
    assert limit == pytest.approx(stats.chi2.isf(0.01, 3))


def test_ten_expected_draws_are_enough_for_what_lies_outside_the_grid():
    counts = np.array([10.0, 10.0, 15.0])
    statistic, limit = _chi_square(counts, np.full(3, 0.25), 40, 0.01)
    assert statistic == pytest.approx((0 + 0 + 25 + 25) / 10)
    assert limit == pytest.approx(stats.chi2.isf(0.01, 3))


def test_two_cells_are_enough():
    statistic, limit = _chi_square(np.array([15.0, 25.0]), np.full(2, 0.5), 40, 0.01)
    assert statistic == pytest.approx((25 + 25) / 20)
    assert limit == pytest.approx(stats.chi2.isf(0.01, 1))


def test_what_is_just_allowed_is_kept():
    assert failed({"kept": (0.5, 0.5), "broken": (0.6, 0.5)}) == {"broken"}


@pytest.mark.parametrize(
    ("edges", "draws", "needed"),
    [
        (LINE, 30, "a cell in which 10 draws are expected, got 5.74 of 30"),
        ([torch.tensor([-4.0, 4.0])], 500, "two cells in which 10 draws are expected"),
    ],
)
def test_a_grid_on_which_any_sampler_would_do_is_refused(edges, draws, needed):
    with pytest.raises(ValueError, match=needed):
        contract(NORMAL.log_prob, draw(shift=9.0), edges, generator=generator(), draws=draws)


def test_false_alarms_over_200_seeds():
    """Designed rate 10 %: 20 are expected of 200; outside 8 to 34 the chance is about 2e-3."""
    alarms = sum(
        bool(
            failed(
                contract(
                    NORMAL.log_prob,
                    draw(),
                    LINE,
                    generator=generator(seed),
                    draws=5000,
                    false_alarm=0.1,
                )
            )
        )
        for seed in range(200)
    )
    assert 8 <= alarms <= 34


class ForgotScale(AffineTransform):
    """A transform whose log-determinant is not its own."""

    def log_abs_det_jacobian(self, x, y):
        return super().log_abs_det_jacobian(x, y) * 0


class WrongInverse(AffineTransform):
    """A transform whose inverse adds the shift in place of taking it away."""

    def _inverse(self, y):
        return (y + self.loc) / self.scale


def test_transforms_are_measured():
    points = torch.randn(7, dtype=torch.float64, generator=generator())
    assert failed(transform_clauses(AffineTransform(1.0, 3.0), points)) == frozenset()
    assert failed(transform_clauses(ExpTransform(), points)) == frozenset()
    assert failed(transform_clauses(ForgotScale(1.0, 3.0), points)) == {"log-det"}
    for shift in (1.0, -1.0):  # too large and too small
        assert failed(transform_clauses(WrongInverse(shift, 3.0), points)) == {"inverse"}
