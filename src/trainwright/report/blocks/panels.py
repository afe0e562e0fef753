"""Small charts in rows, one row for each class say: the first rows are open, the others unfold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainwright.report.blocks.base import Block, CannotDraw, Cell, Fields, Number, Range, Sheet, cell
from trainwright.report.blocks.confusion import Count
from trainwright.report.blocks.lines import Line, Mark
from trainwright.report.charts.axes import key
from trainwright.report.charts.panels import decisions, place_mark, small_axes, small_frame, small_line
from trainwright.report.figures import number
from trainwright.report.markup import Content, Markup, note, quote, tag

MOST = 200
"""Rows that are drawn."""
MOST_PANELS, MOST_LINES = 6, 6


class Panel(Fields):
    """A small chart of lines, or a square of counts with a name for each row and column."""

    title: str = ""
    lines: Annotated[list[Line], Field(max_length=MOST_LINES)] = []
    matrix: Annotated[list[list[Count]], Field(max_length=4)] = []
    """Counts, rows the truth and columns the prediction, of at most four names."""
    names: list[str] = []
    x_label: str = ""
    x_range: Range = [0.0, 1.0]
    y_range: Range = [0.0, 1.0]
    diagonal: bool = False
    level: Number = None
    """A line across at this height: what chance would give."""
    mark: Mark | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Panel:
        if bool(self.lines) == bool(self.matrix):
            raise ValueError("a panel has lines, or a matrix")
        if self.matrix and (any(len(row) != len(self.matrix) for row in self.matrix) or len(self.names) != len(self.matrix)):
            raise ValueError("a matrix has a row, a column and a name for each class")
        return self

    def draw(self, about: str) -> Markup:
        """The small chart."""
        if self.matrix:
            return decisions(self.matrix, [each[:14] for each in self.names])
        x, y = small_axes(self.x_range, self.y_range)
        marks: list[Content] = []
        if self.diagonal:
            marks.append(tag("path", d=f"M{x.start:.1f} {y.start:.1f}L{x.end:.1f} {y.end:.1f}", class_="diagonal"))
        if self.level is not None:
            marks.append(tag("path", d=f"M{x.start:.1f} {y.place(self.level):.1f}H{x.end:.1f}", class_="diagonal"))
        if self.mark is not None and self.mark.y is None:
            marks.append(place_mark(x, y, self.mark.x, None))
        marks += [small_line(each.name, style_of(each, place), each.x, each.y, x, y) for place, each in reversed([*enumerate(self.lines)])]
        if self.mark is not None and self.mark.y is not None:
            marks.append(place_mark(x, y, self.mark.x, self.mark.y))
        return small_frame(x, y, *marks, title=f"{self.title} {about}".strip(), detail=self.x_label, x_label=self.x_label)


class PanelRow(Fields):
    """What belongs together: a title and its small charts."""

    title: Cell
    panels: Annotated[list[Panel], Field(min_length=1, max_length=MOST_PANELS)]
    caption: Cell = ""


class Panels(Block):
    """Rows of small charts under common headings."""

    rows: list[PanelRow]
    shown: Annotated[int, Field(ge=1)] = 6
    """Rows that are open."""
    folded: str = ""
    """What the line is called that unfolds the others."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The first rows, and the others folded."""
        if not self.rows:
            raise CannotDraw("there is no row")
        open_, rest = self.rows[: self.shown], self.rows[self.shown : MOST]
        drawn = [self._key(), [_row(each) for each in open_]]
        if rest:
            drawn.append(tag("details", tag("summary", self.folded or f"Show {number(len(rest))} more"), [_row(each) for each in rest]))
        left = len(self.rows) - MOST
        return [*drawn, note(f"{number(left)} more are not shown.") if left > 0 else None]

    def _key(self) -> Content:
        """The names of the lines where a panel has several."""
        several = [each for row in self.rows[:1] for each in row.panels if len(each.lines) > 1]
        entries = {line.name: style_of(line, place) for panel in several for place, line in enumerate(panel.lines)}
        return tag("p", key(*[(style, quote(name, 24)) for name, style in entries.items()]), class_="keys") if entries else None


def style_of(line: Line, place: int) -> str:
    """The class of a line in the style sheet."""
    return f"c{place % 4}" if line.style == "coloured" else line.style


def _row(row: PanelRow) -> Markup:
    name = row.title if isinstance(row.title, str) else ""
    head = tag("h4", cell(row.title, limit=60), tag("span", cell(row.caption, limit=200), class_="soft") if row.caption else None)
    panels = [tag("figure", tag("figcaption", each.title) if each.title else None, each.draw(name)) for each in row.panels]
    return tag("div", head, tag("div", panels, class_="panels"), class_="panel-row")
