"""Small charts that stand side by side: lines over 0 to 1, and counts of decisions."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.report.charts.axes import Axis, picture, thin, tick_label
from trainwright.report.charts.lines import Series, line
from trainwright.report.figures import is_number, number, percent
from trainwright.report.markup import Content, Markup, tag

WIDTH, HEIGHT = 200, 158
LEFT, RIGHT, TOP, BOTTOM = 27, 6, 7, 31
POINTS = 80
"""Points of a line of a small chart."""


def small_axes(x_range: Sequence[float], y_range: Sequence[float]) -> tuple[Axis, Axis]:
    """The axes of a small chart."""
    return Axis(x_range[0], x_range[1], LEFT, WIDTH - RIGHT), Axis(y_range[0], y_range[1], HEIGHT - BOTTOM, TOP)


def small_frame(x: Axis, y: Axis, *marks: Content, title: str, detail: str, x_label: str) -> Markup:
    """A frame of two ticks and a middle on each axis, and the marks on it."""
    grid = tag("path", d="".join(f"M{LEFT} {y.place(each):.1f}H{WIDTH - RIGHT}" for each in y.ticks(2)), class_="grid")
    ups = [tag("text", tick_label(each), x=LEFT - 5, y=f"{y.place(each) + 4:.1f}", text_anchor="end") for each in thin(y.ticks(2), 3)]
    acrosses = [
        tag("text", tick_label(each), x=f"{x.place(each):.1f}", y=HEIGHT - BOTTOM + 14, text_anchor=_anchor(each, x))
        for each in thin(x.ticks(2), 3)
    ]
    name = tag("text", x_label, x=f"{(x.start + x.end) / 2:.0f}", y=HEIGHT - 3, text_anchor="middle") if x_label else None
    return picture(WIDTH, HEIGHT, title, detail, grid, marks, ups, acrosses, name)


def _anchor(value: float, x: Axis) -> str:
    return "end" if x.place(value) > x.end - 4 else "middle"


def small_line(name: str, style: str, xs: Sequence[float | None], ys: Sequence[float | None], x: Axis, y: Axis) -> Markup:
    """A line of a small chart, of at most 80 points or so."""
    points = [(a, b) for a, b in zip(xs, ys, strict=True) if a is not None and b is not None]
    step = max(1, -(-len(points) // POINTS))
    kept = [*points[::step], *points[-1:]] if step > 1 else points
    return line(Series(name, style, [a for a, _ in kept], [b for _, b in kept]), x, y)


def decisions(matrix: Sequence[Sequence[int]], names: Sequence[Content], sides: Sequence[Content] = (), kind: str = "small") -> Markup:
    """Counts of decisions: rows the truth, columns the prediction, each cell as deep as its share of the row.

    `sides`: the classes as they stand before the rows, where they have more room there than above the columns.
    """
    head = tag("tr", tag("td"), [tag("th", each, scope="col") for each in names])
    body = []
    for place, row in enumerate(matrix):
        total = sum(row)
        cells = [
            tag(
                "td",
                number(each),
                class_="hit" if place == other else None if each else "none",
                style=f"--depth:{depth_of_cell(each, total):.0f}%",
                title=percent(each, total),
            )
            for other, each in enumerate(row)
        ]
        body.append(tag("tr", tag("th", (sides or names)[place], scope="row"), cells))
    said = "Rows are the truth, columns the prediction"
    return tag("table", tag("thead", head), tag("tbody", body), class_=f"confusion {kind}".strip(), aria_label=said)


def depth_of_cell(count: float, total: float) -> float:
    """How deep the ink of a cell is, in percent: at most 62, beyond which it would lose its contrast in one theme or the other."""
    return 62 * count / total if total else 0.0


def place_mark(x: Axis, y: Axis, at: float, up: float | None) -> Content:
    """A place that stands out: a line at `at`, or a ring where `up` is given too."""
    if is_number(up):
        return tag("circle", cx=f"{x.place(at):.1f}", cy=f"{y.place(up):.1f}", r="3.6", class_="best")
    return tag("path", d=f"M{x.place(at):.1f} {TOP}V{HEIGHT - BOTTOM}", class_="best-line")
