"""Variational inference where every number is exact: a linear-Gaussian model and its encoders.

Nothing here is sampled. Evidence, posterior, bound and the best encoder of each kind have closed
forms, so the gaps of chapter 3 are numbers and not estimates. Precisions are kept as triangular
roots and never squared, so that noise of 1e-30 and nearly collinear columns do no harm. Values
are in nats, and as exact as the rounding of the inputs lets them be.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from helpers.inputs import require_count
from helpers.reparameterization import log_prob_diagonal, standard_log_prob

__all__ = [
    "KINDS",
    "Encoder",
    "LinearGaussian",
    "example",
    "refine",
]

KINDS: dict[str, Callable[[int, int], int]] = {  # numbers that the mean needs, of latent, observed
    "constant": lambda latent, observed: latent,
    "scalar": lambda latent, observed: 1,
    "linear": lambda latent, observed: latent * observed,
    "affine": lambda latent, observed: latent * observed + latent,
}


class Bounded(Protocol):
    """Any model with an evidence lower bound that autograd can differentiate."""

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        """The bound for each row of x, (batch,)."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """An amortized posterior q(z | x) = N(matrix x + offset, diag(variance)).

    Attributes:
        matrix: (latent, observed).
        offset: (latent,).
        variance: (latent,), the same for every x.
        kind: A key of `KINDS`: which numbers are free, and so have to be stored.

    Raises:
        ValueError: If shapes do not fit, a variance is not positive, or a number is missing.
    """

    matrix: Tensor
    offset: Tensor
    variance: Tensor
    kind: str = "affine"

    def __post_init__(self) -> None:
        _require_kind(self.kind)
        _require_matrix("an encoder's matrix (latent, observed)", self.matrix)
        latent = self.matrix.shape[:1]
        _require_like("an encoder's offset", self.offset, latent, self.matrix)
        _require_like("an encoder's variance", self.variance, latent, self.matrix)
        _require_positive("claim 3.2 needs an encoder's variances above 0", self.variance)

    def __call__(self, x: Tensor) -> MultivariateNormal:
        """q(z | x), with a diagonal covariance.

        Args:
            x: (batch, observed).

        Returns:
            Batch (batch,), event (latent,).
        """
        _require_points(x, self.matrix.shape[1], self.matrix)
        return _mean_field(x @ self.matrix.T + self.offset, self.variance)

    @property
    def size(self) -> int:
        """How many numbers an encoder of this kind stores: those of its mean, and variances."""
        latent, observed = self.matrix.shape
        return KINDS[self.kind](latent, observed) + latent


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """The model p(z) = N(0, I), p(x | z) = N(weight z + bias, diag(noise)).

    Like a distribution, it is made anew from its parameters at each step of training; autograd
    passes through all its methods. Batches stand first and broadcast.

    Attributes:
        weight: (observed, latent).
        bias: (observed,).
        noise: Variances, (observed,), positive.

    Raises:
        ValueError: If shapes do not fit, a variance is not positive, or a number is missing.
    """

    weight: Tensor
    bias: Tensor
    noise: Tensor

    def __post_init__(self) -> None:
        _require_matrix("a weight (observed, latent)", self.weight)
        observed = self.weight.shape[:1]
        _require_like("a bias", self.bias, observed, self.weight)
        _require_like("noise variances", self.noise, observed, self.weight)
        _require_positive("needed noise variances above 0", self.noise)
        if not self._precisions().isfinite().all():
            raise ValueError(
                "needed weights whose squares over the noise are finite in this precision; got "
                f"weights up to {self.weight.abs().max():g}, noise from {self.noise.min():g}"
            )

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x).

        With more observed than latent numbers it is log p(x, z) - log p(z | x), taken at the
        posterior's mean, where no large terms cancel.

        Args:
            x: (batch, observed).

        Returns:
            (batch,).
        """
        self._require(x)
        observed, latent = self.weight.shape
        if observed <= latent:
            parts = torch.cat([self.weight.T, self.noise.sqrt().diag()])
            root = _positive_qr(parts)[1].T
            return MultivariateNormal(self.bias, scale_tril=root).log_prob(x)
        log_det = self._precision_root()[1].diagonal().log().sum()
        return self.log_joint(x, self._mean(x)) - log_det + latent / 2 * math.log(2 * math.pi)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x, z).

        Args:
            x: (batch, observed).
            z: (batch, latent).

        Returns:
            (batch,).
        """
        self._require(x)
        _require_points(z, self.weight.shape[1], self.weight, "latent z")
        _require_broadcast(x.shape[:-1], z.shape[:-1])
        mean = z @ self.weight.T + self.bias
        _require_finite("weight z + bias", mean)
        return log_prob_diagonal(x, mean, self.noise.sqrt()) + standard_log_prob(z)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        """p(z | x), batch (batch,) and event (latent,); its covariance is the same for every x.

        Args:
            x: (batch, observed).
        """
        self._require(x)
        root = self._precision_root()[1]
        identity = torch.eye(len(root), dtype=root.dtype, device=root.device)
        inverse = torch.linalg.solve_triangular(root, identity, upper=False)
        return MultivariateNormal(self._mean(x), scale_tril=inverse)

    def ecll(self, x: Tensor, q: Distribution) -> Tensor:
        """The expected complete log-likelihood E_q log p(x, z); q may be a point mass.

        Args:
            x: (batch, observed).
            q: A Gaussian, `MultivariateNormal` or `Independent(Normal, 1)`, with event (latent,).

        Returns:
            (batch,).

        Raises:
            ValueError: If q is not such a Gaussian, or shapes do not fit.
        """
        self._require_gaussian(q)
        if isinstance(q, MultivariateNormal):
            spread = (self._precision_root()[1] @ q.scale_tril).square().sum(dim=(-2, -1))
        else:
            spread = (q.variance * self._precisions()).sum(dim=-1)
        return self.log_joint(x, q.mean) - spread / 2

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        """The evidence lower bound: the expected complete log-likelihood plus the entropy of q.

        Args:
            x: (batch, observed).
            q: As in `ecll`.

        Returns:
            (batch,).

        Raises:
            ValueError: If the entropy is not finite, q is not a Gaussian, or shapes do not fit.
        """
        expected, entropy = self.ecll(x, q), q.entropy()
        if not entropy.isfinite().all():
            found = entropy.flatten()[~entropy.isfinite().flatten()][0]
            raise ValueError(f"claim 3.1 needs a q of finite entropy; got entropy {found:g}")
        return expected + entropy

    def best_mean_field(self, x: Tensor) -> MultivariateNormal:
        """For each x the q with a diagonal covariance that has the largest bound.

        It has the posterior's means, and the reciprocals of the diagonal of the posterior's
        precision for variances.

        Args:
            x: (batch, observed).

        Returns:
            Batch (batch,), event (latent,).
        """
        self._require(x)
        return _mean_field(self._mean(x), 1 / self._precisions())

    def best_encoder(self, x: Tensor, kind: str) -> Encoder:
        """The encoder of this kind with the largest sum of bounds over the data x.

        Its variances are those of `best_mean_field`; its means are least squares in the metric
        of the posterior's precision. Where several encoders are best, as with fewer data than
        numbers in x, the linear one has the smallest matrix, and the affine one is always the
        posterior's mean.

        Args:
            x: Data, (batch, observed).
            kind: "constant" (mean c), "scalar" (mean f weight^T x), "linear" (mean A x) or
                "affine" (mean A x + a).

        Raises:
            ValueError: If the kind is another one, or x has not that shape.
        """
        _require_kind(kind)
        self._require(x)
        if x.dim() != 2:
            raise ValueError(f"needed data (batch, observed); got shape {tuple(x.shape)}")
        matrix, offset = self._best_map(x, kind)
        return Encoder(matrix, offset, 1 / self._precisions(), kind)

    def _best_map(self, x: Tensor, kind: str) -> tuple[Tensor, Tensor]:
        """Matrix (latent, observed) and offset (latent,) of the best encoder."""
        gain, target = self._gain(), self._mean(x)
        if kind == "affine":
            return gain, -gain @ self.bias
        if kind == "constant":
            return torch.zeros_like(gain), target.mean(dim=0)
        if kind == "linear":
            return (torch.linalg.pinv(x) @ target).T, torch.zeros_like(gain[:, 0])
        root = self._precision_root()[1]
        feature = (x @ self.weight @ root.T).reshape(-1, 1)
        factor = torch.linalg.pinv(feature) @ (target @ root.T).flatten()
        return factor * self.weight.T, torch.zeros_like(gain[:, 0])

    def _precisions(self) -> Tensor:
        """The diagonal of the posterior's precision I + weight^T diag(1/noise) weight."""
        return 1 + self._whitened().square().sum(dim=0)

    def _precision_root(self) -> tuple[Tensor, Tensor]:
        """Q (observed + latent, latent), orthonormal, and T, lower, with QT = [whitened; I].

        The posterior's precision is T^T T.
        """
        whitened = self._whitened()
        latent = whitened.shape[1]
        identity = torch.eye(latent, dtype=whitened.dtype, device=whitened.device)
        q, r = _positive_qr(torch.cat([whitened, identity]).flip(1))
        return q.flip(1), r.flip(0, 1)

    def _gain(self) -> Tensor:
        """The matrix (latent, observed) with E[z | x] = gain (x - bias)."""
        q, root = self._precision_root()
        top = q[: len(self.noise)].T
        return torch.linalg.solve_triangular(root, top, upper=False) / self.noise.sqrt()

    def _mean(self, x: Tensor) -> Tensor:
        return (x - self.bias) @ self._gain().T

    def _whitened(self) -> Tensor:
        return self.weight / self.noise.sqrt().unsqueeze(1)

    def _require(self, x: Tensor) -> None:
        _require_points(x, self.weight.shape[0], self.weight)

    def _require_gaussian(self, q: Distribution) -> None:
        diagonal = isinstance(q, Independent) and isinstance(q.base_dist, Normal)
        if not isinstance(q, MultivariateNormal) and not diagonal:
            needed = "needed a Gaussian q, MultivariateNormal or Independent(Normal, 1)"
            raise ValueError(f"{needed}; got {type(q).__name__}")
        _require_type("a q", q.mean, self.weight)
        if q.event_shape != self.weight.shape[1:]:
            needed = f"needed a q with event shape {tuple(self.weight.shape[1:])}"
            raise ValueError(f"{needed}; got {tuple(q.event_shape)}")


