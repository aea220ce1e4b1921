"""Every control of every figure on the chapters' pages, moved in a real browser.

What Python drew for a state is read from the executed notebook, and put together by another
program than the page's.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import notebooks
import pytest
from bs4 import BeautifulSoup
from frames import text_of
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
PATHS = notebooks.chapters(ROOT)
MOST_MILLISECONDS = 50  # from an input to its picture
# Moves a control; gives the time, the sentence, whether the picture is the expected one, and
# whether something changed: the sentence, if several routes are to give the same picture.
MOVE = """async ([index, number, position, expected]) => {
  const figure = document.querySelectorAll('.explore:not(.portrait)')[index];
  const box = figure.querySelectorAll('.explore-control')[number];
  const view = figure.querySelector('.explore-view');
  const status = figure.querySelector('[role=status]');
  const before = view.innerHTML + status.textContent;
  const inputs = box.querySelectorAll('input, select');
  const started = performance.now();
  if (inputs[0].type === 'radio') inputs[position].checked = true;
  else if (inputs[0].type === 'checkbox') inputs[0].checked = position === 1;
  else if (inputs[0].tagName === 'SELECT') inputs[0].selectedIndex = position;
  else inputs[0].value = position;
  inputs[0].dispatchEvent(new Event('input', {bubbles: true}));
  await new Promise(done => requestAnimationFrame(done));
  const took = performance.now() - started;
  const other = document.createElement('div'), own = document.createElement('div');
  other.innerHTML = expected;
  own.innerHTML = view.innerHTML;
  return {took, same: own.isEqualNode(other), sentence: status.textContent,
          changed: view.innerHTML + status.textContent !== before,
          label: view.getAttribute('aria-label')};
}"""


def figures(path: Path) -> list[dict]:
    """The data of a chapter's figures, as Python stored them."""
    outputs = [
        output.data["text/html"]
        for cell in notebooks.code_cells(notebooks.executed(ROOT, path))
        for output in cell.outputs
        if "explore-data" in output.get("data", {}).get("text/html", "")
    ]
    trees = [BeautifulSoup(text, "html.parser") for text in outputs]
    return [json.loads(tree.select_one("script.explore-data").string) for tree in trees]


def walk(data: dict) -> list[tuple[int, int, int]]:
    """A tour: each control to its last value, then to its first, then to the middle.

    Returns:
        Control, position, and the number of the state after the move.
    """
    sizes = [len(control["keys"]) for control in data["controls"]]
    state, positions = data["start"], []
    for size in reversed(sizes):
        state, position = divmod(state, size)
        positions.insert(0, position)
    tour = []
    for number, size in enumerate(sizes):
        for position in dict.fromkeys((size - 1, 0, size // 2)):
            positions[number] = position
            whole = 0
            for length, chosen in zip(sizes, positions, strict=True):
                whole = whole * length + chosen
            tour.append((number, position, whole))
    return tour


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_control_of_every_figure(open_page: Callable[..., Page], path, capsys):
    page = open_page(f"book/{path.stem}.html")
    stored = figures(path)
    there = page.locator(".explore:not(.portrait)").count()
    assert there == len(stored) > 0
    times = []
    for index, data in enumerate(stored):
        controls = len(data["controls"])
        moved = dict.fromkeys(range(controls), False)
        for number, position, state in walk(data):
            wanted = text_of(data["lines"], state)
            seen = page.evaluate(MOVE, [index, number, position, wanted])
            assert seen["same"], f"figure {index + 1}, state {state}: not what Python drew"
            assert seen["sentence"] == seen["label"] == text_of(data["sentences"], state)
            moved[number] |= seen["changed"]
            times.append(seen["took"])
        assert all(moved.values()), f"figure {index + 1}: a control says nothing"
    with capsys.disabled():
        middle = statistics.median(times)
        print(f"\n{path.stem}: {len(times)} moves, {middle:.0f} ms each to the next picture")
    assert middle <= MOST_MILLISECONDS
    assert page.trouble == []


def test_a_wrong_picture_is_noticed(open_page: Callable[..., Page]):
    page = open_page(f"book/{PATHS[0].stem}.html")
    data = figures(PATHS[0])[0]
    number, position, state = walk(data)[0]
    wrong = text_of(data["lines"], state + 1 if state == 0 else state - 1)
    assert not page.evaluate(MOVE, [0, number, position, wrong])["same"]
