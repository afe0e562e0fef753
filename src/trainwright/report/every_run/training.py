"""Loss and metrics over steps, the learning rate, the gradient and the speed."""

from __future__ import annotations

import math

from trainwright.report.blocks.base import Block
from trainwright.report.blocks.lines import Line, Lines, Mark
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number, number, words
from trainwright.report.markup import Content, note, tag
from trainwright.report.material import Material, mapping

SHOWN_METRICS = 8
OTHERS = (("learning_rate", "Learning rate"), ("gradient_norm", "Gradient norm"), ("samples_per_second", "Samples per second"))


def training(material: Material) -> ReportSection | None:
    """Curves over steps; None without metrics.csv."""
    steps = material.history.get("step")
    if not steps:
        return None
    names = list(dict.fromkeys(name.partition("/")[2] for name in material.history if name.startswith(("train/", "validation/"))))
    metrics = [name for name in _order_curves(material, names) if name != "loss"]
    charts = [_curve(material, name) for name in (["loss"] if "loss" in names else []) + metrics[:SHOWN_METRICS]]
    others = [Lines(title=title, lines=_lines(material, (name,), "other"), x_label="step", y_scale="zero") for name, title in OTHERS]
    drawn: list[Content | Block] = [each for each in charts + others if each.lines]
    if not drawn:
        return None
    if len(metrics) > SHOWN_METRICS:
        drawn.append(note(f"{len(metrics) - SHOWN_METRICS} more metrics are in ", tag("code", "metrics.csv"), "."))
    lede = "Training values are running means over the steps since the last point, measured while the weights move."
    return ReportSection("training", "Training", lede, drawn)


def _order_curves(material: Material, names: list[str]) -> list[str]:
    """The monitored metric and the verdicts' metrics first."""
    first = [str(mapping(material.results.get("best")).get("metric"))]
    first += [f"{target}.{mapping(verdict).get('metric')}" for target, verdict in mapping(material.results.get("verdict")).items()]
    return [name for name in dict.fromkeys(first) if name in names] + [name for name in names if name not in first]


def _lines(material: Material, names: tuple[str, ...], style: str = "") -> list[Line]:
    """The columns of the history that hold numbers, as lines over steps."""
    found = []
    for name in names:
        pairs = [
            pair for pair in zip(material.history["step"], material.history.get(name, []), strict=False) if all(map(math.isfinite, pair))
        ]
        if pairs:
            split = name.partition("/")[0]
            found.append(Line.model_construct(x=[x for x, _ in pairs], y=[y for _, y in pairs], name=split, style=style or split))  # type: ignore[arg-type]
    return found


def _curve(material: Material, name: str) -> Lines:
    lines = _lines(material, (f"train/{name}", f"validation/{name}"))
    best, mark = mapping(material.results.get("best")), None
    evaluated = next((each for each in lines if each.name == "validation"), None)
    if is_number(best.get("step")) and evaluated is not None:
        at = float(best["step"])
        value = next((y for x, y in zip(evaluated.x, evaluated.y, strict=True) if x == at), None)
        mark = Mark(x=at, y=value, name=f"best, step {number(int(at))}")
    target, _, metric = name.rpartition(".")
    title = f"{target} · {words(metric)}" if target and len(material.targets) > 1 else words(metric)
    title = title if " · " in title else title[:1].upper() + title[1:]
    return Lines(title=title, lines=lines, x_label="step", y_scale="auto", mark=mark)
