"""Importance-weighted bounds: estimates from log-weights, and two worlds where all is exact.

A log-weight is log p(x, z) - log q(z | x) of a draw z from the proposal q; the bound L_K is the
expected log-mean-exp of K of them (chapter 4). `DiscreteWorld` has a latent with a few states,
so that every expectation is a finite sum; `NormalWorld` has a normal one, with quadratures good
to 12 digits for K from 1 to ten million. Everything is in nats.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.distributions import Normal

from helpers.inputs import require_count

__all__ = [
    "DiscreteWorld",
    "Estimate",
    "LogMean",
    "NormalWorld",
    "effective_sample_size",
    "estimate_bound",
    "log_mean_exp",
    "stream_bound",
]

TERMS = 2_000_000  # of an enumeration, at most
LARGEST = 10_000_000  # K of a quadrature
RANGE = 14.0  # scales of the proposal on either side of its mean: exp(-98) lies outside
REACH, FAR_RANGE = 16.0, 18.0  # scales within which q_K may be asked for, and the range for it
FAR = 11.0  # the same where K times the proposal is integrated: 1e7 exp(-60)
BLOCK = 256  # points whose q_K is computed at once
STEP = 0.25  # of log t in Frullani's integral; see `NormalWorld`
NARROWEST, WIDEST = 1 / 16, 4.0  # scale of the proposal over that of the posterior
SLACK = 1 + 1e-9  # for points on the edge of what is allowed, after rounding
EXTREME = 1e50  # sizes whose squares, and theirs, are still numbers


def log_mean_exp(log_weights: Tensor, dim: int = -1) -> Tensor:
    """Logarithm of the mean of weights, from their logarithms; derivatives pass.

    Args:
        log_weights: Floating point, of any shape; -infinity stands for a weight of zero.
        dim: The axis of the K weights.

    Returns:
        The shape without that axis; -infinity where all weights are zero.

    Raises:
        ValueError: If this is no tensor, the axis is empty, or a log-weight is NaN or +infinity.
    """
    largest, relative = _relative_weights(log_weights, dim)
    mean = relative.mean(dim)
    none = mean == 0  # where torch.logsumexp has derivatives that are NaN
    return (largest + mean.masked_fill(none, 1).log()).masked_fill(none, -math.inf)


def effective_sample_size(log_weights: Tensor, dim: int = -1) -> Tensor:
    """(sum w)^2 / sum w^2, from log-weights: K for equal weights, 1 if one outweighs the rest.

    It does not change when all weights are multiplied by a number.

    Args:
        log_weights: As for `log_mean_exp`.
        dim: The axis of the K weights.

    Returns:
        The shape without that axis, from 1 to K; 0 where all weights are zero.

    Raises:
        ValueError: If this is no tensor, the axis is empty, or a log-weight is NaN or +infinity.
    """
    _, relative = _relative_weights(log_weights, dim)
    squares = relative.square().sum(dim)
    return relative.sum(dim).square() / squares.clamp(min=1)  # one of them is 1, or all are 0


class LogMean:
    """Log of the mean of weights that come in chunks, in constant memory.

    It keeps four numbers: the count, the largest log-weight, and the sums of the weights and of
    their squares in units of the largest weight.
    """

    def __init__(self) -> None:
        self.count = 0
        self._largest, self._total, self._squares = -math.inf, 0.0, 0.0

    def add(self, log_weights: Tensor) -> None:
        """Take in more log-weights, of any shape.

        Raises:
            ValueError: If this is no tensor, there are none, or one is NaN or +infinity.
        """
        _require_tensor("log-weights", log_weights)
        chunk = log_weights.detach().flatten()
        _require_log_weights(chunk, 0)
        largest = float(chunk.max())
        if largest == -math.inf:
            self._take(len(chunk), largest, 0.0, 0.0)
            return
        weights = (chunk - largest).to(torch.float64).exp_()
        self._take(len(chunk), largest, float(weights.sum()), float(weights @ weights))

    def merge(self, other: "LogMean") -> "LogMean":
        """A new mean over the weights of both, as if they had come together.

        Raises:
            ValueError: If the other is no `LogMean`.
        """
        if not isinstance(other, LogMean):
            raise ValueError(f"needed another LogMean to merge with, got {other!r:.60}")
        union = LogMean()
        for part in (self, other):
            union._take(part.count, part._largest, part._total, part._squares)
        return union

    def value(self) -> float:
        """Log of the mean; -infinity if all weights are zero.

        Raises:
            ValueError: If no weight has come yet.
        """
        self._require_some()
        return self._largest + math.log(self._total / self.count) if self._total else -math.inf

    def effective_sample_size(self) -> float:
        """(sum w)^2 / sum w^2; 0 if all weights are zero.

        Raises:
            ValueError: If no weight has come yet.
        """
        self._require_some()
        return self._total**2 / self._squares if self._total else 0.0

    def _take(self, count: int, largest: float, total: float, squares: float) -> None:
        """Add sums that are in units of another largest weight."""
        self.count += count
        if largest == -math.inf:
            return
        common = max(self._largest, largest)
        old, new = math.exp(self._largest - common), math.exp(largest - common)
        self._total = self._total * old + total * new
        self._squares = self._squares * old**2 + squares * new**2
        self._largest = common

    def _require_some(self) -> None:
        if not self.count:
            raise ValueError("needed at least one log-weight, got none: call add first")


class Estimate(NamedTuple):
    """A Monte Carlo estimate of L_K.

    Attributes:
        value: Mean over the replications, in nats.
        standard_error: Of that mean: approximate for few replications, and not an error bar for
            log p(x), from which L_K itself is away. Infinite where a replication is -infinity.
        replications: The estimate of each replication, (R,).
    """

    value: float
    standard_error: float
    replications: Tensor


def estimate_bound(log_weights: Tensor) -> Estimate:
    """L_K with its standard error, from R independent sets of K log-weights.

    Args:
        log_weights: (R, K), R at least 2.

    Raises:
        ValueError: If this is no tensor, the shape is another one, or a log-weight is NaN or
            +infinity.
    """
    _require_tensor("log-weights", log_weights)
    if log_weights.dim() != 2 or len(log_weights) < 2:
        shape = tuple(log_weights.shape)
        raise ValueError(f"needed log-weights (R, K) with R at least 2 (claim 4.0), got {shape}")
    return _summary(log_mean_exp(log_weights).detach())


def stream_bound(
    draw: Callable[[int, torch.Generator], Tensor],
    samples: int,
    *,
    replications: int = 2,
    chunk: int = 65_536,
    generator: torch.Generator,
) -> Estimate:
    """L_K for any K, in memory for one chunk of log-weights.

    Args:
        draw: Called as draw(number, generator), returns that many log-weights, (number,).
        samples: K.
        replications: R, how many independent sets of K; at least 2.
        chunk: The largest number of log-weights drawn at once.
        generator: Source of the draws.

    Raises:
        ValueError: If a count is too small or not an integer, or what was drawn is not as said.
    """
    samples = require_count("samples K", samples)
    replications = require_count("replications", replications, least=2)
    chunk = require_count("a chunk", chunk)
    if not callable(draw):
        raise ValueError(f"needed a function that draws log-weights, got {draw!r:.60}")
    values = []
    for _ in range(replications):
        mean = LogMean()
        while mean.count < samples:
            number = min(chunk, samples - mean.count)
            drawn = draw(number, generator)
            _require_tensor("log-weights", drawn)
            if drawn.shape != (number,):
                raise ValueError(f"needed ({number},) log-weights, drew {tuple(drawn.shape)}")
            mean.add(drawn)
        values.append(mean.value())
    return _summary(torch.tensor(values, dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class DiscreteWorld:
    """One x and a latent z with a few states, where every expectation is a finite sum.

    Hypotheses of chapter 4: (H) joint > 0 wherever proposal > 0, and (S) the reverse. Neither is
    required: where (H) fails `bound` is -infinity, and `resampled` sums to less than 1.

    Args:
        joint: p(x, z), (states,), not negative; its sum, above 0, is p(x).
        proposal: q(z | x), (states,), not negative, summing to 1.

    Raises:
        ValueError: If a table is not as said.
    """

    joint: Tensor
    proposal: Tensor

    def __post_init__(self) -> None:
        for name in ("joint", "proposal"):
            _require_table(name, getattr(self, name))
        kinds = [f"{t.dtype} {tuple(t.shape)}" for t in (self.joint, self.proposal)]
        if kinds[0] != kinds[1]:
            came = " and ".join(kinds)
            raise ValueError(f"needed joint and proposal of one type and shape, got {came}")
        if not self.joint.sum() > 0:
            raise ValueError("needed p(x) > 0 (claim 4.0): a joint with a sum above 0, got 0")
        total = float(self.proposal.sum())
        if not abs(total - 1) <= 8 * torch.finfo(self.proposal.dtype).eps * len(self.proposal):
            raise ValueError(f"needed proposal probabilities that sum to 1, got a sum of {total}")
        if not self.weights.isfinite().all():
            kind = self.proposal.dtype
            raise ValueError(f"needed weights that are finite in {kind} (claim 4.0), got infinity")

    @property
    def log_evidence(self) -> Tensor:
        """log p(x)."""
        return self.joint.sum().log()

    @property
    def posterior(self) -> Tensor:
        """p(z | x), (states,)."""
        return self.joint / self.joint.sum()

    @property
    def weights(self) -> Tensor:
        """w(z) = p(x, z) / q(z | x), (states,); 0 where q is 0, for such a z is never drawn."""
        return torch.where(self.proposal > 0, self.joint / self.proposal, 0)

    def tuples(self, samples: int) -> tuple[Tensor, Tensor]:
        """Every K-tuple of states, and its probability when all are drawn from the proposal.

        Returns:
            Indices (states**K, K), and probabilities (states**K,).

        Raises:
            ValueError: If K is not an integer from 1, or there are over two million tuples.
        """
        states, samples = len(self.joint), require_count("samples K", samples)
        _require_enumerable(states ** min(samples, 64))
        axis = torch.arange(states, device=self.proposal.device)
        every = torch.cartesian_prod(*[axis] * samples).reshape(-1, samples)
        return every, self.proposal[every].prod(dim=1)

    def bound(self, samples: int) -> Tensor:
        """L_K, the expectation of the log of the mean of K weights (claim 4.0).

        The tuples that differ only in their order are put together: a sum over the counts of the
        states, with multinomial probabilities, so that K may be in the hundreds.

        Returns:
            A number; -infinity where (H) fails.

        Raises:
            ValueError: If K is not an integer from 1, or there are over two million counts.
        """
        samples = require_count("samples K", samples)
        counts, probabilities = self._counts(samples)
        mean = counts @ self.weights.double() / samples
        return torch.special.xlogy(probabilities, mean).sum().to(self.proposal)

    def refined(self, others: Sequence[int] | Tensor) -> Tensor:
        """q-tilde(z | z_2, ..., z_K) = K q w / (w + w_2 + ... + w_K), not normalized (claim 4.1).

        This is p(x, z) over the mean of the K weights; it is 0 where q is 0, and 0 / 0 is 0.

        Args:
            others: States z_2 to z_K, (..., K - 1). None at all, K = 1, gives q where w > 0.

        Returns:
            (..., states).

        Raises:
            ValueError: If these are not integers from 0 to states - 1.
        """
        others = self._as_states(others)
        return self._refined(self.weights[others].sum(dim=-1), others.shape[-1] + 1)

    def resampled(self, samples: int) -> Tensor:
        """q_K, the expectation of q-tilde over z_2, ..., z_K from the proposal (claim 4.2a).

        Returns:
            (states,); its sum is 1 - q(p = 0)^K, which is 1 under (H).

        Raises:
            ValueError: If K is not an integer from 1, or there are over two million counts.
        """
        samples = require_count("samples K", samples)
        counts, probabilities = self._counts(samples - 1)
        refined = self._refined(counts @ self.weights.double(), samples)
        return (probabilities @ refined).to(self.proposal)

    def elbo(self, density: Tensor) -> Tensor:
        """L_1 of any non-negative function: the sum of density * log(joint / density).

        0 log 0 is 0. Only for a density is this a lower bound on log p(x).

        Args:
            density: (..., states), not negative.

        Returns:
            (...); -infinity where the joint is 0 and the density is not.

        Raises:
            ValueError: If this is no tensor of real numbers, the last axis is another one, or a
                number is negative or not finite.
        """
        _require_tensor("a function (..., states)", density)
        if density.shape[-1:] != self.joint.shape:
            needed, got = tuple(self.joint.shape), tuple(density.shape)
            raise ValueError(f"needed a function with last axis {needed} (claim 4.1), got {got}")
        if not ((density >= 0) & density.isfinite()).all():
            raise ValueError("needed a finite non-negative function (claim 4.1), got another")
        each = torch.special.xlogy(density, self.joint) - torch.special.xlogy(density, density)
        return each.sum(dim=-1)

    def _as_states(self, others: Sequence[int] | Tensor) -> Tensor:
        """States z_2 to z_K as indices (..., K - 1), or what is wrong with them."""
        needed = f"needed states from 0 to {len(self.joint) - 1}"
        try:
            states = torch.as_tensor(others, device=self.proposal.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{needed} in a tensor or list, got {others!r:.60}") from error
        if states.dim() == 0:
            raise ValueError(f"{needed} with an axis of K - 1, got {others!r:.60}")
        if states.numel() == 0:
            return states.long()
        integers = not (states.is_floating_point() or states.is_complex())
        if not integers or states.dtype == torch.bool:
            raise ValueError(f"{needed}, got {states.tolist()!r:.60}")
        if ((states < 0) | (states >= len(self.joint))).any():
            raise ValueError(f"{needed}, got {states.tolist()!r:.60}")
        return states.long()

    def _refined(self, total: Tensor, samples: int) -> Tensor:
        """K q w / (w + total) for totals (...) of the other weights, (..., states)."""
        everything = self.weights + total.unsqueeze(-1)
        share = torch.where(everything > 0, self.weights / everything, 0)
        return samples * self.proposal * share

    def _counts(self, draws: int) -> tuple[Tensor, Tensor]:
        """How often each state may be drawn, (n, states), and with what probability, (n,).

        Both in float64: the logarithms of factorials are large, and differ by little.
        """
        states = len(self.joint)
        _require_enumerable(math.comb(draws + states - 1, states - 1))
        bars = list(combinations(range(draws + states - 1), states - 1))
        edges = torch.tensor(bars, dtype=torch.long).reshape(len(bars), states - 1)
        first, last = edges.new_full((len(bars), 1), -1), draws + states - 1
        edges = torch.cat([first, edges, first.new_full(first.shape, last)], dim=1)
        counts = (edges.diff(dim=1) - 1).to(self.proposal.device, torch.float64)
        law = self.proposal.double()
        law = law / law.sum()  # a sum that is 1 in float32 would show in hundreds of draws
        ways = math.lgamma(draws + 1) - torch.lgamma(counts + 1).sum(dim=1)
        log_probability = ways + torch.special.xlogy(counts, law).sum(dim=1)
        return counts, log_probability.exp()


@dataclass(frozen=True)
class NormalWorld:
    """A normal latent: z ~ N(0, 1), x | z ~ N(z, noise), proposal N(mean, scale^2); float64.

    With phi(t) = E exp(-t w / p(x)), L_K and q_K are one-dimensional integrals over log t. phi
    is tabulated once for all K. The trapezoidal rule with step 1/4 in log t errs by at most
    4 |Gamma(8 pi i)| < 1e-16, whatever the weights and K: the integrand's Fourier transform is
    Gamma(i omega) times E mean(w)^(-i omega). phi is a trapezoidal sum over the proposal's noise,
    with a step that the slope of log w fixes.

    Digits: `bound`, `resampled_bound`, `forward_divergence` and `total_variation` have 12, small
    divergences and distances 14 decimal places, for K up to ten million, if the proposal's scale
    is between 1/16 and 4 times the posterior's, and its mean at most 4 of the larger of the two
    scales away from the posterior's. Others are refused, but for `bound(1)`. Infinite variance of
    the weights, a scale below 0.7 times the posterior's, is fine.

    Args:
        observation: x.
        noise: Variance of x given z, above 0.
        mean: Mean of the proposal.
        scale: Standard deviation of the proposal, above 0.

    Raises:
        ValueError: If one is no finite number, noise or scale is not above 0, or one is so large
            or small that its squares overflow.
    """

    observation: float
    noise: float
    mean: float
    scale: float

    def __post_init__(self) -> None:
        for name in ("observation", "noise", "mean", "scale"):
            value, positive = _finite(name, getattr(self, name)), name in ("noise", "scale")
            if positive and not value > 0:
                raise ValueError(f"needed a {name} above 0 (claim 4.0), got {value}")
            if abs(value) > EXTREME or (positive and value < 1 / EXTREME):
                sizes = "from 1e-50 to 1e50" if positive else "of size at most 1e50"
                raise ValueError(f"needed a {name} {sizes}, got {value}")
            object.__setattr__(self, name, value)

    @property
    def log_evidence(self) -> float:
        """log p(x), with x ~ N(0, 1 + noise)."""
        variance = 1 + self.noise
        return -(self.observation**2) / (2 * variance) - math.log(2 * math.pi * variance) / 2

    @property
    def posterior(self) -> Normal:
        """p(z | x)."""
        location = _double(self.observation / (1 + self.noise))
        return Normal(location, _double(self.noise / (1 + self.noise)).sqrt())

    @property
    def proposal(self) -> Normal:
        """q(z | x)."""
        return Normal(_double(self.mean), _double(self.scale))

    def log_weight(self, z: Tensor) -> Tensor:
        """log p(x, z) - log q(z | x), of the shape of z.

        Raises:
            ValueError: If z is no tensor of real numbers.
        """
        _require_tensor("points", z)
        return self.log_evidence + self._log_ratio((z - self.mean) / self.scale)

    def draw_log_weights(self, shape: Sequence[int], *, generator: torch.Generator) -> Tensor:
        """Log-weights of independent draws from the proposal, float64, of any shape.

        Raises:
            ValueError: If the shape is no sequence of whole numbers from 0, or the generator none.
        """
        _require_shape(shape)
        if not isinstance(generator, torch.Generator):
            raise ValueError(f"needed a torch.Generator to draw with, got {generator!r:.60}")
        noise = torch.randn(
            tuple(shape), dtype=torch.float64, generator=generator, device=generator.device
        )
        return self.log_evidence + self._log_ratio(noise)

    def bound(self, samples: int) -> float:
        """L_K by Frullani's integral; in closed form for K = 1 (claim 4.0).

        The first call takes milliseconds, up to a second for the widest proposals; the others
        less than one.

        Raises:
            ValueError: If K is not an integer from 1 to ten million, or the proposal is too far
                from the posterior for 12 digits.
        """
        samples = _require_quadrature(samples)
        ratio, shift = self._relative
        if samples == 1:
            squares = ratio**2 + (ratio * shift) ** 2
            return self.log_evidence + math.log(ratio) + (1 - squares) / 2
        log_t, log_phi = self._transform
        kept = torch.expm1(-samples * log_t.exp()) - torch.expm1(samples * log_phi)
        return self.log_evidence + STEP * float(kept.sum())

    def resampled_log_prob(self, z: Tensor, samples: int) -> Tensor:
        """log q_K(z), the log-density of sampling-importance-resampling (claim 4.2a).

        Args:
            z: (n,), within 16 scales of the proposal's mean, or further away where w >= p(x);
                anywhere for K = 1.
            samples: K.

        Returns:
            (n,), float64.

        Raises:
            ValueError: As `bound`; or if z is not a vector of such numbers.
        """
        _require_tensor("points (n,)", z)
        samples = _require_quadrature(samples)
        if z.dim() != 1 or len(z) == 0 or not z.isfinite().all():
            raise ValueError(f"needed finite points (n,) (claim 4.2a), got {tuple(z.shape)}")
        points = z.to("cpu", torch.float64)
        noise = (points - self.mean) / self.scale
        log_ratio = self._log_ratio(noise)
        near = (noise.abs() <= REACH * SLACK) | (log_ratio >= -1e-9)
        if samples > 1 and not near.all():
            raise ValueError(
                f"needed points within 16 scales of the proposal's mean {self.mean:g}, or with "
                f"w >= p(x) (claim 4.2a), got {float(points[~near][0]):g}"
            )
        share = self._log_share(log_ratio, samples, far=True)
        return (self.proposal.log_prob(points) + math.log(samples) + share).to(z.device)

    def resampled_bound(self, samples: int) -> float:
        """L_1[q_K], the evidence lower bound of the resampled proposal (claim 4.2b).

        Raises:
            ValueError: As `bound`.
        """
        step, noise = self._points(-FAR, FAR)
        log_density, log_posterior = self._log_densities(noise, samples)
        gap = log_density.exp() * (log_density - log_posterior)
        return self.log_evidence - step * float(gap.sum())

    def forward_divergence(self, samples: int) -> float:
        """KL(p(. | x) || q_K) (Proposition 5).

        Raises:
            ValueError: As `bound`.
        """
        ratio, shift = self._relative
        step, noise = self._points(-shift - 10 / ratio, -shift + 10 / ratio)
        log_density, log_posterior = self._log_densities(noise, samples)
        return step * float((log_posterior.exp() * (log_posterior - log_density)).sum())

    def total_variation(self, samples: int) -> float:
        """Half the integral of |q_K - p(. | x)| (Proposition 5).

        The two cross where w has one certain value, for q_K / p(. | x) falls as w rises: between
        such points the difference has one sign.

        Raises:
            ValueError: As `bound`.
        """
        samples = _require_quadrature(samples)
        ratio, shift = self._relative
        low, high = min(-FAR, -shift - 10 / ratio), max(FAR, -shift + 10 / ratio)
        edges = [low, *self._crossings(samples, low, high), high]
        return sum(abs(self._excess(samples, *pair)) for pair in pairwise(edges)) / 2

    @property
    def _relative(self) -> tuple[float, float]:
        """Scale over the posterior's, and the means' distance in scales of the proposal."""
        center, width = float(self.posterior.loc), float(self.posterior.scale)
        return self.scale / width, (self.mean - center) / self.scale

    def _log_ratio(self, noise: Tensor) -> Tensor:
        """log of w(z) / p(x) at z = mean + scale * noise."""
        ratio, shift = self._relative
        return math.log(ratio) + (noise**2 - (ratio * (noise + shift)) ** 2) / 2

    @cached_property
    def _spacing(self) -> float:
        """Step over the noise with which the sums for phi err by less than 1e-15 / K.

        Where log w has slope a, exp(-t w) turns from 1 to 0 as exp(-exp(a u)), whose sum errs by
        exp(-pi^2 / (step a)), times the normal density there.
        """
        self._require_close()
        ratio, shift = self._relative
        noise = torch.linspace(-10, 10, 401, dtype=torch.float64)
        slope = (noise - ratio**2 * (noise + shift)).abs()
        steepest = float((slope * (52 - noise**2 / 2)).max())
        return min(0.3 / max(1, ratio), math.pi**2 / max(steepest, 1))

    @cached_property
    def _transform(self) -> tuple[Tensor, Tensor]:
        """log t, from where K t < 1e-16 to where phi < 1e-19, and log phi(t)."""
        return self._tabulate(RANGE, -math.inf)

    @cached_property
    def _far_transform(self) -> tuple[Tensor, Tensor]:
        """The same, to where t w > 100 at every point within reach."""
        least = float(self._log_ratio(_grid(-REACH, REACH, STEP)).min())
        return self._tabulate(FAR_RANGE, math.log(100) - least)

    def _tabulate(self, reach: float, end: float) -> tuple[Tensor, Tensor]:
        """log t, at least to the end asked for, and log phi(t)."""
        step, noise = self._spacing, _grid(-reach, reach, self._spacing)
        mass = step * torch.exp(-(noise**2) / 2) / math.sqrt(2 * math.pi)
        log_ratio = self._log_ratio(noise)
        low = _grid(-math.log(LARGEST) - 38, -STEP, STEP)
        rates = torch.outer(log_ratio.exp(), low.exp())
        places, values = [low], [(mass @ torch.expm1(-rates)).log1p()]
        while values[-1][-1] > -44 or places[-1][-1] < end:
            start, steps = places[-1][-1] + STEP, STEP * torch.arange(64, dtype=torch.float64)
            rates = torch.outer((log_ratio + start).exp(), steps.exp())
            places.append(start + steps)
            log_phi = (mass @ torch.exp(-rates)).log()
            if values[-1][-1] > -0.5:  # K (1 - phi) needs the digits of 1 - phi
                lost = mass @ torch.expm1(-rates)
                log_phi = torch.where(lost > -0.5, lost.log1p(), log_phi)
            values.append(log_phi)
        return torch.cat(places), torch.cat(values)

    def _log_share(self, log_ratio: Tensor, samples: int, far: bool = False) -> Tensor:
        """log E[w / (w + w_2 + ... + w_K)] for log(w / p(x)), (n,); far for every digit of it.

        w times the integral of exp(-t w) phi(t)^(K - 1); where w exceeds K, one minus that of
        1 - phi(t)^(K - 1).
        """
        if samples == 1:
            return torch.zeros_like(log_ratio)
        log_t, log_phi = self._transform
        if far and float(log_ratio.min()) + float(log_t[-1]) < math.log(100):
            log_t, log_phi = self._far_transform
        others = (samples - 1) * log_phi
        log_t, others = log_t[others > -2000], others[others > -2000]

        def log_kernel(part: Tensor) -> Tensor:
            exponent = part.unsqueeze(1) + log_t
            return exponent - exponent.exp() + math.log(STEP)

        share, small = torch.empty_like(log_ratio), log_ratio < math.log(samples)
        parts = log_ratio[small].split(BLOCK)
        share[small] = torch.cat([torch.logsumexp(log_kernel(p) + others, dim=1) for p in parts])
        weights, parts = torch.expm1(others), log_ratio[~small].split(BLOCK)
        share[~small] = torch.cat([torch.log1p(log_kernel(p).exp() @ weights) for p in parts])
        return share

    def _points(self, low: float, high: float) -> tuple[float, Tensor]:
        """Step and nodes of a trapezoidal sum over the noise, of functions smoother than phi's."""
        step = 2 * self._spacing
        return step, _grid(low, high, step)

    def _log_densities(self, noise: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """log q_K and log p(. | x) as densities of the noise."""
        samples = _require_quadrature(samples)
        log_ratio = self._log_ratio(noise)
        proposal = -(noise**2) / 2 - math.log(2 * math.pi) / 2
        share = self._log_share(log_ratio, samples)
        return proposal + math.log(samples) + share, proposal + log_ratio

    def _crossings(self, samples: int, low: float, high: float) -> list[float]:
        """Where q_K equals p(. | x), in units of the noise."""

        def excess(log_ratio: float) -> float:
            share = self._log_share(_double([log_ratio]), samples)
            return math.log(samples) + float(share) - log_ratio

        top = math.log(samples)
        level = brentq(excess, 0, top) if excess(0.0) > 0 > excess(top) else 0.0
        ratio, shift = self._relative
        constant = math.log(ratio) - (ratio * shift) ** 2 / 2 - level
        roots = np.roots([(1 - ratio**2) / 2, -(ratio**2) * shift, constant])
        return sorted(float(r.real) for r in roots if r.imag == 0 and low < r.real < high)

    def _excess(self, samples: int, low: float, high: float) -> float:
        """Mass of q_K less that of p(. | x) between two values of the noise."""
        panels = math.ceil((high - low) / (16 * self._spacing))
        nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(16))
        half = (high - low) / (2 * panels)
        middles = low + half * (2 * torch.arange(panels, dtype=torch.float64) + 1)
        noise = (middles.unsqueeze(1) + half * nodes).flatten()
        ours, posterior = self._log_densities(noise, samples)
        return float((ours.exp() - posterior.exp()) @ (half * weights).repeat(panels))

    def _require_close(self) -> None:
        """Refuse proposals for which the digits promised have not been checked."""
        ratio, shift = self._relative
        if not NARROWEST <= ratio <= WIDEST:
            raise ValueError(
                f"needed, for 12 digits, a scale from 1/16 to 4 times the posterior's "
                f"{float(self.posterior.scale):g}, got {self.scale:g}"
            )
        if not abs(shift) <= 4 * max(1, 1 / ratio):
            raise ValueError(
                f"needed, for 12 digits, a mean at most 4 scales away from the posterior's "
                f"{float(self.posterior.loc):g}, got {self.mean:g}"
            )


