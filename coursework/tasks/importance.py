"""The tasks on chapter 4: subsets, what q cannot reach, a company, and who is kept."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from torch import Tensor

from coursework.tasks import CodeTask, NumberTask, Proof
from helpers.importance import DiscreteWorld

Row = list[float]
Pair = tuple[float, float]
MINUS_INFINITY = -math.inf


def mean_over_subsets(log_weights: Row, k: int) -> float:
    """The mean over all subsets of the logarithm of a mean weight, in decimal numbers.

    Their exponents have no end in practice, so that the weights can be taken as they are.
    """
    weights = [Decimal(number).exp() for number in log_weights]
    means = [sum(subset) / k for subset in combinations(weights, k)]
    if min(means) == 0:
        return MINUS_INFINITY
    return float(sum(mean.ln() for mean in means) / len(means))


def _mean_over(subsets: Iterable[Sequence[float]], shift: float = 0.0) -> float:
    """The mean of the log-sum-exp over these subsets, less a number."""
    return float(np.mean([logsumexp(subset) for subset in subsets])) - shift


def _neighbours(log_weights: Row, k: int) -> list[Row]:
    return [log_weights[i : i + k] for i in range(len(log_weights) - k + 1)]


def _blocks(log_weights: Row, k: int) -> list[Row]:
    return [log_weights[i : i + k] for i in range(0, len(log_weights) - k + 1, k)]


def draw_log_weights(chooser: random.Random) -> Sequence[tuple]:
    """Five to eight moderate log-weights whose bound is not near 0, in subsets of two and more."""
    return [
        ([round(chooser.uniform(-9, -1), 2) for _ in range(size)], k)
        for size, k in ((5, 2), (5, 4), (6, 3), (7, 2), (8, 5))
    ]


def draw_extreme_log_weights(chooser: random.Random) -> Sequence[tuple]:
    """Tiny, huge and zero weights, and subsets of one or of all."""
    a, far = round(chooser.uniform(0.2, 2), 2), chooser.randint(900, 2000)
    none = MINUS_INFINITY
    return [
        ([-far + a, -far - 1.0, -far - 3.0, -far + 0.5], 2),
        ([far + a, far - 2.0, far - 0.5], 2),
        ([far + a, -far - 1.0, 0.5, -far - 3.0], 2),
        ([a, none, -1.0, 2.0], 2),
        ([a, none, none, 1.0], 2),
        ([none, none, none], 2),
        ([a, -1.5, 3.0], 1),
        ([a, -1.5, 3.0], 3),
    ]


SUBSET_BOUND = CodeTask(
    number="4.1",
    claims=("4.0",),
    needed="a function of (log_weights, k) that returns a number",
    answer="subset_bound",
    practice=(
        ([0.3, -1.2, 2.0, 0.7], 2),
        ([1.1, -0.4, 0.6, -2.5, 1.9], 3),
        ([-0.8, 1.4, 0.2, -1.6, 2.2, 0.9], 2),
    ),
    hidden={
        "moderate log-weights": (3, draw_log_weights),
        "edges: tiny, huge and zero weights, subsets of one and of all": (
            1,
            draw_extreme_log_weights,
        ),
    },
    truth=mean_over_subsets,
    wrong={
        "That is the mean of the logarithms, an estimate of L_1. Each subset has a mean inside.": (
            lambda lw, k: float(np.mean(lw))
        ),
        "You took one logarithm at the end. Each subset has one of its own.": [
            lambda lw, k: _mean_over([lw], math.log(len(lw))),
            lambda lw, k: _mean_over([lw]),
        ],
        "You took sums of weights. Divide by k before the logarithm.": (
            lambda lw, k: _mean_over(combinations(lw, k))
        ),
        "You divided by another number: the mean of k weights divides by k.": [
            lambda lw, k: _mean_over(combinations(lw, k), math.log(max(k - 1, 1))),
            lambda lw, k: _mean_over(combinations(lw, k), math.log(len(lw))),
        ],
        "You divided the logarithm by k. The division belongs inside.": [
            lambda lw, k: _mean_over(combinations(lw, k)) / k,
            lambda lw, k: mean_over_subsets(lw, k) / k,
        ],
        "You cut the list into blocks. All subsets of k weights count.": (
            lambda lw, k: _mean_over(_blocks(lw, k), math.log(k))
        ),
        "You took neighbours only. All subsets of k weights count.": [
            lambda lw, k: _mean_over(_neighbours(lw, k), math.log(k)),
            lambda lw, k: _mean_over(_neighbours(lw + lw[: k - 1], k), math.log(k)),
        ],
        "A weight cannot come twice: choose k different ones.": (
            lambda lw, k: _mean_over(product(lw, repeat=k), math.log(k))
        ),
        "You added up over the subsets. Take their mean.": (
            lambda lw, k: mean_over_subsets(lw, k) * math.comb(len(lw), k)
        ),
        "That is the largest log-weight of each subset. The others belong to the mean too.": [
            lambda lw, k: float(np.mean([max(subset) for subset in combinations(lw, k)])),
            lambda lw, k: (
                float(np.mean([max(subset) for subset in combinations(lw, k)])) - math.log(k)
            ),
        ],
        "You left out a subset: the last weights are among the choices too.": (
            lambda lw, k: _mean_over(combinations(lw[: max(k, len(lw) - 1)], k), math.log(k))
        ),
        "You took the exponential of the result. The bound is a mean of logarithms.": (
            lambda lw, k: math.exp(min(mean_over_subsets(lw, k), 700.0))
        ),
    },
)


def _log_normal(x: float, mean: float, variance: float) -> float:
    return -((x - mean) ** 2) / (2 * variance) - math.log(2 * math.pi * variance) / 2


def _joint(x: float, noise: float, z: float) -> float:
    return math.exp(_log_normal(z, 0, 1) + _log_normal(x, z, noise))


def _mass(mean: float, variance: float, low: float, high: float) -> float:
    """What a normal law gives to an interval."""
    ends = [math.erf((end - mean) / math.sqrt(2 * variance)) for end in (low, high)]
    return (ends[1] - ends[0]) / 2


def log_reached(x: float, noise: float, low: float, high: float) -> float:
    """The logarithm of the part of p(x) over the interval, by quadrature."""
    return math.log(quad(lambda z: _joint(x, noise, z), low, high, epsabs=1e-12)[0])


def _posterior(x: float, noise: float) -> Pair:
    return x / (1 + noise), noise / (1 + noise)


def _log_evidence(x: float, noise: float) -> float:
    return _log_normal(x, 0, 1 + noise)


def _first_bound(x: float, noise: float, low: float, high: float) -> float:
    """L_1, by the moments of the uniform law."""
    first, second = (low + high) / 2, (low * low + low * high + high * high) / 3
    square = x * x - 2 * x * first + second
    constant = math.log(high - low) - math.log(4 * math.pi**2 * noise) / 2
    return constant - second / 2 - square / (2 * noise)


def draw_interval(chooser: random.Random) -> dict[str, float]:
    """An interval that takes a good part of the posterior, and not nearly all."""
    while True:
        found = {
            "x": chooser.randint(80, 250) / 100,
            "noise": chooser.randint(20, 80) / 100,
            "low": chooser.randint(-10, 12) / 10,
            "high": chooser.randint(5, 25) / 10,
        }
        if found["high"] > found["low"] and all(_interval_features(**found)):
            return found


def _interval_features(x: float, noise: float, low: float, high: float) -> tuple[bool, ...]:
    """From a quarter to three quarters of the posterior, and near misses that are not too near."""
    mass = _mass(*_posterior(x, noise), low, high)
    right = log_reached(x, noise, low, high)
    return (
        0.25 < mass < 0.75,
        abs(high - low - 1) > 0.1,
        right - _first_bound(x, noise, low, high) > 0.05,
        abs(math.log(mass / _mass(0, 1, low, high))) > 0.05,
        abs(right - log_reached(x, noise**2, low, high)) > 0.03,
    )


OUT_OF_REACH = NumberTask(
    number="4.2",
    claims=("4.0",),
    points=2,
    needed="a number",
    draw=draw_interval,
    truth=log_reached,
    wrong={
        "That is log p(x). No sample lands outside the interval, however many you draw.": (
            lambda x, noise, low, high: _log_evidence(x, noise)
        ),
        "That is the posterior's part alone. How large is the whole, p(x)?": (
            lambda x, noise, low, high: math.log(_mass(*_posterior(x, noise), low, high))
        ),
        "The part in reach is the posterior's mass, not the prior's.": (
            lambda x, noise, low, high: _log_evidence(x, noise) + math.log(_mass(0, 1, low, high))
        ),
        "That is L_1. What does the mean of the weights tend to?": _first_bound,
        "A weight is p(x, z) over q(z). You forgot to divide by q.": (
            lambda x, noise, low, high: log_reached(x, noise, low, high) - math.log(high - low)
        ),
        "You multiplied by q. A weight is p(x, z) over q(z).": (
            lambda x, noise, low, high: log_reached(x, noise, low, high) - 2 * math.log(high - low)
        ),
        "Give the logarithm.": lambda x, noise, low, high: math.exp(
            log_reached(x, noise, low, high)
        ),
        "The limit lies below log p(x): add the logarithm of a probability.": (
            lambda x, noise, low, high: (
                _log_evidence(x, noise) - math.log(_mass(*_posterior(x, noise), low, high))
            )
        ),
        "noise is a variance already.": (
            lambda x, noise, low, high: log_reached(x, noise**2, low, high)
        ),
        "You left out the prior: p(x, z) is p(x | z) times p(z).": lambda x, noise, low, high: (
            math.log(_mass(x, noise, low, high))
        ),
    },
    alike=_interval_features,
)


def _tensors(*rows: Row) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(row, dtype=torch.float64) for row in rows)


def by_the_world(joint: Row, q: Row, company: list[int]) -> Pair:
    """The mass of q-tilde and its L_1, by the book's world."""
    world = DiscreteWorld(*_tensors(joint, q))
    refined = world.refined(torch.tensor(company, dtype=torch.long))
    return float(refined.sum()), float(world.elbo(refined))


