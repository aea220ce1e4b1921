"""The tasks on chapter 1: paths, masks from orders, fields, a leak, a wrong sampling order."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import torch
from torch.nn.functional import conv2d

from coursework.tasks import CodeTask, NumberTask, Proof
from helpers.autoregressive import apply_mask, kernel_mask

Rows = list[list[int]]
Steps = Sequence[tuple[int, int]]

PAST = ((0, -1), (1, -1), (1, 0), (1, 1))
STEPS: dict[str, Steps] = {"A": PAST, "B": ((0, 0), *PAST)}
ALL_A: dict[str, Steps] = {"A": STEPS["A"], "B": STEPS["A"]}
ALL_B: dict[str, Steps] = {"A": STEPS["B"], "B": STEPS["B"]}


def paths_by_autograd(kinds: str, pixel: Sequence[int], shape: Sequence[int]) -> Rows:
    """The derivative of one output pixel of a linear stack whose open weights are all 1."""
    inputs = torch.zeros(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    features = inputs
    for kind in kinds:
        features = conv2d(features, kernel_mask(kind).double()[None, None], padding=1)
    features[0, 0, pixel[0] - 1, pixel[1] - 1].backward()
    return inputs.grad[0, 0].long().tolist()


def _turned(down: int, right: int) -> dict[str, Steps]:
    """The steps with rows or columns mirrored, by signs."""
    return {kind: [(down * d, right * e) for d, e in steps] for kind, steps in STEPS.items()}


def _on_the_map(counts: Mapping, shape: Sequence[int]) -> Counter:
    height, width = shape
    return Counter({p: n for p, n in counts.items() if 0 < p[0] <= height and 0 < p[1] <= width})


def _round_the_corner(counts: Mapping, shape: Sequence[int]) -> Counter:
    """What circular padding makes of pixels outside the map."""
    found: Counter = Counter()
    for (row, column), number in counts.items():
        found[(row - 1) % shape[0] + 1, (column - 1) % shape[1] + 1] += number
    return found


def _walk(
    kinds: str,
    pixel: Sequence[int],
    shape: Sequence[int],
    steps: Mapping[str, Steps] = STEPS,
    keep: Callable = _on_the_map,
) -> Rows:
    """Numbers of paths, counted from the output back, one layer after the other."""
    counts = Counter({tuple(pixel): 1})
    for kind in reversed(kinds):
        further: Counter = Counter()
        for (row, column), number in counts.items():
            for down, right in steps[kind]:
                further[row + down, column + right] += number
        counts = keep(further, shape)
    kept = _on_the_map(counts, shape)
    return [[kept[i + 1, j + 1] for j in range(shape[1])] for i in range(shape[0])]


def _sum_of_layers(kinds: str, pixel: Sequence[int], shape: Sequence[int]) -> Rows:
    return np.sum([_walk(kind, pixel, shape) for kind in kinds], axis=0).tolist()


def draw_stacks(chooser: random.Random) -> Sequence[tuple]:
    """Five stacks of two to four layers, at pixels with room to the left and below."""
    drawn = []
    for kinds in ("AB", "BA", "AAB", "ABB", "BBAB"):
        shape = [chooser.randint(5, 7), chooser.randint(5, 7)]
        pixel = [chooser.randint(1, 2), chooser.randint(3, shape[1] - 1)]
        drawn.append((kinds, pixel, shape))
    return drawn


def draw_border_stacks(chooser: random.Random) -> Sequence[tuple]:
    """The left border, a narrow map, a deep stack of type A, one layer, the last pixel."""
    far = chooser.randint(4, 8)
    return [
        ("ABB", [1, 1], [3, far]),
        ("AA", [1, 1], [far, 1]),
        ("A" * chooser.randint(3, 5), [2, far], [4, far]),
        ("B", [1, far], [2, far]),
        ("B" * chooser.randint(7, 11), [1, 2], [far, 2]),
        ("AB", [far, 3], [far, 4]),
    ]


PATHS = CodeTask(
    number="1.1",
    claims=("1.1", "1.2", "1.3", "1.4"),
    needed="a function of (kinds, pixel, shape) that returns a list of rows of whole numbers",
    answer="path_counts",
    practice=(
        ("AB", [1, 3], [3, 5]),
        ("BB", [2, 2], [3, 4]),
        ("AAB", [1, 1], [3, 4]),
        ("A", [3, 4], [3, 4]),
    ),
    hidden={
        "stacks of two to four layers": (3, draw_stacks),
        "edges: borders, narrow maps, one layer, many layers": (1, draw_border_stacks),
    },
    truth=paths_by_autograd,
    wrong={
        "Your past lies above. In this order the rows below come first.": (
            lambda k, p, s: _walk(k, p, s, _turned(-1, 1))
        ),
        "Your past lies to the right. Inside a row, the left comes first.": (
            lambda k, p, s: _walk(k, p, s, _turned(1, -1))
        ),
        "You followed the layers the wrong way: which inputs does the output read?": (
            lambda k, p, s: _walk(k, p, s, _turned(-1, -1))
        ),
        "Your layers of type A may stay at their centre. They have to move.": (
            lambda k, p, s: _walk(k, p, s, ALL_B)
        ),
        "Your layers of type B never stay. Their centre is open.": (
            lambda k, p, s: _walk(k, p, s, ALL_A)
        ),
        "That says which pixels are read. How many paths lead to each?": (
            lambda k, p, s: np.sign(_walk(k, p, s)).tolist()
        ),
        "You added the layers up. The second one reads what the first one wrote.": _sum_of_layers,
        "A path may not leave the map and come back: padding leads nowhere.": (
            lambda k, p, s: _walk(k, p, s, keep=lambda counts, shape: Counter(counts))
        ),
        "Your map goes round the corner. Outside it there are zeros.": (
            lambda k, p, s: _walk(k, p, s, keep=_round_the_corner)
        ),
        "Pixels are counted from 1, and Python's rows from 0.": (
            lambda k, p, s: _walk(k, [p[0] + 1, p[1] + 1], s)
        ),
        "The row comes first in a pixel, and then the column.": (
            lambda k, p, s: _walk(k, [p[1], p[0]], s)
        ),
        "One layer is missing: a path takes one move in each layer.": [
            lambda k, p, s: _walk(k[1:], p, s),
            lambda k, p, s: _walk(k[:-1], p, s),
        ],
    },
)


def mask_by_single_entries(order: Rows, size: int) -> Rows:
    """Each entry alone in a mask, and for every pixel what the helper says that it reads."""
    shape = (len(order), len(order[0]))
    everywhere = list(product(range(1, shape[0] + 1), range(1, shape[1] + 1)))

    def harmless(i: int, j: int) -> bool:
        single = torch.zeros(size, size)
        single[i, j] = 1
        return all(
            order[other[0] - 1][other[1] - 1] < order[pixel[0] - 1][pixel[1] - 1]
            for pixel in everywhere
            for other in apply_mask(single, [pixel], shape)
        )

    return [[int(harmless(i, j)) for j in range(size)] for i in range(size)]


def _pairs(order: Rows, down: int, right: int, wrap: bool = False) -> list[tuple[int, int]]:
    """A pixel's number and its neighbour's, for all pixels that have that neighbour."""
    height, width = len(order), len(order[0])
    return [
        (order[row][column], order[row + down][column + right])
        for row, column in product(range(height), range(width))
        if (wrap or (row + down >= 0 and column + right >= 0))
        and -height <= row + down < height
        and -width <= column + right < width
    ]


def _mask(order: Rows, size: int, is_open: Callable, wrap: bool = False) -> Rows:
    """A mask whose entries are open where a rule for the pairs of numbers says so."""
    steps = range(-(size // 2), size // 2 + 1)
    return [[int(is_open(_pairs(order, d, e, wrap))) for e in steps] for d in steps]


def _all_earlier(pairs: Sequence[tuple[int, int]]) -> bool:
    return all(other < own for own, other in pairs)


def _with_centre(mask: Rows, value: int) -> Rows:
    mask[len(mask) // 2][len(mask) // 2] = value
    return mask


def _none_later(pairs: Sequence[tuple[int, int]]) -> bool:
    return all(other <= own for own, other in pairs)


def _seen_from_the_middle(order: Rows, size: int) -> Rows:
    """The wrong mask that asks one pixel only."""
    row, column, reach = len(order) // 2, len(order[0]) // 2, size // 2

    def is_open(down: int, right: int) -> bool:
        inside = 0 <= row + down < len(order) and 0 <= column + right < len(order[0])
        return not inside or order[row + down][column + right] < order[row][column]

    steps = range(-reach, reach + 1)
    return [[int(is_open(d, e)) for e in steps] for d in steps]


def _numbered(height: int, width: int, by_rows: int, by_columns: int) -> Rows:
    """Pixels in the order of a weighted sum of row and column; equal sums, equal numbers."""
    sums = [[by_rows * i + by_columns * j for j in range(width)] for i in range(height)]
    places = sorted({number for row in sums for number in row})
    return [[places.index(number) + 1 for number in row] for row in sums]


def _exchanged(order: Rows) -> Rows:
    """An order with its first and its last pixel exchanged."""
    last = max(map(max, order))
    change = {1: last, last: 1}
    return [[change.get(number, number) for number in row] for row in order]


def draw_orders(chooser: random.Random) -> Sequence[tuple]:
    """Six raster orders and skewed ones, one of them with ties."""
    height, width = chooser.randint(3, 5), chooser.randint(3, 5)
    signs = [chooser.choice([-1, 1]) for _ in range(12)]
    weights = [(width, 1), (1, height), (5, 2), (2, 7), (1, 1), (9, 4)]
    return [
        (_numbered(height, width, rows * signs[2 * n], columns * signs[2 * n + 1]), size)
        for n, ((rows, columns), size) in enumerate(zip(weights, (3, 3, 5, 3, 3, 5), strict=True))
    ]


def draw_odd_orders(chooser: random.Random) -> Sequence[tuple]:
    """One column, one row, one pixel, all at once, and orders with two pixels exchanged."""
    far, up, left = chooser.randint(3, 6), chooser.choice([-1, 1]), chooser.choice([-1, 1])
    return [
        (_numbered(far, 1, up, 1), 3),
        (_numbered(1, far, 1, left), 5),
        ([[1]], 3),
        ([[1] * far] * 2, 3),
        (_exchanged(_numbered(4, far + 2, (far + 2) * up, left)), 3),
        (_exchanged(_numbered(1, 5, 1, left)), 3),
        (_numbered(2, 2, 2 * up, left), 5),
    ]


MASK_OF_AN_ORDER = CodeTask(
    number="1.2",
    claims=("1.1",),
    needed="a function of (order, size) that returns a list of rows of zeros and ones",
    answer="largest_mask",
    practice=(
        ([[1, 4, 7], [2, 5, 8], [3, 6, 9]], 3),
        ([[4, 5, 6], [1, 2, 3]], 5),
        ([[1, 2, 3], [2, 3, 4], [3, 4, 5]], 3),
        ([[3], [2], [1]], 3),
        ([[5, 2, 3, 4, 1]], 3),
        ([[4, 3, 2, 1]], 3),
    ),
    hidden={
        "raster orders and skewed ones": (2, draw_orders),
        "edges: narrow maps, ties, two pixels exchanged": (1, draw_odd_orders),
    },
    truth=mask_by_single_entries,
    wrong={
        "Your mask reads the future. Is it flipped? Entry (i, j) reads offset (i - c, j - c).": (
            lambda o, n: [row[::-1] for row in _mask(o, n, _all_earlier)[::-1]]
        ),
        "Rows and columns of your mask are exchanged.": (
            lambda o, n: [list(row) for row in zip(*_mask(o, n, _all_earlier), strict=True)]
        ),
        "Your centre is open: a pixel would read itself.": (
            lambda o, n: _with_centre(_mask(o, n, _all_earlier), 1)
        ),
        "Pixels with equal numbers are drawn at once: they may not read each other.": (
            lambda o, n: _with_centre(_mask(o, n, _none_later), 0)
        ),
        "An equal number does not come before: neither the centre's, nor another pixel's.": (
            lambda o, n: _mask(o, n, _none_later)
        ),
        "One pixel for which an entry is safe is not enough: ask all of them.": (
            lambda o, n: _mask(o, n, lambda pairs: any(other < own for own, other in pairs))
        ),
        "You asked the pixel in the middle only. One mask serves all pixels.": (
            _seen_from_the_middle
        ),
        "A neighbour outside the map is padding, and does no harm.": (
            lambda o, n: _mask(
                o, n, lambda pairs: len(pairs) == len(o) * len(o[0]) and _all_earlier(pairs)
            )
        ),
        "An entry that only ever meets padding harms nobody: it is open.": (
            lambda o, n: _mask(o, n, lambda pairs: bool(pairs) and _all_earlier(pairs))
        ),
        "Python's index -1 is the last row. Leave out what lies outside the map.": (
            lambda o, n: _mask(o, n, _all_earlier, wrap=True)
        ),
        "Your mask has always side 3. The side is an argument.": (
            lambda o, n: _mask(o, 3, _all_earlier)
        ),
        "That is mask A of the chapter, whatever the order. Look at the numbers.": (
            lambda o, n: kernel_mask("A", n).tolist()
        ),
    },
)


def share_by_layers(
    height: int, width: int, row: int, column: int, type_a: int, type_b: int
) -> float:
    """The share of a pixel's past that a stack reads, by moving the field layer by layer."""
    field = np.zeros((height, width), dtype=bool)
    field[row - 1, column - 1] = True
    for layer in range(type_a + type_b):
        read = field.copy() if layer < type_b else np.zeros_like(field)
        read[:, :-1] |= field[:, 1:]
        read[1:] |= field[:-1]
        read[1:, :-1] |= field[:-1, 1:]
        read[1:, 1:] |= field[:-1, :-1]
        field = read
    return float(field.sum() / _size_of_past(height, width, row, column))


