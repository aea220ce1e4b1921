"""Measure chapter 5's maps beside zuko and normflows, in one run, and write benchmarks/flows.json.

    python -m benchmarks.flows            all of it, about 4 minutes
    python -m benchmarks.flows quick      fewer repetitions, nothing written

Seconds are CPU seconds of one thread, medians of runs that alternate between the libraries, with
gradients off and on. Errors are against 60-digit arithmetic (mpmath), the largest over 64 points
of a batch: relative, but absolute for log-determinants and for numbers below 1 in a batch.
zuko gets our stable formula for g, so its rows measure its inverse and its log-determinant.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import mpmath
import normflows
import torch
import zuko
from torch import Tensor

from benchmarks.machine import machine
from helpers.flows import RadialFlow, SigmoidalFlow

RESULTS = Path(__file__).with_suffix(".json")
BATCHES = (64, 4096, 65536)
SIGMOIDS = 8
CHECKED = 64  # points of a batch whose errors are measured
# Brackets and tolerances for zuko's bisection: as exact as ours, and its documented default.
EXACT = {torch.float64: (64.0, 2.0**-48), torch.float32: (64.0, 2.0**-19)}
DEFAULT = (10.0, 1e-6)
# The example of the extremes table; g(1000) = 500.386294361119891.
WEIGHTS, SLOPES, SHIFTS = (0.25, 0.5, 0.25), (0.5, 1.5, 3.0), (-1.0, 0.25, 2.0)

mpmath.mp.dps = 60


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Median CPU seconds of a call of each, from alternating runs of some milliseconds."""
    pair = (ours, theirs)
    calls = [max(1, round(0.01 / _seconds(f, 1))) for f in pair if f() is not None]
    rounds = [[_seconds(f, n) for f, n in zip(pair, calls, strict=True)] for _ in range(repeats)]
    mine, other = zip(*rounds, strict=True)
    return statistics.median(mine), statistics.median(other)


def _seconds(call: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        call()
    return max(1e-9, time.process_time() - started) / times


def radial_rows(repeats: int) -> list[dict]:
    """Radial forward map and log-determinant, against normflows."""
    rows = []
    for dtype in (torch.float32, torch.float64):
        for dim in (2, 64):
            centre = torch.linspace(-0.5, 0.7, dim, dtype=dtype)
            theirs = peer_radial(centre, 1.0, 2.0)
            for batch in BATCHES:
                x = torch.randn(batch, dim, generator=seeded(), dtype=dtype)
                calls = radial_calls(centre, theirs, x)
                for gradients, pair in calls.items():
                    with torch.set_grad_enabled(gradients):
                        seconds = side_by_side(*pair, repeats)
                    with torch.no_grad():
                        errors = [radial_error(f(), centre, x) for f in calls[False]]
                    what = f"radial, D = {dim}: forward and log-determinant"
                    rows.append(row(what, dtype, batch, gradients, seconds, errors, "normflows"))
    return rows


def peer_radial(centre: Tensor, alpha: float, beta: float) -> normflows.flows.Radial:
    """normflows' map with these parameters: it takes beta = log(1 + exp(b)) - alpha."""
    peer = normflows.flows.Radial((len(centre),), centre.clone()[None]).to(centre.dtype)
    total = alpha + beta
    with torch.no_grad():
        peer.alpha.fill_(alpha)
        peer.beta.fill_(
            total if total > 30 else math.log(math.expm1(total)) if total else -math.inf
        )
    return peer


def radial_calls(
    centre: Tensor, theirs: normflows.flows.Radial, x: Tensor
) -> dict[bool, tuple[Callable, Callable]]:
    """The two calls without gradients, and with those of points and parameters."""
    flow = RadialFlow(centre, 1.0, 2.0)
    leaves = [p.clone().requires_grad_() for p in (centre, flow.alpha, flow.beta)]
    points = x.clone().requires_grad_()

    def ours_with_gradients() -> tuple[Tensor, ...]:
        y, log_det = RadialFlow(*leaves).call_and_log_abs_det_jacobian(points)
        return torch.autograd.grad(y.sum() + log_det.sum(), [points, *leaves])

    def theirs_with_gradients() -> tuple[Tensor, ...]:
        y, log_det = theirs(points)
        return torch.autograd.grad(y.sum() + log_det.sum(), [points, *theirs.parameters()])

    return {
        False: (lambda: flow.call_and_log_abs_det_jacobian(x), lambda: theirs(x)),
        True: (ours_with_gradients, theirs_with_gradients),
    }


def radial_error(result: tuple[Tensor, Tensor], centre: Tensor, x: Tensor) -> float:
    """Largest error of images and log-determinants."""
    errors = []
    for image, log_det, point in zip(*(v[:CHECKED].tolist() for v in (*result, x)), strict=True):
        offset = [mpmath.mpf(p) - c for p, c in zip(point, centre.tolist(), strict=True)]
        r = mpmath.sqrt(mpmath.fsum(v * v for v in offset))
        factor, slope = 1 + 2 / (1 + r), 1 + 2 / (1 + r) ** 2
        exact = [c + factor * v for c, v in zip(centre.tolist(), offset, strict=True)]
        errors += [scaled_error(i, e) for i, e in zip(image, exact, strict=True)]
        exact_log = (len(point) - 1) * mpmath.log(factor) + mpmath.log(slope)
        errors.append(scaled_error(log_det, exact_log))
    return max(errors)


def scaled_error(value: float, exact: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(value) - exact) / max(1, abs(exact)))


