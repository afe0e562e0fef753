"""Metrics of training rows as they come: sums and counts on the device, and the most recent rows where every score is needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.model import PartConfig
from trainwright.metrics import PARTS, label
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.evaluate import instance
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.recent import KEPT_BYTES, RecentRows
from trainwright.metrics.table import BINARY, CLASSES

SMALLEST = {BINARY: torch.uint8}
"""Kind of target → the type that holds its true classes among recent rows, where int32 would be a waste."""


class MetricStream:
    """Metrics of one target over all rows that went by; those of order over as many recent rows as `budget` bytes hold.

    `check`: scores that are not finite make every metric NaN, and true classes that are none are refused.
    """

    def __init__(
        self, kind: str, metrics: Iterable[PartConfig], classes: list[str] | None = None, budget: int = KEPT_BYTES, check: bool = True
    ) -> None:
        self.kind, self.classes, self.check = kind, classes, check
        made = {label(each): (each, instance(each, kind)) for each in metrics}
        self.names = list(made)
        self.summed: dict[str, Any] = {
            name: each for name, (options, each) in made.items() if options.type in PARTS and hasattr(each, "summary")
        }
        self.ordered = {name: each for name, (_, each) in made.items() if name not in self.summed}
        self.recent = RecentRows(budget)
        self.summaries: dict[str, Tensor] = {}

    def update(self, truth: Tensor, scores: Tensor) -> None:
        """Take in a batch, as `BatchOutcome` has it. Never waits for the device. Raises ValueError for shapes that do not fit."""
        batch = BatchOutcome(self.kind, truth, scores)
        if not len(batch):
            return
        found = {name: metric.summary(batch) for name, metric in self.summed.items()}
        for name, new in found.items():
            before = self.summaries.get(f"sum/{name}")
            self.summaries[f"sum/{name}"] = new if before is None else self.summed[name].merge(before, new)
        if self.check:
            faults = self.summaries.get("faults")
            self.summaries["faults"] = batch.faults if faults is None else faults + batch.faults
        if self.ordered:
            self.recent.add(self._small(truth, scores))

    def _small(self, truth: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """Truth and scores in as few bytes as hold them."""
        if self.kind in CLASSES:
            truth = truth.to(SMALLEST.get(self.kind, torch.int32))
        if self.kind == BINARY and scores.dim() == 2:
            scores = scores[:, 1]
        return {"truth": truth, "scores": scores}

    def compute(self) -> dict[str, float]:
        """Every metric by its key; NaN where undefined. Waits for the device. Raises ValueError for classes that are none."""
        if not self.summaries:
            return dict.fromkeys(self.names, math.nan)
        bad, outside = self.summaries["faults"].tolist() if self.check else (0, 0)
        if outside:
            raise ValueError(f"{outside} class indices lie outside the classes that are predicted")
        found = {name: self._value(name, bool(bad)) for name in self.summed}
        if self.ordered:
            rows = {name: each.cpu().numpy() for name, each in self.recent.rows.items()}
            outcome = Outcome(self.kind, rows["truth"], rows["scores"], self.classes)
            found |= {name: float(metric(outcome)) for name, metric in self.ordered.items()}
        return {name: found[name] for name in self.names}

    def _value(self, name: str, bad: bool) -> float:
        if bad:
            return math.nan
        summary = self.summaries[f"sum/{name}"].cpu().double()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return float(self.summed[name].value_of(summary.numpy()))

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint: O(classes), and the recent rows."""
        return self.summaries | {f"recent/{name}": each for name, each in self.recent.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        self.summaries = {name: each for name, each in tensors.items() if not name.startswith("recent/")}
        self.recent.load({name.removeprefix("recent/"): each for name, each in tensors.items() if name.startswith("recent/")})
