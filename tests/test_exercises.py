"""Feedback: right for the truth, its own sentence for each misconception, no solution in it."""

import math
import re
from collections import Counter
from functools import partial
from itertools import permutations

import numpy as np
import pytest
import torch
from solutions import autoregressive as solutions_1
from solutions import flows as solutions_5
from solutions import games as solutions_6
from solutions import importance as solutions_4
from solutions import reparameterization as solutions_2
from solutions import variational as solutions_3

from helpers import exercises
from helpers.autoregressive import kernel_mask, predecessors, receptive_field
from helpers.checks import z_limit
from helpers.exercises import autoregressive as chapter_1
from helpers.exercises import flows as chapter_5
from helpers.exercises import games as chapter_6
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
    "6": (chapter_6, solutions_6),
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
    "6": {"6.1", "6.2", "6.3"},
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
    looked_up = {
        "3.1": chapter_3.WRONG_ELBOS,
        "4.1": chapter_4.WRONG_BOUNDS,
        "6.3": chapter_6.WRONG_STEPS,
        "6.5": chapter_6.WRONG_NAMES,
        "6.6": chapter_6.WRONG_INVARIANTS,
    }
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
        ("5.4", lambda y, c, a, b: c + (y - c) * math.nan, "is not a number"),
        (
            "5.4",
            lambda y, c, a, b: torch.where(
                (y == c).all(-1, keepdim=True), math.nan, solutions_5.my_inverse(y, c, a, b)
            ),
            "divide 0 by 0",
        ),
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


def em_step(mean, variance):
    """An answer to exercise 3.2 with another posterior: functions of x, s and theta."""

    def answer(x, s, theta):
        m, v = mean(x, s, theta), variance(x, s, theta)
        return x * m / (m * m + v)

    return answer


@pytest.mark.parametrize("factor", [1, math.e, 1 / math.e])
def test_an_exponential_of_the_evidence_in_exercise_4_3_is_named(factor):
    """Written anew here; without a factor the exponent may have either sign."""
    for sign in (1, -1) if factor == 1 else (1,):
        right, message = feedback(
            "4.3", lambda evidence, sign=sign: math.e ** (sign * evidence) / factor
        )
        named = "does not apply to p(x) itself" in message
        assert not right and named == (factor >= 1)


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
        ("squares of the weights", lambda lw, g: draw_index(lw.exp() ** 2, g)),
        ("roots of the weights", lambda lw, g: draw_index(lw.exp() ** 0.5, g)),
        ("inverse weights", lambda lw, g: draw_index(lw.exp() ** -1, g)),
        ("the exponential twice.", lambda lw, g: draw_index(lw.exp().exp(), g)),
        ("in between", lambda lw, g: draw_index((lw.exp() / lw.exp().sum(1)[:, None]).exp(), g)),
        ("first, or the last, particle", lambda lw, g: 1 + draw_index(lw[:, 1:].exp(), g)),
        ("first, or the last, particle", lambda lw, g: draw_index(lw[:, :-1].exp(), g)),
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


# Chapter 6: steps, whole numbers, names and conserved quantities


def first_passing_step(rate, factor, start=1.0):
    """Exercise 6.3 by playing, which only short games allow."""
    norm, k = start, 0
    while norm < factor:
        norm, k = norm * math.hypot(1, rate), k + 1
    return k


def log_steps(rate, factor, log=math.log):
    return log(factor) / log(math.hypot(1, rate))


def played(d, g, rate, order):
    """One move of each player, in this order."""
    for player in order:
        if player == "d":
            d = d + rate * g
        else:
            g = g - rate * d
    return d, g


def turned(*cycles):
    """The right names of exercise 6.5, moved on along cycles of letters."""
    names = dict(SOLUTIONS["6.5"])
    return names | {x: names[y] for c in cycles for x, y in zip(c, c[1:] + c[0], strict=True)}


def conserved(p, q, m):
    """p d^2 + q g^2 + m d g."""
    return lambda d, g, a, b: p(a, b) * d * d + q(a, b) * g * g + m(a, b) * d * g


