"""Densities of mean + scale * z0 and mean + S z0, z0 standard normal, and what they cost.

Each log-density is Equation (1) of the chapter: that of z0 minus log |det J|. Nothing is squared
and no product of many factors is formed, so tiny scales and ill-conditioned matrices do no harm.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = [
    "Counted",
    "eliminated_determinant",
    "log_det_diagonal",
    "log_prob_diagonal",
    "log_prob_full",
    "log_prob_triangular",
    "multiply_lower",
    "product",
    "solve_forward",
    "standard_log_prob",
]

SINGULAR = (
    "claim 2.3 needs a non-singular matrix S; in this precision the given one cannot be told "
    "from a matrix of rank {rank}, for which mean + S z0 has no density"
)


def standard_log_prob(z: Tensor) -> Tensor:
    """Log-density of K independent standard normal numbers.

    Args:
        z: (..., K).

    Returns:
        (...), in nats.
    """
    return -z.square().sum(dim=-1) / 2 - z.shape[-1] / 2 * math.log(2 * math.pi)


def log_det_diagonal(scale: Tensor) -> Tensor:
    """log |det diag(scale)| as a sum of logarithms, which neither under- nor overflows.

    Args:
        scale: (..., K).
    """
    return scale.abs().log().sum(dim=-1)


def log_prob_diagonal(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log-density of mean + scale * z0.

    Args:
        x: Points, (..., K).
        mean: (..., K).
        scale: Standard deviations, (..., K), positive.

    Returns:
        (...), in nats.

    Raises:
        ValueError: If a scale is not positive, a number is missing, or shapes do not fit.
    """
    if not ((scale > 0) & scale.isfinite()).all():
        found = f"from {scale.min():g} to {scale.max():g}"
        raise ValueError(f"claim 2.1 needs finite scales above 0; got scales {found}")
    _check(x, mean, scale.shape[-1:], "2.1")
    return standard_log_prob((x - mean) / scale) - log_det_diagonal(scale)


def log_prob_full(x: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Log-density of mean + S z0 for any non-singular S, of either sign of its determinant.

    Args:
        x: Points, (..., K).
        mean: (..., K).
        factor: The matrix S, (K, K).

    Returns:
        (...), in nats.

    Raises:
        ValueError: If S is singular or not square, a number is missing, or shapes do not fit.
    """
    _check_square(factor, "2.3")
    _check(x, mean, factor.shape[-1:], "2.3")
    rows, scaled, columns = _equilibrated(factor)
    rank = int(torch.linalg.matrix_rank(scaled.detach()))
    if rank < len(factor):
        raise ValueError(SINGULAR.format(rank=rank))
    z = torch.linalg.solve(scaled, ((x - mean) / rows).unsqueeze(-1)).squeeze(-1) / columns
    log_det = torch.linalg.slogdet(scaled).logabsdet
    return standard_log_prob(z) - log_det - log_det_diagonal(rows) - log_det_diagonal(columns)


def log_prob_triangular(x: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Log-density of mean + S z0 for a lower triangular S with a positive diagonal.

    Args:
        x: Points, (..., K).
        mean: (..., K).
        factor: The matrix S, (K, K).

    Returns:
        (...), in nats.

    Raises:
        ValueError: If S is not lower triangular, its diagonal not positive, a number is missing,
            or shapes do not fit.
    """
    _check_square(factor, "2.4")
    _check(x, mean, factor.shape[-1:], "2.4")
    if factor.triu(1).any():
        raise ValueError("claim 2.4 needs zeros above the diagonal of S; got others")
    if not (factor.diagonal() > 0).all():
        lowest = factor.diagonal().min()
        raise ValueError(f"claim 2.4 needs a diagonal above 0; its smallest entry is {lowest:g}")
    gap = (x - mean).unsqueeze(-1)
    z = torch.linalg.solve_triangular(factor, gap, upper=False).squeeze(-1)
    return standard_log_prob(z) - log_det_diagonal(factor.diagonal())


class Counted:
    """A number that counts the multiplications and divisions it takes part in."""

    operations = 0  # of all counted numbers since `count` last began

    def __init__(self, value: float):
        self.value = value

    def __mul__(self, other: "Counted") -> "Counted":
        Counted.operations += 1
        return Counted(self.value * other.value)

    def __truediv__(self, other: "Counted") -> "Counted":
        Counted.operations += 1
        return Counted(self.value / other.value)

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.value + other.value)

    def __sub__(self, other: "Counted") -> "Counted":
        return Counted(self.value - other.value)

    @staticmethod
    def count(program: Callable, *arguments: Tensor) -> tuple[Tensor, int]:
        """What a program on lists of numbers returns, and its multiplications and divisions."""
        Counted.operations = 0
        result = program(*(_each(argument.tolist(), Counted) for argument in arguments))
        values = _each(result, lambda number: number.value)
        return torch.tensor(values, dtype=torch.float64), Counted.operations


