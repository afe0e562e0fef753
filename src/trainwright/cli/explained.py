"""An explanation as a table for a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.api.explanation_pictures import is_picture_name
from trainwright.cli.style import bold, dim, table, wrap
from trainwright.explain.blocks import cell_of, facts, headline
from trainwright.explain.explanation import Explanation

MOST, ALONE = 20, 3
"""Columns that are shown; and of how many rows each is shown alone."""
BAR, NAME = 20, 32


def describe_explanation(found: Explanation, folder: str | None) -> str:
    """The head, the columns by how much they matter, single rows where there are few, and what is to be known."""
    lines = [bold(wrap(headline(found), 0)), *(wrap(each, 0) for each in facts(found)), ""]
    rows = found.rows
    if rows is not None and len(rows.indices) <= ALONE and not found.maps:
        lines += [each for place in range(len(rows.indices)) for each in (*_row(found, place), "")]
    elif found.ranked:
        lines += [_ranking(found), ""]
    for name, each in found.mean_maps.items():
        lines.append(dim(f"{name}: maps of {'×'.join(map(str, each.shape))}" + ("" if folder else "; -o FOLDER writes them")))
    lines += [dim(wrap(f"note: {each}", 0)) for each in found.notes]
    if folder:
        lines.append(folder if is_picture_name(folder) else f"{folder}/explanation.html")
    return "\n".join(lines).rstrip()


def _ranking(found: Explanation) -> str:
    shown = found.ranked[:MOST]
    largest = max((abs(each[found.measure]) for each in shown), default=0.0)
    head, cells = _columns(found)
    body = [[_cut(each["column"]), *cells(each), _bar(each[found.measure], largest)] for each in shown]
    rest = f"\n{len(found.ranked) - MOST:,} more columns: --json" if len(found.ranked) > MOST else ""
    return table(["column", *head, ""], body, right=range(1, len(head) + 1)) + dim(rest)


def _columns(found: Explanation) -> tuple[list[str], Any]:
    if found.measure == "drop_mean":
        return ["worse by", "±", "std. error"], lambda each: [
            f"{each['drop_mean']:.4f}",
            f"{each['drop_std']:.2g}",
            f"{each['standard_error']:.2g}",
        ]
    if found.measure == "range":
        return ["moves it by", "deviation"], lambda each: [f"{each['range']:.4g}", f"{each['deviation']:.3g}"]
    return ["mean size", "mean", "share"], lambda each: [f"{each['mean_absolute']:.4g}", f"{each['mean']:+.4g}", f"{each['share']:.1%}"]


def _row(found: Explanation, place: int) -> list[str]:
    """One row: its answer, and the share of each column, the largest first."""
    rows = found.rows
    if rows is None:
        return []
    numbers = rows.attributions[place]
    order = np.argsort(-np.abs(numbers), kind="stable")[:MOST]
    largest = float(np.abs(numbers).max(initial=0.0))
    output = f"{found.outputs[int(rows.output[place])]} " if len(found.outputs) > 1 else ""
    before = "" if rows.at_baseline is None else f", {rows.at_baseline[place]:.4g} at the baseline"
    head = f"{found.row_names[place]}: {output}{rows.answer[place]:.4g}{before}"
    body = [
        [_cut(cell_of(found, found.columns[at], place)), _signed(float(numbers[at]), largest), _bar(float(numbers[at]), largest)]
        for at in order
    ]
    return [head, table(["column", "share", ""], body, right=(1,))]


def _bar(value: float, largest: float) -> str:
    """A bar of the size of a value; light where it is below zero."""
    size = round(BAR * abs(value) / largest) if largest > 0 and np.isfinite(value) else 0
    return ("█" if value > 0 else "░") * size


def _signed(value: float, largest: float) -> str:
    """A number with its sign; what is nothing beside the largest is 0."""
    return f"{value:+.4g}" if abs(value) > 1e-9 * largest else "0"


def _cut(text: str) -> str:
    return text if len(text) <= NAME else text[: NAME - 1] + "…"
