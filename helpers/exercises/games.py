"""The exercises of chapter 6: a step, fixed points, growth, rates, names and an invariant."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache

import torch
from torch import Tensor

from helpers.exercises import Catalogue, Exercise, compare
from helpers.games import dot_game, play, rule

__all__ = ["EXERCISES", "check_answer", "trajectories"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer

Pair = tuple[float, float]


def step(d: float, g: float, rate: float) -> Pair:
    """One simultaneous step of both players."""
    return d + rate * g, g - rate * d


def _turn(d: float, g: float, angle: float) -> Pair:
    """The point after some time on the circle of continuous play."""
    c, s = math.cos(angle), math.sin(angle)
    return c * d + s * g, c * g - s * d


def _scaled(factor: float, position: Pair) -> Pair:
    return factor * position[0], factor * position[1]


EXERCISES["6.1"] = Exercise(
    claim="6.1",
    level="do",
    needed="a function of (d, g, rate) that returns a pair (d, g)",
    accepts=callable,
    judge=compare(
        step,
        {
            "Your generator sees the new d. That is alternating play; here both move at once.": (
                lambda d, g, a: (d + a * g, g - a * (d + a * g))
            ),
            "Your discriminator sees the new g. That is alternating play; here both move at "
            "once.": lambda d, g, a: (d + a * (g - a * d), g - a * d),
            "In your step both players descend. One of them wants V to be large.": (
                lambda d, g, a: (d - a * g, g - a * d)
            ),
            "In your step both players ascend. One of them wants V to be small.": (
                lambda d, g, a: (d + a * g, g + a * d)
            ),
            "The players have exchanged their aims: who ascends, and who descends?": (
                lambda d, g, a: (d - a * g, g + a * d)
            ),
            "A player starts from its own number. Your generator starts from d, as in the "
            "source's misprint.": lambda d, g, a: (d + a * g, d - a * d),
            "Your discriminator starts from g. A player starts from its own number.": (
                lambda d, g, a: (g + a * g, g - a * d)
            ),
            "Each of your players moves along its own coordinate. What is the derivative of dg "
            "with respect to d?": lambda d, g, a: (d + a * d, g - a * g),
            "You added the value dg itself. A step goes along a derivative.": (
                lambda d, g, a: (d + a * d * g, g - a * d * g)
            ),
            "You forgot the rate.": lambda d, g, a: (d + g, g - d),
            "One of your players forgot the rate.": [
                lambda d, g, a: (d + g, g - a * d),
                lambda d, g, a: (d + a * g, g - d),
            ],
            "Turn the pair round: d comes first.": lambda d, g, a: step(d, g, a)[::-1],
            "That is how far they move. Where do they arrive?": lambda d, g, a: (a * g, -a * d),
            "That is the field. Take a step along it.": lambda d, g, a: (g, -d),
            "That is the gradient of V, which both players would ascend.": lambda d, g, a: (g, d),
            "That is where they were.": lambda d, g, a: (d, g),
            "Your players take their derivatives where they arrive: that is an implicit step.": (
                lambda d, g, a: _scaled(1 / (1 + a * a), step(d, g, a))
            ),
            "Your step keeps the distance from 0: that is the circle of continuous time.": [
                _turn,
                lambda d, g, a: _turn(d, g, math.atan(a)),
            ],
            "That is two steps.": [
                lambda d, g, a: step(*step(d, g, a), a),
                lambda d, g, a: step(d, g, 2 * a),
            ],
            "The derivative of dg has no factor one half, and none of the rate.": [
                lambda d, g, a: step(d, g, a / 2),
                lambda d, g, a: step(d, g, a * a),
            ],
            "You extrapolated first: that is the extragradient step.": (
                lambda d, g, a: ((1 - a * a) * d + a * g, (1 - a * a) * g - a * d)
            ),
        },
        ((0.4, -1.3, 0.3), (2.0, 0.7, 1.5), (-0.8, -0.6, 0.05)),
        tolerance=1e-6,
    ),
)


Three = tuple[float, float, int]


def fixed_points(c: float, e: float, rate_d: float, rate_g: float) -> Three:
    """The fixed point nearest to 0 of play with V = dg - cd + eg, and how many are beside it."""
    free = (rate_d == 0) + (rate_g == 0)
    return (-e if rate_g else 0.0), (c if rate_d else 0.0), free


def _with_point(point: Callable[[float, float], Pair]) -> Callable[..., Three]:
    """A wrong version in which (-e, c) is another point of (c, e)."""

    def wrong(c: float, e: float, rate_d: float, rate_g: float) -> Three:
        d, g = point(c, e)
        return (d if rate_g else 0.0), (g if rate_d else 0.0), (rate_d == 0) + (rate_g == 0)

    return wrong


def _with_dimension(dimension: Callable[[float, float], int]) -> Callable[..., Three]:
    """A wrong version in which the dimension is another function of the rates."""
    return lambda c, e, a, b: (*fixed_points(c, e, a, b)[:2], dimension(a, b))


EXERCISES["6.2"] = Exercise(
    claim="6.2",
    level="do",
    needed="a function of (c, e, rate_d, rate_g) that returns three numbers (d, g, dimension)",
    accepts=callable,
    judge=compare(
        fixed_points,
        {
            "You exchanged d and g: which player's derivative holds c?": _with_point(
                lambda c, e: (c, -e)
            ),
            "A sign is turned. Put your point into both derivatives.": [
                _with_point(lambda c, e: (e, c)),
                _with_point(lambda c, e: (-e, -c)),
                _with_point(lambda c, e: (e, -c)),
            ],
            "Each coordinate is decided by the other player's derivative, signs included.": [
                _with_point(lambda c, e: (c, e)),
                _with_point(lambda c, e: (-c, e)),
                _with_point(lambda c, e: (-c, -e)),
            ],
            "A single point, whatever the rates: what if a player does not move?": [
                lambda c, e, a, b: (-e, c, 0),
                _with_dimension(lambda a, b: 0),
            ],
            "The game has moved: its fixed point is no longer at 0.": (
                lambda c, e, a, b: (0.0, 0.0, (a == 0) + (b == 0))
            ),
            "Your dimensions are right. Where there are many fixed points, which is the nearest "
            "to (0, 0)?": lambda c, e, a, b: (-e, c, (a == 0) + (b == 0)),
            "If one player rests, the other one still moves: not every point is fixed.": [
                lambda c, e, a, b: (0.0, 0.0, 2) if a == 0 or b == 0 else (-e, c, 0),
                _with_dimension(lambda a, b: 2 if a == 0 or b == 0 else 0),
            ],
            "If both players rest, no point moves at all.": [
                lambda c, e, a, b: (-e, c, 0) if a == b == 0 else fixed_points(c, e, a, b),
                _with_dimension(lambda a, b: int(a == 0 or b == 0)),
                lambda c, e, a, b: (-e, c, 2) if a == b == 0 else fixed_points(c, e, a, b),
            ],
            "Right if both players move, and if none does. What if one of them rests?": (
                lambda c, e, a, b: (0.0, 0.0, 2) if a == b == 0 else (-e, c, 0)
            ),
            "You exchanged the two lines. With rate_d = 0, who still moves, and on what does the "
            "step depend?": lambda c, e, a, b: (
                (-e if a else 0.0),
                (c if b else 0.0),
                (a == 0) + (b == 0),
            ),
            "You counted the rates that are not 0. Those take freedom away.": _with_dimension(
                lambda a, b: (a != 0) + (b != 0)
            ),
            "You counted points. Asked for is a dimension: a point has 0, a line 1.": (
                _with_dimension(lambda a, b: 1 + (a == 0) + (b == 0))
            ),
            "The size of a rate does not move a fixed point.": [
                lambda c, e, a, b: (-b * e, a * c, (a == 0) + (b == 0)),
                lambda c, e, a, b: (-a * e, b * c, (a == 0) + (b == 0)),
                lambda c, e, a, b: (
                    -e / b if b else 0.0,
                    c / a if a else 0.0,
                    (a == 0) + (b == 0),
                ),
            ],
        },
        (
            (1.5, -0.4, 0.3, 0.2),
            (-2.0, 0.7, 0.5, 1.7),
            (1.5, -0.4, 0.0, 0.2),
            (0.6, 2.5, 0.3, 0.0),
            (1.1, 0.9, 0.0, 0.0),
        ),
        tolerance=1e-6,
    ),
)


MODERATE_GROWTH = ((0.5, 10.0), (0.1, 3.0), (2.0, 50.0), (1.3, 1000.0), (0.3, 7.0))
EXACT_GROWTH = (  # 1 + rate^2 and its powers are numbers of float64
    *((0.75, 1.25**k) for k in (0, 1, 7)),
    *((1.0, 2.0**k) for k in (3, 29)),
    *((0.25, 1.0625**k) for k in (3, 6)),
    *((1.5, 3.25**k) for k in (1, 2, 3)),
    *((2.5, 7.25**k) for k in (1, 3)),
    (2.0, 125.0),
    (1.875, 2.125**5),
    (0.75, 1.25**7 * (1 + 1e-6)),
)
EXTREME_GROWTH = ((1e-8, 2.0), (1e-5, 3.0), (3e-9, 1e6), (0.5, 1e300))
DECIDABLE = 1000  # steps up to which whole numbers are told apart by exact arithmetic


def steps_until(rate: float, factor: float) -> int:
    """The first step at which simultaneous play is at least so many times as far from 0."""
    near = _needed_steps(rate, factor)
    if near > DECIDABLE:
        return math.ceil(near)
    growth, goal = 1 + Fraction(rate) ** 2, Fraction(factor) ** 2
    first = max(math.floor(near) - 1, 0)
    return next(k for k in range(first, first + 4) if growth**k >= goal)


def _needed_steps(rate: float, factor: float) -> float:
    """The same, not rounded to a whole number."""
    return 2 * math.log(factor) / math.log1p(rate * rate)


def _turn_length(rate: float) -> float:
    return 2 * math.pi / math.atan(rate)


_ROUNDED = (
    "Right, unless a step reaches the factor exactly: then you are a step late. Rounding, or a "
    "floor plus one, makes 8 of 7."
)
_EARLY = "Right, unless a step reaches the factor exactly or just misses it: do not subtract much."
_NAIVE = (
    "Right for moderate numbers, and wrong for a rate such as 1e-8 or a factor such as 1e300. "
    "What does your computer make of 1 + 1e-16, and of the factor's square?"
)
WRONG_STEPS = {
    "One step multiplies the distance by sqrt(1 + rate^2). You took 1 + rate.": (
        lambda rate, factor: math.ceil(math.log(factor) / math.log1p(rate))
    ),
    "You let the distance grow by 1 + rate^2 a step. That is the growth of its square.": (
        lambda rate, factor: math.ceil(math.log(factor) / math.log1p(rate * rate))
    ),
    "You took the root twice.": (
        lambda rate, factor: math.ceil(4 * math.log(factor) / math.log1p(rate * rate))
    ),
    "That is the number of steps in a turn. It does not depend on the factor.": [
        lambda rate, factor: math.ceil(_turn_length(rate)),
        lambda rate, factor: round(_turn_length(rate)),
        lambda rate, factor: _turn_length(rate),
        lambda rate, factor: math.ceil(2 * math.pi / rate),
        lambda rate, factor: 2 * math.pi / rate,
    ],
    "You counted whole turns. The factor is reached at a step, in the middle of a turn.": [
        lambda rate, factor: math.ceil(_needed_steps(rate, factor) / _turn_length(rate)),
        lambda rate, factor: math.ceil(
            math.ceil(_needed_steps(rate, factor) / _turn_length(rate)) * _turn_length(rate)
        ),
    ],
    "That is the number of turns. Steps are asked for.": (
        lambda rate, factor: _needed_steps(rate, factor) / _turn_length(rate)
    ),
    "You used the rule for small rates, exp(rate^2 / 2) a step. Every rate is asked for.": [
        lambda rate, factor: math.ceil(2 * math.log(factor) / rate**2),
        lambda rate, factor: 2 * math.log(factor) / rate**2,
    ],
    "That is a time, steps times rate.": [
        lambda rate, factor: math.ceil(2 * math.log(factor) / rate),
        lambda rate, factor: 2 * math.log(factor) / rate,
        lambda rate, factor: math.ceil(rate * _needed_steps(rate, factor)),
        lambda rate, factor: rate * _needed_steps(rate, factor),
    ],
    "At your step the factor is not reached yet: you rounded down.": (
        lambda rate, factor: math.floor(_needed_steps(rate, factor))
    ),
    "You rounded to the nearest whole number. Some of your steps come before the factor is "
    "reached.": (lambda rate, factor: round(_needed_steps(rate, factor))),
    "Give a whole number: a step, not a moment between two.": _needed_steps,
    "You are off by one: the start is step 0.": (
        lambda rate, factor: steps_until(rate, factor) + 1
    ),
    "The distance is multiplied at each step. You added the same amount each time.": [
        lambda rate, factor: math.ceil((factor - 1) / (math.hypot(1, rate) - 1)),
        lambda rate, factor: math.ceil((factor - 1) / rate),
    ],
    "The sign is turned: the distance grows.": [
        lambda rate, factor: -steps_until(rate, factor),
        lambda rate, factor: math.ceil(-_needed_steps(rate, factor)),
    ],
    "Use the same logarithm above and below.": [
        lambda rate, factor: math.ceil(2 * math.log10(factor) / math.log1p(rate * rate)),
        lambda rate, factor: math.ceil(2 * math.log2(factor) / math.log1p(rate * rate)),
    ],
    "You took no logarithm of the factor.": (
        lambda rate, factor: math.ceil(2 * factor / math.log1p(rate * rate))
    ),
}


def _judge_steps(answer: Callable) -> str | None:
    """Mistakes are named where rounding matters to nobody; then come exact and extreme cases."""
    if advice := compare(steps_until, WRONG_STEPS, MODERATE_GROWTH, 1e-6)(answer):
        return advice
    if advice := compare(steps_until, {}, EXACT_GROWTH)(answer):
        late, early = (_is_off_by(side, answer) for side in (0.5, -0.5))
        return _ROUNDED if late else _EARLY if early else advice
    ratio = compare(lambda rate, factor: 1.0, {}, EXTREME_GROWTH, 1e-9)
    good = ratio(lambda rate, factor: answer(rate, factor) / steps_until(rate, factor)) is None
    return None if good else _NAIVE


def _is_off_by(side: float, answer: Callable) -> bool:
    """Whether an answer is at most a step off, and to one side only, where steps are exact."""
    judge = compare(lambda rate, factor: side, {}, EXACT_GROWTH, abs(side))
    return judge(lambda rate, factor: answer(rate, factor) - steps_until(rate, factor)) is None


EXERCISES["6.3"] = Exercise(
    claim="6.3",
    level="do",
    needed="a function of (rate, factor) that returns a whole number",
    accepts=callable,
    judge=_judge_steps,
)


def limit(rate_g: float, penalty: float) -> float:
    """The rates of d below which simultaneous play with a gradient penalty converges."""
    return 4 / (2 * penalty - rate_g) if rate_g < penalty else 0.0


def _equal_limit(penalty: float) -> float:
    return penalty if penalty < 2 else penalty - math.sqrt(penalty**2 - 4)


EXERCISES["6.4"] = Exercise(
    claim="6.3",
    level="prove",
    needed="a function of (rate_g, penalty) that returns a number",
    accepts=callable,
    judge=compare(
        limit,
        {
            "That is the limit for equal rates. Here g's rate is given, and d's is free.": [
                lambda b, c: _equal_limit(c),
                lambda b, c: c,
                lambda b, c: _equal_limit(c) if b < c else 0.0,
            ],
            "That is the limit of alternating play. Here g sees the old d.": [
                lambda b, c: 4 / (2 * c + b),
                lambda b, c: 4 / (2 * c + b) if b < c else 0.0,
            ],
            "Right for slow generators only. For which of g's rates is the determinant too large, "
            "whatever d's rate?": [
                lambda b, c: 4 / (2 * c - b),
                lambda b, c: max(4 / (2 * c - b), 0.0),
                lambda b, c: 4 / abs(2 * c - b),
                lambda b, c: 4 / (2 * c - b) if b <= c else 0.0,
            ],
            "You asked the determinant alone to lie between -1 and 1. An eigenvalue reaches -1 "
            "before.": [
                lambda b, c: 2 / (c - b) if b < c else 0.0,
                lambda b, c: 2 / (c - b) if b != c else 0.0,
            ],
            "The determinant is small then, but with a large rate d overshoots: an eigenvalue "
            "leaves through -1.": (lambda b, c: math.inf if b < c else 0.0),
            "That holds for small rates, or in continuous time. Steps have a limit.": (
                lambda b, c: math.inf
            ),
            "That is the limit for d alone. g moves too, and draws d back.": [
                lambda b, c: 2 / c,
                lambda b, c: 2 / c if b < c else 0.0,
            ],
            "The half in the penalty goes with its derivative: half of d squared has the "
            "derivative d.": [
                lambda b, c: 4 / (c - b) if b < c / 2 else 0.0,
                lambda b, c: 4 / (4 * c - b) if b < 2 * c else 0.0,
            ],
            "A factor 2 got lost on the way. Put your limit into trace and determinant again.": [
                lambda b, c: 2 / (2 * c - b) if b < c else 0.0,
                lambda b, c: 4 / (c - b) if b < c else 0.0,
            ],
            "That is where the eigenvalues become real. They may be real and small.": (
                lambda b, c: 4 * b / c**2 if b < c else 0.0
            ),
            "There the determinant is 0, far inside the circle. Where does an eigenvalue leave "
            "it?": lambda b, c: 1 / (c - b) if b < c else 0.0,
            "Without a penalty no rate converges, and a penalty changes that.": (lambda b, c: 0.0),
            "You divided upside down.": lambda b, c: (2 * c - b) / 4 if b < c else 0.0,
            "The product of the two rates is what you limited. Divide by g's.": (
                lambda b, c: 4 * b / (2 * c - b) if b < c else 0.0
            ),
        },
        ((0.5, 1.0), (0.2, 3.0), (1.5, 1.0), (0.9, 0.9), (1.0, 2.5), (0.05, 0.4), (2.5, 1.0)),
        tolerance=1e-5,
    ),
)


RATE, STEPS = 0.4, 30
MADE_BY = {
    "A": "extragradient",
    "B": "alternating, generator first",
    "C": "simultaneous",
    "D": "gradient penalty",
    "E": "implicit",
    "F": "alternating",
}
PENALTY = 0.7
START = (1.0, 0.5)


@cache
def trajectories() -> dict[str, Tensor]:
    """The positions (d, g) of exercise 6.5 under their letters, each (31, 2)."""
    start = torch.tensor(START, dtype=torch.float64)
    penalties = {"gradient penalty": PENALTY}
    return {
        letter: play(dot_game(), rule(name, penalty=penalties.get(name)), RATE, start, STEPS)
        for letter, name in MADE_BY.items()
    }


_LEAVES = "Simultaneous play moves away at every step. A trajectory that you call so does not."
_STAYS = (
    "Alternating play neither leaves for ever nor comes home. A trajectory that you call so does."
)
_ORDERS = (
    "You exchanged the two orders of alternating play. Look at the first step: who has moved "
    "without knowing the other one's move?"
)
_EVEN = (
    "Of the three that come home, one has its strength from d alone: its distance from (0, 0) "
    "does not shrink by the same factor at every step. You gave its name to another."
)
_PACE = (
    "You exchanged two rules that shrink by the same factor at every step. Which of them turns "
    "further in a step?"
)
_TWICE = "Each of the six rules made one trajectory; you gave a name to two."


def _exchange(*cycles: str) -> dict[str, str]:
    """The right names, moved on by one place along each cycle of letters."""
    moved = {x: MADE_BY[y] for c in cycles for x, y in zip(c, c[1:] + c[:1], strict=True)}
    return MADE_BY | moved


WRONG_NAMES = {
    _LEAVES: [_exchange("AC"), _exchange("CF"), _exchange("BCD"), _exchange("CE", "BF")],
    _STAYS: [_exchange("AF"), _exchange("BE"), _exchange("BDFA"), _exchange("AF", "DE")],
    _ORDERS: [_exchange("BF"), _exchange("BF", "AE"), _exchange("BF", "ADE")],
    _EVEN: [_exchange("AD"), _exchange("DE"), _exchange("ADE"), _exchange("AED")],
    _PACE: _exchange("AE"),
    _TWICE: [MADE_BY | {"A": "implicit"}, MADE_BY | {"B": "alternating"}],
}


def _judge_names(answer: Mapping[str, str]) -> str | None:
    """From what the eye sees, home or away, to what must be measured."""
    if len(set(answer.values())) < len(answer):
        return _TWICE
    truth = {name: letter for letter, name in MADE_BY.items()}
    given = {name: letter for letter, name in answer.items()}
    wrong = {name for name in truth if given[name] != truth[name]}
    orders = {"alternating", "alternating, generator first"}
    if "simultaneous" in wrong:
        return _LEAVES
    if {given[name] for name in orders} != {truth[name] for name in orders}:
        return _STAYS
    if wrong & orders:
        return _ORDERS
    if wrong:
        return _EVEN if "gradient penalty" in wrong else _PACE
    return None


def _are_names(answer: object) -> bool:
    """Whether an answer gives each letter the name of a rule that occurs."""
    is_full = isinstance(answer, Mapping) and set(answer) == set(MADE_BY)
    return is_full and all(name in MADE_BY.values() for name in answer.values())


EXERCISES["6.5"] = Exercise(
    claim="6.3",
    level="read",
    needed='a dictionary from each letter to a rule of the list, such as {"A": "implicit", ...}',
    accepts=_are_names,
    judge=_judge_names,
)


RATE_PAIRS = ((0.5, 0.5), (0.3, 1.2), (1.6, 0.25), (3.0, 1.0), (0.05, 0.4))
STARTS = ((1.0, 0.5), (-0.3, 2.0), (0.0, 1.0), (-1.5, -0.7))
CONSERVED = 1e-5  # largest change, as a share of the largest value

Quantity = Callable[[float, float, float, float], float]


@cache
def _orbits(rates: Pair) -> list[list[Pair]]:
    """Alternating play from each start, 40 steps with these rates: a list of positions each."""
    starts = torch.tensor(STARTS, dtype=torch.float64)
    positions = play(dot_game(), rule("alternating"), rates, starts, 40)
    return positions.transpose(0, 1).tolist()


def _equal_rates(rate: Callable[[float, float], float]) -> Quantity:
    """What is conserved if both rates are this one."""
    return lambda d, g, a, b: d * d + g * g + rate(a, b) * d * g


WRONG_INVARIANTS = {
    "The sign of the mixed term is turned: that is conserved if the generator moves first.": (
        lambda d, g, a, b: d * d / a + g * g / b - d * g
    ),
    "That is what continuous time conserves. Steps leave its ellipse: a mixed term is missing.": [
        lambda d, g, a, b: b * d * d + a * g * g,
        lambda d, g, a, b: math.sqrt(b * d * d + a * g * g),
    ],
    "That is the distance from 0, or its square. It is not conserved even for equal rates.": [
        lambda d, g, a, b: d * d + g * g,
        lambda d, g, a, b: math.hypot(d, g),
    ],
    "That is conserved for equal rates only. For unequal ones the ellipse has unequal axes.": [
        _equal_rates(lambda a, b: a),
        _equal_rates(lambda a, b: b),
        _equal_rates(lambda a, b: (a + b) / 2),
        _equal_rates(lambda a, b: math.sqrt(a * b)),
    ],
    "For equal rates the mixed term has α and not α². For unequal ones the axes differ, too.": (
        _equal_rates(lambda a, b: a * b)
    ),
    "You exchanged the rates: for small rates, which player's axis of the ellipse is short?": [
        lambda d, g, a, b: a * d * d + b * g * g + a * b * d * g,
        lambda d, g, a, b: a * d * d + b * g * g,
        lambda d, g, a, b: a * d * d + b * g * g - a * b * d * g,
    ],
    "The squares are right, and so is the sign of the mixed term. Its size is not.": [
        lambda d, g, a, b: b * d * d + a * g * g + 2 * a * b * d * g,
        lambda d, g, a, b: b * d * d + a * g * g + a * b * d * g / 2,
        lambda d, g, a, b: b * d * d + a * g * g + d * g,
        lambda d, g, a, b: b * d * d + a * g * g + (a + b) * d * g,
        lambda d, g, a, b: b * d * d + a * g * g + (a + b) / 2 * d * g,
        lambda d, g, a, b: b * d * d + a * g * g + a * d * g,
        lambda d, g, a, b: b * d * d + a * g * g + b * d * g,
        lambda d, g, a, b: b * d * d + a * g * g + math.sqrt(a * b) * d * g,
    ],
    "The rates enter the squares as they are, neither squared nor as roots.": [
        lambda d, g, a, b: b * b * d * d + a * a * g * g + a * b * d * g,
        lambda d, g, a, b: b * b * d * d + a * a * g * g,
        lambda d, g, a, b: math.sqrt(b) * d * d + math.sqrt(a) * g * g + math.sqrt(a * b) * d * g,
    ],
    "The value V = dg changes its sign on the way round.": lambda d, g, a, b: d * g,
    "The squares do not balance: continuous time, with small rates, conserves a sum.": [
        lambda d, g, a, b: d * d - g * g,
        lambda d, g, a, b: b * d * d - a * g * g,
    ],
}
_CONSTANT = "A constant is conserved by every rule. Yours must tell (d, g) from (2d, 2g)."


def _evaluate(quantity: Quantity, positions: list[Pair], rates: Pair) -> Tensor:
    """The quantity at each position.

    Raises:
        ValueError: If it is no number somewhere; what the reader's code raises becomes one too.
    """
    values = []
    for d, g in positions:
        where = f"for d = {d:.4g}, g = {g:.4g} and the rates {rates[0]}, {rates[1]}"
        try:
            value = quantity(d, g, *rates)
        except Exception as error:  # whatever the reader's code raises is part of the feedback
            raise ValueError(
                f"Your function raised {type(error).__name__} {where}: {error}"
            ) from error
        if value is None:
            raise ValueError(f"Your function returned nothing {where}. Is a return missing?")
        try:
            values.append(float(value))
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError("Return one number: the value of the conserved quantity.") from error
        if not math.isfinite(values[-1]):
            raise ValueError(f"Your quantity is not a number, or infinite, {where}.")
    return torch.tensor(values, dtype=torch.float64)


def _same_up_to_a_factor(left: Tensor, right: Tensor) -> bool:
    rest = left * (right @ right) - right * (left @ right)
    return bool(rest.abs().max() <= CONSERVED * left.abs().max() * (right @ right))


def _judge_invariant(answer: Callable) -> str | None:
    """Whether the answer stays the same along orbits, and is no constant: no formula needed."""
    try:
        values = {
            rates: [_evaluate(answer, orbit, rates) for orbit in _orbits(rates)]
            for rates in RATE_PAIRS
        }
        if any(_tells_nothing(answer, rates) for rates in RATE_PAIRS):
            return _CONSTANT
    except ValueError as error:
        return str(error)
    drifts = [
        _describe_drift(value, orbit[0], rates)
        for rates in RATE_PAIRS
        for value, orbit in zip(values[rates], _orbits(rates), strict=True)
    ]
    drifts = [drift for drift in drifts if drift]
    return (_named_quantity(values) or drifts[0]) if drifts else None


def _tells_nothing(quantity: Quantity, rates: Pair) -> bool:
    """Whether some start and the point twice as far have the same value."""
    near = _evaluate(quantity, list(STARTS), rates)
    far = _evaluate(quantity, [_scaled(2, start) for start in STARTS], rates)
    return bool(((far - near).abs() <= 1e-6 * torch.maximum(far.abs(), near.abs())).all())


def _describe_drift(values: Tensor, start: Pair, rates: Pair) -> str | None:
    changes = (values - values[0]).abs()
    if changes.max() <= CONSERVED * values.abs().max():
        return None
    step = int((changes > CONSERVED * values.abs().max()).nonzero()[0])
    return (
        f"Not conserved: with the rates {rates[0]}, {rates[1]}, from d = {start[0]}, "
        f"g = {start[1]}, your quantity goes from {values[0]:.4g} to {values[step]:.4g} by step "
        f"{step}."
    )


def _named_quantity(values: Mapping[Pair, list[Tensor]]) -> str | None:
    """The sentence of the wrong version that the values are a multiple of, if there is one."""
    for sentence, versions in WRONG_INVARIANTS.items():
        for wrong in versions if isinstance(versions, list) else [versions]:
            if all(
                _same_up_to_a_factor(
                    torch.cat(values[rates]),
                    torch.cat([_evaluate(wrong, orbit, rates) for orbit in _orbits(rates)]),
                )
                for rates in RATE_PAIRS
            ):
                return sentence
    return None


EXERCISES["6.6"] = Exercise(
    claim="6.3",
    level="prove",
    needed="a function of (d, g, rate_d, rate_g) that returns a number",
    accepts=callable,
    judge=_judge_invariant,
)
