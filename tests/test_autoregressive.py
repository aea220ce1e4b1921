"""Chapter 1 by law: three routes to every field, the theorem, and every wrong version caught."""

import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.autoregressive import (
    ORDERS,
    MaskedConv2d,
    PixelCNN,
    TwoStackLayer,
    apply_mask,
    blind_spot,
    dependencies_by_gradient,
    dependencies_by_perturbation,
    fill_in,
    kernel_mask,
    masked_stack,
    pixels,
    power_of_a,
    predecessors,
    raster_order,
    receptive_field,
    receptive_field_by_theorem,
    two_stack_receptive_field,
)

ROOT = Path(__file__).resolve().parent.parent
STACKS = ("AA", "AB", "BA", "BB")
# A and B commute, so only stacks such as these tell which layer is expanded first.
MIXED = (["vertical-A", "horizontal-A"], ["horizontal-A", "vertical-A"])
GRID = (5, 5)
PIXELS = raster_order(GRID)


# What the claims of the chapter state for output pixel 34 (bottom-up).
CLAIMED = {
    "AA": pixels("32 42 43 44 52 53 54 55"),
    "AB": pixels("32 33 42 43 44 45 52 53 54 55"),
    "BA": pixels("32 33 42 43 44 45 52 53 54 55"),
    "BB": pixels("32 33 34 42 43 44 45 52 53 54 55"),
}


def fields(mask_a, mask_b, pixel):
    """The four fields of a pixel for any two masks: what the chapter's check looks at."""
    masks = {"A": mask_a, "B": mask_b}
    return {kinds: receptive_field([masks[k] for k in kinds], pixel) for kinds in STACKS}


# --- masks ---


def test_the_masks_of_the_source():
    assert kernel_mask("A").tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1]]
    assert kernel_mask("B").tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize("kind", ["A", "B", "vertical-A", "vertical-B"])
