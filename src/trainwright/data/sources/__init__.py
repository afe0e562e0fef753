"""Sources of rows: their options, the table of parts, and how a path or an object becomes one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainwright.config.errors import DataError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part, build

if TYPE_CHECKING:
    from trainwright.data.source import Source

NULLS = [
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "Null", "None", "?",
    "#VALUE!", "#DIV/0!", "1.#QNAN", "1.#IND",
]  # fmt: skip
"""Text that stands for a missing value."""

BUILTIN = ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud")
"""The data sets scikit-learn carries."""

MEMORY_LIMIT = 4 << 30
"""Bytes above which a file is read in pieces."""

COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
EXTENSIONS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".data": "csv", ".dat": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
"""How a file's name ends → the source that reads it."""


class FileOptions(PartConfig):
    """A file, or several that a pattern or a folder of folders such as `year=2020` names."""

    path: str
    """The file, or a pattern such as `data/*.csv`: the files it names, sorted by name, are read one after the other."""


class CSVOptions(FileOptions):
    """Text in rows and columns: csv, tsv, any delimiter; plain or compressed (`.gz`, `.bz2`, `.zst`)."""

    type: str = "csv"
    delimiter: str = "auto"
    """What separates values: `auto`, one or more characters, or `whitespace` for runs of blanks."""
    quote: str = Field(default="auto", pattern=r"^(auto|none|.)$")
    """What surrounds a value that holds the delimiter: `auto`, `none`, or one character; doubled inside a value."""
    escape: str = Field(default="none", pattern=r"^(none|.)$")
    """A character before which a quote or delimiter is meant as itself."""
    encoding: str = "auto"
    """`auto`, or a name Python knows: `utf-8`, `latin-1`, `cp1252`, `utf-16`."""
    header: Literal["auto", "true", "false"] | bool = "auto"
    """Whether the first row names the columns; without names they are `column_1`, `column_2`, …"""
    decimal: Literal["auto", ".", ","] = "auto"
    """The decimal point of numbers."""
    nulls: list[str] = Field(default=NULLS)
    """Text that stands for a missing value."""
    skip_rows: int = Field(default=0, ge=0)
    """Lines before the table, skipped unread."""
    invalid_rows: Literal["error", "skip"] = "error"
    """A row with too many or too few values: stop and name it, or `skip` it, counted."""


class ParquetOptions(FileOptions):
    """Parquet files."""

    type: str = "parquet"
    keep_index: list[str] = []
    """Columns of the row index that pandas wrote, to be read as columns; those that the configuration names elsewhere are read anyway."""


class ArrowOptions(FileOptions):
    """Arrow IPC files, Feather among them."""

    type: str = "arrow"
    keep_index: list[str] = []
    """Columns of the row index that pandas wrote, to be read as columns; those that the configuration names elsewhere are read anyway."""


class JSONLinesOptions(FileOptions):
    """One JSON object per line."""

    type: str = "jsonl"


class ExcelOptions(FileOptions):
    """A sheet of an Excel workbook; needs the extra `excel`."""

    type: str = "xlsx"
    sheet: str | int = 0
    """The sheet's name, or its number from 0."""
    header: Literal["auto", "true", "false"] | bool = "auto"
    """Whether the first row names the columns."""
    nulls: list[str] = Field(default=NULLS)
    """Text that stands for a missing value."""


