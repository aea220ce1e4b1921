"""Figures: every cell in its role, sources as they stand in the module, a style that is set."""

import inspect
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
import torch

from helpers import figures
from helpers.autoregressive import apply_mask, kernel_mask
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
    picture = svg(100, 100, pixel_grid([["read"]], x=3, y=7, cell=50, labels=[["11"]]))
    sign, label = [
        [float(text.get(name)) for name in ("x", "y", "font-size")]
        for text in elements(picture, "text")
    ]
    assert sign == [3 + 41, 7 + 13.5, 10]
    assert label == [3 + 25, 7 + 30, 18]


def test_only_what_depends_on_the_role_changes_between_states():
    """`explore` stores lines that all states share once: two per cell may differ."""
    one, other = (pixel_grid([[role]], x=0, y=0, cell=40) for role in ("read", "future"))
    assert len(one) == len(other)
    assert sum(a != b for a, b in zip(one, other, strict=True)) == 2


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


def test_style_and_axes():
    use_book_style()
    figure, axes = new_figure("x", "y", columns=2)
    assert [ax.get_xlabel() for ax in axes] == ["x", "x"]
    assert [ax.get_ylabel() for ax in axes] == ["y", ""]
    assert not axes[0].spines["top"].get_visible()
    assert figure.get_layout_engine() is not None


def test_rows_of_images_show_the_images():
    images = torch.arange(2 * 4).view(2, 2, 2).float()
    figure = image_grid({"data": images, "model": images.flip(0)}, largest=7)
    pictures = [ax.images[0].get_array() for ax in figure.axes]
    assert [p.tolist() for p in pictures[:2]] == images.tolist()
    assert [p.tolist() for p in pictures[2:]] == images.flip(0).tolist()
    assert [figure.axes[i].get_ylabel() for i in (0, 2)] == ["data", "model"]


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
    ],
)
def test_a_curve_ends_at_the_edges_of_its_panel(points, shown):
    path = elements(svg(200, 100, [PANEL.curve(*zip(*points, strict=True))]), "path")[0].get("d")
    assert ends(path) == shown


def test_a_text_stands_at_its_point_unless_it_is_moved():
    here, moved = (PANEL.text("a", 1, 0, **by) for by in ({}, {"dx": 3, "dy": -4}))
    at = [elements(svg(200, 100, [text]), "text")[0] for text in (here, moved)]
    assert [(float(t.get("x")), float(t.get("y"))) for t in at] == [(60, 45), (63, 41)]


def test_a_filled_shape_keeps_its_corners():
    path = PANEL.curve([0, 1, 2, 0], [-1, 1, -1, -1], fill=0.3)
    assert path.count("M") == 1 and path.count("L") == 3
    assert "fill-opacity:0.3" in path
