"""Named values as bars, as dots on one scale, or as shares of a whole; or a histogram."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from trainwright.report.blocks.base import Block, CannotDraw, Cell, Fields, Number, Sheet, cell
from trainwright.report.charts.axes import across, frame, up
from trainwright.report.charts.rows import BarRow, bars, dots, shares
from trainwright.report.figures import is_number, score
from trainwright.report.markup import Content, Markup, join, note, tag

MOST = 60
"""Bars that are drawn, the first ones."""


class Bar(Fields):
    """A named value, perhaps with a range."""

    name: Cell
    value: Number
    text: Cell = None
    """What is written beside it; else the value."""
    low: Number = None
    high: Number = None
    main: bool = False
    """Whether it stands out."""


class Bars(Block):
    """Either `bars`, or `edges` and `counts` of a histogram."""

    bars: list[Bar] = []
    edges: list[float] = []
    counts: list[float] = []
    layout: Literal["bars", "dots", "shares"] = "bars"
    x_label: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Bars:
        if bool(self.bars) == bool(self.edges):
            raise ValueError("a block of bars has bars, or edges and counts")
        if self.edges and len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.edges)} edges hold {len(self.edges) - 1} counts, not {len(self.counts)}")
        return self

    def draw(self, sheet: Sheet) -> Content:
        """The chart."""
        if self.edges:
            return self._histogram()
        shown = self.bars[:MOST]
        label = self.title or self.group or self.section
        rest = note(f"{len(self.bars) - MOST:,} more are not shown.") if len(self.bars) > MOST else None
        if self.layout == "shares":
            drawn = self._shares(shown, label)
        else:
            rows = [BarRow(cell(each.name, limit=32), each.value, _text(each), each.low, each.high, each.main) for each in shown]
            drawn = (bars if self.layout == "bars" else dots)(rows, label)
        return [drawn, rest]

    def _shares(self, shown: list[Bar], label: str) -> Markup:
        first = 0 if len(shown) > 3 else 1  # the accent for the first of few
        parts = [
            (join(cell(each.name)), f"p{(first + index) % 5}", each.value or 0.0, join(_text(each))) for index, each in enumerate(shown)
        ]
        drawn = shares(parts, label)
        if drawn is None:
            raise CannotDraw("every share is nothing")
        return drawn

    def _histogram(self) -> Markup:
        """Counts between edges, with a line at zero."""
        low, high, most = self.edges[0], self.edges[-1], max(self.counts)
        x, y = across(low, high if high > low else low + 1), up(0.0, most * 1.05 or 1.0)
        drawn = "".join(
            f"M{x.place(a) + 0.5:.1f} {y.place(0):.1f}V{y.place(count):.1f}H{x.place(b) - 0.5:.1f}V{y.place(0):.1f}z"
            for a, b, count in zip(self.edges[:-1], self.edges[1:], self.counts, strict=True)
            if count
        )
        zero = tag("path", d=f"M{x.place(0):.1f} {y.start:.0f}V{y.end:.0f}", class_="zero") if x.low < 0 < x.high else None
        return frame(x, y, tag("path", d=drawn, class_="histogram"), zero, title=self.title or "Histogram", x_label=self.x_label[:60])


def _text(bar: Bar) -> Content:
    return cell(bar.text, "score") if bar.text is not None else score(bar.value) if is_number(bar.value) else "–"