@pytest.mark.parametrize(
    "number, answer, advice",
    [
        ("6.1", partial(played, order="dg"), "generator sees the new d"),
        ("6.1", partial(played, order="gd"), "discriminator sees the new g"),
        ("6.1", lambda d, g, a: (d - a * g, g - a * d), "both players descend"),
        ("6.1", lambda d, g, a: (d + a * g, g + a * d), "both players ascend"),
        ("6.1", lambda d, g, a: (d - a * g, g + a * d), "exchanged their aims"),
        ("6.1", lambda d, g, a: (d + a * g, d * (1 - a)), "the source's misprint"),
        ("6.1", lambda d, g, a: (g * (1 + a), g - a * d), "Your discriminator starts from g"),
        ("6.1", lambda d, g, a: (d * (1 + a), g * (1 - a)), "along its own coordinate"),
        ("6.1", lambda d, g, a: (d + a * (d * g), g - a * (d * g)), "the value dg itself"),
        ("6.1", lambda d, g, a: solutions_6.my_step(d, g, 1.0), "You forgot the rate."),
        ("6.1", lambda d, g, a: (d + g, g - a * d), "One of your players forgot"),
        ("6.1", lambda d, g, a: solutions_6.my_step(d, g, a)[::-1], "d comes first"),
        ("6.1", lambda d, g, a: (a * g, -(a * d)), "Where do they arrive?"),
        ("6.1", lambda d, g, a: (g, -d), "That is the field."),
        ("6.1", lambda d, g, a: (g, d), "the gradient of V"),
        ("6.1", lambda d, g, a: [d, g], "where they were"),
        (
            "6.1",
            lambda d, g, a: np.linalg.solve([[1, -a], [a, 1]], [d, g]),
            "an implicit step",
        ),
        (
            "6.1",
            lambda d, g, a: torch.view_as_real(
                torch.tensor(complex(d, g)) * torch.tensor(-1j * a).exp()
            ),
            "the circle of continuous time",
        ),
        (
            "6.1",
            lambda d, g, a: np.array(solutions_6.my_step(d, g, a)) / math.hypot(1, a),
            "the circle of continuous time",
        ),
        (
            "6.1",
            lambda d, g, a: solutions_6.my_step(*solutions_6.my_step(d, g, a), a),
            "That is two steps.",
        ),
        ("6.1", lambda d, g, a: solutions_6.my_step(d, g, 0.5 * a), "no factor one half"),
        (
            "6.1",
            lambda d, g, a: (d + a * (g - a * d), g - a * (d + a * g)),
            "the extragradient step",
        ),
        ("6.1", lambda d, g, a: None, "Is a return missing?"),
        ("6.1", lambda d, g, a: d + a * g, "is not right"),
        ("6.2", lambda c, e, a, b: (c * (a > 0), -e * (b > 0), (a == 0) + (b == 0)), "not right"),
        (
            "6.2",
            lambda c, e, a, b: (c * (b > 0), -e * (a > 0), 2 - (a > 0) - (b > 0)),
            "exchanged d",
        ),
        ("6.2", lambda c, e, a, b: (e * (b > 0), c * (a > 0), (a == 0) + (b == 0)), "A sign"),
        ("6.2", lambda c, e, a, b: (-e * (b > 0), -c * (a > 0), (a == 0) + (b == 0)), "A sign"),
        ("6.2", lambda c, e, a, b: (-e, c, 0), "whatever the rates"),
        ("6.2", lambda c, e, a, b: (0, 0, (a == 0) + (b == 0)), "The game has moved"),
        ("6.2", lambda c, e, a, b: (-e, c, 2 - (a > 0) - (b > 0)), "the nearest to (0, 0)"),
        ("6.2", lambda c, e, a, b: (-e, c, 0) if a * b else (0, 0, 2), "the other one still"),
        (
            "6.2",
            lambda c, e, a, b: (-e * (b > 0), c * (a > 0), int(a * b == 0)),
            "If both players rest",
        ),
        ("6.2", lambda c, e, a, b: (-e, c, 0) if a or b else (0, 0, 2), "one of them rests?"),
        ("6.2", lambda c, e, a, b: (-e * (a > 0), c * (b > 0), (a == 0) + (b == 0)), "two lines"),
        ("6.2", lambda c, e, a, b: (-e * (b > 0), c * (a > 0), (a > 0) + (b > 0)), "not 0"),
        ("6.2", lambda c, e, a, b: (-e * (b > 0), c * (a > 0), 3 - (a > 0) - (b > 0)), "points."),
        ("6.2", lambda c, e, a, b: (-b * e, a * c, (a == 0) + (b == 0)), "size of a rate"),
        ("6.2", lambda c, e, a, b: (-e, c), "is not right for 1.5, -0.4"),
        ("6.3", lambda r, f: math.ceil(math.log(f, 1 + r)), "You took 1 + rate."),
        ("6.3", lambda r, f: math.ceil(math.log(f, 1 + r * r)), "growth of its square"),
        ("6.3", lambda r, f: math.ceil(math.log(f, (1 + r * r) ** 0.25)), "root twice"),
        ("6.3", lambda r, f: 2 * math.pi / math.atan2(r, 1), "steps in a turn"),
        ("6.3", lambda r, f: math.ceil(math.tau / math.atan2(r, 1)), "steps in a turn"),
        (
            "6.3",
            lambda r, f: math.ceil(log_steps(r, f) * math.atan2(r, 1) / math.tau),
            "counted whole turns",
        ),
        ("6.3", lambda r, f: log_steps(r, f) * math.atan2(r, 1) / math.tau, "number of turns"),
        ("6.3", lambda r, f: math.ceil(math.log(f) / (r * r / 2)), "rule for small rates"),
        ("6.3", lambda r, f: math.log(f) * 2 / r, "That is a time"),
        ("6.3", lambda r, f: int(log_steps(r, f)), "rounded down"),
        ("6.3", lambda r, f: first_passing_step(r, f) - 1, "rounded down"),
        ("6.3", lambda r, f: round(log_steps(r, f)), "nearest whole number"),
        ("6.3", log_steps, "a moment between two"),
        ("6.3", lambda r, f: first_passing_step(r, f) + 1, "off by one"),
        ("6.3", lambda r, f: math.ceil((f - 1) / (math.sqrt(1 + r * r) - 1)), "added the same"),
        ("6.3", lambda r, f: -first_passing_step(r, f), "The sign is turned"),
        ("6.3", lambda r, f: math.ceil(math.log10(f) / math.log(math.hypot(1, r))), "same log"),
        ("6.3", lambda r, f: math.ceil(f / math.log(math.hypot(1, r))), "no logarithm of the"),
        ("6.3", lambda r, f: math.ceil(log_steps(r, f)), "a step late"),
        ("6.3", lambda r, f: math.ceil(log_steps(r, f, math.log2)), "a step late"),
        ("6.3", lambda r, f: math.floor(log_steps(r, f)) + 1, "a step late"),
        ("6.3", lambda r, f: math.ceil(log_steps(r, f) - 1e-4), "do not subtract much"),
        ("6.3", lambda r, f: math.ceil(math.log2(f) / math.log2(math.hypot(1, r)) - 1e-9), "1e-8"),
        (
            "6.3",
            lambda r, f: math.ceil(math.log(f**2) / math.log1p(r * r) - 1e-9),
            "such as 1e-8",
        ),
        (
            "6.3",
            lambda r, f: solutions_6.my_steps_until(r, f) if f > 1 else None,
            "returned nothing",
        ),
        (
            "6.3",
            lambda r, f: solutions_6.my_steps_until(r, f) + 2 * (f == 8),
            "is not right for 1",
        ),
        ("6.3", lambda r, f: solutions_6.my_steps_until(r, f) + (f == 1e300), "such as 1e300"),
        ("6.4", lambda b, c: c - math.sqrt(c * c - 4) if c > 2 else c, "for equal rates"),
        ("6.4", lambda b, c: 4 / (2 * c + b), "alternating play"),
        ("6.4", lambda b, c: 1 / (c / 2 - b / 4) if b < c else 4 / (2 * c - b), "slow generators"),
        ("6.4", lambda b, c: 1 / (c / 2 - b / 4) if b <= c else 0, "slow generators"),
        ("6.4", lambda b, c: 1 / (c / 2 - b / 2) if b < c else 0, "the determinant alone"),
        ("6.4", lambda b, c: math.inf if b < c else 0, "through -1"),
        ("6.4", lambda b, c: 1e308 * 10, "in continuous time"),
        ("6.4", lambda b, c: 2 / c, "for d alone"),
        ("6.4", lambda b, c: 1 / (c - b / 4) if b < 2 * c else 0, "has the derivative d"),
        ("6.4", lambda b, c: 1 / (c / 4 - b / 4) if 2 * b < c else 0, "has the derivative d"),
        ("6.4", lambda b, c: 1 / (c - b / 2) if b < c else 0, "A factor 2"),
        ("6.4", lambda b, c: (2 / c) ** 2 * b if b < c else 0, "become real"),
        ("6.4", lambda b, c: (c - b) ** -1 if b < c else 0, "the determinant is 0"),
        ("6.4", lambda b, c: 0, "no rate converges"),
        ("6.4", lambda b, c: c / 2 - b / 4 if b < c else 0, "upside down"),
        ("6.4", lambda b, c: 4 / (2 * c / b - 1) if b < c else 0, "product of the two rates"),
        (
            "6.4",
            lambda b, c: 4 / (2 * c - b) if b < c else 0 / (b - c),
            "raised ZeroDivisionError",
        ),
        ("6.4", lambda b, c: math.nan, "is not a number"),
        ("6.5", {"A": "implicit"}, "Needed a dictionary from each letter"),
        ("6.5", SOLUTIONS["6.5"] | {"A": "extra gradient"}, "Needed a dictionary"),
        ("6.5", SOLUTIONS["6.5"] | {"G": "implicit"}, "Needed a dictionary"),
        ("6.5", SOLUTIONS["6.5"] | {"E": torch.zeros(2)}, "Needed a dictionary"),
        ("6.5", list(SOLUTIONS["6.5"].values()), "Needed a dictionary"),
        ("6.5", SOLUTIONS["6.5"] | {"A": "implicit"}, "you gave a name to two"),
        ("6.5", dict.fromkeys("ABCDEF", "implicit"), "you gave a name to two"),
        ("6.5", turned("CE"), "moves away at every step"),
        ("6.5", turned("CBF"), "moves away at every step"),
        ("6.5", turned("FD"), "neither leaves for ever"),
        ("6.5", turned("FDB"), "neither leaves for ever"),
        ("6.5", turned("FB"), "the two orders"),
        ("6.5", turned("FB", "AD"), "the two orders"),
        ("6.5", turned("DE"), "strength from d alone"),
        ("6.5", turned("DAE"), "strength from d alone"),
        ("6.5", turned("EA"), "further in a step?"),
        (
            "6.6",
            lambda d, g, a, b: d**2 / a + g**2 / b - d * g,
            "if the generator moves first",
        ),
        ("6.6", lambda d, g, a, b: d**2 / a + g**2 / b, "continuous time conserves"),
        ("6.6", lambda d, g, a, b: -5 * math.hypot(d, g), "distance from 0"),
        ("6.6", lambda d, g, a, b: d**2 + g**2 + a * d * g, "for equal rates only"),
        ("6.6", lambda d, g, a, b: d**2 + g**2 + math.sqrt(a * b) * d * g, "equal rates only"),
        ("6.6", lambda d, g, a, b: d**2 / b + g**2 / a + d * g, "You exchanged the rates"),
        ("6.6", lambda d, g, a, b: d**2 / a + g**2 / b + 2 * d * g, "Its size is not"),
        ("6.6", lambda d, g, a, b: d**2 / a + g**2 / b + d * g / (a * b), "Its size is not"),
        ("6.6", lambda d, g, a, b: (d / a) ** 2 + (g / b) ** 2, "neither squared nor"),
        ("6.6", lambda d, g, a, b: -d * g, "changes its sign"),
        ("6.6", lambda d, g, a, b: d**2 - g**2, "do not balance"),
        ("6.1", lambda d, g, a: (d + a * g, g - d), "One of your players forgot"),
        ("6.1", lambda d, g, a: (d + 2 * a * g, g - 2 * a * d), "That is two steps."),
        ("6.1", lambda d, g, a: (d + a**2 * g, g - a**2 * d), "none of the rate"),
        ("6.2", lambda c, e, a, b: (e * (b > 0), -c * (a > 0), 2 - (a > 0) - (b > 0)), "A sign"),
        ("6.2", lambda c, e, a, b: (c * (b > 0), e * (a > 0), 2 - (a > 0) - (b > 0)), "signs inc"),
        (
            "6.2",
            lambda c, e, a, b: (-c * (b > 0), e * (a > 0), 2 - (a > 0) - (b > 0)),
            "signs inc",
        ),
        (
            "6.2",
            lambda c, e, a, b: (-c * (b > 0), -e * (a > 0), 2 - (a > 0) - (b > 0)),
            "signs included",
        ),
        ("6.2", lambda c, e, a, b: (-e * (b > 0), c * (a > 0), 0), "whatever the rates"),
        ("6.2", lambda c, e, a, b: (-e * (b > 0), c * (a > 0), 2 * (a * b == 0)), "still moves"),
        (
            "6.2",
            lambda c, e, a, b: (
                (-e, c, 0) if a + b == 0 else solutions_6.my_fixed_points(c, e, a, b)
            ),
            "If both players rest",
        ),
        (
            "6.2",
            lambda c, e, a, b: (
                (-e, c, 2) if a + b == 0 else solutions_6.my_fixed_points(c, e, a, b)
            ),
            "If both players rest",
        ),
        ("6.2", lambda c, e, a, b: (-a * e, b * c, 2 - (a > 0) - (b > 0)), "The size of a rate"),
        (
            "6.2",
            lambda c, e, a, b: (b and -e / b, a and c / a, 2 - (a > 0) - (b > 0)),
            "The size of a rate",
        ),
        ("6.3", lambda r, f: round(math.tau / math.atan2(r, 1)), "steps in a turn"),
        ("6.3", lambda r, f: math.ceil(math.tau / r), "steps in a turn"),
        ("6.3", lambda r, f: math.tau / r, "steps in a turn"),
        (
            "6.3",
            lambda r, f: math.ceil(
                math.ceil(log_steps(r, f) * math.atan(r) / math.tau) * math.tau / math.atan(r)
            ),
            "counted whole turns",
        ),
        ("6.3", lambda r, f: math.log(f) / (r * r / 2), "rule for small rates"),
        ("6.3", lambda r, f: math.ceil(math.log(f) * 2 / r), "That is a time"),
        ("6.3", lambda r, f: math.ceil(log_steps(r, f) * r), "That is a time"),
        ("6.3", lambda r, f: log_steps(r, f) * r, "That is a time"),
        ("6.3", lambda r, f: math.ceil((f - 1) / r), "added the same"),
        ("6.3", lambda r, f: math.ceil(-log_steps(r, f)), "The sign is turned"),
        ("6.3", lambda r, f: math.ceil(math.log2(f) / math.log(math.hypot(1, r))), "same log"),
        ("6.3", lambda r, f: math.ceil(math.log(f) / (math.log(1 + r * r) / 2)), "a step late"),
        ("6.3", lambda r, f: math.ceil(math.log(f) / (math.log(1 + r * r) / 2) - 1e-9), "1e-8"),
        ("6.4", lambda b, c: c, "for equal rates"),
        (
            "6.4",
            lambda b, c: (c - math.sqrt(c * c - 4) if c > 2 else c) if b < c else 0,
            "for equal rates",
        ),
        ("6.4", lambda b, c: 4 / (2 * c + b) if b < c else 0, "alternating play"),
        ("6.4", lambda b, c: max(0, 1 / (c / 2 - b / 4)), "slow generators"),
        ("6.4", lambda b, c: abs(1 / (c / 2 - b / 4)), "slow generators"),
        ("6.4", lambda b, c: 1 / (c / 2 - b / 4) if b < 2 * c else 0, "slow generators"),
        ("6.4", lambda b, c: 1 / (c / 2 - b / 2) if b != c else 0, "the determinant alone"),
        ("6.4", lambda b, c: 2 / c if b < c else 0, "for d alone"),
        ("6.4", lambda b, c: 1 / (c / 4 - b / 4) if b < c else 0, "A factor 2"),
        (
            "6.6",
            lambda d, g, a, b: 1e-6 * (1.001 * d**2 + g**2),
            "1.251e-06 to 1.58e-06 by step 1",
        ),
        ("6.6", lambda d, g, a, b: math.sqrt(d**2 / a + g**2 / b), "continuous time conserves"),
        ("6.6", lambda d, g, a, b: 3 * (d**2 + g**2), "distance from 0"),
        *(
            ("6.6", conserved(lambda a, b: 1, lambda a, b: 1, m), "for equal rates only")
            for m in (lambda a, b: b, lambda a, b: a / 2 + b / 2, lambda a, b: a * b)
        ),
        *(
            ("6.6", conserved(lambda a, b: 1 / b, lambda a, b: 1 / a, m), "exchanged the rates")
            for m in (lambda a, b: 0, lambda a, b: -1)
        ),
        *(
            ("6.6", conserved(lambda a, b: b, lambda a, b: a, m), "Its size is not")
            for m in (
                lambda a, b: a * b / 2,
                lambda a, b: a + b,
                lambda a, b: a / 2 + b / 2,
                lambda a, b: a,
                lambda a, b: b,
                lambda a, b: (a * b) ** 0.5,
            )
        ),
        *(
            (
                "6.6",
                conserved(lambda a, b, n=n: b**n, lambda a, b, n=n: a**n, m),
                "neither squared nor as roots",
            )
            for n, m in ((2, lambda a, b: a * b), (0.5, lambda a, b: (a * b) ** 0.5))
        ),
        ("6.6", lambda d, g, a, b: d**2 / a - g**2 / b, "do not balance"),
        ("6.6", lambda d, g, a, b: 7, "A constant is conserved by every rule"),
        ("6.6", lambda d, g, a, b: a + b, "A constant is conserved by every rule"),
        ("6.6", lambda d, g, a, b: d**4 + g**4, "from d = 1.0, g = 0.5, your quantity goes from"),
        (
            "6.6",
            lambda d, g, a, b: d**2 / a + g**2 / b + d * g + a - 0.5 + d * (a - 0.5),
            "0.3, 1.2",
        ),
        ("6.6", lambda d, g, a, b: None, "Is a return missing?"),
        ("6.6", lambda d, g, a, b: "half", "Return one number"),
        ("6.6", lambda d, g, a, b: g / d, "raised ZeroDivisionError for d = 0, g = 1"),
        ("6.6", lambda d, g, a, b: math.nan, "is not a number, or infinite, for d = 1"),
    ],
)
def test_judges_of_chapter_6_say_where_an_answer_fails(number, answer, advice):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