def _relative_weights(log_weights: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The largest log-weight along an axis, and the weights over it; 0 if all weights are 0."""
    _require_log_weights(log_weights, dim)
    largest = log_weights.detach().amax(dim, keepdim=True)
    largest = largest.masked_fill(largest == -math.inf, 0)
    return largest.squeeze(dim), (log_weights - largest).exp()


def _double(value: float | list[float]) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _grid(low: float, high: float, step: float) -> Tensor:
    """Multiples of a step from low to high."""
    first, last = math.ceil(low / step), math.floor(high / step)
    return step * torch.arange(first, last + 1, dtype=torch.float64)


def _summary(values: Tensor) -> Estimate:
    """Mean of replications (R,), and its standard error."""
    if (values == -math.inf).any():
        return Estimate(-math.inf, math.inf, values)
    error = values.double().std() / math.sqrt(len(values))
    return Estimate(float(values.double().mean()), float(error), values)


def _require_quadrature(samples: object) -> int:
    number = require_count("samples K", samples)
    if number > LARGEST:
        raise ValueError(f"needed samples K up to {LARGEST} for 12 digits, got {number!s:.30}")
    return number


def _require_enumerable(terms: int) -> None:
    if terms > TERMS:
        found = terms if terms <= 10**15 else "over 10^15"
        raise ValueError(f"needed at most {TERMS} terms to sum, got {found}: take a smaller K")


def _require_shape(shape: object) -> None:
    sizes = list(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else [None]
    if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise ValueError(f"needed a shape of whole numbers from 0, got {shape!r:.60}")


def _finite(name: str, value: object) -> float:
    """The number as Python's own, or what is wrong with it."""
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # of a long integer
        number = math.inf
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"needed a finite {name} (claim 4.0), got {value!r:.60}")
    return number


