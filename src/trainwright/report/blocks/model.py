"""The layers of a model, their sizes and cost, and the picture of how data flow through it."""

from __future__ import annotations

from typing import Any

from trainwright.files.inspection.layers import LayerRow
from trainwright.files.inspection.lines import percent, short
from trainwright.files.inspection.record import Inspection
from trainwright.report.blocks.base import Block, CannotDraw, Sheet
from trainwright.report.charts.axes import figure
from trainwright.report.figures import number, plural, size
from trainwright.report.markup import Content, Markup, code, hidden_rest, note, table, tag
from trainwright.report.network.picture import picture
from trainwright.report.network.repeats import fold_blocks

MOST = 60
"""Rows of the table."""
LONGEST = 40
"""Characters of an output's shapes."""


class Model(Block):
    """What `tw.inspect` finds, as its `to_dict` writes it."""

    model: dict[str, Any]
    file: str = ""
    """Where all layers are, when not all are shown."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The table of layers and the picture."""
        try:
            found = Inspection.from_dict(self.model)
        except ValueError as error:
            raise CannotDraw(str(error).splitlines()[0]) from None
        rows = choose_rows(found.rows)
        body: list[Content] = [note(describe(found)), _layers(found, rows)]
        body.append(hidden_rest(len(rows), len(fold_blocks(found.rows)), "layers", self.file or "its file"))
        body += [note(f"{each[:1].upper()}{each[1:]}.") for each in found.notes]
        drawing = picture(found)
        if drawing is not None:
            said = "Calls in their order, with the shapes of what flows between them"
            body.append(tag("div", figure(said, drawing), style="margin-top:2rem"))
        return body


def choose_rows(rows: list[LayerRow]) -> list[tuple[LayerRow, str]]:
    """The rows with their names, equal blocks once, down to the depth at which there are not too many; of one level, the first ones."""
    every = fold_blocks(rows)
    for depth in range(max((row.depth for row in rows), default=0), 0, -1):
        found = [each for each in every if each[0].depth <= depth]
        if len(found) <= MOST:
            return found
    return [each for each in every if each[0].depth <= 1][:MOST]


def describe(found: Inspection) -> str:
    """Parameters and cost in a sentence."""
    sums = found.totals
    frozen = f", {number(sums.frozen)} of them frozen" if sums.frozen else ""
    said = f"{plural(sums.parameters, 'parameter')}{frozen}, {size(sums.parameter_bytes)}."
    if found.example:
        given = ", ".join(f"{name} {shape}" for name, shape in list(found.example.items())[:4])
        said += f" Shapes and {short(sums.mult_adds)} multiply-adds are for {given}."
    return said


def _layers(found: Inspection, rows: list[tuple[LayerRow, str]]) -> Markup:
    ran = any(row.calls for row, _ in rows)
    head: list[Content] = ["Layer", "Output", "Parameters", "Share", "Multiply-adds", "Share"]
    body = [_line(row, name or found.name) for row, name in rows]
    keep = range(6) if ran else (0, 2, 3)
    cells = [[line[index] for index in keep] for line in body]
    return table([head[index] for index in keep], cells, label="Layers of the model", numeric=range(2 if ran else 1, len(keep)))


def _line(row: LayerRow, label: str) -> list[Any]:
    name = [code(label), " ", tag("span", row.kind, class_="soft") if row.path and row.kind != label else None]
    frozen = "frozen" if row.trained == "no" else "partly frozen" if row.trained == "part" else ""
    remarks = [each for each in (frozen, *row.notes) if each]
    kind = "warn" if "never called" in remarks else "soft"
    below = tag("div", "; ".join(remarks), class_=kind, style="white-space:normal;max-width:20rem;font-size:.875rem") if remarks else None
    output = row.output if len(row.output) <= LONGEST else f"{row.output[: LONGEST - 1]}…"
    return [
        tag("div", name, below, style=f"padding-left:{0.9 * row.depth:.1f}rem"),
        tag("span", output or "–", style="white-space:nowrap"),
        number(row.parameters) if row.parameters else "–",
        percent(row.parameter_share),
        number(row.mult_adds) if row.mult_adds else "–",
        percent(row.mult_add_share),
    ]