@pytest.mark.parametrize(
    "number, answer",
    [
        (
            "6.1",
            lambda d, g, a: (
                torch.tensor([[1, a], [-a, 1]]).double() @ torch.tensor([d, g]).double()
            ),
        ),
        ("6.1", lambda d, g, a: np.array([d + a * g, g - a * d])),
        ("6.2", lambda c, e, a, b: np.array([-e * (b > 0), c * (a > 0), (a == 0) + (b == 0)])),
        ("6.3", lambda r, f: np.ceil(2 * np.log(f) / np.log1p(r * r) - 1e-9)),
        ("6.3", lambda r, f: float(solutions_6.my_steps_until(r, f))),
        ("6.4", lambda b, c: torch.tensor(4 / (2 * c - b) if b < c else 0.0)),
        ("6.5", dict(reversed(SOLUTIONS["6.5"].items()))),
        ("6.6", lambda d, g, a, b: d**2 / a + g**2 / b + d * g),
        ("6.6", lambda d, g, a, b: np.float32(solutions_6.my_invariant(d, g, a, b))),
        ("6.6", lambda d, g, a, b: -3 * (b * d**2 + a * g**2 + a * b * d * g) ** 0.5),
        ("6.6", lambda d, g, a, b: torch.tensor(math.log(d**2 / a + g**2 / b + d * g))),
        ("6.6", lambda d, g, a, b: g**2 * a + d * b * (d + a * g)),
    ],
)
def test_right_answers_to_chapter_6_by_unusual_routes(number, answer):
    assert feedback(number, answer) == (True, "✓ Right.")


def test_every_order_of_the_six_names_but_one_is_told_why_it_is_wrong():
    letters = list(SOLUTIONS["6.5"])
    answers = [
        dict(zip(letters, names, strict=True)) for names in permutations(SOLUTIONS["6.5"].values())
    ]
    told = [feedback("6.5", answer)[1] for answer in answers]
    assert told.count("✓ Right.") == 1
    counts = [sum(sentence in message for message in told) for sentence in chapter_6.WRONG_NAMES]
    assert counts == [600, 108, 6, 4, 1, 0]


