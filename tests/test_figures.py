"""Figures: every cell in its role, sources as they stand in the module, a style that is set."""

import inspect
import math
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
import torch

from helpers import figures
from helpers.autoregressive import apply_mask, kernel_mask
from helpers.explore import SCREEN_DPI
from helpers.figures import (
    ROLES,
    Panel,
    image_grid,
    new_figure,
    pixel_grid,
    show_source,
    svg,
    svg_text,
    use_book_style,
)


@pytest.fixture(autouse=True)
def close_figures():
    """Start from Matplotlib's own style and leave no figure open."""
    with plt.rc_context():
        yield
    plt.close("all")


def elements(picture, name):
    """The elements of an SVG text with a given tag."""
    return list(ElementTree.fromstring(picture).iter(f"{{http://www.w3.org/2000/svg}}{name}"))


def test_a_grid_has_a_coloured_cell_for_each_role_and_is_well_formed():
    roles = [["read", "itself"], ["unread", "future"]]
    labels = [["11", "12"], ["21", "<"]]
    picture = svg(100, 100, pixel_grid(roles, x=0, y=0, cell=50, labels=labels))
    assert len(elements(picture, "rect")) == 4
    assert [t.text for t in elements(picture, "text")] == ["●", "11", "✕", "12", "○", "21", "<"]
    fills = [g.get("style") for g in elements(picture, "g") if g.get("style")]
    assert fills[::2] == [f"fill:var({ROLES[role][0]})" for row in roles for role in row]


def test_the_outlined_cell_is_framed_and_cells_tell_what_a_click_sets():
    lines = pixel_grid(
        [["read"] * 3] * 2,
        x=10,
        y=20,
        cell=30,
        outlined=(2, 3),
        sets=lambda row, column: {"row": row, "column": column},
    )
    picture = svg(100, 100, lines)
    frame = elements(picture, "rect")[-1]
    assert (frame.get("x"), frame.get("y")) == ("71", "51")
    clicks = [g.get("data-set") for g in elements(picture, "g") if g.get("data-set")]
    assert clicks[-1] == '{"row": 2, "column": 3}'
    assert len(clicks) == 6


def test_signs_stand_small_in_the_corner_and_labels_in_the_middle():
    picture = svg(100, 100, pixel_grid([["read"]], x=3, y=7, cell=45, labels=[["11"]]))
    sign, label = [
        [float(text.get(name)) for name in ("x", "y", "font-size")]
        for text in elements(picture, "text")
    ]
    assert sign == pytest.approx([3 + 36.9, 7 + 12.15, 9], abs=0.01)
    assert label == pytest.approx([3 + 22.5, 7 + 27, 16.2])


def test_only_what_depends_on_the_role_changes_between_states():
    """`explore` stores lines that all states share once: two per cell may differ."""
    one, other = (pixel_grid([[role]], x=0, y=0, cell=40) for role in ("read", "future"))
    assert len(one) == len(other)
    assert sum(a != b for a, b in zip(one, other, strict=True)) == 2


def numbers_of(element, *names):
    """Attributes of an element as numbers."""
    return [float(element.get(name)) for name in names]


def test_squares_lie_in_the_middle_of_their_cells_and_the_frame_on_its_square():
    roles = [["read"] * 3] * 2
    picture = svg(100, 100, pixel_grid(roles, x=10, y=20, cell=25, outlined=(2, 3)))
    squares = [numbers_of(r, "x", "y", "width", "height") for r in elements(picture, "rect")]
    assert squares.pop() == squares[-1]
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in squares]
    assert middles == [(22.5 + 25 * j, 32.5 + 25 * i) for i in range(2) for j in range(3)]
    assert all(20 < width == height < 25 for *_, width, height in squares)


def test_each_cell_tells_its_own_place_row_by_row():
    lines = pixel_grid([["read"] * 3] * 2, x=0, y=0, cell=9, sets=lambda i, j: {"at": [i, j]})
    clicks = [g.get("data-set") for g in elements(svg(9, 9, lines), "g") if g.get("data-set")]
    assert clicks == [f'{{"at": [{i}, {j}]}}' for i in (1, 2) for j in (1, 2, 3)]


