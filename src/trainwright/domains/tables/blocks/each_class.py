"""Each class by itself: decisions, precision and recall, ROC, and what other thresholds would give, the weakest class first."""

from __future__ import annotations

from typing import Any

from trainwright.report.figures import is_number, number, percent, plural, score
from trainwright.report.material import mapping, rows

SHOWN = 6
"""Classes whose charts are open."""
NAMED = 40
"""Classes that a sentence names."""
NAMES = ("no", "yes")


def each_class(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row of charts for each class or label; of two classes what other thresholds give; and classes of which nothing is known."""
    each, kind = rows(found.get("each")), found.get("kind")
    said = [block for block in [_absent(mapping(found.get("one_sided")), kind)] if block]
    if kind == "binary":
        chosen = _chosen(found.get("threshold"))
        over = (
            [{**_over(each[0]), "note": chosen}] if each and each[0].get("over") else [{"type": "text", "text": chosen}] if chosen else []
        )
        return [*over, *said]
    curves = {name: {str(one.get("class")): one for one in rows(found.get(name))} for name in ("pr", "roc")}
    known = [one for one in each if one.get("rows") and str(one.get("class")) in curves["pr"]]
    if not known:
        return said
    known.sort(key=lambda one: curves["pr"][str(one["class"])]["ap"])
    drawn = [_row(one, curves["pr"][str(one["class"])], curves["roc"].get(str(one["class"])), kind == "set") for one in known]
    what = "label" if kind == "set" else "class"
    rest = f"Show the other {number(len(drawn) - SHOWN)}" if len(drawn) > SHOWN else ""
    title = {"title": f"Each {what} by itself", "caption": "the lowest average precision first", "note": _explained(kind == "set")}
    return [{"type": "panels", **title, "rows": drawn, "shown": SHOWN, "folded": rest}, *said]


def _explained(labels: bool) -> str:
    ring = "The ring is where the threshold lies" if labels else "The ring is where the likeliest class is taken"
    return f"{ring}; dashes are what chance gives: the share of rows of the class, and the diagonal."


def _row(each: dict[str, Any], pr: dict[str, Any], roc: dict[str, Any] | None, labels: bool) -> dict[str, Any]:
    share, area = percent(each["rows"], each["of"]), f", AUC {score(roc['auc'])}" if roc else ""
    at = f", threshold {score(each['threshold'])}" if labels else ""
    caption = f"{plural(each['rows'], 'row')} of {number(each['of'])} ({share}), AP {score(pr['ap'])}{area}{at}"
    panels: list[dict[str, Any]] = [_counts(each), _precision(each, pr)]
    panels += [_roc(each, roc)] if roc else []
    panels += [_thresholds(each)] if labels and each.get("over") else []
    return {"title": str(each["class"]), "caption": caption, "panels": panels}


def _counts(each: dict[str, Any]) -> dict[str, Any]:
    matrix = [[each["tn"], each["fp"]], [each["fn"], each["tp"]]]
    return {"title": "truth ↓, predicted →", "matrix": matrix, "names": list(NAMES)}


def _precision(each: dict[str, Any], pr: dict[str, Any]) -> dict[str, Any]:
    line = {"name": "precision", "x": pr["recall"], "y": pr["precision"]}
    return {"title": "precision", "x_label": "recall", "lines": [line], "level": each["share"], **_ring(each["recall"], each["precision"])}


def _roc(each: dict[str, Any], roc: dict[str, Any]) -> dict[str, Any]:
    line = {"name": "recall", "x": roc["fpr"], "y": roc["tpr"]}
    return {"title": "recall", "x_label": "false positive rate", "lines": [line], "diagonal": True, **_ring(each["fpr"], each["recall"])}


def _ring(x: float | None, y: float | None) -> dict[str, Any]:
    return {"mark": {"x": x, "y": y}} if is_number(x) and is_number(y) else {}


def _lines(over: dict[str, Any]) -> list[dict[str, Any]]:
    named = {"precision": ("precision", "coloured"), "recall": ("recall", "train"), "F1": ("f1", "other")}
    return [{"name": name, "x": over["threshold"], "y": over[key], "style": style} for name, (key, style) in named.items()]


def _thresholds(each: dict[str, Any]) -> dict[str, Any]:
    return {"title": "over thresholds", "x_label": "threshold", "lines": _lines(each["over"]), "mark": {"x": each["threshold"]}}


def _over(each: dict[str, Any]) -> dict[str, Any]:
    """Precision, recall and F1 of two classes over thresholds, at full size."""
    mark = {"x": each["threshold"], "name": f"threshold {score(each['threshold'])}"}
    shown = {"title": "Thresholds", "x_label": "threshold", "x_range": [0.0, 1.0], "y_range": [0.0, 1.0]}
    return {"type": "lines", **shown, "lines": _lines(each["over"]), "mark": mark}


def _absent(found: dict[str, Any], kind: Any) -> dict[str, Any] | None:
    """Classes that no row has, or that every row has; None where there are none."""
    said: list[Any] = []
    what = "label" if kind == "set" else "class"
    for key, words in (("absent", "no row has"), ("everywhere", "every row has")):
        count, names = found.get(f"{key}_count") or 0, [str(each) for each in found.get(key) or []]
        if count:
            shown = [piece for each in names[:NAMED] for piece in ({"text": each, "style": "code", "limit": 40}, ", ")][:-1]
            more = f" and {number(count - NAMED)} more" if count > NAMED else ""
            many = f"{number(count)} {what}{'' if count == 1 else 'es' if what == 'class' else 's'} that {words}"
            said += [f"{many} in this part, so that nothing can be ranked: ", *shown, f"{more}. "]
    return {"type": "text", "text": said} if said else None


def _chosen(found: Any) -> str:
    """From which probability two classes are told apart, and why."""
    chosen = {"value": found} if is_number(found) else mapping(found)
    if not is_number(chosen.get("value")):
        return ""
    why = f", chosen on the validation rows for {chosen['metric']}" if chosen.get("metric") else ""
    return f"The positive class is predicted from a probability of {score(chosen['value'])}{why}."
