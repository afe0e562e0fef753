"""Series of points as lines, thinned to what a picture can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trainwright.report.charts.axes import Axis
from trainwright.report.markup import Markup, tag

POINTS = 300


@dataclass(frozen=True)
class Series:
    """One line: its name, its style (a class of the style sheet) and its points."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]

    @cached_property
    def points(self) -> list[tuple[float, float]]:
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
    points = thin(series.points)
    if not points:
        return Markup("")
    if len(points) == 1:
        return tag("circle", cx=f"{x.place(points[0][0]):.1f}", cy=f"{y.place(points[0][1]):.1f}", r="3", class_=f"dot {series.style}")
    return tag("path", d=path(points, x, y), class_=f"line {series.style}")