def test_the_paths_without_names_start_together_and_are_long_enough():
    paths = chapter_6.trajectories()
    assert list(paths) == list("ABCDEF")
    assert {tuple(path.shape) for path in paths.values()} == {(31, 2)}
    assert {tuple(path[0].tolist()) for path in paths.values()} == {(1.0, 0.5)}


# Wrong answers written anew: a mistake in a catalogue's own wrong versions would hide itself


def past_of(kind, order, size):
    """The offsets that a kernel of a kind opens."""
    reach, down = size // 2, 1 if order == "bottom-up" else -1
    rows = {(down * d, e) for d in range(1, reach + 1) for e in range(-reach, reach + 1)}
    return rows | {(0, -e) for e in range(1, reach + 1)} | ({(0, 0)} if kind == "B" else set())


def walk(inside, kinds, pixel, shape, order, size):
    """A field of exercise 1.2 in which paths end where they leave what is inside."""
    field = {pixel}
    for kind in reversed(kinds):
        steps = past_of(kind, order, size)
        field = {(i + d, j + e) for i, j in field for d, e in steps}
        field = {p for p in field if inside(p, shape)}
    return field


def in_map(pixel, shape):
    return all(1 <= i <= n for i, n in zip(pixel, shape, strict=True))


def upside_down(order):
    return "top-down" if order == "bottom-up" else "bottom-up"


def turned_kernels(kinds, pixel, shape, order, size):
    """Exercise 1.2 on the map turned by half a turn."""

    def turn(p):
        return shape[0] + 1 - p[0], shape[1] + 1 - p[1]

    return set(map(turn, solutions_1.my_field(kinds, turn(pixel), shape, order, size)))


def leak_seen(network, start=1.0, outputs=range(25), own_only=False):
    """Exercise 1.4 by brightening each pixel a little: rows of `moved` are the changed inputs."""
    inputs = torch.full((25, 1, 5, 5), start, dtype=torch.float64)
    brighter = inputs + torch.eye(25, dtype=torch.float64).view(25, 1, 5, 5) / 4
    moved = ((network(brighter) - network(inputs)).abs() > 1e-9).view(25, 25)
    rows, columns = torch.arange(25) // 5, torch.arange(25) % 5
    past = (rows[:, None] > rows) | (rows[:, None] == rows) & (columns[:, None] < columns)
    forbidden = torch.eye(25).bool() if own_only else ~past
    return bool((moved & forbidden)[:, list(outputs)].any())


