"""`make coursework`: the notebooks of students and of instructors from their one source.

    python -m coursework.build              all assignments
    python -m coursework.build 06_games     some of them

It writes an nbgrader course to `coursework/course/instructor`, and what students get to
`coursework/course/students`. A build that fails leaves the last good packs as they were. Marks
in the course's gradebook are kept, and so are assignments that are not built again.
"""

import argparse
import os
import shutil
import sys
import sysconfig
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
from sqlalchemy.exc import SQLAlchemyError

from coursework.assignments import ASSIGNMENTS, OUTPUT, SOURCE
from coursework.feedback import open_assignment
from coursework.seal import table
from coursework.submission import CODE_STUB, TEXT_STUB, student_in

__all__ = ["build", "filled", "leaks", "open_source"]

FEEDBACK = Path(__file__).with_name("feedback.py")
INSTRUCTOR, STUDENTS, ZIP = "instructor", "students", "coursework.zip"
GRADEBOOK = "gradebook.db"
KEPT = (GRADEBOOK, "autograded", "submitted", "feedback")  # of a course that is rebuilt
REGION = ("### BEGIN SOLUTION", "### END SOLUTION")
SECRETS = ("HIDDEN TESTS", "MARK SCHEME", "BEGIN SOLUTION", "END SOLUTION")
IMPORTS = ("from coursework", "import coursework")
SHORT = 12  # characters; a line of a solution that is no longer gives nothing away
CONFIG = f'''"""nbgrader's settings for this course; `make coursework` writes them."""

c = get_config()
c.CourseDirectory.course_id = "deep-generative-models"
c.ClearSolutions.code_stub = {{"python": {CODE_STUB!r}}}
c.ClearSolutions.text_stub = {TEXT_STUB!r}
c.ClearMarkScheme.enforce_metadata = False  # rubrics stand in the cells of proofs
c.NbGrader.logfile = ""
'''


def open_source(stem: str) -> tuple[Callable, Callable]:
    """`check` and `numbers_of` of an assignment, for its source notebook."""
    return open_assignment(table(ASSIGNMENTS[stem]))


