"""The autoencoder of digits: its likelihood, its exact evidence, and the best q on the grid."""

import copy
import math

import pytest
import torch
from torch.distributions import (
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    Uniform,
    kl_divergence,
)

from helpers.autoencoder import Autoencoder, LatentGrid, draw_log_weights, refine_posterior
from helpers.checks import z_limit
from helpers.digits import load_digits, train

LIMIT = 6  # standard errors: a true claim fails with probability 2e-9 for each number compared
IMAGES = load_digits().train[:12]


def awake(latent, seed=0, scale=0.3, **options):
    """A small autoencoder in float64 whose decoder does not ignore z."""
    generator = torch.Generator().manual_seed(seed)
    options = {"encoder": (8,), "decoder": (16,), "generator": generator} | options
    model = Autoencoder(latent, **options).double()
    for weights in (model.decoder[-1].weight, model.bias):
        torch.nn.init.normal_(weights, 0, scale, generator=generator)
    return model


def normal(mean, scale):
    return Independent(Normal(mean.double(), scale.double()), 1)


START = normal(torch.zeros(12, 2), torch.full((12, 2), 0.5))


@pytest.fixture
def plane():
    return awake(2)


# The model


@pytest.mark.parametrize("latent", [1, 2, 5])
@pytest.mark.parametrize("features", [1, 2, 16])
def test_likelihood_is_that_of_the_library(latent, features, generator):
    model = awake(latent, features=features)
    z = torch.randn(3, len(IMAGES), latent, dtype=torch.float64, generator=generator)
    by_library = model.pixel_law(z).log_prob(IMAGES.flatten(1)).sum(dim=-1)
    assert by_library.shape == (3, len(IMAGES))
    torch.testing.assert_close(model.log_likelihood(IMAGES, z), by_library, rtol=1e-12, atol=0)
    prior = Normal(0, 1).log_prob(z).sum(dim=-1)
    torch.testing.assert_close(model.log_joint(IMAGES, z), by_library + prior)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (2, 1, 3), (2, 1, 2, 3)])
def test_points_may_have_any_batch(plane, generator, batch):
    z = torch.randn(*batch, 2, dtype=torch.float64, generator=generator)
    one_by_one = [plane.pixel_law(point).probs for point in z.view(-1, 2)]
    torch.testing.assert_close(
        plane.pixel_law(z).probs, torch.stack(one_by_one).view(*batch, 64, 17)
    )


def test_the_law_of_a_pixel_is_log_linear_in_shared_features(plane, generator):
    z = torch.randn(4, 2, dtype=torch.float64, generator=generator)
    natural, _ = plane.natural(z)
    eta = natural.view(4, 2, 64)
    logits = torch.einsum("kf,nfp->npk", plane.features, eta) + plane.bias.T
    torch.testing.assert_close(plane.pixel_law(z).probs, logits.softmax(dim=-1))


def test_sixteen_features_give_every_law_of_a_pixel(generator):
    features = Autoencoder(1, features=16, generator=generator).double().features
    with_constant = torch.cat([torch.ones(17, 1), features.detach()], dim=1)
    assert torch.linalg.matrix_rank(with_constant) == 17
    torch.testing.assert_close(features[:, 0], -features[:, 0].flip(0), rtol=0, atol=1e-6)


def test_a_new_model_has_uniform_independent_pixels(generator):
    model = Autoencoder(3, generator=generator)
    z = torch.randn(len(IMAGES), 3, generator=generator)
    expected = torch.full((len(IMAGES),), -64 * math.log(17))
    torch.testing.assert_close(model.log_likelihood(IMAGES, z), expected)
    assert not model.encode(IMAGES).mean.allclose(model.encode(IMAGES.flip(0)).mean)


def test_the_encoder_reads_grey_levels_from_minus_one_to_one(plane):
    outputs = plane.encoder(IMAGES.flatten(1).double() / 8 - 1)
    q = plane.encode(IMAGES)
    assert q.mean.equal(outputs[:, :2])
    assert q.stddev.equal(outputs[:, 2:].exp())


