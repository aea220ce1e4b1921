"""The exercises of chapter 2: densities of maps of noise, a divergence, costs and a factor."""

import math
from typing import Any

import torch
from torch import Tensor

from helpers.exercises import Catalogue, Exercise, compare, is_number, is_two_whole_numbers
from helpers.reparameterization import standard_log_prob

__all__ = ["EXERCISES", "check_answer"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer


def _numbers(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _noise_log_prob(z: Tensor) -> Tensor:
    """Log-density of each standard normal number on its own."""
    return standard_log_prob(z.unsqueeze(-1))


POSITIVE_INSTANCES = (
    (_numbers(0.5, 1.0, 2.5), _numbers(0.3, 0.3, 0.3), _numbers(1.0, 1.0, 1.0)),
    (_numbers(0.2, 3.0, 7.5), _numbers(-0.4, 1.0, 2.0), _numbers(0.5, 2.0, 0.25)),
)


def _standardised(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return (x.log() - mean) / scale


def lognormal_log_prob(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log-density of exp(mean + scale * z0)."""
    return _noise_log_prob(_standardised(x, mean, scale)) - scale.log() - x.log()


EXERCISES["2.1"] = Exercise(
    claim="2.1",
    level="do",
    needed="a function of (x, mean, scale) that returns a tensor",
    accepts=callable,
    judge=compare(
        lognormal_log_prob,
        {
            "That is the density of log x. The exponential stretches too: it has a derivative of "
            "its own.": lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) - s.log(),
            "You forgot the derivative of the inner map, which is sigma.": (
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) - x.log()
            ),
            "You have no Jacobian at all: that is the density of the noise.": (
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s))
            ),
            "Where the map stretches, the density is lower: the sign of your log-determinant is "
            "turned.": (
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) + s.log() + x.log()
            ),
            "One of the two steps has its derivative on the wrong side.": [
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) - s.log() + x.log(),
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) + s.log() - x.log(),
            ],
            "Divide by x, the derivative of the exponential, not by its logarithm or by e to the "
            "x.": [
                lambda x, m, s: _noise_log_prob(_standardised(x, m, s)) - s.log() - x,
            ],
            "The constant of the normal density is missing.": (
                lambda x, m, s: lognormal_log_prob(x, m, s) + math.log(2 * math.pi) / 2
            ),
            "Return one number for each x; do not add them up.": (
                lambda x, m, s: lognormal_log_prob(x, m, s).sum()
            ),
            "You took the scale for a variance.": (
                lambda x, m, s: lognormal_log_prob(x, m, s.sqrt())
            ),
            "That is the density. The exercise asks for its logarithm.": (
                lambda x, m, s: lognormal_log_prob(x, m, s).exp()
            ),
            "That is the density of mean + scale * z0, without the exponential.": (
                lambda x, m, s: _noise_log_prob((x - m) / s) - s.log()
            ),
        },
        POSITIVE_INSTANCES,
        tolerance=1e-9,
    ),
)


def square_density(y: Tensor) -> Tensor:
    """Density of the square of a standard normal number: two preimages, slope 2 sqrt(y) each."""
    return _noise_log_prob(y.sqrt()).exp() / y.sqrt()


EXERCISES["2.2"] = Exercise(
    claim="2.1",
    level="do",
    needed="a function of y that returns a tensor",
    accepts=callable,
    judge=compare(
        square_density,
        {
            "Your density integrates to one half. Which points did you leave out?": (
                lambda y: square_density(y) / 2
            ),
            "Your density integrates to two. What is the slope of the square where it counts?": (
                lambda y: square_density(y) * 2
            ),
            "You divided by the slope at y. The rule asks for it where the point comes from.": [
                lambda y: _noise_log_prob(y.sqrt()).exp() / y,
                lambda y: _noise_log_prob(y.sqrt()).exp() / (2 * y),
            ],
            "You forgot the Jacobian: where squaring stretches, the density is lower.": [
                lambda y: 2 * _noise_log_prob(y.sqrt()).exp(),
                lambda y: _noise_log_prob(y.sqrt()).exp(),
            ],
            "Divide by the stretch; you multiplied.": [
                lambda y: 4 * y.sqrt() * _noise_log_prob(y.sqrt()).exp(),
                lambda y: 2 * y.sqrt() * _noise_log_prob(y.sqrt()).exp(),
            ],
            "The constant of the normal density is missing.": (
                lambda y: square_density(y) * math.sqrt(2 * math.pi)
            ),
            "You evaluated the noise at y itself. Which points arrive at y?": [
                lambda y: _noise_log_prob(y).exp() / y.sqrt(),
                lambda y: _noise_log_prob(y).exp() / (2 * y.sqrt()),
            ],
            "That is a log-density. The exercise asks for the density.": (
                lambda y: square_density(y).log()
            ),
        },
        ((_numbers(0.1, 0.5, 1.0, 2.0, 5.0),),),
        tolerance=1e-6,
    ),
)


def kl_divergence(
    mean_1: Tensor, factor_1: Tensor, mean_2: Tensor, factor_2: Tensor, sign: int = 1
) -> float:
    """KL divergence between the laws of mean + S z0, in nats.

    With noise z0 of the first law, A z0 + d is the same point's noise under the second, so the
    mean of the difference of log-densities is (|A|^2 + |d|^2 - K) / 2 - log |det A|.
    """
    a = torch.linalg.solve(factor_2, factor_1)
    d = torch.linalg.solve(factor_2, mean_1 - mean_2)
    log_det = torch.linalg.slogdet(a).logabsdet
    return float((a.square().sum() + d @ d - len(d)) / 2 - sign * log_det)


def _transposed_kl(m1: Tensor, s1: Tensor, m2: Tensor, s2: Tensor) -> float:
    """The divergence with transposed factors: covariances S'S for SS'."""
    return kl_divergence(m1, s1.T, m2, s2.T)


def _factors_for_covariances(m1: Tensor, s1: Tensor, m2: Tensor, s2: Tensor) -> float:
    """The formula for covariances, with the factors in their place."""
    inverse = torch.linalg.inv(s2)
    trace, gap = (inverse @ s1).trace(), m1 - m2
    log_det = torch.linalg.slogdet(s2).logabsdet - torch.linalg.slogdet(s1).logabsdet
    return float((trace + gap @ inverse @ gap - len(gap) + log_det) / 2)


_S1, _S2 = [[1.0, 2.0], [3.0, 1.0]], [[2.0, 0.0], [-1.0, 0.5]]
_S3 = [[1.0, 0.0, 2.0], [0.0, -3.0, 1.0], [1.0, 1.0, 1.0]]
_S4 = [[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.5]]
KL_INSTANCES = (
    (_numbers(1.0, -2.0), _numbers(*_S1), _numbers(0.5, 0.0), _numbers(*_S2)),
    (_numbers(0.0, 0.0), _numbers(*_S2), _numbers(1.0, 1.0), _numbers(*_S1)),
    (_numbers(0.0, 1.0, 2.0), _numbers(*_S3), _numbers(1.0, 1.0, 0.0), _numbers(*_S4)),
)

EXERCISES["2.3"] = Exercise(
    claim="2.3",
    level="do",
    needed="a function of (mean_1, S_1, mean_2, S_2) that returns a number",
    accepts=callable,
    judge=compare(
        kl_divergence,
        {
            "You computed the divergence from the second law to the first. It is not symmetric: "
            "the mean is over samples of the first.": (
                lambda m1, s1, m2, s2: kl_divergence(m2, s2, m1, s1)
            ),
            "Your covariance is the transpose of S times S. It is S times its transpose.": (
                _transposed_kl
            ),
            "You used the matrices S as covariances.": _factors_for_covariances,
            "The sign of your log-determinants is turned.": (
                lambda *laws: kl_divergence(*laws, sign=-1)
            ),
            "Two equal laws should have divergence 0. Yours is larger by half of K.": (
                lambda m1, *rest: kl_divergence(m1, *rest) + len(m1) / 2
            ),
            "You lost the factor one half.": lambda *laws: 2 * kl_divergence(*laws),
            "You left out the difference of the means.": (
                lambda m1, s1, m2, s2: kl_divergence(m1, s1, m1, s2)
            ),
            "You left out the determinants.": lambda *laws: kl_divergence(*laws, sign=0),
            "You counted the determinants half. Is yours that of S, or that of the covariance?": (
                lambda *laws: (kl_divergence(*laws) + kl_divergence(*laws, sign=0)) / 2
            ),
            "You counted the determinants twice. Is yours that of S, or that of the covariance?": (
                lambda *laws: 2 * kl_divergence(*laws) - kl_divergence(*laws, sign=0)
            ),
            "That is in bits. Use the natural logarithm.": (
                lambda *laws: kl_divergence(*laws) / math.log(2)
            ),
        },
        KL_INSTANCES,
        tolerance=1e-9,
    ),
)


def _is_two_by_two(answer: Any) -> bool:
    try:
        matrix = torch.as_tensor(answer)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return False
    real = not matrix.is_complex() and matrix.isfinite().all()
    return matrix.shape == (2, 2) and bool(real)


def _judge_factor(answer: Any) -> str | None:
    """A lower triangular matrix with positive diagonal and the covariance of [[1, 2], [3, 1]]."""
    given = torch.as_tensor(answer, dtype=torch.float64)
    covariance = _numbers(*_S1) @ _numbers(*_S1).T

    def fits(product: Tensor, off: float) -> bool:
        return torch.allclose(product, covariance, rtol=0, atol=off)

    if torch.allclose(given, covariance):
        return "That is the covariance itself; give its triangular factor."
    if not fits(given @ given.T, 0.05):
        if fits(given.T @ given, 0.05):
            return "Your matrix stands the wrong way round: the zeros belong above the diagonal."
        return "Your matrix times its transpose is not S times its transpose."
    if not fits(given @ given.T, 1e-6):
        return "Close. Give the roots exactly, by math.sqrt."
    if given[0, 1].abs() > 1e-9:
        return "The covariance is right, but the matrix is not lower triangular."
    if not (given.diagonal() > 0).all():
        return "The covariance is right. Which signs may the diagonal have?"
    return None


EXERCISES["2.4"] = Exercise(
    claim="2.4",
    level="prove",
    needed="a 2 by 2 matrix such as [[1, 0], [0, 1]]",
    accepts=_is_two_by_two,
    judge=_judge_factor,
)

EXERCISES["2.5"] = Exercise(
    claim="2.2",
    level="read",
    needed="a whole number",
    accepts=is_number,
    judge=compare(
        lambda: 5 * 12 - 1,
        {
            "You added within each map. The five results have to be added too.": lambda: 5 * 11,
            "Try with two numbers: how many additions join them?": lambda: 5 * 12,
            "That is one map. There are five.": [lambda: 11, lambda: 12],
            "You left out additions: within the maps, or between them.": [
                lambda: 4 * 12,
                lambda: 4 * 11,
                lambda: 5 * 11 - 1,
            ],
            "Only additions are asked for: the logarithms are given.": [
                lambda: 5 * 12 + 59,
                lambda: 2 * 5 * 12,
            ],
            "The logarithms of all five maps are different numbers: none is saved.": (
                lambda: 11 + 4
            ),
        },
    ),
)

EXERCISES["2.6"] = Exercise(
    claim="2.4",
    level="read",
    needed="two whole numbers (a, b)",
    accepts=is_two_whole_numbers,
    judge=compare(
        lambda: (9, 19),
        {
            "You counted a full triangle for the product. Most of it is zero.": lambda: (9, 55),
            "The determinant reads the diagonal alone.": lambda: (18, 19),
            "Try K = 2: how many multiplications has the determinant?": [
                lambda: (10, 19),
                lambda: (10, 20),
                lambda: (10, 55),
            ],
            "The first row has one entry, not two.": lambda: (9, 20),
            "You counted one of the two diagonals in the product.": [
                lambda: (9, 10),
                lambda: (9, 9),
            ],
            "Every entry that is not zero is multiplied once: count again.": [
                lambda: (9, 18),
                lambda: (9, 45),
                lambda: (9, 21),
            ],
            "Turn the pair round: the determinant comes first.": [
                lambda: (19, 9),
                lambda: (55, 9),
            ],
        },
    ),
)
