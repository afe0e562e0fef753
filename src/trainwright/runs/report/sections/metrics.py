"""Every metric by split, with its interval, beside the baselines."""

from __future__ import annotations

from trainwright.runs.report.figures import interval, is_number, score, seconds, words
from trainwright.runs.report.markup import Content, Markup, code, note, quote, table, tag
from trainwright.runs.report.material import Material, mapping
from trainwright.runs.report.sections.layout import Section
from trainwright.runs.results import loss_in

SPLITS = ("train", "validation", "test")
SHOWN_TARGETS = 40


def metrics(material: Material) -> Section | None:
    """One table per target; None without numbers."""
    targets = [target for target in material.targets if any(material.metrics(split, target) for split in SPLITS)]
    body: list[Content] = [_target(material, target) for target in targets[:SHOWN_TARGETS]]
    if len(targets) > SHOWN_TARGETS:
        body.append(note(f"{len(targets) - SHOWN_TARGETS} more targets are in ", tag("code", "results.json"), "."))
    body += [_loss(material), _cost(material)]
    if not any(body):
        return None
    lede = "By the weights that were kept. Intervals are 95 % bootstrap over the test rows; baselines are measured on the same test rows."
    return Section("metrics", "Metrics", lede.partition(" Intervals")[0] if material.own else lede, body)


def _target(material: Material, target: str) -> Content:
    """Metric by split and baseline."""
    splits = [split for split in SPLITS if material.metrics(split, target)]
    names = dict.fromkeys(name for split in splits for name in material.metrics(split, target))
    bounds = mapping(mapping(mapping(material.results.get("intervals")).get("test")).get(target))
    baselines = {
        name: mapping(mapping(mapping(each).get("test")).get(target)) for name, each in mapping(material.results.get("baselines")).items()
    }
    baselines = {name: each for name, each in baselines.items() if each}
    head: list[Content] = ["metric", *splits, *(["interval"] if bounds else []), *[quote(name, 18) for name in baselines]]
    body: list[list[Content]] = []
    for name in names:
        values: list[Content] = [_value(material.metrics(split, target).get(name), split == "test") for split in splits]
        span: list[Content] = [interval(bounds.get(name))] if bounds else []
        body.append([words(name), *values, *span, *[score(each.get(name)) for each in baselines.values()]])
    title = tag("h3", code(target, 60)) if len(material.targets) > 1 else None
    return [title, table(head, body, label=f"Metrics of {target}", numeric=range(1, len(head)))]


def _value(value: object, strong: bool) -> Markup:
    return tag("b", score(value)) if strong and is_number(value) else Markup(score(value))


def _loss(material: Material) -> Content:
    found = mapping(material.results.get("metrics"))
    losses = {split: loss_in(mapping(found.get(split))) for split in SPLITS}
    said = [f"{split} {score(loss)}" for split, loss in losses.items() if is_number(loss)]
    return note("Loss: ", ", ".join(said), ".") if said else None


def _cost(material: Material) -> Content:
    found = mapping(material.results.get("baselines"))
    said = [f"{name} {seconds(mapping(each).get('seconds'))}" for name, each in found.items() if is_number(mapping(each).get("seconds"))]
    return note("Baselines took: ", ", ".join(said), ".") if said else None
