"""Scales, ticks and the frame that every plot shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainwright.report.figures import number
from trainwright.report.markup import Content, Markup, tag

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 34


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value, kept within the axis."""
        low, high = self._scale(self.low), self._scale(self.high)
        share = (self._scale(value) - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the axis."""
        if self.log:
            return log_ticks(self.low, self.high, about)
        step = round_step((self.high - self.low) / max(about, 1))
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_step(raw: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × 10ⁿ that is at least `raw`."""
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))


def log_ticks(low: float, high: float, about: int) -> list[float]:
    """Powers of ten within the axis, with 2 and 5 between them when the powers are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1,), (1, 2, 5)):
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors if low <= factor * 10.0**power <= high]
        if len(found) >= 3:
            break
    return found[:: max(1, math.ceil(len(found) / (about + 2)))]


def span(values: Iterable[float], *, around: Sequence[float] = (), pad: float = 0.05) -> tuple[float, float]:
    """The range of the finite values and of `around`, a little wider; 0 to 1 when there is nothing."""
    finite = [value for value in values if math.isfinite(value)] + list(around)
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * pad or abs(high) * pad or 0.5
    return low - room, high + room


def across(low: float, high: float, *, log: bool = False, left: float = LEFT) -> Axis:
    """A horizontal axis in the common frame."""
    return Axis(low, high, left, WIDTH - RIGHT, log)


def up(low: float, high: float, *, log: bool = False) -> Axis:
    """A vertical axis in the common frame."""
    return Axis(low, high, HEIGHT - BOTTOM, TOP, log)


def frame(x: Axis, y: Axis, *marks: Content, title: str, detail: str = "", x_label: str = "", height: int = HEIGHT) -> Markup:
    """An SVG picture with grid, ticks and labels, and the marks on them; `title` and `detail` are what a screen reader says."""
    grid = [tag("path", d="".join(f"M{LEFT} {y.place(value):.1f}H{WIDTH - RIGHT}" for value in y.ticks(4)), class_="grid")]
    y_text = [
        tag("text", tick_label(value), x=f"{LEFT - 7}", y=f"{y.place(value) + 4:.1f}", text_anchor="end") for value in thin(y.ticks(4))
    ]
    x_text = [
        tag("text", tick_label(value), x=f"{x.place(value):.1f}", y=height - BOTTOM + 16, text_anchor="middle") for value in x.ticks(4)
    ]
    name = (
        tag("text", x_label, x=f"{(x.start + x.end) / 2:.0f}", y=height - 3, text_anchor="middle", class_="axis-name") if x_label else None
    )
    return picture(WIDTH, height, title, detail, grid, marks, y_text, x_text, name)


def thin(values: list[float], most: int = 7) -> list[float]:
    """At most `most` of the values, evenly."""
    return values[:: max(1, math.ceil(len(values) / most))]


def picture(width: float, height: float, title: str, detail: str, *content: Content) -> Markup:
    """An SVG element that fills its column and keeps its shape, named for those who cannot see it."""
    said = f"{title}. {detail}" if detail else title
    return tag("svg", tag("title", title), *content, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=said)


def tick_label(value: float) -> str:
    """A tick in few characters."""
    size = abs(value)
    if size >= 1e6 or (0 < size < 1e-3):
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    if size >= 10_000:
        return f"{value / 1000:g}k".replace("-", "−")
    return number(int(value)) if size >= 1000 and float(value).is_integer() else f"{value:.4g}".replace("-", "−")


def figure(caption: Content, *content: Content, wide: bool = False) -> Markup:
    """A chart under its caption."""
    return tag("figure", tag("figcaption", caption), *content, class_="wide" if wide else None)


def key(*entries: tuple[str, Content]) -> Markup:
    """The legend: a mark in the series' own style, then its name."""
    return tag("span", [tag("span", tag("i", class_=style, aria_hidden="true"), name) for style, name in entries], class_="key")
