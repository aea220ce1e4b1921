"""What portraits draw in a real browser, held against PyTorch; how they move; what they forget."""

import functools
import io
import random
import re
import statistics
from pathlib import Path

import IPython.display
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment

from helpers.games import dot_game, play, rule, update_matrix
from helpers.portrait import OFFERED, PENALISED, portrait

PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Portraits</title>
<style>body{font:16px/1.6 sans-serif;max-width:44rem;margin:auto;padding:16px}
html[data-theme=dark]{background:#121212;color:#ced6dd}</style>
FIGURES<p id="after">After</p></html>"""
NEAR = 1e-6  # in data units
MOST_MILLISECONDS = 16

# Everything that a portrait shows, of a figure on the page or of one that no script has touched.
READ = """(root, html) => {
  if (html) root = new DOMParser().parseFromString(html, 'text/html').querySelector('.portrait');
  const one = s => root.querySelector(s), all = s => [...root.querySelectorAll(s)];
  const place = e => e.getAttribute('d') ?? e.getAttribute('transform');
  const number = (s, name) => +one(s).getAttribute(name);
  return {
    rules: Object.fromEntries(all('tbody tr').map((row, i) => [row.dataset.rule, {
      ticked: row.querySelector('input').checked, on: row.classList.contains('on'),
      texts: [...row.cells].map(cell => cell.textContent),
      number: all(`svg .${row.classList[0]} text`).map(text => text.textContent),
      drawn: all(`svg .${row.classList[0]}:not([hidden])`).map(place) }])),
    sliders: Object.fromEntries(all('input[type=range]').map(input =>
      [input.name, [+input.getAttribute('value'), +input.value, input.disabled,
                    input.nextElementSibling.textContent]])),
    at: one('.handle').getAttribute('aria-valuetext'), now: number('.handle', 'aria-valuenow'),
    handle: place(one('.handle')), label: one('.at').textContent, flow: number('.flow', 'r'),
    circle: ['cx', 'cy', 'r'].map(name => number('.circle', name)),
    marks: [number('.one', 'x'), number('.i', 'y')],
    ticks: all('.tick').map(tick => tick.textContent), grid: place(one('.grid')),
    zero: place(one('.zero')), last: one('.last').textContent,
    said: one('[role=status]').textContent,
  };
}"""
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
SET = """(root, values) => {
  for (const input of root.querySelectorAll('input[type=range]'))
    input.value = values[input.name] ?? input.value;
  for (const row of root.querySelectorAll('tbody tr'))
    row.querySelector('input').checked = values.shown.includes(row.dataset.rule);
  root.dispatchEvent(new Event('input'));
  return (FRAMES)();
}""".replace("FRAMES", FRAMES)


def html_of(**options):
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IPython.display, "display", lambda bundle, **_: outputs.append(bundle))
        portrait(**{"title": "Portrait", **options})
    return outputs[0]["text/html"]


@pytest.fixture(scope="module")
def html():
    return html_of(caption="A caption.", shown=("simultaneous", "optimistic"))


@pytest.fixture
def open_page(browser):
    """Opens a page; at the end, no script failed and nothing was asked of a network."""
    contexts, faults = [], []

    def call(*figures, **options):
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(5000)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
        page.on("request", lambda request: faults.append(request.url))
        page.set_content(PAGE.replace("FIGURES", "".join(figures)))
        return page

    yield call
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page, html):
    return open_page(html)


def figure_of(page, nth=0):
    return page.locator(".portrait").nth(nth)


def read(figure, html=None):
    return figure.evaluate(READ, html)


def settle(page):
    page.evaluate(FRAMES)


def at(figure):
    """The start, as it is said."""
    text = figure.get_by_role("slider", name="start").get_attribute("aria-valuetext")
    return tuple(map(float, re.fullmatch(r"d (\S+), g (\S+)", text.replace("−", "-")).groups()))


def on_screen(figure, d, g):
    box = figure.locator(".portrait-plane").bounding_box()
    return box["x"] + box["width"] * (d + 3) / 6, box["y"] + box["height"] * (3 - g) / 6


# What is drawn, in the units of the data


def numbers(text):
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", text), dtype=float)


def places(path):
    """The points of a path, (n, 2)."""
    return numbers(path.replace("h0", "")).reshape(-1, 2)


def on_plane(path):
    return (places(path) - 240) / [80, -80]


def in_complex_plane(path, state):
    x, y, unit = state["circle"]
    return ((places(path) - [x, y]) / [unit, -unit]) @ [1, 1j]


def on_log_axes(path, state):
    """Shares of all steps, and logarithms by the labels of the axis, as a reader finds them."""
    heights = places(re.sub(r"H\d+", "", state["grid"]))[:, 1]
    ticks = [float(text.replace("−", "-")) for text in state["ticks"]]
    left, right = numbers(state["grid"])[[0, 2]]
    xy = places(path)
    slope = (ticks[-1] - ticks[0]) / (heights[-1] - heights[0])
    share = (xy[:, 0] - left) / (right - left)
    return np.stack([share, ticks[0] + slope * (xy[:, 1] - heights[0])], axis=1)


# What PyTorch says


@functools.cache
def made(name, penalty):
    return rule(name, penalty=penalty) if name in PENALISED else rule(name)


@functools.cache
def path_of(name, rate, penalty, start, steps):
    start = torch.tensor(start, dtype=torch.float64)
    return play(dot_game(), made(name, penalty), rate, start, steps).numpy()


@functools.cache
def eigenvalues_of(name, rate, penalty):
    return torch.linalg.eigvals(update_matrix(dot_game(), made(name, penalty), rate)).numpy()


def apart(a, b):
    """The largest distance between two sets of complex numbers in the best pairing."""
    if len(a) != len(b):
        return np.inf
    distances = abs(np.subtract.outer(a, b))
    return distances[linear_sum_assignment(distances)].max()


def far(a, b):
    return np.inf if np.shape(a) != np.shape(b) else np.max(np.abs(np.subtract(a, b)), initial=0)


def faults(state, trails=False):
    """What a portrait shows and PyTorch contradicts."""
    rate, penalty, steps = (state["sliders"][name][1] for name in ("rate", "penalty", "steps"))
    start = tuple(numbers(state["at"].replace("−", "-")))
    found = []

    def check(what, difference, most=NEAR):
        if not difference <= most:
            found.append(f"{what}: {difference:g}")

    check("handle", far(on_plane(state["handle"])[0], start))
    check("label", far(numbers(state["label"].replace("−", "-")), start))
    check("flow", abs(state["flow"] / 80 - np.hypot(*start)), 1e-4)
    check("count of steps", abs(int(state["last"]) - steps))
    check("zero", far(on_log_axes(state["zero"], state), [[0, 0], [1, 0]]), 0.01 * span(state))
    x, y, unit = state["circle"]
    check("marks", far(state["marks"], [x + unit + 6, y - unit - 6]), 0.06)
    for name, shown in state["rules"].items():
        if not shown["ticked"]:
            check(f"{name} is not shown", len(shown["drawn"]) + shown["on"])
            check(f"{name} says nothing", len("".join(shown["texts"][1:])))
            continue
        line, dots, _, trail, values, _, norm, law, _ = shown["drawn"]
        path = path_of(name, rate, penalty, start, steps)
        exact = eigenvalues_of(name, rate, penalty)
        radius = abs(exact).max()
        near = path[(abs(path) <= 1e4).all(axis=1)]
        check(f"{name}, dots", far(on_plane(dots), path[(abs(path) <= 3).all(axis=1)]))
        check(f"{name}, line", far(on_plane(line), near), 0.0007)
        check(f"{name}, eigenvalues", apart(in_complex_plane(values, state), exact))
        norms = np.hypot(*path.T)
        logs = np.log10(norms / norms[0])
        wanted = np.stack([np.linspace(0, 1, steps + 1), logs], axis=1)
        check(f"{name}, norms", far(on_log_axes(norm, state), wanted), NEAR * span(state))
        wanted = [[0, 0], [1, steps * np.log10(radius)]]
        check(f"{name}, law", far(on_log_axes(law, state), wanted), NEAR * span(state))
        check(f"{name}, radius", abs(float(shown["texts"][1]) - radius), 6e-6)
        check(f"{name}, verdict", shown["texts"][2] != word(radius))
        if trails:
            rates = [eigenvalues_of(name, i / 10, penalty) for i in range(23)]
            drawn = in_complex_plane(trail, state)
            check(f"{name}, trail", apart(drawn, np.concatenate(rates)), 0.08 / unit)
    return found


def span(state):
    """By how much the labels of the norms are apart, or one: paths have five decimals."""
    ticks = [float(text.replace("−", "-")) for text in state["ticks"]]
    return max(1, ticks[1] - ticks[0])


def word(radius):
    close = abs(radius - 1) < 1e-9
    return "circles for ever" if close else "leaves" if radius > 1 else "comes home"


def random_setting(source):
    many = source.random() < 0.1
    return {
        "rate": source.randint(1, 219) / 100,
        "penalty": source.randint(2, 80) / 20,
        "steps": source.randint(100, 300) if many else source.randint(1, 50),
        "shown": source.sample(OFFERED, 2 if many else source.randint(1, 5)),
        "start": [source.uniform(-2.9, 2.9), source.uniform(-2.9, 2.9)],
    }


def choose(page, figure, setting):
    """Set every control as a reader would, the start by the mouse."""
    for name, shown in read(figure)["rules"].items():
        if shown["ticked"] != (name in setting["shown"]):
            figure.locator(f'[data-rule="{name}"] input').click()
    for name in ("rate", "steps", "penalty"):
        slider = figure.locator(f"input[name={name}]")
        if slider.is_enabled():
            slider.fill(str(setting[name]))
    page.mouse.move(*on_screen(figure, *at(figure)))
    page.mouse.down()
    page.mouse.move(*on_screen(figure, *setting["start"]))
    page.mouse.up()
    settle(page)


def test_random_settings_are_drawn_as_pytorch_has_them(page):
    figure, source, seen = figure_of(page), random.Random(6), []
    figure.scroll_into_view_if_needed()
    for i in range(20):
        setting = random_setting(source)
        choose(page, figure, setting)
        state = read(figure)
        assert faults(state, trails=i == 0) == [], setting
        assert [name for name in OFFERED if state["rules"][name]["ticked"]] == sorted(
            setting["shown"], key=OFFERED.index
        )
        assert state["sliders"]["rate"][1::2] == [setting["rate"], f"{setting['rate']:.2f}"]
        if set(setting["shown"]) & set(PENALISED):
            penalty = setting["penalty"]
            assert state["sliders"]["penalty"][1:] == [penalty, False, f"{penalty:.2f}"]
        assert state["sliders"]["steps"][1::2] == [setting["steps"], str(setting["steps"])]
        assert far(at(figure), setting["start"]) < 0.02
        assert state["now"] == at(figure)[0]
        seen += setting["shown"]
    assert min(map(seen.count, OFFERED)) >= 3


def test_numbers_stand_by_their_rules_and_apart(page):
    figure, source = figure_of(page), random.Random(1)
    for _ in range(8):
        setting = {**random_setting(source), "shown": list(OFFERED)}
        figure.evaluate(SET, setting)
        rules = read(figure)["rules"].values()
        assert [shown["number"] for shown in rules] == [[str(i)] * 3 for i in range(1, 10)]
        for picture, size in ((2, (480, 480)), (5, (360, 254)), (8, (360, 254))):
            marks = np.concatenate([places(shown["drawn"][picture]) for shown in rules])
            gaps = abs((marks[:, None] - marks) @ [1, 1j])[np.triu_indices(9, 1)]
            assert gaps.min() > 20
            assert marks.min() >= 10 and (size - marks).min() >= 10


# What Python drew is what the script draws first

FIRST = {
    "plain": {},
    "all": {"shown": OFFERED[::-1], "start": (-0.7, 2.25), "learning_rate": 0.55, "steps": 25},
    "long": {"shown": OFFERED[:6:5], "learning_rate": 0.01, "steps": 300},
    "some rules": {"rules": OFFERED[4:8], "shown": OFFERED[6:7], "penalty": 2.35},
    "no penalty": {"rules": OFFERED[:3], "shown": OFFERED[:3]},
    "nothing moves": {"shown": OFFERED[4:7], "learning_rate": 0, "steps": 3},
    "at the equilibrium": {"shown": OFFERED[:2], "start": (0, 0), "steps": 3},
    "double roots": {"shown": OFFERED[1::6], "learning_rate": 2, "penalty": 2, "steps": 9},
    "home in two steps": {"shown": OFFERED[7:8], "learning_rate": 1, "penalty": 2, "steps": 5},
    "alternating, home in two": {"shown": OFFERED[8:], "learning_rate": 1, "steps": 5},
    "hops": {"shown": OFFERED[7:8], "learning_rate": 1, "penalty": 2.5, "steps": 20},
    "beyond doubles": {"shown": OFFERED[-1:], "learning_rate": 2.2, "penalty": 4, "steps": 300},
    "in the corner": {"start": (3, -3), "steps": 1},
}


def unlike(a, b, most=1e-4):
    """Where two states differ: in a word, or in a number by more than rounding."""
    if isinstance(a, dict):
        assert list(a) == list(b)
        return [(key, *rest) for key in a for rest in unlike(a[key], b[key])]
    if isinstance(a, list):
        pairs = list(zip(a, b, strict=True)) if len(a) == len(b) else [(str(a), str(b))]
        return [(i, *rest) for i, (x, y) in enumerate(pairs) for rest in unlike(x, y)]
    if isinstance(a, str) and not isinstance(b, str):
        return [(a, b)]
    if isinstance(a, str):
        same = re.sub(r"[\d.]+", "#", a) == re.sub(r"[\d.]+", "#", b)
        return [] if same and far(numbers(a), numbers(b)) <= most else [(a, b)]
    return [] if abs((a or 0) - (b or 0)) <= most else [(a, b)]


@pytest.mark.parametrize("case", FIRST)
def test_script_starts_with_what_python_drew(open_page, case):
    """To 1e-6 in data units: a unit is 80 long in the plane, and 1e-4 of the picture is less."""
    still = html_of(**FIRST[case])
    figure = figure_of(open_page(still))
    drawn, was = read(figure), read(figure, still)
    if case in ("plain", "all", "long", "some rules", "in the corner"):
        assert faults(drawn, trails=case == "all") == []
    for name, shown in drawn["rules"].items():
        if not shown["ticked"]:
            assert shown.pop("number") == [shown["texts"][0][:1]] * 3
            assert was["rules"][name].pop("number") == []
        else:
            # Where 1 decimal is drawn, rounding may fall to either side.
            for i in (0, 2, 3, 5, 8):
                a, b = numbers(shown["drawn"][i]), numbers(was["rules"][name]["drawn"][i])
                assert far(a, b) < 0.11, (name, i)
                shown["drawn"][i] = was["rules"][name]["drawn"][i] = ""
    assert unlike(drawn, was) == []


WORDS = {
    ("alternating", 2, 1): "leaves",  # a Jordan block
    ("alternating, generator first", 2, 1): "leaves",
    ("alternating", 1.99, 1): "circles for ever",
    ("alternating", 2.01, 1): "leaves",
    ("gradient penalty", 2, 2): "leaves",
    ("gradient penalty", 1, 1): "circles for ever",
    ("gradient penalty", 1, 2): "comes home",
    ("gradient penalty", 1, 2.5): "hops for ever",
    ("gradient penalty, alternating", 1, 1.5): "hops for ever",
    ("gradient penalty, alternating", 1, 1): "comes home",
    ("consensus", 1, 1): "circles for ever",
    ("consensus", 0.8, 2): "circles for ever",
    ("extragradient", 1, 1): "circles for ever",
    ("extragradient", 0.99, 1): "comes home",
    ("optimistic", 0.57, 1): "comes home",
    ("optimistic", 0.58, 1): "leaves",
    ("implicit", 2.2, 1): "comes home",
    ("simultaneous", 0.01, 1): "leaves",
    ("simultaneous", 0, 1): "stays put",
    ("optimistic", 0, 1): "stays put",
}


def test_verdicts_at_the_thresholds(page):
    figure = figure_of(page)
    said = {}
    for name, rate, penalty in WORDS:
        figure.evaluate(SET, {"shown": [name], "rate": rate, "penalty": penalty, "steps": 20})
        said[name, rate, penalty] = read(figure)["rules"][name]["texts"][2]
    assert said == WORDS
    figure.evaluate(SET, {"shown": ["consensus"], "rate": 0.01, "penalty": 0.1})
    assert read(figure)["rules"]["consensus"]["texts"][1] == "0.99905"


# Sabotage: what must not go unnoticed

SABOTAGE = {
    "field turned around": ("([d, g]) => [g, -d]", "([d, g]) => [-g, d]"),
    "both descend": ("([d, g]) => [g, -d]", "([d, g]) => [g, d]"),
    "simultaneous backwards": ("add(x, a, field(x)),\n", "add(x, -a, field(x)),\n"),
    "alternating simultaneous": (
        "second(first(x, a, field), a, field)",
        "add(x, a, field(x))",
    ),
    "order of alternation": (
        "first(second(x, a, field), a, field)",
        "second(first(x, a, field), a, field)",
    ),
    "implicit denominator": ("part / (1 + a * a)", "part / (1 + a)"),
    "extragradient at the old point": (
        "add(x, a, field(add(x, a, field(x))))",
        "add(x, a, field(add(x, 0, field(x))))",
    ),
    "optimistic once": ("add(x, 2 * a, field(x))", "add(x, a, field(x))"),
    "optimistic looks not back": ("-a, field(before)", "-a, field(x)"),
    "optimistic adds": ("-a, field(before)", "a, field(before)"),
    "consensus ascends": ("add(field(x), -c, x)", "add(field(x), c, x)"),
    "penalty ascends": ("[g - c * d, -d]", "[g + c * d, -d]"),
    "penalty on the generator": ("[g - c * d, -d]", "[g, -d - c * g]"),
    "penalty forgotten": ("first(x, a, damped(c))", "first(x, a, field)"),
    "one step less": ("k <= s.steps", "k < s.steps"),
    "two starts": ("path.slice(1)", "path"),
    "discriminant": ("1 - 4 * a * a", "1 - 2 * a * a"),
    "optimistic branches": ("part > 0 ? [0.5 + r, a]", "part < 0 ? [0.5 + r, a]"),
    "branches": ("part > 0 ? [mean + r, 0]", "part < 0 ? [mean + r, 0]"),
    "one half-plane": ("[re, -im]", "[re, im]"),
    "determinant": ("** 2 + q * r", "** 2 - q * r"),
    "trace": ("mean = (p + t) / 2", "mean = (p - t) / 2"),
    "smallest eigenvalue": ("Math.max(...values.map", "Math.min(...values.map"),
    "verdict": ('excess > 0 ? "leaves" : "comes home"', 'excess < 0 ? "leaves" : "comes home"'),
    "tolerance": ("SLIGHT = 1e-12", "SLIGHT = 1e-1"),
    "natural logarithm": ("Math.log10(modulus(x)", "Math.log(modulus(x)"),
    "norm not relative": ("Math.log10(modulus(x) / modulus(at))", "Math.log10(modulus(x))"),
    "law without steps": ("s.steps * Math.log10(radius", "1 * Math.log10(radius"),
    "g down": ("MIDDLE - SCALE * g", "MIDDLE + SCALE * g"),
    "d and g swapped": ("const inPlane = ([d, g])", "const inPlane = ([g, d])"),
    "another scale": ("SCALE = 80", "SCALE = 81"),
    "real axis mirrored": ("[x + unit * re, y - unit * im]", "[x - unit * re, y - unit * im]"),
    "circle too large": ('"r", +unit', '"r", 1.001 * +unit'),
    "logarithms shifted": ("unit * (value - ticks[0])", "unit * value"),
    "steps stretched": ("* k / s.steps", "* (k + 1) / s.steps"),
    "trail of other rates": ("(_, i) => i / 10", "(_, i) => i / 11"),
    "trail of another penalty": ("(rule.name, rate, s.penalty)", "(rule.name, rate, 1)"),
    "points left out": ("within(RADIUS)", "within(2)"),
    "label of the start": ("`start (${d}, ${g})`", "`start (${g}, ${d})`"),
    "continuous time": ("SCALE * modulus(at)", "SCALE * at[0]"),
}  # fmt: skip
TRIALS = [
    {"shown": list(OFFERED), "rate": 0.3, "penalty": 1.7, "steps": 12},
    {"shown": list(OFFERED), "rate": 0.85, "penalty": 0.6, "steps": 12},
]


@pytest.fixture(scope="module")
def bench(browser):
    """A page that many portraits are put on, one after the other."""
    context = browser.new_context(viewport={"width": 400, "height": 400})
    yield context.new_page()
    context.close()


def noticed(page, html):
    page.set_content(html)
    figure = figure_of(page)
    for trial in TRIALS:
        figure.evaluate(SET, trial)
        if faults(read(figure), trails=True):
            return True
    return False


@pytest.fixture(scope="module")
def unspoilt():
    return html_of(start=(0.83, -0.41))


def test_trials_find_no_fault_in_the_script(bench, unspoilt):
    assert not noticed(bench, unspoilt)


@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_is_noticed(bench, unspoilt, name):
    right, wrong = SABOTAGE[name]
    assert unspoilt.count(right) >= 1
    assert noticed(bench, unspoilt.replace(right, wrong, 1))


# Ways to move the start


def test_mouse_drags_the_start_and_takes_it_up_anywhere(page):
    figure = figure_of(page)
    figure.scroll_into_view_if_needed()
    page.mouse.move(*on_screen(figure, 1.05, 0.53))
    page.mouse.down()
    settle(page)
    assert at(figure) == (1, 0.5)
    page.mouse.move(*on_screen(figure, -1.95, 2.03), steps=3)
    settle(page)
    assert far(at(figure), (-2, 2)) <= 0.02
    page.mouse.move(*on_screen(figure, -9, 0))
    page.mouse.up()
    page.mouse.move(*on_screen(figure, 0, 0))
    settle(page)
    assert far(at(figure), (-3, 0)) <= 0.04
    page.mouse.click(*on_screen(figure, 2, -1))
    settle(page)
    assert far(at(figure), (2, -1)) <= 0.02
    page.mouse.click(*on_screen(figure, 1, 1), button="right")
    settle(page)
    assert far(at(figure), (2, -1)) <= 0.02
    assert faults(read(figure)) == []


def test_keys_move_the_start_and_nothing_else(page):
    page.evaluate("document.addEventListener('keydown', () => { window.taken = true; })")
    figure = figure_of(page)
    handle = figure.get_by_role("slider", name="start")
    handle.focus()
    before = page.evaluate("scrollY")
    for key, place in [
        ("ArrowRight", (1.05, 0.5)),
        ("ArrowUp", (1.05, 0.55)),
        ("Shift+ArrowLeft", (0.55, 0.55)),
        ("Shift+ArrowDown", (0.55, 0.05)),
        ("Home", (1, 0.5)),
        *[("Shift+ArrowRight", (min(3, 1.5 + 0.5 * i), 0.5)) for i in range(5)],
    ]:
        page.keyboard.press(key)
        settle(page)
        assert at(figure) == place
    assert handle.get_attribute("aria-valuenow") == "3"
    assert page.evaluate("[window.taken, scrollY]") == [None, before]
    assert faults(read(figure)) == []


def test_tab_reaches_every_control_in_order(page):
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "(e => e.name || e.closest('tr')?.dataset.rule || e.getAttribute('aria-label'))"
                "(document.activeElement)"
            )
        )
    assert names == ["start", "rate", "steps", *OFFERED]


@pytest.fixture
def phone(open_page, html):
    viewport = {"width": 360, "height": 500}
    return open_page(html, viewport=viewport, has_touch=True, is_mobile=True)


def swipe(page, start, right, down):
    """A finger's way over the screen, in steps, as the browser gets it from a touch screen."""
    session = page.context.new_cdp_session(page)

    def send(kind, points):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        settle(page)

    x, y = start
    send("touchStart", [{"x": x, "y": y}])
    for i in range(1, 7):
        send("touchMove", [{"x": x + right * i / 6, "y": y + down * i / 6}])
    send("touchEnd", [])
    page.wait_for_timeout(50)


def test_finger_drags_the_handle_and_the_page_stays(phone):
    figure = figure_of(phone)
    (x, y), (right, down) = on_screen(figure, 1, 0.5), on_screen(figure, -1, -2)
    swipe(phone, (x + 8, y - 6), right - x, down - y)
    assert far(at(figure), (-1, -2)) <= 0.02
    assert phone.evaluate("scrollY") == 0
    assert faults(read(figure)) == []


def test_finger_scrolls_the_page_from_elsewhere_and_taps(phone):
    figure = figure_of(phone)
    swipe(phone, on_screen(figure, -1.5, -1.5), 0, -120)
    assert phone.evaluate("scrollY") > 50
    assert at(figure) == (1, 0.5)
    phone.touchscreen.tap(*on_screen(figure, -1, -1))
    settle(phone)
    assert far(at(figure), (-1, -1)) <= 0.02


# What is said


def test_rest_is_announced_and_not_every_frame(page):
    figure = figure_of(page)
    status = figure.get_by_role("status")
    first = status.inner_text()
    slider = figure.locator("input[name=rate]")
    for rate in ("0.6", "0.7", "0.8"):
        slider.fill(rate)
        settle(page)
        assert status.inner_text() == first
    page.wait_for_timeout(450)
    assert status.inner_text() == (
        "Start (1.00, 0.50), learning rate 0.80, penalty 1.00, 60 steps. "
        "Leaves: simultaneous; optimistic."
    )
    figure.evaluate(SET, {"shown": [], "rate": 0.1})
    page.wait_for_timeout(450)
    assert status.inner_text().endswith("60 steps.")


def test_script_says_what_python_says(open_page):
    """The sentence is Python's until a reader moves something, and the same when moved back."""
    for start in ((-1, 2.5), (0, 0)):
        figure = figure_of(open_page(html_of(start=start, shown=OFFERED, steps=4)))
        said = figure.get_by_role("status").inner_text()
        figure.evaluate(SET, {"shown": list(OFFERED), "rate": 0.3})
        figure.page.wait_for_timeout(450)
        assert figure.get_by_role("status").inner_text() != said
        figure.evaluate(SET, {"shown": list(OFFERED), "rate": 0.2})
        figure.page.wait_for_timeout(450)
        assert figure.get_by_role("status").inner_text() == said


def test_penalty_can_be_moved_only_where_a_rule_uses_it(page):
    figure = figure_of(page)
    slider = figure.get_by_role("slider", name="penalty (rules 7, 8, 9)")
    assert slider.is_disabled()
    for name in OFFERED:
        figure.evaluate(SET, {"shown": [name]})
        assert slider.is_enabled() == (name in PENALISED)


def test_controls_have_names_and_room_for_a_finger(phone):
    figure = figure_of(phone)
    for name in ("start", "learning rate", "steps"):
        assert figure.get_by_role("slider", name=name, exact=True).count() == 1
    for name in OFFERED:
        assert figure.get_by_role("checkbox", name=re.compile(rf"\d {name}$")).count() == 1
    for target in figure.locator(".reach, input[type=range], td label").all():
        box = target.bounding_box()
        assert box["height"] >= 32 and box["width"] >= 32
    assert figure.locator(".reach").bounding_box()["width"] >= 40


# The page around


def test_still_without_scripts(open_page, html):
    figure = figure_of(open_page(html, java_script_enabled=False))
    for shown in (
        ".portrait-plane",
        ".portrait-eigen",
        ".portrait-norms",
        "table",
        ".portrait-said",
    ):
        assert figure.locator(shown).is_visible(), shown
    for look in ("r1", "r6"):
        assert all(part.is_visible() for part in figure.locator(f"svg .badge.{look}").all())
        assert figure.locator(f"svg .{look}").count() == 9
    rows = figure.locator("tbody tr")
    assert [row.is_visible() for row in rows.all()] == [i in (0, 5) for i in range(9)]
    assert "1.01980" in rows.first.inner_text() and "leaves" in rows.first.inner_text()
    assert not figure.locator("input").first.is_visible()
    assert not any(box.is_visible() for box in figure.locator("[type=checkbox]").all())
    assert not figure.locator(".hint").is_visible()
    assert figure.get_by_text("A caption.").is_visible()


def test_print_is_the_still_of_the_moment(page):
    figure = figure_of(page)
    figure.evaluate(SET, {"shown": ["implicit"], "rate": 0.4})
    page.wait_for_timeout(450)
    page.emulate_media(media="print")
    assert not figure.locator("form").is_visible()
    assert [row.is_visible() for row in figure.locator("tbody tr").all()].count(True) == 1
    assert not any(box.is_visible() for box in figure.locator("[type=checkbox]").all())
    said = figure.locator(".portrait-said")
    assert "learning rate 0.40" in said.inner_text() and said.bounding_box()["height"] > 10


def test_portraits_do_not_disturb_each_other(open_page, html):
    page = open_page(html, html_of(shown=("implicit",), rules=OFFERED[3:]))
    one, other = figure_of(page), figure_of(page, 1)
    before = read(other), read(one)
    one.evaluate(SET, {"shown": ["alternating"], "rate": 1.5})
    page.mouse.click(*on_screen(one, -1, 2))
    settle(page)
    assert read(other) == before[0] and read(one) != before[1]
    before = read(one)
    other.scroll_into_view_if_needed()
    page.mouse.click(*on_screen(other, -1, 2))
    settle(page)
    assert read(one) == before
    assert other.locator("tbody tr").first.inner_text().startswith("1")


def test_other_scripts_of_the_book_leave_it_alone(page):
    own = figure_of(page).locator("script").inner_text()
    explore = (Path(__file__).parents[1] / "helpers/explore.js").read_text(encoding="utf-8")
    page.evaluate("code => (0, eval)(code)", explore)
    page.evaluate("code => (0, eval)(code)", own)  # and twice is once
    figure = figure_of(page)
    assert figure.locator("svg .badge").count() == 27
    figure.get_by_role("slider", name="start").press("ArrowRight")
    settle(page)
    assert at(figure) == (1.05, 0.5)


def test_form_is_never_sent(page):
    page.evaluate("window.stays = true")
    figure_of(page).locator("form").evaluate("form => form.requestSubmit()")
    page.wait_for_timeout(100)
    assert page.evaluate("window.stays") is True


@pytest.mark.parametrize("width", [360, 390, 600, 700, 1000])
def test_all_fits_its_column_and_can_be_read(open_page, html, width):
    page = open_page(html, viewport={"width": width, "height": 800})
    figure = figure_of(page)
    figure.evaluate(SET, {"shown": list(OFFERED), "rate": 1.9, "penalty": 4, "steps": 300})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = figure.locator("svg, th, td, label, output, input").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert min(left for left, _ in boxes) >= 0 and max(right for _, right in boxes) <= width
    sizes = figure.locator("svg text").evaluate_all(
        "all => all.map(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a)"
    )
    assert min(sizes) >= (11 if width >= 390 else 10)
    tops = [box["y"] for box in (s.bounding_box() for s in figure.locator("svg").all())]
    assert (tops[0] == tops[1]) == (width >= 700)
    assert (tops[1] == tops[2]) == (width == 600)


DARK = [
    "document.documentElement.dataset.theme = 'dark'",  # Jupyter Book
    "document.documentElement.setAttribute('theme', 'dark')",  # Colab
    "document.body.dataset.jpThemeLight = 'false'",  # JupyterLab
]
COLOURS = """root => [...root.querySelectorAll('text, th, td b, td span, output, .explore-label')]
  .filter(e => e.textContent).map(e => {
    const style = getComputedStyle(e), badge = e.closest('.badge');
    const ground = badge ? getComputedStyle(badge.querySelector('circle')).fill
      : e.matches('b') ? style.backgroundColor : null;
    return [e.textContent, e instanceof SVGElement ? style.fill : style.color, ground]; })"""


def luminance(colour):
    channels = np.array(re.findall(r"[\d.]+", colour)[:3], dtype=float) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("turn", ["0", *DARK], ids=["light", "book", "colab", "lab"])
def test_text_stands_out_in_light_and_dark(page, turn):
    figure = figure_of(page)
    figure.evaluate(SET, {"shown": list(OFFERED), "rate": 0.4})
    page.evaluate(turn)
    paper = "rgb(255, 255, 255)" if turn == "0" else "rgb(18, 18, 18)"
    disc = "rgb(240, 241, 243)" if turn == "0" else "rgb(35, 40, 47)"
    colours = figure.evaluate(COLOURS)
    assert len(colours) > 60
    for text, ink, ground in colours:
        assert min(contrast(ink, g) for g in ([ground] if ground else [paper, disc])) >= 4.5, text
    lines = figure.locator(".line, .dots, .trail").evaluate_all(
        "all => all.map(e => getComputedStyle(e).stroke)"
    )
    assert len(set(lines)) == 9
    assert min(contrast(line, paper) for line in lines) >= 4.5


def test_paths_end_at_the_border(page):
    """Outside of the plane, a page with a path that leaves is as white as one without."""
    figure = figure_of(page)
    figure.evaluate(SET, {"shown": ["simultaneous"], "rate": 2.2, "steps": 40})
    box = figure.locator(".portrait-plane").bounding_box()
    clip = {"x": box["x"] - 14, "y": box["y"], "width": 12, "height": box["height"]}
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    assert (pixels == 255).all()


def test_nothing_moves_when_the_state_changes(open_page, html):
    page = open_page(html, viewport={"width": 390, "height": 800})
    figure, heights = figure_of(page), set()
    for shown in (OFFERED, OFFERED[:1], OFFERED[3:]):
        for rate in (0, 0.2, 2.2):
            figure.evaluate(SET, {"shown": list(shown), "rate": rate})
            heights.add(page.locator("#after").evaluate("e => e.getBoundingClientRect().y"))
    assert len(heights) == 1


def test_nine_rules_and_300_steps_take_one_frame(page, capsys):
    figure = figure_of(page)
    figure.evaluate(SET, {"shown": list(OFFERED), "rate": 0.1, "steps": 300})
    times = figure.evaluate(
        """root => { const times = [], input = root.querySelector('[name=rate]');
          const later = window.requestAnimationFrame;
          window.requestAnimationFrame = draw => { const from = performance.now(); draw();
            times.push(performance.now() - from); return 0; };
          for (let i = 0; i < 60; i++) {
            input.value = i / 50; root.dispatchEvent(new Event('input')); }
          window.requestAnimationFrame = later;
          return times; }"""
    )
    with capsys.disabled():
        print(f"\n9 rules, 300 steps: median {statistics.median(times):.1f} ms")
    quarter = statistics.quantiles(times)[0]  # the rest may be waiting for other processes
    assert len(times) == 60 and quarter <= MOST_MILLISECONDS
