"""Importance-weighted bounds: laws, exact numbers, extremes, bad input, wrong versions caught."""

import itertools
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.optimize import elementwise
from torch.distributions import Normal

from helpers.checks import z_limit
from helpers.densities import contract, failed, grid_edges
from helpers.importance import (
    DiscreteWorld,
    LogMean,
    NormalWorld,
    effective_sample_size,
    estimate_bound,
    log_mean_exp,
    stream_bound,
)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal(mean, scale):
    return Normal(numbers(mean), numbers(scale))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


PROPOSAL = numbers(1 / 2, 1 / 3, 1 / 6)
D1 = DiscreteWorld(numbers(1 / 10, 1 / 5, 1 / 20), PROPOSAL)
D2 = DiscreteWorld(numbers(1 / 10, 1 / 5, 0.0), PROPOSAL)  # (H) fails on mass 1/6
G1 = NormalWorld(1.5, 0.5, 0.5, 1.0)  # wider than the posterior N(1, 1/3)
G3 = NormalWorld(1.5, 0.5, 1.0, math.sqrt(1 / 8))  # infinite variance of the weights
PRIOR = NormalWorld(1.5, 0.5, 0.0, 1.0)
WIDE = NormalWorld(1.5, 0.5, 0.25, 1.5)
FAR_OFF = NormalWorld(0.0, 1.0, -10.0, 2.7)
EXACT = NormalWorld(1.5, 0.5, 1.0, math.sqrt(1 / 3))  # the proposal is the posterior
EXTREME = -800 + 1.5625 * (torch.arange(10**6) % 1025).double()
ONE_LARGE = torch.full((10**6,), -800.0, dtype=torch.float64)
ONE_LARGE[123_456] = 800.0


def random_world(seed, states=4):
    joint, proposal = torch.rand(2, states, dtype=torch.float64, generator=seeded(seed))
    return DiscreteWorld(joint, proposal / proposal.sum())


# Log-weights


def test_log_mean_exp_is_the_log_of_the_mean():
    weights = numbers([0.5, 1.0, 4.0], [2.0, 0.0, 1.0])
    assert torch.allclose(log_mean_exp(weights.log()), weights.mean(dim=-1).log(), rtol=1e-15)
    assert torch.allclose(log_mean_exp(weights.log(), dim=0), weights.mean(dim=0).log())
    assert log_mean_exp(weights.float().log()).dtype == torch.float32


def test_derivatives_are_the_normalized_weights():
    """So the detached normalized weights may be used in place of autograd."""
    log_weights = numbers(0.3, -1.0, 2.0, -math.inf).requires_grad_()
    log_mean_exp(log_weights).backward()
    assert torch.allclose(log_weights.grad, log_weights.detach().softmax(0), atol=1e-15)
    nothing = numbers(-math.inf, -math.inf).requires_grad_()
    log_mean_exp(nothing).backward()
    assert not nothing.grad.isnan().any()


def test_derivatives_of_the_effective_sample_size():
    """d log ESS / d log w_i = 2 w_i / sum w - 2 w_i^2 / sum w^2."""
    log_weights = numbers([0.3, -1.0, 2.0], [900.0, 901.0, 899.5]).requires_grad_()
    effective_sample_size(log_weights).log().sum().backward()
    fixed = log_weights.detach()
    expected = 2 * fixed.softmax(1) - 2 * (2 * fixed).softmax(1)
    assert torch.allclose(log_weights.grad, expected, rtol=1e-12)


def test_effective_sample_size():
    weights = numbers([1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0])
    expected = numbers(4.0, 1.6, 1.0)
    for scale in (-1000.0, 0.0, 1000.0):
        assert torch.allclose(effective_sample_size(weights.log() + scale), expected, rtol=1e-12)
    assert torch.allclose(effective_sample_size(weights.T.log(), dim=0), expected)
    mixed = torch.stack([numbers(-math.inf, -math.inf), numbers(2.0, 2.0)])
    assert effective_sample_size(mixed).tolist() == [0.0, 2.0]


CASES = {
    "1025 levels": (EXTREME, 793.30215745250655223, 1492.140807),
    "one large": (ONE_LARGE, 786.18448944203572590, 1.0),
    "all zero": (torch.full((1000,), -math.inf), -math.inf, 0.0),
}


@pytest.mark.parametrize("name", CASES)
def test_extreme_weights(name):
    """Values from exact arithmetic."""
    log_weights, value, size = CASES[name]
    assert log_mean_exp(log_weights).item() == pytest.approx(value, rel=1e-15)
    assert effective_sample_size(log_weights).item() == pytest.approx(size, rel=1e-9)
    mean = LogMean()
    for chunk in log_weights.split(99_991):
        mean.add(chunk)
    assert mean.value() == pytest.approx(value, rel=1e-15)
    assert mean.effective_sample_size() == pytest.approx(size, rel=1e-9)
    naive = log_weights.exp().mean().log().item()
    assert not abs(naive - value) <= 1 or name == "all zero"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spread", [1, 300])
def test_chunks_in_any_order_give_the_whole(seed, spread):
    generator = seeded(seed)
    log_weights = spread * torch.randn(5000, dtype=torch.float64, generator=generator)
    log_weights[::7] = -math.inf
    whole = log_mean_exp(log_weights).item()
    size = effective_sample_size(log_weights).item()
    cuts = torch.randperm(4999, generator=generator)[:9].sort().values + 1
    chunks = list(log_weights.tensor_split(cuts))
    parts = []
    for place in torch.randperm(len(chunks), generator=generator).tolist():
        parts.append(LogMean())
        parts[-1].add(chunks[place])
    while len(parts) > 1:  # as a tree
        parts = [a.merge(b) for a, b in zip(parts[::2], parts[1::2], strict=False)] + (
            parts[-1:] if len(parts) % 2 else []
        )
    assert parts[0].count == 5000
    assert parts[0].value() == pytest.approx(whole, rel=1e-12)
    assert parts[0].effective_sample_size() == pytest.approx(size, rel=1e-12)


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
@pytest.mark.parametrize("merged", [False, True])
def test_a_later_chunk_may_have_a_larger_or_a_smaller_maximum(order, merged):
    """Weights 1, 2 | 4, 8 | 1/2: their sum is 31/2, that of their squares 341/4."""
    chunks = [numbers(1.0, 2.0), numbers(4.0, 8.0), numbers(0.5)]
    mean = LogMean()
    for place in order:
        part = LogMean() if merged else mean
        part.add(chunks[place].log() + 700)
        mean = mean.merge(part) if merged else mean
    assert mean.count == 5
    assert mean.value() == pytest.approx(700 + math.log(31 / 10), rel=1e-15)
    assert mean.effective_sample_size() == pytest.approx(31**2 / 341, rel=1e-13)


def test_merging_leaves_the_parts_alone_and_takes_any_shape_and_type():
    one, other = LogMean(), LogMean()
    one.add(numbers([0.0, 1.0], [2.0, 3.0]))
    other.add(torch.tensor([4.0], requires_grad=True))
    both = one.merge(other)
    assert (one.count, other.count, both.count) == (4, 1, 5)
    assert both.value() == pytest.approx(log_mean_exp(torch.arange(5.0).double()).item())
    assert one.value() == pytest.approx(log_mean_exp(torch.arange(4.0).double()).item())
    assert one.merge(LogMean()).value() == one.value() == LogMean().merge(one).value()


def test_single_precision_chunks_are_summed_in_double():
    """A million equal weights of 1 + 2^-20: sums in single precision would round."""
    mean = LogMean()
    for _ in range(10):
        mean.add(torch.full((100_000,), -0.1))
        mean.add(torch.full((1,), 0.0))
    expected = math.log((10**6 * math.exp(float(torch.tensor(-0.1))) + 10) / (10**6 + 10))
    assert mean.value() == pytest.approx(expected, rel=1e-6, abs=0)
    assert mean.value() == pytest.approx(expected, abs=1e-8)


# Estimates


def test_an_estimate_is_the_mean_of_its_replications():
    log_weights = torch.randn(7, 5, dtype=torch.float64, generator=seeded())
    estimate = estimate_bound(log_weights)
    each = [row.exp().mean().log().item() for row in log_weights]
    assert estimate.replications.tolist() == pytest.approx(each)
    assert estimate.value == pytest.approx(sum(each) / 7)
    assert estimate.standard_error == pytest.approx(stats.sem(each))


def test_an_estimate_with_a_replication_of_zero_weights():
    log_weights = numbers([0.0, -math.inf], [-math.inf, -math.inf])
    assert estimate_bound(log_weights)[:2] == (-math.inf, math.inf)


