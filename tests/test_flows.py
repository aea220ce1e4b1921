"""Chapter 5 by law: round trips, determinants, normalisation, derivatives, and wrong versions."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.distributions import (
    AffineTransform,
    ComposeTransform,
    Independent,
    Normal,
    TransformedDistribution,
)

from helpers.flows import (
    RadialFlow,
    ResidualFlow,
    ScalarResidualFlow,
    SigmoidalFlow,
    fixed_point,
    increasing_root,
    radial_preimages,
    spectral_network,
)

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
DOUBLE = torch.float64
NAN, INF = math.nan, math.inf
# The example of the extremes table: the least slope, 1/2, has weight 1/4 and shift -1.
WEIGHTS, SLOPES, SHIFTS = (0.25, 0.5, 0.25), (0.5, 1.5, 3.0), (-1.0, 0.25, 2.0)
ECCENTRICITY = 0.5


def tensor(values, dtype=DOUBLE, device="cpu"):
    return torch.tensor(values, dtype=dtype, device=device)


def example(dtype=DOUBLE, device="cpu"):
    return SigmoidalFlow(*(tensor(v, dtype, device) for v in (WEIGHTS, SLOPES, SHIFTS)))


def kepler(eccentricity=ECCENTRICITY):
    return ScalarResidualFlow(lambda z: -eccentricity * torch.sin(z))


def stable_kepler(eccentricity):
    """z - e sin z = (z - sin z) + (1 - e) sin z, the first bracket by its series near 0."""

    def forward(z):
        near = z.abs() < 0.1
        s = torch.where(near, z, 0)
        series = s**3 / 6 * (1 - s**2 / 20 * (1 - s**2 / 42 * (1 - s**2 / 72 * (1 - s**2 / 110))))
        return torch.where(near, series, z - z.sin()) + (1 - eccentricity) * z.sin()

    return ScalarResidualFlow(lambda z: -eccentricity * z.sin(), forward=forward)


def vector_flow(generator, dim=2, dtype=DOUBLE, device="cpu"):
    network = spectral_network((dim, 16, 16, dim), 0.9, generator=generator)
    return ResidualFlow(network.to(device, dtype), 0.9)


def radial(dim=2, alpha=1.0, beta=2.0, dtype=DOUBLE, device="cpu", **options):
    centre = torch.linspace(-0.5, 0.7, dim, dtype=dtype, device=device)
    return RadialFlow(centre, alpha, beta, **options)


def flows(generator, dtype=DOUBLE, device="cpu"):
    """One of each, with the shape of a point."""
    return {
        "sigmoidal": (example(dtype, device), ()),
        "unconstrained": (
            SigmoidalFlow.from_unconstrained(
                torch.randn(3, 8, generator=generator).to(device, dtype)
            ),
            (),
        ),
        "scalar residual": (kepler(), ()),
        "residual": (vector_flow(generator, 2, dtype, device), (2,)),
        "residual, 3 dimensions": (vector_flow(generator, 3, dtype, device), (3,)),
        "radial, outwards": (radial(2, 1.0, 2.0, dtype, device), (2,)),
        "radial, inwards": (radial(3, 1.0, -0.5, dtype, device), (3,)),
        "radial, one dimension": (radial(1, 0.7, -0.6, dtype, device), (1,)),
        "radial, limit": (radial(2, 0.5, -0.5, dtype, device), (2,)),
    }


KINDS = list(flows(torch.Generator()))


def jacobian(flow, x):
    """Jacobian matrices (batch, D, D) of a map of events, by autograd of the map alone."""
    scalar = flow.event_dim == 0
    whole = torch.func.jacrev(lambda p: flow(p.squeeze(-1)).unsqueeze(-1) if scalar else flow(p))
    return torch.stack([whole(point.reshape(-1)) for point in x])


def unchecked(flow):
    twin = copy.copy(flow)
    twin.validate_args = False
    return twin


# --- the laws, for every map ---


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_undoes_the_map_and_the_map_the_inverse(kind, device, generator):
    flow, event = flows(generator, DOUBLE, device)[kind]
    points = (3 * torch.randn(200, *event, generator=generator, dtype=DOUBLE)).to(device)
    torch.testing.assert_close(flow.inv(flow(points)), points, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(flow(flow.inv(points)), points, rtol=2e-15, atol=4e-15)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_works_and_stays_single(kind, device, generator):
    flow, event = flows(generator, torch.float32, device)[kind]
    points = (3 * torch.randn(200, *event, generator=generator)).to(device)
    image, log_det = flow.call_and_log_abs_det_jacobian(points)
    back = flow.inv(points)
    assert image.dtype == log_det.dtype == back.dtype == torch.float32
    assert image.device == log_det.device == back.device == points.device
    torch.testing.assert_close(flow(back), points, rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_log_determinant_is_that_of_the_jacobian(kind, generator):
    flow, event = flows(generator)[kind]
    points = 2 * torch.randn(20, *event, generator=generator, dtype=DOUBLE)
    expected = torch.linalg.slogdet(jacobian(unchecked(flow), points)).logabsdet
    image, log_det = flow.call_and_log_abs_det_jacobian(points)
    torch.testing.assert_close(log_det, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(image, flow(points), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(flow.log_abs_det_jacobian(points, image), log_det, rtol=0, atol=0)
    torch.testing.assert_close(flow.inv.log_abs_det_jacobian(image, points), -log_det)


GRIDS = {(): (60.0, 60_000), (1,): (60.0, 60_000), (2,): (16.0, 160), (3,): (14.0, 56)}


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "residual, 3 dimensions"])
def test_the_density_integrates_to_one(kind, generator):
    flow, event = flows(generator)[kind]
    law = TransformedDistribution(Normal(torch.zeros(event, dtype=DOUBLE), 1.0), [flow])
    width, count = GRIDS[event]
    axis = (torch.arange(count, dtype=DOUBLE) + 0.5) / count * width - width / 2
    dim = max(1, len(event) and event[0])
    grid = torch.cartesian_prod(*[axis] * dim).reshape(-1, *event)  # the rule of midpoints
    tolerance = 0.02 if kind == "radial, limit" else 1e-3  # the limit's density has a pole
    with torch.no_grad():
        total = law.log_prob(grid).exp().sum().item() * (width / count) ** dim
    assert total == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_through_value_log_determinant_and_inverse(kind, generator):
    flow, event = flows(generator)[kind]
    points = torch.randn(4, *event, generator=generator, dtype=DOUBLE).requires_grad_()
    assert gradcheck(flow, points)
    assert gradcheck(lambda x: flow.call_and_log_abs_det_jacobian(x), points)
    assert gradcheck(flow.inv, points)
    law = TransformedDistribution(Normal(torch.zeros(event, dtype=DOUBLE), 1.0), [flow])
    assert gradcheck(law.log_prob, points)


def uses(flow, x):
    """Everything a flow computes, for derivatives in its parameters."""
    return *flow.call_and_log_abs_det_jacobian(x), flow(x), flow.inv(x)


def test_derivatives_in_the_parameters_of_a_sigmoidal_flow(generator):
    x = torch.randn(3, generator=generator, dtype=DOUBLE)
    raw = torch.randn(3, 4, generator=generator, dtype=DOUBLE).requires_grad_()
    assert gradcheck(lambda r: uses(SigmoidalFlow.from_unconstrained(r), x), raw)
    logits, slopes, shifts = (p.detach().clone() for p in raw)
    positive = slopes.exp().requires_grad_()
    assert gradcheck(
        lambda w, a, b: uses(SigmoidalFlow(w.softmax(-1), a, b), x),
        (logits.requires_grad_(), positive, shifts.requires_grad_()),
    )


def test_derivatives_in_the_parameters_of_residual_flows(generator):
    x = torch.randn(3, generator=generator, dtype=DOUBLE)
    rate = tensor([0.5, 0.3, -0.2]).requires_grad_()
    assert gradcheck(lambda e: uses(ScalarResidualFlow(lambda z: -e * z.sin()), x), rate)
    forward = lambda e: ScalarResidualFlow(None, forward=lambda z: z - e * z.sin())  # noqa: E731
    assert gradcheck(lambda e: uses(forward(e), x), rate)
    flow = vector_flow(generator)
    x = torch.randn(2, 2, generator=generator, dtype=DOUBLE)
    names, values = zip(*flow.network.named_parameters(), strict=True)

    def through(*parameters):
        state = dict(zip(names, parameters, strict=True))
        network = lambda z: torch.func.functional_call(flow.network, state, z)  # noqa: E731
        return uses(ResidualFlow(network, 0.9), x)

    assert gradcheck(through, values, fast_mode=True)


def test_derivatives_in_the_parameters_of_a_radial_flow(generator):
    x = torch.randn(3, 2, generator=generator, dtype=DOUBLE)
    centre, alpha, beta = tensor([0.2, -0.1]), tensor([0.4, 1.0, 2.0]), tensor([3.0, -0.5, -1.0])
    parameters = tuple(p.requires_grad_() for p in (centre, alpha, beta))
    assert gradcheck(lambda *p: uses(RadialFlow(*p), x), parameters)
    assert gradcheck(
        lambda *p: RadialFlow(*p, folded=True).call_and_log_abs_det_jacobian(x),
        (centre, alpha, tensor([-2.0, -3.0, -9.0]).requires_grad_()),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_results_ask_for_gradients_only_where_something_does(kind, generator):
    flow, event = flows(generator)[kind]
    if isinstance(flow, ResidualFlow):
        flow.network.requires_grad_(False)
    points = torch.randn(3, *event, generator=generator, dtype=DOUBLE)
    results = uses(flow, points)
    assert not any(result.requires_grad for result in results)
    with torch.no_grad():
        assert not any(r.requires_grad for r in uses(flow, points.clone().requires_grad_()))
    assert all(r.requires_grad for r in uses(flow, points.clone().requires_grad_()))


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_derivatives_changes_no_value(kind, generator):
    flow, event = flows(generator)[kind]
    points = 3 * torch.randn(50, *event, generator=generator, dtype=DOUBLE)
    with torch.no_grad():
        plain = uses(flow, points)
    recorded = uses(flow, points.requires_grad_())
    recorded = [result.detach() for result in recorded]
    rounding = 1e-14 if isinstance(flow, ResidualFlow) else 0  # sums in another order
    torch.testing.assert_close(recorded, list(plain), rtol=rounding, atol=rounding)


def test_training_a_residual_flow_raises_its_likelihood(generator):
    flow = vector_flow(generator)
    law = TransformedDistribution(Normal(torch.zeros(2, dtype=DOUBLE), 1.0), [flow])
    data = 0.5 * torch.randn(64, 2, generator=generator, dtype=DOUBLE) + 0.3
    optimizer = torch.optim.Adam(flow.network.parameters(), lr=0.02)
    scores = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = -law.log_prob(data).mean()
        loss.backward()
        optimizer.step()
        scores.append(loss.item())
    assert scores[-1] < scores[0] - 0.2
    grads = [p.grad for p in flow.network.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)


# --- as torch's transforms ---


def test_distributions_sample_and_score_the_same_law(generator):
    flow = example()
    law = TransformedDistribution(Normal(tensor(0.0), 1.0), [flow])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = law.rsample((50,))
        torch.manual_seed(0)
        noise = law.base_dist.rsample((50,))
    torch.testing.assert_close(drawn, flow(noise))
    expected = law.base_dist.log_prob(noise) - flow.log_abs_det_jacobian(noise, drawn)
    torch.testing.assert_close(law.log_prob(drawn), expected)
    grid = torch.linspace(-3, 3, 7, dtype=DOUBLE)
    torch.testing.assert_close(law.cdf(law.icdf(law.cdf(grid))), law.cdf(grid))
    torch.testing.assert_close(law.cdf(flow(grid)), Normal(0.0, 1.0).cdf(grid))


def test_composition_and_inverses_of_compositions(generator):
    parts = [radial(), vector_flow(generator), AffineTransform(tensor(1.0), 2.0), radial(beta=-1)]
    chain = ComposeTransform(parts)
    x = torch.randn(30, 2, generator=generator, dtype=DOUBLE)
    y = chain(x)
    torch.testing.assert_close(chain.inv(y), x, rtol=1e-10, atol=1e-10)
    expected = torch.linalg.slogdet(
        torch.stack(
            [torch.func.jacrev(ComposeTransform([*map(unchecked_part, parts)]))(p) for p in x]
        )
    ).logabsdet
    torch.testing.assert_close(chain.log_abs_det_jacobian(x, y), expected)
    law = TransformedDistribution(Normal(torch.zeros(2, dtype=DOUBLE), 1.0), parts)
    assert law.event_shape == (2,) and law.log_prob(y).shape == (30,)
    both = ComposeTransform([radial(), example()])  # elementwise after a map of vectors
    torch.testing.assert_close(both.inv(both(x)), x)
    assert both.log_abs_det_jacobian(x, both(x)).shape == (30,)


def unchecked_part(part):
    return unchecked(part) if hasattr(part, "validate_args") else part


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_mapped_one_by_one_whatever_the_shape_of_the_batch(kind, generator):
    flow, event = flows(generator)[kind]
    points = torch.randn(3, 2, *event, generator=generator, dtype=DOUBLE)
    whole = uses(flow, points)
    for i, j in itertools.product(range(3), range(2)):
        torch.testing.assert_close([w[i, j] for w in whole], list(uses(flow, points[i, j])))


def test_wide_parameters_are_taken():
    """Lengths above 256 are no longer the same objects in Python."""
    weights = torch.full((300,), 1 / 300, dtype=DOUBLE)
    flow = SigmoidalFlow(weights, 2 * torch.ones_like(weights), torch.zeros_like(weights))
    torch.testing.assert_close(flow(tensor(0.7)), tensor(1.4))
    wide, x = radial(300), torch.ones(300, dtype=DOUBLE)
    torch.testing.assert_close(wide.inv(wide(x)), x)


def test_flows_of_a_networks_outputs_check_no_number():
    flow = SigmoidalFlow.from_unconstrained(tensor([[0.0], [0.0], [NAN]]))
    assert flow(tensor(1.0)).isnan()
    raw = torch.zeros(5, 3, 2, dtype=DOUBLE)
    apply = torch.func.vmap(lambda r, z: SigmoidalFlow.from_unconstrained(r)(z))
    torch.testing.assert_close(apply(raw, tensor([0.0, 1.0, -2.0, 3.0, 9.0]))[1], tensor(1.0))


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
def test_weights_may_be_rounded(dtype, generator):
    rows = torch.randn(50, 500, generator=generator, dtype=dtype).softmax(-1)
    rows[0] = 1 / 500
    rows[1] = rows[2] * (1 + 4 * 500 * torch.finfo(dtype).eps)
    flow = SigmoidalFlow(rows, torch.ones(500, dtype=dtype), torch.zeros(500, dtype=dtype))
    tolerance = 1e4 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        flow(tensor(0.5, dtype)), torch.full((50,), 0.5, dtype=dtype), rtol=tolerance, atol=0
    )


def test_kinds_of_maps():
    for flow in (example(), kepler()):
        assert flow.bijective and flow.sign == 1 and flow.event_dim == 0
        assert flow.inv.inv is flow
    for flow in (radial(), vector_flow(torch.Generator())):
        assert flow.bijective and flow.event_dim == 1 and flow.inv.inv is flow
    assert not radial(beta=-4, folded=True).bijective


def test_parameters_broadcast_against_points(generator):
    raw = torch.randn(5, 1, 3, 4, generator=generator, dtype=DOUBLE)
    flow, z = (
        SigmoidalFlow.from_unconstrained(raw),
        torch.randn(6, dtype=DOUBLE, generator=generator),
    )
    image, log_det = flow.call_and_log_abs_det_jacobian(z)
    assert image.shape == log_det.shape == flow.forward_shape(z.shape) == (5, 6)
    torch.testing.assert_close(flow.inv(image), z.expand(5, 6))
    torch.testing.assert_close(image[2], SigmoidalFlow.from_unconstrained(raw[2])(z))
    law = TransformedDistribution(Normal(tensor(0.0), 1.0), [flow])
    assert law.batch_shape == (5, 1) and law.log_prob(z).shape == (5, 6)

    centre = torch.randn(5, 1, 2, generator=generator, dtype=DOUBLE)
    flow = RadialFlow(centre, tensor([0.5, 1.0, 2.0]), 1.0)
    x = torch.randn(2, dtype=DOUBLE, generator=generator)
    image, log_det = flow.call_and_log_abs_det_jacobian(x)
    assert image.shape == flow.forward_shape(x.shape) == (5, 3, 2) and log_det.shape == (5, 3)
    torch.testing.assert_close(flow.inv(image), x.expand(5, 3, 2))
    torch.testing.assert_close(image[4, 2], RadialFlow(centre[4, 0], 2.0, 1.0)(x))
    law = TransformedDistribution(Normal(torch.zeros(2, dtype=DOUBLE), 1.0), [flow])
    assert law.batch_shape == (5, 3) and law.event_shape == (2,)
    assert law.log_prob(x).shape == (5, 3)


def test_a_cache_returns_the_very_point():
    flow = example()
    cached = flow.with_cache()
    z = tensor([0.3, -2.0])
    assert cached.inv(cached(z)) is z and flow.inv(flow(z)) is not z
    assert flow.with_cache(0) is flow and cached.with_cache(1) is cached
    without = cached.with_cache(0)
    assert without.inv(without(z)) is not z
    torch.testing.assert_close(cached.inv(z), flow.inv(z), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_points_are_fine(kind, generator):
    flow, event = flows(generator)[kind]
    nothing = torch.zeros(0, *event, dtype=DOUBLE)
    assert flow(nothing).shape == flow.inv(nothing).shape == nothing.shape
    assert flow.call_and_log_abs_det_jacobian(nothing)[1].shape == (0,)


def test_unchecked_flows_give_the_same_and_work_under_vmap(generator):
    points = torch.randn(9, 2, generator=generator, dtype=DOUBLE)
    for flow in (radial(), radial(alpha=0.5, beta=-0.5)):
        fast = RadialFlow(flow.centre, flow.alpha, flow.beta, validate_args=False)
        for here, there in zip(uses(flow, points), uses(fast, points), strict=True):
            torch.testing.assert_close(here, there, rtol=0, atol=0)
        torch.testing.assert_close(torch.func.vmap(fast)(points), flow(points))
    both = [radial(beta=-4.0, folded=True, validate_args=v) for v in (True, False)]
    slow, fast = (flow.call_and_log_abs_det_jacobian(points) for flow in both)
    torch.testing.assert_close(slow, fast, rtol=0, atol=0)
    fast = SigmoidalFlow(tensor(WEIGHTS), tensor(SLOPES), tensor(SHIFTS), validate_args=False)
    torch.testing.assert_close(torch.func.vmap(fast)(points), example()(points))
    raw = torch.stack([tensor(WEIGHTS).log() + 7, tensor(SLOPES).log(), tensor(SHIFTS)])
    torch.testing.assert_close(SigmoidalFlow.from_unconstrained(raw)(points), example()(points))


# --- extreme inputs: the table of references ---


def test_sigmoidal_flow_far_out():
    flow = example()
    ends = tensor([1000.0, -1000.0])
    image, log_slope = flow.call_and_log_abs_det_jacobian(ends)
    expected = tensor([500.386294361119891, -502.386294361119891])
    torch.testing.assert_close(image, expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(log_slope, tensor([0.5, 0.5]).log(), rtol=1e-15, atol=0)
    torch.testing.assert_close(flow(ends), expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(flow.inv(expected), ends, rtol=1e-15, atol=0)
    single = example(torch.float32).call_and_log_abs_det_jacobian(ends.float())
    torch.testing.assert_close(single[0], expected.float(), rtol=2e-7, atol=0)
    torch.testing.assert_close(single[1], tensor([0.5, 0.5]).log().float(), rtol=2e-7, atol=0)
    further = tensor([1e15, -1e300, 1e-300])
    image, log_slope = flow.call_and_log_abs_det_jacobian(further)
    torch.testing.assert_close(image[:2], further[:2] / 2, rtol=1e-14, atol=0)
    torch.testing.assert_close(log_slope[:2], tensor([0.5, 0.5]).log(), rtol=1e-15, atol=0)
    torch.testing.assert_close(flow.inv(image[:2]), further[:2], rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
def test_sigmoidal_flow_with_a_nearly_flat_middle(dtype):
    shifts = tensor([-100.0, 100.0], dtype)
    flow = SigmoidalFlow(tensor([0.5, 0.5], dtype), tensor([20.0, 20.0], dtype), shifts)
    image, log_slope = flow.call_and_log_abs_det_jacobian(tensor(0.0, dtype))
    assert image == 0
    assert log_slope.item() == pytest.approx(math.log(80) - 100, rel=1e-6)
    targets = tensor([0.0, 1e-17, -1e-3, 1.0, 5.0, -40.0, 1e5], dtype)
    root = flow.inv(targets)
    scale = 200 * torch.finfo(dtype).eps  # a z + b is rounded at the size of b, and z at its own
    torch.testing.assert_close(flow(root), targets, rtol=scale, atol=scale)


def test_one_sigmoid_and_equal_sigmoids_are_affine():
    z = tensor([-3.0, 0.0, 1e-5, 10.75, -10.75, 40.0])  # 2 z - 1 also beyond 20
    for weights in ([1.0], [0.25] * 4):
        n = len(weights)
        flow = SigmoidalFlow(tensor(weights), tensor([2.0] * n), tensor([-1.0] * n))
        image, log_slope = flow.call_and_log_abs_det_jacobian(z)
        torch.testing.assert_close(image, 2 * z - 1, rtol=1e-15, atol=1e-15)
        torch.testing.assert_close(log_slope, torch.full_like(z, math.log(2)), rtol=0, atol=1e-15)
        torch.testing.assert_close(flow.inv(2 * z - 1), z, rtol=1e-15, atol=1e-15)


def test_slope_of_a_sigmoidal_flow_is_below_the_largest_and_tends_to_the_least(generator):
    flow = example()
    z = 20 * torch.randn(1000, generator=generator, dtype=DOUBLE)
    slope = flow.log_abs_det_jacobian(z, None).exp()
    assert (slope > 0).all() and (slope <= max(SLOPES)).all()
    far = flow.log_abs_det_jacobian(tensor([80.0, -80.0]), None).exp()
    torch.testing.assert_close(far, tensor([min(SLOPES)] * 2))


def test_kepler_near_its_cusp():
    eccentricity, y, root = 1 - 1e-6, tensor(1e-9), 0.0008846222865528374
    assert stable_kepler(eccentricity).inv(y).item() == pytest.approx(root, rel=2e-15)
    slope = 1 - eccentricity * math.cos(root)
    plain = kepler(eccentricity).inv(y).item()
    assert abs(plain - root) <= torch.finfo(DOUBLE).eps * root / slope
    log_slope = stable_kepler(eccentricity).log_abs_det_jacobian(tensor(root), y).item()
    exact = math.log(2 * eccentricity * math.sin(root / 2) ** 2 + (1 - eccentricity))
    assert log_slope == pytest.approx(exact, rel=1e-12)
    image = torch.linspace(-10, 10, 2001, dtype=DOUBLE)
    flow = stable_kepler(eccentricity)
    torch.testing.assert_close(flow(flow.inv(image)), image, rtol=1e-14, atol=1e-17)


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
def test_radial_extremes(dtype):
    def at(radius, alpha, beta):
        flow = RadialFlow(tensor([0.0, 0.0], dtype), alpha, beta)
        return flow, tensor([radius, 0.0], dtype)

    rtol = 4 * torch.finfo(dtype).eps
    flow, x = at(1e-12, 1e-8, -1e-8)
    assert flow(x)[0].item() == pytest.approx(9.999000099990000e-17, rel=rtol)
    assert flow.inv(flow(x))[0].item() == pytest.approx(1e-12, rel=rtol)
    flow, y = at(1e-6, 1.0, 1e8)
    exact = 9.999999900000101e-15 if dtype == DOUBLE else 1e-6 / (1e-6 + 1e8)
    assert flow.inv(y)[0].item() == pytest.approx(exact, rel=1e-7 if dtype != DOUBLE else rtol)
    for beta in (-0.3, 0.0, 2.0, 1e8):
        for radius in (1e-12, 1e-6, 1.0, 1e3, 1e12):
            flow, x = at(radius, 1.0, beta)
            factor = 1 + beta / (1 + radius)
            condition = factor / (1 + beta / (1 + radius) ** 2)  # of the inverse, large at 1e8
            back = flow.inv(flow(x))[0].item()
            assert back == pytest.approx(radius, rel=rtol * (1 + condition))
            assert flow.log_abs_det_jacobian(x, None).isfinite()


def test_radial_flow_where_squares_leave_the_range_of_floats():
    for size, scale in [(1e200, 1e200), (1e-200, 1e-200), (1e200, 1.0), (1e-160, 1e-160)]:
        flow = RadialFlow(torch.zeros(2, dtype=DOUBLE), 2 * scale, -scale)
        x = tensor([3 * size, 4 * size])
        radius = 5 * (size / scale)
        factor = (radius + 1) / (2 + radius)
        image, log_det = flow.call_and_log_abs_det_jacobian(x)
        torch.testing.assert_close(image, factor * x, rtol=1e-15, atol=0)
        expected = math.log(factor) + math.log((radius + 2 * factor) / (2 + radius))
        assert log_det.item() == pytest.approx(expected, rel=1e-14)
        torch.testing.assert_close(flow.inv(image), x, rtol=1e-15, atol=0)


def test_points_of_all_sizes_in_a_batch_are_as_right_as_alone():
    flow = RadialFlow(torch.zeros(2, dtype=DOUBLE), 2.0, -1.0)
    sizes = tensor([1e200, 1e-200, 1.0, 1e-160, 0.0, 1e155]).reshape(2, 3, 1)
    points = sizes * tensor([3.0, 4.0])
    batch = flow(points), flow.log_abs_det_jacobian(points), flow.inv(points)
    for i, j in itertools.product(range(2), range(3)):
        x = points[i, j]
        alone = flow(x), flow.log_abs_det_jacobian(x), flow.inv(x)
        torch.testing.assert_close([b[i, j] for b in batch], list(alone), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("beta", [-1.0, -0.5, 2.0, -4.0])
def test_radial_flow_at_its_centre(dim, beta):
    centre, alpha, shift = torch.ones(dim, dtype=DOUBLE), tensor(1.0), tensor(beta)
    points = centre.clone().unsqueeze(0)
    leaves = [t.requires_grad_() for t in (points, centre, alpha, shift)]
    flow = RadialFlow(centre, alpha, shift, folded=beta < -1)
    image, log_det = flow.call_and_log_abs_det_jacobian(points)
    torch.testing.assert_close(image, centre.unsqueeze(0))
    expected = dim * math.log(abs(1 + beta)) if beta != -1 else -math.inf
    assert log_det.item() == pytest.approx(expected)
    for total in [image.sum(), log_det.sum(), *([flow.inv(points).sum()] if beta >= -1 else [])]:
        gradients = torch.autograd.grad(total, leaves, retain_graph=True, materialize_grads=True)
        assert all(g.isfinite().all() for g in gradients)
    if beta >= -1:
        torch.testing.assert_close(flow.inv(points), points)
    if beta == 2.0:
        inner = torch.autograd.grad(flow.inv(points).sum(), points)[0]
        torch.testing.assert_close(inner, torch.full_like(points, 1 / 3))


def test_log_determinant_falls_to_minus_infinity_at_the_centre_of_the_limit():
    flow = RadialFlow(torch.zeros(3, dtype=DOUBLE), 1.0, -1.0)
    r = 1e-9
    exact = 2 * math.log(r / (1 + r)) + math.log(r * (2 + r) / (1 + r) ** 2)
    near = flow.log_abs_det_jacobian(tensor([r, 0.0, 0.0]), None).item()
    assert near == pytest.approx(exact, rel=1e-15)


# --- preimages of a folded radial map (theorem 7c) ---


def signed(points, centre, direction):
    return sorted(((points - centre) @ direction).tolist())


def test_three_preimages_of_the_example():
    flow, up = radial(3, 1.0, -4.0, folded=True), tensor([2.0, -1.0, 2.0]) / 3
    y = flow.centre + up / 2
    points, sphere = radial_preimages(flow, y)
    exact = [-(5 + math.sqrt(17)) / 4, -(5 - math.sqrt(17)) / 4, (7 + math.sqrt(57)) / 4]
    assert signed(points, flow.centre, up) == pytest.approx(exact, rel=1e-14)
    assert sphere is None
    torch.testing.assert_close(flow(points), y.expand(3, 3), rtol=0, atol=1e-14)
    torch.testing.assert_close(points[0], flow.centre + exact[2] * up)


@pytest.mark.parametrize(
    "alpha, beta", [(1.0, -4.0), (0.3, -2.0), (2.0, -2.5), (1.0, -1.0), (1.0, 3.0)]
)
def test_every_preimage_is_found_and_nothing_else(alpha, beta):
    flow = RadialFlow(tensor([0.5]), alpha, beta, folded=beta < -alpha)
    radius = torch.linspace(-12, 12, 200_001, dtype=DOUBLE)  # in one dimension the line is all
    image = flow(flow.centre + radius.unsqueeze(-1)).squeeze(-1) - flow.centre
    edge = (math.sqrt(abs(beta)) - math.sqrt(alpha)) ** 2 if beta < -alpha else 1.0
    for s in (0.1 * edge, 0.9 * edge, 0.999 * edge, 1.001 * edge, 2 * edge):
        crossings = int(((image[1:] > s) != (image[:-1] > s)).sum())
        points, sphere = radial_preimages(flow, flow.centre + s)
        assert len(points) == crossings == (3 if beta < -alpha and s < edge else 1)
        torch.testing.assert_close(flow(points), (flow.centre + s).expand_as(points))
        assert sphere is None


def test_two_preimages_at_the_fold_and_a_sphere_over_the_centre():
    flow, up = radial(2, 1.0, -4.0, folded=True), tensor([0.6, 0.8])
    at_fold, sphere = radial_preimages(
        RadialFlow(torch.zeros(2, dtype=DOUBLE), 1.0, -4.0, folded=True), up
    )
    assert signed(at_fold, 0 * up, up) == pytest.approx([-1.0, 2 + math.sqrt(5)], rel=1e-12)
    assert sphere is None
    points, sphere = radial_preimages(flow, flow.centre)
    torch.testing.assert_close(points, flow.centre.unsqueeze(0))
    assert sphere == 3.0
    angles = torch.linspace(0, 6, 7, dtype=DOUBLE)
    circle = flow.centre + sphere * torch.stack([angles.cos(), angles.sin()], dim=-1)
    torch.testing.assert_close(flow(circle), flow.centre.expand(7, 2))
    for beta in (-1.0, -0.6, 0.0, 2.0):
        flow = radial(2, 1.0, beta)
        assert radial_preimages(flow, flow.centre).sphere is None


@pytest.mark.parametrize("alpha, s", [(1.0, 0.25), (4.0, 1.0), (0.25, 4.0), (2.25, 0.25)])
def test_at_the_fold_two_preimages_meet(alpha, s):
    beta = -((math.sqrt(alpha) + math.sqrt(s)) ** 2)  # exact
    flow = RadialFlow(tensor([0.0]), alpha, beta, folded=True)
    points, sphere = radial_preimages(flow, tensor([s]))
    assert len(points) == 2 and sphere is None
    assert points[1].item() == pytest.approx(-math.sqrt(alpha * s), rel=1e-15)
    torch.testing.assert_close(flow(points), tensor([[s], [s]]), rtol=1e-14, atol=0)


@pytest.mark.parametrize("s", [1e-6, 1e-12, 1e-200])
def test_preimages_of_a_point_near_the_centre_keep_their_digits(s):
    flow = RadialFlow(tensor([0.0]), 1.0, -4.0, folded=True)
    points = radial_preimages(flow, tensor([s])).points
    expected = tensor([[3.0], [-s / 3], [-3.0]])  # to the first order in s
    torch.testing.assert_close(points, expected, rtol=s + 1e-15, atol=0)


@pytest.mark.parametrize("beta", [-1.25, -1.75, -7.0])
def test_the_sphere_over_the_centre_has_the_radius_that_is_left(beta):
    flow = radial(3, 1.0, beta, folded=True)
    sphere = radial_preimages(flow, flow.centre).sphere
    assert sphere == -1 - beta
    on_sphere = flow.centre + tensor([0.0, 0.6, -0.8]) * sphere
    torch.testing.assert_close(flow(on_sphere), flow.centre, rtol=0, atol=1e-14)


def test_a_folded_map_keeps_its_log_determinant_but_has_no_inverse():
    flow = radial(2, 1.0, -4.0, folded=True)
    points = flow.centre + tensor([[0.3, 0.2], [2.0, 0.0], [5.0, -1.0]])
    expected = torch.linalg.slogdet(jacobian(unchecked(flow), points)).logabsdet
    torch.testing.assert_close(flow.log_abs_det_jacobian(points, None), expected)
    law = TransformedDistribution(Normal(torch.zeros(2, dtype=DOUBLE), 1.0), [flow])
    for refused in (lambda: flow.inv, lambda: law.log_prob(points), lambda: flow._inverse(points)):
        with pytest.raises(ValueError, match=r"claim 5\.4i"):
            refused()


# --- roots and paths ---


def counted(function):
    calls = []

    def wrapped(z):
        calls.append(z)
        return function(z)

    return wrapped, calls


def staircase(z):
    """Increasing, with slopes that mislead Newton's method everywhere."""
    slope = torch.where(torch.arange(z.numel()) % 2 == 0, 1e-12, 1e12)
    return torch.sign(z - 0.3) + 1e-3 * z, slope


