"""Have a chapter that was written for the CPU compute on another device, without a change.

`use("cuda")` in a kernel's first cell makes every new tensor there. Random numbers are drawn by
the chapter's own generator on the CPU and then moved, so that both runs see the same draws;
what goes to NumPy comes back first. Everything between is computed on the device.
"""

import json
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_map

__all__ = ["OnDevice", "report", "use"]

TO_NUMPY = (torch.Tensor.numpy, torch.Tensor.__array__)


class OnDevice(TorchFunctionMode):
    """Makes tensors on a device, and counts the calls that computed there.

    Args:
        device: Such as "cuda".
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = torch.device(device)
        self.calls = 0
        self.makers = _device_constructors()

    def __enter__(self) -> "OnDevice":
        from_numpy = self.from_numpy = torch.from_numpy  # the one maker that no mode sees
        torch.from_numpy = lambda array: from_numpy(array).to(self.device)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch.from_numpy = self.from_numpy
        super().__exit__(*error)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        generator = kwargs.get("generator")
        if generator is not None and generator.device != self.device:
            return self.drawn_elsewhere(function, args, kwargs, generator.device)
        if function in TO_NUMPY:
            return function(args[0].detach().cpu(), *args[1:], **kwargs)
        if function in self.makers and kwargs.get("device") is None:
            kwargs["device"] = self.device
        result = function(*args, **kwargs)
        self.calls += isinstance(result, torch.Tensor) and result.device.type == self.device.type
        return result

    def drawn_elsewhere(self, function: Any, args: tuple, kwargs: dict, place: Any) -> Any:
        """Draw where the generator is, and bring the draws, or the filled tensor, here."""
        kwargs = tree_map(lambda x: _moved(x, place), kwargs)
        if function in self.makers:
            kwargs["device"] = place
        result = function(*tree_map(lambda x: _moved(x, place), args), **kwargs)
        if function.__name__.endswith("_") and not function.__name__.endswith("__"):
            return args[0].copy_(result)  # in place, such as normal_
        return tree_map(lambda x: _moved(x, self.device), result)


def _moved(value: Any, place: torch.device) -> Any:
    return value.to(place) if isinstance(value, torch.Tensor) else value


_used: list[OnDevice] = []


def use(device: str) -> None:
    """Compute on a device from now on."""
    _used.append(OnDevice(device))
    _used[-1].__enter__()


def report() -> None:
    """Print, as the last line of a chapter, on what it ran and how many calls computed there."""
    name = torch.cuda.get_device_name() if _used[-1].device.type == "cuda" else "no GPU"
    print(json.dumps({"device": str(_used[-1].device), "name": name, "calls": _used[-1].calls}))
