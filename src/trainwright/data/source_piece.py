"""Successive rows of a source, held: what is done with rows of a source that memory does not hold is done piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.data.arrow import PIECE, in_pieces, int64_array, one_chunk
from trainwright.data.source import Source, known_columns


class SourcePiece:
    """Rows `first`, `first` + 1, … of another source, which keep their numbers there."""

    def __init__(self, whole: Source, table: pa.Table, first: int) -> None:
        self.source, self.table, self.first = whole, table, first
        self.name, self.default_targets, self.notes = whole.name, whole.default_targets, whole.notes
        self.boundaries, self.written, self.folders = whole.boundaries, whole.written, whole.folders

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def schema(self) -> pa.Schema:
        """That of the whole source."""
        return self.source.schema

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """Its rows `indices`, numbered as in the whole source (all when None), in that order."""
        table = self.table if columns is None else self.table.select(known_columns(columns, self.table.schema, self.name))
        return table if indices is None else table.take(int64_array(np.asarray(indices, np.int64) - self.first))

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column."""
        yield from in_pieces([self.read(columns=columns)], rows)

    def fingerprint(self) -> dict[str, Any]:
        """That of the whole source."""
        return self.source.fingerprint()

    def place(self, row: int) -> str:
        """Where row number `row` of the whole source is."""
        return self.source.place(row)


def pieces_of(source: Source, columns: list[str], counts: Iterable[int], first: int = 0) -> Iterator[SourcePiece]:
    """The rows of a source from number `first` on, so many at a time as `counts` says, in one pass."""
    tables = source.batches(columns)
    held, behind, start = list[pa.Table](), -first, first
    for count in counts:
        while behind < count:
            table = next(tables, None)
            if table is None:
                break
            held, behind = _without_passed(held, table, behind)
        joined = one_chunk(pa.concat_tables(held)) if held else source.schema.empty_table().select(columns)
        yield SourcePiece(source, one_chunk(joined.slice(0, count)), start)
        held, behind, start = [joined.slice(count)], behind - count, start + count


def _without_passed(held: list[pa.Table], table: pa.Table, behind: int) -> tuple[list[pa.Table], int]:
    """The tables with another one, less its rows that are passed over, of which `-behind` are left while that is below 0."""
    after = behind + table.num_rows
    if after <= 0:
        return held, after
    return [*held, table if behind >= 0 else table.slice(-behind)], after
