"""The exercises of chapter 3: an ELBO, a step of EM, gaps, and what amortization costs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.special import entr, xlogy

from helpers.exercises import Catalogue, Exercise, are_numbers, compare, is_number

__all__ = ["EXERCISES", "check_answer"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer


def _numbers(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


POSITIVE_STATES = (
    (_numbers(0.1, 0.2, 0.05), _numbers(0.5, 0.3, 0.2)),
    (_numbers(0.02, 1.5, 0.4, 0.3), _numbers(0.1, 0.2, 0.6, 0.1)),
)
STATES_WITH_ZEROS = (
    (_numbers(0.1, 0.2, 0.05), _numbers(0.7, 0.0, 0.3)),
    (_numbers(0.3, 0.0, 0.25), _numbers(0.6, 0.0, 0.4)),
)


def elbo(joint: Tensor, q: Tensor, entropies: float = 1.0) -> float:
    """E_q log p(x, z) plus the entropy of q; wrong versions count it 0 or -1 times."""
    return float(xlogy(q, joint).sum() + entropies * entr(q).sum())


def _log_evidence(joint: Tensor) -> float:
    return float(joint.sum().log())


def _divergence(q: Tensor, p: Tensor) -> float:
    return float((q * (q / p).log()).sum())


def _posterior(joint: Tensor) -> Tensor:
    return joint / joint.sum()


WRONG_ELBOS = {
    "That is the ECLL: the entropy of q is missing.": lambda p, q: elbo(p, q, 0),
    "The sign of the entropy is turned: a wide q earns, it does not pay.": (
        lambda p, q: elbo(p, q, -1)
    ),
    "That is the entropy alone. Where is the joint?": lambda p, q: float(entr(q).sum()),
    "You divided the joint by p(x): that is the posterior, and log p(x) has dropped out.": [
        lambda p, q: -_divergence(q, _posterior(p)),
        lambda p, q: _divergence(q, _posterior(p)),
    ],
    "That is log p(x), the number that the ELBO bounds.": lambda p, q: _log_evidence(p),
    "That is above log p(x): you added the divergence to it.": (
        lambda p, q: _log_evidence(p) + _divergence(q, _posterior(p))
    ),
    "You have the divergence the other way round: the mean is over q.": [
        lambda p, q: _log_evidence(p) - _divergence(_posterior(p), q),
        lambda p, q: -_divergence(p, q),
        lambda p, q: _divergence(p, q),
    ],
    "That is minus the ELBO, a loss.": lambda p, q: -elbo(p, q),
    "Weight each state's term with q; you added the terms as they are, or took a plain mean.": [
        lambda p, q: float((p / q).log().sum()),
        lambda p, q: float((p / q).log().mean()),
        lambda p, q: elbo(p, q) / len(q),
    ],
    "You took the logarithm of a mean. The ELBO has the mean of a logarithm.": [
        lambda p, q: float((q * p).sum().log()),
        lambda p, q: float((q * p).sum().log() + entr(q).sum()),
    ],
    "That is in bits. Use the natural logarithm.": lambda p, q: elbo(p, q) / math.log(2),
    "Return one number: add the states' terms.": lambda p, q: q * (p / q).log(),
    "That is the exponential of the ELBO.": lambda p, q: math.exp(elbo(p, q)),
}


def _judge_elbo(answer: Callable) -> str | None:
    """Mistakes are named where all probabilities are positive and every way of computing works."""
    advice = compare(elbo, WRONG_ELBOS, POSITIVE_STATES, 1e-6)(answer)
    if advice is None and compare(elbo, {}, STATES_WITH_ZEROS, 1e-6)(answer) is not None:
        return (
            "Right where q is positive, and wrong where it is 0: a state that q never visits "
            "has no share in a mean over q, whatever the logarithm there."
        )
    return advice


EXERCISES["3.1"] = Exercise(
    claim="3.1",
    level="do",
    needed="a function of (joint, q) that returns a number",
    accepts=callable,
    judge=_judge_elbo,
)


def em_step(x: float, s: float, theta: float) -> float:
    """The maximiser of E_q log p(x, z) in the scale model, q the posterior at theta."""
    return _maximiser(x, *_scale_posterior(x, s * s, theta))


def _scale_posterior(x: float, noise: float, theta: float) -> tuple[float, float]:
    """Mean and variance of z given x, with the variance of the noise."""
    return theta * x / (theta**2 + noise), noise / (theta**2 + noise)


def _maximiser(x: float, mean: float, variance: float) -> float:
    return x * mean / (mean**2 + variance)


def _likelihood_maximiser(x: float, s: float) -> float:
    return math.sqrt(x * x - s * s)


EXERCISES["3.2"] = Exercise(
    claim="3.1",
    level="do",
    needed="a function of (x, s, theta) that returns a number",
    accepts=callable,
    judge=compare(
        em_step,
        {
            "That maximises log p(x), or repeats the step for ever. For this fixed q the ECLL "
            "has its maximum elsewhere.": [
                lambda x, s, theta: _likelihood_maximiser(x, s),
                lambda x, s, theta: -_likelihood_maximiser(x, s),
                lambda x, s, theta: math.copysign(_likelihood_maximiser(x, s), theta),
                lambda x, s, theta: math.copysign(_likelihood_maximiser(x, s), theta * x),
            ],
            "You put the posterior mean in place of z. The mean of z squared is larger than the "
            "square of the mean.": lambda x, s, theta: (theta**2 + s**2) / theta,
            "You returned the theta you were given. The posterior is fixed, theta is not.": (
                lambda x, s, theta: theta
            ),
            "You took s for a variance.": (
                lambda x, s, theta: _maximiser(x, *_scale_posterior(x, s, theta))
            ),
            "That is the posterior mean of z, not theta.": (
                lambda x, s, theta: _scale_posterior(x, s * s, theta)[0]
            ),
            "You used the posterior's precision, or its standard deviation, for its variance.": [
                lambda x, s, theta: _maximiser(
                    x, theta * x / (theta**2 + s**2), (theta**2 + s**2) / s**2
                ),
                lambda x, s, theta: _maximiser(
                    x, theta * x / (theta**2 + s**2), math.sqrt(s**2 / (theta**2 + s**2))
                ),
            ],
            "You used the prior's variance, or that of the noise, for the posterior's.": [
                lambda x, s, theta: _maximiser(x, theta * x / (theta**2 + s**2), 1),
                lambda x, s, theta: _maximiser(x, theta * x / (theta**2 + s**2), s * s),
            ],
            "Your posterior ignores the prior of z.": (
                lambda x, s, theta: _maximiser(x, x / theta, s * s / theta**2)
            ),
            "Your posterior mean lost its factor theta.": (
                lambda x, s, theta: _maximiser(x, x / (theta**2 + s**2), s**2 / (theta**2 + s**2))
            ),
            "The coefficient of theta squared is a second moment of q. Yours is the variance "
            "alone, or is missing.": [
                lambda x, s, theta: x * theta * x / s**2,
                lambda x, s, theta: x * theta * x / (theta**2 + s**2),
            ],
            "Variance and squared mean add up; you took the difference.": (
                lambda x, s, theta: _maximiser(
                    x, theta * x / (theta**2 + s**2), -(s**2) / (theta**2 + s**2)
                )
            ),
            "Expand the square again: the mixed term has lost a factor, or has one too many.": [
                lambda x, s, theta: em_step(x, s, theta) / x,
                lambda x, s, theta: em_step(x, s, theta) * theta / (theta**2 + s**2),
            ],
            "You divided upside down.": lambda x, s, theta: 1 / em_step(x, s, theta),
            "That is two steps of EM. One is asked for.": (
                lambda x, s, theta: em_step(x, s, em_step(x, s, theta))
            ),
        },
        ((2.0, 1.0, 0.8), (1.5, 0.7, 0.4), (-1.0, 0.5, 2.0), (3.0, 2.0, -1.2)),
        tolerance=1e-6,
    ),
)


def approximation_gap(covariance: Tensor) -> float:
    """KL from the best Gaussian with independent coordinates to N(m, covariance)."""
    return diagonal_kl(1 / torch.linalg.inv(covariance).diagonal(), covariance)


def diagonal_kl(variances: Tensor, covariance: Tensor) -> float:
    """KL(N(m, diag variances) || N(m, covariance))."""
    precisions = torch.linalg.inv(covariance).diagonal()
    log_ratio = torch.logdet(covariance) - variances.log().sum()
    return float((precisions @ variances - len(variances) + log_ratio) / 2)


def forward_kl(covariance: Tensor, variances: Tensor) -> float:
    """KL(N(m, covariance) || N(m, diag variances))."""
    log_ratio = variances.log().sum() - torch.logdet(covariance)
    return float(((covariance.diagonal() / variances).sum() - len(variances) + log_ratio) / 2)


def _precisions(covariance: Tensor) -> Tensor:
    return torch.linalg.inv(covariance).diagonal()


COVARIANCES = (
    (_numbers([2.0, 0.8, -0.5], [0.8, 1.0, 0.3], [-0.5, 0.3, 0.7]),),
    (_numbers([1.0, 0.6], [0.6, 0.5]),),
    (
        _numbers(
            [1.5, 0.5, 0.2, 0.0],
            [0.5, 0.8, -0.3, 0.1],
            [0.2, -0.3, 1.2, 0.6],
            [0.0, 0.1, 0.6, 0.9],
        ),
    ),
)

EXERCISES["3.3"] = Exercise(
    claim="3.2",
    level="do",
    needed="a function of a covariance matrix that returns a number",
    accepts=callable,
    judge=compare(
        approximation_gap,
        {
            "You gave q the posterior's own marginal variances. They are the best for the "
            "divergence the other way round; for this one they are too wide.": (
                lambda c: diagonal_kl(c.diagonal(), c)
            ),
            "Right in two dimensions, by accident. You used the diagonal of C, or took the "
            "divergence from the posterior to q.": lambda c: forward_kl(c, c.diagonal()),
            "The right q, but you took the divergence from the posterior to q.": (
                lambda c: forward_kl(c, 1 / _precisions(c))
            ),
            "The best variances are not the diagonal of the precision matrix itself.": [
                lambda c: diagonal_kl(_precisions(c), c),
                lambda c: forward_kl(c, _precisions(c)),
            ],
            "You lost the factor one half.": lambda c: 2 * approximation_gap(c),
            "A divergence is never negative: the sign is turned.": (
                lambda c: -approximation_gap(c)
            ),
            "A diagonal posterior should have gap 0. Yours is off by half of the dimension.": [
                lambda c: approximation_gap(c) + len(c) / 2,
                lambda c: approximation_gap(c) - len(c) / 2,
            ],
            "The determinant of C is missing.": lambda c: float(_precisions(c).log().sum() / 2),
            "The variances of q are missing.": lambda c: float(torch.logdet(c) / 2),
            "The sign of the log-determinant of C is turned.": (
                lambda c: float((_precisions(c).log().sum() - torch.logdet(c)) / 2)
            ),
            "You took the best single variance for all coordinates. Each may have its own.": [
                lambda c: diagonal_kl(len(c) / _precisions(c).sum() * torch.ones_like(c[0]), c),
                lambda c: diagonal_kl(c.trace() / len(c) * torch.ones_like(c[0]), c),
            ],
            "You used q = N(m, I). Which diagonal q is the best?": (
                lambda c: diagonal_kl(torch.ones_like(c[0]), c)
            ),
            "That is in bits. Use the natural logarithm.": (
                lambda c: approximation_gap(c) / math.log(2)
            ),
            "That is the exponential of the divergence, or of minus it: take the logarithm.": [
                lambda c: math.exp(approximation_gap(c)),
                lambda c: math.exp(-approximation_gap(c)),
                lambda c: math.exp(2 * approximation_gap(c)),
            ],
        },
        COVARIANCES,
        tolerance=1e-6,
    ),
)

EQUAL_ERROR = math.sqrt((2 - math.log(3)) / 3)  # 3 e^2 / 2 = (2 - log 3) / 2

EXERCISES["3.4"] = Exercise(
    claim="3.2",
    level="prove",
    needed="a number",
    accepts=is_number,
    judge=compare(
        lambda: EQUAL_ERROR,
        {
            "Close. Give it exactly, by math.sqrt and math.log.": [
                lambda digits=digits: round(EQUAL_ERROR, digits) for digits in (2, 3, 4, 5)
            ],
            "That is the square of it.": lambda: EQUAL_ERROR**2,
            "The error is given as positive; there are two roots.": lambda: -EQUAL_ERROR,
            "In the encoder's divergence you divided the squared error by the variance 1 of the "
            "other family, or not at all.": lambda: math.sqrt(2 - math.log(3)),
            "A squared error is divided by the posterior's variance; you multiplied.": (
                lambda: math.sqrt(3 * (2 - math.log(3)))
            ),
            "The factor one half stands in both divergences, or in neither.": [
                lambda: math.sqrt((2 - math.log(3)) / 6),
                lambda: math.sqrt(2 * (2 - math.log(3)) / 3),
            ],
            "That is the divergence of the best per-instance q. At which error does the encoder "
            "have it too?": lambda: (2 - math.log(3)) / 2,
            "You took the divergence from the posterior to q.": (
                lambda: math.sqrt((math.log(3) - 2 / 3) / 3)
            ),
            "You took the third for a standard deviation. It is a variance.": (
                lambda: math.sqrt((8 - math.log(9)) / 9)
            ),
            "The sign of the logarithm is turned: which of the two variances is the larger?": (
                lambda: math.sqrt((2 + math.log(3)) / 3)
            ),
            "Two equal laws should have divergence 0: with your formula they do not.": [
                lambda: math.sqrt((3 - math.log(3)) / 3),
                lambda: math.sqrt((4 - math.log(3)) / 3),
            ],
            "The logarithm of the variances is missing.": lambda: math.sqrt(2 / 3),
            "The logarithm is counted half. Is yours of a variance or of a scale?": (
                lambda: math.sqrt((2 - math.log(3) / 2) / 3)
            ),
            "Use the natural logarithm.": [
                lambda: math.sqrt((2 - math.log10(3)) / 3),
                lambda: math.sqrt((2 - math.log2(3)) / 3),
            ],
        },
        tolerance=1e-6,
    ),
)


EXERCISES["3.5"] = Exercise(
    claim="3.3a",
    level="read",
    needed="three numbers (bias, approximation gap, amortization gap)",
    accepts=are_numbers(3),
    judge=compare(
        lambda: (-1.4, 0.9, 0.5),
        {
            "The ELBO lies below log p(x): which sign has its bias?": lambda: (1.4, 0.9, 0.5),
            "A gap is a divergence, or a difference of two: it is not negative.": [
                lambda: (-1.4, -0.9, -0.5),
                lambda: (1.4, -0.9, -0.5),
                lambda: (-1.4, -0.9, 0.5),
                lambda: (-1.4, 0.9, -0.5),
            ],
            "You exchanged the gaps. Which one would remain with a perfect encoder?": [
                lambda: (-1.4, 0.5, 0.9),
                lambda: (1.4, 0.5, 0.9),
            ],
            "That is the bias of the best q's ELBO. The encoder's is asked for.": [
                lambda: (-0.9, 0.9, 0.5),
                lambda: (0.9, 0.9, 0.5),
                lambda: (-0.9, 0.9, 1.4),
            ],
            "That is the encoder's excess over the best q, not its distance to log p(x).": [
                lambda: (-0.5, 0.9, 0.5),
                lambda: (0.5, 0.9, 0.5),
            ],
            "You measured the amortization gap up to log p(x). It ends at the best q.": [
                lambda: (-1.4, 0.9, 1.4),
                lambda: (1.4, 0.9, 1.4),
            ],
            "You measured the approximation gap from the encoder's q. It starts at the best q.": [
                lambda: (-1.4, 1.4, 0.5),
                lambda: (1.4, 1.4, 0.5),
            ],
            "Those are the ELBOs. Differences are asked for.": [
                lambda: (-92.4, -91.9, -91.0),
                lambda: (-91.0, -92.4, -91.9),
                lambda: (-92.4, -91.9, -92.4),
            ],
            "Turn the three round: the bias comes first, the amortization gap last.": [
                lambda: (0.5, 0.9, -1.4),
                lambda: (0.9, 0.5, -1.4),
                lambda: (0.9, -1.4, 0.5),
                lambda: (0.5, -1.4, 0.9),
            ],
        },
        tolerance=1e-4,
    ),
)


def passes(n: int, epochs: int, steps: int, new: int) -> tuple[int, int]:
    """Passes over single data points: training and inference, amortized and per-instance."""
    return epochs * n + n + new, steps * (n + new)


EXERCISES["3.6"] = Exercise(
    claim="3.3b",
    level="do",
    needed="a function of (n, epochs, steps, new) that returns a pair of whole numbers",
    accepts=callable,
    judge=compare(
        passes,
        {
            "Amortized training is not free of n: an epoch visits every training point.": [
                lambda n, epochs, steps, new: (epochs + n + new, steps * (n + new)),
                lambda n, epochs, steps, new: (epochs + new, steps * (n + new)),
            ],
            "You left out the training of the encoder.": [
                lambda n, epochs, steps, new: (n + new, steps * (n + new)),
                lambda n, epochs, steps, new: (new, steps * (n + new)),
            ],
            "A trained encoder has still to be evaluated. At which points?": [
                lambda n, epochs, steps, new: (epochs * n, steps * (n + new)),
                lambda n, epochs, steps, new: (epochs * n + new, steps * (n + new)),
                lambda n, epochs, steps, new: (epochs * n + n, steps * (n + new)),
            ],
            "The encoder is not trained again on the new points.": [
                lambda n, epochs, steps, new: ((epochs + 1) * (n + new), steps * (n + new)),
                lambda n, epochs, steps, new: (epochs * (n + new), steps * (n + new)),
                lambda n, epochs, steps, new: (epochs * (n + new) + new, steps * (n + new)),
            ],
            "New points cost per-instance inference as much as the others did.": [
                lambda n, epochs, steps, new: (passes(n, epochs, steps, new)[0], steps * n),
                lambda n, epochs, steps, new: (passes(n, epochs, steps, new)[0], steps * n + new),
            ],
            "Per-instance inference takes its steps for each point, not once for all.": [
                lambda n, epochs, steps, new: (passes(n, epochs, steps, new)[0], steps),
                lambda n, epochs, steps, new: (
                    passes(n, epochs, steps, new)[0],
                    steps + n + new,
                ),
            ],
            "Per-instance inference knows no epochs.": [
                lambda n, epochs, steps, new: (
                    passes(n, epochs, steps, new)[0],
                    epochs * steps * (n + new),
                ),
                lambda n, epochs, steps, new: (
                    passes(n, epochs, steps, new)[0],
                    epochs * n + steps * new,
                ),
            ],
            "Once optimised, a point's parameters are at hand: nothing has to be evaluated.": (
                lambda n, epochs, steps, new: (
                    passes(n, epochs, steps, new)[0],
                    (steps + 1) * (n + new),
                )
            ),
            "The amortized count has nothing to do with the steps of the other method.": [
                lambda n, epochs, steps, new: (steps * epochs * n + n + new, steps * (n + new)),
                lambda n, epochs, steps, new: (steps * n + n + new, steps * (n + new)),
            ],
            "Turn the pair round: the amortized count comes first.": (
                lambda *counts: passes(*counts)[::-1]
            ),
            "Return both counts, as a pair.": [
                lambda *counts: passes(*counts)[0],
                lambda *counts: sum(passes(*counts)),
            ],
        },
        ((1000, 10, 100, 50), (7, 3, 5, 2), (20, 1, 4, 0)),
    ),
)

EXERCISES["3.7"] = Exercise(
    claim="3.3c",
    level="read",
    needed="a whole number",
    accepts=is_number,
    judge=compare(
        lambda: 650,  # 64 * 128 + 128 + 128 * 16 + 16 = 10384 = 649 * 16
        {
            "With this number of images both store equally many. Fewer is asked for.": (
                lambda: 649
            ),
            "An image has a mean and a log-scale for each latent variable.": [
                lambda: 1298,
                lambda: 1299,
            ],
            "Your encoder puts out the means alone.": [lambda: 585, lambda: 584],
            "You left out the log-scales everywhere.": [lambda: 1169, lambda: 1170],
            "You left out the biases, or one layer's.": [
                lambda: 640,
                lambda: 641,
                lambda: 648,
                lambda: 642,
            ],
            "That is what the encoder stores. For how many images is it less?": [
                lambda: 10384,
                lambda: 10385,
            ],
            "You left out one of the two layers.": [
                lambda: 520,
                lambda: 521,
                lambda: 129,
                lambda: 130,
            ],
            "You divided by the pixels of an image. Per-instance inference stores no pixels.": [
                lambda: 162,
                lambda: 163,
            ],
            "Each layer has one bias for each of its outputs, not for its inputs.": [
                lambda: 652,
                lambda: 653,
            ],
            "You gave every connection a bias of its own, or multiplied the widths of all "
            "layers.": [lambda: 1280, lambda: 1281, lambda: 8192, lambda: 8193],
        },
    ),
)
