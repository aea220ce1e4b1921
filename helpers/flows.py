"""Invertible maps with exact inverses and log-determinants: the mathematics of chapter 5.

Each map is a `torch.distributions.Transform`, so `TransformedDistribution`, `ComposeTransform`
and `.inv` take it. Parameters broadcast against points, and derivatives pass through values,
log-determinants and inverses. Inverses have exact first derivatives, by the implicit function
theorem, and no second ones. Like a distribution, a flow is made anew from its parameters at
each step of training. Log-determinants are in nats, one number an event.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import softplus
from torch.nn.utils import parametrize

__all__ = [
    "Preimages",
    "RadialFlow",
    "ResidualFlow",
    "ScalarResidualFlow",
    "SigmoidalFlow",
    "fixed_point",
    "increasing_root",
    "radial_preimages",
    "spectral_network",
]

Map = Callable[[Tensor], Tensor]

NEWTON_STEPS = 24  # after these `increasing_root` only bisects, 64 steps at most in float64


class _Flow(Transform):
    """What the maps share: checks of points, caching, and value and log-determinant in one pass.

    Args:
        validate_args: Whether to check shapes and that numbers are finite.
    """

    bijective = True
    claim: str  # of chapter 5, named where its hypotheses fail

    def __init__(self, validate_args: bool):
        super().__init__()
        self.validate_args = validate_args

    def call_and_log_abs_det_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g(x) and log|det Dg(x)|, in one pass."""
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log|det Dg(x)|; the image y = g(x) is not needed."""
        return self.call_and_log_abs_det_jacobian(x)[1]

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same map, remembering (1) or not (0) the last pair of point and image."""
        if cache_size == self._cache_size:
            return self
        twin = copy.copy(self)
        Transform.__init__(twin, cache_size)
        return twin

    def _checked(self, points: Tensor) -> Tensor:
        if self.validate_args:
            self.forward_shape(points.shape)
            _require_finite("points", points, self.claim)
        return points


