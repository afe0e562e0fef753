"""Charts as SVG pictures that stand alone: their style within them, on light paper."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.report.charts.axes import picture
from trainwright.report.charts.rows import BarRow
from trainwright.report.figures import is_number
from trainwright.report.markup import Markup, tag

COLOURS = ("#1f6392", "#a8541c", "#2b6b49", "#7a3f86")
STYLE = """
svg { background: #fcfbf8; }
text { font: 11.5px ui-sans-serif, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #5d6068; }
.grid { stroke: #e2dfd6; stroke-width: 1; fill: none; }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.faint { stroke: #b9b6ad; stroke-width: 0.75; fill: none; }
.bar { fill: #1f6392; }
.bar.less { fill: #a8541c; }
.range { stroke: #5d6068; stroke-width: 1; }
.name { fill: #1d1e21; }
.traces text { font-size: 14px; }
.traces .trace-name { fill: #1d1e21; font-weight: 600; }
.traces .trace-name.long { font-size: 10.5px; }
.traces .unit { font-size: 12px; }
.traces .mark { font-size: 13px; }
.traces .mark.strong { fill: #1d1e21; font-weight: 700; }
.trace { fill: none; stroke: #1d1e21; stroke-width: 1.1; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.paper { fill: none; stroke: #edc4bd; }
.paper-fine { fill: none; stroke: #f7e3df; }
.paper-bold { fill: none; stroke: #edc4bd; }
.shade { fill: #d9a441; }
.hair { fill: none; stroke: #b9b6ad; stroke-dasharray: 2 3; }
.peak { fill: #1f6392; }
.scale { fill: none; stroke: #5d6068; stroke-width: 1.25; }
"""
WIDTH, NAMES, TEXTS, ROW, HEAD = 560, 170, 90, 20, 34
NAME_LENGTH = 26
"""Characters of a name beside a bar."""


def stand_alone(drawing: Markup, scale: float = 2) -> str:
    """An SVG element of a chart as a file of its own."""
    colours = "".join(f".c{number} {{ stroke: {colour}; fill: none; }}\n" for number, colour in enumerate(COLOURS))
    style = tag("style", Markup(STYLE + colours))
    box = str(drawing).partition('viewBox="0 0 ')[2].partition('"')[0].split()
    size = " ".join(f'{name}="{float(each) * scale:g}"' for name, each in zip(("width", "height"), box, strict=True))
    opened = str(drawing).replace("<svg", f'<svg xmlns="http://www.w3.org/2000/svg" {size}', 1)
    return opened.replace("</title>", f"</title>{style}", 1) + "\n"


def bar_picture(rows: Sequence[BarRow], title: str) -> Markup:
    """Values as bars from a common zero, ranges as thin lines, with names (text) on the left and what is said of each on the right."""
    numbers = [each for row in rows for each in (row.value, row.low, row.high) if is_number(each)]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    scale = (WIDTH - NAMES - TEXTS) / ((high - low) or 1.0)

    def place(value: float) -> float:
        return NAMES + (value - low) * scale

    drawn = [_bar(row, HEAD + ROW * number, place) for number, row in enumerate(rows)]
    head = tag("text", title[:90], x="8", y="18", class_="name")
    zero = tag("path", d=f"M{place(0):.1f} {HEAD - 6}V{HEAD + ROW * len(rows)}", class_="grid")
    detail = "; ".join(f"{row.name} {row.text}" for row in rows[:10])
    return picture(WIDTH, HEAD + ROW * len(rows) + 8, title, detail, head, zero, drawn)


def _bar(row: BarRow, top: float, place: object) -> list[Markup]:
    at = place
    value = float(row.value) if is_number(row.value) else 0.0
    left, right = sorted((at(0.0), at(value)))  # type: ignore[operator]
    middle = top + ROW / 2 - 3
    name = str(row.name)
    shown = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
    found = [
        tag("text", shown, tag("title", name), x=f"{NAMES - 8}", y=f"{middle + 4:.1f}", text_anchor="end", class_="name"),
        tag(
            "rect",
            x=f"{left:.1f}",
            y=f"{top:.1f}",
            width=f"{max(right - left, 0.5):.1f}",
            height=f"{ROW - 6}",
            class_="bar less" if value < 0 else "bar",
        ),
        tag("text", str(row.text), x=f"{WIDTH - 8}", y=f"{middle + 4:.1f}", text_anchor="end"),
    ]
    if is_number(row.low) and is_number(row.high):
        found.append(tag("path", d=f"M{at(row.low):.1f} {middle:.1f}H{at(row.high):.1f}", class_="range"))  # type: ignore[operator]
    return found


def stack(pictures: Sequence[tuple[str, Markup]], title: str) -> Markup:
    """Several pictures of one width under each other, each under its title."""
    top, drawn, wide = 0.0, list[Markup](), 0.0
    for name, each in pictures:
        box = str(each).partition('viewBox="0 0 ')[2].partition('"')[0].split()
        width, height = float(box[0]), float(box[1])
        drawn.append(tag("text", name, x="4", y=f"{top + 16:.0f}", class_="name"))
        placed = str(each).replace("<svg", f'<svg x="0" y="{top + 24:.0f}" width="{width:g}" height="{height:g}"', 1)
        drawn.append(Markup(placed))
        top, wide = top + 24 + height + 14, max(wide, width)
    return picture(wide, top, title, "", drawn)
