"""What torchmetrics metrics within a system have gathered: no part of its state_dict, and part of where a run is all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.engine.system import System

UPDATES = "updates"


def metric_modules(system: System) -> Iterator[tuple[str, Any]]:
    """The metrics within a system by name; those of a collection that share one state each have it."""
    for _, module in system.named_modules():
        collection: Any = module
        if hasattr(collection, "compute_groups") and hasattr(collection, "items"):
            list(collection.items())  # lets the members of a group have the state of the first
    yield from ((name, module) for name, module in system.named_modules() if is_metric_module(module))


def is_metric_module(module: nn.Module) -> bool:
    """Whether a module keeps states as torchmetrics does."""
    return isinstance(getattr(module, "_defaults", None), dict) and hasattr(module, "_update_count")


def metric_states(system: System) -> dict[str, Tensor]:
    """The states of all metrics that were updated, those kept as lists joined along the rows, as `compute` joins them."""
    found: dict[str, Tensor] = {}
    for name, module in metric_modules(system):
        if not module._update_count:
            continue
        found[f"{name}/{UPDATES}"] = torch.tensor(module._update_count)
        for state in module._defaults:
            value = getattr(module, state)
            if isinstance(value, Tensor):
                found[f"{name}/{state}"] = value
            elif value:
                found[f"{name}/{state}"] = torch.cat([each if each.dim() else each.reshape(1) for each in value])
    return found


def load_metric_states(system: System, tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Give the metrics their states back; those without one begin anew."""
    for name, module in metric_modules(system):
        module.reset()
        if f"{name}/{UPDATES}" not in tensors:
            continue
        module._update_count = int(tensors[f"{name}/{UPDATES}"])
        for state, default in module._defaults.items():
            kept = tensors.get(f"{name}/{state}")
            if kept is not None:
                setattr(module, state, kept.to(device) if isinstance(default, Tensor) else [kept.to(device)])