def filled(stem: str) -> nbformat.NotebookNode:
    """The source notebook with the students' feedback in its cell `feedback`."""
    notebook = nbformat.read(SOURCE / stem / f"{stem}.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == "feedback")
    sealed = table(ASSIGNMENTS[stem])
    lines = "\n".join(f'    "{sealed[i : i + 96]}"' for i in range(0, len(sealed), 96))
    cell.source = (
        "# @title Feedback on answers: run this cell, there is nothing to write in it\n"
        f"{FEEDBACK.read_text()}\n\nTABLE = (\n{lines}\n)\n"
        "check, numbers_of = open_assignment(TABLE)"
    )
    return notebook


def leaks(source: nbformat.NotebookNode, student: nbformat.NotebookNode) -> list[str]:
    """What a student's notebook gives away: secret words, and lines of solutions."""
    # The text that students get anyway is no secret, such as a line of the feedback cell.
    public = {line.strip() for cell in source.cells for line in _lines(cell.source, inside=False)}
    secret = {line.strip() for cell in source.cells for line in _lines(cell.source, inside=True)}
    secret = {line for line in secret - public if len(line) > SHORT}
    found = []
    for cell in student.cells:
        shown = f"{cell.source}\n{cell.get('outputs') or ''}"
        found += [word for word in SECRETS + IMPORTS if word in shown]
        found += sorted(line for line in secret if line in shown)
    return found


def _lines(text: str, *, inside: bool) -> list[str]:
    """The lines of a cell inside its solution regions, or those outside."""
    found, within = [], False
    for line in text.splitlines():
        if REGION[0] in line:
            within = True
        elif REGION[1] in line:
            within = False
        elif within == inside:
            found.append(line)
    return found


def for_student(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The released notebook as students get it: no outputs, and no name in it yet."""
    for cell in release.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if (name := student_in(cell.source)) is not None:
            cell.source = cell.source.replace(f'"{name}"', '""', 1)
    return release


def build(stems: Sequence[str] | None = None, output: Path = OUTPUT) -> None:
    """Make both packs in a folder beside the old ones, and then put them in their place.

    Raises:
        ValueError: If there is no such assignment, nbgrader refuses one, a student's notebook
            would give something away, or somebody wrote in the gradebook meanwhile.
    """
    stems = list(stems or ASSIGNMENTS)
    for stem in stems:
        if stem not in ASSIGNMENTS:
            raise ValueError(f"needed one of {', '.join(ASSIGNMENTS)}; got {stem!r}")
    output.mkdir(parents=True, exist_ok=True)
    recover(output)
    new = output / ".new"
    shutil.rmtree(new, ignore_errors=True)
    course, students = new / INSTRUCTOR, new / STUDENTS
    students.mkdir(parents=True)
    last_mark = time_of(output / INSTRUCTOR / GRADEBOOK)
    begin_course(course, output / INSTRUCTOR, stems)
    generate(course, stems)
    for stem in stems:
        publish_notebook(course, students, stem)
    keep_others(new, output, stems)
    with zipfile.ZipFile(students / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(students.glob("*.ipynb")):
            archive.write(path, f"coursework/{path.name}")
    if time_of(output / INSTRUCTOR / GRADEBOOK) != last_mark:
        raise ValueError("somebody marked while the packs were made: run the same command again")
    for name in (STUDENTS, INSTRUCTOR):
        replace(new / name, output / name)
    shutil.rmtree(new)


def begin_course(course: Path, old: Path, stems: Sequence[str]) -> None:
    """A course's folder with its sources, its settings, and what was marked in the old one."""
    course.mkdir()
    for name in KEPT:
        if (old / name).is_dir():
            shutil.copytree(old / name, course / name)
        elif (old / name).exists():
            shutil.copy2(old / name, course / name)
    (course / "nbgrader_config.py").write_text(CONFIG)
    for stem in stems:
        folder = course / "source" / stem
        folder.mkdir(parents=True)
        nbformat.write(filled(stem), folder / f"{stem}.ipynb")


def time_of(path: Path) -> int:
    """When a file was written, in nanoseconds; 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def keep_others(new: Path, output: Path, stems: Sequence[str]) -> None:
    """Take over the assignments of the last packs that were not made again."""
    for stem in set(ASSIGNMENTS) - set(stems):
        if (old := output / STUDENTS / f"{stem}.ipynb").exists():
            shutil.copy2(old, new / STUDENTS)
            for folder in ("source", "release"):
                place = Path(INSTRUCTOR, folder, stem)
                shutil.copytree(output / place, new / place)


def publish_notebook(course: Path, students: Path, stem: str) -> None:
    """Write what students get of one assignment.

    Raises:
        ValueError: If it would give something away.
    """
    source = nbformat.read(course / "source" / stem / f"{stem}.ipynb", as_version=4)
    released = nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)
    student = for_student(released)
    if found := leaks(source, student):
        raise ValueError(
            f"{stem}: the students' notebook would hold {', '.join(map(repr, found))}"
        )
    nbformat.write(student, students / f"{stem}.ipynb")


def generate(course: Path, stems: Sequence[str]) -> None:
    """Have nbgrader make the released notebooks and the gradebook.

    Raises:
        ValueError: If it refuses a notebook.
    """
    # nbgrader calls the program `alembic`, which stands beside Python.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    from nbgrader.apps import NbGrader
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    application = NbGrader(config=config)
    api = NbGraderAPI(application.coursedir, parent=application)
    for stem in stems:
        done = api.generate_assignment(stem)
        if not done["success"]:
            said = f"{done.get('log', '')}{done.get('error', '')}"
            raise ValueError(f"nbgrader could not make {stem}:\n{said}")


def replace(new: Path, target: Path) -> None:
    """Put a folder in another's place."""
    old = target.with_name(f".old-{target.name}")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def recover(output: Path) -> None:
    """Put folders back that an interrupted `replace` left aside."""
    for name in (INSTRUCTOR, STUDENTS):
        old, target = output / f".old-{name}", output / name
        if old.exists() and not target.exists():
            old.rename(target)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m coursework.build", description=__doc__)
    parser.add_argument("stems", nargs="*", metavar="ASSIGNMENT", help="such as 06_games")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the packs go")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    started = time.monotonic()
    try:
        build(chosen.stems, chosen.output)
    except (ValueError, OSError, SQLAlchemyError) as error:
        sys.exit(f"{error}\nThe last good packs are untouched.")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the last good packs are untouched")
    print(f"The coursework is built ({time.monotonic() - started:.0f} s).")
    print(f"For students:    {chosen.output / STUDENTS / ZIP} and the notebooks beside it")
    print(f"For instructors: {chosen.output / INSTRUCTOR}, a course of nbgrader")


if __name__ == "__main__":
    main()
