"""What `explore` stores is what `draw` drew: put together by another program, for every state."""

import base64
import gzip
import io
import itertools
import json
import math
import random
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import IPython.display
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from frames import text_of
from PIL import Image

from helpers.explore import LONGEST_SIDE, Control, explore

matplotlib.use("agg")

VOID = {"img", "input"}
GRID = {
    "row": (1, 5),
    "column": (1, 5),
    "mask": ["A", "B"],
    "order": {"top-down": 1, "bottom-up": -1},
    "depth": Control((1, 8), label="layers"),
}
CURVE = {
    "scale": (0.5, 1.9, 0.1),
    "kind": ["density", "log-density"],
    "exact": True,
}


def grid(row=2, column=3, mask="A", order=1, depth=2):
    """A 5 x 5 grid whose cells are coloured by a rule of all five arguments."""
    lines = ['<svg viewBox="0 0 200 200">']
    for i, j in itertools.product(range(1, 6), repeat=2):
        near = max(abs(i - row), abs(j - column)) <= depth
        past = (i * order, j) < (row * order, column) or (mask == "B" and (i, j) == (row, column))
        role = "reach" if near and past else "past" if past else "future"
        place = f'x="{40 * j - 40}" y="{40 * i - 40}" width="40" height="40"'
        click = f"""data-set='{{"row": {i}, "column": {j}}}'"""
        lines.append(f'<rect {click} {place} style="fill:var(--{role})"/>')
    return "\n".join([*lines, f"<text y='20'>{row}, {column}</text>", "</svg>"])


def describe_grid(row, column, mask, order, depth):
    count = grid(row, column, mask, order, depth).count("--reach")
    way = "" if order == 1 else ", where rows are counted from the bottom"
    return f"Pixel ({row}, {column}) reads {count} through {depth} layers, mask {mask} first{way}."


def curve(scale=1.0, kind="density", exact=False):
    figure, ax = plt.subplots(figsize=(3, 2))
    figure.subplots_adjust(left=0.25, bottom=0.25)
    x = np.linspace(-4, 4, 100)
    y = np.exp(-(x**2) / 2 / scale**2) / scale
    ax.plot(x, y if kind == "density" else np.log(y), "k--" if exact else "k")
    ax.set(xlabel="x", ylabel=kind)
    return figure


def states(controls):
    """Every combination of the lists given, the last changing fastest."""
    return [dict(zip(controls, v, strict=True)) for v in itertools.product(*controls.values())]


GRID_STATES = states(
    {
        "row": range(1, 6),
        "column": range(1, 6),
        "mask": "AB",
        "order": [1, -1],
        "depth": range(1, 9),
    }
)
CURVE_STATES = states(
    {
        "scale": [round(0.5 + 0.1 * i, 10) for i in range(15)],
        "kind": ["density", "log-density"],
        "exact": [False, True],
    }
)


class Reader(HTMLParser):
    """Elements in order with attributes and text; fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"repeated attribute in {tag}"
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.elements[-1][2].append(data)

    def find(self, tag, **wanted):
        """Attributes and text of the elements with this tag and these attributes."""
        found = [(a, "".join(text)) for t, a, text in self.elements if t == tag]
        return [(a, text) for a, text in found if wanted.items() <= a.items()]

    def data(self):
        return json.loads(self.find("script", type="application/json")[0][1])


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


@pytest.fixture
def displayed(monkeypatch):
    """Everything that is displayed, each with its options."""
    calls = []
    monkeypatch.setattr(
        IPython.display, "display", lambda shown, **options: calls.append((shown, options))
    )
    return calls


@pytest.fixture
def shown(monkeypatch, displayed):
    """A call of `explore` that returns what it displayed last, and with which options."""
    monkeypatch.setenv("EXPLORE_MODE", "static")

    def call(draw, **options):
        explore(draw, **{"title": "A title", **options})
        return displayed[-1]

    return call


@pytest.fixture(scope="module")
def curve_bundle():
    """The curve's 60 states, drawn once for the tests that only read them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORE_MODE", "static")
        calls = []
        patch.setattr(IPython.display, "display", lambda bundle, **_: calls.append(bundle))
        explore(curve, title="A curve", dpi=150, **CURVE)
        return calls[0]


def html_of(shown, draw, **options):
    return Reader(shown(draw, **options)[0]["text/html"])


