"""Densities of linear maps of noise: laws, extremes, bad input, and every wrong version caught."""

import math
from fractions import Fraction

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from helpers.densities import contract, failed, grid_edges, log_det_by_autograd
from helpers.reparameterization import (
    Counted,
    eliminated_determinant,
    log_det_diagonal,
    log_prob_diagonal,
    log_prob_full,
    log_prob_triangular,
    multiply_lower,
    product,
    solve_forward,
    standard_log_prob,
)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


S = numbers([1.0, 2.0], [3.0, 1.0])  # det -5
MEAN = numbers(1.0, -2.0)
X = numbers(1.75, -2.5)
SCALE, MEAN3, X3 = numbers(0.5, 2.0, 0.125), numbers(0.5, -1.0, 2.0), numbers(0.3, 1.5, 2.1)
LOWER = numbers([2.0, 0.0], [7.0, 0.5])


def random_matrix(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, size, dtype=torch.float64, generator=generator)


# Laws


@pytest.mark.parametrize("seed", range(20))
def test_all_three_agree_with_the_library(seed):
    matrix = random_matrix(4, seed)
    lower = matrix.tril(-1) + torch.diag(matrix.diagonal().exp())
    points = random_matrix(4, seed + 100)
    mean = points[0] / 2
    full = MultivariateNormal(mean, matrix @ matrix.T).log_prob(points)
    assert torch.allclose(log_prob_full(points, mean, matrix), full, rtol=1e-8)
    library = MultivariateNormal(mean, scale_tril=lower).log_prob(points)
    assert torch.allclose(log_prob_triangular(points, mean, lower), library)
    assert torch.allclose(log_prob_full(points, mean, lower), library)
    scale = lower.diagonal()
    library = Normal(mean, scale).log_prob(points).sum(dim=-1)
    assert torch.allclose(log_prob_diagonal(points, mean, scale), library)


@pytest.mark.parametrize("seed", range(5))
def test_turning_and_mirroring_the_noise_changes_nothing(seed):
    orthogonal = torch.linalg.qr(random_matrix(2, seed)).Q
    mirrored = orthogonal * numbers(1.0, -1.0)
    for other in (orthogonal, mirrored):
        assert torch.allclose(log_prob_full(X, MEAN, S @ other), log_prob_full(X, MEAN, S))


def test_the_density_is_that_of_the_noise_less_the_log_determinant_of_the_jacobian():
    noise = random_matrix(5, 0)[:, :2]
    log_det = log_det_by_autograd(lambda z: MEAN + z @ S.T, noise)
    points = MEAN + noise @ S.T
    expected = standard_log_prob(noise) - log_det
    assert torch.allclose(log_prob_full(points, MEAN, S), expected)


def test_densities_keep_the_contract():
    def sample(number, generator):
        return MEAN + torch.randn(number, 2, dtype=torch.float64, generator=generator) @ S.T

    clauses = contract(
        lambda x: log_prob_full(x, MEAN, S),
        sample,
        grid_edges(-35, 35, 70, axes=2),
        generator=torch.Generator().manual_seed(0),
    )
    assert failed(clauses) == frozenset()


def test_parameters_have_gradients_and_batches_broadcast():
    for function, parameter in [
        (log_prob_diagonal, SCALE.clone()),
        (log_prob_full, random_matrix(3, 1)),
        (log_prob_triangular, torch.eye(3, dtype=torch.float64) + random_matrix(3, 1).tril(-1)),
    ]:
        mean, parameter = MEAN3.clone().requires_grad_(), parameter.requires_grad_()
        points = random_matrix(3, 2)
        assert function(points.view(3, 1, 3), mean, parameter).shape == (3, 1)
        if function is not log_prob_triangular:
            assert torch.autograd.gradcheck(function, (points, mean, parameter))
        else:
            function(points, mean, parameter).sum().backward()
            assert parameter.grad.isfinite().all()


def test_each_point_may_have_scales_of_its_own():
    scales = random_matrix(4, 3)[:, :3].exp()
    found = log_prob_diagonal(X3, MEAN3, scales)
    assert torch.allclose(found, Normal(MEAN3, scales).log_prob(X3).sum(dim=-1))
    assert torch.allclose(log_det_diagonal(scales), scales.prod(dim=1).log())


