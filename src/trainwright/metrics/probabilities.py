"""Metrics of the probabilities themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array, Mean
from trainwright.metrics.table import BINARY, SET

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
    """Share of rows whose class is among the k most probable; of equally probable classes the first count as more probable."""

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
    """Expected calibration error (Naeini et al. 2015): mean over rows of the gap between probability and frequency in the row's bin."""

    def rows(self, outcome: Any) -> Array:
        confidence, hit = confidence_and_hit(outcome)
        bins, xp = self.options.bins, outcome.xp
        inside = xp.floor(confidence * bins).clip(None, bins - 1)[:, None] == outcome.numbers(bins)
        return xp.concatenate([inside * (confidence - hit)[:, None], xp.ones_like(confidence)[:, None]], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        return np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]

    def summary(self, batch: Any) -> Array:
        """The sums, and of every bin its rows and those that came true, for the curve of reliability; [3 bins + 1]."""
        confidence, hit = confidence_and_hit(batch)
        bins, xp = self.options.bins, batch.xp
        cells = (confidence * bins).floor().clip(0, bins - 1).nan_to_num(0.0).long()
        gaps, rows, hits = batch.sum_bins(cells, xp.stack([confidence - hit, xp.ones_like(hit), hit], dim=1), bins).T
        return xp.concatenate([gaps, rows.sum().reshape(1), rows, hits])

    def value_of(self, summary: np.ndarray) -> float:
        return float(self.value(summary[: self.options.bins + 1]))

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """Of every bin its rows, their mean probability and how often it came true."""
        bins = self.options.bins
        gaps, rows, hits = state[:bins], state[bins + 1 : 2 * bins + 1], state[2 * bins + 1 :]
        return {"rows": rows, "probability": (gaps + hits) / rows, "frequency": hits / rows}