def _require_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor) or value.is_complex():
        raise ValueError(f"needed {name} in a tensor of real numbers, got {value!r:.60}")


def _require_log_weights(log_weights: Tensor, dim: int) -> None:
    """Refuse axes that are empty or missing, and what is no logarithm of a finite weight."""
    _require_tensor("log-weights", log_weights)
    if not isinstance(dim, Integral):
        raise ValueError(f"needed an axis, a whole number, got {dim!r:.60}")
    shape = tuple(log_weights.shape)
    if not -len(shape) <= dim < len(shape) or log_weights.shape[dim] == 0:
        raise ValueError(f"needed at least one log-weight along axis {dim}, got shape {shape}")
    if not log_weights.is_floating_point():
        raise ValueError(f"needed floating-point log-weights, got {log_weights.dtype}")
    if not (log_weights < math.inf).all():  # nor is NaN below infinity
        found = "nan" if log_weights.isnan().any() else "infinity"
        raise ValueError(f"needed log-weights below +infinity (claim 4.0), got {found}")


def _require_table(name: str, table: Tensor) -> None:
    _require_tensor(f"a {name} (states,)", table)
    if table.dim() != 1 or len(table) == 0 or not table.is_floating_point():
        shape, kind = tuple(table.shape), table.dtype
        raise ValueError(f"needed a floating-point {name} (states,), got {kind} of shape {shape}")
    if not ((table >= 0) & table.isfinite()).all():
        raise ValueError(f"needed a finite {name} without negative numbers, got {table.tolist()}")
