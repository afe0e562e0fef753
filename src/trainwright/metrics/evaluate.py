"""Computing metrics of an outcome, each by its key."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, check_target
from trainwright.metrics import PARTS, from_label, label
from trainwright.metrics.formulas import Formula
from trainwright.metrics.outcome import Outcome


@lru_cache(maxsize=256)
def _build_formula(metric: PartConfig) -> Formula:
    built: Formula = build("metric", metric)
    return built


def instance(metric: PartConfig | str, kind: str) -> Formula:
    """The metric made from its options or its name; raises ConfigError when it is not defined for this kind of target."""
    chosen = from_label(metric) if isinstance(metric, str) else metric
    check_target("metric", chosen, kind)
    if chosen.type in PARTS:
        return _build_formula(chosen)
    made: Any = build("metric", chosen)
    return made if callable(made) else AsFormula(made)


class AsFormula(Formula):
    """A metric class of a person's own that was written when the base of such was called `Metric`."""

    def __init__(self, given: Any) -> None:
        super().__init__(getattr(given, "options", None))
        if not callable(getattr(given, "measure", None)):
            fix = "derive it from trainwright.metrics.formulas.Formula and write measure(self, outcome)"
            raise ConfigError(f"{type(given).__name__} is no metric of truth and scores", where="metrics", fix=fix)
        warnings.warn(f"{type(given).__name__}: derive it from trainwright.metrics.formulas.Formula", DeprecationWarning, stacklevel=2)
        self._given = given
        self.has_interval = bool(getattr(given, "has_interval", True))

    def measure(self, outcome: Outcome) -> float:
        return float(self._given.measure(outcome))


def compute(outcome: Outcome, metrics: Iterable[PartConfig | str]) -> dict[str, float]:
    """Every metric of the outcome by its key; NaN where undefined, and for every metric when a score is NaN."""
    return {metric if isinstance(metric, str) else label(metric): compute_one(outcome, metric) for metric in metrics}


def compute_one(outcome: Outcome, metric: PartConfig | str) -> float:
    """One metric of the outcome."""
    return float(instance(metric, outcome.kind)(outcome))