class SigmoidalFlow(_Flow):
    """Logit of a mixture of sigmoids, g(z) = logit(sum_i w_i sigmoid(a_i z + b_i)), elementwise.

    A bijection of the reals with 0 < g' <= max a. The inverse starts from a bracket in closed
    form: sigmoid increases and the w_i average, so g(z) lies between the least and the greatest
    a_i z + b_i, and the root of g(z) = y between the least and the greatest (y - b_i) / a_i.
    Values and log g' are finite and full of digits for all z, also in float32.

    Args:
        weights: w, (..., N), positive, each row summing to 1.
        slopes: a, (..., N), positive.
        shifts: b, (..., N).
        validate_args: Whether to check parameters and points.

    Raises:
        ValueError: If a hypothesis of claim 5.2 fails; in use, if a point is not finite.

    Source: Huang et al. (2018), Neural autoregressive flows, eq. 8; chapter 5, claim 5.2.
    """

    claim = "5.2"
    domain = codomain = constraints.real
    sign = +1

    def __init__(
        self, weights: Tensor, slopes: Tensor, shifts: Tensor, *, validate_args: bool = True
    ):
        if validate_args:
            _require_sigmoids(weights, slopes, shifts)
        self._set(weights.log(), slopes.log(), slopes, shifts, validate_args)

    @classmethod
    def from_unconstrained(cls, raw: Tensor) -> "SigmoidalFlow":
        """The flow of any real numbers, such as a network's outputs; no number is checked.

        Args:
            raw: Logits of the weights, logarithms of the slopes, and shifts, (..., 3, N).

        Raises:
            ValueError: If the shape is another one.
        """
        if raw.dim() < 2 or raw.shape[-2] != 3:
            came = tuple(raw.shape)
            raise ValueError(f"needed raw parameters (..., 3, N) (claim 5.2), got {came}")
        logits, log_slopes, shifts = raw.unbind(-2)
        flow = cls.__new__(cls)
        log_weights = logits - logits.logsumexp(-1, keepdim=True)
        flow._set(log_weights, log_slopes, log_slopes.exp(), shifts, False)
        return flow

    def _set(
        self, log_weights: Tensor, log_slopes: Tensor, slopes: Tensor, shifts: Tensor, check: bool
    ) -> None:
        super().__init__(check)
        shape = _broadcast(self.claim, log_weights.shape, slopes.shape, shifts.shape)
        self._batch = shape[:-1]
        # The axis of the N sigmoids goes first: torch reduces a short last axis 20 times slower.
        self._log_weights, self._log_ratios, self._slopes, self._shifts = (
            p.expand(shape).movedim(-1, 0).contiguous()
            for p in (log_weights, log_slopes - log_weights, slopes, shifts)
        )

    def forward_shape(self, shape: Sequence[int]) -> torch.Size:
        """Shape of the images of points of this shape: broadcast against the parameters."""
        return _broadcast(self.claim, shape, self._batch)

    inverse_shape = forward_shape

    def _call(self, x: Tensor) -> Tensor:
        log_on, log_off, _ = self._log_shares(self._checked(x))
        return log_on.logsumexp(0) - log_off.logsumexp(0)

    def call_and_log_abs_det_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g(x) and log g'(x), both of the shape of the image."""
        return self._value_and_log_slope(self._checked(x))

    def _parameters(self, points: Tensor) -> list[Tensor]:
        """Logarithms of w and a / w, and a and b, (N, ...), to go with points (...)."""
        new = (slice(None), *[None] * (points.dim() - len(self._batch)))
        return [p[new] for p in (self._log_weights, self._log_ratios, self._slopes, self._shifts)]

    def _log_shares(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of w_i s_i, w_i (1 - s_i) and a_i / w_i, s_i = sigmoid(a_i z + b_i)."""
        log_weights, log_ratios, slopes, shifts = self._parameters(z)
        inputs = slopes * z + shifts
        return log_weights - _softplus(-inputs), log_weights - _softplus(inputs), log_ratios

    def _value_and_log_slope(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """g and log g', g' = sum_i a_i q_i p_i / w_i: shares q_i of s and p_i of 1 - s."""
        log_on, log_off, log_ratios = self._log_shares(z)
        # Dividing by s and 1 - s before multiplying keeps the digits of log g' for large |z|.
        log_q, log_p = log_on.log_softmax(0), log_off.log_softmax(0)
        log_s, log_rest = log_on.amax(0) - log_q.amax(0), log_off.amax(0) - log_p.amax(0)
        return log_s - log_rest, (log_q + log_p + log_ratios).logsumexp(0)

    def _value_and_slope(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, log_slope = self._value_and_log_slope(z)
        return value, log_slope.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        with torch.no_grad():
            _, _, slopes, shifts = self._parameters(self._checked(y))
            low, high = ((y - shifts) / slopes).aminmax(dim=0)
            rounding = 4 * torch.finfo(low.dtype).eps * (1 + shifts.abs().amax(0))
            root = increasing_root(self._value_and_slope, y, low, high, rounding=rounding)
        if not torch.is_grad_enabled():
            return root
        value, slope = self._value_and_slope(root)
        return _implicit(root, value - y, slope)


class ScalarResidualFlow(_Flow):
    """Residual map g(z) = z + f(z) of real numbers, elementwise, for f' > -1.

    g is increasing, so one-to-one, but it need not reach every y. The inverse does not ask for
    |f'| < 1: it grows a bracket until it holds y, and `increasing_root` closes it. It is as
    exact as z + f(z) is computed: an error of one unit in the last place there moves z by
    1 / g'(z) such units, and a value that g reaches only within rounding counts as not reached.
    Where that matters, give `forward`.

    Args:
        residual: f, elementwise and differentiable; a function or a module.
        forward: z + f(z) by a formula without cancellation, used for all if given.
        validate_args: Whether to check that points are finite.

    Raises:
        ValueError: If no function is given; in use: if f' <= -1 at a point where the
            log-determinant or the inverse is taken, if y is not a value of g, if f changes the
            shape, or if a point is not finite.

    Source: chapter 5, claim 5.3 and proposition 6.
    """

    claim = "5.3"
    domain = codomain = constraints.real
    sign = +1

    def __init__(
        self, residual: Map | None, *, forward: Map | None = None, validate_args: bool = True
    ):
        super().__init__(validate_args)
        if residual is None and forward is None:
            raise ValueError("needed f, or z + f(z), as a function (claim 5.3), got neither")
        self.residual, self.forward = residual, forward

    def _call(self, x: Tensor) -> Tensor:
        return self._map(self._checked(x))

    def call_and_log_abs_det_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g(x) and log(1 + f'(x)), both of the shape of x."""
        y, slope = self._value_and_slope(self._checked(x))
        _require_increasing(slope)
        return y, slope.log()

    def _map(self, z: Tensor) -> Tensor:
        return _applied(self.forward, z) if self.forward else z + _applied(self.residual, z)

    def _value_and_slope(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, (slope,) = _differentiate(self._map, z, lambda g: [g])
        return value, slope

    def _inverse(self, y: Tensor) -> Tensor:
        _require_floating("points", y, self.claim)
        with torch.no_grad():
            low, high = self._bracket(self._checked(y))
            rounding = self._rounding(torch.maximum(low.abs(), high.abs()))
            root = increasing_root(self._value_and_slope, y, low, high, rounding=rounding)
        value, slope = self._value_and_slope(root)
        _require_increasing(slope)
        return _implicit(root, value - y, slope)

    def _rounding(self, size: Tensor) -> Tensor:
        """How far z + f(z) may be off at points of this size, for values of no larger size."""
        return size * (0 if self.forward else 4 * torch.finfo(size.dtype).eps)

    def _bracket(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Points with y between their images: from y outwards, each step twice the last."""
        step = y - self._map(y)  # the root lies above y where g(y) < y
        _require(~step.isnan(), step, "numbers from f (claim 5.3)")
        limits = torch.finfo(y.dtype)
        near, far, unbounded = y, y, step != 0
        while unbounded.any():
            if (unbounded & (far.abs() == limits.max)).any():
                _require_increasing(self._value_and_slope(y)[1])
                raise ValueError(
                    f"needed a value of g, got {_first(y, unbounded)}, which is outside the "
                    "range of g as computed: claim 5.3: f' > -1 gives injective, not onto"
                )
            far = torch.where(unbounded, (y + step).clamp(limits.min, limits.max), far)
            beyond = (self._map(far) - y) * step.sign()
            near = torch.where(unbounded & (beyond <= 0), far, near)
            unbounded = unbounded & ~(beyond >= self._rounding(far.abs()))  # so NaN is not beyond
            step = 2 * step
        return torch.minimum(near, far), torch.maximum(near, far)


class ResidualFlow(_Flow):
    """Residual map g(z) = z + f(z) of vectors, for f with Lipschitz constant below 1.

    The inverse is the limit of z <- y - f(z). Banach's bound L^n / (1 - L) on the error after n
    steps, in units of the first step, says how many steps are enough; a step of Newton's method
    then repairs rounding and carries the derivatives. The log-determinant is that of the whole
    Jacobian matrix, by D backward passes: for small D.

    Args:
        network: f, from (..., D) to (..., D), each vector by itself, such as `spectral_network`.
        lipschitz: A bound L on |f(u) - f(v)| / |u - v|, in [0, 1); the caller answers for it.
        validate_args: Whether to check that points are finite.

    Raises:
        ValueError: If the bound is not in [0, 1); in use, if the steps do not shrink as it says,
            if f changes the shape, or if a point is not finite.

    Source: Behrmann et al. (2019), Invertible residual networks, theorem 1; chapter 5.
    """

    claim = "5.3"
    domain = codomain = constraints.real_vector

    def __init__(self, network: Map, lipschitz: float, *, validate_args: bool = True):
        super().__init__(validate_args)
        _require_contraction(lipschitz)
        self.network, self.lipschitz = network, float(lipschitz)

    def _call(self, x: Tensor) -> Tensor:
        return x + _applied(self.network, self._checked(x))

    def call_and_log_abs_det_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g(x), (..., D), and log det(I + Df(x)), (...); the determinant is positive."""
        change, jacobian = self._change_and_jacobian(self._checked(x))
        return x + change, torch.linalg.slogdet(jacobian).logabsdet

    def _change_and_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f(z), (..., D), and I + Df(z), (..., D, D)."""
        change, rows = _differentiate(self.network, z, lambda f: f.unbind(-1))
        identity = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
        return change, torch.stack(rows, dim=-2) + identity

    def _inverse(self, y: Tensor) -> Tensor:
        with torch.no_grad(), parametrize.cached():  # one singular value a layer, not one a step
            z = self._limit(self._checked(y))
        change, jacobian = self._change_and_jacobian(z)
        error = (z + change - y).unsqueeze(-1)
        return z - torch.linalg.solve(jacobian.detach(), error).squeeze(-1)

    def _limit(self, y: Tensor) -> Tensor:
        """Fixed point of z <- y - f(z), to the last place of the larger of y and z."""
        eps, rate = torch.finfo(y.dtype).eps, self.lipschitz
        # The first step is at most 2 |y - z| long, so this many are enough, whatever y is.
        enough = math.ceil(math.log(eps * (1 - rate) / 4) / math.log(rate)) if rate else 1
        z = y
        for _ in range(enough):
            moved = y - _applied(self.network, z)
            step, size, start = _lengths(moved - z, moved, y)
            z = moved
            if (step * rate <= eps / 2 * (1 - rate) * size).all():
                break
        if not (step * rate <= math.sqrt(eps) * (size + start)).all():
            raise ValueError(
                f"needed Lip(f) <= {rate:g}, got steps of z <- y - f(z) that do not shrink so: "
                "claim 5.3 in more dimensions needs Lip(f) < 1"
            )
        return z


class RadialFlow(_Flow):
    """Radial map g(z) = z + beta (z - z0) / (alpha + r), r = |z - z0|.

    It moves points along rays from z0: the distance r becomes |rho(r)| with rho(r) = r t(r),
    t(r) = (r + alpha + beta) / (alpha + r) and rho'(r) = (r + alpha t(r)) / (alpha + r). So
    written nothing cancels for beta >= -alpha; the inverse is then in closed form. Where the
    log-determinant is -inf, its derivatives are given as 0.

    Args:
        centre: z0, (..., D).
        alpha: Positive, a number or (...).
        beta: At least -alpha, a number or (...).
        folded: Accept beta < -alpha, where several points share an image: the map and its
            log-determinant work, `.inv` does not.
        validate_args: Whether to check parameters and points.

    Raises:
        ValueError: If a hypothesis of claim 5.4i fails; in use, if points are not finite or not
            (..., D).

    Source: Rezende & Mohamed (2015), eq. 14; chapter 5, claims 5.4i and 5.4ii.
    """

    claim = "5.4i"
    domain = codomain = constraints.real_vector

    def __init__(
        self,
        centre: Tensor,
        alpha: Tensor | float,
        beta: Tensor | float,
        *,
        folded: bool = False,
        validate_args: bool = True,
    ):
        super().__init__(validate_args)
        _require_floating("centre", centre, self.claim)
        self.alpha, self.beta = (
            torch.as_tensor(p, dtype=centre.dtype, device=centre.device) for p in (alpha, beta)
        )
        self.centre, self.bijective = centre, not folded
        if validate_args:
            _require_radial(self.centre, self.alpha, self.beta, folded)
        batch = _broadcast(self.claim, centre.shape[:-1], self.alpha.shape, self.beta.shape)
        self._shape = torch.Size([*batch, centre.shape[-1]])

    @property
    def inv(self) -> Transform:
        """The inverse map; a folded map has none."""
        self._require_one_to_one()
        return super().inv

    def forward_shape(self, shape: Sequence[int]) -> torch.Size:
        """Shape of the images of points of this shape: broadcast against the parameters."""
        if len(shape) == 0 or shape[-1] != self._shape[-1]:
            needed = f"points (..., {self._shape[-1]}) (claim {self.claim})"
            raise ValueError(f"needed {needed}, got {tuple(shape)}")
        return _broadcast(self.claim, shape, self._shape)

    inverse_shape = forward_shape

    def _call(self, x: Tensor) -> Tensor:
        offset, radius, _ = self._polar(x)
        factor, _ = self._stretch(radius)
        return torch.addcmul(self.centre, factor.unsqueeze(-1), offset)

    def call_and_log_abs_det_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g(x), (..., D), and (D - 1) log|t(r)| + log|rho'(r)|, (...)."""
        offset, radius, regular = self._polar(x)
        factor, slope = self._stretch(radius)
        log_det = _log_abs(slope, regular)
        if x.shape[-1] > 1:
            log_det = log_det.add(_log_abs(factor, regular), alpha=x.shape[-1] - 1)
        return torch.addcmul(self.centre, factor.unsqueeze(-1), offset), log_det

    def _inverse(self, y: Tensor) -> Tensor:
        self._require_one_to_one()
        offset, image, _ = self._polar(y)
        with torch.no_grad():
            radius = _outer_radius(image, self.alpha, self.beta)
        factor, slope = self._stretch(radius)
        radius = _implicit(radius, radius * factor - image, slope)
        spread = radius + (self.alpha + self.beta)
        shrink = (self.alpha + radius) / spread.masked_fill(spread == 0, 1)  # 0 only for y = z0
        return torch.addcmul(self.centre, shrink.unsqueeze(-1), offset)

    def _polar(self, points: Tensor) -> tuple[Tensor, Tensor, bool]:
        """Offsets from z0, (..., D), their lengths, (...), and if t, rho' > 0 for sure."""
        if not self.validate_args:
            offset = points - self.centre
            return offset, torch.linalg.vector_norm(offset, dim=-1), False
        self.forward_shape(points.shape)
        offset = points - self.centre
        radius, least = _norm(offset)
        return offset, radius, self.bijective and least > 0

    def _stretch(self, radius: Tensor) -> tuple[Tensor, Tensor]:
        """t(r) and rho'(r)."""
        h = (self.alpha + radius).reciprocal()
        factor = (radius + (self.alpha + self.beta)) * h
        return factor, torch.addcmul(radius, self.alpha, factor) * h

    def _require_one_to_one(self) -> None:
        if not self.bijective:
            raise ValueError(
                "needed beta >= -alpha for an inverse, got a folded map, where points share an "
                "image: claim 5.4i; radial_preimages finds them all"
            )


class Preimages(NamedTuple):
    """Preimages of a point: single points (n, D), and the radius of a sphere about z0 or None."""

    points: Tensor
    sphere: float | None


def radial_preimages(flow: RadialFlow, y: Tensor) -> Preimages:
    """All points z with g(z) = y, for any beta.

    Args:
        flow: A radial map with one centre, alpha and beta.
        y: The image, (D,).

    Returns:
        One preimage if beta >= -alpha. If beta < -alpha there are one, two or three on the line
        through y and the centre, first the one on the side of y; and for y at the centre there
        are the centre and the sphere of radius -(alpha + beta) around it.

    Raises:
        ValueError: If y is not one finite point or the flow's parameters are batched.

    Source: chapter 5, claim 5.4i, theorem 7(c).
    """
    if y.dim() != 1 or y.shape != flow._shape:
        raise ValueError(
            "needed one point (D,) and one flow (claim 5.4i), got "
            f"{tuple(y.shape)} and {tuple(flow._shape)}"
        )
    offset, alpha, beta = y - flow.centre, flow.alpha, flow.beta
    s = _norm(offset)[0]
    if s == 0:
        sphere = -(alpha + beta).item()
        return Preimages(flow.centre.unsqueeze(0), sphere if sphere > 0 else None)
    radii = [_outer_radius(s, alpha, beta)]
    # Behind z0 the equation is rho(r) = -s: r^2 + (alpha + beta + s) r + alpha s = 0.
    total = -(alpha + beta + s)
    # Its discriminant, in factors: exactly 0 where y lies on the fold.
    fold = -beta - (alpha.sqrt() + s.sqrt()) ** 2
    if fold >= 0:  # then also total > 0
        outer = (total + (fold * (-beta - (alpha.sqrt() - s.sqrt()) ** 2)).sqrt()) / 2
        radii += [-alpha * s / outer] if fold == 0 else [-alpha * s / outer, -outer]
    return Preimages(flow.centre + torch.stack(radii).unsqueeze(-1) * (offset / s), None)


@torch.no_grad()
def increasing_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    target: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    rounding: Tensor | float = 0.0,
) -> Tensor:
    """Roots of function(z) = target for an increasing function, each in its bracket.

    Newton's method while it halves the distance to the target, else bisection; and after
    `NEWTON_STEPS` evaluations bisection alone, of the floating-point numbers in the bracket
    counted as integers. So at most 24 + 64 evaluations in float64 end at neighbouring numbers,
    whatever the function is. No derivatives are recorded.

    Args:
        function: From points to values and slopes, elementwise. A slope that is wrong, even
            NaN, costs time only.
        target: (...).
        low: (...), function(low) <= target; if not, the root is not found, and nothing says so.
        high: (...), function(high) >= target; the same.
        rounding: How far computed values may be from true ones, in units of the target. Closer
            than this, or than 4 units in the target's last place, is close enough.

    Returns:
        The roots, of the common shape.

    Raises:
        ValueError: If a bracket is not low <= high with finite ends, or a target or a value of
            the function is not a number.
    """
    if not ((low <= high) & low.isfinite() & high.isfinite()).all():
        raise ValueError("needed finite brackets low <= high, got one that is not")
    if target.isnan().any():
        raise ValueError("needed numbers for targets, got nan")
    root, low, high, target = torch.broadcast_tensors(low / 2 + high / 2, low, high, target)
    accepted = rounding + 4 * torch.finfo(low.dtype).eps * target.abs()
    found, before = torch.zeros_like(root, dtype=torch.bool), math.inf
    for step in range(NEWTON_STEPS + 8 * low.element_size()):
        value, slope = function(root)
        error = value - target
        if (error.isnan() & ~found).any():
            raise ValueError("needed a function whose values are numbers, got nan")
        low, high = torch.where(error < 0, root, low), torch.where(error > 0, root, high)
        middle = low / 2 + high / 2 if step < NEWTON_STEPS else _halfway(low, high)
        newton = root - error / slope
        # A step too short to move the root takes it to the next number, to close the bracket.
        newton = torch.where(newton == root, torch.nextafter(root, root - error), newton)
        trusted = (low <= newton) & (newton <= high) & (error.abs() <= before / 2)
        trusted &= step < NEWTON_STEPS
        close = ~(error.abs() > accepted) | (middle == low) | (middle == high)
        better = torch.where(trusted, newton, torch.where(close, root, middle))
        root, found, before = torch.where(found, root, better), found | close, error.abs()
        if found.all():
            break
    return root


def fixed_point(function: Map, y: Tensor, start: Tensor, steps: int) -> Tensor:
    """The path of z <- y - f(z), whose fixed point is the preimage of y under z + f(z).

    Args:
        function: f.
        y: The image, (...).
        start: First point, broadcast against y.
        steps: How many steps to take, from 0 up.

    Returns:
        (steps + 1, ...), the start first.

    Raises:
        ValueError: If the number of steps is negative.
    """
    if steps < 0:
        raise ValueError(f"needed 0 steps or more, got {steps}")
    path = [start.expand(_broadcast("5.3", start.shape, y.shape))]
    for _ in range(steps):
        path.append(y - function(path[-1]))
    return torch.stack(path)


def spectral_network(
    sizes: Sequence[int], lipschitz: float, *, generator: torch.Generator
) -> nn.Sequential:
    """A network whose Lipschitz constant is at most a given number, also during training.

    The constants of the layers multiply up to it: silu has slopes between -0.1 and 1.1, and a
    weight matrix is divided down, exactly, where its largest singular value is above its share
    (an eigenvalue would not do).

    Args:
        sizes: Widths from input to output, at least two; for a residual map both ends are D.
        lipschitz: The constant, in [0, 1).
        generator: Source of the weights.

    Returns:
        Layers for `ResidualFlow`, in torch's default dtype.

    Raises:
        ValueError: If the constant is not in [0, 1) or there are fewer than two sizes.

    Source: Behrmann et al. (2019), section 2.1; Chen et al. (2019) for the activation.
    """
    _require_contraction(lipschitz)
    if len(sizes) < 2:
        raise ValueError(f"needed two sizes or more, got {len(sizes)}")
    share = lipschitz ** (1 / (len(sizes) - 1))
    layers: list[nn.Module] = []
    for size_in, size_out in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, size_in, size_out)  # draws nothing itself
        nn.init.normal_(layer.weight, 0, size_in**-0.5, generator=generator)
        nn.init.normal_(layer.bias, 0, 1, generator=generator)
        largest = share if len(layers) == 2 * len(sizes) - 4 else share / 1.1  # silu follows
        parametrize.register_parametrization(layer, "weight", _Shrink(largest))
        layers += [layer, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class _Shrink(nn.Module):
    """A matrix, divided down to a largest singular value if its own is larger."""

    def __init__(self, largest: float):
        super().__init__()
        self.largest = largest

    def forward(self, weight: Tensor) -> Tensor:
        norm = torch.linalg.matrix_norm(weight, ord=2)
        return weight * (self.largest / norm).clamp_max(1)


def _softplus(x: Tensor) -> Tensor:
    # Beyond 40 the softplus is x to the last place; torch's usual 20 is too near for float64.
    return softplus(x, threshold=40)


def _applied(function: Map, z: Tensor) -> Tensor:
    value = function(z)
    if value.shape != z.shape:
        needed = f"f(z) of shape {tuple(z.shape)} (claim 5.3)"
        raise ValueError(f"needed {needed}, got {tuple(value.shape)}")
    return value


def _differentiate(
    function: Map, z: Tensor, parts: Callable[[Tensor], Iterable[Tensor]]
) -> tuple[Tensor, list[Tensor]]:
    """function(z), and the derivative in z of the sum of each part of it, of the shape of z.

    Results record derivatives exactly if z or the function's own parameters ask for them.
    """
    wanted = torch.is_grad_enabled() and (z.requires_grad or function(z).requires_grad)
    with torch.enable_grad():
        point = z if wanted and z.requires_grad else z.detach().requires_grad_()
        value = _applied(function, point)
        slopes = [_derivative(part, point, wanted) for part in parts(value)]
    return (value if wanted else value.detach()), slopes


def _derivative(part: Tensor, point: Tensor, create_graph: bool) -> Tensor:
    if not part.requires_grad:  # a constant function
        return torch.zeros_like(point)
    return torch.autograd.grad(
        part.sum(), point, create_graph=create_graph, retain_graph=True, materialize_grads=True
    )[0]


def _implicit(root: Tensor, error: Tensor, slope: Tensor) -> Tensor:
    """The root of error(z) = 0 with the derivatives of the implicit function, -d error / slope.

    Where the slope is 0 they are infinite, and none are recorded.
    """
    if not error.requires_grad:
        return root
    slope = slope.detach()
    return root - (error - error.detach()) / slope.masked_fill(slope == 0, math.inf)


def _log_abs(value: Tensor, positive: bool) -> Tensor:
    """log|value|; -inf at 0, with derivative 0 there and not NaN."""
    if positive:
        return value.log()
    if not value.requires_grad:
        return value.abs().log()
    zero = value == 0
    return value.masked_fill(zero, 1).abs().log().masked_fill(zero, -math.inf)


def _norm(offset: Tensor) -> tuple[Tensor, float]:
    """Euclidean lengths over the last axis, safe from overflow and underflow, and the least."""
    norm = torch.linalg.vector_norm(offset, dim=-1)
    if norm.numel() == 0:
        return norm, math.inf
    limits = torch.finfo(norm.dtype)
    least, most = (extreme.item() for extreme in norm.detach().aminmax())
    if math.sqrt(limits.tiny) / limits.eps < least and most < math.sqrt(limits.max) * limits.eps:
        return norm, least
    _require_finite("points", offset, "5.4i")
    scale = offset.detach().abs().amax(dim=-1, keepdim=True)
    scale = scale.masked_fill(scale == 0, 1)
    norm = scale.squeeze(-1) * torch.linalg.vector_norm(offset / scale, dim=-1)
    return norm, norm.min().item()


def _lengths(*vectors: Tensor) -> list[Tensor]:
    """Euclidean lengths (...) of vectors (..., D) in a common unit, for which none overflows."""
    unit = torch.stack([v.abs().amax(dim=-1, keepdim=True) for v in vectors]).amax(dim=0)
    unit = unit.masked_fill(unit == 0, 1)
    return [torch.linalg.vector_norm(v / unit, dim=-1) for v in vectors]


def _outer_radius(image: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """The r >= 0 with rho(r) = s: the root of r^2 + (alpha + beta - s) r - alpha s."""
    gap = image - (alpha + beta)
    both = gap.abs() + torch.hypot(gap, 2 * alpha.sqrt() * image.sqrt())
    inner = 2 * alpha * (image / both.masked_fill(both == 0, 1))  # gap <= 0, nothing cancels
    return torch.where(gap > 0, both / 2, inner)


def _halfway(low: Tensor, high: Tensor) -> Tensor:
    """The number half-way between two in the order of floating-point numbers."""
    integers = {8: torch.int64, 4: torch.int32, 2: torch.int16}[low.element_size()]
    first, last = (_in_order(number.view(integers)) for number in (low, high))
    return _in_order((first & last) + ((first ^ last) >> 1)).view(low.dtype)


def _in_order(code: Tensor) -> Tensor:
    """Reverse the codes of negative numbers, which IEEE 754 counts from zero down."""
    return torch.where(code < 0, code ^ torch.iinfo(code.dtype).max, code)


def _broadcast(claim: str, *shapes: Sequence[int]) -> torch.Size:
    try:
        return torch.broadcast_shapes(*shapes)
    except RuntimeError as error:
        shown = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"needed shapes that broadcast (claim {claim}), got {shown}") from error


def _first(values: Tensor, chosen: Tensor) -> float:
    return values.expand(chosen.shape)[chosen][0].item()


def _require(condition: Tensor, values: Tensor, needed: str) -> None:
    if not condition.all():
        raise ValueError(f"needed {needed}, got {_first(values, ~condition)}")


def _require_finite(what: str, values: Tensor, claim: str) -> None:
    # A sum is finite only if all terms are; if it is not, it may have overflowed.
    if not math.isfinite(values.detach().sum().item()):
        _require(values.isfinite(), values, f"finite {what} (claim {claim})")


def _require_floating(what: str, values: Tensor, claim: str) -> None:
    if not values.is_floating_point():
        raise ValueError(f"needed floating-point {what} (claim {claim}), got {values.dtype}")


def _require_sigmoids(weights: Tensor, slopes: Tensor, shifts: Tensor) -> None:
    for name, values in [("weights", weights), ("slopes", slopes), ("shifts", shifts)]:
        if values.dim() == 0 or values.shape[-1] != weights.shape[-1] or values.shape[-1] == 0:
            raise ValueError(
                "needed weights, slopes and shifts (..., N) with one N >= 1 (claim 5.2), got "
                f"{tuple(weights.shape)}, {tuple(slopes.shape)}, {tuple(shifts.shape)}"
            )
        _require_floating(name, values, "5.2")
        _require_finite(name, values, "5.2")
    _require(weights > 0, weights, "weights > 0 (claim 5.2)")
    _require(slopes > 0, slopes, "slopes > 0 (claim 5.2)")
    total = weights.detach().sum(-1)
    slack = 8 * weights.shape[-1] * torch.finfo(weights.dtype).eps
    _require((total - 1).abs() <= slack, total, "weights that sum to 1 (claim 5.2)")


def _require_radial(centre: Tensor, alpha: Tensor, beta: Tensor, folded: bool) -> None:
    if centre.dim() == 0:
        raise ValueError("needed a centre (..., D) (claim 5.4i), got a number")
    for name, values in [("centre", centre), ("alpha", alpha), ("beta", beta)]:
        _require_finite(name, values, "5.4i")
    _require(alpha > 0, alpha, "alpha > 0 (claim 5.4i)")
    if not folded:
        needed = "beta >= -alpha (claim 5.4i: else points share an image; folded=True says so)"
        _require(beta >= -alpha, beta, needed)


def _require_increasing(slope: Tensor) -> None:
    _require(slope > 0, slope, "1 + f'(z) > 0 (claim 5.3 needs f' > -1)")


def _require_contraction(lipschitz: float) -> None:
    if not 0 <= lipschitz < 1:
        raise ValueError(
            "needed a Lipschitz constant in [0, 1): claim 5.3 in more dimensions needs "
            f"Lip(f) < 1, got {lipschitz}"
        )
