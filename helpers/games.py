"""Two players of one value function, the rules by which they move, and what becomes of them.

A rule is written as the change that one step makes, not as the new position: the Jacobian of the
change is exact for rates as small as 1e-8, where that of the new position rounds to the identity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from functools import cached_property
from numbers import Real

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.func import grad, jacrev, vjp, vmap
from torch.nn.functional import softplus

from helpers.inputs import require_count

__all__ = [
    "RULES",
    "Game",
    "Orbit",
    "Rule",
    "dirac_gan",
    "dot_game",
    "increment_matrix",
    "log_growth",
    "orbit",
    "penalized",
    "play",
    "rule",
    "spectral_radius",
    "threshold",
    "turns",
    "update_matrix",
]

Value = Callable[[Tensor, Tensor], Tensor]
Rates = float | tuple[float, float]

NEWTON_STEPS = 50
SLACK = 1e-12  # by how much rounding may lift a spectral radius of one
DIGITS = 60  # of exact matrix powers: a defective matrix loses some at every squaring
FEW = 32  # numbers in a state, up to which exact powers are cheap


@dataclass(frozen=True)
class Game:
    """Two players of one value V(d, g): the discriminator ascends it, the generator descends it.

    A position holds the discriminator's numbers, then the generator's: (..., n).

    Attributes:
        value: V of one position: d of shape (sizes[0],) and g of shape (sizes[1],) to a scalar.
        sizes: How many numbers the discriminator has, and how many the generator.
    """

    value: Value
    sizes: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if not callable(self.value):
            raise ValueError(f"a game needs a function V(d, g); got {self.value!r}")
        if not isinstance(self.sizes, tuple) or len(self.sizes) != 2:
            raise ValueError(f"a game needs a pair of sizes; got {self.sizes!r}")
        for size in self.sizes:
            require_count("how many numbers a player has", size)

    def field(self, position: Tensor) -> Tensor:
        """The players' directions (dV/dd, -dV/dg).

        Args:
            position: (..., n).

        Returns:
            (..., n).

        Raises:
            ValueError: If the position does not fit, or V is no scalar tensor that autograd can
                differentiate.
        """
        up, down = self._gradients(position, "both")
        return torch.cat([up, -down], dim=-1)

    def split(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's numbers, (..., sizes[0]), and the generator's, (..., sizes[1])."""
        return position[..., : self.sizes[0]], position[..., self.sizes[0] :]

    def _ascent(self, position: Tensor) -> Tensor:
        """The discriminator's direction alone, (..., sizes[0])."""
        return self._gradients(position, "discriminator")

    def _descent(self, position: Tensor) -> Tensor:
        """The generator's direction alone, (..., sizes[1])."""
        return -self._gradients(position, "generator")

    def _slope(self, position: Tensor) -> Tensor:
        """The Jacobian of the field, (..., n, n)."""
        if position.dim() == 1:
            return self._jacobian(position)
        rows = vmap(self._jacobian)(position.flatten(0, -2))
        return rows.unflatten(0, position.shape[:-1])

    def _gradients(self, position: Tensor, player: str) -> Tensor | tuple[Tensor, Tensor]:
        _check_position(position, self)
        try:
            if position.dim() == 1:
                return self._single[player](*self.split(position))
            found = self._batched[player](*self.split(position.flatten(0, -2)))
        except RuntimeError as error:
            raise ValueError(
                f"a game needs a V that autograd can differentiate; {error}"
            ) from error
        if isinstance(found, tuple):
            return tuple(part.unflatten(0, position.shape[:-1]) for part in found)
        return found.unflatten(0, position.shape[:-1])

    def _scalar(self, d: Tensor, g: Tensor) -> Tensor:
        """The value, refused if it is no scalar tensor."""
        found = self.value(d, g)
        if not isinstance(found, Tensor):
            raise ValueError(f"a game needs a V that returns a scalar tensor; got {found!r}")
        if found.shape != () or not found.is_floating_point():
            kind = f"{found.dtype} of shape {tuple(found.shape)}"
            raise ValueError(f"a game needs a V that returns a floating-point scalar; got {kind}")
        return found

    @cached_property
    def _single(self) -> dict[str, Callable]:
        return {
            "discriminator": grad(self._scalar, argnums=0),
            "generator": grad(self._scalar, argnums=1),
            "both": grad(self._scalar, argnums=(0, 1)),
        }

    @cached_property
    def _batched(self) -> dict[str, Callable]:
        return {player: vmap(function) for player, function in self._single.items()}

    @cached_property
    def _jacobian(self) -> Callable:
        return jacrev(self.field)


