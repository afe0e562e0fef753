"""Whether the network beats the baselines, said plainly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainwright.baselines.run import BaselineResult
from trainwright.config.model import PartConfig
from trainwright.metrics import PARTS, Outcome, compute_one, difference_interval, headline, label


def verdict(
    target: str,
    network: Outcome,
    baselines: Mapping[str, BaselineResult],
    metric: PartConfig | None = None,
    *,
    split: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """How the network stands beside the best baseline on the same rows, as in results.json.

    `standing` is `beats` or `behind` when the 95 % interval of the paired difference leaves out zero, else `on par`; null when there is
    nothing to compare. `metric` defaults to the first of the kind (accuracy, R², Jaccard).
    """
    metric = metric or headline(network.kind)
    name, value = label(metric), compute_one(network, metric)
    higher = PARTS[metric.type].higher_is_better if metric.type in PARTS else True
    best, best_value = _best(target, baselines, metric, split, higher)
    found: dict[str, Any] = {"metric": name, "network": _number(value), "best_baseline": _number(best_value), "name": best, "beats": None}
    if best is None or math.isnan(value):
        why = "no baseline could be measured" if best is None else f"{_words(name)} of the network is undefined"
        return {**found, "standing": None, "difference": None, "interval": None, "text": f"Not compared: {why}."}
    # a baseline may have scored a sample of the rows; the network is compared on the same ones
    rows = baselines[best].rows.get(split)
    same = network if rows is None or len(rows) == len(network) else network.take(rows)
    difference = difference_interval(same, baselines[best].outcomes[split][target], metric, seed=seed)
    better = difference.value > 0 if higher else difference.value < 0
    standing = ("beats" if better else "behind") if difference.clear else "on par"
    interval = [_number(difference.low), _number(difference.high)]
    text = _text(name, standing, best, value, best_value, difference.value, interval)
    return {
        **found,
        "beats": standing == "beats",
        "standing": standing,
        "difference": _number(difference.value),
        "interval": interval,
        "text": text,
    }


def _best(target: str, baselines: Mapping[str, BaselineResult], metric: PartConfig, split: str, higher: bool) -> tuple[str | None, float]:
    """The baseline with the best value of the metric on the split, hardest for the network, and that value."""
    values = {
        name: compute_one(each.outcomes[split][target], metric)
        for name, each in baselines.items()
        if target in each.outcomes.get(split, {})
    }
    values = {name: value for name, value in values.items() if not math.isnan(value)}
    if not values:
        return None, math.nan
    best = (max if higher else min)(values, key=lambda name: values[name])
    return best, values[best]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _words(name: str) -> str:
    return {"r2": "R²", "roc_auc": "ROC AUC", "rmse": "RMSE", "mae": "MAE", "f1": "F1"}.get(name, name.replace("_", " "))


def _text(name: str, standing: str, best: str, value: float, best_value: float, difference: float, interval: list[float | None]) -> str:
    """The comparison in one sentence."""
    claim = {"beats": "beats", "on par": "is on par with", "behind": "is behind"}[standing]
    low, high = interval
    between = f", 95 % interval {low:+.3g} to {high:+.3g}" if low is not None and high is not None else ""
    reason = ", which includes zero" if standing == "on par" and between else ""
    values = f"{_words(name)} {value:.4g} against {best_value:.4g}"
    return f"The network {claim} the best baseline ({best}): {values} (difference {difference:+.3g}{between}{reason})."
