"""The named metrics of one target: counts and sums of all rows, and every score where a metric depends on their order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.model import PartConfig
from trainwright.config.registry import target_kind_of
from trainwright.metrics import PARTS, label
from trainwright.metrics.base import Metric
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.evaluate import instance
from trainwright.metrics.labels import class_counts
from trainwright.metrics.recent import RecentRows
from trainwright.metrics.store import AllRows, RowStore
from trainwright.metrics.table import SET

Read = Callable[[Mapping[str, Tensor]], BatchOutcome | None]
"""Outputs of an evaluation step → what of them is measured; None where they say nothing of it."""
COUNTS, FAULTS = "counts", "faults"
NARROW = ((torch.uint8, 2**8 - 1), (torch.int16, 2**15 - 1), (torch.int32, 2**31 - 1), (torch.int64, 2**63 - 1))


class TargetMetrics(Metric):
    """Metrics by name of what `read` finds in the outputs; counts per class are kept once for all of them.

    `at_positions`: each row is one of the positions of a sample. Scores that are not finite make every metric NaN, and true classes that
    are none are refused.
    """

    emptied_by_load = True

    def __init__(
        self, metrics: Iterable[PartConfig], read: Read, classes: list[str] | None = None, kind: str = "", at_positions: bool = False
    ) -> None:
        super().__init__()
        self.asked = {label(each): each for each in metrics}
        self.read, self.classes, self.kind, self.at_positions = read, classes, "", at_positions
        self.store: RowStore = AllRows()
        self.state: dict[str, Tensor] = {}
        self.weighs = False
        """Whether rows have weights."""
        if kind:
            self._begin(kind)

    def _begin(self, kind: str) -> None:
        """Make the formulas, once it is known what is predicted. Raises ConfigError for one that is not defined for it."""
        self.kind = kind
        asked = {name: (options, target_kind_of("metric", options, kind, self.at_positions)) for name, options in self.asked.items()}
        made = {name: (options, instance(options, known_as)) for name, (options, known_as) in asked.items()}
        known = {name: each for name, (options, each) in made.items() if options.type in PARTS}
        self.counted: dict[str, Any] = {name: each for name, each in known.items() if counts_suffice(each, kind)}
        self.summed: dict[str, Any] = {name: each for name, each in known.items() if hasattr(each, "summary") and name not in self.counted}
        self.ordered = {name: each for name, (_, each) in made.items() if name not in self.counted and name not in self.summed}
        self.foreign = {name for name in self.ordered if name not in known}

    def _keep_rows(self) -> None:
        """Compute every metric from the rows: counts and sums know nothing of what rows weigh."""
        self.ordered |= self.counted | self.summed
        self.counted, self.summed, self.weighs = {}, {}, True

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        if not self.kind or not self.ordered:
            return "sums and counts"
        kept = "the most recent rows" if isinstance(self.store, RecentRows) else "every score, above 32 MiB in a temporary file"
        return f"sums and counts; for {', '.join(self.ordered)} {kept}"

    @property
    def holds_rows(self) -> bool:  # type: ignore[override]
        """Whether one of the metrics depends on the order of all rows."""
        return any(each.type not in PARTS or not summed_up(each) for each in self.asked.values())

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in the rows. Raises ValueError for shapes that do not fit, ConfigError for metrics that are not defined for them."""
        rows = self.read(outputs)
        if rows is None or not len(rows):
            return
        if not self.kind:
            self._begin(rows.kind)
        if rows.weights is not None:
            self._keep_rows()
        rows.classes = rows.classes or self.classes
        if self.counted:
            self._add(COUNTS, rows.counts)
        for name, formula in self.summed.items():
            self._add(f"sum/{name}", formula.summary(rows), formula.merge)
        self._add(FAULTS, rows.faults)
        if self.ordered:
            self.store.add(rows.small())

    def _add(self, name: str, new: Tensor, merge: Callable[[Tensor, Tensor], Tensor] = torch.add) -> None:
        before = self.state.get(name)
        self.state[name] = new if before is None else merge(before, new)

    def merge(self, others: Iterable[Metric]) -> None:
        """Take in what others have seen, in their order."""
        for other in others:
            if not isinstance(other, TargetMetrics):
                raise TypeError(f"a {type(other).__name__} has no rows of a target")
            if not other.kind:
                continue
            if not self.kind:
                self._begin(other.kind)
            if other.weighs:
                self._keep_rows()
            for name, new in other.state.items():
                formula = self.summed.get(name.removeprefix("sum/"))
                self._add(name, new, torch.add if formula is None else formula.merge)
            if self.ordered:
                self.store.merge(other.store)

    def compute(self) -> dict[str, float]:
        """Every metric by its key; NaN where undefined. Waits for the device. Raises ValueError for classes that are none."""
        if not self.state:
            return dict.fromkeys(self.asked, math.nan)
        bad, outside = self.state[FAULTS].tolist()
        if outside:
            raise ValueError("class indices lie outside the classes that are predicted")
        if bad:
            return dict.fromkeys(self.asked, math.nan)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = self._of_counts() | self._of_sums() | self._of_order()
        return {name: found[name] for name in self.asked}

    def _of_counts(self) -> dict[str, float]:
        if not self.counted:
            return {}
        counts = self.state[COUNTS].cpu().numpy()
        return {name: each.from_confusion(counts, self.kind) for name, each in self.counted.items()}

    def _of_sums(self) -> dict[str, float]:
        kept = {name: self.state[f"sum/{name}"].cpu().double().numpy() for name in self.summed}
        return {name: float(self.summed[name].value_of(each)) for name, each in kept.items()}

    def _of_order(self) -> dict[str, float]:
        if not len(self.store):  # none of the items counts
            return dict.fromkeys(self.ordered, math.nan)
        outcome = self.store.outcome(self.kind, self.classes)
        if isinstance(self.store, RecentRows) or self.foreign or self.weighs:
            whole = outcome.whole()
        by_whole = isinstance(self.store, RecentRows) or self.weighs
        return {
            name: float(each(whole) if by_whole or name in self.foreign else each.measure(outcome)) for name, each in self.ordered.items()
        }

    def details(self) -> dict[str, np.ndarray]:
        """`confusion` (true × predicted), or `hits`, `predicted` and `actual` of many classes, and `<metric>.<name>` of the formulas."""
        if not self.state or self.weighs or bool(self.state[FAULTS].any()):
            return {}
        found: dict[str, np.ndarray] = {}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.counted:
                counts = self.state[COUNTS].cpu().numpy()
                by_class = class_counts(counts, self.kind)
                square = self.kind != SET and counts.shape[0] == counts.shape[1]
                found |= {"confusion": counts} if square else dict(zip(("hits", "predicted", "actual"), counts, strict=True))
                found |= name_details(self.counted, lambda name, each: each.details(by_class))
            found |= name_details(self.summed, lambda name, each: each.details(self.state[f"sum/{name}"].cpu().double().numpy()))
            known = {name: each for name, each in self.ordered.items() if name not in self.foreign}
            if known and isinstance(self.store, AllRows) and len(self.store):
                outcome = self.store.outcome(self.kind, self.classes)
                found |= name_details(known, lambda name, each: each.details(outcome))
        return found | ({"classes": np.array(self.classes)} if self.classes and found else {})

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        state = self.state | ({COUNTS: narrow(self.state[COUNTS])} if COUNTS in self.state else {})
        found = state | {f"rows/{name}": each for name, each in self.store.tensors().items()}
        return {f"{self.kind}/{name}": each for name, each in found.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        kind = next(iter(tensors)).partition("/")[0] if tensors else ""
        if kind and kind != self.kind:
            self._begin(kind)
        found = {name.partition("/")[2]: each for name, each in tensors.items()}
        if any(name.startswith("rows/") and name.endswith("/weights") for name in found):
            self._keep_rows()
        self.state = {name: each.long() if name == COUNTS else each for name, each in found.items() if not name.startswith("rows/")}
        self.store.load({name.removeprefix("rows/"): each for name, each in found.items() if name.startswith("rows/")})

    def for_training(self, budget: int) -> None:
        """Hold no more than the most recent rows that fit."""
        self.store = RecentRows(budget)

    def names(self) -> list[str]:
        """The keys of the metrics."""
        return list(self.asked)

    def higher_is_better(self, name: str) -> bool | None:
        """As the table of metrics has it."""
        part = PARTS.get(self.asked[name].type) if name in self.asked else None
        return None if part is None else part.higher_is_better


def counts_suffice(formula: Any, kind: str) -> bool:
    """Whether counts per class are all that a formula needs for a kind of target."""
    return hasattr(formula, "from_confusion") and not getattr(formula, "by_row", False) and kind not in getattr(formula, "summed_for", ())


def summed_up(metric: PartConfig) -> bool:
    """Whether a metric of the table is made of counts or sums, whatever the kind of target."""
    made = instance(metric, PARTS[metric.type].kinds[0])
    return hasattr(made, "summary") or hasattr(made, "from_confusion")


def name_details(formulas: Mapping[str, Any], details: Callable[[str, Any], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """`<metric>.<name>` → the details of formulas."""
    return {f"{name}.{part}": value for name, each in formulas.items() for part, value in details(name, each).items()}


def narrow(counts: Tensor) -> Tensor:
    """Counts in the smallest type that holds them: of a thousand classes a checkpoint need not hold 24 kB."""
    most = int(counts.max())
    return counts.to(next(each for each, limit in NARROW if most <= limit))
