"""Wrong answers to the exercises of chapter 1: number, what the advice says, the answers.

Written anew, by other means than the catalogue's own wrong versions.
"""

from functools import partial

import torch
from solutions import autoregressive as solutions


def past_of(kind, order, size):
    """The offsets that a kernel of a kind opens."""
    reach, down = size // 2, 1 if order == "bottom-up" else -1
    rows = {(down * d, e) for d in range(1, reach + 1) for e in range(-reach, reach + 1)}
    return rows | {(0, -e) for e in range(1, reach + 1)} | ({(0, 0)} if kind == "B" else set())


def walk(inside, kinds, pixel, shape, order, size):
    """A field of exercise 1.2 in which paths end where they leave what is inside."""
    field = {pixel}
    for kind in reversed(kinds):
        steps = past_of(kind, order, size)
        field = {(i + d, j + e) for i, j in field for d, e in steps}
        field = {p for p in field if inside(p, shape)}
    return field


def in_map(pixel, shape):
    return all(1 <= i <= n for i, n in zip(pixel, shape, strict=True))


def upside_down(order):
    return "top-down" if order == "bottom-up" else "bottom-up"


def turned_kernels(kinds, pixel, shape, order, size):
    """Exercise 1.2 on the map turned by half a turn."""

    def turn(p):
        return shape[0] + 1 - p[0], shape[1] + 1 - p[1]

    return set(map(turn, solutions.my_field(kinds, turn(pixel), shape, order, size)))


def leak_seen(network, start=1.0, outputs=range(25), own_only=False):
    """Exercise 1.4 by brightening each pixel a little: rows of `moved` are the changed inputs."""
    inputs = torch.full((25, 1, 5, 5), start, dtype=torch.float64)
    brighter = inputs + torch.eye(25, dtype=torch.float64).view(25, 1, 5, 5) / 4
    moved = ((network(brighter) - network(inputs)).abs() > 1e-9).view(25, 25)
    rows, columns = torch.arange(25) // 5, torch.arange(25) % 5
    past = (rows[:, None] > rows) | (rows[:, None] == rows) & (columns[:, None] < columns)
    forbidden = torch.eye(25).bool() if own_only else ~past
    return bool((moved & forbidden)[:, list(outputs)].any())


MISTAKES = {
    "1.1": {
        "the whole past in the row": [{(3, 1), (3, 2), (3, 3), (3, 4)}],
        "B may also stay": [{(3, 2)}],
        "what AA reads": [{(3, 3)}],
        "A stay": [{(3, 2), (3, 3), (3, 4)}, {(3, 2), (3, 3), (3, 4), (3, 5)}],
        "what one layer reads": [{(3, 4)}],
        "Only row 3": [solutions.my_field("AAB", (3, 5), (5, 5), "bottom-up", 3)],
        "counted from 1": [{(2, 1), (2, 2)}, {(2, 3), (3, 3)}],
    },
    "1.2": {
        "united the fields": [
            lambda kinds, *map_: set().union(*(solutions.my_field(k, *map_) for k in kinds))
        ],
        "upside down": [
            lambda k, p, shape, order, size: solutions.my_field(
                k, p, shape, upside_down(order), size
            )
        ],
        "flipped in both directions": [turned_kernels],
        "lie in the padding": [partial(walk, lambda p, shape: True)],
        "3x3 kernel": [lambda *given: solutions.my_field(*given[:4], 3)],
        "type A read their own": [
            lambda kinds, *map_: solutions.my_field(kinds.replace("A", "B"), *map_)
        ],
        "type B do not read": [
            lambda kinds, *map_: solutions.my_field(kinds.replace("B", "A"), *map_)
        ],
        "whatever the order": [
            lambda k, p, shape, order, size: solutions.my_field(k, p, shape, "bottom-up", size)
        ],
        "at the end only": [
            lambda k, p, shape, *kernel: {
                end for end in walk(lambda *_: True, k, p, shape, *kernel) if in_map(end, shape)
            }
        ],
        "border is off by one": [
            partial(walk, lambda p, shape: 0 <= p[0] < shape[0] and 0 <= p[1] < shape[1])
        ],
    },
    "1.3": {
        "allow every pair": [{(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}],
        "only skips around the two layers of type B": [{(1, 4)}],
        "forbid every pair": [set()],
        "one layer of each type": [{(1, 2), (1, 3), (2, 4), (3, 4)}],
        "what leaks": [{(2, 3)}],
        "counted from 1": [
            {(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)},
            {(2, 1), (3, 1), (4, 1), (4, 2), (4, 3)},
        ],
    },
    "1.4": {
        "dependence on itself only": [partial(leak_seen, own_only=True)],
        "where a ReLU is dead": [partial(leak_seen, start=0.0)],
        "one output pixel only": [partial(leak_seen, outputs=[k]) for k in range(25)],
        "call every network a leak": [lambda network: True],
        "call every network causal": [lambda network: False],
        "the wrong way round": [lambda network: not leak_seen(network)],
    },
}
