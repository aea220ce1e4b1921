"""What a reader sees: figures of `explore` on a page in a real browser, with no server."""

import base64
import io
import random
import statistics

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from test_explore import (
    CURVE,
    CURVE_STATES,
    GRID,
    GRID_STATES,
    curve,
    describe_grid,
    grid,
)

from helpers.explore import explore

PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Figures</title>
<style>body{font:16px/1.6 sans-serif;max-width:44rem;margin:auto;padding:16px}
html[data-theme=dark]{background:#121212;color:#ced6dd}</style>
<p>Before</p>FIGURES<p id="after">After</p></html>"""
DPI = 165  # gives the sprite two columns
MOST_MILLISECONDS = 50  # from an input to its picture


@pytest.fixture(scope="module")
def figures():
    """The HTML of the grid and of the curve."""
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORE_MODE", "static")
        patch.setattr(IPython.display, "display", lambda b, **_: outputs.append(b["text/html"]))
        explore(grid, title="Grid", describe=describe_grid, caption="A caption.", **GRID)
        explore(curve, title="Curve", dpi=DPI, **CURVE)
    return outputs


@pytest.fixture(scope="module")
def address(figures, tmp_path_factory):
    """A page with the grid, the curve and the grid again."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(PAGE.replace("FIGURES", "".join([*figures, figures[0]])), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; at the end, no script failed and nothing was asked of a network."""
    contexts, faults = [], []

    def watch(request):
        if not request.url.startswith(("file:", "data:", "about:")):
            faults.append(f"request to {request.url}")

    def call(content=None, **options):
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(5000)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        page.on("request", watch)
        if content is None:
            page.goto(address)
        else:
            page.set_content(content)
        return page

    yield call
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page):
    return open_page()


def figure_of(page, title, nth=0):
    return page.get_by_role("group", name=title, exact=True).nth(nth)


def slider(figure, name):
    return figure.get_by_role("slider", name=name, exact=True)


def choose(figure, values, controls):
    """Set every control through its own element, as a script for a reader would."""
    for box, name in zip(figure.locator(".explore-control").all(), controls, strict=True):
        position = controls[name].index(values[name])
        if box.locator("[type=range]").count():
            box.locator("input").fill(str(position))
        elif box.locator("[type=radio]").count():
            box.locator("input").nth(position).check(force=True)
        else:
            box.locator("input").set_checked(bool(position))


def choices(states):
    return {name: list(dict.fromkeys(s[name] for s in states)) for name in states[0]}


def shows_svg(figure, text):
    """Whether the view holds these elements, as the browser itself reads the text."""
    return figure.locator(".explore-view").evaluate(
        """(view, text) => {
            const other = document.createElement('div');
            other.innerHTML = text;
            const own = document.createElement('div');
            own.append(...Array.from(view.childNodes, node => node.cloneNode(true)));
            return own.isEqualNode(other);
        }""",
        text,
    )


def drawn_pixels(**values):
    """The figure's pixels, by another way than a file."""
    figure = curve(**values)
    figure.set_dpi(DPI)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    plt.close(figure)
    return pixels


def canvas_pixels(figure):
    source = figure.locator("canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB")
    )


def picture_of(figure):
    """What has the text alternative."""
    return figure.locator(":is([role=img], img)").first


def sentence(figure):
    return figure.get_by_role("status").inner_text()


# Right pictures


def test_view_equals_draw_for_random_states(page):
    figure, controls = figure_of(page, "Grid"), choices(GRID_STATES)
    for values in random.Random(1).sample(GRID_STATES, 20):
        choose(figure, values, controls)
        assert shows_svg(figure, grid(**values))
        assert sentence(figure) == describe_grid(**values)
        assert picture_of(figure).get_attribute("aria-label") == describe_grid(**values)


def test_canvas_equals_draw_for_random_states(page):
    figure, controls = figure_of(page, "Curve"), choices(CURVE_STATES)
    start = {"scale": 1.0, "kind": "density", "exact": False}
    others = [values for values in CURVE_STATES if values != start]
    for values in [*random.Random(2).sample(others, 8), start]:
        choose(figure, values, controls)
        figure.locator("canvas").wait_for()
        assert np.array_equal(canvas_pixels(figure), drawn_pixels(**values))
        assert f"scale: {values['scale']:g}, kind: {values['kind']}" in sentence(figure)
        assert picture_of(figure).get_attribute("aria-label") == sentence(figure)


