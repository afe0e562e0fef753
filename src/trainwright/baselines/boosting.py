"""Histogram gradient boosting of decision trees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from trainwright.baselines import BoostingOptions
from trainwright.baselines.base import class_scores, drawn_rows, ensure_columns, join_scores, outputs_of, rows_of, value_scores
from trainwright.baselines.inputs import Inputs, code_counts, frequent_codes
from trainwright.config.errors import RequestError
from trainwright.metrics.table import CATEGORY, CLASSES, SET

_CATEGORIES = 254
_WORDS = 200
_SPARSE = 0.005
"""Below this share of values a number column only says whether there is one."""
_OUTPUTS = 32
_EARLY = 10_000
"""Above this many rows growing stops when held-back rows no longer improve."""
_WORK = 3e9
"""Columns × trees × (rows + bins searched) that one core does in about half a minute; more is asked of few tables."""
_SEARCHED = 15_000
"""Bins looked at per column of a tree: two children of thirty splits, 255 bins each."""
_FEWEST = 5000
"""Training rows below which rounds are given up before rows are."""


class TreeTable:
    """Columns as trees read them: numbers with NaN for missing, categories as codes (rare ones together), counts of frequent tokens."""

    def __init__(self, train: Inputs) -> None:
        self.categories = [frequent_codes(each, _CATEGORIES) for each in train.codes]
        self.words = [frequent_codes(each, _WORDS, skip_zero=True) for each in train.tokens]
        # scikit-learn refuses a column without values, also when only the rows it holds back have some: presence stands in for them
        self.sparse = np.flatnonzero((~np.isnan(train.numbers)).mean(axis=0) < _SPARSE)
        first = train.numbers.shape[1]
        self.categorical = list(range(first, first + len(train.codes)))

    def matrix(self, inputs: Inputs) -> np.ndarray:
        """The rows as float64 [n, columns]."""
        numbers = inputs.numbers.copy()
        numbers[:, self.sparse] = ~np.isnan(numbers[:, self.sparse])
        codes = [_rank_codes(each, chosen) for each, chosen in zip(inputs.codes, self.categories, strict=True)]
        counts = [code_counts(each, chosen).toarray() for each, chosen in zip(inputs.tokens, self.words, strict=True)]
        return np.concatenate([numbers, *codes, *counts], axis=1)


def _rank_codes(codes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Positions among the chosen codes, all others sharing the position after them, [n, 1]."""
    place = np.searchsorted(chosen, codes)
    known = chosen[np.minimum(place, len(chosen) - 1)] == codes
    return np.where(known, place, len(chosen)).astype(np.float64)[:, None]


class Boosting:
    """Gradient boosting with scikit-learn's histogram trees; categories are split natively."""

    def __init__(self, options: BoostingOptions, *, seed: int = 0) -> None:
        self.options, self.seed, self.notes = options, seed, list[str]()
        self.weights: np.ndarray | None = None
        self.scored: list[np.ndarray] | None = None
        self.rounds = options.iterations

    def prepare(self, train: Inputs, others: Sequence[Inputs]) -> None:
        """Makes the tables of the training rows and the rows to score. Raises RequestError without a column."""
        ensure_columns(train)
        self.total = len(train)
        self.rows = drawn_rows(len(train), self.options.max_rows, self.seed)
        kept = rows_of(train, self.rows)
        self.columns = TreeTable(kept)
        self.design, self.others = self.columns.matrix(kept), [self.columns.matrix(each) for each in others]

    def scores(self, kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
        """Grows one forest, or one per label or element, and scores the other rows; raises RequestError for more than 32 of them."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        truth = truth if self.rows is None else truth[self.rows]
        weights = self.weights if self.rows is None or self.weights is None else self.weights[self.rows]
        forests = 1 if kind in CLASSES or truth.ndim == 1 else width
        if forests > _OUTPUTS:
            raise RequestError(f"one forest for each of {forests} outputs would take minutes")
        forests = width if kind == CATEGORY else forests
        design, truth, weights = self._affordable(truth, weights, forests)
        # one thread: trees wait for each other many times, which on busy cores costs thirty times what a second one brings
        with threadpool_limits(1, user_api="openmp"):
            return self._grow(kind, width, design, truth, weights)

    def _grow(self, kind: str, width: int, design: np.ndarray, truth: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
        outputs = outputs_of(kind, width, truth)
        if kind in CLASSES:
            return class_scores(partial(self._classifier, truth), design, truth, self.others, width, weights)
        if kind == SET:
            return join_scores(
                kind, [class_scores(partial(self._classifier, each), design, each, self.others, 2, weights) for each in outputs]
            )
        parts = [value_scores(self._regressor, design, each, self.others, weights) for each in outputs]
        return parts[0] if truth.ndim == 1 else join_scores(kind, parts)

    def _affordable(self, truth: Any, weights: Any, forests: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """As many rounds, then as many training rows, as the work allows."""
        rows, columns = self.design.shape
        work = _WORK / (max(columns, 1) * forests)
        self.rounds = min(self.options.iterations, max(10, int(work / (_SEARCHED + min(rows, _FEWEST)))))
        if self.rounds < self.options.iterations:
            self.notes.append(f"grown for {self.rounds} of {self.options.iterations} rounds")
        chosen = drawn_rows(rows, max(_FEWEST, int(work / self.rounds) - _SEARCHED), self.seed)
        used = rows if chosen is None else len(chosen)
        if used < self.total:
            self.notes.append(f"trained on {used:,} of {self.total:,} rows")
        if chosen is None:
            return self.design, truth, weights
        return self.design[chosen], truth[chosen], None if weights is None else weights[chosen]

    def _settings(self) -> dict[str, Any]:
        options = self.options
        return {
            "max_iter": self.rounds,
            "learning_rate": options.learning_rate,
            "max_leaf_nodes": options.leaves,
            "categorical_features": self.columns.categorical or None,
            "random_state": self.seed % 2**32,  # scikit-learn takes no more
        }

    def _classifier(self, truth: np.ndarray) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        counts = np.bincount(truth)
        # stopping early holds rows of every class back, which a class with one row does not have
        early = len(truth) > _EARLY and int(counts[counts > 0].min()) > 1
        return HistGradientBoostingClassifier(early_stopping=early, **self._settings())

    def _regressor(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(**self._settings())
