"""Wrong answers to the exercises of chapter 3: number, what the advice says, the answers.

Written anew, by other means than the catalogue's own wrong versions.
"""

import math

import numpy as np
import torch
from solutions import variational as solutions


def em_step(mean, variance):
    """An answer to exercise 3.2 with another posterior: functions of x, s and theta."""

    def answer(x, s, theta):
        m, v = mean(x, s, theta), variance(x, s, theta)
        return x * m / (m * m + v)

    return answer


def two_em_steps(x, s, theta):
    return solutions.my_em_step(x, s, solutions.my_em_step(x, s, theta))


def of_posterior(formula):
    """An answer to exercise 3.2: a formula in x and the right posterior's mean and variance."""

    def answer(x, s, theta):
        total = theta * theta + s * s
        return formula(x, theta * x / total, s * s / total)

    return answer


def gaussian_kl(first, second):
    """The library's divergence between normal laws with one mean; a vector is a diagonal."""
    laws = [
        torch.distributions.MultivariateNormal(
            torch.zeros(len(c)).double(), c if c.dim() == 2 else c.diag()
        )
        for c in (first, second)
    ]
    return torch.distributions.kl_divergence(*laws)


def determinants(c):
    """log det C, and the logarithm of the product of the precision matrix's diagonal."""
    return c.det().log(), c.inverse().diag().prod().log()


def right_amortized(formula):
    """An answer to exercise 3.6 whose first count is right."""
    return lambda n, epochs, steps, new: (
        (epochs + 1) * n + new,
        formula(n, epochs, steps, new),
    )


def right_per_instance(formula):
    """An answer to exercise 3.6 whose second count is right."""
    return lambda n, epochs, steps, new: (
        formula(n, epochs, steps, new),
        steps * n + steps * new,
    )


LOG_3 = 1.0986122886681098