def sigmoidal_rows(repeats: int) -> list[dict]:
    """Inverse, and forward with log-determinant, of one sigmoidal map in both libraries."""
    rows = []
    for dtype in (torch.float32, torch.float64):
        for batch in BATCHES:
            raw = torch.randn(batch, 3, SIGMOIDS, generator=seeded(), dtype=torch.float64)
            z = 3 * torch.randn(batch, generator=seeded(), dtype=torch.float64)
            y = SigmoidalFlow.from_unconstrained(raw)(z).to(dtype)
            raw = raw.to(dtype)
            roots = exact_inverse(raw, y)
            for name, (bound, eps) in {"": EXACT[dtype], ", zuko's default": DEFAULT}.items():
                pairs = inverse_calls(raw, y, bound, eps)
                with torch.no_grad():
                    errors = [worst(f()[:CHECKED].tolist(), roots) for f in pairs[False]]
                for gradients, pair in pairs.items():
                    with torch.set_grad_enabled(gradients):
                        seconds = side_by_side(*pair, repeats)
                    what = f"sigmoidal inverse, N = {SIGMOIDS}{name}"
                    rows.append(row(what, dtype, batch, gradients, seconds, errors, "zuko"))
            pairs = forward_calls(raw, z.to(dtype))
            values = [exact_sigmoidal(p, point) for p, point in examples(raw, z.to(dtype))]
            errors = [
                max(
                    worst(a[:CHECKED].tolist(), b)
                    for a, b in zip(f(), zip(*values, strict=True), strict=True)
                )
                for f in pairs[False]
            ]
            for gradients, pair in pairs.items():
                with torch.set_grad_enabled(gradients):
                    seconds = side_by_side(*pair, repeats)
                what = f"sigmoidal, N = {SIGMOIDS}: forward and log-determinant"
                rows.append(row(what, dtype, batch, gradients, seconds, errors, "zuko"))
    return rows


def examples(raw: Tensor, points: Tensor) -> list[tuple[tuple, float]]:
    """The first parameters (weights, slopes, shifts), exact for these raw numbers, and points."""
    found = []
    for (logits, logs, shifts), point in zip(
        raw[:CHECKED].tolist(), points[:CHECKED].tolist(), strict=True
    ):
        shares = [mpmath.exp(v) for v in logits]
        total = mpmath.fsum(shares)
        found.append((([v / total for v in shares], [mpmath.exp(v) for v in logs], shifts), point))
    return found


def exact_inverse(raw: Tensor, y: Tensor) -> list[mpmath.mpf]:
    """Roots of g(z) = y by Newton's method in 60 digits, from ours in float64."""
    starts = SigmoidalFlow.from_unconstrained(raw.double()).inv(y.double())
    roots = []
    for (parameters, image), start in zip(
        examples(raw, y), starts[:CHECKED].tolist(), strict=True
    ):
        z = mpmath.mpf(start)
        for _ in range(4):
            value, log_slope = exact_sigmoidal(parameters, z)
            z -= (value - mpmath.mpf(image)) / mpmath.exp(log_slope)
        assert abs(value - mpmath.mpf(image)) < 1e-40
        roots.append(z)
    return roots


def worst(values: list[float], exact: list[mpmath.mpf]) -> float:
    return max(scaled_error(v, e) for v, e in zip(values, exact, strict=True))


def peer_sigmoidal(raw: Tensor, bound: float, eps: float) -> zuko.transforms.MonotonicTransform:
    """zuko's numerical inverse and log-determinant around our g, evaluated as stably as ours."""
    return zuko.transforms.MonotonicTransform(
        lambda z: SigmoidalFlow.from_unconstrained(raw)(z), phi=(raw,), bound=bound, eps=eps
    )


