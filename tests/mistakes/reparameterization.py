"""Wrong answers to the exercises of chapter 2: number, what the advice says, the answers.

Written anew, by other means than the catalogue's own wrong versions.
"""

import math
from functools import partial

import torch
from solutions import reparameterization as solutions


def standardised(x, m, s):
    return (x.log() - m) / s


def bell(z):
    return torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def kl_by_covariances(m1, s1, m2, s2, gap=1.0, size=1.0, log_det=1.0):
    """Exercise 2.3, with each of its terms counted some times."""
    first, second = s1 @ s1.T, s2 @ s2.T
    inverse, d = torch.linalg.inv(second), m1 - m2
    terms = (inverse @ first).trace() + gap * (d @ inverse @ d) - size * len(d)
    return (terms + log_det * (second.logdet() - first.logdet())) / 2


def factors_taken_for_covariances(m1, s1, m2, s2):
    inverse, d = s2.inverse(), m1 - m2
    ratio = s2.det().abs() / s1.det().abs()
    return ((s1 * inverse.T).sum() + d @ inverse @ d - len(d) + ratio.log()) / 2


MISTAKES = {
    "2.1": {
        "density of log x": [lambda x, m, s: (bell(standardised(x, m, s)) / s).log()],
        "the inner map": [lambda x, m, s: (bell(standardised(x, m, s)) / x).log()],
        "no Jacobian": [lambda x, m, s: bell(standardised(x, m, s)).log()],
        "the density is lower": [lambda x, m, s: (bell(standardised(x, m, s)) * s * x).log()],
        "on the wrong side": [
            lambda x, m, s: (bell(standardised(x, m, s)) / s * x).log(),
            lambda x, m, s: (bell(standardised(x, m, s)) * s / x).log(),
        ],
        "Divide by x": [lambda x, m, s: (bell(standardised(x, m, s)) / s / x.exp()).log()],
        "constant": [lambda x, m, s: -(standardised(x, m, s) ** 2) / 2 - (s * x).log()],
        "do not add them up": [lambda *given: solutions.my_log_prob(*given).sum()],
        "for a variance": [lambda x, m, v: solutions.my_log_prob(x, m, v**0.5)],
        "asks for its logarithm": [lambda x, m, s: bell(standardised(x, m, s)) / s / x],
        "without the exponential": [lambda x, m, s: (bell((x - m) / s) / s).log()],
    },
    "2.2": {
        "to one half": [lambda y: bell(y.sqrt()) / (2 * y.sqrt())],
        "to two": [lambda y: 2 * bell(y.sqrt()) / y.sqrt()],
        "the slope at y": [lambda y: bell(y.sqrt()) / y, lambda y: bell(y.sqrt()) / (2 * y)],
        "forgot the Jacobian": [lambda y: 2 * bell(y.sqrt()), lambda y: bell(y.sqrt())],
        "you multiplied": [
            lambda y: 2 * bell(y.sqrt()) * 2 * y.sqrt(),
            lambda y: bell(y.sqrt()) * 2 * y.sqrt(),
        ],
        "constant": [lambda y: torch.exp(-y / 2) / y.sqrt()],
        "the noise at y itself": [
            lambda y: bell(y) / y.sqrt(),
            lambda y: bell(y) / (2 * y.sqrt()),
        ],
        "a log-density": [lambda y: -y / 2 - (2 * math.pi * y).log() / 2],
    },
    "2.3": {
        "from the second law": [lambda m1, s1, m2, s2: solutions.my_kl(m2, s2, m1, s1)],
        "the transpose of S times S": [lambda m1, s1, m2, s2: solutions.my_kl(m1, s1.T, m2, s2.T)],
        "S as covariances": [factors_taken_for_covariances],
        "log-determinants is turned": [partial(kl_by_covariances, log_det=-1)],
        "by half of K": [partial(kl_by_covariances, size=0)],
        "lost the factor one half": [lambda *laws: 2 * solutions.my_kl(*laws)],
        "the difference of the means": [partial(kl_by_covariances, gap=0)],
        "left out the determinants": [partial(kl_by_covariances, log_det=0)],
        "determinants half": [partial(kl_by_covariances, log_det=0.5)],
        "determinants twice": [partial(kl_by_covariances, log_det=2)],
        "in bits": [lambda *laws: solutions.my_kl(*laws) * math.log2(math.e)],
    },
    "2.5": {
        "five results have": [55],
        "Try with two numbers": [60],
        "There are five": [11, 12],
        "left out additions": [48, 44, 54],
        "Only additions": [119, 120],
        "none is saved": [15],
    },
    "2.6": {
        "a full triangle": [(9, 55)],
        "the diagonal alone": [(18, 19)],
        "Try K = 2": [(10, 19), (10, 20), (10, 55)],
        "The first row": [(9, 20)],
        "one of the two diagonals": [(9, 10), (9, 9)],
        "count again": [(9, 18), (9, 45), (9, 21)],
        "Turn the pair round": [(19, 9), (55, 9)],
    },
}
