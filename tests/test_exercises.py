"""Feedback: right for the truth, its own sentence for each misconception, no solution in it."""

import math
import re
from collections import Counter
from functools import partial
from itertools import combinations, permutations, product

import numpy as np
import pytest
import torch
from mistakes import autoregressive as mistakes_1
from mistakes import flows as mistakes_5
from mistakes import importance as mistakes_4
from mistakes import reparameterization as mistakes_2
from mistakes import variational as mistakes_3
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


@pytest.mark.parametrize(
    "number",
    # in 1.4 pixels may agree; other judges have no closure of this kind
    [
        n
        for n, e in EXERCISES.items()
        if "misconceptions" in e.judge.__code__.co_freevars and n != "1.4"
    ],
)
def test_no_wrong_version_stands_behind_an_equal_one(number):
    """Two versions that agree wherever answers are compared: one of them is never reached."""
    judge = EXERCISES[number].judge
    names = zip(judge.__code__.co_freevars, judge.__closure__ or (), strict=True)
    closure = {name: cell.cell_contents for name, cell in names}
    given, values = closure["instances"], []
    for versions in closure["misconceptions"].values():
        for wrong in versions if isinstance(versions, list) else [versions]:
            values.append([wrong(*instance) for instance in given])
    for one, other in combinations(values, 2):
        assert not exercises._agree(one, other, closure["tolerance"])


def test_sentences_are_distinct():
    """A wrong answer to one exercise has one sentence, so no two versions hide each other."""
    assert len({(number, sentence) for number, sentence, _ in CATALOGUE}) >= 25