def test_float32_keeps_its_type():
    assert log_prob_full(X.float(), MEAN.float(), S.float()).dtype == torch.float32
    assert log_prob_diagonal(X.float(), MEAN.float(), SCALE[:2].float()).dtype == torch.float32


# Extreme inputs; values from exact arithmetic


@pytest.mark.parametrize("exponent", [-300, -200, -30, 30, 200, 300])
def test_scales_far_from_one(exponent):
    scale = numbers(10.0**exponent)
    expected = -(1.25**2) / 2 - math.log(2 * math.pi) / 2 - exponent * math.log(10)
    found = log_prob_diagonal(1.25 * scale, numbers(0.0), scale)
    assert found.item() == pytest.approx(expected, rel=1e-13)
    assert log_prob_full(1.25 * scale, numbers(0.0), scale.view(1, 1)).item() == pytest.approx(
        expected, rel=1e-13
    )


def test_tiny_scales_in_single_precision():
    scale = torch.tensor([1e-30])
    found = log_prob_diagonal(1.25 * scale, torch.zeros(1), scale)
    assert found.item() == pytest.approx(67.3773642566, rel=1e-6)


def test_an_ill_conditioned_matrix_against_fractions():
    """Condition 1.1e12, solved exactly by Cramer's rule on binary fractions."""
    tiny = Fraction(1, 2**38)
    matrix = numbers([1.0, 1.0], [1.0, 1.0 + float(tiny)])
    for point in ([1.25, 1.25], [1.0, 1.0 + 2.0**-40], [0.5, 0.5 + 2.0**-38]):
        a, b = map(Fraction, point)
        noise = ((a * (1 + tiny) - b) / tiny, (b - a) / tiny)
        square = sum(number**2 for number in noise)
        expected = -float(square) / 2 - math.log(2 * math.pi) - math.log(tiny)
        found = log_prob_full(numbers(*point), numbers(0.0, 0.0), matrix)
        assert found.item() == pytest.approx(expected, rel=1e-12)


def test_400_scales_of_a_tenth():
    scale = torch.full((400,), 0.1, dtype=torch.float64)
    assert log_det_diagonal(scale).item() == pytest.approx(-921.0340371976, rel=1e-12)


def test_bad_units_are_not_taken_for_singular():
    units = torch.diag(numbers(1e-200, 1.0, 1e200))
    noise = numbers(1.0, 2.0, 3.0)
    found = log_prob_full(units @ noise, numbers(0.0, 0.0, 0.0), units)
    assert found.item() == pytest.approx(standard_log_prob(noise).item(), rel=1e-12)


# Operation counts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
def test_operation_counts(size):
    matrix = random_matrix(size, size)
    lower = matrix.tril() + 3 * torch.eye(size)
    value, operations = Counted.count(product, lower.diagonal())
    assert (value.item(), operations) == (pytest.approx(lower.det().item()), size - 1)
    value, operations = Counted.count(eliminated_determinant, matrix)
    assert value.item() == pytest.approx(matrix.det().item())
    assert operations == (size**3 - size) // 3 + size - 1
    solution, operations = Counted.count(solve_forward, lower, matrix[0])
    assert torch.allclose(lower @ solution, matrix[0])
    assert operations == size * (size + 1) // 2
    result, operations = Counted.count(multiply_lower, lower, matrix[0])
    assert torch.allclose(result, lower @ matrix[0])
    assert operations == size * (size + 1) // 2


@pytest.mark.parametrize("program", [multiply_lower, solve_forward])
def test_a_vector_that_does_not_fit_the_matrix_is_refused(program):
    with pytest.raises(ValueError, match="shorter"):
        program([[1.0, 0.0], [2.0, 1.0]], [3.0])


# Wrong versions: rows 2.1 to 2.4 of the table of mutations, each told from the right one

NOISE3, NOISE2 = (X3 - MEAN3) / SCALE, torch.linalg.solve(S, X - MEAN)
LOG_DET3 = SCALE.log().sum()


def normal(covariance):
    return MultivariateNormal(MEAN, covariance).log_prob(X)


