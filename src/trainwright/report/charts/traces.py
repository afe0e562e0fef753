"""Recordings over a common time axis: traces one above the other on squared paper, pictures of spectra, marks and shading."""

from __future__ import annotations

import base64
import math
import statistics
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report.charts.axes import Axis, picture, round_step, tick_label
from trainwright.report.markup import Content, Markup, tag

WIDTH, LEFT, RIGHT, BOTTOM = 1100, 64, 6, 30
LANE, PEAKS = 22, 13
"""Height of the lane of the names of marks, and of that of peaks."""
CROWD = 150
"""Marks from which on only the strong ones are drawn."""
POINTS = 2 * (WIDTH - LEFT - RIGHT)
"""Points of a trace that are drawn: the lowest and the highest of each column of pixels."""
LEAST, MOST = 44, 150
"""Height of a trace."""
HEAT = 150
"""Height of a picture of a spectrum."""
PAPER_SPEED = 0.4
"""Height of 1 mV over the width of 1 s on the paper of an ECG: 10 mm/mV at 25 mm/s."""
MILLIVOLT = (26.0, 62.0)
"""The least and the largest height of 1 mV."""
LEVELS = 6
COLOURS = ("000004", "180f3d", "440f76", "721f81", "9e2f7f", "cd4071", "f1605d", "fd9668", "feca8d", "fcfdbf")
"""The colour map magma of Smith and van der Walt (CC0) at ten places."""


@dataclass(frozen=True)
class Row:
    """One trace as it is laid out: its values (None: none), the height of one unit, where its zero and its edges are."""

    name: str
    values: Sequence[float | None]
    unit: str
    shade: Sequence[float]
    height: float
    """Pixels of one unit."""
    top: float
    zero: float
    """y of the value 0."""