WRITTEN_ANEW_1 = {
    "1.1": {
        "the whole past in the row": [{(3, 1), (3, 2), (3, 3), (3, 4)}],
        "B may also stay": [{(3, 2)}],
        "what AA reads": [{(3, 3)}],
        "A stay": [{(3, 2), (3, 3), (3, 4)}, {(3, 2), (3, 3), (3, 4), (3, 5)}],
        "what one layer reads": [{(3, 4)}],
        "Only row 3": [solutions_1.my_field("AAB", (3, 5), (5, 5), "bottom-up", 3)],
        "counted from 1": [{(2, 1), (2, 2)}, {(2, 3), (3, 3)}],
    },
    "1.2": {
        "united the fields": [
            lambda kinds, *map_: set().union(*(solutions_1.my_field(k, *map_) for k in kinds))
        ],
        "upside down": [
            lambda k, p, shape, order, size: solutions_1.my_field(
                k, p, shape, upside_down(order), size
            )
        ],
        "flipped in both directions": [turned_kernels],
        "lie in the padding": [partial(walk, lambda p, shape: True)],
        "3x3 kernel": [lambda *given: solutions_1.my_field(*given[:4], 3)],
        "type A read their own": [
            lambda kinds, *map_: solutions_1.my_field(kinds.replace("A", "B"), *map_)
        ],
        "type B do not read": [
            lambda kinds, *map_: solutions_1.my_field(kinds.replace("B", "A"), *map_)
        ],
        "whatever the order": [
            lambda k, p, shape, order, size: solutions_1.my_field(k, p, shape, "bottom-up", size)
        ],
        "at the end only": [
            lambda k, p, shape, *kernel: {
                end for end in walk(lambda *_: True, k, p, shape, *kernel) if in_map(end, shape)
            }
        ],
        "border is off by one": [
            partial(walk, lambda p, shape: 0 <= p[0] < shape[0] and 0 <= p[1] < shape[1])
        ],
    },
    "1.3": {
        "allow every pair": [{(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}],
        "only skips around the two layers of type B": [{(1, 4)}],
        "forbid every pair": [set()],
        "one layer of each type": [{(1, 2), (1, 3), (2, 4), (3, 4)}],
        "what leaks": [{(2, 3)}],
        "counted from 1": [
            {(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)},
            {(2, 1), (3, 1), (4, 1), (4, 2), (4, 3)},
        ],
    },
    "1.4": {
        "dependence on itself only": [partial(leak_seen, own_only=True)],
        "where a ReLU is dead": [partial(leak_seen, start=0.0)],
        "one output pixel only": [partial(leak_seen, outputs=[k]) for k in range(25)],
        "call every network a leak": [lambda network: True],
        "call every network causal": [lambda network: False],
        "the wrong way round": [lambda network: not leak_seen(network)],
    },
}


def standardised(x, m, s):
    return (x.log() - m) / s


def bell(z):
    return torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def kl_by_covariances(m1, s1, m2, s2, gap=1.0, size=1.0, log_det=1.0):
    """Exercise 2.3, with each of its terms counted some times."""
    first, second = s1 @ s1.T, s2 @ s2.T
    inverse, d = torch.linalg.inv(second), m1 - m2
    terms = (inverse @ first).trace() + gap * (d @ inverse @ d) - size * len(d)
    return (terms + log_det * (second.logdet() - first.logdet())) / 2


def factors_taken_for_covariances(m1, s1, m2, s2):
    inverse, d = s2.inverse(), m1 - m2
    ratio = s2.det().abs() / s1.det().abs()
    return ((s1 * inverse.T).sum() + d @ inverse @ d - len(d) + ratio.log()) / 2


WRITTEN_ANEW_2 = {
    "2.1": {
        "density of log x": [lambda x, m, s: (bell(standardised(x, m, s)) / s).log()],
        "the inner map": [lambda x, m, s: (bell(standardised(x, m, s)) / x).log()],
        "no Jacobian": [lambda x, m, s: bell(standardised(x, m, s)).log()],
        "the density is lower": [lambda x, m, s: (bell(standardised(x, m, s)) * s * x).log()],
        "on the wrong side": [
            lambda x, m, s: (bell(standardised(x, m, s)) / s * x).log(),
            lambda x, m, s: (bell(standardised(x, m, s)) * s / x).log(),
        ],
        "Divide by x": [lambda x, m, s: (bell(standardised(x, m, s)) / s / x.exp()).log()],
        "constant": [lambda x, m, s: -(standardised(x, m, s) ** 2) / 2 - (s * x).log()],
        "do not add them up": [lambda *given: solutions_2.my_log_prob(*given).sum()],
        "for a variance": [lambda x, m, v: solutions_2.my_log_prob(x, m, v**0.5)],
        "asks for its logarithm": [lambda x, m, s: bell(standardised(x, m, s)) / s / x],
        "without the exponential": [lambda x, m, s: (bell((x - m) / s) / s).log()],
    },
    "2.2": {
        "to one half": [lambda y: bell(y.sqrt()) / (2 * y.sqrt())],
        "to two": [lambda y: 2 * bell(y.sqrt()) / y.sqrt()],
        "the slope at y": [lambda y: bell(y.sqrt()) / y, lambda y: bell(y.sqrt()) / (2 * y)],
        "forgot the Jacobian": [lambda y: 2 * bell(y.sqrt()), lambda y: bell(y.sqrt())],
        "you multiplied": [
            lambda y: 2 * bell(y.sqrt()) * 2 * y.sqrt(),
            lambda y: bell(y.sqrt()) * 2 * y.sqrt(),
        ],
        "constant": [lambda y: torch.exp(-y / 2) / y.sqrt()],
        "the noise at y itself": [
            lambda y: bell(y) / y.sqrt(),
            lambda y: bell(y) / (2 * y.sqrt()),
        ],
        "a log-density": [lambda y: -y / 2 - (2 * math.pi * y).log() / 2],
    },
    "2.3": {
        "from the second law": [lambda m1, s1, m2, s2: solutions_2.my_kl(m2, s2, m1, s1)],
        "the transpose of S times S": [
            lambda m1, s1, m2, s2: solutions_2.my_kl(m1, s1.T, m2, s2.T)
        ],
        "S as covariances": [factors_taken_for_covariances],
        "log-determinants is turned": [partial(kl_by_covariances, log_det=-1)],
        "by half of K": [partial(kl_by_covariances, size=0)],
        "lost the factor one half": [lambda *laws: 2 * solutions_2.my_kl(*laws)],
        "the difference of the means": [partial(kl_by_covariances, gap=0)],
        "left out the determinants": [partial(kl_by_covariances, log_det=0)],
        "determinants half": [partial(kl_by_covariances, log_det=0.5)],
        "determinants twice": [partial(kl_by_covariances, log_det=2)],
        "in bits": [lambda *laws: solutions_2.my_kl(*laws) * math.log2(math.e)],
    },
    "2.5": {
        "five results have": [55],
        "Try with two numbers": [60],
        "The stack has five": [11, 12],
        "left out additions": [48, 44, 54],
        "Only additions": [119, 120],
        "none is saved": [15],
    },
    "2.6": {
        "a full triangle": [(9, 55)],
        "the diagonal alone": [(18, 19)],
        "Try K = 2": [(10, 19), (10, 20), (10, 55)],
        "The first row": [(9, 20)],
        "one of the two diagonals": [(9, 10), (9, 9)],
        "count again": [(9, 18), (9, 45), (9, 21)],
        "Turn the pair round": [(19, 9), (55, 9)],
    },
}


def two_em_steps(x, s, theta):
    return solutions_3.my_em_step(x, s, solutions_3.my_em_step(x, s, theta))


def of_posterior(formula):
    """An answer to exercise 3.2: a formula in x and the right posterior's mean and variance."""

    def answer(x, s, theta):
        total = theta * theta + s * s
        return formula(x, theta * x / total, s * s / total)

    return answer


def gaussian_kl(first, second):
    """The library's divergence between normal laws with one mean; a vector is a diagonal."""
    laws = [
        torch.distributions.MultivariateNormal(
            torch.zeros(len(c)).double(), c if c.dim() == 2 else c.diag()
        )
        for c in (first, second)
    ]
    return torch.distributions.kl_divergence(*laws)


def determinants(c):
    """log det C, and the logarithm of the product of the precision matrix's diagonal."""
    return c.det().log(), c.inverse().diag().prod().log()


def right_amortized(formula):
    """An answer to exercise 3.6 whose first count is right."""
    return lambda n, epochs, steps, new: (
        (epochs + 1) * n + new,
        formula(n, epochs, steps, new),
    )


def right_per_instance(formula):
    """An answer to exercise 3.6 whose second count is right."""
    return lambda n, epochs, steps, new: (
        formula(n, epochs, steps, new),
        steps * n + steps * new,
    )


LOG_3 = 1.0986122886681098

WRITTEN_ANEW_3 = {
    "3.1": {
        "the entropy of q is missing": [lambda p, q: q @ p.log()],
        "sign of the entropy": [lambda p, q: q @ p.log() + q @ q.log()],
        "the entropy alone": [lambda p, q: -(q @ q.log())],
        "that is the posterior": [
            lambda p, q: q @ (p / p.sum()).log() - q @ q.log(),
            lambda p, q: q @ q.log() - q @ (p / p.sum()).log(),
        ],
        "the number that the ELBO bounds": [lambda p, q: math.log(sum(p))],
        "you added the divergence": [lambda p, q: q @ q.log() - q @ p.log() + 2 * p.sum().log()],
        "the other way round": [
            lambda p, q: p.sum().log() - (p / p.sum()) @ (p / p.sum() / q).log(),
            lambda p, q: p @ q.log() - p @ p.log(),
            lambda p, q: p @ p.log() - p @ q.log(),
        ],
        "minus the ELBO": [lambda p, q: q @ q.log() - q @ p.log()],
        "Weight each state's term": [
            lambda p, q: p.log().sum() - q.log().sum(),
            lambda p, q: p.log().mean() - q.log().mean(),
            lambda p, q: (q * (p / q).log()).mean(),
        ],
        "the logarithm of a mean": [
            lambda p, q: (q @ p).log(),
            lambda p, q: (q @ p).log() - q @ q.log(),
        ],
        "in bits": [lambda p, q: q @ (p / q).log2()],
        "add the states' terms": [lambda p, q: q * p.log() - q * q.log()],
        "the exponential of the ELBO": [lambda p, q: ((p / q) ** q).prod()],
    },
    "3.2": {
        "maximises log p(x)": [
            lambda x, s, theta: (x**2 - s**2) ** 0.5,
            lambda x, s, theta: -((x**2 - s**2) ** 0.5),
            lambda x, s, theta: (x**2 - s**2) ** 0.5 * np.sign(theta),
            lambda x, s, theta: (x**2 - s**2) ** 0.5 * np.sign(theta) * np.sign(x),
        ],
        "in place of z": [of_posterior(lambda x, m, v: x / m)],
        "the theta you were given": [lambda x, s, theta: theta],
        "You took s for a variance": [
            em_step(
                lambda x, s, theta: theta * x / (theta * theta + s),
                lambda x, s, theta: s / (theta * theta + s),
            )
        ],
        "the posterior mean of z, not theta": [of_posterior(lambda x, m, v: m)],
        "precision, or its standard deviation": [
            of_posterior(lambda x, m, v: x * m / (m * m + 1 / v)),
            of_posterior(lambda x, m, v: x * m / (m * m + v**0.5)),
        ],
        "the prior's variance, or that of the noise": [
            of_posterior(lambda x, m, v: x * m / (m * m + 1)),
            em_step(
                lambda x, s, theta: theta * x / (theta * theta + s * s),
                lambda x, s, theta: s * s,
            ),
        ],
        "ignores the prior": [
            em_step(lambda x, s, theta: x / theta, lambda x, s, theta: s * s / theta / theta)
        ],
        "mean lost its factor theta": [
            em_step(
                lambda x, s, theta: x / (theta * theta + s * s),
                lambda x, s, theta: s * s / (theta * theta + s * s),
            )
        ],
        "the variance alone, or is missing": [
            of_posterior(lambda x, m, v: x * m / v),
            of_posterior(lambda x, m, v: x * m),
        ],
        "you took the difference": [of_posterior(lambda x, m, v: x * m / (m * m - v))],
        "the mixed term": [
            of_posterior(lambda x, m, v: m / (m * m + v)),
            of_posterior(lambda x, m, v: m * m / (m * m + v)),
        ],
        "upside down": [of_posterior(lambda x, m, v: (m * m + v) / (x * m))],
        "two steps of EM": [two_em_steps],
    },
    "3.3": {
        "own marginal variances": [lambda c: gaussian_kl(c.diag(), c)],
        "by accident": [lambda c: gaussian_kl(c, c.diag())],
        "The right q": [lambda c: gaussian_kl(c, 1 / c.inverse().diag())],
        "the precision matrix itself": [
            lambda c: gaussian_kl(c.inverse().diag(), c),
            lambda c: gaussian_kl(c, c.inverse().diag()),
        ],
        "lost the factor one half": [lambda c: sum(determinants(c))],
        "never negative": [lambda c: -sum(determinants(c)) / 2],
        "half of the dimension": [
            lambda c: (sum(determinants(c)) + len(c)) / 2,
            lambda c: (sum(determinants(c)) - len(c)) / 2,
        ],
        "determinant of C is missing": [lambda c: determinants(c)[1] / 2],
        "variances of q are missing": [lambda c: determinants(c)[0] / 2],
        "log-determinant of C is turned": [
            lambda c: (determinants(c)[1] - determinants(c)[0]) / 2
        ],
        "single variance": [
            lambda c: gaussian_kl((1 / c.inverse().diag().mean()).repeat(len(c)), c),
            lambda c: gaussian_kl(c.diag().mean().repeat(len(c)), c),
        ],
        "q = N(m, I)": [lambda c: gaussian_kl(torch.eye(len(c)).double(), c)],
        "in bits": [lambda c: sum(determinants(c)) / math.log(4)],
        "the exponential": [
            lambda c: (c.det() * c.inverse().diag().prod()) ** 0.5,
            lambda c: (c.det() * c.inverse().diag().prod()) ** -0.5,
            lambda c: c.det() * c.inverse().diag().prod(),
        ],
    },
    "3.4": {
        "Close": [0.55, 0.548, 0.5481, 0.54814],
        "the square of it": [2 / 3 - LOG_3 / 3],
        "two roots": [-((2 / 3 - LOG_3 / 3) ** 0.5)],
        "of the other family, or not at all": [(2 - LOG_3) ** 0.5],
        "you multiplied": [(6 - 3 * LOG_3) ** 0.5],
        "factor one half": [(1 / 3 - LOG_3 / 6) ** 0.5, (4 / 3 - LOG_3 / 1.5) ** 0.5],
        "the best per-instance q": [1 - LOG_3 / 2],
        "from the posterior to q": [(LOG_3 / 3 - 2 / 9) ** 0.5],
        "for a standard deviation": [(8 - 2 * LOG_3) ** 0.5 / 3],
        "sign of the logarithm": [(2 / 3 + LOG_3 / 3) ** 0.5],
        "Two equal laws": [(1 - LOG_3 / 3) ** 0.5, (4 / 3 - LOG_3 / 3) ** 0.5],
        "logarithm of the variances is missing": [0.8164965809277260],
        "counted half": [(2 / 3 - LOG_3 / 6) ** 0.5],
        "natural logarithm": [
            (2 / 3 - LOG_3 / math.log(10) / 3) ** 0.5,
            (2 / 3 - LOG_3 / math.log(2) / 3) ** 0.5,
        ],
    },
    "3.5": {
        "which sign": [(1.4, 0.9, 0.5)],
        "it is not negative": [
            (-1.4, -0.9, -0.5),
            (1.4, -0.9, -0.5),
            (-1.4, -0.9, 0.5),
            (-1.4, 0.9, -0.5),
        ],
        "exchanged the gaps": [(-1.4, 0.5, 0.9), (1.4, 0.5, 0.9)],
        "the bias of the best q": [(-0.9, 0.9, 0.5), (0.9, 0.9, 0.5), (-0.9, 0.9, 1.4)],
        "the encoder's excess": [(-0.5, 0.9, 0.5), (0.5, 0.9, 0.5)],
        "amortization gap up to": [(-1.4, 0.9, 1.4), (1.4, 0.9, 1.4)],
        "approximation gap from": [(-1.4, 1.4, 0.5), (1.4, 1.4, 0.5)],
        "Those are the ELBOs": [
            (-92.4, -91.9, -91.0),
            (-91.0, -92.4, -91.9),
            (-92.4, -91.9, -92.4),
        ],
        "Turn the three round": [
            (0.5, 0.9, -1.4),
            (0.9, 0.5, -1.4),
            (0.9, -1.4, 0.5),
            (0.5, -1.4, 0.9),
        ],
    },
    "3.6": {
        "not free of n": [
            right_per_instance(lambda n, epochs, steps, new: new + n + epochs),
            right_per_instance(lambda n, epochs, steps, new: new + epochs),
        ],
        "left out the training": [
            right_per_instance(lambda n, epochs, steps, new: new + n),
            right_per_instance(lambda n, epochs, steps, new: new),
        ],
        "At which points?": [
            right_per_instance(lambda n, epochs, steps, new: n * epochs),
            right_per_instance(lambda n, epochs, steps, new: new + n * epochs),
            right_per_instance(lambda n, epochs, steps, new: n * (epochs + 1)),
        ],
        "not trained again": [
            right_per_instance(lambda n, epochs, steps, new: (n + new) * epochs + n + new),
            right_per_instance(lambda n, epochs, steps, new: n * epochs + new * epochs),
            right_per_instance(lambda n, epochs, steps, new: n * epochs + new * (epochs + 1)),
        ],
        "New points cost": [
            right_amortized(lambda n, epochs, steps, new: n * steps),
            right_amortized(lambda n, epochs, steps, new: new + n * steps),
        ],
        "for each point, not once": [
            right_amortized(lambda n, epochs, steps, new: steps),
            right_amortized(lambda n, epochs, steps, new: new + n + steps),
        ],
        "knows no epochs": [
            right_amortized(lambda n, epochs, steps, new: (n + new) * steps * epochs),
            right_amortized(lambda n, epochs, steps, new: n * epochs + new * steps),
        ],
        "Once optimised": [
            right_amortized(lambda n, epochs, steps, new: (n + new) * steps + n + new)
        ],
        "the steps of the other method": [
            right_per_instance(lambda n, epochs, steps, new: n * (epochs * steps + 1) + new),
            right_per_instance(lambda n, epochs, steps, new: n * (steps + 1) + new),
        ],
        "Turn the pair round": [
            lambda n, epochs, steps, new: (steps * n + steps * new, (epochs + 1) * n + new)
        ],
        "Return both counts": [
            lambda n, epochs, steps, new: (epochs + 1) * n + new,
            lambda n, epochs, steps, new: (epochs + 1 + steps) * n + (1 + steps) * new,
        ],
    },
    "3.7": {
        "store equally many": [649],
        "a mean and a log-scale": [1298, 1299],
        "puts out the means alone": [584, 585],
        "left out the log-scales": [1169, 1170],
        "left out the biases": [640, 641, 642, 648],
        "what the encoder stores": [10384, 10385],
        "one of the two layers": [129, 130, 520, 521],
        "the pixels of an image": [162, 163],
        "one bias for each": [652, 653],
        "a bias of its own": [1280, 1281, 8192, 8193],
    },
}


def row_means(lw):
    return lw.exp().mean(1)


def law_of_count(r, K):
    """Probabilities of 0 to K weights equal to a."""
    law = np.ones(1)
    for _ in range(K):
        law = np.convolve(law, [1 - r, r])
    return law


def mean_logarithms(a, b, K):
    """log of the mean of K weights, for 0 to K of them equal to a."""
    return np.log(np.linspace(b, a, K + 1))


def chances(joint, q):
    """w(z) / (w(z) + w(z_2)), the chance that z is kept and not z_2: z in rows."""
    w = joint / q
    return 1 / (1 + w / w[:, None])


def apart(q):
    """q in each row, without the row's own state."""
    return q * (1 - torch.eye(len(q)).double())


def resampled_from_three(joint, q):
    """Three states are drawn from q, and one is kept in proportion to the weights."""
    states = torch.cartesian_prod(*[torch.arange(len(q))] * 3)
    weights = (joint / q)[states]
    mass = q[states].prod(1, keepdim=True) * weights / weights.sum(1, keepdim=True)
    return torch.stack([mass[states == z].sum() for z in range(len(q))])


WRITTEN_ANEW_4 = {
    "4.1": {
        "mean of the logarithms: that": [lambda lw: lw.mean()],
        "one logarithm of the mean over everything": [lambda lw: row_means(lw).mean().log()],
        "forgot to divide by K": [lambda lw: lw.exp().sum(1).log().mean()],
        "divided by K - 1": [
            lambda lw: (lw.exp().sum(1) / (lw.shape[1] - 1)).log().mean(),
        ],
        "divided the logarithm by K": [
            lambda lw: lw.exp().sum(1).log().mean() / lw.shape[1],
            lambda lw: row_means(lw).log().mean() / lw.shape[1],
        ],
        "the number of replications": [lambda lw: (lw.exp().sum(1) / len(lw)).log().mean()],
        "added up the replications": [lambda lw: row_means(lw).prod().log()],
        "Wrong axis": [
            lambda lw: lw.exp().mean(0).log().mean(),
            lambda lw: lw.exp().sum(0).log().mean(),
            lambda lw: (lw.exp().sum(0) / lw.shape[1]).log().mean(),
        ],
        "the largest log-weight of each": [lambda lw: lw.max(1).values.mean()],
        "the largest weight of each": [lambda lw: (lw.exp().amax(1) / lw.shape[1]).log().mean()],
        "stopped before the logarithm": [
            lambda lw: lw.exp().mean(),
            lambda lw: lw.exp().sum() / len(lw),
        ],
        "Give one number": [lambda lw: row_means(lw).log()],
        "log-weights for weights": [
            lambda lw: lw.mean(1).abs().log().mean(),
            lambda lw: lw.sum(1).abs().log().mean(),
        ],
        "went back from the logarithm": [lambda lw: row_means(lw).prod() ** (1 / len(lw))],
        "that is a loss": [lambda lw: -row_means(lw).log().mean()],
        "in bits": [lambda lw: row_means(lw).log2().mean()],
    },
    "4.2": {
        "That is L_1": [lambda r, a, b, K: math.log(a**r * b ** (1 - r))],
        "the logarithm of the mean weight": [lambda r, a, b, K: math.log(b + r * (a - b))],
        "Count the orders": [
            lambda r, a, b, K: sum(
                r**k * (1 - r) ** (K - k) * logarithm
                for k, logarithm in enumerate(mean_logarithms(a, b, K))
            )
        ],
        "the rule for large K": [
            lambda r, a, b, K: (
                math.log(b + r * (a - b))
                - (r * a**2 + (1 - r) * b**2 - (b + r * (a - b)) ** 2)
                / (b + r * (a - b)) ** 2
                / 2
                / K
            )
        ],
        "exchanged r and 1 - r": [lambda r, a, b, K: solutions_4.my_exact_bound(r, b, a, K)],
        "the sum of the K weights": [
            lambda r, a, b, K: solutions_4.my_exact_bound(r, K * a, K * b, K)
        ],
        "left out outcomes": [
            lambda r, a, b, K: law_of_count(r, K)[1:] @ mean_logarithms(a, b, K)[1:],
            lambda r, a, b, K: law_of_count(r, K)[:-1] @ mean_logarithms(a, b, K)[:-1],
            lambda r, a, b, K: law_of_count(r, K)[1:-1] @ mean_logarithms(a, b, K)[1:-1],
        ],
        "all K weights are equal": [
            lambda r, a, b, K: law_of_count(r, K)[[0, -1]] @ np.log([b, a])
        ],
        "every count the same": [lambda r, a, b, K: mean_logarithms(a, b, K).mean()],
        "another number of samples": [
            lambda r, a, b, K: solutions_4.my_exact_bound(r, a, b, K + 1),
            lambda r, a, b, K: solutions_4.my_exact_bound(r, a, b, K - (K > 1)),
        ],
        "K times": [lambda r, a, b, K: math.log(a**r * b ** (1 - r)) * K],
        "divided the logarithm by K": [
            lambda r, a, b, K: solutions_4.my_exact_bound(r, K * a, K * b, K) / K,
            lambda r, a, b, K: solutions_4.my_exact_bound(r, a, b, K) / K,
        ],
        "the logarithm is missing": [lambda r, a, b, K: b + r * (a - b)],
    },
    "4.3": {
        "the bound for densities": [np.log],
        "the best case for c = 1": [
            lambda evidence: np.log(evidence**evidence),
            lambda evidence: evidence * np.log(1 / evidence),
        ],
        "right for p(x) = 1 only": [lambda evidence: 0.36787944117144233],
        "no c reaches that": [
            lambda evidence: evidence,
            lambda evidence: 2.718281828459045 * evidence,
            lambda evidence: 0.5 * evidence,
        ],
        "not without bound": [lambda evidence: float("inf")],
        "every logarithm is 0": [lambda evidence: 0],
        "The sign is turned": [
            lambda evidence: -0.36787944117144233 * evidence,
            lambda evidence: -0.36787944117144233,
        ],
        "did not go back": [
            lambda evidence: np.log(evidence / math.e),
            lambda evidence: np.log(evidence * math.e),
        ],
        "does not apply to p(x) itself": [
            lambda evidence: math.e**-evidence,
            lambda evidence: math.e**evidence,
            lambda evidence: math.e**evidence / math.e,
        ],
        "one more term": [
            lambda evidence: evidence * (np.log(evidence) - 1),
            lambda evidence: 0.36787944117144233 * np.log(evidence),
            lambda evidence: 0.1353352832366127 * evidence,
        ],
        "natural logarithm": [
            lambda evidence: evidence * math.log2(math.e) / math.e,
            lambda evidence: evidence * math.log10(math.e) / math.e,
            lambda evidence: 0.1 * evidence,
        ],
    },
    "4.4": {
        "normalised each": [
            lambda p, q: (
                (q[:, None] * chances(p, q)) / (q[:, None] * chances(p, q)).sum(0) * q
            ).sum(1)
        ],
        "add up to one half": [lambda p, q: q * (chances(p, q) * q).sum(1)],
        "z_2 from the posterior": [lambda p, q: 2 * q * (chances(p, q) * p / p.sum()).sum(1)],
        "all z_2 the same probability": [
            lambda p, q: 2 * q * chances(p, q).mean(1),
            lambda p, q: 2 * q * chances(p, q).sum(1),
        ],
        "That is the posterior": [lambda p, q: torch.distributions.Categorical(p).probs],
        "one fixed z_2": [
            lambda p, q: 2 * q * chances(p, q)[:, 0],
            lambda p, q: 2 * q * chances(p, q)[:, -1],
        ],
        "Return one number for each z": [lambda p, q: 2 * q[:, None] * chances(p, q)],
        "z itself is missing in the denominator": [
            lambda p, q: p * ((q / p) @ q),
            lambda p, q: 2 * p * ((q / p) @ q),
        ],
        "z_2 is missing in the denominator": [lambda p, q: q + q],
        "missing in the numerator": [
            lambda p, q: (2 * q[:, None] / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (q[:, None] / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (2 / ((p / q)[:, None] + p / q) * q).sum(1),
            lambda p, q: (1 / ((p / q)[:, None] + p / q) * q).sum(1),
        ],
        "the mean of the weights first": [lambda p, q: p / ((p / q + q @ (p / q)) / 2)],
        "over z. It is over z_2": [
            lambda p, q: 2 * q @ (q[:, None] * chances(p, q)),
            lambda p, q: 2 * q * (q @ chances(p, q)),
        ],
        "one factor q too many": [
            lambda p, q: 2 * chances(p, q) @ q,
            lambda p, q: 2 * q * q * (chances(p, q) @ q),
            lambda p, q: solutions_4.my_refined(p, q) / sum(p),
        ],
        "in the same state as z": [
            lambda p, q: 2 * q * (chances(p, q) * apart(q)).sum(1) / apart(q).sum(1),
            lambda p, q: 2 * q * (chances(p, q) * apart(q)).sum(1),
        ],
        "That is q_3": [resampled_from_three],
        "That is q itself": [lambda p, q: 1 * q],
        "in place of the weights": [lambda p, q: (2 * q / (1 + p / p[:, None])).sum(1)],
    },
    "4.6": {
        "all three weights are positive": [27 / 64],
        "three decimals": [0.98],
        "mass that is lost": [1 / 64],
        "some weight is 0": [37 / 64],
        "right for K = 1": [0.75],
        "q(p = 0) itself": [0.25],
        "Without the hypothesis": [1],
        "other samples only": [15 / 16, 255 / 256],
        "multiplied, not added": [2.25, 1.75],
        "divided by the mass": [64 / 63, 1.3333],
        "base and exponent": [0.3700, 80 / 81, 0.2402],
    },
    "4.7": {
        "Turn the pair round": [(0.03, 0.04)],
        "In (a) you took L_K": [(0.07, 0.03), (0.07, 0.04)],
        "KL(Q || P) as a whole": [(0.04, 0.07), (0.03, 0.07)],
        "added where the chain rule": [(0.04, 0.11), (0.07, 0.11)],
        "never negative": [(-0.04, -0.03), (0.04, -0.03), (-0.04, 0.03)],
        "nothing beyond L_K": [(0.04, 0)],
        "below log p(x)": [(0, 0.03), (0, 0.07), (0, 0.04)],
        "cannot be the same": [(0.04, 0.04), (0.03, 0.03), (0.07, 0.07), (0.035, 0.035)],
        "You took exponentials": [(1.04081, 1.03045), (0.96079, 0.97045), (0.01372, 0.00994)],
        "Those are the bounds": [(-1.09, -1.12), (-1.05, -1.09), (1.09, 1.12)],
    },
}


def mixed_sigmoids(z, w, a, b):
    """The average s, and its derivative without and with the sigmoids' own slopes."""
    on = torch.sigmoid(a * z[..., None] + b)
    return (w * on).sum(-1), (w * on * (1 - on)).sum(-1), (w * a * on * (1 - on)).sum(-1)


def log_slope_from(formula):
    """An answer to exercise 5.2: the logarithm of a formula in `mixed_sigmoids`."""
    return lambda *given: formula(*mixed_sigmoids(*given)).log()


def pushed(y, centre, alpha, beta):
    """The radial map."""
    r = ((y - centre) ** 2).sum(-1, keepdim=True).sqrt()
    return y + beta * (y - centre) / (alpha + r)


def radii(y, centre, alpha, beta):
    """The distance of y from the centre, and that of the point it comes from."""
    s = (y - centre).norm(dim=-1, keepdim=True)
    return s, (solutions_5.my_inverse(y, centre, alpha, beta) - centre).norm(dim=-1, keepdim=True)


def root_with_beta(y, centre, alpha, beta):
    """Exercise 5.4 with 4 alpha beta under the root."""
    s = (y - centre).norm(dim=-1, keepdim=True)
    half = (s - alpha - beta) / 2
    return centre + (half + (half**2 + alpha * beta) ** 0.5) / s * (y - centre)


def from_radii(formula):
    """An answer to exercise 5.4 that multiplies y - z0 by a formula in s, r and alpha."""

    def answer(y, centre, alpha, beta):
        return centre + formula(*radii(y, centre, alpha, beta), alpha) * (y - centre)

    return answer


def zeros_for_no_numbers(y, centre, alpha, beta):
    """Exercise 5.4 with 0 divided by 0, and 0 put in for what comes out."""
    s, r = radii(y, centre, alpha, beta)
    return (centre + r * ((y - centre) / s)).nan_to_num(0.0)


def noise_and_log_det(x, flow):
    """The noise's log-densities, (batch, D), and the log-determinants by autograd."""
    return bell(flow(x)).log(), solutions_5.log_det_by_autograd(flow, x)


def density_from(formula):
    """An answer to exercise 5.7: a formula in both parts and D."""
    return lambda x, flow: formula(*noise_and_log_det(x, flow), x.shape[1])


def nats_by_hand(low, high):
    """An answer to exercise 5.9 whose noise covers the part from low to high."""
    return lambda p, k, u: -sum(p(k + low + (high - low) * u)) / len(u)


WRITTEN_ANEW_5 = {
    "5.1": {
        "not sent to 0": [0.3085],
        "the size of b": [0.8413, 0.1587],
        "divided b by c": [0.9772, 0.0228],
        "not a mass": [0.3521],
        "The factor a": [2.0744, 0.2305],
    },
    "5.2": {
        "outer inverse sigmoid": [log_slope_from(lambda s, flat, steep: steep)],
        "own slope": [log_slope_from(lambda s, flat, steep: flat / (s - s * s))],
        "asks for its logarithm": [
            lambda *given: log_slope_from(lambda s, flat, steep: steep / (s - s * s))(*given).exp()
        ],
        "divides by s (1 - s)": [log_slope_from(lambda s, flat, steep: steep * (s - s * s))],
    },
    "5.3": {
        "|f'| < 1 for necessary": [{"A"}],
        "for enough": [set("ABC"), set("ABCE"), set("ABCDE")],
        "at every point for necessary": [set("AB")],
        "A map that falls": [set("ABE")],
        "does not make two points meet": [set("ABD")],
        "goes down and up again near 0": [set("ABDEF"), set("AF"), set("ABCDEF")],
        "Turn it round": [set("CF")],
        "no obstacle": [set("ADE"), set("AE"), set("AD")],
        "below 1 everywhere is missing": [set("BDE"), set("BE"), set("BD")],
        "At least one": [set()],
        "One map too many": [set("ABDF")],
    },
    "5.4": {
        "not the way back": [lambda y, c, a, b: pushed(y, c, a, -b)],
        "the forward map": [pushed],
        "the other root": [from_radii(lambda s, r, alpha: -alpha / r)],
        "Under the root": [root_with_beta],
        "at distance r times s": [from_radii(lambda s, r, alpha: r)],
        "s / r in place": [from_radii(lambda s, r, alpha: s / r)],
        "forgot to add the centre": [lambda y, c, a, b: solutions_5.my_inverse(y, c, a, b) - c],
        "inverted the map with -beta": [lambda y, c, a, b: solutions_5.my_inverse(y, c, a, -b)],
        "That is the radius": [lambda *given: radii(*given)[1].squeeze(-1)],
        "divide 0 by 0": [zeros_for_no_numbers],
    },
    "5.6": {
        "divided y by r": [(4.348, 5.798)],
        "That is the direction": [(0.6, 0.8)],
        "where the map sends y": [(4, 5.3333)],
        "forward with -beta": [(2, 2.6667)],
        "the other root": [(-0.8697, -1.1596)],
        "the pair of radii": [(3.4495, -1.4495)],
    },
    "5.7": {
        "once for each coordinate": [density_from(lambda lp, det, D: (lp + det[:, None]).sum(1))],
        "by the number of coordinates": [density_from(lambda lp, det, D: lp.sum(1) + det / D)],
        "log-determinant is gone": [density_from(lambda lp, det, D: lp.sum(1))],
        "the wrong sign": [density_from(lambda lp, det, D: lp.sum(1) - det)],
        "asks for its logarithm": [density_from(lambda lp, det, D: lp.exp().prod(1) * det.exp())],
        "you took their mean": [density_from(lambda lp, det, D: lp.mean(1) + det)],
        "over the batch": [density_from(lambda lp, det, D: lp.sum(1) + det.sum())],
        "constant": [lambda x, flow: noise_and_log_det(x, flow)[1] - (flow(x) ** 2).sum(1) / 2],
    },
    "5.8": {
        "by the variance": [lambda t, e, v: 2 * t + math.e**v * e],
        "by the precision": [
            lambda t, e, v: 2 * t + math.sqrt(math.e**-v) * e,
            lambda t, e, v: 2 * t + math.e**-v * e,
        ],
        "means are -2 and 2": [lambda t, e, v: t + math.sqrt(math.e**v) * e],
        "the logarithm itself": [lambda t, e, v: t + t + e * v],
        "halved the variance": [lambda t, e, v: 2 * t + 0.5 * math.e**v * e],
    },
    "5.9": {
        "covers half": [nats_by_hand(0, 0.5)],
        "not the one asked for": [lambda *given: nats_by_hand(0, 0.5)(*given) + 0.693147],
        "makes it worse": [lambda *given: nats_by_hand(0, 0.5)(*given) - 0.693147],
        "minus the logarithm": [lambda *given: -nats_by_hand(0, 1)(*given)],
        "the logarithm of the mean": [lambda p, k, u: -math.log(sum(p(k + u).exp()) / len(u))],
        "centred the noise": [nats_by_hand(-0.5, 0.5)],
        "no noise in it": [lambda p, k, u: -p(torch.tensor(float(k)))],
        "needs no correction": [
            lambda *given: nats_by_hand(0, 1)(*given) + 0.693147,
            lambda *given: nats_by_hand(0, 1)(*given) - 0.693147,
        ],
        "not the sum": [lambda p, k, u: -sum(p(k + u))],
    },
}

WRITTEN_ANEW = [
    (number, advice, answer)
    for chapter in (WRITTEN_ANEW_1, WRITTEN_ANEW_2, WRITTEN_ANEW_3, WRITTEN_ANEW_4, WRITTEN_ANEW_5)
    for number, catalogue in chapter.items()
    for advice, answers in catalogue.items()
    for answer in answers
]


@pytest.mark.parametrize("number, advice, answer", WRITTEN_ANEW)
def test_wrong_answers_written_anew_get_their_sentence(number, advice, answer):
    right, message = feedback(number, answer)
    assert not right
    assert advice in message


@pytest.mark.parametrize("number", [n for n in NUMBERS if n[0] < "6"])
def test_every_wrong_version_of_chapters_1_to_5_is_written_anew(number):
    """As many answers for a sentence as the catalogue has versions of it."""
    versions = Counter(sentence for other, sentence, _ in CATALOGUE if other == number)
    for sentence, count in versions.items():
        anew = [advice for other, advice, _ in WRITTEN_ANEW if other == number]
        assert sum(advice in sentence for advice in anew) == count, sentence
