"""How the metrics of two runs differ, with the interval of the paired difference where both predicted the same rows."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, RunError
from trainwright.metrics import PARTS, difference_interval
from trainwright.metrics.outcome import Outcome
from trainwright.runs.results import read_results


@dataclass(frozen=True)
class MetricChange:
    """One metric of one target and split in both runs; `difference` is second minus first."""

    split: str
    target: str
    metric: str
    first: float | None
    second: float | None
    low: float | None = None
    high: float | None = None
    """The 95 % interval of the difference, from the same resamples of the rows that both predicted; None when it cannot be had."""

    @property
    def difference(self) -> float | None:
        """Second minus first; None when one is undefined."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def verdict(self) -> str:
        """Which is better, as far as the interval allows to say; empty without an interval."""
        if self.low is None or self.high is None:
            return ""
        if self.first == self.second and self.low == self.high == 0:
            return "equal"
        if self.low <= 0 <= self.high:
            return "not clear"
        part = PARTS.get(self.metric)
        if part is None:
            return "clear"
        return "second better" if (self.low > 0) == part.higher_is_better else "first better"

    def cells(self) -> tuple[str, ...]:
        """The change as the cells of a table."""
        span = "" if self.low is None or self.high is None else f"{self.low:+.4g} to {self.high:+.4g}"
        return (
            self.split,
            self.target,
            self.metric,
            _text(self.first),
            _text(self.second),
            _text(self.difference, "+"),
            span,
            self.verdict,
        )

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON can hold it."""
        return {**vars(self), "difference": self.difference, "verdict": self.verdict}


def metric_changes(first: Path, second: Path) -> list[MetricChange]:
    """Every metric that both runs have, test first. Raises RunError when results or saved predictions are damaged."""
    a, b = read_results(first) or {}, read_results(second) or {}
    found: list[MetricChange] = []
    for split in ("test", "validation", "train"):
        x, y = (each.get("metrics", {}).get(split) or {} for each in (a, b))
        for target in [name for name in x if isinstance(x[name], dict) and isinstance(y.get(name), dict)]:
            names = [name for name in x[target] if name in y[target]]
            changes = [MetricChange(split, target, name, x[target][name], y[target][name]) for name in names]
            found += _with_intervals(changes, first, second, target) if split == "test" else changes
    return found


def _with_intervals(changes: list[MetricChange], first: Path, second: Path, target: str) -> list[MetricChange]:
    pair = pair_outcomes(first, second, target)
    return [_bound_difference(each, *pair) for each in changes] if pair else changes


def _bound_difference(change: MetricChange, first: Outcome, second: Outcome) -> MetricChange:
    try:
        found = difference_interval(second, first, change.metric)
    except (ConfigError, ValueError):  # a metric of one's own, or options that its name does not tell
        return change
    return change if math.isnan(found.low) else replace(change, low=found.low, high=found.high)


def pair_outcomes(first: Path, second: Path, target: str) -> tuple[Outcome, Outcome] | None:
    """Both runs' outcomes of the same test rows in the same order; None when they saved none or their rows or truths differ."""
    a, b = (_read_outcome(each, target) for each in (first, second))
    if a is None or b is None:
        return None
    (rows_a, x), (rows_b, y) = a, b
    if x.kind != y.kind or x.classes != y.classes or len(rows_a) != len(rows_b):
        return None
    order_a, order_b = np.argsort(rows_a, kind="stable"), np.argsort(rows_b, kind="stable")
    x, y = x.take(order_a), y.take(order_b)
    same = np.array_equal(rows_a[order_a], rows_b[order_b]) and x.truth.shape == y.truth.shape
    return (x, y) if same and np.allclose(x.truth, y.truth, equal_nan=True) else None


def _read_outcome(run: Path, target: str) -> tuple[np.ndarray, Outcome] | None:
    """Rows and outcome of a target from `outcomes/`, found by the name written in the file."""
    for path in sorted((run / "outcomes").glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["target"]) != target:
                    continue
                classes = [str(each) for each in file["classes"]] or None
                outcome = Outcome(str(file["kind"]), file["truth"], file["scores"], classes, float(file["threshold"]))
                return np.asarray(file["rows"]), outcome
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(
                "saved predictions are damaged", where=str(path), why=str(error), fix="remove the file to compare without intervals"
            ) from error
    return None


def _text(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.5g}"
