"""How well the scores of a row order its labels, for predicted sets of labels; ties count against the prediction, as in scikit-learn."""

from __future__ import annotations

from typing import Any

from trainwright.metrics.formulas import Array, Mean


def counts_above(outcome: Any, among: Array) -> Array:
    """Of every label of a row, how many of the labels in `among` (bool [n, k]) score at least as high; [n, k], one label at a time."""
    scores, xp = outcome.scores, outcome.xp
    columns = [((scores >= scores[:, place : place + 1]) & among).sum(axis=1) for place in range(outcome.width)]
    return outcome.floats(xp.stack(columns, axis=1))


class RankingLoss(Mean):
    """Share of pairs of a true and another label that are in the wrong order (Tsoumakas et al. 2010); 0 for rows with no such pair."""

    def each(self, outcome: Any) -> Array:
        truth, xp = outcome.truth, outcome.xp
        wrong = xp.where(truth, counts_above(outcome, ~truth), 0.0).sum(axis=1)
        true, others = outcome.floats(truth.sum(axis=1)), outcome.floats((~truth).sum(axis=1))
        return wrong / (true * others).clip(1.0, None)


class CoverageError(Mean):
    """How many of the likeliest labels are needed to have all true ones; 0 for rows without any."""

    def each(self, outcome: Any) -> Array:
        truth, xp = outcome.truth, outcome.xp
        below = xp.where(truth, outcome.scores, xp.inf)
        lowest = xp.amin(below, axis=1)  # infinite where no label is true: none scores as high
        return outcome.floats((outcome.scores >= lowest[:, None]).sum(axis=1))


class LabelRankingAveragePrecision(Mean):
    """Mean over the true labels of a row of the share of true ones among labels scored as high; 1 for rows with none or all of them."""

    def each(self, outcome: Any) -> Array:
        truth, xp = outcome.truth, outcome.xp
        right, rank = counts_above(outcome, truth), counts_above(outcome, truth | ~truth)
        true = outcome.floats(truth.sum(axis=1))
        mean = xp.where(truth, right / rank, 0.0).sum(axis=1) / true.clip(1.0, None)
        return xp.where((true == 0) | (true == outcome.width), 1.0, mean)
