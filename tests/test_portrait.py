"""Portraits as Python makes them: one still, its numbers, its bytes, and what it refuses."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import IPython.display
import numpy as np
import pytest
from test_explore import contrast

from helpers import portrait as module
from helpers.games import RULES
from helpers.portrait import OFFERED, PENALISED, portrait

HELPERS = Path(__file__).parents[1] / "helpers"
HEAVIEST = 29_000  # bytes of the default portrait: style, script and still


@pytest.fixture
def html_of(monkeypatch):
    def call(*args, **options):
        bundles = []
        monkeypatch.setattr(
            IPython.display, "display", lambda b, raw: bundles.append(b if raw else {})
        )
        portrait(*args, **{"title": "Portrait", **options})
        call.bundle = bundles[0]
        return bundles[0]["text/html"]

    return call


def parsed(html):
    """The figure as XML, without its style and its script."""
    return ElementTree.fromstring(re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S))


def by_class(tree, *looks):
    return [e for e in tree.iter() if set(looks) <= set((e.get("class") or "").split())]


def places(path):
    return np.array(re.findall(r"-?[\d.]+", path.replace("h0", "")), dtype=float).reshape(-1, 2)


# The still


def test_path_of_simultaneous_play_is_the_exact_spiral(html_of):
    """x_k = (1 + a^2)^(k/2) R(-k arctan a) x_0 (claim 6.3), by a route without a matrix."""
    tree = parsed(html_of(start=(0.3, -0.2), learning_rate=0.25, steps=40))
    drawn = (places(by_class(tree, "r1", "dots")[0].get("d")) - 240) / [80, -80]
    steps = np.arange(41)
    spiral = (0.3 - 0.2j) * (1 + 0.25**2) ** (steps / 2) * np.exp(-1j * steps * math.atan(0.25))
    assert abs(drawn @ [1, 1j] - spiral).max() < 1e-6
    norms = places(by_class(tree, "r1", "line")[1].get("d"))
    ticks = [float(t.text.replace("−", "-")) for t in by_class(tree, "tick")]
    logs = ticks[0] + (212 - norms[:, 1]) / 176 * (ticks[-1] - ticks[0])
    assert abs(logs - steps / 2 * math.log10(1 + 0.25**2)).max() < 1e-6
    law = places(by_class(tree, "r1", "law")[0].get("d"))
    assert abs(law - norms[[0, -1]]).max() < 2e-5


@pytest.mark.parametrize(
    ("name", "rate", "penalty", "radius"),
    [
        ("simultaneous", 0.2, 1, math.sqrt(1.04)),
        ("alternating", 0.7, 1, 1),
        ("alternating, generator first", 1.9, 1, 1),
        ("implicit", 0.5, 1, 1 / math.sqrt(1.25)),
        ("extragradient", 0.5, 1, math.sqrt(1 - 0.25 + 0.0625)),
        ("optimistic", 0.5, 1, math.sqrt(0.5)),
        ("optimistic", 0.3, 1, math.sqrt((1 + 0.8) / 2)),
        ("consensus", 0.4, 2, math.sqrt(0.04 + 0.16)),
        ("gradient penalty", 0.5, 1, math.sqrt(0.75)),
        ("gradient penalty, alternating", 0.5, 1, math.sqrt(0.5)),
        ("alternating", 2, 1, 1),
    ],
)
def test_radius_and_verdict_are_those_of_the_closed_forms(html_of, name, rate, penalty, radius):
    tree = parsed(html_of(shown=(name,), learning_rate=rate, penalty=penalty, steps=3))
    row = next(row for row in tree.iter("tr") if row.get("data-rule") == name)
    texts = ["".join(cell.itertext()) for cell in row]
    word = "leaves" if radius > 1 or rate == 2 else "comes home"
    assert texts[1:] == [f"{radius:.5f}", "circles for ever" if radius == 1 > rate - 1 else word]
    x, y, unit = (float(by_class(tree, "circle")[0].get(name)) for name in ("cx", "cy", "r"))
    look = f"r{OFFERED.index(name) + 1}"
    values = (places(by_class(tree, look, "dots")[1].get("d")) - [x, y]) / unit
    assert len(values) == (4 if name == "optimistic" else 2)
    assert abs(np.hypot(*values.T).max() - radius) < 1e-6


def test_still_holds_the_shown_rules_in_order(html_of):
    html = html_of(shown=("optimistic", "alternating"), caption="One & two.", name="fig-6")
    tree = parsed(html)
    rows = list(tree.find(".//tbody"))
    assert [row.get("data-rule") for row in rows] == list(OFFERED)
    ticked = [row.find(".//input").get("checked") is not None for row in rows]
    assert ticked == ["on" in row.get("class") for row in rows]
    assert [i for i, on in enumerate(ticked, 1) if on] == [2, 6]
    assert [b.find("text").text for b in by_class(tree, "badge")] == ["2", "6"] * 3
    assert tree.get("id") == "fig-6" and tree.find(".//figcaption").text == "One & two."
    assert by_class(tree, "portrait-said")[0].text == (
        "Start (1.00, 0.50), learning rate 0.20, penalty 1.00, 60 steps. "
        "Circles for ever: alternating. Comes home: optimistic."
    )
    assert html_of.bundle["text/plain"].startswith("portrait: Portrait; Start (1.00, 0.50)")


@pytest.mark.parametrize(
    ("name", "rate", "penalty", "verdict"),
    [
        ("alternating", 1.99, 1, "circles for ever"),
        ("alternating", 2.01, 1, "leaves"),
        ("alternating, generator first", 2, 1, "leaves"),  # a Jordan block
        ("gradient penalty", 1, 2.5, "hops for ever"),
        ("gradient penalty, alternating", 1, 1.5, "hops for ever"),
        ("gradient penalty", 1, 2, "comes home"),  # in two steps: both eigenvalues are 0
        ("consensus", 1, 1, "circles for ever"),
        ("simultaneous", 0.01, 1, "leaves"),
        ("extragradient", 0.99, 1, "comes home"),
        ("simultaneous", 0, 1, "stays put"),
    ],
)
def test_verdicts_at_the_thresholds(html_of, name, rate, penalty, verdict):
    tree = parsed(html_of(shown=(name,), learning_rate=rate, penalty=penalty, steps=2))
    row = next(row for row in tree.iter("tr") if row.get("data-rule") == name)
    assert row[-1].text == verdict


def test_rules_with_one_verdict_are_said_together(html_of):
    said = by_class(parsed(html_of(shown=OFFERED[:4], steps=2)), "portrait-said")[0].text
    assert said.partition("steps. ")[2] == (
        "Leaves: simultaneous. Circles for ever: alternating; alternating, generator first. "
        "Comes home: implicit."
    )


def test_norms_are_drawn_as_long_as_they_have_a_logarithm(html_of):
    """Home after two steps, none from the equilibrium, and up to the largest number."""

    def norms(**options):
        tree = parsed(html_of(**options))
        line, law = (by_class(tree, look)[-1].get("d") for look in ("line", "law"))
        assert "inf" not in line
        return len(places(line)), len(places(law))

    assert norms(start=(0, 0), steps=5) == (0, 2)
    home = {"shown": ("gradient penalty",), "learning_rate": 1, "penalty": 2}
    assert norms(**home, steps=5) == (2, 1)
    far = {"shown": ("gradient penalty, alternating",), "learning_rate": 2.2, "penalty": 4}
    drawn, law = norms(**far, steps=300)
    assert 250 < drawn < 301 and law == 2


def test_paths_end_where_the_plane_does(html_of):
    """Simultaneous play at rate 1 doubles its square at each step: it leaves soon, both ways."""
    tree = parsed(html_of(start=(1.0, 0.5), learning_rate=1.0, steps=60))
    dots = (places(by_class(tree, "r1", "dots")[0].get("d")) - 240) / 80
    line = (places(by_class(tree, "r1", "line")[0].get("d")) - 240) / 80
    assert abs(dots).max() <= 3 < abs(line).max() <= 1e4


def test_the_plane_is_labelled_where_its_numbers_are(html_of):
    plane = by_class(parsed(html_of()), "portrait-plane")[0]
    at = {
        (text.text, float(text.get("x")), float(text.get("y")))
        for text in plane.iter()
        if text.tag.endswith("text") and text.get("x")
    }
    assert {("−2", 80, 260), ("2", 400, 260), ("2", 232, 86), ("−2", 232, 406)} <= at
    assert len({y for words, _, y in at if words.startswith(("start", "dashed"))}) == 1


def test_start_and_circle_of_continuous_time_lie_where_they_are_said_to(html_of):
    plane = by_class(parsed(html_of(start=(-0.75, 2))), "portrait-plane")[0]
    handle, flow = by_class(plane, "handle")[0], by_class(plane, "flow")[0]
    assert handle.get("transform") == "translate(180,80)"
    assert handle.get("data-at") == "-0.75 2.0"
    assert handle.get("aria-valuetext") == "d −0.75, g 2.00"
    ends = [float(handle.get(f"aria-value{end}")) for end in ("min", "now", "max")]
    assert ends == [-3, -0.75, 3]
    assert by_class(plane, "at")[0].text == "start (−0.75, 2.00)"
    assert [flow.get(name) for name in ("cx", "cy")] == ["240", "240"]
    assert float(flow.get("r")) == pytest.approx(80 * math.hypot(0.75, 2), abs=0.005)


def eigen(tree):
    """The picture of the eigenvalues, and how to turn its places into complex numbers."""
    picture = by_class(tree, "portrait-eigen")[0]
    x, y, unit = (float(by_class(picture, "circle")[0].get(name)) for name in ("cx", "cy", "r"))
    return picture, lambda path: ((places(path) - [x, y]) / [unit, -unit]) @ [1, 1j], unit


def test_trails_are_the_eigenvalues_at_the_rates_from_0_to_the_largest(html_of):
    """Those of simultaneous play are 1 + ia and 1 - ia; of the implicit rule, their share."""
    picture, numbers, unit = eigen(parsed(html_of(shown=("simultaneous", "implicit"), steps=2)))
    simultaneous, implicit = (numbers(e.get("d")) for e in by_class(picture, "trail"))
    rates = np.arange(23) / 10
    exact = np.stack([1 + 1j * rates, 1 - 1j * rates], axis=1)
    assert abs(simultaneous - exact.ravel()).max() < 0.08 / unit
    assert abs(implicit - (exact / (1 + rates[:, None] ** 2)).ravel()).max() < 0.08 / unit


@pytest.mark.parametrize(
    ("name", "rate"), [("simultaneous", 0.2), ("simultaneous", 2), ("gradient penalty", 2.2)]
)
def test_eigenvalues_and_unit_circle_fill_their_picture(html_of, name, rate):
    """As large as can be: something comes close to an edge, or a circle of radius 1.3 would."""
    tree = parsed(html_of(shown=(name,), learning_rate=rate, penalty=4, steps=2))
    picture, numbers, unit = eigen(tree)
    values = numbers(by_class(picture, "dots")[0].get("d")) * unit
    shares = [1.3 * unit / 112, *abs(1.1 * values.real / 172), *abs(1.1 * values.imag / 112)]
    assert max(shares) == pytest.approx(1)
    one, i = by_class(picture, "one")[0], by_class(picture, "i")[0]
    assert 0 < float(one.get("x")) - (180 + unit) < 10
    assert 0 < (134 - unit) - float(i.get("y")) < 10
    axis = by_class(picture, "axis")[0].get("d")
    assert axis == "M0,134H360M180,0V254"


def test_of_real_eigenvalues_the_largest_comes_first(html_of):
    """Those of the gradient penalty at rate 1 and penalty 5/2 solve l^2 + l / 2 = 1 / 2."""
    options = {"shown": ("gradient penalty",), "learning_rate": 1, "penalty": 2.5, "steps": 2}
    picture, numbers, _ = eigen(parsed(html_of(**options)))
    values = numbers(by_class(picture, "dots")[0].get("d"))
    assert values == pytest.approx([0.5, -1], abs=1e-6)


def test_norms_are_labelled_where_their_lines_are(html_of):
    picture = by_class(parsed(html_of(steps=40)), "portrait-norms")[0]
    lines = places(by_class(picture, "grid")[0].get("d").replace("H322", ""))
    assert lines.tolist() == [[58, height] for height in (212, 168, 124, 80, 36)]
    ticks = by_class(picture, "tick")
    assert {float(t.get("y")) - h for t, h in zip(ticks, lines[:, 1], strict=True)} == {6}
    assert {float(tick.get("x")) for tick in ticks} == {50}
    values = [float(tick.text.replace("−", "-")) for tick in ticks]
    zero = places(by_class(picture, "zero")[0].get("d"))
    assert zero[:, 0].tolist() == [58, 322]
    assert zero[:, 1] == pytest.approx(np.interp(0, values, lines[:, 1]), abs=0.01)
    words = {e.text: float(e.get("x")) for e in picture.iter() if e.text and e.get("x")}
    assert [words[text] for text in ("0", "step", "40")] == [58, 190, 322]


def test_norms_that_only_grow_or_only_shrink_are_seen_from_0(html_of):
    for rule, end in (("simultaneous", 0), ("implicit", -1)):
        picture = by_class(parsed(html_of(shown=(rule,), steps=40)), "portrait-norms")[0]
        ticks = [float(t.text.replace("−", "-")) for t in by_class(picture, "tick")]
        assert ticks[end] == 0


def test_a_rule_that_is_home_at_once_does_not_stretch_the_scale(html_of):
    """Its first step leaves 0.63 of the norm, its second one nothing, whose logarithm is none."""
    home = {"shown": ("gradient penalty",), "learning_rate": 1, "penalty": 2, "steps": 5}
    picture = by_class(parsed(html_of(**home, start=(1, 0.5))), "portrait-norms")[0]
    ticks = [t.text.replace("−", "-") for t in by_class(picture, "tick")]
    assert ticks == ["-0.2", "-0.15", "-0.1", "-0.05", "0"]


def test_words_stand_within_their_pictures(html_of):
    tree = parsed(html_of(shown=OFFERED))
    for name, (width, height) in (
        ("plane", (480, 480)),
        ("eigen", (360, 254)),
        ("norms", (360, 254)),
    ):
        picture = by_class(tree, f"portrait-{name}")[0]
        words = [e for e in picture.iter() if e.text and e.get("x")]
        assert len(words) >= 3
        for word in words:
            assert 0 <= float(word.get("x")) <= width and 0 <= float(word.get("y")) <= height


def badges(picture):
    """The places of the rules' numbers."""
    return np.array([places(e.get("transform"))[0] for e in by_class(picture, "badge")])