def example() -> tuple[LinearGaussian, Tensor]:
    """The chapter's model, of two latent and three observed numbers, and its four data points.

    Each posterior has precision ((4, 4), (4, 9)), so the approximation gap is log(9/5)/2 at each
    point. Any three of the points, but not all four, are mapped to any means by a linear encoder.

    Returns:
        The model, and x (4, 3), in float64.
    """
    weight = torch.tensor([[1, 2], [2, 2], [0, 1]], dtype=torch.float64)
    bias = torch.tensor([1, 0, 0], dtype=torch.float64)
    noise = torch.tensor([1, 2, 0.5], dtype=torch.float64)
    x = torch.tensor([[-2, 0, 1], [0, -2, -1], [1, 2, -1], [2, 0, 1]], dtype=torch.float64)
    return LinearGaussian(weight, bias, noise), x


def refine(
    model: Bounded, x: Tensor, mean: Tensor, scale: Tensor, steps: int, rate: float
) -> tuple[Tensor, Tensor]:
    """Semi-amortized inference: gradient ascent on each point's own bound, from a given q.

    The ascent is over the means and the logarithms of the scales of q = N(mean, diag(scale^2)).

    Args:
        model: Anything with an `elbo(x, q)`, (batch,), that autograd can differentiate.
        x: (batch, observed).
        mean: (batch, latent).
        scale: Standard deviations, (batch, latent), positive.
        steps: How many, 0 or more.
        rate: Length of a step over the gradient.

    Returns:
        Mean and scale after the steps, each (batch, latent).

    Raises:
        ValueError: If an argument is not such, or the ascent leaves the finite numbers.
    """
    steps = require_count("the number of steps", steps, least=0)
    if not 0 < rate < math.inf:
        raise ValueError(f"needed a finite rate above 0; got {rate}")
    _require_start(x, mean, scale)
    mean, log_scale = mean.detach().clone(), scale.detach().log()
    for _ in range(steps):
        mean, log_scale = _ascend(model, x, mean, log_scale, rate)
        if not (mean.isfinite() & log_scale.exp().log().isfinite()).all():
            raise ValueError(f"needed a rate at which the ascent stays finite; got {rate:g}")
    return mean, log_scale.exp()