HARD = {
    "cube root": (lambda z: (z.sign() * z.abs() ** (1 / 3), z.abs() ** (-2 / 3) / 3), 0.0),
    "flat power": (lambda z: (z**9, 9 * z**8), 0.0),
    "staircase": (staircase, 0.5),
    "slope without sense": (lambda z: (z, torch.full_like(z, math.nan)), 1.25),
    "zero slope": (lambda z: (z, torch.zeros_like(z)), -1e-30),
    "wrong sign": (lambda z: (z, -torch.ones_like(z)), 1e30),
    "exponential": (lambda z: (z.clamp(max=80).exp(), z.clamp(max=80).exp()), 1e-30),
    "kink": (lambda z: (torch.where(z > 1, 1e30 * (z - 1), z - 1), torch.ones_like(z)), 1e-20),
}


@pytest.mark.parametrize("name", list(HARD))
@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
def test_root_finding_cannot_fail_and_is_bounded(name, dtype):
    function, target = HARD[name]
    target, limits = tensor([target, target], dtype), torch.finfo(dtype)
    wrapped, calls = counted(function)
    ends = (torch.full((2,), end, dtype=dtype) for end in (limits.min, limits.max))
    found = increasing_root(wrapped, target, *ends)
    assert len(calls) <= 24 + limits.bits
    close = 4 * limits.eps * target.abs()
    for way, sign in [(-math.inf, 1), (math.inf, -1)]:  # no number between is better
        beside = torch.nextafter(found, torch.full_like(found, way))
        assert (sign * (function(beside)[0] - target) <= close).all()


