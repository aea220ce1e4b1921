"""The phase portrait of the game V = d g, with controls that need no kernel.

The first state is a still: Python draws it from the rules of games.py, by autograd. On the page,
portrait.js computes every other state and moves the same elements; its tests hold each number it
draws against PyTorch. Style, script and still are one piece of HTML that asks for no network and
is the same, byte for byte, whenever it is made.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count, product
from numbers import Integral, Real

import torch

from helpers.explore import anchor_of, asset
from helpers.games import RULES, dot_game, play, rule, update_matrix

__all__ = ["OFFERED", "portrait"]

OFFERED = tuple(name for name in RULES if not name.startswith("momentum"))
PENALISED = ("consensus", "gradient penalty", "gradient penalty, alternating")

# The pictures, in their own units; portrait.js has the same numbers.
SCALE, MIDDLE, RADIUS, FAR = 80, 240, 3, 1e4  # the plane, |d| and |g| up to 3
CENTRE, HALF, LEAST = (180, 134), (172, 112), 1.3  # the eigenvalues
LEFT, RIGHT, TOP, BOTTOM = 58, 322, 36, 212  # the norms
SLIGHT = 1e-12  # a modulus this close to one is one, and this close to zero is zero

# In explore.css, the selectors of what portraits do not have.
OTHER_FIGURES = re.compile(r"img|canvas|select|radio|small|direct|sentence|div|checkbox|label:")

Place = tuple[float, float]


def portrait(
    rules: Sequence[str] = OFFERED,
    *,
    shown: Sequence[str] = ("simultaneous",),
    start: tuple[float, float] = (1.0, 0.5),
    learning_rate: float = 0.2,
    penalty: float = 1.0,
    steps: int = 60,
    title: str,
    caption: str | None = None,
    name: str | None = None,
) -> None:
    """Show the paths of rules from one start, their eigenvalues, and their norms step by step.

    Args:
        rules: Those that the reader can tick, of `OFFERED`.
        shown: Those that are ticked at first.
        start: (d, g), each between -3 and 3.
        learning_rate: From 0 to 2.2, in hundredths.
        penalty: Of consensus and gradient penalty, from 0.1 to 4, in steps of 0.05.
        steps: From 1 to 300.
        title: What the figure is, for readers who do not see it.
        caption: One sentence below the figure.
        name: The id of the figure, for links.

    Raises:
        ValueError: If a rule is unknown, repeated or shown but not offered, or a number is none
            that its control can have.
    """
    from IPython.display import display

    setting = Setting(
        _known(rules, OFFERED, "a portrait offers"),
        _known(shown, rules, "a portrait shows at first"),
        tuple(_inside(part, -RADIUS, RADIUS, "coordinate of the start") for part in _pair(start)),
        _on_grid(learning_rate, 0, 2.2, 0.01, "learning rate"),
        _on_grid(penalty, 0.1, 4, 0.05, "penalty"),
        _whole(steps, 1, 300, "number of steps"),
    )
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"a portrait needs a title in words; got {title!r}")
    bundle = {
        "text/html": _page(setting, title, caption, anchor_of(name)),
        "text/plain": f"portrait: {title}; {setting.sentence}",
    }
    display(bundle, raw=True)


# What is drawn


@dataclass(frozen=True)
class Run:
    """A rule in a setting: its path, its eigenvalues, and what becomes of it."""

    path: list[Place]
    eigenvalues: list[complex]
    rate: float

    @property
    def radius(self) -> float:
        """The largest modulus of an eigenvalue."""
        return max(map(abs, self.eigenvalues))

    @property
    def verdict(self) -> str:
        """What the largest modulus says, in words."""
        if self.rate == 0:
            return "stays put"
        if abs(self.radius - 1) > SLIGHT:
            return "leaves" if self.radius > 1 else "comes home"
        top = [value for value in self.eigenvalues if abs(value) > 1 - SLIGHT]
        if len(top) > 1 and abs(top[0] - top[1]) < 1e-6:
            return "leaves"  # a Jordan block: the norm grows like the number of steps
        return "circles for ever" if top[0].imag else "hops for ever"

    @cached_property
    def logs(self) -> list[float]:
        """log10 of the norm over that of the start, as long as it is finite."""
        norms = [math.hypot(*place) for place in self.path]
        count = next((k for k, norm in enumerate(norms) if not 0 < norm < math.inf), len(norms))
        return [math.log10(norm / norms[0]) for norm in norms[:count]]

    @property
    def law(self) -> list[float]:
        """The first and the last of the predicted logarithms."""
        steps = len(self.path) - 1
        return [0.0, steps * math.log10(self.radius)] if self.radius > SLIGHT else [0.0]


@dataclass(frozen=True)
class Setting:
    """What the controls say at first."""

    rules: tuple[str, ...]
    shown: tuple[str, ...]
    start: Place
    rate: float
    penalty: float
    steps: int

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The shown rules, in the order of the offered ones."""
        return {name: self._run(name) for name in self.rules if name in self.shown}

    def eigenvalues(self, name: str, rate: float) -> list[complex]:
        """Of the rule's update matrix, those of the upper half-plane first.

        A double root comes out of rounding as two, 1e-8 apart: their mean is right to 1e-16.
        """
        found = torch.linalg.eigvals(update_matrix(dot_game(), self._rule(name), rate)).tolist()
        near = [[other for other in found if abs(other - value) < 1e-6] for value in found]
        values = [sum(group) / len(group) for group in near]
        return sorted(values, key=lambda value: (-round(value.imag, 6), -value.real))

    @property
    def at(self) -> list[str]:
        """The start, as it is written."""
        return [_minus(f"{part:.2f}") for part in self.start]

    @property
    def sentence(self) -> str:
        """The setting and the verdicts, for who does not see them."""
        numbers = f"learning rate {self.rate:.2f}, penalty {self.penalty:.2f}, {self.steps} steps"
        verdicts = dict.fromkeys(run.verdict for run in self.runs.values())
        groups = "".join(f" {word.capitalize()}: {self._those(word)}." for word in verdicts)
        rest = "" if any(self.start) else " The start is the equilibrium: no rule moves."
        return f"Start ({', '.join(self.at)}), {numbers}.{groups}{rest}"

    def _those(self, verdict: str) -> str:
        return "; ".join(name for name, run in self.runs.items() if run.verdict == verdict)

    def _rule(self, name: str):
        return rule(name, penalty=self.penalty) if name in PENALISED else rule(name)

    def _run(self, name: str) -> Run:
        start = torch.tensor(self.start, dtype=torch.float64)
        path = play(dot_game(), self._rule(name), self.rate, start, self.steps)
        return Run(path.tolist(), self.eigenvalues(name, self.rate), self.rate)


