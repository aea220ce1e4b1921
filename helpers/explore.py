"""Figures with controls: one call that works in a live kernel and on a page without any.

`explore(draw, ...)` shows `draw(**values)` with a control for each value. What it does depends
on what `draw` returns and on where it runs:

* `draw` returns SVG text: every state is drawn at once and stored in the output, what the states
  share only once, so that a thousand states weigh little. The page puts the lines together.
* `draw` returns a matplotlib Figure: every state is drawn at once, into one lossless picture (a
  sprite) that the page cuts frames from. In a live kernel (JupyterLab, Colab, VS Code), ipywidgets
  call `draw` instead.

SVG figures are the stored kind in a live kernel too: all states cost less than a second, clicks
on the picture keep working, and whoever edits `draw` and runs the cell again sees the change.

The stored kind is one piece of HTML with its own style and script. It asks for no kernel and no
network, holds no ids but the one given, and is the same, byte for byte, whenever it is made.
"""

from __future__ import annotations

import base64
import html
import inspect
import io
import itertools
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["Control", "explore", "is_live"]

MOST_FRAMES = 120  # states of a matplotlib figure: seconds of drawing and megabytes of page
MOST_SVG_STATES = 1200
SMALL = 480  # px: a picture no wider has its controls beside it where there is room
SCREEN_DPI = 110  # px of the page to an inch of a figure, whatever the figure's resolution
LONGEST_SIDE = 16383  # of a sprite, in px: the limit of WebP
MOST_PIXELS = 16_000_000  # of a sprite: the limit of Safari on a phone
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"

Draw = Callable[..., "Figure | str"]
Values = Mapping[str, Any]
Part = str | list[Any]  # a text that all states share, or [its versions, which state has which]


@dataclass(frozen=True)
class Control:
    """The values of a control, and what it is called beside the figure."""

    values: Any
    label: str | None = None


@dataclass(frozen=True)
class Axis:
    """A control made ready: its kind of widget, its values, how each is written, the default."""

    name: str
    label: str
    kind: str  # "checkbox", "range", "radio" or "select"
    values: list[Any]
    texts: list[str]
    start: int

    @property
    def keys(self) -> list[Any]:
        """What names each value in JSON: the value, or its text if JSON has no such value."""
        pairs = zip(self.values, self.texts, strict=True)
        return [v if isinstance(v, bool | int | float | str) else text for v, text in pairs]

    def text_of(self, value: Any) -> str:
        """How one of the values is written."""
        return next(t for v, t in zip(self.values, self.texts, strict=True) if v is value)


@dataclass(frozen=True)
class Picture:
    """The drawn states: what is shown first, what the script needs, and other formats of it."""

    view: str
    width: float
    height: float
    data: dict[str, Any]
    images: dict[str, str]