WRONG = {
    "2.1 Jacobian dropped": (log_prob_diagonal(X3, MEAN3, SCALE), standard_log_prob(NOISE3)),
    "2.1 sign of the log-determinant": (
        log_prob_diagonal(X3, MEAN3, SCALE),
        standard_log_prob(NOISE3) + LOG_DET3,
    ),
    "2.1 sigma as a variance": (
        log_prob_diagonal(numbers(1.0), numbers(0.0), numbers(2.0)),
        log_prob_diagonal(numbers(1.0), numbers(0.0), numbers(2.0).sqrt()),
    ),
    "2.1 sum for product": (log_det_diagonal(SCALE), SCALE.sum().log()),
    "2.2 K multiplications": (Counted.count(product, SCALE)[1], 3),
    "2.2 product, then logarithm": (
        log_det_diagonal(numbers(*[0.1] * 400)),
        numbers(*[0.1] * 400).prod().log(),
    ),
    "2.3 no absolute value": (
        log_prob_full(X, MEAN, S),
        standard_log_prob(NOISE2) - torch.linalg.det(S).log(),
    ),
    "2.3 S'S": (log_prob_full(X, MEAN, S), normal(S.T @ S)),
    "2.3 S as covariance": (
        log_prob_full(X, MEAN, S),
        -((X - MEAN) @ NOISE2 + math.log(5)) / 2 - math.log(2 * math.pi),
    ),
    "2.3 det SS' without the root": (
        log_prob_full(X, MEAN, S),
        standard_log_prob(NOISE2) - torch.linalg.det(S @ S.T).log(),
    ),
    "2.3 constant of one dimension": (
        log_prob_full(X, MEAN, S),
        log_prob_full(X, MEAN, S) + math.log(2 * math.pi) / 2,
    ),
    "2.3 no constant": (
        log_prob_full(X, MEAN, S),
        log_prob_full(X, MEAN, S) + math.log(2 * math.pi),
    ),
    "2.4 trace": (log_det_diagonal(LOWER.diagonal()), LOWER.trace().log()),
    "2.4 the other entry": (log_det_diagonal(LOWER.diagonal()), LOWER[1, 0].log()),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_versions_are_caught(name):
    right, wrong = (float(value) for value in WRONG[name])
    assert math.isfinite(right)
    assert not abs(right - wrong) <= 1e-6 * abs(right)


def test_log_determinant_through_the_covariance_is_lost():
    """Row 2.3, cond 1e12: S S' rounds to a matrix that is no covariance, S does not."""
    matrix = numbers([1.0, 1.0], [1.0, 1.0 + 2.0**-38])
    assert torch.linalg.slogdet(matrix).logabsdet.item() == pytest.approx(-26.33959286)
    (a, b), (_, d) = ([Fraction(number) for number in row] for row in (matrix @ matrix.T).tolist())
    assert a * d - b * b < 0
    lost = torch.linalg.slogdet(matrix @ matrix.T).logabsdet.item() / 2
    assert not abs(lost + 26.33959286) < 0.25


def test_absolute_values_and_large_determinants():
    assert log_det_diagonal(numbers(-2.0, 3.0)).item() == pytest.approx(math.log(6))
    tenths = 0.1 * torch.eye(400, dtype=torch.float64)
    zero = torch.zeros(400, dtype=torch.float64)
    expected = 400 * (math.log(10) - math.log(2 * math.pi) / 2)
    assert log_prob_full(zero, zero, tenths).item() == pytest.approx(expected)


@pytest.mark.parametrize("side", ["rows", "columns"])
def test_units_of_rows_or_columns_do_not_make_a_matrix_singular(side):
    dense, units = random_matrix(3, 4), torch.diag(numbers(1e-200, 1.0, 1e200))
    matrix = units @ dense if side == "rows" else dense @ units
    zero = torch.zeros(3, dtype=torch.float64)
    log_det = torch.linalg.slogdet(dense).logabsdet
    expected = (standard_log_prob(zero) - log_det).item()
    assert log_prob_full(zero, zero, matrix).item() == pytest.approx(expected)


def test_experiments_that_hide_a_wrong_version():
    """Why these are not used as checks: both versions give the same answer."""
    symmetric = S + S.T
    assert torch.allclose(symmetric @ symmetric.T, symmetric.T @ symmetric)  # S'S for SS'
    assert numbers(2.0, 0.5).log().sum() == 0  # the sign of the log-determinant
    assert torch.linalg.det(LOWER) > 0  # the absolute value


# Bad input

BAD = {
    "claim 2.1 needs finite scales above 0; got scales from 0 to 1": (
        lambda: log_prob_diagonal(X, MEAN, numbers(1.0, 0.0))
    ),
    "claim 2.1 needs finite scales above 0; got scales from -2 to 1": (
        lambda: log_prob_diagonal(X, MEAN, numbers(1.0, -2.0))
    ),
    "claim 2.1 needs finite scales above 0; got scales from nan": (
        lambda: log_prob_diagonal(X, MEAN, numbers(1.0, math.nan))
    ),
    "got scales from 1 to inf": lambda: log_prob_diagonal(X, MEAN, numbers(1.0, math.inf)),
    "cannot be told from a matrix of rank 1, for which": (
        lambda: log_prob_full(X, MEAN, numbers([0.1, 0.2], [0.3, 0.6]))
    ),
    "from a matrix of rank 0": lambda: log_prob_full(
        X, MEAN, torch.zeros(2, 2, dtype=torch.float64)
    ),
    r"claim 2.3 needs a square matrix S; got shape (2, 3)": (
        lambda: log_prob_full(X, MEAN, torch.zeros(2, 3, dtype=torch.float64))
    ),
    "claim 2.3 needs a matrix of finite floating-point": (
        lambda: log_prob_full(X, MEAN, S * math.nan)
    ),
    "needs a matrix of finite floating-point numbers; got others": (
        lambda: log_prob_full(X, MEAN, S.long())
    ),
    "claim 2.4 needs a square matrix S": lambda: log_prob_triangular(X, MEAN, numbers(1.0, 2.0)),
    "claim 2.3 needs a square matrix S; got shape (3, 2)": (
        lambda: log_prob_full(X, MEAN, torch.ones(3, 2, dtype=torch.float64))
    ),
    "claim 2.3 needs a square matrix S; got shape (2, 2, 2)": (
        lambda: log_prob_full(X, MEAN, torch.ones(2, 2, 2, dtype=torch.float64))
    ),
    "claim 2.4 needs zeros above the diagonal": lambda: log_prob_triangular(X, MEAN, S),
    "claim 2.4 needs a diagonal above 0; its smallest entry is -1": (
        lambda: log_prob_triangular(X, MEAN, numbers([-1.0, 0.0], [2.0, 1.0]))
    ),
    "its smallest entry is 0": (
        lambda: log_prob_triangular(X, MEAN, numbers([1.0, 0.0], [2.0, 0.0]))
    ),
    "its smallest entry is -0.5": (
        lambda: log_prob_triangular(X, MEAN, numbers([1.0, 0.0], [2.0, -0.5]))
    ),
    "last axis (2,); got x (2,) and mean (3,)": lambda: log_prob_full(X, MEAN3, S),
    "claim 2.3 needs points and means with last axis (2,); got x (3,)": (
        lambda: log_prob_full(X3, MEAN, S)
    ),
    "claim 2.3 needs points and means with last axis (2,); got x (4, 1)": (
        lambda: log_prob_full(torch.ones(4, 1), MEAN, S)
    ),
    "last axis (2,); got x (2,) and mean (4, 1)": (lambda: log_prob_full(X, torch.ones(4, 1), S)),
    "claim 2.1 needs points and means with last axis (3,)": lambda: log_prob_diagonal(
        X3, MEAN, SCALE
    ),
    "claim 2.1 needs batches that broadcast; got x (5, 2) and mean (4, 2)": (
        lambda: log_prob_diagonal(X.expand(5, 2), MEAN.expand(4, 2), SCALE[:2])
    ),
    "claim 2.3 needs numbers in x and mean; got nan": lambda: log_prob_full(X * math.nan, MEAN, S),
    "needs numbers in x and mean": lambda: log_prob_full(X, MEAN * math.inf, S),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_told_the_hypothesis_and_the_claim(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert message in str(error.value)