def dot_game(copies: int = 1) -> Game:
    """The game V(d, g) = d g of section 6, as many times as told: d and g are (copies,)."""
    require_count("how often the game is played", copies)
    return Game(torch.dot, (copies, copies))


def dirac_gan() -> Game:
    """The Dirac-GAN V = f(d g) with f(t) = -log(1 + exp(-t)), whose slope f'(0) is 1/2."""
    return Game(lambda d, g: -softplus(-torch.dot(d, g)))


def penalized(game: Game, penalty: float) -> Game:
    """The game with V - penalty / 2 |d|^2; for a linear discriminator a gradient penalty."""
    weight = _nonnegative(penalty, "penalty") / 2
    return Game(lambda d, g: game._scalar(d, g) - weight * d.square().sum(), game.sizes)


# Rules

Increment = Callable[[Game, Tensor, Rates], Tensor]


@dataclass(frozen=True)
class Rule:
    """How the players move.

    Attributes:
        name: For labels.
        increment: The change of the state, (..., memory n), that one step at these rates makes.
        memory: How many positions a state holds, the newest first.
    """

    name: str
    increment: Increment
    memory: int = 1

    def begin(self, position: Tensor) -> Tensor:
        """The first state, (..., memory n): the position (..., n), repeated."""
        return torch.cat([position] * self.memory, dim=-1)

    def step(self, game: Game, state: Tensor, rates: Rates) -> Tensor:
        """The next state, (..., memory n)."""
        return state + self.increment(game, state, rates)


def _simultaneous(game: Game, position: Tensor, rates: Rates) -> Tensor:
    return _scaled(game, game.field(position), rates)


def _alternating(game: Game, position: Tensor, rates: Rates) -> Tensor:
    return _alternated(game, position, rates, torch.zeros_like(position))


def _generator_first(game: Game, position: Tensor, rates: Rates) -> Tensor:
    rate_d, rate_g = _pair(rates)
    d, g = game.split(position)
    change = rate_g * game._descent(position)
    moved = torch.cat([d, g + change], dim=-1)
    return torch.cat([rate_d * game._ascent(moved), change], dim=-1)


def _alternated(game: Game, position: Tensor, rates: Rates, drift: Tensor) -> Tensor:
    """The discriminator moves, then the generator, which sees it; each drifts besides."""
    rate_d, rate_g = _pair(rates)
    d, g = game.split(position)
    drift_d, drift_g = game.split(drift)
    change = rate_d * game._ascent(position) + drift_d
    moved = torch.cat([d + change, g], dim=-1)
    return torch.cat([change, rate_g * game._descent(moved) + drift_g], dim=-1)


def _implicit(game: Game, position: Tensor, rates: Rates) -> Tensor:
    """The change z with z = rates * field(position + z), by Newton's method.

    The last step has constants for all but the position, so its derivative is that of the
    solution by the implicit function theorem.
    """
    with torch.no_grad():
        change = _solved(game, position.detach(), rates)
        slope = _equation_slope(game, position.detach() + change, rates)
    gap = change - _scaled(game, game.field(position + change), rates)
    return change - _solve(slope, gap)


def _equation_slope(game: Game, position: Tensor, rates: Rates) -> Tensor:
    """The Jacobian of the implicit rule's equation, I - rates * field', (..., n, n)."""
    identity = torch.eye(sum(game.sizes), dtype=position.dtype, device=position.device)
    return identity - _scaled(game, game._slope(position).mT, rates).mT


