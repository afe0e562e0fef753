"""Exact Shapley values of a few columns against a baseline (Shapley 1953; "baseline Shapley" of Sundararajan and Najmi 2020)."""

from __future__ import annotations

from math import factorial

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.explain import MOST_PLAYERS, ShapleyOptions
from trainwright.explain.batches import answers, combined, cut, differing, rows_in
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.study import Study
from trainwright.explain.subject import Tensors

PAIRS = 1 << 16
"""Rows with some of their columns replaced that are in memory at a time."""


class Shapley:
    """The mean over all orders of what a column adds when it takes its value; the sum is exactly the difference to the baseline."""

    def __init__(self, options: ShapleyOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """Attributions of every row that is looked at. Raises RequestError for more columns than can be computed exactly."""
        ensure_few(study)
        found = begin(study, self.options.of == "logit", baseline=True)
        if study.named:
            found.notes.append("the columns that were not named keep their values; the baseline is of the named ones alone")
        collector = Collector(study, found)
        for places, tensors in study.batches():
            collector.add(self._batch(study, tensors, study.indices[places]), {}, {})
        return collector.finish()

    def _batch(self, study: Study, tensors: Tensors, indices: np.ndarray) -> Rows:
        chosen = study.chosen(tensors)
        tensors, compared = study.with_baseline(tensors)
        keep = coalitions(len(study.players))
        worth = np.concatenate(
            [
                self._worth(study, cut(tensors, *some), cut(compared, *some), chosen[slice(*some)], keep)
                for some in _pieces(rows_in(tensors), len(keep))
            ]
        )
        values = worth @ weights(keep.numpy()).T
        return Rows(indices, chosen.numpy(), worth[:, -1], worth[:, 0], values, values.sum(1) - (worth[:, -1] - worth[:, 0]))

    def _worth(self, study: Study, tensors: Tensors, compared: Tensors, chosen: Tensor, keep: Tensor) -> np.ndarray:
        """The answer of each row (b, 2^n) with the columns of each coalition as they are and the others the baseline's.

        A column with the value of the baseline changes nothing: coalitions that differ in such columns alone are answered once.
        """
        count, sets = rows_in(tensors), len(keep)
        bits = 2 ** np.arange(keep.shape[1])
        differ = differing(tensors, compared, study.players).numpy() @ bits
        codes = np.arange(count)[:, None] * sets + (np.arange(sets)[None] & differ[:, None])
        asked, back = np.unique(codes, return_inverse=True)
        rows, kept = torch.from_numpy(asked // sets), keep[torch.from_numpy(asked % sets)]
        given = answers(study.subject, combined(tensors, compared, study.players, rows, kept), self.options.of == "logit")
        found: np.ndarray = given.gather(1, chosen[rows, None])[:, 0].numpy()[back.reshape(count, sets)]
        return found


def ensure_few(study: Study) -> None:
    """Raises RequestError for more columns than coalitions of them can be gone through."""
    count = len(study.players)
    if count > MOST_PLAYERS:
        some = ",".join(study.names[:MOST_PLAYERS])
        raise RequestError(
            f"{count} columns are too many for exact Shapley values",
            where="--method shapley",
            why=f"2^{count} combinations would be predicted for every row; {MOST_PLAYERS} columns or groups are the most",
            fix=f"name some (--columns {some}), or join some (--group A,B)",
        )


def coalitions(count: int) -> Tensor:
    """Every set of `count` players (2^count, count), the empty one first and the whole one last."""
    numbers = torch.arange(2**count)
    return (numbers[:, None] >> torch.arange(count)) % 2 == 1


def weights(keep: np.ndarray) -> np.ndarray:
    """What the worth of each coalition counts for each player (players, 2^n): |S|! (n - |S| - 1)! / n!, negative without the player."""
    sizes, count = keep.sum(1), keep.shape[1]
    orders = np.array([factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)])
    found: np.ndarray = np.where(keep, orders[np.maximum(sizes - 1, 0), None], -orders[np.minimum(sizes, count - 1), None]).T
    return found


def _pieces(rows: int, coalitions_: int) -> list[tuple[int, int]]:
    size = max(1, PAIRS // coalitions_)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]
