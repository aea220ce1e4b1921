"""Masks, receptive fields and pixel-by-pixel models: the mathematics of chapter 1.

A pixel is a pair (row, column) counted from 1, as in the source text: (3, 4) is its pixel 34.
A receptive field is a frozenset of pixels. Images and feature maps have shape
(batch, channels, height, width); a grey image has one channel of whole levels 0, 1, 2, ...
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.inputs import require_count

__all__ = [
    "KINDS",
    "ORDERS",
    "MaskedConv2d",
    "PixelCNN",
    "TwoStackLayer",
    "apply_mask",
    "blind_spot",
    "dependencies_by_gradient",
    "dependencies_by_perturbation",
    "fill_in",
    "kernel_mask",
    "log_prob",
    "masked_stack",
    "pixels",
    "power_of_a",
    "predecessors",
    "raster_order",
    "receptive_field",
    "receptive_field_by_theorem",
    "two_stack_receptive_field",
]

Pixel = tuple[int, int]

ORDERS = ("bottom-up", "top-down")
KINDS = ("A", "B", "vertical-A", "vertical-B", "horizontal-A", "horizontal-B")


def kernel_mask(kind: str, size: int = 3, order: str = "bottom-up") -> Tensor:
    """Mask M of a square kernel: 1 where output pixel p may read p + (i - c, j - c).

    Args:
        kind: "A" opens the past, "B" the past and the centre. "vertical-A" opens the past rows
            only, "vertical-B" also the pixel's whole row (its features already hold only past
            rows); "horizontal-A" and "horizontal-B" open the pixel's own row only.
        size: Side of the kernel, odd.
        order: "bottom-up" (the source's: rows below are past) or "top-down" (PixelCNN's).

    Returns:
        Zeros and ones, (size, size), integer.

    Raises:
        ValueError: For an unknown kind or order, or a size that is not odd and positive.

    Source: van den Oord, Kalchbrenner & Kavukcuoglu (2016), section 3.4; chapter 1.
    """
    _require_choice("mask kind", kind, KINDS)
    _require_choice("order", order, ORDERS)
    size = _require_odd(size)
    step = torch.arange(size) - size // 2
    down, right = torch.meshgrid(step, step, indexing="ij")
    past_rows = down > 0 if order == "bottom-up" else down < 0
    own_row, left, centre = down == 0, (down == 0) & (right < 0), (down == 0) & (right == 0)
    opened = {
        "A": past_rows | left,
        "B": past_rows | left | centre,
        "vertical-A": past_rows,
        "vertical-B": past_rows | own_row,
        "horizontal-A": left[size // 2 : size // 2 + 1],
        "horizontal-B": (left | centre)[size // 2 : size // 2 + 1],
    }
    return opened[kind].long()


class MaskedConv2d(nn.Conv2d):
    """Convolution whose kernel is multiplied by a mask; padding keeps the map's size.

    The mask is the same for every pair of channels. As everywhere in deep learning this is a
    cross-correlation: the kernel is not flipped.

    Args:
        kind: A mask kind of `kernel_mask`.
        in_channels: Channels read.
        out_channels: Channels written.
        size: Side of the kernel, odd.
        order: "bottom-up" or "top-down".
        bias: Whether each output channel gets an additive constant.

    Raises:
        ValueError: As `kernel_mask`; and in `forward`, if the input is not
            (batch, in_channels, height, width) or its dtype is not the kernel's.
    """

    def __init__(
        self,
        kind: str,
        in_channels: int,
        out_channels: int,
        size: int = 3,
        *,
        order: str = "bottom-up",
        bias: bool = True,
    ):
        mask = kernel_mask(kind, size, order)
        height, width = mask.shape
        super().__init__(
            in_channels,
            out_channels,
            (height, width),
            padding=(height // 2, width // 2),
            bias=bias,
        )
        self.register_buffer("mask", mask)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, in_channels, height, width) to (batch, out_channels, height, width)."""
        if features.dim() != 4 or features.shape[1] != self.in_channels:
            raise ValueError(
                f"input must be (batch, {self.in_channels}, height, width), "
                f"got {tuple(features.shape)}"
            )
        if features.dtype != self.weight.dtype:
            raise ValueError(f"input must be {self.weight.dtype}, got {features.dtype}")
        return self._conv_forward(features, self.weight * self.mask, self.bias)


