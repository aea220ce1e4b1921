"""From marks to what people read: nbgrader's gradebook, feedback pages, and a table of marks.

    python -m coursework.report     again, such as after proofs were marked in formgrader

A mark or a comment that a person gave in formgrader is never changed, and counts in the table.
"""

import argparse
import csv
import html
import io
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from coursework.assignments import ASSIGNMENTS, OUTPUT
from coursework.build import INSTRUCTOR, build
from coursework.submission import answer_cell, score_cell, student_in
from coursework.tasks import Proof, Task

__all__ = ["write_all", "write_report"]

Result = dict[str, Any]

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #999;padding:.4rem;"
    "text-align:left;vertical-align:top}td:nth-child(2){white-space:nowrap}"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>
<h1>{title}</h1>
<p><strong>{total}</strong></p>
{notes}<table><thead><tr><th scope="col">Task</th><th scope="col">Points</th>
<th scope="col">Comment</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def write_all(path: Path, text: str) -> None:
    """Write a file whole or not at all; one that says the same already is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == text.encode(errors="replace"):
        return
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode(errors="replace"))
    os.chmod(fresh, 0o644)
    os.replace(fresh, path)


def results_in(output: Path) -> list[Result]:
    """All marks that are kept, in the order of assignments and students.

    Raises:
        ValueError: If some are of tasks that are no more.
    """
    found = [json.loads(path.read_text()) for path in sorted((output / "marks").glob("*/*.json"))]
    for result in found:
        numbers = [task.number for task in ASSIGNMENTS.get(result["assignment"], [])]
        if numbers != [marked["number"] for marked in result["tasks"]]:
            raise ValueError(
                f"the marks of {result['student']} for {result['assignment']} were made with other"
                " tasks; mark that submission again, or delete its marks"
            )
    order = {assignment: place for place, assignment in enumerate(ASSIGNMENTS)}
    return sorted(found, key=lambda result: (order[result["assignment"]], result["student"]))


def write_report(output: Path = OUTPUT) -> None:
    """Bring the gradebook, the feedback pages and the table up to date.

    Raises:
        ValueError: If the course of an assignment cannot be built.
    """
    results = results_in(output)
    course = output / INSTRUCTOR
    wanted = {result["assignment"] for result in results}
    if not all((course / "release" / stem / f"{stem}.ipynb").exists() for stem in wanted):
        print("There is no course for these submissions yet: building it first.", flush=True)
        build(output=output)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="nbgrader|sqlalchemy|alembic|traitlets")
        from nbgrader.api import Gradebook

        lines = []
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            for result in results:
                path, text, changed = autograded(course, result)
                enter(gradebook, result, changed)
                write_all(path, text)
                graded = gradebook.find_submission_notebook(
                    result["assignment"], result["assignment"], result["student"]
                )
                lines.append(marks_line(result, graded))
                page = feedback_page(result, graded)
                name = f"{result['assignment']}.html"
                write_all(output / "feedback" / result["student"] / name, page)
    write_all(output / "marks.csv", table_of(lines))


def enter(gradebook: Any, result: Result, proof_changed: bool) -> None:
    """Put one submission's marks into the gradebook; what a person entered stays."""
    student, assignment = result["student"], result["assignment"]
    gradebook.update_or_create_student(student)
    gradebook.update_or_create_submission(assignment, student)
    notebook = gradebook.find_submission_notebook(assignment, assignment, student)
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    for task, marked in zip(ASSIGNMENTS[assignment], result["tasks"], strict=True):
        grade, points = grades[score_cell(task)], marked["points"]
        by_hand = grade.manual_score is not None
        changed = proof_changed if isinstance(task, Proof) else grade.auto_score != points
        waits = changed or grade.needs_manual_grade if by_hand else points is None
        grade.auto_score, grade.needs_manual_grade = points, bool(waits)
        if comment := comments.get(answer_cell(task)):
            comment.auto_comment = comment_on(marked)
    gradebook.db.commit()


def comment_on(marked: dict[str, Any]) -> str:
    """What the marker says on a task, a line for each group of inputs."""
    if "groups" not in marked:
        return marked["comment"]
    return "\n".join(
        f"{group['group']}: {group['points']:g} of {group['out_of']}. {group['comment']}"
        for group in marked["groups"]
    )


