"""The exercises of chapter 5: atoms, slopes, bijections, radial inverses and three bugs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.special import ndtr
from torch import Tensor
from torch.nn.functional import logsigmoid

from helpers.exercises import Catalogue, Exercise, are_numbers, compare, is_number
from helpers.flows import RadialFlow, SigmoidalFlow
from helpers.reparameterization import standard_log_prob

__all__ = ["EXERCISES", "check_answer"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer


def _numbers(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


EXERCISES["5.1"] = Exercise(
    claim="5.1",
    level="read",
    needed="a number",
    accepts=is_number,
    judge=compare(
        lambda: float(ndtr(0.5)),
        {
            "That is the mass that is not sent to 0. Which side of the kink does the ReLU "
            "forget?": lambda: float(ndtr(-0.5)),
            "You left out the size of b: the kink is where b z + c changes its sign.": [
                lambda: float(ndtr(1.0)),
                lambda: float(ndtr(-1.0)),
            ],
            "You divided b by c. The kink is at -c / b.": [
                lambda: float(ndtr(2.0)),
                lambda: float(ndtr(-2.0)),
            ],
            "That is the height of the density of z, not a mass.": (
                lambda: math.exp(-0.125) / math.sqrt(2 * math.pi)
            ),
            "The factor a moves no point away from 0, and none to it.": [
                lambda: 3 * float(ndtr(0.5)),
                lambda: float(ndtr(0.5)) / 3,
            ],
        },
        tolerance=5.1e-4,
    ),
)

SIGMOIDS = (_numbers(0.2, 0.5, 0.3), _numbers(0.5, 2.0, 5.0), _numbers(1.0, -1.0, 4.0))
ONE_SIGMOID = (_numbers(1.0), _numbers(2.5), _numbers(-0.5))
SLOPE_INSTANCES = (
    (_numbers(-3.0, -0.5, 0.0, 0.7, 2.0), *SIGMOIDS),
    (_numbers([0.1, 1.0], [-2.0, 4.0]), *ONE_SIGMOID),
    (_numbers(-200.0, 200.0), *SIGMOIDS),
)


def log_slope(z: Tensor, weights: Tensor, slopes: Tensor, shifts: Tensor) -> Tensor:
    """log g'(z) of the sigmoidal flow."""
    return SigmoidalFlow(weights, slopes, shifts).log_abs_det_jacobian(z, z)


def _numerator(z: Tensor, weights: Tensor, slopes: Tensor, shifts: Tensor) -> Tensor:
    """log of sum w a sigma (1 - sigma)."""
    inputs = slopes * z.unsqueeze(-1) + shifts
    terms = weights.log() + slopes.log() + logsigmoid(inputs) + logsigmoid(-inputs)
    return terms.logsumexp(-1)


def _without_slopes(z: Tensor, weights: Tensor, slopes: Tensor, shifts: Tensor) -> Tensor:
    """log g' with the a_i of the chain rule forgotten."""
    inputs = slopes * z.unsqueeze(-1) + shifts
    terms = weights.log() + logsigmoid(inputs) + logsigmoid(-inputs)
    on, off = (weights.log() + logsigmoid(sign * inputs) for sign in (1, -1))
    return terms.logsumexp(-1) - on.logsumexp(-1) - off.logsumexp(-1)


def _judge_log_slope(answer: Callable) -> str | None:
    """Mistakes are named by what is returned near 0, where every way of computing works."""
    near, far = SLOPE_INSTANCES[:2], SLOPE_INSTANCES
    wrong = {
        "You have the derivative of the average s. The outer inverse sigmoid has a derivative "
        "too.": _numerator,
        "The chain rule brings a factor for each sigmoid's own slope; it is missing.": (
            _without_slopes
        ),
        "That is the slope. The exercise asks for its logarithm.": (
            lambda *given: log_slope(*given).exp()
        ),
        "The outer derivative divides by s (1 - s); the sign of its logarithm is turned.": (
            lambda *given: 2 * _numerator(*given) - log_slope(*given)
        ),
    }
    advice = compare(log_slope, wrong, near, 1e-6)(answer)
    if advice is None and compare(log_slope, {}, far, 1e-6)(answer) is not None:
        return (
            "Right where the sigmoids do not round, and wrong far away: write s and 1 - s as sums "
            "of exponentials, and keep logarithms (logsigmoid, logsumexp)."
        )
    return advice


