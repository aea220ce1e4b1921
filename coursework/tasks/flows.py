"""The tasks on chapter 5: atoms, a far inverse, a range, all sources, a density, flat slopes."""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr
from torch import Tensor

from coursework.tasks import CodeTask, NumberTask, Proof
from helpers.densities import log_det_by_autograd
from helpers.flows import RadialFlow, SigmoidalFlow
from helpers.reparameterization import standard_log_prob

Numbers = Sequence[float]


def _tensor(values: float | Numbers) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _steps(chooser: random.Random, low: int, high: int, per_one: int) -> float:
    """A number that is not whole, between two ends that are counted in parts of one."""
    return chooser.choice([n for n in range(low, high + 1) if n % per_one]) / per_one


def draw_clipped(chooser: random.Random) -> dict[str, float]:
    """A falling line between two kinks that lie at different distances from the mean."""
    return {
        "a": _steps(chooser, 3, 8, 10),
        "b": -_steps(chooser, 421, 1949, 1000),
        "c": _steps(chooser, 16, 39, 100),
    }


def meeting_by_quadrature(a: float, b: float, c: float) -> float:
    """Chance that two normal points get one image: the squared masses of the two flat pieces."""

    def mass(low: float, high: float) -> float:
        return quad(lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi), low, high)[0]

    return mass(-c / b, math.inf) ** 2 + mass(-math.inf, (1 - c) / b) ** 2


def _masses(b: float, c: float, top: float = 1.0) -> tuple[float, float]:
    """Probabilities of bz + c <= 0 and of bz + c >= top."""
    return float(ndtr(-c / abs(b))), float(ndtr((c - top) / abs(b)))


def _meeting(b: float, c: float, top: float = 1.0) -> float:
    return sum(mass**2 for mass in _masses(b, c, top))


MEETING = NumberTask(
    number="5.1",
    claims=("5.1",),
    points=2,
    needed="a number between 0 and 1",
    draw=draw_clipped,
    truth=meeting_by_quadrature,
    wrong={
        "That is the chance that one point lands on an atom. Two must land on the same one.": (
            lambda a, b, c: sum(_masses(b, c))
        ),
        "One point at each end is no meeting.": lambda a, b, c: sum(_masses(b, c)) ** 2,
        "That is the mass of one atom. How many atoms are there, and how many points?": (
            lambda a, b, c: _masses(b, c)[0]
        ),
        "One of two flat pieces is missing: g is flat on both sides.": [
            lambda a, b, c: _masses(b, c)[0] ** 2,
            lambda a, b, c: _masses(b, c)[1] ** 2,
        ],
        "Mind the sign of b: bz + c is below 0 for large z.": (
            lambda a, b, c: sum((1 - mass) ** 2 for mass in _masses(b, c))
        ),
        "The size of b is missing: where does bz + c change its sign?": (
            lambda a, b, c: _meeting(1.0, c)
        ),
        "The standard deviation of bz is |b|, not its root.": (
            lambda a, b, c: _meeting(math.sqrt(-b), c)
        ),
        "The upper kink is where bz + c is 1. The factor a moves no point.": (
            lambda a, b, c: _meeting(b, c, a)
        ),
        "That is the chance that the two images differ.": lambda a, b, c: 1 - _meeting(b, c),
    },
    alike=lambda a, b, c: (0 < a < 1, b < 0, b != -1, 0 < c < 0.5),
)


def inverse_by_the_book(y: float, weights: Numbers, slopes: Numbers, shifts: Numbers) -> float:
    """The z with g(z) = y: the book's flow, by Newton's method in a bracket."""
    flow = SigmoidalFlow(_tensor(weights), _tensor(slopes), _tensor(shifts))
    return flow.inv(_tensor(y)).item()


def _mixture(chooser: random.Random, size: int) -> tuple[list[float], list[float], list[float]]:
    """Weights that differ, slopes, and shifts."""
    cuts = [0, *sorted(chooser.sample(range(1, 20), size - 1)), 20]
    weights = [(high - low) / 20 for low, high in pairwise(cuts)]
    if size > 1 and len(set(weights)) == 1:
        return _mixture(chooser, size)
    slopes = [round(chooser.uniform(0.3, 2.5), 2) for _ in weights]
    return weights, slopes, [round(chooser.uniform(-3, 3), 2) for _ in weights]