def _solved(game: Game, position: Tensor, rates: Rates) -> Tensor:
    """The implicit change, (..., n)."""
    change = torch.zeros_like(position)
    small = 64 * torch.finfo(position.dtype).eps
    for _ in range(NEWTON_STEPS):
        slope = _equation_slope(game, position + change, rates)
        gap = change - _scaled(game, game.field(position + change), rates)
        change = change - _solve(slope, gap)
        gap = change - _scaled(game, game.field(position + change), rates)
        # The largest entries, not lengths: squares of large numbers are infinite, and pass.
        off, size, length = (v.abs().amax(dim=-1) for v in (_solve(slope, gap), position, change))
        if (off <= small * torch.maximum(size, length)).all():
            return change
    raise ValueError(
        "the implicit rule needs a solution y of y = x + rate * field(y) that Newton's method "
        f"finds from x; after {NEWTON_STEPS} steps it had none"
    )


def _solve(matrix: Tensor, vector: Tensor) -> Tensor:
    try:
        return torch.linalg.solve(matrix, vector.unsqueeze(-1)).squeeze(-1)
    except RuntimeError as error:
        needed = "the implicit rule needs a non-singular I - rate * (Jacobian of the field)"
        raise ValueError(f"{needed}; {error}") from error


def _extragradient(game: Game, position: Tensor, rates: Rates) -> Tensor:
    ahead = position + _simultaneous(game, position, rates)
    return _simultaneous(game, ahead, rates)


def _optimistic(game: Game, state: Tensor, rates: Rates) -> Tensor:
    now, before = state.chunk(2, dim=-1)
    change = _scaled(game, 2 * game.field(now) - game.field(before), rates)
    return torch.cat([change, now - before], dim=-1)


def _consensus(penalty: float) -> Increment:
    def increment(game: Game, position: Tensor, rates: Rates) -> Tensor:
        field, pull_back = vjp(game.field, position)
        return _scaled(game, field - penalty * pull_back(field)[0], rates)

    return increment


def _with_penalty(increment: Increment) -> Callable[[float], Increment]:
    def build(penalty: float) -> Increment:
        return lambda game, state, rates: increment(penalized(game, penalty), state, rates)

    return build


def _momentum(momentum: float) -> Increment:
    def increment(game: Game, state: Tensor, rates: Rates) -> Tensor:
        now, before = state.chunk(2, dim=-1)
        change = _simultaneous(game, now, rates) + momentum * (now - before)
        return torch.cat([change, now - before], dim=-1)

    return increment


def _momentum_alternating(momentum: float) -> Increment:
    def increment(game: Game, state: Tensor, rates: Rates) -> Tensor:
        now, before = state.chunk(2, dim=-1)
        change = _alternated(game, now, rates, momentum * (now - before))
        return torch.cat([change, now - before], dim=-1)

    return increment


PLAIN = {
    "simultaneous": (_simultaneous, 1),
    "alternating": (_alternating, 1),
    "alternating, generator first": (_generator_first, 1),
    "implicit": (_implicit, 1),
    "extragradient": (_extragradient, 1),
    "optimistic": (_optimistic, 2),
}
WITH_PENALTY = {
    "consensus": _consensus,
    "gradient penalty": _with_penalty(_simultaneous),
    "gradient penalty, alternating": _with_penalty(_alternating),
}
WITH_MOMENTUM = {"momentum": _momentum, "momentum, alternating": _momentum_alternating}
RULES: tuple[str, ...] = (*PLAIN, *WITH_PENALTY, *WITH_MOMENTUM)


def rule(name: str, *, penalty: float | None = None, momentum: float | None = None) -> Rule:
    """One of the rules of section 6.4.

    Args:
        name: One of `RULES`. The discriminator moves first where no other order is named.
        penalty: For consensus and gradient penalty, at least 0.
        momentum: For momentum (heavy ball), between -1 and 1; negative against the last move.

    Raises:
        ValueError: For an unknown name, and an argument that is missing, out of range, or of no
            use to the rule.
    """
    if name not in RULES:
        raise ValueError(f"the rules are {', '.join(map(repr, RULES))}; got {name!r}")
    for given, users, argument in (
        (penalty, WITH_PENALTY, "penalty"),
        (momentum, WITH_MOMENTUM, "momentum"),
    ):
        if (given is None) == (name in users):
            needs = "needs a" if name in users else "has no use for a"
            raise ValueError(f"the rule {name!r} {needs} {argument}; got {given!r}")
    if name in WITH_PENALTY:
        return Rule(name, WITH_PENALTY[name](_nonnegative(penalty, "penalty")))
    if name in WITH_MOMENTUM:
        return Rule(name, WITH_MOMENTUM[name](_inside_one(momentum, "momentum")), 2)
    return Rule(name, *PLAIN[name])