def _size_of_past(height: int, width: int, row: int, column: int) -> int:
    return (height - row) * width + column - 1


def draw_deep_stack(chooser: random.Random) -> dict[str, int]:
    """A stack whose field meets the left and the right border, with rows enough below."""
    type_a, type_b = chooser.randint(3, 8), chooser.randint(9, 16)
    layers = type_a + type_b
    row, column = chooser.randint(3, 9), chooser.randint(3, layers - 5)
    return {
        "height": row + layers + chooser.randint(1, 5),
        "width": column + chooser.randint(4, layers - 3),
        "row": row,
        "column": column,
        "type_a": type_a,
        "type_b": type_b,
    }


def _offsets(past: int, left: int, right: int, low: int, high: int, cone: bool = True) -> int:
    """How many offsets some number of steps from `low` to `high` reaches, by Lemma 2.

    There are `past` rows and `left` and `right` columns; `cone` is the bound to the right.
    """
    d, e = np.mgrid[0 : high + 1, -high : high + 1]
    least = np.maximum(np.maximum(d, -e), low)
    most = np.minimum(2 * d - e, high) if cone else np.where((d > 0) | (e < 0), high, -1)
    inside = (d <= past) & (-left <= e) & (e <= right)
    return int(((least <= most) & inside).sum())


