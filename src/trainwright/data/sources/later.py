"""New rows for a fitted table: a file is read by the form of the training file where that fits, and its values stay as they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.config.registry import options_class
from trainwright.data.claims import reasons
from trainwright.data.dialect import dialect_of
from trainwright.data.files import found_files
from trainwright.data.folder_names import folder_values
from trainwright.data.sniffing import Dialect, TextForm
from trainwright.data.source import Source, TableSource
from trainwright.data.sources import MEMORY_LIMIT, CSVOptions, ExcelOptions, JSONLinesOptions
from trainwright.data.sources.opening import build_source, from_object, options_of

FOUND_AGAIN = ("utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
"""Encodings that the bytes of a file tell; any other was named by a person and holds for later files too."""


def later_rows(
    data: Any,
    form: TextForm | None,
    columns: Collection[str],
    memory_limit: int = MEMORY_LIMIT,
    *,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """The rows of a path, DataFrame, Arrow table or mapping, for a model that was fitted on other rows.

    Args:
        data: the new rows.
        form: how the training file was written, if it was a text table.
        columns: those that the model knows of, by which it is seen whether the form fits.
        options: what the source of the training rows was told that makes columns; others that know such options are told too.

    Raises:
        DataError: they cannot be read.
    """
    if not isinstance(data, str | Path):
        source = from_object(data, memory_limit, as_written=True, keep=columns)
        source.notes = []  # that a row index is no column was told in training
        return source
    from trainwright.data.sources.folders import with_folder_columns

    return with_folder_columns(_files(str(data), form, columns, memory_limit, options or {}), as_text=True)


def _files(path: str, form: TextForm | None, columns: Collection[str], memory_limit: int, told: Mapping[str, Any]) -> Source:
    options = read_as_trained(options_of(path), told.get("type", ""))
    known = {name: value for name, value in told.items() if name in type(options).model_fields and name not in ("type", "path")}
    if known:
        options = type(options).model_validate({**options.model_dump(), **known})
    if options.type == "csv":
        return _text_table(path, form, columns, memory_limit)
    if options.type == "jsonl":
        from trainwright.data.sources.jsonl import JSONLinesSource

        return JSONLinesSource(JSONLinesOptions(path=path), memory_limit, as_text=True)
    if options.type == "xlsx":
        return _sheet(path, columns, memory_limit)
    source = build_source(options, memory_limit, columns)
    return source.with_valueless(columns) if isinstance(source, TableSource) else source


def read_as_trained(found: PartConfig, trained: str) -> PartConfig:
    """The options of the source of training, where it reads such paths in place of the one that claims them; else those that were found.

    A path alone does not say whether a row is a record or a beat of it.
    """
    if not trained or trained == found.type:
        return found
    own = options_class("source", trained)
    if found.type not in getattr(own, "in_place_of", ()):
        return found
    path = str(getattr(found, "path", ""))
    reasons[path] = f"'{path}' is read as {trained}, as the rows of training were"
    return own.model_validate({"type": trained, "path": path})


def _sheet(path: str, columns: Collection[str], memory_limit: int) -> Source:
    """The first sheet of a workbook, or the first one that has the columns where it has them not."""
    from trainwright.data.sources.xlsx import ExcelSource

    first = ExcelSource(ExcelOptions(path=path, nulls=[""]), memory_limit, as_written=True)
    for name in first.sheets if not set(columns) <= set(first.schema.names) else ():
        try:
            other = ExcelSource(ExcelOptions(path=path, nulls=[""], sheet=name), memory_limit, as_written=True)
        except DataError:  # an empty one, or no table
            continue
        if set(columns) <= set(other.schema.names):
            other.notes = [f"the sheet '{name}' is read, which has the columns of the model"]
            return other
    return first


def _text_table(path: str, form: TextForm | None, columns: Collection[str], memory_limit: int) -> Source:
    from trainwright.data.sources.csv import CSVSource

    first = found_files(path)[0]
    columns = set(columns) - set(folder_values(first))
    held = _as_in_training(path, form) if form else []
    found = [CSVOptions(path=path, nulls=[""], header=header) for header in ("true", "auto")]
    options = next((each for each in [*held, *found] if _fits(first, each, columns)), found[-1])
    source = CSVSource(options, memory_limit, as_text=True)
    if form and source.written and options not in held:
        source.notes += _differences(form.dialect, source.written.dialect)
    return source


def _as_in_training(path: str, form: TextForm) -> list[CSVOptions]:
    """How the file would be read by the form of training; one that then had no names may have got them since, or lost the lines before."""
    headers = [True] if form.dialect.header else [True, False]
    return [_hold_form(path, form, skip, header) for skip in dict.fromkeys((form.skip_rows, 0)) for header in headers]


def _hold_form(path: str, form: TextForm, skip_rows: int, header: bool) -> CSVOptions:
    """The options that read a file as the training file was read."""
    dialect = form.dialect
    return CSVOptions(
        path=path,
        delimiter=dialect.delimiter,
        quote=dialect.quote or "none",
        escape=dialect.escape or "none",
        encoding="auto" if dialect.encoding in FOUND_AGAIN else dialect.encoding,
        header=header,
        decimal="," if dialect.decimal == "," else ".",
        nulls=[""],
        skip_rows=skip_rows,
    )


def _fits(path: Path, options: CSVOptions, columns: Collection[str]) -> bool:
    """Whether a file read with the options has the columns that the model knows of."""
    try:
        return set(columns) <= set(dialect_of(path, options).names())
    except DataError:
        return False


def _differences(trained: Dialect, found: Dialect) -> list[str]:
    """What of the dialect is another than in training, in words."""
    other = [
        f"{each.name} {getattr(found, each.name)!r} instead of {getattr(trained, each.name)!r}"
        for each in fields(Dialect)
        if each.name not in ("encoding", "blank_after_delimiter") and getattr(found, each.name) != getattr(trained, each.name)
    ]
    return [f"this file is not written as the training file was: {', '.join(other)}"] if other else []
