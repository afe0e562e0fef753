"""How much rows count: the numbers of a column, checked row by row."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.source import Source
from trainwright.features.base import one_array, plain_place, row_list
from trainwright.features.floats import to_floats

WHERE = "data.weights"
ROW_WEIGHT = "row.weight"
"""The block that they are in a batch."""


def read_weights(source: Source, name: str, rows: np.ndarray) -> np.ndarray:
    """The weights of the source rows numbered `rows`, float32; raises DataError naming rows whose weight is none."""
    values = one_array(source.read(rows, [name])[name])
    place = getattr(source, "place", plain_place)
    try:
        weights = to_floats(values, name, rows, place)
    except DataError as error:
        raise DataError(
            error.what, where=WHERE, why="the weight of a row is a number", fix="correct them, or name another column"
        ) from error
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        told = [each if np.isfinite(each) else "missing" if np.isnan(each) else "infinite" for each in weights[wrong][:5].tolist()]
        fix = "give every row a number of 0 or more: data.derive makes such a column, data.where leaves rows out"
        raise DataError(
            f"the weights in '{name}' are missing, negative or infinite: {row_list(rows[wrong], place, told)}", where=WHERE, fix=fix
        )
    return weights.astype(np.float32)


def weight_block(source: Source, name: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The block of weights of source rows; empty where no column is named, and for rows that lack it, which then count alike."""
    return {ROW_WEIGHT: read_weights(source, name, rows)} if name and name in source.schema.names else {}


def in_mean_of(weights: np.ndarray, train: np.ndarray, name: str) -> np.ndarray:
    """The weights divided by the mean of those of the training rows; raises DataError where all of these are 0."""
    mean = float(weights[train].mean(dtype=np.float64)) if len(train) else 0.0
    if not mean:
        raise DataError(
            f"all training rows weigh 0 in '{name}'", where=WHERE, why="nothing is learnt then", fix="give some rows more than 0"
        )
    scaled: np.ndarray = (weights / mean).astype(np.float32)
    return scaled
