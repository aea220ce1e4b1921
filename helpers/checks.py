"""Claims that are checked while the page is built: derivations, routes, wrong versions.

Every function here shows a small table and raises `ClaimError` when what it was told is false,
so that a false sentence stops the build. Each table carries a record (in the output's metadata,
under "book") from which the claim ledger is generated; nothing in the ledger is typed.

Two values are compared by `distance`: the largest absolute difference of numbers or tensors, or
the number of elements by which two sets differ.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import torch
from IPython import get_ipython
from IPython.display import display
from scipy import special, stats
from torch import Tensor

__all__ = [
    "ClaimError",
    "Line",
    "bites",
    "breaks",
    "check",
    "derivation",
    "distance",
    "line",
    "monte_carlo",
    "record",
    "start_clock",
    "uniform",
    "within",
    "z_limit",
    "z_scores",
]

COMMON = 1000  # variance of a count of events from which on its z-score is normal enough

Value = float | int | bool | Tensor | frozenset | set | tuple | list

_cell_started = time.perf_counter()


class ClaimError(AssertionError):
    """A sentence of the book turned out to be false."""


@dataclass(frozen=True)
class Line:
    """One line of a derivation: a formula, its value, and why it follows from the line above."""

    formula: str
    value: Value
    reason: str
    relation: str


def line(formula: str, value: Value, reason: str = "", relation: str = "=") -> Line:
    """A line of a derivation.

    Args:
        formula: TeX, without dollar signs and without the character |, which ends a table cell
            (write \\lvert, \\mid).
        value: The same formula evaluated by code.
        reason: Why this line follows from the one above it.
        relation: How it stands to the line above: "=", or "<=" if the line above is at most it.
    """
    if relation not in ("=", "<="):
        raise ValueError(f'relation must be "=" or "<=", got {relation!r}')
    if "|" in formula + reason:
        raise ValueError(f"write \\lvert or \\mid in place of | in {formula!r}, {reason!r}")
    return Line(formula, value, reason, relation)


def distance(left: Value, right: Value) -> float:
    """How far two values are apart; infinite where they cannot be compared or are not numbers.

    Sets: the number of elements in one but not the other. Numbers, tensors and lists of
    numbers: the largest absolute difference in float64; two equal infinities are at distance 0.

    Raises:
        ValueError: If a number is complex.
    """
    if isinstance(left, (set, frozenset)) or isinstance(right, (set, frozenset)):
        both_sets = isinstance(left, (set, frozenset)) and isinstance(right, (set, frozenset))
        return float(len(left ^ right)) if both_sets else math.inf
    left, right = _as_tensor(left), _as_tensor(right)
    if left.shape != right.shape:
        return math.inf
    gap = torch.where(left == right, 0.0, (left - right).abs())
    return _largest(gap)


def derivation(
    claim: str, *lines: Line, title: str = "Every line evaluated", tolerance: float = 0.0
) -> None:
    """Show a chain of equalities or inequalities, evaluated line by line, and check each step.

    Args:
        claim: The claim's number, such as "1.2".
        *lines: At least two; the first line's relation is not used.
        title: What is derived, in a few words.
        tolerance: Largest distance (or excess, for "<=") accepted between neighbours.

    Raises:
        ClaimError: If a line is further from the line above than the tolerance.
        ValueError: If there are fewer than two lines, or the tolerance is no finite number.
    """
    if len(lines) < 2:
        raise ValueError(f"a derivation needs two lines or more, got {len(lines)}")
    _require_tolerance(tolerance)
    steps = [_step(above, below) for above, below in pairwise(lines)]
    rows = []
    for number, (this, step) in enumerate(zip(lines, [None, *steps], strict=True), start=1):
        sign = "" if step is None else {"=": "=", "<=": r"\le"}[this.relation]
        shown = "" if step is None else _format_distance(step, tolerance)
        formula = f"${sign} {this.formula}$".replace("$ ", "$")
        rows.append([str(number), formula, format_value(this.value), shown, this.reason])
    head = ["line", "formula", "value", "distance", "because"]
    _show(claim, "derivation", title, head, rows, max(steps), tolerance, count=len(lines))
    for number, step in enumerate(steps, start=2):
        if not step <= tolerance:
            raise ClaimError(
                f"claim {claim}, line {number}: {format_value(lines[number - 1].value)} is "
                f"{step:g} away from the line above, more than {tolerance:g}"
            )


def check(
    claim: str,
    title: str,
    expected: Value,
    routes: Mapping[str, Value],
    tolerance: float = 0.0,
    *,
    what: str = "route",
) -> None:
    """Compare what independent routes, or several cases, give with one value.

    Args:
        claim: The claim's number.
        title: What is compared, in a few words.
        expected: The value that the claim states.
        routes: What each route gave, under the route's name.
        tolerance: Largest distance accepted.
        what: What the names name, if not routes: the head of their column.

    Raises:
        ClaimError: If a route is further from the expected value than the tolerance.
        ValueError: If there is no route, or the tolerance is no finite number.
    """
    _require_some(what, routes)
    _require_tolerance(tolerance)
    gaps = {name: distance(value, expected) for name, value in routes.items()}
    rows = [
        [name, format_value(value), _format_distance(gaps[name], tolerance)]
        for name, value in routes.items()
    ]
    head = [what, "value", "distance"]
    _show(claim, "check", title, head, rows, max(gaps.values()), tolerance, count=len(routes))
    for name, gap in gaps.items():
        if not gap <= tolerance:
            raise ClaimError(
                f"claim {claim}, {title}, {name}: got {format_value(routes[name])}, "
                f"needed {format_value(expected)} within {tolerance:g}"
            )


def breaks(claim: str, title: str, facts: Mapping[str, bool | Tensor]) -> None:
    """Show what happens when a hypothesis is dropped, and check that it does happen.

    Raises:
        ClaimError: If one of the facts is not true.
        ValueError: If there is no fact, or one is neither true nor false.
    """
    _require_some("fact", facts)
    for sentence, fact in facts.items():
        if not _is_truth(fact):
            raise ValueError(f"needed True or False for {sentence!r}, got {fact!r:.60}")
    rows = [[sentence, "yes" if fact else "no"] for sentence, fact in facts.items()]
    _show(claim, "breaks", title, ["what is seen", "true"], rows, None, None, count=len(facts))
    for sentence, fact in facts.items():
        if not fact:
            raise ClaimError(f"claim {claim}, {title}: it is not true that {sentence}")


def bites(
    claim: str, title: str, expected: Value, wrong: Mapping[str, Value], tolerance: float = 0.0
) -> None:
    """Show that a check tells wrong versions from the right one.

    Args:
        claim: The claim's number.
        title: Which check is tried, in a few words.
        expected: What the right version gives.
        wrong: What each wrong version gives, under a name that says what is wrong.
        tolerance: The check's own tolerance; a wrong version must be further away than this.

    Raises:
        ClaimError: If the check would have accepted a wrong version.
        ValueError: If there is no wrong version, or one has another shape than the right one: no
            check that compares numbers would then be put to the test.
    """
    _require_some("wrong version", wrong)
    _require_tolerance(tolerance)
    _require_comparable(expected, wrong)
    gaps = {name: distance(value, expected) for name, value in wrong.items()}
    rows = [
        [name, format_value(value), f"{gaps[name]:.3g}", "yes" if gaps[name] > tolerance else "no"]
        for name, value in wrong.items()
    ]
    head = ["wrong version", "value", "distance", "caught"]
    _show(claim, "bites", title, head, rows, min(gaps.values()), tolerance, count=len(wrong))
    for name, gap in gaps.items():
        if not gap > tolerance:
            raise ClaimError(f"claim {claim}, {title}: the check accepts the wrong version {name}")


def monte_carlo(
    claim: str, title: str, samples: Tensor, expected: Tensor | float, false_alarm: float = 1e-4
) -> None:
    """Compare the mean of independent samples with an exact value, in standard errors.

    With several columns each is compared with its own expected value, and the threshold is
    raised so that the whole check still errs with probability `false_alarm` (Bonferroni).

    Args:
        claim: The claim's number.
        title: What is estimated, in a few words.
        samples: (n,) or (n, columns), independent rows, n at least 1000 so that the mean is
            normal enough for the threshold. A column of zeros and ones whose ones (or zeros)
            are rare is judged by the binomial law.
        expected: The exact mean, a number or (columns,).
        false_alarm: Probability that a true claim fails here, by design.

    Raises:
        ClaimError: If a mean is further from the exact value than chance allows.
        ValueError: If there are fewer than 1000 samples, or shapes do not fit.
    """
    samples = samples.detach().double()
    columns = samples.unsqueeze(1) if samples.dim() == 1 else samples
    target = torch.as_tensor(expected, dtype=torch.float64).reshape(-1)
    if columns.dim() != 2 or len(columns) < 1000 or target.shape != columns.shape[1:]:
        raise ValueError(
            f"needed samples (n, {len(target)}) with n at least 1000, got {tuple(samples.shape)}"
        )
    z, error = z_scores(columns, target)
    rare = ((columns == 0) | (columns == 1)).all(dim=0)
    rare &= len(columns) * target * (1 - target) < COMMON
    z[rare] = _exact_z(columns[:, rare], target[rare])
    limit = z_limit(len(target), false_alarm)
    worst = int(z.abs().argmax())
    rows = [
        ["estimate", f"{columns[:, worst].mean():.4f}"],
        ["exact", f"{target[worst]:.4f}"],
        ["standard error", f"{error[worst]:.2g}"],
        ["z-score", f"{z[worst]:+.1f}, allowed {limit:.1f}"],
        ["samples", f"{len(columns)}"],
        ["designed false-alarm rate", f"{false_alarm:g}"],
    ]
    if len(target) > 1:
        title = f"{title} (worst of {len(target)})"
    _show(claim, "check", title, ["", "value"], rows, float(z[worst].abs()), limit, count=1)
    if not z[worst].abs() <= limit:
        raise ClaimError(f"claim {claim}, {title}: {z[worst]:+.1f} standard errors off")


def uniform(claim: str, title: str, values: Tensor, false_alarm: float = 1e-4) -> None:
    """Test by Kolmogorov and Smirnov's distance that independent values are uniform on (0, 1).

    A distribution function applied to its own samples gives such values (the probability
    integral transform), whatever the distribution, so this tests a sampler against a formula.
    With several columns the threshold is raised so that the whole test still errs with
    probability `false_alarm` (Bonferroni).

    Args:
        claim: The claim's number.
        title: What is tested, in a few words.
        values: (n,) or (n, columns), independent rows.
        false_alarm: Probability that a true claim fails here, by design.

    Raises:
        ClaimError: If a column is further from uniform than chance allows.
        ValueError: If a value is outside [0, 1] or not a number.
    """
    columns = values.detach().double().cpu().reshape(len(values), -1)
    if not ((columns >= 0) & (columns <= 1)).all():
        raise ValueError("needed values in [0, 1]; got others, or values that are not numbers")
    apart = max(stats.kstest(column.numpy(), "uniform").statistic for column in columns.T)
    limit = float(stats.kstwo.isf(false_alarm / columns.shape[1], len(columns)))
    rows = [
        ["largest distance from the diagonal", f"{apart:.4f}, allowed {limit:.4f}"],
        ["samples", f"{len(columns)}"],
        ["designed false-alarm rate", f"{false_alarm:g}"],
    ]
    if columns.shape[1] > 1:
        title = f"{title} (worst of {columns.shape[1]})"
    _show(claim, "check", title, ["", "value"], rows, float(apart), limit, count=1)
    if not apart <= limit:
        raise ClaimError(f"claim {claim}, {title}: {apart:.4f} from uniform, allowed {limit:.4f}")


def within(claim: str, title: str, measured: Mapping[str, tuple[float, float]]) -> None:
    """Check that each of several measured distances is at most its own limit.

    Args:
        claim: The claim's number.
        title: What is measured, in a few words.
        measured: What was found and what is allowed, under the name of each.

    Raises:
        ClaimError: If one is larger than its limit, or not a number.
        ValueError: If nothing was measured.
    """
    _require_some("distance", measured)
    rows = [[name, _format_measured(*pair)] for name, pair in measured.items()]
    worst = max(measured.values(), key=lambda pair: _share(*pair))
    _show(claim, "check", title, ["clause", "measured"], rows, *worst, count=len(measured))
    for name, (value, limit) in measured.items():
        if not value <= limit:
            raise ClaimError(f"claim {claim}, {title}, {name}: {value:g}, allowed {limit:g}")


def z_limit(columns: int = 1, false_alarm: float = 1e-4) -> float:
    """The |z| that the largest of several true z-scores exceeds with at most this probability."""
    return NormalDist().inv_cdf(1 - false_alarm / (2 * columns))


def z_scores(samples: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of each column's mean from its expected value in standard errors, and the errors.

    Args:
        samples: (n, columns), float64.
        expected: (columns,).

    Returns:
        z-scores and standard errors, each (columns,). A column without spread has z-score 0
        if its mean is exact, else infinite.
    """
    error = samples.std(dim=0) / math.sqrt(len(samples))
    gap = samples.mean(dim=0) - expected
    return torch.where(gap == 0, 0.0, gap / error), error