@pytest.mark.parametrize("samples, chunk", [(1, 1), (7, 7), (7, 3), (64, 16), (100, 1000)])
def test_a_stream_gives_what_the_whole_gives(samples, chunk):
    supply = 100 * torch.randn(3 * samples, dtype=torch.float64, generator=seeded())
    asked = []

    def draw(number, generator):
        assert generator is given
        start = sum(asked)
        asked.append(number)
        return supply[start : start + number]

    given = seeded()
    stream = stream_bound(draw, samples, replications=3, chunk=chunk, generator=given)
    whole = estimate_bound(supply.reshape(3, samples))
    assert (sum(asked), max(asked)) == (3 * samples, min(chunk, samples))
    assert stream.replications.tolist() == pytest.approx(whole.replications.tolist(), rel=1e-12)
    assert stream[:2] == pytest.approx(whole[:2], rel=1e-12)


def test_estimates_agree_with_quadrature():
    """Two-sided z-tests, false alarm 1e-4 together; finite variance, so the errors mean it."""
    cases = [(world, samples) for world in (G1, PRIOR, WIDE) for samples in (1, 5, 50)]
    for number, (world, samples) in enumerate(cases):
        log_weights = world.draw_log_weights((4000, samples), generator=seeded(number))
        estimate = estimate_bound(log_weights)
        z = (estimate.value - world.bound(samples)) / estimate.standard_error
        assert abs(z) <= z_limit(len(cases), 1e-4)


def test_streamed_estimates_agree_with_quadrature():
    estimate = stream_bound(
        lambda number, generator: G1.draw_log_weights((number,), generator=generator),
        1000,
        replications=150,
        chunk=300,
        generator=seeded(1),
    )
    z = (estimate.value - G1.bound(1000)) / estimate.standard_error
    assert abs(z) <= z_limit(1, 1e-4)


# The world of a few states: exact sums


def enumerated(world, samples, function):
    """The expectation of a function of the K weights, over all tuples; 0 for zero mass."""
    tuples, probabilities = world.tuples(samples)
    values = function(world.weights[tuples])
    return torch.where(probabilities > 0, probabilities * values, 0).sum().item()


def conditional_bounds(world, samples, refined=None):
    """E over z_2..z_K of L_1 of a non-negative function made from the others' states."""
    others, probabilities = (
        world.tuples(samples - 1) if samples > 1 else (torch.zeros(1, 0).long(), numbers(1.0))
    )
    functions = world.refined(others) if refined is None else refined(others)
    return (probabilities @ world.elbo(functions)).item()


def test_tuples_are_all_there_with_their_probabilities():
    tuples, probabilities = D1.tuples(3)
    assert sorted(map(tuple, tuples.tolist())) == list(itertools.product(range(3), repeat=3))
    for states, probability in zip(tuples.tolist(), probabilities.tolist(), strict=True):
        expected = math.prod(PROPOSAL[state].item() for state in states)
        assert probability == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("world", [D1, random_world(0), random_world(1, states=2)])
@pytest.mark.parametrize("samples", [1, 2, 3, 6])
def test_sums_over_counts_equal_sums_over_tuples(world, samples):
    by_tuples = enumerated(world, samples, lambda w: w.mean(dim=1).log())
    assert world.bound(samples).item() == pytest.approx(by_tuples, rel=1e-13)
    if samples > 1:
        others, probabilities = world.tuples(samples - 1)
        average = probabilities @ world.refined(others)
        assert torch.allclose(world.resampled(samples), average, rtol=1e-13)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_claims_4_on_random_worlds(seed, samples):
    world = random_world(seed)
    bound, log_evidence = world.bound(samples).item(), world.log_evidence.item()
    assert conditional_bounds(world, samples) == pytest.approx(bound, rel=1e-12)  # 4.1
    resampled = world.resampled(samples)
    assert resampled.sum().item() == pytest.approx(1, rel=1e-12)  # 4.2a
    ladder = [world.elbo(world.proposal).item(), bound, world.elbo(resampled).item(), log_evidence]
    assert all(low <= high + 1e-12 for low, high in pairwise(ladder))  # 4.2b
    if samples > 1:
        assert ladder[2] - ladder[1] > 1e-5
        assert bound > world.bound(samples - 1).item() + 1e-5  # 4.0


def test_the_bound_tends_to_log_evidence():
    gaps = [D1.log_evidence.item() - D1.bound(samples).item() for samples in (1, 10, 100, 300)]
    assert all(high > low > 0 for high, low in pairwise(gaps))
    variance = (D1.proposal @ (D1.weights / 0.35) ** 2 - 1).item()
    assert gaps[-1] == pytest.approx(variance / 600, rel=0.01)


def test_both_proofs_of_claim_4_2b_are_exact():
    for samples in (2, 3, 5):
        tuples, probabilities = D1.tuples(samples)
        mean = D1.weights[tuples].mean(dim=1)
        first, rest = D1.proposal[tuples[:, 0]], probabilities / D1.proposal[tuples[:, 0]]
        ours = D1.joint[tuples[:, 0]] / mean * rest  # Q, on tuples
        posterior = D1.posterior[tuples[:, 0]] * rest  # P
        assert ours.sum().item() == pytest.approx(1, rel=1e-13)
        divergence = (ours @ (ours / posterior).log()).item()
        gap = (D1.log_evidence - D1.bound(samples)).item()
        assert divergence == pytest.approx(gap, abs=1e-14)
        marginal = torch.zeros(3, dtype=torch.float64).index_add(0, tuples[:, 0], ours)
        assert torch.allclose(marginal, D1.resampled(samples), rtol=1e-13)
        conditional = (ours @ (ours / marginal[tuples[:, 0]] / rest).log()).item()
        won = (D1.elbo(D1.resampled(samples)) - D1.bound(samples)).item()
        assert conditional == pytest.approx(won, abs=1e-14)
        # The other proof: Jensen for f(t) = -t log t, and E f(1 / mean) is the bound.
        inner = (D1.joint / D1.proposal)[tuples[:, 0]] * first * rest  # p(x, z_1) q(z_2..K)
        assert (inner @ (mean.log() / mean)).item() == pytest.approx(
            D1.bound(samples).item(), rel=1e-13
        )


def test_exchangeability_is_needed_and_equal_marginals_do_not_suffice():
    """(U, U, U') with U, U' independent and uniform on {1, 9}."""
    triples = [(u, u, v) for u in (1, 9) for v in (1, 9)]
    shares = [sum(Fraction(t[i], sum(t)) for t in triples) / 4 for i in (0, 2)]
    assert shares == [Fraction(193, 627), Fraction(241, 627)]
    tuples, probabilities = D1.tuples(3)
    weights = D1.weights[tuples]
    terms = weights / weights.sum(1, keepdim=True) * weights.mean(1, keepdim=True).log()
    each = (probabilities @ terms).tolist()
    assert each == pytest.approx([D1.bound(3).item() / 3] * 3, rel=1e-13)


def test_conditional_bounds_are_no_bounds_but_stay_below_evidence_over_e():
    refined = D1.refined([1])
    assert refined.sum().item() == pytest.approx(25 / 36, rel=1e-14)
    assert D1.elbo(refined).item() == pytest.approx(-0.48807, abs=1e-5)
    assert D1.elbo(refined) > D1.log_evidence
    best = D1.elbo(D1.joint / math.e).item()
    assert best == pytest.approx(0.35 / math.e, rel=1e-14)
    others = torch.rand(1000, 3, dtype=torch.float64, generator=seeded())
    assert (D1.elbo(others) <= best).all()
    assert (D1.elbo(D1.refined(D1.tuples(3)[0])) <= best).all()


@pytest.mark.parametrize("scale", [1e-3, 7.0, 1e9])
def test_conditional_bounds_depend_on_the_unit_of_x(scale):
    scaled = DiscreteWorld(D1.joint * scale, D1.proposal)
    refined = D1.refined([1])
    assert torch.allclose(scaled.refined([1]), refined, rtol=1e-14)
    moved = (scaled.elbo(refined) - D1.elbo(refined)).item()
    assert moved == pytest.approx(25 / 36 * math.log(scale), rel=1e-12)
    assert (scaled.bound(2) - D1.bound(2)).item() == pytest.approx(math.log(scale), rel=1e-12)


def test_refined_takes_batches_and_nothing():
    assert torch.allclose(D1.refined([]), D1.proposal, rtol=1e-15)
    assert torch.allclose(D1.resampled(1), D1.proposal, rtol=1e-15)
    batch = torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 2]]])
    assert D1.refined(batch).shape == (2, 2, 3)
    expected = D1.joint / ((D1.weights + D1.weights[0] + D1.weights[2]) / 3)
    assert torch.allclose(D1.refined((0, 2)), expected, rtol=1e-15)
    assert torch.allclose(D1.refined(batch)[1, 1], expected, rtol=1e-15)


def test_a_table_in_single_precision_keeps_its_type():
    world = DiscreteWorld(D1.joint.float(), torch.tensor([0.5, 0.25, 0.25]))
    assert world.bound(3).dtype == world.resampled(3).dtype == torch.float32
    assert DiscreteWorld(numbers(0.3), numbers(1.0)).bound(4).item() == pytest.approx(
        math.log(0.3)
    )


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_without_h_the_resampled_proposal_lacks_mass(samples):
    assert D2.resampled(samples).sum().item() == pytest.approx(1 - (1 / 6) ** samples, rel=1e-13)
    assert D2.bound(samples).item() == -math.inf
    assert D2.elbo(D2.proposal).item() == -math.inf
    assert math.isfinite(conditional_bounds(D2, 2))