def test_sprite_is_left_alone_until_first_touch(page):
    figure = figure_of(page, "Curve")
    assert figure.locator("canvas").count() == 0
    assert figure.locator("img").evaluate("image => image.naturalWidth") == 3 * DPI


# Ways to choose


def test_keyboard_moves_picture_sentence_and_value(page):
    figure = figure_of(page, "Grid")
    slider(figure, "row").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    assert shows_svg(figure, grid(row=5))
    assert sentence(figure) == describe_grid(5, 3, "A", 1, 2)
    assert slider(figure, "row").get_attribute("aria-valuetext") == "5"
    assert figure.locator("output").first.inner_text() == "5"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert shows_svg(figure, grid(row=5, column=2, mask="B"))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert shows_svg(figure, grid(row=5, column=2, mask="B", order=-1))


def test_form_is_never_sent(page):
    """Some browsers send a form on Enter; Chromium needs to be asked."""
    page.evaluate("window.stays = true")
    figure_of(page, "Curve").locator("form").evaluate("form => form.requestSubmit()")
    page.wait_for_timeout(300)
    assert page.evaluate("window.stays") is True


def test_keys_stay_in_the_figure(page):
    page.evaluate("document.addEventListener('keydown', () => { window.taken = true; })")
    slider(figure_of(page, "Grid"), "row").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.taken") is None


def cell(figure, row, column):
    """The middle of a cell, on the screen."""
    figure.locator(".explore-view").scroll_into_view_if_needed()
    box = figure.locator("rect").nth(5 * (row - 1) + column - 1).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at(figure):
    return [
        int(slider(figure, name).get_attribute("aria-valuetext")) for name in ("row", "column")
    ]


def test_click_moves_the_sliders(page):
    figure = figure_of(page, "Grid")
    page.mouse.click(*cell(figure, 4, 5))
    assert at(figure) == [4, 5]
    assert slider(figure, "row").input_value() == "3"
    assert shows_svg(figure, grid(row=4, column=5))
    assert sentence(figure) == describe_grid(4, 5, "A", 1, 2)


def test_drag_follows_the_pointer(page):
    figure = figure_of(page, "Grid")
    page.mouse.move(*cell(figure, 1, 1))
    assert at(figure) == [2, 3]
    page.mouse.down()
    path = [at(figure)]
    for place in [(1, 3), (3, 3), (5, 4)]:
        page.mouse.move(*cell(figure, *place), steps=3)
        path.append(at(figure))
    page.mouse.up()
    page.mouse.move(*cell(figure, 1, 1))
    assert path == [[1, 1], [1, 3], [3, 3], [5, 4]]
    assert at(figure) == [5, 4]


def test_drag_ends_wherever_the_pointer_is_let_go(page):
    figure = figure_of(page, "Grid")
    page.mouse.move(*cell(figure, 4, 1))
    page.mouse.down()
    page.mouse.move(2, 2)
    page.mouse.up()
    page.mouse.move(*cell(figure, 1, 1))
    assert at(figure) == [4, 1]


@pytest.fixture
def phone(open_page):
    return open_page(viewport={"width": 360, "height": 500}, has_touch=True, is_mobile=True)


def swipe(page, start, right, down, before_end=lambda: None):
    """A finger's way over the screen, in steps, as the browser gets it from a touch screen."""
    session = page.context.new_cdp_session(page)

    def send(kind, points):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(20)

    x, y = start
    send("touchStart", [{"x": x, "y": y}])
    for i in range(1, 11):
        send("touchMove", [{"x": x + right * i / 10, "y": y + down * i / 10}])
    before_end()
    send("touchEnd", [])
    page.wait_for_timeout(100)


def test_tap_moves_the_sliders(phone):
    figure = figure_of(phone, "Grid")
    phone.touchscreen.tap(*cell(figure, 5, 1))
    assert at(figure) == [5, 1]
    assert shows_svg(figure, grid(row=5, column=1))