def _refined(
    joint: Tensor,
    q: Tensor,
    company: list[int],
    *,
    number: float | None = None,
    own: float = 1.0,
    weigh: Callable[[Tensor, Tensor], Tensor] = torch.div,
) -> Tensor:
    """Values of q-tilde for positive tables, with the parts that wrong versions change."""
    weights = weigh(joint, q)
    number = len(company) + 1 if number is None else number
    return number * joint / (own * weights + weights[company].sum())


def _bound_of(values: Tensor, joint: Tensor) -> Pair:
    return float(values.sum()), float(values @ (joint / values).log())


def _version(answer: Callable[[Tensor, Tensor, list[int]], Any]) -> Callable[..., Any]:
    """A wrong version that takes tensors, as one that takes lists."""
    return lambda joint, q, company: answer(*_tensors(joint, q), company)


def _changed(**parts: Any) -> Callable[..., Pair]:
    """A version with another number, another share of one's own weight, or other weights."""
    return _version(
        lambda joint, q, company: _bound_of(_refined(joint, q, company, **parts), joint)
    )


def _other_number(change: int, own: float = 1.0) -> Callable[..., Pair]:
    """A version that takes K and a change for K."""
    return lambda joint, q, company: _changed(number=len(company) + 1 + change, own=own)(
        joint, q, company
    )