# What is stored


def test_a_control_stays_as_it_was_made():
    with pytest.raises(FrozenInstanceError):
        Control((1, 8), label="layers").values = (1, 9)


def test_every_svg_state_and_sentence_is_decoded_exactly(shown):
    data = html_of(shown, grid, describe=describe_grid, **GRID).data()
    for state, values in enumerate(GRID_STATES):
        assert text_of(data["lines"], state) == grid(**values)
        assert text_of(data["sentences"], state) == describe_grid(**values)
    assert GRID_STATES[data["start"]] == {
        "row": 2, "column": 3, "mask": "A", "order": 1, "depth": 2
    }  # fmt: skip


def test_800_states_of_a_grid_are_small(shown):
    text = shown(grid, describe=describe_grid, **GRID)[0]["text/html"]
    assert len(text.encode()) < 120_000
    assert len(gzip.compress(text.encode(), mtime=0)) < 25_000


@pytest.mark.parametrize("count", [64, 65])
def test_versions_have_one_digit_up_to_64(shown, count):
    data = html_of(shown, lambda i: f'<svg viewBox="0 0 1 1"><a x="{i}"/></svg>', i=(1, count))
    versions, choices = data.data()["lines"][0]
    assert (len(versions), len(choices)) == (count, count if count == 64 else 2 * count)


def test_what_all_states_share_is_stored_once(shown):
    assert html_of(shown, plain, i=[None, 1]).data()["lines"] == [plain()]


def test_states_may_differ_in_number_of_lines_and_have_many_versions(shown):
    def dots(count=0):
        dot = '<circle cx="{0}" cy="1" r="1"/>\n'
        return '<svg viewBox="0 0 9 9">\n' + "".join(map(dot.format, range(count))) + "</svg>"

    def describe(count):
        return f"There {'is' if count == 1 else 'are'} {count}."

    data = html_of(shown, dots, describe=describe, count=(0, 99)).data()
    for count in range(100):
        assert text_of(data["lines"], count) == dots(count)
        assert text_of(data["sentences"], count) == describe(count)


