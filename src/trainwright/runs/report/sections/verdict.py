"""The head of the page: what came out, beside what simple models reach, and what to be careful about."""

from __future__ import annotations

from typing import Any

from trainwright.runs.report.charts.rows import Row, dots
from trainwright.runs.report.figures import interval, is_number, moment, plural, score, seconds, words
from trainwright.runs.report.markup import Content, Markup, code, quote, tag
from trainwright.runs.report.material import Material, mapping, rows

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
    verdicts = [_verdict(material, target) for target in targets[:SHOWN_TARGETS]]
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
    source = mapping(material.data.get("source")).get("name")
    names: list[Content] = []
    for index, target in enumerate(material.targets[:4]):
        names += [", " if index else "", code(target, 40)]
    if len(material.targets) > 4:
        names.append(f" and {len(material.targets) - 4} more")
    about: Content = ["Predicting ", names, [" from ", tag("span", quote(source))] if source else None] if names else "A training run"
    about = ["Training ", code(material.own, 40)] if material.own else about
    status = STATUS.get(str(material.run.get("status")), "")
    total = mapping(material.results.get("timing")).get("total_seconds")
    facts = [status, moment(material.run.get("created")), f"took {seconds(total)}" if is_number(total) else "", _rows_read(material)]
    line = [tag("span", each) for each in facts if each]
    return Markup(tag("p", quote(material.run.get("name", ""), 80), class_="kicker") + tag("h1", about) + tag("p", line, class_="facts"))


def _rows_read(material: Material) -> str:
    count = mapping(material.data.get("source")).get("rows")
    return plural(count, "row") if is_number(count) else ""


def _own(material: Material) -> Markup:
    """The number of a system of one's own: the monitored metric where it was measured last."""
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
    if material.own:
        return _own(material)
    verdict = mapping(mapping(material.results.get("verdict")).get(target))
    metrics = {name: value for name, value in material.metrics("test", target).items() if is_number(value)}
    metric = str(verdict.get("metric") or next(iter(metrics), ""))
    value = verdict.get("network") if is_number(verdict.get("network")) else metrics.get(metric)
    bounds = _bounds(material, target, metric)
    several = len(material.targets) > 1
    name = tag("h3", code(target, 40)) if several else None
    said = tag("span", words(metric), _on_test(bounds), class_="what")
    headline = (
        tag("p", tag("strong", score(value)), said, class_="headline") if is_number(value) else tag("p", "Not measured on the test rows.")
    )
    text = tag("p", verdict.get("text") or "No baseline was measured beside it.", " ", _certainty(verdict, bounds), class_="lede")
    models = dots(_models(material, target, metric, value, bounds), f"{words(metric)} of {target} on the test rows, network and baselines")
    shown = tag("div", models) if is_number(value) else None
    return tag("div", name, tag("div", headline, text), shown, class_=f"verdict {_standing(verdict)}".strip())


def _standing(verdict: dict[str, Any]) -> str:
    """The style of the mark before the sentence: ahead, behind, or neither."""
    if verdict.get("standing"):
        return {"beats": "beats", "behind": "loses"}.get(str(verdict["standing"]), "par")
    beats = verdict.get("beats")
    return "" if beats is None else "beats" if beats else "loses"


def _on_test(bounds: Any) -> Content:
    span = interval(bounds)
    return [" on test rows", tag("span", f"95 % interval {span}", class_="soft") if span else None]


def _bounds(material: Material, target: str, metric: str) -> Any:
    return mapping(mapping(mapping(material.results.get("intervals")).get("test")).get(target)).get(metric)


def _certainty(verdict: dict[str, Any], bounds: Any) -> str:
    """Says when the difference is smaller than the test rows can tell."""
    other = verdict.get("best_baseline")
    if not verdict.get("standing") and interval(bounds) and is_number(other) and bounds[0] <= other <= bounds[1]:
        return "The difference lies within the interval: on these test rows the two cannot be told apart for certain."
    return ""


def _models(material: Material, target: str, metric: str, value: Any, bounds: Any) -> list[Row]:
    low, high = bounds if interval(bounds) else (None, None)
    found = [Row("network", value, score(value), low, high, main=True)]
    for name, baseline in mapping(material.results.get("baselines")).items():
        other = mapping(mapping(mapping(baseline).get("test")).get(target)).get(metric)
        if is_number(other):
            found.append(Row(quote(name, 24), other, score(other)))
    if metric not in material.higher_is_better:
        return found
    return sorted(found, key=lambda row: row.value if row.value is not None else 0.0, reverse=material.higher_is_better[metric])


def _cautions(material: Material) -> Markup | None:
    """What a reader must know before trusting the number."""
    found: list[Content] = []
    if material.run.get("status") in ("interrupted", "failed", "running", "created"):
        found.append(_unfinished(material))
    for leak in rows(material.data.get("leaks"))[:5]:
        done = "It was left out." if leak.get("excluded") else "It was used: check whether it is known at prediction time."
        found.append(
            [code(leak.get("column")), " gives ", code(leak.get("target")), f" away ({leak.get('why') or 'strongly tied'}). {done}"]
        )
    for dropped in rows(material.data.get("dropped_rows"))[:5]:
        found.append([f"{plural(dropped.get('count'), 'row was', 'rows were')} left out: ", quote(dropped.get("reason"), 120), "."])
    found += [_duplicates(material), *_absent(material)]
    entries = [tag("li", each) for each in found if each]
    return tag("div", tag("h2", "Before you trust it"), tag("ul", entries), class_="cautions") if entries else None


def _unfinished(material: Material) -> Content:
    status = str(material.run.get("status"))
    return [
        f"{STATUS[status]}: the numbers below, where there are any, are not final. Continue with ",
        code(f"trainwright resume {material.path}", 200),
        ".",
    ]


def _duplicates(material: Material) -> Content:
    found = mapping(material.data.get("duplicates"))
    said = []
    for pair, count in mapping(found.get("equal")).items():
        first, _, second = str(pair).partition("/")
        if is_number(count) and count:
            said.append(f"{plural(count, f'row of {second} is', f'rows of {second} are')} also in {first}")
    return [f"Exact duplicates: {', '.join(said)}."] if said else None


def _absent(material: Material) -> list[Content]:
    from trainwright.runs.report.material import MEANING

    if material.run.get("status") != "finished":
        return []
    return [["No ", code(name), f" ({MEANING[name]} cannot be shown): {why}."] for name, why in material.absent.items() if name in MEANING]