def draw_mixtures(chooser: random.Random) -> Sequence[tuple]:
    """Six mixtures of two to four sigmoids, each with one image."""
    sizes = (2, 2, 3, 3, 4, 4)
    return [(round(chooser.uniform(-5, 5), 3), *_mixture(chooser, size)) for size in sizes]


def draw_far_images(chooser: random.Random) -> Sequence[tuple]:
    """Images far out on both sides, a single sigmoid, and sigmoids far apart."""
    far = round(chooser.uniform(600, 990), 1)
    small = [round(chooser.uniform(0.2, 0.5), 2) for _ in range(3)]
    apart = float(chooser.randint(100, 300))
    return [
        (far, [0.25, 0.6, 0.15], small, [1.0, -2.0, 0.5]),
        (-far, [0.25, 0.6, 0.15], small, [1.0, -2.0, 0.5]),
        (round(chooser.uniform(-4, 4), 2), [1.0], [small[0]], [2.5]),
        (2.5, [0.4, 0.6], [1.0, 2.0], [-apart, apart]),
        (-1.5, [0.4, 0.6], [0.8, 1.2], [-apart, apart]),
    ]


def _bisect(increasing: Callable[[float], float], y: float, low: float, high: float) -> float:
    """Where an increasing function, which may round to infinity, passes y."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < y else (low, middle)
    return high


def _between(y: float, slopes: Numbers, shifts: Numbers) -> tuple[float, float]:
    """The least and the greatest (y - b) / a."""
    ends = [(y - shift) / slope for slope, shift in zip(slopes, shifts, strict=True)]
    return min(ends), max(ends)


def _average(z: float, weights: Numbers, slopes: Numbers, shifts: Numbers) -> Tensor:
    """The average of the sigmoids, which rounds to 1."""
    return (_tensor(weights) * (_tensor(slopes) * z + _tensor(shifts)).sigmoid()).sum()


def _rounded(z: float, weights: Numbers, slopes: Numbers, shifts: Numbers) -> float:
    return _average(z, weights, slopes, shifts).logit().item()


def _forward(z: float, weights: Numbers, slopes: Numbers, shifts: Numbers) -> float:
    return SigmoidalFlow(_tensor(weights), _tensor(slopes), _tensor(shifts))(_tensor(z)).item()


def _clamped(size: float) -> Callable[..., float]:
    """The inverse by bisection between -size and size."""
    return lambda y, w, a, b: max(-size, min(size, inverse_by_the_book(y, w, a, b)))


SIGMOIDAL_INVERSE = CodeTask(
    number="5.2",
    claims=("5.2",),
    needed="a function of (y, weights, slopes, shifts) that returns a number",
    answer="sigmoidal_inverse",
    practice=(
        (0.4, [0.2, 0.5, 0.3], [0.5, 2.0, 1.2], [1.0, -1.0, 2.0]),
        (-2.5, [0.35, 0.65], [0.4, 1.5], [-0.5, 1.0]),
        (600.0, [0.25, 0.75], [0.5, 0.8], [1.0, -2.0]),
        (-600.0, [0.25, 0.75], [0.5, 0.8], [1.0, -2.0]),
    ),
    hidden={
        "mixtures of two to four sigmoids": (2, draw_mixtures),
        "far images, one sigmoid, sigmoids far apart": (2, draw_far_images),
    },
    truth=inverse_by_the_book,
    wrong={
        "That is g(y). Which z has g(z) = y?": _forward,
        "The average of the inverses is not the inverse of the average.": (
            lambda y, w, a, b: sum(p * (y - d) / c for p, c, d in zip(w, a, b, strict=True))
        ),
        "You averaged the inputs. g averages the sigmoids.": (
            lambda y, w, a, b: (
                (y - sum(map(math.prod, zip(w, b, strict=True))))
                / sum(map(math.prod, zip(w, a, strict=True)))
            )
        ),
        "Each sigmoid has a weight of its own.": (
            lambda y, w, a, b: inverse_by_the_book(y, [1 / len(w)] * len(w), a, b)
        ),
        "The shift is added: a z + b.": (
            lambda y, w, a, b: inverse_by_the_book(y, w, a, [-d for d in b])
        ),
        "The slope belongs to z alone: a z + b, not a (z + b).": (
            lambda y, w, a, b: inverse_by_the_book(
                y, w, a, [c * d for c, d in zip(a, b, strict=True)]
            )
        ),
        "Multiply z by the slope; you divide by it.": (
            lambda y, w, a, b: inverse_by_the_book(y, w, [1 / c for c in a], b)
        ),
        "That is the z of -y: check the sign of the outer inverse sigmoid.": (
            lambda y, w, a, b: inverse_by_the_book(-y, w, a, b)
        ),
        "The outer inverse sigmoid is missing: the average of sigmoids is σ(y), not y.": (
            lambda y, w, a, b: _bisect(
                lambda z: _average(z, w, a, b).item(), y, *_between(y, a, b)
            )
        ),
        "Right near 0. Far out s rounds to 1: keep log s and log(1 - s).": [
            lambda y, w, a, b: _bisect(lambda z: _rounded(z, w, a, b), y, *_between(y, a, b)),
            lambda y, w, a, b: _bisect(lambda z: _rounded(z, w, a, b), y, -1e5, 1e5),
        ],
        "Your bracket ends too early. The root lies between two of the (y - b) / a.": [
            *map(_clamped, (10.0, 20.0, 50.0, 100.0, 1000.0))
        ],
    },
)


def draw_bump(chooser: random.Random) -> dict[str, float]:
    """A bump of height a and width w to the right of 0, and where g stands at 0."""
    return {
        "a": _steps(chooser, 5, 28, 10),
        "m": _steps(chooser, 3, 18, 10),
        "w": _steps(chooser, 5, 24, 10),
        "h": chooser.choice([-1, 1]) * _steps(chooser, 5, 24, 10),
    }


def range_by_quadrature(a: float, m: float, w: float, h: float) -> tuple[float, float]:
    """Infimum and supremum of h + the integral of the slope a exp(-|z - m| / w)."""

    def climb(start: float, end: float) -> float:
        return quad(lambda z: a * math.exp(-abs(z - m) / w), start, end)[0]

    return h - climb(-math.inf, 0), h + climb(0, m) + climb(m, math.inf)


def _range(a: float, w: float, h: float, left: float) -> tuple[float, float]:
    """The ends if a share `left` of half a bump lies to the left of 0."""
    return h - a * w * left, h + a * w * (2 - left)


RANGE = NumberTask(
    number="5.3",
    claims=("5.3",),
    points=2,
    needed="a pair of numbers (l, u)",
    draw=draw_bump,
    truth=range_by_quadrature,
    wrong={
        "With f' > -1, g is one-to-one, not always onto. How far does g climb in all?": (
            lambda a, m, w, h: (-math.inf, math.inf)
        ),
        "You started at 0, but g(0) = f(0) = h.": (
            lambda a, m, w, h: _range(a, w, 0.0, math.exp(-m / w))
        ),
        "The number h is g at 0, not where g comes from at the far left.": (
            lambda a, m, w, h: (h, h + 2 * a * w)
        ),
        "The bump stands at m, not at 0: g has more to climb on one side of 0.": (
            lambda a, m, w, h: _range(a, w, h, 1.0)
        ),
        "The bump stands to the right of 0. You put it to the left.": (
            lambda a, m, w, h: _range(a, w, h, 2 - math.exp(-m / w))
        ),
        "The width w is missing: substitute t = (z - m) / w.": (
            lambda a, m, w, h: _range(a, 1.0, h, math.exp(-m / w))
        ),
        "In the exponent m is divided by w.": lambda a, m, w, h: _range(a, w, h, math.exp(-m)),
        "That is how far g climbs to both sides of 0. Between which values?": (
            lambda a, m, w, h: (a * w * math.exp(-m / w), a * w * (2 - math.exp(-m / w)))
        ),
    },
    alike=lambda a, m, w, h: (m > 0, a != 1, w != 1, h != 0),
)


def sources_by_search(y: float, centre: float, alpha: float, beta: float) -> list[float]:
    """All z with g(z) = y on the line: a search on each piece where the distance is monotone."""
    s, side = abs(y - centre), math.copysign(1.0, y - centre)
    if s == 0:
        return [centre]

    def arrive(radius: float) -> float:
        return radius * (radius + (alpha + beta)) / (alpha + radius)

    def search(target: float, low: float, high: float) -> float:
        return brentq(lambda radius: arrive(radius) - target, low, high, xtol=1e-300, rtol=1e-15)

    home = max(0.0, -(alpha + beta))
    found = [centre + side * search(s, home, home + 2 * s + abs(beta))]
    if home > 0:
        lowest = math.sqrt(-alpha * beta) - alpha
        if arrive(lowest) < -s:
            found += [centre - side * search(-s, *ends) for ends in ((0, lowest), (lowest, home))]
    return sorted(found)


def draw_sources(chooser: random.Random) -> Sequence[tuple]:
    """Pushes, pulls, and folds with one and with three sources, to both sides of the centre."""
    inputs = []
    for strength in (2.0, -0.6, -3.0, -6.0, -3.0, -6.0):
        alpha = round(chooser.uniform(0.5, 2), 2)
        beta = round(strength * alpha * chooser.uniform(0.8, 1.2), 2)
        edge = (math.sqrt(abs(beta)) - math.sqrt(alpha)) ** 2
        distance = edge * chooser.uniform(0.2, 0.8) + (len(inputs) > 3) * (edge + 0.5)
        centre = round(chooser.uniform(0.5, 3) * chooser.choice([-1, 1]), 2)
        side = 1 if len(inputs) % 2 else -1
        inputs.append((round(centre + side * (distance + 0.01), 4), centre, alpha, beta))
    return inputs


def draw_edges(chooser: random.Random) -> Sequence[tuple]:
    """The centre itself, the edge -alpha, huge and tiny alpha, no change, and a deep fold."""
    alpha, s = round(chooser.uniform(0.5, 2), 2), round(chooser.uniform(0.3, 3), 2)
    return [
        (s, s, alpha, -alpha),
        (-s, 0.0, alpha, -alpha),
        (s, 0.0, alpha * 1e15, s * 1e15),
        (s, alpha, 1e-9, 2.0),
        (s, -alpha, alpha, 0.0),
        (-s / 100, 0.0, alpha, -40.0),
    ]


def _outer(
    s: float, alpha: float, beta: float, sign: int = 1, product: float | None = None
) -> float:
    """A root of r² + (α + β - s) r = αs, or of what stands for αs, without cancellation."""
    b, inside = s - alpha - beta, alpha * s if product is None else product
    root = sign * math.sqrt(b * b + 4 * inside)
    return (b + root) / 2 if b * root >= 0 else 2 * inside / (root - b)


def _textbook(s: float, alpha: float, beta: float) -> float:
    """The root of the quadratic, with cancellation for huge α."""
    b = s - alpha - beta
    return (b + math.sqrt(b * b + 4 * alpha * s)) / 2


def _one_source(
    y: float, centre: float, alpha: float, beta: float, radius: Callable[..., float] = _outer
) -> float:
    """The source on the side of y."""
    return centre + math.copysign(radius(abs(y - centre), alpha, beta), y - centre)


def _with_own(y: float, centre: float, alpha: float, beta: float, radius: Callable) -> list[float]:
    """All sources, with the one on the side of y by a formula of its own."""
    behind = [
        z for z in sources_by_search(y, centre, alpha, beta) if (z - centre) * (y - centre) < 0
    ]
    return sorted([*behind, _one_source(y, centre, alpha, beta, radius)])


def _image(z: float, centre: float, alpha: float, beta: float) -> float:
    return z + beta * (z - centre) / (alpha + abs(z - centre))


SOURCES = CodeTask(
    number="5.4",
    claims=("5.4i", "5.4ii"),
    needed="a function of (y, centre, alpha, beta) that returns a list of numbers",
    answer="sources",
    practice=(
        (3.0, 1.0, 0.5, 2.0),
        (-1.2, 0.5, 1.0, -0.6),
        (0.8, 0.3, 1.0, -5.0),
        (-0.9, -0.5, 0.5, -2.5),
        (4.0, 0.3, 1.0, -5.0),
        (0.7, 0.7, 2.0, -2.0),
        (1.7, 0.0, 1e15, 3e15),
    ),
    hidden={
        "pushes, pulls and folds": (2, draw_sources),
        "edges: the centre, β = -α, huge and tiny α": (2, draw_edges),
    },
    truth=sources_by_search,
    wrong={
        "If β < -α, look on the other side of the centre too.": (
            lambda *given: [_one_source(*given)]
        ),
        "Three at most, and three only where the fold reaches: one of yours is missing.": [
            lambda *given: sources_by_search(*given)[:2],
            lambda *given: sources_by_search(*given)[-2:],
            lambda *given: sources_by_search(*given)[:: 2 if given[3] < -given[2] else 1],
        ],
        "That is where y goes. Which z arrive at y?": lambda *given: [_image(*given)],
        "Going forward with -β is not the way back: r belongs to z, and you took it from y.": (
            lambda y, centre, alpha, beta: [_image(y, centre, alpha, -beta)]
        ),
        "You took the other root of the quadratic on the side of y.": partial(
            _with_own, radius=partial(_outer, sign=-1)
        ),
        "Under the root stands 4αs, with the distance s of y from the centre.": partial(
            _with_own, radius=lambda s, alpha, beta: _outer(s, alpha, beta, 1, alpha * abs(beta))
        ),
        "Those are distances from the centre. Go from the centre to the points.": [
            lambda y, centre, *given: [z - centre for z in sources_by_search(y, centre, *given)],
            lambda y, centre, *given: sorted(
                abs(z - centre) for z in sources_by_search(y, centre, *given)
            ),
        ],
        "A point left of the centre stays left: mind the direction of y.": (
            lambda y, centre, *given: sorted(
                centre + math.copysign(1, y - centre) * (z - centre)
                for z in sources_by_search(y, centre, *given)
            )
        ),
        "Right numbers; put them into increasing order.": [
            lambda *given: sources_by_search(*given)[::-1],
            lambda *given: sorted(
                sources_by_search(*given), key=lambda z: (z < given[1]) == (given[0] > given[1])
            ),
        ],
        "Right for ordinary numbers; at α = 1e15 two large ones cancel. Use the roots' product.": (
            partial(_with_own, radius=_textbook)
        ),
        "Where y is the centre no direction is left, and none is needed.": [
            lambda y, centre, *given: (
                [math.nan] if y == centre else sources_by_search(y, centre, *given)
            ),
            lambda y, centre, *given: [] if y == centre else sources_by_search(y, centre, *given),
        ],
    },
)


def draw_sample(chooser: random.Random) -> dict[str, float | list[float]]:
    """A push about a centre in space, and a point at a middling distance from it."""
    centre = [_steps(chooser, -14, 14, 10) for _ in range(3)]
    x = [round(c + _steps(chooser, 4, 19, 10) * chooser.choice([-1, 1]), 1) for c in centre]
    return {
        "centre": centre,
        "x": x,
        "alpha": _steps(chooser, 5, 19, 10),
        "beta": _steps(chooser, 6, 29, 10),
    }


def density_by_autograd(centre: Numbers, x: Numbers, alpha: float, beta: float) -> float:
    """log p(x), with the radius by a search and the determinant by autograd."""
    flow = RadialFlow(_tensor(centre), alpha, beta)
    offset = _tensor(x) - _tensor(centre)
    s = offset.norm().item()
    radius = brentq(lambda r: r + beta * r / (alpha + r) - s, 0, s, xtol=1e-13)
    noise = (_tensor(centre) + radius / s * offset).unsqueeze(0)
    return (standard_log_prob(noise) - log_det_by_autograd(flow, noise)).item()


def _normal(point: Numbers) -> float:
    return -sum(number**2 for number in point) / 2 - 1.5 * math.log(2 * math.pi)


def _along(r: float, alpha: float, beta: float) -> float:
    return math.log(abs(1 + alpha * beta / (alpha + r) ** 2))


def _across(r: float, alpha: float, beta: float) -> float:
    return math.log(abs(1 + beta / (alpha + r)))


def _stretch(r: float, alpha: float, beta: float) -> float:
    return 2 * _across(r, alpha, beta) + _along(r, alpha, beta)


def _version(
    log_det: Callable[[float, float, float], float] = _stretch,
    *,
    sign: int = -1,
    radius: Callable[[float, float, float], float] = _outer,
    place: Callable[[float, float, float], float] = lambda c, r, direction: c + r * direction,
) -> Callable[..., float]:
    """A way to log p(x): its log-determinant, sign, radius, and place of the noise."""

    def value(centre: Numbers, x: Numbers, alpha: float, beta: float) -> float:
        s = math.dist(x, centre)
        r = radius(s, alpha, beta)
        noise = [place(c, r, (p - c) / s) for p, c in zip(x, centre, strict=True)]
        return _normal(noise) + sign * log_det(r, alpha, beta)

    return value


SAMPLE_DENSITY = NumberTask(
    number="5.5",
    claims=("5.4i", "5.4ii"),
    points=3,
    needed="a number",
    draw=draw_sample,
    truth=density_by_autograd,
    wrong={
        "Check a sign: g goes from noise to data. Where it stretches, the density is thinner.": (
            _version(sign=1)
        ),
        "The log-determinant is missing.": _version(sign=0),
        "The noise has its density at u, not at x.": (
            lambda centre, x, alpha, beta: (
                _normal(x) - _stretch(_outer(math.dist(x, centre), alpha, beta), alpha, beta)
            )
        ),
        "The log-determinant of g belongs to u: its r is not the distance of x.": (
            lambda centre, x, alpha, beta: (
                _version(sign=0)(centre, x, alpha, beta)
                - _stretch(math.dist(x, centre), alpha, beta)
            )
        ),
        "Nothing was undone: find u with g(u) = x first.": (
            lambda centre, x, alpha, beta: _normal(x) - _stretch(math.dist(x, centre), alpha, beta)
        ),
        "In space two directions lie across the ray, and one along it. Count the factors.": (
            _version(lambda *r: 3 * _across(*r) + _along(*r))
        ),
        "Along the ray the factor is the derivative ρ'(r), not ρ(r) / r.": (
            _version(lambda *r: 3 * _across(*r))
        ),
        "You took the other root of the quadratic; a radius is positive.": _version(
            radius=partial(_outer, sign=-1)
        ),
        "Under the root stands 4αs, with the distance s of x from the centre.": _version(
            radius=lambda s, alpha, beta: _outer(s, alpha, beta, 1, alpha * beta)
        ),
        "Going forward with -β is not the way back: it takes its r from x.": _version(
            radius=lambda s, alpha, beta: s * abs(1 - beta / (alpha + s))
        ),
        "Did you forget z₀? The noise is z₀ plus r times a direction.": _version(
            place=lambda c, r, direction: r * direction
        ),
        "That is the density. Its logarithm is asked for.": (
            lambda **own: math.exp(_version()(**own))
        ),
    },
    alike=lambda centre, x, alpha, beta: (
        len(centre) == len(x) == 3,
        all(centre),
        beta > 0,
        alpha != 1,
        0.5 < math.dist(x, centre) < 4,
    ),
)

FLAT_SLOPES = Proof(number="5.6", claims=("5.3", "5.4i"), points=5)

TASKS = [MEETING, SIGMOIDAL_INVERSE, RANGE, SOURCES, SAMPLE_DENSITY, FLAT_SLOPES]