def test_numbers_stand_apart_from_each_other_and_within_their_pictures(html_of):
    options = {"start": (2.7, -2), "learning_rate": 0.85, "penalty": 0.6, "steps": 12}
    tree = parsed(html_of(shown=OFFERED, **options))
    for name, size in (("plane", (480, 480)), ("eigen", (360, 254)), ("norms", (360, 254))):
        marks = badges(by_class(tree, f"portrait-{name}")[0])
        assert len(marks) == 9
        gaps = np.hypot(*(marks[:, None] - marks).reshape(-1, 2).T).reshape(9, 9)
        assert gaps[np.triu_indices(9, 1)].min() > 20
        assert marks.min() >= 10.9 and (size - marks).min() >= 10.9


def test_numbers_of_lines_with_one_end_stay_in_the_picture(html_of):
    tree = parsed(html_of(shown=OFFERED, learning_rate=0.05, penalty=4, steps=300))
    norms = by_class(tree, "portrait-norms")[0]
    ends = [places(e.get("d"))[-1, 1] for e in by_class(norms, "line")]
    assert sum(abs(end - 80) < 1.5 for end in ends) == 6
    assert badges(norms)[:, 1].min() >= 10.9


def test_the_number_of_a_pair_of_eigenvalues_stands_at_the_upper_one(html_of):
    picture = eigen(parsed(html_of(shown=("simultaneous",), learning_rate=1)))[0]
    assert badges(picture)[0, 1] < float(by_class(picture, "circle")[0].get("cy"))


