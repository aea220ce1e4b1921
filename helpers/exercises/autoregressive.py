"""The exercises of chapter 1: receptive fields, skips, leaks and a proof."""

from collections.abc import Iterable
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from helpers.autoregressive import (
    apply_mask,
    dependencies_by_gradient,
    kernel_mask,
    masked_stack,
    predecessors,
    raster_order,
    receptive_field,
)
from helpers.exercises import Catalogue, Exercise, compare, is_two_whole_numbers

__all__ = ["EXERCISES", "check_answer", "leaks", "safe_pairs"]


def _is_pixel_set(answer: Any) -> bool:
    pairs = isinstance(answer, (set, frozenset)) and all(
        isinstance(p, tuple) and len(p) == 2 and all(isinstance(i, int) for i in p) for p in answer
    )
    return bool(pairs)


def _moved(pairs: Iterable[tuple[int, int]], by: int) -> frozenset:
    """Pairs with a number added to both entries: what counting from 0 makes of them."""
    return frozenset((i + by, j + by) for i, j in pairs)


def _own_row(pixels: frozenset, row: int = 3) -> frozenset:
    return frozenset(p for p in pixels if p[0] == row)


def _union_of_layers(kinds, pixel, shape, order, size):
    """The wrong field that adds up single layers in place of composing them."""
    return frozenset().union(*(_field([kind], pixel, shape, order, size) for kind in kinds))


def _field(kinds, pixel, shape, order, size):
    return receptive_field(kinds, pixel, shape, order=order, size=size)


def _mirrored_order(kinds, pixel, shape, order, size):
    other = {"bottom-up": "top-down", "top-down": "bottom-up"}[order]
    return _field(kinds, pixel, shape, other, size)


def _flipped_kernel(kinds, pixel, shape, order, size):
    masks = [kernel_mask(kind, size, order).flip(0, 1) for kind in kinds]
    return receptive_field(masks, pixel, shape)


def _unclipped(kinds, pixel, shape, order, size):
    """A field that keeps the pixels of the padding; found by moving into a larger map."""
    margin = len(kinds) * size
    larger = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    moved = (pixel[0] + margin, pixel[1] + margin)
    field = _field(kinds, moved, larger, order, size)
    return frozenset((row - margin, column - margin) for row, column in field)


def _always_three(kinds, pixel, shape, order, size):
    return _field(kinds, pixel, shape, order, 3)


def _centre_open(kinds, pixel, shape, order, size):
    return _field("B" * len(kinds), pixel, shape, order, size)


def _centre_closed(kinds, pixel, shape, order, size):
    return _field("A" * len(kinds), pixel, shape, order, size)


def _always_bottom_up(kinds, pixel, shape, order, size):
    return _field(kinds, pixel, shape, "bottom-up", size)


def _clipped_at_the_end(kinds, pixel, shape, order, size):
    unclipped = _unclipped(kinds, pixel, shape, order, size)
    return frozenset(p for p in unclipped if 1 <= p[0] <= shape[0] and 1 <= p[1] <= shape[1])


def _border_from_zero(kinds, pixel, shape, order, size):
    """The wrong field that takes pixels from 0 to height - 1 for the map."""
    field = _moved({pixel}, 1)
    for kind in reversed(kinds):
        field = apply_mask(kernel_mask(kind, size, order), field, shape)
    return _moved(field, -1)


FIELD_INSTANCES = (
    ("AB", (3, 3), (5, 5), "bottom-up", 3),
    ("AA", (3, 4), (5, 5), "bottom-up", 3),
    ("BA", (2, 5), (5, 5), "top-down", 3),
    ("ABB", (2, 2), (6, 4), "bottom-up", 3),
    ("AB", (4, 4), (7, 7), "top-down", 5),
    ("A", (1, 1), (4, 6), "bottom-up", 7),
    ("AA", (1, 1), (2, 1), "bottom-up", 3),
)


def safe_pairs(kinds: str) -> frozenset[tuple[int, int]]:
    """Pairs of layers that may both be skipped with every pixel of a 5x5 map still causal."""
    safe = set()
    for pair in combinations(range(1, len(kinds) + 1), 2):
        fields = {p: receptive_field(kinds, p, skips=pair) for p in raster_order((5, 5))}
        if all(field <= predecessors(p) for p, field in fields.items()):
            safe.add(pair)
    return frozenset(safe)