def masked_stack(
    kinds: Sequence[str],
    *,
    size: int = 3,
    order: str = "bottom-up",
    channels: int = 3,
    generator: torch.Generator,
) -> nn.Sequential:
    """Masked convolutions in float64 with positive random weights and tanh between them.

    With positive weights and an increasing activation no path can cancel another, so the
    output depends on exactly the receptive field (chapter 1, "a field is an upper bound").

    Args:
        kinds: Mask kind of each layer, first layer first; at least one.
        size: Side of each kernel, odd.
        order: "bottom-up" or "top-down".
        channels: Width of the hidden maps; one channel goes in and one comes out.
        generator: Source of the weights.

    Returns:
        A network from (batch, 1, height, width) to the same shape, without biases.
    """
    _require_layers(kinds)
    widths = [1] + [channels] * (len(kinds) - 1) + [1]
    layers: list[nn.Module] = []
    for kind, width_in, width_out in zip(kinds, widths[:-1], widths[1:], strict=True):
        layer = MaskedConv2d(kind, width_in, width_out, size, order=order, bias=False).double()
        with torch.no_grad():
            layer.weight.uniform_(0.05, 0.25, generator=generator)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1]).requires_grad_(False)


def pixels(text: str) -> frozenset[Pixel]:
    """Pixels in the source's notation: "34 45" is {(3, 4), (4, 5)}.

    Raises:
        ValueError: If a name is not two digits from 1 to 9.
    """
    names = text.split()
    for name in names:
        if len(name) != 2 or not set(name) <= set("123456789"):
            raise ValueError(f"a pixel's name must be two digits from 1 to 9, got {name!r}")
    return frozenset((int(name[0]), int(name[1])) for name in names)


def apply_mask(mask: Tensor, outputs: Iterable[Pixel], shape: tuple[int, int]) -> frozenset[Pixel]:
    """D_M(outputs): the pixels that one masked layer reads to compute the given ones.

    Args:
        mask: Zeros and ones, both sides odd.
        outputs: Output pixels, 1-based.
        shape: Height and width of the map; what falls outside is padding and is dropped.

    Returns:
        Input pixels, 1-based.

    Raises:
        ValueError: If the mask has no centre.
    """
    if mask.dim() != 2 or any(side % 2 == 0 for side in mask.shape):
        raise ValueError(f"a mask must be a matrix with odd sides, got {tuple(mask.shape)}")
    middle, centre = mask.shape[0] // 2, mask.shape[1] // 2
    offsets = [(int(i) - middle, int(j) - centre) for i, j in mask.nonzero()]
    reached = {(row + down, column + right) for row, column in outputs for down, right in offsets}
    return frozenset(pixel for pixel in reached if _inside(pixel, shape))


def receptive_field(
    kinds: Sequence[str | Tensor],
    pixel: Pixel,
    shape: tuple[int, int] = (5, 5),
    *,
    order: str = "bottom-up",
    size: int = 3,
    skips: Iterable[int] = (),
) -> frozenset[Pixel]:
    """Input pixels that an output pixel of a masked stack can depend on, by set algebra.

    Args:
        kinds: One mask kind (or a mask of zeros and ones) a layer, first layer first.
        pixel: The output pixel (row, column), 1-based.
        shape: Height and width of the map.
        order: "bottom-up" or "top-down".
        size: Side of each kernel, odd.
        skips: Layers, counted from 1, that have an identity skip connection around them.

    Returns:
        Input pixels, 1-based.

    Raises:
        ValueError: For an empty stack, an unknown kind or order, an even size, a pixel that is
            not two whole numbers inside the map, or a skip around a layer that is not there.

    Source: chapter 1, claims 1.1 to 1.4.
    """
    _require_layers(kinds)
    _require_pixel(pixel, shape)
    skips = set(skips)
    if not skips <= set(range(1, len(kinds) + 1)):
        raise ValueError(f"skips must name layers from 1 to {len(kinds)}, got {sorted(skips)}")
    masks = [k if isinstance(k, Tensor) else kernel_mask(k, size, order) for k in kinds]
    field = frozenset([pixel])
    for layer in range(len(masks), 0, -1):  # the last layer stands next to the output
        read = apply_mask(masks[layer - 1], field, shape)
        field = read | field if layer in skips else read
    return field


