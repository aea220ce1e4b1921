"""The data are the peers' data, the loop learns, and the PixelCNN is an honest density."""

import hashlib
import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy

from helpers.autoregressive import (
    PixelCNN,
    TwoStackLayer,
    dependencies_by_gradient,
    fill_in,
    log_prob,
    predecessors,
    raster_order,
    two_stack_receptive_field,
)
from helpers.checks import z_limit, z_scores
from helpers.digits import load_digits, train

LIMIT = 6  # standard errors: a true claim fails with probability 2e-9 for each number compared


def awake(model, generator):
    """The model in float64 with output weights that are not zero."""
    torch.nn.init.normal_(model.to_logits.weight, generator=generator)
    return model.double()


@pytest.fixture
def tiny(generator):
    """A PixelCNN on 3x3 binary images, small enough to enumerate."""
    return awake(PixelCNN(2, (3, 3), width=6, layers=1, generator=generator), generator)


BINARY_IMAGES = torch.cartesian_prod(*[torch.tensor([0, 1])] * 9).view(512, 1, 3, 3)


def test_the_split_is_the_one_that_peers_were_measured_on():
    digits = load_digits()
    assert [tuple(part.shape) for part in digits] == [
        (1000, 1, 8, 8),
        (350, 1, 8, 8),
        (447, 1, 8, 8),
    ]
    everything = torch.cat(digits).flatten(1).to(torch.int8).numpy()
    assert hashlib.md5(everything.tobytes()).hexdigest() == "fa70cba135d4cdd4cde65da70dbffde2"
    assert (int(everything.min()), int(everything.max())) == (0, 16)


def test_training_finds_the_mean_and_reports_the_loss(generator):
    data = torch.randn(200, 3, generator=generator)
    guess = torch.nn.Parameter(torch.full((3,), 5.0))
    seen = []
    history = train(
        lambda batch: ((batch - guess) ** 2).mean(),
        [guess],
        data,
        epochs=30,
        batch_size=50,
        learning_rate=0.3,
        after_epoch=seen.append,
        generator=generator,
    )
    torch.testing.assert_close(guess.detach(), data.mean(dim=0), atol=0.05, rtol=0)
    assert seen == list(range(1, 31))
    assert len(history) == 30
    assert history[-1] < history[0] / 10


def one_cycle(step, steps, highest):
    """Rate of a step, from 0: up from a 25th along a cosine, and down to a 250,000th."""
    peak = 0.15 * steps - 1
    if step <= peak:
        start, end, part = highest / 25, highest, step / peak
    else:
        start, end, part = highest, highest / 250_000, (step - peak) / (steps - 1 - peak)
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def test_steps_are_those_of_adam_by_hand():
    """A loss that is linear in the weight, so that the data are the gradients."""
    data = torch.tensor([1.0, -2.0, 3.0, -1.0], dtype=torch.float64)
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    train(
        lambda batch: (batch * weight).sum(),
        [weight],
        data,
        epochs=3,
        batch_size=1,
        learning_rate=0.1,
        generator=torch.Generator().manual_seed(0),
    )
    generator = torch.Generator().manual_seed(0)
    shuffled = [data[torch.randperm(4, generator=generator)] for _ in range(3)]
    position = mean = square = 0.0
    for step, gradient in enumerate(torch.cat(shuffled).tolist()):
        mean, square = 0.9 * mean + 0.1 * gradient, 0.95 * square + 0.05 * gradient**2
        unbiased = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.95 ** (step + 1))
        position -= one_cycle(step, 12, 0.1) * unbiased[0] / (math.sqrt(unbiased[1]) + 1e-8)
    assert weight.item() == pytest.approx(position, rel=1e-9)


def test_the_same_seed_trains_the_same_model():
    weights = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(7)
        model = PixelCNN(width=4, layers=1, generator=generator)
        train(
            lambda batch, model=model, generator=generator: cross_entropy(
                model(batch, generator), batch[:, 0]
            ),
            model.parameters(),
            load_digits().train[:64],
            epochs=1,
            batch_size=16,
            learning_rate=1e-2,
            generator=generator,
        )
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert weights[0].equal(weights[1])


