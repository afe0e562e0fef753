"""What each class or label has: its rows, and its value of every metric that is a mean over them, and which of them there is no row of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.metrics import label
from trainwright.metrics.evaluate import instance
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import CATEGORY, SET

MOST = 1000
"""Classes of which each has its numbers; of more those that are absent are told, and how many each mean is over."""


def by_class(outcome: Outcome, metrics: Iterable[PartConfig]) -> dict[str, Any]:
    """`rows` of the split, `classes`, the `absent` ones by name, `over` how many classes each mean is, and `of` each its numbers.

    Empty for targets that are neither classes nor labels, and for two classes, whose metrics are of the positive one.
    """
    if outcome.kind not in (CATEGORY, SET) or not outcome.usable:
        return {}
    counts = outcome.positives.sum(axis=0)
    found: dict[str, Any] = {"rows": len(outcome), "classes": outcome.width, "absent": _named(outcome, counts == 0), "over": {}}
    if outcome.kind == SET and (everywhere := _named(outcome, counts == len(outcome))):
        found["everywhere"] = everywhere
    columns: dict[str, np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for each in metrics:
            values = instance(each, outcome.kind).values_by_class(outcome)
            if values is not None:
                found["over"][label(each)], columns[label(each)] = int(np.count_nonzero(~np.isnan(values))), values
    if outcome.width <= MOST:
        places = range(outcome.width)
        of_class = {place: {name: float(values[place]) for name, values in columns.items()} for place in places}
        found["of"] = {outcome.class_name(place): {"rows": int(counts[place]), **of_class[place]} for place in places}
    return found


def _named(outcome: Outcome, chosen: np.ndarray) -> list[str]:
    return [outcome.class_name(place) for place in np.flatnonzero(chosen)]