def power_of_a(
    power: int, pixel: Pixel, shape: tuple[int, int], order: str = "bottom-up"
) -> frozenset[Pixel]:
    """A^k(pixel) for 3x3 masks in closed form: 0 <= d <= k and -k <= e <= 2d - k.

    Here d counts rows towards the past and e counts columns to the right.

    Args:
        power: k, from 0 up; the number of type-A steps.
        pixel: (row, column), 1-based.
        shape: Height and width of the map; the width must be at least 2.
        order: "bottom-up" or "top-down".

    Returns:
        Input pixels, 1-based.

    Source: chapter 1, lemma 2.
    """
    _require_pixel(pixel, shape)
    _require_choice("order", order, ORDERS)
    power = require_count("the number of steps", power, least=0)
    if shape[1] < 2:
        raise ValueError(f"the closed form needs a map of width 2 or more, got width {shape[1]}")
    past = 1 if order == "bottom-up" else -1
    steps = [(d, e) for d in range(power + 1) for e in range(-power, 2 * d - power + 1)]
    reached = {(pixel[0] + past * d, pixel[1] + e) for d, e in steps}
    return frozenset(p for p in reached if _inside(p, shape))


def receptive_field_by_theorem(
    kinds: Sequence[str], pixel: Pixel, shape: tuple[int, int] = (5, 5), order: str = "bottom-up"
) -> frozenset[Pixel]:
    """Receptive field of 3x3 layers of types A and B: the union of A^k, n_A <= k <= n.

    Args:
        kinds: "A" or "B" for each of the n layers; only their number matters, not their order.
        pixel: The output pixel (row, column), 1-based.
        shape: Height and width of the map; the width must be at least 2.
        order: "bottom-up" or "top-down".

    Returns:
        Input pixels, 1-based.

    Source: chapter 1, theorem 1 and lemma 2.
    """
    _require_layers(kinds)
    for kind in kinds:
        _require_choice("mask kind", kind, ("A", "B"))
    powers = range(list(kinds).count("A"), len(kinds) + 1)
    return frozenset().union(*(power_of_a(k, pixel, shape, order) for k in powers))


def two_stack_receptive_field(
    layers: int,
    pixel: Pixel,
    shape: tuple[int, int] = (5, 5),
    *,
    order: str = "bottom-up",
    size: int = 3,
    first_size: int = 3,
) -> frozenset[Pixel]:
    """Receptive field of `PixelCNN`: a vertical stack for past rows feeds a horizontal one.

    Args:
        layers: Residual layers after the first, from 0 up.
        pixel: The output pixel (row, column), 1-based.
        shape: Height and width of the map.
        order: "bottom-up" or "top-down".
        size: Side of the kernels in the residual layers, odd.
        first_size: Side of the kernels in the first layer, odd.

    Returns:
        Input pixels, 1-based.

    Source: van den Oord et al. (2016b), section 2.3; chapter 1, section on the blind spot.
    """
    _require_pixel(pixel, shape)
    layers = require_count("the number of layers after the first", layers, least=0)
    above, along = (kernel_mask(f"{way}-B", size, order) for way in ("vertical", "horizontal"))
    first_rows, first_left = (
        kernel_mask(f"{way}-A", first_size, order) for way in ("vertical", "horizontal")
    )
    horizontal, vertical = frozenset([pixel]), frozenset()
    for _ in range(layers):  # from the output down: each layer reads both stacks
        vertical = vertical | horizontal
        vertical = vertical | apply_mask(above, vertical, shape)
        horizontal = horizontal | apply_mask(along, horizontal, shape)
    return apply_mask(first_rows, vertical, shape) | apply_mask(first_left, horizontal, shape)


