"""The head of a text table: its first rows, and how they are written, as found or as told."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainwright.config.errors import DataError, nearest
from trainwright.config.received import ensure_right
from trainwright.data.diagnosis import not_text, undecodable, wrong_delimiter
from trainwright.data.files import content_kind
from trainwright.data.preamble import lines_above
from trainwright.data.row_index import UNNAMED_INDEX
from trainwright.data.sniffing import (
    Dialect,
    blank_follows_delimiter,
    consistency,
    sniff_decimal,
    sniff_delimiter,
    sniff_encoding,
    sniff_header,
    sniff_quote,
    split_rows,
)
from trainwright.data.sources import CSVOptions
from trainwright.data.text import compression_of, opened_bytes

HEAD, LARGEST_HEAD = 1 << 17, 1 << 24
"""Bytes looked at to find how a file is written; more when they hold fewer than 20 lines."""

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "latin-1",
    "cp1252",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1250",
    "cp1251",
    "gb18030",
    "shift_jis",
    "euc-kr",
)


@dataclass(frozen=True)
class FileHead:
    """How a text table is written, its first rows split, and the lines that come before its rows."""

    dialect: Dialect
    rows: list[list[str]]
    skip_rows: int
    """Lines above the table, as they were given or found."""
    lines_skipped: int
    """The same with blank lines after them."""
    blank_lines: bool
    longest_line: int

    @property
    def lines_before(self) -> int:
        """Lines of the file before the first row of data."""
        return self.lines_skipped + int(self.dialect.header)

    def names(self) -> list[str]:
        """The column names (see `named_columns`), `row` for a first column that a header of R leaves out."""
        width, _ = consistency(self.rows)
        if not self.dialect.header:
            return [f"column_{position}" for position in range(1, width + 1)]
        given = [name.strip() for name in self.rows[0]]
        if len(given) == width - 1 and len(self.rows) > 2:
            given = ["row", *given]
        return named_columns(given)


def named_columns(header: Sequence[str]) -> list[str]:
    """The names in a header; `column_3` where the third has none, and for a first one what pandas calls the index that it wrote there."""
    names = [name or f"column_{position}" for position, name in enumerate(header, start=1)]
    if header and not header[0] and any(header) and UNNAMED_INDEX not in names:
        names[0] = UNNAMED_INDEX
    return names


def dialect_of(path: Path, options: CSVOptions) -> FileHead:
    """How the file is written, `options` first; raises DataError for a file that is no text, or a delimiter that splits nothing."""
    head, whole = _first_bytes(path)
    encoding = _encoding(path, head, whole, options.encoding)
    decoded = _decode(path, head, encoding)
    above = _lines_above(decoded, whole, options) if options.skip_rows == "auto" else options.skip_rows
    text, skipped = _table_text(decoded, whole, above)
    if not text.strip():
        raise DataError(f"'{path.name}' holds no rows", where="data.source", why="it has only blank lines", fix="give a file with data")
    quote = sniff_quote(text) if options.quote == "auto" else "" if options.quote == "none" else options.quote
    escape = "" if options.escape == "none" else options.escape
    delimiter = sniff_delimiter(text, quote) if options.delimiter == "auto" else _named_delimiter(options.delimiter)
    rows = split_rows(text, delimiter, quote, escape)
    if options.delimiter != "auto" and rows and max(map(len, rows)) == 1:
        wrong_delimiter(path, delimiter, sniff_delimiter(text, quote), text, quote)
    decimal = sniff_decimal(rows, delimiter) if options.decimal == "auto" else options.decimal
    header = sniff_header(rows, options.nulls, decimal) if options.header == "auto" else options.header in (True, "true")
    dialect = Dialect(encoding, delimiter, quote, escape, decimal, header, blank_follows_delimiter(rows) if len(delimiter) == 1 else False)
    lines = text.splitlines()
    return FileHead(dialect, rows, above, skipped, any(not line.strip() for line in lines), max(map(len, lines)))


def _first_bytes(path: Path) -> tuple[bytes, bool]:
    """The head of a file, with at least 20 lines where it has them, and whether that is all of it."""
    with path.open("rb") as opened:
        kind = content_kind(opened.read(16))
    if kind and not compression_of(path):
        raise not_text(path, kind)
    size, head = HEAD, b""
    try:
        with opened_bytes(path) as opened:
            while True:
                more = opened.read(size - len(head))
                head += more
                if len(head) < size:
                    return head, True
                if head.count(b"\n") + head.count(b"\r") >= 20 or size >= LARGEST_HEAD:
                    return head, False
                size *= 8
    except (OSError, EOFError, ValueError) as error:
        ensure_right(error, path)
        raise DataError(
            f"'{path.name}' cannot be decompressed", where="data.source", why=str(error), fix="is it complete? get it again"
        ) from error


def _encoding(path: Path, head: bytes, whole: bool, told: str) -> str:
    if told != "auto":
        try:
            name = codecs.lookup(told).name
        except LookupError:
            close = nearest(told, ENCODINGS)
            hint = f"did you mean '{close}'? " if close else ""
            raise DataError(
                f"unknown encoding '{told}'", where="data.source.encoding", fix=f"{hint}for example {', '.join(ENCODINGS[:5])}"
            ) from None
        return "latin-1" if name == "iso8859-1" else name
    kind = content_kind(head[:16])
    encoding = "" if kind else sniff_encoding(head, whole)
    if not encoding:
        raise not_text(path, kind)
    return encoding


def _decode(path: Path, head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head).lstrip("\ufeff")
    except UnicodeDecodeError:
        raise undecodable(path, encoding) from None


def _lines_above(text: str, whole: bool, options: CSVOptions) -> int:
    """Lines above the table that are no part of it, where nobody said how many."""
    kept, blank = _table_text(text, whole, 0)
    quote = sniff_quote(kept) if options.quote == "auto" else "" if options.quote == "none" else options.quote
    found = lines_above(kept, quote, "" if options.delimiter == "auto" else _named_delimiter(options.delimiter))
    return found + blank if found else 0


def _table_text(text: str, whole: bool, skip_rows: int) -> tuple[str, int]:
    """The text from the first line of the table on (a last line that was cut left out), and the lines before it."""
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines.pop()
    skipped = skip_rows
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    return "".join(lines[skipped:]), skipped


def _named_delimiter(given: str) -> str:
    names = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
    return names.get(given.lower(), given)
