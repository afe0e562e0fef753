"""What targets with classes share: weights by class and the columns of predicted probabilities."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean


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