def test_a_number_stands_above_the_end_of_its_path(html_of):
    """Or beside it where there is no room above, and in the norms at the right of its line."""
    for start, shift in (((1, 0.5), (0, -21)), ((0, 3), np.array([1, 1]) * 21 / 2**0.5)):
        tree = parsed(html_of(start=start, learning_rate=0, steps=1))
        plane = by_class(tree, "portrait-plane")[0]
        end = places(by_class(plane, "dots")[0].get("d"))[-1]
        assert badges(plane)[0] - end == pytest.approx(shift, abs=0.06)
    picture, _, _ = eigen(tree)
    first = places(by_class(picture, "dots")[0].get("d"))[0]
    assert badges(picture)[0] - first == pytest.approx((0, -21), abs=0.06)
    norms = by_class(parsed(html_of()), "portrait-norms")[0]
    end = places(by_class(norms, "line")[0].get("d"))[-1]
    assert badges(norms)[0] == pytest.approx(end + np.array([14, 0]), abs=0.06)


def test_numbers_at_the_norms_keep_the_order_of_their_lines(html_of):
    norms = by_class(
        parsed(html_of(shown=OFFERED, learning_rate=0.85, steps=12)), "portrait-norms"
    )[0]
    ends = [places(e.get("d"))[-1, 1] for e in by_class(norms, "line")]
    marks = badges(norms)
    assert set(marks[:, 0]) == {336}
    assert np.argsort(marks[:, 1]).tolist() == np.argsort(ends, kind="stable").tolist()