@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_the_two_orders_mirror_each_other(kind, size):
    assert kernel_mask(kind, size, "top-down").equal(kernel_mask(kind, size).flip(0))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_and_b_split_into_the_past_rows_and_the_own_row(order, size):
    for kind in "AB":
        joined = kernel_mask("vertical-A", size, order)
        joined[size // 2] = kernel_mask(f"horizontal-{kind}", size, order)[0]
        assert kernel_mask(kind, size, order).equal(joined)


@pytest.mark.parametrize("order", ORDERS)
def test_an_a_mask_opens_exactly_the_past_inside_its_window(order):
    window = apply_mask(torch.ones(5, 5), [(4, 4)], (7, 7))
    mask = kernel_mask("A", 5, order)
    assert apply_mask(mask, [(4, 4)], (7, 7)) == window & predecessors((4, 4), (7, 7), order)


# --- receptive fields ---


def test_the_chapter_states_what_is_tested_here():
    """The pixels in the four sentences of the chapter are those of CLAIMED."""
    notebook = json.loads((ROOT / "book/01_autoregressive.ipynb").read_text(encoding="utf8"))
    prose = "\n".join("".join(c["source"]) for c in notebook["cells"])
    stated = re.findall(r"\*\*Claim 1\.(\d)\.\*\* With masks (\w), (\w), (.*)", prose)
    assert [(number, first + second) for number, first, second, _ in stated] == list(
        zip("1234", STACKS, strict=True)
    )
    for _, first, second, sentence in stated:
        names = " ".join(re.findall(r"\b\d\d\b", sentence.split("reads")[1]))
        assert pixels(names) == CLAIMED[first + second]


@pytest.mark.parametrize("kinds", STACKS)
def test_pixel_34_reads_what_the_claims_say(kinds):
    assert receptive_field(kinds, (3, 4)) == CLAIMED[kinds]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kinds", [*STACKS, "A", "B", "ABB", "BAB", "AAAA", *MIXED], ids="".join)
def test_set_algebra_autograd_and_perturbation_agree_at_every_pixel(kinds, order, generator):
    network = masked_stack(kinds, order=order, generator=generator)
    inputs = torch.rand(2, 1, *GRID, dtype=torch.float64, generator=generator)
    for pixel in PIXELS:
        field = receptive_field(kinds, pixel, order=order)
        assert dependencies_by_gradient(network, pixel, inputs) == field
        assert dependencies_by_perturbation(network, pixel, inputs) == field


@pytest.mark.parametrize("size", [1, 5, 7])
def test_other_kernel_sizes_agree_with_autograd(size, generator):
    network = masked_stack("AB", size=size, generator=generator)
    inputs = torch.rand(1, 1, 6, 7, dtype=torch.float64, generator=generator)
    for pixel in raster_order((6, 7)):
        field = receptive_field("AB", pixel, (6, 7), size=size)
        assert dependencies_by_gradient(network, pixel, inputs) == field


@pytest.mark.parametrize("shape", [(5, 5), (1, 6), (7, 2), (3, 8)])
@pytest.mark.parametrize("order", ORDERS)
def test_theorem_1_holds_for_every_stack_up_to_four_layers(shape, order):
    for depth in range(1, 5):
        for kinds in itertools.product("AB", repeat=depth):
            for pixel in raster_order(shape, order):
                by_theorem = receptive_field_by_theorem(kinds, pixel, shape, order)
                assert receptive_field(kinds, pixel, shape, order=order) == by_theorem


def test_lemma_2_needs_a_width_of_two():
    assert receptive_field("AA", (1, 1), (2, 1)) == frozenset()
    assert receptive_field("A", (1, 1), (2, 1)) == {(2, 1)}
    with pytest.raises(ValueError, match="width 2 or more, got width 1"):
        power_of_a(2, (1, 1), (2, 1))


def test_a_before_b_at_any_depth_stays_in_the_past():
    for depth in range(1, 8):
        for pixel in PIXELS:
            assert receptive_field("A" + "B" * depth, pixel) <= predecessors(pixel)


def test_the_mirrored_network_on_the_mirrored_image_gives_the_mirrored_output(generator):
    """Why the source's order is harmless: it is the top-down one, upside down."""
    upward = masked_stack("AB", generator=generator)
    downward = masked_stack("AB", order="top-down", generator=generator)
    for place in (0, 2):
        downward[place].weight.copy_(upward[place].weight.flip(-2))
    inputs = torch.rand(3, 1, *GRID, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(downward(inputs.flip(-2)), upward(inputs).flip(-2))


def test_skip_around_the_second_layer_is_safe_for_ab_and_leaks_for_ba():
    assert (3, 4) not in receptive_field("AB", (3, 4), skips=[2])
    assert (3, 4) in receptive_field("BA", (3, 4), skips=[2])


def test_blind_spots_of_the_source_order():
    assert blind_spot((3, 1)) == pixels("43 44 45 54 55")
    assert blind_spot((3, 3)) == pixels("45")
    assert blind_spot((3, 4)) == frozenset()
    assert len(blind_spot((1, 1))) == 6


@pytest.mark.parametrize("order", ORDERS)
def test_corollary_3_gives_the_blind_spot(order):
    past = 1 if order == "bottom-up" else -1
    for pixel in raster_order((6, 8)):
        offsets = {
            p: (past * (p[0] - pixel[0]), p[1] - pixel[1])
            for p in predecessors(pixel, (6, 8), order)
        }
        hidden = {p for p, (d, e) in offsets.items() if e > d >= 1}
        assert blind_spot(pixel, (6, 8), order=order) == hidden


def test_two_stacks_read_the_whole_past_and_nothing_else():
    for pixel in raster_order((8, 8)):
        past = predecessors(pixel, (8, 8))
        assert two_stack_receptive_field(6, pixel, (8, 8)) == past
        assert two_stack_receptive_field(0, pixel, (8, 8), first_size=15) <= past
        assert two_stack_receptive_field(1, pixel, (8, 8), first_size=15) == past


def test_a_map_without_a_shape_is_that_of_the_source():
    """Five rows and five columns: one more or one less would change these fields."""
    assert predecessors((4, 1)) == pixels("51 52 53 54 55")
    assert two_stack_receptive_field(6, (4, 1)) == pixels("51 52 53 54 55")
    assert blind_spot((4, 1)) == pixels("53 54 55")
    for route in (receptive_field, receptive_field_by_theorem):
        assert route("BB", (4, 5)) == pixels("43 44 45 53 54 55")


def test_two_stacks_of_kernels_of_side_one_read_nothing(generator):
    network = PixelCNN(2, (3, 3), width=1, first_size=1, generator=generator).double()
    torch.nn.init.ones_(network.to_logits.weight)
    inputs = torch.rand(1, 1, 3, 3, dtype=torch.float64, generator=generator)
    for pixel in raster_order((3, 3)):
        assert two_stack_receptive_field(3, pixel, (3, 3), first_size=1) == frozenset()
        assert dependencies_by_gradient(network, pixel, inputs) == frozenset()


def test_a_dead_relu_hides_a_path_from_the_gradient_at_one_input():
    layer = MaskedConv2d("A", 1, 1, bias=False).double()
    torch.nn.init.constant_(layer.weight, 1.0)
    network = torch.nn.Sequential(layer, torch.nn.ReLU())
    light = torch.ones(1, 1, 5, 5).double()
    both = torch.cat([light, -3 * light])
    for route in (dependencies_by_gradient, dependencies_by_perturbation):
        assert route(network, (3, 4), -3 * light) == frozenset()
        assert route(network, (3, 4), light) == receptive_field("A", (3, 4))
        assert route(network, (3, 4), both) == receptive_field("A", (3, 4))


# --- the checks bite ---


def single_entry_mutations():
    """The 27 wrong pairs of masks that differ from the right pair in one place."""
    mask_a, mask_b = kernel_mask("A"), kernel_mask("B")
    for place in range(9):
        flip = torch.zeros(9, dtype=torch.long).index_fill(0, torch.tensor(place), 1).view(3, 3)
        yield f"A{place}", mask_a ^ flip, mask_b
        yield f"B{place}", mask_a, mask_b ^ flip
        yield f"AB{place}", mask_a ^ flip, mask_b ^ flip


MUTATIONS = list(single_entry_mutations())


@pytest.mark.parametrize("name, mask_a, mask_b", MUTATIONS, ids=[m[0] for m in MUTATIONS])
def test_every_single_entry_mutation_of_the_masks_is_caught(name, mask_a, mask_b):
    assert fields(mask_a, mask_b, (3, 4)) != CLAIMED


def test_there_are_27_mutations_and_the_right_masks_pass():
    assert len(MUTATIONS) == 27
    assert fields(kernel_mask("A"), kernel_mask("B"), (3, 4)) == CLAIMED


def test_the_worked_case_of_the_source_alone_would_miss_four_wrong_masks():
    """Why all four stacks are checked: AB = BA, other paths and the border hide these."""
    missed = [
        name
        for name, mask_a, mask_b in MUTATIONS
        if fields(mask_a, mask_b, (3, 4))["AB"] == CLAIMED["AB"]
    ]
    assert set(missed) == {"A7", "B7", "B8", "AB4"}  # AB4 swaps the two masks


A, B = kernel_mask("A"), kernel_mask("B")
CORNER_CLOSED = B.clone().index_put_((torch.tensor(2), torch.tensor(2)), torch.tensor(0))
ROW_CLOSED = torch.tensor([[0, 0, 0], [0, 0, 0], [1, 1, 1]])


def circular_field(kinds, pixel):
    """The wrong field of a stack whose padding wraps around."""
    reached = {pixel}
    for kind in reversed(kinds):
        offsets = [(int(i) - 1, int(j) - 1) for i, j in kernel_mask(kind).nonzero()]
        reached = {
            ((r + d - 1) % 5 + 1, (c + e - 1) % 5 + 1) for r, c in reached for d, e in offsets
        }
    return frozenset(reached)


# name, what the wrong version gives, what the chapter states
WRONG_VERSIONS = {
    "1.1 top-down masks": (receptive_field("AA", (3, 4), order="top-down"), CLAIMED["AA"]),
    "1.1 A keeps its centre": (receptive_field([B, B], (3, 4)), CLAIMED["AA"]),
    "1.1 A closes its own row": (receptive_field([ROW_CLOSED] * 2, (3, 4)), CLAIMED["AA"]),
    "1.1 union of A and A^2": (
        power_of_a(1, (3, 4), GRID) | power_of_a(2, (3, 4), GRID),
        CLAIMED["AA"],
    ),
    "1.2 kernel flipped": (
        apply_mask(B.flip(0, 1), [(3, 4)], GRID),
        pixels("33 34 43 44 45"),
    ),
    "1.2 B lacks entry (3, 3), AB at 33": (
        receptive_field([A, CORNER_CLOSED], (3, 3)),
        pixels("31 32 41 42 43 44 51 52 53 54 55"),
    ),
    "1.2 B lacks entry (3, 3), BB at 34": (
        receptive_field([CORNER_CLOSED] * 2, (3, 4)),
        CLAIMED["BB"],
    ),
    "1.2 the first mask twice": (receptive_field([A, A], (3, 4)), CLAIMED["AB"]),
    "1.3 BA taken for BB": (receptive_field([B, B], (3, 4)), CLAIMED["BA"]),
    "1.3 BA with a skip": (receptive_field("BA", (3, 4), skips=[2]), CLAIMED["BA"]),
    "1.4 k from 1 in place of 0": (
        power_of_a(1, (3, 4), GRID) | power_of_a(2, (3, 4), GRID),
        CLAIMED["BB"],
    ),
    "1.4 padding wraps around": (circular_field("BB", (3, 5)), receptive_field("BB", (3, 5))),
    "1.x no blind spot": (predecessors((3, 1)), predecessors((3, 1)) - blind_spot((3, 1))),
}


@pytest.mark.parametrize("name", WRONG_VERSIONS)
def test_every_wrong_version_of_chapter_1_is_caught(name):
    wrong, right = WRONG_VERSIONS[name]
    assert wrong != right


def test_fields_near_the_border():
    assert len(receptive_field("BB", (3, 5))) == 9
    assert len(circular_field("BB", (3, 5))) == 12
    assert receptive_field("AB", (3, 3)) == pixels("31 32 41 42 43 44 51 52 53 54 55")


def test_what_the_page_on_slips_states():
    """The fields of the source's Figure 3, and what a flipped kernel would read."""
    figure_3 = {
        "33": "32 42 43 44",
        "34": "33 43 44 45",
        "43": "42 52 53 54",
        "44": "43 53 54 55",
        "45": "44 54 55",
    }
    page = (ROOT / "book/slips.md").read_text(encoding="utf8")
    for name, read in figure_3.items():
        assert apply_mask(A, pixels(name), GRID) == pixels(read)
        assert f"{name} reads {read.replace(' ', ', ')}" in page
    assert frozenset().union(*(apply_mask(A, pixels(n), GRID) for n in figure_3)) == CLAIMED["AB"]
    assert apply_mask(B.flip(0, 1), pixels("34"), GRID) == pixels("23 24 25 34 35")
    assert "would read 23, 24, 25, 34 and 35" in page


def test_no_false_alarm_over_200_seeds():
    """Random weights and inputs never make the three routes disagree on a correct network."""
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        kinds = STACKS[seed % 4]
        network = masked_stack(kinds, generator=generator)
        inputs = torch.rand(1, 1, *GRID, dtype=torch.float64, generator=generator)
        assert dependencies_by_gradient(network, (3, 4), inputs) == CLAIMED[kinds]
        assert dependencies_by_perturbation(network, (3, 4), inputs) == CLAIMED[kinds]


# --- routes that are no set algebra ---


@pytest.mark.parametrize("pixel", [(5, 5), (3, 3), (8, 4)])
def test_perturbation_is_not_misled_by_rounding_in_float32(pixel, generator):
    """A convolution rounds a batch of another size in another way."""
    network = PixelCNN(generator=generator)
    torch.nn.init.normal_(network.to_logits.weight, generator=generator)
    image = torch.randint(17, (1, 1, 8, 8), generator=generator).float()
    found = dependencies_by_perturbation(network, pixel, image)
    assert found <= predecessors(pixel, (8, 8))
    assert found == dependencies_by_gradient(network, pixel, image)


def test_gradients_of_several_channels_do_not_cancel():
    read = receptive_field([torch.ones(3, 3)], (3, 3))

    class Twice(torch.nn.Conv2d):
        """A map and its negative: their sum is 0 everywhere."""

        def forward(self, image):
            once = super().forward(image)
            return torch.cat([once, -once], dim=1)

    network, image = Twice(1, 1, 3, padding=1), torch.rand(2, 1, 5, 5)
    assert dependencies_by_gradient(network, (3, 3), image) == read
    assert dependencies_by_perturbation(network, (3, 3), image) == read
    assert network.weight.grad is None  # the network is left as it was
    with torch.no_grad():
        assert dependencies_by_gradient(network, (3, 3), image) == read


def test_a_derivative_that_is_no_number_is_not_zero():
    broken = torch.nn.Conv2d(1, 1, 1).requires_grad_(False)
    broken.weight.fill_(math.nan)
    assert (2, 2) in dependencies_by_gradient(broken, (2, 2), torch.rand(1, 1, 3, 3))


def test_a_network_that_reads_nothing_has_no_dependencies():
    class Constant(torch.nn.Module):
        def forward(self, image):
            return self.level.expand_as(image)

    network, image = Constant(), torch.rand(1, 1, 3, 3)
    network.level = torch.nn.Parameter(torch.ones(1))
    assert dependencies_by_gradient(network, (2, 2), image) == frozenset()
    assert dependencies_by_perturbation(network, (2, 2), image) == frozenset()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_raised_pixel_wakes_a_dead_relu_whichever_way_the_output_goes(sign):
    network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Conv2d(1, 1, 1))
    torch.nn.init.constant_(network[1].weight, sign)
    dark = torch.full((1, 1, 3, 3), -0.5)
    assert dependencies_by_gradient(network, (2, 2), dark) == frozenset()
    assert dependencies_by_perturbation(network, (2, 2), dark) == {(2, 2)}


# --- networks ---


def test_a_stack_has_fixed_positive_weights_of_one_size_and_no_biases(generator):
    weights = dict(masked_stack("ABB", generator=generator).named_parameters())
    assert [tuple(w.shape) for w in weights.values()] == [(3, 1, 3, 3), (3, 3, 3, 3), (1, 3, 3, 3)]
    for name, weight in weights.items():
        assert name.endswith("weight")
        assert ((weight >= 0.05) & (weight <= 0.25)).all()
        assert not weight.requires_grad


def test_a_masked_convolution_adds_a_constant_unless_told_not_to():
    nothing = torch.zeros(1, 1, 5, 5)
    layer = MaskedConv2d("A", 1, 2)
    torch.nn.init.constant_(layer.bias, 3.0)
    assert (layer(nothing) == 3).all()
    assert not MaskedConv2d("A", 1, 2, bias=False)(nothing).any()


def test_the_first_weights_keep_the_size_of_what_is_read(generator):
    """Variance 1 / (open entries times channels), no biases, and logits of the uniform law."""
    network = PixelCNN(width=64, layers=1, size=5, first_size=9, generator=generator)
    layer = network.layers[0]
    read = {
        network.rows: 4 * 9,
        network.left: 4,
        layer.vertical: 64 * 3 * 5,
        layer.horizontal: 64 * 3,
        layer.link: 64,
        layer.mix: 64,
    }
    for part, entries in read.items():
        scaled = part.weight * math.sqrt(entries)
        error = scaled.numel() ** -0.5
        assert abs(scaled.mean().item()) < 6 * error
        assert abs(scaled.std().item() - 1) < 6 * error
        assert not part.bias.any()
    assert not network(torch.zeros(1, 1, 8, 8)).any()


def test_a_pixelcnn_reads_grey_levels_from_minus_one_to_one(generator):
    network, seen = PixelCNN(5, (1, 5), width=1, generator=generator), []
    network.rows.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].tolist()))
    network(torch.arange(5).view(1, 1, 1, 5))
    assert seen == [[[[[-1, -0.5, 0, 0.5, 1]]]]]


