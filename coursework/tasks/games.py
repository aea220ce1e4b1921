"""The tasks on chapter 6: a step's matrix, fixed points, tiny rates, a penalty, coming home."""

import math
import random
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import bisect

from coursework.tasks import CodeTask, NumberTask, Proof
from helpers.games import (
    Game,
    dot_game,
    increment_matrix,
    log_growth,
    play,
    rule,
    spectral_radius,
    update_matrix,
)

Rows = list[list[float]]


def matrix_by_autograd(s: float, p: float, q: float, rate_d: float, rate_g: float) -> Rows:
    """The Jacobian of one simultaneous step on V = s dg - p d²/2 + q g²/2."""
    game = Game(lambda d, g: (s * d * g - p * d.square() / 2 + q * g.square() / 2).sum())
    return update_matrix(game, rule("simultaneous"), (rate_d, rate_g)).tolist()


def _rows(d_d: float, d_g: float, g_d: float, g_g: float) -> Rows:
    return [[d_d, d_g], [g_d, g_g]]


def draw_quadratic_games(chooser: random.Random) -> Sequence[tuple]:
    """Six games with two rates each."""
    return [
        (
            round(chooser.uniform(0.5, 2), 3),
            *(round(chooser.uniform(0, 2), 3) for _ in "pq"),
            *(round(chooser.uniform(0.05, 0.9), 3) for _ in "dg"),
        )
        for _ in range(6)
    ]


def draw_edge_games(chooser: random.Random) -> Sequence[tuple]:
    """A player who stands still, no conflict, no curvature, and tiny rates."""
    a, s = round(chooser.uniform(0.1, 0.9), 3), round(chooser.uniform(0.5, 2), 3)
    return [(s, 1.0, 0.5, 0.0, a), (0.0, s, a, 0.5, 0.25), (s, 0.0, 0.0, a, a), (s, a, a, 1e-6, a)]


STEP_MATRIX = CodeTask(
    number="6.1",
    claims=("6.1",),
    needed="a function of (s, p, q, rate_d, rate_g) that returns two rows of two numbers",
    answer="step_matrix",
    practice=((1.2, 0.5, 0.3, 0.4, 0.1), (0.7, 0.0, 1.1, 0.2, 0.6)),
    hidden={
        "games with two curvatures": (3, draw_quadratic_games),
        "edges: rate 0, no conflict, tiny rates": (1, draw_edge_games),
    },
    truth=matrix_by_autograd,
    wrong={
        "Your generator ascends V. It wants V to be small.": (
            lambda s, p, q, a, b: _rows(1 - a * p, a * s, b * s, 1 + b * q)
        ),
        "Your discriminator descends V. It wants V to be large.": (
            lambda s, p, q, a, b: _rows(1 + a * p, -a * s, -b * s, 1 - b * q)
        ),
        "The two rates are exchanged.": (
            lambda s, p, q, a, b: _rows(1 - b * p, b * s, -a * s, 1 - a * q)
        ),
        "One rate for both: each player has its own.": [
            lambda s, p, q, a, b: _rows(1 - a * p, a * s, -a * s, 1 - a * q),
            lambda s, p, q, a, b: _rows(1 - b * p, b * s, -b * s, 1 - b * q),
        ],
        "That is how far they move. Where do they arrive? Add the identity.": (
            lambda s, p, q, a, b: _rows(-a * p, a * s, -b * s, -b * q)
        ),
        "Your generator sees the new d: that is alternating play.": (
            lambda s, p, q, a, b: _rows(
                1 - a * p, a * s, -b * s * (1 - a * p), 1 - b * q - a * b * s * s
            )
        ),
        "Transposed: the first row says where d arrives.": (
            lambda s, p, q, a, b: _rows(1 - a * p, -b * s, a * s, 1 - b * q)
        ),
        "Check the sign of a second derivative: what is the derivative of -p d²/2 + q g²/2?": [
            lambda s, p, q, a, b: _rows(1 + a * p, a * s, -b * s, 1 - b * q),
            lambda s, p, q, a, b: _rows(1 - a * p, a * s, -b * s, 1 + b * q),
        ],
        "The derivative of d²/2 has no factor one half left.": (
            lambda s, p, q, a, b: _rows(1 - a * p / 2, a * s, -b * s, 1 - b * q / 2)
        ),
        "The curvatures p and q are missing.": lambda s, p, q, a, b: _rows(1, a * s, -b * s, 1),
    },
)