@pytest.mark.parametrize(
    "low, high, ticks",
    [
        (0, 4, [0, 1, 2, 3, 4]),
        (0, 4.5, [0, 2, 4, 6, 8]),
        (-0.01, 0.03, [-0.01, 0, 0.01, 0.02, 0.03]),
        (-3, 0, [-3, -2, -1, 0, 1]),
        (0, 18, [0, 5, 10, 15, 20]),
        (0, 40, [0, 10, 20, 30, 40]),
        (-3 - 1e-12, 0, [-3, -2, -1, 0, 1]),
    ],
)
def test_scales_have_the_smallest_round_unit_that_reaches(low, high, ticks):
    assert module._scale(low, high) == pytest.approx(ticks)


def test_the_equilibrium_is_named(html_of):
    said = by_class(parsed(html_of(start=(0, 0), steps=2)), "portrait-said")[0].text
    assert said.endswith("Leaves: simultaneous. The start is the equilibrium: no rule moves.")


def test_field_turns_clockwise_as_the_game_does(html_of):
    shafts = re.findall(r"M([\d.-]+),([\d.-]+)l([\d.-]+),([\d.-]+)m", html_of())
    arrows = np.array(shafts, dtype=float)
    assert len(arrows) == 36
    middle = arrows[:, :2] + arrows[:, 2:] / 2
    d, g = (middle[:, 0] - 240) / 80, (240 - middle[:, 1]) / 80
    ticks = np.arange(-2.5, 3)
    assert np.stack([d, g]) == pytest.approx(
        np.stack([ticks.repeat(6), np.tile(ticks, 6)]), abs=0.01
    )
    across, up = arrows[:, 2], -arrows[:, 3]
    assert abs(np.stack([across - 11 * g, up + 11 * d])).max() < 0.2