def test_without_s_the_limit_is_below_log_evidence():
    world = DiscreteWorld(numbers(0.1, 0.2, 0.05, 0.25), numbers(1 / 2, 1 / 3, 1 / 6, 0.0))
    assert world.weights[3] == world.resampled(3)[3] == world.refined([0, 1])[3] == 0
    for samples in (1, 2, 5):
        assert world.bound(samples).item() == pytest.approx(D1.bound(samples).item(), rel=1e-13)
        assert world.resampled(samples).sum().item() == pytest.approx(1, rel=1e-13)
    assert world.log_evidence.item() == pytest.approx(math.log(0.6))
    assert world.bound(60) < math.log(0.35) < world.log_evidence


def test_resampled_is_the_law_of_sampling_importance_resampling():
    """Pearson's chi-square on 30000 draws, false alarm 1e-4 for each K."""
    for samples in (2, 3):
        generator = seeded(samples)
        drawn = torch.multinomial(PROPOSAL, 30_000 * samples, True, generator=generator)
        drawn = drawn.reshape(-1, samples)
        kept = torch.multinomial(D1.weights[drawn], 1, generator=generator)
        counts = drawn.gather(1, kept).flatten().bincount(minlength=3).numpy()
        expected = 30_000 * D1.resampled(samples)
        assert stats.chisquare(counts, expected.numpy()).pvalue > 1e-4
        for wrong in (PROPOSAL, D1.posterior, D1.resampled(samples + 1)):
            assert stats.chisquare(counts, 30_000 * wrong.numpy()).pvalue < 1e-5


@pytest.mark.parametrize("samples", range(1, 7))
def test_proposition_5_on_states(samples):
    ratio, resampled = D1.weights / 0.35, D1.resampled(samples)
    lower = samples * D1.joint / (D1.weights + (samples - 1) * 0.35)
    assert (resampled >= lower * (1 - 1e-14)).all()
    forward = (D1.posterior @ (D1.posterior / resampled).log()).item()
    middle = (D1.posterior @ (1 + (ratio - 1) / samples).log()).item()
    plain = (D1.posterior @ ratio.log()).item()
    chi_square = (D1.posterior @ ratio).item() - 1
    variation = (resampled - D1.posterior).abs().sum().item() / 2
    limit = (D1.posterior @ ((ratio - 1).clamp(min=0) / (ratio + samples - 1))).item()
    assert forward <= middle + 1e-14
    assert middle <= min(plain, chi_square / samples) + 1e-14
    assert variation <= limit + 1e-14


# The world of a normal latent: quadrature


# Made once with mpmath, 40 digits: Frullani's integral with step 1/8 in log t and Gauss-Legendre
# panels over 15 scales for phi; the same digits as with half as many nodes. The last one by
# trapezoidal sums, 34 digits; 17 are the same for two pairs of steps.
BOUNDS = [
    (G1, 2, -2.130468421366365657607),
    (G1, 10, -1.902189409316133757899),
    (G1, 100, -1.874487538548495174458),
    (G1, 10**4, -1.871699027703697362532),
    (G1, 10**6, -1.871671366641081961318),
    (G3, 2, -2.005624551069743170605),
    (G3, 10, -1.932629393397603353166),
    (G3, 100, -1.887836054711617802426),
    (G3, 10**4, -1.872551767449450518016),
    (G3, 10**6, -1.871717268575844074037),
    (PRIOR, 2, -2.63474860787395712828),
    (PRIOR, 100, -1.878994026138261859489),
    (PRIOR, 10**6, -1.87167180957418029127),
    (WIDE, 2, -2.726134604057185134436),
    (WIDE, 100, -1.877675152628015046953),
    (WIDE, 10**6, -1.871671679827645061026),
    (FAR_OFF, 1000, -3.739443835137833290810886847),
]
# Likewise log q_K(z), from its integral.
DENSITIES = [
    (G1, 3, -1.0, -4.978915066922047823251),
    (G1, 3, 1.0, -0.5676204680174336204655),
    (G1, 3, 6.0, -33.88310630622805166637),
    (G1, 1000, -1.0, -6.368085066005658926089),
    (G1, 1000, 2.5, -3.743510578366462643036),
    (G1, 1000, 6.0, -37.86807181363670722242),
    (G1, 10**6, 1.0, -0.3696327927775267941944),
    (G1, 10**6, 6.0, -37.8696308301046039191),
    (G3, 3, -1.0, -14.78075356163778118377),
    (G3, 3, 3.5, -23.78060600844417778465),
    (G3, 1000, 1.0, -0.3629605655154113186933),
    (G3, 1000, 2.0, -1.86985772644547342416),
    (G3, 10**6, 2.0, -1.86956327218902995898),
    (G3, 10**6, 3.5, -11.30065487058179163276),
]


@pytest.mark.parametrize("world, samples, value", BOUNDS)
def test_bounds_have_12_digits(world, samples, value):
    assert world.bound(samples) == pytest.approx(value, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "scale, distance",
    [(2, 4), (1.5, 0), (1, -2.5), (1, 1), (1, 4), (0.5, 3), (0.1, -3.9)],
)
def test_digits_do_not_depend_on_how_finely_sums_are_taken(scale, distance):
    unit = math.sqrt(0.5)  # of the posterior
    mean = distance * 0.999 * unit * max(scale, 1)
    worlds = [NormalWorld(0.0, 1.0, mean, scale * unit) for _ in range(2)]
    vars(worlds[1])["_spacing"] = worlds[0]._spacing / 2
    for samples in (2, 3, 10, 1000, 10**5, 10**7):
        for quantity in ("bound", "resampled_bound", "forward_divergence", "total_variation"):
            coarse, fine = (getattr(world, quantity)(samples) for world in worlds)
            assert coarse == pytest.approx(fine, rel=1e-12, abs=1e-14), (quantity, samples)


@pytest.mark.parametrize("world, samples, z, value", DENSITIES)
def test_resampled_densities_have_12_digits(world, samples, z, value):
    found = world.resampled_log_prob(numbers(z), samples)
    assert found.item() == pytest.approx(value, rel=1e-13, abs=0)


def panel(world, nodes=1201, reach=13.0):
    """Points z, and weights that integrate over z by the trapezoidal rule."""
    low = min(world.mean - reach * world.scale, 1 - reach / math.sqrt(3))
    high = max(world.mean + reach * world.scale, 1 + reach / math.sqrt(3))
    z = torch.linspace(low, high, nodes, dtype=torch.float64)
    return z, (high - low) / (nodes - 1)


def log_joint(world, z):
    likelihood = Normal(z, math.sqrt(world.noise)).log_prob(numbers(world.observation))
    return normal(0.0, 1.0).log_prob(z) + likelihood


WORLDS = {
    "G1": G1,
    "G3": G3,
    "prior": PRIOR,
    "wide": WIDE,
    "twice as wide": NormalWorld(1.5, 0.5, 1.6, 2 / math.sqrt(3)),
    "off": NormalWorld(1.5, 0.5, 2.9, 0.5),
    "same width": NormalWorld(1.5, 0.5, 0.4, math.sqrt(1 / 3)),
    "narrow": NormalWorld(1.5, 0.5, 1.3, 0.15),
}


@pytest.mark.parametrize("name", WORLDS)
def test_two_samples_against_a_plain_double_integral(name):
    """K = 2 without Frullani: E log((w + w') / 2) and q_2(z) = 2 q(z) E[w / (w + w')]."""
    world = WORLDS[name]
    z, step = panel(world, 1801 if world is WIDE else 901)
    log_q = normal(world.mean, world.scale).log_prob(z)
    log_w = log_joint(world, z) - log_q
    q = step * log_q.exp()
    pairs = torch.logaddexp(log_w.unsqueeze(1), log_w)
    assert world.bound(2) == pytest.approx((q @ (pairs - math.log(2)) @ q).item(), rel=1e-12)
    log_resampled = math.log(2) + log_q + ((log_w.unsqueeze(1) - pairs).exp() @ q).log()
    near = (z - world.mean).abs() < 8 * world.scale
    found = world.resampled_log_prob(z[near], 2)
    assert (found - log_resampled[near]).abs().max() < 1e-11
    resampled, posterior = log_resampled.exp(), (log_joint(world, z) - world.log_evidence).exp()
    elbo = step * torch.xlogy(resampled, 1).add(resampled * (log_joint(world, z) - log_resampled))
    assert world.resampled_bound(2) == pytest.approx(elbo.sum().item(), rel=1e-11)
    divergence = step * posterior * (posterior.log() - log_resampled)
    assert world.forward_divergence(2) == pytest.approx(divergence.nansum().item(), rel=1e-10)
    variation = step * (resampled - posterior).abs().sum().item() / 2
    assert world.total_variation(2) == pytest.approx(variation, abs=5e-4)  # kinks


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_both_worlds_agree(samples):
    """Nodes of a fine grid as states: sums over their counts, for a smooth pair of densities."""
    world = NormalWorld(1.5, 0.5, 1.0, 0.55)
    z = 1 + 0.55 * torch.arange(-8.4, 8.5, 0.6, dtype=torch.float64)
    step = 0.6 * 0.55
    proposal = step * world.proposal.log_prob(z).exp()
    discrete = DiscreteWorld(step * log_joint(world, z).exp(), proposal / proposal.sum())
    assert world.bound(samples) == pytest.approx(discrete.bound(samples).item(), rel=1e-11)
    resampled = world.resampled_log_prob(z, samples).exp() * step
    assert torch.allclose(resampled, discrete.resampled(samples), rtol=1e-9, atol=1e-13)
    elbo = discrete.elbo(discrete.resampled(samples)).item()
    assert world.resampled_bound(samples) == pytest.approx(elbo, rel=1e-11)


