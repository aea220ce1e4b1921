"""The density contract: what every density in this book owes, whoever wrote it.

A density integrates to one; its sampler draws from it and from nothing else; a transform that
made it can be undone; and the log-determinant that it reports is the one that its Jacobian has.
Each clause is measured by a route that does not use the code under test.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Transform

__all__ = [
    "cell_masses",
    "contract",
    "failed",
    "grid_edges",
    "integral",
    "log_det_by_autograd",
    "transform_clauses",
]

LogProb = Callable[[Tensor], Tensor]
Sample = Callable[[int, torch.Generator], Tensor]
Clauses = dict[str, tuple[float, float]]

FEWEST = 10  # expected draws in a cell of its own: fewer are put together


def grid_edges(low: float, high: float, cells: int, axes: int = 1) -> list[Tensor]:
    """Borders of equal cells between low and high, the same along every axis."""
    edge = torch.linspace(low, high, cells + 1, dtype=torch.float64)
    return [edge] * axes


def cell_masses(log_prob: LogProb, edges: Sequence[Tensor], order: int = 8) -> Tensor:
    """Mass of a density in each cell of a grid, by Gauss-Legendre quadrature inside the cells.

    Args:
        log_prob: Log-density in nats, of points (n,) if there is one axis, else (n, axes).
        edges: Borders of the cells along each axis, increasing, each (cells + 1,).
        order: Nodes along each axis of a cell.

    Returns:
        Masses, float64, one axis for each axis of the grid, (cells, ...).
    """
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(order))
    places, sizes = [], []
    for edge in edges:
        half = torch.as_tensor(edge, dtype=torch.float64).diff() / 2  # (cells,)
        middle = torch.as_tensor(edge, dtype=torch.float64)[:-1] + half
        places.append((middle.unsqueeze(1) + half.unsqueeze(1) * nodes).flatten())
        sizes.append((half.unsqueeze(1) * weights).flatten())
    points = torch.cartesian_prod(*places)  # (n,) for one axis, else (n, axes)
    volume = torch.cartesian_prod(*sizes).reshape(len(points), -1).prod(dim=1)
    mass = (log_prob(points).double().exp() * volume).reshape([len(p) for p in places])
    for axis in range(len(edges)):  # add up the nodes of each cell
        mass = mass.unflatten(axis, (-1, order)).sum(dim=axis + 1)
    return mass


def integral(log_prob: LogProb, edges: Sequence[Tensor], order: int = 8) -> float:
    """The integral of a density over a box that is cut into cells; see `cell_masses`."""
    return float(cell_masses(log_prob, edges, order).sum())


@torch.enable_grad()
def log_det_by_autograd(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """log |det J| of a map at each input, from the Jacobian that autograd gives.

    Args:
        function: Maps a batch of points to points, each on its own.
        inputs: (batch,) for a map of the line, else (batch, dim).

    Returns:
        (batch,), in nats.
    """
    points = inputs.detach().clone().requires_grad_()
    outputs = function(points).reshape(len(points), -1)
    rows = [
        torch.autograd.grad(outputs[:, i].sum(), points, retain_graph=True)[0]
        for i in range(outputs.shape[1])
    ]
    jacobian = torch.stack([row.reshape(len(points), -1) for row in rows], dim=1)
    return torch.linalg.slogdet(jacobian).logabsdet


def transform_clauses(transform: Transform, inputs: Tensor, tolerance: float = 1e-9) -> Clauses:
    """The clauses "inverse" and "log-det": how far a transform is off, and what is allowed.

    Args:
        transform: A bijection with a log-determinant.
        inputs: Points on which it is tried, (batch,) or (batch, dim).
        tolerance: Largest distance allowed.
    """
    with torch.no_grad():
        outputs = transform(inputs)
        round_trip = (transform.inv(outputs) - inputs).abs().max()
        reported = transform.log_abs_det_jacobian(inputs, outputs)
    off = (reported - log_det_by_autograd(transform, inputs)).abs().max()
    return {"inverse": (float(round_trip), tolerance), "log-det": (float(off), tolerance)}


def contract(
    log_prob: LogProb,
    sample: Sample,
    edges: Sequence[Tensor],
    *,
    generator: torch.Generator,
    draws: int = 20_000,
    false_alarm: float = 1e-4,
    tolerance: float = 1e-6,
) -> Clauses:
    """The clauses "integral" and "sampler": what was measured, and how much is allowed.

    The integral is that over the grid, which has to hold all but a negligible part of the mass.
    The sampler's draws are counted in the cells and compared with the masses that the density
    gives to the cells by Pearson's chi-square, so neither can vouch for itself.

    Args:
        log_prob: Log-density in nats of points (n,) or (n, dim).
        sample: Draws that many points with a generator.
        edges: Borders of the grid's cells along each axis.
        generator: Source of the draws.
        draws: How many.
        false_alarm: Probability that a true sampler fails, by design.
        tolerance: How far the integral may be from one.

    Raises:
        ValueError: If there are too few draws for the cells: no two parts of the grid can expect
            `FEWEST` draws each, so any sampler would do.
    """
    with torch.no_grad():
        masses = cell_masses(log_prob, edges)
        points = sample(draws, generator).double().cpu().reshape(draws, -1)
    counts, _ = np.histogramdd(points.numpy(), bins=[np.asarray(edge) for edge in edges])
    statistic, limit = _chi_square(counts.ravel(), masses.flatten().numpy(), draws, false_alarm)
    off = abs(float(masses.sum()) - 1)
    return {"integral": (off, tolerance), "sampler": (statistic, limit)}


def failed(clauses: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """Names of the clauses that are not kept: those not measured at most at what is allowed."""
    return frozenset(name for name, (value, limit) in clauses.items() if not value <= limit)


def _chi_square(
    counts: np.ndarray, masses: np.ndarray, draws: int, false_alarm: float
) -> tuple[float, float]:
    """Pearson's statistic, and the value that a true sampler exceeds with that probability.

    The masses are compared as they are: a density with integral 2 does not fit any counts. Cells
    in which few draws are expected, and what lies outside the grid, make one cell together.
    """
    own = ~(masses * draws < FEWEST)  # a mass that is not a number shows in the statistic
    if not own.any():
        raise ValueError(
            f"needed a cell in which {FEWEST} draws are expected, got {masses.max() * draws:.3g} "
            f"of {draws} in the fullest of {masses.size}: take more draws or larger cells"
        )
    inside = float(masses[own].sum())
    expected = np.append(masses[own], max(1 - inside, 0.0)) * draws
    found = np.append(counts[own], draws - counts[own].sum())
    if expected[-1] < FEWEST:  # the rest goes to the cell that has most
        most = int(expected[:-1].argmax())
        expected[most] += expected[-1]
        found[most] += found[-1]
        expected, found = expected[:-1], found[:-1]
    if len(found) < 2:
        raise ValueError(
            f"needed two cells in which {FEWEST} draws are expected, got one that expects all "
            f"{draws}: take more draws or smaller cells"
        )
    statistic = float(((found - expected) ** 2 / expected).sum())
    return statistic, float(stats.chi2.isf(false_alarm, len(found) - 1))