EXERCISES["5.2"] = Exercise(
    claim="5.2",
    level="do",
    needed="a function of (z, weights, slopes, shifts) that returns a tensor",
    accepts=callable,
    judge=_judge_log_slope,
)

EXERCISES["5.3"] = Exercise(
    claim="5.3",
    level="read",
    needed='a set of letters from A to F, such as {"A", "F"}',
    accepts=lambda answer: isinstance(answer, (set, frozenset)) and answer <= set("ABCDEF"),
    judge=compare(
        lambda: frozenset("ABDE"),
        {
            "You took |f'| < 1 for necessary. It is sufficient; look at large f' again, and at "
            "maps that fall.": lambda: frozenset("A"),
            "You took f' > -1 for enough. One of these increases and never passes 0.": [
                lambda: frozenset("ABC"),
                lambda: frozenset("ABCE"),
                lambda: frozenset("ABCDE"),
            ],
            "You took f' > -1 at every point for necessary. A map may fall everywhere, or be "
            "flat at one point.": lambda: frozenset("AB"),
            "A map that falls everywhere can be a bijection too.": lambda: frozenset("ABE"),
            "A slope of 0 at one single point does not make two points meet.": (
                lambda: frozenset("ABD")
            ),
            "One of these goes down and up again near 0: look at its slope there.": [
                lambda: frozenset("ABDEF"),
                lambda: frozenset("AF"),
                lambda: frozenset("ABCDEF"),
            ],
            "Turn it round: you name what is no bijection.": lambda: frozenset("CF"),
            "A large f' is no obstacle: z + f(z) may grow as fast as it likes.": [
                lambda: frozenset("ADE"),
                lambda: frozenset("AE"),
                lambda: frozenset("AD"),
            ],
            "One map with |f'| below 1 everywhere is missing.": [
                lambda: frozenset("BDE"),
                lambda: frozenset("BE"),
                lambda: frozenset("BD"),
            ],
            "At least one of them is a bijection: look for a slope that stays away from -1.": (
                frozenset
            ),
            "One map too many goes down and up again, and one map with a single flat point is "
            "missing.": lambda: frozenset("ABDF"),
        },
    ),
)

RADIAL_INSTANCES = (
    (_numbers([1.5, 0.2], [0.5, -1.0], [-2.0, 3.0]), _numbers(0.5, -1.0), 1.0, -0.6),
    (_numbers([3.0, 4.0, 0.0], [0.1, 0.0, 0.2]), _numbers(0.0, 0.0, 0.0), 0.5, 2.0),
    (_numbers([0.3], [-0.3], [0.0]), _numbers(0.0), 2.0, -2.0),
)


def radial_inverse(
    y: Tensor,
    centre: Tensor,
    alpha: float,
    beta: float,
    sign: int = 1,
    product: float | None = None,
    scale: Callable[[Tensor, Tensor], Tensor] = lambda r, s: r / s,
) -> Tensor:
    """Inverse of the radial map by the quadratic; the last arguments make wrong versions.

    Args:
        y: (batch, D).
        centre: (D,).
        alpha: Above 0.
        beta: At least -alpha.
        sign: Which root is taken.
        product: What stands for alpha s under the root.
        scale: What y - z0 is multiplied by.
    """
    offset = y - centre
    s = offset.norm(dim=-1, keepdim=True)
    b = s - alpha - beta
    r = (b + sign * (b * b + 4 * (alpha * s if product is None else product)).sqrt()) / 2
    return centre + scale(r, s.clamp_min(1e-300)) * offset  # the centre itself has r = 0