def test_log_weights_and_closed_forms():
    z = torch.linspace(-4, 5, 91, dtype=torch.float64)
    for world in (*WORLDS.values(), NormalWorld(-3.0, 4.0, -1.0, 0.7)):
        log_weight = log_joint(world, z) - normal(world.mean, world.scale).log_prob(z)
        assert torch.allclose(world.log_weight(z), log_weight, rtol=1e-12, atol=1e-12)
        evidence = log_joint(world, z) - world.posterior.log_prob(z)
        assert torch.allclose(evidence, torch.full_like(z, world.log_evidence), rtol=1e-12)
        assert torch.allclose(
            world.proposal.log_prob(z), normal(world.mean, world.scale).log_prob(z), atol=1e-13
        )
        divergence = torch.distributions.kl_divergence(world.proposal, world.posterior)
        assert world.bound(1) == pytest.approx(world.log_evidence - divergence.item(), rel=1e-13)
        assert world.log_weight(z.float()).dtype == torch.float32
    assert G1.log_evidence == pytest.approx(-0.75 - math.log(3 * math.pi) / 2, rel=1e-15)
    assert G1.posterior.mean.item() == pytest.approx(1)
    assert G1.posterior.variance.item() == pytest.approx(1 / 3)


def test_drawn_log_weights_are_those_of_draws():
    drawn = G1.draw_log_weights((3, 4), generator=seeded(5))
    noise = torch.randn(3, 4, dtype=torch.float64, generator=seeded(5))
    assert torch.allclose(drawn, G1.log_weight(0.5 + noise), rtol=1e-13)


def test_the_quoted_example_of_a_conditional_that_exceeds_log_evidence():
    z, step = panel(G1)
    mean = (G1.log_weight(z).exp() + G1.log_weight(numbers(1.0)).exp()) / 2
    refined = log_joint(G1, z).exp() / mean
    assert step * refined.sum().item() == pytest.approx(0.58384, abs=5e-6)
    assert step * (refined @ mean.log()).item() == pytest.approx(-0.78778, abs=5e-6)


@pytest.mark.parametrize("name", WORLDS)
def test_the_ladder_and_proposition_5(name):
    world, last = WORLDS[name], -math.inf
    z, step = panel(world, 3001, 14.0)
    log_ratio = world.log_weight(z) - world.log_evidence
    kept = ((z - world.mean).abs() < 8.5 * world.scale) | (log_ratio > 0)
    every = 3 if name == "narrow" else 5
    kept &= torch.arange(len(z)) % every == 0
    posterior = step * world.posterior.log_prob(z).exp()
    plain = (posterior @ log_ratio).item()
    finite = world.scale**2 > world.posterior.variance.item() / 2
    chi_square = (posterior @ log_ratio.exp()).item() - 1 if finite else math.inf
    for samples in (1, 2, 10, 1000, 10**7):
        bound, resampled = world.bound(samples), world.resampled_bound(samples)
        slack = 1e-13
        assert last < bound <= resampled + slack <= world.log_evidence + 3 * slack
        assert samples == 1 or resampled - bound > 1e-9
        last = bound
        ratio_plus = torch.logaddexp(log_ratio, numbers(samples - 1).log()) - math.log(samples)
        lower = world.posterior.log_prob(z) - ratio_plus
        found = world.resampled_log_prob(z[kept], samples)
        assert (found >= lower[kept] - 1e-10).all()
        assert (found.exp().sum() * every * step).item() == pytest.approx(1, rel=1e-12)
        middle = (posterior @ ratio_plus).item()
        forward, variation = world.forward_divergence(samples), world.total_variation(samples)
        assert -slack <= forward <= middle + slack
        assert middle <= min(plain, chi_square / samples) + slack
        share = -torch.expm1(-log_ratio.clamp(min=0)) / (1 + (samples - 1) * (-log_ratio).exp())
        assert 0 < variation <= (posterior @ share).item() + 1e-5  # the sum's kinks
        reverse = world.log_evidence - resampled
        assert variation <= math.sqrt(min(forward, reverse) / 2) + 1e-7  # Pinsker


@pytest.mark.parametrize("samples", [1, 2, 1000])
def test_total_variation_by_adaptive_quadrature_between_sign_changes(samples):
    for world in (G1, G3, WORLDS["same width"], WORLDS["off"]):

        def gap(z, world=world):
            points = torch.as_tensor(z, dtype=torch.float64).flatten()
            density = world.resampled_log_prob(points, samples).exp()
            return (density - world.posterior.log_prob(points).exp()).numpy().reshape(z.shape)

        z = panel(world, 201, 9.0)[0].numpy()
        signs = gap(z) > 0
        change = signs[1:] != signs[:-1]
        roots = elementwise.find_root(gap, (z[:-1][change], z[1:][change])).x
        edges = np.array([z[0], *roots, z[-1]])
        parts = integrate.tanhsinh(gap, edges[:-1], edges[1:], atol=1e-13)
        assert parts.success.all()
        expected = np.abs(parts.integral).sum() / 2
        assert world.total_variation(samples) == pytest.approx(expected, rel=1e-11)


def test_rate_for_finite_variance():
    """log p - L_K less its first two terms falls as K^-3."""
    z, step = panel(G1)
    ratio = (G1.log_weight(z) - G1.log_evidence).exp()
    q = step * G1.proposal.log_prob(z).exp()
    second, third = ((q @ (ratio - 1) ** power).item() for power in (2, 3))
    left = []
    for samples in (300, 3000):
        gap = G1.log_evidence - G1.bound(samples)
        terms = second / 2 / samples - (third / 3 - 0.75 * second**2) / samples**2
        left.append(abs(gap - terms))
    assert left[0] < 3e-7
    assert left[1] < left[0] / 700
    gaps = [G3.log_evidence - G3.bound(samples) for samples in (10**5, 10**6)]
    assert gaps[0] / gaps[1] < 9.5  # slower than 1 / K where the variance is infinite


def test_normal_resampled_density_keeps_the_contract():
    def sample(number, generator):
        z = 0.5 + torch.randn(number, 3, dtype=torch.float64, generator=generator)
        kept = torch.multinomial(G1.log_weight(z).softmax(1), 1, generator=generator)
        return z.gather(1, kept).squeeze(1)

    edges, generator = grid_edges(-9, 9, 72), seeded(3)
    clauses = contract(lambda z: G1.resampled_log_prob(z, 3), sample, edges, generator=generator)
    assert failed(clauses) == frozenset()
    wrong = contract(lambda z: G1.resampled_log_prob(z, 4), sample, edges, generator=generator)
    assert failed(wrong) == {"sampler"}


@pytest.mark.parametrize("world", [EXACT, NormalWorld(0.0, 1 / 3, 0.0, 0.5)])
def test_a_proposal_that_is_the_posterior(world):
    for samples in (1, 2, 3, 7, 10**6):
        assert world.bound(samples) == pytest.approx(world.log_evidence, abs=1e-14)
        assert world.resampled_bound(samples) == pytest.approx(world.log_evidence, abs=1e-14)
        assert world.forward_divergence(samples) == pytest.approx(0, abs=1e-13)
        assert world.total_variation(samples) == pytest.approx(0, abs=1e-13)


# The corners of what is promised: the scale over the posterior's, the mean's distance in scales.
CORNERS = [(1 / 16, 0), (1 / 16, 64), (1 / 16, -64), (1 / 4, 16), (1, -4), (2, 4), (2, -4)]


@pytest.mark.parametrize("ratio, shift", CORNERS)
def test_far_proposals_against_a_plain_double_integral(ratio, shift):
    scale = ratio / math.sqrt(3) * (1 + 1e-13)
    world = NormalWorld(1.5, 0.5, 1 + shift * scale * (1 - 1e-12), scale)
    u = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    q = 0.015 * normal(0.0, 1.0).log_prob(u).exp()
    log_w = world.log_weight(world.mean + scale * u)
    expected = q @ (torch.logaddexp(log_w.unsqueeze(1), log_w) - math.log(2)) @ q
    assert world.bound(2) == pytest.approx(expected.item(), rel=1e-12)
    assert world.bound(10**6) < world.bound(10**7) < world.log_evidence


