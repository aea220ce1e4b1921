"""The packs of students and instructors: whole, and without a word of the solutions."""

import copy
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from coursework import build as building
from coursework.assignments import ASSIGNMENTS, SOURCE
from coursework.build import build, for_student, leaks, recover, replace
from coursework.submission import CODE_STUB, TEXT_STUB, score_cell

ROOT = Path(__file__).resolve().parent.parent
STEM = "02_reparameterization"  # the one that is made soonest


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packs of one assignment."""
    output = tmp_path_factory.mktemp("packs")
    command = [sys.executable, "-m", "coursework.build", STEM, "--output", output]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert str(output / "students") in said.stdout
    return output


@pytest.fixture
def student(pack: Path) -> nbformat.NotebookNode:
    """The notebook that students get."""
    return nbformat.read(pack / f"students/{STEM}.ipynb", as_version=4)


@pytest.fixture
def source(pack: Path) -> nbformat.NotebookNode:
    """The notebook that the students' is made from."""
    return nbformat.read(pack / f"instructor/source/{STEM}/{STEM}.ipynb", as_version=4)


def cell_of(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The cell of that id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def test_students_get_stubs_and_no_outputs(student):
    for cell in student.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
        if cell.id.startswith("answer"):
            assert all(line.strip() in cell.source for line in CODE_STUB.splitlines())
        if cell.id.startswith("proof"):
            assert cell.source == TEXT_STUB
    assert cell_of(student, "student").source.startswith('STUDENT = ""')


def test_students_notebook_runs_without_the_course(student, tmp_path):
    code = "\n\n".join(
        cell.source.replace('STUDENT = ""', 'STUDENT = "s1"')
        for cell in student.cells
        if cell.cell_type == "code"
    )
    command = [sys.executable, "-I", "-c", code]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "Task 2.1" in said.stdout and "✓" not in said.stdout


def test_the_zip_holds_the_notebook(pack):
    with zipfile.ZipFile(pack / "students/coursework.zip") as archive:
        assert archive.namelist() == [f"coursework/{STEM}.ipynb"]
        content = archive.read(f"coursework/{STEM}.ipynb")
    assert content == (pack / f"students/{STEM}.ipynb").read_bytes()


def test_the_gradebook_knows_every_task(pack):
    with closing(sqlite3.connect(pack / "instructor/gradebook.db")) as connection:
        rows = connection.execute(
            "select base_cell.name, max_score from grade_cells"
            " join base_cell on base_cell.id = grade_cells.id"
        ).fetchall()
    assert dict(rows) == {score_cell(task): task.points for task in ASSIGNMENTS[STEM]}


def test_the_students_notebook_gives_nothing_away(source, student):
    assert leaks(source, student) == []


@pytest.mark.parametrize("stem", ASSIGNMENTS)
def test_every_solution_would_be_noticed(stem):
    source = nbformat.read(SOURCE / stem / f"{stem}.ipynb", as_version=4)
    for cell in source.cells:
        if not cell.id.startswith(("answer", "proof")):
            continue
        bare = copy.deepcopy(source)
        bare.cells = [copy.deepcopy(cell)]
        lines = [line for line in cell.source.splitlines() if "###" not in line]
        bare.cells[0].source = "\n".join(lines)
        assert leaks(source, bare), cell.id


@pytest.mark.parametrize(
    "text", ["### BEGIN HIDDEN TESTS", "### BEGIN MARK SCHEME", "from coursework.marking import x"]
)
def test_secret_words_are_noticed(source, student, text):
    cell_of(student, "test-2-1").source += f"\n{text}"
    assert leaks(source, student)


def test_a_solution_in_an_output_is_noticed(source, student):
    text = 'answer_2_3 = circle * abs(own["a"] * own["d"] - own["b"] * own["c"])'
    output = nbformat.v4.new_output("stream", text=text)
    cell_of(student, "answer-2-3").outputs = [output]
    assert leaks(source, student)


def test_the_name_of_the_author_is_taken_out():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell('STUDENT = "demo"  # write your number')]
    )
    assert for_student(notebook).cells[0].source == 'STUDENT = ""  # write your number'


def test_a_build_that_fails_leaves_the_old_packs(pack, monkeypatch):
    before = {path: path.read_bytes() for path in pack.rglob("*") if path.is_file()}

    def refuse(*_: object) -> None:
        raise ValueError("nbgrader could not")

    monkeypatch.setattr(building, "begin_course", refuse)
    with pytest.raises(ValueError, match="nbgrader could not"):
        build([STEM], pack)
    after = {
        path: path.read_bytes()
        for path in pack.rglob("*")
        if path.is_file() and ".new" not in path.parts
    }
    assert after == before


def test_marks_given_while_packs_are_made_are_not_lost(pack, monkeypatch):
    gradebook = pack / "instructor/gradebook.db"

    def mark_meanwhile(*_: object) -> None:
        gradebook.touch()

    before = gradebook.stat().st_ino
    for name in ("begin_course", "generate", "publish_notebook"):
        monkeypatch.setattr(building, name, mark_meanwhile)
    with pytest.raises(ValueError, match="somebody marked while the packs were made"):
        build([STEM], pack)
    assert gradebook.stat().st_ino == before


def test_other_assignments_stay(tmp_path, monkeypatch):
    """Each of two builds makes one assignment; nbgrader's part is played by files."""

    def begin(course: Path, old: Path, stems: list[str]) -> None:
        for folder in ("source", "release"):
            for stem in stems:
                (course / folder / stem).mkdir(parents=True)

    def publish(course: Path, students: Path, stem: str) -> None:
        (students / f"{stem}.ipynb").write_text("{}")

    monkeypatch.setattr(building, "begin_course", begin)
    monkeypatch.setattr(building, "generate", lambda course, stems: None)
    monkeypatch.setattr(building, "publish_notebook", publish)
    both = ["01_autoregressive", "06_games"]
    for stem in reversed(both):
        build([stem], tmp_path)
    for folder in ("source", "release"):
        found = sorted(path.name for path in (tmp_path / "instructor" / folder).iterdir())
        assert found == both
    with zipfile.ZipFile(tmp_path / "students/coursework.zip") as archive:
        assert archive.namelist() == [f"coursework/{stem}.ipynb" for stem in both]


def test_an_unknown_assignment_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needed one of"):
        build(["07_nothing"], tmp_path)


def test_an_interrupted_replacement_is_mended(tmp_path):
    old, new = tmp_path / "students", tmp_path / ".new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    old.rename(tmp_path / ".old-students")
    recover(tmp_path)
    assert (old / "file").read_text() == "students"
    replace(new, old)
    assert (old / "file").read_text() == ".new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["students"]
