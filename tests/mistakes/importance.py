"""Wrong answers to the exercises of chapter 4: number, what the advice says, the answers.

Written anew, by other means than the catalogue's own wrong versions.
"""

import math

import numpy as np
import torch
from solutions import importance as solutions


def row_means(lw):
    return lw.exp().mean(1)


def law_of_count(r, K):
    """Probabilities of 0 to K weights equal to a."""
    law = np.ones(1)
    for _ in range(K):
        law = np.convolve(law, [1 - r, r])
    return law


def mean_logarithms(a, b, K):
    """log of the mean of K weights, for 0 to K of them equal to a."""
    return np.log(np.linspace(b, a, K + 1))


def chances(joint, q):
    """w(z) / (w(z) + w(z_2)), the chance that z is kept and not z_2: z in rows."""
    w = joint / q
    return 1 / (1 + w / w[:, None])


def apart(q):
    """q in each row, without the row's own state."""
    return q * (1 - torch.eye(len(q)).double())


def resampled_from_three(joint, q):
    """Three states are drawn from q, and one is kept in proportion to the weights."""
    states = torch.cartesian_prod(*[torch.arange(len(q))] * 3)
    weights = (joint / q)[states]
    mass = q[states].prod(1, keepdim=True) * weights / weights.sum(1, keepdim=True)
    return torch.stack([mass[states == z].sum() for z in range(len(q))])


