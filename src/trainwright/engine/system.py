"""What the trainer asks of a system: a loss to minimise, outputs to measure, metrics of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
"""Rows of a step, by block name; the first dimension of every tensor is the row."""


@dataclass(slots=True)
class Loss:
    """The loss of some rows as a sum and how many items it is over, so that pieces of a step can be joined exactly."""

    total: Tensor
    """Scalar: the sum over the items, with its graph."""
    count: int | Tensor
    """Items summed over (rows, tokens, pixels)."""
    parts: dict[str, Tensor] = field(default_factory=dict)
    """Named terms of the total, detached, each a sum over the same items."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """What the running training metrics read: detached, rows first, the keys of `evaluation_step`."""


@dataclass(slots=True)
class Moment:
    """Where the run is: what a step may depend on beside its rows and the weights."""

    step: int
    """Optimizer updates already made."""
    epoch: int
    """Passes over the training rows already finished."""
    fraction: float
    """Share of the run already done, 0 to 1 (0 while the length is not known)."""
    generator: torch.Generator
    """The device's default generator, seeded from (seed, step): drawing from it needs no state to be saved."""


@runtime_checkable
class System(Protocol):
    """An `nn.Module` with the three methods the trainer calls; `update_step(moment)`, if there is one, is called before every step.

    `metric_names()`, if there is one, lists the keys `metrics` will return, so that a wrong `trainer.monitor` is refused before step 1;
    `monitor`, a string attribute if there is one, is what `trainer.monitor: auto` means (else `loss`);
    `higher_is_better(name)`, if there is one, answers for a key of `metrics` where `trainer.mode: auto`.
    """

    training: bool

    def training_step(self, batch: Batch, moment: Moment) -> Loss:
        """The loss of the rows of `batch`, in training mode, with its graph."""

    def evaluation_step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """What the metrics read of the rows of `batch`, rows first, in evaluation mode, without a graph."""

    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        """Metrics of whole-split outputs: `loss` and `<target>.<metric>`; NaN where undefined."""

    def train(self, mode: bool = True) -> Any:
        """As `nn.Module.train`."""

    def to(self, device: torch.device) -> Any:
        """As `nn.Module.to`."""

    def modules(self) -> Iterator[nn.Module]:
        """As `nn.Module.modules`."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """As `nn.Module.named_modules`."""

    def get_submodule(self, target: str) -> nn.Module:
        """As `nn.Module.get_submodule`."""

    def buffers(self) -> Iterator[Tensor]:
        """As `nn.Module.buffers`."""

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterable[tuple[str, nn.Parameter]]:
        """As `nn.Module.named_parameters`."""

    def state_dict(self) -> dict[str, Any]:
        """As `nn.Module.state_dict`."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """As `nn.Module.load_state_dict`."""


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; itself when it is there already."""
    if all(tensor.device == device for tensor in batch.values()):
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
