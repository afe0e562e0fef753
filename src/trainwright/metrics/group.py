"""Several metrics as one, and any form in which metrics are given as that."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.metrics.base import Metric


class MetricGroup(Metric):
    """Metrics by a name each: a number `n` of metric `k` is called `k.n`, or `k` where both are one word; with an empty `k` it is `n`."""

    def __init__(self, members: Iterable[tuple[str, Metric]], later_wins: bool = False) -> None:
        """`later_wins`: of two numbers of one name the later metric's is kept, where others are a mistake."""
        super().__init__()
        self.later_wins = later_wins
        self.members = list(members)

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What its metrics keep of the rows, the words of all of them."""
        return "; ".join(dict.fromkeys(each.holds for _, each in self.members))

    @property
    def emptied_by_load(self) -> bool:  # type: ignore[override]
        """Whether all its metrics are."""
        return all(each.emptied_by_load for _, each in self.members)

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Show the rows to every metric."""
        for _, each in self.members:
            each.update(outputs, batch)

    def merge(self, others: Iterable[Metric]) -> None:
        """Join each metric with those at its place."""
        found = [each for each in others if isinstance(each, MetricGroup)]
        for place, (_, each) in enumerate(self.members):
            each.merge([other.members[place][1] for other in found])

    def compute(self) -> dict[str, float]:
        """All numbers. Raises ConfigError for two of one name."""
        found: dict[str, float] = {}
        for prefix, each in self.members:
            for name, value in numbers(each.compute()).items():
                key = full_name(prefix, name) or type(each).__name__
                if key in found and not self.later_wins:
                    fix = "give a mapping of name → metric"
                    raise ConfigError(f"two metrics are called '{key}'", where="metrics", fix=fix)
                found[key] = value
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The states, each under the place of its metric."""
        return {f"{place}/{name}": each for place, (_, one) in enumerate(self.members) for name, each in one.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Give every metric its state back."""
        for place, (_, each) in enumerate(self.members):
            own = f"{place}/"
            each.load({name.removeprefix(own): tensor for name, tensor in tensors.items() if name.startswith(own)})

    def for_training(self, budget: int) -> None:
        """Share the bytes out over the metrics that may hold rows."""
        holding = sum(each.holds_rows for _, each in self.members)
        for _, each in self.members:
            each.for_training(budget // max(holding, 1))

    @property
    def holds_rows(self) -> bool:  # type: ignore[override]
        """Whether one of its metrics does."""
        return any(each.holds_rows for _, each in self.members)

    def details(self) -> dict[str, np.ndarray]:
        """Those of every metric, named as its numbers are."""
        return {full_name(prefix, name): value for prefix, each in self.members for name, value in each.details().items()}

    def memory_of(self, rows: int) -> str:
        """What its metrics will hold of so many rows, the words of all of them."""
        return "; ".join(filter(None, (each.memory_of(rows) for _, each in self.members)))

    def names(self) -> list[str] | None:
        """All names, where every metric knows its own."""
        known = [(prefix, each.names()) for prefix, each in self.members]
        if any(names is None for _, names in known):
            return None
        return [full_name(prefix, name) for prefix, names in known for name in names or ()]

    def higher_is_better(self, name: str) -> bool | None:
        """What the metric that gives this number says."""
        for prefix, each in self.members:
            own = name.removeprefix(f"{prefix}.") if prefix else name
            found = each.higher_is_better(own)
            if found is not None and (not prefix or own != name or own == prefix):
                return found
        return None


def full_name(prefix: str, name: str) -> str:
    """What a number of a metric is called in a group."""
    return name if not prefix or name == prefix else f"{prefix}.{name}" if name else prefix


def numbers(given: Any) -> dict[str, float]:
    """What a metric gave, as numbers by name; one number has no name. Raises ConfigError for anything else."""
    if is_number(given):
        return {"": float(given)}
    if isinstance(given, Mapping):
        wrong = next((name for name, value in given.items() if not is_number(value)), None)
        if wrong is None:
            return {str(name): float(value) for name, value in given.items()}
        what = f"metric '{wrong}' is a {type(given[wrong]).__name__}"
    else:
        what = "metrics returned None" if given is None else f"metrics returned a {type(given).__name__}"
    why, fix = "it gives a mapping of name → number", "return {'accuracy': 0.9}, for example"
    raise ConfigError(what, where="metrics(outputs)", why=why, fix=fix)


def is_number(value: Any) -> bool:
    """Whether a value is one number: Python's, numpy's, or a tensor of one element."""
    if isinstance(value, int | float):
        return True
    return value.numel() == 1 if isinstance(value, Tensor) else hasattr(value, "__float__") and not isinstance(value, str)


def as_metric(given: Any) -> Metric:
    """A metric, a mapping of name → metric or a list of metrics as one. Raises ConfigError for anything else."""
    if isinstance(given, Metric):
        return adopt(given)
    if isinstance(given, Mapping):
        members = [(str(name), each) for name, each in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        members = [("", each) for each in given]
    else:
        members = [("", given)]
    wrong = next((each for _, each in members if not isinstance(each, Metric)), None)
    if wrong is not None:
        why, fix = (
            "metrics() gives a mapping of name → trainwright.Metric",
            "tw.named_metrics(['accuracy', …]) makes them of names and functions",
        )
        raise ConfigError(f"a {type(wrong).__name__} is no metric", where="metrics()", why=why, fix=fix)
    return MetricGroup((name, adopt(each)) for name, each in members)


def adopt(given: Metric) -> Metric:
    """The metric, or a copy that has seen nothing where it is in use already: training rows and each evaluation have their own."""
    if "_in_use" in vars(given):
        given = copy.deepcopy(given)
        given.load({})
    vars(given)["_in_use"] = True
    return given