def test_training_stops_at_a_loss_that_is_not_finite(generator):
    weight = torch.nn.Parameter(torch.ones(1))
    options = {"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "generator": generator}
    with pytest.raises(ValueError, match="needed a finite loss, got nan"):
        train(lambda batch: (weight * float("nan")).sum(), [weight], torch.ones(4), **options)
    with pytest.raises(ValueError, match="at least one example, got none"):
        train(lambda batch: weight.sum(), [weight], torch.ones(0), **options)


@pytest.mark.parametrize(("mode", "shown"), [("live", True), ("static", False)])
def test_a_progress_bar_is_shown_to_people_only(mode, shown, generator, monkeypatch, capsys):
    """Stored outputs are compared, and times in them would differ."""
    monkeypatch.setenv("EXPLORE_MODE", mode)
    weight = torch.nn.Parameter(torch.ones(1))
    history = train(
        lambda batch: (weight**2).sum(),
        [weight],
        torch.ones(4),
        epochs=3,
        batch_size=2,
        learning_rate=0.1,
        generator=generator,
    )
    printed = capsys.readouterr().err
    assert ("3/3" in printed and f"loss={history[-1]:.2f}" in printed) == shown


def test_rates_end_where_training_ends_and_nothing_decays_unless_asked(generator):
    """A steady gradient moves a weight by the rate, which ends far below its peak."""
    moved, still = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    positions = [1.0]
    train(
        lambda batch: (moved + 0 * still).sum(),
        [moved, still],
        torch.ones(4),
        epochs=20,
        batch_size=4,
        learning_rate=0.1,
        after_epoch=lambda _: positions.append(moved.item()),
        generator=generator,
    )
    steps = [before - after for before, after in pairwise(positions)]
    assert max(steps) == pytest.approx(0.1, rel=0.01)
    assert abs(steps[-1]) < 1e-3 * max(steps)
    assert still.item() == 1


# --- PixelCNN ---


def test_probabilities_of_all_images_add_up_to_one(tiny):
    total = log_prob(tiny, BINARY_IMAGES).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)


def test_one_opened_entry_breaks_the_density(tiny):
    """The mask mutation that the chapter trains: B first."""
    tiny.left.mask[0, -8] = 1  # the centre of a kernel of 15
    assert abs(log_prob(tiny, BINARY_IMAGES).exp().sum().item() - 1) > 1e-3


@pytest.mark.parametrize("order", ["bottom-up", "top-down"])
def test_the_model_depends_on_exactly_its_past(order, generator):
    model = awake(PixelCNN(width=4, layers=2, order=order, generator=generator), generator)
    inputs = 16 * torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=generator)
    for pixel in raster_order((8, 8), order):
        past = predecessors(pixel, (8, 8), order)
        assert dependencies_by_gradient(model, pixel, inputs) == past


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_set_algebra_of_two_stacks_is_that_of_the_model(layers, generator):
    model = PixelCNN(shape=(5, 6), width=4, layers=layers, first_size=3, generator=generator)
    inputs = 16 * torch.rand(2, 1, 5, 6, dtype=torch.float64, generator=generator)
    awake(model, generator)
    for pixel in raster_order((5, 6)):
        field = two_stack_receptive_field(layers, pixel, (5, 6))
        assert dependencies_by_gradient(model, pixel, inputs) == field


def test_a_vertical_stack_that_read_the_horizontal_one_would_leak(generator):
    """The wrong merge of the two stacks (asked in the field's threads) is seen by the check."""
    model = awake(PixelCNN(shape=(4, 4), width=4, layers=2, generator=generator), generator)
    layer = model.layers[0]
    right_way = layer.forward
    layer.forward = lambda rows, left, drop: right_way(rows + left, left, drop)
    inputs = 16 * torch.rand(1, 1, 4, 4, dtype=torch.float64, generator=generator)
    fields = {p: dependencies_by_gradient(model, p, inputs) for p in raster_order((4, 4))}
    assert not all(field <= predecessors(p, (4, 4)) for p, field in fields.items())


def moments(images):
    """Means and products of pairs, whose expectations tell laws apart: a row for each image."""
    pixels, (i, j) = images.flatten(1).double(), torch.triu_indices(9, 9, 1)
    return torch.cat([pixels, pixels[:, i] * pixels[:, j]], dim=1)


def sampling_scores(model, draws, order, generator):
    """How far moments of samples are from those of the enumerated law, in standard errors."""
    law = log_prob(model, BINARY_IMAGES).exp().detach()
    start = torch.zeros(draws, 1, 3, 3, dtype=torch.long)
    drawn = fill_in(model, start, order=order, generator=generator)
    z, _ = z_scores(moments(drawn), (law.unsqueeze(1) * moments(BINARY_IMAGES)).sum(dim=0))
    return z.abs(), drawn, law


def test_samples_have_the_enumerated_law(tiny, generator):
    z, drawn, law = sampling_scores(tiny, 5_000, "bottom-up", generator)
    assert z.max() < LIMIT
    entropy = -(law * law.log()).sum().reshape(1)
    z, _ = z_scores(-log_prob(tiny, drawn).detach().unsqueeze(1), entropy)
    assert z.abs().max() < LIMIT


def drawn_model(seed, std):
    """A model of nine pixels, with weights that are drawn, and the generator that goes on."""
    generator = torch.Generator().manual_seed(seed)
    model = PixelCNN(2, (3, 3), width=4, layers=1, first_size=5, generator=generator)
    for weights in model.double().parameters():
        weights.data.normal_(std=std, generator=generator)
    return model, generator


