"""Agreement of true and predicted classes beyond chance: Matthews correlation, Cohen's kappa; of sets that of each label, then the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Array, mean_defined
from trainwright.metrics.labels import LabelCounts
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import SET


class Agreement(LabelCounts):
    """A metric of counts per class; of sets it is that of every label against its absence, averaged over the labels where it is defined."""

    summed_for = (SET,)
    """Kinds for which counts per class do not suffice: of sets the number of rows is needed beside them."""

    def rows(self, outcome: Any) -> Array:
        """Of a set: hits, predictions and occurrences of every label, and 1; [n, 3 c + 1]."""
        truth, labels, xp = outcome.truth, outcome.labels, outcome.xp
        return outcome.floats(xp.concatenate([truth & labels, labels, truth, xp.ones_like(truth[:, :1])], axis=1))

    def sums(self, outcome: Outcome, starts: np.ndarray) -> np.ndarray:
        if outcome.kind != SET:
            return super().sums(outcome, starts)
        rows = self.rows(outcome)
        return np.add.reduceat(rows if outcome.weights is None else rows * outcome.weights[:, None], starts, axis=0)

    def value(self, sums: np.ndarray) -> np.ndarray:
        return mean_defined(self.by_label(sums)) if sums.shape[-1] % 3 else super().value(sums)

    def by_label(self, sums: np.ndarray) -> np.ndarray:
        """The metric of each label of a set [..., c], from sums [..., 3 c + 1]; NaN where it is undefined."""
        hits, predicted, actual = np.split(sums[..., :-1], 3, axis=-1)
        rows = sums[..., -1:]
        neither = rows - predicted - actual + hits
        pairs = (np.stack(each, axis=-1) for each in ((neither, hits), (rows - predicted, predicted), (rows - actual, actual)))
        return self.from_counts(*pairs)

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        return self.by_label(self.whole(outcome)) if outcome.kind == SET else None

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each label of a set; nothing of classes."""
        return {"per_class": self.by_label(state)} if isinstance(state, np.ndarray) and state.ndim == 1 else {}


class MCC(Agreement):
    """Matthews correlation for any number of classes (Gorodkin 2004); 0 when one class is always predicted, NaN when only one occurs."""

    def from_counts(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        n = actual.sum(axis=-1)
        covariance = hits.sum(axis=-1) * n - (predicted * actual).sum(axis=-1)
        spread_predicted = n * n - (predicted * predicted).sum(axis=-1)
        spread_actual = n * n - (actual * actual).sum(axis=-1)
        correlation = covariance / np.sqrt(spread_predicted * spread_actual)
        return np.where(spread_actual == 0, np.nan, np.where(spread_predicted == 0, 0.0, correlation))


class Kappa(Agreement):
    """Cohen's kappa (1960, weighted 1968): agreement beyond what the class frequencies alone would give; NaN when only one class occurs.

    With weights a wrong class costs its distance, or the square of it, in the order of the classes: 1 - Σ cost observed / Σ cost expected.
    """

    @property
    def by_row(self) -> bool:
        """Whether distances of true and predicted class are summed, which counts per class do not give."""
        return self.options.weights != "none"

    def rows(self, outcome: Any) -> Array:
        if outcome.kind == SET:
            return super().rows(outcome)
        classes = outcome.numbers(outcome.width)
        distance = outcome.floats(abs(outcome.labels - outcome.truth)) ** self._power
        shown = [outcome.floats(each[:, None] == classes) for each in (outcome.labels, outcome.truth)]
        return outcome.xp.concatenate([*shown, distance[:, None]], axis=1)

    @property
    def _power(self) -> int:
        return 2 if self.options.weights == "quadratic" else 1

    def sums(self, outcome: Outcome, starts: np.ndarray) -> np.ndarray:
        if outcome.kind == SET or not self.by_row:
            return super().sums(outcome, starts)
        rows = self.rows(outcome)
        return np.add.reduceat(rows if outcome.weights is None else rows * outcome.weights[:, None], starts, axis=0)

    def value(self, sums: np.ndarray) -> np.ndarray:
        if not self.by_row:
            return super().value(sums)
        predicted, actual = np.split(sums[..., :-1], 2, axis=-1)
        classes = np.arange(predicted.shape[-1])
        cost = np.abs(classes[:, None] - classes).astype(np.float64) ** self._power
        expected = ((actual @ cost) * predicted).sum(axis=-1) / actual.sum(axis=-1)
        return 1.0 - sums[..., -1] / expected

    def from_counts(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        n = actual.sum(axis=-1)
        observed, expected = hits.sum(axis=-1) / n, (predicted * actual).sum(axis=-1) / (n * n)
        return (observed - expected) / (1.0 - expected)

    def details(self, state: Any) -> dict[str, np.ndarray]:
        return {} if self.by_row else super().details(state)
