"""How the predictions of the test rows are distributed: confusion, curves, calibration, residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.domains.tables.blocks.each_class import each_class
from trainwright.report.figures import is_number, number, percent, plural
from trainwright.report.material import mapping, rows

SECTION = {"section": "Where it errs", "why": "Predictions of the test rows, none of which the network saw in training."}
SHOWN_TARGETS = 8
NAMED, DRAWN = 4, 40
SHARES = {"x_range": [0.0, 1.0], "y_range": [0.0, 1.0]}


def outcome(targets: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Charts for each target, from what `describe` found of its predictions."""
    made = []
    for target, found in list(targets.items())[:SHOWN_TARGETS]:
        charts = [*_charts(mapping(found)), *each_class(mapping(found))]
        made += [{**SECTION, "group": target, **each} for each in charts if each]
    if len(targets) > SHOWN_TARGETS:
        made.append({**SECTION, "type": "text", "text": f"{len(targets) - SHOWN_TARGETS} more targets are not shown."})
    return made


def _charts(found: dict[str, Any]) -> list[dict[str, Any] | None]:
    matrix, classes = found.get("confusion") or [], [str(each) for each in found.get("classes") or []]
    many = len(matrix) > 2
    return [
        _confusion(matrix, classes) if matrix else None,
        _by_class(matrix, classes) if many else None if matrix else _by_label(rows(found.get("per_class"))),
        _confused_pairs(matrix, classes) if many else None,
        _curves(rows(found.get("roc")), ("fpr", "tpr", "auc"), "ROC", "false positive rate"),
        _curves(rows(found.get("pr")), ("recall", "precision", "ap"), "Precision and recall", "recall"),
        _calibration(mapping(found.get("calibration"))),
        _cloud(mapping(found.get("predicted_vs_true"))),
        _residuals(mapping(found.get("residuals"))),
        _elements(rows(found.get("elements"))),
    ]


def _confusion(matrix: list[list[int]], classes: list[str]) -> dict[str, Any]:
    classes = classes if len(classes) == len(matrix) else [str(index) for index in range(len(matrix))]
    wide = 5 < len(matrix) <= 12
    return {"type": "confusion", "caption": "rows: truth, columns: prediction", "matrix": matrix, "classes": classes, "wide": wide}


def _by_class(matrix: list[list[int]], classes: list[str]) -> dict[str, Any] | None:
    """Recall and precision of each class, the weakest first."""
    if len(classes) != len(matrix):
        return None
    columns = [sum(row[index] for row in matrix) for index in range(len(matrix))]
    found = [(row[index] / sum(row), sum(row), row[index], columns[index], classes[index]) for index, row in enumerate(matrix) if sum(row)]
    found.sort(key=lambda each: each[0])
    return _classes([[name, total, percent(hit, total), percent(hit, column)] for _, total, hit, column, name in found])


