"""A source: where rows live. Its length, its columns and their types, and reading them at random or in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.arrow import PIECE, in_pieces, int64_array, one_chunk, plain_schema, plain_table, take_rows
from trainwright.data.files import fingerprint_of
from trainwright.data.row_index import index_note
from trainwright.data.sniffing import TextForm

FIRST_ROWS = 20
"""Rows among which a header is looked for that stands lower than was taken."""


class TrainingNote(str):
    """A note about labels or splits: it is told where rows are trained on, and not of new rows."""

    __slots__ = ()


class Source(Protocol):
    """Where rows live; a row is known by its number, from 0, in the order of the files."""

    name: str
    """What messages call it: `titanic.csv`."""
    default_targets: list[str]
    """The columns it says are to be predicted; empty for files."""
    notes: list[str]
    """What a reader should know of how it was read: a guessed encoding, skipped rows. Those of training alone are `TrainingNote`s."""
    boundaries: list[int]
    """Row numbers at which given validation and test files begin; empty when there are none."""
    written: TextForm | None
    """How a text table is written; None for data that bring their types."""
    folders: list[str]
    """Columns that stand in the names of the folders of files."""

    def __len__(self) -> int: ...

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types."""
        ...

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        ...

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column; the same tables in memory and streamed."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Paths, bytes, sha256 and rows: what these data are."""
        ...

    def place(self, row: int) -> str:
        """Where row number `row` (from 0) is, for a person: `row 12 (line 13)`."""
        ...


def check_names(names: Sequence[str], where: str) -> None:
    """Raises DataError when two columns have the same name or a name is empty."""
    seen: dict[str, list[int]] = {}
    for position, name in enumerate(names, start=1):
        seen.setdefault(name, []).append(position)
    twice = {name: places for name, places in seen.items() if len(places) > 1}
    if twice:
        listed = "; ".join(f"'{name}' in columns {', '.join(map(str, places))}" for name, places in list(twice.items())[:5])
        raise DataError(
            f"duplicate column names: {listed}", where=where, why="a column is known by its name", fix="rename them in the file"
        )


def notes_on_new_rows(source: Source) -> list[str]:
    """What is told of rows that a model answers or is judged on: the notes that are not of training alone."""
    return [each for each in source.notes if not isinstance(each, TrainingNote)]


def other_sheets(source: Any) -> str:
    """Where else a column may be, for the end of a message: in the other sheets of a workbook; empty where there are none."""
    while source is not None and not hasattr(source, "sheets"):
        source = getattr(source, "source", None)
    names = [] if source is None else source.sheets
    return f"; the workbook has other sheets: {', '.join(names[:8])} (data.source.sheet=NAME)" if names else ""


def other_targets(source: Any) -> str:
    """How the files give something to predict that is no column as they are read, for the end of a message; empty where they do not."""
    while source is not None and not getattr(source, "offers", ""):
        source = getattr(source, "source", None)
    return "" if source is None else f"; {source.offers}"


def header_below(source: Any, names: Iterable[str]) -> str:
    """The line that reads a text table whose header stands lower than was taken: one of its first rows has the names as values."""
    missing = {name for name in names if name not in source.schema.names}
    if not missing or source.written is None:
        return ""
    head = source.read(np.arange(min(FIRST_ROWS, len(source))))
    for number, row in enumerate(zip(*(column.to_pylist() for column in head.columns), strict=True), start=1):
        if missing <= {value.strip() for value in row if isinstance(value, str)}:
            lines = source.written.skip_rows + number
            return f"; row {number} has it as a value: data.source.skip_rows={lines} takes that line for the header"
    return ""


def known_columns(columns: Iterable[str], schema: pa.Schema, where: str) -> list[str]:
    """`columns` as a list; raises DataError for one that `schema` does not have."""
    wanted, names = list(columns), schema.names  # a new list at every look, and a set finds at once what a list walks through
    known = set(names)
    for column in wanted:
        if column not in known:
            raise DataError(f"no column '{column}'", where=where, fix=did_you_mean(column, names))
    return wanted