def record(
    claim: str,
    kind: str,
    title: str,
    anchor: str,
    apart: float | None = None,
    tolerance: float | None = None,
    count: int = 1,
) -> dict[str, dict]:
    """Output metadata from which the claim ledger is made: what was run, how far off it was.

    Args:
        claim: The claim's number.
        kind: "derivation", "check", "breaks", "bites" or "exercise".
        title: What was run, in a few words.
        anchor: Where it stands on the page.
        apart: Distance found; JSON knows no infinity, so such a one is left out.
        tolerance: Distance accepted.
        count: Lines, routes, facts or wrong versions.
    """
    finite = apart is not None and math.isfinite(apart)
    return {
        "book": {
            "claim": claim,
            "kind": kind,
            "title": title,
            "anchor": anchor,
            "distance": apart if finite else None,
            "tolerance": tolerance,
            "count": count,
            "seconds": round(time.perf_counter() - _cell_started, 3),
        }
    }


def _exact_z(events: Tensor, expected: Tensor) -> Tensor:
    """The z-scores that are as improbable as these counts of events are by the binomial law.

    By the sample's own spread, an event that is expected once and never seen would be infinitely
    far off.

    Args:
        events: Zeros and ones, (n, columns).
        expected: Probabilities, (columns,).
    """
    counts, law = events.sum(dim=0).cpu(), stats.binom(len(events), expected.cpu())
    below, above = law.logcdf(counts), law.logsf(counts - 1)
    tail = np.minimum(np.minimum(below, above), math.log(0.5))
    sizes = -special.ndtri_exp(tail)
    return torch.from_numpy(np.where(below < above, -sizes, sizes)).to(expected)


