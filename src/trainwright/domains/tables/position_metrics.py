"""Metrics of targets with a class at every position, summed up batch by batch beside the outputs of the others, which are kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.evaluation import walk
from trainwright.metrics.target import TargetMetrics
from trainwright.metrics.whole import join_outputs
from trainwright.systems.supervised import SupervisedSystem
from trainwright.systems.supervised_metrics import SupervisedMetrics


class Measured(NamedTuple):
    """What was found of some rows; by target with positions their metrics, and what each class has, of which nothing else is kept."""

    outputs: dict[str, Tensor]
    """What `evaluation_step` gives, joined; of targets with positions the losses alone."""
    metrics: dict[str, dict[str, Any]]
    classes: dict[str, dict[str, Any]]
    """As `by_class` gives it; `rows` are positions that count."""


def measured_outputs(system: SupervisedSystem, rows: Rows, batch_size: int, device: torch.device) -> Measured:
    """Measure rows batch by batch."""
    dense = [target for target in system.spec.targets if target.positions]
    metric = SupervisedMetrics(dense, lambda outputs, losses=True: outputs, joint=False)
    large = {f"{target.name}.{part}" for target in dense for part in ("scores", "truth")}
    pieces: list[dict[str, Tensor]] = []

    def take_in(outputs: dict[str, Tensor], batch: Any) -> None:
        if dense:
            metric.update(outputs)
        pieces.append({key: value for key, value in outputs.items() if key not in large})

    walk(system, rows, take_in, batch_size=batch_size, device=device)
    found: dict[str, dict[str, Any]] = {target.name: {} for target in dense}
    for name, value in metric.compute().items() if dense else ():
        owner = next((target.name for target in dense if name.startswith(f"{target.name}.")), None)
        if owner is not None:
            found[owner][name.removeprefix(f"{owner}.")] = value
    by_name = {name: each for name, each in metric.members if isinstance(each, TargetMetrics)}
    return Measured(join_outputs(pieces), found, {name: each for name, made in by_name.items() if (each := classes_of(made))})


def classes_of(metric: TargetMetrics) -> dict[str, Any]:
    """What each class has, of a confusion matrix of all positions; empty for few counts and for more classes than have a matrix."""
    details = metric.details()
    confusion, names = details.get("confusion"), metric.classes
    if confusion is None or names is None:
        return {}
    counts, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    columns = {name.removesuffix(".per_class"): values for name, values in details.items() if name.endswith(".per_class")}
    return {
        "rows": int(counts.sum()),
        "classes": len(names),
        "absent": [name for name, count in zip(names, counts, strict=True) if not count],
        "over": {name: int(np.count_nonzero(~np.isnan(values))) for name, values in columns.items()},
        "of": {
            name: {"rows": int(counts[place]), "predicted": int(predicted[place])}
            | {metric: float(values[place]) for metric, values in columns.items()}
            for place, name in enumerate(names)
        },
    }