def _normalized(joint: Row, q: Row, company: list[int]) -> Pair:
    joint, q = _tensors(joint, q)
    values = _refined(joint, q, company)
    return _bound_of(values / values.sum(), joint)


def _with_bound(bound: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Pair]:
    """A version with the right mass, and a bound from joint, q and q-tilde."""

    def version(joint: Row, q: Row, company: list[int]) -> Pair:
        tables = _tensors(joint, q)
        return by_the_world(joint, q, company)[0], float(
            bound(*tables, _refined(*tables, company))
        )

    return version


def _table(chooser: random.Random, states: int) -> Row:
    return [round(chooser.uniform(0.02, 0.6), 2) for _ in range(states)]


def _law(chooser: random.Random, states: int) -> Row:
    """Probabilities in sixteenths, all positive, exact in binary."""
    cuts = sorted(chooser.sample(range(1, 16), states - 1))
    return [(b - a) / 16 for a, b in pairwise([0, *cuts, 16])]


def draw_companies(chooser: random.Random) -> Sequence[tuple]:
    """Worlds of three to five states, with one to four samples for company."""
    return [
        (
            _table(chooser, states),
            _law(chooser, states),
            [chooser.randrange(states) for _ in range(others)],
        )
        for states, others in ((3, 1), (3, 2), (4, 2), (4, 3), (5, 4))
    ]