@pytest.mark.parametrize(
    "answer, advice",
    [
        ((0, 1), "grows by 1 along the open offset (d, e) = (1, 1)"),
        ((1, -1), "grows by 1 along the open offset (d, e) = (0, -1)"),
        ((1, 0), "along the open offset (d, e) = (1, -1)"),
        ((1, 1), "grows by 1 along the open offset (d, e) = (1, 0)"),
        ((-1, 0), "has the value -1: a path may end there"),
        ((-3, 1), "has the value -1: a path may end there"),
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
        ("1.1", {(3, 2, 1)}, "Needed a set of pixels"),
        ("2.4", [[1.0, 0.0], [math.nan, 1.0]], "Needed a 2 by 2 matrix"),
        ("2.4", np.array([[1j, 0], [1, 1]]), "Needed a 2 by 2 matrix"),
        ("2.4", np.eye(3), "Needed a 2 by 2 matrix"),
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


HOSTILE = {
    "infinite": math.inf,
    "not a number": math.nan,
    "huge": 10**400,
    "complex": 1j,
    "nothing": None,
    "a word": "32",
    "a list of nothing": [],
    "an infinite pair": (math.inf, 1),
    "a pair of no numbers": (math.nan, math.nan),
    "a huge pair": (10**400, 1),
    "a huge matrix": [[10**400, 0], [0, 1]],
    "a tensor of complex numbers": torch.tensor([1j, 2]),
    "a function of a huge number": lambda *_: 10**400,
    "a function of a complex number": lambda *_: 1j,
    "a function of infinity": lambda *_: math.inf,
}


@pytest.mark.parametrize("number", EXERCISES)
def test_no_answer_breaks_the_feedback(number):
    for name, answer in HOSTILE.items():
        right, message = feedback(number, answer)
        assert not right, name
        assert message, name


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
    monkeypatch.setattr(exercises, "display", lambda *a, **k: shown.append((*a, k)))
    assert chapter_1.check_answer("1.3", {(2, 3)}) is None
    bundle, settings = shown[0]
    metadata = settings["metadata"]
    assert settings["raw"]  # the bundle is what is shown, not its own representation
    assert bundle["text/plain"].startswith("Exercise 1.3: ✗ Not yet. Turn it round")
    assert metadata["book"]["claim"] == "1.3"
    assert metadata["book"]["anchor"] == "exercise-1-3"


def test_the_leak_instances_hold_both_kinds():
    answers = [solutions_1.my_leak_detector(*instance) for instance in chapter_1._leak_instances()]
    assert {True, False} == set(answers)
    assert answers == [chapter_1.leaks(*instance) for instance in chapter_1._leak_instances()]


def test_up_to_six_numbers_are_told_in_full():
    six, seven = torch.zeros(2, 3), torch.zeros(7)
    assert exercises._short(six) == f"{six.tolist()}".replace("0.0", "0")
    assert exercises._short(seven) == "a tensor of shape (7,)"


def test_the_networks_of_exercise_1_4_do_what_their_labels_say(generator):
    networks = {network.label: network for (network,) in chapter_1._leak_instances()}
    plain, skipping = networks["the stack A"], networks["a stack A whose pixel 33 adds its input"]
    x = torch.randn(1, 1, 5, 5, dtype=torch.float64, generator=generator)
    added = torch.zeros_like(x)
    added[..., 2, 2] = x[..., 2, 2]
    assert torch.allclose(skipping(x), plain(x) + added, rtol=0, atol=1e-12)
    dead = networks["a ReLU before the stack A"]
    assert torch.equal(dead(x), plain((x - 0.5).clamp_min(0)))


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


def test_the_densities_of_exercise_5_9_are_what_their_labels_say():
    """A logistic law with mean 1.2 has variance pi^2 / 3."""
    x = torch.linspace(-60, 60, 24_001, dtype=torch.float64)
    for (log_density, _, _), mean, variance in (
        (chapter_5.NATS_INSTANCES[0], 1.2, math.pi**2 / 3),
        (chapter_5.NATS_INSTANCES[2], -0.4, 4.0),
    ):
        density = log_density(x).exp()
        assert float(torch.trapezoid(density, x)) == pytest.approx(1, abs=1e-9)
        assert float(torch.trapezoid(density * x, x)) == pytest.approx(mean, abs=1e-9)
        spread = torch.trapezoid(density * (x - mean) ** 2, x)
        assert float(spread) == pytest.approx(variance, abs=1e-9)


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
        (
            "5.2",
            lambda z, w, a, b: solutions_5.my_log_slope(z, w, a, b) + 0.5 * (z.abs() > 100),
            "wrong far away",
        ),
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
        ("5.5", lambda alpha, beta: 1.5, "radius 1.5 are sent to distance 0.9 from the centre"),
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
        ("2.4", [[2.236, 0.0], [2.236, 2.3]], "is not S times its transpose"),
        ("2.4", [[2.236, 2.236], [0.0, 2.3]], "is not S times its transpose"),
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


def test_the_law_of_the_kept_is_judged_in_standard_errors():
    """The last state comes 10 times in 100 in place of 20 times: the standard error is 4."""
    states = torch.tensor([[0, 1, 2]]).repeat(100, 1)
    indices = torch.tensor([0] * 20 + [1] * 70 + [2] * 10)
    law = torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64)
    assert chapter_4._z_of_kept(indices, states, law) == pytest.approx(10 / 4, abs=1e-6)


def test_one_chance_for_all_is_seen_whatever_is_kept_of_each_kind():
    """Each row occurs twice and keeps its particle: the last one of row 0, else the first."""
    states = torch.tensor(list(product(range(3), repeat=3))).repeat(2, 1)
    indices = 2 * (states.sum(1) == 0).long()
    weights = torch.zeros(54, 3, dtype=torch.float64)
    another = torch.ones(54)  # for another seed

    def is_one_chance(kept):
        return chapter_4._one_chance_for_all(lambda lw, g: another, kept, states, weights)

    assert is_one_chance(indices)
    indices[0] = 1  # now two rows alike keep different particles
    assert not is_one_chance(indices)


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
            for m in (lambda a, b: b, lambda a, b: a / 2 + b / 2)
        ),
        ("6.6", conserved(lambda a, b: 1, lambda a, b: 1, lambda a, b: a * b), "α and not α²"),
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
        ("6.6", lambda d, g, a, b: 1e9 + d, "A constant is conserved by every rule"),
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
        (
            "6.6",
            lambda d, g, a, b: None if a != b else d,
            "g = 0.5 and the rates 0.3, 1.2. Is a return",
        ),
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
        ("6.6", lambda d, g, a, b: 1e-9 * (g**2 * a + d * b * (d + a * g))),
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

WRITTEN_ANEW = [
    (number, advice, answer)
    for chapter in (mistakes_1, mistakes_2, mistakes_3, mistakes_4, mistakes_5)
    for number, catalogue in chapter.MISTAKES.items()
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