def rest_by_implicit_play(s: float, p: float, q: float) -> tuple[float, float]:
    """Where implicit play on V = s dg + p d + q g ends: it comes home at every rate."""
    game = Game(lambda d, g: (s * d * g + p * d + q * g).sum())
    start = torch.tensor([1.0, 0.5], dtype=torch.float64)
    d, g = play(game, rule("implicit"), 1e4, start, 4)[-1].tolist()
    return d, g


def draw_rest(chooser: random.Random) -> dict[str, float]:
    """A conflict and two pulls, none of them near 0 or near each other."""
    p, q = chooser.sample([x / 10 for x in range(-29, 30) if abs(x) > 4 and x % 10], 2)
    return {"s": chooser.choice([0.5, 0.8, 1.6, 2.5, 4.0]), "p": p, "q": q}


FIXED_POINT = NumberTask(
    number="6.2",
    claims=("6.2",),
    points=2,
    needed="a pair of numbers (d, g)",
    draw=draw_rest,
    truth=rest_by_implicit_play,
    wrong={
        "Turn the pair round: d comes first. Which derivative holds which number?": (
            lambda s, p, q: (-p / s, -q / s)
        ),
        "Check the sign: each derivative is to be 0.": [
            lambda s, p, q: (q / s, p / s),
            lambda s, p, q: (p / s, q / s),
            lambda s, p, q: (-q / s, p / s),
            lambda s, p, q: (q / s, -p / s),
        ],
        "You forgot s.": [lambda s, p, q: (-q, -p), lambda s, p, q: (q, p)],
        "You multiplied by s. Divide.": lambda s, p, q: (-q * s, -p * s),
        "The origin is the fixed point of V = dg. Here each player is pulled.": (
            lambda s, p, q: (0.0, 0.0)
        ),
    },
    alike=lambda s, p, q: (s != 1, p != 0, q != 0, p != q),
)


def draw_tiny(chooser: random.Random) -> dict[str, float]:
    """A rate whose square is lost beside 1, and so many steps that it counts all the same."""
    return {
        "rate": chooser.randint(11, 98) / 10 * 1e-9,
        "steps": chooser.randint(11, 98) / 10 * 1e17,
    }


TINY_RATE = NumberTask(
    number="6.3",
    claims=("6.3",),
    points=2,
    needed="a number",
    draw=draw_tiny,
    truth=lambda rate, steps: log_growth(
        increment_matrix(dot_game(), rule("simultaneous"), rate), steps
    ),
    wrong={
        "1 + α² is 1 for a computer at this rate. `math.log1p` takes the small part alone.": (
            lambda rate, steps: 0.0
        ),
        "A step multiplies the distance by the root of 1 + α²: halve it.": (
            lambda rate, steps: steps * rate**2
        ),
        "That is the growth itself. Its logarithm is asked for.": (
            lambda rate, steps: math.exp(min(steps * rate**2 / 2, 700.0))
        ),
        "The factor a step is not 1 + α. What is the length of (1, α)?": (
            lambda rate, steps: steps * rate
        ),
        "Growth, not decay: check the sign.": lambda rate, steps: -steps * rate**2 / 2,
        "That is in powers of ten. Use the natural logarithm.": (
            lambda rate, steps: steps * rate**2 / 2 / math.log(10)
        ),
    },
    alike=lambda rate, steps: (1 + rate**2 == 1, steps > 2**53),
)


def largest_rate(penalty: float) -> float:
    """By bisection on the spectral radius of two moves in turn, each a matrix."""

    def too_far(rate: float) -> float:
        discriminator = np.array([[1 - rate * penalty, rate], [0.0, 1.0]])
        generator = np.array([[1.0, 0.0], [-rate, 1.0]])
        return float(abs(np.linalg.eigvals(generator @ discriminator)).max()) - 1

    return float(bisect(too_far, 0.01, 2.5))


PENALIZED_LIMIT = NumberTask(
    number="6.4",
    claims=("6.3",),
    points=2,
    needed="a number above 0",
    draw=lambda chooser: {"penalty": chooser.randint(3001, 17999) / 10000},
    truth=largest_rate,
    wrong={
        "That is the limit of simultaneous play. Here the generator sees the new d.": (
            lambda penalty: penalty
        ),
        "That is where play is fastest. At which rate does it stop to come home?": (
            lambda penalty: 2 - penalty
        ),
        "That is the limit without a penalty, where play circles.": lambda penalty: 2.0,
        "That is the limit of consensus play.": lambda penalty: 2 * penalty / (1 + penalty**2),
        "The determinant is below 1 at every rate. Which real eigenvalue leaves first, and "
        "through which point?": lambda penalty: 2 / penalty,
        "A sign of the quadratic equation: of its roots take the positive one.": [
            lambda penalty: penalty + math.sqrt(penalty**2 + 4),
            lambda penalty: -penalty - math.sqrt(penalty**2 + 4),
        ],
        "The equation is α² + 2γα - 4 = 0; check what you put under the root.": [
            lambda penalty: math.sqrt(penalty**2 + 1) - penalty,
            lambda penalty: math.sqrt(4 * penalty**2 + 4) - penalty,
        ],
    },
    alike=lambda penalty: 0 < penalty < 2,
)


