"""Readers' solutions of the exercises of chapter 1, by routes other than the judges'."""

import torch

from helpers.autoregressive import raster_order


def my_field(kinds, pixel, shape, order, size):
    """A reader's solution of exercise 1.2, written without the helper that the judge uses."""
    reached = {pixel}
    reach = size // 2
    for kind in reversed(kinds):
        down = 1 if order == "bottom-up" else -1
        reached = {
            (row + down * d, column + e)
            for row, column in reached
            for d in range(reach + 1)
            for e in range(-reach, reach + 1)
            if d > 0 or e < 0 or (kind == "B" and e == 0)
        }
        reached = {p for p in reached if 1 <= p[0] <= shape[0] and 1 <= p[1] <= shape[1]}
    return reached


def my_leak_detector(network):
    """A reader's solution of exercise 1.4: perturb every pixel at a bright input."""
    inputs = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    before = network(inputs)
    order = raster_order((5, 5))
    for place, (row, column) in enumerate(order):
        changed = inputs.clone()
        changed[0, 0, row - 1, column - 1] += 0.5
        moved = (network(changed) != before)[0, 0]
        if any(moved[r - 1, c - 1] for r, c in order[: place + 1]):
            return True
    return False


SOLUTIONS = {
    "1.1": {(3, 2), (3, 3)},
    "1.2": my_field,
    "1.3": {(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)},
    "1.4": my_leak_detector,
    "1.5": (-1, 1),
}