def _by_lemma(
    steps: Callable[[int, int], tuple[int, int]],
    borders: Callable[..., tuple[int, int, int]] = lambda height, width, row, column: (
        height - row,
        column - 1,
        width - column,
    ),
    cone: bool = True,
) -> Callable[..., float]:
    """A version that takes the fewest and the most steps from the numbers of layers."""

    def share(height: int, width: int, row: int, column: int, type_a: int, type_b: int) -> float:
        low, high = steps(type_a, type_b)
        read = _offsets(*borders(height, width, row, column), low, high, cone)
        return read / _size_of_past(height, width, row, column)

    return share


FIELD_SIZE = NumberTask(
    number="1.3",
    claims=("1.1", "1.2", "1.3", "1.4"),
    points=2,
    needed="a number between 0 and 1",
    draw=draw_deep_stack,
    truth=share_by_layers,
    wrong={
        "Each layer of type A has to take a step. Yours may stay, all but one.": _by_lemma(
            lambda type_a, type_b: (1, type_a + type_b)
        ),
        "You counted the pixel itself: that is a stack of type B alone.": _by_lemma(
            lambda type_a, type_b: (0, type_a + type_b)
        ),
        "Layers of type B may also take a step. Yours all stay.": _by_lemma(
            lambda type_a, type_b: (type_a, type_a)
        ),
        "Layers of type B may also stay. Yours all take a step.": _by_lemma(
            lambda type_a, type_b: (type_a + type_b, type_a + type_b)
        ),
        "How many steps at most? All layers count, not those of type B alone.": _by_lemma(
            lambda type_a, type_b: (type_a, type_b)
        ),
        "The numbers of layers of type A and of type B are exchanged.": _by_lemma(
            lambda type_a, type_b: (type_b, type_a + type_b)
        ),
        "You counted pixels outside the map.": _by_lemma(
            lambda type_a, type_b: (type_a, type_a + type_b),
            borders=lambda height, width, row, column: (10**6, 10**6, 10**6),
        ),
        "Your past lies above. In this order the rows below come first.": _by_lemma(
            lambda type_a, type_b: (type_a, type_a + type_b),
            borders=lambda height, width, row, column: (row - 1, column - 1, width - column),
        ),
        "Depth does not reach the whole past.": lambda **own: 1.0,
        "That is how many it reads. Divide by the number of past pixels.": (
            lambda height, width, row, column, **layers: (
                share_by_layers(height, width, row, column, **layers)
                * _size_of_past(height, width, row, column)
            )
        ),
        "You divided by the whole map. Its past is asked for.": (
            lambda height, width, row, column, **layers: (
                share_by_layers(height, width, row, column, **layers)
                * _size_of_past(height, width, row, column)
                / (height * width)
            )
        ),
        "You gave the share that it does not read.": lambda **own: 1 - share_by_layers(**own),
        "Each step to the right needs a row towards the past: mind the blind spot.": _by_lemma(
            lambda type_a, type_b: (type_a, type_a + type_b), cone=False
        ),
    },
    alike=lambda height, width, row, column, type_a, type_b: (
        type_a > 1,
        height - row > type_a + type_b,
        column <= type_a + type_b,
        width - column < type_a + type_b,
    ),
    tolerance=6e-4,
)


