"""The test rows it got most wrong, with their values."""

from __future__ import annotations

from typing import Any

from trainwright.runs.report.figures import is_number, number, score
from trainwright.runs.report.markup import Content, code, note, quote, table, tag
from trainwright.runs.report.material import Material, mapping, rows
from trainwright.runs.report.sections.layout import Section

SHOWN, SHOWN_COLUMNS, SHOWN_TARGETS = 12, 14, 8


def worst(material: Material) -> Section | None:
    """A table per target; None where no row was kept."""
    found = mapping(material.analysis.get("worst"))
    body = [_target(target, rows(each)[:SHOWN], len(found) > 1) for target, each in list(found.items())[:SHOWN_TARGETS] if rows(each)]
    lede = "Look here for wrong labels, odd rows, and what the columns do not tell."
    return Section("worst", "Worst rows", lede, body) if body else None


def _target(target: str, errors: list[dict[str, Any]], several: bool) -> Content:
    names = list(dict.fromkeys(name for each in errors for name in mapping(each.get("values")) if name != target))
    shown = names[:SHOWN_COLUMNS]
    head: list[Content] = ["row", "truth", "prediction", "loss", *[code(name, 20) for name in shown]]
    body = [_row(each, shown) for each in errors]
    rest = note(f"{len(names) - len(shown)} more columns are not shown.") if len(names) > len(shown) else None
    return [tag("h3", code(target, 60)) if several else None, table(head, body, label=f"Worst rows of {target}", numeric=(3,)), rest]


def _row(each: dict[str, Any], columns: list[str]) -> list[Content]:
    values = mapping(each.get("values"))
    row = number(each["row"] + 1) if is_number(each.get("row")) else "–"
    cells = [quote(values[name], 28) if name in values else "" for name in columns]
    return [row, _show_value(each.get("truth")), tag("b", _show_value(each.get("prediction"))), score(each.get("loss")), *cells]


def _show_value(value: Any) -> Content:
    return number(value) if is_number(value) else quote(value, 40)