def draw_odd_companies(chooser: random.Random) -> Sequence[tuple]:
    """No company, states with no weight or out of reach, one state, and tiny joints."""
    a, tiny = chooser.randint(5, 95) / 100, chooser.randint(2, 90) * 1e-250
    return [
        ([a, 0.25, 0.5], [0.25, 0.5, 0.25], []),
        ([a, 0.0, 0.5], [0.25, 0.5, 0.25], [0, 1]),
        ([a, 0.0, 0.5], [0.25, 0.5, 0.25], [1, 1]),
        ([a, 0.125, 0.5], [0.25, 0.75, 0.0], [1]),
        ([a, 0.125, 0.0], [0.25, 0.75, 0.0], [0, 0]),
        ([a], [1.0], [0, 0]),
        ([tiny * a, tiny, tiny / 8], [0.25, 0.25, 0.5], [2, 1]),
    ]


COMPANY_BOUND = CodeTask(
    number="4.3",
    claims=("4.1",),
    needed="a function of (joint, q, company) that returns a pair of numbers",
    answer="company_bound",
    practice=(
        ([0.1, 0.3, 0.05], [0.5, 0.25, 0.25], [1]),
        ([0.4, 0.02, 0.15, 0.3], [0.125, 0.25, 0.5, 0.125], [0, 2]),
        ([0.2, 0.55], [0.75, 0.25], [1, 0, 1]),
    ),
    hidden={
        "worlds with all states possible": (3, draw_companies),
        "edges: no company, impossible states, tiny joints": (1, draw_odd_companies),
    },
    truth=by_the_world,
    wrong={
        "You made a density of it. The values of q-tilde are taken as they are.": [
            _normalized,
            lambda joint, q, company: (
                by_the_world(joint, q, company)[0],
                _normalized(joint, q, company)[1],
            ),
        ],
        "The company has K - 1 samples, and the mean is over K.": [
            _other_number(-1),
            _other_number(1),
        ],
        "You divided by a sum of weights. It is their mean.": _changed(number=1),
        "The weight of z itself is missing under the fraction line.": [
            _changed(own=0),
            _other_number(-1, own=0),
        ],
        "You took p(x, z) for weights. A weight is p(x, z) over q(z).": _changed(
            weigh=lambda joint, q: joint
        ),
        "Your weights are upside down.": _changed(weigh=lambda joint, q: q / joint),
        "The numerator is p(x, z), not the weight of z.": _version(
            lambda joint, q, company: _bound_of(_refined(joint, q, company) / q, joint)
        ),
        "Check the sign: the logarithm is of p(x, z) over q-tilde.": _with_bound(
            lambda joint, q, values: values @ (values / joint).log()
        ),
        "Turn the pair round: the mass comes first.": (
            lambda joint, q, company: by_the_world(joint, q, company)[::-1]
        ),
        "The logarithm holds p(x, z) over q-tilde. Yours holds something else.": [
            _with_bound(lambda joint, q, values: values @ (joint / q).log()),
            _with_bound(lambda joint, q, values: values @ joint.log()),
        ],
        "The mean is under q-tilde. You took it under q.": _with_bound(
            lambda joint, q, values: q @ (joint / values).log()
        ),
        "A state that comes twice in the company counts twice.": lambda joint, q, company: (
            _changed(number=len(company) + 1)(joint, q, sorted(set(company)))
        ),
    },
)


