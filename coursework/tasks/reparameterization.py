"""The tasks on chapter 2: a chain of numbers, equal laws, an ellipse, blocks, two estimators."""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, combinations_with_replacement

import numpy as np
import torch

from coursework.tasks import CodeTask, NumberTask, Proof
from helpers.reparameterization import Counted, eliminated_determinant, log_prob_full, product

Numbers = Sequence[float]
Matrix = Sequence[Sequence[float]]


def log_prob_by_dense_matrix(
    x: Numbers, mean: Numbers, diagonal: Numbers, below: Numbers
) -> float:
    """The log-density of mean + S z0 from the full matrix S, by the book's helper."""
    factor = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    factor[range(1, len(x)), range(len(x) - 1)] = torch.tensor(below, dtype=torch.float64)
    point, centre = (torch.tensor(numbers, dtype=torch.float64) for numbers in (x, mean))
    return float(log_prob_full(point, centre, factor))


def _noise(x: Numbers, mean: Numbers, diagonal: Numbers, below: Numbers) -> list[float]:
    """The noise of a point, from the first number to the last."""
    found: list[float] = []
    for place in range(len(x)):
        known = below[place - 1] * found[-1] if place else 0.0
        found.append((x[place] - mean[place] - known) / diagonal[place])
    return found


def _noise_log_prob(noise: Numbers) -> float:
    return -sum(z * z for z in noise) / 2 - len(noise) / 2 * math.log(2 * math.pi)


def _log_det(diagonal: Numbers) -> float:
    return sum(math.log(abs(entry)) for entry in diagonal)


