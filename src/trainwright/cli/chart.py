"""A curve drawn with characters: eight dots in each where the terminal can show them, stars elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from trainwright.cli.style import dim, heading

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a cell, by row and column."""
SAMPLES = 8
"""Values looked at for each column of dots, so that a narrow peak is seen."""
MARGIN = 9
"""Characters left of the drawing: a label of seven, a space and the axis."""


def cells(width: int) -> int:
    """Characters across the drawing itself, on a line of `width`."""
    return max(width - MARGIN, 8)


def places(count: int, width: int) -> list[list[int]]:
    """For each column of dots, the steps out of `count` that it stands for, at most about `SAMPLES` of them; never none."""
    dots = 2 * cells(width)
    found = []
    for column in range(dots):
        start, end = column * count // dots, (column + 1) * count // dots
        inside = range(start, max(end, start + 1))
        found.append(list(inside[:: math.ceil(len(inside) / SAMPLES)]))
    return found


def draw_curve(values: Sequence[Sequence[float]], height: int, below: Sequence[Sequence[str]]) -> str:
    """A curve over an axis that begins at 0, from the values of each column of dots.

    `below` are lines of labels, each spread evenly under the axis.
    """
    top = max((each for column in values for each in column), default=0.0) or 1.0
    dotted = can_show("⣿┤─└")
    dots, labels = _dots(values, top, height), _labels(top, height)
    across = len(values) // 2
    lines = []
    for row in range(height):
        curve = "".join(_cell(dots, 4 * (height - 1 - row), column, dotted) for column in range(across)).rstrip()
        axis = "|" if not dotted else "┤" if row in labels else "│"
        label = labels.get(row, "").rjust(MARGIN - 2)
        lines.append((dim(f"{label} {axis}") + (heading(curve) if curve else "")).rstrip())
    corner, line = ("└", "─") if dotted else ("+", "-")
    lines.append(dim(" " * (MARGIN - 1) + corner + line * across))
    return "\n".join([*lines, *(dim(spread(texts, across)) for texts in below)])


def short(value: float) -> str:
    """A number in at most seven characters."""
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def spread(texts: Sequence[str], across: int) -> str:
    """Labels under the axis: the first begins and the last ends with it, the others lie evenly between, where there is room."""
    line = [" "] * (MARGIN + across)
    taken = 0
    for number, text in enumerate(texts):
        middle = MARGIN + round(number * (across - 1) / max(len(texts) - 1, 1))
        start = min(max(middle - len(text) // 2, MARGIN if number == 0 else taken), MARGIN + across - len(text))
        if start < taken:
            continue
        line[start : start + len(text)] = text
        taken = start + len(text) + 2
    return "".join(line).rstrip()


def can_show(text: str) -> bool:
    """Whether stdout has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _dots(values: Sequence[Sequence[float]], top: float, height: int) -> set[tuple[int, int]]:
    """The dots (column, row from below) of the curve; each column reaches up or down to the one before."""
    found: set[tuple[int, int]] = set()
    before: int | None = None
    for column, each in enumerate(values):
        rows = [round(max(value, 0.0) / top * (4 * height - 1)) for value in each]
        last = rows[-1]
        if before is not None and before != rows[0]:
            rows.append(before + (1 if rows[0] > before else -1))
        found.update((column, row) for row in range(min(rows), max(rows) + 1))
        before = last
    return found


def _cell(dots: set[tuple[int, int]], lowest: int, column: int, dotted: bool) -> str:
    """The character at a column, whose lowest row of dots is `lowest`."""
    bits = sum(DOTS[3 - up][side] for up in range(4) for side in range(2) if (2 * column + side, lowest + up) in dots)
    if not bits:
        return " "
    return chr(BRAILLE + bits) if dotted else "*"


def _labels(top: float, height: int) -> dict[int, str]:
    """Row from above → label: the top, 0 at the bottom, and halves or quarters between where there is room."""
    parts = 4 if height >= 9 else 2
    shown = {round((height - 1) * part / parts): short(top * (parts - part) / parts) for part in range(parts)}
    return {**shown, height - 1: "0"}
