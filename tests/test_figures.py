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
