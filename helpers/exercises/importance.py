"""The exercises of chapter 4: bounds with K samples, what they average, and what is kept."""

import math
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import torch
from torch import Tensor

from helpers.checks import z_limit
from helpers.exercises import Catalogue, Exercise, are_numbers, compare, is_number

__all__ = ["EXERCISES", "check_answer"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer


def _numbers(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


MODERATE_LOG_WEIGHTS = (
    (_numbers([0.3, -1.2, 2.0], [1.1, 0.4, -0.6]),),
    (_numbers([-3.0, 0.5], [2.0, 1.0], [0.1, -0.7], [1.5, -2.0]),),
)
EXTREME_LOG_WEIGHTS = (
    (_numbers([-1000.0, -1001.0, -1002.5], [1000.0, 998.0, 1001.0]),),
    (_numbers([-1000.0, -math.inf], [-math.inf, -999.0], [-998.0, -1000.0]),),
)


def bound(log_weights: Tensor) -> float:
    """Mean over the rows of the logarithm of a row's mean weight."""
    return float(_log_means(log_weights).mean())


def _log_means(log_weights: Tensor) -> Tensor:
    return log_weights.logsumexp(1) - math.log(log_weights.shape[1])


WRONG_BOUNDS = {
    "You took the mean of the logarithms: that is an estimate of L_1, for every K.": (
        lambda lw: float(lw.mean())
    ),
    "You took one logarithm of the mean over everything. That estimates log p(x) itself; L_K "
    "has a logarithm for each row.": lambda lw: float(lw.exp().mean().log()),
    "You forgot to divide by K.": lambda lw: float(lw.logsumexp(1).mean()),
    "You divided by K - 1. The mean of K weights divides by K.": (
        lambda lw: float((lw.logsumexp(1) - math.log(lw.shape[1] - 1)).mean())
    ),
    "You divided the logarithm by K. The division belongs inside it.": [
        lambda lw: float((lw.logsumexp(1) / lw.shape[1]).mean()),
        lambda lw: float((_log_means(lw) / lw.shape[1]).mean()),
    ],
    "You divided by the number of replications, not by K.": (
        lambda lw: float((lw.logsumexp(1) - math.log(len(lw))).mean())
    ),
    "You added up the replications. Take their mean.": lambda lw: float(_log_means(lw).sum()),
    "Wrong axis: the K samples of one replication stand in a row.": [
        lambda lw: bound(lw.T),
        lambda lw: float(lw.logsumexp(0).mean()),
        lambda lw: float((lw.logsumexp(0) - math.log(lw.shape[1])).mean()),
    ],
    "That is the largest log-weight of each row. It has no mean in it.": (
        lambda lw: float(lw.amax(1).mean())
    ),
    "That is the largest weight of each row over K. The smaller weights belong to the mean too.": (
        lambda lw: float(lw.amax(1).mean()) - math.log(lw.shape[1])
    ),
    "You stopped before the logarithm: that is a mean of weights.": [
        lambda lw: float(lw.exp().mean()),
        lambda lw: float(lw.exp().sum(1).mean()),
    ],
    "Give one number: take the mean over the replications.": _log_means,
    "You took the log-weights for weights.": [
        lambda lw: float(lw.mean(1).abs().log().mean()),
        lambda lw: float(lw.sum(1).abs().log().mean()),
    ],
    "You went back from the logarithm at the end. L_K is a mean of logarithms.": (
        lambda lw: math.exp(bound(lw))
    ),
    "The sign is turned: that is a loss.": lambda lw: -bound(lw),
    "That is in bits. Use the natural logarithm.": lambda lw: bound(lw) / math.log(2),
}


def _judge_bound(answer: Callable) -> str | None:
    """Mistakes are named by moderate weights, for which every way of computing works."""
    advice = compare(bound, WRONG_BOUNDS, MODERATE_LOG_WEIGHTS, 1e-6)(answer)
    if advice is None and compare(bound, {}, EXTREME_LOG_WEIGHTS, 1e-6)(answer) is not None:
        return (
            "Right for moderate weights, and wrong for very large, very small or zero ones. "
            "What does your computer make of e to the 1000, and of e to the -1000?"
        )
    return advice


EXERCISES["4.1"] = Exercise(
    claim="4.0",
    level="do",
    needed="a function of log_weights that returns a number",
    accepts=callable,
    judge=_judge_bound,
)


def exact_bound(r: float, a: float, b: float, K: int) -> float:
    """E log of the mean of K weights, each a with probability r and else b."""
    return _terms(r, a, b, K, range(K + 1))


def _terms(r: float, a: float, b: float, K: int, counts: Iterable[int]) -> float:
    """The part of L_K in which the number of weights equal to a is one of the counts."""
    return sum(math.comb(K, k) * _ordered(r, a, b, K, k) for k in counts)


def _ordered(r: float, a: float, b: float, K: int, k: int) -> float:
    """The part of L_K in which k given weights are equal to a and the others to b."""
    return r**k * (1 - r) ** (K - k) * math.log((k * a + (K - k) * b) / K)


def _two_terms(r: float, a: float, b: float, K: int) -> float:
    """log p(x) - var(w) / (2 K p(x)^2), where Taylor's series of the logarithm is cut."""
    mean, variance = r * a + (1 - r) * b, r * (1 - r) * (a - b) ** 2
    return math.log(mean) - variance / (2 * K * mean**2)


EXERCISES["4.2"] = Exercise(
    claim="4.0",
    level="do",
    needed="a function of (r, a, b, K) that returns a number",
    accepts=callable,
    judge=compare(
        exact_bound,
        {
            "That is L_1, whatever K is: you took the mean of the logarithms.": (
                lambda r, a, b, K: r * math.log(a) + (1 - r) * math.log(b)
            ),
            "You took the logarithm of the mean weight. That is log p(x), which L_K bounds.": (
                lambda r, a, b, K: math.log(r * a + (1 - r) * b)
            ),
            "Count the orders: k weights can equal a in more than one way.": (
                lambda r, a, b, K: sum(_ordered(r, a, b, K, k) for k in range(K + 1))
            ),
            "That is the rule for large K: two terms of a series. The sum over the outcomes is "
            "exact.": _two_terms,
            "You exchanged r and 1 - r, or the numbers of weights that equal a and b.": (
                lambda r, a, b, K: exact_bound(1 - r, a, b, K)
            ),
            "You took the sum of the K weights. Their mean is asked for.": (
                lambda r, a, b, K: exact_bound(r, a, b, K) + math.log(K)
            ),
            "You left out outcomes: none, or all, of the weights may equal a.": [
                lambda r, a, b, K: _terms(r, a, b, K, range(1, K + 1)),
                lambda r, a, b, K: _terms(r, a, b, K, range(K)),
                lambda r, a, b, K: _terms(r, a, b, K, range(1, K)),
            ],
            "You counted only the outcomes in which all K weights are equal.": (
                lambda r, a, b, K: r**K * math.log(a) + (1 - r) ** K * math.log(b)
            ),
            "You gave every count the same probability.": (
                lambda r, a, b, K: (
                    sum(math.log((k * a + (K - k) * b) / K) for k in range(K + 1)) / (K + 1)
                )
            ),
            "That is L for another number of samples: K - 1 or K + 1.": [
                lambda r, a, b, K: exact_bound(r, a, b, K + 1),
                lambda r, a, b, K: exact_bound(r, a, b, max(K - 1, 1)),
            ],
            "The mean of the logarithms, K times: the weights are averaged before the "
            "logarithm.": lambda r, a, b, K: K * (r * math.log(a) + (1 - r) * math.log(b)),
            "You divided the logarithm by K. The division belongs inside it.": [
                lambda r, a, b, K: (exact_bound(r, a, b, K) + math.log(K)) / K,
                lambda r, a, b, K: exact_bound(r, a, b, K) / K,
            ],
            "That is the mean weight: the logarithm is missing.": (
                lambda r, a, b, K: r * a + (1 - r) * b
            ),
        },
        ((0.3, 2.0, 0.5, 2), (0.6, 0.1, 3.0, 5), (0.25, 40.0, 0.7, 60), (0.3, 2.0, 0.5, 1)),
        tolerance=1e-6,
    ),
)

EXERCISES["4.3"] = Exercise(
    claim="4.1",
    level="prove",
    needed="a function of evidence, which is p(x), that returns a number",
    accepts=callable,
    judge=compare(
        lambda evidence: evidence / math.e,
        {
            "That is the bound for densities, c = 1. Here c is free.": math.log,
            "You kept a factor of the best case for c = 1. Write L_1[f] with c and p(x), then "
            "take the derivative in c.": [
                lambda evidence: evidence * math.log(evidence),
                lambda evidence: -evidence * math.log(evidence),
            ],
            "That is right for p(x) = 1 only. How does the best c grow with p(x)?": (
                lambda evidence: 1 / math.e
            ),
            "Test it with f = c times the posterior: no c reaches that.": [
                lambda evidence: evidence,
                lambda evidence: evidence * math.e,
                lambda evidence: evidence / 2,
            ],
            "It is not without bound: for large c the term -c log c wins.": (
                lambda evidence: math.inf
            ),
            "With f = p(x, z) every logarithm is 0. Other choices of c give more.": (
                lambda evidence: 0.0
            ),
            "The sign is turned: where does the derivative in c vanish, and what is L_1 there?": [
                lambda evidence: -evidence / math.e,
                lambda evidence: -1 / math.e,
            ],
            "You solved for the logarithm of something and did not go back.": [
                lambda evidence: math.log(evidence) - 1,
                lambda evidence: math.log(evidence) + 1,
            ],
            "The exponential does not apply to p(x) itself.": [
                lambda evidence: math.exp(-evidence),
                lambda evidence: math.exp(evidence),
                lambda evidence: math.exp(evidence - 1),
            ],
            "You took the derivative of c log c for log c alone: there is one more term.": [
                lambda evidence: evidence * math.log(evidence) - evidence,
                lambda evidence: math.log(evidence) / math.e,
                lambda evidence: evidence / math.e**2,
            ],
            "Use the natural logarithm.": [
                lambda evidence: evidence / math.e / math.log(2),
                lambda evidence: evidence / math.e / math.log(10),
                lambda evidence: evidence / 10,
            ],
        },
        ((0.35,), (2.0,), (1.0,), (0.004,)),
        tolerance=1e-6,
    ),
)

WORLDS = (
    (_numbers(0.1, 0.2, 0.05), _numbers(0.5, 0.3, 0.2)),
    (_numbers(0.3, 1.4, 0.2, 0.6), _numbers(0.4, 0.1, 0.3, 0.2)),
)


def _refined_table(joint: Tensor, q: Tensor) -> Tensor:
    """q-tilde(z | z_2) for K = 2: z in rows, z_2 in columns."""
    w = joint / q
    return 2 * joint.unsqueeze(1) / (w.unsqueeze(1) + w)


def refined(joint: Tensor, q: Tensor) -> Tensor:
    """q_2, exactly."""
    return _refined_table(joint, q) @ q


def _refined_by_three(joint: Tensor, q: Tensor) -> Tensor:
    """q_3: a mean over two other samples."""
    w = joint / q
    tables = 3 * joint.view(-1, 1, 1) / (w.view(-1, 1, 1) + w.view(1, -1, 1) + w)
    return tables @ q @ q


def _without_own_state(joint: Tensor, q: Tensor) -> Tensor:
    """The mean over z_2 lacks the term in which it is in the state z."""
    others = q.expand(len(q), -1) * (1 - torch.eye(len(q)))
    return (_refined_table(joint, q) * others).sum(1)


def _without_replacement(joint: Tensor, q: Tensor) -> Tensor:
    """The other sample is never in the same state as the first."""
    return _without_own_state(joint, q) / (1 - q)


EXERCISES["4.4"] = Exercise(
    claim="4.2a",
    level="do",
    needed="a function of (joint, q) that returns a tensor (states,)",
    accepts=callable,
    judge=compare(
        refined,
        {
            "You normalised each q-tilde before the mean. Only the mean is a density.": (
                lambda p, q: (_refined_table(p, q) / _refined_table(p, q).sum(0)) @ q
            ),
            "Your values add up to one half: is the mean of two weights divided by 2?": (
                lambda p, q: refined(p, q) / 2
            ),
            "You drew z_2 from the posterior. It comes from q.": (
                lambda p, q: _refined_table(p, q) @ p / p.sum()
            ),
            "You gave all z_2 the same probability, or none. It comes from q.": [
                lambda p, q: _refined_table(p, q).mean(1),
                lambda p, q: _refined_table(p, q).sum(1),
            ],
            "That is the posterior. With two samples q_K is not there yet.": (
                lambda p, q: p / p.sum()
            ),
            "That is q-tilde for one fixed z_2. Take the mean over z_2.": [
                lambda p, q: _refined_table(p, q)[:, 0],
                lambda p, q: _refined_table(p, q)[:, -1],
            ],
            "Return one number for each z: the mean over z_2 is still to be taken.": (
                _refined_table
            ),
            "The weight of z itself is missing in the denominator.": [
                lambda p, q: p * (q * q / p).sum(),
                lambda p, q: 2 * p * (q * q / p).sum(),
            ],
            "The weight of z_2 is missing in the denominator.": lambda p, q: 2 * q,
            "The weight of z itself is missing in the numerator.": [
                lambda p, q: refined(p, q) * q / p,
                lambda p, q: refined(p, q) * q / p / 2,
                lambda p, q: refined(p, q) / p,
                lambda p, q: refined(p, q) / p / 2,
            ],
            "You took the mean of the weights first and divided then. The mean is over the "
            "quotient.": lambda p, q: 2 * p / (p / q + p.sum()),
            "You took the mean over z. It is over z_2, for each z.": [
                lambda p, q: q @ _refined_table(p, q),
                lambda p, q: q * (_refined_table(p, q).sum(0)),
            ],
            "There are q-weights where the joint belongs, or one factor q too many or too few.": [
                lambda p, q: refined(p, q) / q,
                lambda p, q: refined(p, q) * q,
                lambda p, q: refined(p, q) / p.sum(),
            ],
            "z_2 may be in the same state as z: the samples are independent.": [
                _without_replacement,
                _without_own_state,
            ],
            "That is q_3. For K = 2 there is one other sample.": _refined_by_three,
            "That is q itself, K = 1.": lambda p, q: q,
            "You used p(x, z) in place of the weights in the denominator.": (
                lambda p, q: (2 * p.unsqueeze(1) / (p.unsqueeze(1) + p)) @ q
            ),
        },
        WORLDS,
        tolerance=1e-6,
    ),
)


RESAMPLED_WORLD = (_numbers(0.3, 0.75, 4.0), _numbers(0.25, 0.25, 0.5))  # weights above 1
PARTICLES, GROUPS = 3, 40_000
FALSE_ALARM = 1e-6


def kept_law(choice: Callable[[Tensor], Tensor]) -> Tensor:
    """Exact law of the kept state if index i is kept with probability choice(log_weights)[i]."""
    joint, q = RESAMPLED_WORLD
    states = torch.tensor(list(product(range(len(q)), repeat=PARTICLES)))
    mass = q[states].prod(1, keepdim=True) * choice((joint / q).log()[states])
    return torch.zeros_like(q).index_add(0, states.flatten(), mass.flatten())


def _largest_only(log_weights: Tensor) -> Tensor:
    """An equal share for each of the largest, as when ties are broken at random."""
    largest = (log_weights == log_weights.amax(1, keepdim=True)).double()
    return largest / largest.sum(1, keepdim=True)


WRONG_CHOICES = {
    "The kept particle still has the law q: your choice does not look at the weights.": (
        lambda lw: torch.full_like(lw, 1 / PARTICLES)
    ),
    "You keep the particle with the largest weight. Keep each with a probability.": _largest_only,
    "You keep the particle with the smallest weight.": lambda lw: _largest_only(-lw),
    "You took the log-weights for weights.": lambda lw: lw / lw.sum(1, keepdim=True),
    "Your probabilities go with the squares of the weights: the weights count twice.": (
        lambda lw: (2 * lw).softmax(1)
    ),
    "Your probabilities go with the roots of the weights.": lambda lw: (lw / 2).softmax(1),
    "Your probabilities go with the inverse weights: the sign is turned.": (
        lambda lw: (-lw).softmax(1)
    ),
    "You took the exponential twice.": lambda lw: lw.exp().softmax(1),
    "You took the exponential twice, and normalised in between.": (
        lambda lw: lw.softmax(1).softmax(1)
    ),
    "The first, or the last, particle has no part in your choice.": (  # the law is the same
        lambda lw: torch.cat([lw[:, :1] - math.inf, lw[:, 1:]], 1).softmax(1)
    ),
}


def _draw_particles(seed: int) -> tuple[Tensor, Tensor]:
    """States of all particles, (groups, K), and their log-weights."""
    joint, q = RESAMPLED_WORLD
    generator = torch.Generator().manual_seed(seed)
    states = torch.multinomial(q, GROUPS * PARTICLES, replacement=True, generator=generator)
    return states.view(GROUPS, PARTICLES), (joint / q).log()[states].view(GROUPS, PARTICLES)


def _kept_indices(answer: Callable, log_weights: Tensor, seed: int) -> Tensor:
    """The reader's indices.

    Raises:
        ValueError: If they are not (groups,) whole numbers from 0 to K - 1; what the reader's
            own code raises passes through as a ValueError too.
    """
    try:
        given = answer(log_weights.clone(), torch.Generator().manual_seed(seed))
    except Exception as error:  # whatever the reader's code raises is part of the feedback
        raise ValueError(f"Your function raised {type(error).__name__}: {error}") from error
    if given is None:
        raise ValueError("Your function returned nothing. Is a return missing?")
    try:
        indices = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError("Return a tensor of indices.") from error
    if indices.shape != (len(log_weights),):
        raise ValueError(
            f"Return one index for each group, shape ({len(log_weights)},); yours has shape "
            f"{tuple(indices.shape)}."
        )
    if not torch.isin(indices, torch.arange(float(PARTICLES))).all():
        raise ValueError("Return indices from 0 to K - 1, not weights, probabilities or states.")
    return indices.long()


def _z_of_kept(indices: Tensor, states: Tensor, law: Tensor) -> float:
    """Largest distance of a kept state's frequency from its probability, in standard errors."""
    kept = states.gather(1, indices.unsqueeze(1)).flatten()
    frequencies = torch.bincount(kept, minlength=len(law)) / len(kept)
    return float(((frequencies - law).abs() / (law * (1 - law) / len(kept)).sqrt()).max())


def _judge_resampling(answer: Callable) -> str | None:
    """A test of the kept particles' law, which also tells the wrong laws from each other."""
    states, log_weights = _draw_particles(seed=4)
    limit = z_limit(len(RESAMPLED_WORLD[0]), FALSE_ALARM)
    try:
        indices = _kept_indices(answer, log_weights, seed=0)
        if _one_chance_for_all(answer, indices, states, log_weights):
            return "One random number decides for all groups. Each group needs one of its own."
        for sentence, versions in WRONG_CHOICES.items():
            for choice in versions if isinstance(versions, list) else [versions]:
                if _z_of_kept(indices, states, kept_law(choice)) <= limit:
                    return sentence
        off = _z_of_kept(indices, states, kept_law(lambda lw: lw.softmax(1)))
        if not off <= limit:
            return f"The kept particles' frequencies are {off:.0f} standard errors from q_K."
        return _advice_on_rows(answer, indices, states, log_weights)
    except ValueError as error:
        return str(error)


def _one_chance_for_all(
    answer: Callable, indices: Tensor, states: Tensor, log_weights: Tensor
) -> bool:
    """Whether groups alike keep the same particle, and another one for another seed."""
    kind = _kinds(states)
    kept = torch.unique(PARTICLES * kind + indices)
    alike = len(kept) == len(torch.unique(kind))
    return alike and not _kept_indices(answer, log_weights, seed=1).equal(indices)


def _kinds(states: Tensor) -> Tensor:
    """Each row of states as a number, (groups,)."""
    return (states * len(RESAMPLED_WORLD[0]) ** torch.arange(PARTICLES)).sum(1)


def _advice_on_rows(
    answer: Callable, indices: Tensor, states: Tensor, log_weights: Tensor
) -> str | None:
    """Of an answer with the right law: its places, its random numbers, weights of all sizes."""
    limit = z_limit(len(RESAMPLED_WORLD[0]) ** (PARTICLES + 1), FALSE_ALARM)
    if not _z_in_rows(indices, states, log_weights) <= limit:
        return "Close to q_K, but a particle's chance depends on more than the weights of its row."
    again, other = (_kept_indices(answer, log_weights, seed) for seed in (0, 1))
    if not again.equal(indices) or other.equal(indices):
        return "The right law, but your random numbers do not come from the generator."
    sizes = torch.tensor([-1000.0, 1000.0], dtype=torch.float64).repeat(GROUPS // 2)
    try:
        indices = _kept_indices(answer, log_weights + sizes.unsqueeze(1), seed=2)
        off = max(_z_in_rows(indices[k::2], states[k::2], log_weights[k::2]) for k in (0, 1))
    except ValueError:
        off = math.inf
    if off <= limit:
        return None
    return (
        "Right for moderate weights, and wrong for groups near -1000 or +1000. Each group has "
        "its own scale: what can be subtracted before the exponential?"
    )


def _z_in_rows(indices: Tensor, states: Tensor, log_weights: Tensor) -> float:
    """Largest z-score of a kept state's count among the groups with the same row of states."""
    number = len(RESAMPLED_WORLD[0])
    shares = torch.nn.functional.one_hot(states, number) * log_weights.softmax(1).unsqueeze(2)
    expected = shares.sum(1)
    kept = torch.nn.functional.one_hot(states.gather(1, indices.unsqueeze(1)).squeeze(1), number)
    kind = _kinds(states)
    zeros = expected.new_zeros(number**PARTICLES, number)
    excess = zeros.index_add(0, kind, kept - expected)
    variance = zeros.index_add(0, kind, expected * (1 - expected))
    certain = variance < 1e-6  # all particles of the row are in one state
    return float((excess / variance.sqrt()).masked_fill(certain, 0).abs().max())


EXERCISES["4.5"] = Exercise(
    claim="4.2a",
    level="do",
    needed="a function of (log_weights, generator) that returns a tensor of indices",
    accepts=callable,
    judge=_judge_resampling,
)

EXERCISES["4.6"] = Exercise(
    claim="4.2a",
    level="read",
    needed="a number",
    accepts=is_number,
    judge=compare(
        lambda: 1 - 0.25**3,
        {
            "That is the probability that all three weights are positive. One of them is enough "
            "to keep a particle.": lambda: 0.75**3,
            "Close. Give at least three decimals.": lambda: 0.98,
            "That is the mass that is lost.": lambda: 0.25**3,
            "That is the probability that some weight is 0. Mass is lost only if all are.": (
                lambda: 1 - 0.75**3
            ),
            "That is right for K = 1. How does the number of samples enter?": lambda: 0.75,
            "That is q(p = 0) itself.": lambda: 0.25,
            "Without the hypothesis q_K is no density: some groups have no particle to keep.": (
                lambda: 1.0
            ),
            "You counted the other samples only, or one too many: all K may have weight 0.": [
                lambda: 1 - 0.25**2,
                lambda: 1 - 0.25**4,
            ],
            "Probabilities of independent events are multiplied, not added.": [
                lambda: 3 * 0.75,
                lambda: 1 + 3 * 0.25,
            ],
            "You divided by the mass that is left: q_K is not normalised.": [
                lambda: 1 / (1 - 0.25**3),
                lambda: 4 / 3,
            ],
            "You took the root in place of the power, or exchanged base and exponent.": [
                lambda: 1 - 0.25 ** (1 / 3),
                lambda: 1 - 3**-4,
                lambda: 1 - 3**-0.25,
            ],
        },
        tolerance=6e-4,
    ),
)


EXERCISES["4.7"] = Exercise(
    claim="4.2b",
    level="prove",
    needed="a pair of numbers (a, b)",
    accepts=are_numbers(2),
    judge=compare(
        lambda: (0.04, 0.03),
        {
            "Turn the pair round: (a) compares q_K with the posterior.": lambda: (0.03, 0.04),
            "In (a) you took L_K. The divergence of q_K goes with the ELBO of q_K.": [
                lambda: (0.07, 0.03),
                lambda: (0.07, 0.04),
            ],
            "In (b) you have KL(Q || P) as a whole. The chain rule splits it.": [
                lambda: (0.04, 0.07),
                lambda: (0.03, 0.07),
            ],
            "You added where the chain rule subtracts: (a) is a part of KL(Q || P).": [
                lambda: (0.04, 0.11),
                lambda: (0.07, 0.11),
            ],
            "A divergence is never negative: the sign is turned.": [
                lambda: (-0.04, -0.03),
                lambda: (0.04, -0.03),
                lambda: (-0.04, 0.03),
            ],
            "The conditional divergence is 0 only if q_K gives nothing beyond L_K.": (
                lambda: (0.04, 0.0)
            ),
            "q_K is not the posterior: its ELBO is below log p(x).": [
                lambda: (0.0, 0.03),
                lambda: (0.0, 0.07),
                lambda: (0.0, 0.04),
            ],
            "Both cannot be the same: the three given numbers are not evenly spaced.": [
                lambda: (0.04, 0.04),
                lambda: (0.03, 0.03),
                lambda: (0.07, 0.07),
                lambda: (0.035, 0.035),
            ],
            "You took exponentials. Divergences are differences of logarithms.": [
                lambda: (math.exp(0.04), math.exp(0.03)),
                lambda: (math.exp(-0.04), math.exp(-0.03)),
                lambda: (
                    math.exp(-1.05) - math.exp(-1.09),
                    math.exp(-1.09) - math.exp(-1.12),
                ),
            ],
            "Those are the bounds. Differences are asked for.": [
                lambda: (-1.09, -1.12),
                lambda: (-1.05, -1.09),
                lambda: (1.09, 1.12),
            ],
        },
        tolerance=1e-4,
    ),
)
