"""Metrics of the probabilities themselves."""

from __future__ import annotations

import numpy as np

from trainwright.metrics.base import Additive, Mean
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, SET

_SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1, so that one sure mistake costs 36 nats and not everything."""


class LogLoss(Mean):
    """Mean of -log p(truth) in nats; for sets the mean over labels of the binary cross entropy."""

    def each(self, outcome: Outcome) -> np.ndarray:
        scores = np.clip(outcome.scores, _SMALLEST, 1.0 - _SMALLEST)
        if outcome.kind == SET:
            return -np.log(np.where(outcome.truth, scores, 1.0 - scores)).mean(axis=1)
        return -np.log(scores[np.arange(len(outcome)), outcome.truth])


class Brier(Mean):
    """Mean squared error of the probabilities: of the positive class for binary targets, summed over classes for others."""

    def each(self, outcome: Outcome) -> np.ndarray:
        error = outcome.ranked - outcome.positives
        return np.einsum("nk,nk->n", error, error)


class TopKAccuracy(Mean):
    """Share of rows whose class is among the k most probable; of equally probable classes the first count as more probable."""

    def each(self, outcome: Outcome) -> np.ndarray:
        own = outcome.scores[np.arange(len(outcome)), outcome.truth][:, None]
        ahead = (outcome.scores > own).sum(axis=1)
        earlier = np.arange(outcome.width) < outcome.truth[:, None]
        return (ahead + ((outcome.scores == own) & earlier).sum(axis=1) < self.options.k).astype(np.float64)


def confidence_and_hit(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """What a row's forecast said and whether it came true, each [n]: of the positive class (binary) or of the likeliest."""
    if outcome.kind == BINARY:
        return outcome.scores[:, 1], (outcome.truth == 1).astype(np.float64)
    return outcome.scores.max(axis=1), (outcome.labels == outcome.truth).astype(np.float64)


class ECE(Additive):
    """Expected calibration error (Naeini et al. 2015): mean over rows of the gap between probability and frequency in the row's bin."""

    def rows(self, outcome: Outcome) -> np.ndarray:
        confidence, hit = confidence_and_hit(outcome)
        bins = self.options.bins
        inside = np.minimum((confidence * bins).astype(np.int64), bins - 1)[:, None] == np.arange(bins)
        return np.concatenate([inside * (confidence - hit)[:, None], np.ones((len(outcome), 1))], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        return np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]
