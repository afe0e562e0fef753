"""Points in a frame: a cloud, or bubbles whose area says how much each stands for."""

from __future__ import annotations

from pydantic import model_validator

from trainwright.report.blocks.base import Block, CannotDraw, Number, Range, Sheet
from trainwright.report.charts.axes import Axis, across, frame, span, up
from trainwright.report.figures import is_number
from trainwright.report.markup import Content, note, tag

MOST = 2000
"""Points that are drawn, the first ones; at most a tenth as many bubbles."""


class Points(Block):
    """A point for each pair of numbers."""

    x: list[Number]
    y: list[Number]
    sizes: list[Number] = []
    """How much each stands for: an area each, joined by a line."""
    labels: list[str] = []
    """What is said of each, with `sizes`."""
    x_label: str = ""
    x_range: Range | None = None
    y_range: Range | None = None
    equal: bool = False
    """Both axes over the same numbers."""
    diagonal: bool = False

    @model_validator(mode="after")
    def _even(self) -> Points:
        for name in ("y", "sizes", "labels"):
            given = len(getattr(self, name))
            if given != len(self.x) and (given or name == "y"):
                raise ValueError(f"x has {len(self.x)} numbers and {name} has {given}")
        return self

    def draw(self, sheet: Sheet) -> Content:
        """The frame and its points."""
        kept = [index for index, pair in enumerate(zip(self.x, self.y, strict=True)) if all(map(is_number, pair))]
        most = MOST // 10 if self.sizes else MOST
        pairs = [(index, float(self.x[index] or 0), float(self.y[index] or 0)) for index in kept[:most]]
        if not pairs:
            raise CannotDraw("there is no point")
        x, y = self.axes([each[1] for each in pairs], [each[2] for each in pairs])
        ends = f"M{x.start:.0f} {y.start:.0f}L{x.end:.0f} {y.end:.0f}"
        behind = tag("path", d=ends, class_="diagonal") if self.diagonal else None
        places = [(index, x.place(a), y.place(b)) for index, a, b in pairs]
        shown = self._bubbles(places) if self.sizes else _cloud(places)
        rest = note(f"{len(kept) - most:,} more points are not drawn.") if len(kept) > most else None
        return [frame(x, y, behind, shown, title=self.title or "Points", x_label=self.x_label[:60]), rest]

    def axes(self, xs: list[float], ys: list[float]) -> tuple[Axis, Axis]:
        """The axes that hold all points."""
        both = span(xs + ys, pad=0.03) if self.equal else None
        return across(*(self.x_range or both or span(xs, pad=0.03))), up(*(self.y_range or both or span(ys, pad=0.03)))

    def _bubbles(self, places: list[tuple[int, float, float]]) -> Content:
        sizes = [float(each) if is_number(each) and each > 0 else 0.0 for each in self.sizes]
        total = sum(sizes) or 1.0
        line = tag("path", d="M" + "L".join(f"{a:.1f} {b:.1f}" for _, a, b in places), class_="line validation thin")
        said = [tag("title", self.labels[index][:200]) if self.labels else None for index, _, _ in places]
        marks = [
            tag("circle", title, cx=f"{a:.1f}", cy=f"{b:.1f}", r=f"{2.5 + 9 * (sizes[index] / total) ** 0.5:.1f}", class_="bubble")
            for title, (index, a, b) in zip(said, places, strict=True)
        ]
        return [line, marks]


def _cloud(places: list[tuple[int, float, float]]) -> Content:
    """One path of strokes without length and with round ends: thousands of dots in a few kilobytes."""
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for _, a, b in places)
    return tag("path", d=dots, class_="cloud" if len(places) > 300 else "cloud few")
