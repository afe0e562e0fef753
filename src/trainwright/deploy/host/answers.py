"""What the graph gives → predictions in the words of the data, by the columns that `Run.predict` gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.features.words import class_values

Outputs = Mapping[str, np.ndarray]


class TargetWriter:
    """Writes the predictions of one target: as columns of Arrow, or for few rows as values of JSON, which costs less."""

    def __init__(self, name: str, target: Mapping[str, Any]) -> None:
        self.name, self.classes = name, target.get("classes")
        words = self.classes or []
        self.words = class_values(words, str(target.get("returns", "text"))) if words else pa.array([], pa.string())
        self.plain: list[Any] = self.words.to_pylist()
        self.texts = pa.array(words, pa.string())

    def columns(self, outputs: Outputs) -> dict[str, pa.Array]:
        """The columns, of the outputs by what stands after the target's name; what a system of one's own gives, by its name."""
        if "" in outputs:
            return {self.name: _column(outputs[""])}
        return {f"{self.name}_{part}": _column(values) for part, values in self._parts(outputs).items()}

    def values(self, outputs: Outputs) -> dict[str, list[Any]]:
        """The same as values of JSON: null for what is no finite number."""
        if "" in outputs:
            return {self.name: _values(outputs[""])}
        return {f"{self.name}_{part}": _values(values) for part, values in self._parts(outputs).items()}

    def _parts(self, outputs: Outputs) -> dict[str, Any]:
        """What each column holds: numbers, words by their places, or lists of words by which are inside."""
        prediction = outputs["prediction"]
        if self.classes is None:
            found: dict[str, Any] = {"prediction": prediction.astype(np.float64, copy=False)}
        elif prediction.ndim == 2:
            found = {"prediction": Inside(prediction, self.texts)}
        else:
            found = {"prediction": Places(prediction, self.words, self.plain)}
        if self.classes is not None and "probability" in outputs:
            found |= {f"probability_{each}": outputs["probability"][:, at] for at, each in enumerate(self.classes)}
        if self.classes is not None and "set" in outputs:
            found["set"] = Inside(outputs["set"], self.words)
        return found | {side: outputs[side] for side in ("low", "high") if side in outputs}


class Places:
    """Words by their places."""

    def __init__(self, places: np.ndarray, words: pa.Array, plain: list[Any]) -> None:
        self.places, self.words, self.plain = places, words, plain

    def column(self) -> pa.Array:
        """As Arrow."""
        return self.words.take(pa.array(self.places.astype(np.int64)))

    def values(self) -> list[Any]:
        """As values of Python."""
        return [self.plain[int(each)] for each in self.places.tolist()]


class Inside:
    """Lists of the words that are inside, by bool `[b, words]`."""

    def __init__(self, inside: np.ndarray, words: pa.Array) -> None:
        self.inside, self.words = inside, words

    def column(self) -> pa.Array:
        """As Arrow."""
        offsets = np.concatenate([[0], np.cumsum(self.inside.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self.words.take(pa.array(np.nonzero(self.inside)[1])))

    def values(self) -> list[Any]:
        """As values of Python."""
        found: list[Any] = self.column().to_pylist()
        return found


def column_names(name: str, target: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for what in an answer: `prediction`, `probability` by class, `low`, `high`, `set`."""
    classes = target.get("classes")
    if "prediction" not in target:
        return {"prediction": name, "probability": None}
    probability = None if classes is None else {each: f"{name}_probability_{each}" for each in classes}
    more = {part: f"{name}_{part}" for part in ("low", "high", "set") if part in target}
    return {"prediction": f"{name}_prediction", "probability": probability, **more}


def _column(values: Any) -> pa.Array:
    if not isinstance(values, np.ndarray):
        return values.column()
    return list_array(values)


def list_array(values: np.ndarray) -> pa.Array:
    """Numbers of rows as a column: single ones, or lists of lists."""
    if values.ndim == 1:
        return pa.array(np.ascontiguousarray(values))
    inner = list_array(values.reshape(len(values) * values.shape[1], *values.shape[2:]))
    return pa.FixedSizeListArray.from_arrays(inner, values.shape[1])


def json_values(values: list[Any]) -> list[Any]:
    """Values of Python as JSON has them: null for numbers that are not finite, text for what is neither number nor text."""
    return [_json_value(each) for each in values]


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return json_values(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _values(values: Any) -> list[Any]:
    if not isinstance(values, np.ndarray):
        found: list[Any] = values.values()
        return found
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values.tolist()
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