def test_ordinary_sigmoidal_flows_need_few_evaluations(generator):
    raw = torch.randn(4096, 3, 8, generator=generator, dtype=DOUBLE)
    flow = SigmoidalFlow.from_unconstrained(raw)
    z = 3 * torch.randn(4096, generator=generator, dtype=DOUBLE)
    flow._value_and_slope, calls = counted(flow._value_and_slope)
    with torch.no_grad():
        found = flow.inv(flow(z))
    assert len(calls) < 14
    assert ((found - z).abs() <= 1e-12 * (1 + z.abs())).all()


def test_rounding_costs_few_evaluations():
    """Where values are noisy the search stops; where slopes are steep it closes the bracket."""
    spread = torch.linspace(-1, 1, 4001, dtype=DOUBLE)
    steep = ScalarResidualFlow(lambda z: 1e6 * (z - 1))
    far_off = ScalarResidualFlow(None, forward=lambda z: 1e6 + z + z.sin() / 2)
    equal = sigmoidal((0.5, 0.5), (3.0, 3.0), (0.7, 0.7))
    for flow, y, most in [
        (steep, spread, 8),
        (far_off, 1e6 + spread, 30),
        (example(), 1e6 * spread, 14),
        (equal, 9 * spread, 1),
        (sigmoidal((0.3, 0.7), (1.0, 1.5), (100.0, 130.0)), 3 * spread, 14),
        (sigmoidal((0.3, 0.7), (1.0, 1.5), (0.0, 0.0)), 1e-3 * spread, 6),
    ]:
        flow._value_and_slope, calls = counted(flow._value_and_slope)
        with torch.no_grad():
            flow.inv(y)
        assert len(calls) <= most
    wrapped, calls = counted(staircase)
    increasing_root(wrapped, tensor([0.5]), tensor([0.29]), tensor([0.31]))
    assert len(calls) < 60  # neighbouring numbers end it before the bound


