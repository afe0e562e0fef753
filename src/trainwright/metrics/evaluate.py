"""Computing metrics of an outcome, and choosing the probability at which a binary target is decided."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, check_target
from trainwright.metrics import PARTS, from_label, label
from trainwright.metrics.formulas import Formula
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.ranking import tie_ends
from trainwright.metrics.table import BINARY


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


def best_threshold(outcome: Outcome, metric: PartConfig | str = "f1", limit: int = 512) -> tuple[float, float]:
    """The probability at which to decide a binary target so that the metric is best, and the metric there.

    Candidates are 0.5 and midpoints between neighbouring scores (at most `limit`, evenly spaced in rank). Of equally good ones the
    nearest to 0.5 is taken. Returns (0.5, NaN) when the metric is undefined. Raises ValueError for other kinds of target.
    """
    if outcome.kind != BINARY:
        raise ValueError(f"a threshold is chosen for binary targets, not for {outcome.kind}")
    if not outcome.usable:
        return 0.5, math.nan
    part = PARTS[(from_label(metric) if isinstance(metric, str) else metric).type]
    sign = 1.0 if part.higher_is_better else -1.0
    ordered = np.sort(outcome.scores[:, 1])
    distinct = ordered[tie_ends(ordered)]
    middles = (distinct[1:] + distinct[:-1]) / 2.0
    if len(middles) > limit:
        middles = middles[np.linspace(0, len(middles) - 1, limit).round().astype(int)]
    candidates = sorted({0.5, *middles.tolist()}, key=lambda each: abs(each - 0.5))
    values = [sign * compute_one(outcome.at_threshold(each), metric) for each in candidates]
    if all(math.isnan(each) for each in values):
        return 0.5, math.nan
    best = int(np.nanargmax(values))
    return candidates[best], sign * values[best]