def kept_by_the_world(q: Row, joint: Row) -> float:
    """q_3 of the first state, by the book's world."""
    world = DiscreteWorld(*_tensors(joint, q))
    return float(world.resampled(3)[0])


def _kept(q: Row, joint: Row, samples: int, keep: Callable[[np.ndarray], np.ndarray]) -> float:
    """How often a sample in the first state is kept, if `keep` gives each one's probability."""
    weights = np.array(joint) / np.array(q)
    total = 0.0
    for states in product(range(len(q)), repeat=samples):
        drawn = weights[list(states)]
        if drawn.sum() > 0:
            first = np.array(states) == 0
            total += math.prod(q[state] for state in states) * float(keep(drawn) @ first)
    return total


def _in_proportion(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def _largest(weights: np.ndarray) -> np.ndarray:
    return (weights == weights.max()) / (weights == weights.max()).sum()


def draw_kept(chooser: random.Random) -> dict[str, Row]:
    """Two possible states and an impossible one."""
    while True:
        first, last = chooser.randint(15, 60) / 100, chooser.randint(15, 50) / 100
        found = {
            "q": [first, round(1 - first - last, 2), last],
            "joint": [chooser.randint(5, 60) / 100, chooser.randint(5, 60) / 100, 0.0],
        }
        if all(_kept_features(**found)):
            return found


def _kept_features(q: Row, joint: Row) -> tuple[bool, ...]:
    """Probabilities that are not small, a heavy first state, and unlike weights."""
    ratio = joint[0] * q[1] / (q[0] * joint[1]) if q[1] > 0.1 else 0
    return q[1] > 0.1, 2 < ratio < 8, abs(q[0] - q[2]) > 0.05 and abs(q[0] - q[1]) > 0.05


KEPT = NumberTask(
    number="4.4",
    claims=("4.2a",),
    points=2,
    needed="a number between 0 and 1",
    draw=draw_kept,
    truth=kept_by_the_world,
    wrong={
        "You divided by the probability that some sample is kept. Not asked for.": (
            lambda q, joint: kept_by_the_world(q, joint) / (1 - q[2] ** 3)
        ),
        "That is the posterior, the limit of very many samples.": (
            lambda q, joint: joint[0] / sum(joint)
        ),
        "That is q itself: what the weights do is missing.": lambda q, joint: q[0],
        "That is the second state's probability.": (
            lambda q, joint: kept_by_the_world(q[1::-1] + q[2:], joint[1::-1] + joint[2:])
        ),
        "That is for another number of samples. Three are drawn.": [
            lambda q, joint: _kept(q, joint, 2, _in_proportion),
            lambda q, joint: _kept(q, joint, 4, _in_proportion),
        ],
        "The largest weight does not always win: it has the best chance.": (
            lambda q, joint: _kept(q, joint, 3, _largest)
        ),
        "Every sample with a positive weight had the same chance. Weights differ.": (
            lambda q, joint: _kept(q, joint, 3, lambda w: (w > 0) / (w > 0).sum())
        ),
        "You took p(x, z) in place of the weights, p(x, z) over q(z).": lambda q, joint: _kept(
            q, (np.array(joint) * q).tolist(), 3, _in_proportion
        ),
        "You replaced the other weights by their mean. The mean is over the quotient.": (
            lambda q, joint: 3 * joint[0] / (joint[0] / q[0] + 2 * sum(joint))
        ),
        "You counted one order. The first state may come first, second or third.": (
            lambda q, joint: kept_by_the_world(q, joint) / 3
        ),
        "That is a weight. A probability is asked for.": (lambda q, joint: joint[0] / q[0]),
    },
    alike=_kept_features,
)


def share_by_chain_rule(q: Row, joint: Row) -> float:
    """Of KL(Q || P) the part of the other sample, given the one kept: both by enumeration."""
    q, joint = np.array(q), np.array(joint)
    weights, posterior = joint / q, joint / joint.sum()
    pairs = 2 * np.outer(q * weights, q) / np.add.outer(weights, weights)  # kept, other
    kept = pairs.sum(1)
    others = pairs / kept[:, None]
    given = float(kept @ (others * np.log(others / q)).sum(1))
    return given / (given + float(kept @ np.log(kept / posterior)))


def _bounds(q: Row, joint: Row) -> tuple[float, float, float, float]:
    """L_1[q], L_2[q], L_1[q_2] and log p(x), each as the chapter defines it."""
    q, joint = np.array(q), np.array(joint)
    means = np.add.outer(joint / q, joint / q) / 2
    kept = joint * (1 / means @ q)
    return (
        float(q @ np.log(joint / q)),
        float(q @ np.log(means) @ q),
        float(kept @ np.log(joint / kept)),
        math.log(joint.sum()),
    )


def draw_world(chooser: random.Random) -> dict[str, Row]:
    """Three states whose weights are far apart."""
    while True:
        first, last = chooser.randint(10, 70) / 100, chooser.randint(10, 70) / 100
        found = {
            "q": [first, round(1 - first - last, 2), last],
            "joint": [chooser.randint(2, 90) / 100 for _ in range(3)],
        }
        if found["q"][1] >= 0.1 and all(_world_features(**found)):
            return found


def _world_features(q: Row, joint: Row) -> tuple[bool, ...]:
    """A gap to see, shared neither by halves nor nearly all to one side."""
    one, two, refined, top = _bounds(q, joint)
    share = (refined - two) / (top - two)
    return top - two > 0.1, 0.25 < share < 0.75, abs(share - 0.5) > 0.03, top < -0.1, one < two


def _share_of(part: Callable[[float, float, float, float], float]) -> Callable[..., float]:
    """A version from the four bounds."""
    return lambda q, joint: part(*_bounds(q, joint))


SHARE = NumberTask(
    number="4.5",
    claims=("4.2b",),
    points=3,
    needed="a number between 0 and 1",
    draw=draw_world,
    truth=share_by_chain_rule,
    wrong={
        "That is the part that is left. Which part does q_2 close?": _share_of(
            lambda one, two, refined, top: (top - refined) / (top - two)
        ),
        "That is one part over the other. The whole gap belongs below.": [
            _share_of(lambda one, two, refined, top: (refined - two) / (top - refined)),
            _share_of(lambda one, two, refined, top: (top - refined) / (refined - two)),
        ],
        "That is the gap closed in nats. Divide by the whole gap.": _share_of(
            lambda one, two, refined, top: refined - two
        ),
        "That is the gap of q_2 in nats. Which part of the whole gap is closed?": _share_of(
            lambda one, two, refined, top: top - refined
        ),
        "Your gap starts at L_1[q]. It starts at L_2[q].": [
            _share_of(lambda one, two, refined, top: (refined - one) / (top - one)),
            _share_of(lambda one, two, refined, top: (refined - two) / (top - one)),
        ],
        "That is how much of the gap of L_1[q] two samples close. Where is q_2?": _share_of(
            lambda one, two, refined, top: (two - one) / (top - one)
        ),
        "You divided bounds by each other. Differences of logarithms are meant.": [
            _share_of(lambda one, two, refined, top: refined / two),
            _share_of(lambda one, two, refined, top: two / refined),
        ],
        "You took the bounds' exponentials. The gap is in nats.": _share_of(
            lambda one, two, refined, top: (
                (math.exp(refined) - math.exp(two)) / (math.exp(top) - math.exp(two))
            )
        ),
    },
    alike=_world_features,
)

REACH = Proof(number="4.6", claims=("4.1", "4.2a"), points=5)

TASKS = [SUBSET_BOUND, OUT_OF_REACH, COMPANY_BOUND, KEPT, SHARE, REACH]
