"""Lines over a common axis: curves of training, of thresholds, of anything that is measured again and again."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import model_validator

from trainwright.report.blocks.base import Block, CannotDraw, Fields, Number, Range, Sheet
from trainwright.report.charts.axes import BOTTOM, HEIGHT, TOP, Axis, across, frame, key, span, up
from trainwright.report.charts.lines import Series, line
from trainwright.report.figures import is_number, number, score
from trainwright.report.markup import Content, note, quote, tag

COLOURED, DRAWN = 4, 40


class Line(Fields):
    """One line: a point wherever both numbers are there."""

    x: list[Number]
    y: list[Number]
    name: str = ""
    value: Number = None
    """A number that stands behind the name, such as the area below."""
    style: Literal["coloured", "train", "validation", "other", "faint"] = "coloured"

    @model_validator(mode="after")
    def _even(self) -> Line:
        if len(self.x) != len(self.y):
            raise ValueError(f"x has {len(self.x)} numbers and y has {len(self.y)}")
        return self


class Mark(Fields):
    """A place on the axis that stands out."""

    x: float
    y: Number = None
    name: str = ""


class Lines(Block):
    """Lines in one frame; more than four of one colour recede, and of more than forty the first are drawn."""

    lines: list[Line]
    x_label: str = ""
    x_range: Range | None = None
    y_range: Range | None = None
    x_log: bool = False
    y_scale: Literal["auto", "zero", "linear"] = "linear"
    """`auto`: logarithmic for a wide positive range; `zero`: from 0 upwards."""
    diagonal: bool = False
    mark: Mark | None = None

    def draw(self, sheet: Sheet) -> Content:
        """The frame and its lines."""
        drawn = [each for each in self.styled if each.points]
        if not drawn:
            raise CannotDraw("no line has a point")
        x, y = self.axes(drawn)
        marks: list[Content] = [line(each, x, y) for each in reversed(drawn)]
        if self.diagonal:
            marks.insert(0, tag("path", d=f"M{x.start:.1f} {y.start:.1f}L{x.end:.1f} {y.end:.1f}", class_="diagonal"))
        if self.mark is not None:
            at = x.place(self.mark.x)
            marks.insert(0, tag("path", d=f"M{at:.1f} {TOP}V{HEIGHT - BOTTOM}", class_="best-line"))
            if is_number(self.mark.y):
                marks.append(tag("circle", cx=f"{at:.1f}", cy=f"{y.place(self.mark.y):.1f}", r="4", class_="best"))
        scale = ", logarithmic" if y.log else ""
        named = [each for each in drawn if each.style != "faint"]
        detail = "; ".join(f"{each.name or 'it'} ends at {each.points[-1][1]:.4g}" for each in named)
        shown = frame(x, y, marks, title=(self.title or "Lines") + scale, detail=detail, x_label=self.x_label[:60])
        return [shown, note(f"{len(self.lines) - DRAWN} more lines are not drawn.") if len(self.lines) > DRAWN else None]

    @cached_property
    def styled(self) -> list[Series]:
        """The lines that are drawn, each with its colour."""
        found, colour = [], 0
        for each in self.lines[:DRAWN]:
            style = each.style if each.style != "coloured" else f"c{colour}" if colour < COLOURED else "faint"
            colour += each.style == "coloured"
            xs, ys = [[value if is_number(value) else float("nan") for value in values] for values in (each.x, each.y)]
            found.append(Series(each.name, style, xs, ys))
        return found

    def axes(self, drawn: list[Series]) -> tuple[Axis, Axis]:
        """The axes that hold these lines. Raises CannotDraw for a logarithmic one over numbers that are not positive."""
        xs, ys = [[point[side] for each in drawn for point in each.points] for side in (0, 1)]
        log = self.y_scale == "auto" and min(ys) > 0 and max(ys) / min(ys) > 200
        low, high = (min(ys) / 1.3, max(ys) * 1.3) if log else span(ys, around=(0.0,) if self.y_scale == "zero" else ())
        if self.y_scale == "zero" and min(ys) >= 0:
            low = 0.0
        left, right = self.x_range or (min(xs) if self.x_log else min(0.0, *xs), max(xs) if max(xs) > min(0.0, *xs) else max(xs) + 1.0)
        if self.x_log and left <= 0:
            raise CannotDraw("a logarithmic axis holds positive numbers only")
        return across(left, right, log=self.x_log), up(*(self.y_range or (low, high)), log=log)

    def legend(self) -> Content:
        """The names of the lines that stand out, with their numbers."""
        series = self.styled
        named = [(each, given) for each, given in zip(series, self.lines, strict=False) if each.style != "faint" and each.points]
        faint = sum(each.style == "faint" for each in series) + max(len(self.lines) - DRAWN, 0)
        entries: list[tuple[str, Content]] = []
        if len(named) + faint > 1 or any(is_number(given.value) for _, given in named):
            value = [f" {score(given.value)}" if is_number(given.value) else "" for _, given in named]
            entries = [(each.style, [quote(each.name, 24), said]) for (each, _), said in zip(named, value, strict=True)]
        if faint:
            entries.append(("faint", f"{number(faint)} more"))
        if self.mark is not None and self.mark.name:
            entries.append(("best", quote(self.mark.name, 40)))
        return key(*entries)