def test_every_frame_of_the_sprite_is_the_drawn_figure(curve_bundle):
    data = Reader(curve_bundle["text/html"]).data()
    assert data["columns"] > 1  # else the order of frames in a row is not seen
    sprite = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sprite"]))))
    for state, values in enumerate(CURVE_STATES):
        figure = curve(**values)
        figure.set_dpi(150)
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        plt.close(figure)
        row, column = divmod(state, data["columns"])
        height, width = drawn.shape[:2]
        frame = sprite[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.array_equal(frame, drawn)


def grey(level=20):
    """A figure of 2 x 5 px in one grey."""
    figure = plt.figure(figsize=(0.02, 0.05))
    figure.add_artist(plt.Rectangle((-1, -1), 9, 9, color=str(level / 255), lw=0))
    return figure


@pytest.mark.parametrize(
    ("longest", "columns"), [(29, 1), (25, 1), (24, 2), (15, 2), (14, 3), (10, 3)]
)
def test_frames_lie_row_by_row_in_as_few_columns_as_fit(shown, monkeypatch, longest, columns):
    monkeypatch.setattr("helpers.explore.LONGEST_SIDE", longest)
    levels = [10, 20, 30, 40, 50]
    data = html_of(shown, grey, level=levels, dpi=100).data()
    sprite = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sprite"]))))
    rows = math.ceil(5 / columns)
    assert data["columns"] == columns and sprite.shape == (5 * rows, 2 * columns, 3)
    frames = sprite[::5, ::2, 0].ravel()
    assert frames.tolist() == levels + [255] * (columns * rows - 5)
    assert (sprite == np.kron(sprite[::5, ::2, 0], np.ones((5, 2)))[..., None]).all()


def test_frames_over_half_the_longest_side_lie_beside_each_other(shown, monkeypatch):
    monkeypatch.setattr("helpers.explore.LONGEST_SIDE", 9)
    assert html_of(shown, grey, level=[10, 20, 30], dpi=100).data()["columns"] == 3
    monkeypatch.setattr("helpers.explore.LONGEST_SIDE", 4)
    with pytest.raises(ValueError, match="more than 4 px a side"):
        shown(grey, level=[10, 20, 30], dpi=100)


def test_the_frame_of_the_default_comes_first(shown):
    bundle = shown(grey, level=[10, 20, 30])[0]
    source = Reader(bundle["text/html"]).find("img")[0][0]["src"].partition(",")[2]
    for stored in (source, bundle["image/png"]):
        picture = Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGB")
        assert (np.asarray(picture) == 20).all()


def test_a_sprite_may_be_as_long_as_webp_allows():
    def encode(height):
        Image.new("RGB", (1, height)).save(io.BytesIO(), "webp", lossless=True)

    encode(LONGEST_SIDE)
    with pytest.raises(ValueError, match=r"WebP limit|width or height|encoding error 5"):
        encode(LONGEST_SIDE + 1)


def test_first_pictures_of_a_figure_are_the_default_frame(curve_bundle):
    default = curve()
    file = io.BytesIO()
    default.savefig(file, dpi=150)
    plt.close(default)
    drawn = np.asarray(Image.open(file).convert("RGB"))
    stored = Image.open(io.BytesIO(base64.b64decode(curve_bundle["image/png"])))
    assert np.array_equal(np.asarray(stored), drawn)
    source = Reader(curve_bundle["text/html"]).find("img")[0][0]["src"]
    shown_first = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    assert np.array_equal(np.asarray(shown_first), drawn)


def test_figures_keep_their_size_on_the_page_whatever_their_resolution(shown):
    def square(i=0):
        return plt.figure(figsize=(2, 2))

    for options, pixels in (({}, 220), ({"dpi": 110}, 220), ({"dpi": 221}, 442)):
        reader = html_of(shown, square, i=[0, 1], **options)
        styles = [attributes.get("style") for _, attributes, _ in reader.elements]
        assert "width:220px;aspect-ratio:220/220" in styles
        assert reader.find("img")[0][0]["width"] == str(pixels)


def test_sizes_on_the_page_may_be_fractions(shown):
    reader = html_of(shown, lambda i: plt.figure(figsize=(2, 1.0052)), i=[0, 1], dpi=200)
    styles = [attributes.get("style") for _, attributes, _ in reader.elements]
    assert "width:220px;aspect-ratio:220/110.55" in styles


def test_output_is_the_same_every_time(shown, curve_bundle):
    assert shown(grid, **GRID) == shown(grid, **GRID)
    again = shown(curve, title="A curve", dpi=150, **CURVE)[0]
    assert again == curve_bundle


def test_importing_loads_neither_widgets_nor_pillow_nor_matplotlib():
    code = (
        "import sys; before = set(sys.modules); import helpers.explore\n"
        "new = set(sys.modules) - before\n"
        "assert not new & {'ipywidgets', 'PIL', 'matplotlib', 'IPython'}, new"
    )
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


# The page


def test_bundle_has_a_summary_and_a_picture_for_other_formats(shown, curve_bundle):
    bundle, options = shown(grid, title="Reach", describe=describe_grid, **GRID)
    assert options["raw"] is True
    assert set(bundle) == {"text/html", "text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == (
        "explore: Reach; 800 states of row, column, mask, order, layers"
    )
    sentence = describe_grid(2, 3, "A", 1, 2)
    assert options["metadata"] == {"image/svg+xml": {"alt": sentence}}
    assert set(curve_bundle) == {"text/html", "text/plain", "image/png"}


def test_standalone_svg_has_a_namespace_and_no_variables(shown):
    text = shown(grid, **GRID)[0]["image/svg+xml"]
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert "fill:#8fc7ea" in text  # --reach in light
    again = shown(lambda **values: text, row=(1, 5), column=(1, 5), i=[1, 2])[0]["image/svg+xml"]
    assert again == text


def test_sentence_is_text_alternative_and_status(shown, curve_bundle):
    reader = html_of(shown, grid, describe=describe_grid, caption="Fixed.", name="fig-x", **GRID)
    sentence = describe_grid(2, 3, "A", 1, 2)
    assert reader.find("div", role="img")[0][0]["aria-label"] == sentence
    assert reader.find("span", role="status")[0][1] == sentence
    assert reader.find("figcaption")[0][1] == "Fixed."
    assert reader.find("div", role="group")[0][0]["id"] == "fig-x"
    curves = Reader(curve_bundle["text/html"])
    assert curves.find("img")[0][0]["alt"] == "scale: 1, kind: density, exact: off."
    assert not curves.find("figcaption") and not curves.find("div", role="img")


def test_text_alternatives_of_all_states_differ(curve_bundle):
    parts = Reader(curve_bundle["text/html"]).data()["sentences"]
    assert len({text_of(parts, state) for state in range(60)}) == 60


def test_text_is_data_never_markup(shown):
    nasty = """</script><!--<script>"it's" & <b>"""
    options = {
        "title": nasty,
        "caption": nasty,
        "describe": lambda i: f"{i} {nasty}",
        "i": Control({nasty: 1, "other": 2}, label=nasty),
    }
    escaped = nasty.replace("&", "&amp;").replace("<", "&lt;")

    def draw(i=1):
        return f'<svg viewBox="0 0 1 1"><text>{escaped}{i}</text></svg>'

    reader = html_of(shown, draw, **options)
    assert reader.find("div", role="group")[0][0]["aria-label"] == nasty
    assert reader.find("figcaption")[0][1] == nasty
    assert reader.find("span", role="status")[0][1] == f"1 {nasty}"
    assert not reader.find("b")
    data = reader.data()
    assert text_of(data["sentences"], 1) == f"2 {nasty}"
    assert data["controls"][0]["texts"] == [nasty, "other"]
    scripts = reader.find("script")
    assert len(scripts) == 2 and "<!--" not in scripts[0][1]


def test_page_asks_for_nothing_and_is_wired_without_ids(shown, curve_bundle):
    for text in (shown(grid, **GRID)[0]["text/html"], curve_bundle["text/html"]):
        reader = Reader(text)
        assert not [a for _, a, _ in reader.elements if "id" in a or "for" in a]
        sources = [a.get("src") or a.get("href") for _, a, _ in reader.elements]
        assert all(source.startswith("data:") for source in sources if source)
        assert not re.search(r"https?://|@import|url\(", text)


# Controls


def plain(i=None):
    return '<svg viewBox="0 0 1 1"></svg>'


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (False, "checkbox", ["off", "on"]),
        ((1, 3), "range", ["1", "2", "3"]),
        ((0, 1, 0.25), "range", ["0", "0.25", "0.5", "0.75", "1"]),
        ((0.1, 0.3), "range", ["0.1", "0.2", "0.3"]),
        ((0, 1, 0.4), "range", ["0", "0.4", "0.8"]),
        ((1e-12, 0.3, 0.1), "range", ["1e-12", "0.1", "0.2", "0.3"]),
        ([1, 10, 100], "range", ["1", "10", "100"]),
        ([np.float64(0.5), np.int64(2)], "range", ["0.5", "2"]),
        (np.array([1, 2]), "range", ["1", "2"]),
        (["a", "b"], "radio", ["a", "b"]),
        ({"no": 0, "yes": 1}, "radio", ["no", "yes"]),
        (list("abcd"), "radio", list("abcd")),
        (list("abcde"), "select", list("abcde")),
        (["a rather long option", "another long option"], "select", None),
    ],
)
def test_values_choose_the_control(shown, values, kind, texts):
    reader = html_of(shown, lambda i: plain(), i=values)
    kinds = {a["type"] for a, _ in reader.find("input")} or {"select"}
    assert kinds == {kind}
    if texts is not None:
        assert reader.data()["controls"][0]["texts"] == texts


