"""Every metric by split, with its interval, beside the baselines."""

from __future__ import annotations

from trainwright.report.blocks.base import Block, Cell, Piece
from trainwright.report.blocks.table import Column, Table
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import interval, is_number, score, seconds, words
from trainwright.report.markup import Content, note, tag
from trainwright.report.material import Material, mapping
from trainwright.runs.results import loss_in
from trainwright.runs.results_in_words import say_absent, say_groups

SPLITS = ("train", "validation", "test")
SHOWN_TARGETS = 40


def metrics(material: Material) -> ReportSection | None:
    """One table per target; None without numbers."""
    targets = [target for target in material.targets if any(material.metrics(split, target) for split in SPLITS)]
    body: list[Content | Block] = [_target(material, target) for target in targets[:SHOWN_TARGETS]]
    if len(targets) > SHOWN_TARGETS:
        body.append(note(f"{len(targets) - SHOWN_TARGETS} more targets are in ", tag("code", "results.json"), "."))
    body += [_absent(material), _loss(material), _cost(material)]
    if not any(body):
        return None
    beside = " Baselines are measured on the same test rows." if material.results.get("baselines") else ""
    about = _about_intervals(material)
    return ReportSection("metrics", "Metrics", f"By the weights that were kept.{about}{beside}", body)


def _target(material: Material, target: str) -> Table:
    """Metric by split and baseline."""
    splits = [split for split in SPLITS if material.metrics(split, target)]
    names = dict.fromkeys(name for split in splits for name in material.metrics(split, target))
    bounds = mapping(mapping(mapping(material.results.get("intervals")).get(_measured(material))).get(target))
    found = mapping(material.results.get("baselines"))
    baselines = {name: mapping(mapping(mapping(each).get("test")).get(target)) for name, each in found.items()}
    baselines = {name: each for name, each in baselines.items() if each}
    head = [*splits, *(["interval"] if bounds else []), *baselines]
    rows: list[list[Cell]] = []
    for name in names:
        values: list[Cell] = [_value(material.metrics(split, target).get(name), split == "test") for split in splits]
        span: list[Cell] = [interval(bounds.get(name)) or None] if bounds else []
        rows.append([words(name), *values, *span, *[_value(each.get(name), False) for each in baselines.values()]])
    group = target if len(material.targets) > 1 else ""
    return Table(section="Metrics", group=group, columns=["metric", *[Column(name=each, format="score") for each in head]], rows=rows)


def _measured(material: Material) -> str:
    """The split that intervals are of."""
    return "test" if mapping(material.results.get("intervals")).get("test") else "validation"


def _about_intervals(material: Material) -> str:
    """What was drawn for the intervals, in a sentence or two."""
    if not material.results.get("intervals"):
        return ""
    split = _measured(material)
    drawn = mapping(next(iter(mapping(mapping(material.results.get("resampling")).get(split)).values()), None))
    level = drawn.get("level")
    shown = f"{100 * level:g}" if is_number(level) else "95"
    if not drawn.get("by"):
        return f" Intervals are {shown} % bootstrap over the {split} rows."
    return f" Intervals are {shown} % over the {split} rows. {say_groups(drawn)}"


def _absent(material: Material) -> Content:
    """Which classes a split has no row of, and over how many the means are then."""
    found = mapping(material.results.get("classes"))
    said = [
        line for split, of in found.items() for target, each in mapping(of).items() for line in say_absent(target, split, mapping(each))
    ]
    return note("; ".join(said), ".") if said else None


def _value(value: object, strong: bool) -> Cell:
    if not is_number(value):
        return None
    return Piece(text=value, style="strong") if strong else value


def _loss(material: Material) -> Content:
    found = mapping(material.results.get("metrics"))
    losses = {split: loss_in(mapping(found.get(split))) for split in SPLITS}
    said = [f"{split} {score(loss)}" for split, loss in losses.items() if is_number(loss)]
    return note("Loss: ", ", ".join(said), ".") if said else None


def _cost(material: Material) -> Content:
    found = mapping(material.results.get("baselines"))
    said = [f"{name} {seconds(mapping(each).get('seconds'))}" for name, each in found.items() if is_number(mapping(each).get("seconds"))]
    return note("Baselines took: ", ", ".join(said), ".") if said else None
