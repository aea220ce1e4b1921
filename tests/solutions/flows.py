"""Readers' solutions of the exercises of chapter 5, by routes other than the judges'."""

import math

import torch
from scipy.special import logsumexp
from torch.distributions import Normal

from helpers.densities import log_det_by_autograd


def my_log_slope(z, weights, slopes, shifts):
    """Exercise 5.2 in NumPy: shares of s and of 1 - s."""
    w, a, b = (values.numpy() for values in (weights, slopes, shifts))
    inputs = a * z.numpy()[..., None] + b
    log_on = -torch.nn.functional.softplus(torch.from_numpy(-inputs)).numpy()
    log_off = -torch.nn.functional.softplus(torch.from_numpy(inputs)).numpy()
    top = logsumexp(log_on + log_off, b=w * a, axis=-1)
    bottom = logsumexp(log_on, b=w, axis=-1) + logsumexp(log_off, b=w, axis=-1)
    return torch.from_numpy(top - bottom)


def my_inverse(y, centre, alpha, beta):
    """Exercise 5.4 by bisection on the radius."""
    offset = y - centre
    s = offset.norm(dim=-1, keepdim=True)
    low, high = torch.zeros_like(s), s + abs(beta) + 1
    for _ in range(200):
        middle = (low + high) / 2
        below = middle * (middle + alpha + beta) / (alpha + middle) < s
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return torch.where(s == 0, centre, centre + low * offset / s)


def my_radius(alpha, beta):
    """Exercise 5.5."""
    return -(alpha + beta)


def my_density(x, flow):
    """Exercise 5.7 with the Jacobian by autograd."""
    noise = Normal(torch.zeros((), dtype=x.dtype), torch.ones((), dtype=x.dtype))
    return noise.log_prob(flow(x)).sum(-1) + log_det_by_autograd(flow, x)


def my_sample(signs, noise, log_variance):
    """Exercise 5.8."""
    return 2 * signs + math.sqrt(math.exp(log_variance)) * noise


def my_nats(log_density, level, u):
    """Exercise 5.9, number by number."""
    return -sum(float(log_density(level + one)) for one in u) / len(u)


SOLUTIONS = {
    "5.1": round(0.5 * (1 + math.erf(0.5 / math.sqrt(2))), 3),
    "5.2": my_log_slope,
    "5.3": {"A", "B", "D", "E"},
    "5.4": my_inverse,
    "5.5": my_radius,
    "5.6": (2.070, 2.760),
    "5.7": my_density,
    "5.8": my_sample,
    "5.9": my_nats,
}
