"""The test rows it got most wrong, with their values, as a table per target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.report.figures import is_number
from trainwright.report.material import mapping, rows

SECTION = {"section": "Worst rows", "why": "Look here for wrong labels, odd rows, and what the columns do not tell."}
SHOWN, SHOWN_COLUMNS, SHOWN_TARGETS = 12, 14, 8


def worst(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table per target, from the worst rows by target."""
    return [_target(target, rows(each)[:SHOWN]) for target, each in list(found.items())[:SHOWN_TARGETS] if rows(each)]


def _target(target: str, errors: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for each in errors for name in mapping(each.get("values")) if name != target))
    shown = names[:SHOWN_COLUMNS]
    head: list[Any] = [{"name": "row", "format": "number"}, {"name": "truth", "limit": 40}, {"name": "prediction", "limit": 40}]
    head += [{"name": "loss", "format": "score"}]
    head += [{"name": {"text": name, "style": "code", "limit": 20}, "limit": 28} for name in shown]
    more = f"{len(names) - len(shown)} more columns are not shown." if len(names) > len(shown) else ""
    body = [_row(each, shown) for each in errors]
    return {"type": "table", **SECTION, "group": target, "columns": head, "rows": body, "note": more}


def _row(each: dict[str, Any], columns: list[str]) -> list[Any]:
    values = mapping(each.get("values"))
    row = each["row"] + 1 if is_number(each.get("row")) else None
    prediction = {"text": each.get("prediction"), "style": "strong", "limit": 40}
    return [row, each.get("truth"), prediction, each.get("loss"), *[values.get(name) for name in columns]]