@pytest.mark.parametrize("ratio, shift", [*CORNERS, (3.99, 0)])
def test_many_samples_of_far_proposals_by_a_finer_sum(ratio, shift):
    """K may be ten million only where phi errs by less than 1e-7 of what the bound may."""
    scale = ratio / math.sqrt(3) * (1 + 1e-13)
    world = NormalWorld(1.5, 0.5, 1 + shift * scale * (1 - 1e-12), scale)
    step = 0.01 if ratio < 3 else 0.0025
    u = step * torch.arange(-13 / step, 13 / step + 1, dtype=torch.float64)
    log_t = torch.arange(-56, 24, 0.25, dtype=torch.float64)
    log_ratio = world.log_weight(world.mean + scale * u) - world.log_evidence
    missing = torch.expm1(-(log_t.unsqueeze(1) + log_ratio).exp())
    log_phi = torch.log1p(missing @ (step * normal(0.0, 1.0).log_prob(u).exp()))
    for samples in (10**4, 10**7):
        gap = torch.expm1(samples * log_phi) - torch.expm1(-samples * log_t.exp())
        expected = world.log_evidence - 0.25 * gap.sum().item()
        assert world.bound(samples) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ratio", [0.07, 0.3, 0.95, 1.05, 2.0, 3.34])
@pytest.mark.parametrize("mean", [0.7, 1.9])
def test_divergences_of_one_sample_are_those_of_the_proposal(ratio, mean):
    world = NormalWorld(1.5, 0.5, mean, ratio / math.sqrt(3))
    forward = torch.distributions.kl_divergence(world.posterior, world.proposal).item()
    assert world.forward_divergence(1) == pytest.approx(forward, rel=1e-12)
    reverse = torch.distributions.kl_divergence(world.proposal, world.posterior).item()
    assert world.resampled_bound(1) == pytest.approx(world.log_evidence - reverse, rel=1e-12)


@pytest.mark.parametrize("mean", [-0.5, 0.3, 1.7, 2.5])
@pytest.mark.parametrize("stretch", [1 - 1e-9, 1, 1 + 1e-9])
def test_total_variation_of_equal_widths_is_that_of_one_crossing(mean, stretch):
    """If the widths differ by little the densities cross once more, billions of scales away."""
    world = NormalWorld(1.5, 0.5, mean, stretch / math.sqrt(3))
    expected = math.erf(abs(mean - 1) * math.sqrt(3 / 8))
    assert world.total_variation(1) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("mean, scale", [(2.9, 0.5), (1.3, 0.15), (3.2, 0.145)])
def test_nothing_changes_in_a_mirror(mean, scale):
    world, mirrored = NormalWorld(1.5, 0.5, mean, scale), NormalWorld(-1.5, 0.5, -mean, scale)
    for quantity in ("bound", "resampled_bound", "forward_divergence", "total_variation"):
        ours, theirs = (getattr(one, quantity)(9) for one in (world, mirrored))
        assert theirs == pytest.approx(ours, rel=1e-11), quantity
    z = mean + scale * torch.linspace(-16, 16, 9, dtype=torch.float64)
    found = mirrored.resampled_log_prob(-z, 9)
    assert torch.allclose(found, world.resampled_log_prob(z, 9), rtol=1e-11)


def test_the_widest_proposal():
    world = NormalWorld(1.5, 0.5, 1.0, 4 / math.sqrt(3) * (1 - 1e-13))
    u = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    q = 0.01 * normal(0.0, 1.0).log_prob(u).exp()
    log_w = world.log_weight(world.mean + world.scale * u)
    expected = q @ (torch.logaddexp(log_w.unsqueeze(1), log_w) - math.log(2)) @ q
    assert world.bound(2) == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(
    "name, scales, samples, points",
    [
        ("prior", -16, 2, 9001),
        ("off", 16, 2, 9001),
        ("twice as wide", 16, 2, 9001),
        ("G1", 16, 2, 9001),
        ("G1", -12, 3, 1201),
    ],
)
def test_far_points_against_a_plain_integral(name, scales, samples, points):
    """Where q_K needs the longer table of phi; the integral is over one or two other samples."""
    world, u = WORLDS[name], torch.linspace(-18, 18, points, dtype=torch.float64)
    z = numbers(world.mean + scales * world.scale)
    mass = normal(0.0, 1.0).log_prob(u) + math.log(36 / (points - 1))
    others = world.log_weight(world.mean + world.scale * u)
    if samples == 3:
        mass = (mass.unsqueeze(1) + mass).flatten()
        others = torch.logaddexp(others.unsqueeze(1), others).flatten()
    log_share = world.log_weight(z) - torch.logaddexp(world.log_weight(z), others)
    share = torch.logsumexp(mass + log_share, dim=0)
    expected = world.proposal.log_prob(z) + math.log(samples) + share
    found = world.resampled_log_prob(z, samples)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_where_all_others_weigh_nothing_q_k_is_k_times_the_proposal():
    z = numbers(1e6, -1e9)
    for samples in (2, 1000, 10**7):
        expected = G3.proposal.log_prob(z) + math.log(samples)
        assert torch.allclose(G3.resampled_log_prob(z, samples), expected, rtol=1e-15)
    assert torch.equal(G1.resampled_log_prob(z, 1), G1.proposal.log_prob(z))
    assert torch.allclose(EXACT.resampled_log_prob(z[:1], 3), EXACT.posterior.log_prob(z[:1]))


@pytest.mark.parametrize("log_ratio, allowed", [(0.5, True), (-0.5, False)])
def test_beyond_16_scales_a_weight_must_reach_the_evidence(log_ratio, allowed):
    """At 17 scales, with a proposal of nearly the posterior's width; K = 2 and one interval."""
    scale = 0.99 / math.sqrt(3)
    shift = math.sqrt(17**2 - 2 * (log_ratio - math.log(0.99))) / 0.99 - 17
    world = NormalWorld(1.5, 0.5, 1 + shift * scale, scale)
    z = numbers(world.mean + 17 * scale)
    assert world.log_weight(z).item() - world.log_evidence == pytest.approx(log_ratio, abs=1e-9)
    if not allowed:
        with pytest.raises(ValueError, match="needed points within 16 scales"):
            world.resampled_log_prob(z, 2)
        return
    points = torch.linspace(-13, 13, 2001, dtype=torch.float64)
    mass = 0.013 * normal(0.0, 1.0).log_prob(points).exp()
    others = world.log_weight(world.mean + scale * points)
    share = mass @ torch.sigmoid(world.log_weight(z) - others)
    expected = world.proposal.log_prob(z) + math.log(2) + share.log()
    assert world.resampled_log_prob(z, 2).item() == pytest.approx(expected.item(), rel=1e-12)


NINE = NormalWorld(1.5, 0.5, 1.0, 2.9 / math.sqrt(3))


@pytest.mark.parametrize("samples", [2, 9])
def test_q_k_does_not_depend_on_the_table_used(samples):
    """Points asked for alone have the shorter table up to a certain distance."""
    z = 1 + NINE.scale * torch.linspace(9.0, 9.5, 31, dtype=torch.float64)
    together = NINE.resampled_log_prob(torch.cat([z, numbers(1 + 16 * NINE.scale)]), samples)
    alone = torch.cat([NINE.resampled_log_prob(point, samples) for point in z.split(1)])
    assert torch.allclose(alone, together[:-1], rtol=0, atol=1e-10)


def test_a_far_point_where_all_nine_samples_may_lie_far_out():
    """phi(t)^8 is below e^-700 there, and counts: the scale is close to sqrt(9) posterior's."""
    u = torch.linspace(-18, 18, 3001, dtype=torch.float64)
    log_t = torch.arange(-20.0, 900.0, 0.4, dtype=torch.float64)
    log_ratio = NINE.log_weight(1 + NINE.scale * u) - NINE.log_evidence
    mass = normal(0.0, 1.0).log_prob(u).exp() * 0.012
    log_phi = (torch.exp(-(log_t.unsqueeze(1) + log_ratio).exp()) @ mass).log()
    z = numbers(1 + 15.5 * NINE.scale)
    exponent = log_t + (NINE.log_weight(z) - NINE.log_evidence)
    share = torch.logsumexp(exponent - exponent.exp() + 8 * log_phi, dim=0) + math.log(0.4)
    expected = NINE.proposal.log_prob(z) + math.log(9) + share
    assert NINE.resampled_log_prob(z, 9).item() == pytest.approx(expected.item(), rel=1e-8)


