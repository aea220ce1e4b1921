"""Feedback: right for the truth, its own sentence for each misconception, no solution in it."""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from solutions import autoregressive as solutions_1
from solutions import flows as solutions_5
from solutions import importance as solutions_4
from solutions import reparameterization as solutions_2
from solutions import variational as solutions_3

from helpers import exercises
from helpers.autoregressive import kernel_mask, predecessors, receptive_field
from helpers.checks import z_limit
from helpers.exercises import autoregressive as chapter_1
from helpers.exercises import flows as chapter_5
from helpers.exercises import importance as chapter_4
from helpers.exercises import reparameterization as chapter_2
from helpers.exercises import variational as chapter_3

# Of each chapter with exercises: its catalogue, and a solution of each by another route.
CHAPTERS = {
    "1": (chapter_1, solutions_1),
    "2": (chapter_2, solutions_2),
    "3": (chapter_3, solutions_3),
    "4": (chapter_4, solutions_4),
    "5": (chapter_5, solutions_5),
}
EXERCISES = {n: e for chapter, _ in CHAPTERS.values() for n, e in chapter.EXERCISES.items()}
SOLUTIONS = {n: s for _, chapter in CHAPTERS.values() for n, s in chapter.SOLUTIONS.items()}
NUMBERS = list(EXERCISES)


def feedback(number: str, answer: object) -> tuple[bool, str]:
    """What the chapter that the number belongs to says of an answer."""
    return CHAPTERS[number.split(".")[0]][0].EXERCISES.feedback(number, answer)


CLAIMS = {
    "1": {"1.1", "1.2", "1.3", "1.4"},
    "2": {"2.1", "2.2", "2.3", "2.4"},
    "3": {"3.1", "3.2", "3.3a", "3.3b", "3.3c"},
    "4": {"4.0", "4.1", "4.2a", "4.2b"},
    "5": {"5.1", "5.2", "5.3", "5.4i", "5.4ii"},
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_level_occurs_and_every_claim_has_an_exercise(chapter):
    catalogue = CHAPTERS[chapter][0].EXERCISES
    assert {e.level for e in catalogue.values()} == {"read", "do", "prove"}
    assert {e.claim for e in catalogue.values()} == CLAIMS[chapter]
    assert len(catalogue) >= 4
    assert list(catalogue) == list(CHAPTERS[chapter][1].SOLUTIONS)


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
    # Judges that look twice keep their catalogue beside them.
    looked_up = {"3.1": chapter_3.WRONG_ELBOS, "4.1": chapter_4.WRONG_BOUNDS}
    for number, catalogue in looked_up.items():
        for sentence, versions in catalogue.items():
            for wrong in versions if isinstance(versions, list) else [versions]:
                yield number, sentence, wrong


CATALOGUE = list(misconceptions())


@pytest.mark.parametrize("number, sentence, wrong", CATALOGUE)
def test_each_misconception_gets_its_own_sentence(number, sentence, wrong):
    assert feedback(number, wrong) == (False, f"✗ Not yet. {sentence}")


def test_sentences_are_distinct():
    """A wrong answer to one exercise has one sentence, so no two versions hide each other."""
    assert len({(number, sentence) for number, sentence, _ in CATALOGUE}) >= 25


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
    assert chapter_1.check_answer("1.3", {(2, 3)}) is None
    bundle, metadata = shown[0]
    assert bundle["text/plain"].startswith("Exercise 1.3: ✗ Not yet. Turn it round")
    assert metadata["book"]["claim"] == "1.3"
    assert metadata["book"]["anchor"] == "exercise-1-3"


def test_the_leak_instances_hold_both_kinds():
    answers = [solutions_1.my_leak_detector(*instance) for instance in chapter_1._leak_instances()]
    assert {True, False} == set(answers)
    assert answers == [chapter_1.leaks(*instance) for instance in chapter_1._leak_instances()]


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"no exercise '9\.9'; there are 1\.1"):
        chapter_1.check_answer("9.9", 0)


def test_the_past_of_a_pixel_is_not_its_field():
    """The first misconception of exercise 1.1 differs from the truth on its own instance."""
    assert predecessors((3, 5)) != receptive_field("AAB", (3, 5))