def _sigmoid(number: float | np.ndarray) -> float | np.ndarray:
    return 1 / (1 + np.exp(-number))


def _images(count: int) -> np.ndarray:
    """All images of `count` black or white pixels, one a row."""
    return np.array(list(product([0, 1], repeat=count)))


def sum_by_enumeration(a: float, b: float, c: float, count: int = 10, before: int = 0) -> float:
    """The sum over all images of the product of factors that read their own pixel."""
    images = _images(count)
    previous = np.column_stack([np.full(len(images), before), images[:, :-1]])
    white = _sigmoid(a + b * previous + c * images)
    return float(np.where(images == 1, white, 1 - white).prod(axis=1).sum())


def _white_factors_only(a: float, b: float, c: float) -> float:
    images = _images(10)
    previous = np.column_stack([np.zeros(len(images)), images[:, :-1]])
    white = _sigmoid(a + b * previous + c * images)
    return float(np.where(images == 1, white, 1).prod(axis=1).sum())


def draw_logits(chooser: random.Random) -> dict[str, float]:
    """Three numbers of different sizes, not near 0 nor near where black and white are alike."""
    while True:
        sizes = chooser.sample(range(4, 25), 3)
        a, b, c = (chooser.choice([-1, 1]) * size / 10 for size in sizes)
        if abs(2 * a + b + c) > 0.25:
            return {"a": a, "b": b, "c": c}


