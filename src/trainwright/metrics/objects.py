"""Metrics of other libraries with `update(outputs, targets)`, `compute()` and `reset()`, as torchmetrics has them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.metrics.base import Metric
from trainwright.metrics.group import is_number
from trainwright.metrics.whole import WholeOutputs

log = logging.getLogger("trainwright.metrics")

UPDATES = "updates"
Pair = Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor] | None]
"""Outputs of an evaluation step → what was predicted and what is true; None where they hold neither."""


def is_metric_object(value: Any) -> bool:
    """Whether a value keeps its own state as torchmetrics metrics do."""
    return not isinstance(value, Metric | type) and all(callable(getattr(value, each, None)) for each in ("update", "compute", "reset"))


class ObjectMetric(Metric):
    """A copy of such an object, given outputs and targets as they are; its states are kept in checkpoints."""

    holds = "what the metric itself keeps"

    def __init__(self, name: str, given: Any, pair: Pair, named: bool = False) -> None:
        """`named`: a person gave the name, which then stands before those that the object gives itself."""
        super().__init__()
        self.name, self.pair, self.named = name, pair, named
        self.metric = copy.deepcopy(given)
        self.metric.reset()
        self._updates = 0

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Give it the rows, on their device."""
        found = self.pair(outputs)
        if found is None:
            return
        if not self._updates and callable(getattr(self.metric, "to", None)):
            self.metric = self.metric.to(found[0].device)
        self.metric.update(*found)
        self._updates += 1

    def compute(self) -> dict[str, float]:
        """What it computes: a number, several by name, or one for each class by its place."""
        given = self.metric.compute()
        if isinstance(given, Mapping):
            before = f"{self.name}." if self.named else ""
            return {f"{before}{name}": float(value) for name, value in given.items()}
        if isinstance(given, Tensor) and given.numel() > 1:
            return {f"{self.name}.{place}": value for place, value in enumerate(given.reshape(-1).tolist())}
        return {self.name: float(given)}

    def merge(self, others: Iterable[Metric]) -> None:
        """Join the states as the metric itself says. Raises ConfigError where it does not."""
        for other in others:
            if not isinstance(other, ObjectMetric) or not other._updates:
                continue
            if not callable(getattr(self.metric, "merge_state", None)):
                fix = "use a metric by name, or a trainwright.Metric"
                raise ConfigError(f"'{self.name}' cannot be joined over ranks", where="metrics", why="it has no merge_state", fix=fix)
            self.metric.merge_state(other.metric)
            self._updates += other._updates

    def _states(self) -> list[str]:
        return list(getattr(self.metric, "_defaults", {}))

    def tensors(self) -> dict[str, Tensor]:
        """Its states; those kept as lists joined along the rows, as its `compute` joins them."""
        if not self._updates:
            return {}
        found = {UPDATES: torch.tensor(self._updates)}
        for name in self._states():
            value = getattr(self.metric, name)
            if isinstance(value, Tensor):
                found[name] = value
            elif value:
                found[name] = torch.cat([each if each.dim() else each.reshape(1) for each in value])
        if len(found) == 1:
            log.warning("'%s' begins anew where this run is continued: it has no states that could be saved", self.name)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Give it its states back; begin anew from nothing."""
        self.metric.reset()
        self._updates = int(tensors[UPDATES]) if tensors else 0
        if not tensors:
            return
        if hasattr(self.metric, "_update_count"):
            self.metric._update_count = self._updates
        for name, default in getattr(self.metric, "_defaults", {}).items():
            if name in tensors:
                setattr(self.metric, name, tensors[name] if isinstance(default, Tensor) else [tensors[name]])

    def names(self) -> list[str] | None:
        """Not known before it has computed; its own name is what most give."""
        return [self.name]

    def higher_is_better(self, name: str) -> bool | None:
        """What the object says of itself."""
        found = getattr(self.metric, "higher_is_better", None)
        return found if isinstance(found, bool) and name.partition(".")[0] == self.name else None


class PairFunctions(Metric):
    """Functions of (outputs, targets) of all rows, which are held once for all of them."""

    holds_rows = True

    def __init__(self, functions: Mapping[str, Callable[[Tensor, Tensor], Any]], pair: Pair) -> None:
        super().__init__()
        self.functions, self.pair = dict(functions), pair
        self.whole = WholeOutputs(self._values, where=", ".join(self.functions))

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        return self.whole.holds

    def _values(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        return {name: self._value(name, function, outputs) for name, function in self.functions.items()} if outputs else {}

    def _value(self, name: str, function: Callable[[Tensor, Tensor], Any], outputs: Mapping[str, Tensor]) -> float:
        value = function(outputs["output"], outputs["target"])
        if is_number(value):
            return float(value)
        given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        why = f"it gives {'None' if value is None else given}"
        raise ConfigError(
            f"metric '{name}' is no number", where="metrics", why=why, fix="let the function of (outputs, targets) return one number"
        )

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Hold outputs and targets of the rows."""
        found = self.pair(outputs)
        if found is not None:
            self.whole.update({"output": found[0], "target": found[1]})

    def merge(self, others: Iterable[Metric]) -> None:
        """Take in what others hold."""
        self.whole.merge(each.whole for each in others if isinstance(each, PairFunctions))

    def compute(self) -> dict[str, float]:
        """What every function gives."""
        found: dict[str, float] = self.whole.compute()
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The rows that are held."""
        return self.whole.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take rows back; begin anew from nothing."""
        self.whole.load(tensors)

    def for_training(self, budget: int) -> None:
        """Hold no more than the most recent rows that fit."""
        self.whole.for_training(budget)

    def memory_of(self, rows: int) -> str:
        """What is held for the functions."""
        return self.whole.memory_of(rows)

    def names(self) -> list[str]:
        """The names of the functions."""
        return list(self.functions)
