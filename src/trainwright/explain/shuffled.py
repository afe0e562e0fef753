"""Permutation importance as a method: columns, or groups of them, that take their values from other rows."""

from __future__ import annotations

import math

import numpy as np

from trainwright.config.errors import RequestError
from trainwright.explain import PermutationOptions
from trainwright.explain.batches import Player, replaced
from trainwright.explain.explanation import Explanation, begin
from trainwright.explain.permutation import measure_drops, rank_columns
from trainwright.explain.study import Study
from trainwright.explain.subject import Tensors

FEWEST = 2
"""Rows that can be shuffled."""


class Permutation:
    """How much worse a metric is with a column shuffled, with its deviation over repeats and the standard error of the mean."""

    needs_truth = True

    def __init__(self, options: PermutationOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """The drop of the metric for each column. Raises RequestError for rows without a truth, and for fewer than two."""
        if len(study.indices) < FEWEST:
            what = "one row cannot be shuffled"
            raise RequestError(what, where="--method permutation", fix="give more rows, or use --method occlusion or shapley")
        measure = study.subject.measure(self.options.metric, study.indices)
        found = begin(study)
        found.about = f"{measure.name}: how much worse it is when a column is shuffled"

        def measured(number: int | None, order: np.ndarray | None) -> dict[str, float]:
            if number is None or order is None:
                return {"": measure.of(None)}
            return {"": measure.of(Shuffle(study, study.players[number], order))}

        drops, _ = measure_drops(
            measured, study.names, len(study.indices), {"": measure.higher_is_better}, seed=study.asked.seed, repeats=self.options.repeats
        )
        error = math.sqrt(max(self.options.repeats - 1, 1))
        found.ranked = [{**each, "standard_error": each["drop_std"] / error} for each in rank_columns(drops, "")]
        found.settings["metric"] = measure.name
        return found


class Shuffle:
    """Takes the columns of a player from the rows of another order; only the rows of a batch are in memory."""

    def __init__(self, study: Study, player: Player, order: np.ndarray) -> None:
        self.study, self.player = study, player
        self.from_where = dict(zip(study.indices.tolist(), study.indices[order].tolist(), strict=True))

    def __call__(self, tensors: Tensors, indices: np.ndarray) -> Tensors:
        """The batch of the rows with these numbers, changed."""
        donors = self.study.subject.take(np.array([self.from_where[int(index)] for index in indices], np.int64))
        return replaced(tensors, donors, self.player)