def start_clock() -> None:
    """Measure the seconds of each record from the start of its notebook cell."""
    shell = get_ipython()
    if shell is not None:
        shell.events.register("pre_run_cell", _note_cell_start)


def _note_cell_start(*_: object) -> None:
    global _cell_started
    _cell_started = time.perf_counter()


def format_value(value: Value) -> str:
    """A value as a short text: sets of pixels as in the source (34 for row 3, column 4)."""
    if isinstance(value, (set, frozenset)):
        return f"{_format_set(value)} ({len(value)})"
    if isinstance(value, (bool, str)):
        return {True: "yes", False: "no"}.get(value, value)
    if isinstance(value, (list, tuple)) or (isinstance(value, Tensor) and value.dim()):
        numbers = _as_tensor(value)
        if numbers.numel() > 8:
            return "×".join(map(str, numbers.shape)) + " numbers"
        return ", ".join(format_value(float(v)) for v in numbers.flatten())
    return f"{float(value):.6g}"


def _format_set(values: Iterable) -> str:
    ordered = sorted(values)
    small = all(isinstance(v, tuple) and all(0 < i < 10 for i in v) for v in ordered)
    names = ["".join(map(str, v)) if small else str(v) for v in ordered]
    if len(names) > 16:
        names = [*names[:6], "…", names[-1]]
    return " ".join(names) or "none"