def test_no_single_pixel_is_enough_to_find_every_leak():
    """Whoever looks at one pixel, or along the diagonal, misses a leak of exercise 1.4."""
    diagonal = partial(chapter_1.leaks, pixels=[(i, 6 - i) for i in range(1, 6)])
    assert not feedback("1.4", diagonal)[0]


# Chapter 5: judges that look at an answer in more than one way


def naive_log_slope(z, weights, slopes, shifts):
    sigmoids = torch.sigmoid(slopes * z.unsqueeze(-1) + shifts)
    s = (weights * sigmoids).sum(-1)
    return ((weights * slopes * sigmoids * (1 - sigmoids)).sum(-1) / (s * (1 - s))).log()


@pytest.mark.parametrize(
    "number, answer, advice",
    [
        ("5.2", naive_log_slope, "wrong far away"),
        ("5.2", lambda *given: naive_log_slope(*given).exp(), "asks for its logarithm"),
        ("5.5", lambda alpha, beta: 1e-15, "not to 0"),
        ("5.5", lambda alpha, beta: None, "Is a return missing?"),
        (
            "5.4",
            lambda y, c, a, b: (
                c
                + (y - c)
                / (y - c).norm(dim=-1, keepdim=True)
                * (solutions_5.my_inverse(y, c, a, b) - c).norm(dim=-1, keepdim=True)
            ),
            "divide 0 by 0",
        ),
        ("5.2", lambda *given: solutions_5.my_log_slope(*given).exp(), "asks for its logarithm"),
        ("5.2", lambda z, w, a, b: solutions_5.my_log_slope(z, w, a, b) + 1, "is not right"),
        ("5.2", lambda z, w, a, b: chapter_5._without_slopes(z, w, a, b), "own slope"),
        ("5.2", chapter_5._numerator, "outer inverse sigmoid"),
        ("5.4", lambda y, c, a, b: c + (y - c) * math.nan, "is not a number"),
        (
            "5.4",
            lambda y, c, a, b: torch.where(
                (y == c).all(-1, keepdim=True), math.nan, solutions_5.my_inverse(y, c, a, b)
            ),
            "divide 0 by 0",
        ),
        ("5.4", lambda y, c, a, b: chapter_5._forward(y, c, a, -b), "not the way back"),
        ("5.4", chapter_5._forward, "the forward map"),
        ("5.4", partial(chapter_5.radial_inverse, sign=-1), "the other root"),
        ("5.5", lambda alpha, beta: 0.0, "not above 0"),
        ("5.5", lambda alpha, beta: alpha + beta, "not above 0"),
        ("5.5", lambda alpha, beta: -beta, "not to 0"),
        ("5.5", lambda alpha, beta: (alpha * -beta) ** 0.5 - alpha, "not to 0"),
        ("5.5", lambda alpha, beta: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_judges_of_chapter_5_say_where_an_answer_fails(number, answer, advice):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


def test_the_example_next_to_a_number_is_no_bijection_and_feedback_does_not_solve_5_3():
    for letters in ({"A", "F"}, set(), {"C"}):
        right, message = feedback("5.3", letters)
        assert not right
        assert not re.search(r"\b[A-F]\b", message)


@pytest.mark.parametrize(
    "number, answer, advice",
    [
        ("2.3", lambda *laws: math.nan, "Which logarithm or division has none?"),
        ("2.3", lambda *laws: 1.0, "1 is not right for [1, -2]"),
        ("2.4", [[5**0.5, 5**0.5], [0.0, 5**0.5]], "the wrong way round"),
        ("2.4", [[2.236, 0.0], [2.236, 2.236]], "Close."),
        ("2.4", [[5.0, 5.0], [5.0, 10.0]], "the covariance itself"),
        ("2.4", [[1.0, 2.0], [3.0, 1.0]], "not lower triangular"),
        ("2.4", [[5**0.5, 0.0], [5**0.5, -(5**0.5)]], "Which signs"),
        ("2.4", [[1.0, 0.0], [0.0, 1.0]], "is not S times its transpose"),
    ],
)
def test_judges_of_chapter_2_say_where_an_answer_fails(number, answer, advice):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


@pytest.mark.parametrize(
    "number, answer",
    [
        ("5.1", torch.tensor(0.6915)),
        ("5.1", np.float32(0.6915)),
        ("5.6", torch.tensor([2.0697, 2.7596])),
        ("5.6", np.array([2.0697, 2.7596])),
        ("5.8", lambda t, e, v: 2 * t + torch.exp(torch.tensor(v / 2)) * e),
        ("5.9", lambda p, k, u: -p(k + torch.linspace(0, 1, 2001).double()[1::2]).mean()),
        ("2.2", lambda y: torch.distributions.Chi2(torch.tensor(1.0)).log_prob(y).exp()),
    ],
)
def test_right_answers_by_unusual_routes(number, answer):
    assert feedback(number, answer) == (True, "✓ Right.")


@pytest.mark.parametrize("answer", [True, "0.69", np.zeros(2), None])
def test_what_is_no_number(answer):
    assert not exercises.is_number(answer)


# Chapters 3 and 4: zeros, sizes and random numbers


def elbo_where(keep, joint, q):
    """The ELBO from the states that `keep` keeps."""
    kept = keep(joint, q)
    return (q[kept] * (joint[kept] / q[kept]).log()).sum()


def draw_index(probabilities, generator):
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)


def draw_by_softmax(log_weights, generator):
    return draw_index(log_weights.softmax(1), generator)


def draw_by_noise(log_weights, uniform):
    """The largest of log-weights with Gumbel noise."""
    return (log_weights - (-uniform.double().log()).log()).argmax(1)


def draw_by_distribution_function(log_weights, generator, groups=None):
    """Exercise 4.5 in NumPy: the first index at which the running sum passes a uniform number."""
    shares = np.exp(log_weights.numpy() - log_weights.numpy().max(1, keepdims=True))
    below = shares.cumsum(1) / shares.sum(1, keepdims=True)
    uniform = torch.rand(groups or len(shares), 1, dtype=torch.float64, generator=generator)
    return (below < uniform.numpy()).sum(1)


@pytest.mark.parametrize(
    "number, answer, advice",
    [
        ("3.1", lambda joint, q: (q * (joint / q).log()).sum(), "wrong where it is 0"),
        (
            "3.1",
            partial(elbo_where, lambda joint, q: joint > 0),
            "wrong where it is 0",
        ),
        ("3.1", lambda joint, q: None, "Is a return missing?"),
        ("3.1", lambda joint, q: math.nan, "is not a number"),
        ("3.1", lambda joint, q: joint / 0 * q, "is not right"),
        ("3.1", lambda joint, q: joint @ q[:2], "raised RuntimeError"),
        ("3.2", lambda x, s, theta: None, "Is a return missing?"),
        ("3.2", lambda x, s, theta: math.sqrt(s * s - x * x), "raised ValueError"),
        ("3.3", lambda c: torch.linalg.inv(c), "is not right"),
        ("3.4", 0.54, "0.54 is not right"),
        ("3.5", (-1.4, 0.9), "Needed three numbers"),
        ("3.5", -1.4, "Needed three numbers"),
        ("3.6", lambda n, epochs, steps, new: None, "Is a return missing?"),
        ("3.7", "many", "Needed a whole number"),
        ("4.1", lambda lw: lw.exp().mean(1).log().mean(), "e to the 1000"),
        ("4.1", lambda lw: (lw - lw.max()).exp().mean(1).log().mean() + lw.max(), "e to the 1000"),
        ("4.1", lambda lw: lw.logsumexp(2), "raised IndexError"),
        ("4.1", lambda lw: 1.1030589562846809, "1.103 is not right for [[0.3, -1.2, 2], [1.1, "),
        ("4.1", lambda lw: torch.tensor(1.10305895), "1.103 is not right"),
        ("4.1", lambda lw: np.float32(1.10305895e-7), "1.103e-07 is not right"),
        ("4.2", lambda r, a, b, K: 10.0 / 3, "3.333 is not right for 0.3, 2, 0.5, 2."),
        ("4.2", lambda r, a, b, K: [1 / 3] * 99, "[0.3333, 0.3333"),
        ("4.4", lambda joint, q: joint / 3e5, "[3.333e-07, 6.667e-07, 1.667e-07] is not right"),
        ("4.2", lambda r, a, b, K: math.nan, "is not a number"),
        ("4.3", lambda evidence: evidence**2, "is not right"),
        ("4.4", lambda joint, q: joint[:-1], "is not right"),
        ("4.6", 0.9, "0.9 is not right"),
        ("3.5", np.array(0.5), "Needed three numbers"),
        ("4.7", (0.04,), "Needed a pair"),
        ("3.5", (-1.4, 0.9, "0.5"), "Needed three numbers"),
        ("4.7", (0.04, "0.03"), "Needed a pair"),
        ("4.7", np.array(0.5), "Needed a pair"),
        ("4.7", torch.tensor(0.5), "Needed a pair"),
        ("5.6", np.array(0.5), "Needed"),
    ],
)
def test_judges_of_chapters_3_to_5_say_where_an_answer_fails(number, answer, advice):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


def resampling_mistakes():
    """(advice, wrong answer) for each wrong law of exercise 4.5, drawn and not computed."""
    for sentence, versions in chapter_4.WRONG_CHOICES.items():
        for choice in versions if isinstance(versions, list) else [versions]:
            yield sentence, lambda lw, g, choice=choice: draw_index(choice(lw), g)


@pytest.mark.parametrize(
    "advice, answer",
    [
        *resampling_mistakes(),
        ("the largest weight", lambda lw, g: lw.argmax(1)),
        ("the smallest weight", lambda lw, g: lw.argmin(1)),
        ("still has the law q", lambda lw, g: torch.zeros(len(lw))),
        ("still has the law q", lambda lw, g: torch.randint(3, (len(lw),), generator=g)),
        ("took the log-weights for weights", draw_index),
        ("One random number decides", lambda lw, g: draw_by_softmax(lw[:1], g).repeat(len(lw))),
        ("One random number decides", lambda lw, g: draw_by_noise(lw, torch.rand(3, generator=g))),
        ("One random number decides", partial(draw_by_distribution_function, groups=1)),
        ("standard errors from q_K", lambda lw, g: (draw_by_softmax(lw, g) + 1) % 3),
        ("standard errors from q_K", lambda lw, g: draw_by_softmax(1.1 * lw, g)),
        ("Close to q_K", lambda lw, g: draw_by_softmax(lw + torch.tensor([0, 0.5, 0]), g)),
        ("Right for moderate weights", lambda lw, g: draw_index(lw.exp(), g)),
        ("Right for moderate weights", lambda lw, g: draw_index(lw.softmax(0), g)),
        ("Right for moderate weights", lambda lw, g: draw_by_softmax(lw.clamp(max=500), g)),
        ("Right for moderate weights", lambda lw, g: draw_by_softmax(lw.clamp(min=-500), g)),
        ("Right for moderate weights", lambda lw, g: draw_index((lw - lw.max()).exp(), g)),
        ("do not come from the generator", lambda lw, g: draw_by_softmax(lw, None)),
        (
            "do not come from the generator",
            lambda lw, g: draw_by_softmax(lw, torch.Generator().manual_seed(9)),
        ),
        ("yours has shape (40000, 3)", lambda lw, g: lw.softmax(1)),
        ("yours has shape (40000, 1)", lambda lw, g: draw_by_softmax(lw, g).unsqueeze(1)),
        ("yours has shape ()", lambda lw, g: draw_by_softmax(lw, g)[0]),
        ("indices from 0 to K - 1", lambda lw, g: draw_by_softmax(lw, g) + 1),
        ("indices from 0 to K - 1", lambda lw, g: lw.amax(1)),
        ("indices from 0 to K - 1", lambda lw, g: lw[:, 0] * math.nan),
        ("Return a tensor of indices", lambda lw, g: "all of them"),
        ("Is a return missing?", lambda lw, g: None),
        ("raised IndexError", lambda lw, g: lw.argmax(2)),
    ],
)
def test_the_judge_of_resampling_names_what_is_wrong(advice, answer):
    right, message = feedback("4.5", answer)
    assert not right
    assert advice in message


@pytest.mark.parametrize("seed", range(5))
def test_the_judge_of_resampling_knows_the_exact_law(seed):
    """Its law for the right choice is q_K by enumeration, and a right answer follows it."""
    joint, q = chapter_4.RESAMPLED_WORLD
    law = chapter_4.kept_law(lambda lw: lw.softmax(1))
    weight = joint / q
    total = sum(
        q[i] * q[j] * 3 * joint / (weight + weight[i] + weight[j])
        for i in range(3)
        for j in range(3)
    )
    assert torch.allclose(law, total, rtol=0, atol=1e-12)
    states, log_weights = chapter_4._draw_particles(seed)
    indices = draw_by_softmax(log_weights, torch.Generator().manual_seed(seed + 100))
    assert chapter_4._z_of_kept(indices, states, law) < z_limit(3, 1e-5)
    assert 1 < chapter_4._z_in_rows(indices, states, log_weights) < z_limit(81, 1e-5)


def test_the_judge_of_resampling_counts_in_standard_errors():
    """100 rows with shares 1/8, 1/4, 5/8, of which the first is always kept; and sure rows."""
    log_weights = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log().expand(200, 3)
    states = torch.tensor([[0, 1, 2], [1, 1, 1]]).repeat(100, 1)
    z = chapter_4._z_in_rows(torch.zeros(200, dtype=torch.long), states, log_weights)
    assert z == pytest.approx((100 - 100 / 8) / math.sqrt(100 / 8 * 7 / 8), abs=1e-9)


@pytest.mark.parametrize("number", ["3.4", "3.5", "3.7", "4.6", "4.7"])
def test_no_feedback_of_chapters_3_and_4_holds_the_number(number):
    wrong = [answer for other, _, answer in CATALOGUE if other == number]
    told = " ".join(feedback(number, answer)[1] for answer in [None, (), *wrong])
    for value in np.atleast_1d(SOLUTIONS[number]):
        assert f"{value:.3g}" not in told


@pytest.mark.parametrize(
    "number, answer",
    [
        ("3.1", partial(elbo_where, lambda joint, q: q > 0)),
        ("3.1", lambda joint, q: np.float64(solutions_3.my_elbo(joint, q))),
        ("3.1", lambda joint, q: float(solutions_3.my_elbo(joint, q).float())),
        ("3.2", lambda x, s, theta: np.array(solutions_3.my_em_step(x, s, theta))),
        (
            "3.3",
            lambda c: (np.log(np.diag(np.linalg.inv(c))).sum() + np.linalg.slogdet(c)[1]) / 2,
        ),
        ("3.4", torch.tensor(solutions_3.my_error())),
        ("3.5", np.array([-1.4, 0.9, 0.5])),
        ("3.5", torch.tensor([-1.4, 0.9, 0.5])),
        ("3.5", [-1.4, 0.9, 0.5]),
        ("3.6", lambda *counts: np.array(solutions_3.my_passes(*counts))),
        ("3.6", lambda *counts: torch.tensor(solutions_3.my_passes(*counts))),
        ("3.7", np.int64(650)),
        ("4.1", lambda lw: torch.tensor(solutions_4.my_bound(lw))),
        ("4.3", lambda evidence: torch.tensor(evidence * math.exp(-1))),
        ("4.4", lambda joint, q: solutions_4.my_refined(joint, q).tolist()),
        ("4.4", lambda joint, q: solutions_4.my_refined(joint, q).numpy()),
        ("4.5", draw_by_softmax),
        ("4.5", draw_by_distribution_function),
        ("4.5", lambda lw, g: draw_by_softmax(lw, g).tolist()),
        ("4.6", 0.984),
        ("4.6", np.float32(63 / 64)),
        ("4.7", np.array([0.04, 0.03])),
    ],
)
def test_right_answers_to_chapters_3_and_4_by_unusual_routes(number, answer):
    assert feedback(number, answer) == (True, "✓ Right.")


def test_an_answer_that_edits_its_arguments_spoils_no_later_judgement():
    def careless(joint, q):
        joint /= joint.sum()
        return joint

    assert not feedback("4.4", careless)[0]
    assert feedback("4.4", SOLUTIONS["4.4"])[0]