def test_each_sample_raises_the_density_at_the_posterior_s_mode():
    """For a proposal that is wider than the posterior."""
    z = G1.posterior.loc.reshape(1)
    heights = [G1.resampled_log_prob(z, samples).item() for samples in range(150, 230)]
    assert all(low < high for low, high in pairwise(heights))
    assert heights[-1] < G1.posterior.log_prob(z).item()


def test_numpy_integers_count_as_integers():
    three = np.int64(3)
    assert D1.bound(three) == D1.bound(3)
    assert torch.equal(D1.resampled(three), D1.resampled(3))
    assert torch.equal(D1.tuples(three)[0], D1.tuples(3)[0])
    assert torch.equal(D1.refined(np.array([0, 2])), D1.refined([0, 2]))
    assert D1.bound(np.int8(127)) == D1.bound(127)
    assert len(D1.tuples(np.uint8(8))[0]) == 3**8
    assert G1.bound(three) == G1.bound(3)
    assert G1.total_variation(three) == G1.total_variation(3)
    assert G1.draw_log_weights((three,), generator=seeded()).shape == (3,)
    whole = stream(samples=three, replications=np.int64(2), chunk=np.int8(2))
    assert whole.value == stream(samples=3).value
    assert NormalWorld(np.float64(1.5), Fraction(1, 2), np.float32(0.5), 1) == G1


# Wrong versions: every row 4.x of the table of mutations, with its numbers

W, Q, P = D1.weights, D1.proposal, D1.joint
BOUND_2 = enumerated(D1, 2, lambda w: w.mean(dim=1).log())


def every_source_slip(world, samples):
    """Source's z_1 for z_j: log of the mean of p(x, z_1) / q(z_j)."""
    tuples, probabilities = world.tuples(samples)
    ratios = world.joint[tuples[:, :1]] / world.proposal[tuples]
    return (probabilities @ ratios.mean(dim=1).log()).item()


def resampled_from(law):
    """q_2 with z_2 from another law than the proposal."""
    return law @ D1.refined(torch.arange(3).unsqueeze(1))


def normalized(others):
    refined = D1.refined(others)
    return refined / refined.sum(dim=-1, keepdim=True)


