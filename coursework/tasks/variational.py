"""The tasks on chapter 3: lines fitted by a bound, a lucky q, two gaps, and what they cost."""

import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import count

import numpy as np
import torch
from scipy.optimize import brentq, minimize_scalar
from torch.distributions import Categorical, kl_divergence

from coursework.tasks import CodeTask, NumberTask, Proof

Row = list[float]
Rows = list[Row]
Pair = tuple[float, float]


def exact_line(x: Row, m: Row, v: Row) -> Pair:
    """Slope and offset at which the derivatives of the sum of bounds are 0, in exact fractions."""
    x, m, v = ([Fraction(number) for number in row] for row in (x, m, v))
    first, second = sum(m), sum(a * a + b for a, b in zip(m, v, strict=True))
    mixed = sum(a * b for a, b in zip(x, m, strict=True))
    determinant = len(x) * second - first**2
    slope = (len(x) * mixed - first * sum(x)) / determinant
    return float(slope), float((second * sum(x) - first * mixed) / determinant)


def _tensors(*rows: Row) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(row, dtype=torch.float64) for row in rows)


def _line(
    x: Row,
    m: Row,
    v: Row,
    *,
    spread: Callable[[torch.Tensor], torch.Tensor | float] = torch.mean,
    weigh: Callable[[torch.Tensor], torch.Tensor] = torch.ones_like,
    lost: int = 0,
) -> Pair:
    """The closed form, with the parts that wrong versions change."""
    x, m, v = _tensors(x, m, v)
    weights = weigh(v) / weigh(v).sum()
    a, b = weights @ m, weights @ x
    square = weights @ (m - a).square() / (1 - torch.tensor(lost / len(x)))
    slope = weights @ ((m - a) * (x - b)) / (square + spread(v))
    return float(slope), float(b - slope * a)


def _line_through_origin(x: Row, m: Row, v: Row) -> Pair:
    x, m, v = _tensors(x, m, v)
    return float(x @ m / (m @ m + v.sum())), 0.0


def _inverse_line(x: Row, m: Row, v: Row) -> Pair:
    """The other regression: z from x, by moments of q, solved for x."""
    x, m, v = _tensors(x, m, v)
    slope = (m.var(correction=0) + v.mean()) / ((x - x.mean()) @ (m - m.mean()) / len(x))
    return float(slope), float(x.mean() - slope * m.mean())


def _some(chooser: random.Random, size: int, low: float, high: float) -> Row:
    return [round(chooser.uniform(low, high), 2) for _ in range(size)]


def draw_clouds(chooser: random.Random) -> Sequence[tuple]:
    """Five data sets of 3 to 7 points with unlike variances."""
    return [
        (
            _some(chooser, size, -3, 3),
            [*_some(chooser, size - 2, -2, 2), -1.5, 1.7],
            [*_some(chooser, size - 2, 0.1, 2), 0.3, 2.4],
        )
        for size in (3, 4, 5, 6, 7)
    ]


def draw_odd_clouds(chooser: random.Random) -> Sequence[tuple]:
    """One point, equal means, no variance, and means far from 0 that differ little."""
    a, far = round(chooser.uniform(0.5, 2), 2), 1e6 * chooser.randint(1, 9)
    return [
        ([a], [1.25], [0.5]),
        ([a, -1.0, 3.0], [0.75] * 3, [0.5, a, 0.0]),
        ([a, -1.0, 2.0], [0.5, -1.5, 1.0], [0.0] * 3),
        ([a, -1.0, 2.0, 0.5], [far, far + 1, far - 2, far + 0.5], [0.25, 0.5, 0.125, a]),
    ]