def test_finger_drags_sideways(phone):
    figure = figure_of(phone, "Grid")
    start, end = cell(figure, 3, 1), cell(figure, 3, 5)
    path = []
    swipe(phone, start, end[0] - start[0], 0, lambda: path.append(at(figure)))
    assert path == [[3, 5]]
    assert at(figure) == [3, 5]


def test_finger_scrolls_the_page_from_the_picture(phone):
    figure = figure_of(phone, "Grid")
    before = phone.evaluate("scrollY")
    swipe(phone, cell(figure, 5, 3), 0, -150)
    assert phone.evaluate("scrollY") > before + 50
    assert at(figure) == [2, 3]


def test_figures_do_not_disturb_each_other(page):
    grid_1, curves, grid_2 = (
        figure_of(page, "Grid"),
        figure_of(page, "Curve"),
        figure_of(page, "Grid", 1),
    )
    grid_1.get_by_role("radio", name="B", exact=True).check(force=True)
    curves.get_by_role("radio", name="log-density").check(force=True)
    assert shows_svg(grid_1, grid(mask="B"))
    assert shows_svg(grid_2, grid())
    assert grid_2.get_by_role("radio", name="A", exact=True).is_checked()
    assert sentence(curves) == "scale: 1, kind: log-density, exact: off."
    page.mouse.click(*cell(grid_2, 1, 1))
    assert (at(grid_1), at(grid_2)) == ([2, 3], [1, 1])


def test_every_control_has_its_name(page):
    figure = figure_of(page, "Curve")
    assert slider(figure, "scale").count() == 1
    assert figure.get_by_role("group", name="kind", exact=True).get_by_role("radio").count() == 2
    assert figure.get_by_role("checkbox", name="exact", exact=True).count() == 1


@pytest.fixture
def open_figure(open_page, monkeypatch):
    """Opens a page with the one figure that `explore` makes of the arguments."""

    def call(draw, **options):
        outputs = []
        monkeypatch.setattr(IPython.display, "display", lambda b, **_: outputs.append(b))
        monkeypatch.setenv("EXPLORE_MODE", "static")
        explore(draw, **options)
        page = open_page(PAGE.replace("FIGURES", outputs[0]["text/html"]))
        return page.locator(".explore")

    return call


def test_menu_chooses(open_figure):
    def draw(letter="c"):
        return f'<svg viewBox="0 0 9 9"><text y="9">{letter}</text></svg>'

    figure = open_figure(draw, title="Menu", letter=list("abcde"))
    figure.get_by_role("combobox", name="letter", exact=True).select_option("e")
    assert shows_svg(figure, draw("e"))
    assert sentence(figure) == "letter: e."


def test_a_line_may_have_many_versions(open_figure):
    def draw(number=0):
        return f'<svg viewBox="0 0 9 9"><text y="9">{number}</text></svg>'

    figure = open_figure(draw, title="Numbers", number=(0, 199))
    for number in (199, 63, 64, 65, 0, 128):
        slider(figure, "number").fill(str(number))
        assert shows_svg(figure, draw(number))
        assert sentence(figure) == f"number: {number}."


# The page around


def test_without_scripts_the_default_is_there(open_page):
    page = open_page(java_script_enabled=False)
    for figure in (figure_of(page, "Grid"), figure_of(page, "Curve")):
        assert picture_of(figure).is_visible()
        assert figure.get_by_role("status").is_visible()
        assert not figure.locator("form").is_visible()
    assert figure_of(page, "Grid").get_by_text("A caption.").is_visible()
    assert sentence(figure_of(page, "Grid")) == describe_grid(2, 3, "A", 1, 2)
    assert figure_of(page, "Grid").locator("rect").count() == 25


def test_print_hides_the_controls(page):
    page.emulate_media(media="print")
    assert not figure_of(page, "Grid").locator("form").is_visible()
    assert picture_of(figure_of(page, "Grid")).is_visible()


