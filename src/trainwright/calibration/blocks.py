"""What a report says of a calibration: how honest probabilities became, where decisions lie, how often intervals hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.report.figures import is_number, score
from trainwright.report.material import mapping, rows

SECTION = "Calibration"
WHY = "Fitted after training on rows that the network did not learn from, and measured on rows that took no part in the fit."
SHOWN_TARGETS, SHOWN_LABELS = 8, 20


def calibration_blocks(fitted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Charts and tables for each target, from what results.json has of its calibration; none where nothing was calibrated."""
    made = []
    for target, found in list(fitted.items())[:SHOWN_TARGETS]:
        split = measured_on(found)
        parts = [_text(mapping(found), split), *_reliability(mapping(found), split), _decisions(found, split), _conformal(found, split)]
        made += [{"section": SECTION, "why": WHY, "group": target, **each} for each in parts if each]
    if len(fitted) > SHOWN_TARGETS:
        made.append({"section": SECTION, "type": "text", "text": f"{len(fitted) - SHOWN_TARGETS} more targets are not shown."})
    return made


def measured_on(found: Mapping[str, Any]) -> str:
    """The split that shows what a calibration is worth: test rows; where there are none, the rows of another; empty for none."""
    return next((each for each in ("test", "validation") if mapping(found.get(each))), "")


def fitted_on(found: Mapping[str, Any]) -> str:
    """How many rows it was fitted on, and which: `134 validation rows`, `300 rows of new.csv`."""
    rows_of = str(found.get("fitted_on"))
    return f"{found.get('rows')} validation rows" if rows_of == "validation" else f"{found.get('rows')} rows of {rows_of}"


def _text(found: Mapping[str, Any], split: str) -> dict[str, Any]:
    methods = ", ".join(str(mapping(each).get("type")) for each in found.get("methods", []))
    on = mapping(found.get(split)).get("rows")
    seen = split == found.get("fitted_on")
    measured = f" Measured on {on} {split} rows{', the same ones, for want of others' if seen else ''}." if on else ""
    said = [f"{methods}, fitted on {fitted_on(found)}.{measured}", *map(str, found.get("notes", []))]
    return {"type": "text", "text": [{"text": " ".join(each[:1].upper() + each[1:] for each in said), "limit": 400}]}


def _reliability(found: Mapping[str, Any], split: str) -> list[dict[str, Any]]:
    """The diagram of reliability before and after, and the numbers beside each other."""
    measured = mapping(found.get(split))
    before, after = mapping(measured.get("before")), mapping(measured.get("after"))
    lines = [_line(name, each) for name, each in (("before", before), ("after", after)) if rows(each.get("bins"))]
    if not lines:
        return []
    look = {"x_label": "predicted probability", "x_range": [0.0, 1.0], "y_range": [0.0, 1.0], "diagonal": True}
    caption = f"{split} rows, with ECE; on the diagonal what is said comes true as often"
    scaling = mapping(found.get("scaling"))
    scale = [each for each in scaling.get("scale") or [] if is_number(each)]
    note = f"Temperature {score(1 / scale[0])}." if scaling.get("method") == "temperature" and scale and scale[0] else ""
    columns = [{"name": "", "limit": 60}, {"name": "before", "format": "score"}, {"name": "after", "format": "score"}]
    named = (("negative log-likelihood (nats)", "nll"), ("expected calibration error", "ece"), ("Brier score", "brier"))
    body = [[name, before.get(key), after.get(key)] for name, key in named]
    return [
        {"type": "lines", "title": "Reliability", "caption": caption, "note": note, **look, "lines": lines},
        {
            "type": "table",
            "title": "How honest it is",
            "caption": f"{split} rows; smaller is better",
            "columns": columns,
            "rows": body,
            "wide": False,
        },
    ]


def _line(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    bins = rows(found.get("bins"))
    style = {"style": "other"} if name == "before" else {}
    return {
        "name": name,
        "value": found.get("ece"),
        "x": [each["confidence"] for each in bins],
        "y": [each["frequency"] for each in bins],
        **style,
    }


def _decisions(found: Mapping[str, Any], split: str) -> dict[str, Any] | None:
    decided = rows(mapping(found.get(split)).get("decided"))
    chosen = rows(found.get("thresholds"))
    if not decided or not chosen:
        return None
    if whole := mapping(mapping(found.get(split)).get("together")):
        return _together(found, split, whole)
    columns = [
        {"name": "label", "limit": 40},
        *({"name": name, "format": form} for name, form in (("threshold", "score"), ("at 0.5", "score"), ("at threshold", "score"))),
    ]
    body = [
        [each.get("label"), _at(chosen, place).get("threshold"), each.get("at_half"), each.get("value")]
        for place, each in enumerate(decided)
    ]
    rest = f" The first {SHOWN_LABELS} of {len(body)} are shown." if len(body) > SHOWN_LABELS else ""
    caption = f"{found.get('metric')} of the {split} rows"
    return {
        "type": "table",
        "title": "Thresholds",
        "caption": caption,
        "note": rest,
        "columns": columns,
        "rows": body[:SHOWN_LABELS],
        "wide": False,
    }


def _together(found: Mapping[str, Any], split: str, whole: Mapping[str, Any]) -> dict[str, Any]:
    """The thresholds of labels that are decided together, and what all of them are worth."""
    decided, chosen = rows(mapping(found.get(split)).get("decided")), rows(found.get("thresholds"))
    body = [[each.get("label"), _at(chosen, place).get("threshold"), each.get("positives")] for place, each in enumerate(decided)]
    rest = f" The first {SHOWN_LABELS} of {len(body)} are shown." if len(body) > SHOWN_LABELS else ""
    worth = f"{found.get('metric')} {score(whole.get('at_half'))} at 0.5, {score(whole.get('value'))} at these"
    return {
        "type": "table",
        "title": "Thresholds",
        "caption": f"{worth}, of the {split} rows; chosen together",
        "note": rest,
        "columns": [{"name": "label", "limit": 40}, {"name": "threshold", "format": "score"}, f"{split} rows"],
        "rows": body[:SHOWN_LABELS],
        "wide": False,
    }


def _at(chosen: list[dict[str, Any]], place: int) -> dict[str, Any]:
    return chosen[min(place, len(chosen) - 1)]


def _conformal(found: Mapping[str, Any], split: str) -> dict[str, Any] | None:
    fitted, measured = mapping(found.get("conformal")), mapping(mapping(found.get(split)).get("conformal"))
    if not fitted or not measured:
        return None
    wanted = 1 - fitted["alpha"] if is_number(fitted.get("alpha")) else None
    body = [["coverage asked for", wanted], [f"coverage on {split} rows", measured.get("coverage")]]
    named = (
        ("mean width", "mean_width"),
        ("mean classes in a set", "mean_size"),
        ("rows with one class", "single"),
        ("rows with none", "empty"),
    )
    body += [[name, measured[key]] for name, key in named if is_number(measured.get(key))]
    columns = [{"name": "", "limit": 60}, {"name": str(fitted.get("score")), "format": "score"}]
    note = "The coverage is of new rows on average, not of every kind of row."
    return {
        "type": "table",
        "title": "Intervals" if "mean_width" in measured else "Sets of classes",
        "note": note,
        "columns": columns,
        "rows": body,
        "wide": False,
    }