def raster_order(shape: tuple[int, int], order: str = "bottom-up") -> list[Pixel]:
    """All pixels in the order in which they are generated: row by row, left to right.

    Args:
        shape: Height and width of the map.
        order: "bottom-up" starts at the lowest row, "top-down" at the highest.

    Returns:
        Pixels, 1-based, first generated first.
    """
    _require_choice("order", order, ORDERS)
    height, width = shape
    rows = range(height, 0, -1) if order == "bottom-up" else range(1, height + 1)
    return [(row, column) for row in rows for column in range(1, width + 1)]


def predecessors(
    pixel: Pixel, shape: tuple[int, int] = (5, 5), order: str = "bottom-up"
) -> frozenset[Pixel]:
    """The past of a pixel: all pixels that are generated before it."""
    _require_pixel(pixel, shape)
    in_order = raster_order(shape, order)
    return frozenset(in_order[: in_order.index(pixel)])


def blind_spot(
    pixel: Pixel, shape: tuple[int, int] = (5, 5), *, order: str = "bottom-up", size: int = 3
) -> frozenset[Pixel]:
    """Past pixels that a stack A, B, B, ... never reads, however many layers it has.

    Each further layer of type B can only add pixels, so the search ends when one adds none.
    """
    kinds = ["A"]
    seen = receptive_field(kinds, pixel, shape, order=order, size=size)
    while True:
        kinds.append("B")
        deeper = receptive_field(kinds, pixel, shape, order=order, size=size)
        if deeper == seen:
            return predecessors(pixel, shape, order) - seen
        seen = deeper


def dependencies_by_gradient(network: nn.Module, pixel: Pixel, inputs: Tensor) -> frozenset[Pixel]:
    """Input pixels at which the derivative of an output pixel is not zero.

    Args:
        network: From (batch, channels, height, width) to (batch, other channels, height, width).
        pixel: The output pixel (row, column), 1-based.
        inputs: Where to differentiate, (batch, channels, height, width); one non-zero
            derivative in any of the batch counts.

    Returns:
        Input pixels, 1-based: a subset of the receptive field.
    """
    _require_pixel(pixel, inputs.shape[-2:])
    inputs = inputs.detach().clone().requires_grad_()
    row, column = pixel
    read = torch.zeros(inputs.shape[-2:], dtype=torch.bool, device=inputs.device)
    with torch.enable_grad():
        outputs = network(inputs)[:, :, row - 1, column - 1]
        for output in outputs.unbind(dim=1):  # one by one: in their sum slopes may cancel
            (slope,) = torch.autograd.grad(
                output.sum(), inputs, retain_graph=True, materialize_grads=True
            )
            read |= (slope != 0).flatten(0, 1).any(dim=0)  # NaN is not zero either
    return _pixels_where(read)


def dependencies_by_perturbation(
    network: nn.Module, pixel: Pixel, inputs: Tensor
) -> frozenset[Pixel]:
    """Input pixels whose value, raised by one, changes an output pixel; no derivative is used.

    Arguments and result are those of `dependencies_by_gradient`.
    """
    _require_pixel(pixel, inputs.shape[-2:])
    height, width = inputs.shape[-2:]
    bumps = torch.eye(height * width, dtype=inputs.dtype, device=inputs.device)
    bumps = bumps.view(-1, 1, 1, height, width)  # (which pixel, batch, channels, height, width)
    row, column = pixel

    def outputs(changes: Tensor) -> Tensor:
        return network((inputs + changes).flatten(0, 1))[:, :, row - 1, column - 1]

    with torch.no_grad():
        # Batches of one size are rounded alike, so that only what is read makes a difference.
        changed = outputs(bumps) != outputs(torch.zeros_like(bumps))
    return _pixels_where(changed.view(height, width, -1).any(dim=-1))


