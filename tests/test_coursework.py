"""Coursework: every task of every assignment, its notebook, its feedback and its marks."""

import functools
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbgrader.nbgraderformat import MetadataValidator, read
from nbgrader.preprocessors import CheckCellMetadata

from coursework import build, feedback
from coursework.assignments import ASSIGNMENTS, SOURCE, task_of
from coursework.build import filled
from coursework.feedback import Assignment, decode, numbers_in, variant_of
from coursework.marking import award, questions
from coursework.seal import encode, table
from coursework.tasks import ADVICE_RIGHT, POOL, CodeTask, NumberTask, Proof, Task, agree

ROOT = Path(__file__).resolve().parent.parent
STEMS = sorted(ASSIGNMENTS)
NUMBERS = [task.number for stem in STEMS for task in ASSIGNMENTS[stem]]
NUMBER_TASKS = [n for n in NUMBERS if isinstance(task_of(n), NumberTask)]
CODE_TASKS = [n for n in NUMBERS if isinstance(task_of(n), CodeTask)]
STUDENTS = [f"s{1000000 + place}" for place in range(30)]
KEY = "a secret of the tests"
LARGEST = 70_000  # bytes of a sealed table
NEARLY_ALL = 0.95 * POOL
ROUNDS = feedback.HASHES


def stem_of(number: str) -> str:
    """The assignment that a task belongs to."""
    return next(s for s, tasks in ASSIGNMENTS.items() if task_of(number) in tasks)


@functools.cache
def notebook(stem: str) -> nbformat.NotebookNode:
    """The source notebook of an assignment."""
    return nbformat.read(SOURCE / stem / f"{stem}.ipynb", as_version=4)


@functools.cache
def variants(number: str) -> list[dict[str, Any]]:
    """All variants of a task, as students get them."""
    return [decode(encode(own)) for own in task_of(number).variants()]


@functools.cache
def known(number: str) -> dict[str, Any]:
    """The truth of each variant by the variant's spelling."""
    task = task_of(number)
    return {repr(own): task.truth(**own) for own in task.variants()}


def truths(number: str) -> list[Any]:
    """The truth of each variant."""
    return list(known(number).values())


def with_known_truths(stem: str) -> list[Task]:
    """An assignment's tasks, which look up the truths of variants: some of them take long."""
    return [
        replace(task, truth=lambda number=task.number, **own: known(number)[repr(own)])
        if isinstance(task, NumberTask)
        else task
        for task in ASSIGNMENTS[stem]
    ]


@functools.cache
def hidden(number: str) -> list[dict[str, list[tuple[tuple, Any]]]]:
    """Each student's hidden arguments and the truth for them, by group."""
    task = task_of(number)
    return [
        {
            question.group: [(arguments, task.truth(*arguments)) for arguments in question.calls]
            for question in questions(task, student, KEY)
        }
        for student in STUDENTS
    ]


@pytest.fixture(scope="module")
def sealed() -> Iterator[Callable[[str], str]]:
    """Seals an assignment's table, with digests of one round instead of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feedback, "HASHES", 1)
        yield functools.cache(lambda stem: table(with_known_truths(stem)))


@pytest.fixture(scope="module")
def assignment(sealed: Callable[[str], str]) -> Callable[[str], Assignment]:
    """Opens an assignment's sealed table."""
    return functools.cache(lambda stem: Assignment(sealed(stem)))


@functools.cache
def student_with(number: str, which: int) -> str:
    """A student who gets that variant of that task."""
    names = (f"student {place}" for place in range(100 * POOL))
    return next(name for name in names if variant_of(name, number, POOL) == which)


def wrong_versions(task: NumberTask | CodeTask) -> list[tuple[str, Callable]]:
    """Each wrong version with the sentence that it deserves."""
    return [
        (f"✗ {advice}", version)
        for advice, versions in task.wrong.items()
        for version in (versions if isinstance(versions, Sequence) else [versions])
    ]


