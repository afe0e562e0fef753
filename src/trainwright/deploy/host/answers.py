"""What the graph gives → predictions in the words of the data, by the columns that `Run.predict` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.features.words import class_values


def answer_columns(name: str, target: Mapping[str, Any], outputs: Mapping[str, np.ndarray]) -> dict[str, pa.Array]:
    """The columns of one target, of its outputs by what stands after its name."""
    classes: list[str] | None = target.get("classes")
    prediction = outputs["prediction"]
    columns: dict[str, pa.Array] = {}
    if classes is None:
        columns[f"{name}_prediction"] = _numbers(prediction.astype(np.float64))
    elif prediction.ndim == 2:
        columns[f"{name}_prediction"] = _sets(prediction, pa.array(classes, pa.string()))
    else:
        columns[f"{name}_prediction"] = _words(target, classes).take(pa.array(prediction.astype(np.int64)))
    probability = outputs.get("probability")
    if classes is not None and probability is not None:
        columns |= {f"{name}_probability_{each}": pa.array(np.ascontiguousarray(probability[:, at])) for at, each in enumerate(classes)}
    if classes is not None and "set" in outputs:
        columns[f"{name}_set"] = _sets(outputs["set"], _words(target, classes))
    return columns | {f"{name}_{side}": _numbers(outputs[side]) for side in ("low", "high") if side in outputs}


def column_names(name: str, target: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for what in an answer: `prediction`, `probability` by class, `low`, `high`, `set`."""
    classes = target.get("classes")
    probability = None if classes is None else {each: f"{name}_probability_{each}" for each in classes}
    more = {part: f"{name}_{part}" for part in ("low", "high", "set") if part in target}
    return {"prediction": f"{name}_prediction", "probability": probability, **more}


def _words(target: Mapping[str, Any], classes: list[str]) -> pa.Array:
    return class_values(classes, str(target.get("returns", "text")))


def _numbers(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(np.ascontiguousarray(values))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])


def _sets(inside: np.ndarray, words: pa.Array) -> pa.Array:
    """Lists of the words that are inside, of bool `[b, words]`."""
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(np.nonzero(inside)[1])))
