"""Whether the network beats the baselines, on rows that say so, told plainly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainwright.baselines.in_words import say_limits, say_seen, say_standing, say_undecided, words
from trainwright.baselines.run import BaselineResult
from trainwright.config.model import PartConfig
from trainwright.metrics import PARTS, Outcome, compute_one, difference_interval, headline, intervals, label
from trainwright.metrics.balance import say_too_few

FEWEST_NEW = 30
"""With fewer rows whose inputs are new, all rows are compared: they would say too little."""


@dataclass(frozen=True)
class _Rows:
    """The rows of a split that are compared, and those whose inputs are in a training row."""

    compared: np.ndarray
    """bool [n]."""
    seen: np.ndarray
    """bool [n]."""

    groups: np.ndarray | None = None
    """int64 [n]: which rows belong together, where intervals are drawn by such."""

    def network(self, outcome: Outcome, rows: np.ndarray | None = None, *, seen: bool = False) -> Outcome:
        """The network's outcome on the compared (or the seen) rows, of those at the positions `rows` alone."""
        places = self._places(rows, seen)
        return outcome if len(places) == len(outcome) else outcome.take(places)

    def _places(self, rows: np.ndarray | None, seen: bool = False) -> np.ndarray:
        chosen = self.seen if seen else self.compared
        places = np.arange(len(chosen)) if rows is None else rows
        return np.asarray(places[chosen[places]])

    def together(self, rows: np.ndarray | None = None) -> np.ndarray | None:
        """The group of each compared row, of those at the positions `rows` alone, numbered without gaps; None where rows are drawn."""
        return None if self.groups is None else np.unique(self.groups[self._places(rows)], return_inverse=True)[1]

    def baseline(self, result: BaselineResult, split: str, target: str, *, seen: bool = False) -> Outcome:
        """The same of a baseline, which may have scored some of the rows only."""
        chosen, rows, outcome = self.seen if seen else self.compared, result.rows.get(split), result.outcomes[split][target]
        mask = chosen if rows is None else chosen[rows]
        return outcome if mask.all() else outcome.take(mask)


def verdict(
    target: str,
    network: Outcome,
    baselines: Mapping[str, BaselineResult],
    metric: PartConfig | None = None,
    *,
    split: str = "test",
    seed: int = 0,
    seen: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """How the network stands beside the best baseline on the same rows, as in results.json.

    `standing` is `beats` or `behind` when the 95 % interval of the paired difference leaves out zero, else `on par`; `too few` when under
    ten rows of a class were compared; null when there is nothing to compare. `metric` defaults to the first of the kind (accuracy, R²,
    Jaccard). `seen` (bool [n]) are rows whose inputs are also those of a training row: what was learnt by heart is right there, so the
    others decide, where there are 30 of them. `groups` (int64 [n]) are rows that belong together and are drawn together.
    """
    metric = metric or headline(network.kind)
    higher = PARTS[metric.type].higher_is_better if metric.type in PARTS else True
    rows = replace(_choose_rows(network, metric, seen), groups=groups)
    value = compute_one(rows.network(network), metric)
    values = _values(target, baselines, metric, split, rows)
    best = (max if higher else min)(values, key=lambda name: values[name]) if values else None
    found = _describe(network, metric, rows, {"network": value, **values}, best, seed)
    if best is None or math.isnan(value):
        why = "no baseline could be measured" if best is None else f"{words(label(metric))} of the network is undefined"
        return {**found, "text": f"Not compared: {say_too_few(rows.network(network), metric.type) or why}."}
    # a baseline may have scored a sample of the rows; the network is compared on the same ones
    scored = baselines[best].rows.get(split)
    same, other = rows.network(network, scored), rows.baseline(baselines[best], split, target)
    difference = difference_interval(same, other, metric, seed=seed, groups=rows.together(scored))
    better = difference.value > 0 if higher else difference.value < 0
    standing = ("beats" if better else "behind") if difference.clear else "on par"
    few = say_too_few(same, metric.type)
    if few:
        standing = "too few"
    interval = [_number(difference.low), _number(difference.high)]
    beside = _beside(target, network, baselines[best], metric, split, rows)
    deciding = "compared" if few else "decide"
    notes = [say_seen(label(metric), best, beside, len(network), None if rows.compared.all() else deciding), say_limits(baselines)]
    told = say_standing(label(metric), standing, best, value, values[best], difference.value, interval)
    return {
        **found,
        "beats": None if few else standing == "beats",
        "standing": standing,
        "difference": _number(difference.value),
        "interval": None if few else interval,
        "text": say_undecided(few, label(metric), best, value, values[best]) if few else told,
        "seen": beside or None,
        "notes": [each for each in notes if each],
    }


def _choose_rows(network: Outcome, metric: PartConfig, seen: np.ndarray | None) -> _Rows:
    """All rows, or those whose inputs are new where these are enough and the metric is defined on them."""
    every = np.ones(len(network), bool)
    if seen is None or not seen.any():
        return _Rows(every, ~every)
    new = ~seen
    if new.sum() < FEWEST_NEW or math.isnan(compute_one(network.take(new), metric)):
        return _Rows(every, seen)
    return _Rows(new, seen)


def _values(target: str, baselines: Mapping[str, BaselineResult], metric: PartConfig, split: str, rows: _Rows) -> dict[str, float]:
    """The metric of every baseline that scored the target, on the compared rows; those for which it is undefined are left out."""
    scored = {name: each for name, each in baselines.items() if target in each.outcomes.get(split, {})}
    found = {name: compute_one(rows.baseline(each, split, target), metric) for name, each in scored.items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _describe(network: Outcome, metric: PartConfig, rows: _Rows, values: dict[str, float], best: str | None, seed: int) -> dict[str, Any]:
    """What is known before anything is compared."""
    return {
        "metric": label(metric),
        "network": _number(values["network"]),
        "best_baseline": _number(values[best]) if best is not None else None,
        "name": best,
        "beats": None,
        "standing": None,
        "difference": None,
        "interval": None,
        "rows": int(rows.compared.sum()),
        "of": len(network),
        "values": {name: _number(value) for name, value in values.items()},
        "network_interval": [_number(each) for each in _interval(rows, network, metric, seed)],
        "seen": None,
        "notes": [],
    }


def _interval(rows: _Rows, network: Outcome, metric: PartConfig, seed: int) -> tuple[float, float]:
    """The interval of the network's metric on the compared rows."""
    return intervals(rows.network(network), [metric], seed=seed, groups=rows.together())[label(metric)]


def _beside(target: str, network: Outcome, baseline: BaselineResult, metric: PartConfig, split: str, rows: _Rows) -> dict[str, Any]:
    """What network and baseline score on rows whose inputs were in training, and on the others; empty where there are no such rows."""
    if not rows.seen.any():
        return {}
    new = _Rows(~rows.seen, rows.seen)
    given = baseline.rows.get(split)
    return {
        "rows": int(rows.seen.sum()),
        "network": _number(compute_one(new.network(network, given, seen=True), metric)),
        "baseline": _number(compute_one(new.baseline(baseline, split, target, seen=True), metric)),
        "new_rows": int((~rows.seen).sum()),
        "network_new": _number(compute_one(new.network(network, given), metric)),
        "baseline_new": _number(compute_one(new.baseline(baseline, split, target), metric)),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
