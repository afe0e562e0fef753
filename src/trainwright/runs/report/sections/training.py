"""Loss and metrics over steps, the learning rate, the gradient and the speed."""

from __future__ import annotations

import math

from trainwright.runs.report.charts.lines import Series, over_steps
from trainwright.runs.report.figures import is_number, words
from trainwright.runs.report.markup import Content, note, tag
from trainwright.runs.report.material import Material, mapping
from trainwright.runs.report.sections.layout import Section, grid

SHOWN_METRICS = 8
OTHERS = (("learning_rate", "Learning rate"), ("gradient_norm", "Gradient norm"), ("samples_per_second", "Samples per second"))


def training(material: Material) -> Section | None:
    """Curves over steps; None without metrics.csv."""
    steps = material.history.get("step")
    if not steps:
        return None
    names = list(dict.fromkeys(name.partition("/")[2] for name in material.history if name.startswith(("train/", "validation/"))))
    metrics = [name for name in _order_curves(material, names) if name != "loss"]
    charts: list[Content] = [_curve(material, steps, name) for name in (["loss"] if "loss" in names else []) + metrics[:SHOWN_METRICS]]
    others = [over_steps(caption, [Series(caption, "other", steps, material.history.get(name, []))], zero=True) for name, caption in OTHERS]
    drawn = [each for each in charts + others if each]
    if not drawn:
        return None
    rest = (
        note(f"{len(metrics) - SHOWN_METRICS} more metrics are in ", tag("code", "metrics.csv"), ".")
        if len(metrics) > SHOWN_METRICS
        else None
    )
    lede = "Training values are running means over the steps since the last point, measured while the weights move."
    return Section("training", "Training", lede, [grid(*drawn), rest])


def _order_curves(material: Material, names: list[str]) -> list[str]:
    """The monitored metric and the verdicts' metrics first."""
    first = [str(mapping(material.results.get("best")).get("metric"))]
    first += [f"{target}.{mapping(verdict).get('metric')}" for target, verdict in mapping(material.results.get("verdict")).items()]
    return [name for name in dict.fromkeys(first) if name in names] + [name for name in names if name not in first]


def _curve(material: Material, steps: list[float], name: str) -> Content:
    found = [Series("train", "train", steps, material.history.get(f"train/{name}", []))]
    validation = Series("validation", "validation", steps, material.history.get(f"validation/{name}", []))
    best = mapping(material.results.get("best"))
    mark = None
    if is_number(best.get("step")) and validation.finite():
        at = float(best["step"])
        value = next((y for x, y in validation.finite() if x == at), math.nan)
        mark = (at, value if math.isfinite(value) else None)
    target, _, metric = name.rpartition(".")
    caption = f"{target} · {words(metric)}" if target and len(material.targets) > 1 else words(metric)
    return over_steps(caption if " · " in caption else caption[:1].upper() + caption[1:], [*found, validation], best=mark)