# The pictures


def _plane(setting: Setting) -> str:
    """The phase plane: the field, the axes, the paths, and the start."""

    def place(point: Place) -> Place:
        return MIDDLE + SCALE * point[0], MIDDLE - SCALE * point[1]

    start = place(setting.start)
    lines, ends = {}, []
    for name, run in setting.runs.items():
        near = [place(point) for point in run.path if _within(point, FAR)]
        seen = [place(point) for point in run.path if _within(point, RADIUS)]
        lines[name] = _line(near, 1), _spots(seen, 4)
        ends.append(seen[-1])
    numbers = _beside(ends, [start], (480, 480))
    d, g = setting.at
    radius = _number(SCALE * math.hypot(*setting.start), 2)
    return _svg(
        "plane", 480, 480, 'role="group" aria-label="Phase plane: d to the right, g up"',
        f'<path class="field" d="{_field()}"/><path class="axis" d="M0,240H480M240,0V480"/>',
        *(_text(_minus(t), MIDDLE + SCALE * t, 260, "middle") for t in (-2, 2)),
        *(_text(_minus(t), 232, 246 - SCALE * t, "end") for t in (-2, 2)),
        _text("d", 470, 230, "name end"), _text("g", 252, 20, "name"),
        f'<circle class="flow exact" cx="{MIDDLE}" cy="{MIDDLE}" r="{radius}"/>',
        *_groups(setting, ("line", "dots"), lines, numbers),
        _text(f"start ({d}, {g})", 10, 468, "at"),
        _text("dashed: continuous time", 470, 468, "end"),
        f'<g class="handle" tabindex="0" role="slider" data-at="{_plain(setting.start)}"'
        f' aria-label="start" aria-valuemin="-{RADIUS}" aria-valuemax="{RADIUS}"'
        f' aria-valuenow="{setting.start[0]:g}" aria-valuetext="d {d}, g {g}"'
        f' transform="{_moved(start, 4)}"><circle class="reach" r="30"/>'
        f'<circle class="grip" r="10"/>{_text("drag me", 18, 6, "hint")}</g>',
    )  # fmt: skip


