"""How the metrics of two runs differ, with the interval of the paired difference where both predicted the same rows."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, RunError
from trainwright.config.received import ensure_right
from trainwright.metrics import difference_interval, mode
from trainwright.metrics.balance import say_too_few
from trainwright.metrics.outcome import Outcome
from trainwright.runs.differences import row_weights
from trainwright.runs.results import read_results


@dataclass(frozen=True)
class Pairing:
    """Whether both runs saved predictions of the same test rows, so that they can be compared row by row."""

    same: bool
    why: str = ""
    """Why not."""
    rows: int = 0
    """How many they are."""
    few: str = ""
    """Why nothing follows from metrics of single classes, where one has very few of these rows."""
    comparable: bool = True
    """Whether the numbers are of one measure at all, in which rows count the same."""


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
        return f"{self.ahead} better" if self.ahead else "clear"

    @property
    def ahead(self) -> str:
        """Which run has the better number, `first` or `second`; empty where they are equal, or which way is better is not known."""
        higher = known_direction(self.metric)
        if higher is None or not self.difference:
            return ""
        return "second" if (self.difference > 0) == higher else "first"

    def cells(self) -> tuple[str, ...]:
        """The change as the cells of a table."""
        span = "" if self.low is None or self.high is None else f"{self.low:+.3g} to {self.high:+.3g}"
        better = self.verdict.removesuffix(" better")
        return self.metric, _text(self.first), _text(self.second), _text(self.difference, "+", 3), span, better

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON can hold it."""
        return {**vars(self), "difference": self.difference, "verdict": self.verdict}


def metric_changes(first: Path, second: Path) -> tuple[list[MetricChange], dict[str, Pairing]]:
    """Every metric that both runs have, test first, and by target whether their test rows are the same.

    Raises RunError when results or saved predictions are damaged.
    """
    a, b = read_results(first) or {}, read_results(second) or {}
    found: list[MetricChange] = []
    pairings: dict[str, Pairing] = {}
    unlike = _other_weights(first, second)
    for split in ("test", "validation", "train"):
        x, y = (by_target(each, split) for each in (a, b))
        for target in [name for name in x if name in y]:
            names = [name for name in x[target] if name in y[target]]
            changes = [MetricChange(split, target, name, x[target][name], y[target][name]) for name in names]
            if split == "test" and changes and not unlike:
                pair, pairings[target] = pair_outcomes(first, second, target)
                changes = [_bound_difference(each, *pair) for each in changes] if pair else changes
            found += changes
    if unlike:
        pairings = {each.target: Pairing(False, unlike, comparable=False) for each in found}
    return found, pairings


def _other_weights(first: Path, second: Path) -> str:
    """How rows count otherwise in one run than in the other, by the column of weights; empty where they count alike."""
    a, b = row_weights(first), row_weights(second)
    if a == b:
        return ""
    told = [f"by '{name}'" if name else "all rows alike" for name in (a, b)]
    return f"rows do not count the same in both (data.weights: the first {told[0]}, the second {told[1]})"


def only_in_one(first: Path, second: Path) -> dict[str, list[str]]:
    """The measured metrics that one run alone has: `first` and `second` → their names, training rows left out."""
    a, b = (_names(read_results(run) or {}) for run in (first, second))
    return {"first": sorted(a - b), "second": sorted(b - a)}


def _names(results: dict[str, Any]) -> set[str]:
    found = [(split, target, name) for split in ("test", "validation") for target, of in by_target(results, split).items() for name in of]
    return {" ".join(filter(None, each)) for each in found}


def by_target(results: dict[str, Any], split: str) -> dict[str, dict[str, float | None]]:
    """Target → metric → value; what stands beside the targets, as the loss and all metrics of a system of one's own, under ``."""
    found = results.get("metrics", {}).get(split) or {}
    nested = {name: each for name, each in found.items() if isinstance(each, dict)}
    beside = {name: each for name, each in found.items() if not isinstance(each, dict)}
    return {**nested, "": {**nested.get("", {}), **beside}} if beside else nested


def known_direction(metric: str) -> bool | None:
    """Whether a higher value of a metric is better; None where nothing is known of it."""
    try:
        return mode(metric) == "max"
    except ConfigError:
        return None


def _bound_difference(change: MetricChange, first: Outcome, second: Outcome) -> MetricChange:
    if say_too_few(second, change.metric.partition("(")[0]):
        return change
    try:
        found = difference_interval(second, first, change.metric)
    except (ConfigError, ValueError):  # a metric of one's own, or options that its name does not tell
        return change
    return change if math.isnan(found.low) else replace(change, low=found.low, high=found.high)


def pair_outcomes(first: Path, second: Path, target: str) -> tuple[tuple[Outcome, Outcome] | None, Pairing]:
    """Both runs' outcomes of the same test rows in the same order; none, with the reason, where they cannot be paired."""
    a, b = (read_outcome(each, target) for each in (first, second))
    if a is None or b is None:
        return None, Pairing(False, "no predictions of single rows are kept")
    (rows_a, x), (rows_b, y) = a, b
    if x.kind != y.kind or x.classes != y.classes:
        return None, Pairing(False, "the target is not of the same type and classes in both")
    common = len(np.intersect1d(rows_a, rows_b))
    if common != len(rows_a) or common != len(rows_b):
        return None, Pairing(False, f"their test rows differ ({len(rows_a):,} and {len(rows_b):,}, of which {common:,} are in both)")
    x, y = x.take(np.argsort(rows_a, kind="stable")), y.take(np.argsort(rows_b, kind="stable"))
    if x.truth.shape != y.truth.shape or not np.allclose(x.truth, y.truth, equal_nan=True):
        return None, Pairing(False, "the same rows have other true values: the data differ")
    if not _weighted_alike(x, y):
        return None, Pairing(False, "rows do not count the same in both: the weights of the test rows differ", comparable=False)
    return (x, y), Pairing(True, rows=common, few=say_too_few(x, "balanced_accuracy"))


def _weighted_alike(x: Outcome, y: Outcome) -> bool:
    """Whether the weights of the same rows are the same, but for their unit."""
    if x.weights is None or y.weights is None:
        return x.weights is y.weights
    return bool(np.allclose(x.weights * y.weights.sum(), y.weights * x.weights.sum(), rtol=1e-5))


def read_outcome(run: Path, target: str) -> tuple[np.ndarray, Outcome] | None:
    """Rows and outcome of a target from `outcomes/`, found by the name written in the file."""
    for path in sorted((run / "outcomes").glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["target"]) != target:
                    continue
                classes = [str(each) for each in file["classes"]] or None
                weights = file["weights"] if "weights" in file.files else None
                outcome = Outcome(str(file["kind"]), file["truth"], file["scores"], classes, _threshold(file["threshold"]), weights)
                return np.asarray(file["rows"]), outcome
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            ensure_right(error, path)
            raise RunError(
                "saved predictions are damaged", where=str(path), why=str(error), fix="remove the file to compare without intervals"
            ) from error
    return None


def _threshold(saved: np.ndarray) -> float | np.ndarray:
    """One for a target, or one for each label of a set."""
    return saved if saved.ndim else float(saved)


def _text(value: float | None, sign: str = "", digits: int = 4) -> str:
    return "–" if value is None else f"{value:{sign}.{digits}g}"
