"""Real data that ships with scikit-learn, and the book's one training loop."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import sklearn.datasets
import torch
from torch import Tensor
from tqdm import tqdm

from helpers.explore import is_live
from helpers.inputs import require_count

__all__ = ["Digits", "load_digits", "train"]


class Digits(NamedTuple):
    """8x8 grey images with 17 levels, whole numbers 0 to 16, each part (number, 1, 8, 8)."""

    train: Tensor
    validation: Tensor
    test: Tensor


def load_digits() -> Digits:
    """scikit-learn's handwritten digits in file order: 1000, 350 and 447 images.

    The parts are not alike: test images are easier than validation images for every model that
    was tried, so results compare only on the same split.
    """
    images = torch.from_numpy(sklearn.datasets.load_digits().images).long().unsqueeze(1)
    return Digits(images[:1000], images[1000:1350], images[1350:])


def train(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[torch.nn.Parameter],
    data: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    after_epoch: Callable[[int], None] | None = None,
    generator: torch.Generator,
) -> list[float]:
    """Minimise a loss by AdamW under a one-cycle learning rate, in shuffled batches.

    Args:
        loss: Mean loss of a batch, a scalar.
        parameters: What is changed.
        data: Training examples, first axis the examples; on the parameters' device.
        epochs: Passes over the data.
        batch_size: Examples a step.
        learning_rate: Highest rate of the cycle.
        weight_decay: Decoupled weight decay of AdamW.
        after_epoch: Called with the number of each finished epoch, from 1.
        generator: Source of the shuffling, on the CPU.

    Returns:
        Mean training loss of each epoch.

    Raises:
        ValueError: If the data are empty, epochs or batch size no whole numbers above 0, or the
            loss stops being a finite number.
    """
    epochs = require_count("epochs", epochs)
    batch_size = require_count("the batch size", batch_size)
    if len(data) == 0:
        raise ValueError("training needs at least one example, got none")
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        learning_rate,
        total_steps=epochs * -(-len(data) // batch_size),
        pct_start=0.15,
        cycle_momentum=False,
    )
    history = []
    for epoch in (progress := tqdm(range(1, epochs + 1), unit="epoch", disable=not is_live())):
        total = 0.0
        for batch in torch.randperm(len(data), generator=generator).split(batch_size):
            value = _step(loss(data[batch]), optimizer)
            schedule.step()
            total += value * len(batch)
        history.append(total / len(data))
        progress.set_postfix(loss=f"{history[-1]:.2f}")
        if after_epoch is not None:
            after_epoch(epoch)
    return history


def _step(loss: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One step of the optimizer on a loss that has to be a number; the loss before it."""
    if not torch.isfinite(loss):
        raise ValueError(f"needed a finite loss, got {loss.item()}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
