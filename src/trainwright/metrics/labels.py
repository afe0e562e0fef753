"""Metrics of predicted classes or labels, all functions of three counts per class: hits, predictions, occurrences."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array, Mean, mean_defined
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, SET


def class_counts(counts: np.ndarray, kind: str) -> list[np.ndarray]:
    """Hits, predictions and occurrences of each class [k], from `BatchOutcome.counts`: [3, k], or true × predicted classes [k, k]."""
    counts = counts.astype(np.float64)
    square = kind != SET and counts.shape[0] == counts.shape[1]
    return [counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)] if square else list(counts)


class Accuracy(Mean):
    """Share of rows with the right class."""

    def from_confusion(self, counts: np.ndarray, kind: str) -> float:
        """The metric from what `BatchOutcome.counts` adds up to."""
        hits, _, actual = class_counts(counts, kind)
        return float(hits.sum() / actual.sum())

    def each(self, outcome: Any) -> Array:
        return outcome.floats(outcome.labels == outcome.truth)


class LabelCounts(Additive):
    """A metric of the counts [..., 3 c]: hits, predictions and occurrences of every class."""

    def sums(self, outcome: Outcome, starts: np.ndarray) -> np.ndarray:
        if outcome.kind == SET:
            hits = outcome.truth & outcome.labels
            rows = np.concatenate([hits, outcome.labels, outcome.truth], axis=1).astype(np.float64)
            return np.add.reduceat(rows if outcome.weights is None else rows * outcome.weights[:, None], starts, axis=0)
        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(outcome))) * outcome.width
        hit = outcome.labels == outcome.truth
        cells = len(starts) * outcome.width
        weights = outcome.weights
        counts = [np.bincount(run[hit] + outcome.truth[hit], None if weights is None else weights[hit], cells)]
        counts += [np.bincount(run + classes, weights, cells) for classes in (outcome.labels, outcome.truth)]
        return np.concatenate([each.reshape(len(starts), outcome.width) for each in counts], axis=1).astype(np.float64)

    def from_confusion(self, counts: np.ndarray, kind: str) -> float:
        """The metric from what `BatchOutcome.counts` adds up to."""
        return float(self.from_counts(*class_counts(counts, kind)))

    def value(self, sums: np.ndarray) -> np.ndarray:
        hits, predicted, actual = np.split(sums, 3, axis=-1)
        return self.from_counts(hits, predicted, actual)

    def from_counts(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """The metric from counts per class, each [..., c]."""
        raise NotImplementedError


class BalancedAccuracy(LabelCounts):
    """Mean recall of the classes that occur in the truth."""

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        hits, _, actual = np.split(self.whole(outcome), 3)
        return hits / actual

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The recall of each class; NaN where it does not occur."""
        return {"per_class": state[0] / state[2]}

    def from_counts(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return mean_defined(hits / actual)


class Averaged(LabelCounts):
    """A ratio per class, averaged as the options say; a class neither true nor predicted is left out, other empty ratios are 0."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """The value from counts of one class or of all."""
        raise NotImplementedError

    def average(self, kind: str) -> str:
        """The averaging that the options mean for a kind of target; raises ConfigError when they mean nothing for it."""
        self.options.check_target(kind)
        chosen = str(self.options.average)
        return ("binary" if kind == BINARY else "macro") if chosen == "auto" else chosen

    def sums(self, outcome: Outcome, starts: np.ndarray) -> np.ndarray:
        average = self.average(outcome.kind)
        if average == "samples":
            rows = self._sample_rows(outcome)
            return np.add.reduceat(rows if outcome.weights is None else rows * outcome.weights[:, None], starts, axis=0)
        counts = super().sums(outcome, starts)
        if average == "micro":
            return counts.reshape(len(starts), 3, outcome.width).sum(axis=2)
        return counts[:, 1::2] if average == "binary" else counts

    def summary(self, batch: Any) -> Array:
        return self._sample_rows(batch).sum(axis=0)

    @property
    def by_row(self) -> bool:
        """Whether it is a mean over rows, which counts per class do not give."""
        return str(self.options.average) == "samples"

    def from_confusion(self, counts: np.ndarray, kind: str) -> float:
        found = class_counts(counts, kind)
        average = self.average(kind)
        if average == "micro":
            found = [each.sum(keepdims=True) for each in found]
        return float(self.from_counts(*(each[1:] if average == "binary" else each for each in found)))

    def _sample_rows(self, outcome: Any) -> Array:
        truth, labels, xp = outcome.truth, outcome.labels, outcome.xp
        each = self.ratio(*(outcome.floats(part.sum(axis=1)) for part in (truth & labels, labels, truth)))
        # a row whose true and predicted sets are both empty is exactly right
        each = xp.where(truth.any(axis=1) | labels.any(axis=1), xp.nan_to_num(each), 1.0)
        return xp.stack([each, xp.ones_like(each), xp.zeros_like(each)], axis=1)

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The ratio of each class or label, from its counts; NaN where it is neither. A mean over rows has none."""
        if self.by_row:
            return {}
        hits, predicted, actual = state
        values = np.nan_to_num(self.ratio(hits, predicted, actual))
        return {"per_class": np.where(predicted + actual > 0, values, np.nan)}

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        if self.average(outcome.kind) not in ("macro", "weighted"):
            return None
        return self.details(np.split(self.whole(outcome), 3))["per_class"]

    def value(self, sums: np.ndarray) -> np.ndarray:
        if str(self.options.average) == "samples":
            return sums[..., 0] / sums[..., 1]
        return super().value(sums)

    def from_counts(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        seen = (predicted + actual) > 0
        ratio = np.where(seen, np.nan_to_num(self.ratio(hits, predicted, actual)), np.nan)
        return mean_defined(ratio, actual if self.options.average == "weighted" else None)


class Precision(Averaged):
    """Share of the predictions of a class that are right."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return hits / predicted


class Recall(Averaged):
    """Share of the rows of a class that are found."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return hits / actual


class F1(Averaged):
    """Harmonic mean of precision and recall."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return 2.0 * hits / (predicted + actual)


class Dice(F1):
    """2 hits / (predictions + occurrences) of the pixels of a class: what F1 is called where masks are compared."""


class FBeta(Averaged):
    """(1 + β²) hits / (β² occurrences + predictions) (van Rijsbergen 1979): recall counts β times as much as precision."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        square = float(self.options.beta) ** 2
        return (1.0 + square) * hits / (square * actual + predicted)


class IoU(Averaged):
    """Intersection over union (Jaccard index) of a class: hits over all that are of it or were predicted as it."""

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return hits / (predicted + actual - hits)
