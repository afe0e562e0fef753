"""Two tables of predictions for the same rows, column by column: how far apart numbers are, and which decisions differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.domains.forms import Columns

ABSOLUTE, RELATIVE = 1e-5, 1e-4
"""How far a number may be from the run's: ABSOLUTE + RELATIVE · |the run's|. Float32 on other kernels stays below a tenth of it."""
FEW = 0.01
"""The share of rows whose decision may differ because their numbers, which agree, lie on both sides of a border."""


@dataclass(frozen=True)
class ComparedColumn:
    """One column of predictions by both."""

    name: str
    decision: bool
    """Classes, labels and whole numbers; else numbers."""
    largest: float
    """The largest difference of numbers; of decisions the share of rows that differ."""
    relative: float
    """The largest difference of numbers by the size of the run's."""
    equal: int
    """Rows that are the same: bit by bit, or in their decision."""
    over: int
    """Rows beyond the tolerance; of decisions those whose numbers do not explain it."""
    row: int
    """The worst row, among those that were compared."""
    run: Any
    """What the run's model gives for it."""
    artifact: Any
    """What the artifact gives for it."""

    @property
    def passed(self) -> bool:
        """Whether every row is within the tolerance."""
        return self.over == 0

    def as_json(self) -> dict[str, Any]:
        """All of it, with whether it passed."""
        return {**asdict(self), "passed": self.passed}


def compare_columns(
    run: Sequence[Columns], artifact: Sequence[Columns], absolute: float = ABSOLUTE, relative: float = RELATIVE
) -> list[ComparedColumn]:
    """Every column of the run's predictions, in pieces, with the artifact's; both have the same names and rows."""
    found, close = [], None
    values = {name: (join_pieces(run, name), join_pieces(artifact, name)) for name in names_of(run[0])}
    numbers = {name: each for name, each in values.items() if each[0].dtype.kind == "f"}
    for name, (wanted, given) in numbers.items():
        each, near = _compare_numbers(name, wanted, given, absolute, relative)
        found.append(each)
        close = near if close is None else close & near
    for name, (wanted, given) in values.items():
        if name not in numbers:
            found.append(_compare_decisions(name, wanted, given, close))
    return sorted(found, key=lambda each: list(values).index(each.name))


def names_of(columns: Columns) -> list[str]:
    """The names of the columns."""
    return list(columns.column_names) if isinstance(columns, pa.Table) else list(columns)


def join_pieces(pieces: Sequence[Columns], name: str) -> np.ndarray:
    """A column of all pieces, rows first; texts and lists as objects."""
    arrays = [as_array(each[name]) for each in pieces]
    if len({each.shape[1:] for each in arrays}) == 1:
        return np.concatenate(arrays)
    found = np.empty(sum(map(len, arrays)), object)  # of lists that differ in length
    found[:] = [row for each in arrays for row in each]
    return found


def as_array(values: Any) -> np.ndarray:
    """A column, rows first: numbers as float64, NaN where there is none; anything else as objects."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
    array = np.asarray(values)
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(object)


def _of_arrow(values: pa.Array) -> np.ndarray:
    kind, shape = values.type, [len(values)]
    while pa.types.is_fixed_size_list(kind) and not values.null_count:
        shape.append(kind.list_size)
        values, kind = values.flatten(), kind.value_type
    if pa.types.is_floating(kind):
        return values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(shape)
    found = np.empty(len(values), object)
    found[:] = values.to_pylist()
    return found.reshape(shape)


def _compare_numbers(
    name: str, wanted: np.ndarray, given: np.ndarray, absolute: float, relative: float
) -> tuple[ComparedColumn, np.ndarray]:
    """The column, and which rows are within the tolerance."""
    rows = len(wanted)
    wanted, given = wanted.reshape(rows, -1), given.reshape(rows, -1)
    same = (wanted == given) | (np.isnan(wanted) & np.isnan(given))
    apart = np.where(same, 0.0, np.abs(wanted - given))
    apart = np.where(np.isnan(apart), np.inf, apart)  # a number where the other has none
    size = np.maximum(np.abs(np.nan_to_num(wanted)), np.finfo(np.float32).tiny)
    near = (apart <= absolute + relative * size).all(axis=1)
    worst = apart.max(axis=1, initial=0.0)
    row = int(worst.argmax()) if rows else 0
    place = int(apart[row].argmax()) if rows and apart.shape[1] else 0
    shown = (float(wanted[row, place]), float(given[row, place])) if apart.size else (None, None)
    largest = float(worst.max(initial=0.0))
    made = ComparedColumn(
        name, False, largest, float((apart / size).max(initial=0.0)), int(same.all(axis=1).sum()), int((~near).sum()), row, *shown
    )
    return made, near


def _compare_decisions(name: str, wanted: np.ndarray, given: np.ndarray, close: np.ndarray | None) -> ComparedColumn:
    rows = len(wanted)
    same = np.array([_is_same(a, b) for a, b in zip(wanted.tolist(), given.tolist(), strict=True)], bool)
    tied = ~same & close if close is not None and (~same).sum() <= FEW * rows else np.zeros(rows, bool)
    over = ~same & ~tied
    row = int(over.argmax()) if over.any() else int((~same).argmax()) if rows else 0
    shown = (_plain(wanted[row]), _plain(given[row])) if rows else (None, None)
    share = float((~same).mean()) if rows else 0.0
    return ComparedColumn(name, True, share, share, int(same.sum()), int(over.sum()), row, *shown)


def _is_same(a: Any, b: Any) -> bool:
    return bool(a == b)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