@pytest.mark.parametrize("cell, signs", [(29.5, []), (30, ["●"])])
def test_only_cells_from_30_on_carry_a_sign(cell, signs):
    picture = svg(50, 50, pixel_grid([["read"]], x=0, y=0, cell=cell))
    assert [text.text for text in elements(picture, "text")] == signs


def test_a_picture_shows_all_of_its_area():
    root = ElementTree.fromstring(svg(200, 90.5, []))
    size = [root.get(name) for name in ("width", "height", "viewBox")]
    assert size == ["200", "90.5", "0 0 200 90.5"]


def test_text_is_escaped_and_empty_text_is_nothing():
    assert "a &lt; b" in svg_text("a < b", 0, 0, 10)
    assert svg_text("", 0, 0, 10) == ""


def test_shown_source_is_the_code_that_runs(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda bundle, raw: shown.append(bundle))
    show_source(apply_mask, kernel_mask)
    code = shown[0]["text/markdown"].removeprefix("```python\n").removesuffix("\n```")
    assert "Args:" not in code
    names = inspect.getmodule(apply_mask).__dict__.copy()
    exec(code, names)  # the code on the page, run on its own
    assert names["apply_mask"] is not apply_mask
    mask = names["kernel_mask"]("B")
    assert names["apply_mask"](mask, [(3, 4)], (5, 5)) == apply_mask(mask, [(3, 4)], (5, 5))


def starts_with_a_call(values):
    values.append(2)
    return values


def starts_with_a_constant():
    one = 1
    return one


@pytest.fixture
def source_of(monkeypatch):
    """The code that is shown of an item."""
    shown = []
    monkeypatch.setattr(figures, "display", lambda bundle, raw: raw and shown.append(bundle))

    def call(item):
        show_source(item)
        return shown[-1]["text/markdown"].removeprefix("```python\n").removesuffix("\n```")

    return call


@pytest.mark.parametrize("function", [starts_with_a_call, starts_with_a_constant])
def test_source_without_a_docstring_is_shown_as_it_stands(source_of, function):
    assert source_of(function) == inspect.getsource(function).rstrip()


def test_a_class_is_shown_without_any_docstring_and_is_the_class(source_of):
    code = source_of(Panel)
    assert code.startswith("@dataclass(frozen=True)\nclass Panel:\n    x: float\n")
    assert '"""' not in code
    names = inspect.getmodule(Panel).__dict__.copy()
    exec(code, names)
    ours = names["Panel"](10, 20, 100, 50, (0, 2), (-1, 1))
    assert ours.curve([0, 1, 5], [0, 5, 1]) == PANEL.curve([0, 1, 5], [0, 5, 1])
    assert ours.frame("x", "y", [0], [1]) == PANEL.frame("x", "y", [0], [1])


def test_style_and_axes():
    use_book_style()
    figure, axes = new_figure("x", "y", columns=2)
    assert [ax.get_xlabel() for ax in axes] == ["x", "x"]
    assert [ax.get_ylabel() for ax in axes] == ["y", ""]
    assert not any(line.get_visible() for line in (axes[0].spines.top, axes[0].spines.right))
    assert figure.get_layout_engine() is not None
    assert not axes[0].legend(axes[0].plot([0, 1]), ["a"]).get_frame_on()


def test_a_figure_has_one_panel_in_the_size_and_resolution_of_the_book():
    use_book_style()
    figure, axes = new_figure("x", "y")
    assert figure.axes == axes and len(axes) == 1
    assert figure.get_size_inches().tolist() == plt.rcParams["figure.figsize"]
    assert figure.dpi == SCREEN_DPI
    assert new_figure("x", "y", size=(4, 2))[0].get_size_inches().tolist() == [4, 2]


def test_rows_of_images_show_the_images():
    images = torch.arange(2 * 4).view(2, 2, 2).float()
    figure = image_grid({"data": images, "model": images.flip(0)}, largest=7)
    pictures = [ax.images[0].get_array() for ax in figure.axes]
    assert [p.tolist() for p in pictures[:2]] == images.tolist()
    assert [p.tolist() for p in pictures[2:]] == images.flip(0).tolist()
    assert [figure.axes[i].get_ylabel() for i in (0, 2)] == ["data", "model"]


