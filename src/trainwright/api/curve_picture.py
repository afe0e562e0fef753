"""The learning rate over a run as an SVG picture that stands alone."""

from __future__ import annotations

from pathlib import Path

from trainwright.api.curve import Curves
from trainwright.files.outputs import write_output
from trainwright.report.charts.axes import across, frame, up
from trainwright.report.charts.lines import Series, line
from trainwright.report.markup import Markup, tag

POINTS = 600
COLOURS = ("#1f6392", "#a8541c", "#2b6b49", "#7a3f86")
STYLE = """
svg { background: #fcfbf8; }
text { font: 11.5px ui-sans-serif, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #5d6068; }
.grid { stroke: #e2dfd6; stroke-width: 1; fill: none; }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
"""


def write_svg(curves: Curves, path: str | Path) -> None:
    """Write the picture. Raises RequestError where the file cannot be written."""
    with write_output(path, where="--svg") as temporary:
        temporary.write_text(picture(curves), encoding="utf-8")


def picture(curves: Curves) -> str:
    """All lines over the steps, from 0 to the highest learning rate."""
    rates = curves.sample_rates(curves.spread(POINTS))
    top = max(max(each) for each in rates.values()) or 1.0
    x, y = across(0.0, float(max(curves.steps - 1, 1))), up(0.0, top * 1.05)
    series = [
        Series(each.label, f"c{number % len(COLOURS)}", list(rates), [rate[number] for rate in rates.values()])
        for number, each in enumerate(curves.lines)
    ]
    names = [
        tag("text", each.name, x="372", y=str(24 + 14 * number), text_anchor="end", style=f"fill: {COLOURS[number % len(COLOURS)]}")
        for number, each in enumerate(series)
        if len(series) > 1
    ]
    title = f"Learning rate over {curves.steps} steps"
    drawing = frame(x, y, *(line(each, x, y) for each in series), names, title=title, x_label="step")
    colours = "".join(f".c{number} {{ stroke: {colour}; fill: none; }}\n" for number, colour in enumerate(COLOURS))
    style = tag("style", Markup(STYLE + colours))
    opened = str(drawing).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg" width="760" height="480"', 1)
    return opened.replace("</title>", f"</title>{style}", 1) + "\n"
