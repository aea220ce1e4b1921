"""The commands that break the book's code, vary its seeds and compare its outputs: they bite."""

import argparse
import base64
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from functools import cache, partial
from pathlib import Path

import nbformat
import pytest
import torch
from docutils import nodes
from docutils.utils import new_document
from line_by_line import bite
from line_by_line.measured import measured
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image
from sphinx.search import WordCollector
from sphinx.search.en import SearchEnglish

from helpers import checks, densities
from tools import notebooks
from upkeep import alarms, cells, determinism, outputs, sites, wrong_versions
from upkeep.wrong_versions import WrongVersion

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book/bite.md").read_text("utf8")
CHAPTERS = {path.stem: notebooks.read(path) for path in notebooks.chapters(ROOT)}


@cache
def kept(file: Path) -> dict:
    """What a command found and stored."""
    return json.loads((ROOT / file).read_text("utf8"))


def analysed(*sources: str) -> list[cells.Cell]:
    """Code cells with these sources."""
    return [cells.analysed(number, source) for number, source in enumerate(sources, start=1)]


def numbers(found: list[cells.Cell]) -> list[int]:
    """Places of cells."""
    return [cell.number for cell in found]


# Cells that need each other


def test_only_what_a_cell_needs_is_run():
    chapter = analysed("a = 1", "b = 2", "def f():\n    return a", "print(f())", "a = 3")
    assert numbers(cells.needed(chapter, [4])) == [1, 3, 4]
    assert numbers(cells.needed(chapter, [2])) == [2]


def test_a_name_given_anew_hides_what_came_before():
    chapter = analysed("x = 1", "x = 2", "print(x)")
    assert numbers(cells.needed(chapter, [3])) == [2, 3]


@pytest.mark.parametrize(
    "change", ["x[0] = 5", "x.weight = 5", "x += 1", "x.clear()", "init.normal_(x.weight)"]
)
def test_changes_in_place_are_needed_too(change):
    chapter = analysed("x = make()", change, "print(x)")
    assert numbers(cells.needed(chapter, [3])) == [1, 2, 3]


def test_what_a_function_keeps_to_itself_is_no_need():
    (cell,) = analysed("def f(x):\n    y = x\n    return [z for z in y] + w")
    assert cell.needs == {"w"} and cell.binds == {"f"}


def test_cells_that_depend_on_one():
    chapter = analysed("a = 1", "b = a", "c = 2", "print(b)")
    assert numbers(cells.dependents(chapter, 1)) == [2, 4]


def test_names_of_a_chapter_do_not_make_modules_change():
    chapter = cells.read(ROOT / "book/01_autoregressive.ipynb")
    assert all("torch" not in cell.touches for cell in chapter)


# Outputs


def picture(level: int, **settings: object) -> str:
    """A small grey picture as a notebook stores it."""
    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, "png", **settings)
    return base64.b64encode(file.getvalue()).decode()


def executed(
    text: str = "1.5\n", level: int = 7, tags: tuple = (), **settings
) -> nbformat.NotebookNode:
    """A notebook with one cell that prints and shows a picture."""
    shown = [
        new_output("stream", text=text),
        new_output("display_data", data={"image/png": picture(level, **settings)}),
    ]
    return new_notebook(cells=[new_code_cell("", outputs=shown, metadata={"tags": list(tags)})])


def test_equal_outputs_agree():
    result = outputs.compare(executed(), executed())
    assert outputs.agrees(result)
    assert (result["texts"], result["pictures"]["same bytes"]) == (1, 1)


def test_another_digit_is_seen():
    assert outputs.compare(executed(), executed("1.6\n"))["texts_differ"] == [1]


def test_what_nbval_lets_pass_is_let_pass():
    assert outputs.agrees(
        outputs.compare(executed("at 0x7f12345678"), executed("at 0x7f87654321"))
    )


def test_pictures_are_compared_by_bytes_and_then_by_pixels():
    found = outputs.compare(executed(), executed(compress_level=0))
    assert found["pictures"]["same pixels"] == 1 and outputs.agrees(found)
    found = outputs.compare(executed(), executed(level=8))
    assert found["pictures_differ"] == [1] and not outputs.agrees(found)


def test_a_missing_picture_is_seen():
    without = executed()
    del without.cells[0].outputs[1]
    assert outputs.compare(executed(), without)["pictures_differ"] == [1]