def test_level_16_is_full_ink_and_every_image_has_a_frame_without_ticks():
    figure = image_grid({"data": torch.zeros(2, 3, 3)})
    for ax in figure.axes:
        assert ax.images[0].get_clim() == (0, 16)
        assert all(line.get_visible() for line in ax.spines.values())
        assert not [*ax.get_xticks(), *ax.get_yticks()]


@pytest.mark.parametrize("numbers", [(2, 3), (3, 2)])
def test_rows_of_images_need_one_length(numbers):
    rows = {name: torch.zeros(n, 2, 2) for name, n in zip("ab", numbers, strict=True)}
    with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer)"):
        image_grid(rows)


def test_a_row_of_images_is_as_high_as_an_image():
    images = torch.zeros(3, 2, 2)
    figure = image_grid({"data": images, "model": images}, size=0.7)
    assert figure.get_size_inches() == pytest.approx([3 * 0.7 + 1.1, 2 * 0.7])


def ends(path):
    """The points of an SVG path of moves and lines."""
    numbers = path.replace("M", " ").replace("L", " ").split()
    return list(zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True))


PANEL = Panel(10, 20, 100, 50, (0, 2), (-1, 1))


def test_a_panel_places_its_corners_and_draws_well_formed_svg():
    assert PANEL.place(0, 1) == (10, 20)
    assert PANEL.place(2, -1) == (110, 70)
    lines = [
        *PANEL.frame("x", "density <", [0, 1], [-1, 1]),
        PANEL.dot(1, 0),
        PANEL.text("a", 1, 1),
    ]
    picture = svg(200, 100, [*lines, PANEL.curve([0, 1, 2], [0, 0.5, -1])])
    assert [t.text for t in elements(picture, "text")] == [
        "0",
        "1",
        "-1",
        "1",
        "x",
        "density <",
        "a",
    ]
    assert (
        elements(picture, "circle")[0].get("cx"),
        elements(picture, "circle")[0].get("cy"),
    ) == (
        "60.0",
        "45.0",
    )
    assert ends(elements(picture, "path")[1].get("d")) == [(10, 45), (60, 32.5), (110, 70)]


@pytest.mark.parametrize(
    "points, shown",
    [
        ([(0, 0), (2, 4)], [(10, 45), (35, 20)]),  # leaves at the upper edge
        ([(-2, 0), (4, 0)], [(10, 45), (110, 45)]),  # crosses the whole width
        ([(0, 5), (2, 5)], []),  # never seen
        ([(0, 3), (1, 0), (2, 3)], [(43.3, 20), (60, 45), (76.7, 20)]),  # comes and goes
        ([(1, -1), (1, 5)], [(60, 70), (60, 20)]),  # upright
        ([(3, -1), (3, 1)], []),  # upright outside
        ([(-1, -1), (-1, 1)], []),
        ([(0, -1), (0, 1)], [(10, 70), (10, 20)]),  # along each edge
        ([(2, -1), (2, 1)], [(110, 70), (110, 20)]),
        ([(0, -1), (2, -1)], [(10, 70), (110, 70)]),
        ([(0, 1), (2, 1)], [(10, 20), (110, 20)]),
        ([(-1, 0), (1, 2)], []),  # touches a corner
        ([(0, 0), (1, math.nan), (1, 0), (2, 0)], [(60, 45), (110, 45)]),  # a gap
        ([(0, 0), (1, 0), (2, -math.inf)], [(10, 45), (60, 45)]),
        ([(math.inf, 0), (0, 0), (1, 0), (math.nan, 0)], [(10, 45), (60, 45)]),
        ([(0, math.inf), (1, math.inf)], []),
    ],
)
def test_a_curve_ends_at_the_edges_of_its_panel(points, shown):
    path = elements(svg(200, 100, [PANEL.curve(*zip(*points, strict=True))]), "path")[0].get("d")
    assert ends(path) == shown


def test_a_curve_is_one_stroke_until_it_leaves():
    inside = PANEL.curve([0, 0.5, 1, 1.5], [0, 1, 0, 0])
    leaving = PANEL.curve([0, 0.5, 1.5, 2], [0, 0, 4, 0])
    away = PANEL.curve([0, 1, 2], [0, 2, 0])
    assert [path.count("M") for path in (inside, leaving, away)] == [1, 2, 2]


