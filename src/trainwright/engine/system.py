"""What the trainer asks of a system: a loss to minimise, outputs to measure, metrics of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from trainwright.engine.renamed import ON_CONTEXT, renamed

Batch = Any
"""Rows of a step: tensors by block name, the first dimension of each the row; or, from a loader of a person's own, whatever it gives."""


class NoStep(Exception):
    """Raised by a `training_step` that wants its batch to make no step; the batch counts as left out."""


@dataclass(slots=True)
class Loss:
    """The loss of some rows as a sum and how many items it is over, so that pieces of a step can be joined exactly."""

    total: Tensor
    """Scalar: the sum over the items, with its graph (without one where `mean` has it)."""
    count: int | Tensor
    """Items summed over (rows, tokens, pixels)."""
    parts: dict[str, Tensor] = field(default_factory=dict)
    """Named terms of the total, detached, each a sum over the same items."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """What the running training metrics read: detached, rows first, the keys of `evaluation_step`."""
    mean: Tensor | None = None
    """The mean over the items with its graph, for a loss that is one by itself: a step in one piece goes backwards from it as it is."""

    @classmethod
    def of_mean(cls, mean: Tensor, count: int, parts: dict[str, Tensor] | None = None, outputs: dict[str, Tensor] | None = None) -> Loss:
        """The loss of `count` items from their mean (a scalar with its graph); `parts` and `outputs` as the fields of these names."""
        return cls(mean.detach() * count, count, parts or {}, outputs or {}, mean)


@dataclass(slots=True)
class StepContext:
    """Where the run is: what a step may depend on beside its rows and the weights."""

    step: int
    """Optimizer updates already made."""
    epoch: int
    """Passes over the training rows already finished."""
    progress: float
    """Share of the run already done, 0 to 1 (0 while the length is not known)."""
    generator: torch.Generator
    """The device's default generator, seeded from (seed, step): drawing from it needs no state to be saved."""

    def __getattr__(self, name: str) -> Any:
        return renamed(self, name, ON_CONTEXT)


@runtime_checkable
class System(Protocol):
    """An `nn.Module` with the three methods the trainer calls; `update_step(context)`, if there is one, is called before every step.

    `update_step_end(context)`, if there is one, after it. `metric_names()`, if there is one, lists the keys `metrics` will return, so that
    a wrong `trainer.monitor` is refused before step 1;
    `monitor`, a string attribute if there is one, is what `trainer.monitor: auto` means (else `loss`);
    `higher_is_better(name)`, if there is one, answers for a key of `metrics` where `trainer.mode: auto`.
    """

    training: bool

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        """The loss of the rows of `batch`, in training mode, with its graph."""

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
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
    """The batch on the device; itself when it is there already.

    Mappings, lists, tuples and dataclasses are gone through; an object of one's own is moved by its own `to(device)`, if it has one.
    """
    if type(batch) is dict:
        if all(isinstance(each, Tensor) and each.device == device for each in batch.values()):
            return batch
        return {name: to_device(each, device) for name, each in batch.items()}
    if isinstance(batch, Tensor):
        return batch if batch.device == device else batch.to(device, non_blocking=True)
    if isinstance(batch, list | tuple) and not hasattr(batch, "to"):
        moved = [to_device(each, device) for each in batch]
        return type(batch)(*moved) if hasattr(batch, "_fields") else type(batch)(moved)
    if hasattr(batch, "to"):
        moved = batch.to(device)
        return batch if moved is None else moved  # some move themselves and return nothing
    if isinstance(batch, Mapping):
        return {name: to_device(each, device) for name, each in batch.items()}
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{each.name: to_device(getattr(batch, each.name), device) for each in fields(batch) if each.init})
    return batch


def rows_in(batch: Batch) -> int:
    """How many rows a batch has, by the first dimension of the first tensor in it; 1 where there is none."""
    found = _first_tensor(batch)
    return len(found) if found is not None and found.dim() else 1


def tensors_in(batch: Batch, name: str = "") -> dict[str, Tensor]:
    """The tensors of a batch of any structure by name: keys, places or attributes, joined by dots."""
    if isinstance(batch, Tensor):
        return {name or "batch": batch}
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(batch, Mapping):
        inside = batch.items()
    elif isinstance(batch, list | tuple):
        inside = zip(getattr(batch, "_fields", range(len(batch))), batch, strict=True)
    elif hasattr(batch, "__dict__"):
        inside = vars(batch).items()
    return {found: tensor for key, each in inside for found, tensor in tensors_in(each, f"{name}.{key}" if name else str(key)).items()}


def changed_in(batch: Batch, change: Callable[[Tensor], Any]) -> Batch:
    """The batch with `change` done to every tensor in its mappings, lists and tuples; objects of one's own stay as they are."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: changed_in(each, change) for name, each in batch.items()}
    if isinstance(batch, list | tuple) and not hasattr(batch, "to"):
        changed = [changed_in(each, change) for each in batch]
        return type(batch)(*changed) if hasattr(batch, "_fields") else type(batch)(changed)
    return batch


def _first_tensor(batch: Batch) -> Tensor | None:
    if isinstance(batch, Tensor):
        return batch
    if hasattr(batch, "batch_sizes") and hasattr(batch, "data"):  # a PackedSequence: its first step holds every row
        return cast(Tensor, batch.data[: int(batch.batch_sizes[0])])
    inside: Iterable[Any] = ()
    if isinstance(batch, Mapping):
        inside = batch.values()
    elif isinstance(batch, list | tuple):
        inside = batch
    elif hasattr(batch, "__dict__"):
        inside = vars(batch).values()
    return next((found for each in inside if (found := _first_tensor(each)) is not None), None)