class TableSource:
    """A source whose rows are one Arrow table in memory."""

    def __init__(
        self,
        table: pa.Table,
        name: str,
        *,
        default_targets: Sequence[str] = (),
        files: Sequence[Path] = (),
        index: pa.Table | None = None,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        split: Mapping[str, Any] | None = None,
        named_by: Sequence[str] = (),
    ) -> None:
        """`index`: the row index that came with the rows, which is no column unless `keeping` makes one of it.

        `columns`, `split`: options of columns by name, and `data.split`, where the configuration says nothing of them. `named_by`: columns
        that say which row it is, where no table of a person's does; they stand before its predictions.
        """
        check_names(table.column_names, name)
        self.table = one_chunk(plain_table(table))
        self.name, self.default_targets, self.notes = name, list(default_targets), list[str]()
        self.boundaries: list[int] = []
        self.written: TextForm | None = None
        self.folders: list[str] = []
        self.files, self._index = list(files), index
        self.declared_columns, self.declared_split, self.named_by = dict(columns or {}), dict(split or {}), list(named_by)
        self.offers = ""
        """What else could be predicted, and the option that reads it so: told where a target is missing."""
        self.later_options: dict[str, Any] = {}
        """Options with which later rows are read too, where what reads them has such: they make columns. `type`: see `read_as_trained`."""
        self.valueless: dict[str, pa.DataType] = {}
        """Columns that it leaves out since no row has a value, with their types."""

    def keeping(self, names: Collection[str]) -> TableSource:
        """The source with those levels of its row index that are named as columns; that others with a name are left out is noted."""
        if self._index is None:
            return self
        for name in (each for each in self._index.column_names if each in names):
            self.table = one_chunk(plain_table(self.table.append_column(name, self._index[name])))
        self._index = self._index.select([each for each in self._index.column_names if each not in names])
        left_out = [each for each in self._index.column_names if not each.startswith("__index_level_")]
        self.notes = [index_note(left_out)] if left_out else []
        return self

    def rename(self, names: Mapping[str, str]) -> TableSource:
        """The source with columns (name → another) under other names, which is noted."""
        self.table = self.table.rename_columns([names.get(each, each) for each in self.table.column_names])
        self.default_targets = [names.get(each, each) for each in self.default_targets]
        self.declared_columns = {names.get(name, name): options for name, options in self.declared_columns.items()}
        self.notes += [f"the folder's '{name}' is read as '{other}', as the model calls it" for name, other in names.items()]
        return self

    def with_valueless(self, names: Collection[str]) -> TableSource:
        """The source with those columns of these names that it has no value of: a model may know them from other rows."""
        for name in (each for each in self.valueless if each in names and each not in self.table.column_names):
            self.table = self.table.append_column(name, pa.nulls(len(self), self.valueless[name]))
        return self

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types."""
        return self.table.schema

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        table = self.table if columns is None else self.table.select(known_columns(columns, self.schema, self.name))
        return table if indices is None else table.take(int64_array(indices))

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column."""
        yield from in_pieces([self.read(columns=columns)], rows)

    def fingerprint(self) -> dict[str, Any]:
        """Paths, bytes, sha256 and rows; without files, the sha256 is of the values."""
        if self.files:
            return {**fingerprint_of(self.files), "rows": len(self)}
        return {"paths": [], **_digest(self.batches()), "rows": len(self)}

    def place(self, row: int) -> str:
        """`row 12`, counted from 1."""
        return f"row {row + 1}"


def _digest(tables: Iterable[pa.Table]) -> dict[str, Any]:
    import hashlib

    digest, size = hashlib.sha256(), 0
    for table in tables:
        written = pa.BufferOutputStream()
        with pa.ipc.new_stream(written, table.schema) as stream:
            stream.write_table(table)
        content = written.getvalue()
        digest.update(content)
        size += content.size
    return {"bytes": size, "sha256": digest.hexdigest()}


class FileSource(ABC):
    """A source made of files of one kind: held in memory when it fits, read again for every pass when it does not.

    A subclass says how large it would be, how to load it whole, and how to read it in pieces of bounded size. `load` and `survey` note in
    `rows_by_file` how many rows each file has.
    """

    default_targets: list[str]

    def __init__(self, files: list[Path], name: str, memory_limit: int) -> None:
        self.files, self.name, self.default_targets, self.notes = files, name, [], list[str]()
        self.boundaries: list[int] = []
        self.written: TextForm | None = None
        self.folders: list[str] = []
        self.rows_by_file: list[int] = []
        self.table: pa.Table | None = None
        if self.memory_needed() <= memory_limit:
            self.table = one_chunk(self.plain(self.load()))
            self._schema, self._rows = self.table.schema, self.table.num_rows
        else:
            given, self._rows = self.survey()
            self._schema = plain_schema(given)
        check_names(self._schema.names, name)
        if not self._rows:
            raise DataError("no rows", where=name, why="the file has column names but nothing under them", fix="give a file with data")

    @abstractmethod
    def memory_needed(self) -> int:
        """Bytes that the rows would take in memory, estimated without reading them."""

    @abstractmethod
    def load(self) -> pa.Table:
        """All rows at once."""

    @abstractmethod
    def survey(self) -> tuple[pa.Schema, int]:
        """The schema and the number of rows, found in bounded memory."""

    @abstractmethod
    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The rows in order, in pieces of any size that memory holds many times."""

    def plain(self, table: pa.Table) -> pa.Table:
        """A piece as it was read, with plain columns."""
        return plain_table(table)

    def __len__(self) -> int:
        return self._rows

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types."""
        return self._schema

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order; streamed, one pass over the file up to the last of them."""
        wanted = None if columns is None else known_columns(columns, self.schema, self.name)
        if self.table is not None:
            table = self.table if wanted is None else self.table.select(wanted)
            return table if indices is None else table.take(int64_array(indices))
        schema = self.schema if wanted is None else pa.schema([self.schema.field(name) for name in wanted])
        pieces = map(self.plain, self.pieces(wanted))
        return pa.concat_tables(pieces) if indices is None else take_rows(pieces, indices, schema)

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column; the same tables in memory and streamed."""
        wanted = None if columns is None else known_columns(columns, self.schema, self.name)
        if self.table is not None:
            yield from in_pieces([self.read(columns=wanted)], rows)
        else:
            yield from in_pieces(map(self.plain, self.pieces(wanted)), rows)

    def fingerprint(self) -> dict[str, Any]:
        """Paths, bytes, sha256 and rows."""
        return {**fingerprint_of(self.files), "rows": len(self)}

    def place(self, row: int) -> str:
        """`row 12`, counted from 1."""
        return f"row {row + 1}"
