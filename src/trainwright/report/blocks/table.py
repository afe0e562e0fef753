"""A table: columns with a format each, and rows of cells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainwright.report.blocks.base import Block, Cell, Fields, Format, Sheet, cell
from trainwright.report.markup import Content, note, quote, table

MOST_ROWS, MOST_COLUMNS = 200, 60


class Column(Fields):
    """A column of a table."""

    name: Cell = ""
    format: Format = "text"
    """How its numbers are written; all but `text` are set to the right."""
    limit: Annotated[int, Field(ge=1, le=400)] = 60
    """Characters of its texts."""


class Table(Block):
    """Rows of cells under columns."""

    columns: list[str | Column]
    rows: list[list[Cell]]
    look: Literal["plain", "pairs", "roomy"] = "plain"
    """`pairs`: names with their values, without a head; `roomy`: for long texts."""
    wide: bool = True

    @model_validator(mode="after")
    def _even(self) -> Table:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"rows.{index} has {len(row)} cells for {len(self.columns)} columns")
        return self

    def draw(self, sheet: Sheet) -> Content:
        """The table in a box that scrolls sideways by itself."""
        columns = [Column(name=each) if isinstance(each, str) else each for each in self.columns[:MOST_COLUMNS]]
        head = [cell(each.name, limit=20) for each in columns]
        body = [[_cell(each, column) for each, column in zip(row, columns, strict=False)] for row in self.rows[:MOST_ROWS]]
        numeric = [index for index, each in enumerate(columns) if each.format != "text" and index]
        look = {"pairs": "pairs bare" if not any(head) else "pairs", "roomy": "columns"}.get(self.look, "")
        left = [(len(self.rows) - MOST_ROWS, "rows"), (len(self.columns) - MOST_COLUMNS, "columns")]
        rest = [note(f"{count:,} more {what} are not shown.") for count, what in left if count > 0]
        label = self.title or ", ".join(each for each in (self.section, self.group) if each)
        return [table(head, body, label=label, numeric=numeric, class_=look), rest]


def _cell(value: Cell, column: Column) -> Content:
    """A cell of a row, an empty text marked as such."""
    return quote("") if value == "" else cell(value, column.format, column.limit)