def test_heads_of_the_arrows_point_ahead_and_are_symmetric(html_of):
    """Each head is drawn out to one end, back to the tip and out to the other end."""
    numbers = r"([\d.-]+),([\d.-]+)"
    shown = re.findall(rf"l{numbers}m{numbers}l{numbers}l{numbers}", html_of())
    ahead, one, tip, other = np.array(shown, dtype=float).reshape(36, 4, 2).swapaxes(0, 1)
    assert (one == -tip).all()
    unit = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.stack([-unit[:, 1], unit[:, 0]], axis=1)
    for end in (one, other):
        assert abs((end * unit).sum(axis=1) + 4).max() < 0.2
    sides = (one * across).sum(axis=1), (other * across).sum(axis=1)
    assert abs(sides[0] + sides[1]).max() < 0.2 and abs(abs(sides[0]) - 4).max() < 0.2


def test_penalty_has_a_control_where_a_rule_uses_it(html_of):
    def slider(**options):
        tree = parsed(html_of(**options))
        found = [e for e in tree.iter("input") if e.get("name") == "penalty"]
        label = [e.text for e in by_class(tree, "explore-label")][1]
        return found and (label, found[0].get("disabled") is not None)

    assert slider() == ("penalty (rules 7, 8, 9)", True)
    assert slider(shown=("consensus",)) == ("penalty (rules 7, 8, 9)", False)
    assert slider(rules=OFFERED[:8]) == ("penalty (rules 7, 8)", True)
    assert slider(rules=OFFERED[:7]) == ("penalty (rule 7)", True)
    assert slider(rules=OFFERED[:6]) == []
    assert set(PENALISED) == {name for name in RULES if "penalty" in name or name == "consensus"}
    assert RULES[:9] == OFFERED


