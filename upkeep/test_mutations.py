"""The mutations themselves, and what is kept of them. `make mutants` runs this first."""

import ast
import json
import subprocess
import sys

import pytest
from line_by_line.bite import CAUGHT

from upkeep import in_place, mutants, mutations, outcomes
from upkeep.trial import Outcome

SOURCE = '''
def f(x: int | None, y: float = 1) -> int | str:
    """One or 1 + 1."""
    for n in range(3):
        if x > 2 and not y:
            return x * 2
    return x & 1
'''


def found(operator: str) -> list[mutations.Mutation]:
    return [m for m in mutations.mutations("f.py", SOURCE) if operator in m.operator]


def test_one_token_changes():
    (one,) = found("BinaryOperator_Mul_Add")
    assert one.line == 6 and one.mutated(SOURCE) == SOURCE.replace("x * 2", "x + 2")
    assert mutations.changed_lines(SOURCE, one.mutated(SOURCE)) == ("return x * 2", "return x + 2")


def test_every_mutation_is_another_program():
    programs = {one.mutated(SOURCE) for one in mutations.mutations("f.py", SOURCE)}
    own = ast.dump(ast.parse(SOURCE))
    assert len(programs) > 20 and all(ast.dump(ast.parse(text)) != own for text in programs)


def test_annotations_and_texts_are_left_alone():
    lines = {one.line for one in mutations.mutations("f.py", SOURCE)}
    assert 3 not in lines
    assert all(one.line != 2 for one in found("BitOr"))
    assert [one.line for one in found("NumberReplacer") if one.line == 2] == [2, 2]


@pytest.mark.parametrize(
    "operator", ["Mul_LShift", "Mul_BitAnd", "BitAnd_Add", "VariableReplacer"]
)
def test_what_every_number_refuses_is_left_out(operator):
    assert found(operator) == []


def test_a_sample_is_the_same_in_every_run():
    every = mutations.mutations("f.py", SOURCE)
    assert mutations.sample(every, 5) == mutations.sample(every, 5)
    assert len(set(mutations.sample(every, 5))) == 5
    assert mutations.sample(every, None) == every


def test_every_helper_has_tests_of_its_own():
    modules = mutations.helpers(mutants.ROOT)
    assert "helpers/flows.py" in modules and "helpers/exercises/flows.py" in modules
    assert all(mutations.tests_of(mutants.ROOT, module) for module in modules)
    with pytest.raises(ValueError, match="needs a test file"):
        mutations.tests_of(mutants.ROOT, "helpers/nothing.py")


