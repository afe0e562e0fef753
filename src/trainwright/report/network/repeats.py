"""Rows of a tree with equal numbered blocks in a row shown once: `0 … 11 ×12`. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.files.inspection.layers import LayerRow


def fold_blocks(rows: Sequence[LayerRow]) -> list[tuple[LayerRow, str]]:
    """The rows that remain, each with the name that it is shown by; of equal blocks the first stands for all."""
    found: list[tuple[LayerRow, str]] = []
    start = 0
    while start < len(rows):
        end = _end(rows, start)
        sign, first, last = _sign(rows[start:end]), rows[start], rows[start]
        times, after = 1, end
        while first.name.isdigit() and after < len(rows) and rows[after].depth == first.depth and rows[after].name.isdigit():
            stop = _end(rows, after)
            if _sign(rows[after:stop]) != sign:
                break
            last, times, after = rows[after], times + 1, stop
        folded = times > 1 and (end - start > 1 or times > 2)
        found.append((first, f"{first.name} … {last.name} ×{times}" if folded else first.name))
        found += fold_blocks(rows[start + 1 : end])
        start = after if folded else end
    return found


def _end(rows: Sequence[LayerRow], start: int) -> int:
    """Where the rows inside the one at `start` end."""
    return next((number for number in range(start + 1, len(rows)) if rows[number].depth <= rows[start].depth), len(rows))


def _sign(rows: Sequence[LayerRow]) -> tuple[object, ...]:
    return tuple(
        (row.depth, row.name if number else "", row.kind, row.output, row.parameters, row.trainable, row.mult_adds, *row.notes)
        for number, row in enumerate(rows)
    )
