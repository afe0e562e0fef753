"""What columns with classes share: counting words, weights by class and the columns of predicted probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.spelling import joined_counts, key_of
from trainwright.features.base import Feature
from trainwright.features.words import class_kind, code_words, count_words, sorted_classes


class ClassFeature(Feature):
    """A column whose values are words of a limited number; while it is fitted it counts how often it saw each."""

    config: Any
    """Options with `join`: which spellings are one value."""

    def __init__(self, config: Any, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.seen: dict[str, int] = {}
        self.classes: list[str] = []
        self.returns = "text"
        self.key = key_of(config.join)

    def count_values(self, values: pa.Array, rows: np.ndarray) -> None:
        """Count the words of some training rows, and remember what kind of values they are."""
        self.note_missing(self.absent(values, rows), rows)
        codes, words = code_words(values, self.name)
        self.missing_in_training += count_words(codes, words, self.seen)
        self.fitted_rows += len(values)
        if len(values) and not pa.types.is_null(values.type):
            self.returns = class_kind(values.type)

    def join_seen(self) -> list[str]:
        """Put spellings of one value together, and return all words in the order of classes."""
        self.seen = joined_counts(self.seen, self.config.join)
        return sorted_classes(list(self.seen))


def class_weights(wanted: str | dict[str, float] | list[float], classes: list[str], tally: list[int], name: str) -> list[float] | None:
    """Weights in the order of `classes`; `auto` is rows / (classes × rows of the class), as scikit-learn's "balanced".

    Raises DataError for classes that do not occur, too few or too many weights, and weights that are all 0.
    """
    if wanted == "none":
        return None
    if wanted == "auto":
        return [sum(tally) / (len(tally) * max(count, 1)) for count in tally]
    if isinstance(wanted, dict):
        strange = [each for each in wanted if each not in classes]
        if strange:
            what = f"`columns.{name}.class_weights` names a class that does not occur: '{strange[0]}'"
            raise DataError(what, fix=did_you_mean(strange[0], classes))
        return _some_above_zero([float(wanted.get(each, 1.0)) for each in classes], name)
    if len(wanted) != len(classes):
        raise DataError(
            f"`columns.{name}.class_weights` has {len(wanted)} weights for {len(classes)} classes",
            fix=f"give one for each of: {', '.join(classes[:12])}",
        )
    return _some_above_zero([float(weight) for weight in wanted], name)


def _some_above_zero(weights: list[float], name: str) -> list[float]:
    if not any(weights):
        why = "no row would cost anything, so that nothing is learnt"
        raise DataError(f"`columns.{name}.class_weights` are all 0", why=why, fix="give at least one class a weight above 0")
    return weights


def probabilities(name: str, classes: list[str], scores: np.ndarray) -> dict[str, pa.Array]:
    """One column of probabilities per class: `<name>_probability_<class>`."""
    return {f"{name}_probability_{each}": pa.array(np.ascontiguousarray(scores[:, i])) for i, each in enumerate(classes)}
