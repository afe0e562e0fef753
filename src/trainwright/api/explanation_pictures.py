"""Pictures of an explanation: bars or curves as SVG, maps of arrays as PNG."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from trainwright.config.errors import ConfigError, RequestError
from trainwright.explain.blocks import headline
from trainwright.explain.explanation import Curve, Explanation
from trainwright.files.outputs import write_output
from trainwright.report.charts.alone import bar_picture, stand_alone
from trainwright.report.charts.axes import across, frame, span, up
from trainwright.report.charts.lines import Series, line
from trainwright.report.charts.rows import BarRow
from trainwright.report.markup import Markup
from trainwright.runs.media.files import FORMATS, write_image
from trainwright.runs.media.overlays import lay_over

SHOWN = 25
FOR, PAPER, AGAINST = (31, 99, 146), (252, 251, 248), (168, 84, 28)
"""The colours of what speaks for and against what is explained, and of nothing."""
LEAST_SIDE = 192
"""Pixels of the shorter side of a picture of a map, unless the longer one would be over twice as long."""
CHANNELS = 4


def draw_ranking(found: Explanation) -> str:
    """The columns as bars; of partial dependence the curve that moves most."""
    if found.curves:
        by_name = {each.column: each for each in found.curves}
        first = by_name[found.ranked[0]["column"]]
        if first.values is not None:
            return stand_alone(_curve(first, headline(found)))
    rows = []
    for each in found.ranked[:SHOWN]:
        value, spread = each[found.measure], each.get("drop_std")
        low, high = (None, None) if spread is None else (value - spread, value + spread)
        rows.append(BarRow(each["column"], value, f"{value:.4g}", low, high))
    return stand_alone(bar_picture(rows, headline(found)), scale=1.5)


def _curve(curve: Curve, title: str) -> Markup:
    values = curve.values or []
    every = [each for row in curve.rows for each in row] + list(curve.mean)
    x, y = across(min(values), max(values) if max(values) > min(values) else min(values) + 1), up(*span(every))
    faint = [line(Series("", "faint", values, row.tolist()), x, y) for row in curve.rows]
    return frame(x, y, faint, line(Series("mean", "c0", values, curve.mean.tolist()), x, y), title=title, x_label=curve.column)


def draw_maps(found: Explanation, folder: Path) -> list[dict[str, str]]:
    """Write the maps of the first rows that have two dimensions as PNG; gives each file with its caption. Without pillow it is said."""
    made: list[dict[str, str]] = []
    for number, (name, maps) in enumerate(found.maps.items()):
        for place, each in enumerate(maps):
            pixels = drawn_map(found, name, place, each)
            if pixels is None:
                continue
            path = folder / "maps" / f"{number}-{place + 1:03d}.png"
            path.parent.mkdir(exist_ok=True)
            try:
                write_image(path, pixels)
            except ConfigError as error:
                found.notes.append(f"maps are not drawn: {error.what}; attributions.npz has them")
                return made
            made.append({"file": f"maps/{path.name}", "caption": _caption(found, name, place)})
    return made


def _caption(found: Explanation, name: str, place: int) -> str:
    rows = found.rows
    said = f": {found.outputs[int(rows.output[place])]} {rows.answer[place]:.3g}" if rows is not None and len(found.outputs) > 1 else ""
    return f"{name}, {found.row_names[place]}{said}"


def drawn_map(found: Explanation, name: str, place: int, sizes: np.ndarray) -> np.ndarray | None:
    """The map of a row as pixels: over its picture, or alone; None for one along a line. Raises ConfigError without Pillow."""
    flat = flat_map(sizes)
    if flat is None:
        return None
    inputs = found.inputs.get(name, [])
    return lay_over(inputs[place], flat) if name in found.pictures and place < len(inputs) else colours(flat)


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Whether a name is one of a picture, not of a folder."""
    return Path(path).suffix.lower() in FORMATS


def write_picture(found: Explanation, path: str | os.PathLike[str]) -> None:
    """Write the map of the only row as one picture. Raises RequestError where there is no map, or are several."""
    drawn = [
        pixels
        for name, maps in found.maps.items()
        for place, each in enumerate(maps)
        if (pixels := drawn_map(found, name, place, each)) is not None
    ]
    if len(drawn) != 1:
        what = f"{len(drawn)} maps do not go into one picture" if drawn else "there is no map to draw"
        fix = "-o FOLDER writes all of them; --row N (and --column NAME) leaves one" if drawn else "name a folder with -o"
        why = "" if drawn else f"{found.method} gives no map of these columns over two dimensions"
        raise RequestError(what, where=f"-o {os.fspath(path)}", why=why, fix=fix)
    with write_output(path) as temporary:
        write_image(temporary, drawn[0], Path(path).suffix)


def flat_map(found: np.ndarray) -> np.ndarray | None:
    """A map of two dimensions: channels summed, of more the first ones' mean; None for one along a line."""
    if found.ndim < 2:
        return None
    while found.ndim > 2:
        axis = found.ndim - 1 if found.shape[-1] <= CHANNELS < found.shape[0] else 0
        found = found.sum(axis)
    return found


def colours(flat: np.ndarray) -> np.ndarray:
    """Numbers (h w) as pixels (h w 3): nothing is paper, the largest size is the full colour of its sign; small maps enlarged."""
    largest = np.abs(flat).max()
    share = np.abs(flat / largest)[..., None] if largest > 0 else np.zeros((*flat.shape, 1))
    ends = np.where((flat < 0)[..., None], np.array(AGAINST), np.array(FOR))
    pixels = np.rint(np.array(PAPER) + share * (ends - np.array(PAPER))).astype(np.uint8)
    times = max(1, min(-(-LEAST_SIDE // min(flat.shape)), 2 * LEAST_SIDE // max(flat.shape)))
    return pixels.repeat(times, 0).repeat(times, 1)