BEST_LINE = CodeTask(
    number="3.1",
    claims=("3.1",),
    needed="a function of (x, m, v), lists of the same length, that returns a pair (a, b)",
    answer="best_line",
    practice=(
        ([1.0, -0.5, 2.0], [0.5, -1.0, 1.5], [0.2, 0.9, 0.4]),
        ([0.3, 1.1, -2.0, 0.8], [1.0, 2.0, -0.5, 0.25], [1.5, 0.1, 0.3, 0.6]),
    ),
    hidden={
        "clouds of points": (3, draw_clouds),
        "edges: one point, equal means, no variance, far from 0": (1, draw_odd_clouds),
    },
    truth=exact_line,
    wrong={
        "You put the means in place of z. The mean of z² is larger than m².": (
            lambda x, m, v: _line(x, m, v, spread=lambda v: 0.0)
        ),
        "v holds variances. You took them for standard deviations, or took roots.": [
            lambda x, m, v: _line(x, m, v, spread=lambda v: v.square().mean()),
            lambda x, m, v: _line(x, m, v, spread=lambda v: v.sqrt().mean()),
        ],
        "Your line goes through the origin. What is the derivative in b?": _line_through_origin,
        "Turn the pair round: the slope comes first.": lambda x, m, v: exact_line(x, m, v)[::-1],
        "You fitted z as a line in x. The model gives x from z.": [
            _inverse_line,
            lambda x, m, v: _line(m, x, v),
        ],
        "You added up the variances of all points, but took means of the other terms.": (
            lambda x, m, v: _line(x, m, v, spread=torch.sum)
        ),
        "The variances add to the squares of the means; they are not taken away.": (
            lambda x, m, v: _line(x, m, v, spread=lambda v: -v.mean())
        ),
        "The slope is right. The line goes through the mean of x only at the mean of m.": (
            lambda x, m, v: (exact_line(x, m, v)[0], sum(x) / len(x))
        ),
        "You weighted the points by 1/v. Each point counts the same in the sum of bounds.": [
            lambda x, m, v: _line(x, m, v, weigh=torch.reciprocal),
            lambda x, m, v: _line(x, m, v, weigh=torch.reciprocal, spread=lambda v: 0.0),
        ],
        "You divided one sum by n - 1 and another by n.": (lambda x, m, v: _line(x, m, v, lost=1)),
        "You took the prior's variance 1 for that of each q.": (
            lambda x, m, v: _line(x, m, v, spread=lambda v: 1.0)
        ),
    },
)


def peak_of_bound(x: float, mean: float, variance: float) -> float:
    """The θ at which E_q (x - θz)² is smallest: the vertex of a parabola through three values."""

    def loss(theta: float) -> float:
        nodes = (mean - math.sqrt(variance), mean + math.sqrt(variance))
        return sum((x - theta * z) ** 2 for z in nodes) / 2

    below, middle, above = loss(-1), loss(0), loss(1)
    return (below - above) / (2 * (below + above - 2 * middle))


def lucky_variance(x: float, noise: float, m: float) -> float:
    """By two searches: for the peak of log p(x), and for the v that brings the bound's there."""

    def surprise(theta: float) -> float:
        return math.log(theta**2 + noise) + x * x / (theta**2 + noise)

    best = minimize_scalar(
        surprise, bounds=(0, 2 * x), method="bounded", options={"xatol": 1e-9}
    ).x
    return float(brentq(lambda v: peak_of_bound(x, m, v) - best, 1e-9, 100))


def draw_lucky(chooser: random.Random) -> dict[str, float]:
    """Noise that takes a good part of x², and a mean that is not the posterior's."""
    while True:
        x, m = chooser.randint(150, 400) / 100, chooser.randint(15, 90) / 100
        noise = round(chooser.uniform(0.3, 0.9) * x * x, 1)
        if noise != 1 and all(_lucky_features(x, noise, m)):
            return {"x": x, "noise": noise, "m": m}


def _lucky_features(x: float, noise: float, m: float) -> tuple[bool, ...]:
    """A peak, no posterior's mean, and a variance that is not its own square root."""
    peak = _peak(x, noise)
    return peak > 0, abs(m - peak / x) > 0.1, abs(m * (x / peak - m) - 1) > 0.02


def _peak(x: float, noise: float) -> float:
    return math.sqrt(x * x - noise)


