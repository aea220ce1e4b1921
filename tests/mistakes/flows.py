"""Wrong answers to the exercises of chapter 5: number, what the advice says, the answers.

Written anew, by other means than the catalogue's own wrong versions.
"""

import math

import torch
from mistakes.reparameterization import bell
from solutions import flows as solutions


def mixed_sigmoids(z, w, a, b):
    """The average s, and its derivative without and with the sigmoids' own slopes."""
    on = torch.sigmoid(a * z[..., None] + b)
    return (w * on).sum(-1), (w * on * (1 - on)).sum(-1), (w * a * on * (1 - on)).sum(-1)


def log_slope_from(formula):
    """An answer to exercise 5.2: the logarithm of a formula in `mixed_sigmoids`."""
    return lambda *given: formula(*mixed_sigmoids(*given)).log()


def pushed(y, centre, alpha, beta):
    """The radial map."""
    r = ((y - centre) ** 2).sum(-1, keepdim=True).sqrt()
    return y + beta * (y - centre) / (alpha + r)


def radii(y, centre, alpha, beta):
    """The distance of y from the centre, and that of the point it comes from."""
    s = (y - centre).norm(dim=-1, keepdim=True)
    return s, (solutions.my_inverse(y, centre, alpha, beta) - centre).norm(dim=-1, keepdim=True)


def root_with_beta(y, centre, alpha, beta):
    """Exercise 5.4 with 4 alpha beta under the root."""
    s = (y - centre).norm(dim=-1, keepdim=True)
    half = (s - alpha - beta) / 2
    return centre + (half + (half**2 + alpha * beta) ** 0.5) / s * (y - centre)


def from_radii(formula):
    """An answer to exercise 5.4 that multiplies y - z0 by a formula in s, r and alpha."""

    def answer(y, centre, alpha, beta):
        return centre + formula(*radii(y, centre, alpha, beta), alpha) * (y - centre)

    return answer


def zeros_for_no_numbers(y, centre, alpha, beta):
    """Exercise 5.4 with 0 divided by 0, and 0 put in for what comes out."""
    s, r = radii(y, centre, alpha, beta)
    return (centre + r * ((y - centre) / s)).nan_to_num(0.0)


def noise_and_log_det(x, flow):
    """The noise's log-densities, (batch, D), and the log-determinants by autograd."""
    return bell(flow(x)).log(), solutions.log_det_by_autograd(flow, x)


def density_from(formula):
    """An answer to exercise 5.7: a formula in both parts and D."""
    return lambda x, flow: formula(*noise_and_log_det(x, flow), x.shape[1])


def nats_by_hand(low, high):
    """An answer to exercise 5.9 whose noise covers the part from low to high."""
    return lambda p, k, u: -sum(p(k + low + (high - low) * u)) / len(u)


MISTAKES = {
    "5.1": {
        "not sent to 0": [0.3085],
        "the size of b": [0.8413, 0.1587],
        "divided b by c": [0.9772, 0.0228],
        "not a mass": [0.3521],
        "The factor a": [2.0744, 0.2305],
    },
    "5.2": {
        "outer inverse sigmoid": [log_slope_from(lambda s, flat, steep: steep)],
        "own slope": [log_slope_from(lambda s, flat, steep: flat / (s - s * s))],
        "asks for its logarithm": [
            lambda *given: log_slope_from(lambda s, flat, steep: steep / (s - s * s))(*given).exp()
        ],
        "divides by s (1 - s)": [log_slope_from(lambda s, flat, steep: steep * (s - s * s))],
    },
    "5.3": {
        "|f'| < 1 for necessary": [{"A"}],
        "for enough": [set("ABC"), set("ABCE"), set("ABCDE")],
        "at every point for necessary": [set("AB")],
        "A map that falls": [set("ABE")],
        "does not make two points meet": [set("ABD")],
        "goes down and up again near 0": [set("ABDEF"), set("AF"), set("ABCDEF")],
        "Turn it round": [set("CF")],
        "no obstacle": [set("ADE"), set("AE"), set("AD")],
        "below 1 everywhere is missing": [set("BDE"), set("BE"), set("BD")],
        "At least one": [set()],
        "One map too many": [set("ABDF")],
    },
    "5.4": {
        "not the way back": [lambda y, c, a, b: pushed(y, c, a, -b)],
        "the forward map": [pushed],
        "the other root": [from_radii(lambda s, r, alpha: -alpha / r)],
        "Under the root": [root_with_beta],
        "at distance r times s": [from_radii(lambda s, r, alpha: r)],
        "s / r in place": [from_radii(lambda s, r, alpha: s / r)],
        "forgot to add the centre": [lambda y, c, a, b: solutions.my_inverse(y, c, a, b) - c],
        "inverted the map with -beta": [lambda y, c, a, b: solutions.my_inverse(y, c, a, -b)],
        "That is the radius": [lambda *given: radii(*given)[1].squeeze(-1)],
        "divide 0 by 0": [zeros_for_no_numbers],
    },
    "5.6": {
        "divided y by r": [(4.348, 5.798)],
        "That is the direction": [(0.6, 0.8)],
        "where the map sends y": [(4, 5.3333)],
        "forward with -beta": [(2, 2.6667)],
        "the other root": [(-0.8697, -1.1596)],
        "the pair of radii": [(3.4495, -1.4495)],
    },
    "5.7": {
        "once for each coordinate": [density_from(lambda lp, det, D: (lp + det[:, None]).sum(1))],
        "by the number of coordinates": [density_from(lambda lp, det, D: lp.sum(1) + det / D)],
        "log-determinant is gone": [density_from(lambda lp, det, D: lp.sum(1))],
        "the wrong sign": [density_from(lambda lp, det, D: lp.sum(1) - det)],
        "asks for its logarithm": [density_from(lambda lp, det, D: lp.exp().prod(1) * det.exp())],
        "you took their mean": [density_from(lambda lp, det, D: lp.mean(1) + det)],
        "over the batch": [density_from(lambda lp, det, D: lp.sum(1) + det.sum())],
        "constant": [lambda x, flow: noise_and_log_det(x, flow)[1] - (flow(x) ** 2).sum(1) / 2],
    },
    "5.8": {
        "by the variance": [lambda t, e, v: 2 * t + math.e**v * e],
        "by the precision": [
            lambda t, e, v: 2 * t + math.sqrt(math.e**-v) * e,
            lambda t, e, v: 2 * t + math.e**-v * e,
        ],
        "means are -2 and 2": [lambda t, e, v: t + math.sqrt(math.e**v) * e],
        "the logarithm itself": [lambda t, e, v: t + t + e * v],
        "halved the variance": [lambda t, e, v: 2 * t + 0.5 * math.e**v * e],
    },
    "5.9": {
        "covers half": [nats_by_hand(0, 0.5)],
        "not the one asked for": [lambda *given: nats_by_hand(0, 0.5)(*given) + 0.693147],
        "makes it worse": [lambda *given: nats_by_hand(0, 0.5)(*given) - 0.693147],
        "minus the logarithm": [lambda *given: -nats_by_hand(0, 1)(*given)],
        "the logarithm of the mean": [lambda p, k, u: -math.log(sum(p(k + u).exp()) / len(u))],
        "centred the noise": [nats_by_hand(-0.5, 0.5)],
        "no noise in it": [lambda p, k, u: -p(torch.tensor(float(k)))],
        "needs no correction": [
            lambda *given: nats_by_hand(0, 1)(*given) + 0.693147,
            lambda *given: nats_by_hand(0, 1)(*given) - 0.693147,
        ],
        "not the sum": [lambda p, k, u: -sum(p(k + u))],
    },
}
