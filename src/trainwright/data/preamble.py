"""Lines above the header of a text table: titles, comments, blank lines, what a spreadsheet writes there."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.data.sniffing import NUMBER, consistency, split_rows

MOST = 30
"""Lines looked at above a table."""
ALIKE = 0.98
"""The share of rows of one width that a table has below its header."""
SURE, WEAK = ("\t", ",", ";", "|"), ("whitespace", ":")
"""Delimiters that are tried first, and those that split titles as well."""


def lines_above(text: str, quote: str, delimiter: str = "") -> int:
    """How many lines of the head of a file stand above its table: shorter than its rows, or with one value and nothing after it.

    Args:
        text: the head of the file, whole lines.
        quote: the character around values, or empty.
        delimiter: where it was named; else each that is tried for a table.
    """
    lines = text.splitlines(keepends=True)
    for tried in [(delimiter,)] if delimiter else [SURE, WEAK]:
        for first in range(min(MOST, len(lines) - 1)):
            if not lines[first].strip():
                continue
            rest = "".join(lines[first:])
            for each in tried:
                rows = split_rows(rest, each, quote)
                if _is_table(rows):
                    return first if first and _are_titles(lines[:first], rows, each, quote) else 0
    return 0


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are a table from the first one on, as far as they tell; a header of R that lacks the name of the rows is one."""
    width, share = consistency(rows)
    if width < 2 or share < ALIKE or len(rows) < 2 or _is_title(rows[0], width):
        return False
    of_r = len(rows[0]) == width - 1 and len(rows[1]) == width and not _names_numbers(rows[1:])
    return len(rows[0]) == width or of_r


def _is_title(row: Sequence[str], width: int) -> bool:
    """Whether a row has one value and blanks after it, as a title has where a spreadsheet wrote it, or none, or names the delimiter."""
    rest = any(value.strip() for value in row[1:])
    return len(row) == width and not rest and (not row[0].strip() or width > 2 or row[0].strip().strip('"').lower() == "sep=")


def _are_titles(lines: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str, quote: str) -> bool:
    """Whether lines stand above a table rather than being rows of it that are cut short."""
    width, _ = consistency(rows)
    above = [row for line in lines if line.strip() for row in split_rows(line, delimiter, quote)]
    told = [line for line in lines if line.strip()]
    shorter = all(len(row) < width or _is_title(row, width) for row in above)
    known = all(line.lstrip().startswith(("#", "//", "sep=", '"sep=')) for line in told)
    return known or (shorter and _names_columns(rows))


def _names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row may be a header: a text that is not empty in every place, none of them twice."""
    names = [value.strip() for value in rows[0]]
    return all(names) and len(set(names)) == len(names) and not any(NUMBER.fullmatch(name) for name in names)


def _names_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has a text where nearly all rows below have numbers."""
    below = [row for row in rows[1:] if len(row) == len(rows[0])]
    for place, name in enumerate(rows[0]):
        values = [row[place].strip() for row in below if row[place].strip()]
        numbers = sum(bool(NUMBER.fullmatch(value)) for value in values)
        if values and not NUMBER.fullmatch(name.strip()) and numbers >= 0.9 * len(values):
            return True
    return False


def rows_above(rows: Sequence[Sequence[object]]) -> int:
    """How many rows of a sheet stand above its table: with fewer than half of its columns, above a row with a text in each of them."""
    width = max((sum(value is not None for value in row) for row in rows), default=0)
    for first, row in enumerate(rows[:MOST]):
        filled = [value for value in row if value is not None]
        if len(filled) > max(1, width // 2):
            header = len(filled) == width and all(isinstance(value, str) for value in filled)
            return first if header and len(rows) > first + 1 else 0
    return 0