def _eigen(setting: Setting) -> str:
    """The eigenvalues in the complex plane, with their trails and the unit circle."""
    values = [value for run in setting.runs.values() for value in run.eigenvalues]
    real, imaginary = (max(map(abs, part)) for part in zip(*map(_parts, values), strict=True))
    unit = HALF[1] / max(LEAST, 1.1 * imaginary, 1.1 * real * HALF[1] / HALF[0])
    x, y = CENTRE

    def place(value: complex) -> Place:
        return x + unit * value.real, y - unit * value.imag

    lines, ends = {}, []
    for name, run in setting.runs.items():
        trail = [place(v) for i in range(23) for v in setting.eigenvalues(name, i / 10)]
        now = [place(value) for value in run.eigenvalues]
        lines[name] = _spots(trail, 1), _spots(now, 6)
        ends.append(now[0])
    numbers = _beside(ends, [], (360, 254))
    return _svg(
        "eigen", 360, 254, 'role="img" aria-label="Eigenvalues and the unit circle"',
        f'<circle class="circle" cx="{x}" cy="{y}" r="{_number(unit, 8)}"/>',
        f'<path class="axis" d="M0,{y}H360M{x},0V254"/>',
        _text("eigenvalues λ; dotted: at other rates", 2, 18, "title"),
        _text("1", _number(x + unit + 6, 1), y + 20, "one"),
        _text("i", x + 6, _number(y - unit - 6, 1), "i"),
        *_groups(setting, ("trail", "dots"), lines, numbers),
    )  # fmt: skip