def _by_label(labels: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The same for the labels of a set, from their own numbers."""
    found = sorted((each for each in labels if is_number(each.get("recall"))), key=lambda each: each["recall"])
    return (
        _classes([[str(each.get("class")), each.get("rows"), each["recall"], each.get("precision")] for each in found]) if found else None
    )


def _classes(found: list[list[Any]], most: int = 12) -> dict[str, Any]:
    rest = f"the {most} weakest of {len(found)}" if len(found) > most else "weakest first"
    columns = [{"name": "class", "limit": 30}, *_right({"test rows": "number", "recall": "percent", "precision": "percent"})]
    return {"type": "table", "title": "By class", "caption": rest, "columns": columns, "rows": found[:most], "wide": False}


def _confused_pairs(matrix: list[list[int]], classes: list[str], most: int = 8) -> dict[str, Any] | None:
    """The pairs of classes most often taken for one another; None without an error."""
    found = [(each, x, y) for x, row in enumerate(matrix) for y, each in enumerate(row) if x != y and each]
    if not found or len(classes) != len(matrix):
        return None
    top = sorted(found, key=lambda pair: (-pair[0], pair[1], pair[2]))[:most]
    body = [[classes[x], classes[y], each, percent(each, sum(matrix[x]))] for each, x, y in top]
    columns = [{"name": "truth", "limit": 30}, {"name": "taken for", "limit": 30}, *_right({"rows": "number", "of its class": "percent"})]
    said = f"{len(top)} of {len(found)} pairs" if len(found) > most else ""
    return {"type": "table", "title": "Most often confused", "caption": said, "columns": columns, "rows": body, "wide": False}


def _right(formats: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "format": form} for name, form in formats.items()]


def _curves(curves: list[dict[str, Any]], keys: tuple[str, str, str], title: str, x_label: str) -> dict[str, Any] | None:
    """One curve per class; with many classes the weakest stand out and the rest recede."""
    across, up, area = keys
    curves = [each for each in curves if each.get(across) and each.get(up)]
    if not curves:
        return None
    if len(curves) > NAMED:
        curves.sort(key=lambda each: each[area] if is_number(each.get(area)) else 1.0)
    weakest = f", the weakest {NAMED} of {len(curves)} named" if len(curves) > NAMED else ""
    lines = [
        {"name": str(each.get("class")), "x": each[across], "y": each[up], "value": each.get(area)}
        | ({} if index < NAMED else {"style": "faint"})
        for index, each in enumerate(curves[:DRAWN])
    ]
    rest = f"{len(curves) - DRAWN} more classes are not drawn." if len(curves) > DRAWN else ""
    share = curves[0].get("share")
    base = f", of {percent(share, 1)} of the rows" if len(curves) == 1 and is_number(share) else ""
    look = {"title": title, "caption": f"with {area.upper()}{base}{weakest}", "x_label": x_label, "diagonal": across == "fpr", "note": rest}
    return {"type": "lines", **look, **SHARES, "lines": lines}


def _calibration(found: dict[str, Any]) -> dict[str, Any] | None:
    """Confidence against how often it was right; a point's area is its share of rows, and the diagonal is honesty."""
    bins = rows(found.get("bins"))
    full = [each for each in bins if each.get("count") and is_number(each.get("confidence")) and is_number(each.get("frequency"))]
    if not full:
        return None
    said = f"expected calibration error {found['ece']:.3f}" if is_number(found.get("ece")) else ""
    points = {name: [each[key] for each in full] for name, key in (("x", "confidence"), ("y", "frequency"), ("sizes", "count"))}
    labels = [f"said {each['confidence']:.2f}, was {each['frequency']:.2f}, {number(each['count'])} rows" for each in full]
    look = {"title": "Calibration", "caption": said, "diagonal": True, "x_label": "predicted probability"}
    return {"type": "points", **look, **SHARES, **points, "labels": labels}


def _cloud(found: dict[str, Any]) -> dict[str, Any] | None:
    pairs = [pair for pair in zip(found.get("truth") or [], found.get("prediction") or [], strict=False) if all(map(is_number, pair))]
    if not pairs:
        return None
    look = {"title": "Predicted against true", "caption": f"{number(len(pairs))} test rows", "diagonal": True, "equal": True}
    return {"type": "points", **look, "x": [x for x, _ in pairs], "y": [y for _, y in pairs], "x_label": "true value"}


def _residuals(found: dict[str, Any]) -> dict[str, Any] | None:
    edges, counts = found.get("edges") or [], found.get("counts") or []
    if not counts:
        return None
    mean, outside = found.get("mean"), found.get("outside")
    said = [f"mean {number(mean)}" if is_number(mean) else "", f"{plural(outside, 'row')} outside the picture" if outside else ""]
    look = {"title": "Residuals", "caption": ", ".join(filter(None, said)), "x_label": "prediction − truth"}
    return {"type": "bars", **look, "edges": edges, "counts": counts}


def _elements(elements: list[dict[str, Any]], most: int = 20) -> dict[str, Any] | None:
    """The error of each element of a vector; None for other targets."""
    found = [{"name": number(each.get("element")), "value": each["rmse"]} for each in elements if is_number(each.get("rmse"))]
    rest = f"the first {most} of {len(found)}" if len(found) > most else ""
    return {"type": "bars", "title": "RMSE by element", "caption": rest, "bars": found[:most]} if found else None