def explore(
    draw: Draw,
    *,
    title: str,
    describe: Callable[..., str] | None = None,
    caption: str | None = None,
    name: str | None = None,
    dpi: int = 110,
    **controls: Any,
) -> None:
    """Show `draw(**values)` with a control for each value, in a kernel or without one.

    The default of a control is that of the parameter in `draw`, else its first value.
    An element of an SVG with `data-set='{"row": 3}'` sets these controls when it is clicked,
    tapped or dragged over; each of them needs a control, which is the keyboard's way.
    Vector figures take their colours from the variables in explore.css, such as `var(--data)`
    with text in `var(--on-data)`, and are then right on dark pages too.

    Args:
        draw: Makes the picture of a state, a matplotlib Figure or the text of one `<svg>` with a
            viewBox. All states have one size; SVG stays small if what varies has its own line.
        title: What the figure is, for readers who do not see it.
        describe: One sentence on a state, shown under the figure; it is also the picture's text
            alternative. Lists the values of the controls if not given.
        caption: One sentence that holds for all states.
        name: The id of the figure, for links.
        dpi: Resolution of a matplotlib figure.
        **controls: Each the name of a parameter of `draw`. A bool makes a checkbox; a tuple
            (low, high) or (low, high, step) or a list of numbers a slider; a list of strings or a
            dict from labels to values makes buttons, or a menu if they are many.
            `Control(values, label="...")` gives the control another name.

    Raises:
        ValueError: If the controls do not fit `draw`, or hold no values or too many; if `draw`
            returns anything else, figures of different sizes, or more than a page can bear.
    """
    from IPython.display import display

    axes = _axes(draw, controls)
    describe = describe or _listing(axes)
    frame = {"title": title, "caption": caption, "name": anchor_of(name)}
    kind = type(_drawn(draw, _default(axes)))
    if is_live() and kind is not str:
        display(_widget(draw, describe, axes, frame, dpi))
        return
    states = _states(axes, MOST_SVG_STATES if kind is str else MOST_FRAMES)
    sentences = [_sentence(describe, values) for values in states]
    drawn = (_drawn(draw, values, kind) for values in states)
    if kind is str:
        picture = _vector_picture(list(drawn), axes)
    else:
        frames = [_pixels(figure, dpi) for figure in drawn]
        picture = _sprite_picture(frames, dpi, sentences[_start(axes)], _start(axes))
    _show(picture, axes, sentences, frame)


def is_live() -> bool:
    """Whether a person with a front end for widgets is at the kernel."""
    mode = os.environ.get("EXPLORE_MODE", "auto")
    if mode not in ("auto", "live", "static"):
        raise ValueError(f"EXPLORE_MODE must be auto, live or static; it is {mode!r}")
    if mode != "auto":
        return mode == "live"
    by_environment = os.environ.get("JPY_SESSION_NAME") or os.environ.get("VSCODE_PID")
    return bool(by_environment) or "google.colab" in sys.modules


# Controls


def _axes(draw: Draw, controls: Values) -> list[Axis]:
    """The controls in the order given, checked against the parameters of `draw`."""
    if not controls:
        raise ValueError("explore needs at least one control; use a plain figure without")
    signature = inspect.signature(draw)
    try:
        signature.bind(**dict.fromkeys(controls))
    except TypeError as error:
        needed = f"draw{signature} needs controls that fit its parameters"
        raise ValueError(f"{needed}; with {', '.join(controls)}: {error}") from None
    empty = inspect.Parameter.empty
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    return [_axis(name, given, defaults.get(name, empty)) for name, given in controls.items()]


def _axis(name: str, control: Any, default: Any) -> Axis:
    control = control if isinstance(control, Control) else Control(control)
    kind, values, texts = _options(name, control.values)
    if not values:
        raise ValueError(f"the control {name} has no values")
    repeated = sorted(text for text, times in Counter(texts).items() if times > 1)
    if repeated:
        raise ValueError(f"the control {name} shows {', '.join(repeated)} more than once")
    if default is inspect.Parameter.empty:
        default = control.values if kind == "checkbox" else values[0]
    found = [value is default or _same(value, default) for value in values]
    if not any(found):
        raise ValueError(f"the default {name}={default!r} is not among {', '.join(texts)}")
    label = name.replace("_", " ") if control.label is None else control.label
    return Axis(name, label, kind, values, texts, found.index(True))


def _options(name: str, values: Any) -> tuple[str, list[Any], list[str]]:
    """The kind of control that fits the values, the values as a list, and how each is written."""
    if isinstance(values, bool):
        return "checkbox", [False, True], ["off", "on"]
    if isinstance(values, Mapping):
        texts = [str(label) for label in values]
        return _buttons_or_menu(texts), list(values.values()), texts
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"the control {name} needs a bool, tuple, list or dict; got {values!r}")
    is_interval = isinstance(values, tuple)
    values = [value.item() if hasattr(value, "item") else value for value in values]
    if is_interval:
        values = _steps(name, values)
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    if all(_is_number(value) for value in values):
        return "range", values, texts
    return _buttons_or_menu(texts), values, texts