# Linear theory


def increment_matrix(
    game: Game, rule: Rule, rates: Rates, position: Tensor | None = None
) -> Tensor:
    """The Jacobian of a rule's change of state, by autograd: (m, m), m = memory n, float64.

    Args:
        game: The game.
        rule: The rule.
        rates: One rate, or the discriminator's and the generator's.
        position: Where, (n,); the state holds it everywhere. Zeros if not given.
    """
    _check_rule(rule)
    game = _game_at(game, 0)
    if position is None:
        position = torch.zeros(sum(game.sizes), dtype=torch.float64)
    _check_start(position, game)
    if position.dim() != 1:
        raise ValueError(f"the Jacobian needs one position; got shape {tuple(position.shape)}")
    state = rule.begin(position)
    return jacrev(lambda state: rule.increment(game, state, rates))(state).double()


def update_matrix(game: Game, rule: Rule, rates: Rates, position: Tensor | None = None) -> Tensor:
    """The Jacobian of one step of a rule: the identity and the `increment_matrix`."""
    increment = increment_matrix(game, rule, rates, position)
    return torch.eye(len(increment), dtype=increment.dtype, device=increment.device) + increment


def spectral_radius(matrix: Tensor) -> float:
    """The largest modulus of the eigenvalues of a matrix (m, m)."""
    _check_square(matrix)
    return float(torch.linalg.eigvals(matrix.detach().double()).abs().max())


def log_growth(increment: Tensor, steps: float = 1) -> float:
    """The logarithm of the spectral radius of (identity + increment)^steps.

    With eigenvalues nu of the increment, |1 + nu|^2 = 1 + (2 Re nu + |nu|^2), whose logarithm is
    right for rates so small that 1 + nu would round to 1. For a rule with memory, whose increment
    has an eigenvalue near -1 too, the small ones carry its rounding: trust rates above 1e-6.

    Args:
        increment: (m, m), such as `increment_matrix` gives.
        steps: How many, at least 0; 1e18 will do.

    Returns:
        In nats; minus infinity if some power of the matrix is zero.
    """
    _check_square(increment)
    steps = _nonnegative(steps, "number of steps")
    nu = torch.linalg.eigvals(increment.detach().double())
    near = torch.log1p(2 * nu.real + nu.abs().square()) / 2
    logs = torch.where(nu.abs() < 0.5, near, (1 + nu).abs().log())
    return steps * float(logs.max()) if steps else 0.0


def threshold(radius: Callable[[float], float], low: float, high: float) -> float:
    """The rate in a bracket at which a spectral radius passes one.

    Args:
        radius: The spectral radius at a rate; it counts as at most one up to a rounding of 1e-12.
        low: A rate at which it is at most one (or above).
        high: A larger rate, at which it is above one (or at most one).

    Raises:
        ValueError: If the radius is on the same side of one at both ends.
    """
    low, high = _nonnegative(low, "rate"), _nonnegative(high, "rate")
    ends = radius(low) - 1, radius(high) - 1
    if not low < high or not (ends[0] <= SLACK) ^ (ends[1] <= SLACK):
        found = f"{ends[0] + 1:.12g} at {low:g} and {ends[1] + 1:.12g} at {high:g}"
        raise ValueError(f"a threshold needs a radius that passes 1 in the bracket; got {found}")
    return brentq(lambda rate: radius(rate) - 1 - SLACK, low, high, xtol=1e-14)


# Runs


@torch.no_grad()
def play(
    game: Game | Callable[[int], Game], rule: Rule, rates: Rates, start: Tensor, steps: int
) -> Tensor:
    """The positions of the players, one step after the other.

    Args:
        game: The game, or a function that gives the game of step 0, 1, ... (minibatches).
        rule: How they move.
        rates: One rate, or the discriminator's and the generator's.
        start: (..., n); a batch of starts is as many games at once.
        steps: How many, at least 0.

    Returns:
        (steps + 1, ..., n). What is too large for the dtype becomes infinite, then NaN; `orbit`
        has no such limit.
    """
    require_count("the steps of a run", steps, least=0)
    _check_rule(rule)
    _pair(rates)
    _check_start(start, game if isinstance(game, Game) else None)
    state, positions = rule.begin(start), [start]
    for step in range(steps):
        state = rule.step(_game_at(game, step), state, rates)
        positions.append(state[..., : start.shape[-1]])
    return torch.stack(positions)


