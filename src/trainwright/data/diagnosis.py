"""What is wrong with a text file, looked up again line by line once reading it has failed, so that the message can say where."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainwright.config.errors import DataError
from trainwright.data.sniffing import Dialect, consistency, quoted_reader, split_rows
from trainwright.data.text import opened_bytes

SHOWN = 5
WHERE = "data.source"


def not_text(path: Path, kind: str) -> DataError:
    """The error for a file that is no text."""
    fix = "give a csv, tsv, parquet, arrow, jsonl or xlsx file"
    for word, source in (("Parquet", "parquet"), ("Arrow", "arrow"), ("Feather", "arrow"), ("zip", "xlsx")):
        if word in kind:
            fix = f"if it is one, set data.source.type={source} and data.source.path={path}"
    return DataError(
        f"'{path.name}' is not a text table", where=WHERE, why=f"it is {kind}" if kind else "it holds bytes that are no text", fix=fix
    )


def undecodable(path: Path, encoding: str) -> DataError:
    """The error for bytes that `encoding` does not know, with the line of the first."""
    line = 0
    with opened_bytes(path) as opened:
        content = b""
        while block := opened.read(1 << 24):
            content = block
            try:
                block.decode(encoding)
            except UnicodeDecodeError as error:
                if error.end < len(block) - 4 or len(block) < 1 << 24:
                    line += block[: error.start].count(b"\n") + 1
                    shown = content[error.start : error.start + 1].hex()
                    why = f"the byte 0x{shown} in line {line}: {error.reason}"
                    return DataError(
                        f"'{path.name}' is not {encoding}",
                        where=WHERE,
                        why=why,
                        fix="set data.source.encoding, for example latin-1 or utf-16",
                    )
            line += block.count(b"\n")
    return DataError(f"'{path.name}' is not {encoding}", where=WHERE, fix="set data.source.encoding, for example latin-1 or utf-16")


def wrong_delimiter(path: Path, delimiter: str, better: str, text: str, quote: str) -> None:
    """Raises DataError when another delimiter splits every row alike and the given one splits none."""
    width, share = consistency(split_rows(text, better, quote))
    if better != delimiter and width > 1 and share == 1.0:
        raise DataError(
            f"'{path.name}' has one column with the delimiter {delimiter!r}",
            where="data.source.delimiter",
            why=f"{better!r} splits every row looked at into {width} values",
            fix=f"data.source.delimiter={better!r}, or leave it out",
        )


def other_columns(first: str, names: Sequence[str], other: str, others: Sequence[str]) -> None:
    """Raises DataError when two files of one pattern do not have the same columns, naming the differences."""
    missing, extra = [name for name in names if name not in others], [name for name in others if name not in names]
    if not missing and not extra:
        return
    differences = [f"missing: {', '.join(missing[:8])}"] * bool(missing) + [f"extra: {', '.join(extra[:8])}"] * bool(extra)
    raise DataError(
        f"'{other}' does not have the columns of '{first}'",
        where=WHERE,
        why="; ".join(differences),
        fix="name only files with the same columns",
    )


def diagnose(error: Exception, path: Path, dialect: Dialect, width: int, skipped: int) -> DataError:
    """The error for text that Arrow could not split into rows: ragged rows by line, an open quote, or Arrow's own words."""
    ragged, count = ragged_rows(path, dialect, width, skipped)
    if count:
        listed = "; ".join(f"line {line} has {values}" for line, values in ragged)
        more = f"; … {count} rows in all" if count > len(ragged) else ""
        last = ragged[-1][0]
        above = f"data.source.skip_rows={last} leaves out what stands above the table, or " if _stand_above(ragged, count) else ""
        return DataError(
            f"rows of '{path.name}' do not all have {width} values",
            where=WHERE,
            why=listed + more,
            fix=f"{above}correct those lines, set data.source.delimiter or quote, or data.source.invalid_rows=skip to leave them out",
        )
    words = str(error)
    if "out of sync" in words or "straddl" in words or "quot" in words:
        fix = "set data.source.quote=none if quotes are ordinary characters here"
        return DataError(f"a quoted value of '{path.name}' is never closed", where=WHERE, why=words.splitlines()[0], fix=fix)
    return DataError(
        f"'{path.name}' cannot be read as a table",
        where=WHERE,
        why=words.splitlines()[0],
        fix="set data.source.delimiter, quote or encoding",
    )


def _stand_above(ragged: Sequence[tuple[int, int]], count: int) -> bool:
    """Whether the ragged rows are the first ones of the file and no others."""
    return count == len(ragged) and ragged[0][0] == 1 and ragged[-1][0] <= 2 * count


def ragged_rows(path: Path, dialect: Dialect, width: int, skipped: int) -> tuple[list[tuple[int, int]], int]:
    """The first rows that do not have `width` values as (line, number of values), and how many there are; lines count from 1."""
    found: list[tuple[int, int]] = []
    count = 0
    with opened_bytes(path) as opened, io.TextIOWrapper(opened, encoding=dialect.encoding, errors="replace", newline="") as text:
        for line, values in _count_values(text, dialect):
            if line <= skipped or values in (0, width):
                continue
            count += 1
            if len(found) < SHOWN:
                found.append((line, values))
    return found, count


def _count_values(text: io.TextIOWrapper, dialect: Dialect) -> Iterator[tuple[int, int]]:
    """Line number of the row's first line, and number of its values."""
    if len(dialect.delimiter) > 1:
        for line, content in enumerate(text, start=1):
            split = content.split() if dialect.delimiter == "whitespace" else content.rstrip("\r\n").split(dialect.delimiter)
            yield line, len(split) if content.strip() else 0
        return
    csv.field_size_limit(1 << 30)
    reader = quoted_reader(text, dialect.delimiter, dialect.quote, dialect.escape)
    before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            before = reader.line_num
            continue
        yield before + 1, len(row)
        before = reader.line_num
