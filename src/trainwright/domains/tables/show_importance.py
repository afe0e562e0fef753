"""Which columns the predictions rest on, in a few lines for the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.domains.tables.show import number, text_table

MOST = 6
"""Columns of one target that are shown; of several targets half as many each."""
TARGETS = 4
BAR = 20
"""Characters of the longest bar."""


def importance_lines(found: Mapping[str, Any]) -> list[str]:
    """The first columns of each target by permutation importance, as `analyse` gives it; nothing where it was not measured."""
    by_target = {name: columns for name, columns in (found.get("importance") or {}).items() if columns}
    settings = found.get("importance_settings") or {}
    most = MOST if len(by_target) == 1 else MOST // 2
    lines: list[str] = []
    for target, columns in list(by_target.items())[:TARGETS]:
        metric = (settings.get("metric") or {}).get(target, "it")
        lines += ["", f"importance for {target}: how much {metric} worsens when a column is shuffled", _table(columns[:most])]
        if len(columns) > most:
            lines.append(f"{len(columns) - most:,} more columns are in the report")
    hidden = len(by_target) - TARGETS
    return [*lines, f"the importance for {hidden:,} more targets is in the report"] if hidden > 0 else lines


def _table(columns: Sequence[Mapping[str, Any]]) -> str:
    drops = [each["drop_mean"] or 0.0 for each in columns]
    largest = max(drops)
    rows = [["column", "worse by", "±", ""]]
    for each, drop in zip(columns, drops, strict=True):
        bar = "█" * round(BAR * drop / largest) if drop > 0 else ""
        deviation = "" if each["drop_std"] is None else f"{each['drop_std']:.2g}"
        rows.append([each["column"], number(each["drop_mean"]), deviation, bar])
    return text_table(rows, right=(1, 2), limits={0: 32})
