"""The look of the book: one style, one palette, pixel grids, and source shown in the page.

Colours stand for roles and mean the same in every chapter; no role is told by colour alone.
"""

import ast
import html
import inspect
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

__all__ = [
    "COLOURS",
    "Panel",
    "image_grid",
    "new_figure",
    "pixel_grid",
    "show_source",
    "svg",
    "svg_text",
    "use_book_style",
]

COLOURS = {
    "data": "#0072B2",
    "model": "#D55E00",
    "exact": "#000000",  # always dashed
    "latent": "#56B4E9",  # fills and markers only: too light for lines
}

# How a pixel grid shows a role: CSS variables of explore.css, and a sign beside the colour.
ROLES = {
    "read": ("--reach", "--on-reach", "●"),
    "itself": ("--self", "--on-self", "✕"),
    "unread": ("--past", "--on-past", "○"),
    "blind": ("--blind", "--on-blind", "?"),
    "future": ("--future", "--on-future", ""),
    "open": ("--reach", "--on-reach", ""),
    "closed": ("--future", "--on-future", ""),
}


def use_book_style() -> None:
    """Set Matplotlib's defaults for the running notebook."""
    plt.rcParams.update(
        {
            "figure.figsize": (6, 3.2),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[COLOURS["data"], COLOURS["model"], "#000000"]),
            "image.cmap": "cividis",
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )


def new_figure(
    xlabel: str, ylabel: str, *, columns: int = 1, size: tuple[float, float] = (6, 3.2)
) -> tuple[Figure, list[Axes]]:
    """A figure with labelled axes side by side; only the first repeats the y label."""
    figure, axes = plt.subplots(1, columns, figsize=size, squeeze=False)
    for ax in axes[0]:
        ax.set_xlabel(xlabel)
    axes[0, 0].set_ylabel(ylabel)
    return figure, list(axes[0])


def image_grid(
    rows: Mapping[str, Tensor], *, largest: float = 16, size: float = 0.62, cmap: str = "gray_r"
) -> Figure:
    """Rows of small images, each row with its name at the left.

    Args:
        rows: Images (number, height, width) under the row's name; every row as long as the first.
        largest: Grey level drawn in full ink.
        size: Side of one image in inches.
        cmap: Matplotlib colour map.
    """
    count = max(len(images) for images in rows.values())
    figure, axes = plt.subplots(
        len(rows), count, figsize=(size * count + 1.1, size * len(rows)), squeeze=False
    )
    for name, images, row in zip(rows, rows.values(), axes, strict=True):
        for image, ax in zip(images, row, strict=True):
            ax.imshow(np.asarray(image), cmap=cmap, vmin=0, vmax=largest)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, linewidth=0.4)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def pixel_grid(
    roles: Sequence[Sequence[str]],
    *,
    x: float,
    y: float,
    cell: float,
    labels: Sequence[Sequence[str]] | None = None,
    outlined: tuple[int, int] | None = None,
    sets: Callable[[int, int], Mapping[str, object]] | None = None,
) -> list[str]:
    """Lines of SVG for a grid of cells, coloured and signed by role.

    Args:
        roles: A role of `ROLES` for each cell, row by row.
        x: Left edge of the grid.
        y: Upper edge of the grid.
        cell: Side of a cell; cells under 30 carry no sign.
        labels: A text for each cell, or none.
        outlined: The cell (row, column), 1-based, that gets a heavy frame.
        sets: For cell (row, column), the controls of `explore` that a click on it sets.

    Returns:
        Lines of SVG; what depends on the role has a line of its own, as `explore` likes it.
    """
    lines = []
    for i, row in enumerate(roles):
        for j, role in enumerate(row):
            fill, ink, sign = ROLES[role]
            left, top = x + j * cell, y + i * cell
            click = "" if sets is None else _data_set(sets(i + 1, j + 1))
            side = f'width="{cell - 2:g}" height="{cell - 2:g}" rx="3"'
            middle = f'text-anchor="middle" font-size="{cell * 0.36:g}"'
            corner = f'text-anchor="middle" font-size="{cell * 0.2:g}"'
            lines += [
                f"<g{click}>",
                f'<g style="fill:var({fill})">',
                f'<rect x="{left + 1:g}" y="{top + 1:g}" {side}/></g>',
                f'<g style="fill:var({ink})">'
                + _text(sign if cell >= 30 else "", left + cell * 0.82, top + cell * 0.27, corner),
                _text(labels[i][j] if labels else "", left + cell / 2, top + cell * 0.6, middle)
                + "</g></g>",
            ]
    if outlined is not None:
        left, top = x + (outlined[1] - 1) * cell, y + (outlined[0] - 1) * cell
        lines.append(
            f'<rect x="{left + 1:g}" y="{top + 1:g}" width="{cell - 2:g}" height="{cell - 2:g}" '
            'rx="3" style="fill:none;stroke:var(--ink);stroke-width:4;pointer-events:none"/>'
        )
    return lines


