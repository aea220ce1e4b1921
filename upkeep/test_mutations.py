"""The mutations themselves, and what is kept of them. `make mutants` runs this first."""

import ast
import json

import pytest

from upkeep import mutants, mutations

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


def test_outcomes_are_found_again(tmp_path):
    log = mutants.Log(tmp_path / "kept" / "log.jsonl")
    log.add({"key": "a", "verdict": "survived"})
    log.add({"key": "a", "verdict": "caught"})
    assert mutants.Log(log.path).rows == {"a": {"key": "a", "verdict": "caught"}}


def test_survivors_count_unless_there_is_a_reason(tmp_path, monkeypatch):
    row = {"module": "m.py", "line": 1, "operator": "o", "old": "x", "new": "y"}
    rows = [row | {"key": str(n), "new": f"y{n}"} for n in range(3)]
    log = mutants.Log(tmp_path / "log.jsonl")
    for one, verdict in zip(rows, ("caught", "survived", "survived"), strict=True):
        log.add(one | {"verdict": verdict})
    monkeypatch.setattr(mutants, "equivalents", lambda: {("m.py", "x", "y2"): "the same"})
    result = mutants.counted(rows, {"m.py": 9}, log)
    assert [s["equivalent"] for s in result["survivors"]] == [None, "the same"]
    (counts,) = result["modules"]
    assert [counts[k] for k in ("caught", "equivalent", "survived", "tried")] == [1, 1, 1, 3]


def test_reasons_belong_to_survivors():
    """A reason for what no longer survives, or no longer stands there, is a stale one."""
    stored = json.loads((mutants.ROOT / mutants.RESULTS).read_text("utf8"))["mutations"]
    survivors = {(s["module"], s["old"], s["new"]) for s in stored["survivors"]}
    reasons = mutants.equivalents()
    assert reasons.keys() <= survivors and all(len(text) > 20 for text in reasons.values())
