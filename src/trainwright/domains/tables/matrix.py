"""A table as one matrix and a target, all of it fitted on the training rows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.datasets import MEMORY_LIMIT, TableOptions
from trainwright.data.rows import TARGET
from trainwright.data.source import Source, known_columns
from trainwright.features.base import one_array
from trainwright.features.category import CategoryFeature
from trainwright.features.floats import is_text
from trainwright.features.number import NumberFeature
from trainwright.features.options import CategoryOptions, NumberOptions

log = logging.getLogger("trainwright.data")

MOST_CATEGORIES = 1000
"""Above this a column of text is no category but an identifier or free text."""


class TableDataset:
    """Reads the rows, divides them and fits on the training part.

    Raises DataError for unknown columns, columns that are neither numbers nor categories, and classes without a training row.
    """

    def __init__(self, options: TableOptions, *, seed: int = 0, memory_limit: int = MEMORY_LIMIT) -> None:
        from trainwright.data.sources.opening import from_object
        from trainwright.data.splits import split_columns
        from trainwright.data.splits.dividing import make_split, with_files
        from trainwright.data.splits.files import refuse_lacking

        self.options = options
        source = with_files(options.split, from_object(options.path, memory_limit, keep=_list_columns(options)), memory_limit)
        left_out = {options.target, *split_columns(options.split)}
        features = known_columns(
            options.features or [name for name in source.schema.names if name not in left_out], source.schema, source.name
        )
        targets = known_columns([options.target], source.schema, source.name) if options.target else []
        kinds = {name: "category" if self._is_class(source.schema.field(name).type) else "number" for name in targets}
        refuse_lacking(source, [*features, *targets])
        split = make_split(options.split, source, seed, targets, kinds)
        parts = split.parts()
        for note in (*source.notes, *split.notes):
            log.warning("%s: %s", source.name, note)
        table = source.read(columns=[*features, *targets])
        inputs = [encode_column(table[name], parts["train"], name, source) for name in features]
        blocks = {"input": torch.from_numpy(np.concatenate([values for values, _ in inputs], 1))}
        self.spec: dict[str, Any] = {"features": [spec for _, spec in inputs], "width": blocks["input"].shape[1]}
        if targets:
            blocks[TARGET] = self._target(table[targets[0]], kinds[targets[0]], parts, source)
        self.spec["rows"] = {split: len(rows) for split, rows in parts.items() if len(rows)}
        self._splits = {split: {name: each[rows] for name, each in blocks.items()} for split, rows in parts.items() if len(rows)}

    def splits(self) -> dict[str, dict[str, Tensor]]:
        """`input` (float32, n × width) and `target` (int64 or float32, n) of each split."""
        return self._splits

    def _is_class(self, kind: pa.DataType) -> bool:
        if self.options.target_is != "auto":
            return self.options.target_is == "class"
        return not (pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    def _target(self, column: pa.ChunkedArray, kind: str, parts: dict[str, np.ndarray], source: Source) -> Tensor:
        if kind == "number":
            if not _is_number(column.type):
                fix = "target_is: class, or another column"
                raise DataError(
                    f"column '{self.options.target}' holds no numbers", where=source.name, why=f"its type is {column.type}", fix=fix
                )
            return torch.from_numpy(_floats(column).astype(np.float32))
        values = np.array(column.to_pylist(), object)
        classes = sorted(set(values[parts["train"]]))
        numbers = {value: number for number, value in enumerate(classes)}
        used = np.concatenate(list(parts.values()))
        unseen = next((row for row in used if values[row] not in numbers), None)
        if unseen is not None:
            fix = "give the class more rows, or split: stratified"
            what = f"class {values[unseen]!r} of '{self.options.target}' is in no training row"
            raise DataError(what, where=f"{source.name} {source.place(int(unseen))}", fix=fix)
        self.spec["classes"] = [value if isinstance(value, bool | int | str) else str(value) for value in classes]
        return torch.tensor([numbers.get(value, -1) for value in values])


def _list_columns(options: TableOptions) -> list[str]:
    """The columns that the options name, which are read even if they are a row index."""
    split = [*getattr(options.split, "columns", []), getattr(options.split, "column", None)]
    return [name for name in (options.target, *options.features, *split) if name]


def encode_column(column: pa.ChunkedArray, train: np.ndarray, name: str, source: Source) -> tuple[np.ndarray, dict[str, Any]]:
    """A column as float32 (n × width), and what was fitted: a number standardised, 0 where missing; a category one-hot, 0 where unknown.

    Raises DataError for a column that is neither, and for a category of too many values.
    """
    values, rows = one_array(column), np.arange(len(column))
    if _is_number(column.type):
        number = NumberFeature(NumberOptions(missing="mean", infinity="missing", scale="standard"), name)
        number.fit([values.take(pa.array(train))])
        spec = {"name": name, "mean": number.scaling["center"], "std": number.scaling["spread"]}
        return number.encode(values, rows)["value"][:, None], spec
    if not (is_text(column.type) or pa.types.is_dictionary(column.type)):
        why = f"it holds {column.type}"
        fix = "name the columns to use in features:, or turn it into numbers; tw.train takes dates and lists as they are"
        raise DataError(f"column '{name}' is neither a number nor a category", where=source.name, why=why, fix=fix)
    category = CategoryFeature(CategoryOptions(missing="drop", min_count=1, max_categories=len(column) + 1), name)
    category.fit([values.take(pa.array(train))])
    if len(category.classes) > MOST_CATEGORIES:
        why = f"it has {len(category.classes)} different values"
        fix = "leave it out by naming the others in features:"
        raise DataError(f"column '{name}' is no category", where=source.name, why=why, fix=fix)
    coded = category.encode(values, rows)["index"]  # 0 is a value that no training row has, and a missing one
    return (coded[:, None] == np.arange(1, len(category.classes) + 1)).astype(np.float32), {"name": name, "categories": category.classes}


def _is_number(kind: pa.DataType) -> bool:
    return any((pa.types.is_integer(kind), pa.types.is_floating(kind), pa.types.is_boolean(kind), pa.types.is_decimal(kind)))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    """float64, NaN where missing."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)