def _judge_radial_inverse(answer: Callable) -> str | None:
    wrong = {
        "Going forward with -beta is not the way back: the factor is evaluated at another "
        "radius.": lambda y, c, a, b: _forward(y, c, a, -b),
        "That is the forward map.": _forward,
        "You took the other root of the quadratic; it is not positive.": (
            lambda *given: radial_inverse(*given, sign=-1)
        ),
        "Under the root stands 4 alpha s, with the distance s of y from the centre.": (
            lambda y, c, a, b: radial_inverse(y, c, a, b, product=a * b)
        ),
        "You returned the point at distance r times s: divide y - z0 by its length first.": (
            lambda *given: radial_inverse(*given, scale=lambda r, s: r)
        ),
        "You multiplied by s / r in place of r / s.": (
            lambda *given: radial_inverse(*given, scale=lambda r, s: s / r)
        ),
        "You forgot to add the centre.": lambda y, c, a, b: radial_inverse(y, c, a, b) - c,
        "You inverted the map with -beta.": lambda y, c, a, b: radial_inverse(y, c, a, -b),
        "That is the radius. Go from the radius to the point.": (
            lambda *given: (radial_inverse(*given) - given[1]).norm(dim=-1)
        ),
    }
    advice = compare(radial_inverse, wrong, FAR_FROM_CENTRE, 1e-6)(answer)
    advice = advice or compare(radial_inverse, {}, AWAY_FROM_CENTRE, 1e-6)(answer)
    if advice is None and compare(radial_inverse, {}, RADIAL_INSTANCES, 1e-6)(answer) is not None:
        return "Right for every point but the centre itself, where you divide 0 by 0."
    return advice


def _forward(y: Tensor, centre: Tensor, alpha: float, beta: float) -> Tensor:
    offset = y - centre
    return centre + (1 + beta / (alpha + offset.norm(dim=-1, keepdim=True))) * offset


FAR_FROM_CENTRE = (  # every wrong version is a number there, so each mistake can be named
    (_numbers([4.5, 0.2], [-2.0, 3.0]), _numbers(0.5, -1.0), 1.0, -0.6),
    (_numbers([3.0, 4.0, 0.0], [0.1, 0.0, 0.2]), _numbers(0.0, 0.0, 0.0), 0.5, 2.0),
    (_numbers([4.3], [-4.3]), _numbers(0.0), 2.0, -2.0),
)
AWAY_FROM_CENTRE = tuple(
    (y[(y != centre).any(dim=-1)], centre, alpha, beta)
    for y, centre, alpha, beta in RADIAL_INSTANCES
)

EXERCISES["5.4"] = Exercise(
    claim="5.4i",
    level="do",
    needed="a function of (y, centre, alpha, beta) that returns a tensor",
    accepts=callable,
    judge=_judge_radial_inverse,
)

FOLDED = ((1.0, -4.0), (0.5, -0.75), (3.0, -3.1), (2.0, -40.0))


def _judge_radius(answer: Callable) -> str | None:
    """A radius r > 0 with rho(r) = 0, that is r + alpha + beta = 0."""
    for alpha, beta in FOLDED:
        try:
            found = answer(alpha, beta)
            if found is None:
                return "Your function returned nothing. Is a return missing?"
            r = float(found)
        except Exception as error:  # whatever the reader's code raises is part of the feedback
            return f"Your function raised {type(error).__name__} for {alpha}, {beta}: {error}"
        if not r > 0:
            return f"For alpha = {alpha}, beta = {beta} your radius is {r:.4g}: not above 0."
        image = r * (r + alpha + beta) / (alpha + r)
        if not abs(image) < 1e-9 * r:
            return (
                f"For alpha = {alpha}, beta = {beta} points at your radius {r:.4g} are sent to "
                f"distance {abs(image):.4g} from the centre, not to 0."
            )
    return None


EXERCISES["5.5"] = Exercise(
    claim="5.4i",
    level="prove",
    needed="a function of (alpha, beta) that returns a number",
    accepts=callable,
    judge=_judge_radius,
)