class TwoStackLayer(nn.Module):
    """One residual layer of a PixelCNN: the vertical stack feeds the horizontal one.

    The vertical map holds past rows only, so the horizontal map may read it at its own pixel.
    The other way round would leak: the horizontal map also knows the pixels to the left, which
    lie in the future of a pixel further left.

    Args:
        width: Channels of each map.
        size: Side of the kernels, odd.
        order: "bottom-up" or "top-down".
    """

    def __init__(self, width: int, size: int = 3, order: str = "bottom-up"):
        super().__init__()
        self.vertical = MaskedConv2d("vertical-B", width, width, size, order=order)
        self.horizontal = MaskedConv2d("horizontal-B", width, width, size, order=order)
        self.link = nn.Conv2d(width, width, 1)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(
        self, rows: Tensor, left: Tensor, drop: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The two maps (batch, width, height, width of the image) after one more layer."""
        rows = rows + drop(self.vertical(functional.silu(rows)))
        read = self.horizontal(functional.silu(left)) + self.link(functional.silu(rows))
        return rows, left + drop(self.mix(functional.silu(read)))


class PixelCNN(nn.Module):
    """Distribution of each pixel given its past, for images of a fixed small size.

    Args:
        levels: Number of grey levels.
        shape: Height and width of the images.
        width: Channels of the two stacks.
        layers: Residual layers after the first.
        size: Side of the kernels in the residual layers, odd.
        first_size: Side of the kernels in the first layer, odd; 2 * side - 1 sees every pixel.
        order: "bottom-up" or "top-down".
        dropout: Share of channels dropped while training.
        generator: Source of the first weights.

    Raises:
        ValueError: As `kernel_mask`; if there are fewer than two levels, layers are not a whole
            number from 0, or the dropout is not from 0 to below 1; in `forward`, if images are
            not (batch, 1, *shape).

    Source: van den Oord et al. (2016b), section 2.3, with SiLU in place of gates; chapter 1.
    """

    def __init__(
        self,
        levels: int = 17,
        shape: tuple[int, int] = (8, 8),
        *,
        width: int = 32,
        layers: int = 3,
        size: int = 3,
        first_size: int = 15,
        order: str = "bottom-up",
        dropout: float = 0.1,
        generator: torch.Generator,
    ):
        super().__init__()
        levels = require_count("the number of grey levels", levels, least=2)
        if not 0 <= dropout < 1:
            raise ValueError(f"needed a dropout from 0 to below 1, got {dropout!r}")
        layers = require_count("the number of layers after the first", layers, least=0)
        self.levels, self.shape, self.order, self.dropout = levels, shape, order, dropout
        self.rows = MaskedConv2d("vertical-A", 1, width, first_size, order=order)
        self.left = MaskedConv2d("horizontal-A", 1, width, first_size, order=order)
        self.layers = nn.ModuleList(TwoStackLayer(width, size, order) for _ in range(layers))
        self.to_logits = nn.Conv2d(width, levels, 1)
        _draw_weights(self, generator)
        nn.init.zeros_(self.to_logits.weight)  # starts from the uniform law

    def forward(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits of every pixel's grey level given its past.

        Args:
            images: Grey levels 0 to levels - 1, whole or real, (batch, 1, height, width).
            generator: Source of the dropped channels while training; None drops nothing.

        Returns:
            Logits, (batch, levels, height, width).
        """
        if images.dim() != 4 or tuple(images.shape[1:]) != (1, *self.shape):
            raise ValueError(
                f"images must be (batch, 1, {self.shape[0]}, {self.shape[1]}), "
                f"got {tuple(images.shape)}"
            )
        inputs = images.to(self.rows.weight.dtype) * (2 / (self.levels - 1)) - 1
        rows, left = self.rows(inputs), self.left(inputs)
        for layer in self.layers:
            rows, left = layer(rows, left, partial(self._drop_channels, generator=generator))
        return self.to_logits(functional.silu(left))

    def _drop_channels(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None or self.dropout == 0:
            return features
        kept = torch.empty(*features.shape[:2], 1, 1, device=features.device)
        kept.bernoulli_(1 - self.dropout, generator=generator)
        return features * kept / (1 - self.dropout)


def _draw_weights(network: nn.Module, generator: torch.Generator) -> None:
    """Normal weights of variance 1 / (entries read) and zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            open_entries = getattr(module, "mask", module.weight[0, 0]).count_nonzero()
            scale = (module.in_channels * max(1, int(open_entries))) ** -0.5
            nn.init.normal_(module.weight, 0, scale, generator=generator)
            nn.init.zeros_(module.bias)


def log_prob(model: nn.Module, images: Tensor) -> Tensor:
    """Log-probability log p(x) of each image: the sum of its pixels' conditionals.

    Args:
        model: From images to logits (batch, levels, height, width) given each pixel's past.
        images: Whole grey levels, (batch, 1, height, width).

    Returns:
        Nats per image, (batch,).

    Raises:
        ValueError: If a grey level is not one of the model's.
    """
    logits = model(images)
    levels = logits.shape[1]
    if not torch.isin(images, torch.arange(levels, device=images.device)).all():
        raise ValueError(
            f"grey levels must be whole, 0 to {levels - 1}; "
            f"got values from {images.min():g} to {images.max():g}"
        )
    return -functional.cross_entropy(logits, images[:, 0].long(), reduction="none").sum((1, 2))


@torch.no_grad()
def fill_in(
    model: nn.Module,
    images: Tensor,
    known: Tensor | None = None,
    *,
    order: str = "bottom-up",
    generator: torch.Generator,
) -> Tensor:
    """Draw the unknown pixels one by one, each given the pixels drawn before it.

    Args:
        model: From images to logits (batch, levels, height, width) given each pixel's past.
        images: Whole grey levels, (batch, 1, height, width); unknown pixels are ignored.
        known: Which pixels to keep, (height, width), true or false; none if left out. The law
            is the model's conditional law only if the known pixels come first in the order.
        order: The order in which pixels are drawn; it must be the model's.
        generator: Source of the draws.

    Returns:
        Complete images, of the same shape and type.

    Raises:
        ValueError: If `known` does not have the images' height and width, or is not of truth
            values.
    """
    shape = tuple(images.shape[-2:])
    known = torch.zeros(shape, dtype=torch.bool) if known is None else known
    if tuple(known.shape) != shape or known.dtype != torch.bool:
        came = f"{known.dtype} {tuple(known.shape)}"
        raise ValueError(f"known must be {shape}, True or False for each pixel; got {came}")
    canvas = torch.where(known.to(images.device), images, 0)
    for row, column in raster_order(shape, order):
        if not known[row - 1, column - 1]:
            law = model(canvas)[:, :, row - 1, column - 1].softmax(dim=1)
            drawn = law.multinomial(1, generator=generator)
            canvas[:, :, row - 1, column - 1] = drawn.to(canvas.dtype)
    return canvas


def _pixels_where(mask: Tensor) -> frozenset[Pixel]:
    return frozenset((int(row) + 1, int(column) + 1) for row, column in mask.nonzero())


def _inside(pixel: Pixel, shape: tuple[int, int]) -> bool:
    return 1 <= pixel[0] <= shape[0] and 1 <= pixel[1] <= shape[1]


def _require_choice(what: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}; got {value!r}")


def _require_odd(size: object) -> int:
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1 or size % 2 == 0:
        raise ValueError(f"kernel size must be an odd whole number from 1 up, got {size!r}")
    return int(size)


def _require_layers(kinds: Sequence) -> None:
    if len(kinds) == 0:
        raise ValueError("a stack needs at least one layer, got none")


def _require_pixel(pixel: Pixel, shape: Sequence[int]) -> None:
    whole = isinstance(pixel, tuple) and len(pixel) == 2
    if not (whole and all(isinstance(i, Integral) and not isinstance(i, bool) for i in pixel)):
        raise ValueError(f"a pixel must be two whole numbers (row, column), got {pixel!r}")
    if not _inside(pixel, shape):
        raise ValueError(
            f"pixel must lie in rows 1 to {shape[0]} and columns 1 to {shape[1]}, got {pixel}"
        )
