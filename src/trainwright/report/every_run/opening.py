"""The head of the page: what came out, beside what simple models reach, and what to be careful about."""

from __future__ import annotations

from typing import Any

from trainwright.report.blocks.base import Cell, Piece, cell
from trainwright.report.charts.rows import BarRow, dots
from trainwright.report.figures import interval, is_number, moment, score, seconds, words
from trainwright.report.markup import Content, Markup, code, quote, tag
from trainwright.report.material import MEANING, Material, mapping

SHOWN_TARGETS = 6
STATUS = {
    "finished": "Finished",
    "interrupted": "Interrupted and saved",
    "failed": "Failed",
    "running": "Still running",
    "created": "Not started",
}


def opening(material: Material) -> Markup:
    """Title, the first sentence, one verdict for each target, and the warnings."""
    targets = material.targets
    compared = bool(material.results.get("baselines") or material.results.get("verdict"))
    measured = compared or (any(material.metrics("test", target) for target in targets) and len(targets) > 1)
    verdicts = [_verdict(material, target) for target in targets[:SHOWN_TARGETS]] if measured else [_headline(material)]
    more = (
        tag("p", f"{len(targets) - SHOWN_TARGETS} more targets stand in the table of metrics.", class_="soft")
        if len(targets) > SHOWN_TARGETS
        else None
    )
    matter = (
        tag("div", *verdicts, class_="verdicts several" if len(targets) > 1 else "verdicts")
        if targets
        else tag("p", "This run has no final numbers yet.", class_="lede")
    )
    return tag("header", _title(material), matter, more, _cautions(material), class_="opening")


def _title(material: Material) -> Markup:
    about = cell(read_cell(material.analysis.get("about")), limit=40) or "A training run"
    status = STATUS.get(str(material.run.get("status")), "")
    total = mapping(material.results.get("timing")).get("total_seconds")
    more = material.analysis.get("facts")
    facts = [status, moment(material.run.get("created")), f"took {seconds(total)}" if is_number(total) else ""]
    line = [tag("span", quote(each)) for each in [*facts, *(more if isinstance(more, list) else [])[:6]] if each]
    return Markup(tag("p", quote(material.run.get("name", ""), 80), class_="kicker") + tag("h1", about) + tag("p", line, class_="facts"))


def title(material: Material) -> str:
    """What the page is about, as text."""
    about = read_cell(material.analysis.get("about"))
    pieces = about if isinstance(about, list) else [about]
    return "".join([str(each.text if isinstance(each, Piece) else each or "") for each in pieces]) or "A training run"


