"""Words on a terminal: bold and colour where they are seen, plain text elsewhere; and tables."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from trainwright.config.received import visible


def shows_colours(stream: TextIO | None = None) -> bool:
    """Whether `stream` (stdout) shows colours: a terminal, and NO_COLOR is not set."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _style(text: str, code: str, stream: TextIO | None) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if shows_colours(stream) else text


def bold(text: str, stream: TextIO | None = None) -> str:
    """Bold text."""
    return _style(text, "1", stream)


def dim(text: str, stream: TextIO | None = None) -> str:
    """Text that stands back."""
    return _style(text, "2", stream)


def red(text: str, stream: TextIO | None = None) -> str:
    """Bold red text, for errors."""
    return _style(text, "1;31", stream)


def heading(text: str) -> str:
    """The name of a block of help."""
    return _style(text, "1;36", None)


def width() -> int:
    """Characters per line, at most 120."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def wrap(text: str, indent: int) -> str:
    """A paragraph that fits the terminal, each line indented."""
    pad = " " * indent
    return textwrap.fill(
        " ".join(text.split()), width(), initial_indent=pad, subsequent_indent=pad, break_long_words=False, break_on_hyphens=False
    )


def two_columns(rows: Sequence[tuple[str, str]], least: int = 12, most: int = 34) -> str:
    """Names in bold and what they are, aligned and wrapped."""
    column = min(max([least, *(len(name) for name, _ in rows)]), most)
    lines = []
    for name, meaning in rows:
        body = wrap(meaning, column + 4).lstrip() if meaning else ""
        if len(name) > column:
            lines += [f"  {bold(name)}", f"{' ' * (column + 4)}{body}"]
        else:
            lines.append(f"  {bold(name)}{' ' * (column - len(name))}  {body}".rstrip())
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """An aligned table; the columns in `right` hold numbers."""
    rows = [[visible(str(cell)) for cell in row] for row in rows]
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        parts = (
            cell.rjust(size) if column in right else cell.ljust(size) for column, (cell, size) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(parts).rstrip()

    return "\n".join([bold(line(header)), *(line(row) for row in rows)])


def count_things(count: int, thing: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