LUCKY_VARIANCE = NumberTask(
    number="3.2",
    claims=("3.1",),
    points=2,
    needed="a number above 0",
    draw=draw_lucky,
    truth=lucky_variance,
    wrong={
        "That is the posterior's variance there. Another q can share the peak too.": (
            lambda x, noise, m: noise / x**2
        ),
        "That is E z². The variance is less, by the square of the mean.": (
            lambda x, noise, m: m * x / _peak(x, noise)
        ),
        "That is the standard deviation. Its square is asked for.": (
            lambda x, noise, m: math.sqrt(m * (x / _peak(x, noise) - m))
        ),
        "log p(x) does not peak at θ = x: x has the variance θ² + noise.": (
            lambda x, noise, m: m * (1 - m)
        ),
        "The square of the mean is taken away, not added.": (
            lambda x, noise, m: m * (x / _peak(x, noise) + m)
        ),
        "That is the θ where log p(x) peaks. Which v brings the other peak there?": (
            lambda x, noise, m: _peak(x, noise)
        ),
        "You divided upside down: the peak of F is x m over E z².": (
            lambda x, noise, m: m * (_peak(x, noise) / x - m)
        ),
        "log p(x) peaks where θ² + noise = x². Check a sign there.": (
            lambda x, noise, m: m * (x / _peak(x, -noise) - m)
        ),
    },
    alike=_lucky_features,
)


def gaps_by_search(covariance: Rows, shift: Row, variance: float) -> Pair:
    """Both gaps along the posterior's axes, with a search for the best common variance."""
    spreads, axes = np.linalg.eigh(covariance)
    offsets = np.array(shift) @ axes

    def divergence(common: float, offsets: np.ndarray) -> float:
        ratios = common / spreads
        return float((ratios - 1 - np.log(ratios) + offsets**2 / spreads).sum() / 2)

    best = minimize_scalar(lambda log: divergence(math.exp(log), 0 * offsets), bracket=(-3, 0)).fun
    return float(best), divergence(variance, offsets) - float(best)


def _isotropic_gaps(
    covariance: Rows,
    shift: Row,
    variance: float,
    *,
    precision: np.ndarray | None = None,
    best: float | None = None,
) -> Pair:
    """Both gaps in closed form; wrong versions take another precision or best variance."""
    precision = np.linalg.inv(covariance) if precision is None else precision
    trace = np.trace(precision)
    best = 2 / trace if best is None else best
    smallest = best * trace / 2 - 1 - math.log(best) - math.log(np.linalg.det(precision)) / 2
    square = np.array(shift) @ precision @ np.array(shift) / 2
    own = variance * trace / 2 - 1 - math.log(variance) + square
    rest = own - math.log(np.linalg.det(precision)) / 2 - smallest
    return float(smallest), float(rest)


def _diagonal_gaps(covariance: Rows, shift: Row, variance: float) -> Pair:
    """With a best q that has a variance for each axis."""
    precision = np.linalg.inv(covariance)
    smallest = (np.log(precision.diagonal()).sum() - np.linalg.slogdet(precision)[1]) / 2
    return smallest, sum(_isotropic_gaps(covariance, shift, variance)) - smallest


def _reversed_gaps(covariance: Rows, shift: Row, variance: float) -> Pair:
    """Of the divergences from the posterior to q."""
    trace, log_det = np.trace(covariance), np.linalg.slogdet(covariance)[1]
    smallest = math.log(trace / 2) - log_det / 2
    own = (trace + np.dot(shift, shift)) / (2 * variance) - 1 + math.log(variance) - log_det / 2
    return smallest, own - smallest


def draw_isotropic(chooser: random.Random) -> dict[str, Rows | Row | float]:
    """A slanted posterior, and an encoder's answer that is neither centred nor the best."""
    while True:
        a, c = (chooser.randint(6, 30) / 10 for _ in "ac")
        b = round(chooser.choice([-1, 1]) * chooser.uniform(0.6, 0.85) * math.sqrt(a * c), 2)
        found = {
            "covariance": [[a, b], [b, c]],
            "shift": [round(chooser.choice([-1, 1]) * chooser.uniform(0.3, 1.2), 1) for _ in "ab"],
            "variance": chooser.randint(3, 20) / 10,
        }
        if all(_features(**found)):
            return found


def _features(covariance: Rows, shift: Row, variance: float) -> tuple[bool, ...]:
    """A slanted posterior, gaps of a size to see, not alike, and a variance that is off."""
    smallest, rest = _isotropic_gaps(covariance, shift, variance)
    best = 2 / float(np.trace(np.linalg.inv(covariance)))
    (a, b), (_, c) = covariance
    shape = a * c > b * b and max(a, c) > 1.5 * min(a, c)
    off = abs(math.log(variance / best)) > 0.3 and abs(variance - 1) > 0.05
    return shape, off, 0.2 < smallest < 1.5, 0.4 < rest < 5, abs(rest - smallest) > 0.15


