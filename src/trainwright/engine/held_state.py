"""Tensors that a system changes while it trains and its state_dict leaves out: non-persistent buffers, tensors among the attributes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from trainwright.engine.metric_modules import metric_modules
from trainwright.files.tensors import NAMES

log = logging.getLogger("trainwright.engine")

LARGEST = 1 << 26
"""Values of a tensor that is copied when a run begins, so that it can be put back where a checkpoint has it unchanged."""


class First(NamedTuple):
    """A tensor as a run found it."""

    tensor: Tensor
    version: int
    copy: Tensor | None


class HeldState:
    """What of a system's tensors changed since the run began and would not be in a checkpoint."""

    def __init__(self, system: Any) -> None:
        self.system = system
        self._first = {name: First(tensor, _version(tensor), _copy(tensor)) for name, _, tensor in left_out(system)}

    def tensors(self) -> dict[str, Tensor]:
        """Name → tensor of those that changed; the name begins with `host` for one that is not on the device of its module."""
        found = {}
        for name, module, tensor in left_out(self.system):
            if tensor.dtype in NAMES and self._has_changed(name, tensor):
                found[f"{'device' if tensor.device == _device(module) else 'host'}/{name}"] = tensor.detach()
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put them back; those that a checkpoint has not are what they were when the run began."""
        here = {name: tensor for name, _, tensor in left_out(self.system)}
        saved = {key.partition("/")[2]: (key.partition("/")[0] == "host", tensor) for key, tensor in tensors.items()}
        for name, first in self._first.items():
            if name not in saved and name in here and first.copy is not None and self._has_changed(name, here[name]):
                saved[name] = (first.tensor.device.type == "cpu", first.copy)
        modules = dict(self.system.named_modules())
        for name, (on_host, tensor) in saved.items():
            path, _, last = name.rpartition(".")
            if path in modules:
                _put(modules[path], last, tensor, on_host)
            else:
                log.warning("the checkpoint holds '%s', and the system has no such part: it is left out", name)

    def _has_changed(self, name: str, tensor: Tensor) -> bool:
        first = self._first.get(name)
        return first is None or first.tensor is not tensor or first.version != _version(tensor)


def left_out(system: Any) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Name, module and tensor of what no state_dict has: non-persistent buffers, and tensors without a graph among the attributes."""
    measuring = {id(module) for _, module in metric_modules(system)}  # whose states are saved as such
    for path, module in system.named_modules():
        if id(module) in measuring:
            continue
        ours = type(module).__module__.split(".")[0] == "trainwright"
        transient = module._non_persistent_buffers_set
        buffers = [(name, tensor) for name, tensor in module._buffers.items() if name in transient]
        plain = [] if ours else [(name, each) for name, each in vars(module).items() if isinstance(each, Tensor)]
        for name, tensor in (*buffers, *plain):
            if tensor is not None and is_state(tensor):
                yield f"{path}.{name}" if path else name, module, tensor


def is_state(tensor: Tensor) -> bool:
    """Whether a tensor has values of its own, and no graph that ends with the step."""
    return tensor.grad_fn is None and not tensor.is_meta and not is_lazy(tensor) and tensor.layout == torch.strided


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _copy(tensor: Tensor) -> Tensor | None:
    return tensor.detach().to("cpu", copy=True) if tensor.numel() <= LARGEST else None


def _device(module: nn.Module) -> torch.device:
    return next((each.device for each in (*module.parameters(), *module.buffers())), torch.device("cpu"))


@torch.no_grad()
def _put(module: nn.Module, name: str, tensor: Tensor, on_host: bool) -> None:
    """In place where it fits, so that whoever else holds it sees it; else as a new one."""
    place: dict[str, Any] = module._buffers if name in module._buffers else vars(module)
    held = place.get(name)
    if isinstance(held, Tensor) and held.shape == tensor.shape and held.dtype == tensor.dtype and held.grad_fn is None:
        held.copy_(tensor)
    else:
        place[name] = tensor.to("cpu" if on_host else _device(module), copy=True)
