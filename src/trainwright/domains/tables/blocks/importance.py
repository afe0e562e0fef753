"""Which columns the network relies on, as bars: how much a metric falls when one is shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.report.figures import is_number, score, words
from trainwright.report.material import mapping, rows

SHOWN, SHOWN_TARGETS = 20, 8


def importance(found: Mapping[str, Any], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bars per target, from the drops by target and how they were measured."""
    metric = mapping(settings.get("metric"))
    named = words(str(next(iter(metric.values())))) if len(set(map(str, metric.values()))) == 1 else "test metric"
    why = f"How much the {named} worsens when a column is shuffled among the test rows. Columns that say the same share the credit."
    made = []
    for target, each in list(found.items())[:SHOWN_TARGETS]:
        ranked = sorted((row for row in rows(each) if is_number(row.get("drop_mean"))), key=lambda row: -row["drop_mean"])
        if ranked:
            # Beside a drop that matters, one of 0.00005 is nothing; where all are tiny their digits are all there is.
            digits = 3 if ranked[0]["drop_mean"] >= 0.01 else 9
            bars = [_bar(row, digits) for row in ranked]
            place = {"section": "What it looks at", "why": why, "group": target}
            rest = f"The {SHOWN} of {len(bars)} columns that matter most." if len(bars) > SHOWN else ""
            made.append({"type": "bars", **place, "bars": bars[:SHOWN], "wide": True, "note": rest})
    return made


def _bar(each: dict[str, Any], digits: int) -> dict[str, Any]:
    mean, spread = each["drop_mean"], each.get("drop_std")
    bar: dict[str, Any] = {"name": {"text": str(each.get("column")), "style": "code", "limit": 32}, "value": mean}
    if not is_number(spread):
        return bar | {"text": score(round(mean, digits))}
    text = [score(round(mean, digits)), {"text": f" ± {score(round(spread, digits))}", "style": "soft"}]
    return bar | {"text": text, "low": mean - spread, "high": mean + spread}