HELPER = """
LIMIT = 3
TABLE = {"double": lambda x: x * 2, "count": 5}


def called_on_import(x):
    return x + 1


def summed(numbers, start=0):
    for number in numbers:
        start = (
            start
            + number
        )
    return start


def closure(x):
    def inner(y):
        return x - y
    return inner


def countdown(n):
    while n > 0:
        n -= 1
    return n


def without_a_test(x):
    return x / 2


ONE = called_on_import(0)
SEVEN_LESS = closure(7)
"""
TESTS = """
from helper import LIMIT, ONE, SEVEN_LESS, TABLE, closure, countdown, summed

def test_tables(): assert (TABLE["double"](3), TABLE["count"], ONE) == (6, 5, 1)
def test_summed(): assert (summed([2, 3]), LIMIT) == (5, 3)
def test_closures(): assert (closure(5)(2), SEVEN_LESS(4)) == (3, 3)
def test_countdown(): assert countdown(3) == 0
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> dict[str, tuple[mutations.Mutation, Outcome]]:
    """What became of all mutations of a small helper, tried in place."""
    root = tmp_path_factory.mktemp("tree")
    (root / "helper.py").write_text(HELPER)
    (root / "test_helper.py").write_text(TESTS)
    (root / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    ones = {str(n): m for n, m in enumerate(mutations.mutations("helper.py", HELPER))}
    session = in_place.Session(("test_helper.py",), ones, jobs=2, grace=1, libraries=())
    measured, *outcomes = in_place.attempt_all(root, session)
    assert len(measured) == TESTS.count("def ") and len(outcomes) == len(ones) > 40
    return {o.key: (ones[o.key], o) for o in outcomes}


@pytest.mark.parametrize(
    "text, verdicts",
    [
        ("LIMIT = 3", {"left"}),  # runs on import
        ("return x + 1", {"left"}),  # as well, since a constant calls it
        ("def summed(numbers, start=0)", {"left"}),  # and so do defaults
        ("+ number", {"caught"}),  # a line within a statement
        ("return x - y", {"caught"}),  # in functions that another one makes
        ("n -= 1", {"caught", "too long"}),  # less 0: a loop without end
        ("return x / 2", {"survived"}),
    ],
)
def test_in_place_each_line_meets_its_tests(tried, text, verdicts):
    number = next(n for n, line in enumerate(HELPER.split("\n"), start=1) if text in line)
    assert {outcome.verdict for one, outcome in tried.values() if one.line == number} == verdicts


def test_in_place_a_lambda_is_told_from_the_table_in_which_it_stands(tried):
    number = HELPER.split("\n").index(next(x for x in HELPER.split("\n") if "TABLE =" in x)) + 1
    found = {}
    for one, outcome in tried.values():
        if one.line == number:
            found.setdefault("Number" in one.operator, set()).add(outcome.verdict)
    assert found == {True: {"caught", "left"}, False: {"caught"}}


def test_in_place_verdicts_are_those_of_the_edited_file(tried, tmp_path):
    """Each mutation that was tried in place is tried again as a file of its own."""
    (tmp_path / "test_helper.py").write_text(TESTS)
    sample = [pair for pair in tried.values() if pair[1].verdict in ("caught", "survived")]
    for one, outcome in sample[::6]:
        (tmp_path / "helper.py").write_text(one.mutated(HELPER))
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
        assert (ended.returncode == 0) == (outcome.verdict == "survived"), one


def test_in_place_tests_have_to_pass_each_alone(tmp_path):
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "test_helper.py").write_text(TESTS.replace("== (5, 3)", "== (5, 4)"))
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    one, *_ = mutations.mutations("helper.py", HELPER)
    session = in_place.Session(("test_helper.py",), {"k": one}, jobs=1, libraries=())
    with pytest.raises(ValueError, match=r"run alone.*test_summed"):
        list(in_place.attempt_all(tmp_path, session))


def test_outcomes_are_found_again(tmp_path):
    log = outcomes.Log(tmp_path / "kept" / "log.jsonl")
    log.add({"key": "a", "verdict": "survived"})
    log.add({"key": "a", "verdict": "caught"})
    assert outcomes.Log(log.path).rows == {"a": {"key": "a", "verdict": "caught"}}
    stored = [{"key": "a", "verdict": "survived"}, {"key": "b", "verdict": "survived"}]
    assert [r["verdict"] for r in outcomes.Log(log.path, stored).rows.values()] == [
        "caught",
        "survived",
    ]


def rows_of_a_module(number: int) -> list[dict]:
    """So many mutations of m.py, in statements of ten each."""
    row = {"module": "m.py", "operator": "o"}
    return [row | {"key": f"k{n}", "statement": f"s{n // 10}", "line": n} for n in range(number)]


def known(rows: list[dict], verdicts: list[str]) -> dict[str, dict]:
    """Outcomes by key; of what was not noticed with the lines that change."""
    changed = [{"old": "x", "new": f"y{row['line']}"} for row in rows]
    pairs = zip(rows, verdicts, changed, strict=False)
    return {
        row["key"]: row | {"verdict": verdict} | ({} if verdict in CAUGHT else lines)
        for row, verdict, lines in pairs
    }


def test_survivors_count_unless_there_is_a_reason(monkeypatch):
    rows = rows_of_a_module(9)
    found = known(rows, ["caught", "survived", "survived", "too long"])
    monkeypatch.setattr(mutants, "equivalents", lambda: {("m.py", "x", "y2"): "the same"})
    result = mutants.counted({"m.py": rows}, found)
    assert [s["equivalent"] for s in result["survivors"]] == [None, "the same"]
    (counts,) = result["modules"]
    names = ("mutations", "caught", "too_long", "equivalent", "survived", "tried")
    assert [counts[name] for name in names] == [9, 1, 1, 1, 1, 4]
    assert counts["outcomes"] == {"s0": "cssl....."}


def test_what_is_stored_is_known_in_every_clone():
    rows = rows_of_a_module(45)
    found = known(rows[:35], ["caught", "survived", "too long", "no result"] * 10)
    result = mutants.counted({"m.py": rows}, found)
    (counts,) = result["modules"]
    assert list(counts["outcomes"]) == ["s0", "s1", "s2", "s3"]
    again = outcomes.read(rows, counts["outcomes"], result["survivors"])
    assert {row["key"]: row for row in again} == found


def test_what_is_stored_of_other_mutations_is_forgotten():
    rows = rows_of_a_module(20)
    (counts,) = mutants.counted({"m.py": rows}, known(rows, ["caught"] * 20))["modules"]
    assert len(list(outcomes.read(rows, counts["outcomes"], []))) == 20
    changed = [row | {"statement": row["statement"].replace("s0", "new")} for row in rows]
    assert [row["key"] for row in outcomes.read(changed, counts["outcomes"], [])] == [
        f"k{n}" for n in range(10, 20)
    ]
    assert len(list(outcomes.read(rows[1:], counts["outcomes"], []))) == 10
    assert list(outcomes.read(rows, {}, [])) == []


def test_an_outcome_holds_while_its_function_does():
    def keys(source: str) -> list[str]:
        return [row["key"] for row in mutants.rows_of("helper.py", source)]

    before, after = keys(HELPER), keys(HELPER.replace("x - y", "x - y - 0"))
    assert len(set(before)) == len(before)
    kept = set(before) & set(after)
    lines = {row["line"] for row in mutants.rows_of("helper.py", HELPER) if row["key"] in kept}
    first = HELPER.split("\n").index("def closure(x):") + 1
    assert lines and lines.isdisjoint(range(first, first + 4))
    assert keys("import math\n" + HELPER) == before
    assert not set(keys(HELPER)) & {row["key"] for row in mutants.rows_of("other.py", HELPER)}


def test_a_decorator_belongs_to_its_function():
    assert mutations.statements("@cache\ndef f():\n    return 1\n")[1].startswith("@cache\ndef f")


def test_reasons_are_of_lines_that_stand_there():
    """A reason for what is no longer in the module is a stale one."""
    reasons = mutants.equivalents()
    sources = {module: (mutants.ROOT / module).read_text("utf8") for module, _, _ in reasons}
    lines = {module: {x.strip() for x in text.split("\n")} for module, text in sources.items()}
    for (module, old, _), reason in reasons.items():
        assert {part.strip() for part in old.split("\n")} <= lines[module], (module, old)
        assert len(reason) > 20


def test_what_is_explained_on_the_page_has_its_reason():
    stored = json.loads((mutants.ROOT / mutants.RESULTS).read_text("utf8"))["mutations"]
    reasons = mutants.equivalents()
    for row in stored["survivors"]:
        key = (row["module"], row["old"], row["new"])
        assert row["equivalent"] == reasons.get(key), key
