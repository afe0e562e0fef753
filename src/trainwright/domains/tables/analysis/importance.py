"""Permutation importance of the encoded columns of a table, for its report: which rows, which metrics, and within which time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.explain.permutation import ShuffledArrays, measure_drops, rank_columns
from trainwright.features.spec import InputGroup
from trainwright.metrics import PARTS, compute_one, default_monitor, label, options
from trainwright.metrics.outcome import Outcome

Blocks = dict[str, np.ndarray]
Predict = Callable[[Blocks], Mapping[str, np.ndarray]]
"""Encoded input blocks `"<group>.<part>"` → scores by target, as in `Outcome`."""


@dataclass
class Importance:
    """`columns`: per target the columns, most important first, with mean and deviation of the drop; `settings`: how it was measured."""

    columns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def permutation_importance(
    predict: Predict,
    blocks: Mapping[str, np.ndarray],
    groups: Sequence[InputGroup],
    outcomes: Mapping[str, Outcome],
    metrics: Mapping[str, PartConfig] | None = None,
    *,
    seed: int = 0,
    repeats: int = 5,
    max_rows: int = 2000,
    seconds: float = 5.0,
    most: int | None = None,
) -> Importance:
    """Shuffles every column of the encoded test rows in turn, within its group's arrays, and predicts again.

    `outcomes` gives the truth by target. At most `max_rows` rows are used (drawn with the seed), fewer where there are very many columns;
    with `most` so many, whatever the columns are. No further repeat is begun that would go beyond `seconds`; the first is cut short only at
    three times that. A drop is positive when the shuffled column helped, whichever way the metric is better. `settings` says the metric
    by target, the rows, the repeats done, and columns left out.
    """
    chosen = {name: (metrics or {}).get(name) or options(default_monitor(outcome.kind)) for name, outcome in outcomes.items()}
    places = [(column, group, position) for group in groups for position, column in enumerate(group.columns)]
    total = len(next(iter(outcomes.values()))) if outcomes else 0
    if not total or not places:
        return Importance()
    rows = _rows(total, min(max_rows, max(200, 400_000 // len(places))) if most is None else most, seed)
    sample = {key: np.array(value[rows]) for key, value in blocks.items()}
    truth = {name: outcome.take(rows) for name, outcome in outcomes.items()}
    shuffled = ShuffledArrays(sample, [[(f"{group.name}.{part}", position) for part in group.parts] for _, group, position in places])

    def measured(number: int | None, order: np.ndarray | None) -> dict[str, float]:
        with shuffled.by(number, order) as changed:
            return _values(predict(changed), truth, chosen)

    directions = {name: _higher_is_better(metric) for name, metric in chosen.items()}
    names = [column for column, *_ in places]
    drops, done = measure_drops(measured, names, len(rows), directions, seed=seed, repeats=repeats, seconds=seconds)
    settings = {"metric": {name: label(each) for name, each in chosen.items()}, "rows": len(rows), "repeats": done}
    settings["left_out"] = [column for column, *_ in places if column not in drops]
    return Importance({name: rank_columns(drops, name) for name in truth}, settings)


def _rows(total: int, limit: int, seed: int) -> np.ndarray:
    return np.arange(total) if total <= limit else np.sort(np.random.default_rng(seed).choice(total, limit, replace=False))


def _values(scores: Mapping[str, np.ndarray], truth: Mapping[str, Outcome], metrics: Mapping[str, PartConfig]) -> dict[str, float]:
    """The metric of each target for new scores of the same rows."""
    found = {}
    for name, outcome in truth.items():
        found[name] = compute_one(
            Outcome(outcome.kind, outcome.truth, scores[name], outcome.classes, outcome.threshold, outcome.weights), metrics[name]
        )
    return found


def _higher_is_better(metric: PartConfig) -> bool:
    """Which way a metric is better; of one of a person's own it is not known, and taken to be upwards."""
    return PARTS[metric.type].higher_is_better if metric.type in PARTS else True
