"""Validation and test rows from files of their own: read as one source after the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.data.arrow import PIECE, in_pieces, int64_array
from trainwright.data.schemas import common_schema, fit_table
from trainwright.data.source import Source, known_columns
from trainwright.data.sources.csv import CSVSource
from trainwright.data.sources.folders import FolderSource
from trainwright.data.sources.opening import open_source
from trainwright.data.splits import FilesOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split
from trainwright.data.splits.stratified import joint_strata, spread


class JoinedSource:
    """Several sources one after the other; `boundaries` are the row numbers at which the second and later ones begin."""

    def __init__(self, parts: list[Source]) -> None:
        self.parts = parts
        self.name, self.default_targets = parts[0].name, parts[0].default_targets
        self.notes = [f"{part.name}: {note}" if number else note for number, part in enumerate(parts) for note in part.notes]
        self._schema = common_schema([part.schema for part in parts], [part.name for part in parts])
        self.written = parts[0].written
        self.folders = list(dict.fromkeys(name for part in parts for name in part.folders))
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        self.boundaries = [int(start) for start in self.starts[1:-1]]

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types that hold the values of all parts."""
        return self._schema

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        wanted = known_columns(self._schema.names if columns is None else columns, self._schema, self.name)
        schema = pa.schema([self._schema.field(name) for name in wanted])
        if indices is None:
            return pa.concat_tables(fit_table(part.read(columns=wanted), schema) for part in self.parts)
        rows = np.asarray(indices, np.int64)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(owner, kind="stable")
        tables = [
            fit_table(part.read(rows[owner == number] - self.starts[number], wanted), schema) for number, part in enumerate(self.parts)
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pa.concat_tables(tables).take(int64_array(back))

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time."""
        wanted = known_columns(self._schema.names if columns is None else columns, self._schema, self.name)
        schema = pa.schema([self._schema.field(name) for name in wanted])
        yield from in_pieces((fit_table(piece, schema) for part in self.parts for piece in part.batches(wanted, rows)), rows)

    def fingerprint(self) -> dict[str, Any]:
        """That of the first part, with those of the others in `parts`."""
        given = [part.fingerprint() for part in self.parts]
        return {**given[0], "rows": len(self), "parts": given}

    def place(self, row: int) -> str:
        """`row 12 (line 13) of test.csv`."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.parts[number].place(row - int(self.starts[number]))} of {self.parts[number].name}"


def join_sources(options: Any, source: Source, memory_limit: int) -> Source:
    """The source, followed by the validation file and the test file where they are given."""
    given = [open_source(each, memory_limit, source.schema.names) for each in (options.validation, options.test) if each is not None]
    return JoinedSource(texts_alike([source, *given])) if given else source


def texts_alike(parts: list[Source]) -> list[Source]:
    """The sources, with a column that is text in one of them read as text in all text tables, so that 00501 and 501 stay two things."""
    text = {field.name for part in parts for field in part.schema if pa.types.is_string(field.type)}
    for part in parts:
        typed = [field.name for field in part.schema if field.name in text and not pa.types.is_string(field.type)]
        if typed and isinstance(part, CSVSource | FolderSource):
            part.keep_text(typed)
    return parts


class FilesSplit:
    """Rows of the validation and test files as they are; a split without a file is a stratified share of the training rows."""

    def __init__(self, options: FilesOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        given = [number for number, each in ((1, self.options.validation), (2, self.options.test)) if each is not None]
        part = np.zeros(len(rows.numbers), np.int64)
        for number, start in zip(given, rows.source.boundaries, strict=True):
            part[rows.numbers >= start] = number
        lacking = [number for number in (1, 2) if number not in given and self.options.share > 0]
        notes: list[str] = []
        if lacking:
            inside = np.flatnonzero(part == 0)
            strata, notes = joint_strata(rows, rows.class_targets())
            shares = [1 - self.options.share * len(lacking), *[self.options.share if number in lacking else 0.0 for number in (1, 2)]]
            part[inside] = spread(strata[inside], shares, rows.generator)
            notes.append(
                f"no file for {' and '.join(('', 'validation', 'test')[number] for number in lacking)}: a share of the training rows"
            )
        return assemble_split(rows.numbers, part, "given files", notes)
