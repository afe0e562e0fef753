"""Raw columns as numbers, codes and tokens; everything learnt from them is learnt from training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.model import PartConfig
from trainwright.config.registry import build, options_class
from trainwright.features.base import Feature, one_array
from trainwright.features.floats import to_floats
from trainwright.features.words import text_array


@dataclass(frozen=True)
class FileRows:
    """A column of files: where that of each of n rows is, None where there is none, and the column as it was fitted, which reads them."""

    feature: Any
    paths: list[str | None]

    def take(self, rows: np.ndarray) -> FileRows:
        """Some of the rows."""
        return FileRows(self.feature, [self.paths[row] for row in rows.tolist()])


@dataclass
class Inputs:
    """The input columns of n rows."""

    numbers: np.ndarray
    """[n, a] float64, NaN where missing."""
    codes: list[np.ndarray] = field(default_factory=list)
    """Per category column [n], 0 for values not seen in training."""
    tokens: list[np.ndarray] = field(default_factory=list)
    """Per text or sequence column [n, length], 0 is padding."""
    files: dict[str, FileRows] = field(default_factory=dict)
    """Columns of files, for baselines that read such."""

    def __len__(self) -> int:
        return len(self.numbers)


class InputColumns:
    """The input columns of a table: what they are, fitted on training rows."""

    def __init__(self, columns: Mapping[str, str | PartConfig], files: Mapping[str, Any] | None = None) -> None:
        """`files`: columns of files, as they were fitted."""
        self.files = dict(files or {})
        self.kinds = {name: _options(kind) for name, kind in columns.items()}
        self.kinds = {name: kind for name, kind in self.kinds.items() if kind.type != "ignore"}
        self.features: dict[str, Feature] = {}

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        return [*self.kinds, *self.files]

    def fit(self, table: pa.Table) -> None:
        """Learns categories, vocabularies and formats from the training rows."""
        for name, options in self.kinds.items():
            if options.type != "number":
                self.features[name] = build("feature", options, name=name)
                self.features[name].fit([one_array(table[name])])

    def read(
        self, table: pa.Table, count: int | None = None, names: Sequence[str] | None = None, numbers_in_source: np.ndarray | None = None
    ) -> Inputs:
        """The rows of a table with the same columns, or with some of them; `count` is how many, which a table without columns says not.

        `numbers_in_source`: which rows they are, by which files are found.
        """
        count = len(table) if count is None else count
        rows = np.arange(count)
        numbers: list[np.ndarray] = []
        inputs = Inputs(np.empty((count, 0)))
        for name in self.names if names is None else names:
            values = one_array(table[name])
            if name in self.files:
                inputs.files[name] = file_rows(self.files[name], values, rows if numbers_in_source is None else numbers_in_source)
                continue
            lenient = getattr(self.kinds[name], "invalid", "error") == "missing"
            known = name in self.features
            parts = self.features[name].encode(values, rows) if known else {"value": to_floats(values, name, rows, lenient=lenient)}
            if "index" in parts:
                inputs.codes.append(parts["index"].reshape(len(table)))
            elif "tokens" in parts:
                inputs.tokens.append(parts["tokens"].reshape(len(table), -1))
            else:
                numbers.append(_numbers(parts))
        if numbers:
            inputs.numbers = np.concatenate(numbers, axis=1)
            inputs.numbers[~np.isfinite(inputs.numbers)] = np.nan
        return inputs


def file_rows(feature: Any, values: pa.Array, rows: np.ndarray) -> FileRows:
    """The files that a column names, by the number of each row in the source."""
    written = text_array(values, feature.name).to_pylist()
    return FileRows(feature, [None if text is None else feature.path(int(row), text) for row, text in zip(rows, written, strict=True)])


def _options(kind: str | PartConfig) -> PartConfig:
    """The options of a column's type; rows that a policy refuses or drops are gone before a baseline sees them."""
    options = options_class("feature", kind).model_validate({"type": kind}) if isinstance(kind, str) else kind
    refuses = getattr(options, "missing", "auto") in ("error", "drop", "mean", "median", "mode", "constant")
    return options.model_copy(update={"missing": "auto"}) if refuses else options


def _numbers(parts: dict[str, np.ndarray]) -> np.ndarray:
    """The value of a column as [n, a]; a series of any length as seven summaries."""
    value = parts["value"].astype(np.float64)
    if "length" in parts:
        return series_summaries(value.reshape(len(value), -1), parts["length"].reshape(-1).astype(np.int64))
    value = value.reshape(len(value), -1)
    if "missing" in parts:
        value = np.where(parts["missing"].reshape(len(value), -1)[:, :1] > 0, np.nan, value)
    return value


def series_summaries(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean, deviation, least, largest, first, last and length of series [n, longest] of which the first `lengths` values count; [n, 7]."""
    rows, inside = np.arange(len(values)), np.arange(values.shape[1]) < lengths[:, None]
    count = np.maximum(lengths, 1)
    mean = np.where(inside, values, 0.0).sum(axis=1) / count
    deviation = np.sqrt((np.where(inside, values - mean[:, None], 0.0) ** 2).sum(axis=1) / count)
    least, largest = np.where(inside, values, np.inf).min(axis=1), np.where(inside, values, -np.inf).max(axis=1)
    found = np.stack([mean, deviation, least, largest, values[:, 0], values[rows, count - 1], lengths], axis=1)
    found[lengths == 0, :-1] = np.nan
    return found


def frequent_codes(values: np.ndarray, limit: int, skip_zero: bool = False) -> np.ndarray:
    """The most frequent codes, at most `limit`, ascending."""
    counts = np.bincount(values.ravel().astype(np.int64))
    if skip_zero and len(counts):
        counts[0] = 0
    order = np.argsort(-counts, kind="stable")[:limit]
    return np.sort(order[counts[order] > 0])


def code_counts(values: np.ndarray, chosen: np.ndarray) -> Any:
    """How often each chosen code occurs in each row, sparse [n, chosen]."""
    from scipy import sparse

    place = np.full(max(int(values.max(initial=0)), int(chosen.max(initial=0))) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    column = place[values]
    row = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    kept = column >= 0
    shape = (len(values), len(chosen))
    return sparse.csr_matrix((np.ones(int(kept.sum())), (row[kept], column[kept])), shape=shape)
