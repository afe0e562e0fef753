"""Logistic and ridge regression on standardised, one-hot encoded columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.baselines import LinearOptions
from trainwright.baselines.base import class_scores, drawn_rows, ensure_columns, join_scores, outputs_of, rows_of, value_scores
from trainwright.baselines.inputs import Inputs, code_counts, frequent_codes
from trainwright.metrics.table import CLASSES, VALUES

_CATEGORIES = 255
_TOKENS = 5000
_DENSE = 512
"""Up to this many columns the design is a dense matrix."""
_OPERATIONS = 4e10
"""About what two cores multiply and add in ten seconds."""


class Design:
    """Columns as a matrix: numbers filled with the median, flagged and standardised; categories one-hot; tokens as log counts."""

    def __init__(self, train: Inputs) -> None:
        defined = ~np.isnan(train.numbers)
        with np.errstate(all="ignore"):
            self.medians = np.array(
                [np.median(each[known]) if known.any() else 0.0 for each, known in zip(train.numbers.T, defined.T, strict=True)]
            )
        self.flagged = np.flatnonzero(~defined.all(axis=0))
        filled = np.where(defined, train.numbers, self.medians) if train.numbers.size else train.numbers
        self.means, deviations = filled.mean(axis=0), filled.std(axis=0)
        self.deviations = np.where(deviations > 1e-12 * np.abs(self.means), deviations, np.inf)
        self.categories = [frequent_codes(each, _CATEGORIES) for each in train.codes]
        self.words = [frequent_codes(each, _TOKENS, skip_zero=True) for each in train.tokens]

    def matrix(self, inputs: Inputs) -> Any:
        """The rows as a dense or sparse matrix."""
        from scipy import sparse

        missing = np.isnan(inputs.numbers)
        numbers = (np.where(missing, self.medians, inputs.numbers) - self.means) / self.deviations
        parts = [sparse.csr_matrix(np.concatenate([numbers, missing[:, self.flagged]], axis=1))]
        parts += [code_counts(each[:, None], chosen) for each, chosen in zip(inputs.codes, self.categories, strict=True)]
        parts += [code_counts(each, chosen).log1p() for each, chosen in zip(inputs.tokens, self.words, strict=True)]
        whole = sparse.hstack(parts, format="csr")
        return whole.toarray() if whole.shape[1] <= _DENSE else whole


class Linear:
    """Logistic regression for classes and labels, ridge regression for numbers."""

    def __init__(self, options: LinearOptions, *, seed: int = 0) -> None:
        self.options, self.seed, self.notes = options, seed, list[str]()
        self.weights: np.ndarray | None = None
        self.scored: list[np.ndarray] | None = None

    def prepare(self, train: Inputs, others: Sequence[Inputs]) -> None:
        """Makes the matrices of the training rows and the rows to score. Raises RequestError without a column."""
        ensure_columns(train)
        self.total = len(train)
        self.rows = drawn_rows(len(train), self.options.max_rows, self.seed)
        kept = rows_of(train, self.rows)
        design = Design(kept)
        self.design, self.others = design.matrix(kept), [design.matrix(each) for each in others]

    def scores(self, kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
        """Fits one model, or one per label of a set, and scores the other rows."""
        truth = truth if self.rows is None else truth[self.rows]
        weights = self.weights if self.rows is None or self.weights is None else self.weights[self.rows]
        design, truth, weights = self._affordable(truth, weights, width if kind not in VALUES else 1)
        if kind in VALUES:
            return value_scores(self._ridge, design, truth, self.others, weights)
        if kind in CLASSES:
            return class_scores(self._logistic, design, truth, self.others, width, weights)
        parts = [class_scores(self._logistic, design, each, self.others, 2, weights) for each in outputs_of(kind, width, truth)]
        return join_scores(kind, parts)

    def _affordable(self, truth: Any, weights: Any, outputs: int) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """As many training rows as take about ten seconds."""
        rows, columns = self.design.shape
        cells = self.design.nnz if hasattr(self.design, "nnz") else rows * columns
        per_row = 4.0 * max(cells / max(rows, 1), 1.0) * outputs * self.options.iterations
        chosen = drawn_rows(rows, max(1000, int(_OPERATIONS / per_row)), self.seed)
        used = rows if chosen is None else len(chosen)
        if used < self.total:
            self.notes.append(f"trained on {used:,} of {self.total:,} rows")
        if chosen is None:
            return self.design, truth, weights
        return self.design[chosen], truth[chosen], None if weights is None else weights[chosen]

    def _logistic(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=1.0 / self.options.penalty, max_iter=self.options.iterations)

    def _ridge(self) -> Any:
        from sklearn.linear_model import Ridge

        return Ridge(alpha=self.options.penalty, random_state=self.seed % 2**32)  # scikit-learn takes no more