def _steps(name: str, interval: Sequence[Any]) -> list[float]:
    """low, low + step, ..., not beyond high."""
    if len(interval) not in (2, 3) or not all(_is_number(value) for value in interval):
        raise ValueError(f"the control {name} needs (low, high[, step]); got {interval}")
    low, high = interval[:2]
    whole = all(isinstance(value, int) for value in interval)
    step = interval[2] if len(interval) == 3 else 1 if whole else 0.1
    if not (step > 0 and -math.inf < low <= high < math.inf):
        raise ValueError(f"the control {name} needs low <= high and step > 0; got {interval}")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_SVG_STATES:
        limit = f"a figure may have {MOST_SVG_STATES} states"
        raise ValueError(f"the control {name} has {count} values; {limit}")
    values = [low + position * step for position in range(count)]
    digits = 10 - math.floor(math.log10(step))
    # The low end stays as it is: it may lie far below the step.
    return values if whole else [values[0], *(round(value, digits) for value in values[1:])]


def _buttons_or_menu(texts: list[str]) -> str:
    return "radio" if len(texts) <= 4 and sum(map(len, texts)) <= 28 else "select"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Any, default: Any) -> bool:
    if _is_number(value) and _is_number(default):
        return math.isclose(value, default, rel_tol=1e-9, abs_tol=1e-12)
    return type(value) is type(default) and bool(value == default)


def _states(axes: list[Axis], most: int) -> list[dict[str, Any]]:
    """The values of every state, those of the last control changing fastest."""
    count = math.prod(len(axis.values) for axis in axes)
    if count > most:
        sizes = " x ".join(str(len(axis.values)) for axis in axes)
        raise ValueError(f"{sizes} = {count} states; this kind of figure may have {most}")
    names = [axis.name for axis in axes]
    combinations = itertools.product(*(axis.values for axis in axes))
    return [dict(zip(names, combination, strict=True)) for combination in combinations]


def _start(axes: list[Axis]) -> int:
    """The number of the default state."""
    state = 0
    for axis in axes:
        state = state * len(axis.values) + axis.start
    return state


def _default(axes: list[Axis]) -> dict[str, Any]:
    return {axis.name: axis.values[axis.start] for axis in axes}


# States


def _drawn(draw: Draw, values: Values, kind: type | None = None) -> Figure | str:
    """The picture of one state; figures that `draw` opened are closed."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    before = plt.get_fignums()
    try:
        picture = draw(**values)
    except Exception as error:
        error.add_note(f"explore was drawing {dict(values)}")
        raise
    finally:
        for number in set(plt.get_fignums()).difference(before):
            plt.close(number)
    if not isinstance(picture, kind or (str, Figure)):
        wanted = kind.__name__ + " as before" if kind else "a matplotlib Figure or SVG text"
        raise ValueError(f"draw must return {wanted}; for {dict(values)} it returned {picture!r}")
    return picture


def _sentence(describe: Callable[..., str], values: Values) -> str:
    sentence = describe(**values)
    if not isinstance(sentence, str) or not sentence.strip():
        state = dict(values)
        raise ValueError(f"describe must return a sentence; for {state} it returned {sentence!r}")
    return sentence


def _listing(axes: list[Axis]) -> Callable[..., str]:
    """Describes a state by the values of its controls."""

    def listing(**values: Any) -> str:
        return ", ".join(f"{axis.label}: {axis.text_of(values[axis.name])}" for axis in axes) + "."

    return listing


def _parts(rows: list[list[str]]) -> list[Part]:
    """Texts in pieces, a row for each state, with what the states share stored once.

    The text of a state is the parts in order, each either shared or chosen by the state's number
    among the part's versions, written in DIGITS.
    """
    parts: list[Part] = []
    for column in itertools.zip_longest(*rows, fillvalue=""):
        number = {version: position for position, version in enumerate(dict.fromkeys(column))}
        if len(number) > 1:
            wide = len(number) > len(DIGITS)
            choices = "".join(_digits(number[version], wide) for version in column)
            parts.append([list(number), choices])
        elif parts and isinstance(parts[-1], str):
            parts[-1] += column[0]
        else:
            parts.append(column[0])
    return parts


def _digits(number: int, wide: bool) -> str:
    high, low = divmod(number, len(DIGITS))
    return DIGITS[high] + DIGITS[low] if wide else DIGITS[low]


# Vector pictures


def _vector_picture(states: list[str], axes: list[Axis]) -> Picture:
    """Every state's lines, those that all share stored once."""
    sizes, clicks = set(), set()
    for text in states:
        root = _svg_root(text)
        sizes.add(_svg_size(root))
        clicks.update(element.attrib["data-set"] for element in root.iterfind(".//*[@data-set]"))
    if len(sizes) > 1:
        raise ValueError(f"draw must return pictures of one size; they are {sorted(sizes)}")
    for click in sorted(clicks):
        _check_click(click, axes)
    lines = _parts([text.splitlines(keepends=True) for text in states])
    first = states[_start(axes)]
    images = {"image/svg+xml": _standalone(first)}
    data = {"lines": lines, "clickable": bool(clicks)}
    return Picture(first, *sizes.pop(), data, images)


