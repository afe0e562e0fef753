"""What every baseline can do: learn one target from training rows and score others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from trainwright.baselines.inputs import Inputs
from trainwright.config.errors import RequestError
from trainwright.metrics.table import CLASSES, SET


class Baseline(Protocol):
    """A simple model; `notes` says in words where it took less than everything."""

    notes: list[str]
    weights: np.ndarray | None
    """How much each training row counts, [n]; None where all count alike."""
    scored: list[np.ndarray] | None
    """Once prepared: the positions of the rows that are scored among the others that were given, where not all are."""

    def prepare(self, train: Inputs, others: Sequence[Inputs]) -> None:
        """Takes in the training rows and the rows to score later."""
        ...

    def scores(self, kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
        """Learns a target (truth of the training rows as in `Outcome`) and returns the scores of each of the other row sets."""
        ...


def drawn_rows(count: int, limit: int, seed: int) -> np.ndarray | None:
    """`limit` of `count` row positions drawn at random, in order; None when all fit."""
    return None if count <= limit else np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def rows_of(inputs: Inputs, rows: np.ndarray | None) -> Inputs:
    """These rows of the inputs (all for None)."""
    if rows is None:
        return inputs
    files = {name: each.take(rows) for name, each in inputs.files.items()}
    return Inputs(inputs.numbers[rows], [each[rows] for each in inputs.codes], [each[rows] for each in inputs.tokens], files)


def ensure_columns(inputs: Inputs) -> None:
    """Raise RequestError where there is nothing to learn from, as where all columns are of files."""
    if not (inputs.numbers.shape[1] or inputs.codes or inputs.tokens):
        raise RequestError("there is no column that it reads")


def outputs_of(kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
    """The columns that are learnt one model each: one, or for sets and vectors one per label or element."""
    if kind in CLASSES or truth.ndim == 1:
        return [truth]
    return [truth[:, k].astype(np.int64) if kind == SET else truth[:, k] for k in range(width)]


def class_scores(
    make: Callable[[], Any], design: Any, truth: np.ndarray, others: Sequence[Any], width: int, weights: np.ndarray | None = None
) -> list[np.ndarray]:
    """Probabilities [n, width] in class order from a scikit-learn classifier; classes without training rows get 0."""
    present = np.unique(truth)
    scores = [np.zeros((each.shape[0], width)) for each in others]
    if len(present) == 1:
        for each in scores:
            each[:, present[0]] = 1.0
        return scores
    model = make().fit(design, truth, sample_weight=weights)
    for each, rows in zip(scores, others, strict=True):
        if rows.shape[0]:
            each[:, model.classes_] = model.predict_proba(rows)
    return scores


def value_scores(
    make: Callable[[], Any], design: Any, truth: np.ndarray, others: Sequence[Any], weights: np.ndarray | None = None
) -> list[np.ndarray]:
    """Predicted values [n] from a scikit-learn regressor."""
    model = make().fit(design, truth, sample_weight=weights)
    return [model.predict(each) if each.shape[0] else np.empty(0) for each in others]


def join_scores(kind: str, parts: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Scores per row set from those per output: labels and elements become columns."""
    if kind == SET:
        return [np.stack([each[:, 1] for each in column], axis=1) for column in zip(*parts, strict=True)]
    return [np.stack(column, axis=1) for column in zip(*parts, strict=True)]