MISTAKES = {
    "4.1": {
        "mean of the logarithms: that": [lambda lw: lw.mean()],
        "one logarithm of the mean over everything": [lambda lw: row_means(lw).mean().log()],
        "forgot to divide by K": [lambda lw: lw.exp().sum(1).log().mean()],
        "divided by K - 1": [
            lambda lw: (lw.exp().sum(1) / (lw.shape[1] - 1)).log().mean(),
        ],
        "divided the logarithm by K": [
            lambda lw: lw.exp().sum(1).log().mean() / lw.shape[1],
            lambda lw: row_means(lw).log().mean() / lw.shape[1],
        ],
        "the number of replications": [lambda lw: (lw.exp().sum(1) / len(lw)).log().mean()],
        "added up the replications": [lambda lw: row_means(lw).prod().log()],
        "Wrong axis": [
            lambda lw: lw.exp().mean(0).log().mean(),
            lambda lw: lw.exp().sum(0).log().mean(),
            lambda lw: (lw.exp().sum(0) / lw.shape[1]).log().mean(),
        ],
        "the largest log-weight of each": [lambda lw: lw.max(1).values.mean()],
        "the largest weight of each": [lambda lw: (lw.exp().amax(1) / lw.shape[1]).log().mean()],
        "stopped before the logarithm": [
            lambda lw: lw.exp().mean(),
            lambda lw: lw.exp().sum() / len(lw),
        ],
        "Give one number": [lambda lw: row_means(lw).log()],
        "log-weights for weights": [
            lambda lw: lw.mean(1).abs().log().mean(),
            lambda lw: lw.sum(1).abs().log().mean(),
        ],
        "went back from the logarithm": [lambda lw: row_means(lw).prod() ** (1 / len(lw))],
        "that is a loss": [lambda lw: -row_means(lw).log().mean()],
        "in bits": [lambda lw: row_means(lw).log2().mean()],
    },
    "4.2": {
        "That is L_1": [lambda r, a, b, K: math.log(a**r * b ** (1 - r))],
        "the logarithm of the mean weight": [lambda r, a, b, K: math.log(b + r * (a - b))],
        "Count the orders": [
            lambda r, a, b, K: sum(
                r**k * (1 - r) ** (K - k) * logarithm
                for k, logarithm in enumerate(mean_logarithms(a, b, K))
            )
        ],
        "the rule for large K": [
            lambda r, a, b, K: (
                math.log(b + r * (a - b))
                - (r * a**2 + (1 - r) * b**2 - (b + r * (a - b)) ** 2)
                / (b + r * (a - b)) ** 2
                / 2
                / K
            )
        ],
        "exchanged r and 1 - r": [lambda r, a, b, K: solutions.my_exact_bound(r, b, a, K)],
        "the sum of the K weights": [
            lambda r, a, b, K: solutions.my_exact_bound(r, K * a, K * b, K)
        ],
        "left out outcomes": [
            lambda r, a, b, K: law_of_count(r, K)[1:] @ mean_logarithms(a, b, K)[1:],
            lambda r, a, b, K: law_of_count(r, K)[:-1] @ mean_logarithms(a, b, K)[:-1],
            lambda r, a, b, K: law_of_count(r, K)[1:-1] @ mean_logarithms(a, b, K)[1:-1],
        ],
        "all K weights are equal": [
            lambda r, a, b, K: law_of_count(r, K)[[0, -1]] @ np.log([b, a])
        ],
        "every count the same": [lambda r, a, b, K: mean_logarithms(a, b, K).mean()],
        "another number of samples": [
            lambda r, a, b, K: solutions.my_exact_bound(r, a, b, K + 1),
            lambda r, a, b, K: solutions.my_exact_bound(r, a, b, K - (K > 1)),
        ],
        "K times": [lambda r, a, b, K: math.log(a**r * b ** (1 - r)) * K],
        "divided the logarithm by K": [
            lambda r, a, b, K: solutions.my_exact_bound(r, K * a, K * b, K) / K,
            lambda r, a, b, K: solutions.my_exact_bound(r, a, b, K) / K,
        ],
        "the logarithm is missing": [lambda r, a, b, K: b + r * (a - b)],
    },
    "4.3": {
        "the bound for densities": [np.log],
        "the best case for c = 1": [
            lambda evidence: np.log(evidence**evidence),
            lambda evidence: evidence * np.log(1 / evidence),
        ],
        "right for p(x) = 1 only": [lambda evidence: 0.36787944117144233],
        "no c reaches that": [
            lambda evidence: evidence,
            lambda evidence: 2.718281828459045 * evidence,
            lambda evidence: 0.5 * evidence,
        ],
        "not without bound": [lambda evidence: float("inf")],
        "every logarithm is 0": [lambda evidence: 0],
        "The sign is turned": [
            lambda evidence: -0.36787944117144233 * evidence,
            lambda evidence: -0.36787944117144233,
        ],
        "did not go back": [
            lambda evidence: np.log(evidence / math.e),
            lambda evidence: np.log(evidence * math.e),
        ],
        "does not apply to p(x) itself": [
            lambda evidence: math.e**-evidence,
            lambda evidence: math.e**evidence,
            lambda evidence: math.e**evidence / math.e,
        ],
        "one more term": [
            lambda evidence: evidence * (np.log(evidence) - 1),
            lambda evidence: 0.36787944117144233 * np.log(evidence),
            lambda evidence: 0.1353352832366127 * evidence,
        ],
        "natural logarithm": [
            lambda evidence: evidence * math.log2(math.e) / math.e,
            lambda evidence: evidence * math.log10(math.e) / math.e,
            lambda evidence: 0.1 * evidence,
        ],
    },
    "4.4": {
        "normalised each": [
            lambda p, q: (
                (q[:, None] * chances(p, q)) / (q[:, None] * chances(p, q)).sum(0) * q
            ).sum(1)
        ],
        "add up to one half": [lambda p, q: q * (chances(p, q) * q).sum(1)],
        "z_2 from the posterior": [lambda p, q: 2 * q * (chances(p, q) * p / p.sum()).sum(1)],
        "all z_2 the same probability": [
            lambda p, q: 2 * q * chances(p, q).mean(1),
            lambda p, q: 2 * q * chances(p, q).sum(1),
        ],
        "That is the posterior": [lambda p, q: torch.distributions.Categorical(p).probs],
        "one fixed z_2": [
            lambda p, q: 2 * q * chances(p, q)[:, 0],
            lambda p, q: 2 * q * chances(p, q)[:, -1],
        ],
        "Return one number for each z": [lambda p, q: 2 * q[:, None] * chances(p, q)],
        "z itself is missing in the denominator": [
            lambda p, q: p * ((q / p) @ q),
            lambda p, q: 2 * p * ((q / p) @ q),
        ],
        "z_2 is missing in the denominator": [lambda p, q: q + q],
        "missing in the numerator": [
            lambda p, q: (2 * q[:, None] / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (q[:, None] / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (2 / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (1 / ((p / q)[:, None] + p / q) * q).sum(1),
        ],
        "the mean of the weights first": [lambda p, q: p / ((p / q + q @ (p / q)) / 2)],
        "over z. It is over z_2": [
            lambda p, q: 2 * q @ (q[:, None] * chances(p, q)),
            lambda p, q: 2 * q * (q @ chances(p, q)),
        ],
        "one factor q too many": [
            lambda p, q: 2 * chances(p, q) @ q,
            lambda p, q: 2 * q * q * (chances(p, q) @ q),
            lambda p, q: solutions.my_refined(p, q) / sum(p),
        ],
        "in the same state as z": [
            lambda p, q: 2 * q * (chances(p, q) * apart(q)).sum(1) / apart(q).sum(1),
            lambda p, q: 2 * q * (chances(p, q) * apart(q)).sum(1),
        ],
        "That is q_3": [resampled_from_three],
        "That is q itself": [lambda p, q: 1 * q],
        "in place of the weights": [lambda p, q: (2 * q / (1 + p / p[:, None])).sum(1)],
    },
    "4.6": {
        "all three weights are positive": [27 / 64],
        "three decimals": [0.98],
        "mass that is lost": [1 / 64],
        "some weight is 0": [37 / 64],
        "right for K = 1": [0.75],
        "q(p = 0) itself": [0.25],
        "Without the hypothesis": [1],
        "other samples only": [15 / 16, 255 / 256],
        "multiplied, not added": [2.25, 1.75],
        "divided by the mass": [64 / 63, 1.3333],
        "base and exponent": [0.3700, 80 / 81, 0.2402],
    },
    "4.7": {
        "Turn the pair round": [(0.03, 0.04)],
        "In (a) you took L_K": [(0.07, 0.03), (0.07, 0.04)],
        "KL(Q || P) as a whole": [(0.04, 0.07), (0.03, 0.07)],
        "added where the chain rule": [(0.04, 0.11), (0.07, 0.11)],
        "never negative": [(-0.04, -0.03), (0.04, -0.03), (-0.04, 0.03)],
        "nothing beyond L_K": [(0.04, 0)],
        "below log p(x)": [(0, 0.03), (0, 0.07), (0, 0.04)],
        "cannot be the same": [(0.04, 0.04), (0.03, 0.03), (0.07, 0.07), (0.035, 0.035)],
        "You took exponentials": [(1.04081, 1.03045), (0.96079, 0.97045), (0.01372, 0.00994)],
        "Those are the bounds": [(-1.09, -1.12), (-1.05, -1.09), (1.09, 1.12)],
    },
}