@dataclass(frozen=True)
class Panel:
    """A plot inside an SVG picture: it turns numbers into places, and curves into lines of SVG.

    Attributes:
        x: Left edge of the plotting area in the picture.
        y: Upper edge of the plotting area in the picture.
        width: Width of the area.
        height: Height of the area.
        xlim: Numbers at the left and the right edge.
        ylim: Numbers at the lower and the upper edge.
    """

    x: float
    y: float
    width: float
    height: float
    xlim: tuple[float, float]
    ylim: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the plot lies in the picture."""
        across = (float(x) - self.xlim[0]) / (self.xlim[1] - self.xlim[0])
        up = (float(y) - self.ylim[0]) / (self.ylim[1] - self.ylim[0])
        return self.x + across * self.width, self.y + (1 - up) * self.height

    def frame(
        self,
        xlabel: str = "",
        ylabel: str = "",
        xticks: Sequence[float] = (),
        yticks: Sequence[float] = (),
    ) -> list[str]:
        """Axes at the left and below, with ticks and labels."""
        right, low = self.x + self.width, self.y + self.height
        path = f"M{self.x:g} {self.y:g}V{low:g}H{right:g}"
        lines = [f'<path d="{path}" style="fill:none;stroke:var(--muted)"/>']
        for tick in xticks:
            lines.append(self.text(f"{tick:g}", tick, self.ylim[0], 15, "--muted", dy=18))
        for tick in yticks:
            place = {"dx": -6, "dy": 4, "anchor": "end"}
            lines.append(self.text(f"{tick:g}", self.xlim[0], tick, 15, "--muted", **place))
        middle = self.x + self.width / 2
        lines.append(svg_text(xlabel, middle, low + (38 if xticks else 20), 16))
        lines.append(svg_text(ylabel, self.x, self.y - 10, 16, anchor="start"))
        return [line for line in lines if line]

    def curve(
        self,
        xs: Iterable[float],
        ys: Iterable[float],
        ink: str = "--data",
        *,
        width: float = 2.5,
        dash: str = "none",
        fill: float = 0.0,
    ) -> str:
        """A curve through points, cut off at the plot's edges; points not finite leave gaps.

        With a `fill`, the opacity of what it encloses, it is not cut and has to stay inside.

        Raises:
            ValueError: If there are not as many ys as xs; with a fill, if a point is not finite.
        """
        points = list(zip(map(float, xs), map(float, ys), strict=True))
        finite = [all(map(math.isfinite, point)) for point in points]
        if fill and not all(finite):
            raise ValueError(
                f"a filled curve needs finite points, got {points[finite.index(False)]}"
            )
        pieces = pairwise(points) if fill else self._visible(points)
        path, last = [], None
        for start, end in pieces:
            move = "" if start == last else "M{:.1f} {:.1f}".format(*self.place(*start))
            path.append(move + "L{:.1f} {:.1f}".format(*self.place(*end)))
            last = end
        look = f"stroke:var({ink});stroke-width:{width:g};stroke-dasharray:{dash}"
        inside = f"fill:var({ink});fill-opacity:{fill:g}" if fill else "fill:none"
        return f'<path d="{"".join(path)}" style="{look};{inside}"/>'

    def dot(self, x: float, y: float, ink: str = "--data", size: float = 5) -> str:
        """A round mark."""
        across, down = self.place(x, y)
        return f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{size:g}" style="fill:var({ink})"/>'

    def text(
        self,
        text: str,
        x: float,
        y: float,
        size: float = 14,
        ink: str = "--ink",
        anchor: str = "middle",
        dx: float = 0,
        dy: float = 0,
    ) -> str:
        """A text at a point of the plot, moved by (dx, dy) in the picture."""
        across, down = self.place(x, y)
        return svg_text(text, round(across + dx, 1), round(down + dy, 1), size, ink, anchor)

    def _visible(self, points: list[tuple[float, float]]) -> Iterable[tuple]:
        """The parts of a curve's segments that lie between the plot's edges."""
        for start, end in pairwise(points):
            if not all(map(math.isfinite, start + end)):
                continue
            low, high = 0.0, 1.0
            for a, b, (least, most) in zip(start, end, (self.xlim, self.ylim), strict=True):
                if a == b:
                    low, high = (low, high) if least <= a <= most else (1.0, 0.0)
                    continue
                enter, leave = sorted(((least - a) / (b - a), (most - a) / (b - a)))
                low, high = max(low, enter), min(high, leave)
            if low < high:
                yield tuple(
                    tuple(a if t == 0 else b if t == 1 else a + t * (b - a) for a, b in ends)
                    for t in (low, high)
                    for ends in [zip(start, end, strict=True)]
                )


def svg(width: float, height: float, lines: Iterable[str]) -> str:
    """One SVG picture of the given size from lines of SVG."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    return "\n".join([opening, *lines, "</svg>"])


def svg_text(
    text: str, x: float, y: float, size: float, ink: str = "--ink", anchor: str = "middle"
) -> str:
    """A line of SVG text in one of the CSS variables' colours; nothing for an empty text."""
    style = f'font-size="{size:g}" text-anchor="{anchor}" style="fill:var({ink})"'
    return _text(text, x, y, style)


def show_source(*functions: Callable) -> None:
    """Show the code of helpers, without docstrings, so that page and module cannot differ."""
    code = "\n\n\n".join(_source_without_docstring(f) for f in functions)
    names = ", ".join(f.__name__ for f in functions)
    bundle = {"text/markdown": f"```python\n{code}\n```", "text/plain": f"source of {names}"}
    display(bundle, raw=True)


def _text(text: str, x: float, y: float, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{html.escape(text)}</text>' if text else ""


def _source_without_docstring(item: Callable) -> str:
    """Source of a function or class, with no docstring in it, nor in its methods."""
    lines = textwrap.dedent(inspect.getsource(item)).rstrip().splitlines()
    kinds = (ast.FunctionDef, ast.ClassDef)
    nodes = [n for n in ast.walk(ast.parse("\n".join(lines))) if isinstance(n, kinds)]
    for first in sorted((n.body[0] for n in nodes), key=lambda n: n.lineno, reverse=True):
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            del lines[first.lineno - 1 : first.end_lineno]
    return re.sub(r"(class [^\n]*:\n)\n", r"\1", "\n".join(lines))


def _data_set(controls: Mapping[str, object]) -> str:
    return f' data-set="{html.escape(json.dumps(dict(controls)))}"'