def test_sliders_go_as_far_as_numbers_are_allowed(html_of):
    options = {"learning_rate": 0.35, "penalty": 1.15, "steps": 7, "shown": ("consensus",)}
    tree = parsed(html_of(**options))
    found = {
        e.get("name"): [float(e.get(name)) for name in ("min", "max", "step", "value")]
        for e in tree.iter("input")
        if e.get("type") == "range"
    }
    assert found == {
        "rate": [0, 2.2, 0.01, 0.35],
        "penalty": [0.1, 4, 0.05, 1.15],
        "steps": [1, 300, 1, 7],
    }
    assert [e.text for e in tree.iter("output")] == ["0.35", "1.15", "7"]
    uses = [row.get("data-rule") for row in tree.iter("tr") if row.get("data-penalty") is not None]
    assert uses == list(PENALISED)


def test_rules_are_numbered_in_the_order_in_which_they_are_offered_here(html_of):
    tree = parsed(html_of(rules=OFFERED[3:6], shown=OFFERED[5:3:-1]))
    assert [e.text for e in tree.iter("b")] == ["1", "2", "3"]
    assert [e[-1].text for e in by_class(tree, "badge")] == ["2", "3"] * 3
    assert [row.get("class").split()[0] for row in tree.find(".//tbody")] == ["r4", "r5", "r6"]


def test_numbers_of_the_pictures_are_the_scripts():
    script = (HELPERS / "portrait.js").read_text(encoding="utf-8")
    for line in re.findall(r"const ([A-Z ,=\[\]\d.e-]+);", script):
        for name, value in re.findall(r"([A-Z]+) = (\[[^]]*\]|[\d.e-]+)", line):
            if name != "PAUSE":
                ours = getattr(module, name)
                assert (list(ours) if isinstance(ours, tuple) else ours) == eval(value), name
    for name in OFFERED:
        assert f'"{name}":' in script


# Its bytes


def test_same_bytes_every_time_and_no_more_than_needed(html_of, capsys):
    html = html_of()
    assert html == html_of()
    with capsys.disabled():
        style, script = (len(part) for part in (module._style(), module._script()))
        print(f"\nportrait: {len(html.encode()) / 1e3:.1f} kB, style {style}, script {script}")
    assert len(html.encode()) < HEAVIEST
    assert len((HELPERS / "portrait.js").read_text(encoding="utf-8").splitlines()) <= 300


def test_asks_for_nothing_and_is_its_own_page(html_of):
    html = html_of(shown=OFFERED, steps=2)
    assert not re.search(r"https?:|//\w|src=|href=|@import|url\(", html)
    assert html.count("</script>") == html.count("</style>") == 1
    assert not re.search(r"\bid=", html)
    assert "/*" not in html


def test_colours_are_variables_that_are_set(html_of):
    html = html_of(shown=OFFERED, steps=2)
    style, body = re.search(r"<style>(.*?)</style>(.*)", html, re.S).groups()
    used = set(re.findall(r"var\((--[\w-]+)", style))
    set_here = set(re.findall(r"(--[\w-]+):", style))
    assert used - set_here == {"--pst-color-background", "--jp-layout-color0"}
    assert set_here <= used
    rules = re.sub(r"--[\w-]+:[^;}]*", "", style)
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules + body)
    explore = (HELPERS / "explore.css").read_text(encoding="utf-8")
    for name, colour in re.findall(r"(--(?:ink|paper|muted|line|accent|exact)):(#\w+)", style):
        assert f"{name}: {colour}" in explore


def test_rules_stand_out_from_paper_and_from_their_numbers():
    css = (HELPERS / "portrait.css").read_text(encoding="utf-8")
    light, dark = [
        dict(re.findall(r"(--rule-\d): (#\w{6})", block))
        for block in re.findall(r"\{([^{}]*--rule-1:[^{}]*)\}", css)
    ]
    for colours, paper in ((light, "#ffffff"), (dark, "#121212")):
        assert len(set(colours.values())) == 9
        assert min(contrast(colour, paper) for colour in colours.values()) >= 4.5


def test_style_keeps_what_the_portrait_needs_of_explore():
    style = module._style()
    for needed in (".explore{container-type", ".explore [hidden]", ".explore-view{",
                   ".explore-control>output{", '.explore-control>input[type="range"]',
                   "figcaption{", "@media print", "@container"):  # fmt: skip
        assert needed in style
    for other in ("canvas", "select", "radio"):
        assert other not in style