LEAK = NumberTask(
    number="1.4",
    claims=("1.4",),
    points=2,
    needed="a number",
    draw=draw_logits,
    truth=sum_by_enumeration,
    wrong={
        "1 is right for factors that read their past only. These read their own pixel.": (
            lambda a, b, c: 1.0
        ),
        "Count the pixels: there are ten.": [
            lambda a, b, c: sum_by_enumeration(a, b, c, count=9),
            lambda a, b, c: sum_by_enumeration(a, b, c, count=11),
        ],
        "That is the mean over the images. The sum is asked for.": (
            lambda a, b, c: sum_by_enumeration(a, b, c) / 1024
        ),
        "That is the logarithm of the sum.": (
            lambda a, b, c: math.log(sum_by_enumeration(a, b, c))
        ),
        "Before the first pixel there is a 0; you put a 1 there.": (
            lambda a, b, c: sum_by_enumeration(a, b, c, before=1)
        ),
        "You exchanged b and c: which of them belongs to the pixel itself?": (
            lambda a, b, c: sum_by_enumeration(a, c, b)
        ),
        "You left out the pixel before. Its value is summed over too, but once.": (
            lambda a, b, c: sum_by_enumeration(a, 0.0, c)
        ),
        "Black pixels have a factor too: 1 - s.": _white_factors_only,
        "A sign: s(l) is above one half where l is above 0.": (
            lambda a, b, c: sum_by_enumeration(-a, -b, -c)
        ),
    },
    alike=lambda a, b, c: (min(abs(a), abs(b), abs(c)) > 0.3, abs(2 * a + b + c) > 0.25),
)


