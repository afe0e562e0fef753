"""How the predictions of the test rows are distributed: confusion, curves, calibration, residuals."""

from __future__ import annotations

from typing import Any

from trainwright.runs.report.charts.axes import figure, key
from trainwright.runs.report.charts.confusion import by_class, by_label, confused_pairs, confusion
from trainwright.runs.report.charts.lines import Series, in_square
from trainwright.runs.report.charts.points import histogram, predicted_against_true, reliability
from trainwright.runs.report.charts.rows import Row, bars
from trainwright.runs.report.figures import is_number, number, plural, score
from trainwright.runs.report.markup import Content, Markup, code, note, quote, tag
from trainwright.runs.report.material import Material, mapping, rows
from trainwright.runs.report.sections.layout import Section, grid

SHOWN_TARGETS = 8
COLOURED, DRAWN = 4, 40


def outcome(material: Material) -> Section | None:
    """One group of charts per target; None without analysis.json."""
    targets = mapping(material.analysis.get("targets"))
    body: list[Content] = []
    for target, found in list(targets.items())[:SHOWN_TARGETS]:
        charts = [each for each in _charts(mapping(found)) if each]
        if charts:
            body += [tag("h3", code(target, 60)) if len(targets) > 1 else None, grid(*charts), _threshold(mapping(found).get("threshold"))]
    if not body:
        return None
    if len(targets) > SHOWN_TARGETS:
        body.append(note(f"{len(targets) - SHOWN_TARGETS} more targets are in ", tag("code", "analysis.json"), "."))
    return Section("outcome", "Where it errs", "Predictions of the test rows, none of which the network saw in training.", body)


def _charts(found: dict[str, Any]) -> list[Markup | None]:
    matrix, classes = found.get("confusion") or [], [str(each) for each in found.get("classes") or []]
    cloud, residuals = mapping(found.get("predicted_vs_true")), mapping(found.get("residuals"))
    calibration = mapping(found.get("calibration"))
    edges, counts = residuals.get("edges") or [], residuals.get("counts") or []
    return [
        confusion(matrix, classes),
        by_class(matrix, classes) if matrix else by_label(rows(found.get("per_class"))),
        confused_pairs(matrix, classes) if len(matrix) > 2 else None,
        _curves(rows(found.get("roc")), "fpr", "tpr", "auc", "ROC", "false positive rate"),
        _curves(rows(found.get("pr")), "recall", "precision", "ap", "Precision and recall", "recall"),
        reliability(rows(calibration.get("bins")), calibration.get("ece")),
        predicted_against_true(cloud.get("truth") or [], cloud.get("prediction") or []),
        histogram(_residual_caption(residuals), "Residuals, prediction minus truth", edges, counts, "prediction − truth"),
        _elements(rows(found.get("elements"))),
    ]


def _residual_caption(residuals: dict[str, Any]) -> Content:
    mean, outside = residuals.get("mean"), residuals.get("outside")
    said = [
        f"mean {number(mean)}" if is_number(mean) else "",
        f"{plural(outside, 'row')} outside the picture" if is_number(outside) and outside else "",
    ]
    return [tag("b", "Residuals"), tag("span", ", ".join(filter(None, said)), class_="soft")]


def _elements(elements: list[dict[str, Any]], most: int = 20) -> Markup | None:
    """The error of each element of a vector; None for other targets."""
    found = [Row(number(each.get("element")), each["rmse"], score(each["rmse"])) for each in elements if is_number(each.get("rmse"))]
    if not found:
        return None
    rest = f"the first {most} of {len(found)}" if len(found) > most else ""
    return figure([tag("b", "RMSE by element"), tag("span", rest, class_="soft")], bars(found[:most], "RMSE of each element"))


def _curves(curves: list[dict[str, Any]], across: str, up: str, area: str, title: str, x_label: str) -> Markup | None:
    """One curve per class; with many classes the weakest stand out and the rest recede."""
    curves = [each for each in curves if each.get(across) and each.get(up)]
    if not curves:
        return None
    if len(curves) <= COLOURED:
        ranked = curves
    else:
        ranked = sorted(curves, key=lambda each: each[area] if is_number(each.get(area)) else 1.0)[:DRAWN]
    named = ranked[:COLOURED]
    series = [Series(str(each.get("class")), "faint", each[across], each[up]) for each in ranked[COLOURED:]]
    series += [Series(str(each.get("class")), f"c{index}", each[across], each[up]) for index, each in enumerate(named)]
    short = area.upper()
    entries: list[tuple[str, Content]] = [
        (f"c{index}", [quote(each.get("class"), 18), f" {score(each.get(area))}"]) for index, each in enumerate(named)
    ]
    if len(curves) > COLOURED:
        entries.append(("faint", f"{number(len(curves) - COLOURED)} more classes"))
    weakest = f", the weakest {COLOURED} of {len(curves)} named" if len(curves) > COLOURED else ""
    caption = [tag("b", title), tag("span", f"with {short}{weakest}", class_="soft"), key(*entries)]
    detail = ", ".join(f"{each.get('class')} {short} {score(each.get(area))}" for each in named)
    return in_square(caption, title, series, x_label, diagonal=across == "fpr", detail=detail)


def _threshold(found: Any) -> Markup | None:
    if is_number(found):
        return note(f"Threshold {score(found)}.")
    chosen = mapping(found)
    if not is_number(chosen.get("value")):
        return None
    why = f", chosen on the validation rows for {chosen['metric']}" if chosen.get("metric") else ""
    return note(f"The positive class is predicted from a probability of {score(chosen['value'])}{why}.")