def test_no_false_alarm_over_40_seeds():
    """The chapter's check by samples accepts a correct sampler; `make alarms` tries 200 seeds."""
    worst = []
    for seed in range(40):
        model, generator = drawn_model(seed, 0.3)
        z, _, _ = sampling_scores(model, 512, "bottom-up", generator)
        worst.append(z.max().item())
    assert max(worst) <= z_limit(45)
    assert max(worst) > z_limit(45, false_alarm=0.5)  # and the z-scores are not idle


def test_the_wrong_order_of_sampling_is_seen():
    model, generator = drawn_model(0, 0.7)
    z, _, _ = sampling_scores(model, 5_000, "top-down", generator)
    assert z.max() > LIMIT


def test_known_pixels_stay_and_unknown_ones_are_not_looked_at(tiny, generator):
    known = torch.zeros(3, 3, dtype=torch.bool)
    known[2] = True  # the first row of the bottom-up order
    images = torch.ones(50, 1, 3, 3, dtype=torch.long)
    filled = fill_in(tiny, images, known, generator=torch.Generator().manual_seed(5))
    again = fill_in(tiny, images * known, known, generator=torch.Generator().manual_seed(5))
    assert filled[:, :, 2].eq(1).all()
    assert not filled[:, :, :2].eq(1).all()
    assert filled.equal(again)


def test_dropout_draws_from_the_generator_alone(generator):
    model = PixelCNN(width=8, layers=1, dropout=0.5, generator=generator)
    torch.nn.init.normal_(model.to_logits.weight, generator=generator)
    images = load_digits().train[:3]
    runs = [model(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert runs[0].equal(runs[1])
    assert not runs[0].equal(runs[2])
    assert model(images).equal(model(images))


def test_grey_levels_that_the_model_does_not_have_are_refused(tiny):
    images = torch.zeros(1, 1, 3, 3)
    for level in (2, -1, 0.5):
        images[0, 0, 1, 1] = level
        with pytest.raises(ValueError, match="grey levels must be whole, 0 to 1; got values"):
            log_prob(tiny, images)


def test_a_mask_of_known_pixels_of_another_shape_is_refused(tiny, generator):
    with pytest.raises(ValueError, match=r"known must be \(3, 3\),.* got torch.bool \(3,\)"):
        fill_in(tiny, torch.zeros(1, 1, 3, 3), torch.ones(3).bool(), generator=generator)


def test_known_pixels_are_told_by_truth_values(tiny, generator):
    images = torch.full((1, 1, 3, 3), math.nan)
    for known in (torch.full((3, 3), 255, dtype=torch.uint8), torch.full((3, 3), 0.5)):
        with pytest.raises(ValueError, match="True or False for each pixel; got torch"):
            fill_in(tiny, images, known, generator=generator)
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    assert fill_in(tiny, images, nothing, generator=generator).isfinite().all()


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"batch_size": 2.5}])
def test_training_asks_for_counts(wrong):
    weight = torch.zeros(1, requires_grad=True)
    sizes = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1} | wrong
    with pytest.raises(ValueError, match="to be a whole number from 1 on, got"):
        train(lambda batch: weight.sum(), [weight], torch.ones(2), **sizes, generator=None)


def test_the_loss_of_an_epoch_is_the_mean_over_the_data():
    """Batches of 4, 4 and 2 count by their sizes: the mean of 0 to 9 is 4.5, in every epoch."""
    weight = torch.zeros(1, requires_grad=True)
    history = train(
        lambda batch: batch.mean() + 0 * weight.sum(),
        [weight],
        torch.arange(10.0),
        epochs=3,
        batch_size=4,
        learning_rate=0.1,
        generator=torch.Generator().manual_seed(0),
    )
    assert history == pytest.approx([4.5] * 3)


def test_dropped_channels_leave_the_mean_as_it_was(generator):
    model = PixelCNN(width=4, layers=1, dropout=0.25, generator=generator)
    dropped = model._drop_channels(torch.ones(500, 4, 8, 8), generator)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    z, _ = z_scores(dropped[:, :, 0, 0].double(), torch.ones(4))
    assert z.abs().max() < LIMIT


def test_a_layer_adds_to_what_it_is_given(generator):
    """Residual: with all its weights at zero a layer passes both maps on."""
    layer = TwoStackLayer(4)
    for weights in layer.parameters():
        torch.nn.init.zeros_(weights)
    rows, left = torch.randn(2, 3, 4, 8, 8, generator=generator)
    after = layer(rows, left, lambda features: features)
    assert after[0].equal(rows)
    assert after[1].equal(left)


def test_images_of_another_shape_are_refused(generator):
    model = PixelCNN(width=4, layers=1, generator=generator)
    for shape in [(2, 8, 8), (2, 1, 8, 7), (2, 3, 8, 8)]:
        with pytest.raises(ValueError, match=r"images must be \(batch, 1, 8, 8\), got"):
            model(torch.zeros(shape))