class BuiltinOptions(PartConfig):
    """A real data set that scikit-learn carries."""

    type: str = "builtin"
    name: Literal["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]
    """Which one."""


PARTS: dict[str, Part] = {
    "csv": Part("trainwright.data.sources.csv:CSVSource", CSVOptions, "text in rows and columns, any delimiter, quoting and encoding"),
    "parquet": Part("trainwright.data.sources.parquet:ParquetSource", ParquetOptions, "Parquet files"),
    "arrow": Part("trainwright.data.sources.arrow:ArrowSource", ArrowOptions, "Arrow IPC and Feather files"),
    "jsonl": Part("trainwright.data.sources.jsonl:JSONLinesSource", JSONLinesOptions, "one JSON object per line"),
    "xlsx": Part("trainwright.data.sources.xlsx:ExcelSource", ExcelOptions, "a sheet of an Excel workbook (extra `excel`)"),
    "builtin": Part(
        "trainwright.data.sources.builtin:BuiltinSource", BuiltinOptions, "iris, wine, breast_cancer, digits, diabetes, linnerud"
    ),
}
"""Registry name → source."""


def from_text(text: str) -> dict[str, Any]:
    """The options that a path, a pattern or `builtin:NAME` stands for; raises DataError when there is no such file or set."""
    kind, colon, name = text.partition(":")
    if colon and kind == "builtin":
        if name not in BUILTIN:
            raise DataError(f"no built-in set '{name}'", where="data.source", fix=did_you_mean(name, BUILTIN))
        return {"type": "builtin", "name": name}
    if not text.strip():
        raise DataError("no data named", where="data.source", fix="give a path, a pattern or builtin:NAME")
    from trainwright.data.files import found_files

    kinds = {kind_of(file) for file in found_files(text)}
    if len(kinds) > 1:
        raise DataError(
            f"'{text}' names files of several kinds: {', '.join(sorted(kinds))}", where="data.source", fix="name files of one kind"
        )
    return {"type": kinds.pop(), "path": text}


def kind_of(file: Path) -> str:
    """The source that reads a file, by how its name ends; when that says nothing, by its first bytes; else csv."""
    ends = [suffix.lower() for suffix in file.suffixes]
    if ends and ends[-1] in COMPRESSED:
        ends.pop()
    if ends and ends[-1] in EXTENSIONS:
        return EXTENSIONS[ends[-1]]
    with file.open("rb") as opened:
        head = opened.read(8)
    magic = {b"PAR1": "parquet", b"ARROW1": "arrow", b"FEA1": "arrow"}
    if head[:1] == b"{":
        return "jsonl"
    return next((kind for first, kind in magic.items() if head.startswith(first)), "csv")


def options_of(text: str) -> PartConfig:
    """The validated options that a path, a pattern or `builtin:NAME` stands for; raises DataError when there is no such file or set."""
    from trainwright.config.registry import options_class

    given = from_text(text)
    return options_class("source", given["type"]).model_validate(given)


def open_source(options: PartConfig, memory_limit: int, keep: Collection[str] = ()) -> Source:
    """The source that `options` describe, read in pieces when larger than `memory_limit` bytes; raises DataError when it cannot be read.

    Columns that stand in the names of folders come after those of the files. `keep`: columns that are wanted even if the file's own
    metadata say that they are a row index.
    """
    from trainwright.data.sources.folders import with_folder_columns

    return with_folder_columns(build_source(options, memory_limit, keep))


def build_source(options: PartConfig, memory_limit: int, keep: Collection[str] = ()) -> Source:
    """The source of the files alone, or of the set, that `options` describe; see `open_source`."""
    if keep and "keep_index" in type(options).model_fields:
        options = options.model_copy(update={"keep_index": [*options.keep_index, *keep]})  # type: ignore[attr-defined]
    source: Source = build("source", options, memory_limit=memory_limit)
    return source


def from_object(data: Any, memory_limit: int = MEMORY_LIMIT, *, as_written: bool = False, keep: Collection[str] = ()) -> Source:
    """A pandas DataFrame, an Arrow table, a mapping of column name → values, or a path, as a source; raises DataError for anything else.

    `as_written`: a column of mixed values in memory keeps apart what was text (see `python_values.written_column`). `keep`: columns
    that are wanted even if they are a row index.
    """
    if isinstance(data, str | Path):
        return open_source(options_of(str(data)), memory_limit, keep)
    from trainwright.data.source import TableSource
    from trainwright.data.sources.memory import index_of, table_of

    return TableSource(table_of(data, as_written), "the given table", index=index_of(data)).keeping(keep)