def product(numbers: Sequence) -> object:
    """The product of numbers, one multiplication after the other."""
    result = numbers[0]
    for number in numbers[1:]:
        result = result * number
    return result


def eliminated_determinant(matrix: Sequence[Sequence]) -> object:
    """The determinant by Gaussian elimination, without exchange of rows, then a product."""
    rows = [list(row) for row in matrix]
    for k in range(len(rows)):
        for i in range(k + 1, len(rows)):
            ratio = rows[i][k] / rows[k][k]
            for j in range(k + 1, len(rows)):
                rows[i][j] = rows[i][j] - ratio * rows[k][j]
    return product([rows[k][k] for k in range(len(rows))])


def multiply_lower(matrix: Sequence[Sequence], vector: Sequence) -> list:
    """The product S z for a lower triangular S, without its zeros."""
    result = []
    for i, row in enumerate(matrix):
        total = row[0] * vector[0]
        for entry, number in zip(row[1 : i + 1], vector[1 : i + 1], strict=True):
            total = total + entry * number
        result.append(total)
    return result


def solve_forward(matrix: Sequence[Sequence], target: Sequence) -> list:
    """The z with S z = target, for a lower triangular S, from the first number to the last."""
    solution: list = []
    for row, number in zip(matrix, target, strict=True):
        for entry, known in zip(row, solution, strict=False):
            number = number - entry * known
        solution.append(number / row[len(solution)])
    return solution


def _each(values: object, function: Callable) -> object:
    """A function of every number in nested lists."""
    if isinstance(values, list):
        return [_each(value, function) for value in values]
    return function(values)


def _equilibrated(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scales (K,), a matrix and scales (K,) with diag(rows) A diag(columns) = the given one.

    Ruiz's scaling: dividing rows and columns by roots of their largest entries, again and again,
    brings all of these near 1, and no number under- or overflows on the way. Units that differ
    by 1e200 then spoil neither the rank nor the elimination.
    """
    rows = columns = matrix.detach().new_ones(len(matrix))
    for _ in range(12):
        size = (matrix.detach() / rows.unsqueeze(1) / columns).abs()
        across, along = size.amax(dim=1).sqrt(), size.amax(dim=0).sqrt()
        rows = rows * torch.where(across == 0, 1, across)
        columns = columns * torch.where(along == 0, 1, along)
    return rows, matrix / rows.unsqueeze(1) / columns, columns


def _check_square(factor: Tensor, claim: str) -> None:
    if factor.dim() != 2 or factor.shape[0] != factor.shape[1]:
        raise ValueError(f"claim {claim} needs a square matrix S; got shape {tuple(factor.shape)}")
    if not factor.is_floating_point() or not factor.isfinite().all():
        raise ValueError(
            f"claim {claim} needs a matrix of finite floating-point numbers; got others in S"
        )


def _check(x: Tensor, mean: Tensor, size: torch.Size, claim: str) -> None:
    """Refuse what is not a number, and shapes that do not fit the scale or each other."""
    found = f"x {tuple(x.shape)} and mean {tuple(mean.shape)}"
    if x.shape[-1:] != size or mean.shape[-1:] != size:
        needed = f"claim {claim} needs points and means with last axis {tuple(size)}"
        raise ValueError(f"{needed}; got {found}")
    try:
        torch.broadcast_shapes(x.shape, mean.shape)
    except RuntimeError as error:
        raise ValueError(f"claim {claim} needs batches that broadcast; got {found}") from error
    if x.isnan().any() or not mean.isfinite().all():
        needed = f"claim {claim} needs numbers in x and mean"
        raise ValueError(f"{needed}; got nan or, in mean, infinity")