def solve(number: str, mine: dict[str, Any]) -> Any:
    """What the notebook's solution of one task gives, run alone with one's own numbers."""
    names: dict[str, Any] = {"mine": mine}
    exec(_solution(number), names)
    return names[task_of(number).answer]


@functools.cache
def _solution(number: str) -> Any:
    return compile(_cell(number, "answer").source, f"solution of task {number}", "exec")


def _cell(number: str, role: str) -> nbformat.NotebookNode:
    """The notebook's cell for a task: its statement, its answer, its test or its proof."""
    wanted = f"{role}-{number.replace('.', '-')}"
    return next(
        cell
        for cell in notebook(stem_of(number)).cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == wanted
    )


# The notebooks


def claims(chapter: int) -> set[str]:
    """The claims that a chapter states."""
    (path,) = ROOT.glob(f"book/{chapter:02d}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return set(re.findall(r"\*\*Claim (\w+\.\w+)\.\*\*", text))


@pytest.mark.parametrize("stem", STEMS)
def test_an_assignment_covers_the_claims_of_its_chapter(stem):
    chapter = int(stem[:2])
    tasks = ASSIGNMENTS[stem]
    assert {claim for task in tasks for claim in task.claims} == claims(chapter)
    assert [task.number for task in tasks] == [
        f"{chapter}.{place + 1}" for place in range(len(tasks))
    ]
    assert 4 <= len(tasks) <= 6


@pytest.mark.parametrize("stem", STEMS)
def test_the_notebook_asks_for_what_the_tasks_are(stem):
    cells = {cell.id: cell for cell in notebook(stem).cells}
    graded = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in cells.values()
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    expected = {}
    for task in ASSIGNMENTS[stem]:
        role = "proof" if isinstance(task, Proof) else "test"
        expected[f"{role}-{task.number.replace('.', '-')}"] = task.points
        heading = _cell(task.number, "task").source.splitlines()[0]
        assert heading.startswith(f"## Task {task.number}: ")
        assert re.search(rf"\({task.points} points\b", heading)
        if not isinstance(task, Proof):
            test = _cell(task.number, "test").source
            assert test.startswith(f'check("{task.number}", {task.answer})\n')
            assert f'points_for("{task.number}", {task.answer}, STUDENT)' in test
    assert graded == expected
    assert f"{sum(graded.values())} points" in cells["title"].source


@pytest.mark.parametrize("stem", STEMS)
def test_there_is_one_proof_with_a_model_answer_and_a_mark_scheme(stem):
    (proof,) = [task for task in ASSIGNMENTS[stem] if isinstance(task, Proof)]
    source = _cell(proof.number, "proof").source
    markers = re.findall(r"### (?:BEGIN|END) (?:SOLUTION|MARK SCHEME)", source)
    assert markers == [
        "### BEGIN SOLUTION",
        "### END SOLUTION",
        "### BEGIN MARK SCHEME",
        "### END MARK SCHEME",
    ]
    scheme = source.split("### BEGIN MARK SCHEME")[1]
    assert "Rubric" in scheme
    assert "misconceptions" in scheme


@pytest.mark.parametrize("stem", STEMS)
def test_nbgrader_accepts_the_notebook(stem):
    path = SOURCE / stem / f"{stem}.ipynb"
    MetadataValidator().validate_nb(nbformat.read(path, as_version=4))
    CheckCellMetadata().preprocess(read(path, as_version=4), {})


@pytest.mark.parametrize("stem", STEMS)
def test_solutions_and_hidden_tests_stand_between_markers(stem):
    for cell in notebook(stem).cells:
        kind = cell.metadata.get("nbgrader", {})
        assert ("### BEGIN SOLUTION" in cell.source) == kind.get("solution", False)
        hides = "### BEGIN HIDDEN TESTS" in cell.source
        assert hides == (kind.get("grade", False) and not kind.get("solution", False))
        assert not cell.get("outputs")


# Variants


@pytest.mark.parametrize("stem", STEMS)
def test_a_thousand_students_have_different_numbers(stem):
    numbers = [task.number for task in ASSIGNMENTS[stem] if isinstance(task, NumberTask)]
    rows = [
        tuple(variant_of(f"s{1000000 + place}", number, POOL) for number in numbers)
        for place in range(1000)
    ]
    assert len(set(rows)) == 1000
    for left, right in pairwise(rows):
        assert sum(a == b for a, b in zip(left, right, strict=True)) <= 1
    for column in zip(*rows, strict=True):
        assert len(set(column)) > 0.95 * POOL


@pytest.mark.parametrize("number", NUMBER_TASKS)
def test_variants_are_equally_hard_and_their_answers_differ(number):
    task = task_of(number)
    assert len(variants(number)) == POOL
    assert len({repr(own) for own in variants(number)}) == POOL
    assert len({task.alike(**own) for own in task.variants()}) == 1
    rows = [numbers_in(truth) for truth in truths(number)]
    assert all(np.isfinite(row).all() for row in rows)
    assert len({tuple(f"{x:.9e}" for x in row) for row in rows}) >= NEARLY_ALL
    spelled = Counter(tuple(map(feedback.spelling, row)) for row in rows)
    copies_that_pass = sum(count * (count - 1) for count in spelled.values())
    assert copies_that_pass < 0.005 * POOL**2


PRINTED = """
import hashlib, json, sys
from coursework.assignments import ASSIGNMENTS
from coursework.marking import questions
from coursework.tasks import CodeTask, NumberTask
found = {}
for tasks in ASSIGNMENTS.values():
    for task in tasks:
        drawn = task.variants() if isinstance(task, NumberTask) else ""
        asked = questions(task, " S1 ", "key") if isinstance(task, CodeTask) else ""
        found[task.number] = hashlib.sha256(repr((drawn, asked)).encode()).hexdigest()
json.dump(found, sys.stdout)
"""


def test_another_process_draws_the_same_numbers(capsys):
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    other = subprocess.run(
        [sys.executable, "-c", PRINTED],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    exec(PRINTED, {})
    assert json.loads(other.stdout) == json.loads(capsys.readouterr().out)


def test_capitals_and_spaces_do_not_change_the_numbers():
    assert variant_of(" S1234567 ", "4.2", POOL) == variant_of("s1234567", "4.2", POOL)
    task = task_of(CODE_TASKS[0])
    asked = [questions(task, student, KEY) for student in (" S12 ", "s12", "s13")]
    assert repr(asked[0]) == repr(asked[1])
    assert repr(asked[1]) != repr(asked[2])


# Truth and the notebooks' solutions


@pytest.mark.parametrize("number", NUMBER_TASKS)
def test_the_solution_is_right_for_all_variants(number):
    for own, truth in zip(variants(number), truths(number), strict=True):
        assert agree(solve(number, {number: own}), truth, 1e-3), own


@pytest.mark.parametrize("number", CODE_TASKS)
def test_the_solution_is_right_on_practice_and_hidden_inputs(number):
    task = task_of(number)
    function = solve(number, {})
    for arguments in decode(encode(task.practice)):
        assert agree(function(*arguments), task.truth(*arguments), 1e-6), arguments
    for groups in hidden(number):
        for arguments, right in (pair for pairs in groups.values() for pair in pairs):
            assert agree(function(*arguments), right, 1e-6), arguments


# Feedback


@pytest.mark.parametrize("number", NUMBER_TASKS)
def test_each_wrong_number_is_told_why(number, assignment):
    task, opened = task_of(number), assignment(stem_of(number))
    told = {version: [] for version in wrong_versions(task)}
    for which, own in enumerate(variants(number)):
        assert opened.numbers_of(student_with(number, which))[number].keys() == own.keys()
        assert opened.feedback(number, truths(number)[which]) == ADVICE_RIGHT
        for advice, version in told:
            try:
                answer = version(**own)
            except ValueError:
                continue
            told[advice, version].append(opened.feedback(number, answer) == advice)
    for (advice, _), own_sentence in told.items():
        assert len(own_sentence) >= POOL / 2, advice
        assert sum(own_sentence) >= 0.95 * len(own_sentence), advice


@pytest.mark.parametrize("number", CODE_TASKS)
def test_each_wrong_function_is_told_why(number, assignment):
    task, opened = task_of(number), assignment(stem_of(number))
    assert opened.feedback(number, task.truth) == ADVICE_RIGHT
    for advice, version in wrong_versions(task):
        assert opened.feedback(number, version) == advice


@pytest.mark.parametrize("number", NUMBER_TASKS + CODE_TASKS)
def test_each_sentence_is_short_and_stands_alone(number):
    for advice, _ in wrong_versions(task_of(number)):
        assert len(advice) <= 120
        assert advice.endswith((".", "?"))


def endless(*_: Any) -> Any:
    """A function that never comes to an end."""
    return endless()


def nested(depth: int) -> list:
    """A list in a list in a list."""
    inside: list = []
    for _ in range(depth):
        inside = [inside]
    return inside


class Unreadable:
    """An object that cannot become an array."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("no array")


STRANGE = {
    "a text": "half",
    "a dictionary": {"d": 1.0},
    "a complex number": 1j,
    "an object": object(),
    "no array": Unreadable(),
    "nothing in a list": [None],
    "unlike things in a set": {1, "one"},
    "a huge whole number": 10**400,
    "an empty list": [],
    "not a number": math.nan,
    "infinity": -math.inf,
    "texts in an array": np.array(["a"]),
    "a tensor with a gradient": torch.ones(2, requires_grad=True),
}


@pytest.mark.parametrize("number", NUMBER_TASKS + CODE_TASKS)
@pytest.mark.parametrize("strange", STRANGE)
def test_strange_answers_get_words(number, strange, assignment):
    opened = assignment(stem_of(number))
    opened.numbers_of("s1")
    answer = STRANGE[strange]
    if isinstance(task_of(number), CodeTask):
        assert "Needed a function" in opened.feedback(number, answer)
    returned = opened.feedback(number, (lambda *_: answer) if number in CODE_TASKS else answer)
    assert returned.startswith("✗ ")
    assert len(returned) < 400


def test_deep_nesting_gets_words(assignment):
    opened = assignment(STEMS[0])
    opened.numbers_of("s1")
    number = next(number for number in NUMBER_TASKS if number in opened.tasks)
    assert opened.feedback(number, nested(5000)).startswith("✗ RecursionError: ")


def test_deep_nesting_in_place_of_a_function_gets_words(assignment):
    opened = assignment(STEMS[0])
    number = next(number for number in CODE_TASKS if number in opened.tasks)
    assert "Needed a function" in opened.feedback(number, nested(5000))


@pytest.mark.parametrize("number", NUMBER_TASKS + CODE_TASKS)
def test_blanks_are_told_what_is_needed(number, assignment):
    task, opened = task_of(number), assignment(stem_of(number))
    opened.numbers_of("s1")
    for blank in (None, ...):
        assert opened.feedback(number, blank) == f"○ Give {task.needed}."
    if isinstance(task, NumberTask):
        assert opened.feedback(number, len).startswith(f"✗ Needed {task.needed}; got ")


@pytest.mark.parametrize("number", CODE_TASKS)
def test_errors_of_the_students_code_are_told(number, assignment):
    opened = assignment(stem_of(number))
    assert "is a return missing?" in opened.feedback(number, lambda *_: None)
    assert opened.feedback(number, lambda *_: {}["d"]) == "✗ KeyError: 'd'"
    assert opened.feedback(number, endless).startswith("✗ RecursionError: ")
    assert opened.feedback(number, lambda: 1).startswith("✗ TypeError: ")


@pytest.mark.parametrize("stem", STEMS)
def test_unknown_tasks_and_students_are_refused(stem, assignment):
    opened = Assignment(table([]))
    opened.tasks = assignment(stem).tasks
    first = next(task.number for task in ASSIGNMENTS[stem] if isinstance(task, NumberTask))
    with pytest.raises(ValueError, match=rf"no task '9\.9'; there are .*{re.escape(first)}"):
        opened.feedback("9.9", 1.0)
    for student in ("", "  ", None, 1234567):
        with pytest.raises(ValueError, match="needed your student number in quotes") as refused:
            opened.numbers_of(student)
        assert f"got {student!r}" in str(refused.value)
    with pytest.raises(ValueError, match="needed your student number in quotes"):
        opened.feedback(first, 1.0)


# The sealed table


def leaves(value: Any) -> Iterator[Any]:
    """Everything in a decoded table that is neither a list nor a dictionary."""
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, (dict, list)):
        for item in inside:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("stem", STEMS)
def test_a_table_holds_inputs_words_and_digests_only(stem, assignment):
    opened = assignment(stem).tasks
    answered = [task for task in ASSIGNMENTS[stem] if not isinstance(task, Proof)]
    assert list(opened) == [task.number for task in answered]
    for task in answered:
        entry = opened[task.number]
        is_code = isinstance(task, CodeTask)
        assert set(entry) == {"needed", "variants", "practice", "messages", "sealed"}
        assert entry["needed"] == task.needed
        assert entry["practice"] == (encode(task.practice) if is_code else [])
        assert entry["variants"] == ([] if is_code else encode(task.variants()))
        assert entry["messages"] == [ADVICE_RIGHT, *(advice for advice, _ in wrong_versions(task))]
        assert all(re.fullmatch("[0-9a-f]{6}", mark) for mark in leaves(entry["sealed"]))


@pytest.mark.parametrize("number", NUMBER_TASKS)
def test_no_table_tells_a_truth(number, assignment):
    entry = assignment(stem_of(number)).tasks[number]
    numerals = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", " ".join(entry["messages"]))
    told = [float(numeral) for numeral in numerals]
    for own, truth in zip(entry["variants"], truths(number), strict=True):
        shown = [*told, *(leaf for leaf in leaves(own) if not isinstance(leaf, str))]
        assert not all(part in shown for part in parts(truth)), own


def parts(truth: Any) -> list[float]:
    """The numbers of an answer, without the lengths of its lists."""
    if isinstance(truth, (tuple, list, set, frozenset)):
        return [number for part in truth for number in parts(part)]
    return np.asarray(truth, dtype=float).ravel().tolist()


@pytest.mark.parametrize("stem", STEMS)
def test_a_table_is_small(stem, sealed):
    assert len(sealed(stem)) < LARGEST


ALONE = """
import io, json, sys
from contextlib import redirect_stdout

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy"}:
            raise ModuleNotFoundError(f"refused {name}")

sys.meta_path.insert(0, Refuse())
for name in ("torch", "coursework", "helpers", "scipy"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} can be imported")
told = {}
for stem, (cell, number, answers) in json.load(sys.stdin).items():
    names = {}
    exec(cell, names)
    own = names["numbers_of"]("s1000000")[number]
    heard = io.StringIO()
    with redirect_stdout(heard):
        for answer in answers:
            names["check"](number, answer)
    told[stem] = [repr(own), heard.getvalue()]
json.dump(told, sys.stdout)
"""


def feedback_cell(stem: str) -> str:
    """The code that students get for an assignment."""
    return next(cell for cell in filled(stem).cells if cell.id == "feedback").source


@pytest.fixture(scope="module")
def heard_alone(sealed: Callable[[str], str]) -> dict[str, tuple[str, str]]:
    """What the feedback cells say in a process that has the standard library and NumPy only.

    The last assignment's is the one that students get; the others have digests of one round.
    """
    asked = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feedback, "HASHES", ROUNDS)
        patch.setattr(build, "table", lambda _: table(with_known_truths(STEMS[-1])))
        cells = {STEMS[-1]: feedback_cell(STEMS[-1])}
        patch.setattr(build, "table", lambda tasks: sealed(stem_of(tasks[0].number)))
        for stem in STEMS[:-1]:
            cells[stem] = feedback_cell(stem).replace(f"\nHASHES = {ROUNDS} ", "\nHASHES = 1 ")
    for stem, cell in cells.items():
        task = next(task for task in ASSIGNMENTS[stem] if isinstance(task, NumberTask))
        which = variant_of("s1000000", task.number, POOL)
        truth = np.asarray(truths(task.number)[which], dtype=float).tolist()
        asked[stem] = (cell, task.number, [truth, None])
    other = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", ALONE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 0, other.stderr
    return json.loads(other.stdout)


@pytest.mark.parametrize("stem", STEMS)
def test_feedback_runs_on_the_standard_library_and_numpy_alone(stem, heard_alone):
    own, heard = heard_alone[stem]
    task = next(task for task in ASSIGNMENTS[stem] if isinstance(task, NumberTask))
    which = variant_of("s1000000", task.number, POOL)
    assert own == repr(variants(task.number)[which])
    assert heard.splitlines() == [
        f"Task {task.number}: {ADVICE_RIGHT}",
        f"Task {task.number}: ○ Give {task.needed}.",
    ]


def test_inputs_come_back_from_json_as_they_went():
    value = {"m": np.array([[1.0, 2.0]]), "n": (1, [2.5, "a", None, True]), "e": np.zeros((0, 2))}
    back = decode(json.loads(json.dumps(encode(value))))
    assert back["n"] == [1, [2.5, "a", None, True]]
    assert back["m"].tolist() == [[1.0, 2.0]]
    assert back["m"].dtype == float


# Marks


@pytest.mark.parametrize("number", CODE_TASKS)
def test_each_wrong_function_loses_marks_with_every_student(number):
    task = task_of(number)
    for advice, version in wrong_versions(task):
        for student, groups in zip(STUDENTS, hidden(number), strict=True):
            edges_first = reversed(groups.values())
            assert any(fails(task, version, pairs) for pairs in edges_first), (advice, student)


def fails(task: CodeTask, version: Callable, pairs: list[tuple[tuple, Any]]) -> bool:
    """Whether a version gives a wrong value, or none, for one of a group's inputs."""
    for arguments, right in pairs:
        try:
            value = version(*arguments)
        except Exception:
            return True
        if not agree(value, right, task.tolerance):
            return True
    return False


@pytest.mark.parametrize("number", CODE_TASKS)
def test_hidden_inputs_are_each_students_own(number):
    task = task_of(number)
    drawn = [questions(task, student, key) for key in (KEY, "x") for student in STUDENTS]
    for place, points in enumerate(points for points, _ in task.hidden.values()):
        assert all(asked[place].points == points for asked in drawn)
        assert all(1 <= len(asked[place].calls) <= 40 for asked in drawn)
    assert len({repr(asked) for asked in drawn}) == len(drawn)
    assert len(task.hidden) == 2


@pytest.mark.parametrize("number", CODE_TASKS)
def test_marks_for_functions(number):
    task, student = task_of(number), STUDENTS[0]
    for question in questions(task, student, KEY):
        rights = [right for _, right in hidden(number)[0][question.group]]
        given = award(task, question, student, rights)
        assert (given.points, given.out_of, given.comment) == (
            question.points,
            question.points,
            "Right.",
        )
        for values, comment in (
            ([*rights[:-1], None], f"Input {len(rights)} of {len(rights)}. No answer."),
            ([*rights[:-1], "half"], "Not the right value."),
            ([RuntimeError("it stopped"), *rights[1:]], "it stopped"),
            (rights[1:], "No answer was had for every input."),
        ):
            lost = award(task, question, student, values)
            assert lost.points == 0
            assert comment in lost.comment


@pytest.mark.parametrize("number", NUMBER_TASKS)
def test_marks_for_numbers(number):
    task, student = task_of(number), STUDENTS[0]
    (question,) = questions(task, student, KEY)
    which = variant_of(student, number, POOL)
    own, truth = variants(number)[which], truths(number)[which]
    assert award(task, question, student, [truth]).points == task.points
    assert award(task, question, student, [None]).comment == "No answer."
    other = next(t for t in truths(number) if not agree(t, truth, task.tolerance))
    assert award(task, question, student, [other]).points == 0
    sentences = {advice.removeprefix("✗ ").lower() for advice, _ in wrong_versions(task)}
    for _, version in wrong_versions(task):
        try:
            wrong = version(**own)
        except ValueError:
            continue
        if not agree(wrong, truth, task.tolerance):
            lost = award(task, question, student, [wrong])
            assert lost.points == 0
            assert lost.comment.lower() in sentences or not np.isfinite(numbers_in(wrong)).all()


def endless_list() -> list:
    """A list that holds itself."""
    inside: list = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    "given, right",
    [
        (1.0, 1),
        (True, 1.0),
        (1 + 1e-7, 1.0),
        (1e-10, 0.0),
        (-0.0, 0.0),
        (math.inf, math.inf),
        (10**15, 1e15),
        ((1, 2.0), [1.0, 2]),
        ({10, 0.5, -3}, [-3, 0.5, 10]),
        (frozenset({2, 1}), {1, 2}),
        ([], ()),
        (np.float32(0.5), 0.5),
        (torch.tensor(2.0, requires_grad=True), 2.0),
        (np.arange(3.0), [0, 1, 2]),
        (torch.arange(3), np.arange(3.0)),
        ([[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0))),
        (np.eye(2), torch.eye(2)),
        ([np.array([1.0, 2.0]), torch.tensor([3.0, 4.0])], [[1, 2], [3, 4]]),
    ],
)
def test_the_same_answer_in_other_words_agrees(given, right):
    assert agree(given, right, 1e-6)
    assert agree(right, given, 1e-6)


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_matrix_agrees_with_its_rows(kind):
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert agree(kind(rows), rows, 1e-6)
    assert agree(rows, kind(rows), 1e-6)
    assert not agree(kind(rows).T, rows, 1e-6)
    assert not agree(kind(rows).reshape(-1), rows, 1e-6)


@pytest.mark.parametrize(
    "given, right",
    [
        (1 + 1e-5, 1.0),
        (1e-8, 0.0),
        (math.nan, math.nan),
        (math.nan, 1.0),
        (math.inf, 1e308),
        (1e308, math.inf),
        (math.inf, -math.inf),
        (-1e308, 1e308),
        (10**400, 1.0),
        (10**400, math.inf),
        ([10**400], [1.0]),
        (None, 0.0),
        (..., 0.0),
        ("1.0", 1.0),
        (b"1", 1.0),
        ("", []),
        ({"d": 1.0}, 1.0),
        ({1: 2}, [1]),
        (1 + 0j, 1.0),
        (np.array(["1"]), [1.0]),
        (np.array([1.0, None]), [1.0, 2.0]),
        (Unreadable(), 1.0),
        ({1, "one"}, {1}),
        (endless_list(), [1.0]),
        (nested(5000), [[]]),
        ([1.0], 1.0),
        (1.0, [1.0]),
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        ([[1.0, 2.0]], [1.0, 2.0]),
        ([[1.0], [2.0]], [[1.0, 2.0]]),
        (np.ones((2, 3)), np.ones((3, 2))),
        ([], [0.0]),
        ({1, 2}, {1, 2, 3}),
        ([2.0, 1.0], [1.0, 2.0]),
    ],
)
def test_other_answers_do_not_agree_and_raise_nothing(given, right):
    assert agree(given, right, 1e-6) is False


@pytest.mark.parametrize("empty", [[], (), set(), np.zeros(0)])
def test_nothing_is_not_the_number_zero(empty):
    assert not agree(empty, 0.0, 1e-6)


def test_no_task_has_another_ones_number():
    assert len(set(NUMBERS)) == len(NUMBERS)
    for number in NUMBERS:
        task: Task = task_of(number)
        assert task.number == number
    with pytest.raises(ValueError, match=r"no task '9\.9'"):
        task_of("9.9")
