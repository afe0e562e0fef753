"""A source with the columns that stand in the names of the folders its files lie in; they come after those of the files."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from trainwright.config.errors import DataError
from trainwright.data.arrow import PIECE, int64_array, plain_column
from trainwright.data.folder_names import folder_columns
from trainwright.data.python_values import is_written, text_of
from trainwright.data.source import FileSource, Source, known_columns
from trainwright.data.sources import NULLS
from trainwright.data.sources.csv import FALSE, TRUE, CSVSource
from trainwright.data.written_numbers import forms_in, reason_to_keep

SHOWN = 4


def with_folder_columns(source: Source, *, as_text: bool = False) -> Source:
    """The source of files, with the columns of their folders where these have any, which is noted.

    With `as_text` their values are kept as they are written. Raises DataError where the folders of the files make different columns, or a
    column of the files has other values than its folder says.
    """
    found = folder_columns(source.files) if isinstance(source, FileSource) else {}
    if not found or not isinstance(source, FileSource):
        return source
    both = {name: values for name, values in found.items() if name in source.schema.names}
    if both:
        _ensure_alike(source, both)
        listed = ", ".join(f"'{name}'" for name in both)
        source.notes.append(f"the files and the names of their folders both have {listed}, and agree; the files are read")
    rest = {name: values for name, values in found.items() if name not in both}
    return FolderSource(source, rest, as_text) if rest else source


class FolderSource:
    """Rows of files, with a value for each file in the columns that its folders make."""

    def __init__(self, source: FileSource, texts: dict[str, list[str | None]], as_text: bool = False) -> None:
        """`texts`: column name → one value per file of the source, as it is written."""
        self.source, self.texts, self.folders = source, texts, list(texts)
        self.name, self.default_targets, self.notes = source.name, source.default_targets, source.notes
        self.boundaries, self.written, self.files = source.boundaries, source.written, source.files
        self.ends = np.cumsum(source.rows_by_file)
        words = source.written.nulls if source.written else None
        self.values = {name: _as_text(given) if as_text else type_values(name, given, words) for name, given in texts.items()}
        self.notes.append(f"columns read from the names of folders: {'; '.join(_show(*each) for each in texts.items())}")

    def __len__(self) -> int:
        return len(self.source)

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types."""
        return pa.schema([*self.source.schema, *(pa.field(name, values.type) for name, values in self.values.items())])

    def keep_text(self, columns: Sequence[str]) -> None:
        """Reads some columns again as the text they are written in."""
        self.values |= {name: _as_text(self.texts[name]) for name in columns if name in self.texts}
        inside = [name for name in columns if name not in self.texts]
        if inside and isinstance(self.source, CSVSource):
            self.source.keep_text(inside)

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        wanted, inside = self._divide(columns)
        table = self.source.read(indices, inside) if inside else None
        return self._join(table, np.arange(len(self)) if indices is None else np.asarray(indices, np.int64), wanted)

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column."""
        wanted, inside = self._divide(columns)
        if not inside:
            for start in range(0, len(self), rows):
                yield self._join(None, np.arange(start, min(start + rows, len(self))), wanted)
            return
        start = 0
        for table in self.source.batches(inside, rows):
            yield self._join(table, np.arange(start, start + table.num_rows), wanted)
            start += table.num_rows

    def fingerprint(self) -> dict[str, Any]:
        """That of the files, with what their folders say in the sha256."""
        import hashlib
        import json

        found = self.source.fingerprint()
        said = json.dumps([found["sha256"], self.texts, list(map(int, self.ends))])
        return {**found, "sha256": hashlib.sha256(said.encode()).hexdigest()}

    def place(self, row: int) -> str:
        """That of the files."""
        return self.source.place(row)

    def _divide(self, columns: list[str] | None) -> tuple[list[str], list[str]]:
        """The columns that are wanted, and those of them that the files hold."""
        wanted = known_columns(self.schema.names if columns is None else columns, self.schema, self.name)
        return wanted, [name for name in wanted if name not in self.values]

    def _join(self, table: pa.Table | None, rows: np.ndarray, wanted: list[str]) -> pa.Table:
        """What the files hold of some rows, with what their folders say."""
        file_of = int64_array(np.searchsorted(self.ends, rows, side="right"))
        columns = {name: self.values[name].take(file_of) for name in wanted if name in self.values}
        return pa.table({name: columns[name] if name in columns else table[name] for name in wanted})  # type: ignore[index]


def type_values(name: str, texts: Sequence[str | None], nulls: Sequence[str] | None) -> pa.Array:
    """The values of a column in the type that a text table would have for them; text where their form says more than their number.

    `nulls`: the words of a text table for a missing value; None for other files, in which such a word is a value, except among numbers.
    """
    found = _parse(texts, nulls or ())
    if nulls is None and pa.types.is_string(found.type):
        numbers = _parse(texts, NULLS)
        found = found if pa.types.is_string(numbers.type) or pa.types.is_null(numbers.type) else numbers
    written = pa.array([text for text in texts if text is not None], pa.string())
    numbers_lose = (pa.types.is_integer(found.type) or pa.types.is_floating(found.type)) and reason_to_keep(
        name, forms_in(written), written.unique().to_pylist()
    )
    return (
        _as_text(texts, nulls or ()) if numbers_lose or pa.types.is_time(found.type) else plain_column(pa.chunked_array([found])).chunk(0)
    )


def _parse(texts: Sequence[str | None], nulls: Sequence[str]) -> pa.Array:
    """The values as the reader of text tables types them."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([["" if text is None else text] for text in texts])
    content = written.getvalue().encode("utf-8", "surrogateescape")
    return arrow_csv.read_csv(
        io.BytesIO(content),
        arrow_csv.ReadOptions(column_names=["value"], block_size=len(content) + 1, use_threads=False),
        arrow_csv.ParseOptions(newlines_in_values=True),
        arrow_csv.ConvertOptions(null_values=["", *nulls], strings_can_be_null=True, true_values=TRUE, false_values=FALSE),
    )["value"].combine_chunks()