def _svg_root(text: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"draw returned text that is not well-formed SVG: {error}") from error
    if root.tag.rpartition("}")[2] != "svg":
        raise ValueError(f"draw must return one <svg> element; the text holds <{root.tag}>")
    return root


def _svg_size(root: ElementTree.Element) -> tuple[float, float]:
    try:
        _, _, width, height = (float(number) for number in root.get("viewBox", "").split())
    except ValueError:
        came = root.get("viewBox")
        raise ValueError(f'the <svg> needs viewBox="0 0 width height"; it has {came!r}') from None
    return width, height


def _check_click(click: str, axes: list[Axis]) -> None:
    """Refuse a data-set that names no control, or a value that its control does not have."""
    keys = {axis.name: axis.keys for axis in axes}
    try:
        wanted = json.loads(click).items()
    except (ValueError, AttributeError):
        raise ValueError(f"data-set must be a JSON object of controls; it is {click}") from None
    for name, value in wanted:
        if not any(_same(key, value) for key in keys.get(name, ())):
            raise ValueError(f"data-set must set controls to values of {keys}; it is {click}")


def _standalone(text: str) -> str:
    """The SVG as a file of its own: with its namespace, and light colours for the variables."""
    colours = _light_colours()
    unknown = sorted(set(re.findall(r"var\((--[\w-]+)", text)) - set(colours))
    if unknown:
        known = ", ".join(colours)
        raise ValueError(f"an SVG may use the variables {known}; it uses {', '.join(unknown)}")
    text = re.sub(r"var\((--[\w-]+)\)", lambda match: colours[match[1]], text).strip()
    if "xmlns=" in text:
        return text
    return text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)


@cache
def _light_colours() -> dict[str, str]:
    """The variables that explore.css sets first, those that refer to others resolved."""
    block = re.search(r"\.explore\s*\{(.*?)\}", asset("explore.css"), re.DOTALL)[1]
    colours = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", block))
    reference = re.compile(r"var\((--[\w-]+)\)")
    return {name: reference.sub(lambda m: colours[m[1]], c) for name, c in colours.items()}


# Pictures made of pixels


def _pixels(figure: Figure, dpi: float) -> Image:
    """The figure as it is laid out, in all its size."""
    import matplotlib.pyplot as plt
    from PIL import Image

    file = io.BytesIO()
    with plt.rc_context({"savefig.bbox": None}):
        figure.savefig(file, format="png", dpi=dpi, facecolor="white",
                       pil_kwargs={"compress_level": 0})  # fmt: skip
    return Image.open(file).convert("RGB")


def _sprite_picture(frames: list[Image], dpi: float, sentence: str, start: int) -> Picture:
    """The frames as one sprite, and the frame of the default state."""
    sprite, columns = _sprite(frames)
    picture = _frame_picture(frames[start], dpi, sentence)
    data = {"sprite": _encoded(sprite, "webp"), "columns": columns}
    return replace(picture, data=data, images={"image/png": _encoded(frames[start], "png")})