def _format_distance(value: float, tolerance: float) -> str:
    """Exact where it is zero by nature; else a bound, which is the same on every machine."""
    if tolerance > 0 and value <= tolerance:
        return f"≤ {tolerance:.4g}"
    return f"{value:.3g}"


def _format_measured(value: float, limit: float) -> str:
    """Rounding errors as a bound; what is large enough to be the same everywhere as it is."""
    return _format_distance(value, limit) if limit < 0.01 else f"{value:.3g}, allowed {limit:.4g}"


def _share(value: float, limit: float) -> float:
    """How much of what is allowed was found."""
    return value / limit if limit else math.inf if value else 0.0


def _require_some(what: str, entries: Mapping) -> None:
    if not entries:
        raise ValueError(f"needed at least one {what}, got none")


def _is_truth(fact: object) -> bool:
    if isinstance(fact, Tensor):
        return fact.dtype == torch.bool and fact.dim() == 0
    return isinstance(fact, (bool, np.bool_))


def _require_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"needed a finite tolerance from 0 on, got {tolerance!r}")


def _require_comparable(expected: Value, wrong: Mapping[str, Value]) -> None:
    """Refuse wrong versions that are far from the right one by their kind or shape alone."""
    needed = _kind(expected)
    for name, value in wrong.items():
        if _kind(value) != needed:
            raise ValueError(f"needed a wrong version {name!r} {needed}, got {value!r:.60}")


