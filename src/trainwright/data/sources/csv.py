"""Text in rows and columns, read with pyarrow.csv: whole and in parallel when it fits, block by block when it does not."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from trainwright.data.arrow import plain_table
from trainwright.data.diagnosis import diagnose, other_columns, undecodable
from trainwright.data.dialect import FileHead, dialect_of
from trainwright.data.files import found_files, shared_name
from trainwright.data.sniffing import TextForm
from trainwright.data.source import FileSource, check_names
from trainwright.data.sources import CSVOptions
from trainwright.data.text import compression_of, lines_rewritten
from trainwright.data.written_numbers import DECIDING, DISTINCT, could_be_versions, forms_in, may_hold_codes, reason_to_keep

LADDER: list[pa.DataType] = [
    pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s"), pa.timestamp("s"), pa.timestamp("s", "UTC"),
    pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.float64(), pa.string(),
]  # fmt: skip
"""The order in which Arrow tries types for a column; a column has the first that fits all its values."""

TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
BLOCK, LARGEST_BLOCK = 1 << 20, 1 << 30
STREAM_BLOCK = 1 << 22
CONVERSION = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)


class NotUTF8(Exception):
    """A value is no UTF-8; seen only inside this module."""


@dataclass
class TextFile:
    """One file: how it is written, its column names, and how many lines come before its rows."""

    path: Path
    head: FileHead
    names: list[str]
    newlines: bool


class CSVSource(FileSource):
    """Rows of one or several text files with the same columns; delimiter, quotes, encoding and header are found when not given.

    A column whose numbers say more than their value (codes with leading zeros, versions) stays text; with `as_text` every column does.
    """

    def __init__(self, options: CSVOptions, memory_limit: int, *, as_text: bool = False) -> None:
        self.options, self.as_text = options, as_text
        files = found_files(options.path)
        self.skipped = 0
        self.types: dict[str, pa.DataType] = {}
        self.texts = [self._look(path) for path in files]
        for text in self.texts[1:]:
            other_columns(self.texts[0].path.name, self.texts[0].names, text.path.name, text.names)
        super().__init__(files, shared_name(files, options.path), memory_limit)
        self.written = TextForm(self.texts[0].head.dialect, self.texts[0].head.skip_rows, tuple(options.nulls))
        self._note()

    def _look(self, path: Path) -> TextFile:
        head = dialect_of(path, self.options)
        names = head.names()
        check_names(names, path.name)
        return TextFile(path, head, names, _may_hold_newlines(path, head))

    def _note(self) -> None:
        first = self.texts[0].head.dialect
        if not first.header:
            self.notes.append(
                "no header was found: columns are named column_1, column_2, … (data.source.header=true if the first row names them)"
            )
        if self.options.skip_rows == "auto" and (above := self.texts[0].head.skip_rows):
            told = f"{above} line{'s' if above > 1 else ''} above the header"
            self.notes.append(f"{told}: skipped (data.source.skip_rows={above}; =0 reads them as rows)")
        if first.encoding == "latin-1" and self.options.encoding == "auto":
            self.notes.append("the text is not UTF-8 and was read as latin-1; set data.source.encoding=NAME if letters look wrong")
        if self.skipped:
            self.notes.append(f"{self.skipped} rows with too few or too many values were skipped")

    def memory_needed(self) -> int:
        """Twice the size of the files; eight times when compressed."""
        return sum(path.stat().st_size * (8 if compression_of(path) else 2) for path in (text.path for text in self.texts))

    def plain(self, table: pa.Table) -> pa.Table:
        """The piece with plain columns, and without blanks around text where a blank follows each delimiter."""
        table = plain_table(table, nan_is_missing=False)
        if self.as_text or not any(text.head.dialect.blank_after_delimiter for text in self.texts):
            return table
        columns = [pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column for column in table.columns]
        return pa.Table.from_arrays(columns, names=table.column_names)

    def load(self) -> pa.Table:
        """All rows; columns whose types differ between files are read again with the first type that fits all."""
        return self._decode(self._load)

    def survey(self) -> tuple[pa.Schema, int]:
        """Types and rows in one pass, begun again with a wider type when a later block does not fit."""
        return self._decode(self._survey)

    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The rows in order, one block at a time."""
        for text in self.texts:
            yield from self._blocks(text, columns)

    def place(self, row: int) -> str:
        """`row 12 (line 13)`; the line only where every row is one line of one file."""
        if len(self.texts) > 1 or self.texts[0].newlines or self.skipped or self.texts[0].head.blank_lines:
            return super().place(row)
        return f"row {row + 1} (line {row + 1 + self.texts[0].head.lines_before})"

    def _decode(self, read: Callable[[], Any]) -> Any:
        """What `read` returns; when a later part of the text proves to be no UTF-8, again as latin-1."""
        try:
            return read()
        except NotUTF8:
            if self.options.encoding != "auto":
                raise undecodable(self.texts[0].path, self.options.encoding) from None
            for text in self.texts:
                text.head = replace(text.head, dialect=replace(text.head.dialect, encoding="latin-1"))
            self.skipped, self.types = 0, {}
            return read()

    def _load(self) -> pa.Table:
        names = self.texts[0].names
        text_types = dict.fromkeys(names, pa.string()) if self.as_text else {}
        tables = [self._whole(text, text_types) for text in self.texts]
        self.rows_by_file = [table.num_rows for table in tables]
        found: dict[str, pa.DataType] = {}
        for name in names:
            types = [table.schema.field(name).type for table in tables if table.num_rows]
            distinct = {kind for kind in types if not pa.types.is_null(kind)}
            found[name] = distinct.pop() if len(distinct) == 1 else pa.null() if not distinct else self._common(name, types)
        found |= self._kept_as_text(found)
        joined = []
        for text, table in zip(self.texts, tables, strict=True):
            again = [
                name
                for name in names
                if table.schema.field(name).type != found[name] and not pa.types.is_null(table.schema.field(name).type)
            ]
            if again:
                wider = self._whole(text, {name: found[name] for name in again}, again)
                for name in again:
                    table = table.set_column(table.schema.get_field_index(name), name, wider[name])
            joined.append(table.select(names).cast(pa.schema([(name, found[name]) for name in names])))
        self.types = found
        return pa.concat_tables(joined)

    def _common(self, name: str, types: list[pa.DataType]) -> pa.DataType:
        """The first type on the ladder that fits the column in every file."""
        for kind in LADDER[max(map(_rung, types)) :]:
            try:
                for text in self.texts:
                    self._whole(text, {name: kind}, [name])
            except pa.ArrowInvalid:
                continue
            return kind
        return pa.string()

    def keep_text(self, columns: list[str]) -> None:
        """Reads some columns again as the text they are written in."""
        self.types |= dict.fromkeys(columns, pa.string())
        if self.table is not None:
            written = self.plain(pa.concat_tables(self._read_texts(columns)).combine_chunks())
            for name in columns:
                self.table = self.table.set_column(self.table.schema.get_field_index(name), name, written[name])
        self._schema = pa.schema([field.with_type(pa.string()) if field.name in columns else field for field in self._schema])

    def _kept_as_text(self, types: dict[str, pa.DataType]) -> dict[str, pa.DataType]:
        """The columns that were read as numbers or times and have to be text instead, because their form would be lost."""
        skipped = self.skipped
        kept = [name for name, kind in types.items() if pa.types.is_time(kind)]
        floats = [name for name, kind in types.items() if pa.types.is_floating(kind)]
        suspects = versions = self._possible_versions(floats)
        if any(self._may_hold_codes(text) for text in self.texts):
            suspects = [name for name, kind in types.items() if pa.types.is_integer(kind)] + floats
        forms: dict[str, set[str]] = {name: set() for name in suspects}
        distinct: dict[str, list[str]] = {name: [] for name in suspects}
        for piece in self._read_texts(suspects):
            for name in suspects:
                if forms[name].isdisjoint(DECIDING):
                    forms[name] |= forms_in(piece[name])
                if name in versions and len(distinct[name]) < DISTINCT:
                    new = pc.drop_null(piece[name]).unique().slice(0, DISTINCT).to_pylist()
                    distinct[name] = list(dict.fromkeys([*distinct[name], *new]))[:DISTINCT]
        self.skipped = skipped  # the rows were counted when they were first read
        kept += [name for name in suspects if reason_to_keep(name, forms[name], distinct[name])]
        return dict.fromkeys(kept, pa.string())

    def _may_hold_codes(self, text: TextFile) -> bool:
        """Whether the bytes of a file hold such a value; without looking, where they are not those of the values."""
        if self.as_text:
            return False
        dialect = text.head.dialect
        looked = len(dialect.delimiter) == 1 and dialect.encoding.startswith(("utf-8", "latin-1", "ascii", "cp"))
        return not looked or may_hold_codes(text.path, dialect.delimiter, dialect.quote)

    def _possible_versions(self, floats: list[str]) -> list[str]:
        """The columns of floats whose first rows look like versions."""
        text = self.texts[0]
        rows = text.head.rows[int(text.head.dialect.header) :]
        nulls = set(self.options.nulls)
        looked = set(floats)
        heads = {name: [row[place] for row in rows if len(row) > place] for place, name in enumerate(text.names) if name in looked}
        return [name for name, values in heads.items() if could_be_versions([value for value in values if value.strip() not in nulls])]

    def _read_texts(self, columns: list[str]) -> Iterator[pa.Table]:
        """The texts of some columns, block by block."""
        for text in self.texts if columns else ():
            yield from self._read_typed(text, dict.fromkeys(columns, pa.string()), columns)

    def _read_typed(self, text: TextFile, types: dict[str, pa.DataType], columns: list[str]) -> Iterator[pa.Table]:
        with self._reader(text, types, columns) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def _whole(self, text: TextFile, types: dict[str, pa.DataType], columns: list[str] | None = None) -> pa.Table:
        before, block = self.skipped, max(BLOCK, text.head.longest_line * 8)
        while True:
            try:
                table = arrow_csv.read_csv(self._input(text), *self._settings(text, types, columns, block))
                break
            except pa.ArrowInvalid as error:
                if "straddl" in str(error) and block < LARGEST_BLOCK:
                    block, self.skipped = block * 8, before
                    continue
                if CONVERSION.search(str(error)) and types:
                    if self.as_text:
                        raise NotUTF8 from error
                    raise
                raise diagnose(error, text.path, text.head.dialect, len(text.names), text.head.lines_skipped) from error
        if any(pa.types.is_binary(kind) for kind in table.schema.types):
            raise NotUTF8
        if columns is not None:
            self.skipped = before
        return table

    def _survey(self) -> tuple[pa.Schema, int]:
        names = self.texts[0].names
        types = dict.fromkeys(names, pa.string() if self.as_text else pa.null())
        if not self.as_text:
            with self._reader(self.texts[0], {}, None) as reader:
                types |= {field.name: field.type for field in reader.schema}
        if any(pa.types.is_binary(kind) for kind in types.values()):
            raise NotUTF8
        while True:
            self.types, self.skipped, self.rows_by_file = types, 0, []
            for text in self.texts:
                failed, rows = self._fits(text)
                self.rows_by_file.append(rows)
                if failed:
                    types = {**types, failed: _next(types[failed])}
                    break
            else:
                self.types = types = {**types, **self._kept_as_text(types)}
                return pa.schema([(name, types[name]) for name in names]), sum(self.rows_by_file)

    def _fits(self, text: TextFile) -> tuple[str, int]:
        """The first column of a file that has a value not of its type (empty when none), and the rows read."""
        rows = 0
        try:
            with self._reader(text, self.types, None) as reader:
                for batch in reader:
                    rows += batch.num_rows
        except pa.ArrowInvalid as error:
            conversion = CONVERSION.search(str(error))
            if conversion is None:
                raise diagnose(error, text.path, text.head.dialect, len(text.names), text.head.lines_skipped) from error
            name = text.names[int(conversion[1])]
            if self.types[name] == pa.string():
                raise NotUTF8 from error
            return name, rows
        return "", rows

    def _reader(self, text: TextFile, types: dict[str, pa.DataType], columns: list[str] | None) -> arrow_csv.CSVStreamingReader:
        try:
            return arrow_csv.open_csv(
                self._input(text), *self._settings(text, types, columns, max(STREAM_BLOCK, text.head.longest_line * 8))
            )
        except pa.ArrowInvalid as error:
            if CONVERSION.search(str(error)):
                raise
            raise diagnose(error, text.path, text.head.dialect, len(text.names), text.head.lines_skipped) from error

    def _blocks(self, text: TextFile, columns: list[str] | None) -> Iterator[pa.Table]:
        yield from self._read_typed(text, self.types, self.texts[0].names if columns is None else columns)

    def _input(self, text: TextFile) -> Any:
        dialect = text.head.dialect
        if len(dialect.delimiter) > 1:
            return lines_rewritten(text.path, dialect.encoding, dialect.delimiter)
        compression = compression_of(text.path)
        return pa.input_stream(str(text.path), compression=compression) if compression else str(text.path)

    def _settings(
        self, text: TextFile, types: dict[str, pa.DataType], columns: list[str] | None, block: int
    ) -> tuple[arrow_csv.ReadOptions, arrow_csv.ParseOptions, arrow_csv.ConvertOptions]:
        dialect = text.head.dialect
        rewritten = len(dialect.delimiter) > 1
        reading = arrow_csv.ReadOptions(
            block_size=block, column_names=text.names, skip_rows=text.head.lines_skipped, skip_rows_after_names=int(dialect.header),
            encoding="utf8" if rewritten or dialect.encoding == "utf-8-sig" else dialect.encoding,
        )  # fmt: skip
        parsing = arrow_csv.ParseOptions(
            delimiter="\x1f" if rewritten else dialect.delimiter, quote_char=dialect.quote or False, escape_char=dialect.escape or False,
            newlines_in_values=text.newlines, invalid_row_handler=self._skip if self.options.invalid_rows == "skip" else None,
        )  # fmt: skip
        nulls = self.options.nulls
        if dialect.blank_after_delimiter:
            nulls = nulls + [" " + each for each in nulls]
        converting = arrow_csv.ConvertOptions(
            column_types=types, null_values=nulls, strings_can_be_null=True, true_values=TRUE, false_values=FALSE,
            decimal_point=dialect.decimal, include_columns=columns,
        )  # fmt: skip
        return reading, parsing, converting

    def _skip(self, row: Any) -> str:
        self.skipped += 1
        return "skip"


def _rung(kind: pa.DataType) -> int:
    return LADDER.index(kind) if kind in LADDER else len(LADDER) - 1


def _next(kind: pa.DataType) -> pa.DataType:
    return LADDER[min(_rung(kind) + 1, len(LADDER) - 1)]


def _may_hold_newlines(path: Path, head: FileHead) -> bool:
    """Whether a quoted value may hold a line end: only where the file has quotes at all."""
    quote = head.dialect.quote
    if not quote or len(head.dialect.delimiter) > 1:
        return False
    if compression_of(path) or not head.dialect.encoding.startswith(("utf-8", "latin-1", "ascii")):
        return True
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(quote.encode()) >= 0
