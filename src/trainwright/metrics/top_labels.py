"""How many of the likeliest labels of a row are its own, for predicted sets of labels; rows without a label are left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array


def hits_among_top(outcome: Any, k: int) -> Array:
    """How many of each row's labels are among its k most probable, [n]; of equally probable ones the first count as more probable."""
    scores, xp = outcome.scores, outcome.xp
    columns = []
    for place in range(outcome.width):
        own = scores[:, place : place + 1]
        ahead = (scores > own).sum(axis=1) + (scores[:, :place] == own).sum(axis=1)
        columns.append(outcome.floats((ahead < k) & outcome.truth[:, place]))
    return xp.stack(columns, axis=1).sum(axis=1)


class AmongTop(Additive):
    """The mean over the rows that have a label of a number of their hits among the k most probable."""

    def share(self, hits: Array, labels: Array) -> Array:
        """The number of each row, [n], from hits and how many labels it has (at least 1)."""
        raise NotImplementedError

    def rows(self, outcome: Any) -> Array:
        labels = outcome.floats(outcome.truth.sum(axis=1))
        there = outcome.floats(labels > 0)
        each = self.share(hits_among_top(outcome, self.options.k), labels.clip(1.0, None))
        return outcome.xp.stack([each * there, there], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        return sums[..., 0] / sums[..., 1]


class PrecisionAtK(AmongTop):
    """Share of the k most probable labels that are the row's own."""

    def share(self, hits: Array, labels: Array) -> Array:
        return hits / self.options.k


class RecallAtK(AmongTop):
    """Share of the row's labels that are among the k most probable."""

    def share(self, hits: Array, labels: Array) -> Array:
        return hits / labels
