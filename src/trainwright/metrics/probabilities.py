"""Metrics of the probabilities themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array, Mean
from trainwright.metrics.table import BINARY, SET
from trainwright.metrics.top_labels import hits_among_top

_SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1, so that one sure mistake costs 36 nats and not everything."""


class LogLoss(Mean):
    """Mean of -log p(truth) in nats; for sets the mean over labels of the binary cross entropy."""

    def each(self, outcome: Any) -> Array:
        xp = outcome.xp
        if outcome.kind == SET:
            scores = outcome.scores.clip(_SMALLEST, 1.0 - _SMALLEST)
            return -xp.log(xp.where(outcome.truth, scores, 1.0 - scores)).mean(axis=1)
        return -xp.log(outcome.own.clip(_SMALLEST, 1.0 - _SMALLEST))


class Brier(Mean):
    """Mean squared error of the probabilities: of the positive class for binary targets, summed over classes for others."""

    def each(self, outcome: Any) -> Array:
        error = outcome.ranked - outcome.floats(outcome.positives)
        return (error * error).sum(axis=1)


class TopKAccuracy(Mean):
    """Share of rows whose class is among the k most probable; of equally probable classes the first count as more probable.

    Of sets the share of the rows with a label of which one is among them.
    """

    def rows(self, outcome: Any) -> Array:
        if outcome.kind != SET:
            return super().rows(outcome)
        there = outcome.floats(outcome.truth.any(axis=1))
        return outcome.xp.stack([outcome.floats(hits_among_top(outcome, self.options.k) > 0), there], axis=1)

    def summary(self, batch: Any) -> Array:
        return Additive.summary(self, batch) if batch.kind == SET else super().summary(batch)

    def measure(self, outcome: Any) -> float:
        return Additive.measure(self, outcome) if outcome.kind == SET else super().measure(outcome)

    def each(self, outcome: Any) -> Array:
        own = outcome.own[:, None]
        ahead = (outcome.scores > own).sum(axis=1)
        earlier = outcome.numbers(outcome.width) < outcome.truth[:, None]
        return outcome.floats(ahead + ((outcome.scores == own) & earlier).sum(axis=1) < self.options.k)


def confidence_and_hit(outcome: Any) -> tuple[Array, Array]:
    """What a row's forecast said and whether it came true, each [n]: of the positive class (binary) or of the likeliest."""
    if outcome.kind == BINARY:
        return outcome.scores[:, 1], outcome.floats(outcome.truth == 1)
    return outcome.top, outcome.floats(outcome.labels == outcome.truth)


class ECE(Additive):
    """Calibration error (Naeini et al. 2015): gaps between probability and frequency in bins; of sets the mean over labels."""

    def rows(self, outcome: Any) -> Array:
        bins, xp = self.options.bins, outcome.xp
        pieces = []
        for confidence, hit in self._forecasts(outcome):
            inside = outcome.floats(xp.floor(confidence * bins).clip(None, bins - 1)[:, None] == outcome.numbers(bins))
            pieces += [inside * (confidence - hit)[:, None], inside, inside * hit[:, None]]
        return xp.concatenate(pieces, axis=1)

    def _forecasts(self, outcome: Any) -> list[tuple[Array, Array]]:
        if outcome.kind != SET:
            return [confidence_and_hit(outcome)]
        return [(outcome.scores[:, label], outcome.floats(outcome.truth[:, label])) for label in range(outcome.width)]

    def value(self, sums: np.ndarray) -> np.ndarray:
        gaps, rows, _ = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3, self.options.bins), -2, 0)
        total = rows.sum(axis=-1)
        within = np.where(rows > 0, np.abs(gaps) / np.where(rows > 0, rows, 1.0), 0.0)
        if self.options.norm == "max":
            return within.max(axis=-1).mean(axis=-1)
        if self.options.norm == "l2":
            return np.sqrt((within * within * rows).sum(axis=-1) / total).mean(axis=-1)
        return (np.abs(gaps).sum(axis=-1) / total).mean(axis=-1)

    def summary(self, batch: Any) -> Array:
        """Of every bin (of every label) its gaps, its rows, and those that came true; [labels x 3 bins]."""
        bins, xp = self.options.bins, batch.xp
        found = []
        for confidence, hit in self._forecasts(batch):
            cells = (confidence * bins).floor().clip(0, bins - 1).nan_to_num(0.0).long()
            found.append(batch.sum_bins(cells, xp.stack([confidence - hit, xp.ones_like(hit), hit], dim=1), bins).T.reshape(-1))
        return xp.concatenate(found)

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """Of every bin its rows, their mean probability and how often it came true; of sets over all labels together."""
        gaps, rows, hits = state.reshape(-1, 3, self.options.bins).sum(axis=0)
        return {"rows": rows, "probability": (gaps + hits) / rows, "frequency": hits / rows}
