"""Validation and test rows from files of their own: read as one source after the training rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.arrow import PIECE, in_pieces, int64_array
from trainwright.data.schemas import common_type, fit_table
from trainwright.data.source import Source, known_columns
from trainwright.data.sources.csv import CSVSource
from trainwright.data.sources.folders import FolderSource
from trainwright.data.sources.opening import open_source
from trainwright.data.splits import FilesOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split
from trainwright.data.splits.strata import joint_strata, spread


class JoinedSource:
    """Several sources one after the other; `boundaries` are the row numbers at which the second and later ones begin."""

    def __init__(self, parts: list[Source], tested: bool = False) -> None:
        """`tested`: whether the last one has the test rows."""
        self.parts, self.tested = parts, tested
        self.name, self.default_targets = parts[0].name, parts[0].default_targets
        self.notes = [f"{part.name}: {note}" if number else note for number, part in enumerate(parts) for note in part.notes]
        self._schema = pa.schema([(name, common_type(_types(parts, name))) for name in parts[0].schema.names])
        self.lacking = [[name for name in self._schema.names if name not in part.schema.names] for part in parts]
        """The columns of the first part that each lacks: they have no value there."""
        for part in parts[1:]:
            more = [name for name in part.schema.names if name not in self._schema.names]
            self.notes += [f"{part.name}: columns that {self.name} has not are left out: {', '.join(more[:12])}"] if more else []
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
            return pa.concat_tables(_fit_part(part.read(columns=_there(part, wanted)), schema) for part in self.parts)
        rows = np.asarray(indices, np.int64)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(owner, kind="stable")
        tables = [
            _fit_part(part.read(rows[owner == number] - self.starts[number], _there(part, wanted)), schema)
            for number, part in enumerate(self.parts)
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pa.concat_tables(tables).take(int64_array(back))

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time."""
        wanted = known_columns(self._schema.names if columns is None else columns, self._schema, self.name)
        schema = pa.schema([self._schema.field(name) for name in wanted])
        pieces = (_fit_part(piece, schema) for part in self.parts for piece in part.batches(_there(part, wanted), rows))
        yield from in_pieces(pieces, rows)

    def fingerprint(self) -> dict[str, Any]:
        """That of the first part, with those of the others in `parts`."""
        given = [part.fingerprint() for part in self.parts]
        return {**given[0], "rows": len(self), "parts": given}

    def place(self, row: int) -> str:
        """`row 12 (line 13) of test.csv`."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.parts[number].place(row - int(self.starts[number]))} of {self.parts[number].name}"


def _types(parts: list[Source], name: str) -> list[pa.DataType]:
    return [part.schema.field(name).type for part in parts if name in part.schema.names]


def _there(part: Source, names: list[str]) -> list[str]:
    """The columns of a part that are wanted; where it has none of them any one, which tells how many rows there are."""
    return [name for name in names if name in part.schema.names] or part.schema.names[:1]


def _fit_part(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, without a value in every row where the table lacks one."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return fit_table(table, schema)


def refuse_lacking(source: Any, used: Collection[str], targets: Collection[str] = ()) -> list[str]:
    """What is to be said of given files that lack targets. Raises DataError for one that lacks a column that is used.

    Test rows alone may lack the `targets`: they are then measured by nothing.
    """
    while source is not None and not isinstance(source, JoinedSource):
        source = getattr(source, "source", None)
    notes: list[str] = []
    if source is None:
        return notes
    for number, part in enumerate(source.parts):
        unlabelled = [name for name in source.lacking[number] if name in targets]
        lacking = [name for name in source.lacking[number] if name in used and name not in targets]
        if unlabelled and (not source.tested or number < len(source.parts) - 1):
            lacking += unlabelled
        elif unlabelled:
            told = f"{part.name} has no '{unlabelled[0]}', so that nothing is measured on its rows; predict answers them"
            notes.append(f"{told}: trainwright predict RUN {part.name}")
        if lacking:
            what = f"'{part.name}' does not have the columns that are used of '{source.name}'"
            spare = [name for name in lacking if name not in targets]
            without = f", or do without: ignore=[{', '.join(spare)}]" if spare and not set(lacking) & set(targets) else ""
            fix = f"{did_you_mean(lacking[0], part.schema.names)}; add {'it' if len(lacking) == 1 else 'them'} to the file{without}"
            raise DataError(what, where="data.split", why=f"missing: {', '.join(lacking[:8])}", fix=fix)
    return notes


def join_sources(options: Any, source: Source, memory_limit: int) -> Source:
    """The source, followed by the validation file and the test file where they are given."""
    given = [open_source(each, memory_limit, source.schema.names) for each in (options.validation, options.test) if each is not None]
    return JoinedSource(texts_alike([source, *given]), options.test is not None) if given else source


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
