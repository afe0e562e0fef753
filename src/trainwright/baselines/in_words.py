"""A comparison with the baselines in sentences: how the network stands, and what a reader should know of the rows behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.baselines.run import BaselineResult

_NAMES = {"r2": "R²", "roc_auc": "ROC AUC", "rmse": "RMSE", "mae": "MAE", "f1": "F1"}
_MODELS = {"boosting": "Boosting", "linear": "The linear model", "constant": "The constant model"}


def words(metric: str) -> str:
    """A metric's key as a person writes it."""
    return _NAMES.get(metric, metric.replace("_", " "))


def say_standing(name: str, standing: str, best: str, value: float, best_value: float, difference: float, interval: list[Any]) -> str:
    """The comparison in one sentence; a baseline that is clearly better comes first in it."""
    low, high = interval
    between = f", 95 % interval {low:+.3g} to {high:+.3g}" if low is not None and high is not None else ""
    reason = ", which includes zero" if standing == "on par" and between else ""
    told = f"(difference {difference:+.3g}{between}{reason})"
    if standing == "behind":
        model = _MODELS.get(best, f"The baseline {best}")
        return f"{model} is clearly better than the network: {words(name)} {best_value:.4g} against {value:.4g} {told}."
    claim = "beats" if standing == "beats" else "is on par with"
    return f"The network {claim} the best baseline ({best}): {words(name)} {value:.4g} against {best_value:.4g} {told}."


def say_undecided(few: str, name: str, best: str, value: float, best_value: float) -> str:
    """The numbers without a comparison, and why there is none."""
    return f"Network or baseline: {few}. {words(name)} is {value:.4g} (network) and {best_value:.4g} ({best})."


def say_seen(name: str, best: str, beside: Mapping[str, Any], total: int, others: str | None) -> str:
    """What rows whose inputs are also in training score beside the others, and which of them the comparison is made from.

    `others`: what the others do, `decide` or only `compared`; None where all rows are compared.
    """
    if not beside:
        return ""
    shared = f"{beside['rows']:,} of these {total:,} rows have the inputs of a training row"
    ending = f"the others {'decide' if others == 'decide' else 'are compared'}; the table of metrics is of all"
    if others is None:
        ending = f"the {beside['new_rows']:,} others are too few to judge by, so all are compared"
    if beside["network"] is None or beside["baseline"] is None:
        return f"{shared}: {ending}."
    here = f"on them {words(name)} is {_score(beside['network'])} (network) and {_score(beside['baseline'])} ({best})"
    new = f"on the {beside['new_rows']:,} others {_score(beside['network_new'])} and {_score(beside['baseline_new'])}"
    return f"{shared}: {here}, {new}; {ending}." if others else f"{shared}: {here}; {ending}."


def say_limits(baselines: Mapping[str, BaselineResult]) -> str:
    """Which baselines saw less than the network did; they may be stronger than they look."""
    limited = [f"{name} was {limit}" for name, each in baselines.items() for limit in each.limits]
    return f"{'; '.join(limited)}: with all of it a baseline may be stronger." if limited else ""


def _score(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