def _on_the_ray(radius: float, length: float = 5.0) -> Callable[[], tuple[float, float]]:
    return lambda: (3 * radius / length, 4 * radius / length)


RADIUS = math.sqrt(6) + 1  # of r^2 - 2 r - 5 = 0

EXERCISES["5.6"] = Exercise(
    claim="5.4ii",
    level="read",
    needed="a pair of numbers (a, b)",
    accepts=are_numbers(2),
    judge=compare(
        _on_the_ray(RADIUS),
        {
            "You divided y by r. The direction is y divided by its own length.": (
                _on_the_ray(5.0, RADIUS)
            ),
            "That is the direction. Multiply it by the radius r.": _on_the_ray(1.0),
            "That is where the map sends y, not where y comes from.": (
                _on_the_ray(5 * (1 + 2 / 6))
            ),
            "You went forward with -beta. The factor belongs to the radius r, not to s.": (
                _on_the_ray(5 * (1 - 2 / 6))
            ),
            "You took the other root of the quadratic.": _on_the_ray(1 - math.sqrt(6)),
            "That is the pair of radii. Go from the radius to the point.": (
                lambda: (RADIUS, 1 - math.sqrt(6))
            ),
        },
        tolerance=6e-4,
    ),
)

# Three bugs


def _points(number: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(number, size, dtype=torch.float64, generator=generator)


DENSITY_INSTANCES = (
    (_points(4, 2), RadialFlow(_numbers(0.5, -1.0), 1.0, -0.6)),
    (_points(3, 3), RadialFlow(_numbers(0.5, -1.0, 0.0), 0.5, 2.0)),
    (_points(3, 1), RadialFlow(_numbers(0.5), 0.5, 2.0)),
)


def flow_log_prob(x: Tensor, flow: RadialFlow, times: float = 1.0) -> Tensor:
    """Log-density of x with standard normal noise flow(x); the log-det counted some times."""
    z, log_det = flow.call_and_log_abs_det_jacobian(x)
    return standard_log_prob(z) + times * log_det


EXERCISES["5.7"] = Exercise(
    claim="5.4i",
    level="do",
    needed="a function of (x, flow) that returns a tensor",
    accepts=callable,
    judge=compare(
        flow_log_prob,
        {
            "Still the bug: the log-determinant belongs to the whole point, and you count it "
            "once for each coordinate.": lambda x, flow: flow_log_prob(x, flow, x.shape[-1]),
            "You divided the log-determinant by the number of coordinates: it has counted them "
            "already.": lambda x, flow: flow_log_prob(x, flow, 1 / x.shape[-1]),
            "The log-determinant is gone.": lambda x, flow: flow_log_prob(x, flow, 0),
            "Your log-determinant has the wrong sign: here the map goes from x to the noise.": (
                lambda x, flow: flow_log_prob(x, flow, -1)
            ),
            "That is the density. The exercise asks for its logarithm.": (
                lambda x, flow: flow_log_prob(x, flow).exp()
            ),
            "Add up the noise's log-densities over the coordinates; you took their mean.": (
                lambda x, flow: (
                    flow_log_prob(x, flow, 0) / x.shape[-1]
                    + flow.call_and_log_abs_det_jacobian(x)[1]
                )
            ),
            "Each point has a log-determinant of its own: do not add them up over the batch.": (
                lambda x, flow: (
                    flow_log_prob(x, flow, 0) + flow.call_and_log_abs_det_jacobian(x)[1].sum()
                )
            ),
            "The constant of the normal density is missing.": (
                lambda x, flow: flow_log_prob(x, flow) + x.shape[-1] * math.log(2 * math.pi) / 2
            ),
        },
        DENSITY_INSTANCES,
        tolerance=1e-9,
    ),
)

SAMPLE_INSTANCES = (
    (_numbers(1.0, -1.0, -1.0), _numbers(0.3, -2.0, 1.1), -1.5),
    (_numbers(-1.0, 1.0), _numbers(0.7, 0.4), 0.8),
)


def mixture_sample(signs: Tensor, noise: Tensor, log_variance: float) -> Tensor:
    """Samples of two normal components with means -2 and 2."""
    return 2 * signs + math.exp(log_variance / 2) * noise


EXERCISES["5.8"] = Exercise(
    claim="5.2",
    level="do",
    needed="a function of (signs, noise, log_variance) that returns a tensor",
    accepts=callable,
    judge=compare(
        mixture_sample,
        {
            "Still the bug: you multiply by the variance. Which power of it is a scale?": (
                lambda signs, noise, v: 2 * signs + math.exp(v) * noise
            ),
            "You multiply by the precision, or its root: the sign in the exponent is turned.": [
                lambda signs, noise, v: 2 * signs + math.exp(-v / 2) * noise,
                lambda signs, noise, v: 2 * signs + math.exp(-v) * noise,
            ],
            "The components' means are -2 and 2.": (
                lambda signs, noise, v: signs + math.exp(v / 2) * noise
            ),
            "You multiply by the logarithm itself.": lambda signs, noise, v: 2 * signs + v * noise,
            "You halved the variance in place of taking its root.": (
                lambda signs, noise, v: 2 * signs + math.exp(v) / 2 * noise
            ),
        },
        SAMPLE_INSTANCES,
        tolerance=1e-6,
    ),
)


def _logistic(x: Tensor) -> Tensor:
    """Log-density of a logistic law with mean 1.2."""
    return logsigmoid(x - 1.2) + logsigmoid(1.2 - x)


def _bent(x: Tensor) -> Tensor:
    """Log-density of a normal law with mean -0.4 and scale 2."""
    return -((x + 0.4) ** 2) / 8 - math.log(2) - math.log(2 * math.pi) / 2


_logistic.label = "a logistic log-density"
_bent.label = "a normal log-density"
_EVEN = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
NATS_INSTANCES = ((_logistic, 0, _EVEN), (_logistic, 3, _EVEN), (_bent, -2, _EVEN))


def dequantized_nats(log_density: Callable, level: int, u: Tensor, width: float = 1.0) -> float:
    """-E log p(level + width u)."""
    return -float(log_density(level + width * u).mean())


EXERCISES["5.9"] = Exercise(
    claim="5.2",
    level="do",
    needed="a function of (log_density, level, u) that returns a number",
    accepts=callable,
    judge=compare(
        dequantized_nats,
        {
            "Still the bug: your noise covers half of the level's cell.": (
                lambda p, k, u: dequantized_nats(p, k, u, 0.5)
            ),
            "That is a bound, but not the one asked for: cover the whole cell, and there is "
            "nothing to correct.": (lambda p, k, u: dequantized_nats(p, k, u, 0.5) + math.log(2)),
            "Your correction makes it worse: half of a cell holds less than the cell.": (
                lambda p, k, u: dequantized_nats(p, k, u, 0.5) - math.log(2)
            ),
            "Nats are minus the logarithm.": lambda p, k, u: -dequantized_nats(p, k, u),
            "You took the logarithm of the mean. That is the exact value, by (5.4) the other "
            "side of the bound.": lambda p, k, u: -float(p(k + u).exp().mean().log()),
            "You centred the noise on the level. Here level k owns the numbers from k to k + 1.": (
                lambda p, k, u: dequantized_nats(p, k, u - 0.5)
            ),
            "There is no noise in it: that is the density at the level itself.": (
                lambda p, k, u: dequantized_nats(p, k, 0 * u)
            ),
            "Noise on the whole cell needs no correction.": [
                lambda p, k, u: dequantized_nats(p, k, u) + math.log(2),
                lambda p, k, u: dequantized_nats(p, k, u) - math.log(2),
            ],
            "Take the mean over the noise, not the sum.": (
                lambda p, k, u: dequantized_nats(p, k, u) * len(u)
            ),
        },
        NATS_INSTANCES,
        tolerance=1e-4,
    ),
)