@pytest.mark.parametrize(
    ("interval", "values"),
    [
        ((0.1, 0.7, 0.1), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ((0, 3e-12, 1e-12), [0, 1e-12, 2e-12, 3e-12]),
        ((3, 3), [3]),
        ((2.5, 2.5), [2.5]),
    ],
)
def test_a_slider_holds_what_one_would_write(shown, interval, values):
    assert html_of(shown, lambda i: plain(), i=interval).data()["controls"][0]["keys"] == values


def test_as_many_states_as_allowed_are_shown(shown):
    data = html_of(shown, lambda i: plain(), i=(1, 1200)).data()
    assert len(data["controls"][0]["keys"]) == 1200


@pytest.mark.parametrize("values", [(1, 5), [1, 2, 4], {"one": 1, "two": 2}])
def test_default_comes_from_draw_else_the_first(shown, values):
    assert html_of(shown, lambda i=2: plain(), i=values).data()["start"] == 1
    assert html_of(shown, lambda i: plain(), i=values).data()["start"] == 0


def test_a_default_may_be_another_object_with_the_same_value(shown):
    def draw(pair=tuple("cd")):
        return plain()

    values = {"small": tuple("ab"), "large": tuple("cd")}
    assert html_of(shown, draw, pair=values).data()["start"] == 1


def test_checkbox_starts_as_draw_says_else_as_given(shown):
    for draw, given, start in [
        (lambda i=True: plain(), False, 1),
        (lambda i: plain(), True, 1),
        (lambda i: plain(), False, 0),
    ]:
        assert html_of(shown, draw, i=given).data()["start"] == start


def test_default_of_a_slider_may_carry_rounding(shown):
    assert html_of(shown, lambda i=0.1 + 0.2: plain(), i=(0, 1, 0.1)).data()["start"] == 3


def test_labels_are_words(shown):
    def draw(first_mask="A", depth=1):
        return plain()

    reader = html_of(shown, draw, first_mask=["A", "B"], depth=Control((1, 3), label="layers"))
    labels = [a for a in reader.elements if a[1].get("class") == "explore-label"]
    assert ["".join(text) for _, _, text in labels] == ["first mask", "layers"]
    assert reader.find("span", role="status")[0][1] == "first mask: A, layers: 1."


def test_controls_stand_at_the_default_before_any_script_runs(shown):
    def draw(size=3, kind="b", letter="d", on=True):
        return plain()

    reader = html_of(shown, draw, size=(1, 5), kind=["a", "b"], letter=list("abcdef"), on=False)
    slider = reader.find("input", type="range")[0][0]
    assert [slider[name] for name in ("min", "max", "step", "value")] == ["0", "4", "1", "2"]
    assert slider["aria-valuetext"] == reader.find("output")[0][1] == "3"
    assert ["checked" in a for a, _ in reader.find("input", type="radio")] == [False, True]
    assert [text for a, text in reader.find("option") if "selected" in a] == ["d"]
    assert "checked" in reader.find("input", type="checkbox")[0][0]
    other = html_of(shown, lambda on: plain(), on=False)
    assert "checked" not in other.find("input", type="checkbox")[0][0]


def test_a_long_menu_stands_at_its_default(shown):
    words = [f"word {number}" for number in range(300)]
    reader = html_of(shown, lambda word=words[-1]: plain(), word=words)
    assert [text for a, text in reader.find("option") if "selected" in a] == ["word 299"]


def test_buttons_belong_together_control_by_control(shown):
    reader = html_of(shown, lambda a, b: plain(), a=["x", "y"], b=["x", "y", "z"])
    names = [a["name"] for a, _ in reader.find("input", type="radio")]
    assert len(set(names)) == 2 and names == sorted(names) and names[1] != names[2]


@pytest.mark.parametrize(("width", "small"), [(200, True), (480, True), (480.5, False)])
def test_only_small_pictures_have_their_controls_beside_them(shown, width, small):
    reader = html_of(shown, lambda i: f'<svg viewBox="0 0 {width} 9"></svg>', i=[1, 2])
    looks = reader.find("div", role="group")[0][0]["class"].split()
    assert ("explore-small" in looks) == small


def test_equal_values_of_different_kinds_keep_their_names(shown):
    parts = html_of(shown, lambda i: plain(), i={"one": 1, "yes": True}).data()["sentences"]
    assert [text_of(parts, state) for state in (0, 1)] == ["i: one.", "i: yes."]


def test_values_need_not_be_known_to_json(shown):
    functions = {"sine": np.sin, "cosine": np.cos}
    seen = []

    def draw(f=np.cos):
        seen.append(f)
        return plain()

    data = html_of(shown, draw, f=functions).data()
    assert data["start"] == 1 and data["controls"][0]["keys"] == ["sine", "cosine"]
    assert set(seen) == {np.sin, np.cos}


def click(text):
    return lambda row=1: f"<svg viewBox='0 0 1 1'><a data-set='{text}'/></svg>"


def by_size(row=1):
    return f'<svg viewBox="0 0 {row} 1"></svg>'


def wide(row=1):
    return plt.figure(figsize=(149, 0.1))


def figure_by_size(row=1):
    return plt.figure(figsize=(row, 1))


def colour_by_accident(i=1):
    return '<svg viewBox="0 0 1 1"><a style="fill:var(--rich)"/></svg>'


def large(row=1):
    return plt.figure(figsize=(10, 10))


def small(row=1, column=1):
    return plt.figure(figsize=(1, 1))


def sometimes(row=1):
    return plain() if row == 1 else plt.figure()


BAD = {
    "no control": (plain, {}, "at least one control"),
    "unknown parameter": (plain, {"j": [1, 2]}, "unexpected keyword argument 'j'"),
    "missing parameter": (lambda i, j: plain(), {"i": [1, 2]}, "missing a required argument: 'j'"),
    "empty list": (plain, {"i": []}, "control i has no values"),
    "string": (plain, {"i": "AB"}, "needs a bool, tuple, list or dict; got 'AB'"),
    "number": (plain, {"i": 3}, "needs a bool, tuple, list or dict; got 3"),
    "long tuple": (plain, {"i": (1, 2, 3, 4)}, r"needs \(low, high\[, step\]\)"),
    "tuple of strings": (plain, {"i": ("a", "b")}, r"needs \(low, high\[, step\]\)"),
    "step of 0": (plain, {"i": (1, 2, 0)}, "step > 0"),
    "endless": (plain, {"i": (0, float("inf"))}, "low <= high"),
    "too many steps": (plain, {"i": (0, 10**9)}, "i has 1000000001 values; a figure may have"),
    "endless below": (plain, {"i": (float("-inf"), 1)}, "low <= high"),
    "step below 0": (plain, {"i": (1, 2, -1)}, "step > 0"),
    "high below low": (plain, {"i": (2, 1)}, "low <= high"),
    "repeated": (lambda i: plain(), {"i": [1, 1.0]}, "shows 1 more than once"),
    "default": (lambda i=7: plain(), {"i": (1, 5)}, "default i=7 is not among 1, 2, 3, 4, 5"),
    "type of default": (lambda i=True: plain(), {"i": (1, 5)}, "default i=True is not among"),
    "states": (lambda i, j: plain(), {"i": (1, 50), "j": (1, 50)}, "2500 states.* may have 1200"),
    "one state too many": (lambda i: plain(), {"i": (0, 1200)}, "1201 values"),
    "frames": (small, {"row": (1, 11), "column": (1, 11)}, "11 x 11 = 121 .* have 120"),
    "number returned": (lambda i: 3, {"i": [1, 2]}, "Figure or SVG text.*returned 3"),
    "kinds differ": (sometimes, {"row": [1, 2]}, "must return"),
    "not SVG": (lambda i: "<p>no</p>", {"i": [1, 2]}, "one <svg>.*<p>"),
    "part of SVG": (lambda i: '<text viewBox="0 0 1 1"/>', {"i": [1]}, "one <svg>.*<text>"),
    "not well-formed": (lambda i: "<svg><a></svg>", {"i": [1, 2]}, "not well-formed SVG"),
    "no viewBox": (lambda i: "<svg></svg>", {"i": [1, 2]}, "needs viewBox"),
    "sizes": (by_size, {"row": [1, 2]}, "one size"),
    "figure sizes": (figure_by_size, {"row": [1, 2]}, r"one size.*\(110, 110\), \(220, 110\)"),
    "sprite": (large, {"row": (1, 14)}, "more than .* 16000000 in all: lower dpi"),
    "wide sprite": (wide, {"row": [1, 2]}, "16390 x 22 px, more than 16383 px a side"),
    "variable": (colour_by_accident, {"i": [1, 2]}, "it uses --rich"),
    "click on nothing": (click('{"x": 1}'), {"row": (1, 3)}, "data-set must set controls"),
    "click beyond": (click('{"row": 4}'), {"row": (1, 3)}, "data-set must set controls"),
    "click not JSON": (click("row=1"), {"row": (1, 3)}, "data-set must be a JSON object"),
    "click not object": (click("[1]"), {"row": (1, 3)}, "data-set must be a JSON object"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_named(shown, case):
    draw, controls, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        shown(draw, **controls)


@pytest.mark.parametrize("sentence", [None, "", 3])
def test_describe_must_give_a_sentence(shown, sentence):
    with pytest.raises(ValueError, match="describe must return a sentence"):
        shown(plain, describe=lambda i: sentence, i=[None, 1])


def test_name_must_be_an_id(shown):
    with pytest.raises(ValueError, match="a figure's name"):
        shown(plain, name="two words", i=[None, 1])


def test_error_in_draw_names_the_state(shown):
    with pytest.raises(ZeroDivisionError) as caught:
        shown(lambda i=2: f'<svg viewBox="0 0 1 1"><a x="{1 / i}"/></svg>', i=(0, 3))
    assert caught.value.__notes__ == ["explore was drawing {'i': 0}"]


# In a live kernel


@pytest.fixture
def live(monkeypatch, shown):
    monkeypatch.setenv("EXPLORE_MODE", "live")
    return shown


def test_live_figures_are_widgets_that_call_draw(live, displayed):
    seen = []

    def draw(scale=1.0, kind="density", exact=False, colour=3):
        seen.append((scale, kind, exact, colour))
        return plt.figure(figsize=(1, 1))

    controls = {**CURVE, "kind": Control(CURVE["kind"], label="what"), "colour": list("12345")}
    widget, _ = live(lambda colour="3", **v: draw(colour=colour, **v), **controls)
    names = [type(child).__name__ for child in widget.children]
    assert names == ["SelectionSlider", "ToggleButtons", "Checkbox", "Dropdown", "Output"]
    assert [c.description for c in widget.children[:-1]] == ["scale", "what", "exact", "colour"]
    widget.children[0].value = 1.3
    widget.update()  # ipywidgets 7 waits for a front end, which tests have not
    assert seen[-1] == (1.3, "density", True, "3")
    reader = Reader(displayed[-1][0].data)
    sentence = "scale: 1.3, what: density, exact: on, colour: 3."
    assert reader.find("img")[0][0]["alt"] == reader.find("span", role="status")[0][1] == sentence
    assert not reader.find("script") and not reader.find("form")
    assert widget.children[0].continuous_update is False  # drawing takes longer than dragging


def test_live_vector_figures_are_the_stored_kind(live):
    bundle, _ = live(grid, **GRID)
    assert "explore-data" in bundle["text/html"]


def test_kernel_of_a_person_is_told_from_that_of_a_build(monkeypatch):
    from helpers.explore import is_live

    for name in ("EXPLORE_MODE", "JPY_SESSION_NAME", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)
    assert not is_live()
    for name in ("JPY_SESSION_NAME", "VSCODE_PID"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert is_live()
            patch.setenv("EXPLORE_MODE", "static")
            assert not is_live()
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert is_live()
    monkeypatch.setenv("EXPLORE_MODE", "lively")
    with pytest.raises(ValueError, match="auto, live or static"):
        is_live()


# Colours


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_on_every_colour_is_readable(theme):
    css = (Path(__file__).parents[1] / "helpers/explore.css").read_text(encoding="utf-8")
    blocks = [b for b in re.findall(r"\{([^{}]*)\}", css) if "--ink:" in b]
    colours = dict(re.findall(r"--([\w-]+): .*?(#\w{6})\)*;", blocks[theme]))
    roles = [name.removeprefix("on-") for name in colours if name.startswith("on-")]
    assert len(blocks) == 2 and len(roles) == 9
    for role in roles:
        assert contrast(colours[f"on-{role}"], colours[role]) >= 4.5, role
    for background, text in [("paper", "ink"), ("paper", "muted"), ("past", "ink"),
                             ("future", "muted"), ("accent", "paper")]:  # fmt: skip
        assert contrast(colours[background], colours[text]) >= 4.5, (background, text)
    for line in ("data", "model", "exact", "accent"):
        assert contrast(colours["paper"], colours[line]) >= 3, line


def test_random_texts_survive_the_encoding(shown):
    source = random.Random(5)
    alphabet = "ab \n\u2028é😀\\"
    texts = ["".join(source.choices(alphabet, k=source.randint(1, 30))) for _ in range(100)]

    def draw(i=0):
        return f'<svg viewBox="0 0 1 1"><text>{texts[i]}</text></svg>'

    data = html_of(shown, draw, describe=lambda i: f"{i} {texts[i]}", i=(0, 99)).data()
    for i, text in enumerate(texts):
        assert text_of(data["lines"], i) == draw(i)
        assert text_of(data["sentences"], i) == f"{i} {text}"