def test_log_weights_are_joint_minus_proposal_at_the_draws(plane):
    found = plane.log_weights(IMAGES, 7, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(
        7, len(IMAGES), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    q = plane.encode(IMAGES)
    z = q.mean + q.stddev * noise
    torch.testing.assert_close(found, plane.log_joint(IMAGES, z) - q.log_prob(z))


def test_the_elbo_is_likelihood_less_divergence(plane, generator):
    q = plane.encode(IMAGES)
    divergence = plane.prior_divergence(q)
    by_library = kl_divergence(q.base_dist, Normal(torch.zeros(2).double(), torch.ones(2)))
    torch.testing.assert_close(divergence, by_library)
    elbo = plane.elbo(IMAGES, generator=torch.Generator().manual_seed(1))
    weights = plane.log_weights(IMAGES, 1, generator=torch.Generator().manual_seed(1))[0]
    noise = torch.randn(1, 12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = (q.mean + q.stddev * noise)[0]
    analytic = Normal(0, 1).log_prob(z).sum(dim=-1) - q.log_prob(z)
    torch.testing.assert_close(elbo, weights - analytic - divergence.sum(dim=1))


@pytest.mark.parametrize("samples", [2, 5])
def test_the_loss_has_the_gradient_of_its_definition(plane, samples):
    loss = plane.loss(IMAGES, samples, generator=torch.Generator().manual_seed(2))
    noise = torch.randn(
        samples, 12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    mean, log_scale = plane.encoder(IMAGES.flatten(1).double() / 8 - 1).chunk(2, dim=1)
    z = mean + log_scale.exp() * noise
    log_q = Normal(mean, log_scale.exp()).log_prob(z).sum(dim=-1)
    log_weights = plane.log_joint(IMAGES, z) - log_q
    definition = -log_weights.exp().mean(dim=0).log().mean()
    torch.testing.assert_close(loss, definition)
    ours = torch.autograd.grad(loss, list(plane.parameters()))
    theirs = torch.autograd.grad(definition, list(plane.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_loss_of_one_sample_is_minus_the_elbo(plane):
    loss = plane.loss(IMAGES, generator=torch.Generator().manual_seed(2))
    elbo = plane.elbo(IMAGES, generator=torch.Generator().manual_seed(2))
    assert loss.item() == -elbo.mean().item()


def test_training_improves_both_bounds_and_follows_the_seed():
    images = load_digits().train[:128]
    losses = []
    for samples in (1, 1, 4):
        generator = torch.Generator().manual_seed(5)
        model = Autoencoder(4, encoder=(16,), decoder=(16,), generator=generator)
        losses.append(
            train(
                lambda batch, m=model, g=generator, k=samples: m.loss(batch, k, generator=g),
                model.parameters(),
                images,
                epochs=15,
                batch_size=32,
                learning_rate=1e-2,
                generator=generator,
            )
        )
    assert losses[0] == losses[1]
    assert losses[0][0] > 160
    assert max(losses[0][-1], losses[2][-1]) < 110


def test_a_new_encoder_stands_before_the_same_frozen_decoder(plane, generator):
    other = plane.with_encoder((3,), generator=generator)
    z = torch.zeros(len(IMAGES), 2, dtype=torch.float64)
    assert other.log_likelihood(IMAGES, z).equal(plane.log_likelihood(IMAGES, z))
    other.loss(IMAGES, generator=generator).backward()
    moved = {name for name, p in other.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in other.named_parameters() if name.startswith("encoder")}
    assert other.encode(IMAGES).mean.dtype == torch.float64
    assert [layer.weight.shape[0] for layer in other.encoder[::2]] == [3, 4]
    assert awake(3).with_encoder((), generator=generator).encode(IMAGES).event_shape == (3,)
    assert all(p.requires_grad for p in plane.parameters())


def test_log_weights_in_chunks_have_the_same_mean(plane, generator, monkeypatch):
    monkeypatch.setattr("helpers.autoencoder.CHUNK", 1088 * 50)
    q = normal(torch.zeros(12, 2), torch.ones(12, 2))
    plane.encode = lambda images: normal(q.mean[: len(images)], q.stddev[: len(images)])
    drawn = draw_log_weights(plane, IMAGES, 2_000, generator=generator)
    assert drawn.shape == (2_000, 12)
    assert not drawn.requires_grad
    assert len(drawn.unique()) == drawn.numel()
    exact = LatentGrid(plane).elbo(IMAGES, q)
    z = (drawn.mean(dim=0) - exact) / (drawn.std(dim=0) / 2_000**0.5)
    assert z.abs().max() < LIMIT


@pytest.mark.parametrize(
    ("samples", "parts"),
    [
        (10, [(5, 10), (5, 10), (2, 10)]),
        (50, [(1, 50)] * 12),
        (60, [(1, 50), (1, 10)] * 12),
    ],
)
def test_log_weights_are_drawn_in_parts_of_bounded_size(
    plane, generator, monkeypatch, samples, parts
):
    """Here of 50 points at a time, (images, draws of each)."""
    monkeypatch.setattr("helpers.autoencoder.CHUNK", 17 * 64 * 50)
    drawn, log_weights = [], plane.log_weights

    def watched(images, samples, *, generator):
        drawn.append((len(images), samples))
        return log_weights(images, samples, generator=generator)

    plane.log_weights = watched
    assert draw_log_weights(plane, IMAGES, samples, generator=generator).shape == (samples, 12)
    assert drawn == parts


def test_first_weights_have_variance_one_over_inputs(generator):
    model = Autoencoder(40, encoder=(300, 200), decoder=(400,), generator=generator)
    for layer in (*model.encoder[::2], model.decoder[0]):
        outputs, inputs = layer.weight.shape
        assert layer.weight.std().item() == pytest.approx(inputs**-0.5, rel=0.05)
        assert abs(layer.weight.mean().item()) < LIMIT / (inputs * outputs * inputs) ** 0.5
        assert layer.bias.count_nonzero() == 0


# The grid


@pytest.mark.parametrize(("images", "parts"), [(5, [5, 5, 2]), (0.1, [1] * 12), (20, [12])])
def test_sums_of_some_images_at_a_time_are_those_of_all(plane, monkeypatch, images, parts):
    grid = LatentGrid(plane, points=31)
    full = MultivariateNormal(START.mean, scale_tril=torch.diag_embed(START.stddev))

    def sums():
        laws = grid.moments(IMAGES), grid.best_diagonal(IMAGES, START, steps=2)
        numbers = [part for law in laws for part in (law.mean, law.stddev)]
        bounds = [grid.log_prob(IMAGES), grid.elbo(IMAGES, START), grid.elbo(IMAGES, full)]
        return [*numbers, *bounds]

    at_once, sizes, log_joint = sums(), [], grid.log_joint
    grid.log_joint = lambda some: sizes.append(len(some)) or log_joint(some)
    monkeypatch.setattr("helpers.autoencoder.CHUNK", int(31 * 31 * images))
    for a, b in zip(sums(), at_once, strict=True):
        torch.testing.assert_close(a, b)
    assert sizes == parts * 4


def test_a_q_may_be_zero_on_most_of_the_grid(plane):
    """A uniform one over a square of 31 x 31 cells."""
    grid, side = LatentGrid(plane), 15.5 * 13 / 200
    border = torch.full((12, 2), side, dtype=torch.float64)
    q = Independent(Uniform(-border, border, validate_args=False), 1)
    within = grid.log_joint(IMAGES)[:, 85:116, 85:116]
    expected = within.mean(dim=(1, 2)) + 2 * math.log(2 * side)
    torch.testing.assert_close(grid.elbo(IMAGES, q), expected)


def test_exact_evidence_agrees_with_importance_sampling(plane, generator):
    exact = LatentGrid(plane).log_prob(IMAGES)
    wide = LatentGrid(plane).moments(IMAGES)
    q = normal(wide.mean, 1.3 * wide.stddev)
    plane.encode = lambda images: q
    with torch.no_grad():
        weights = (plane.log_weights(IMAGES, 2_000, generator=generator) - exact).exp()
    z = (weights.mean(dim=0) - 1) / (weights.std(dim=0) / 2_000**0.5)
    assert z.abs().max() < z_limit(len(IMAGES), 1e-6)


def test_evidence_of_a_decoder_that_ignores_z_is_its_likelihood(plane):
    torch.nn.init.zeros_(plane.decoder[-1].weight)
    q = normal(torch.tensor([[1.0, -0.5]] * 12), torch.tensor([[0.3, 1.1]] * 12))
    likelihood = plane.log_likelihood(IMAGES, torch.zeros(12, 2, dtype=torch.float64))
    grid = LatentGrid(plane, low=-9, high=9)
    torch.testing.assert_close(grid.log_prob(IMAGES), likelihood, rtol=0, atol=1e-10)
    prior = normal(torch.zeros(12, 2), torch.ones(12, 2))
    expected = likelihood - kl_divergence(q, prior)
    torch.testing.assert_close(grid.elbo(IMAGES, q), expected, rtol=0, atol=1e-9)
    best = grid.best_diagonal(IMAGES, q, steps=60)
    torch.testing.assert_close(best.mean, prior.mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(best.stddev, prior.stddev, rtol=0, atol=1e-8)
    moments = grid.moments(IMAGES)
    torch.testing.assert_close(moments.mean, prior.mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(moments.stddev, prior.stddev, rtol=0, atol=1e-8)


def test_finer_and_wider_grids_agree_and_a_coarse_one_does_not(plane):
    exact = LatentGrid(plane).log_prob(IMAGES)
    for options in ({"points": 301}, {"low": -9, "high": 8}):
        other = LatentGrid(plane, **options).log_prob(IMAGES)
        torch.testing.assert_close(other, exact, rtol=0, atol=1e-7)
    for options in ({"points": 8}, {"low": -0.5, "high": 0.5, "points": 21}):
        assert (LatentGrid(plane, **options).log_prob(IMAGES) - exact).abs().max() > 1e-2


def test_the_grid_holds_joint_and_posterior_at_its_points(plane):
    grid = LatentGrid(plane, low=-4, high=5, points=91)
    joint = grid.log_joint(IMAGES)
    z = torch.tensor([-4 + 0.1 * 30, -4 + 0.1 * 62]).double().expand(12, 2)
    torch.testing.assert_close(joint[:, 30, 62], plane.log_joint(IMAGES, z))
    posterior = grid.posterior(IMAGES)
    assert posterior.sum(dim=(1, 2)).allclose(torch.ones(12).double())
    evidence = grid.log_prob(IMAGES)
    expected = joint[:, 30, 62] - evidence + 2 * math.log(0.1)
    torch.testing.assert_close(posterior[:, 30, 62].log(), expected)
    mean = torch.einsum("nab,abd->nd", posterior, grid.nodes.view(91, 91, 2))
    torch.testing.assert_close(grid.moments(IMAGES).mean, mean)
    second = torch.einsum("nab,abd->nd", posterior, grid.nodes.view(91, 91, 2) ** 2)
    torch.testing.assert_close(grid.moments(IMAGES).stddev, (second - mean**2).sqrt())


def test_sums_for_diagonal_and_for_any_gaussian_agree(plane):
    grid, q = LatentGrid(plane), LatentGrid(plane).moments(IMAGES)
    full = MultivariateNormal(q.mean, scale_tril=torch.diag_embed(q.stddev))
    torch.testing.assert_close(grid.elbo(IMAGES, q), grid.elbo(IMAGES, full), rtol=0, atol=1e-7)
    assert (grid.elbo(IMAGES, full) < grid.log_prob(IMAGES)).all()


def test_a_full_gaussian_with_the_posteriors_covariance_comes_closer(plane):
    grid = LatentGrid(plane)
    q, posterior = grid.moments(IMAGES), grid.posterior(IMAGES)
    off = grid.nodes.view(201, 201, 1, 2) - q.mean
    covariance = torch.einsum("nab,abni,abnj->nij", posterior, off, off)
    full = MultivariateNormal(q.mean, covariance)
    gap = grid.log_prob(IMAGES) - grid.elbo(IMAGES, full)
    diagonal = grid.log_prob(IMAGES) - grid.elbo(IMAGES, grid.best_diagonal(IMAGES, q))
    assert (gap >= 0).all()
    assert gap.mean() < diagonal.mean() / 2


def test_no_nearby_diagonal_gaussian_beats_the_best(plane, generator):
    grid = LatentGrid(plane)
    best = grid.best_diagonal(IMAGES, START, steps=120)
    again = grid.best_diagonal(IMAGES, grid.moments(IMAGES), steps=120)
    torch.testing.assert_close(best.mean, again.mean, rtol=0, atol=1e-6)
    elbo = grid.elbo(IMAGES, best)
    assert (elbo > grid.elbo(IMAGES, START)).all()
    for _ in range(40):
        step = 0.02 * torch.randn(2, 12, 2, dtype=torch.float64, generator=generator)
        near = normal(best.mean + step[0], best.stddev * step[1].exp())
        assert (grid.elbo(IMAGES, near) <= elbo + 1e-10).all()


@pytest.mark.parametrize("place", [(5.0, 5.0), (0.0, -5.0)])
def test_the_iteration_survives_narrow_starts_far_from_the_posterior(place):
    sharp = awake(2, scale=1.0)
    grid, fine = LatentGrid(sharp, points=121), LatentGrid(sharp, points=221)
    start = normal(torch.tensor([place] * 12), torch.full((12, 2), 0.1))
    best = grid.best_diagonal(IMAGES, start, steps=80)
    assert (best.stddev >= 0.75 * 13 / 120).all()
    assert (best.mean.abs() <= 6.5).all()
    assert (fine.elbo(IMAGES, best) > fine.elbo(IMAGES, start) + 10).all()
    assert (fine.elbo(IMAGES, best) <= fine.log_prob(IMAGES)).all()


def test_the_best_q_may_be_little_wider_than_the_grids_cells(plane):
    coarse, fine = (LatentGrid(plane, points=points) for points in (101, 201))
    found, best = (grid.best_diagonal(IMAGES, START) for grid in (coarse, fine))
    assert best.stddev.min() < 1.5 * 13 / 100
    torch.testing.assert_close(found.stddev, best.stddev, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.mean, best.mean, rtol=0, atol=1e-4)


def test_refinement_climbs_to_the_grids_optimum(plane):
    grid, start = LatentGrid(plane), START
    best = grid.elbo(IMAGES, grid.best_diagonal(IMAGES, grid.moments(IMAGES)))
    left = [
        (best - grid.elbo(IMAGES, refine_posterior(plane, IMAGES, start, steps=k, order=5))).mean()
        for k in (0, 10, 120)
    ]
    assert left[0] > 2 * left[1] > 0
    assert 0 <= left[2] < 1e-3 * left[0]
    standard = [refine_posterior(plane, IMAGES, start, steps=3, **o) for o in ({}, {"order": 4})]
    assert torch.equal(standard[0].mean, standard[1].mean)  # sixteen evaluations in the plane
    same = refine_posterior(plane, IMAGES, start, steps=0)
    assert same.mean.equal(start.mean)
    torch.testing.assert_close(same.stddev, start.stddev)
    assert start.mean.count_nonzero() == 0  # what is refined is a copy
    assert all(p.grad is None for p in plane.parameters())


def test_float32_models_keep_their_type_and_grids_are_float64(generator):
    model = Autoencoder(2, encoder=(4,), decoder=(4,), generator=generator)
    assert model.log_weights(IMAGES, 2, generator=generator).dtype == torch.float32
    grid = LatentGrid(model, points=101)
    q = Independent(Normal(torch.zeros(12, 2), torch.ones(12, 2)), 1)
    assert grid.log_prob(IMAGES).dtype == torch.float64
    assert grid.elbo(IMAGES, q).dtype == torch.float64
    assert model.bias.dtype == torch.float32
    q = refine_posterior(model, IMAGES, q, steps=1)
    assert q.mean.dtype == torch.float32


def test_a_posterior_is_refined_where_derivatives_are_off(plane):
    start = plane.encode(IMAGES)
    with torch.no_grad():
        refined = refine_posterior(plane, IMAGES, start, steps=2)
    assert refined.mean.equal(refine_posterior(plane, IMAGES, start, steps=2).mean)


def test_a_grid_lies_where_its_model_does(plane):
    """On the device that has shapes only: a tensor of another device would be an error there."""
    grid = LatentGrid(copy.deepcopy(plane).to("meta"), points=11)
    assert grid.nodes.device.type == "meta"


# Bad input


@pytest.mark.parametrize("number", [0, -1, 2.5, True, "3"])
def test_counts_that_are_not_counts_are_refused(plane, generator, number):
    for call in (
        lambda: Autoencoder(number, generator=generator),
        lambda: Autoencoder(2, features=number, generator=generator),
        lambda: Autoencoder(2, encoder=(number,), generator=generator),
        lambda: Autoencoder(2, decoder=(8, number), generator=generator),
        lambda: plane.with_encoder((number,), generator=generator),
        lambda: plane.log_weights(IMAGES, number, generator=generator),
        lambda: plane.loss(IMAGES, number, generator=generator),
        lambda: draw_log_weights(plane, IMAGES, number, generator=generator),
        lambda: LatentGrid(plane, points=number),
        lambda: LatentGrid(plane, points=31).best_diagonal(
            IMAGES, plane.encode(IMAGES), steps=number
        ),
        lambda: refine_posterior(plane, IMAGES, plane.encode(IMAGES), steps=1, order=number),
    ):
        with pytest.raises(ValueError, match=f"whole number from [12] on, got {number!r}"):
            call()
    with pytest.raises(ValueError, match="from 2 on, got 1"):
        LatentGrid(plane, points=1)
    with pytest.raises(ValueError, match="from 0 on, got -1"):
        refine_posterior(plane, IMAGES, plane.encode(IMAGES), steps=-1)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 8, 7), (2, 3, 8, 8), (0, 1, 8, 8)])
def test_images_of_another_shape_are_refused(plane, generator, shape):
    images, grid = torch.zeros(shape), LatentGrid(plane, points=31)
    for call in (
        plane.encode,
        plane.statistic,
        grid.log_joint,
        grid.log_prob,
        grid.posterior,
        grid.moments,
        lambda x: draw_log_weights(plane, x, 3, generator=generator),
    ):
        with pytest.raises(ValueError, match=r"images must be \(batch, 1, 8, 8\), not empty"):
            call(images)


@pytest.mark.parametrize("level", [17, 18, -1, 0.5, -0.5, math.nan])
def test_grey_levels_that_are_none_are_refused(plane, level):
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, 3, 3] = level
    for call in (plane.encode, LatentGrid(plane, points=31).log_prob):
        with pytest.raises(ValueError, match="grey levels must be whole, 0 to 16; got values"):
            call(images)
    assert plane.encode(torch.full((1, 1, 8, 8), 16.0)).mean.isfinite().all()


def test_points_of_another_shape_are_refused(plane):
    for shape in ((12, 3), (11, 2), (2,)):
        with pytest.raises(ValueError, match=r"needed points \(..., 12, 2\)"):
            plane.log_likelihood(IMAGES, torch.zeros(shape, dtype=torch.float64))


def test_grids_that_cannot_be_are_refused(plane):
    for latent in (1, 3):
        with pytest.raises(ValueError, match=f"two latent dimensions, got {latent}"):
            LatentGrid(awake(latent))
    for low, high in ((1, 1), (2, -2), (-math.inf, 1), (0, math.nan)):
        with pytest.raises(ValueError, match="finite borders, low < high"):
            LatentGrid(plane, low=low, high=high)


def test_a_q_that_the_grid_does_not_hold_is_refused(plane):
    grid = LatentGrid(plane, points=61)
    for mean, scale in ((0.0, 0.02), (0.0, 0.11), (6.0, 0.5), (0.0, 9.0)):
        q = normal(torch.full((12, 2), mean), torch.full((12, 2), scale))
        full = MultivariateNormal(q.mean, scale_tril=torch.diag_embed(q.stddev))
        for law in (q, full):
            with pytest.raises(ValueError, match="the grid must hold q"):
                grid.elbo(IMAGES, law)


class Level(Distribution):
    """For each image a density on the plane that is the same everywhere."""

    def __init__(self, density):
        self.density = density
        super().__init__(density.shape, (2,), validate_args=False)

    def log_prob(self, z):
        return self.density.log().expand(*z.shape[:-2], -1)


@pytest.mark.parametrize("masses", [(1.9, 0.5), (3.0, 1.5), (0.2, 1.0), (1.0, 0.2)])
def test_the_mass_that_is_furthest_from_one_is_named(plane, masses):
    grid = LatentGrid(plane, low=0, high=3, points=4)  # sixteen cells of area 1
    q = Level(torch.tensor(masses, dtype=torch.float64) / 16)
    worst = max(masses, key=lambda mass: abs(mass - 1))
    with pytest.raises(ValueError, match=f"its sum there must be 1, got {worst:g};"):
        grid.elbo(IMAGES[:2], q)


def test_sums_over_the_grid_may_be_taken_point_by_point(plane, monkeypatch):
    grid, full = LatentGrid(plane, points=61), torch.eye(2, dtype=torch.float64).expand(12, 2, 2)
    q = MultivariateNormal(START.mean, scale_tril=full)
    at_once = grid.elbo(IMAGES, q)
    monkeypatch.setattr("helpers.autoencoder.CHUNK", 1)
    torch.testing.assert_close(grid.elbo(IMAGES, q), at_once)


def test_a_q_of_another_shape_is_refused(plane):
    grid = LatentGrid(plane, points=31)
    for shape in ((11, 2), (12, 3), (2,)):
        q = normal(torch.zeros(shape), torch.ones(shape))
        for call in (grid.elbo, grid.best_diagonal):
            with pytest.raises(ValueError, match=r"needed q with shapes \(12,\) and \(2,\)"):
                call(IMAGES, q)