def _all_pairs(kinds: str) -> frozenset[tuple[int, int]]:
    return frozenset(combinations(range(1, len(kinds) + 1), 2))


def _pairs_with(kinds: str, wanted: str) -> frozenset[tuple[int, int]]:
    """Pairs whose two masks, sorted, are the wanted ones, such as "AB"."""
    named = {pair: "".join(sorted(kinds[n - 1] for n in pair)) for pair in _all_pairs(kinds)}
    return frozenset(pair for pair, masks in named.items() if masks == wanted)


class _AddsInput(nn.Module):
    """An identity skip connection around a network, at every pixel or at some."""

    def __init__(self, network: nn.Module, where: Tensor | float = 1.0):
        super().__init__()
        self.network = network
        self.where = where

    def forward(self, features: Tensor) -> Tensor:
        return self.where * features + self.network(features)


class _Threshold(nn.Module):
    """A network behind a ReLU that is dead for inputs up to a half."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network(torch.relu(features - 0.5))


def _leak_instances() -> tuple[tuple[nn.Module], ...]:
    """Networks on one-channel 5x5 maps, in float64: some causal bottom-up, some leaking."""

    def stack(kinds, order="bottom-up"):
        generator = torch.Generator().manual_seed(1)
        return masked_stack(kinds, order=order, generator=generator)

    def only_at(row, column):
        place = torch.zeros(5, 5, dtype=torch.float64)
        place[row - 1, column - 1] = 1.0
        return place

    networks = {
        "the stack AB": stack("AB"),
        "the stack BB": stack("BB"),
        "the stack AB in top-down order": stack("AB", "top-down"),
        "the stack ABB": stack("ABB"),
        "the stack A": stack("A"),
        "the stack BA with a skip around layer 2": nn.Sequential(
            stack("B"), _AddsInput(stack("A"))
        ),
        "a stack A whose pixel 33 adds its input": _AddsInput(stack("A"), only_at(3, 3)),
        "a stack A whose pixel 11 adds its input": _AddsInput(stack("A"), only_at(1, 1)),
        "a ReLU before the stack B": _Threshold(stack("B")),
        "a ReLU before the stack A": _Threshold(stack("A")),
    }
    for label, network in networks.items():
        network.label = label
    return tuple((network,) for network in networks.values())


def leaks(network: nn.Module, pixels=None, start: float = 1.0, own_only: bool = False) -> bool:
    """Whether an output pixel of a 5x5 map depends on itself or on a later pixel (bottom-up)."""
    inputs = torch.full((1, 1, 5, 5), start, dtype=torch.float64)
    for pixel in raster_order((5, 5)) if pixels is None else pixels:
        allowed = predecessors(pixel)
        if own_only:
            allowed = frozenset(raster_order((5, 5))) - {pixel}
        if not dependencies_by_gradient(network, pixel, inputs) <= allowed:
            return True
    return False


def _judge_certificate(answer: tuple[int, int]) -> str | None:
    """A functional that never grows along a step, and is positive at the blind pixel."""
    towards_past, right = answer
    for d, e in [(0, -1), (1, -1), (1, 0), (1, 1)]:
        if towards_past * d + right * e > 0:
            return (
                f"Your value grows by {towards_past * d + right * e} along the open offset "
                f"(d, e) = ({d}, {e}). A path may use that step again and again, where there is "
                "room, so large values are not out of reach."
            )
    if towards_past + 2 * right <= 0:
        return (
            "No step increases your value, as it should be. But pixel 45, at (d, e) = (1, 2) "
            f"from 33, has the value {towards_past + 2 * right}: a path may end there without "
            "ever rising above 0, so nothing is excluded."
        )
    return None


EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer

EXERCISES["1.1"] = Exercise(
    claim="1.1",
    level="read",
    needed="a set of pixels such as {(3, 1), (4, 2)}",
    accepts=_is_pixel_set,
    judge=compare(
        lambda: _own_row(receptive_field("AAB", (3, 5))),
        {
            "You listed the whole past in the row. That is what the model should read. Each "
            "type-A layer takes one step, and only steps to the left stay in the row.": (
                lambda: _own_row(predecessors((3, 5)))
            ),
            "You let every layer take a step. The layer of type B may also stay.": (
                lambda: _own_row(receptive_field("AAA", (3, 5)))
            ),
            "That is what AA reads. The layer of type B may also take a step.": (
                lambda: _own_row(receptive_field("AA", (3, 5)))
            ),
            "You let the layers of type A stay. They have no open centre: each takes exactly "
            "one step.": [
                lambda: _own_row(receptive_field("ABB", (3, 5))),
                lambda: _own_row(receptive_field("BBB", (3, 5))),
            ],
            "That is what one layer reads. Expand it through the others.": (
                lambda: _own_row(receptive_field("A", (3, 5)))
            ),
            "Only row 3 is asked for; you listed the whole field.": (
                lambda: receptive_field("AAB", (3, 5))
            ),
            "Rows and columns are counted from 1, and the row comes first.": [
                lambda: _moved(_own_row(receptive_field("AAB", (3, 5))), -1),
                lambda: frozenset((c, r) for r, c in _own_row(receptive_field("AAB", (3, 5)))),
            ],
        },
    ),
)

EXERCISES["1.2"] = Exercise(
    claim="1.2",
    level="do",
    needed="a function of (kinds, pixel, shape, order, size) that returns a set of pixels",
    accepts=callable,
    judge=compare(
        _field,
        {
            "You united the fields of single layers. The second layer reads pixels of the "
            "first layer's map, and each of those has a field of its own.": _union_of_layers,
            "Your order is upside down: in bottom-up order the rows below are the past.": (
                _mirrored_order
            ),
            "Your kernel is flipped in both directions, as in a true convolution. Entry "
            "(i, j) reads the pixel at offset (i - c, j - c).": _flipped_kernel,
            "You keep pixels that lie in the padding. Those hold zeros, not data.": _unclipped,
            "You use a 3x3 kernel whatever the size asked for.": _always_three,
            "Your layers of type A read their own centre.": _centre_open,
            "Your layers of type B do not read their own centre.": _centre_closed,
            "You use the bottom-up order whatever the order asked for.": _always_bottom_up,
            "You drop the padding at the end only. A path that leaves the map does not come "
            "back: there is nothing to read out there.": _clipped_at_the_end,
            "Your border is off by one: pixels are counted from 1, and the last row is row "
            "shape[0].": _border_from_zero,
        },
        FIELD_INSTANCES,
    ),
)

EXERCISES["1.3"] = Exercise(
    claim="1.3",
    level="read",
    needed="a set of pairs of layers such as {(1, 2), (1, 3)}",
    accepts=_is_pixel_set,
    judge=compare(
        lambda: safe_pairs("BAAB"),
        {
            "You allow every pair. For one of them the expanded product contains I.": (
                lambda: _all_pairs("BAAB")
            ),
            "You allow only skips around the two layers of type B. One layer of type A may "
            "be skipped if another still takes its step.": lambda: _pairs_with("BAAB", "BB"),
            "You forbid every pair. For most of them the expanded product does not contain "
            "I.": frozenset,
            "Those are the pairs with one layer of each type. Look at the others too.": (
                lambda: _pairs_with("BAAB", "AB")
            ),
            "Turn it round: you name what leaks.": lambda: _pairs_with("BAAB", "AA"),
            "Layers are counted from 1, and the smaller number comes first.": [
                lambda: _moved(safe_pairs("BAAB"), -1),
                lambda: frozenset((j, i) for i, j in safe_pairs("BAAB")),
            ],
        },
    ),
)

EXERCISES["1.4"] = Exercise(
    claim="1.4",
    level="do",
    needed="a function that takes a network and returns True or False",
    accepts=callable,
    judge=compare(
        leaks,
        {
            "You look at a pixel's dependence on itself only. A network can also read "
            "pixels that come later.": partial(leaks, own_only=True),
            "You differentiate at an input where a ReLU is dead: a zero gradient there does "
            "not mean that there is no path.": partial(leaks, start=0.0),
            "You look at one output pixel only. A network may leak at another one.": [
                partial(leaks, pixels=[pixel]) for pixel in raster_order((5, 5))
            ],
            "You call every network a leak. A causal network may read less than its past.": (
                lambda network: True
            ),
            "You call every network causal.": lambda network: False,
            "Your answers are the wrong way round.": lambda network: not leaks(network),
        },
        _leak_instances(),
    ),
)

EXERCISES["1.5"] = Exercise(
    claim="1.4",
    level="prove",
    needed="two whole numbers (a, b)",
    accepts=is_two_whole_numbers,
    judge=_judge_certificate,
)
