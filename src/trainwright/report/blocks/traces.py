"""Recordings: traces over a common time, spectra, marks and what an answer rests on, with a player where they can be heard."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainwright.report.blocks.audio import TYPES
from trainwright.report.blocks.base import Block, CannotDraw, Fields, Number, Sheet
from trainwright.report.blocks.media import embed, link
from trainwright.report.charts.axes import Axis
from trainwright.report.charts.traces import (
    BOTTOM,
    HEAT,
    LEFT,
    RIGHT,
    WIDTH,
    bottoms,
    clock,
    draw_heat,
    draw_marks,
    draw_paper,
    draw_scales,
    draw_shade,
    draw_time,
    draw_trace,
    end_of,
    lanes,
    lay_out,
    sheet_of,
    thin,
)
from trainwright.report.figures import number
from trainwright.report.markup import Content, Markup, note, scroll, tag

MOST = 32
"""Traces that are drawn."""
LONGEST_PAPER = 60.0
"""Seconds that fit on squared paper."""
Share = Annotated[float, Field(ge=0, le=1)]


class Trace(Fields):
    """One channel, its values evenly over the time that is shown."""

    values: Annotated[list[Number], Field(min_length=1)]
    """Null where there is none."""
    name: str = ""
    unit: str = ""
    scale: float = 1.0
    """What the values are multiplied with: whole numbers take less room."""
    shade: list[Share] = []
    """How dark it is behind it, evenly over the time."""


class Heat(Fields):
    """A picture of a spectrum over the time that is shown."""

    levels: Annotated[list[list[Annotated[int, Field(ge=0, le=255)]]], Field(min_length=1)]
    """Rows from the lowest frequency upwards."""
    labels: tuple[str, str, str] | list[str] = ("", "", "")
    """What stands at its low end, middle and high end."""
    name: str = ""
    shade: list[Share] = []

    @model_validator(mode="after")
    def _even(self) -> Heat:
        if len({len(each) for each in self.levels}) != 1 or not self.levels[0]:
            raise ValueError("the rows of levels are of one length")
        if len(self.labels) != 3:
            raise ValueError("labels are three")
        return self


class TimeMark(Fields):
    """A moment that stands out."""

    at: float
    """Seconds."""
    name: str = ""
    style: Literal["peak", "plain", "strong"] = "plain"


class Traces(Block):
    """Traces one above the other, spectra under them, marks above them; more than 32 traces are counted."""

    traces: list[Trace] = []
    heats: list[Heat] = []
    seconds: Annotated[float, Field(gt=0)]
    """How long what is shown is."""
    start: float = 0.0
    """Seconds at which it begins."""
    marks: list[TimeMark] = []
    shade: list[Share] = []
    """How dark it is behind everything, evenly over the time."""
    paper: bool = False
    """On the squared paper of an ECG; for traces in mV."""
    sound: str = ""
    """A sound of the run to be played with it."""
    wide: bool = True

    @property
    def is_paper(self) -> bool:
        """Whether it is drawn on squared paper."""
        return self.paper and self.seconds <= LONGEST_PAPER and bool(self.traces) and all(each.unit == "mV" for each in self.traces)

    def draw(self, sheet: Sheet) -> Content:
        """The picture, in a box that scrolls sideways where it would become too small, and the player."""
        return [scroll(self.picture(), self.title or "recording"), self._player(sheet), self._remark()]

    def picture(self) -> Markup:
        """The picture alone. Raises CannotDraw where there is nothing to draw."""
        if not self.traces and not self.heats:
            raise CannotDraw("there is no trace and no spectrum")
        time = Axis(self.start, self.start + self.seconds, LEFT, WIDTH - RIGHT)
        given = [(each.at, each.name, each.style) for each in self.marks]
        top = lanes(given) or 4.0
        shown = [(each.name, _scaled(each), each.unit, each.shade) for each in self.traces[:MOST]]
        rows = lay_out(shown, self.seconds, self.is_paper, top) if shown else []
        middle = end_of(rows) if rows else top
        bottom = middle + HEAT * len(self.heats)
        edges = bottoms(rows, middle)
        behind = draw_paper(time, top, middle, rows[0].height) if self.is_paper else None
        shades = [draw_shade(row.shade, row.top, edge) for row, edge in zip(rows, edges, strict=True)]
        shades.append(draw_shade(self.shade, top, middle) if self.shade else None)
        marks = draw_marks(given, time, middle)
        heats = [draw_heat(each.levels, _three(each), each.name, middle + 4 + HEAT * place) for place, each in enumerate(self.heats)]
        over = [
            draw_shade(each.shade, middle + HEAT * place, middle + HEAT * place + 4) for place, each in enumerate(self.heats) if each.shade
        ]
        traces = [draw_trace(row, edge, 0.0, middle + 3) for row, edge in zip(rows, edges, strict=True)]
        clocks = draw_time(time, bottom, None if self.is_paper else top)
        scales = None if self.is_paper else draw_scales(rows, edges)
        drawn = (behind, shades, clocks, marks, heats, over, traces, scales)
        return sheet_of(bottom + BOTTOM, self.title or "Recording", self._said(time), *drawn)

    def _said(self, time: Axis) -> str:
        names = ", ".join(each.name for each in self.traces[:MOST] if each.name)
        return f"{clock(time.low, time)} to {clock(time.high, time)}" + (f": {names}" if names else "")

    def _remark(self) -> Content:
        """What the squares are, and how many traces are not drawn."""
        said = ["Small squares are 0.04 s by 0.1 mV, large ones 0.2 s by 0.5 mV."] if self.is_paper and self.seconds <= 13 else []
        if len(self.traces) > MOST:
            said.append(f"{number(len(self.traces) - MOST)} more traces are not drawn.")
        return note(" ".join(said)) if said else None

    def _player(self, sheet: Sheet) -> Content:
        if not self.sound:
            return None
        source = embed(sheet, self.sound, TYPES)
        if source is None:
            return tag("p", link(self.sound, "the sound"), " (too large to be played here)")
        return tag("audio", src=source, controls=True, preload="metadata", aria_label=self.title or self.sound)


def _scaled(trace: Trace) -> list[float | None]:
    return [None if each is None else each * trace.scale for each in thin(trace.values)]


def _three(heat: Heat) -> tuple[str, str, str]:
    low, middle, high = heat.labels
    return low, middle, high