@torch.enable_grad()
def _ascend(
    model: Bounded, x: Tensor, mean: Tensor, log_scale: Tensor, rate: float
) -> tuple[Tensor, Tensor]:
    """One step; a point's bound depends on its own q only, so the sum has their gradients."""
    mean, log_scale = mean.requires_grad_(), log_scale.requires_grad_()
    bound = model.elbo(x, Independent(Normal(mean, log_scale.exp()), 1)).sum()
    up = torch.autograd.grad(bound, (mean, log_scale), materialize_grads=True)
    return (mean + rate * up[0]).detach(), (log_scale + rate * up[1]).detach()


def _mean_field(mean: Tensor, variance: Tensor) -> MultivariateNormal:
    """N(mean, diag(variance)), of a class that `kl_divergence` compares with posteriors."""
    return MultivariateNormal(mean, scale_tril=variance.sqrt().diag())


def _positive_qr(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The reduced QR factors with a positive diagonal of R."""
    q, r = torch.linalg.qr(matrix)
    sign = r.diagonal().sgn()
    return q * sign, r * sign.unsqueeze(1)


def _require_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"needed a kind of encoder among {', '.join(KINDS)}; got {kind!r}")


def _require_matrix(name: str, matrix: Tensor) -> None:
    if matrix.dim() != 2 or 0 in matrix.shape:
        raise ValueError(f"needed {name}; got shape {tuple(matrix.shape)}")
    _require_finite(name, matrix)


def _require_like(name: str, vector: Tensor, shape: torch.Size, like: Tensor) -> None:
    if vector.shape != shape:
        raise ValueError(f"needed {name} {tuple(shape)}; got shape {tuple(vector.shape)}")
    _require_type(name, vector, like)
    _require_finite(name, vector)


def _require_finite(name: str, numbers: Tensor) -> None:
    if not numbers.is_floating_point():
        raise ValueError(f"needed {name} of floating-point numbers; got {numbers.dtype}")
    if not numbers.isfinite().all():
        raise ValueError(f"needed {name} of finite numbers; got nan or infinity")


def _require_type(name: str, numbers: Tensor, like: Tensor) -> None:
    if numbers.dtype != like.dtype or numbers.device != like.device:
        needed = f"needed {name} in {like.dtype} on {like.device}, like the parameters"
        raise ValueError(f"{needed}; got {numbers.dtype} on {numbers.device}")


def _require_positive(needed: str, variances: Tensor) -> None:
    if not (variances > 0).all():
        raise ValueError(f"{needed}; the smallest is {variances.min():g}")


def _require_points(points: Tensor, size: int, like: Tensor, name: str = "data x") -> None:
    if points.dim() == 0 or points.shape[-1] != size or points.numel() == 0:
        needed = f"needed {name} with one row or more and last axis {size}"
        raise ValueError(f"{needed}; got shape {tuple(points.shape)}")
    _require_type(name, points, like)
    _require_finite(name, points)


def _require_broadcast(*shapes: torch.Size) -> None:
    try:
        torch.broadcast_shapes(*shapes)
    except RuntimeError as error:
        came = " and ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"needed batches that broadcast; got {came}") from error


def _require_start(x: Tensor, mean: Tensor, scale: Tensor) -> None:
    """Refuse a start of `refine` that is not one row of mean and scale for each row of x."""
    if mean.dim() != 2 or mean.shape != scale.shape or mean.shape[:1] != x.shape[:1]:
        came = f"{tuple(mean.shape)} and {tuple(scale.shape)} for x {tuple(x.shape)}"
        raise ValueError(f"needed mean and scale (batch, latent) for each row of x; got {came}")
    if not (mean.isfinite() & (scale > 0) & scale.isfinite()).all():
        raise ValueError("needed finite means and finite scales above 0; got others")