def test_a_pixelcnn_is_made_for_images_of_the_digits(generator):
    """Seventeen levels, and kernels that see all pixels."""
    logits = PixelCNN(generator=generator)(torch.zeros(2, 1, 8, 8))
    assert logits.shape == (2, 17, 8, 8)


def test_a_layer_adds_what_its_convolutions_give():
    layer, nothing = TwoStackLayer(1), torch.zeros(1, 1, 2, 2)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.ones_(layer.mix.weight)
    for part, constant in [("vertical", 1.0), ("horizontal", 2.0), ("link", 3.0), ("mix", 4.0)]:
        torch.nn.init.constant_(getattr(layer, part).bias, constant)
    rows, left = layer(nothing, nothing, lambda features: 10 * features)
    assert rows.unique().item() == 10
    expected = 10 * (torch.nn.functional.silu(torch.tensor(5.0)) + 4)
    assert left.unique().item() == pytest.approx(expected.item())


def test_a_masked_layer_may_have_hundreds_of_channels():
    layer = MaskedConv2d("B", 300, 1, 1, bias=False)
    torch.nn.init.ones_(layer.weight)
    assert layer(torch.ones(1, 300, 1, 1)).item() == 300


@pytest.mark.parametrize("dropout", [0, 0.0])
def test_without_dropout_nothing_is_drawn(dropout, generator):
    network = PixelCNN(2, (2, 2), width=1, dropout=dropout, generator=generator)
    before = generator.get_state()
    network(torch.zeros(1, 1, 2, 2), generator)
    assert generator.get_state().equal(before)