def thin(values: Sequence[float | None], most: int = POINTS) -> list[float | None]:
    """At most `most` values over the same time: the lowest and the highest of each stretch in their order, so that no peak is lost."""
    if len(values) <= most:
        return list(values)
    found: list[float | None] = []
    bins = most // 2
    for place in range(bins):
        piece = values[place * len(values) // bins : (place + 1) * len(values) // bins]
        there = [(each, at) for at, each in enumerate(piece) if each is not None]
        if not there:
            found += [None, None]
            continue
        ends = sorted([min(there), max(there)], key=lambda each: each[1])
        found += [each for each, _ in ends]
    return found


def extent(values: Sequence[float | None], share: float = 0.004) -> tuple[float, float]:
    """The range of the values but for the outermost few in a thousand on either side, unless they are all there is; (0, 0) of none."""
    there = sorted(each for each in values if each is not None)
    if not there:
        return 0.0, 0.0
    cut = int(share * len(there))
    low, high = there[cut], there[-1 - cut]
    return (low, high) if low < high else (there[0], there[-1])


def millivolt_height(seconds: float) -> float:
    """Pixels of 1 mV on paper of so many seconds."""
    return min(max(PAPER_SPEED * (WIDTH - LEFT - RIGHT) / seconds, MILLIVOLT[0]), MILLIVOLT[1])


def unit_heights(traces: Sequence[tuple[str, Sequence[float | None]]], seconds: float, paper: bool) -> dict[str, float]:
    """Pixels of one unit, by unit: those of paper for mV, else so that the usual trace of a unit is 70 pixels high."""
    if paper:
        return {unit: millivolt_height(seconds) for unit, _ in traces}
    found = {}
    for unit in dict.fromkeys(unit for unit, _ in traces):
        spans = [high - low for each, values in traces if each == unit for low, high in [extent(values)]]
        spans = [each for each in spans if each > 0]
        found[unit] = 70 / statistics.median(spans) if spans else 1.0
    return found


def lay_out(
    traces: Sequence[tuple[str, Sequence[float | None], str, Sequence[float]]], seconds: float, paper: bool, top: float
) -> list[Row]:
    """Where each trace (name, values, unit, shade) is drawn, from `top` downwards."""
    heights = unit_heights([(unit, values) for _, values, unit, _ in traces], seconds, paper)
    rows: list[Row] = []
    for name, values, unit, shade in traces:
        low, high = extent(values)
        scale = heights[unit]
        tall = min(max((high - low) * scale + 18, LEAST), MOST)
        middle = (low + high) / 2
        zero = top + tall / 2 + middle * scale
        if paper:  # zero lies on a line of the paper
            square, first = scale / 10, rows[0].top if rows else top
            zero = first + round((zero - first) / square) * square
        rows.append(Row(name, values, unit, shade, scale, top, zero))
        top += tall
    return rows


def bottoms(rows: Sequence[Row], end: float) -> list[float]:
    """The lower edge of each row."""
    return [*(each.top for each in rows[1:]), end] if rows else []


def end_of(traces: Sequence[Row]) -> float:
    """The lower edge of the last row."""
    last = traces[-1]
    low, high = extent(last.values)
    return last.top + min(max((high - low) * last.height + 18, LEAST), MOST)


def draw_trace(row: Row, bottom: float, ceiling: float, floor: float) -> Content:
    """The line of a trace, broken where there is no value, with its name before it; it reaches into its neighbours, and no farther."""
    values = thin(row.values)
    step = (WIDTH - LEFT - RIGHT) / max(len(values), 1)
    reach = (bottom - row.top) * 0.6
    above, below = max(row.top - reach, ceiling), min(bottom + reach, floor)
    places = [None if each is None else round(10 * min(max(row.zero - each * row.height, above), below)) for each in values]
    written, last, begun = [], 0, False
    for number, place in enumerate(places):
        if place is None:
            begun = False
            continue
        written.append(f"l1 {place - last}" if begun else f"M{number} {place}")
        begun, last = True, place
    scaled = f"translate({LEFT} 0) scale({step:.5g} 0.1)"
    there = [each for each in row.values if each is not None]
    middle = row.zero - (statistics.median(there) if there else 0.0) * row.height
    shown, long = row.name[:10] + ("…" if len(row.name) > 10 else ""), " long" if len(row.name) > 7 else ""
    at = f"{_within(middle, row.top, bottom) + 5:.1f}"
    name = tag("text", shown, tag("title", row.name), x="2", y=at, class_=f"trace-name{long}")
    return [tag("path", d="".join(written), transform=scaled, class_="trace"), name]


def _within(place: float, top: float, bottom: float) -> float:
    """Where a name stands beside its trace: at its middle value, as far as that is in its row."""
    return min(max(place, top + 12), bottom - 24)


def draw_scales(rows: Sequence[Row], edges: Sequence[float]) -> Content:
    """Beside the first trace of each unit a bar as high as a round number of it, which the text under its name says."""
    seen, drawn = set[str](), list[Content]()
    for row, edge in zip(rows, edges, strict=True):
        if row.unit in seen:
            continue
        seen.add(row.unit)
        size = round_step(0.35 * (edge - row.top) / row.height)
        middle, half = (row.top + edge) / 2, size * row.height / 2
        there = [each for each in row.values if each is not None]
        name = _within(row.zero - (statistics.median(there) if there else 0.0) * row.height, row.top, edge)
        said = f"{tick_label(size)} {row.unit[:8]}".strip()
        drawn.append(tag("path", d=f"M{LEFT - 5} {middle - half:.1f}v{2 * half:.1f}m-3 0h6m-6 {-2 * half:.1f}h6", class_="scale"))
        drawn.append(tag("text", said, x="4", y=f"{name + 21:.1f}", class_="unit"))
    return drawn


def draw_shade(shade: Sequence[float], top: float, bottom: float) -> Content:
    """Numbers of 0 to 1 evenly over the time, as a colour behind what is drawn: one path for each of six depths."""
    paths: list[list[str]] = [[] for _ in range(LEVELS + 1)]
    step = (WIDTH - LEFT - RIGHT) / max(len(shade), 1)
    begin = 0
    for place in range(1, len(shade) + 1):
        level = round(LEVELS * min(max(shade[begin], 0.0), 1.0))
        if place < len(shade) and round(LEVELS * min(max(shade[place], 0.0), 1.0)) == level:
            continue
        wide = (place - begin) * step
        paths[level].append(f"M{LEFT + begin * step:.1f} {top:.1f}h{wide:.1f}V{bottom:.1f}h-{wide:.1f}z")
        begin = place
    return [
        tag("path", d="".join(each), class_="shade", style=f"opacity:{0.6 * level / LEVELS:.2f}")
        for level, each in enumerate(paths)
        if each and level
    ]


def draw_paper(time: Axis, top: float, bottom: float, millivolt: float) -> Content:
    """The squares of ECG paper: 0.04 s by 0.1 mV and 0.2 s by 0.5 mV; the small ones where they can be told apart."""
    second = (time.end - time.start) / (time.high - time.low)
    drawn: list[Content] = [tag("rect", x=LEFT, y=f"{top:.1f}", width=WIDTH - LEFT - RIGHT, height=f"{bottom - top:.1f}", class_="paper")]
    if 0.04 * second >= 3:
        drawn.append(tag("path", d=_rules(time, top, bottom, 0.04, 0.1 * millivolt), class_="paper-fine"))
    wide = next(each for each in (0.2, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 86400.0) if each * second >= 8 or each == 86400.0)
    drawn.append(tag("path", d=_rules(time, top, bottom, wide, 0.5 * millivolt), class_="paper-bold"))
    return drawn


def _rules(time: Axis, top: float, bottom: float, seconds: float, pixels: float) -> str:
    first, last = math.ceil(time.low / seconds - 1e-6), math.floor(time.high / seconds + 1e-6)
    down = "".join(f"M{time.place(number * seconds):.1f} {top:.1f}V{bottom:.1f}" for number in range(first, last + 1))
    count = int((bottom - top) / pixels + 1e-6)
    return down + "".join(f"M{LEFT} {top + number * pixels:.1f}H{WIDTH - RIGHT}" for number in range(count + 1))


def draw_time(time: Axis, bottom: float, rules_from: float | None) -> Content:
    """Ticks of time under everything, with lines through it all from `rules_from` where there is no paper."""
    ticks = time.ticks(10)
    lines = "".join(f"M{time.place(each):.1f} {rules_from:.1f}V{bottom:.1f}" for each in ticks) if rules_from is not None else ""
    texts = [
        tag("text", clock(each, time), x=f"{time.place(each):.1f}", y=f"{bottom + 18:.1f}", text_anchor=_anchor(each, time))
        for each in ticks
    ]
    return [tag("path", d=lines, class_="grid") if lines else None, texts]


def _anchor(value: float, time: Axis) -> str:
    return "end" if time.place(value) > time.end - 12 else "middle"


def clock(value: float, time: Axis) -> str:
    """A moment as it stands under the picture: seconds, or minutes and hours of long recordings."""
    if time.high < 600:
        return f"{tick_label(round(value, 6))} s"
    hours, rest = divmod(round(value, 3), 3600)
    minutes, seconds = divmod(rest, 60)
    shown = f"{seconds:04.1f}" if seconds % 1 else f"{seconds:02.0f}"
    return f"{hours:.0f}:{minutes:02.0f}:{shown}" if hours else f"{minutes:.0f}:{shown}"


def lanes(marks: Sequence[tuple[float, str, str]]) -> float:
    """Height of what marks (second, name, style) take above the traces: a lane for names, and one for peaks."""
    return float(LANE * any(style != "peak" for _, _, style in marks) + PEAKS * any(style == "peak" for _, _, style in marks))


def draw_marks(marks: Sequence[tuple[float, str, str]], time: Axis, bottom: float) -> Content:
    """Names with a hair line through everything below, of many the strong ones first, and peaks as triangles under them."""
    named, top = [each for each in marks if each[2] != "peak"], lanes(marks)
    peaks = [at for at, _, style in marks if style == "peak"]
    strong = [each for each in named if each[2] == "strong"]
    plain = [] if len(named) > CROWD else [each for each in named if each[2] != "strong"]
    hairs = "".join(f"M{time.place(at):.1f} {LANE - 3:.1f}V{bottom:.1f}" for at, _, _ in [*strong, *plain][:CROWD])
    triangles = "".join(f"M{time.place(at) - 4.5:.1f} {top - 10:.1f}h9l-4.5 8z" for at in peaks)
    drawn: list[Content] = [tag("path", d=hairs, class_="hair")] if hairs else []
    drawn += [tag("path", d=triangles, class_="peak")] if triangles else []
    taken: list[tuple[float, float]] = []
    for at, name, style in [*sorted(strong), *sorted(plain)]:
        place, half = time.place(at), 4.0 * len(name[:10]) + 2
        if name and all(place + half <= left or right <= place - half for left, right in taken):
            taken.append((place - half, place + half))
            drawn.append(_name_mark(name, place, style, clock(at, time)))
    return drawn


def _name_mark(name: str, place: float, style: str, when: str) -> Markup:
    said = tag("title", f"{name} at {when}")
    return tag("text", name[:10], said, x=f"{place:.1f}", y="15", text_anchor="middle", class_=f"mark {style}")


def draw_heat(levels: Sequence[Sequence[int]], labels: tuple[str, str, str], name: str, top: float) -> Content:
    """A picture of levels 0 to 255 (rows from the lowest frequency upwards) with labels at its low end, middle and high end."""
    source = f"data:image/png;base64,{base64.b64encode(palette_png(levels)).decode()}"
    image = tag(
        "image", href=source, x=LEFT, y=f"{top:.1f}", width=WIDTH - LEFT - RIGHT, height=HEAT - 8, preserveAspectRatio="none", class_="heat"
    )
    places = ((labels[0], top + HEAT - 10), (labels[1], top + HEAT / 2), (labels[2], top + 12))
    return [image, [tag("text", text, tag("title", name), x=LEFT - 6, y=f"{y:.1f}", text_anchor="end") for text, y in places]]


def palette_png(levels: Sequence[Sequence[int]]) -> bytes:
    """A PNG of one byte a pixel and the colours of magma, its first row at the bottom."""
    height, width = len(levels), len(levels[0])
    rows = b"".join(b"\0" + bytes(each) for each in reversed(levels))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", _palette()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each)) for kind, each in parts
    )


def _palette() -> bytes:
    ends = [tuple(bytes.fromhex(each)) for each in COLOURS]
    found = bytearray()
    for number in range(256):
        place, share = divmod(number / 255 * (len(ends) - 1), 1)
        low, high = ends[int(place)], ends[min(int(place) + 1, len(ends) - 1)]
        found += bytes(round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return bytes(found)


def sheet_of(height: float, title: str, detail: str, *content: Content) -> Markup:
    """All of it as one picture."""
    drawn = picture(WIDTH, height, title, detail, *content)
    return Markup(drawn.replace("<svg", '<svg class="traces"', 1))