def test_script_is_all_of_the_file_but_comments():
    source = (HELPERS / "portrait.js").read_text(encoding="utf-8")
    script = module._script()
    assert not re.search(r"/\*|(^|\s)//|^\s|\n\n", script, flags=re.M)
    in_code = r"(?:function|const|let) (\w+)"
    assert re.findall(in_code, script) == re.findall(in_code, source)
    assert script.startswith("(function () {") and script.endswith("})();")


def test_words_are_escaped(html_of):
    tree = parsed(html_of(title='A "b" <c>', caption="x < y & z"))
    assert tree.get("aria-label") == 'A "b" <c>'
    assert tree.find(".//figcaption").text == "x < y & z"


# What it refuses

BAD = {
    "unknown rule": ({"rules": ("sgd",)}, "some of 'simultaneous'.*got 'sgd'"),
    "momentum": ({"rules": ("simultaneous", "momentum")}, "offers some of .*got 'momentum'"),
    "a word for rules": ({"rules": "implicit"}, "offers some of .*got 'implicit'"),
    "no rules": ({"rules": ()}, r"got \(\)"),
    "repeated": ({"rules": ("implicit", "implicit")}, "each once; got 'implicit', 'implicit'"),
    "shown but not offered": ({"shown": ("implicit",), "rules": OFFERED[:2]},
                              "shows at first some of 'simultaneous', 'alternating', each once"),
    "nothing shown": ({"shown": []}, r"shows at first .*got \[\]"),
    "rules of numbers": ({"shown": (1,)}, "got 1"),
    "start outside": ({"start": (3.1, 0)}, "from -3 to 3; got 3.1"),
    "start of nan": ({"start": (0, math.nan)}, "coordinate of the start .*got nan"),
    "start of words": ({"start": ("a", "b")}, "got 'a'"),
    "start of three": ({"start": (1, 2, 3)}, r"a start \(d, g\); got \(1, 2, 3\)"),
    "start of one": ({"start": 1.0}, r"a start \(d, g\); got 1.0"),
    "start of one in a row": ({"start": (1,)}, r"a start \(d, g\); got \(1,\)"),
    "start a word": ({"start": "dg"}, r"a start \(d, g\); got 'dg'"),
    "negative rate": ({"learning_rate": -0.01}, "learning rate .*from 0 to 2.2; got -0.01"),
    "large rate": ({"learning_rate": 2.21}, "from 0 to 2.2; got 2.21"),
    "nan rate": ({"learning_rate": math.nan}, "got nan"),
    "rate a word": ({"learning_rate": "0.2"}, "got '0.2'"),
    "rate between": ({"learning_rate": 0.205}, "in steps of 0.01; got 0.205"),
    "rate true": ({"learning_rate": True}, "got True"),
    "no penalty": ({"penalty": 0}, "penalty .*from 0.1 to 4; got 0"),
    "large penalty": ({"penalty": 4.05}, "from 0.1 to 4; got 4.05"),
    "penalty between": ({"penalty": 0.12}, "in steps of 0.05; got 0.12"),
    "penalty None": ({"penalty": None}, "got None"),
    "no steps": ({"steps": 0}, "number of steps .*from 1 to 300; got 0"),
    "many steps": ({"steps": 301}, "from 1 to 300; got 301"),
    "half a step": ({"steps": 2.5}, "whole number; got 2.5"),
    "steps true": ({"steps": True}, "whole number; got True"),
    "no title": ({"title": " "}, "title in words; got ' '"),
    "title a number": ({"title": 6}, "title in words; got 6"),
    "name of two words": ({"name": "a b"}, "a figure's name"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(html_of, case):
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        html_of(**options)


@pytest.mark.parametrize("options", [
    {"learning_rate": 0}, {"learning_rate": 2.2}, {"learning_rate": 0.29}, {"penalty": 0.1},
    {"penalty": 4}, {"penalty": 1.15}, {"steps": 1}, {"steps": 300}, {"start": [-3, 3.0]},
    {"steps": np.int64(7)}, {"rules": list(OFFERED[:2])}, {"start": (0, 0)},
])  # fmt: skip
def test_ends_of_the_controls_are_allowed(html_of, options):
    parsed(html_of(**options))