def test_a_root_once_found_stays_while_others_are_sought():
    calls = []

    def function(z):
        calls.append(z)
        late = 1e-6 if len(calls) > 6 else 0.0  # what a value is then does not matter
        steps, slope = staircase(z[1:])
        return torch.cat([z[:1] + late, steps]), torch.cat([torch.ones(1), slope])

    found = increasing_root(function, tensor([1.0, 0.5]), tensor([-9.0, -9.0]), tensor([9.0, 9.0]))
    assert len(calls) > 20
    torch.testing.assert_close(found, tensor([1.0, 0.3]), rtol=1e-15, atol=0)


def test_roots_keep_to_their_brackets():
    def square(z):
        return z * z, 2 * z

    low, high = tensor([0.0, 1.0]), tensor([2.0, 1.5])
    found = increasing_root(square, tensor(2.0), low, high)
    torch.testing.assert_close(found, tensor([2.0, 2.0]).sqrt(), rtol=3e-16, atol=0)
    with pytest.raises(ValueError, match="low <= high"):
        increasing_root(square, tensor(2.0), tensor(1.0), tensor(math.nan))
    with pytest.raises(ValueError, match="low <= high"):
        increasing_root(square, tensor(2.0), tensor(1.0), tensor(0.5))
    for low_end, high_end in ((-math.inf, 2.0), (1.0, math.inf)):
        with pytest.raises(ValueError, match="finite brackets"):
            increasing_root(square, tensor(2.0), tensor(low_end), tensor(high_end))
    with pytest.raises(ValueError, match="numbers for targets, got nan"):
        increasing_root(square, tensor(math.nan), low, high)
    with pytest.raises(ValueError, match="values are numbers, got nan"):
        increasing_root(lambda z: (z * math.nan, z), tensor(2.0), low, high)
    low = low.requires_grad_()
    assert not increasing_root(square, tensor(2.0), low, high).requires_grad
    huge = increasing_root(lambda z: (z, torch.ones_like(z)), *tensor([1.5e308, 1e308, 1.7e308]))
    assert huge.item() == pytest.approx(1.5e308, rel=1e-15)


def test_the_path_of_the_fixed_point_has_the_predicted_rate():
    y, rate = tensor(1.0), 0.5
    path = fixed_point(lambda z: rate * z, y, tensor(0.0), 20)
    limit = 1 / (1 + rate)
    assert path.shape == (21,) and path[0] == 0
    torch.testing.assert_close(path - limit, (-rate) ** torch.arange(21, dtype=DOUBLE) * -limit)
    assert fixed_point(torch.sin, torch.zeros(3), tensor(0.0), 0).shape == (1, 3)
    slow = fixed_point(lambda z: -(1 - 1e-3) * z.sin(), tensor(1e-3), tensor(0.0), 400)
    root = kepler(1 - 1e-3).inv(tensor(1e-3))
    assert 0 < slow[-1] < root  # still on its way after 400 steps
    with pytest.raises(ValueError, match="0 steps or more"):
        fixed_point(torch.sin, y, y, -1)


def line(slope):
    """The identity, which says that its slope is another one."""
    return lambda z: (z, torch.full_like(z, slope))


@pytest.mark.parametrize("slope, kept", [(1.25, True), (2.0, True), (3.0, False), (9.0, False)])
def test_newtons_method_is_kept_while_it_halves_the_distance(slope, kept):
    wrapped, calls = counted(line(slope))
    increasing_root(wrapped, tensor(0.0), tensor(-1.0), tensor(3.0))
    assert calls[:2] == [1.0, 1 - 1 / slope]
    middle, newton = (calls[1] - 1) / 2, calls[1] * (1 - 1 / slope)
    torch.testing.assert_close(calls[2], newton if kept else middle)