def by_long_power(matrix: Rows) -> float:
    """1 if the powers of a matrix go to 0, else 0: by squaring it 60 times."""
    power = torch.tensor(matrix, dtype=torch.float64)
    for _ in range(60):
        power = power @ power
        if not power.isfinite().all() or power.abs().max() > 1e100:
            return 0.0
        if power.abs().max() < 1e-100:
            return 1.0
    return 0.0


def draw_maps(chooser: random.Random) -> Sequence[tuple]:
    """Twelve matrices, none of them near the edge, half of them coming home."""
    found: dict[bool, list] = {True: [], False: []}
    while min(map(len, found.values())) < 6:
        rows = [[round(chooser.uniform(-1.5, 1.5), 2) for _ in "dg"] for _ in "dg"]
        radius = spectral_radius(torch.tensor(rows, dtype=torch.float64))
        if abs(radius - 1) > 0.02 and len(found[radius < 1]) < 6:
            found[radius < 1].append((rows,))
    return chooser.sample(found[True] + found[False], 12)


def draw_traps(chooser: random.Random) -> Sequence[tuple]:
    """A quarter turn, a shear, long transients, and real parts that mislead."""
    t, far = round(chooser.uniform(0.3, 0.7), 2), chooser.randint(20, 90)
    return [
        ([[0.0, 1.0], [-1.0, 0.0]],),
        ([[1.0, float(far)], [0.0, 1.0]],),
        ([[t, float(far)], [0.0, t]],),
        ([[-t, 0.0], [0.0, -t]],),
        ([[1.0, t], [-t, 1.0]],),
        ([[1.0, 0.0], [0.0, t]],),
        ([[0.0, 0.0], [float(far), 0.0]],),
    ]


def _eigenvalues(matrix: Rows) -> torch.Tensor:
    return torch.linalg.eigvals(torch.tensor(matrix, dtype=torch.float64))


COMES_HOME = CodeTask(
    number="6.5",
    claims=("6.3",),
    needed="a function of a matrix, two rows of two numbers, that returns True or False",
    answer="comes_home",
    practice=(
        ([[0.75, 0.5], [-0.5, 0.75]],),
        ([[1.0, 0.5], [-0.5, 1.0]],),
        ([[0.5, 40.0], [0.0, 0.5]],),
        ([[0.0, 1.0], [-1.0, 0.0]],),
        ([[-0.5, 0.0], [0.0, 0.5]],),
        ([[0.25, 0.0], [0.0, -2.0]],),
        ([[0.5, 0.0], [0.0, 3.0]],),
    ),
    hidden={
        "twelve maps": (2, draw_maps),
        "traps: turns, shears, long transients": (2, draw_traps),
    },
    truth=by_long_power,
    wrong={
        "You asked for negative real parts. That is the criterion of a field; this is a map.": (
            lambda m: bool((_eigenvalues(m).real < 0).all())
        ),
        "You took positive real parts for “not convergent”: ½ I halves every distance.": (
            lambda m: bool((_eigenvalues(m).real <= 0).all())
        ),
        "One small eigenvalue is not enough: all of them.": (
            lambda m: bool((_eigenvalues(m).abs() < 1).any())
        ),
        "The determinant alone says only that the product of the moduli is below 1.": (
            lambda m: abs(m[0][0] * m[1][1] - m[0][1] * m[1][0]) < 1
        ),
        "You asked whether one step shortens every vector. A longer way home is one too.": (
            lambda m: bool(torch.linalg.matrix_norm(torch.tensor(m).double(), 2) < 1)
        ),
        "On the circle the players circle: below 1, not at 1.": (
            lambda m: bool((_eigenvalues(m).abs() <= 1 + 1e-9).all())
        ),
        "It is the other way round.": lambda m: not bool((_eigenvalues(m).abs() < 1).all()),
    },
)

ELLIPSES = Proof(number="6.6", claims=("6.1", "6.2", "6.3"), points=6)

TASKS = [STEP_MATRIX, FIXED_POINT, TINY_RATE, PENALIZED_LIMIT, COMES_HOME, ELLIPSES]
