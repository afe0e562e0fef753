"""Metrics of the supervised system: those of every target, and the loss of the members' joint answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from trainwright import metrics as measures
from trainwright.config.errors import ConfigError
from trainwright.features.spec import TargetSpec
from trainwright.metrics.base import Metric, exact
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.group import MetricGroup
from trainwright.metrics.target import TargetMetrics

log = logging.getLogger(__name__)

ROW_WEIGHT = "row.weight"
"""What stands in a batch, and among outputs, for how much each row counts, where rows do not count alike."""

Finish = Callable[..., dict[str, Tensor]]
"""`finish(outputs, losses=…)`: scores, truth and losses of rows from what a step gave for them."""


def outcome_of(name: str, kind: str, outputs: Mapping[str, Tensor]) -> BatchOutcome | None:
    """Truth and scores of a target among finished outputs."""
    scores = outputs.get(f"{name}.scores")
    if scores is None:
        return None
    truth = outputs[f"{name}.truth"]
    if scores.dim() > 2:  # a class at every position: each is a row of its own, but for those that do not count
        along = tuple(truth.shape[1:])
        truth, scores = truth.reshape(-1), scores.movedim(1, -1).reshape(-1, scores.shape[1])
        return BatchOutcome(kind, truth, scores, keep=truth >= 0, positions=along)
    return BatchOutcome(kind, truth, scores, weights=outputs.get(ROW_WEIGHT))


class RowLosses(Metric):
    """`loss`: the weighted sum over targets of the mean over rows of the loss of each row."""

    emptied_by_load = True

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights, self.said = dict(weights), False

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in the losses of the rows."""
        for place, name in enumerate(self.weights):
            each, weights = outputs[f"{name}.loss"], outputs.get(ROW_WEIGHT)
            counted = outputs.get(f"{name}.counted")
            sums: dict[str, Tensor | float] = {
                f"{place}/total": exact(each).sum(),
                f"{place}/rows": each.numel() if counted is None else counted.sum(),
            }
            if weights is not None:
                sums = {f"{place}/total": (exact(each) * weights).sum(), f"{place}/rows": exact(weights).sum()}
            self.add(**sums)

    def compute(self) -> dict[str, float]:
        """The loss."""
        if not self.sums or not self.weights:
            return {"loss": float("nan")} if self.weights else {}
        means = [float(self.sums[f"{place}/total"] / self.sums[f"{place}/rows"]) for place in range(len(self.weights))]
        self._say_uncounted()
        return {"loss": sum(weight * mean for weight, mean in zip(self.weights.values(), means, strict=True))}

    def _say_uncounted(self) -> None:
        """Say once that there is nothing to take a mean over, which is another thing than a loss that went wrong."""
        without = [name for place, name in enumerate(self.weights) if float(self.sums[f"{place}/rows"]) == 0]
        if without and not self.said:
            self.said = True
            what = "the loss of '%s' is undefined: nothing counts in these rows (all is left out, as by ignore_index, or weighs nothing)"
            log.warning(what, "', '".join(without))


def _refuse_positions(target: TargetSpec) -> None:
    """Raise ConfigError for metrics of what is found along a sample where a target has one answer a row."""
    named = [measures.label(each) for each in target.metrics if each.type in measures.PARTS and measures.PARTS[each.type].along]
    if named and len(target.positions) != 1:
        has = f"a class at each of {len(target.positions)} axes" if target.positions else "one answer a row"
        fix = "give a target of files with a class at every frame (type: file), or leave the metric out"
        raise ConfigError(f"'{named[0]}' is of events in time, and '{target.name}' has {has}", where=f"metrics of {target.name}", fix=fix)


class SupervisedMetrics(MetricGroup):
    """`loss` and `<target>.<metric>`; of training rows the loss only where it is another than that of the steps."""

    def __init__(self, wanted: Sequence[TargetSpec], finish: Finish, joint: bool) -> None:
        """`finish` makes scores and losses of what a step gave; `joint`: several members answer together, or losses have a penalty."""
        for each in wanted:
            _refuse_positions(each)
        self._finish = finish
        self._differs, self._wants_losses = joint, True
        targets = {
            each.name: TargetMetrics(
                each.metrics or measures.default_metrics(each.kind),
                partial(outcome_of, each.name, each.kind),
                each.classes,
                each.kind,
                bool(each.positions),
            )
            for each in wanted
        }
        super().__init__([("", RowLosses({each.name: each.weight for each in wanted})), *targets.items()])

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in what either kind of step gave for some rows."""
        finished = self._finish(dict(outputs), losses=self._wants_losses)
        for _, each in self.members:
            each.update(finished, batch)

    def compute(self) -> dict[str, float]:
        """All numbers, those of a target under its name whatever that is."""
        found = dict(self.members[0][1].compute()) if self._wants_losses else {}  # type: ignore[arg-type]
        for name, each in self.members[1:]:
            found |= {f"{name}.{metric}": value for metric, value in each.compute().items()}  # type: ignore[union-attr]
        return found

    def for_training(self, budget: int) -> None:
        """The engine has the loss of every step, which is this one unless several members answer together."""
        super().for_training(budget)
        if not self._differs:
            self._wants_losses = False
            self.members[0][1].weights = {}  # type: ignore[attr-defined]