def test_pictures_inside_html_are_compared():
    one, other = deepcopy(executed()), deepcopy(executed())
    for notebook, level in ((one, 1), (other, 2)):
        html = f'<img src="data:image/png;base64,{picture(level)}">'
        notebook.cells[0].outputs = [new_output("display_data", data={"text/html": html})]
    assert outputs.compare(one, other)["pictures_differ"] == [1]


def test_pictures_of_times_are_named_and_not_compared():
    tagged = [executed(level=level, tags=("shows-times",)) for level in (7, 8)]
    assert outputs.compare(*tagged)["times"] == [1]
    assert outputs.agrees(outputs.compare(*tagged))


def test_exactly_the_pictures_of_measured_times_are_tagged():
    """A picture that uses what a clock said: the tag is there, and nowhere else."""
    for stem in CHAPTERS:
        chapter = cells.read(ROOT / f"book/{stem}.ipynb")
        clocks = [c.number for c in chapter if re.search(r"\btime\.\w+\(", c.source)]
        used = {cell.number for number in clocks for cell in cells.dependents(chapter, number)}
        drawn = [
            number
            for number, cell in enumerate(notebooks.code_cells(CHAPTERS[stem]), start=1)
            if number in used and re.search(r"econds", cell.source) and outputs.pictures(cell)
        ]
        assert drawn == tagged(stem), stem


def tagged(stem: str) -> list[int]:
    """Places of the code cells with the tag."""
    found = notebooks.code_cells(CHAPTERS[stem])
    return [n for n, c in enumerate(found, 1) if outputs.SHOWS_TIMES in c.metadata.get("tags", [])]


# Threads and kernels


def test_torch_is_let_go_in_one_place():
    notebook = deepcopy(CHAPTERS["02_reparameterization"])
    determinism.let_go(notebook, 8)
    assert sum("set_num_threads(8)" in cell.source for cell in notebook.cells) == 1
    with pytest.raises(ValueError, match="needed one cell"):
        determinism.let_go(notebook, 8)


def test_kernels_run_with_another_python(monkeypatch):
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    with determinism.kernel_of("/other/bin/python"):
        spec = Path(os.environ["JUPYTER_PATH"], "kernels/python3/kernel.json")
        assert json.loads(spec.read_text())["argv"][0] == "/other/bin/python"
    assert "JUPYTER_PATH" not in os.environ


