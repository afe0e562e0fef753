"""A sheet of an Excel workbook, read with openpyxl (the extra `excel`)."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.dialect import named_columns
from trainwright.data.files import found_files, shared_name
from trainwright.data.preamble import rows_above
from trainwright.data.python_values import column_of, text_column, written_column
from trainwright.data.schemas import common_schema, fit_table
from trainwright.data.sniffing import sniff_header
from trainwright.data.source import FileSource, check_names
from trainwright.data.sources import ExcelOptions

Rows = list[tuple[Any, ...]]


class ExcelSource(FileSource):
    """Rows of a sheet, of one or several workbooks; always held in memory, because a sheet has a million rows at most.

    With `as_written` every cell is kept as it is written, so that none is read by what stands in other rows.
    """

    def __init__(self, options: ExcelOptions, memory_limit: int, *, as_written: bool = False) -> None:
        self.options, self.as_written = options, as_written
        self.sheets: list[str] = []
        """The other sheets of the first workbook."""
        self.above = 0
        files = found_files(options.path)
        super().__init__(files, shared_name(files, options.path), memory_limit)
        if self.sheets:
            told = ", ".join(self.sheets[:8]) + (", …" if len(self.sheets) > 8 else "")
            self.notes.append(f"one sheet is read of {len(self.sheets) + 1}; the others are {told} (data.source.sheet=NAME)")
        if self.above and options.skip_rows == "auto":
            told = f"{self.above} row{'s' if self.above > 1 else ''} above the header"
            self.notes.append(f"{told}: skipped (data.source.skip_rows={self.above}; =0 reads them as rows)")

    def memory_needed(self) -> int:
        """Nothing that would count."""
        return 0

    def load(self) -> pa.Table:
        """All rows at once."""
        tables = [self._table(path, number == 0) for number, path in enumerate(self.files)]
        self.rows_by_file = [table.num_rows for table in tables]
        schema = common_schema([table.schema for table in tables], [path.name for path in self.files])
        return pa.concat_tables(fit_table(table, schema) for table in tables)

    def _table(self, path: Path, first: bool) -> pa.Table:
        """The rows of the sheet of one workbook."""
        options = self.options
        rows, others = _rows(path, options.sheet)
        rows = [row for row in rows if any(value is not None for value in row)]
        above = rows_above(rows) if options.skip_rows == "auto" else options.skip_rows
        if first:
            self.sheets, self.above = others, above
        rows = rows[above:]
        if not rows:
            fix = f"name another with data.source.sheet: {', '.join(others) or 'there is no other'}"
            raise DataError(f"sheet {options.sheet!r} of '{path.name}' is empty", where="data.source", fix=fix)
        return _table_of(rows, path, options, self.as_written)

    def survey(self) -> tuple[pa.Schema, int]:
        """Schema and rows of the sheet."""
        table = self.load()
        return table.schema, table.num_rows

    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The sheet as one piece."""
        table = self.load()
        yield table if columns is None else table.select(columns)


def _table_of(rows: Rows, path: Path, options: ExcelOptions, as_written: bool) -> pa.Table:
    """Rows, of which the first may name the columns, as columns."""
    width = max(max((place for place, value in enumerate(row, start=1) if value is not None), default=0) for row in rows)
    rows = [row[:width] + (None,) * (width - len(row)) for row in rows]
    header = options.header in (True, "true")
    if options.header == "auto":
        header = sniff_header([["" if value is None else str(value) for value in row] for row in rows[:200]], options.nulls)
    first = rows[0] if header else [None] * width
    names = named_columns(["" if name is None else str(name).strip() for name in first])
    check_names(names, path.name)
    nulls = set(options.nulls)
    columns = zip(*rows[int(header) :], strict=True) if len(rows) > int(header) else [()] * width
    return pa.Table.from_arrays([_column(list(values), nulls, as_written) for values in columns], names=names)


def _rows(path: Path, sheet: str | int) -> tuple[Rows, list[str]]:
    """The rows of a sheet, and the names of the other ones."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            "reading .xlsx needs openpyxl",
            where="data.source",
            why=str(error),
            fix="pip install 'trainwright[excel]', or save the sheet as csv",
        ) from error
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(
            f"'{path.name}' is not an Excel workbook", where="data.source", why=str(error), fix="save it as .xlsx or csv"
        ) from error
    names = book.sheetnames
    if isinstance(sheet, int) and not 0 <= sheet < len(names):
        raise DataError(
            f"'{path.name}' has no sheet number {sheet}", where="data.source.sheet", why=f"it has {len(names)}", fix=did_you_mean("", names)
        )
    if isinstance(sheet, str) and sheet not in names:
        raise DataError(f"'{path.name}' has no sheet '{sheet}'", where="data.source.sheet", fix=did_you_mean(sheet, names))
    chosen = book[names[sheet] if isinstance(sheet, int) else sheet]
    try:
        return list(chosen.iter_rows(values_only=True)), [name for name in names if name != chosen.title]
    finally:
        book.close()


def _column(values: list[Any], nulls: set[str], as_written: bool) -> pa.Array:
    """Numbers, truth values or dates where all values are; otherwise text."""
    cleaned = [None if value is None or (isinstance(value, str) and value.strip() in nulls) else value for value in values]
    if as_written:
        return written_column(cleaned)
    kinds = {type(value) for value in cleaned if value is not None}
    if not kinds:
        return pa.nulls(len(cleaned))
    if kinds == {bool}:
        return pa.array(cleaned, pa.bool_())
    if kinds == {int}:
        return column_of(cleaned)
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in cleaned], pa.float64())
    if kinds == {datetime.datetime}:
        return pa.array(cleaned, pa.timestamp("us"))
    return text_column(cleaned)