def test_nothing_moves_when_the_state_changes(open_page):
    page = open_page(viewport={"width": 400, "height": 800})
    figure, controls = figure_of(page, "Grid"), choices(GRID_STATES)
    places = set()
    for values in [GRID_STATES[0], GRID_STATES[-1], *random.Random(3).sample(GRID_STATES, 4)]:
        choose(figure, values, controls)
        choose(figure_of(page, "Curve"), CURVE_STATES[len(places)], choices(CURVE_STATES))
        page.wait_for_timeout(50)
        places.add(page.locator("#after").evaluate("e => e.getBoundingClientRect().y + scrollY"))
    assert len(places) == 1


@pytest.mark.parametrize("width", [320, 360])
def test_all_fits_a_narrow_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in page.locator(":is(.explore-view, .explore-control, .explore p, output)").all():
        place = box.bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= width


def test_controls_are_large_enough_for_a_finger(page):
    for control in page.locator(".explore-control").all():
        targets = control.locator("[type=range], select, div > label").all() or [control]
        for target in targets:
            place = target.bounding_box()
            assert place["height"] >= 32 and place["width"] >= 32


def shot(view):
    return np.asarray(Image.open(io.BytesIO(view.screenshot())).convert("RGB")).astype(int)


DARK = [
    "document.documentElement.dataset.theme = 'dark'",  # Jupyter Book
    "document.documentElement.setAttribute('theme', 'dark')",  # Colab
    "document.body.dataset.jpThemeLight = 'false'",  # JupyterLab
]


@pytest.mark.parametrize("turn_dark", DARK, ids=["book", "colab", "lab"])
def test_dark_pages_turn_pictures_dark(page, turn_dark):
    views = [figure_of(page, title).locator(".explore-view") for title in ("Grid", "Curve")]
    light = [shot(view) for view in views]
    page.evaluate(turn_dark)
    dark = [shot(view) for view in views]
    assert light[0][190, 190].tolist() == [0xF0, 0xF1, 0xF3]  # --future
    assert dark[0][190, 190].tolist() == [0x23, 0x28, 0x2F]
    assert light[1].mean() > 220 and dark[1].mean() < 60
    assert dark[1][2, 2].tolist() == [0x12, 0x12, 0x12]  # --paper: the picture has no edge


def test_runs_in_a_sandboxed_frame(open_page, figures):
    source = "".join(figures).replace("&", "&amp;").replace('"', "&quot;")
    page = open_page(f'<iframe sandbox="allow-scripts" width=800 height=1600 srcdoc="{source}">')
    frame = page.frame_locator("iframe")
    grids, curves = (frame.get_by_role("group", name=n, exact=True) for n in ("Grid", "Curve"))
    slider(grids, "row").press("End")
    assert shows_svg(grids, grid(row=5))
    slider(curves, "scale").press("End")
    curves.locator("canvas").wait_for()
    assert np.array_equal(canvas_pixels(curves), drawn_pixels(scale=1.9))


def test_script_run_twice_starts_each_figure_once(page):
    curves = figure_of(page, "Curve")
    slider(curves, "scale").press("ArrowRight")
    curves.locator("canvas").wait_for()
    scripts = page.locator(".explore script:not([type])")
    scripts.evaluate_all("scripts => scripts.forEach(script => (0, eval)(script.text))")
    slider(curves, "scale").press("End")
    assert np.array_equal(canvas_pixels(curves), drawn_pixels(scale=1.9))


WATCH = """root => {
    root.times = [];
    root.addEventListener('input', event => requestAnimationFrame(() => requestAnimationFrame(
        () => root.times.push(performance.now() - event.timeStamp))), true);
}"""


@pytest.mark.parametrize("title", ["Grid", "Curve"])
def test_picture_follows_within_50_ms(page, title, capsys):
    figure = figure_of(page, title)
    figure.evaluate(WATCH)
    first = figure.get_by_role("slider").first
    first.press("Home")
    page.wait_for_timeout(500)
    for i in range(40):
        first.press("ArrowRight" if i % 8 < 4 else "ArrowLeft")
        page.wait_for_timeout(40)
    page.wait_for_timeout(100)
    times = figure.evaluate("root => root.times")[1:]
    median = statistics.median(times)
    with capsys.disabled():
        print(f"\n{title}: median {median:.0f} ms, at most {max(times):.0f} ms of {len(times)}")
    assert len(times) >= 30 and median <= MOST_MILLISECONDS