@pytest.mark.parametrize("ys", [[0], [0, 1, 0]])
def test_a_curve_needs_a_y_for_each_x(ys):
    with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer)"):
        PANEL.curve([0, 1], ys)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_filled_needs_finite_points(bad):
    for points in ([bad, 1, 2], [0, bad, 2], [0, 1, bad]):
        with pytest.raises(ValueError, match=rf"finite points, got \(.*{bad}"):
            PANEL.curve(points, [0, 1, 0], fill=0.5)
        with pytest.raises(ValueError, match=rf"finite points, got \(.*{bad}"):
            PANEL.curve([0, 1, 2], points, fill=0.5)


def look_of(element):
    """An element's style by the names of its parts."""
    return dict(part.split(":") for part in element.get("style").split(";"))


def test_curves_and_dots_look_as_asked():
    plain = PANEL.curve([0, 1], [0, 1])
    other = PANEL.curve([0, 1], [0, 1], "--model", width=4.5, dash="6 3")
    dots = PANEL.dot(1, 0), PANEL.dot(1, 0, "--model", 3.5)
    picture = svg(200, 100, [plain, other, *dots])
    looks = [look_of(path) for path in elements(picture, "path")]
    assert looks[0]["fill"] == looks[0]["stroke-dasharray"] == "none"
    assert looks[1] == {
        "stroke": "var(--model)",
        "stroke-width": "4.5",
        "stroke-dasharray": "6 3",
        "fill": "none",
    }
    circles = elements(picture, "circle")
    assert [look_of(circle)["fill"] for circle in circles] == ["var(--data)", "var(--model)"]
    assert circles[1].get("r") == "3.5"


def test_ticks_stand_outside_at_their_numbers_and_labels_beyond():
    picture = svg(200, 100, PANEL.frame("across", "up", [0.5, 2], [-0.5, 1]))
    assert elements(picture, "path")[0].get("d") == "M10 20V70H110"
    at = {text.text: numbers_of(text, "x", "y", "font-size") for text in elements(picture, "text")}
    for tick in (0.5, 2):
        x, y, size = at[f"{tick:g}"]
        assert x == 10 + 50 * tick and 70 + size < y < at["across"][1] - size
    for tick in (-0.5, 1):
        x, y, size = at[f"{tick:g}"]
        assert x < 10 and 0 < y - (45 - 25 * tick) < size / 2
    assert at["across"][0] == 60
    assert at["up"][0] == 10 and at["up"][1] < 20


def test_the_label_comes_up_where_no_ticks_stand_below():
    with_ticks, without = (
        elements(svg(200, 100, PANEL.frame("x", xticks=ticks)), "text")[-1] for ticks in ([1], [])
    )
    [high], [low] = numbers_of(without, "y"), numbers_of(with_ticks, "y")
    assert 70 + 16 < high < low - 10


def test_the_label_across_stands_in_the_middle():
    label = elements(svg(200, 100, Panel(10, 20, 25, 50, (0, 1), (0, 1)).frame("x")), "text")[0]
    assert numbers_of(label, "x") == [22.5] and label.get("text-anchor") == "middle"


def test_limits_of_a_panel_may_be_any():
    panel = Panel(10, 20, 100, 50, (2, 6), (-3, -1))
    assert panel.place(2, -1) == (10, 20)
    assert panel.place(6, -3) == (110, 70)
    assert panel.place(3, -1.5) == (35, 32.5)
    path = elements(svg(200, 100, [panel.curve([0, 4, 8], [-2, -2, -2])]), "path")[0].get("d")
    assert ends(path) == [(10, 45), (60, 45), (110, 45)]


def test_a_text_stands_at_its_point_unless_it_is_moved():
    here, moved = (PANEL.text("a", 1, 0, **by) for by in ({}, {"dx": 3, "dy": -4}))
    at = [elements(svg(200, 100, [text]), "text")[0] for text in (here, moved)]
    assert [(float(t.get("x")), float(t.get("y"))) for t in at] == [(60, 45), (63, 41)]


def test_a_filled_shape_keeps_its_corners():
    path = PANEL.curve([0, 1, 2, 0], [-1, 1, -1, -1], fill=0.3)
    assert path.count("M") == 1 and path.count("L") == 3
    assert "fill-opacity:0.3" in path
