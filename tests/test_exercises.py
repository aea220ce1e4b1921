"""Feedback: right for the truth, its own sentence for each misconception, no solution in it."""

import re
from functools import partial

import pytest
import torch

from helpers import exercises
from helpers.autoregressive import kernel_mask, predecessors, raster_order, receptive_field
from helpers.exercises import EXERCISES, check_answer, feedback

NUMBERS = list(EXERCISES)


def my_field(kinds, pixel, shape, order, size):
    """A reader's solution of exercise 1.2, written without the helper that the judge uses."""
    reached = {pixel}
    reach = size // 2
    for kind in reversed(kinds):
        down = 1 if order == "bottom-up" else -1
        reached = {
            (row + down * d, column + e)
            for row, column in reached
            for d in range(reach + 1)
            for e in range(-reach, reach + 1)
            if d > 0 or e < 0 or (kind == "B" and e == 0)
        }
        reached = {p for p in reached if 1 <= p[0] <= shape[0] and 1 <= p[1] <= shape[1]}
    return reached


def my_leak_detector(network):
    """A reader's solution of exercise 1.4: perturb every pixel at a bright input."""
    inputs = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    before = network(inputs)
    order = raster_order((5, 5))
    for place, (row, column) in enumerate(order):
        changed = inputs.clone()
        changed[0, 0, row - 1, column - 1] += 0.5
        moved = (network(changed) != before)[0, 0]
        if any(moved[r - 1, c - 1] for r, c in order[: place + 1]):
            return True
    return False


SOLUTIONS = {
    "1.1": {(3, 2), (3, 3)},
    "1.2": my_field,
    "1.3": {(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)},
    "1.4": my_leak_detector,
    "1.5": (-1, 1),
}


def test_every_level_occurs_and_every_claim_has_an_exercise():
    assert {e.level for e in EXERCISES.values()} == {"read", "do", "prove"}
    assert {e.claim for e in EXERCISES.values()} == {"1.1", "1.2", "1.3", "1.4"}
    assert len(EXERCISES) >= 4


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_by_another_route_is_right(number):
    assert feedback(number, SOLUTIONS[number]) == (True, "✓ Right.")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("blank", [None, ...])
def test_a_blank_answer_is_no_error(number, blank):
    right, message = feedback(number, blank)
    assert not right
    assert message.startswith("○ Give")


def misconceptions():
    """(number, sentence, wrong answer) for each catalogued wrong version."""
    for number, exercise in EXERCISES.items():
        closure = dict(
            zip(exercise.judge.__code__.co_freevars, exercise.judge.__closure__ or (), strict=True)
        )
        if "misconceptions" in closure:
            plain = closure["instances"].cell_contents == ((),)
            for sentence, versions in closure["misconceptions"].cell_contents.items():
                for wrong in versions if isinstance(versions, list) else [versions]:
                    yield number, sentence, wrong() if plain else wrong


CATALOGUE = list(misconceptions())


@pytest.mark.parametrize("number, sentence, wrong", CATALOGUE)
def test_each_misconception_gets_its_own_sentence(number, sentence, wrong):
    assert feedback(number, wrong) == (False, f"✗ Not yet. {sentence}")


def test_sentences_are_distinct():
    assert len({sentence for _, sentence, _ in CATALOGUE}) >= 25


@pytest.mark.parametrize(
    "answer, advice",
    [
        ((0, 1), "grows by 1 along the open offset (d, e) = (1, 1)"),
        ((1, -1), "grows by 1 along the open offset (d, e) = (0, -1)"),
        ((1, 0), "along the open offset (d, e) = (1, -1)"),
        ((-1, 0), "has the value -1: a path may end there"),
        ((0, 0), "has the value 0"),
    ],
)
def test_a_wrong_certificate_is_told_where_it_fails(answer, advice):
    right, message = feedback("1.5", answer)
    assert not right
    assert advice in message


def test_exactly_the_valid_certificates_are_accepted():
    offsets = [(int(i) - 1, int(j) - 1) for i, j in kernel_mask("A").nonzero()]
    for a in range(-6, 7):
        for b in range(-6, 7):
            valid = all(a * d + b * e <= 0 for d, e in offsets) and a + 2 * b > 0
            assert feedback("1.5", (a, b))[0] == valid


@pytest.mark.parametrize(
    "number, answer, advice",
    [
        ("1.1", 32, "Needed a set of pixels such as {(3, 1), (4, 2)}; got 32"),
        ("1.1", {32}, "got {32}"),
        ("1.2", {(3, 2)}, "Needed a function of (kinds, pixel, shape, order, size)"),
        ("1.3", {1, 2}, "Needed a set of pairs of layers"),
        ("1.5", (1, 2, 3), "Needed two whole numbers (a, b)"),
        ("1.5", (1.5, 2), "Needed two whole numbers (a, b)"),
    ],
)
def test_an_answer_of_the_wrong_form_is_told_what_was_needed(number, answer, advice):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


def test_an_error_in_the_readers_code_is_feedback():
    right, message = feedback("1.2", lambda *arguments: 1 / 0)
    assert not right
    assert "raised ZeroDivisionError for 'AB', (3, 3)" in message
    assert not feedback("1.4", lambda network: "yes")[0]


def test_feedback_counts_but_does_not_tell_the_pixels():
    field = receptive_field("AB", (3, 3))
    right, message = feedback("1.2", lambda *_: field - {(3, 1)} | {(1, 1)})
    assert not right
    assert "Entries too many: 1; entries missing: 1 for 'AB', (3, 3)" in message
    assert "Is a return missing?" in feedback("1.2", lambda *_: None)[1]
    assert "Return a set; yours was a list" in feedback("1.2", lambda *_: sorted(field))[1]


@pytest.mark.parametrize("number", ["1.1", "1.3"])
def test_no_feedback_holds_the_solution(number):
    wrong_answers = [wrong for other, _, wrong in CATALOGUE if other == number]
    told = [feedback(number, answer)[1] for answer in [None, 0, set(), *wrong_answers]]
    solution = SOLUTIONS[number]
    written = [str(solution), str(frozenset(solution)), "32", "(3, 2)", "(2, 4)", "(2, 3)"]
    assert not re.search("|".join(map(re.escape, written)), " ".join(told))


def test_check_answer_shows_the_feedback_and_leaves_a_record(monkeypatch):
    shown = []
    monkeypatch.setattr(exercises, "display", lambda *a, **k: shown.append((*a, k["metadata"])))
    assert check_answer("1.3", {(2, 3)}) is None
    bundle, metadata = shown[0]
    assert bundle["text/plain"].startswith("Exercise 1.3: ✗ Not yet. Turn it round")
    assert metadata["book"]["claim"] == "1.3"
    assert metadata["book"]["anchor"] == "exercise-1-3"


def test_the_leak_instances_hold_both_kinds():
    answers = [my_leak_detector(*instance) for instance in exercises._leak_instances()]
    assert {True, False} == set(answers)
    assert answers == [exercises.leaks(*instance) for instance in exercises._leak_instances()]


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"no exercise '9\.9'; there are 1\.1"):
        check_answer("9.9", 0)


def test_the_past_of_a_pixel_is_not_its_field():
    """The first misconception of exercise 1.1 differs from the truth on its own instance."""
    assert predecessors((3, 5)) != receptive_field("AAB", (3, 5))


def test_no_single_pixel_is_enough_to_find_every_leak():
    """Whoever looks at one pixel, or along the diagonal, misses a leak of exercise 1.4."""
    diagonal = partial(exercises.leaks, pixels=[(i, 6 - i) for i in range(1, 6)])
    assert not feedback("1.4", diagonal)[0]