def inverse_calls(raw: Tensor, y: Tensor, bound: float, eps: float) -> dict[bool, tuple]:
    """Both inverses without gradients, and with those of y and of the parameters."""
    leaf, image = raw.clone().requires_grad_(), y.clone().requires_grad_()

    def gradients(inverse: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(inverse(image).sum(), [image, leaf])

    return {
        False: (
            lambda: SigmoidalFlow.from_unconstrained(raw).inv(y),
            lambda: peer_sigmoidal(raw, bound, eps).inv(y),
        ),
        True: (
            lambda: gradients(SigmoidalFlow.from_unconstrained(leaf).inv),
            lambda: gradients(peer_sigmoidal(leaf, bound, eps).inv),
        ),
    }


def forward_calls(raw: Tensor, z: Tensor) -> dict[bool, tuple]:
    """Both maps with log-determinant, without and with gradients of z and the parameters."""
    leaf, point = raw.clone().requires_grad_(), z.clone().requires_grad_()

    def gradients(results: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(results[0].sum() + results[1].sum(), [point, leaf])

    def ours(parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        flow = SigmoidalFlow.from_unconstrained(parameters)
        return flow.call_and_log_abs_det_jacobian(points)

    def theirs(parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        return peer_sigmoidal(parameters, *DEFAULT).call_and_ladj(points)

    return {
        False: (lambda: ours(raw, z), lambda: theirs(raw, z)),
        True: (lambda: gradients(ours(leaf, point)), lambda: gradients(theirs(leaf, point))),
    }


def extreme_rows() -> list[dict]:
    """Errors on the inputs of the table of extremes; a failure shows as nan or inf."""
    return [*radial_extremes(), *sigmoidal_extremes()]


def radial_extremes() -> list[dict]:
    cases = [
        ("r = 1e-12, alpha = 1e-8, beta = -alpha", 1e-12, 1e-8, -1e-8),
        ("r = 1e-12, alpha = 1, beta = -1", 1e-12, 1.0, -1.0),
        ("r = 1e-6, alpha = 1, beta = 1e8", 1e-6, 1.0, 1e8),
        ("r = 1e12, alpha = 1, beta = 2", 1e12, 1.0, 2.0),
        ("r = 1e200, alpha = 1, beta = 2", 1e200, 1.0, 2.0),
        ("r = 0, alpha = 1, beta = -1", 0.0, 1.0, -1.0),
    ]
    rows = []
    for dtype in (torch.float32, torch.float64):
        for name, r, alpha, beta in cases:
            if r > torch.finfo(dtype).max:
                continue
            for dim in (1, 2):
                rows += radial_extreme(name, r, alpha, beta, dim, dtype)
    return rows


def radial_extreme(
    name: str, r: float, alpha: float, beta: float, dim: int, dtype: torch.dtype
) -> list[dict]:
    """Errors of image, log-determinant, its derivative, and of the inverse, which is ours only."""
    centre = torch.zeros(dim, dtype=dtype)
    x = torch.tensor([[r] + [0.0] * (dim - 1)], dtype=dtype)
    a, b = (mpmath.mpf(torch.tensor(v, dtype=dtype).item()) for v in (alpha, beta))
    radius = mpmath.mpf(x[0, 0].item())
    factor, slope = 1 + b / (a + radius), 1 + a * b / (a + radius) ** 2
    log_det = (dim - 1) * mpmath.log(factor) + mpmath.log(slope) if slope else -mpmath.inf
    exact = {"image": radius * factor, "log-determinant": log_det}
    flow, peer = RadialFlow(centre, alpha, beta), peer_radial(centre, alpha, beta)
    point = x.clone().requires_grad_()
    found = []
    for call in (flow.call_and_log_abs_det_jacobian, peer):
        image, value = call(point)
        slopes = torch.autograd.grad(value.sum(), point)[0]
        found.append((image[0, 0].item(), value.item(), slopes))
    rows = []
    for place, (quantity, wanted) in enumerate(exact.items()):
        errors = [error_of(results[place], wanted, place == 1) for results in found]
        rows.append(row(f"radial, D = {dim}, {name}: {quantity}", dtype, 1, False, None, errors))
    if r == 0:
        errors = [0.0 if results[2].isfinite().all() else math.nan for results in found]
        what = f"radial, D = {dim}, {name}: derivative is a number"
        rows.append(row(what, dtype, 1, True, None, errors))
    gap = radius - a - b
    root = (gap + mpmath.sqrt(gap**2 + 4 * a * radius)) / 2
    errors = [error_of(flow.inv(x)[0, 0].item(), root), math.nan]  # normflows has no inverse
    rows.append(row(f"radial, D = {dim}, {name}: inverse", dtype, 1, False, None, errors))
    return rows


def sigmoidal_extremes() -> list[dict]:
    """g, log g' and the inverse far out, and where g' is e^-95."""
    flat = ((0.5, 0.5), (20.0, 20.0), (-100.0, 100.0))
    cases = [
        *((f"z = {z:g}", (WEIGHTS, SLOPES, SHIFTS), z) for z in (1000.0, -1000.0, 1e6)),
        ("z = 0, log g' = -95.6", flat, 0.0),
        ("z = 5, a = 20, b = -100", flat, 5.0),
    ]
    rows = []
    for dtype in (torch.float32, torch.float64):
        for name, parameters, z in cases:
            flow = SigmoidalFlow(*(torch.tensor(p, dtype=dtype) for p in parameters))
            peer = zuko.transforms.MonotonicTransform(flow)
            point, (value, log_slope) = (
                torch.tensor([z], dtype=dtype),
                exact_sigmoidal(parameters, z),
            )
            results = flow.call_and_log_abs_det_jacobian(point), peer.call_and_ladj(point)
            y = torch.tensor([float(value)], dtype=dtype)
            for quantity, place, wanted in [("g", 0, value), ("log g'", 1, log_slope)]:
                errors = [error_of(r[place].item(), wanted, place == 1) for r in results]
                what = f"sigmoidal, {name}: {quantity}"
                rows.append(row(what, dtype, 1, False, None, errors, "zuko"))
            if z:
                errors = [error_of(f(y).item(), mpmath.mpf(z)) for f in (flow.inv, peer.inv)]
                what = f"sigmoidal, {name}: inverse, zuko's default"
                rows.append(row(what, dtype, 1, False, None, errors, "zuko"))
    return rows


def exact_sigmoidal(parameters: tuple, z: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """g(z) and log g'(z) in as many digits as z needs."""
    with mpmath.workdps(60 + int(abs(z)) if abs(z) < 1e4 else 60):
        if abs(z) >= 1e4:  # one sigmoid is left: the least slope, 1/2
            return mpmath.mpf(z) / 2 - 1 - mpmath.log(mpmath.mpf(1) / 4), mpmath.log(0.5)
        on = [
            1 / (1 + mpmath.exp(-(a * mpmath.mpf(z) + b)))
            for a, b in zip(*parameters[1:], strict=True)
        ]
        s = mpmath.fsum(w * p for w, p in zip(parameters[0], on, strict=True))
        rate = mpmath.fsum(
            w * a * p * (1 - p) for w, a, p in zip(*parameters[:2], on, strict=True)
        )
        return mpmath.log(s / (1 - s)), mpmath.log(rate / s / (1 - s))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def error_of(value: float, exact: mpmath.mpf, absolute: bool = False) -> float:
    """Relative or absolute error; nan or inf if the value is one where it should not be."""
    if mpmath.isinf(exact) or not math.isfinite(value):
        return 0.0 if value == exact else value
    gap = abs(mpmath.mpf(value) - exact)
    return float(gap if absolute or exact == 0 else gap / abs(exact))


def row(
    what: str,
    dtype: torch.dtype,
    batch: int,
    gradients: bool,
    seconds: tuple[float, float] | None,
    errors: list[float],
    library: str = "normflows",
) -> dict:
    """A line of the results; JSON knows no nan, so numbers that are none become texts."""
    ours, theirs = seconds or (None, None)
    return {
        "what": what,
        "dtype": str(dtype).removeprefix("torch."),
        "batch": batch,
        "gradients": gradients,
        "ours_seconds": ours,
        "theirs_seconds": theirs,
        "ratio": ours / theirs if ours and theirs else None,
        "ours_error": errors[0] if math.isfinite(errors[0]) else str(errors[0]),
        "theirs_error": errors[1] if math.isfinite(errors[1]) else str(errors[1]),
        "library": library,
        "version": version(library),
    }


def table(rows: list[dict]) -> str:
    """The rows, aligned, for reading."""
    head = f"{'':62} {'dtype':8}{'batch':>6} {'grad':4} {'ours':>10} {'theirs':>10} {'ratio':>6}"
    lines = [f"{head} {'our error':>10} {'theirs':>10}"]
    for r in rows:
        times = ["", "", ""]
        if r["ratio"]:
            times = [f"{1e6 * r[k]:.0f} µs" for k in ("ours_seconds", "theirs_seconds")]
            times.append(f"{r['ratio']:.2f}")
        errors = [
            e if isinstance(e, str) else f"{e:.1e}" for e in (r["ours_error"], r["theirs_error"])
        ]
        what = f"{r['what']} ({r['library']})"
        grad = "on" if r["gradients"] else "off"
        lines.append(
            f"{what:62.62} {r['dtype']:8}{r['batch']:6} {grad:4} {times[0]:>10} {times[1]:>10} "
            f"{times[2]:>6} {errors[0]:>10} {errors[1]:>10}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the results beside this file."""
    torch.set_num_threads(1)
    quick = "quick" in sys.argv[1:]
    repeats = 3 if quick else 9
    rows = [*radial_rows(repeats), *sigmoidal_rows(repeats), *extreme_rows()]
    print(json.dumps(machine()))
    print(table(rows))
    if not quick:
        RESULTS.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
