"""The learning rate over a run as an SVG picture that stands alone."""

from __future__ import annotations

from pathlib import Path

from trainwright.api.curve import Curves
from trainwright.files.outputs import write_output
from trainwright.report.charts.alone import COLOURS, stand_alone
from trainwright.report.charts.axes import across, frame, up
from trainwright.report.charts.lines import Series, line
from trainwright.report.markup import tag

POINTS = 600


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
    return stand_alone(drawing)