TWO_GAPS = NumberTask(
    number="3.3",
    claims=("3.2", "3.3a"),
    points=3,
    needed="a pair of numbers, the approximation gap first",
    draw=draw_isotropic,
    truth=gaps_by_search,
    wrong={
        "Turn the pair round: the approximation gap comes first.": (
            lambda **own: _isotropic_gaps(**own)[::-1]
        ),
        "Your second number is the encoder's whole divergence. Part of it is the first.": (
            lambda **own: (_isotropic_gaps(**own)[0], sum(_isotropic_gaps(**own)))
        ),
        "Your best q has a variance for each axis. In this family both are the same.": (
            _diagonal_gaps
        ),
        "Your best q has the mean of the posterior's variances. What is the derivative in v?": (
            lambda covariance, shift, variance: _isotropic_gaps(
                covariance, shift, variance, best=float(np.trace(covariance)) / 2
            )
        ),
        "The divergences are the wrong way round: the means are over q.": _reversed_gaps,
        "You used the covariance where its inverse belongs.": (
            lambda covariance, shift, variance: _isotropic_gaps(
                covariance, shift, variance, precision=np.array(covariance)
            )
        ),
    },
    alike=_features,
)


def _divergences(log_joint: Rows, family: Rows) -> torch.Tensor:
    """KL(q_k || p(z | x_i)) for each point i and member k."""
    posterior = Categorical(logits=torch.tensor(log_joint, dtype=torch.float64).unsqueeze(1))
    return kl_divergence(Categorical(torch.tensor(family, dtype=torch.float64)), posterior)


def _bounds(log_joint: Rows, family: Rows, entropies: float = 1.0) -> torch.Tensor:
    """The ELBO of each member at each point, with the entropy counted so many times."""
    joint, q = (torch.tensor(rows, dtype=torch.float64) for rows in (log_joint, family))
    return joint @ q.T + entropies * torch.special.entr(q).sum(1)


def _triples(table: torch.Tensor, chosen: list[int], best: torch.Tensor | None = None) -> Rows:
    """Bias, approximation gap and amortization gap of each row of divergences."""
    own = table[range(len(chosen)), chosen]
    best = table.amin(1) if best is None else best
    return torch.stack([-own, best, own - best], dim=1).tolist()


def gaps_by_divergence(log_joint: Rows, family: Rows, chosen: list[int]) -> Rows:
    """The three numbers of each point from the library's divergences."""
    return _triples(_divergences(log_joint, family), chosen)


def _relabelled(order: Sequence[int], signs: Sequence[int] = (1, 1, 1)) -> Callable[..., Rows]:
    """The right triples with entries exchanged, or with other signs."""

    def version(log_joint: Rows, family: Rows, chosen: list[int]) -> Rows:
        rows = gaps_by_divergence(log_joint, family, chosen)
        return [[s * row[i] for i, s in zip(order, signs, strict=True)] for row in rows]

    return version


def _from_evidence(log_joint: Rows, family: Rows, chosen: list[int], evidence: Row) -> Rows:
    """The triples with another log p(x)."""
    numbers = torch.tensor(evidence, dtype=torch.float64).unsqueeze(1)
    return _triples(numbers - _bounds(log_joint, family), chosen)


def _one_for_all(log_joint: Rows, family: Rows, chosen: list[int]) -> Rows:
    """One member for all points, the best on the whole."""
    table = _divergences(log_joint, family)
    return _triples(table, chosen, table[:, table.sum(0).argmin()])


def _reversed_triples(log_joint: Rows, family: Rows, chosen: list[int]) -> Rows:
    posterior = torch.tensor(log_joint, dtype=torch.float64).softmax(1)
    logarithms = torch.tensor(family, dtype=torch.float64).log()
    return _triples(-torch.special.entr(posterior).sum(1, True) - posterior @ logarithms.T, chosen)


def _distribution(chooser: random.Random, states: int) -> Row:
    """Probabilities in twentieths, all positive."""
    cuts = sorted(chooser.sample(range(1, 20), states - 1))
    return [(b - a) / 20 for a, b in zip([0, *cuts], [*cuts, 20], strict=True)]