@dataclass(frozen=True)
class Orbit:
    """A run of a linear rule that cannot overflow: x_k = exp(log_norms[k]) * directions[k].

    Attributes:
        directions: Unit vectors, (steps + 1, n); zeros where x_k is zero.
        log_norms: (steps + 1,); minus infinity where x_k is zero.
    """

    directions: Tensor
    log_norms: Tensor

    def positions(self) -> Tensor:
        """x_k, (steps + 1, n).

        Raises:
            ValueError: If one of them is too large for its dtype.
        """
        half = (self.log_norms / 2).exp().unsqueeze(-1)
        found = self.directions * half * half
        if not found.isfinite().all():
            step = int(found.isfinite().all(dim=-1).logical_not().nonzero()[0])
            raise ValueError(
                f"positions need numbers that {found.dtype} can hold; x at step {step} has the "
                f"log-norm {float(self.log_norms[step]):g}: read log_norms and directions"
            )
        return found


def orbit(matrix: Tensor, start: Tensor, steps: int) -> Orbit:
    """x, A x, A^2 x, ... without overflow: about sqrt(steps) short runs, all at once.

    The short runs begin at positions that a power of A, found by squaring in decimal arithmetic of
    60 digits, gives one after the other. The runs themselves are float64, divided by powers of two
    on the way, which is exact. A matrix of more than 32 rows gets one long run.

    Args:
        matrix: A, (n, n).
        start: x, (n,); its dtype is that of the result.
        steps: How many, at least 0.
    """
    _check_square(matrix)
    require_count("the steps of an orbit", steps, least=0)
    _check_start(start)
    if start.shape != matrix.shape[:1]:
        needed = f"an orbit needs a start of shape {tuple(matrix.shape[:1])}"
        raise ValueError(f"{needed}; got shape {tuple(start.shape)}")
    stride = 2 ** (int(steps).bit_length() // 2) if len(matrix) <= FEW else steps + 1
    points, logs = _anchors(matrix, start, stride, steps // stride + 1)
    runs, exponents = _short_runs(matrix.detach().double(), points, stride)
    directions, sizes = _units(runs.flatten(0, 1)[: steps + 1])
    logs = (logs.unsqueeze(1) + exponents * math.log(2)).flatten()[: steps + 1] + sizes
    return Orbit(directions.to(start.dtype), logs.to(start.dtype))


def turns(positions: Tensor) -> Tensor:
    """The angle run through so far in the (d, g) plane, counter-clockwise positive, in turns.

    Args:
        positions: (steps + 1, ..., 2); each less than half a turn from the one before it.

    Returns:
        (steps + 1, ...), from 0.
    """
    _check_start(positions)
    if positions.shape[-1] != 2 or positions.dim() < 2:
        needed = "turns need positions (steps + 1, ..., 2)"
        raise ValueError(f"{needed}; got shape {tuple(positions.shape)}")
    largest = positions.abs().amax(dim=-1, keepdim=True)
    points = torch.view_as_complex((positions / largest.where(largest > 0, 1)).contiguous())
    angles = (points[1:] * points[:-1].conj()).angle().cumsum(dim=0) / (2 * math.pi)
    return torch.cat([torch.zeros_like(positions[:1, ..., 0]), angles])


# Parts


def _scaled(game: Game, field: Tensor, rates: Rates) -> Tensor:
    """The two parts of a field (..., n), each times its player's rate."""
    rate_d, rate_g = _pair(rates)
    up, down = game.split(field)
    return torch.cat([rate_d * up, rate_g * down], dim=-1)


def _units(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors and the logarithms of norms; zeros and minus infinity of a zero vector."""
    largest = vectors.abs().amax(dim=-1, keepdim=True)
    scaled = vectors / largest.where(largest > 0, 1)
    norms = scaled.norm(dim=-1, keepdim=True)
    logs = (largest.log() + norms.log()).squeeze(-1)
    return scaled / norms.where(norms > 0, 1), logs


def _anchors(matrix: Tensor, start: Tensor, stride: int, number: int) -> tuple[Tensor, Tensor]:
    """Every stride-th position, (number, n), over a power of ten, and the logarithm of that."""
    points, logs = [], []
    with localcontext(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN):
        power = np.array([[Decimal(entry) for entry in row] for row in matrix.tolist()])
        point = np.array([Decimal(entry) for entry in start.tolist()])
        for _ in range(stride.bit_length() - 1 if number > 1 else 0):
            power = power @ power
        for _ in range(number):
            exponent = max([entry.adjusted() for entry in point if entry], default=0)
            points.append([float(entry.scaleb(-exponent)) for entry in point])
            logs.append(exponent * math.log(10))
            point = power @ point
    kind = {"dtype": torch.float64, "device": start.device}
    return torch.tensor(points, **kind), torch.tensor(logs, **kind)


def _short_runs(matrix: Tensor, points: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Runs from each of the points (m, n): (m, length, n), over powers of two, and exponents."""
    exponents = torch.zeros_like(points[:, 0])
    runs = [(points, exponents)]
    for _ in range(length - 1):
        points = points @ matrix.mT
        shift = points.abs().amax(dim=1).frexp().exponent.clamp(-1000, 1000)
        points, exponents = points.ldexp(-shift.unsqueeze(1)), exponents + shift
        runs.append((points, exponents))
    return tuple(torch.stack(part, dim=1) for part in zip(*runs, strict=True))


def _game_at(game: Game | Callable[[int], Game], step: int) -> Game:
    found = game(step) if callable(game) else game
    if not isinstance(found, Game):
        raise ValueError(f"a run needs a Game, or a function of the step to one; got {found!r}")
    return found


# Refusals


def _pair(rates: Rates) -> tuple[float, float]:
    """The discriminator's rate and the generator's."""
    if isinstance(rates, tuple | list):
        if len(rates) != 2:
            raise ValueError(f"rates need to be one number or two; got {rates!r}")
        return _nonnegative(rates[0], "rate"), _nonnegative(rates[1], "rate")
    return (_nonnegative(rates, "rate"),) * 2


def _number(value: object, name: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"a {name} needs to be a finite number; got {value!r}")
    return float(value)


def _nonnegative(value: object, name: str) -> float:
    number = _number(value, name)
    if number < 0:
        raise ValueError(f"a {name} needs to be at least 0; got {value!r}")
    return number


def _inside_one(value: object, name: str) -> float:
    number = _number(value, name)
    if not -1 < number < 1:
        raise ValueError(f"a {name} needs to be between -1 and 1; got {value!r}")
    return number


def _check_rule(rule: object) -> None:
    if not isinstance(rule, Rule):
        raise ValueError(f"the players need a Rule, such as rule({RULES[0]!r}); got {rule!r}")


def _check_position(position: Tensor, game: Game) -> None:
    size = sum(game.sizes)
    if not isinstance(position, Tensor) or not position.is_floating_point():
        raise ValueError(f"a position needs to be a floating-point tensor; got {position!r}")
    if position.dim() == 0 or position.shape[-1] != size:
        needed = f"a position of this game needs a last axis of {size}"
        raise ValueError(f"{needed}; got shape {tuple(position.shape)}")


def _check_start(start: Tensor, game: Game | None = None) -> None:
    if not isinstance(start, Tensor) or not start.is_floating_point() or not start.numel():
        raise ValueError(f"positions need to be a floating-point tensor; got {start!r}")
    if not start.isfinite().all():
        raise ValueError("positions need finite numbers; got nan or infinity")
    if game is not None:
        _check_position(start, game)


def _check_square(matrix: Tensor) -> None:
    if not isinstance(matrix, Tensor) or matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        shape = tuple(matrix.shape) if isinstance(matrix, Tensor) else repr(matrix)
        raise ValueError(f"a square matrix is needed; got {shape}")
    if not matrix.is_floating_point() or not matrix.isfinite().all() or not len(matrix):
        raise ValueError("a matrix of finite floating-point numbers is needed; got others")