def read_cell(value: Any) -> Cell:
    """A cell as a file has it; empty for anything else."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Cell, config={"strict": True}).validate_python(value)
    except ValidationError:
        return None


def _headline(material: Material) -> Markup:
    """The number of a run without baselines: the monitored metric where it was measured last."""
    headline, best = mapping(material.run.get("headline")), mapping(material.results.get("best"))
    split, metric, value = (headline.get(key) for key in ("split", "metric", "value"))
    if not is_number(value):
        return tag("div", tag("p", "Nothing was measured but the training loss.", class_="lede"), class_="verdict")
    said = tag("span", words(str(metric)), f" on {split} rows", class_="what")
    kept = f"The weights of step {best['step']} were kept, by {words(str(best.get('metric')))}." if best else "The last weights were kept."
    return tag(
        "div", tag("div", tag("p", tag("strong", score(value)), said, class_="headline"), tag("p", kept, class_="lede")), class_="verdict"
    )


def _verdict(material: Material, target: str) -> Markup:
    """One target: the number, its interval, the sentence, and the models on one scale."""
    verdict = mapping(mapping(material.results.get("verdict")).get(target))
    metrics = {name: value for name, value in material.metrics("test", target).items() if is_number(value)}
    metric = str(verdict.get("metric") or next(iter(metrics), ""))
    value = verdict.get("network") if is_number(verdict.get("network")) else metrics.get(metric)
    bounds = verdict.get("network_interval") if interval(verdict.get("network_interval")) else _bounds(material, target, metric)
    several = len(material.targets) > 1
    name = tag("h3", code(target, 40)) if several else None
    said = tag("span", words(metric), _on_test(bounds, verdict), class_="what")
    headline = (
        tag("p", tag("strong", score(value)), said, class_="headline") if is_number(value) else tag("p", "Not measured on the test rows.")
    )
    text = tag("p", verdict.get("text") or "No baseline was measured beside it.", " ", _certainty(verdict, bounds), class_="lede")
    models = dots(_models(material, target, metric, value, bounds), f"{words(metric)} of {target} on the test rows, network and baselines")
    shown = tag("div", models) if is_number(value) else None
    return tag(
        "div", name, tag("div", headline, text, _notes(verdict), _advice(verdict)), shown, class_=f"verdict {_standing(verdict)}".strip()
    )


def _standing(verdict: dict[str, Any]) -> str:
    """The style of the mark before the sentence: ahead, behind, or neither."""
    if verdict.get("standing"):
        return {"beats": "beats", "behind": "loses"}.get(str(verdict["standing"]), "par")
    beats = verdict.get("beats")
    return "" if beats is None else "beats" if beats else "loses"


def _notes(verdict: dict[str, Any]) -> list[Content]:
    """What a reader should know of the metric, the rows and the baselines."""
    return [tag("p", cell(str(each), limit=400), class_="soft") for each in _texts(verdict.get("notes"))]


def _advice(verdict: dict[str, Any]) -> Content:
    """What to try next."""
    entries = [tag("li", cell(str(each), limit=400)) for each in _texts(verdict.get("advice"))]
    return tag("div", tag("p", "To try"), tag("ul", entries), class_="advice") if entries else None


def _texts(given: Any) -> list[Any]:
    return given[:8] if isinstance(given, list) else []


def _on_test(bounds: Any, verdict: dict[str, Any]) -> Content:
    span, rows, of = interval(bounds), verdict.get("rows"), verdict.get("of")
    new = is_number(rows) and is_number(of) and rows < of
    return [
        f" on {rows:,} new test rows" if new else " on test rows",
        tag("span", f"95 % interval {span}", class_="soft") if span else None,
    ]


def _bounds(material: Material, target: str, metric: str) -> Any:
    return mapping(mapping(mapping(material.results.get("intervals")).get("test")).get(target)).get(metric)


def _certainty(verdict: dict[str, Any], bounds: Any) -> str:
    """Says when the difference is smaller than the test rows can tell."""
    other = verdict.get("best_baseline")
    if not verdict.get("standing") and interval(bounds) and is_number(other) and bounds[0] <= other <= bounds[1]:
        return "The difference lies within the interval: on these test rows the two cannot be told apart for certain."
    return ""


def _models(material: Material, target: str, metric: str, value: Any, bounds: Any) -> list[BarRow]:
    low, high = bounds if interval(bounds) else (None, None)
    found = [BarRow("network", value, score(value), low, high, main=True)]
    compared = mapping(mapping(mapping(material.results.get("verdict")).get(target)).get("values"))
    for name, baseline in mapping(material.results.get("baselines")).items():
        other = compared.get(name, mapping(mapping(mapping(baseline).get("test")).get(target)).get(metric))
        if is_number(other):
            found.append(BarRow(quote(name, 24), other, score(other)))
    if metric not in material.higher_is_better:
        return found
    return sorted(found, key=lambda row: row.value if row.value is not None else 0.0, reverse=material.higher_is_better[metric])


def _cautions(material: Material) -> Markup | None:
    """What a reader must know before trusting the number."""
    found: list[Content] = []
    if material.run.get("status") in ("interrupted", "failed", "running", "created"):
        found.append(_warn_unfinished(material))
    given = material.analysis.get("cautions")
    found += [cell(read_cell(each), limit=200) for each in (given if isinstance(given, list) else [])[:20]]
    if material.results.get("still_improving"):
        found.append(["Its length ended the run while it was still improving. Go on: ", code(str(material.results.get("go_on")), 200), "."])
    found += _absent(material)
    entries = [tag("li", each) for each in found if each]
    return tag("div", tag("h2", "Before you trust it"), tag("ul", entries), class_="cautions") if entries else None


def _warn_unfinished(material: Material) -> Content:
    status = str(material.run.get("status"))
    return [
        f"{STATUS[status]}: the numbers below, where there are any, are not final. Continue with ",
        code(f"trainwright resume {material.path}", 200),
        ".",
    ]


def _absent(material: Material) -> list[Content]:
    if material.run.get("status") != "finished":
        return []
    return [["No ", code(name), f" ({MEANING[name]} cannot be shown): {why}."] for name, why in material.absent.items() if name in MEANING]
