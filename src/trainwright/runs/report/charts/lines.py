"""Lines over steps, and curves in the unit square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.runs.report.charts.axes import BOTTOM, HEIGHT, TOP, Axis, across, figure, frame, key, span, up
from trainwright.runs.report.figures import number
from trainwright.runs.report.markup import Content, Markup, tag

POINTS = 300


@dataclass(frozen=True)
class Series:
    """One line: its name, its style (a class of the style sheet) and its points."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]

    def finite(self) -> list[tuple[float, float]]:
        """The points that are numbers."""
        return [(x, y) for x, y in zip(self.x, self.y, strict=False) if _number(x) and _number(y)]


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def thin(points: list[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most about `most` points: the lowest and the highest of each stretch, so that no spike is lost."""
    if len(points) <= most:
        return points
    length = math.ceil(2 * len(points) / most)
    kept = [points[0]]
    for start in range(0, len(points), length):
        piece = points[start : start + length]
        ends = {min(piece, key=lambda point: point[1]), max(piece, key=lambda point: point[1])}
        kept += sorted(ends)
    return [*kept, points[-1]]


def path(points: list[tuple[float, float]], x: Axis, y: Axis) -> str:
    """The drawing of a line through the points."""
    return "M" + "L".join(f"{x.place(a):.1f} {y.place(b):.1f}" for a, b in points)


def line(series: Series, x: Axis, y: Axis) -> Markup:
    """One series drawn; a single point becomes a dot."""
    points = thin(series.finite())
    if not points:
        return Markup("")
    if len(points) == 1:
        return tag("circle", cx=f"{x.place(points[0][0]):.1f}", cy=f"{y.place(points[0][1]):.1f}", r="3", class_=f"dot {series.style}")
    return tag("path", d=path(points, x, y), class_=f"line {series.style}")


def over_steps(caption: str, series: list[Series], *, best: tuple[float, float | None] | None = None, zero: bool = False) -> Markup | None:
    """Lines over steps with the best evaluation marked; None when there is no point at all. Wide positive ranges are logarithmic."""
    series = [each for each in series if each.finite()]
    if not series:
        return None
    values = [y for each in series for _, y in each.finite()]
    steps = [x for each in series for x, _ in each.finite()]
    log = min(values) > 0 and max(values) / min(values) > 200 and not zero
    low, high = (min(values) / 1.3, max(values) * 1.3) if log else span(values, around=(0.0,) if zero else ())
    x, y = across(min(0.0, min(steps)), max(steps) or 1.0), up(0.0 if zero else low, high, log=log)
    marks: list[Content] = [line(each, x, y) for each in series]
    entries: list[tuple[str, Content]] = [(each.style, each.name) for each in series if len(series) > 1]
    if best and best[0] <= x.high:
        at = x.place(best[0])
        marks.insert(0, tag("path", d=f"M{at:.1f} {TOP}V{HEIGHT - BOTTOM}", class_="best-line"))
        if best[1] is not None:
            marks.append(tag("circle", cx=f"{at:.1f}", cy=f"{y.place(best[1]):.1f}", r="4", class_="best"))
        entries.append(("best", f"best, step {number(int(best[0]))}"))
    last = "; ".join(f"{each.name} ends at {each.finite()[-1][1]:.4g}" for each in series)
    scale = "logarithmic" if log else ""
    picture = frame(x, y, marks, title=f"{caption} over steps" + (f", {scale}" if log else ""), detail=last, x_label="step")
    return figure([tag("b", caption), tag("span", scale, class_="soft") if scale else None, key(*entries)], picture)


def in_square(caption: Content, title: str, series: list[Series], x_label: str, *, diagonal: bool = False, detail: str = "") -> Markup:
    """Curves of shares against shares, both from 0 to 1."""
    x, y = across(0.0, 1.0), up(0.0, 1.0)
    marks = [line(each, x, y) for each in series]
    if diagonal:
        start, end = f"{x.start:.1f} {y.start:.1f}", f"{x.end:.1f} {y.end:.1f}"
        marks.insert(0, tag("path", d=f"M{start}L{end}", class_="diagonal"))
    return figure(caption, frame(x, y, marks, title=title, detail=detail, x_label=x_label))