def _frame_picture(frame: Image, dpi: float, sentence: str) -> Picture:
    """One frame as it is shown before any control is touched."""
    source = f"data:image/webp;base64,{_encoded(frame, 'webp')}"
    size = f'width="{frame.width}" height="{frame.height}"'
    # Sphinx's theme knows the class: it leaves the picture's colours alone on dark pages.
    view = f'<img class="dark-light" src="{source}" alt="{html.escape(sentence)}" {size}>'
    width, height = (side * SCREEN_DPI / dpi for side in frame.size)
    return Picture(view, width, height, {}, {})


def _sprite(frames: list[Image]) -> tuple[Image, int]:
    """All frames in one picture, row by row, and the number of its columns.

    As few columns as fit: like rows above each other are what the compression finds.
    """
    from PIL import Image

    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        raise ValueError(f"draw must return figures of one size; in px they are {sizes}")
    width, height = sizes[0]
    columns = math.ceil(len(frames) / max(1, LONGEST_SIDE // height))
    rows = math.ceil(len(frames) / columns)
    size = (columns * width, rows * height)
    if max(size) > LONGEST_SIDE or math.prod(size) > MOST_PIXELS:
        limit = f"{LONGEST_SIDE} px a side and {MOST_PIXELS} in all"
        raise ValueError(f"{size[0]} x {size[1]} px, more than {limit}: lower dpi or fewer states")
    sprite = Image.new("RGB", size, "white")
    for position, frame in enumerate(frames):
        row, column = divmod(position, columns)
        sprite.paste(frame, (column * width, row * height))
    return sprite, columns


def _encoded(image: Image, format: str) -> str:
    file = io.BytesIO()
    options = {"lossless": True} if format == "webp" else {"optimize": True}
    image.save(file, format, **options)
    return base64.b64encode(file.getvalue()).decode()


# The page


def _show(picture: Picture, axes: list[Axis], sentences: list[str], frame: Values) -> None:
    from IPython.display import display

    count = math.prod(len(axis.values) for axis in axes)
    labels = ", ".join(axis.label for axis in axes)
    bundle = {
        "text/html": _page(picture, axes, sentences, frame),
        "text/plain": f"explore: {frame['title']}; {count} states of {labels}",
        **picture.images,
    }
    alt = {"alt": sentences[_start(axes)]}
    display(bundle, raw=True, metadata={mime: alt for mime in picture.images})


def anchor_of(name: str | None) -> str:
    """The attribute that makes the figure a target of links, or nothing."""
    if name is not None and not re.fullmatch(r"[A-Za-z][\w.:-]*", name):
        raise ValueError(f"a figure's name holds letters, digits and -_.: only; got {name!r}")
    return f' id="{name}"' if name else ""


@cache
def asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()


def _page(picture: Picture, axes: list[Axis], sentences: list[str], frame: Values) -> str:
    """The self-contained figure with its controls, data and script."""
    data = {
        "start": _start(axes),
        "controls": [{"name": a.name, "keys": a.keys, "texts": a.texts} for a in axes],
        "sentences": _parts([re.split(r"(?<= )", sentence) for sentence in sentences]),
        **picture.data,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("</", "<\\/").replace("<!", "\\u003c!")  # nothing may end the script
    controls = "".join(_control(axis, position) for position, axis in enumerate(axes))
    form = f'<form class="explore-controls" autocomplete="off" hidden>{controls}</form>'
    longest = max(sentences, key=len)
    return _figure(
        picture, sentences[_start(axes)], longest, frame, form,
        f'<script type="application/json" class="explore-data">{text}</script>'
        f"<script>{asset('explore.js')}</script>",
    )  # fmt: skip


def _figure(
    picture: Picture, sentence: str, longest: str, frame: Values, form: str, scripts: str
) -> str:
    """The picture with its sentence and caption; `longest` keeps the room for any sentence."""
    sentence, longest, title = map(html.escape, (sentence, longest, frame["title"]))
    caption = frame["caption"] and f"<figcaption>{html.escape(frame['caption'])}</figcaption>"
    label = f' role="img" aria-label="{sentence}"' if "lines" in picture.data else ""
    size = f"width:{picture.width:g}px;aspect-ratio:{picture.width:g}/{picture.height:g}"
    shape = " explore-small" if picture.width <= SMALL else ""
    return (
        f'<div class="explore{shape}"{frame["name"]} role="group" aria-label="{title}"'
        f' data-lm-suppress-shortcuts="true"><style>{asset("explore.css")}</style>'
        f'<figure><div class="explore-view" style="{size}"{label}>{picture.view}</div>'
        f'<p class="explore-sentence" data-longest="{longest}">'
        f'<span role="status" aria-live="polite">{sentence}</span></p>'
        f"{form}{caption or ''}</figure>{scripts}</div>"
    )


def _control(axis: Axis, position: int) -> str:
    """One control. The names of radio buttons need be unique only in the form around them."""
    label, text = html.escape(axis.label), html.escape(axis.texts[axis.start])
    title = f'<span class="explore-label">{label}</span>'
    if axis.kind == "checkbox":
        checked = " checked" if axis.start else ""
        return f'<label class="explore-control"><input type="checkbox"{checked}>{title}</label>'
    if axis.kind == "range":
        output = f'<output aria-hidden="true">{text}</output>'
        bounds = f'min="0" max="{len(axis.values) - 1}" step="1" value="{axis.start}"'
        slider = f'<input type="range" {bounds} aria-valuetext="{text}">'
        # The slider first: a label belongs to the first <input>, <select> or <output> in it.
        return f'<label class="explore-control">{title}{slider}{output}</label>'
    if axis.kind == "select":
        options = _choices(axis, "<option{0}>{1}</option>", " selected")
        return f'<label class="explore-control">{title}<select>{options}</select></label>'
    button = f'<label><input type="radio" name="control{position}"{{0}}><span>{{1}}</span></label>'
    buttons = _choices(axis, button, " checked")
    legend = f'<legend class="explore-label">{label}</legend>'
    return f'<fieldset class="explore-control">{legend}<div>{buttons}</div></fieldset>'


def _choices(axis: Axis, pattern: str, chosen: str) -> str:
    marks = [chosen if position == axis.start else "" for position in range(len(axis.texts))]
    pairs = zip(marks, axis.texts, strict=True)
    return "".join(pattern.format(mark, html.escape(text)) for mark, text in pairs)


# In a live kernel


def _widget(
    draw: Draw, describe: Callable[..., str], axes: list[Axis], frame: Values, dpi: int
) -> Widget:
    """Controls that call `draw`, above its picture."""
    from IPython.display import HTML, display
    from ipywidgets import interactive

    def show(**values: Any) -> None:
        sentence = _sentence(describe, values)
        frame_shown = _pixels(_drawn(draw, values), dpi)
        picture = _frame_picture(frame_shown, dpi, sentence)
        display(HTML(_figure(picture, sentence, sentence, frame, "", "")))

    return interactive(show, **{axis.name: _widget_of(axis) for axis in axes})


def _widget_of(axis: Axis) -> Widget:
    import ipywidgets

    shared = {"description": axis.label, "style": {"description_width": "initial"}}
    if axis.kind == "checkbox":
        return ipywidgets.Checkbox(value=bool(axis.start), **shared)
    kinds = {
        "range": ipywidgets.SelectionSlider,
        "radio": ipywidgets.ToggleButtons,
        "select": ipywidgets.Dropdown,
    }
    options = list(zip(axis.texts, axis.values, strict=True))
    more = {"continuous_update": False} if axis.kind == "range" else {}
    return kinds[axis.kind](options=options, value=axis.values[axis.start], **shared, **more)