def test_after_24_evaluations_the_numbers_in_the_bracket_are_halved():
    wrapped, calls = counted(line(1.9))  # each step of Newton's method halves the distance
    low, high, target = tensor([0.1, 3.1, 1 / 3])
    increasing_root(wrapped, target, low, high)
    distances = torch.stack(calls[:25]) - target
    torch.testing.assert_close(distances[1:], distances[:-1] * (0.9 / 1.9))
    high = calls[24]
    for point in calls[25:]:
        between = (low.view(torch.int64) + high.view(torch.int64)) // 2
        assert point == between.view(DOUBLE)
        low, high = (point, high) if point < target else (low, point)
    assert len(calls) > 60


@pytest.mark.parametrize("low, high", [(5.0, 6.0), (-6.0, -5.0), (1e308, 1.7e308)])
@pytest.mark.parametrize("slope", [1.0, 1e-3, NAN])
def test_no_point_outside_the_bracket_is_tried(low, high, slope):
    wrapped, calls = counted(line(slope))
    target = tensor(low / 4 + high / 4 * 3)
    found = increasing_root(wrapped, target + 0.01 * (high - low), tensor(low), tensor(high))
    assert min(calls) >= low and max(calls) <= high and found > target
    assert calls[0].item() == pytest.approx(low / 2 + high / 2, rel=1e-15)
    if slope != 1:  # no step of Newton's method stays within
        assert calls[1].item() == pytest.approx(target.item(), rel=1e-15)


@pytest.mark.parametrize("rounding, close", [(0, 4), (3, 7)])
@pytest.mark.parametrize("sign", [1, -1])
def test_four_units_of_the_target_and_the_rounding_are_close_enough(rounding, close, sign):
    unit = torch.finfo(DOUBLE).eps
    for units in (close, close + 1):
        start = tensor(sign * (1 + units * unit))
        wrapped, calls = counted(line(1.0))
        ends = start - 0.25, start + 0.25
        increasing_root(wrapped, tensor(1.0 * sign), *ends, rounding=rounding * unit)
        assert len(calls) == (1 if units == close else 2)


def test_roots_in_the_middle_and_at_the_ends_are_hit_at_once():
    for low, high in [(1.0, 3.0), (-3.0, -1.0), (-1.0, 1.0)]:
        for target, most in [(low, 2), ((low + high) / 2, 1), (high, 2)]:
            wrapped, calls = counted(line(1.0))
            assert increasing_root(wrapped, *tensor([target, low, high])) == target
            assert len(calls) <= most


def test_a_bracket_without_numbers_between_its_ends_needs_one_evaluation():
    one, second, third = 1.0, 1 + 2**-52, 1 + 2**-51
    jump = lambda z: (torch.where(z > one, 1.0, -1.0), torch.ones_like(z))  # noqa: E731
    rise = lambda z: (torch.where(z > second, 1.0, -1.0), torch.ones_like(z))  # noqa: E731
    for function, target, low, high in [
        (jump, 0.0, one, second),
        (rise, 0.0, second, third),
        (jump, 0.0, one, one),
        (line(1.0), one, one, second),
        (line(1.0), third, second, third),
    ]:
        wrapped, calls = counted(function)
        found = increasing_root(wrapped, *tensor([target, low, high]))
        assert len(calls) == 1 and found in (low, high)


@pytest.mark.parametrize("place", [0.3, -0.3])
@pytest.mark.parametrize("beside", [1e-17, -1e-17])
def test_where_values_are_steep_the_next_number_closes_the_bracket(place, beside):
    slope = lambda z: torch.full_like(z, 1e6)  # noqa: E731
    wrapped, calls = counted(lambda z: (1e6 * ((z - place) - beside), slope(z)))
    found = increasing_root(wrapped, tensor(0.0), tensor(-9.0), tensor(9.0))
    assert abs(found - place) < 1e-16 and len(calls) <= 5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_roots_in_half_precision(dtype):
    limits = torch.finfo(dtype)
    target = tensor([1e-5, -0.0123, 0.0, 1000.0], dtype)
    wrapped, calls = counted(line(NAN))
    found = increasing_root(wrapped, target, *tensor([limits.min, limits.max], dtype))
    torch.testing.assert_close(found, target, rtol=4 * limits.eps, atol=0)
    assert 24 < len(calls) <= 24 + 16


# --- residual networks ---


def test_a_spectral_network_keeps_its_constant(generator):
    network = spectral_network((3, 32, 32, 3), 0.8, generator=generator).double()
    matrices = [layer.weight for layer in network if isinstance(layer, nn.Linear)]
    norms = [torch.linalg.svdvals(m)[0].item() for m in matrices]
    share = 0.8 ** (1 / 3)  # drawn larger, divided down
    assert norms == pytest.approx([share / 1.1, share / 1.1, share], rel=1e-12)
    u, v = 9 * torch.randn(2, 500, 3, generator=generator, dtype=DOUBLE)
    ratio = (network(u) - network(v)).norm(dim=-1) / (u - v).norm(dim=-1)
    assert ratio.max() <= 0.8
    with torch.no_grad():
        for layer in network[::2]:
            layer.parametrizations.weight.original.mul_(0.01)
    shrunk = [torch.linalg.svdvals(layer.weight)[0].item() for layer in network[::2]]
    assert max(shrunk) < 0.1  # smaller matrices are left alone


def test_a_matrix_below_its_share_is_left_alone(generator):
    network = spectral_network((3, 3), 0.5, generator=generator).double()
    original = network[0].parametrizations.weight.original
    original.data *= 0.3 / torch.linalg.matrix_norm(original.data, ord=2)
    torch.testing.assert_close(network[0].weight, original, rtol=0, atol=0)


def test_a_spectral_network_starts_with_normal_weights_that_keep_the_size(generator):
    layer = spectral_network((400, 300), 0.5, generator=generator)[0]
    weight = layer.parametrizations.weight.original
    for draws, deviation in [(weight, 400**-0.5), (layer.bias, 1.0)]:
        error = 5 / math.sqrt(draws.numel())
        assert draws.mean().item() == pytest.approx(0, abs=error * deviation)
        assert draws.std().item() == pytest.approx(deviation, rel=error)


def test_a_deep_spectral_network_keeps_its_constant(generator):
    network = spectral_network([1] * 135, 0.5, generator=generator)
    norms = [layer.weight.abs().item() for layer in network[::2]]
    share = 0.5 ** (1 / 134)
    assert max(norms[:-1]) <= share / 1.1 * (1 + 1e-6)
    network[-1].parametrizations.weight.original.data.fill_(2.0)
    assert network[-1].weight.item() == pytest.approx(share, rel=1e-6)


def test_a_spectral_network_is_drawn_from_its_generator_alone():
    state = torch.get_rng_state()
    pair = [
        spectral_network((2, 8, 2), 0.5, generator=torch.Generator().manual_seed(3)).state_dict()
        for _ in range(2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*(d.values() for d in pair), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_activation_has_a_slope_of_at_most_11_tenths():
    activation = spectral_network((1, 1, 1), 0.5, generator=torch.Generator())[1]
    z = torch.linspace(-20, 20, 100_001, dtype=DOUBLE, requires_grad=True)
    slope = torch.autograd.grad(activation(z).sum(), z)[0]
    assert 1.09 < slope.max() <= 1.1 and slope.min() > -1.1


def test_norms_are_singular_values_not_eigenvalues(generator):
    network = spectral_network((2, 2), 0.6, generator=generator).double()
    shear = tensor([[0.5, 10.0], [0.0, 0.5]])  # eigenvalues 1/2, norm above 10
    network[0].parametrizations.weight.original.data = shear
    weight = network[0].weight
    torch.testing.assert_close(weight, shear * 0.6 / torch.linalg.matrix_norm(shear, ord=2))
    assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(0.6, rel=1e-14)


@pytest.mark.parametrize("lipschitz", [0.0, 0.3, 0.9, 0.99])
def test_residual_inverse_is_exact_for_a_known_map(lipschitz):
    turn = lipschitz * tensor([[0.0, -1.0], [1.0, 0.0]])
    flow = ResidualFlow(lambda z: z @ turn.T, lipschitz)
    y = tensor([[1.0, 2.0], [1e-9, 0.0], [-1e9, 3.0], [0.0, 0.0]])
    exact = torch.linalg.solve(torch.eye(2, dtype=DOUBLE) + turn, y.T).T
    torch.testing.assert_close(flow.inv(y), exact, rtol=1e-14, atol=0)
    log_det = flow.log_abs_det_jacobian(y, None)
    torch.testing.assert_close(log_det, torch.full((4,), math.log(1 + lipschitz**2), dtype=DOUBLE))


def test_the_number_of_steps_is_bounded_by_the_constant_and_adapts_to_the_map(generator):
    enough = math.ceil(math.log(torch.finfo(DOUBLE).eps * 0.1 / 4) / math.log(0.9))
    for rate, most in [(0.9, enough), (0.01, 12), (0.0, 2)]:
        wrapped, calls = counted(lambda z, rate=rate: -rate * z)
        with torch.no_grad():
            ResidualFlow(wrapped, 0.9)._limit(tensor([[1.0, -3.0]]))
        assert len(calls) <= most
    flow = vector_flow(generator)
    shrinks, recorded = [], []
    flow.network[0].parametrizations.weight[0].register_forward_hook(lambda *_: shrinks.append(1))
    flow.network.register_forward_hook(lambda *_: recorded.append(torch.is_grad_enabled()))
    flow.inv(torch.ones(1, 2, dtype=DOUBLE))
    assert len(shrinks) <= 3 < len(recorded)  # one singular value for all steps of the iteration
    assert sum(recorded) <= 2  # and no graph of them


def test_a_constant_shift_has_log_determinant_zero():
    flow = ResidualFlow(lambda z: torch.ones_like(z), 0.0)
    z = tensor([[1.0, 2.0]])
    image, log_det = flow.call_and_log_abs_det_jacobian(z)
    torch.testing.assert_close(image, z + 1)
    assert log_det.tolist() == [0.0]
    learned = nn.Parameter(tensor(1.0))
    flow = ResidualFlow(lambda z: learned.expand(z.shape), 0.0)
    assert flow.log_abs_det_jacobian(z).tolist() == [0.0]
    scalar = ScalarResidualFlow(lambda z: torch.ones_like(z))
    assert scalar.log_abs_det_jacobian(z, None).tolist() == [[0.0, 0.0]]
    torch.testing.assert_close(scalar.inv(z), z - 1)


@pytest.mark.parametrize("size", [1e-30, 1e20, 1e30])
def test_the_residual_inverse_of_float32_looks_at_no_squares(size):
    y = size * torch.tensor([[1.0, 2.0], [-0.3, 0.1]])  # the squares are no finite positive floats
    torch.testing.assert_close(
        ResidualFlow(lambda z: 0.5 * z, 0.5).inv(y) * 1.5, y, rtol=1e-6, atol=0
    )
    with pytest.raises(ValueError, match=r"Lip\(f\) <= 0\.5"):
        ResidualFlow(lambda z: 1.5 * z, 0.5).inv(y)


@pytest.mark.parametrize("rate", [0.8, 0.95])
def test_as_many_steps_are_enough_as_the_bound_on_the_error_says(rate):
    noise = itertools.cycle([1e-13, -1e-13])  # so that no step looks like the last
    wrapped, calls = counted(lambda z: torch.ones_like(z) + next(noise))
    with torch.no_grad():
        ResidualFlow(wrapped, rate).inv(tensor([[1.0, 1.0]]))
    steps = len(calls) - 1  # and one evaluation for the Jacobian matrix
    last_place = torch.finfo(DOUBLE).eps / 2
    error = lambda n: 2 * rate**n / (1 - rate)  # noqa: E731, in units of |y - z|
    assert error(steps) <= last_place < error(steps - 1)


@pytest.mark.parametrize("slope, rate", [(-0.3, 0.3), (-0.9, 0.9), (0.6, 0.9), (0.0, 0.5)])
@pytest.mark.parametrize("size", [0.0, 1.0, 2.0**100])
def test_steps_end_when_what_is_left_is_below_the_last_place(slope, rate, size):
    y = size * tensor([[1.0, -3.0], [2.0, 0.5]])
    wrapped, calls = counted(lambda z: slope * z)
    with torch.no_grad():
        ResidualFlow(wrapped, rate).inv(y)
    path = fixed_point(lambda z: slope * z, y, y, len(calls) - 1)
    left = rate / (1 - rate) * torch.linalg.vector_norm(path.diff(dim=0), dim=-1)
    small = left <= torch.finfo(DOUBLE).eps / 2 * torch.linalg.vector_norm(path[1:], dim=-1)
    assert small.all(-1).tolist() == [False] * (len(small) - 1) + [True]


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1.0, 1e100, 1e300])
def test_the_residual_inverse_goes_by_relative_errors(size):
    turn = tensor([[0.0, -0.7], [0.7, 0.0]])
    y = size * tensor([[1.0, 2.0], [-0.3, 0.1]])
    flow, false = (ResidualFlow(lambda z, a=a: z @ a, 0.7) for a in (turn, 2 * turn))
    exact = torch.linalg.solve(torch.eye(2, dtype=DOUBLE) + turn, y, left=False)
    torch.testing.assert_close(flow.inv(y), exact, rtol=1e-14, atol=0)
    for points in (y, 1e3 * y):
        with pytest.raises(ValueError, match=r"Lip\(f\) <= 0\.7"):
            false.inv(points)