def test_an_execution_that_fails_is_a_row_and_no_success(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise notebooks.NotebookError("cell 3 failed")

    monkeypatch.setattr(determinism, "execute", fail)
    monkeypatch.setattr(determinism, "version_of_torch", lambda python: "any")
    monkeypatch.setattr(determinism, "keep", lambda path, part, found: None)
    settings = argparse.Namespace(chapter="06", python=None, runs=1, threads=[2], free=False)
    (row,) = determinism.chapters(settings)
    assert row["failed"] == "cell 3 failed" and not determinism.holds(row)


# Sites


def site(folder: Path, *, level: int, seconds: str, text: str = "same") -> dict[str, str]:
    """What is compared of a small site."""
    (folder / "_images").mkdir(parents=True)
    (folder / "book").mkdir()
    name = f"{level:040x}.png"
    (folder / "_images" / name).write_bytes(base64.b64decode(picture(level)))
    shown = f'<div class="cell tag_shows-times"><img src="../_images/{name}"></div>'
    (folder / "book/cost.html").write_text(f"<p>{text}</p>{shown}")
    time = f'<span class="measured">{seconds}</span>'
    (folder / "book/ledger.html").write_text(f"<td>{text}</td><td>{time}</td>")
    return sites.contents(folder)


def test_measured_times_are_no_difference_of_sites(tmp_path):
    one = site(tmp_path / "one", level=1, seconds="0.3")
    other = site(tmp_path / "other", level=2, seconds="0.4")
    assert sites.differences(one, other) == []
    assert [name for name in one if "measured" in one[name]] == ["_images/cost-0.png"]


def test_any_other_difference_of_sites_is_seen(tmp_path):
    one = site(tmp_path / "one", level=1, seconds="0.3")
    other = site(tmp_path / "other", level=1, seconds="0.3", text="another")
    assert sites.differences(one, other) == ["book/cost.html", "book/ledger.html"]
    assert sites.differences(one, one | {"new.html": "x"}) == ["new.html"]


def test_measured_times_are_on_the_page_and_not_in_the_search_index():
    document = new_document("page")
    document += nodes.paragraph("", "words ", measured(text="41 seconds"))
    collector = WordCollector(document, SearchEnglish({}))
    document.walk(collector)
    assert collector.found_words == ["words"] and document.astext() == "words 41 seconds"


# Wrong versions


def test_the_catalogue_has_all_wrong_versions_and_fits_the_code():
    rows = wrong_versions.catalogue(ROOT)
    assert len(rows) == 104
    for row in rows:
        if row.is_edit:
            assert wrong_versions.edited(ROOT, row) != (ROOT / row.file).read_text("utf8")
        else:
            assert wrong_versions.is_caught_in_table(ROOT, row), row


def test_every_claim_has_wrong_versions():
    stated = {
        number
        for notebook in CHAPTERS.values()
        for cell in notebook.cells
        for number in re.findall(r"\*\*Claim ([\w.]+?)\.\*\*", cell.source)
    }
    assert stated and stated == {row.claim for row in wrong_versions.catalogue(ROOT)}


def test_an_edit_that_does_not_fit_is_refused():
    for old in ("no such line", "def "):
        row = WrongVersion("1.1", "", "helpers/digits.py", old=old, new="x")
        with pytest.raises(ValueError, match="not once"):
            wrong_versions.edited(ROOT, row)


def test_an_edit_of_a_chapter_changes_one_cell():
    row = WrongVersion(
        "6.3", "", "book/06_games.ipynb", old="rates = (1e-4,", new="rates = (2e-4,"
    )
    text = json.loads(wrong_versions.edited(ROOT, row))
    code = [c for c in text["cells"] if c["cell_type"] == "code"]
    changed = [n for n, c in enumerate(code, 1) if "2e-4" in "".join(c["source"])]
    assert changed == [wrong_versions.edited_cell(ROOT, row)]


def test_a_table_that_does_not_say_caught_does_not_count(tmp_path):
    row = next(r for r in wrong_versions.catalogue(ROOT) if not r.is_edit)
    text = (ROOT / row.file).read_text("utf8")
    copy = tmp_path / row.file
    copy.parent.mkdir()
    copy.write_text(text)
    assert wrong_versions.is_caught_in_table(tmp_path, row)
    copy.write_text(re.sub(rf"({re.escape(row.shown)}  [^\n]*)yes", r"\1no", text))
    assert not wrong_versions.is_caught_in_table(tmp_path, row)


TRIAL = """
import sys
from pathlib import Path
from upkeep import trial

trial.LIBRARIES = ("pytest",)
root, above = map(Path, sys.argv[1:])
trial._prepare(root, str(above), {})
for edit, limit in (("return 1", 60), ("return 2", 60), ("while True: pass", 3), ("return (", 60)):
    edits = {"one.py": f"def one():\\n    {edit}\\n"}
    print(trial.attempt(trial.Trial("k", edits, ("test_one.py",), limit=limit)).verdict)
print((trial._copy / "one.py").read_text() == (root / "one.py").read_text())
chapter = {"cells": [{"cell_type": "code", "source": [line]} for line in (
    "from one import one", "a = one()", "def check(x): assert x == 1", "check(a)")]}
import json
for wrong in ("a = one()", "a = one() + 1"):
    text = json.dumps(chapter).replace("a = one()", wrong)
    tried = trial.Trial("k", {"chapter.ipynb": text}, chapter="chapter.ipynb", cell=2)
    print(trial.attempt(tried).verdict)
"""


def test_a_trial_says_what_became_of_an_edit(tmp_path):
    tree, above = tmp_path / "tree", tmp_path / "above"
    tree.mkdir()
    above.mkdir()
    (tree / "one.py").write_text("def one():\n    return 1\n")
    (tree / "test_one.py").write_text(
        "from one import one\n\ndef test_one():\n    assert one() == 1"
    )
    (tree / "chapter.ipynb").write_text("{}")
    (tree / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    command = [sys.executable, "-c", TRIAL, str(tree), str(above)]
    quick = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = subprocess.run(
        command, cwd=ROOT, env=quick, capture_output=True, text=True, check=False
    )
    expected = ["survived", "caught", "too long", "caught", "True", "survived", "caught"]
    assert result.stdout.split("\n")[:-1] == expected, result.stderr


# False alarms


@pytest.fixture
def verdicts(monkeypatch) -> alarms.Verdicts:
    """Stand-ins for the functions of `helpers.checks`, taken away after the test."""
    names = ("_show", "monte_carlo", "uniform", "check", "breaks", "bites", "derivation", "within")
    for name in names:
        monkeypatch.setattr(checks, name, getattr(checks, name))
    monkeypatch.setattr(densities, "_chi_square", densities._chi_square)
    found = alarms.Verdicts()
    found.install()
    return found


def test_a_wrong_claim_is_an_alarm_and_does_not_stop(verdicts, generator):
    draws = torch.randn(5000, dtype=torch.float64, generator=generator)
    checks.monte_carlo("1.1", "right", draws, 0.0)
    checks.monte_carlo("1.1", "wrong", draws, 0.2)
    checks.uniform("1.1", "not uniform", draws.clamp(0, 1))
    assert [pair[0] for pair in verdicts.designed.values()] == [False, True, True]
    with pytest.raises(ValueError, match="two checks"):
        checks.monte_carlo("1.1", "right", draws, 0.0)


def test_the_strict_rate_is_stricter(verdicts, generator):
    draws = torch.randn(5000, dtype=torch.float64, generator=generator)
    off = float(draws.mean()) + 3 * float(draws.std()) / 5000**0.5
    checks.monte_carlo("1.1", "three standard errors", draws, off)
    assert verdicts.designed["1.1", "three standard errors"] == (False, True)


def draws_of(scale: float, number: int, generator: torch.Generator) -> torch.Tensor:
    """Normal draws of this standard deviation."""
    return scale * torch.randn(number, generator=generator)


def test_chi_square_has_a_designed_rate_inside_a_contract(verdicts, generator):
    law = torch.distributions.Normal(0.0, 1.0)
    edges = densities.grid_edges(-9, 9, 60)
    for title, scale in (("right", 1.0), ("wrong", 1.1)):
        draw = partial(draws_of, scale)
        clauses = densities.contract(law.log_prob, draw, edges, generator=generator)
        checks.within("5.2", title, clauses)
    found = {title: pair[0] for (_, title), pair in verdicts.designed.items()}
    assert found == {"right: sampler": False, "wrong: sampler": True}
    assert not verdicts.others["5.2", "wrong"]  # its integral is right


def test_facts_with_a_rate_are_told_from_others(verdicts):
    checks.check("3.1", "draws", True, {"false alarm once in 10,000": False, "other": True})
    assert verdicts.designed["3.1", "draws: false alarm once in 10,000"] == (True, None)
    assert not verdicts.others["3.1", "draws"]
    checks.breaks("4.0", "facts", {"true": True, "not true": False})
    assert verdicts.others["4.0", "facts"]


def test_every_seed_moves_and_models_stay():
    (cell,) = analysed("generator = torch.Generator().manual_seed(4)")
    assert "manual_seed(2004)" in alarms.reseeded(cell, 2).source
    chapter = analysed(
        "",
        "generator = torch.Generator().manual_seed(1)",
        "model = train(generator)",
        "constant = 2",
        "draws = torch.randn(9, generator=generator) * constant",
        'monte_carlo("1.1", "mean", draws + model, 0)\nbites()',
    )
    work = alarms.plan(chapter)
    assert numbers(work.chosen) == [2, 3, 4, 5, 6] and work.once == {3, 4}
    assert work.chosen[-1].source == 'monte_carlo("1.1", "mean", draws + model, 0)'


def test_every_check_with_a_rate_is_run():
    """Titles in the stored outputs that name a designed rate are those of the results."""
    tables = [
        "".join(output["data"]["text/plain"])
        for notebook in CHAPTERS.values()
        for cell in notebooks.code_cells(notebook)
        for output in cell.outputs
        if output.get("metadata", {}).get("book", {}).get("kind") == "check"
    ]
    rated = [t for t in tables if re.search(r"false.alarm|\nsampler  ", t)]
    assert len(rated) == len([r for r in kept(bite.ALARMS)["rows"] if r["rate"]]) - CRESCENTS


CRESCENTS = 2  # facts of chapter 5's crescents that rest on the contract, shown as "yes"


def rows(alarms_of: list[list[int]], strict: int = 10) -> list[dict]:
    """Rows of checks with these seeds as alarms."""
    row = {"chapter": "", "claim": "1.1", "title": "", "rate": 1e-4, "seeds": 200}
    return [row | {"alarms": found, "strict_alarms": strict} for found in alarms_of]


def test_too_many_alarms_are_a_fault():
    assert alarms.faults(alarms.judged(rows([[]] * 20))) == []
    assert alarms.faults(alarms.judged(rows([[7], *[[]] * 19]))) == []
    assert len(alarms.faults(alarms.judged(rows([[1, 2, 3, 4, 5], *[[]] * 19])))) == 1
    assert len(alarms.faults(alarms.judged(rows([[]] * 20, strict=30)))) == 1


def test_alarms_of_one_seed_count_once():
    summary = alarms.judged(rows([[7], [7], [7]]))
    assert (summary["alarms"], summary["seeds_with_alarm"]) == (3, 1)


def test_a_check_that_does_not_run_under_every_seed_is_no_success():
    designed = {("1.1", "mean"): (False, False)}
    with pytest.raises(ValueError, match="1 of 2 seeds"):
        alarms.rows_of("01", [(designed, {}), ({}, {})], range(1, 3))


def test_blocks_of_seeds_add_up():
    mean, other = ("1.1", "mean"), ("1.1", "fact")
    first = alarms.rows_of("01", [({mean: (True, True)}, {})] * 2, range(1, 3))
    second = alarms.rows_of("01", [({mean: (False, True)}, {other: True})] * 2, range(3, 5))
    designed, fact = alarms.merged(first, second)
    assert (designed["alarms"], designed["strict_alarms"], designed["seeds"]) == ([1, 2], 4, 4)
    assert (fact["alarms"], fact["rate"], fact["seeds"]) == ([3, 4], None, 4)


# What was found


def test_all_wrong_versions_of_the_catalogue_were_caught():
    stored = [(row["claim"], row["says"]) for row in kept(bite.MUTANTS)["wrong_versions"]]
    assert stored == [(row.claim, row.says) for row in wrong_versions.catalogue(ROOT)]
    assert {row["verdict"] for row in kept(bite.MUTANTS)["wrong_versions"]} <= set(bite.CAUGHT)


def test_no_mutation_survives_without_a_reason():
    found = kept(bite.MUTANTS)["mutations"]
    assert [row for row in found["survivors"] if not row["equivalent"]] == []
    assert {row["survived"] for row in found["modules"]} == {0}
    for row in found["modules"]:
        known = row["caught"] + row["too_long"] + row["equivalent"] + row["survived"]
        assert min(40, row["mutations"]) <= row["tried"] == known, row
        letters = Counter("".join(row["outcomes"].values()))
        assert [letters[x] for x in "cl"] == [row["caught"], row["too_long"]]
        assert letters["s"] == row["equivalent"] and letters["n"] == 0


def test_alarms_are_not_more_than_designed():
    found = kept(bite.ALARMS)
    assert alarms.judged(found["rows"]) == found["summary"]
    assert alarms.faults(found["summary"]) == []


def test_outputs_were_the_same_in_every_execution():
    bound = [row for row in kept(bite.DETERMINISM)["chapters"] if not row["free"]]
    assert {row["threads"] for row in bound} == {1, 2, 8}
    assert {row["chapter"] for row in bound} == set(CHAPTERS)
    assert [determinism.told(row) for row in bound if not determinism.holds(row)] == []
    assert kept(bite.DETERMINISM)["site"]["differ"] == []


def test_the_page_shows_all_that_was_found():
    assert re.findall(r"```{bite} (.*)", PAGE) == list(bite.SHOWN)
    for name, (file, make) in bite.SHOWN.items():
        made = make(json.loads((ROOT / file).read_text("utf8")))
        assert isinstance(made, str) or {len(row) for row in made} == {len(made[0])}, name


def test_the_page_names_what_is_left_out():
    words = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}
    count = sum(len(tagged(stem)) for stem in CHAPTERS)
    assert f"{words[count]} pictures show times" in PAGE
    assert len(kept(bite.DETERMINISM)["site"]["measured"]) == count
    assert checks.z_limit.__defaults__[-1] == alarms.DESIGNED == 1e-4
    assert "once in ten thousand runs" in PAGE and "once in twenty runs" in PAGE


def test_survivors_are_shown_with_their_reason():
    row = {"module": "helpers/a.py", "line": 3, "old": "x", "new": "y", "equivalent": None}
    made = bite.survivor_rows({"mutations": {"survivors": [row]}})
    assert made[1][2:] == ["`x`", "`y`", "it does: a fault of the tests"]


def test_a_wrong_version_that_nothing_notices_is_shouted():
    row = {"verdict": "survived", "by": "", "edit": True}
    assert bite.noticed(row) == "NOTHING"


def test_what_was_not_run_is_said_and_not_shown_as_good(tmp_path):
    (tmp_path / "some.json").write_text('{"chapters": []}')
    for name in ("none.json", "some.json"):
        assert bite.shown(tmp_path / name, bite.same_summary) == bite.NOT_RUN


def test_code_in_a_table_is_code():
    row = bite.as_cells(['plain "x"', '`"A": past_rows`'])
    assert [type(entry[0][0]) for entry in row] == [nodes.Text, nodes.literal]
    assert row[1].astext() == '"A": past_rows'