def _logarithm(number: float) -> float:
    """The logarithm as NumPy has it: minus infinity at 0, and no number below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(number))


def _independent(x: Numbers, mean: Numbers, diagonal: Numbers, below: Numbers) -> float:
    """The wrong log-density that leaves out the entries below the diagonal."""
    return log_prob_by_dense_matrix(x, mean, diagonal, [0.0] * len(below))


def _upper(x: Numbers, mean: Numbers, diagonal: Numbers, below: Numbers) -> float:
    """The wrong log-density with the entries above the diagonal: everything in reverse."""
    return log_prob_by_dense_matrix(x[::-1], mean[::-1], diagonal[::-1], below[::-1])


def _gap_for_noise(x: Numbers, mean: Numbers, diagonal: Numbers, below: Numbers) -> float:
    """The wrong log-density whose later equations hold the earlier gap and not its noise."""
    gap = [a - b for a, b in zip(x, mean, strict=True)]
    known = [0.0, *(b * g for b, g in zip(below, gap, strict=False))]
    noise = [(g - k) / d for g, k, d in zip(gap, known, diagonal, strict=True)]
    return _noise_log_prob(noise) - _log_det(diagonal)


def _chain(chooser: random.Random, diagonal: Numbers, mean: Numbers | None = None) -> tuple:
    """A point with noise of ordinary size; the entries below are smaller than the diagonal."""
    mean = [0.0] * len(diagonal) if mean is None else mean
    below = [chooser.choice([-1, 1]) * chooser.uniform(0.4, 0.8) * d for d in diagonal[1:]]
    noise = [chooser.choice([-1, 1]) * chooser.uniform(0.3, 2) for _ in diagonal]
    x = [m + d * z for m, d, z in zip(mean, diagonal, noise, strict=True)]
    for place, entry in enumerate(below):
        x[place + 1] += entry * noise[place]
    return x, list(mean), list(diagonal), below


def draw_chains(chooser: random.Random) -> Sequence[tuple]:
    """Six chains of two to five numbers, with positive and negative diagonals."""
    drawn = []
    for size in (2, 3, 3, 4, 4, 5):
        sizes = [round(chooser.uniform(0.3, 3), 2) for _ in range(size)]
        signs = [chooser.choice([-1, 1]) for _ in range(size - 1)]
        diagonal = [s * n for s, n in zip([(-1) ** size, *signs], sizes, strict=True)]
        mean = [round(chooser.uniform(-2, 2), 2) for _ in range(size)]
        drawn.append(_chain(chooser, diagonal, mean=mean))
    return drawn


def draw_extreme_chains(chooser: random.Random) -> Sequence[tuple]:
    """One number, scales whose square or product is 0 or infinite, and an odd sign."""
    small, large = chooser.uniform(1, 9) * 1e-200, chooser.uniform(1, 9) * 1e190
    tenths = [chooser.uniform(0.05, 0.2) for _ in range(20)]
    return [
        _chain(chooser, [small]),
        _chain(chooser, [small, small / 3]),
        _chain(chooser, [large, -large, large]),
        _chain(chooser, [chooser.uniform(1, 9) * 1e-90 for _ in range(5)]),
        _chain(chooser, [-chooser.uniform(0.5, 2) for _ in range(3)]),
        _chain(chooser, tenths + [1e-40] * 8),
    ]


CHAIN = CodeTask(
    number="2.1",
    claims=("2.1", "2.3", "2.4"),
    needed="a function of (x, mean, diagonal, below) that returns a number",
    answer="chain_log_prob",
    practice=(
        ([0.5, -1.0, 2.0], [0.25, 0.5, 1.0], [0.5, 2.0, 1.5], [0.75, -1.25]),
        ([1.0, 0.5], [0.0, 1.0], [-0.5, 3.0], [1.5]),
        ([1.25e-200], [0.0], [1e-200], []),
        ([2e-90, 1e-90, -1e-90, 3e-90], [0.0] * 4, [1e-90] * 4, [5e-91, -2e-91, 8e-91]),
    ),
    hidden={
        "chains of two to five numbers": (2, draw_chains),
        "extremes: tiny and huge scales, one number, negative signs": (2, draw_extreme_chains),
    },
    truth=log_prob_by_dense_matrix,
    wrong={
        "You have no Jacobian: that is the density of the noise at its own place.": (
            lambda *chain: _noise_log_prob(_noise(*chain))
        ),
        "Where the map stretches, the density is lower: the sign of your log-determinant.": (
            lambda *chain: _noise_log_prob(_noise(*chain)) + _log_det(chain[2])
        ),
        "A product of small numbers can be 0 in float64. Add logarithms.": (
            lambda *chain: _noise_log_prob(_noise(*chain)) - _logarithm(abs(math.prod(chain[2])))
        ),
        "The square of a tiny scale is 0 in float64. Divide first, and square then.": (
            lambda *chain: (
                _noise_log_prob(_noise(*chain)) - sum(_logarithm(d * d) for d in chain[2]) / 2
            )
        ),
        "The logarithm of a negative number is none. What does rule (2.1) take of det J?": [
            lambda *chain: _noise_log_prob(_noise(*chain)) - sum(_logarithm(d) for d in chain[2]),
            lambda *chain: _noise_log_prob(_noise(*chain)) - _logarithm(math.prod(chain[2])),
        ],
        "The entries below the diagonal are missing in the noise.": _independent,
        "Your matrix is transposed: the entries stand below the diagonal, not above.": _upper,
        "Once the first noise is known, the second equation holds it, not x - mean.": (
            _gap_for_noise
        ),
        "Bring the known part to the other side: a sign.": (
            lambda x, mean, diagonal, below: log_prob_by_dense_matrix(
                x, mean, diagonal, [-entry for entry in below]
            )
        ),
        "The constant of the normal density is missing.": (
            lambda *chain: (
                log_prob_by_dense_matrix(*chain) + len(chain[0]) / 2 * math.log(2 * math.pi)
            )
        ),
        "Each of the K numbers brings a constant; you have one only.": (
            lambda *chain: (
                log_prob_by_dense_matrix(*chain) + (len(chain[0]) - 1) / 2 * math.log(2 * math.pi)
            )
        ),
        "The determinant of a triangular matrix does not hold the entries below the diagonal.": (
            lambda *chain: log_prob_by_dense_matrix(*chain) - _log_det(chain[3])
        ),
        "You forgot one half in the exponent.": (
            lambda *chain: (
                log_prob_by_dense_matrix(*chain) - sum(z * z for z in _noise(*chain)) / 2
            )
        ),
    },
)


def same_law_by_orthogonality(first: Matrix, second: Matrix) -> bool:
    """Whether the noise is turned or mirrored between two matrices, and nothing else."""
    change = np.linalg.solve(np.array(first), np.array(second))
    return bool(np.abs(change @ change.T - np.eye(len(change))).max() < 1e-6)


def _close(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.abs(first - second).max() <= 1e-9 * np.abs(first).max())


def _compare(statistic: Callable[[np.ndarray], np.ndarray | float]) -> Callable[..., bool]:
    """A version that compares something else than the covariances."""
    return lambda first, second: _close(
        np.atleast_1d(statistic(np.array(first))), np.atleast_1d(statistic(np.array(second)))
    )


def _covariance(matrix: np.ndarray) -> np.ndarray:
    return matrix @ matrix.T


def _exactly_equal(first: Matrix, second: Matrix) -> bool:
    return bool((_covariance(np.array(first)) == _covariance(np.array(second))).all())


def _absolutely_close(first: Matrix, second: Matrix) -> bool:
    return bool(np.allclose(_covariance(np.array(first)), _covariance(np.array(second))))


def _same_without_mirrors(first: Matrix, second: Matrix) -> bool:
    return same_law_by_orthogonality(first, second) and bool(
        np.linalg.det(np.array(first)) * np.linalg.det(np.array(second)) > 0
    )


def _turn(angle: float, mirrored: bool = False) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s], [s, -c]] if mirrored else [[c, -s], [s, c]])


def _written(matrix: np.ndarray) -> list[list[float]]:
    """A matrix with twelve digits after the point of its largest entry."""
    unit = 10.0 ** math.floor(math.log10(np.abs(matrix).max()))
    return [[round(entry / unit, 12) * unit for entry in row] for row in matrix.tolist()]


def _uneven(chooser: random.Random) -> np.ndarray:
    """A 2 by 2 matrix that is far from singular, from symmetric, and from a turn."""
    large, small = chooser.uniform(1.5, 3), chooser.uniform(0.4, 0.8)
    shear = chooser.choice([-1, 1]) * chooser.uniform(0.5, 1.2)
    return np.array([[large, shear], [shear / 5, small]])


def _with_angle(chooser: random.Random) -> tuple[np.ndarray, float]:
    return _uneven(chooser), chooser.choice([-1, 1]) * chooser.uniform(0.4, 1.2)


def draw_pairs(chooser: random.Random) -> Sequence[tuple]:
    """Noise turned or mirrored, and pairs that share a determinant, lengths or variances."""
    drawn = []
    for _ in range(2):
        matrix, angle = _with_angle(chooser)
        variances = np.diag(np.sqrt(np.diag(matrix @ matrix.T)))
        other = np.diag([2.0, 0.5])
        seconds = [
            matrix @ _turn(angle),
            matrix @ _turn(angle, mirrored=True),
            _turn(angle) @ matrix,
            _turn(angle) @ matrix @ _turn(-angle),
            variances,
            matrix @ other,
            matrix,
        ]
        drawn += [(_written(matrix), _written(second)) for second in seconds]
    chooser.shuffle(drawn)
    return drawn


def draw_scaled_pairs(chooser: random.Random) -> Sequence[tuple]:
    """Tiny and huge matrices, one dimension, a change of columns, a difference of one percent."""
    drawn = []
    for scale in (1e-7, 1e5):
        matrix, angle = _with_angle(chooser)
        for change in (_turn(angle), _turn(angle, mirrored=True), np.diag([1.01, 1.0])):
            drawn.append((_written(scale * matrix), _written(scale * matrix @ change)))
        drawn.append((_written(scale * matrix), _written(_turn(angle) @ matrix * scale)))
    number = round(chooser.uniform(1, 3), 2)
    wide = np.eye(3) * 2 + np.array([[chooser.uniform(-0.5, 0.5) for _ in "xyz"] for _ in "xyz"])
    drawn += [
        ([[number]], [[-number]]),
        ([[number]], [[number + 1]]),
        (_written(wide), _written(wide[:, [2, 0, 1]])),
        (_written(wide), _written(wide[[2, 0, 1]])),
    ]
    chooser.shuffle(drawn)
    return drawn


_S = np.array([[2.0, 1.0], [0.25, 0.5]])
EQUAL_LAWS = CodeTask(
    number="2.2",
    claims=("2.3",),
    needed="a function of two square matrices that returns True or False",
    answer="same_law",
    practice=tuple(
        (_written(first), _written(second))
        for first, second in (
            (_S, _S @ _turn(1.0)),
            (_S, _S @ np.diag([1.0, -1.0])),
            (_S, _turn(0.7) @ _S),
            (_S, _S @ np.diag([2.0, 0.5])),
            (_S, np.diag(np.sqrt(np.diag(_S @ _S.T)))),
            (1e-6 * _S, 2e-6 * _S),
        )
    ),
    hidden={
        "pairs that share something, or everything": (2, draw_pairs),
        "edges: tiny and huge matrices, one dimension, columns exchanged": (1, draw_scaled_pairs),
    },
    truth=same_law_by_orthogonality,
    wrong={
        "You asked whether the matrices are equal. Different matrices can have one law.": (
            _compare(lambda matrix: matrix)
        ),
        "You compared transpose times matrix. The covariance is the other product.": (
            _compare(lambda matrix: matrix.T @ matrix)
        ),
        "The determinant is one number. A covariance holds more.": _compare(
            lambda matrix: abs(np.linalg.det(matrix))
        ),
        "You called mirrored noise another law. Does its density notice a mirror?": (
            _same_without_mirrors
        ),
        "You compared variances only. Correlations matter too.": _compare(
            lambda matrix: np.diag(matrix @ matrix.T)
        ),
        "You compared the lengths of the ellipse's axes. Their directions matter too.": _compare(
            lambda matrix: np.linalg.svd(matrix)[1]
        ),
        "You call tiny matrices equal. Compare with their own size, not with 1e-8.": (
            _absolutely_close
        ),
        "You ask for equality to the last digit. Leave room for rounding.": _exactly_equal,
        "It is the other way round.": (
            lambda first, second: not same_law_by_orthogonality(first, second)
        ),
    },
)


def area_by_axes(a: float, b: float, c: float, d: float, level: float) -> float:
    """The area of an ellipse from its two axes, which are eigenvalues of the covariance."""
    matrix = np.array([[a, b], [c, d]])
    axes = np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T) * 2 * math.log(1 / level))
    return float(math.pi * axes.prod())


def draw_ellipse(chooser: random.Random) -> dict[str, float]:
    """A matrix with a determinant below 0, far from symmetric, and a level below one half."""
    while True:
        a, b, c, d = (chooser.choice([-1, 1]) * chooser.randint(40, 250) / 100 for _ in "abcd")
        permanent, determinant = a * d + b * c, a * d - b * c
        apart = min(abs(abs(determinant) - other) for other in (1, abs(permanent)))
        if determinant < -0.5 and apart > 0.2 and abs(b - c) > 0.2 and abs(permanent) > 0.2:
            level = chooser.choice([0.03, 0.05, 0.08, 0.2, 0.25, 0.4, 0.45])
            return {"a": a, "b": b, "c": c, "d": d, "level": level}


def _area(a: float, b: float, c: float, d: float, level: float) -> float:
    """With the sign of the determinant, which is the wrong one here."""
    return 2 * math.pi * math.log(1 / level) * (a * d - b * c)


ELLIPSE = NumberTask(
    number="2.3",
    claims=("2.3",),
    points=2,
    needed="a number above 0",
    draw=draw_ellipse,
    truth=area_by_axes,
    wrong={
        "An area is above 0: what does a determinant below 0 do to volumes?": _area,
        "The covariance has the square of the determinant. By which factor do areas grow?": (
            lambda a, b, c, d, level: -_area(a, b, c, d, level) * abs(a * d - b * c)
        ),
        "Areas do not grow by the root of the determinant.": (
            lambda a, b, c, d, level: -_area(a, b, c, d, level) / math.sqrt(abs(a * d - b * c))
        ),
        "That is the area of the circle of noise. The matrix stretches it.": (
            lambda a, b, c, d, level: 2 * math.pi * math.log(1 / level)
        ),
        "There is one half in the exponent of the normal density.": [
            lambda a, b, c, d, level: -_area(a, b, c, d, level) / 2,
            lambda a, b, c, d, level: -_area(a, b, c, d, level) / 4,
        ],
        "The area of a circle holds the square of its radius.": (
            lambda a, b, c, d, level: (
                -_area(a, b, c, d, level) / math.sqrt(2 * math.log(1 / level))
            )
        ),
        "π is missing.": lambda a, b, c, d, level: -_area(a, b, c, d, level) / math.pi,
        "Check the sign in your determinant: a d - b c.": (
            lambda a, b, c, d, level: abs(_area(a, -b, c, d, level))
        ),
        "Take the natural logarithm.": (
            lambda a, b, c, d, level: -_area(a, b, c, d, level) / math.log(10)
        ),
        "That is the probability in the region. Its area is asked for.": (
            lambda a, b, c, d, level: 1 - level
        ),
    },
    alike=lambda a, b, c, d, level: (a * d - b * c < 0, b != c, 0 < level < 0.5),
)


@cache
def _counted_elimination(size: int) -> int:
    """Multiplications and divisions of the determinant of a full matrix, counted as it runs."""
    matrix = torch.eye(size, dtype=torch.float64) + 1
    return Counted.count(eliminated_determinant, matrix)[1]


def operations_by_counting(sizes: Sequence[int]) -> int:
    """The operations of the diagonal blocks, and those that multiply their determinants."""
    joined = Counted.count(product, torch.ones(len(sizes), dtype=torch.float64))[1]
    return sum(_counted_elimination(size) for size in sizes) + joined


def _elimination(size: int) -> int:
    return (size**3 - size) // 3 + size - 1


def _every_cost() -> list[tuple[int, ...]]:
    """Five block sizes, not all equal, for every cost of three digits that some five have."""
    found: dict[int, tuple[int, ...]] = {}
    for sizes in combinations_with_replacement(range(2, 9), 5):
        cost = sum(map(_elimination, sizes)) + 4
        if 100 <= cost < 1000 and len(set(sizes)) > 1:
            found[cost] = sizes
    return list(found.values())


COSTS = _every_cost()


def draw_blocks(chooser: random.Random) -> dict[str, list[int]]:
    """Five sizes of blocks."""
    return {"sizes": list(chooser.choice(COSTS))}


BLOCKS = NumberTask(
    number="2.4",
    claims=("2.2", "2.4"),
    points=2,
    needed="a whole number",
    draw=draw_blocks,
    truth=operations_by_counting,
    wrong={
        "You eliminated the whole matrix. What do the zero blocks save?": (
            lambda sizes: _elimination(sum(sizes))
        ),
        "The determinants of the blocks have to be multiplied too.": (
            lambda sizes: sum(map(_elimination, sizes))
        ),
        "Try with two numbers: how many multiplications join them?": [
            lambda sizes: sum(map(_elimination, sizes)) + 5,
            lambda sizes: sum(_elimination(size) + 1 for size in sizes) + 4,
            lambda sizes: sum(_elimination(size) + 1 for size in sizes) + 5,
        ],
        "Elimination leaves a triangle in each block. Its diagonal is multiplied as well.": [
            lambda sizes: sum((size**3 - size) // 3 for size in sizes) + 4,
            lambda sizes: sum((size**3 - size) // 3 for size in sizes),
        ],
        "That is the cost if all of it is triangular. The blocks on the diagonal are full.": (
            lambda sizes: sum(sizes) - 1
        ),
        "That is the largest block alone.": lambda sizes: _elimination(max(sizes)),
        "The cube is the order only. The exact count of an elimination is in the chapter.": [
            lambda sizes: sum(size**3 for size in sizes),
            lambda sizes: sum(size**3 for size in sizes) + 4,
            lambda sizes: sum(sizes) ** 3,
        ],
        "To read a block is not yet to eliminate it.": [
            lambda sizes: sum(size**2 for size in sizes),
            lambda sizes: sum(size**2 for size in sizes) + 4,
        ],
        "The entries below the blocks do not enter the determinant.": (
            lambda sizes: (
                sum(map(_elimination, sizes)) + 4 + sum(a * b for a, b in combinations(sizes, 2))
            )
        ),
    },
    alike=lambda sizes: (len(sizes), min(sizes) > 1, len(set(sizes)) > 1),
    tolerance=1e-9,
)


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)


def _mean(values: np.ndarray) -> float:
    """The mean over standard normal noise, exact for polynomials of degree up to 39."""
    return float(WEIGHTS @ values / math.sqrt(2 * math.pi))


def _estimators(mean: float, scale: float, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """The pathwise estimator and the score function estimator at the nodes."""
    z = mean + scale * NODES
    return 2 * a * z + b, (a * z**2 + b * z) * NODES / scale


def _variance(values: np.ndarray) -> float:
    return _mean((values - _mean(values)) ** 2)


def ratio_by_quadrature(mean: float, scale: float, a: float, b: float) -> float:
    """How many times the pathwise variance the score function's is."""
    pathwise, score = _estimators(mean, scale, a, b)
    return _variance(score) / _variance(pathwise)


