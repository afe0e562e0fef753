"""Sources of rows: their options, the table of parts, and the options that a path stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.domains import PartTable, every
from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.config.model import PartConfig, refusal
from trainwright.config.registry import Part
from trainwright.data.endings import COMPRESSED, EXTENSIONS

NULLS = [
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "Null", "None", "?",
    "#VALUE!", "#DIV/0!", "1.#QNAN", "1.#IND",
]  # fmt: skip
"""Text that stands for a missing value."""

BUILTIN = ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud")
"""The data sets scikit-learn carries."""

MEMORY_LIMIT = 4 << 30
"""Bytes above which a file is read in pieces."""

Lines = Literal["auto"] | Annotated[int, Field(ge=0)]


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
    skip_rows: Lines = "auto"
    """Lines before the table, skipped unread; `auto` finds titles and comments above a header, and says so."""
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
    """JSON objects, one per line or in one array."""

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
    skip_rows: Lines = "auto"
    """Rows before the table, those without a value not counted; `auto` finds titles above a header, and says so."""


class PackOptions(PartConfig):
    """A table with the files that it names, in one file that `trainwright pack` wrote."""

    type: str = "pack"
    path: str
    """The pack."""


def builtin_name(name: str) -> str:
    """The name of a built-in set; raises ConfigError naming the nearest."""
    if name not in BUILTIN and name not in every("builtin"):
        raise ConfigError(f"no built-in set '{name}'", fix=did_you_mean(name, every("builtin")))
    return name


class BuiltinNames:
    """Tells editors the names."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": list(every("builtin"))}


class BuiltinOptions(PartConfig):
    """A data set that comes with a domain: iris, wine, breast_cancer, digits, diabetes and linnerud of tables, digits_images of images."""

    type: str = "builtin"
    name: Annotated[str, AfterValidator(refusal(builtin_name)), BuiltinNames()]
    """Which one."""


_PARTS: dict[str, Part] = {
    "csv": Part("trainwright.data.sources.csv:CSVSource", CSVOptions, "text in rows and columns, any delimiter, quoting and encoding"),
    "parquet": Part("trainwright.data.sources.parquet:ParquetSource", ParquetOptions, "Parquet files"),
    "arrow": Part("trainwright.data.sources.arrow:ArrowSource", ArrowOptions, "Arrow IPC and Feather files"),
    "jsonl": Part("trainwright.data.sources.jsonl:JSONLinesSource", JSONLinesOptions, "JSON objects, one per line or in one array"),
    "xlsx": Part("trainwright.data.sources.xlsx:ExcelSource", ExcelOptions, "a sheet of an Excel workbook (extra `excel`)"),
    "pack": Part("trainwright.data.sources.pack:open_packed", PackOptions, "a table and the files that it names, as `pack` wrote them"),
    "builtin": Part(
        "trainwright.data.sources.builtin:open_builtin", BuiltinOptions, "iris, wine, breast_cancer, digits, diabetes, linnerud, and others"
    ),
}

PARTS = PartTable("source", _PARTS)
"""Registry name → source."""


def from_text(text: str) -> dict[str, Any]:
    """The options that a path, a pattern or `builtin:NAME` stands for: the source of the domain that claims it most.

    Raises DataError when there is no such file or set, for the directory of a run, and where two domains claim it alike.
    """
    kind, colon, name = text.partition(":")
    if colon and kind == "builtin":
        try:
            return {"type": "builtin", "name": builtin_name(name)}
        except ConfigError as error:
            raise DataError(error.what, where="data.source", fix=error.fix) from error
    if not text.strip():
        raise DataError("no data named", where="data.source", fix="give a path, a pattern or builtin:NAME")
    from trainwright.data.claims import find_claim
    from trainwright.data.files import found_files
    from trainwright.data.readable import refuse_run

    refuse_run(Path(os.path.expanduser(text)))
    if claim := find_claim(text):
        return {"type": claim, "path": text}
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
    if head[:1] in (b"{", b"["):
        return "jsonl"
    return next((kind for first, kind in magic.items() if head.startswith(first)), "csv")