def _as_text(texts: Sequence[str | None], nulls: Sequence[str] = ()) -> pa.Array:
    return pa.array([None if text in nulls else text for text in texts], pa.string())


def _show(name: str, texts: Sequence[str | None]) -> str:
    """`'year' (2020, 2021, 2022, 2023, … 12 values)`."""
    distinct = list(dict.fromkeys("missing" if text is None else text for text in texts))
    more = f", … {len(distinct)} values" if len(distinct) > SHOWN else ""
    return f"'{name}' ({', '.join(distinct[:SHOWN])}{more})"


def _ensure_alike(source: FileSource, texts: dict[str, list[str | None]]) -> None:
    """Raises DataError naming the first file with another value in a column than its folder says."""
    ends, start = np.cumsum(source.rows_by_file), 0
    for table in source.batches(list(texts)):
        for number, end in enumerate(ends):
            first = int(end) - source.rows_by_file[number]
            piece = table.slice(max(0, first - start), max(0, min(int(end), start + table.num_rows) - max(first, start)))
            for name, values in texts.items():
                other = next((value for value in _distinct(piece[name]) if not _alike(value, values[number])), source)
                if other is not source:
                    what = f"'{name}' is {_say(other)} in '{source.files[number]}', whose folder says {_say(values[number])}"
                    why = "one of them is wrong, and which cannot be known"
                    raise DataError(
                        what,
                        where="data.source",
                        why=why,
                        fix="rename its column or its folder",
                    )
        start += table.num_rows


def _distinct(column: pa.ChunkedArray) -> list[Any]:
    if is_written(column.type):
        return list(dict.fromkeys(None if each is None else each["text"] for each in column.to_pylist()))
    return column.unique().to_pylist() if not pa.types.is_nested(column.type) else [str(each) for each in column.to_pylist()]


def _alike(value: Any, text: str | None) -> bool:
    """Whether a value of a file is what its folder says, whatever type the file gives it."""
    if value is None or text is None or text == value:
        return bool(value == text)
    if isinstance(value, datetime.date):
        kind = pa.timestamp("us") if isinstance(value, datetime.datetime) else pa.date32()
        try:
            return bool(pa.scalar(text, pa.string()).cast(kind).as_py() == value)
        except pa.ArrowInvalid:
            return False
    written = text_of(value) or ""
    try:
        return written.casefold() == text.casefold() if isinstance(value, bool) else written == text or float(written) == float(text)
    except ValueError:
        return False


def _say(value: Any) -> str:
    return "missing" if value is None else str(value)
