"""Blocks of a report as pictures, for trackers that show figures: the frame and the marks, on white paper."""

from __future__ import annotations

from typing import Any

from trainwright.report.blocks.bars import Bars
from trainwright.report.blocks.base import Block, CannotDraw
from trainwright.report.blocks.confusion import Confusion
from trainwright.report.blocks.lines import Lines
from trainwright.report.blocks.points import MOST, Points
from trainwright.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, across, thin, tick_label, up
from trainwright.report.figures import is_number

SCALE = 2
INK, SOFT, GRID = "#1d1e21", "#5d6068", "#e2dfd6"
COLOURS = ("#1f6392", "#7a3f86", "#2b6b49", "#8a6d1f")
STYLES = {"train": SOFT, "validation": COLOURS[0], "other": INK, "faint": "#b9b6ad", **{f"c{n}": each for n, each in enumerate(COLOURS)}}
LARGEST = 12
"""Classes of a confusion matrix whose cells hold numbers."""


def raster(block: Block) -> Any:
    """The picture of a block, uint8 (h w 3); None for one that is no chart. Raises CannotDraw where there is nothing in it."""
    import numpy as np

    drawing = {Lines: _lines, Points: _points, Confusion: _confusion, Bars: _bars}.get(type(block))
    return None if drawing is None else np.asarray(drawing(block))  # type: ignore[operator]


class _Paper:
    """A white picture with a title, drawn in the units of the report's charts."""

    def __init__(self, title: str, height: float = HEIGHT) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self.image = Image.new("RGB", (WIDTH * SCALE, round((height + 22) * SCALE)), "white")
        self._draw, self._font = ImageDraw.Draw(self.image), ImageFont.load_default(11 * SCALE)
        self.text(8, -12, title[:60], INK)

    def text(self, x: float, y: float, text: str, colour: str = SOFT, anchor: str = "lm") -> None:
        """A text at a place; `anchor` as PIL has it."""
        self._draw.text((x * SCALE, (y + 22) * SCALE), text, fill=colour, anchor=anchor, font=self._font)

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1.5) -> None:
        """A line through points."""
        self._draw.line([(x * SCALE, (y + 22) * SCALE) for x, y in points], fill=colour, width=round(width * SCALE), joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """A filled rectangle."""
        ends = sorted((left * SCALE, right * SCALE)), sorted(((top + 22) * SCALE, (bottom + 22) * SCALE))
        self._draw.rectangle([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], fill=colour)

    def frame(self, x: Axis, y: Axis, x_label: str) -> None:
        """Grid, ticks and their labels."""
        for value in thin(y.ticks(4)):
            self.line([(LEFT, y.place(value)), (WIDTH - RIGHT, y.place(value))], GRID, 0.5)
            self.text(LEFT - 6, y.place(value), tick_label(value).replace("−", "-"), anchor="rm")
        for value in x.ticks(4):
            self.text(x.place(value), HEIGHT - BOTTOM + 12, tick_label(value).replace("−", "-"), anchor="mm")
        self.text((x.start + x.end) / 2, HEIGHT - 8, x_label[:60], anchor="mm")


def _title(block: Block, kind: str) -> str:
    return ", ".join(filter(None, (block.title or kind, block.group)))


def _lines(block: Lines) -> Any:
    drawn = [each for each in block.styled if each.points]
    if not drawn:
        raise CannotDraw("no line has a point")
    x, y = block.axes(drawn)
    paper = _Paper(_title(block, "Lines"))
    paper.frame(x, y, block.x_label)
    if block.diagonal:
        paper.line([(x.start, y.start), (x.end, y.end)], GRID)
    for each in reversed(drawn):
        paper.line([(x.place(a), y.place(b)) for a, b in each.points], STYLES.get(each.style, INK))
    named = [each for each in drawn if each.style != "faint" and each.name]
    for place, each in enumerate(named[:6] if len(drawn) > 1 else []):
        paper.text(WIDTH - RIGHT - 4, TOP + 8 + 13 * place, each.name[:24], STYLES.get(each.style, INK), "rm")
    return paper.image


def _points(block: Points) -> Any:
    pairs = [(float(a), float(b)) for a, b in zip(block.x, block.y, strict=True) if is_number(a) and is_number(b)][:MOST]
    if not pairs:
        raise CannotDraw("there is no point")
    x, y = block.axes([each[0] for each in pairs], [each[1] for each in pairs])
    paper = _Paper(_title(block, "Points"))
    paper.frame(x, y, block.x_label)
    if block.diagonal:
        paper.line([(x.start, y.start), (x.end, y.end)], GRID)
    half = 3 if block.sizes else 1
    for a, b in pairs:
        paper.box(x.place(a) - half, y.place(b) - half, x.place(a) + half, y.place(b) + half, COLOURS[0])
    return paper.image


def _confusion(block: Confusion) -> Any:
    count = len(block.matrix)
    paper = _Paper(f"{_title(block, 'Confusion')}: truth down, prediction across", WIDTH)
    left, side = 70.0, (WIDTH - 80) / count
    for row, values in enumerate(block.matrix):
        total = sum(values) or 1
        for column, value in enumerate(values):
            share = value / total
            x, y = left + column * side, 20 + row * side
            paper.box(x, y, x + side - 1, y + side - 1, _blend(share))
            if count <= LARGEST:
                paper.text(x + side / 2, y + side / 2, str(value), "white" if share > 0.6 else INK, "mm")
        if count <= 3 * LARGEST:
            paper.text(left - 5, 20 + (row + 0.5) * side, block.classes[row][:9], anchor="rm")
            paper.text(left + (row + 0.5) * side, 12, block.classes[row][: max(int(side / 6), 1)], anchor="mm")
    return paper.image


def _blend(share: float) -> str:
    """From paper to the first colour."""
    low, high = (244, 242, 236), (31, 99, 146)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))


def _bars(block: Bars) -> Any:
    if block.edges:
        x, y = across(block.edges[0], max(block.edges[-1], block.edges[0] + 1e-9)), up(0.0, max(block.counts) * 1.05 or 1.0)
        paper = _Paper(_title(block, "Histogram"))
        paper.frame(x, y, block.x_label)
        for a, b, count in zip(block.edges[:-1], block.edges[1:], block.counts, strict=True):
            paper.box(x.place(a), y.place(count), x.place(b), y.place(0.0), COLOURS[0])
        return paper.image
    shown = [each for each in block.bars if is_number(each.value)][:20]
    most = max((abs(float(each.value or 0)) for each in shown), default=0.0)
    if not most:
        raise CannotDraw("there is no bar")
    paper = _Paper(_title(block, block.section), 20 + 18 * len(shown))
    for place, each in enumerate(shown):
        middle, value = 12 + 18 * place, float(each.value or 0)
        paper.text(150, middle, _plain(each.name)[:22], anchor="rm")
        paper.box(156, middle - 5, 156 + 160 * max(value, 0.0) / most, middle + 5, COLOURS[0])
        paper.text(162 + 160 * max(value, 0.0) / most, middle, f"{value:.4g}")
    return paper.image


def _plain(cell: Any) -> str:
    """The text of a cell without its style."""
    if isinstance(cell, list):
        return "".join(map(_plain, cell))
    return str(getattr(cell, "text", cell))