MISTAKES = {
    "3.1": {
        "the entropy of q is missing": [lambda p, q: q @ p.log()],
        "sign of the entropy": [lambda p, q: q @ p.log() + q @ q.log()],
        "the entropy alone": [lambda p, q: -(q @ q.log())],
        "that is the posterior": [
            lambda p, q: q @ (p / p.sum()).log() - q @ q.log(),
            lambda p, q: q @ q.log() - q @ (p / p.sum()).log(),
        ],
        "the number that the ELBO bounds": [lambda p, q: math.log(sum(p))],
        "you added the divergence": [lambda p, q: q @ q.log() - q @ p.log() + 2 * p.sum().log()],
        "the other way round": [
            lambda p, q: p.sum().log() - (p / p.sum()) @ (p / p.sum() / q).log(),
            lambda p, q: p @ q.log() - p @ p.log(),
            lambda p, q: p @ p.log() - p @ q.log(),
        ],
        "minus the ELBO": [lambda p, q: q @ q.log() - q @ p.log()],
        "Weight each state's term": [
            lambda p, q: p.log().sum() - q.log().sum(),
            lambda p, q: p.log().mean() - q.log().mean(),
            lambda p, q: (q * (p / q).log()).mean(),
        ],
        "the logarithm of a mean": [
            lambda p, q: (q @ p).log(),
            lambda p, q: (q @ p).log() - q @ q.log(),
        ],
        "in bits": [lambda p, q: q @ (p / q).log2()],
        "add the states' terms": [lambda p, q: q * p.log() - q * q.log()],
        "the exponential of the ELBO": [lambda p, q: ((p / q) ** q).prod()],
    },
    "3.2": {
        "maximises log p(x)": [
            lambda x, s, theta: (x**2 - s**2) ** 0.5,
            lambda x, s, theta: -((x**2 - s**2) ** 0.5),
            lambda x, s, theta: (x**2 - s**2) ** 0.5 * np.sign(theta),
            lambda x, s, theta: (x**2 - s**2) ** 0.5 * np.sign(theta) * np.sign(x),
        ],
        "in place of z": [of_posterior(lambda x, m, v: x / m)],
        "the theta you were given": [lambda x, s, theta: theta],
        "You took s for a variance": [
            em_step(
                lambda x, s, theta: theta * x / (theta * theta + s),
                lambda x, s, theta: s / (theta * theta + s),
            )
        ],
        "the posterior mean of z, not theta": [of_posterior(lambda x, m, v: m)],
        "precision, or its standard deviation": [
            of_posterior(lambda x, m, v: x * m / (m * m + 1 / v)),
            of_posterior(lambda x, m, v: x * m / (m * m + v**0.5)),
        ],
        "the prior's variance, or that of the noise": [
            of_posterior(lambda x, m, v: x * m / (m * m + 1)),
            em_step(
                lambda x, s, theta: theta * x / (theta * theta + s * s),
                lambda x, s, theta: s * s,
            ),
        ],
        "ignores the prior": [
            em_step(lambda x, s, theta: x / theta, lambda x, s, theta: s * s / theta / theta)
        ],
        "mean lost its factor theta": [
            em_step(
                lambda x, s, theta: x / (theta * theta + s * s),
                lambda x, s, theta: s * s / (theta * theta + s * s),
            )
        ],
        "the variance alone, or is missing": [
            of_posterior(lambda x, m, v: x * m / v),
            of_posterior(lambda x, m, v: x * m),
        ],
        "you took the difference": [of_posterior(lambda x, m, v: x * m / (m * m - v))],
        "the mixed term": [
            of_posterior(lambda x, m, v: m / (m * m + v)),
            of_posterior(lambda x, m, v: m * m / (m * m + v)),
        ],
        "upside down": [of_posterior(lambda x, m, v: (m * m + v) / (x * m))],
        "two steps of EM": [two_em_steps],
    },
    "3.3": {
        "own marginal variances": [lambda c: gaussian_kl(c.diag(), c)],
        "by accident": [lambda c: gaussian_kl(c, c.diag())],
        "The right q": [lambda c: gaussian_kl(c, 1 / c.inverse().diag())],
        "the precision matrix itself": [
            lambda c: gaussian_kl(c.inverse().diag(), c),
            lambda c: gaussian_kl(c, c.inverse().diag()),
        ],
        "lost the factor one half": [lambda c: sum(determinants(c))],
        "never negative": [lambda c: -sum(determinants(c)) / 2],
        "half of the dimension": [
            lambda c: (sum(determinants(c)) + len(c)) / 2,
            lambda c: (sum(determinants(c)) - len(c)) / 2,
        ],
        "determinant of C is missing": [lambda c: determinants(c)[1] / 2],
        "variances of q are missing": [lambda c: determinants(c)[0] / 2],
        "log-determinant of C is turned": [
            lambda c: (determinants(c)[1] - determinants(c)[0]) / 2
        ],
        "single variance": [
            lambda c: gaussian_kl((1 / c.inverse().diag().mean()).repeat(len(c)), c),
            lambda c: gaussian_kl(c.diag().mean().repeat(len(c)), c),
        ],
        "q = N(m, I)": [lambda c: gaussian_kl(torch.eye(len(c)).double(), c)],
        "in bits": [lambda c: sum(determinants(c)) / math.log(4)],
        "the exponential": [
            lambda c: (c.det() * c.inverse().diag().prod()) ** 0.5,
            lambda c: (c.det() * c.inverse().diag().prod()) ** -0.5,
            lambda c: c.det() * c.inverse().diag().prod(),
        ],
    },
    "3.4": {
        "Close": [0.55, 0.548, 0.5481, 0.54814],
        "the square of it": [2 / 3 - LOG_3 / 3],
        "two roots": [-((2 / 3 - LOG_3 / 3) ** 0.5)],
        "of the other family, or not at all": [(2 - LOG_3) ** 0.5],
        "you multiplied": [(6 - 3 * LOG_3) ** 0.5],
        "factor one half": [(1 / 3 - LOG_3 / 6) ** 0.5, (4 / 3 - LOG_3 / 1.5) ** 0.5],
        "the best per-instance q": [1 - LOG_3 / 2],
        "from the posterior to q": [(LOG_3 / 3 - 2 / 9) ** 0.5],
        "for a standard deviation": [(8 - 2 * LOG_3) ** 0.5 / 3],
        "sign of the logarithm": [(2 / 3 + LOG_3 / 3) ** 0.5],
        "Two equal laws": [(1 - LOG_3 / 3) ** 0.5, (4 / 3 - LOG_3 / 3) ** 0.5],
        "logarithm of the variances is missing": [0.8164965809277260],
        "counted half": [(2 / 3 - LOG_3 / 6) ** 0.5],
        "natural logarithm": [
            (2 / 3 - LOG_3 / math.log(10) / 3) ** 0.5,
            (2 / 3 - LOG_3 / math.log(2) / 3) ** 0.5,
        ],
    },
    "3.5": {
        "which sign": [(1.4, 0.9, 0.5)],
        "it is not negative": [
            (-1.4, -0.9, -0.5),
            (1.4, -0.9, -0.5),
            (-1.4, -0.9, 0.5),
            (-1.4, 0.9, -0.5),
        ],
        "exchanged the gaps": [(-1.4, 0.5, 0.9), (1.4, 0.5, 0.9)],
        "the bias of the best q": [(-0.9, 0.9, 0.5), (0.9, 0.9, 0.5), (-0.9, 0.9, 1.4)],
        "the encoder's excess": [(-0.5, 0.9, 0.5), (0.5, 0.9, 0.5)],
        "amortization gap up to": [(-1.4, 0.9, 1.4), (1.4, 0.9, 1.4)],
        "approximation gap from": [(-1.4, 1.4, 0.5), (1.4, 1.4, 0.5)],
        "Those are the ELBOs": [
            (-92.4, -91.9, -91.0),
            (-91.0, -92.4, -91.9),
            (-92.4, -91.9, -92.4),
        ],
        "Turn the three round": [
            (0.5, 0.9, -1.4),
            (0.9, 0.5, -1.4),
            (0.9, -1.4, 0.5),
            (0.5, -1.4, 0.9),
        ],
    },
    "3.6": {
        "not free of n": [
            right_per_instance(lambda n, epochs, steps, new: new + n + epochs),
            right_per_instance(lambda n, epochs, steps, new: new + epochs),
        ],
        "left out the training": [
            right_per_instance(lambda n, epochs, steps, new: new + n),
            right_per_instance(lambda n, epochs, steps, new: new),
        ],
        "At which points?": [
            right_per_instance(lambda n, epochs, steps, new: n * epochs),
            right_per_instance(lambda n, epochs, steps, new: new + n * epochs),
            right_per_instance(lambda n, epochs, steps, new: n * (epochs + 1)),
        ],
        "not trained again": [
            right_per_instance(lambda n, epochs, steps, new: (n + new) * epochs + n + new),
            right_per_instance(lambda n, epochs, steps, new: n * epochs + new * epochs),
            right_per_instance(lambda n, epochs, steps, new: n * epochs + new * (epochs + 1)),
        ],
        "New points cost": [
            right_amortized(lambda n, epochs, steps, new: n * steps),
            right_amortized(lambda n, epochs, steps, new: new + n * steps),
        ],
        "for each point, not once": [
            right_amortized(lambda n, epochs, steps, new: steps),
            right_amortized(lambda n, epochs, steps, new: new + n + steps),
        ],
        "knows no epochs": [
            right_amortized(lambda n, epochs, steps, new: (n + new) * steps * epochs),
            right_amortized(lambda n, epochs, steps, new: n * epochs + new * steps),
        ],
        "Once optimised": [
            right_amortized(lambda n, epochs, steps, new: (n + new) * steps + n + new)
        ],
        "the steps of the other method": [
            right_per_instance(lambda n, epochs, steps, new: n * (epochs * steps + 1) + new),
            right_per_instance(lambda n, epochs, steps, new: n * (steps + 1) + new),
        ],
        "Turn the pair round": [
            lambda n, epochs, steps, new: (steps * n + steps * new, (epochs + 1) * n + new)
        ],
        "Return both counts": [
            lambda n, epochs, steps, new: (epochs + 1) * n + new,
            lambda n, epochs, steps, new: (epochs + 1 + steps) * n + (1 + steps) * new,
        ],
    },
    "3.7": {
        "store equally many": [649],
        "a mean and a log-scale": [1298, 1299],
        "puts out the means alone": [584, 585],
        "left out the log-scales": [1169, 1170],
        "left out the biases": [640, 641, 642, 648],
        "what the encoder stores": [10384, 10385],
        "one of the two layers": [129, 130, 520, 521],
        "the pixels of an image": [162, 163],
        "one bias for each": [652, 653],
        "a bias of its own": [1280, 1281, 8192, 8193],
    },
}
