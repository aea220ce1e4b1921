"""The exercises of chapter 2: densities of maps of noise, a divergence, costs and a factor."""

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
            "Your density has half the mass it needs: minus the root arrives at y as well.": (
                lambda y: square_density(y) / 2
            ),
            "You divided by the slope at y. It is the slope at the point that arrives there.": [
                lambda y: _noise_log_prob(y.sqrt()).exp() / y,
                lambda y: _noise_log_prob(y.sqrt()).exp() / (2 * y),
            ],
            "You forgot the Jacobian: squaring stretches by twice the root.": [
                lambda y: 2 * _noise_log_prob(y.sqrt()).exp(),
                lambda y: _noise_log_prob(y.sqrt()).exp(),
            ],
            "You evaluated the noise at y. The points that arrive at y are its roots.": [
                lambda y: _noise_log_prob(y).exp() / y.sqrt(),
                lambda y: _noise_log_prob(y).exp() / (2 * y.sqrt()),
            ],
            "That is a log-density. The exercise asks for the density.": (
                lambda y: square_density(y).log()
            ),
        },
        ((_numbers(0.1, 0.5, 1.0, 2.0, 5.0),),),
        tolerance=1e-9,
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
        },
        KL_INSTANCES,
        tolerance=1e-9,
    ),
)


def _is_two_by_two(answer: Any) -> bool:
    try:
        matrix = torch.as_tensor(answer, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return False
    return matrix.shape == (2, 2) and bool(matrix.isfinite().all())


def _judge_factor(answer: Any) -> str | None:
    """A lower triangular matrix with positive diagonal and the covariance of [[1, 2], [3, 1]]."""
    factor, given = _numbers(*_S1), torch.as_tensor(answer, dtype=torch.float64)
    if not torch.allclose(given @ given.T, factor @ factor.T, rtol=0, atol=1e-6):
        if torch.allclose(given @ given.T, factor.T @ factor, rtol=0, atol=1e-6):
            return "Your matrix belongs to the transpose of S times S."
        if torch.allclose(given, factor @ factor.T):
            return "That is the covariance itself; give its triangular factor."
        return "Your matrix times its transpose is not S times its transpose."
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
            "Adding up n numbers takes one addition less than n.": lambda: 5 * 12,
            "That is one map. The stack has five.": lambda: 11,
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
            "Multiplying n numbers takes one multiplication less than n.": lambda: (10, 19),
            "The first row has one entry, not two.": lambda: (9, 20),
            "You counted the diagonal alone in the product.": lambda: (9, 10),
            "Turn the pair round: the determinant comes first.": lambda: (19, 9),
        },
    ),
)
