"""Predictions of an ONNX model that Trainwright wrote, without Trainwright: it needs numpy and onnxruntime, and tokenizers for texts.

In a shell:   python load_model.py model.onnx rows.csv        (or rows.json: a list of objects by the names of the columns)
In Python:    from load_model import Model; Model("model.onnx").predict([{"age": 41, "sex": "female"}])
"""

from __future__ import annotations

import csv
import json
import math
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Row = Mapping[str, Any]
NOT_A_TIME = -(1 << 63)


class Model:
    """A file with the network, and in its metadata how columns are read and what outputs stand for."""

    def __init__(self, path: str) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["trainwright"])

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """A dict of predictions for each row."""
        names = [each.name for each in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(names, self.read(rows)), strict=True))
        return [self.words(outputs, row) for row in range(len(rows))]

    def read(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """The arrays that the network takes, by the names of its inputs."""
        found: dict[str, np.ndarray] = {}
        for name, tensor in self.about["tensors"].items():
            if name not in found:
                column = tensor["column"]
                absent = [place for place, row in enumerate(rows) if column not in row]
                if absent:
                    raise ValueError(f"row {absent[0]} has no column '{column}'")
                about = self.about.get("inputs", {}).get(column, {})
                found |= read_column(column, [row[column] for row in rows], about, tensor)
        return {each.name: found[each.name] for each in self.session.get_inputs()}

    def words(self, outputs: Mapping[str, np.ndarray], row: int) -> dict[str, Any]:
        """One row of the outputs, classes by their names."""
        found: dict[str, Any] = {}
        for name, values in outputs.items():
            target, _, part = name.rpartition(".")
            classes = self.about.get("targets", {}).get(target, {}).get("classes")
            value = values[row].tolist()
            if classes and part == "probability":
                value = dict(zip(classes, value, strict=True))
            elif classes and part == "prediction":
                value = classes[value] if isinstance(value, int) else [each for each, there in zip(classes, value, strict=True) if there]
            found[name] = value
        return found


def read_column(name: str, values: Sequence[Any], about: Mapping[str, Any], tensor: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of one column, as its type is read."""
    kind, dtype = about.get("type"), tensor["dtype"]
    if dtype == "string":
        return {name: np.array([join(as_text(each), about) for each in values], object)}
    if kind in ("binary", "category"):
        return {name: np.array([number_of(join(as_text(each), about), about) for each in values], np.int64)}
    if kind == "date":
        return {name: np.array(each_of(name, values, microseconds), np.int64)}
    if kind in ("set", "bag", "sequence"):
        index, unknown = about["table"]["exact"], about["unknown"]
        lists = [None if is_missing(each) else words_of(each, about) for each in values]
        return pad(name, [each and [index.get(word, unknown) for word in each] for each in lists], int)
    if kind == "timeseries":
        return pad(
            name, each_of(name, values, lambda each: None if is_missing(each) else [as_number(one) for one in words_of(each, about)]), float
        )
    if kind == "text":
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise ValueError(f"column '{name}' is text, which tokenizers divides: pip install tokenizers") from error
        split = Tokenizer.from_str(about["tokenizer"])
        texts = [about["fill"] if is_missing(each) else str(each) for each in values]
        return pad(name, [split.encode(each, add_special_tokens=False).ids for each in texts], int)
    if len(tensor["axes"]) > 1:
        return {name: np.stack(each_of(name, values, array_of)).astype(dtype)}
    return {name: np.array(each_of(name, values, as_number), np.float64)}


def each_of(name: str, values: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """The values of a column as `read` reads each; raises ValueError with the row, counted from 0, and the column."""
    found = []
    for place, value in enumerate(values):
        try:
            found.append(read(value))
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"row {place}, column '{name}': {value!r} cannot be read: {error}") from error
    return found


def is_missing(value: Any) -> bool:
    """None, NaN or an empty text."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


def as_number(value: Any) -> float:
    """A number; NaN where there is none. Raises ValueError for text that is none, and for an infinite one."""
    found = float("nan") if is_missing(value) else float(value)
    if math.isinf(found):
        raise ValueError("it is infinite")
    return found


def as_text(value: Any) -> str:
    """A text; empty where there is none. Whole numbers lose their `.0`, truth values are written as in JSON."""
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def join(text: str, about: Mapping[str, Any]) -> str:
    """What spellings that count as one have in common, as training joined them."""
    ways = about.get("table", {}).get("join", [])
    if "unicode" in ways:
        text = unicodedata.normalize("NFKC", text)
    if "unicode" in ways or "blanks" in ways:
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    text = " ".join(text.split()) if "blanks" in ways else text
    return text.casefold() if "case" in ways else text


def number_of(text: str, about: Mapping[str, Any]) -> int:
    """The number of a text in the table of its column."""
    table = about["table"]
    if not text:
        return int(about["missing"])
    return int(table["exact"].get(text, table.get("without_case", {}).get(text.casefold(), about["unknown"])))


def microseconds(value: Any) -> int:
    """Microseconds since 1970 of a time that is written as in ISO 8601, or is a datetime."""
    if is_missing(value):
        return NOT_A_TIME
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return round(time.replace(tzinfo=UTC).timestamp() * 1e6)


def words_of(value: Any, about: Mapping[str, Any]) -> list[Any]:
    """A list as it is; a text divided as the texts of training were."""
    return list(value) if not isinstance(value, str) else value.split(about.get("delimiter") or None)


def pad(name: str, rows: Sequence[Sequence[Any] | None], kind: type) -> dict[str, np.ndarray]:
    """Rows as long as the longest, and how long each is: -1 where it is missing."""
    width = max(1, *(len(each or ()) for each in rows))
    values = np.zeros((len(rows), width), np.int64 if kind is int else np.float64)
    for place, row in enumerate(rows):
        values[place, : len(row or ())] = row or ()
    return {name: values, f"{name}.length": np.array([-1 if each is None else len(each) for each in rows])}


def array_of(value: Any) -> np.ndarray:
    """Numbers that are given as a list, as an array, as a text with blanks between, or as the path of a .npy file."""
    if isinstance(value, str):
        return np.load(value, allow_pickle=False) if value.endswith(".npy") else np.array([float(each) for each in value.split()])
    return np.asarray(value)


def rows_in(path: str) -> list[Row]:
    """The rows of a CSV file, or of a JSON file with a list of objects."""
    if path.endswith(".json"):
        return list(json.loads(Path(path).read_text(encoding="utf-8")))
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def main(words: Sequence[str]) -> int:
    """Print the answer to each row of a file; 2 and what is wrong with it where it cannot be read."""
    absent = [each for each in words if not Path(each).is_file()]
    if len(words) != 2 or absent:
        wrong = f"there is no file '{absent[0]}'; " if absent else ""
        print(f"{wrong}usage: python load_model.py model.onnx rows.csv", file=sys.stderr)
        return 2
    try:
        answers = Model(words[0]).predict(rows_in(words[1]))
    except ValueError as error:  # text that is no JSON, or no UTF-8, is one too
        print(f"{words[1]}: {error}", file=sys.stderr)
        return 2
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
