"""Metrics of a plain system: its loss per item, and what was asked for by name, as functions, or as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.metrics.asked import Asked, Wishes
from trainwright.metrics.base import Metric
from trainwright.metrics.group import MetricGroup
from trainwright.systems.loss_refusal import explain_refusal
from trainwright.systems.plain_batch import TARGET

if TYPE_CHECKING:
    from trainwright.losses.base import Criterion

MetricFunction = Callable[[Tensor, Tensor], Any]

USUAL = {"category": ["accuracy"], "binary": ["accuracy"], "number": ["r2", "rmse", "mae"]}
WHERE = "tw.fit(metrics)"


def wishes(asked: Asked, loss: Criterion) -> Wishes:
    """What was asked for, or what is usual for the loss; raises ConfigError for names that do not fit it."""
    usual = asked is None
    knows = bool(loss.kind) or (loss.simple and loss.read_expected() == "logits")
    return Wishes(USUAL.get(loss.kind) if usual else asked, loss.kind, WHERE, knows=knows, usual=usual)


def pair_of(outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """Output and target among what an evaluation step gave."""
    return (outputs["output"], outputs[TARGET]) if "output" in outputs else None


class LossMetric(Metric):
    """`loss`: the sum over all items by their number, as the loss itself counts them; the engine has its own of training rows."""

    emptied_by_load = True

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion, self._counts = criterion, True

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in `loss` and `items` of the rows, or compute them from `output` and `target`."""
        if not self._counts:
            return
        if "loss" in outputs:
            self.add(total=outputs["loss"].double().sum(), items=outputs["items"].double().sum())
            return
        total, count = self.criterion.total(outputs["output"], outputs[TARGET])
        self.add(total=total, items=count if isinstance(count, int) else count.double())

    def compute(self) -> dict[str, float]:
        """The loss per item; NaN where there are none."""
        items = float(self.sums["items"]) if self.sums else 0.0
        return {"loss": float(self.sums["total"]) / items if items else float("nan")} if self._counts else {}

    def for_training(self, budget: int) -> None:
        """The engine has the loss of every step."""
        self._counts = False

    def names(self) -> list[str]:
        """The loss."""
        return ["loss"]

    def higher_is_better(self, name: str) -> bool:
        """A loss is better when it is lower."""
        return False


class PlainMetrics(MetricGroup):
    """The loss, and the metrics asked for; raises DataError for outputs and targets that the loss refuses."""

    def __init__(self, criterion: Criterion, wished: MetricGroup) -> None:
        self._criterion = criterion
        members: Iterable[tuple[str, Metric]] = wished.members
        super().__init__([("", LossMetric(criterion)), *members])

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Show the rows to every metric. Raises DataError in words for rows that the loss does not take."""
        try:
            super().update(outputs, batch)
        except (RuntimeError, ValueError, IndexError) as error:
            found = explain_refusal(self._criterion, error, outputs.get("output"), outputs.get(TARGET), outputs, "rows that are measured")
            if found is None:
                raise
            raise found from error
