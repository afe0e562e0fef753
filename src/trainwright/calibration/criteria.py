"""What a threshold is chosen by: numbers of the four counts of a decision, for all cuts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""True positives, false positives, false negatives, true negatives, each [cuts]."""
Values = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

METRICS = (
    *("f1", "f_beta", "accuracy", "balanced_accuracy", "youden", "mcc", "kappa"),
    *("precision_at_recall", "recall_at_precision", "cost"),
)
HOUSE = ("f1", "accuracy", "balanced_accuracy", "mcc", "kappa")
"""Those that are metrics of a target too, by whose formulas they are computed."""
ALIASES = {"j": "youden", "youden_j": "youden", "fbeta": "f_beta", "matthews": "mcc"}


@dataclass(frozen=True)
class Criterion:
    """A number of the counts, greater where better, and how it is written for a person."""

    name: str
    values: Values
    higher_is_better: bool = True
    """Whether the number itself is better when greater: a cost is not, and `values` has it negative."""

    def __call__(self, counts: Counts) -> np.ndarray:
        """The values, [cuts]; NaN where undefined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.values(*counts), np.float64)

    def shown(self, value: float) -> float:
        """A value as it is told: a cost is positive again."""
        return value if self.higher_is_better else -value


def known_metric(name: str) -> str:
    """The name of a criterion; raises ValueError, with the closest, for one that is none."""
    found = ALIASES.get(name.replace("-", "_").lower(), name.replace("-", "_").lower())
    if found in METRICS or is_of_sets(name):
        return found if found in METRICS else name
    raise ValueError(f"'{name}' is no metric that a threshold is chosen by; {did_you_mean(name, [*METRICS, *_of_sets()])}")


def is_of_sets(name: str) -> bool:
    """Whether a name is the key of a metric of decided sets, by which the thresholds of all labels are chosen together."""
    from trainwright.metrics.decided import find_decided

    return name not in METRICS and name not in ALIASES and find_decided(name) is not None


def _of_sets() -> list[str]:
    from trainwright.metrics.decided import list_decided

    return [name for name in list_decided() if name not in METRICS]


def criterion(
    metric: str = "f1", *, beta: float = 2.0, least: float = 0.9, false_positive: float = 1.0, false_negative: float = 1.0
) -> Criterion:
    """The criterion of that name: see `ThresholdOptions`. Raises ConfigError for an unknown one."""
    try:
        name = known_metric(metric)
    except ValueError as error:
        raise ConfigError(f"'{metric}' is no metric that a threshold is chosen by", fix=did_you_mean(metric, METRICS)) from error
    if name not in METRICS:
        fix = did_you_mean(metric, METRICS)
        raise ConfigError(f"'{metric}' is of a whole set: the thresholds of its labels are chosen together", where="metric", fix=fix)
    if name in HOUSE:
        return Criterion(name, _of_house(name))
    made: dict[str, Criterion] = {
        "f_beta": Criterion(f"f_beta ({beta:g})", lambda tp, fp, fn, tn: _f_beta(tp, fp, fn, beta)),
        "youden": Criterion("youden", lambda tp, fp, fn, tn: tp / (tp + fn) + tn / (tn + fp) - 1.0),
        "precision_at_recall": Criterion(
            f"precision at recall ≥ {least:g}", lambda tp, fp, fn, tn: _at_least(_precision(tp, fp), tp / (tp + fn), least)
        ),
        "recall_at_precision": Criterion(
            f"recall at precision ≥ {least:g}", lambda tp, fp, fn, tn: _at_least(tp / (tp + fn), _precision(tp, fp), least)
        ),
        "cost": Criterion(
            f"cost ({false_positive:g} FP + {false_negative:g} FN)",
            lambda tp, fp, fn, tn: -(false_positive * fp + false_negative * fn),
            higher_is_better=False,
        ),
    }
    return made[name]


def _of_house(name: str) -> Values:
    """The formula of a registered metric over the counts of two classes."""
    from trainwright.metrics.evaluate import instance

    formula = instance(name, "binary")

    def values(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
        hits, predicted, actual = (np.stack(pair, axis=-1) for pair in ((tn, tp), (tn + fn, tp + fp), (tn + fp, tp + fn)))
        if name == "accuracy":
            return np.asarray(hits.sum(axis=-1) / actual.sum(axis=-1))
        if name == "f1":  # of the positive class alone
            hits, predicted, actual = (each[..., 1:] for each in (hits, predicted, actual))
        return np.asarray(formula.from_counts(hits, predicted, actual))  # type: ignore[attr-defined]

    return values


def _f_beta(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, beta: float) -> np.ndarray:
    """(1 + β²) tp / ((1 + β²) tp + β² fn + fp) (van Rijsbergen 1979)."""
    square = beta * beta
    return np.asarray((1 + square) * tp / ((1 + square) * tp + square * fn + fp))


def _precision(tp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    return np.asarray(tp / (tp + fp))


def _at_least(values: np.ndarray, others: np.ndarray, least: float) -> np.ndarray:
    """The values where the others are large enough, NaN elsewhere."""
    return np.where(others >= least, values, np.nan)