WRONG = {
    "4.pre mean of logs": (
        D1.bound(2),
        enumerated(D1, 2, lambda w: w.log().mean(1)),
        -1.175656298,
    ),
    "4.pre log of the mean over everything": (
        D1.bound(2),
        math.log(enumerated(D1, 2, lambda w: w.mean(1))),
        -1.049822124,
    ),
    "4.pre 1/K forgotten": (
        D1.bound(2),
        enumerated(D1, 2, lambda w: w.sum(1).log()),
        -0.4246167707,
    ),
    "4.pre 1/(K-1)": (
        D1.bound(3),
        enumerated(D1, 3, lambda w: (w.sum(1) / 2).log()),
        -0.6900462401,
    ),
    "4.pre weights inverted": (
        D1.bound(2),
        enumerated(D1, 2, lambda w: w.reciprocal().mean(1).log()),
        1.233548645,
    ),
    "4.1 normalized before averaging": (
        conditional_bounds(D1, 2),
        conditional_bounds(D1, 2, normalized),
        -1.087516281,
    ),
    "4.1 1/(K-1)": (
        conditional_bounds(D1, 2),
        conditional_bounds(D1, 2, lambda z: P / (W + W[z])),
        -0.2123083854,
    ),
    "4.1 own weight left out": (
        conditional_bounds(D1, 2),
        conditional_bounds(D1, 2, lambda z: P / (W[z] / 2).expand(-1, 3)),
        -5.235504442,
    ),
    "4.1 expectation outside": (
        conditional_bounds(D1, 2),
        D1.elbo(D1.resampled(2)),
        -1.089445362,
    ),
    "4.1 z_1 for z_j": (conditional_bounds(D1, 2), every_source_slip(D1, 2), -1.138335624),
    "4.2a K - 1 in front": (D1.resampled(2).sum(), (D1.resampled(2) / 2).sum(), 0.5),
    "4.2a each q-tilde normalized": (D1.resampled(2).sum(), D1.refined([1]).sum(), 0.6944444444),
    "4.2a support dropped": (D2.resampled(2).sum(), 1.0, 1.0),
    "4.2a others from the posterior": (
        D1.resampled(2).sum(),
        resampled_from(D1.posterior).sum(),
        0.8841269841,
    ),
    "4.2b Jensen reversed": (
        D1.elbo(D1.resampled(2)) - D1.bound(2),
        D1.bound(2) - D1.elbo(D1.resampled(2)),
        -0.02831858962,
    ),
    "4.2b equality": (D1.elbo(D1.resampled(2)), D1.bound(2), -1.117763951),
    "4.2b q_K is the posterior": (D1.log_evidence - D1.elbo(D1.resampled(2)), 0.0, 0.0),
    "4.2b an extra sample": (D1.resampled(2)[0], D1.resampled(3)[0], 0.3609577922),
}
RIGHT = {
    "4.pre": -1.117763951,
    "4.pre 1/(K-1)": -1.095511348,
    "4.1": -1.117763951,
    "4.2a": 1.0,
    "4.2a support dropped": 0.9722222222,
    "4.2b Jensen reversed": 0.02831858962,
    "4.2b equality": -1.089445362,
    "4.2b q_K is the posterior": 0.03962323714,
    "4.2b an extra sample": 0.4,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_versions_are_caught(name):
    right, wrong, stated = (float(value) for value in WRONG[name])
    expected = RIGHT.get(name, RIGHT.get(name.split()[0]))
    assert right == pytest.approx(expected, rel=2e-9)
    assert wrong == pytest.approx(stated, rel=2e-9)
    assert abs(right - wrong) > 1e-3


def test_each_conditional_taken_for_a_lower_bound_is_caught():
    excess = (D1.elbo(D1.refined([1])) - D1.log_evidence).item()
    assert excess == pytest.approx(0.5617511563, rel=1e-9)


def test_experiments_that_hide_a_wrong_version():
    """Why these are not used as checks: with the posterior as proposal, or K = 1, all agree."""
    exact = DiscreteWorld(D1.joint, D1.posterior)
    mean_of_logs = enumerated(exact, 2, lambda w: w.log().mean(1))
    assert exact.bound(2).item() == pytest.approx(mean_of_logs, rel=1e-13)
    assert exact.elbo(exact.resampled(2)).item() == pytest.approx(exact.bound(2).item())
    assert D1.elbo(D1.resampled(1)).item() == pytest.approx(D1.bound(1).item())


# Bad input

FAR = NormalWorld(1.5, 0.5, 9.0, 0.5)


def draw_normal(number, generator):
    return torch.randn(number, generator=generator)


def stream(**changes):
    arguments = {"samples": 5, "replications": 2, "chunk": 2, "generator": seeded()} | changes
    return stream_bound(arguments.pop("draw", draw_normal), **arguments)


def uniform(states, total=1.0):
    law = torch.full((states,), total / states, dtype=torch.float64)
    return DiscreteWorld(law, law)


@pytest.mark.parametrize("ratio", [1 / 16, 4.0])
def test_scales_at_the_ends_of_what_is_allowed_are_allowed(ratio):
    posterior = NormalWorld(1.5, 0.5, 1.0, 1.0).posterior
    world = NormalWorld(1.5, 0.5, float(posterior.loc), ratio * float(posterior.scale))
    assert 0 < world.total_variation(2) < 1
    outside = math.nextafter(world.scale, math.inf if ratio > 1 else 0)
    with pytest.raises(ValueError, match="from 1/16 to 4 times"):
        NormalWorld(1.5, 0.5, float(posterior.loc), outside).total_variation(2)


BAD = {
    "needed at least one log-weight along axis -1, got shape (3, 0)": (
        lambda: log_mean_exp(torch.zeros(3, 0))
    ),
    "needed at least one log-weight along axis -1, got shape ()": (
        lambda: log_mean_exp(torch.tensor(1.0))
    ),
    "needed at least one log-weight along axis 1, got shape (3,)": (
        lambda: log_mean_exp(torch.zeros(3), dim=1)
    ),
    "needed at least one log-weight along axis -2, got shape (3,)": (
        lambda: effective_sample_size(torch.zeros(3), dim=-2)
    ),
    "needed at least one log-weight along axis 2, got shape (3,)": (
        lambda: log_mean_exp(torch.zeros(3), dim=2)
    ),
    "needed at least one log-weight along axis -3, got shape (3,)": (
        lambda: log_mean_exp(torch.zeros(3), dim=-3)
    ),
    "needed floating-point log-weights, got torch.int64": lambda: log_mean_exp(torch.arange(3)),
    "needed log-weights below +infinity (claim 4.0), got nan": (
        lambda: log_mean_exp(numbers(0.0, math.nan))
    ),
    "needed log-weights below +infinity (claim 4.0), got infinity": (
        lambda: effective_sample_size(numbers(0.0, math.inf))
    ),
    "below +infinity (claim 4.0), got nan": lambda: LogMean().add(numbers(math.nan, math.inf)),
    "log-weight along axis 0, got shape (0,)": lambda: LogMean().add(numbers()),
    "needed at least one log-weight, got none: call add": lambda: LogMean().value(),
    "at least one log-weight, got none": lambda: LogMean().effective_sample_size(),
    "log-weights (R, K) with R at least 2 (claim 4.0), got (1, 5)": (
        lambda: estimate_bound(torch.zeros(1, 5))
    ),
    "with R at least 2 (claim 4.0), got (5,)": lambda: estimate_bound(torch.zeros(5)),
    "with R at least 2 (claim 4.0), got (2, 3, 4)": lambda: estimate_bound(torch.zeros(2, 3, 4)),
    "along axis -1, got shape (2, 0)": lambda: estimate_bound(torch.zeros(2, 0)),
    "needed samples K to be a whole number from 1 on, got 0": lambda: stream(samples=0),
    "number from 1 on, got 2.5": lambda: stream(samples=2.5),
    "needed replications to be a whole number from 2 on, got 1": lambda: stream(replications=1),
    "needed a chunk to be a whole number from 1 on, got 0": lambda: stream(chunk=0),
    "needed (2,) log-weights, drew (2, 1)": lambda: stream(draw=lambda n, g: torch.zeros(n, 1)),
    "needed (2,) log-weights, drew (5,)": lambda: stream(draw=lambda n, g: torch.zeros(5)),
    "needed (2,) log-weights, drew (1,)": lambda: stream(draw=lambda n, g: torch.zeros(n - 1)),
    "got nan": lambda: stream(draw=lambda n, g: torch.full((n,), math.nan)),
    "needed a floating-point joint (states,), got torch.int64 of shape (3,)": (
        lambda: DiscreteWorld(torch.ones(3).long(), PROPOSAL)
    ),
    "joint (states,), got torch.float64 of shape (0,)": (
        lambda: DiscreteWorld(numbers(), numbers())
    ),
    "joint (states,), got torch.float64 of shape ()": (
        lambda: DiscreteWorld(P.sum(), torch.tensor(1.0))
    ),
    "needed a floating-point proposal (states,), got torch.float64 of shape (1, 3)": (
        lambda: DiscreteWorld(P, PROPOSAL[None])
    ),
    "needed a finite joint without negative numbers, got [0.1, -0.2, 0.3]": (
        lambda: DiscreteWorld(numbers(0.1, -0.2, 0.3), PROPOSAL)
    ),
    "needed a finite joint without negative numbers, got [nan": (
        lambda: DiscreteWorld(numbers(math.nan, 1.0, 1.0), PROPOSAL)
    ),
    "needed a finite joint without negative numbers, got [inf": (
        lambda: DiscreteWorld(numbers(math.inf, 1.0, 1.0), PROPOSAL)
    ),
    "needed a finite proposal without negative numbers, got [1.5, -0.5]": (
        lambda: DiscreteWorld(numbers(1.0, 1.0), numbers(1.5, -0.5))
    ),
    "proposal of one type and shape, got torch.float64 (2,) and torch.float64 (3,)": (
        lambda: DiscreteWorld(numbers(0.5, 0.5), PROPOSAL)
    ),
    "needed joint and proposal of one type and shape, got torch.float32 (3,) and torch.float64": (
        lambda: DiscreteWorld(D1.joint.float(), PROPOSAL)
    ),
    "needed p(x) > 0 (claim 4.0): a joint with a sum above 0": (
        lambda: DiscreteWorld(numbers(0.0, 0.0, 0.0), PROPOSAL)
    ),
    "needed proposal probabilities that sum to 1, got a sum of 1.1": (
        lambda: DiscreteWorld(P, numbers(0.5, 0.3, 0.3))
    ),
    "that sum to 1, got a sum of 0.9999999": (
        lambda: DiscreteWorld(P, numbers(0.5, 0.3, 0.1999999))
    ),
    "that sum to 1, got a sum of 0.99999999999997": (
        lambda: DiscreteWorld(P, PROPOSAL * (1 - 3e-14))
    ),
    "needed samples K to be a whole number from 1 on, got True": lambda: D1.bound(True),
    "from 1 on, got -2": lambda: D1.tuples(-2),
    "from 1 on, got 1.5": lambda: D1.resampled(1.5),
    "number from 1 on, got '3'": lambda: D1.tuples("3"),
    "number from 1 on, got None": lambda: G1.bound(None),
    "needed at most 2000000 terms to sum, got 4782969: take": lambda: D1.tuples(14),
    "needed at most 2000000 terms to sum, got 2001000: take": lambda: D1.bound(1999),
    "2000000 terms to sum, got 2003001": lambda: D1.resampled(2001),
    "needed states from 0 to 2, got [3]": lambda: D1.refined([3]),
    "needed states from 0 to 2, got [4, 0]": lambda: D1.refined([4, 0]),
    "needed states from 0 to 2, got [-1]": lambda: D1.refined([-1]),
    "needed states from 0 to 2, got [1.0]": lambda: D1.refined([1.0]),
    "needed states from 0 to 2, got [True]": lambda: D1.refined([True]),
    "needed a function with last axis (3,) (claim 4.1), got (2,)": (
        lambda: D1.elbo(numbers(0.5, 0.5))
    ),
    "needed a function with last axis (3,) (claim 4.1), got (4,)": lambda: D1.elbo(torch.ones(4)),
    "needed a function with last axis (3,) (claim 4.1), got ()": (
        lambda: D1.elbo(torch.tensor(1.0))
    ),
    "needed a finite non-negative function (claim 4.1)": (
        lambda: D1.elbo(numbers(0.5, 0.6, -0.1))
    ),
    "non-negative function (claim 4.1), got another": (
        lambda: D1.elbo(numbers(0.5, 0.6, math.nan))
    ),
    "finite non-negative function": lambda: D1.elbo(numbers(0.5, 0.6, math.inf)),
    "needed a finite observation (claim 4.0), got nan": (
        lambda: NormalWorld(math.nan, 1.0, 0.0, 1.0)
    ),
    "needed a finite mean (claim 4.0), got inf": lambda: NormalWorld(0.0, 1.0, math.inf, 1.0),
    "needed a noise above 0 (claim 4.0), got 0.0": lambda: NormalWorld(0.0, 0.0, 0.0, 1.0),
    "needed a scale above 0 (claim 4.0), got -1.0": lambda: NormalWorld(0.0, 1.0, 0.0, -1.0),
    "needed samples K up to 10000000 for 12 digits, got 10000001": lambda: G1.bound(10**7 + 1),
    "K up to 10000000 for 12 digits, got 20000000": lambda: G1.resampled_bound(2 * 10**7),
    "needed, for 12 digits, a scale from 1/16 to 4 times the posterior's 0.57735, got 3": (
        lambda: NormalWorld(1.5, 0.5, 1.0, 3.0).bound(2)
    ),
    "a scale from 1/16 to 4 times the posterior's 0.57735, got 0.03": (
        lambda: NormalWorld(1.5, 0.5, 1.0, 0.03).total_variation(2)
    ),
    "needed, for 12 digits, a mean at most 4 scales away from the posterior's 1, got 9": (
        lambda: FAR.bound(2)
    ),
    "4 scales away from the posterior's 1, got -9": (
        lambda: NormalWorld(1.5, 0.5, -9.0, 1.0).resampled_log_prob(numbers(0.0), 2)
    ),
    "4 scales away from the posterior's 1, got 6": (
        lambda: NormalWorld(1.5, 0.5, 6.0, 1.0).bound(2)
    ),
    "4 scales away from the posterior's 1, got 3.5": (  # the wider scale is the posterior's
        lambda: NormalWorld(1.5, 0.5, 3.5, 0.1).bound(2)
    ),
    "scales away from the posterior's 1": lambda: FAR.forward_divergence(1),
    "needed finite points (n,) (claim 4.2a), got (1, 2)": (
        lambda: G1.resampled_log_prob(numbers([0.0, 1.0]), 2)
    ),
    "needed finite points (n,) (claim 4.2a), got (1,)": (
        lambda: G1.resampled_log_prob(numbers(math.nan), 2)
    ),
    "needed finite points (n,) (claim 4.2a), got ()": (
        lambda: G1.resampled_log_prob(torch.tensor(1.0), 2)
    ),
    "K to be a whole number from 1 on, got 0.5": lambda: G1.total_variation(0.5),
    "samples K to be a whole number from 1 on, got 0": lambda: G1.total_variation(0),
    "needed log-weights in a tensor of real numbers, got [0.0, 1.0]": (
        lambda: log_mean_exp([0.0, 1.0])
    ),
    "log-weights in a tensor of real numbers, got tensor([0.+0.j])": (
        lambda: effective_sample_size(torch.zeros(1, dtype=torch.complex64))
    ),
    "needed an axis, a whole number, got '0'": lambda: log_mean_exp(torch.zeros(2), dim="0"),
    "log-weights in a tensor of real numbers, got 1.0": lambda: LogMean().add(1.0),
    "log-weights in a tensor of real numbers, got [[0.0]": lambda: estimate_bound([[0.0], [1.0]]),
    "log-weights in a tensor of real numbers, got [0.0, 0.0]": (
        lambda: stream(draw=lambda number, generator: [0.0] * number)
    ),
    "needed a function that draws log-weights, got 3": lambda: stream(draw=3),
    "needed another LogMean to merge with, got 2.0": lambda: LogMean().merge(2.0),
    "needed a joint (states,) in a tensor of real numbers, got [0.1": (
        lambda: DiscreteWorld([0.1, 0.2, 0.05], [0.5, 0.3, 0.2])
    ),
    "needed a proposal (states,) in a tensor of real numbers, got [0.5": (
        lambda: DiscreteWorld(P, [0.5, 0.3, 0.2])
    ),
    "needed a function (..., states) in a tensor of real numbers, got [0.1": (
        lambda: D1.elbo([0.1, 0.2, 0.3])
    ),
    "needed states from 0 to 2 with an axis of K - 1, got 1": lambda: D1.refined(1),
    "states from 0 to 2 with an axis of K - 1, got tensor(1)": (
        lambda: D1.refined(torch.tensor(1))
    ),
    "needed states from 0 to 2 in a tensor or list, got 'ab'": lambda: D1.refined("ab"),
    "needed states from 0 to 2 in a tensor or list, got None": lambda: D1.refined(None),
    "states from 0 to 2 in a tensor or list, got [[0], [1, 2]]": lambda: D1.refined([[0], [1, 2]]),
    "needed states from 0 to 2, got [1j]": lambda: D1.refined([1j]),
    "needed at most 2000000 terms to sum, got over 10^15": lambda: D1.tuples(10**9),
    "terms to sum, got over 10^15": lambda: D1.bound(10**12),
    "terms to sum, got 617673396283947: take": lambda: D1.tuples(31),
    "terms to sum, got 1000000000000000: take": lambda: uniform(10).tuples(15),
    "terms to sum, got over 10^15: take a smaller K": lambda: D1.tuples(32),
    "needed at most 2000000 terms to sum, got 2000001": lambda: uniform(2_000_001).tuples(1),
    "needed a finite scale (claim 4.0), got 'a'": lambda: NormalWorld(1.5, 0.5, 0.5, "a"),
    "needed a finite scale (claim 4.0), got None": lambda: NormalWorld(1.5, 0.5, 0.5, None),
    "needed a finite mean (claim 4.0), got True": lambda: NormalWorld(1.5, 0.5, True, 1.0),
    "needed a finite mean (claim 4.0), got tensor": lambda: NormalWorld(1.5, 0.5, numbers(1), 1.0),
    "needed a mean of size at most 1e50, got 1e+200": lambda: NormalWorld(1.5, 0.5, 1e200, 1.0),
    "needed a finite observation (claim 4.0), got -1000000": (
        lambda: NormalWorld(-(10**400), 1, 1, 1)
    ),
    "needed a noise from 1e-50 to 1e50, got 1e-60": lambda: NormalWorld(1.5, 1e-60, 0.0, 1.0),
    "needed a scale from 1e-50 to 1e50, got 1e+60": lambda: NormalWorld(1.5, 1.0, 0.0, 1e60),
    "needed points in a tensor of real numbers, got 1.0": lambda: G1.log_weight(1.0),
    "needed a shape of whole numbers from 0, got (-1,)": (
        lambda: G1.draw_log_weights((-1,), generator=seeded())
    ),
    "needed a shape of whole numbers from 0, got 5": (
        lambda: G1.draw_log_weights(5, generator=seeded())
    ),
    "needed a shape of whole numbers from 0, got (2.0,)": (
        lambda: G1.draw_log_weights((2.0,), generator=seeded())
    ),
    "needed a shape of whole numbers from 0, got 'ab'": (
        lambda: G1.draw_log_weights("ab", generator=seeded())
    ),
    "needed a shape of whole numbers from 0, got ''": (
        lambda: G1.draw_log_weights("", generator=seeded())
    ),
    "needed a torch.Generator to draw with, got None": (
        lambda: G1.draw_log_weights((2,), generator=None)
    ),
    "needed points (n,) in a tensor of real numbers, got 1.0": (
        lambda: G1.resampled_log_prob(1.0, 3)
    ),
    "needed points within 16 scales of the proposal's mean 0.5, or with w >= p(x) (claim 4.2a), "
    "got 1e+06": lambda: G1.resampled_log_prob(numbers(0.0, 1e6), 2),
    "w >= p(x) (claim 4.2a), got 17": lambda: G1.resampled_log_prob(numbers(17.0), 10**6),
    "w >= p(x) (claim 4.2a), got 30": (  # the first of them
        lambda: G1.resampled_log_prob(numbers(0.0, 30.0, 20.0), 2)
    ),
    "w >= p(x) (claim 4.2a), got 1e+300": lambda: G3.resampled_log_prob(numbers(1e300), 2),
    "needed finite points (n,) (claim 4.2a), got (0,)": (
        lambda: G1.resampled_log_prob(torch.zeros(0), 5)
    ),
    "needed weights that are finite in torch.float64 (claim 4.0), got infinity": (
        lambda: DiscreteWorld(numbers(1.0, 1.0), numbers(1e-310, 1.0))
    ),
    "number from 1 on, got tensor(3)": lambda: D1.bound(torch.tensor(3)),
    "number from 1 on, got np.float64(3.0)": lambda: D1.bound(np.float64(3.0)),
    "K to be a whole number from 1 on, got False": lambda: G1.forward_divergence(False),
    "K to be a whole number from 1 on, got -1": lambda: G1.resampled_log_prob(numbers(0.0), -1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_told_what_was_needed(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert message in str(error.value)


def test_two_million_terms_are_not_too_many():
    assert len(uniform(2_000_000).tuples(1)[0]) == 2_000_000


def test_probabilities_of_many_states_may_sum_to_1_less_exactly():
    """Each of them may be rounded."""
    assert uniform(1000, total=1 + 1e-13).log_evidence > 0
    with pytest.raises(ValueError, match="sum to 1"):
        uniform(2, total=1 + 1e-13)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_draws_may_be_one_number_or_none(shape):
    assert G1.draw_log_weights(shape, generator=seeded()).shape == shape


@pytest.mark.parametrize("place", [-1e50, 1e50])
@pytest.mark.parametrize("noise, scale", [(1e-50, 1e50), (1e50, 1e-50)])
def test_the_largest_and_smallest_sizes_allowed_do_not_overflow(place, noise, scale):
    world = NormalWorld(place, noise, -place, scale)
    assert math.isfinite(world.log_evidence)
    assert math.isfinite(world.bound(1))


BEYOND = [(0.062, 0), (4.01, 0), (0.1, 40.1), (0.1, -40.1), (1, 4.01), (1, -4.01), (2, 4.01)]


@pytest.mark.parametrize("ratio, shift", BEYOND)
def test_proposals_a_little_beyond_the_corners_are_refused(ratio, shift):
    scale = ratio / math.sqrt(3)
    world = NormalWorld(1.5, 0.5, 1 + shift * scale, scale)
    with pytest.raises(ValueError, match="for 12 digits"):
        world.bound(2)


@pytest.mark.parametrize("edge", [-16, 16])
def test_points_16_scales_away_are_near_whatever_the_rounding(edge):
    places = torch.linspace(0.9, 1.1, 5, dtype=torch.float64).tolist()
    for world in (NormalWorld(1.5, 0.5, place, 0.55) for place in places):
        z = numbers(world.mean + edge * world.scale)
        assert world.resampled_log_prob(z, 2).isfinite()


def test_a_posterior_resampled_is_itself_at_any_distance():
    """All weights are equal there, but for their rounding."""
    z = 1 + EXACT.scale * torch.linspace(-50, 50, 101, dtype=torch.float64)
    assert torch.allclose(EXACT.resampled_log_prob(z, 3), EXACT.posterior.log_prob(z), rtol=1e-12)


def test_many_samples_are_exact_in_float32_too():
    """Logarithms of factorials of hundreds are thousands: a float has none of their decimals."""
    tables = torch.tensor([20.0, 30.0]), torch.tensor([0.4, 0.6])
    single = DiscreteWorld(*tables)
    double = DiscreteWorld(numbers(20.0, 30.0), numbers(0.4, 0.6))
    for samples in (200, 1000):
        bound, resampled = single.bound(samples), single.resampled(samples)
        assert bound.dtype == resampled.dtype == torch.float32
        assert float(bound) == pytest.approx(float(double.bound(samples)), abs=1e-6)
        assert float(resampled.sum()) == pytest.approx(1, abs=1e-6)


def test_what_is_far_has_a_closed_form_for_one_sample():
    divergence = torch.distributions.kl_divergence(FAR.proposal, FAR.posterior).item()
    assert FAR.bound(1) == pytest.approx(FAR.log_evidence - divergence, rel=1e-13)