def _law(a: float, b: float, c: float, order: Sequence[int], below: int = 1) -> np.ndarray:
    """The law of six pixels drawn in some order; what is not drawn yet is 0.

    Each is given one and two pixels below it, or above it if `below` is -1.
    """
    images = _images(6)
    canvas = np.zeros_like(images)
    law = np.ones(len(images))
    for place in order:
        near, far = (
            canvas[:, place - k * below] if 0 <= place - k * below < 6 else 0 for k in (1, 2)
        )
        white = _sigmoid(a + b * near + c * far)
        law = law * np.where(images[:, place] == 1, white, 1 - white)
        canvas[:, place] = images[:, place]
    return law


def _model(a: float, b: float, c: float) -> np.ndarray:
    return _law(a, b, c, range(6))


def _upside_down(a: float, b: float, c: float) -> np.ndarray:
    return _law(a, b, c, range(5, -1, -1))


def _variation(first: np.ndarray, second: np.ndarray) -> float:
    return float(abs(first - second).sum() / 2)


def _divergence(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * np.log(first / second)).sum())


def variation_by_drawing(a: float, b: float, c: float) -> float:
    """The total variation between a model's law and what is drawn in the wrong order."""
    return float(np.maximum(_model(a, b, c) - _upside_down(a, b, c), 0).sum())


def _independent(law: np.ndarray) -> np.ndarray:
    """Independent pixels with the means that a law has."""
    images = _images(6)
    means = law @ images
    return np.where(images == 1, means, 1 - means).prod(axis=1)


SAMPLING_ORDER = NumberTask(
    number="1.5",
    claims=("1.2",),
    points=3,
    needed="a number between 0 and 1",
    draw=draw_logits,
    truth=variation_by_drawing,
    wrong={
        "You forgot the factor one half.": lambda a, b, c: 2 * variation_by_drawing(a, b, c),
        "The two laws differ. What does the network read when the pixels below are not drawn?": (
            lambda a, b, c: 0.0
        ),
        "Independent, yes, but not with the model's means. What does an empty map give?": (
            lambda a, b, c: _variation(_model(a, b, c), _independent(_model(a, b, c)))
        ),
        "The network reads the pixels below, drawn or not; it never looks up.": (
            lambda a, b, c: _variation(_model(a, b, c), _law(a, b, c, range(5, -1, -1), below=-1))
        ),
        "That is the largest difference. Add up all 64.": (
            lambda a, b, c: float(abs(_model(a, b, c) - _upside_down(a, b, c)).max())
        ),
        "That is the mean over the images. Half the sum is asked for.": (
            lambda a, b, c: float(abs(_model(a, b, c) - _upside_down(a, b, c)).mean())
        ),
        "That is the KL divergence. The total variation is asked for.": [
            lambda a, b, c: _divergence(_model(a, b, c), _upside_down(a, b, c)),
            lambda a, b, c: _divergence(_upside_down(a, b, c), _model(a, b, c)),
        ],
        "That is the Euclidean distance. Add up absolute values.": (
            lambda a, b, c: float(np.linalg.norm(_model(a, b, c) - _upside_down(a, b, c)))
        ),
        "You exchanged b and c: b belongs to the pixel just below.": (
            lambda a, b, c: variation_by_drawing(a, c, b)
        ),
        "The model reads two pixels below. You left one of them out.": [
            lambda a, b, c: variation_by_drawing(a, b, 0.0),
            lambda a, b, c: variation_by_drawing(a, 0.0, c),
        ],
    },
    alike=lambda a, b, c: (min(abs(a), abs(b), abs(c)) > 0.3, abs(2 * a + b + c) > 0.25),
)


SKIPS = Proof(number="1.6", claims=("1.1", "1.2", "1.3", "1.4"), points=6)

TASKS = [PATHS, MASK_OF_AN_ORDER, FIELD_SIZE, LEAK, SAMPLING_ORDER, SKIPS]
