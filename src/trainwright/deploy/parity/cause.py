"""Why an artifact answers otherwise than the run's model: the first place in the network where numbers part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.deploy.exporters.base import Arrays
from trainwright.deploy.parity.columns import ABSOLUTE, RELATIVE
from trainwright.domains.predictor import Tensors

FEW = 7
"""Rows that are looked at."""


@dataclass(frozen=True)
class Cause:
    """The first module where numbers part, and one of them by both."""

    module: str
    """Its path in the network."""
    kind: str
    """Its class."""
    why: str
    run: float
    artifact: float

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.why} {self.module or 'the network'} ({self.kind}): {self.run:.6g} and {self.artifact:.6g}"


def find_cause(module: nn.Module, tensors: Tensors, inside: Callable[[Tensors], Arrays]) -> Cause | None:
    """The first place where two calls of the network part, else where it and the artifact do; `inside`: what modules give in the artifact.

    None where nothing is found.
    """
    few = {name: each[:FEW] for name, each in tensors.items()}
    first, second = record(module, few), record(module, few)
    kinds = {path: type(each).__name__ for path, each in module.named_modules()}
    for event, value in first.items():
        if found := _apart(value, second.get(event)):
            path = event[1] if event[0] == "gives" else event[1].rpartition(".")[0]
            return Cause(path, kinds.get(path, ""), "the run's model itself gives another answer at each call, from", *found)
    there = inside(few)
    for (what, path), value in first.items():
        if what == "gives" and path in there and (found := _apart(value, there[path])):
            return Cause(path, kinds.get(path, ""), "the numbers part in", *found)
    return None


Events = dict[tuple[str, str], np.ndarray]
"""`takes` or `gives`, path of a module → its first tensor, in the order of the calls."""


def record(module: nn.Module, tensors: Tensors) -> Events:
    """What the modules of a network take and give for some rows."""
    events: Events = {}
    with _hooked(module, events), torch.inference_mode():
        module(tensors)
    return events


@contextmanager
def _hooked(module: nn.Module, events: Events) -> Iterator[None]:
    handles = []
    for path, each in module.named_modules():
        handles.append(each.register_forward_pre_hook(lambda _, given, path=path: _note(events, "takes", path, given)))
        handles.append(each.register_forward_hook(lambda _, given, found, path=path: _note(events, "gives", path, found)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _note(events: Events, what: str, path: str, value: Any) -> None:
    while isinstance(value, tuple | list | Mapping) and value:
        value = next(iter(value.values() if isinstance(value, Mapping) else value))
    if isinstance(value, Tensor) and value.is_floating_point():
        events[what, path] = value.detach().numpy().astype(np.float64)


def _apart(wanted: np.ndarray, given: np.ndarray | None) -> tuple[float, float] | None:
    """One number by both where they part; None where they agree, or are no numbers of one shape."""
    if given is None or given.shape != wanted.shape or not wanted.size or given.dtype.kind != "f":
        return None
    apart = np.abs(wanted - given)
    apart[(wanted == given) | (np.isnan(wanted) & np.isnan(given))] = 0
    beyond = ~(apart <= ABSOLUTE + RELATIVE * np.abs(wanted))
    if not beyond.any():
        return None
    place = np.unravel_index(int(np.nan_to_num(apart, nan=np.inf).argmax()), apart.shape)
    return float(wanted[place]), float(given[place])