def _norms(setting: Setting) -> str:
    """The logarithm of the norm against the step, with the predicted lines."""
    runs = setting.runs.values()
    seen = [0.0, *(value for run in runs for value in (*run.logs, *run.law))]
    ticks = _scale(min(seen), max(seen))
    unit = (BOTTOM - TOP) / (ticks[4] - ticks[0])

    def place(step: int, value: float) -> Place:
        return LEFT + (RIGHT - LEFT) * step / setting.steps, BOTTOM - unit * (value - ticks[0])

    lines, ends = {}, []
    for name, run in setting.runs.items():
        logs = [place(step, value) for step, value in enumerate(run.logs)]
        law = [place(i * setting.steps, value) for i, value in enumerate(run.law)]
        lines[name] = _line(logs, 5), _line(law, 5)
        ends.append(logs[-1][1] if logs else BOTTOM)
    heights = [BOTTOM - (BOTTOM - TOP) * i // 4 for i in range(5)]
    zero = [place(0, 0), place(setting.steps, 0)]
    return _svg(
        "norms", 360, 254, 'role="img" aria-label="Logarithm of the norm against the step"',
        f'<path class="grid" d="{"".join(f"M{LEFT},{h}H{RIGHT}" for h in heights)}"/>',
        f'<path class="zero" d="{_line(zero, 2)}"/>',
        _text("log₁₀ growth of the norm; dashed: predicted", 2, 18, "title"),
        *(_text(_minus(f"{t:g}"), LEFT - 8, h + 6, "end tick")
          for t, h in zip(ticks, heights, strict=True)),
        _text("0", LEFT, 234, ""), _text("step", (LEFT + RIGHT) // 2, 240, "middle"),
        _text(setting.steps, RIGHT, 234, "end last"),
        *_groups(setting, ("line", "law exact"), lines, _below_each_other(ends)),
    )  # fmt: skip


def _groups(
    setting: Setting,
    kinds: tuple[str, str],
    lines: Mapping[str, tuple[str, str]],
    numbers: Sequence[Place],
) -> Iterator[str]:
    """Two paths for each shown rule, over them the numbers; the script adds the other rules."""
    for name, paths in lines.items():
        for kind, path in zip(kinds, paths, strict=True):
            yield f'<path class="{_look(name)} {kind}" d="{path}"/>'
    for name, place in zip(lines, numbers, strict=True):
        mark = f'<circle r="10"/><text y="5">{setting.rules.index(name) + 1}</text>'
        yield f'<g class="{_look(name)} badge" transform="{_moved(place, 1)}">{mark}</g>'


def _svg(name: str, width: int, height: int, attributes: str, *lines: str) -> str:
    opening = f'<svg class="portrait-{name}" viewBox="0 0 {width} {height}" {attributes}>'
    return f'<div class="explore-view">{opening}{"".join(lines)}</svg></div>'


def _look(name: str) -> str:
    return f"r{OFFERED.index(name) + 1}"


def _text(text: object, x: object, y: object, look: str) -> str:
    return f'<text x="{x}" y="{y}"{f" class={look!r}" if look else ""}>{text}</text>'


def _minus(value: object) -> str:
    return str(value).replace("-", "−")


def _plain(parts: Iterable[float]) -> str:
    return " ".join(f"{part!r}" for part in parts)


def _parts(value: complex) -> Place:
    return value.real, value.imag


def _within(point: Place, most: float) -> bool:
    return all(abs(part) <= most for part in point)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _point(place: Place, digits: int) -> str:
    return ",".join(_number(part, digits) for part in place)


def _moved(place: Place, digits: int) -> str:
    return f"translate({_point(place, digits)})"


def _spots(places: Iterable[Place], digits: int) -> str:
    """Dots: strokes of no length with round ends."""
    return "".join(f"M{_point(place, digits)}h0" for place in places)


def _line(places: Iterable[Place], digits: int) -> str:
    return "L".join(_point(place, digits) for place in places).join(("M", "")) if places else ""


RING = [
    (r * math.cos(i * math.pi / 4), r * math.sin(i * math.pi / 4))
    for r in (21, 40, 59)
    for i in (6, 7, 5, 0, 4, 1, 3, 2)
]


def _beside(wished: Sequence[Place], taken: Sequence[Place], size: tuple[int, int]) -> list[Place]:
    """Free places for the rules' numbers, around the wished ones."""
    taken = [*taken, *wished]

    def free(place: Place) -> bool:
        inside = all(11 <= part <= side - 11 for part, side in zip(place, size, strict=True))
        return inside and all(math.dist(place, other) >= 20.5 for other in taken)

    for x, y in wished:
        places = [(x + right, y + down) for right, down in RING]
        taken.append(next(filter(free, places), places[0]))
    return taken[-len(wished) :]


def _below_each_other(heights: Sequence[float]) -> list[Place]:
    """Places for the rules' numbers at the right edge, in the order of the wished heights."""
    order = sorted(range(len(heights)), key=lambda i: round(heights[i], 1))
    settled, least = {}, 11.0
    for i in order:
        settled[i] = max(heights[i], least)
        least = settled[i] + 21
    most = 215.0
    for i in reversed(order):
        settled[i] = min(settled[i], most)
        most = settled[i] - 21
    return [(RIGHT + 14, settled[i]) for i in range(len(heights))]


def _scale(low: float, high: float) -> list[float]:
    """Five round numbers, from below `low` to above `high`."""
    for unit in (lead * 10.0**power for power in count(-2) for lead in (1, 2, 5)):
        least = math.floor(low / unit + 1e-9)
        if (least + 4) * unit >= high - 1e-9 * unit:
            break
    return [round((least + i) * unit, 2) for i in range(5)]


def _field() -> str:
    """Arrows along v = (g, -d), the longer the stronger."""
    arrows = []
    for d, g in product((-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), repeat=2):
        right, down, size = 11 * g, 11 * d, math.hypot(g, d)
        tail = (MIDDLE + SCALE * d - right / 2, MIDDLE - SCALE * g - down / 2)
        back = [((-g - side * d) * 4 / size, (-d + side * g) * 4 / size) for side in (1, -1)]
        head = (
            f"m{_point(back[0], 1)}l{_point((-back[0][0], -back[0][1]), 1)}l{_point(back[1], 1)}"
        )
        arrows.append(f"M{_point(tail, 0)}l{_point((right, down), 1)}{head}")
    return "".join(arrows)


# The page


def _page(setting: Setting, title: str, caption: str | None, anchor: str) -> str:
    caption = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<div class="explore portrait"{anchor} role="group" aria-label="{html.escape(title)}"'
        f' data-ready="" data-lm-suppress-shortcuts="true"><style>{_style()}</style><figure>'
        f"{_plane(setting)}{_form(setting)}{_eigen(setting)}{_norms(setting)}{_table(setting)}"
        f'<p class="portrait-said" role="status">{setting.sentence}</p>{caption}'
        f"</figure><script>{_script()}</script></div>"
    )


def _form(setting: Setting) -> str:
    users = [str(i) for i, name in enumerate(setting.rules, 1) if name in PENALISED]
    of = f" (rules {', '.join(users)})" if len(users) > 1 else f" (rule {''.join(users)})"
    used = set(PENALISED) & set(setting.shown)
    sliders = [
        _slider("rate", "learning rate", 0, 2.2, 0.01, setting.rate, 2),
        _slider("penalty", f"penalty{of}", 0.1, 4, 0.05, setting.penalty, 2, used)
        if users
        else "",
        _slider("steps", "steps", 1, 300, 1, setting.steps, 0),
    ]
    opening = '<form class="explore-controls" autocomplete="off" hidden="">'
    return f"{opening}{''.join(sliders)}</form>"


def _slider(
    name: str, label: str, low: float, high: float, step: float, value: float, digits: int,
    used: object = True,
) -> str:  # fmt: skip
    bounds = f'min="{low}" max="{high}" step="{step}" value="{value:g}"'
    off = "" if used else ' disabled=""'
    return (
        f'<label class="explore-control"><span class="explore-label">{label}</span>'
        f'<input type="range" name="{name}" {bounds}{off}/>'
        f'<output aria-hidden="true">{value:.{digits}f}</output></label>'
    )


def _table(setting: Setting) -> str:
    rows = []
    for number, name in enumerate(setting.rules, 1):
        run = setting.runs.get(name)
        uses = ' data-penalty=""' if name in PENALISED else ""
        ticked = ' checked=""' if run else ""
        texts = (f"{run.radius:.5f}", run.verdict) if run else ("", "")
        rows.append(
            f'<tr class="{_look(name)}{" on" if run else ""}" data-rule="{name}"{uses}>'
            f'<td><label><input type="checkbox" autocomplete="off"{ticked}/><b>{number}</b>'
            f"<span>{name}</span></label></td><td>{texts[0]}</td><td>{texts[1]}</td></tr>"
        )
    head = "<tr><th>rule</th><th>largest |λ|</th><th>verdict</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


@cache
def _style() -> str:
    """The style of portraits after what they use of that of all figures, without comments."""
    shared = re.sub(r"/\*.*?\*/", "", asset("explore.css"), flags=re.S)
    shared = re.sub(r"@[^{]*\{([^{}]*\{[^{}]*\})*[^{}]*\}", "", shared)
    rules = re.findall(r"[^{}]+\{[^{}]*\}", shared)
    used = "".join(rule for rule in rules if not OTHER_FIGURES.search(rule.partition("{")[0]))
    text = used + re.sub(r"/\*.*?\*/", "", asset("portrait.css"), flags=re.S)
    text = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", text)).replace(": ", ":")
    for name in set(re.findall(r"(--[\w-]+):", text)):
        if f"var({name}" not in text:
            text = re.sub(rf"{name}:[^;]*;", "", text)
    return text.replace(";}", "}").strip()


@cache
def _script() -> str:
    """The script without comments and indents."""
    text = re.sub(r"/\*.*?\*/|\s+//.*?$", "", asset("portrait.js"), flags=re.S | re.M)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


# What may be asked for


def _known(names: Sequence[str], known: Sequence[str], needed: str) -> tuple[str, ...]:
    needed = f"{needed} some of {', '.join(map(repr, known))}, each once"
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ValueError(f"{needed}; got {names!r}")
    wrong = [name for name in names if name not in known or list(names).count(name) > 1]
    if wrong:
        raise ValueError(f"{needed}; got {', '.join(map(repr, wrong))}")
    return tuple(names)


def _pair(start: object) -> Sequence[object]:
    if isinstance(start, str) or not isinstance(start, Sequence) or len(start) != 2:
        raise ValueError(f"a portrait needs a start (d, g); got {start!r}")
    return start


def _inside(value: object, low: float, high: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"a {what} needs to be a number from {low} to {high}; got {value!r}")
    return float(value)


def _on_grid(value: object, low: float, high: float, step: float, what: str) -> float:
    count = (_inside(value, low, high, what) - low) / step
    if abs(count - round(count)) > 1e-6:
        raise ValueError(f"a {what} goes from {low} in steps of {step}; got {value!r}")
    return float(value)


def _whole(value: object, low: int, high: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"a {what} needs to be a whole number; got {value!r}")
    return int(_inside(value, low, high, what))