def autograded(course: Path, result: Result) -> tuple[Path, str, bool]:
    """Where the notebook that formgrader shows stands, its text, and whether its proof is new."""
    assignment, student = result["assignment"], result["student"]
    path = course / "autograded" / student / assignment / f"{assignment}.ipynb"
    before = proofs(nbformat.read(path, as_version=4)) if path.exists() else None
    released = course / "release" / assignment / f"{assignment}.ipynb"
    notebook = nbformat.read(released, as_version=4)
    by_score = {score_cell(task): marked for task, marked in tasks_of(result)}
    by_answer = {answer_cell(task) for task, _ in tasks_of(result)}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in by_answer:
            text = result["answers"].get(name, "")
            cell.source = harmless(text) if cell.cell_type == "markdown" else text
        elif name in by_score:
            said = comment_on(by_score[name])
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said + "\n")]
        elif cell.cell_type == "code" and student_in(cell.source) is not None:
            cell.source = f"STUDENT = {student!r}"
    changed = before is not None and before != proofs(notebook)
    return path, nbformat.writes(notebook), changed


def tasks_of(result: Result) -> list[tuple[Task, dict[str, Any]]]:
    """Each task with its marks."""
    return list(zip(ASSIGNMENTS[result["assignment"]], result["tasks"], strict=True))


def proofs(notebook: nbformat.NotebookNode) -> list[str]:
    """The texts of a notebook's proofs."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith("proof-")
    ]


def harmless(text: str) -> str:
    """A student's Markdown without HTML and without MathJax's links.

    Formgrader renders it in the marker's browser, where a script could change marks.
    """
    text = re.sub(r"<(?=[A-Za-z/!?])", "< ", text)
    return re.sub(r"\\(?=(href|require|class|cssId|style|unicode)\b)", "", text)


def marks_line(result: Result, graded: Any) -> dict[str, Any]:
    """One line of the table."""
    grades = {grade.name: grade for grade in graded.grades}
    tasks = ASSIGNMENTS[result["assignment"]]
    points = {f"Task {place}": shown_score(grades[score_cell(task)])
              for place, task in enumerate(tasks, 1)}  # fmt: skip
    total = sum(grade.score or 0 for grade in grades.values())
    waits = any(grade.needs_manual_grade for grade in grades.values())
    about = {"Student ID": result["student"], "Assignment": result["assignment"]}
    end = {"Total": f"{total:g}", "Out of": f"{sum(task.points for task in tasks):g}"}
    return about | points | end | {"To be marked by hand": "yes" if waits else "no"}


def shown_score(grade: Any) -> str:
    """A score as a text; empty while a person has not given it."""
    given = grade.manual_score is not None or grade.auto_score is not None
    return f"{grade.score:g}" if given else ""


def table_of(lines: Sequence[dict[str, Any]]) -> str:
    """The table of marks, as CSV with one line for each submission."""
    most = max((len(line) for line in lines), default=0) - 5
    names = ["Student ID", "Assignment", *(f"Task {place}" for place in range(1, most + 1))]
    text = io.StringIO()
    ends = ["Total", "Out of", "To be marked by hand"]
    writer = csv.DictWriter(text, [*names, *ends], restval="")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def feedback_page(result: Result, graded: Any) -> str:
    """What a student reads: points and comments, and nothing of the hidden inputs."""
    line = marks_line(result, graded)
    grades = {grade.name: grade for grade in graded.grades}
    comments = {comment.name: comment for comment in graded.comments}
    rows = []
    for task, marked in tasks_of(result):
        score = shown_score(grades[score_cell(task)]) or "to be marked,"
        by_hand = getattr(comments.get(answer_cell(task)), "manual_comment", None)
        said = [text for text in (comment_on(marked), by_hand) if text]
        cells = (task.number, f"{score} of {task.points}", "\n".join(said))
        lines = [html.escape(text).replace("\n", "<br>") for text in cells]
        rows.append("<tr>" + "".join(f"<td>{text}</td>" for text in lines) + "</tr>")
    total = f"{line['Total']} of {line['Out of']} points"
    if line["To be marked by hand"] == "yes":
        total += " so far; a person has still to mark a part"
    notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in result["notes"])
    title = html.escape(f"{result['assignment']}: {result['student']}")
    return PAGE.format(title=title, style=STYLE, total=total, notes=notes, rows="\n".join(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m coursework.report", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where marks are")
    output = parser.parse_args(arguments).output
    try:
        write_report(output)
    except ValueError as error:
        sys.exit(f"{error}")
    print(f"Marks: {output / 'marks.csv'}, feedback: {output / 'feedback'}")


if __name__ == "__main__":
    main()