def draw_finite_families(chooser: random.Random) -> Sequence[tuple]:
    """Four settings with four points, and three members to choose from, none nearly alike."""
    found = []
    while len(found) < 4:
        states = chooser.randint(2, 4)
        family = [_distribution(chooser, states) for _ in range(3)]
        points = [_some(chooser, states, -4, 1) for _ in range(4)]
        chosen = [chooser.randrange(3) for _ in points]
        table = _divergences(points, family).sort(1)
        wasted = _divergences(points, family)[range(4), chosen] - table.values[:, 0]
        near = (table.values.diff() < 0.02).any()
        same = len(set(table.indices[:, 0].tolist())) == 1
        if not near and not same and (wasted > 0.02).sum() >= 2:
            found.append((points, family, chosen))
    return found


def draw_edge_families(chooser: random.Random) -> Sequence[tuple]:
    """Images' log-joints, probabilities 0, states that the model excludes, and one member."""
    a, far = round(chooser.uniform(0.2, 2), 2), chooser.randint(900, 2000)
    shares = [[0.5, 0.25, 0.25], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
    low, high = [-far - a, -far - 1.0, -far + 0.5], [far - 1.0, far + a, far - 3.0]
    return [
        ([low, high], shares[:2], [0, 0]),
        ([[-1.0, -a, -math.inf], [-2.0, -math.inf, a]], shares, [1, 2]),
        ([[-1.0, a, -2.0]], shares, [2]),
        ([[a]], [[1.0]], [0]),
        ([[-a, 0.5], [0.5, -a]], [[0.25, 0.75]], [0, 0]),
    ]


SPLIT_GAPS = CodeTask(
    number="3.4",
    claims=("3.2", "3.3a"),
    needed="a function of (log_joint, family, chosen) that returns three numbers for each point",
    answer="split_gaps",
    practice=(
        (
            [[-1.0, -2.0, -0.5], [-3.0, -1.0, -2.5], [0.5, -1.5, -2.0]],
            [[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.25, 0.15, 0.6]],
            [0, 2, 1],
        ),
        ([[-0.5, -2.0], [-1.5, -1.0]], [[0.7, 0.3], [0.2, 0.8]], [0, 0]),
    ),
    hidden={
        "families with three members": (3, draw_finite_families),
        "edges: images' log-joints, probabilities 0, one member": (1, draw_edge_families),
    },
    truth=gaps_by_divergence,
    wrong={
        "The ELBO lies below log p(x): check the sign of the bias.": _relabelled(
            (0, 1, 2), (-1, 1, 1)
        ),
        "The two gaps are exchanged: the approximation gap is that of the family's best.": (
            _relabelled((0, 2, 1))
        ),
        "Your last number is the encoder's whole divergence. Part of it is the family's.": (
            _relabelled((0, 1, 0), (1, 1, -1))
        ),
        "A gap is a distance, never negative. Only the bias has a sign.": [
            _relabelled((0, 1, 2), (1, -1, -1)),
            _relabelled((0, 1, 2), (1, 1, -1)),
        ],
        "The divergence is the wrong way round: its mean is over q.": _reversed_triples,
        "The best member has the largest bound. You took the one with the smallest.": (
            lambda log_joint, family, chosen: _triples(
                _divergences(log_joint, family), chosen, _divergences(log_joint, family).amax(1)
            )
        ),
        "Each point has a best member of its own. You took one for all.": _one_for_all,
        "The entropy of q is missing: you compared ECLLs with log p(x).": (
            lambda log_joint, family, chosen: _triples(
                torch.tensor(log_joint).double().logsumexp(1, True)
                - _bounds(log_joint, family, 0),
                chosen,
            )
        ),
        "Your log p(x) is missing or wrong: it is the logarithm of a sum over the states.": [
            lambda log_joint, family, chosen: _from_evidence(
                log_joint, family, chosen, [0.0] * len(chosen)
            ),
            lambda log_joint, family, chosen: _from_evidence(
                log_joint, family, chosen, [max(row) for row in log_joint]
            ),
            lambda log_joint, family, chosen: _from_evidence(
                log_joint, family, chosen, [sum(row) for row in log_joint]
            ),
        ],
        "That is in bits. Use the natural logarithm.": lambda log_joint, family, chosen: (
            np.array(gaps_by_divergence(log_joint, family, chosen)) / math.log(2)
        ).tolist(),
        "Three numbers for each point: do not average over the points.": (
            lambda log_joint, family, chosen: np.mean(
                gaps_by_divergence(log_joint, family, chosen), axis=0
            ).tolist()
        ),
    },
)


def prices_by_counting(
    n: int, epochs: int, steps: int, pixels: int, hidden: int, latent: int
) -> tuple[int, int]:
    """Both break-evens by trying one number after the other."""
    entries = len(torch.tril_indices(latent, latent)[0])
    with torch.device("meta"):
        layers = torch.nn.Linear(pixels, hidden), torch.nn.Linear(hidden, latent + entries)
    stored = sum(part.numel() for layer in layers for part in layer.parameters())
    passes = next(m for m in count() if n * epochs + n + m < steps * (n + m))
    return passes, next(images for images in count() if stored < images * (latent + entries))


def _prices(
    n: int,
    epochs: int,
    steps: int,
    pixels: int,
    hidden: int,
    latent: int,
    *,
    outputs: int | None = None,
    biases: int = 1,
    old: int = 1,
) -> Pair:
    """The two quotients, with the parts that wrong versions change."""
    outputs = latent + latent * (latent + 1) // 2 if outputs is None else outputs
    stored = (pixels + biases) * hidden + (hidden + biases) * outputs
    return n * (epochs + old - steps) / (steps - 1), stored / outputs


def _up(pair: Pair) -> tuple[int, int]:
    """The smallest whole numbers above."""
    return math.floor(pair[0]) + 1, math.floor(pair[1]) + 1


def draw_prices(chooser: random.Random) -> dict[str, int]:
    """Prices with break-evens from 30 to 300 to which everything that counts adds two or more."""
    while True:
        found = {
            "n": chooser.randint(80, 150),
            "epochs": 5 * chooser.randint(6, 20),
            "steps": chooser.randint(15, 40),
            "pixels": 8 * chooser.randint(6, 12),
            "hidden": chooser.randint(20, 90),
            "latent": chooser.randint(4, 6),
        }
        if all(_fair_prices(**found)):
            return found


def _fair_prices(**own: int) -> tuple[bool, ...]:
    """Quotients of two or three digits, not whole, not alike, and with parts that tell."""
    passes, memory = _prices(**own)
    fair = tuple(30 < part < 300 and 0.1 < part % 1 < 0.9 for part in (passes, memory))
    tell = passes - _prices(**own, old=0)[0] > 2.2 and memory - _prices(**own, biases=0)[1] > 2.2
    return *fair, tell, abs(passes - memory) > 8


PRICES = NumberTask(
    number="3.5",
    claims=("3.3b", "3.3c"),
    points=2,
    needed="a pair of whole numbers, (m, N)",
    draw=draw_prices,
    truth=prices_by_counting,
    wrong={
        "Turn the pair round: passes first, memory second.": (
            lambda **own: _up(_prices(**own))[::-1]
        ),
        "At that number one of the two is not yet smaller. Fewer is asked for.": (
            lambda **own: tuple(part - 1 for part in _up(_prices(**own)))
        ),
        "After the training the encoder still goes once over the old images too.": (
            lambda **own: _up(_prices(**own, old=0))
        ),
        "A layer has a vector of biases too.": lambda **own: _up(_prices(**own, biases=0)),
        "The covariance is not diagonal: count all entries of the triangle.": (
            lambda **own: _up(_prices(**own, outputs=2 * own["latent"]))
        ),
        "A triangular matrix has fewer numbers than a full one.": (
            lambda **own: _up(_prices(**own, outputs=own["latent"] + own["latent"] ** 2))
        ),
        "Count again what q takes: a mean, and a triangle with its diagonal.": lambda **own: _up(
            _prices(**own, outputs=own["latent"] * (own["latent"] + 1) // 2)
        ),
    },
    alike=_fair_prices,
)

ASCENT = Proof(number="3.6", claims=("3.1", "3.3a"), points=5)

TASKS = [BEST_LINE, LUCKY_VARIANCE, TWO_GAPS, SPLIT_GAPS, PRICES, ASCENT]
