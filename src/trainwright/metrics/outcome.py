"""What was true and what was predicted, for all rows of a split and one target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from trainwright.metrics.table import BINARY, CATEGORY, CLASSES, SET, VALUES

KINDS = (*CLASSES, *VALUES, SET)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Truth and scores of one target over n rows.

    `scores`: probabilities [n, 2] for binary (or [n], of the positive class), [n, classes] for category, [n, labels] for set; predicted
    values in the target's units [n] or [n, d] for number and vector. `truth`: class index [n], values [n] or [n, d], or multi-hot
    [n, labels]. Raises ValueError when the shapes do not fit together.
    """

    xp: ClassVar[ModuleType] = np
    """Whose functions its arrays want: numpy's here, torch's for a batch on its device."""

    kind: str
    truth: np.ndarray
    scores: np.ndarray
    classes: list[str] | None = None
    threshold: float | np.ndarray = 0.5
    """Binary and set: a label is predicted when its probability is at least this; of a set also one for each label [labels]."""
    weights: np.ndarray | None = None
    """How much each row counts, [n], of 0 or more; None where all count alike."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        truth, scores = np.asarray(self.truth), np.asarray(self.scores, dtype=np.float64)
        if self.kind in CLASSES:
            truth = truth.astype(np.int64, copy=False)
            if self.kind == BINARY and scores.ndim == 1:
                scores = np.stack([1.0 - scores, scores], axis=1)
        elif self.kind == SET:
            truth = truth.astype(bool, copy=False)
        else:
            truth = truth.astype(np.float64, copy=False)
        object.__setattr__(self, "truth", truth)
        object.__setattr__(self, "scores", scores)
        if self.weights is not None:
            object.__setattr__(self, "weights", np.asarray(self.weights, np.float64))
        self._check()

    def _check(self) -> None:
        same = self.truth.shape == self.scores.shape if self.kind not in CLASSES else self.truth.shape == self.scores.shape[:1]
        dimensions = {SET: 2, BINARY: 2, CATEGORY: 2}.get(self.kind, self.truth.ndim)
        if not same or self.scores.ndim != dimensions or (self.kind == BINARY and self.scores.shape[1] != 2):
            raise ValueError(f"a {self.kind} outcome cannot have truth {self.truth.shape} with scores {self.scores.shape}")
        if self.weights is not None and self.weights.shape != self.truth.shape[:1]:
            raise ValueError(f"{len(self.truth)} rows cannot have weights {self.weights.shape}")
        if self.kind in CLASSES and len(self.truth) and not 0 <= int(self.truth.min()) <= int(self.truth.max()) < self.scores.shape[1]:
            raise ValueError(f"class indices must lie in 0..{self.scores.shape[1] - 1}, not {self.truth.min()}..{self.truth.max()}")

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def own(self) -> np.ndarray:
        """The score of the true class of every row, [n]."""
        found: np.ndarray = self.scores[np.arange(len(self)), self.truth]
        return found

    @property
    def top(self) -> np.ndarray:
        """The score of the likeliest class of every row, [n]."""
        found: np.ndarray = self.scores.max(axis=1)
        return found

    def numbers(self, n: int) -> np.ndarray:
        """0 to n-1."""
        return np.arange(n)

    def floats(self, values: np.ndarray) -> np.ndarray:
        """Booleans or whole numbers as floating-point ones."""
        return values.astype(np.float64)

    @property
    def width(self) -> int:
        """Classes, labels, or numbers per row."""
        return self.scores.shape[1] if self.scores.ndim == 2 else 1

    @cached_property
    def usable(self) -> bool:
        """Whether there are rows and every score and true value is finite; without this every metric is NaN."""
        finite = self.kind not in VALUES or bool(np.isfinite(self.truth).all())
        return len(self) > 0 and finite and bool(np.isfinite(self.scores).all())

    @cached_property
    def labels(self) -> np.ndarray:
        """The predicted class index [n] (binary, category) or multi-hot [n, labels] (set)."""
        if self.kind == BINARY:
            return (self.scores[:, 1] >= self.threshold).astype(np.int64)
        return self.scores.argmax(axis=1) if self.kind == CATEGORY else self.scores >= self.threshold

    @cached_property
    def positives(self) -> np.ndarray:
        """What ranks are measured on: the positive class (binary), each class against the rest, or each label; bool [n, k]."""
        if self.kind == BINARY:
            return (self.truth == 1)[:, None]
        return self.truth if self.kind == SET else self.truth[:, None] == np.arange(self.width)

    @cached_property
    def ranked(self) -> np.ndarray:
        """The scores that belong to `positives`, [n, k]."""
        return self.scores[:, 1:] if self.kind == BINARY else self.scores

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Truth and scores of a number or vector as [n, d]."""
        return (self.truth, self.scores) if self.truth.ndim == 2 else (self.truth[:, None], self.scores[:, None])

    def ranked_columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each class, or of the positive one, or of each label: which rows are of it, and their scores."""
        yield from ((self.positives[:, place], self.ranked[:, place]) for place in range(self.ranked.shape[1]))

    def ranked_together(self) -> tuple[np.ndarray, np.ndarray]:
        """What `ranked_columns` gives, one after the other; [n k]."""
        return self.positives.T.ravel(), self.ranked.T.ravel()

    def row_blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Which labels rows have, and their scores, some rows at a time; each [b, k]."""
        yield self.positives, self.ranked

    def value_columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Truth and scores of each number."""
        truth, scores = self.columns()
        yield from ((truth[:, place], scores[:, place]) for place in range(truth.shape[1]))

    def whole(self) -> Outcome:
        """Itself."""
        return self

    def take(self, rows: np.ndarray) -> Outcome:
        """The outcome of these rows (positions, with repetition allowed, or a mask)."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, truth=self.truth[rows], scores=self.scores[rows], weights=weights)

    def at_threshold(self, threshold: float | np.ndarray) -> Outcome:
        """The same outcome decided at another probability."""
        return replace(self, threshold=threshold)

    def class_name(self, index: Any) -> str:
        """The name of a class or label by its index."""
        return self.classes[int(index)] if self.classes is not None else str(int(index))