@pytest.mark.parametrize("order", ORDERS)
def test_known_pixels_are_kept_and_all_others_drawn_wherever_they_are(order, generator):
    """By a law without chance, which has another level at each pixel."""
    levels = torch.arange(12).view(3, 4)
    certain = torch.where(torch.arange(12).view(1, 12, 1, 1) == levels, 0.0, -math.inf)
    known = torch.rand(3, 4, generator=generator) < 0.5
    images = torch.full((2, 1, 3, 4), 20)
    filled = fill_in(
        lambda images: certain.expand(len(images), -1, -1, -1),
        images,
        known,
        order=order,
        generator=generator,
    )
    assert filled.equal(torch.where(known, images, levels))


# --- bad input ---

BAD_CALLS = {
    "unknown kind": (lambda: kernel_mask("C"), "must be one of A, B"),
    "unknown order": (
        lambda: kernel_mask("A", order="left"),
        "must be one of bottom-up, top-down",
    ),
    "even size": (lambda: kernel_mask("A", 4), "odd whole number from 1 up, got 4"),
    "size not whole": (lambda: kernel_mask("A", 3.0), "odd whole number from 1 up, got 3.0"),
    "even size of another library": (lambda: kernel_mask("A", np.int64(4)), "odd whole number"),
    "size no number": (lambda: kernel_mask("A", True), "odd whole number from 1 up, got True"),
    "negative size": (lambda: kernel_mask("A", -3), "got -3"),
    "pixel outside": (lambda: receptive_field("AB", (3, 6)), "columns 1 to 5, got \\(3, 6\\)"),
    "pixel zero": (lambda: receptive_field("AB", (0, 1)), "rows 1 to 5"),
    "empty stack": (lambda: receptive_field("", (3, 4)), "at least one layer, got none"),
    "pixel not whole": (lambda: receptive_field("AB", (3.0, 4)), "two whole numbers"),
    "pixel one number": (lambda: receptive_field("AB", 34), "two whole numbers.*got 34"),
    "pixel of truth values": (lambda: receptive_field("AB", (True, 4)), "two whole numbers"),
    "pixel of three numbers": (
        lambda: receptive_field("AB", (3, 4, 5)),
        r"two whole numbers.*got \(3, 4, 5\)",
    ),
    "pixel of one number in brackets": (
        lambda: receptive_field("AB", (3,)),
        r"two whole numbers.*got \(3,\)",
    ),
    "pixel as a list": (lambda: receptive_field("AB", [3, 4]), "two whole numbers"),
    "kind in a stack": (lambda: receptive_field("AC", (3, 4)), "got 'C'"),
    "skip around nothing": (
        lambda: receptive_field("AB", (3, 4), skips=[3]),
        "layers from 1 to 2",
    ),
    "skip before the first": (
        lambda: receptive_field("AB", (3, 4), skips=[0]),
        "layers from 1 to 2",
    ),
    "theorem on other kinds": (
        lambda: receptive_field_by_theorem(["vertical-A"], (3, 4)),
        "must be one of A, B; got 'vertical-A'",
    ),
    "wrong channels": (
        lambda: MaskedConv2d("A", 2, 1)(torch.zeros(1, 1, 5, 5)),
        r"\(batch, 2, height, width\), got \(1, 1, 5, 5\)",
    ),
    "too many channels": (
        lambda: MaskedConv2d("A", 1, 1)(torch.zeros(1, 2, 5, 5)),
        r"\(batch, 1, height, width\), got \(1, 2, 5, 5\)",
    ),
    "lower rank": (lambda: MaskedConv2d("A", 1, 1)(torch.zeros(1, 1, 5)), r"got \(1, 1, 5\)"),
    "higher rank": (
        lambda: MaskedConv2d("A", 1, 1)(torch.zeros(1, 1, 1, 5, 5)),
        r"got \(1, 1, 1, 5, 5\)",
    ),
    "wrong rank": (lambda: MaskedConv2d("A", 1, 1)(torch.zeros(5, 5)), r"got \(5, 5\)"),
    "wrong dtype": (
        lambda: MaskedConv2d("A", 1, 1)(torch.zeros(1, 1, 5, 5).long()),
        "must be torch.float32, got torch.int64",
    ),
    "negative steps": (lambda: power_of_a(-1, (3, 4), (5, 5)), "steps to be .* from 0 on, got -1"),
    "steps not whole": (lambda: power_of_a(1.5, (3, 4), (5, 5)), "from 0 on, got 1.5"),
    "order of steps": (lambda: power_of_a(1, (3, 4), (5, 5), "topdown"), "got 'topdown'"),
    "order of the theorem": (
        lambda: receptive_field_by_theorem("AB", (3, 4), order="bottomup"),
        "order must be one of bottom-up, top-down; got 'bottomup'",
    ),
    "mask without a centre": (
        lambda: receptive_field([torch.ones(2, 3)], (3, 4)),
        r"matrix with odd sides, got \(2, 3\)",
    ),
    "mask of one row's numbers": (
        lambda: apply_mask(torch.ones(3), [(3, 4)], GRID),
        r"matrix with odd sides, got \(3,\)",
    ),
    "mask for each channel": (
        lambda: apply_mask(torch.ones(1, 3, 3), [(3, 4)], GRID),
        r"matrix with odd sides, got \(1, 3, 3\)",
    ),
    "pixel below a wide map": (
        lambda: receptive_field("A", (3, 4), (2, 7)),
        r"rows 1 to 2 and columns 1 to 7, got \(3, 4\)",
    ),
    "negative layers": (lambda: two_stack_receptive_field(-1, (3, 4)), "from 0 on, got -1"),
    "one grey level": (
        lambda: PixelCNN(levels=1, generator=torch.Generator()),
        "grey levels to be a whole number from 2 on, got 1",
    ),
    "all channels dropped": (
        lambda: PixelCNN(dropout=1.0, generator=torch.Generator()),
        "dropout from 0 to below 1, got 1.0",
    ),
    "more channels dropped than there are": (
        lambda: PixelCNN(dropout=1.5, generator=torch.Generator()),
        "dropout from 0 to below 1, got 1.5",
    ),
    "images on their side": (
        lambda: PixelCNN(2, (2, 3), generator=torch.Generator())(torch.zeros(1, 1, 3, 2)),
        r"\(batch, 1, 2, 3\), got \(1, 1, 3, 2\)",
    ),
    "fewer than no layers": (
        lambda: PixelCNN(layers=-1, generator=torch.Generator()),
        "the number of layers after the first.*got -1",
    ),
    "half a layer": (
        lambda: PixelCNN(layers=1.5, generator=torch.Generator()),
        "the number of layers after the first.*got 1.5",
    ),
    "negative dropout": (
        lambda: PixelCNN(dropout=-0.1, generator=torch.Generator()),
        "dropout from 0 to below 1, got -0.1",
    ),
    "known pixels of another image": (
        lambda: fill_in(
            torch.nn.Identity(),
            torch.zeros(1, 1, 3, 3),
            torch.ones(3, 4).bool(),
            generator=torch.Generator(),
        ),
        r"known must be \(3, 3\),.* got torch.bool \(3, 4\)",
    ),
    "long pixel name": (lambda: pixels("345"), "two digits from 1 to 9, got '345'"),
    "pixel name with a zero": (lambda: pixels("30"), "two digits from 1 to 9, got '30'"),
    "pixel name": (lambda: pixels("34 4"), "two digits from 1 to 9, got '4'"),
    "empty network": (
        lambda: masked_stack("", generator=torch.Generator()),
        "at least one layer",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_input_is_refused_with_advice(name):
    call, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=message):
        call()
