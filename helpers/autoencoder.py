"""The variational autoencoder of digits that chapters 3 and 4 share, and its exact evidence.

Pixels are independent given the latent variable, each with a log-linear law of its grey level
k, p(k | z) proportional to exp(bias[k] + features[k] . eta(z)). The functions of the level are
shared by all pixels, so neighbouring levels learn from each other, and an image enters its
likelihood through its sufficient statistic alone. With two latent dimensions log p(x), the
posterior and every ELBO are sums over a grid, to full precision.
"""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal, kl_divergence
from torch.nn import functional

from helpers.inputs import require_count
from helpers.reparameterization import standard_log_prob

__all__ = ["Autoencoder", "LatentGrid", "draw_log_weights", "refine_posterior"]

CHUNK = 2**20  # numbers in the largest array that a loop makes at a time; more is slower
BLOCK = 128  # points of a grid that are decoded at a time


class Autoencoder(nn.Module):
    """A VAE of 8x8 images with 17 grey levels: prior N(0, I), diagonal Gaussian encoder.

    Args:
        latent: Dimension of the latent variable.
        encoder: Widths of the encoder's hidden layers.
        decoder: Widths of the decoder's hidden layers.
        features: Functions of the grey level in each pixel's law; 16 give every law.
        generator: Source of the first weights.

    Raises:
        ValueError: If a size is not a whole number above 0.

    Source: Kingma and Welling (2014); chapter 3.
    """

    levels, pixels = 17, 64

    def __init__(
        self,
        latent: int,
        *,
        encoder: Sequence[int] = (256,),
        decoder: Sequence[int] = (256,),
        features: int = 2,
        generator: torch.Generator,
    ):
        super().__init__()
        for size in (latent, features, *encoder, *decoder):
            require_count("each size of an autoencoder", size)
        self.latent = latent
        self.encoder = _network([self.pixels, *encoder, 2 * latent], generator)
        self.decoder = _network([latent, *decoder, features * self.pixels], generator)
        nn.init.zeros_(self.decoder[-1].weight)  # starts from independent pixels
        step = torch.arange(self.levels) * (math.pi / (self.levels - 1))
        waves = [torch.cos(number * step) for number in range(1, features + 1)]
        self.features = nn.Parameter(torch.stack(waves, dim=1))
        self.bias = nn.Parameter(torch.zeros(self.levels, self.pixels))

    def encode(self, images: Tensor) -> Independent:
        """q(z | x), a diagonal Gaussian for each image, batch (batch,) and event (latent,).

        Args:
            images: Grey levels 0 to 16, (batch, 1, 8, 8).

        Raises:
            ValueError: If images have another shape, other levels, or there is none.
        """
        inputs = _flat(images, self.levels).to(self.bias.dtype) * (2 / (self.levels - 1)) - 1
        mean, log_scale = self.encoder(inputs).chunk(2, dim=-1)
        return Independent(Normal(mean, log_scale.exp()), 1)

    def with_encoder(self, widths: Sequence[int], *, generator: torch.Generator) -> "Autoencoder":
        """This decoder, frozen, behind a new encoder that has yet to be trained.

        Args:
            widths: Widths of the new encoder's hidden layers.
            generator: Source of its first weights.
        """
        for size in widths:
            require_count("each size of an autoencoder", size)
        twin = copy.deepcopy(self).requires_grad_(False)
        twin.encoder = _network([self.pixels, *widths, 2 * self.latent], generator)
        return twin.to(self.bias)

    def pixel_law(self, z: Tensor) -> Categorical:
        """p(x | z) pixel by pixel, batch (..., 64) in raster order.

        Args:
            z: (..., latent).
        """
        return Categorical(logits=self._logits(self._eta(z)).movedim(0, -1))

    def log_likelihood(self, images: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, each image with its own points.

        Args:
            images: (batch, 1, 8, 8).
            z: (..., batch, latent).

        Returns:
            (..., batch).

        Raises:
            ValueError: If the last axes of z are not (batch, latent).
        """
        statistic, base = self.statistic(images)
        if z.shape[-2:] != (len(images), self.latent):
            needed = f"needed points (..., {len(images)}, {self.latent}), one for each image"
            raise ValueError(f"{needed}; got {tuple(z.shape)}")
        natural, log_partition = self.natural(z)
        return (statistic * natural).sum(dim=-1) + base - log_partition

    def log_joint(self, images: Tensor, z: Tensor) -> Tensor:
        """log p(x, z); arguments and result as of `log_likelihood`."""
        return self.log_likelihood(images, z) + standard_log_prob(z)

    def statistic(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Sufficient statistics (batch, 64 * features) and base log-measures (batch,)."""
        chosen = functional.one_hot(_flat(images, self.levels), self.levels).to(self.bias.dtype)
        base = (chosen * self.bias.T).sum(dim=(-2, -1))
        return (chosen @ self.features).transpose(-2, -1).flatten(1), base

    def natural(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Natural parameters (..., 64 * features) and log-partition function (...) at z."""
        eta = self._eta(z)
        return eta.flatten(-2), self._logits(eta).logsumexp(dim=0).sum(dim=-1)

    def log_weights(self, images: Tensor, samples: int, *, generator: torch.Generator) -> Tensor:
        """log p(x, z) / q(z | x) for z drawn from q, differentiable through the draws.

        Args:
            images: (batch, 1, 8, 8).
            samples: Draws for each image, K.
            generator: Source of the draws.

        Returns:
            (samples, batch), in nats.

        Raises:
            ValueError: If K is not a whole number above 0.
        """
        require_count("samples K (claim 4.0)", samples)
        q = self.encode(images)
        z = _draw(q, samples, generator)
        return self.log_joint(images, z) - q.log_prob(z)

    def elbo(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """The ELBO of each image by one draw, with KL(q || prior) in closed form, (batch,)."""
        q = self.encode(images)
        expected = self.log_likelihood(images, _draw(q, 1, generator))[0]
        return expected - self.prior_divergence(q).sum(dim=-1)

    def prior_divergence(self, q: Independent) -> Tensor:
        """KL(q || prior) of each latent dimension, (batch, latent)."""
        zero = q.mean.new_zeros(())
        return kl_divergence(q.base_dist, Normal(zero, zero + 1))

    def loss(self, images: Tensor, samples: int = 1, *, generator: torch.Generator) -> Tensor:
        """Minus the mean of the bound L_K by one draw of K samples, for training.

        Args:
            images: (batch, 1, 8, 8).
            samples: K; 1 is the ELBO, with its divergence in closed form.
            generator: Source of the draws.
        """
        require_count("samples K (claim 4.0)", samples)
        if samples == 1:
            return -self.elbo(images, generator=generator).mean()
        log_weights = self.log_weights(images, samples, generator=generator)
        return math.log(samples) - log_weights.logsumexp(dim=0).mean()

    def _eta(self, z: Tensor) -> Tensor:
        return self.decoder(z).unflatten(-1, (-1, self.pixels))  # (..., features, 64)

    def _logits(self, eta: Tensor) -> Tensor:
        """Logits, levels first: (levels, ..., 64). One product, and a reduction that is fast."""
        by_feature = eta.movedim(-2, 0)
        logits = self.features @ by_feature.flatten(1)
        bias = self.bias.view(self.levels, *[1] * (eta.dim() - 2), self.pixels)
        return logits.unflatten(1, by_feature.shape[1:]) + bias


@torch.no_grad()
def draw_log_weights(
    model: Autoencoder, images: Tensor, samples: int, *, generator: torch.Generator
) -> Tensor:
    """Log-weights as `Autoencoder.log_weights`, without derivatives and in bounded memory.

    Args:
        model: Any autoencoder.
        images: (batch, 1, 8, 8).
        samples: Draws for each image, K.
        generator: Source of the draws.

    Returns:
        (samples, batch), in nats.
    """
    require_count("samples K (claim 4.0)", samples)
    _flat(images, model.levels)
    most = CHUNK // (model.levels * model.pixels)  # points of the latent space at a time
    columns = []
    for part in images.split(max(1, most // samples)):
        sizes = [len(piece) for piece in torch.arange(samples).split(most // len(part))]
        rows = [model.log_weights(part, size, generator=generator) for size in sizes]
        columns.append(torch.cat(rows))
    return torch.cat(columns, dim=1)


@torch.enable_grad()
def refine_posterior(
    model: Autoencoder,
    images: Tensor,
    q: Independent,
    *,
    steps: int,
    rate: float = 0.05,
    order: int = 4,
) -> Independent:
    """Semi-amortized inference: Adam on the ELBO of each image's own q, from a given one.

    The expectation is a Gauss-Hermite sum of order ** latent decoder evaluations an image and
    step, so it suits one or two latent dimensions.

    Args:
        model: Its decoder is used and not changed.
        images: (batch, 1, 8, 8).
        q: Where to start, an Independent Normal with batch shape (batch,).
        steps: Steps of Adam; 0 returns the start.
        rate: Adam's step size in the means and in the logarithms of the scales.
        order: Nodes in each dimension.

    Raises:
        ValueError: If steps is not a whole number, order not one above 0, or shapes do not fit.
    """
    require_count("the number of steps", steps, least=0)
    require_count("the order of a quadrature", order)
    mean, log_scale = q.mean.detach().clone(), q.stddev.detach().log()
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    nodes = torch.cartesian_prod(*[torch.from_numpy(nodes)] * model.latent)
    weights = torch.cartesian_prod(*[torch.from_numpy(weights / weights.sum())] * model.latent)
    nodes, weights = (part.view(-1, model.latent).to(mean) for part in (nodes, weights))
    ours = [mean.requires_grad_(), log_scale.requires_grad_()]
    optimizer = torch.optim.Adam(ours, lr=rate)
    for _ in range(steps):
        z = mean + log_scale.exp() * nodes.unsqueeze(1)
        joint = weights.prod(dim=1) @ model.log_joint(images, z)
        up = torch.autograd.grad((joint + log_scale.sum(dim=1)).sum(), ours)
        mean.grad, log_scale.grad = -up[0], -up[1]
        optimizer.step()
    return Independent(Normal(mean.detach(), log_scale.detach().exp()), 1)


class LatentGrid:
    """Sums over a grid of a two-dimensional latent space, in float64: integrals to full precision.

    The decoder is analytic and the posterior is negligible at the border, so the trapezoidal
    sum converges faster than any power of the distance of the points. Whether it has converged
    is seen on a finer grid and on a wider one.

    Args:
        model: An autoencoder with two latent dimensions.
        low: Border of the square.
        high: Border of the square.
        points: Points along each axis.

    Raises:
        ValueError: If the latent space is not a plane, or the square is empty.
    """

    def __init__(
        self, model: Autoencoder, *, low: float = -6.5, high: float = 6.5, points: int = 201
    ):
        require_count("points along an axis", points, least=2)
        if model.latent != 2:
            raise ValueError(f"a grid needs two latent dimensions, got {model.latent}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"a grid needs finite borders, low < high; got {low} and {high}")
        self.model = copy.deepcopy(model).double().requires_grad_(False)
        self.axis = torch.linspace(
            low, high, points, dtype=torch.float64, device=model.bias.device
        )
        self.log_cell = 2 * math.log((high - low) / (points - 1))
        self.narrowest = 0.75 * (high - low) / (points - 1)  # scale of a q that can be summed
        self.nodes = torch.cartesian_prod(self.axis, self.axis)
        self._natural = self.nodes.new_empty(len(self.nodes), len(model.features.T) * model.pixels)
        self._offset = standard_log_prob(self.nodes)
        for part in torch.arange(len(self.nodes)).split(BLOCK):
            self._natural[part], log_partition = self.model.natural(self.nodes[part])
            self._offset[part] -= log_partition

    def log_joint(self, images: Tensor) -> Tensor:
        """log p(x, z) at every point of the grid, (batch, points, points)."""
        statistic, base = self.model.statistic(images)
        joint = statistic @ self._natural.T
        joint += self._offset
        joint += base.unsqueeze(1)
        return joint.unflatten(1, (len(self.axis), -1))

    def log_prob(self, images: Tensor) -> Tensor:
        """The exact log p(x) of each image in nats, (batch,), float64."""
        parts = self._split(images)
        sums = [self.log_joint(part).flatten(1).logsumexp(dim=1) for part in parts]
        return torch.cat(sums) + self.log_cell

    def posterior(self, images: Tensor) -> Tensor:
        """Posterior probability of each cell, (batch, points, points)."""
        joint = self.log_joint(images)
        return joint.flatten(1).softmax(dim=1).view_as(joint)

    def elbo(self, images: Tensor, q: Distribution) -> Tensor:
        """The ELBO of any q, one for each image, as a sum over the grid, (batch,).

        Args:
            images: (batch, 1, 8, 8).
            q: Distribution with batch shape (batch,) and event shape (2,).

        Raises:
            ValueError: If q has another shape, or less than all but 1e-4 of its mass is summed.
        """
        self._require_fit(images, q)
        if isinstance(q, Independent) and isinstance(q.base_dist, Normal):
            parts = zip(
                self._split(images), self._split(q.mean), self._split(q.stddev), strict=True
            )
            return torch.cat([self._expected(*part) for part in parts]) + q.entropy().double()
        statistic, base = self.model.statistic(images)
        total, mass = torch.zeros(2, len(images), dtype=torch.float64)
        size = max(1, CHUNK // len(images))
        for nodes, natural, offset in zip(
            *(whole.split(size) for whole in (self.nodes, self._natural, self._offset)),
            strict=True,
        ):
            log_q = q.log_prob(nodes.unsqueeze(1)).double()  # (points, batch)
            density = (log_q + self.log_cell).exp()
            joint = natural @ statistic.T + offset.unsqueeze(1) + base
            total += torch.where(density > 0, density * (joint - log_q), 0).sum(dim=0)
            mass += density.sum(dim=0)
        _require_mass(mass)
        return total

    def _expected(self, images: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """E_q log p(x, z) for diagonal Gaussians, whose mass is a product over the axes."""
        law = Normal(mean.double().unsqueeze(-1), scale.double().unsqueeze(-1))
        mass = (law.log_prob(self.axis) + self.log_cell / 2).exp()  # (batch, 2, points)
        _require_mass(mass.sum(dim=-1))
        rows, columns = mass.unbind(1)
        return torch.einsum("na,nab,nb->n", rows, self.log_joint(images), columns)

    def moments(self, images: Tensor) -> Independent:
        """The diagonal Gaussian with the posterior's means and variances, one for each image.

        It is the best one for the forward divergence, KL(posterior || q), not for the ELBO.
        """
        parts = []
        for part in self._split(images):
            posterior = self.posterior(part)
            margins = torch.stack([posterior.sum(dim=2), posterior.sum(dim=1)], dim=1)
            mean = margins @ self.axis
            square = (margins * (self.axis - mean.unsqueeze(-1)) ** 2).sum(dim=-1)
            parts.append(torch.stack([mean, square.sqrt()]))
        mean, scale = torch.cat(parts, dim=1)
        return Independent(Normal(mean, scale), 1)

    @torch.no_grad()
    def best_diagonal(self, images: Tensor, q: Independent, *, steps: int = 40) -> Independent:
        """The diagonal Gaussian with the largest ELBO for each image, by a fixed-point iteration.

        At the optimum E_q[d log p(x, z) / dz] = 0 and 1 / variance = -E_q[d2 log p(x, z) / dz2],
        dimension by dimension. Each step goes half the way there, in mean and precision, and no
        mean by more than its scale; by Stein's identity the derivatives need only values of
        log p(x, z) on the grid.

        Args:
            images: (batch, 1, 8, 8).
            q: Where to start, an Independent Normal with batch shape (batch,), event shape (2,).
            steps: Steps of the iteration.

        Returns:
            The last q; a local optimum only if the iteration has converged.

        Raises:
            ValueError: If steps is not a whole number above 0, or q has another shape.
        """
        require_count("the number of steps", steps)
        self._require_fit(images, q)
        parts = zip(*map(self._split, (images, q.mean, q.stddev)), strict=True)
        found = [
            self._iterate(self.log_joint(x), m.double(), s.double(), steps) for x, m, s in parts
        ]
        mean, scale = (torch.cat(column) for column in zip(*found, strict=True))
        return Independent(Normal(mean, scale), 1)

    def _iterate(
        self, joint: Tensor, mean: Tensor, scale: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        for _ in range(steps):
            slope, curvature = self._derivatives(joint, mean, scale)
            precision = scale**-2
            aim = (-curvature).clamp(precision / 4, precision * 4)
            scale = (((precision + aim) / 2) ** -0.5).clamp_min(self.narrowest)
            step = (scale**2 * slope / 2).clamp(-scale, scale)
            mean = (mean + step).clamp(self.axis[0], self.axis[-1])
        return mean, scale

    def _derivatives(self, joint: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """E_q of the first and second derivatives of log p(x, z) by each of z, (batch, 2)."""
        u = (self.axis - mean.unsqueeze(-1)) / scale.unsqueeze(-1)  # (batch, 2, points)
        mass = (-u.square() / 2).softmax(dim=-1)
        rows, columns = torch.stack([mass, u * mass, (u**2 - 1) * mass], dim=1).unbind(2)
        moments = rows @ joint @ columns.transpose(1, 2)  # (batch, 3, 3)
        slope = torch.stack([moments[:, 1, 0], moments[:, 0, 1]], dim=1) / scale
        return slope, torch.stack([moments[:, 2, 0], moments[:, 0, 2]], dim=1) / scale**2

    def _require_fit(self, images: Tensor, q: Distribution) -> None:
        if (q.batch_shape, q.event_shape) != ((len(images),), (2,)):
            came = f"{tuple(q.batch_shape)} and {tuple(q.event_shape)}"
            raise ValueError(f"needed q with shapes ({len(images)},) and (2,), got {came}")

    def _split(self, images: Tensor) -> Sequence[Tensor]:
        return images.split(max(1, CHUNK // len(self.nodes)))


def _network(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers with SiLU between them; normal weights of variance 1 / inputs."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs)
        nn.init.normal_(layer.weight, 0, inputs**-0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _draw(q: Independent, samples: int, generator: torch.Generator) -> Tensor:
    """Reparameterized draws, (samples, batch, latent)."""
    mean, scale = q.base_dist.loc, q.base_dist.scale
    noise = torch.randn(
        samples, *mean.shape, dtype=mean.dtype, device=generator.device, generator=generator
    )
    return mean + scale * noise.to(mean.device)


def _flat(images: Tensor, levels: int) -> Tensor:
    """Images as whole numbers (batch, 64), or what is wrong with them."""
    if images.dim() != 4 or len(images) == 0 or tuple(images.shape[1:]) != (1, 8, 8):
        raise ValueError(f"images must be (batch, 1, 8, 8), not empty; got {tuple(images.shape)}")
    whole = images.long()
    if not ((whole == images) & (whole >= 0) & (whole < levels)).all():
        found = f"from {images.min():g} to {images.max():g}"
        raise ValueError(f"grey levels must be whole, 0 to {levels - 1}; got values {found}")
    return whole.flatten(1)


def _require_mass(mass: Tensor) -> None:
    if not ((mass - 1).abs() < 1e-4).all():
        worst = mass.flatten()[(mass - 1).abs().argmax()].item()
        raise ValueError(
            f"the grid must hold q: its sum there must be 1, got {worst:g}; "
            "take a wider grid or more points"
        )