def _kind(value: Value) -> str:
    if isinstance(value, (set, frozenset)):
        return "that is a set"
    return f"of shape {tuple(_as_tensor(value).shape)}"


def _step(above: Line, below: Line) -> float:
    if below.relation == "=":
        return distance(above.value, below.value)
    less, more = _as_tensor(above.value), _as_tensor(below.value)
    if less.shape != more.shape or not less.numel():
        return math.inf
    return _largest(torch.where(less <= more, 0.0, less - more))


def _largest(gap: Tensor) -> float:
    """Largest entry; infinite if one is not a number, 0 if there is none."""
    gap = torch.where(gap.isnan(), math.inf, gap)
    return float(gap.max()) if gap.numel() else 0.0


def _as_tensor(value: Value) -> Tensor:
    if np.iscomplexobj(value) or (isinstance(value, Tensor) and value.is_complex()):
        raise ValueError(f"needed real numbers, got {value!r:.60}")
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu()


def _show(
    claim: str,
    kind: str,
    title: str,
    head: list[str],
    rows: list[list[str]],
    apart: float | None,
    tolerance: float | None,
    *,
    count: int,
) -> None:
    """Display a table in Markdown and plain text, with the ledger's record beside it."""
    anchor = re.sub(r"[^a-z0-9]+", "-", f"{kind} {claim} {title}".lower()).strip("-")
    metadata = record(claim, kind, title, anchor, apart, tolerance, count)
    if split := [cell for row in rows for cell in row if "|" in cell]:
        raise ValueError(f"a table cell must not hold the character |; got {split[0]!r}")
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    markdown = f'<a id="{anchor}"></a>\n**Claim {claim}. {title}**\n\n{table}\n'
    plain = "\n".join([f"Claim {claim}. {title}", *("  ".join(row) for row in rows)])
    display({"text/markdown": markdown, "text/plain": plain}, raw=True, metadata=metadata)