def test_the_inverse_of_a_scalar_residual_map_has_the_derivative_of_one():
    y = torch.linspace(-2, 2, 41, dtype=DOUBLE).requires_grad_()
    z = ScalarResidualFlow(lambda z: 0.5 * z.sin()).inv(y)
    (slope,) = torch.autograd.grad(z.sum(), y)
    torch.testing.assert_close(slope, 1 / (1 + 0.5 * z.detach().cos()), rtol=1e-13, atol=0)


def test_modules_serve_as_scalar_residuals(generator):
    class Wave(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(tensor(0.3))

        def forward(self, z):
            return self.rate * z.sin()

    wave = Wave()
    law = TransformedDistribution(Normal(tensor(0.0), 1.0), [ScalarResidualFlow(wave)])
    law.log_prob(torch.randn(10, generator=generator, dtype=DOUBLE)).sum().backward()
    assert wave.rate.grad.isfinite() and wave.rate.grad != 0


def test_scalar_inverse_does_not_ask_for_a_contraction():
    y = tensor([1.0, -7.0, 0.0, 1e200, 1e-200])
    torch.testing.assert_close(
        ScalarResidualFlow(lambda z: 3 * z).inv(y), y / 4, rtol=1e-15, atol=0
    )
    flow = ScalarResidualFlow(torch.sinh, forward=lambda z: z + z.sinh())
    image = tensor([-1e300, 0.5, 1e10])
    torch.testing.assert_close(flow(flow.inv(image)), image, rtol=1e-12, atol=0)
    steep = ScalarResidualFlow(None, forward=torch.atan)
    y = tensor([1.0, 1.57, 1.5707963, -0.3])
    torch.testing.assert_close(steep.inv(y).atan(), y, rtol=1e-15, atol=0)
    plain = ScalarResidualFlow(lambda z: z.atan() - z)
    torch.testing.assert_close(plain.inv(y[[0, 3]]), y[[0, 3]].tan(), rtol=1e-14, atol=0)


def test_the_inverse_of_doubling_is_halving():
    y = tensor([-4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    torch.testing.assert_close(ScalarResidualFlow(lambda z: z).inv(y), y / 2, rtol=1e-15, atol=0)


def test_a_value_that_the_formula_reaches_exactly_has_an_inverse():
    top = tensor([1e20, -1e20]).atan()  # where atan no longer grows
    flow = ScalarResidualFlow(None, forward=torch.atan)
    torch.testing.assert_close(flow(flow.inv(top)), top, rtol=1e-15, atol=0)


# --- bad input ---


def sigmoidal(weights=(0.5, 0.5), slopes=(1.0, 2.0), shifts=(0.0, 0.0)):
    return SigmoidalFlow(tensor(weights), tensor(slopes), tensor(shifts))


REFUSED = {
    "weights sum to 0.9": (lambda: sigmoidal((0.4, 0.5)), r"sum to 1 \(claim 5\.2\), got 0\.9"),
    "weights sum to 1 + 1e-9": (lambda: sigmoidal((0.5, 0.5 + 1e-9)), r"claim 5\.2"),
    "weight 0": (lambda: sigmoidal((0.0, 1.0)), r"weights > 0 \(claim 5\.2\), got 0"),
    "weight -1": (lambda: sigmoidal((-1.0, 2.0)), r"weights > 0 \(claim 5\.2\), got -1"),
    "slope 0": (lambda: sigmoidal(slopes=(0.0, 1.0)), r"slopes > 0 \(claim 5\.2\), got 0"),
    "slope -0.5": (lambda: sigmoidal(slopes=(-0.5, 1.0)), r"slopes > 0 \(claim 5\.2\), got -0\.5"),
    "nan weight": (lambda: sigmoidal((NAN, 0.5)), r"finite weights \(claim 5\.2\), got nan"),
    "nan slope": (lambda: sigmoidal(slopes=(NAN, 1.0)), r"finite slopes \(claim 5\.2\), got nan"),
    "nan shift": (lambda: sigmoidal(shifts=(0.0, NAN)), r"finite shifts \(claim 5\.2\), got nan"),
    "infinite shift": (
        lambda: sigmoidal(shifts=(0.0, -INF)),
        r"finite shifts \(claim 5\.2\), got -",
    ),
    "two weights, three slopes": (lambda: sigmoidal(slopes=(1.0, 2.0, 3.0)), "slopes"),
    "two weights, one slope": (lambda: sigmoidal(slopes=(1.0,)), r"one N >= 1 \(claim 5\.2\)"),
    "no sigmoid in a batch": (lambda: sigmoidal(*[[[], []]] * 3), r"N >= 1 .*got \(2, 0\)"),
    "weights sum to 2": (lambda: sigmoidal((1.0, 1.0)), r"sum to 1 \(claim 5\.2\), got 2"),
    "20 weights sum to 1.1": (
        lambda: sigmoidal(*[(0.055,) * 20] * 3),
        r"sum to 1 \(claim 5\.2\), got 1\.1",
    ),
    "4 weights sum to 1 + 1e-13": (
        lambda: sigmoidal(*[(0.25, 0.25, 0.25, 0.25 + 1e-13)] * 3),
        r"sum to 1 \(claim 5\.2\)",
    ),
    "two bad slopes": (lambda: sigmoidal(slopes=(-0.5, -0.25)), r"slopes > 0 .*got -0\.5"),
    "no sigmoid": (lambda: sigmoidal((), (), ()), r"N >= 1 \(claim 5\.2\), got \(0,\)"),
    "numbers": (lambda: sigmoidal(1.0, 1.0, 1.0), r"N >= 1 \(claim 5\.2\), got \(\)"),
    "batches that do not fit": (
        lambda: SigmoidalFlow(torch.ones(3, 1), torch.ones(2, 1), torch.ones(1)),
        r"broadcast \(claim 5\.\d\w?\), got \(3, 1\), \(2, 1\), \(1,\)",
    ),
    "raw of two rows": (
        lambda: SigmoidalFlow.from_unconstrained(torch.ones(2, 5)),
        r"\(\.\.\., 3, N\) \(claim 5\.2\), got \(2, 5\)",
    ),
    "raw of four rows": (
        lambda: SigmoidalFlow.from_unconstrained(torch.ones(4, 5)),
        r"\(\.\.\., 3, N\) \(claim 5\.2\), got \(4, 5\)",
    ),
    "raw of one row": (
        lambda: SigmoidalFlow.from_unconstrained(torch.ones(3)),
        r"\(\.\.\., 3, N\) \(claim 5\.2\), got \(3,\)",
    ),
    "points that do not fit": (
        lambda: SigmoidalFlow(torch.ones(3, 1), torch.ones(1), torch.ones(1))(torch.ones(2)),
        r"broadcast \(claim 5\.\d\w?\), got \(2,\), \(3,\)",
    ),
    "alpha 0": (lambda: radial(alpha=0.0), r"alpha > 0 \(claim 5\.4i\), got 0"),
    "alpha -1": (lambda: radial(alpha=-1.0, beta=3.0), r"alpha > 0 \(claim 5\.4i\), got -1"),
    "folded alpha 0": (lambda: radial(alpha=0.0, folded=True), r"alpha > 0 \(claim 5\.4i\)"),
    "beta -4": (lambda: radial(beta=-4.0), r"beta >= -alpha \(claim 5\.4i.*folded=True.*got -4"),
    "beta just below": (
        lambda: radial(beta=math.nextafter(-1, -2)),
        r"5\.4i.*got -1\.0000000000000002",
    ),
    "one beta of many": (lambda: radial(beta=tensor([1.0, -1.5])), r"claim 5\.4i.*got -1\.5"),
    "nan alpha": (lambda: radial(alpha=NAN), r"finite alpha \(claim 5\.4i\), got nan"),
    "nan beta": (lambda: radial(beta=NAN), r"finite beta \(claim 5\.4i\), got nan"),
    "nan folded beta": (
        lambda: radial(beta=NAN, folded=True),
        r"finite beta \(claim 5\.4i\), got nan",
    ),
    "nan centre": (
        lambda: RadialFlow(tensor([NAN]), 1.0, 1.0),
        r"finite centre \(claim 5\.4i\), got nan",
    ),
    "a number for a centre": (lambda: RadialFlow(tensor(0.0), 1.0, 1.0), r"centre \(\.\.\., D\)"),
    "radial batches": (
        lambda: RadialFlow(torch.ones(3, 2), torch.ones(2), 1.0),
        r"broadcast \(claim 5\.\d\w?\), got \(3,\), \(2,\), \(\)",
    ),
    "points of another dimension": (
        lambda: radial()(torch.ones(4, 3)),
        r"needed points \(\.\.\., 2\)",
    ),
    "points of dimension 1": (lambda: radial()(torch.ones(4, 1)), r"needed points \(\.\.\., 2\)"),
    "points of another dimension under many": (
        lambda: RadialFlow(torch.ones(5, 3, 2), 1.0, 1.0)(torch.ones(4)),
        r"needed points \(\.\.\., 2\) .*got \(4,\)",
    ),
    "a number for a point": (
        lambda: radial()(torch.ones(())),
        r"needed points \(\.\.\., 2\) \(claim 5\.4i\), got \(\)",
    ),
    "inverse points": (lambda: radial().inv(torch.ones(4, 3)), r"needed points \(\.\.\., 2\)"),
    "Lipschitz 1": (
        lambda: ResidualFlow(torch.sin, 1.0),
        r"claim 5\.3 in more.*Lip\(f\) < 1, got 1",
    ),
    "Lipschitz 1.5": (lambda: ResidualFlow(torch.sin, 1.5), r"\[0, 1\).*got 1\.5"),
    "Lipschitz -1": (lambda: ResidualFlow(torch.sin, -1.0), r"\[0, 1\)"),
    "Lipschitz nan": (lambda: ResidualFlow(torch.sin, NAN), r"claim 5\.3"),
    "spectral constant": (
        lambda: spectral_network((2, 2), 1.0, generator=torch.Generator()),
        r"claim 5\.3 in more dimensions needs Lip\(f\) < 1",
    ),
    "one size": (lambda: spectral_network((2,), 0.5, generator=torch.Generator()), "two sizes"),
    "network of another width": (
        lambda: ResidualFlow(lambda z: z[..., :1], 0.5)(torch.ones(4, 2)),
        r"shape \(4, 2\) \(claim 5\.3\), got \(4, 1\)",
    ),
    "network of a larger width": (
        lambda: ResidualFlow(lambda z: torch.ones(4, 3), 0.5)(torch.ones(4, 2)),
        r"shape \(4, 2\) \(claim 5\.3\), got \(4, 3\)",
    ),
    "network of another width, log-determinant": (
        lambda: ResidualFlow(lambda z: z[..., :1], 0.5).log_abs_det_jacobian(torch.ones(4, 2), 0),
        r"shape \(4, 2\) \(claim 5\.3\), got \(4, 1\)",
    ),
    "residual that is not elementwise": (
        lambda: ScalarResidualFlow(torch.sum)(torch.ones(4)),
        r"shape \(4,\) \(claim 5\.3\), got \(\)",
    ),
    "a false constant": (
        lambda: ResidualFlow(lambda z: 1.5 * z, 0.5).inv(tensor([[1.0, 1.0]])),
        r"Lip\(f\) <= 0\.5",
    ),
    "a false constant that steps grow slowly by": (
        lambda: ResidualFlow(lambda z: -1.05 * z, 0.99).inv(tensor([[1.0, 1.0]])),
        r"Lip\(f\) <= 0\.99",
    ),
    "network that returns nan": (
        lambda: ResidualFlow(lambda z: z * NAN, 0.5).inv(tensor([[1.0, 1.0]])),
        r"Lip\(f\) <= 0\.5",
    ),
    "y outside the range": (
        lambda: ScalarResidualFlow(lambda z: z.atan() - z).inv(tensor([1.0, 2.0])),
        r"got 2\.0, which is outside the range of g .*claim 5\.3: f' > -1 gives injective, not",
    ),
    "y outside the range, stable": (
        lambda: ScalarResidualFlow(None, forward=torch.atan).inv(tensor([-1.0, -2.0])),
        r"got -2\.0, which is outside the range of g",
    ),
    "no residual": (lambda: ScalarResidualFlow(None), r"\(claim 5\.3\), got neither"),
    "residual flow of whole numbers": (
        lambda: ScalarResidualFlow(torch.tanh).inv(torch.tensor([1])),
        r"floating-point points \(claim 5\.3\), got torch\.int64",
    ),
    "whole centre": (
        lambda: RadialFlow(torch.tensor([0, 0]), 1.5, 0.7),
        r"floating-point centre \(claim 5\.4i\), got torch\.int64",
    ),
    "whole slopes": (
        lambda: SigmoidalFlow(tensor([1.0]), torch.tensor([1]), tensor([0.0])),
        r"floating-point slopes \(claim 5\.2\), got torch\.int64",
    ),
    "f' = -2, inverse": (
        lambda: ScalarResidualFlow(lambda z: -2 * z).inv(tensor(1.0)),
        r"claim 5\.3 needs f' > -1\), got -1",
    ),
    "f' = -2, inverse elsewhere": (
        lambda: ScalarResidualFlow(lambda z: -2 * z).inv(tensor(3.0)),
        r"claim 5\.3 needs f' > -1\), got -1",
    ),
    "f' = -2, inverse at its fixed point": (
        lambda: ScalarResidualFlow(lambda z: -2 * z).inv(tensor(0.0)),
        r"claim 5\.3 needs f' > -1",
    ),
    "f' = -1": (
        lambda: ScalarResidualFlow(lambda z: -z).log_abs_det_jacobian(tensor(1.0), None),
        r"claim 5\.3 needs f' > -1\), got 0",
    ),
    "f' = -1, inverse": (
        lambda: ScalarResidualFlow(lambda z: z**3 - z).inv(tensor(0.0)),
        r"claim 5\.3 needs f' > -1",
    ),
    "residual that returns nan": (
        lambda: ScalarResidualFlow(lambda z: z * NAN).inv(tensor(1.0)),
        r"numbers from f \(claim 5\.3\), got nan",
    ),
    "preimages of many": (
        lambda: radial_preimages(radial(), torch.ones(2, 2, dtype=DOUBLE)),
        "one point",
    ),
    "preimages under many": (
        lambda: radial_preimages(radial(beta=tensor([1.0, 2.0])), torch.ones(2, dtype=DOUBLE)),
        "one flow",
    ),
    "preimages of many under many": (
        lambda: radial_preimages(radial(beta=tensor([1.0, 2.0])), torch.ones(2, 2, dtype=DOUBLE)),
        "one point",
    ),
    "preimages of a point of more dimensions": (
        lambda: radial_preimages(radial(), torch.ones(3, dtype=DOUBLE)),
        r"one point .*got \(3,\) and \(2,\)",
    ),
    "preimages of a point of fewer dimensions": (
        lambda: radial_preimages(radial(), torch.ones(1, dtype=DOUBLE)),
        r"one point .*got \(1,\) and \(2,\)",
    ),
    "preimages of nan": (lambda: radial_preimages(radial(), tensor([NAN, 0.0])), "finite points"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_bad_input_is_refused_by_name(case):
    attempt, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        attempt()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "unconstrained"])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_points_that_are_no_numbers_are_refused(kind, bad, generator):
    flow, event = flows(generator)[kind]
    points = torch.zeros(3, *event, dtype=DOUBLE)
    points[1] = bad
    for use in (flow, flow.inv, flow.call_and_log_abs_det_jacobian):
        with pytest.raises(ValueError, match=rf"finite points \(claim 5\.\d\w*\), got {bad}"):
            use(points)
    with pytest.raises(ValueError, match="finite points"):
        flow.log_abs_det_jacobian(points, points)


def test_large_finite_points_are_not_taken_for_infinite():
    flow, huge = example(), torch.full((4,), 1.5e308, dtype=DOUBLE)  # their sum overflows
    assert flow(huge).isfinite().all()


# --- Part C: every wrong version is told apart, and not by the experiments that hide it ---


def logit(s):
    return s.log() - (1 - s).log()


def dsf(z, weights=WEIGHTS, slopes=SLOPES, shifts=SHIFTS, outer=True):
    """The sigmoidal map as it is written, without care for rounding."""
    z = tensor(z)
    s = (tensor(weights) * torch.sigmoid(tensor(slopes) * z + tensor(shifts))).sum()
    return (logit(s) if outer else s).item()


def dsf_log_slope(z, wrong=None, slopes=SLOPES):
    on = torch.sigmoid(tensor(slopes) * z + tensor(SHIFTS))
    rates = tensor(WEIGHTS) * on * (1 - on) * (1 if wrong == "a" else tensor(slopes))
    s = (tensor(WEIGHTS) * on).sum()
    return (rates.sum() / (1 if wrong == "s(1-s)" else s * (1 - s))).log().item()


def relu(z, a, b, c, leak=0.0):
    inner = b * z + c
    return a * (inner if inner > 0 else leak * inner)


def same_image(a, b, c):
    """Two different points with one image, for each a, b and c (claim 5.1)."""
    return (0.0, 1.0) if b == 0 else (-(c + 1) / b, -(c + 2) / b)


def sourced(a, b, c):
    """The same by the source's formula, which divides by b."""
    try:
        return (-(c + 1) / b, -(c + 2) / b)
    except ZeroDivisionError:
        return None


def radial_log_det(r, alpha, beta, dim, wrong=None):
    h, slope_h = 1 / (alpha + r), -1 / (alpha + r) ** 2
    factors = {"D": dim, "none": 0}.get(wrong, dim - 1)
    along = {"dropped": 0.0, "sign": -1.0}.get(wrong, 1.0) * beta * slope_h * r
    return factors * math.log(1 + beta * h) + math.log(1 + beta * h + along)


def inverse_radius(s, alpha, beta, wrong=None):
    gap = s - alpha - beta
    square = gap**2 + 4 * alpha * (beta if wrong == "alpha beta" else s)
    return (gap + (-1 if wrong == "minus" else 1) * math.sqrt(square)) / 2


def true_radius(s, alpha, beta):
    """The radius that the flow's inverse finds, on the ray through (s, 0)."""
    flow = RadialFlow(torch.zeros(2, dtype=DOUBLE), alpha, beta)
    return flow.inv(tensor([s, 0.0]))[0].item()


def closed(value):
    return SigmoidalFlow(*(tensor(v) for v in (WEIGHTS, SLOPES, SHIFTS)))(tensor(value)).item()


def steps(function, y, count):
    return fixed_point(function, tensor(y), tensor(0.0), count)[-1].item()


RADIAL_AT_2 = RadialFlow(tensor([0.0, 0.0]), 1.0, 2.0)
ABOUT = tensor([1.6, 1.2])  # |.| = 2


def log_det_at(r, alpha, beta, dim):
    flow = RadialFlow(torch.zeros(dim, dtype=DOUBLE), alpha, beta)
    return flow.log_abs_det_jacobian(tensor([r] + [0.0] * (dim - 1)), None).item()


# Claim, wrong version: what the helper gives, what the law demands, what the wrong version gives.
MUTANTS = {
    "5.1 source's witness at b = 0": lambda: (
        relu(same_image(1, 0, 1)[0], 1, 0, 1) - relu(same_image(1, 0, 1)[1], 1, 0, 1),
        0.0,
        NAN if sourced(1, 0, 1) is None else 0.0,
    ),
    "5.1 invertible when a = 0": lambda: (relu(1, 0, 1, 1) - relu(0, 0, 1, 1), 0.0, 1.0),
    "5.1 leaky ReLU": lambda: tuple(
        relu(same_image(2, -1.5, 0.5)[0], 2, -1.5, 0.5, leak)
        - relu(same_image(2, -1.5, 0.5)[1], 2, -1.5, 0.5, leak)
        for leak in (0.0, 0.0, 0.01)
    ),
    "5.2 no outer logit": lambda: (closed(1.0), dsf(1.0), dsf(1.0, outer=False)),
    "5.2 no 1/(s(1-s))": lambda: (
        example().log_abs_det_jacobian(tensor(1.0), None).item(),
        dsf_log_slope(1.0),
        dsf_log_slope(1.0, "s(1-s)"),
    ),
    "5.2 a_i missing": lambda: (
        example().log_abs_det_jacobian(tensor(1.0), None).item(),
        dsf_log_slope(1.0),
        dsf_log_slope(1.0, "a"),
    ),
    "5.2 negative slope": lambda: (
        sigmoidal((1.0,), (0.5,), (0.0,))(tensor([0.0, 1.0])).diff().item(),
        0.5,
        dsf(1.0, (1.0,), (-0.5,), (0.0,)) - dsf(0.0, (1.0,), (-0.5,), (0.0,)),
    ),
    "5.2 naive sigmoid and logit": lambda: (closed(1000.0), 500.386294361119891, dsf(1000.0)),
    "5.2 weights sum to 0.9": lambda: (
        closed(1000.0),
        500.386294361119891,
        dsf(1000.0, weights=(0.25, 0.5, 0.15)),
    ),
    "5.3 f' > -1 implies onto": lambda: (
        ScalarResidualFlow(None, forward=torch.atan)(tensor(1e30)).item(),
        math.pi / 2,
        2.0,
    ),
    "5.3 f' >= -1 is enough": lambda: (kepler()(tensor(1.0)).sign().item(), 1.0, 1.0 - 1.0),
    "5.3 f' < 1 is the condition": lambda: (
        kepler()(tensor(1.0)).sign().item(),
        1.0,
        ScalarResidualFlow(lambda z: -2 * z)(tensor(1.0)).item(),
    ),
    "5.3 the fixed point always converges": lambda: (
        ScalarResidualFlow(lambda z: 3 * z).inv(tensor(1.0)).item(),
        0.25,
        steps(lambda z: 3 * z, 1.0, 60),
    ),
    "5.3 log|f'|": lambda: (
        kepler().log_abs_det_jacobian(tensor(1.0), None).item(),
        math.log1p(-0.5 * math.cos(1)),
        math.log(abs(-0.5 * math.cos(1))),
    ),
    "5.4 D factors": lambda: (
        RADIAL_AT_2.log_abs_det_jacobian(ABOUT, None).item(),
        radial_log_det(2, 1, 2, 2),
        radial_log_det(2, 1, 2, 2, "D"),
    ),
    "5.4 h' dropped": lambda: (
        RADIAL_AT_2.log_abs_det_jacobian(ABOUT, None).item(),
        radial_log_det(2, 1, 2, 2),
        radial_log_det(2, 1, 2, 2, "dropped"),
    ),
    "5.4 sign of h'": lambda: (
        RADIAL_AT_2.log_abs_det_jacobian(ABOUT, None).item(),
        radial_log_det(2, 1, 2, 2),
        radial_log_det(2, 1, 2, 2, "sign"),
    ),
    "5.4 D - 1 factors forgotten": lambda: (
        log_det_at(2.0, 1.0, 2.0, 3),
        radial_log_det(2, 1, 2, 3),
        radial_log_det(2, 1, 2, 3, "none"),
    ),
    "5.4 h = 1/(alpha + r^2)": lambda: (
        RADIAL_AT_2(ABOUT)[0].item(),
        1.6 * (1 + 2 / (1 + 2)),
        1.6 * (1 + 2 / (1 + 4)),
    ),
    "5.4i beta >= 0 required": lambda: (
        true_radius(0.5 * (1 - 0.5 / 1.5), 1.0, -0.5),
        0.5,
        NAN,  # the wrong version refuses a valid flow
    ),
    "5.4i no condition": lambda: (
        len(radial_preimages(radial(2, 1.0, -4.0, folded=True), tensor([0.0, 0.7])).points),
        3,
        1,
    ),
    "5.4i minus root": lambda: (
        true_radius(1.0, 1.0, 2.0),
        math.sqrt(2) - 1,
        inverse_radius(1, 1, 2, "minus"),
    ),
    "5.4i alpha beta in the discriminant": lambda: (
        true_radius(0.5, 1.0, 2.0),
        inverse_radius(0.5, 1, 2),
        inverse_radius(0.5, 1, 2, "alpha beta"),
    ),
    "5.4i naive root": lambda: (
        true_radius(1e-6, 1.0, 1e8) * 1e14,
        0.9999999900000101,
        inverse_radius(1e-6, 1, 1e8) * 1e14,
    ),
    "5.4ii factor forgotten": lambda: (
        ((ABOUT - 0) / torch.linalg.vector_norm(ABOUT)).norm().item(),
        1.0,
        (ABOUT / true_radius(2.0, 1.0, 2.0)).norm().item(),
    ),
    "5.4ii forward with -beta": lambda: (
        RADIAL_AT_2.inv(RADIAL_AT_2(ABOUT))[0].item(),
        1.6,
        RadialFlow(tensor([0.0, 0.0]), 1.0, -2.0, folded=True)(RADIAL_AT_2(ABOUT))[0].item(),
    ),
}


@pytest.mark.parametrize("name", list(MUTANTS))
def test_the_check_tells_the_wrong_version_apart(name):
    ours, law, wrong = MUTANTS[name]()
    assert ours == pytest.approx(law, rel=1e-10, abs=1e-12)
    assert wrong != pytest.approx(law, rel=1e-6, abs=1e-6)


def test_the_direction_is_a_unit_vector_only_with_the_matching_radius(generator):
    flow = radial(3)
    y = torch.randn(20, 3, generator=generator, dtype=DOUBLE)
    offset = flow.inv(y) - flow.centre
    r = offset.norm(dim=-1, keepdim=True)
    direction = (y - flow.centre) / (r + r * 2 / (1 + r))
    torch.testing.assert_close(direction, offset / r)
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(20, dtype=DOUBLE))
    wrong = (y - flow.centre) / r
    assert (wrong.norm(dim=-1) > 1.1).all()


def test_experiments_that_hide_the_wrong_version():
    equal = (1.0, 1.0, 1.0)
    assert dsf_log_slope(1.0, slopes=equal) == dsf_log_slope(1.0, "a", slopes=equal)
    for wrong in ("D", "none", "dropped", "sign"):
        assert radial_log_det(2, 1, 0, 2, wrong) == radial_log_det(2, 1, 0, 2) == 0
    assert radial_log_det(2, 1, 2, 1, "none") == radial_log_det(2, 1, 2, 1)
    assert inverse_radius(2, 1, 2, "alpha beta") == inverse_radius(2, 1, 2)
    # The naive sigmoid is right on the other side, in double precision.
    assert dsf(-1000.0) == pytest.approx(-502.386294361119891, rel=1e-14)


def test_the_pushed_law_of_a_relu_has_an_atom():
    a, b, c = 2.0, -1.5, 0.5
    z = Normal(0.0, 1.0).icdf((torch.arange(100_000, dtype=DOUBLE) + 0.5) / 100_000)
    at_zero = sum(relu(v, a, b, c) == 0 for v in z.tolist()) / 100_000
    assert at_zero == pytest.approx(Normal(0.0, 1.0).cdf(tensor(-c / abs(b))).item(), abs=1e-4)


def test_independent_events_of_a_batch_do_not_mix(generator):
    flow = radial()
    x = torch.randn(7, 5, 2, generator=generator, dtype=DOUBLE)
    torch.testing.assert_close(flow(x)[3, 4], flow(x[3, 4]))
    torch.testing.assert_close(flow.inv(x)[3, 4], flow.inv(x[3, 4]))
    law = TransformedDistribution(
        Independent(Normal(torch.zeros(5, 2, dtype=DOUBLE), 1.0), 1), flow
    )
    assert law.log_prob(x).shape == (7, 5)
