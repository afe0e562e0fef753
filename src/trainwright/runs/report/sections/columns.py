"""Which columns the network relies on: how much a metric falls when one is shuffled."""

from __future__ import annotations

from typing import Any

from trainwright.runs.report.charts.rows import Row, bars
from trainwright.runs.report.figures import is_number, score, words
from trainwright.runs.report.markup import Content, code, hidden_rest, tag
from trainwright.runs.report.material import Material, mapping, rows
from trainwright.runs.report.sections.layout import Section

SHOWN, SHOWN_TARGETS = 20, 8


def columns(material: Material) -> Section | None:
    """Permutation importance per target; None where it was not measured."""
    found = mapping(material.analysis.get("importance"))
    body: list[Content] = []
    for target, each in list(found.items())[:SHOWN_TARGETS]:
        ranked = sorted((row for row in rows(each) if is_number(row.get("drop_mean"))), key=lambda row: -row["drop_mean"])
        if ranked:
            body += [tag("h3", code(target, 60)) if len(found) > 1 else None, _ranking(ranked, target)]
            body.append(hidden_rest(SHOWN, len(ranked), "columns", "analysis.json"))
    if not body:
        return None
    metric = mapping(mapping(material.analysis.get("importance_settings")).get("metric"))
    named = words(str(next(iter(metric.values())))) if len(set(map(str, metric.values()))) == 1 else "test metric"
    lede = f"How much the {named} worsens when a column is shuffled among the test rows. Columns that say the same share the credit."
    return Section("columns", "What it looks at", lede, body)


def _ranking(ranked: list[dict[str, Any]], target: str) -> Content:
    # Beside a drop that matters, one of 0.00005 is nothing; where all are tiny their digits are all there is.
    digits = 3 if ranked[0]["drop_mean"] >= 0.01 else 9
    return bars([_row(each, digits) for each in ranked[:SHOWN]], f"Permutation importance of the columns for {target}")


def _row(each: dict[str, Any], digits: int) -> Row:
    mean, spread = each["drop_mean"], each.get("drop_std")
    text: Content = score(round(mean, digits))
    if not is_number(spread):
        return Row(code(each.get("column"), 32), mean, text)
    return Row(
        code(each.get("column"), 32),
        mean,
        [text, tag("span", f" ± {score(round(spread, digits))}", class_="soft")],
        mean - spread,
        mean + spread,
    )
