"""What can be said of `make cuda` without a GPU: where tensors go, and that a difference shows.

PyTorch's device "meta" stands for another one: it has shapes and no values, and like a GPU it
refuses tensors of the CPU. What real kernels compute is not tested here.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from nbformat import v4

from upkeep.cuda import differences, summary, verdicts
from upkeep.on_device import OnDevice


@pytest.mark.parametrize(
    "make",
    [
        lambda g: torch.zeros(2, 3),
        lambda g: torch.tensor([1.0, 2.0]),
        lambda g: torch.linspace(0, 1, 5),
        lambda g: torch.from_numpy(np.ones(3)),
        lambda g: torch.randn(4, generator=g),
        lambda g: torch.randperm(4, generator=g),
        lambda g: torch.eye(3) @ torch.randn(3, generator=g),
        lambda g: torch.nn.Linear(2, 2).weight,
    ],
)
def test_tensors_are_made_on_the_device(make):
    with OnDevice("meta"):
        assert make(torch.Generator().manual_seed(1)).device.type == "meta"


def test_a_device_that_was_asked_for_is_kept():
    with OnDevice("meta"):
        assert torch.zeros(2, device="cpu").device.type == "cpu"


def test_draws_are_those_of_the_chapters_own_generator():
    expected = torch.randn(5, generator=torch.Generator().manual_seed(3))
    with OnDevice("cpu") as mode:
        found = torch.randn(5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(found, expected) and mode.calls == 1


def test_draws_into_a_tensor_fill_that_tensor():
    """Its values would have to leave the stand-in, which has none, so the CPU stands for it."""
    expected = torch.zeros(5).normal_(generator=torch.Generator().manual_seed(3))
    given, generator = torch.zeros(5), torch.Generator().manual_seed(3)
    place, settings = torch.device("cpu"), {"generator": generator}
    kept = OnDevice("cpu").drawn_elsewhere(torch.Tensor.normal_, (given,), settings, place)
    assert kept is given and torch.equal(given, expected)


def test_without_the_mode_two_devices_do_not_mix():
    """The stand-in refuses what a GPU refuses; else the tests above would show nothing."""
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(3, device="meta") + torch.zeros(3)


def notebook_with(*records: dict) -> object:
    outputs = [v4.new_output("display_data", metadata={"book": record}) for record in records]
    return v4.new_notebook(cells=[v4.new_code_cell("", outputs=outputs)])


def test_a_lost_and_a_new_verdict_are_named():
    one = {"claim": "1.1", "kind": "check", "title": "One", "count": 2}
    two = one | {"title": "Two"}
    assert differences(verdicts(notebook_with(one)), verdicts(notebook_with(one))) == []
    found = differences(verdicts(notebook_with(one)), verdicts(notebook_with(two)))
    assert found == ["lost: 1.1 check One 2", "new: 1.1 check Two 2"]
    assert "lost: 1.1" in summary([{"chapter": "one", "records": 1, "wrong": found}])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_fails():
    command = [sys.executable, "-m", "upkeep.cuda"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "finds no GPU here" in result.stderr
