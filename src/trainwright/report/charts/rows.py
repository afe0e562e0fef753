"""Charts that are tables: a name, a mark on a shared scale, and the number itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report.charts.axes import span
from trainwright.report.figures import is_number
from trainwright.report.markup import Content, Markup, tag


@dataclass(frozen=True)
class BarRow:
    """A named value, perhaps with a range, perhaps standing out."""

    name: Content
    value: float | None
    text: Content
    low: float | None = None
    high: float | None = None
    main: bool = False


def dots(rows: list[BarRow], label: str) -> Markup:
    """Values as dots on one scale, ranges as lines through them."""
    values = [each for row in rows for each in (row.value, row.low, row.high) if is_number(each) and each is not None]
    low, high = span(values, pad=0.12)
    return _table(rows, [_dot(row, low, high) for row in rows], label, "dots")


def bars(rows: list[BarRow], label: str) -> Markup:
    """Values as bars from a common zero, ranges as thin lines; negative values grow to the left."""
    values = [each for row in rows for each in (row.value, row.low, row.high) if is_number(each) and each is not None]
    low, high = min([0.0, *values]), max([0.0, *values]) or 1.0
    return _table(rows, [_bar(row, low, high) for row in rows], label, "bars")


def _table(rows: list[BarRow], marks: list[Markup], label: str, class_: str) -> Markup:
    body = [
        tag(
            "tr",
            tag("th", row.name, scope="row"),
            tag("td", mark, class_="plot", aria_hidden="true"),
            tag("td", row.text, class_="num"),
            class_="main" if row.main else None,
        )
        for row, mark in zip(rows, marks, strict=True)
    ]
    return tag("table", tag("tbody", body), class_=f"chart {class_}", aria_label=label)


def _share(value: float | None, low: float, high: float) -> float:
    if value is None or not is_number(value) or high <= low:
        return 0.0
    return min(max(100 * (value - low) / (high - low), 0.0), 100.0)


def _range(row: BarRow, low: float, high: float) -> Markup | None:
    if not is_number(row.low) or not is_number(row.high):
        return None
    start, end = _share(row.low, low, high), _share(row.high, low, high)
    return tag("i", class_="range", style=f"left:{start:.1f}%;width:{end - start:.1f}%")


def _dot(row: BarRow, low: float, high: float) -> Markup:
    dot = tag("i", class_="dot", style=f"left:{_share(row.value, low, high):.1f}%") if is_number(row.value) else None
    return tag("span", _range(row, low, high), dot, class_="track")


def _bar(row: BarRow, low: float, high: float) -> Markup:
    zero, end = _share(0.0, low, high), _share(row.value, low, high)
    left, width = min(zero, end), abs(end - zero)
    return tag("span", tag("i", class_="bar", style=f"left:{left:.1f}%;width:{width:.1f}%"), _range(row, low, high), class_="track")


def shares(parts: Sequence[tuple[str, str, float, str]], label: str) -> Markup | None:
    """A bar divided in proportion: (name, style, amount, amount in words) each, with its legend below; None when all are nothing."""
    total = sum(amount for _, _, amount, _ in parts if is_number(amount) and amount > 0)
    if total <= 0:
        return None
    shown = [part for part in parts if is_number(part[2]) and part[2] > 0]
    pieces = [
        tag("i", class_=style, style=f"width:{100 * amount / total:.2f}%", title=f"{name}: {text}") for name, style, amount, text in shown
    ]
    entries = [tag("li", tag("i", class_=style, aria_hidden="true"), tag("b", name), " ", text) for name, style, _, text in shown]
    return tag("div", tag("div", pieces, class_="pieces", role="img", aria_label=label), tag("ul", entries), class_="shares")
