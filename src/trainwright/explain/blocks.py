"""An explanation as blocks of a report: bars of columns, single rows, curves, and pictures of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainwright.explain.explanation import Curve, Explanation

SECTION = "Explanation"
SHOWN, SHOWN_ROWS, SHOWN_CURVES = 20, 6, 12
LARGEST_CURVE = 40
"""Curves of single rows that are drawn."""


def blocks_of(found: Explanation, pictures: Sequence[Mapping[str, str]] = ()) -> list[dict[str, Any]]:
    """What a report shows of an explanation; `pictures` are files beside it, each with a caption."""
    blocks = [_ranking(found), *_curves(found), *_rows(found)]
    if pictures:
        files = [{"file": each["file"], "caption": each["caption"]} for each in pictures]
        blocks.append({"type": "images", "section": "Maps", "why": maps_in_words(found), "files": files})
    blocks += _signals(found)
    return [each for each in blocks if each]


def headline(found: Explanation) -> str:
    """The method and what it explains."""
    return f"{found.method.replace('_', ' ')} of {found.about}" if found.method != "permutation" else f"permutation of {found.about}"


def facts(found: Explanation) -> list[str]:
    """Rows, baseline, gap and seed, each in a few words."""
    drawn = "" if found.named_rows else f", drawn by seed {found.seed}"
    rows = f"{found.n:,} row{'s' * (found.n != 1)}" if found.n == found.total else f"{found.n:,} of {found.total:,} rows{drawn}"
    said = [rows, f"baseline: {found.baseline}" if found.baseline else ""]
    gap = found.gap()
    if gap is not None:
        said.append(f"sums are off by {gap['mean']:.2g} on average, {gap['largest']:.2g} at most ({gap['share']:.1%} of what they explain)")
    layer = found.settings.get("layer")
    return [each for each in [*said, f"layer: {layer}" if layer else ""] if each]


def maps_in_words(found: Explanation) -> str:
    """What the colours of maps say."""
    if found.pictures and set(found.maps) <= set(found.pictures):
        return "Red is what speaks most for what is explained, blue what says nothing for it; the colours lie over the picture."
    signed = any((each < 0).any() for maps in found.maps.values() for each in maps)
    return "Blue speaks for what is explained, orange against it." if signed else "The bluer, the more it speaks for what is explained."


def measure_in_words(found: Explanation) -> str:
    """What the length of a bar is."""
    return {
        "mean_absolute": "the mean size of a column's share over rows",
        "drop_mean": "how much worse the metric is when the column is shuffled, with the deviation over repeats",
        "range": "how far the mean answer moves over the values of the column",
    }[found.measure]


def _ranking(found: Explanation) -> dict[str, Any]:
    if not found.ranked:
        return {}
    bars = []
    for each in found.ranked[:SHOWN]:
        value = each[found.measure]
        bar: dict[str, Any] = {"name": {"text": each["column"], "style": "code", "limit": 32}, "value": value, "text": f"{value:.4g}"}
        if "drop_std" in each:
            bar |= {"low": value - each["drop_std"], "high": value + each["drop_std"], "text": f"{value:.4g} ± {each['drop_std']:.2g}"}
        bars.append(bar)
    rest = f"The {SHOWN} of {len(found.ranked)} that matter most. " if len(found.ranked) > SHOWN else ""
    rest += " ".join(f"{each[:1].upper()}{each[1:]}." for each in found.notes)
    return {
        "type": "bars",
        "section": SECTION,
        "why": f"Bars: {measure_in_words(found)}.",
        "title": "Columns",
        "bars": bars,
        "wide": True,
        "note": rest,
    }


def _rows(found: Explanation) -> list[dict[str, Any]]:
    """The shares in the first rows, the largest of each."""
    rows = found.rows
    if rows is None or not found.columns or found.maps:
        return []
    made = []
    for place in range(min(SHOWN_ROWS, len(found.row_names), len(rows.indices))):
        order = np.argsort(-np.abs(rows.attributions[place]), kind="stable")[:10]
        bars = [
            {
                "name": cell_of(found, found.columns[at], place),
                "value": float(rows.attributions[place, at]),
                "text": f"{rows.attributions[place, at]:+.4g}",
            }
            for at in order
        ]
        title = f"{found.row_names[place]}: {found.outputs[int(rows.output[place])]}" if len(found.outputs) > 1 else found.row_names[place]
        before = "" if rows.at_baseline is None else f" from {rows.at_baseline[place]:.4g} at the baseline"
        made.append({"type": "bars", "section": "Rows", "title": title, "caption": f"{rows.answer[place]:.4g}{before}", "bars": bars})
    return made


def cell_of(found: Explanation, column: str, place: int) -> str:
    """A column with its value in one of the first rows."""
    values = found.values.get(column) or []
    value = values[place] if place < len(values) else ""
    return f"{column} = {value}" if value else column


def _curves(found: Explanation) -> list[dict[str, Any]]:
    by_name = {each.column: each for each in found.curves}
    return [_curve(by_name[each["column"]], found) for each in found.ranked[:SHOWN_CURVES]] if by_name else []


def _curve(curve: Curve, found: Explanation) -> dict[str, Any]:
    place = {"section": "Partial dependence", "title": curve.column}
    if curve.values is None:
        bars = [{"name": word, "value": float(mean), "text": f"{mean:.4g}"} for word, mean in zip(curve.words, curve.mean, strict=True)]
        return {"type": "bars", **place, "bars": bars, "layout": "dots"}
    lines: list[dict[str, Any]] = [{"x": curve.values, "y": curve.mean.tolist(), "name": "mean of all rows", "style": "coloured"}]
    lines += [{"x": curve.values, "y": row.tolist(), "style": "faint"} for row in curve.rows[: LARGEST_CURVE - 1]]
    ends = [min(curve.values), max(curve.values)]
    return {"type": "lines", **place, "lines": lines, "x_label": curve.column, **({"x_range": ends} if ends[0] < ends[1] else {})}


def _signals(found: Explanation) -> list[dict[str, Any]]:
    """Maps along one dimension as lines."""
    made = []
    for name, maps in found.maps.items():
        for place, each in enumerate(maps[:SHOWN_ROWS] if name in found.maps else []):
            if each.ndim == 1 and len(each) > 1:
                x = list(range(len(each)))
                lines = [{"x": x, "y": each.tolist(), "name": "share"}]
                made.append(
                    {"type": "lines", "section": "Maps", "title": f"{name}, {found.row_names[place]}", "lines": lines, "x_label": "place"}
                )
    return made
