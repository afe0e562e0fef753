"""What a text table is written like: its encoding, delimiter, quotes, decimal point, and whether its first row names the columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

BYTE_ORDER_MARKS: list[tuple[bytes, str]] = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
DELIMITERS = ("\t", ",", ";", "|", "whitespace", ":")
"""Tried in this order; the first that splits every row alike wins."""

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
THOUSAND = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""What may be thousands as well, and so speaks for no decimal comma."""
ROWS_LOOKED_AT = 200


@dataclass(frozen=True)
class Dialect:
    """How the text is written; `delimiter` may be several characters or `whitespace`, `quote` may be empty."""

    encoding: str
    delimiter: str
    quote: str
    escape: str
    decimal: str
    header: bool
    blank_after_delimiter: bool


@dataclass(frozen=True)
class TextForm:
    """How a table in text is to be read: its dialect, the lines before it, and the texts that stand for a missing value."""

    dialect: Dialect
    skip_rows: int
    nulls: tuple[str, ...]


def sniff_encoding(head: bytes, whole: bool) -> str:
    """The encoding of the first bytes of a file, or an empty string when they are no text; `whole` when nothing follows them."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    if b"\x00" in head:
        return _without_mark(head)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return "latin-1" if _looks_like_text(head) else ""
    return "utf-8" if _looks_like_text(head) else ""


def _without_mark(head: bytes) -> str:
    """UTF-16 text in Latin letters has a zero in nearly every second byte."""
    even, odd = head[0::2], head[1::2]
    if even and odd and odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even and odd and even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return ""


def _looks_like_text(head: bytes) -> bool:
    control = sum(head.count(bytes([code])) for code in (*range(1, 9), *range(14, 27), *range(28, 32), 127))
    return control <= 0.01 * len(head)


def sniff_quote(text: str) -> str:
    """The character around values: the double quote, unless single quotes open values and double ones do not."""
    double = len(re.findall(r'(?:^|[,;\t|:])\s?"', text, re.MULTILINE))
    single = len(re.findall(r"(?:^|[,;\t|:])\s?'[^'\n]*'(?=[,;\t|:\r\n]|$)", text, re.MULTILINE))
    return "'" if single > 2 and not double else '"'


def quoted_reader(lines: Iterable[str], delimiter: str, quote: str, escape: str = "") -> Any:
    """Python's csv reader for this dialect; an empty quote or escape means none."""
    if not quote:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, escapechar=escape or None)
    return csv.reader(lines, delimiter=delimiter, quotechar=quote, escapechar=escape or None)


def split_rows(text: str, delimiter: str, quote: str, escape: str = "", limit: int = ROWS_LOOKED_AT) -> list[list[str]]:
    """The first `limit` non-empty rows of `text`, split."""
    lines = text.splitlines(keepends=True)
    if delimiter == "whitespace":
        return [line.split() for line in lines if line.strip()][:limit]
    if len(delimiter) > 1:
        return [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip()][:limit]
    reader = quoted_reader(lines, delimiter, quote, escape)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) >= limit:
                break
    except csv.Error:
        pass  # the sample may end within a quoted value; what was split so far is enough to judge by
    return rows


def sniff_delimiter(text: str, quote: str) -> str:
    """The delimiter that splits the most rows into the same number of values, at least two; a comma when none does.

    One that the first row lacks gives way to one that is as often in the first row as in all others: `name;x` above `Last, First;1`.
    """
    best, best_share = ",", 0.0
    for delimiter in DELIMITERS:
        rows = split_rows(text, delimiter, quote)
        width, share = consistency(rows)
        if width < 2:
            continue
        if share == 1.0:
            other = _of_all_rows(text, quote) if len(rows[0]) == 1 else ""
            if other:
                return other
            return ";" if delimiter == "," and _semicolons_and_decimal_commas(text, quote) else delimiter
        if share > best_share and delimiter not in ("whitespace", ":"):
            best, best_share = delimiter, share
    return best if best_share >= 0.5 else ","


def _of_all_rows(text: str, quote: str) -> str:
    """The delimiter that is equally often in every row, the first one too; empty where none is. Blanks and colons are in texts as well."""
    for delimiter in DELIMITERS[:4]:
        widths = {len(row) for row in split_rows(text, delimiter, quote)}
        if len(widths) == 1 and min(widths) > 1:
            return delimiter
    return ""


def consistency(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The commonest number of values in a row, and the share of rows that have it; a header may lack one, for row names, as R's do."""
    if not rows:
        return 0, 0.0
    width, count = Counter(len(row) for row in rows).most_common(1)[0]
    if len(rows) > 2 and len(rows[0]) == width - 1:
        count += 1
    return width, count / len(rows)


def _semicolons_and_decimal_commas(text: str, quote: str) -> bool:
    rows = split_rows(text, ";", quote)
    width, share = consistency(rows)
    values = [value.strip() for row in rows[1:] for value in row]
    return width > 1 and share == 1.0 and sum(bool(COMMA_NUMBER.fullmatch(value)) for value in values) >= 0.3 * len(values)


def sniff_decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    """A comma when values look like `3,14` and none like `3.14`; `1,234` speaks for it only between semicolons, which stand for commas."""
    if delimiter == ",":
        return "."
    values = [value.strip() for row in rows[1:] for value in row]
    commas = sum(bool(COMMA_NUMBER.fullmatch(value)) and (delimiter == ";" or not THOUSAND.fullmatch(value)) for value in values)
    points = sum("." in value and bool(NUMBER.fullmatch(value)) for value in values)
    return "," if commas > points else "."


def sniff_header(rows: Sequence[Sequence[str]], nulls: Sequence[str], decimal: str = ".") -> bool:
    """Whether the first row names the columns.

    It does when it has text where the rows below have numbers. It does not when it has numbers itself (unless they count 0, 1, 2…),
    names a column twice, or holds values that come again below.
    """
    if not rows:
        return True
    first = [value.strip() for value in rows[0]]
    if len(rows) > 2 and len(first) + 1 == consistency(rows)[0]:
        return True
    below = [row for row in rows[1:] if len(row) == len(first)]
    empty = set(nulls)
    numeric = [_is_number(value, decimal) for value in first]
    named = [value for value in first if value and value not in empty]
    if not below:
        return not any(numeric)
    if any(numeric):
        return _counts_up([value for value, number in zip(first, numeric, strict=True) if number]) and len(set(first)) == len(first)
    for position, value in enumerate(first):
        values = [row[position].strip() for row in below if row[position].strip() not in empty]
        if value not in empty and values and sum(_is_number(each, decimal) for each in values) >= 0.9 * len(values):
            return True
    again = sum(any(row[position].strip() == value for row in below) for position, value in enumerate(first) if value)
    return len(set(named)) == len(named) and again <= 0.1 * len(first)


def _is_number(value: str, decimal: str) -> bool:
    return bool(NUMBER.fullmatch(value.replace(",", ".") if decimal == "," else value))


def _counts_up(values: list[str]) -> bool:
    """Names such as 0, 1, 2 … or years; three at least."""
    if len(values) < 3 or not all(value.isdigit() for value in values):
        return False
    numbers = [int(value) for value in values]
    return all(later - earlier == 1 for earlier, later in pairwise(numbers))


def blank_follows_delimiter(rows: Sequence[Sequence[str]]) -> bool:
    """Whether values begin with a blank in most rows (`39, State-gov, 77516`)."""
    later = [value for row in rows for value in row[1:] if value]
    return bool(later) and sum(value[0] == " " for value in later) > 0.5 * len(later)