def draw_parabola(chooser: random.Random) -> dict[str, float]:
    """A parabola and a law; the numbers are neither 0 nor 1, and f does not vanish at the mean."""
    while True:
        mean, a, b = (chooser.choice([-1, 1]) * chooser.randint(6, 25) / 10 for _ in "mab")
        scale = chooser.choice([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.2, 1.4, 1.5, 1.6])
        away = min(abs(a * mean + b), abs(2 * a * mean + b), 2 * abs(2 * abs(a) * scale - 1))
        if away > 0.3:
            return {"mean": mean, "scale": scale, "a": a, "b": b}


def _with_moments(values: tuple[float, float, float]) -> Callable[..., float]:
    """A ratio from three moments of noise: of order 2, 4 and 6."""
    second, fourth, sixth = values

    def ratio(mean: float, scale: float, a: float, b: float) -> float:
        f0, f1, f2 = a * mean**2 + b * mean, (2 * a * mean + b) * scale, a * scale**2
        square = f0**2 * second + (f1**2 + 2 * f0 * f2) * fourth + f2**2 * sixth
        return (square - (f1 * second) ** 2) / (2 * a * scale**2) ** 2

    return ratio


RATIO = NumberTask(
    number="2.5",
    claims=("2.1",),
    points=3,
    needed="a number above 0",
    draw=draw_parabola,
    truth=ratio_by_quadrature,
    wrong={
        "Turn the fraction round: the score function's variance stands above.": (
            lambda **own: 1 / ratio_by_quadrature(**own)
        ),
        "Those are second moments. Subtract the square of the mean, from both.": (
            lambda **own: _mean(_estimators(**own)[1] ** 2) / _mean(_estimators(**own)[0] ** 2)
        ),
        "You subtracted the square of the mean once. Both estimators have that mean.": [
            lambda **own: _mean(_estimators(**own)[1] ** 2) / _variance(_estimators(**own)[0]),
            lambda **own: _variance(_estimators(**own)[1]) / _mean(_estimators(**own)[0] ** 2),
        ],
        "That is the ratio of standard deviations. Samples are counted by variances.": (
            lambda **own: math.sqrt(ratio_by_quadrature(**own))
        ),
        "A factor σ²: the score holds 1/σ, and the slope at μ + σ z₀ varies with σ.": [
            lambda mean, scale, a, b: ratio_by_quadrature(mean, scale, a, b) * scale**2,
            lambda mean, scale, a, b: ratio_by_quadrature(mean, scale, a, b) / scale**2,
        ],
        "That is the variance of the score function alone. Divide by the pathwise one.": (
            lambda **own: _variance(_estimators(**own)[1])
        ),
        "That is the pathwise variance, which stands below.": (
            lambda **own: _variance(_estimators(**own)[0])
        ),
        "Check the moments of noise: its fourth is 3 and its sixth 15.": [
            _with_moments((1, 1, 1)),
            _with_moments((1, 3, 9)),
            _with_moments((1, 3, 5)),
            _with_moments((1, 2, 6)),
        ],
        "That is the difference. How many times as large is it?": (
            lambda **own: _variance(_estimators(**own)[1]) - _variance(_estimators(**own)[0])
        ),
    },
    alike=lambda mean, scale, a, b: (
        scale not in (0, 1),
        0 not in (mean, a, b),
        abs(a * mean + b) > 0.3,
    ),
)

ONE_TRIANGLE = Proof(number="2.6", claims=("2.3", "2.4"), points=6)

TASKS = [CHAIN, EQUAL_LAWS, ELLIPSE, BLOCKS, RATIO, ONE_TRIANGLE]
