"""Layers, totals and buffers of an inspection as lines of text. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainwright.files.inspection.layers import Buffer, LayerRow, Totals

LONGEST, SHORTEST = 34, 18
"""Characters of an output's shapes in a wide and in a narrow table; `to_dict` has them whole."""


def labels(rows: Sequence[LayerRow], top: str) -> list[str]:
    """The names drawn as a tree."""
    last = [not any(_follows(rows, number, row.depth)) for number, row in enumerate(rows)]
    open_at: dict[int, bool] = {}
    found = []
    for number, row in enumerate(rows):
        stem = "".join("│  " if open_at.get(level, False) else "   " for level in range(1, row.depth))
        found.append(f"{stem}{'└─ ' if last[number] else '├─ '}{row.name}" if row.depth else top)
        open_at[row.depth] = not last[number]
    return found


def _follows(rows: Sequence[LayerRow], number: int, depth: int) -> list[bool]:
    for row in rows[number + 1 :]:
        if row.depth <= depth:
            return [True] if row.depth == depth else []
    return []


def layer_lines(rows: Sequence[LayerRow], names: list[str], top: str, ran: bool, width: int) -> list[str]:
    """The fullest form of the table that fits: with shares and notes, without shares, with short numbers and the notes below."""
    forms = [(True, True, whole), (False, True, whole), (True, False, whole), (False, False, whole), (False, False, short)]
    noted = any(row.notes for row in rows)
    for shares, beside, number in forms:
        lines = _lines(rows, names, ran, shares, beside and noted, number)
        if max(map(len, lines)) <= width:
            break
    if noted and not beside:
        lines += ["", *(f"{row.path or top}: {'; '.join(row.notes)}" for row in rows if row.notes)]
    return lines


def _lines(rows: Sequence[LayerRow], names: list[str], ran: bool, shares: bool, beside: bool, number: Callable[[int], str]) -> list[str]:
    columns: list[tuple[str, list[str], bool]] = [("layer", names, False), ("class", [row.kind for row in rows], False)]
    if ran:
        columns.append(("output", [cut(row.output, SHORTEST if number is short else LONGEST) or "–" for row in rows], False))
    columns.append(("parameters", [number(row.parameters) if row.parameters else "–" for row in rows], True))
    if shares:
        columns.append(("share", [percent(row.parameter_share) for row in rows], True))
    columns.append(("trained", [row.trained for row in rows], False))
    if ran:
        columns.append(("multiply-adds", [number(row.mult_adds) if row.mult_adds else "–" for row in rows], True))
        if shares:
            columns.append(("share", [percent(row.mult_add_share) for row in rows], True))
    if beside:
        columns.append(("", ["; ".join(row.notes) for row in rows], False))
    return align_columns(columns)


def align_columns(columns: Sequence[tuple[str, Sequence[str], bool]]) -> list[str]:
    """Lines of a table from columns of (heading, cells, whether it holds numbers)."""
    parts = []
    for heading, cells, right in columns:
        size = max(len(each) for each in (heading, *cells))
        parts.append([each.rjust(size) if right else each.ljust(size) for each in (heading, *cells)])
    return ["  ".join(line).rstrip() for line in zip(*parts, strict=True)]


def total_lines(sums: Totals, buffers: Sequence[Buffer], example: Mapping[str, str]) -> list[str]:
    """The sums in words, `example` being what the model was run on, as in the record."""
    frozen = f" ({sums.trainable:,} trained, {sums.frozen:,} frozen)" if sums.frozen else " (all trained)" if sums.parameters else ""
    lines = [f"parameters     {sums.parameters:,}{frozen}"]
    if buffers:
        kept = sum(each.persistent for each in buffers)
        lines.append(f"buffers        {sums.buffers:,} in {len(buffers)} ({kept} persistent), {megabytes(sums.buffer_bytes)}")
    if example:
        lines.append(f"input          {', '.join(f'{name} {shape}' for name, shape in example.items())}")
        lines.append(f"multiply-adds  {sums.mult_adds:,}")
    memory = f"parameters {megabytes(sums.parameter_bytes)}"
    if example:
        memory = f"input {megabytes(sums.input_bytes)}, forward and backward {megabytes(sums.forward_backward_bytes)}, {memory}"
        memory += f", together {megabytes(sums.total_bytes)}"
    return [*lines, f"memory         {memory}"]


def buffer_lines(held: Sequence[Buffer]) -> list[str]:
    """A table of the buffers."""
    if not held:
        return ["no buffers"]
    shapes = ["×".join(map(str, each.shape)) or "()" for each in held]
    kept = ["persistent" if each.persistent else "not persistent" for each in held]
    columns = [
        ("buffer", [each.name for each in held], False),
        ("shape", shapes, False),
        ("dtype", [each.dtype for each in held], False),
        ("bytes", [f"{each.bytes:,}" for each in held], True),
        ("", kept, False),
    ]
    return align_columns(columns)


def whole(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"


def short(number: int) -> str:
    """`1.23 M`."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def percent(share: float) -> str:
    """`12.3 %`, never 0 % of something."""
    return "–" if not share else "<0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def megabytes(count: int) -> str:
    """Bytes as MB, three significant digits where they are few."""
    return f"{count / 1e6:,.2f} MB" if count >= 10_000 or not count else f"{count / 1e6:.2g} MB"


def cut(text: str, longest: int) -> str:
    """Shapes that are not too long for a table."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
