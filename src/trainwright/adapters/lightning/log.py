"""What `self.log` was given over one pass, joined as Lightning joins it: means weighted by rows, sums, extremes, torchmetrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainwright.config.errors import TrainwrightError, did_you_mean
from trainwright.metrics.base import Metric

log = logging.getLogger("trainwright.systems")

OF_LOADER = "/dataloader_idx_"
"""What the names of values of one of several loaders have before its number."""
REDUCTIONS = ("mean", "sum", "max", "min")


class Asked(NamedTuple):
    """How a name was asked to be logged."""

    both: bool
    """Per step and per epoch: each has a name of its own beside the plain one."""
    bar: bool
    """In the progress bar."""
    logger: bool
    """In what loggers are given."""

    def name_for(self, name: str, form: str) -> str:
        """The name of a form, `_step` or `_epoch`: the plain one where there is one form only."""
        bare, slash, loader = name.partition(OF_LOADER)
        return bare + form + slash + loader if self.both else name


class Entry:
    """All values of one name as one number, kept where they are; or the metric that keeps them itself."""

    def __init__(self, reduce: str) -> None:
        self.reduce, self.weight = reduce, 0.0
        self.total: float | Tensor = 0.0
        self.metric: Any = None

    def add(self, value: float | Tensor, weight: float) -> None:
        """Take in a value of `weight` rows, in double precision where the device has it."""
        if isinstance(value, Tensor):
            value = value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)
        if self.reduce in ("mean", "sum"):
            share = value * weight if self.reduce == "mean" else value
            self.total = share if not self.weight else self.total + share
        else:
            self.total = value if not self.weight else extreme(self.reduce, self.total, value)
        self.weight += weight

    def value(self) -> float | Tensor:
        """All values as one; a tensor where they were tensors, so that the host need not wait."""
        if self.metric is not None:
            found: float | Tensor = self.metric.compute()
            return found
        return self.total / self.weight if self.reduce == "mean" and self.weight else self.total


def extreme(reduce: str, first: float | Tensor, second: float | Tensor) -> float | Tensor:
    """The larger or the smaller of two, on their device."""
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        one, other = torch.as_tensor(first), torch.as_tensor(second)
        return torch.maximum(one, other) if reduce == "max" else torch.minimum(one, other)
    return max(first, second) if reduce == "max" else min(first, second)


class Logged:
    """The entries of one pass over a split, or of one epoch of training."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, value: Any, weight: float, reduce: str) -> Entry:
        """Take in a number, a tensor of one element or a torchmetrics metric. Never waits for the device."""
        entry = self.entries.get(name)
        if entry is None:
            entry = self.entries[name] = Entry(reduce)
        if is_metric(value):
            entry.metric = value
        else:
            entry.add(value, weight)
        return entry

    def values(self) -> dict[str, float]:
        """Name → value. Waits for the device."""
        return {name: float(entry.value()) for name, entry in self.entries.items()}

    def reset_metrics(self) -> None:
        """Let the metrics that were logged begin anew, as Lightning does at the end of a pass."""
        for entry in self.entries.values():
            if entry.metric is not None:
                entry.metric.reset()

    def state(self, module: nn.Module) -> dict[str, Any]:
        """What a checkpoint in the middle of an epoch keeps, JSON-able; of a torchmetrics metric the place in the module that has it."""
        places = {id(each): name for name, each in module.named_modules()}
        found: dict[str, Any] = {}
        for name, entry in self.entries.items():
            if entry.metric is None:
                found[name] = [entry.reduce, float(entry.total), entry.weight]
            elif id(entry.metric) in places:
                found[name] = [entry.reduce, places[id(entry.metric)], entry.weight]
            else:
                why = "it is no attribute of the module, nor of one within it"
                log.warning("'%s' begins anew where this run is continued: the metric cannot be saved, %s", name, why)
        return found

    def load(self, state: Mapping[str, Any], module: nn.Module) -> None:
        """Take the state back."""
        self.entries = {}
        for name, (reduce, total, weight) in state.items():
            self.entries[name] = entry = Entry(reduce)
            if isinstance(total, str):
                entry.metric = module.get_submodule(total)
            else:
                entry.total, entry.weight = total, weight


class LoggedPass(Metric):
    """What a module logs while a split is measured, which reads no outputs; `end` gives it, and ends the pass."""

    def __init__(self, end: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self.end = end

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Nothing: what was logged is kept where it was logged."""

    def compute(self) -> dict[str, float]:
        """What was logged."""
        return self.end()


def is_metric(value: Any) -> bool:
    """Whether a value is a torchmetrics metric, which keeps its own state."""
    return hasattr(value, "compute") and hasattr(value, "update")


def reduction_of(reduce: Any, name: str) -> str:
    """`mean`, `sum`, `max` or `min` from a word or torch's function of that name; raises TrainwrightError for another, as there."""
    if reduce == "mean":
        return "mean"
    word = reduce.lower() if isinstance(reduce, str) else str(getattr(reduce, "__name__", reduce))
    word = {"amax": "max", "amin": "min", "avg": "mean"}.get(word, word)
    if word in REDUCTIONS:
        return word
    raise TrainwrightError(f"there is no reduction '{word}'", where=f"self.log({name!r}, reduce_fx=…)", fix=did_you_mean(word, REDUCTIONS))


def number(name: str, value: Any) -> float | Tensor:
    """A number or a tensor of one element without dimensions; raises TrainwrightError for anything else."""
    if isinstance(value, Tensor):
        if value.dim() == 0:
            return value
        if value.numel() == 1:
            return value.reshape(())
    elif isinstance(value, Real):
        return float(value)
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
    raise TrainwrightError(f"{what} is no number", where=f"self.log({name!r})", fix="log its mean, or a torchmetrics metric")
