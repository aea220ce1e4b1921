"""Readers' solutions of the exercises of chapter 6, by routes other than the judges'."""

from decimal import Decimal, localcontext

import numpy as np
import torch

from helpers.exercises.games import RATE, trajectories


def my_step(d, g, rate):
    """Exercise 6.1 with both derivatives by autograd, at the old position."""
    position = torch.tensor([d, g], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(position.prod(), position)
    return (position + rate * gradient * torch.tensor([1, -1])).tolist()


def my_fixed_points(c, e, rate_d, rate_g):
    """Exercise 6.2: the least-norm solution of "no change", and the rank that is missing."""
    matrix = np.array([[0, rate_d], [-rate_g, 0]])
    d, g = np.linalg.pinv(matrix) @ np.array([rate_d * c, rate_g * e])
    return d, g, 2 - np.linalg.matrix_rank(matrix)


def my_steps_until(rate, factor):
    """Exercise 6.3 with logarithms of 80 digits, so that a whole number is seen to be one."""
    with localcontext(prec=80):
        ratio = 2 * Decimal(factor).ln() / (1 + Decimal(rate) ** 2).ln()
        nearest = ratio.to_integral_value()
        exact = abs(ratio - nearest) < Decimal("1e-40")
        return int(nearest if exact else ratio.to_integral_value("ROUND_CEILING"))


def my_limit(rate_g, penalty):
    """Exercise 6.4 by bisection on the modulus of the eigenvalues."""

    def converges(rate_d):
        matrix = [[1 - rate_d * penalty, rate_d], [-rate_g, 1]]
        return abs(np.linalg.eigvals(matrix)).max() < 1 - 1e-12

    low, high = 1e-3, 1e3
    if not converges(low):
        return 0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if converges(middle) else (low, middle)
    return low


def my_names():
    """Exercise 6.5 from the positions alone: what grows, shrinks evenly, or stays the same."""
    return {letter: name_of(path.numpy()) for letter, path in trajectories().items()}


def name_of(path):
    d, g = path.T
    ratios = np.hypot(d, g)[1:] / np.hypot(d, g)[:-1]
    if np.ptp(ratios) < 1e-9:
        angle = np.arctan2(g[0], d[0]) - np.arctan2(g[1], d[1])
        slow = "implicit" if np.isclose(angle, np.arctan(RATE)) else "extragradient"
        return "simultaneous" if ratios[0] > 1 else slow
    for sign, name in ((1, "alternating"), (-1, "alternating, generator first")):
        if np.ptp(d * d + g * g + sign * RATE * d * g) < 1e-9:
            return name
    return "gradient penalty"


def my_invariant(d, g, rate_d, rate_g):
    """Exercise 6.6: the symmetric matrix P with A^T P A = P, by a null vector."""
    matrix = np.array([[1, 0], [-rate_g, 1]]) @ np.array([[1, rate_d], [0, 1]])
    basis = [np.diag([1, 0]), np.diag([0, 1]), np.array([[0, 1], [1, 0]])]
    changes = np.stack([(matrix.T @ p @ matrix - p).ravel() for p in basis], axis=1)
    weights = np.linalg.svd(changes)[2][-1]
    form = sum(w * p for w, p in zip(weights / weights[0], basis, strict=True))
    return np.array([d, g]) @ form @ np.array([d, g])


SOLUTIONS = {
    "6.1": my_step,
    "6.2": my_fixed_points,
    "6.3": my_steps_until,
    "6.4": my_limit,
    "6.5": my_names(),
    "6.6": my_invariant,
}
