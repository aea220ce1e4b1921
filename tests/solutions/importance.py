"""Readers' solutions of the exercises of chapter 4, by routes other than the judges'."""

from itertools import product

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp


def my_bound(log_weights):
    """Exercise 4.1 by SciPy, row by row."""
    rows = log_weights.numpy()
    return np.mean([logsumexp(row, b=1 / len(row)) for row in rows])


def my_exact_bound(r, a, b, K):
    """Exercise 4.2 with the law of the number of a's built up sample by sample."""
    law = np.ones(1)
    for _ in range(K):
        law = np.convolve(law, [1 - r, r])
    return law @ np.log(np.linspace(b, a, K + 1))


def my_largest(evidence):
    """Exercise 4.3 by a numerical search over the total mass c."""
    found = minimize_scalar(
        lambda c: c * np.log(c / evidence),
        bounds=(1e-9, 10 * evidence),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return -found.fun


def my_refined(joint, q):
    """Exercise 4.4 as the law of resampling: draw two, keep one in proportion to the weights."""
    law = torch.zeros_like(q)
    for pair in product(range(len(q)), repeat=2):
        weights = (joint / q)[list(pair)]
        for state, share in zip(pair, weights / weights.sum(), strict=True):
            law[state] += q[pair[0]] * q[pair[1]] * share
    return law


def my_resample(log_weights, generator):
    """Exercise 4.5 by the largest of log-weights with Gumbel noise."""
    uniform = torch.rand(log_weights.shape, dtype=torch.float64, generator=generator)
    return (log_weights - (-uniform.log()).log()).argmax(1)


def my_mass():
    """Exercise 4.6 by enumeration: four equally likely states, one of them without weight."""
    triples = list(product([0.0, 1.0, 2.0, 5.0], repeat=3))
    return sum(sum(w / sum(triple) for w in triple) for triple in triples if any(triple)) / 64


SOLUTIONS = {
    "4.1": my_bound,
    "4.2": my_exact_bound,
    "4.3": my_largest,
    "4.4": my_refined,
    "4.5": my_resample,
    "4.6": my_mass(),
    "4.7": (-1.05 + 1.09, -1.09 + 1.12),
}
