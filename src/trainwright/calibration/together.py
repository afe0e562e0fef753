"""Thresholds of the labels of a set that are chosen together, for metrics in which labels interact: a row's set, or how many it has.

Coordinate ascent: one label's threshold after another is put where the metric of all is best, until none is moved. What is found is no
worse than any of its starts, and cannot be bettered by moving one threshold; it need not be the best of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainwright.calibration.thresholds import HALF, Threshold, cuts, search_thresholds, why_absent
from trainwright.config.errors import ConfigError
from trainwright.metrics.decided import find_decided
from trainwright.metrics.evaluate import instance
from trainwright.metrics.formulas import Additive
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import SET

SWEEPS = 20
SHARED = 64
"""Cuts that are tried as one threshold for all labels, evenly spaced in rank."""
GAIN = 1e-12


@dataclass(frozen=True)
class Together:
    """A metric of decided sets, by its key."""

    name: str

    @property
    def formula(self) -> Additive:
        """The metric; raises ConfigError for one that is no function of sums over rows."""
        made = instance(self.name, SET)
        if not isinstance(made, Additive):
            raise ConfigError(f"thresholds cannot be chosen by '{self.name}'", where="calibration: thresholds", fix="use f1")
        return made

    @property
    def sign(self) -> float:
        """-1 where less is better."""
        part = find_decided(self.name)
        return -1.0 if part is not None and not part.higher_is_better else 1.0

    def value(self, outcome: Outcome) -> float:
        """The metric, at the thresholds of the outcome."""
        return self.formula(outcome)


def search_together(outcome: Outcome, measure: Together, *, shared: bool = False, candidates: np.ndarray | None = None) -> list[Threshold]:
    """A threshold for each label of a set where a metric of the whole set is best; `shared`: one for all of them.

    Every cut between two scores of a label is looked at, or the `candidates`. A label that no row has, or every row, stays at 0.5.
    """
    if not np.isfinite(outcome.scores).all():
        raise ValueError("scores must be finite")
    counts = outcome.truth.sum(axis=0)
    notes = [why_absent(outcome.truth[:, label]) for label in range(outcome.width)]
    half, free = np.full(outcome.width, HALF), [label for label, note in enumerate(notes) if not note]
    with np.errstate(divide="ignore", invalid="ignore"):
        one = _shared(outcome, measure, half, free, candidates)
        found = one if shared else _best_of(outcome, measure, [half, one, _alone(outcome, candidates)], free, candidates)
        value, at_half = (measure.value(outcome.at_threshold(each)) for each in (found, half))
    rows = len(outcome)
    return [Threshold(float(each), value, at_half, rows, int(count), note) for each, count, note in zip(found, counts, notes, strict=True)]


def _best_of(outcome: Outcome, measure: Together, starts: list[np.ndarray], free: list[int], candidates: np.ndarray | None) -> np.ndarray:
    """The best of the ends that are reached from some starts; of equally good ones the first."""
    best, value = starts[0], -np.inf
    for start in starts:
        found, reached = _ascend(outcome, measure, start.copy(), free, candidates)
        if np.isnan(reached):
            continue
        if reached > value + GAIN:
            best, value = found, reached
    return best


def _ascend(
    outcome: Outcome, measure: Together, thresholds: np.ndarray, free: list[int], candidates: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Thresholds that cannot be bettered one by one, and the signed metric there."""
    value = measure.sign * measure.value(outcome.at_threshold(thresholds))
    orders = {label: np.argsort(outcome.scores[:, label], kind="stable") for label in free}
    tried = {label: cuts(outcome.scores[:, label]) if candidates is None else candidates for label in free}
    for _ in range(SWEEPS):
        before = value
        for label in free:
            values = _values(outcome, measure, thresholds, label, orders[label], tried[label])
            most = np.nanmax(values, initial=-np.inf)
            if most > value + GAIN or np.isnan(value):
                best = np.flatnonzero(values >= most - GAIN)
                thresholds[label] = tried[label][best[np.argmin(np.abs(tried[label][best] - HALF))]]
                value = most
        if not value > before:
            break
    return thresholds, float(value)


def _values(outcome: Outcome, measure: Together, thresholds: np.ndarray, label: int, order: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """The signed metric with one label at each of some thresholds and the others as they are; [tried].

    Moving one threshold changes a row only where it comes to have the label or not, so that two sums over rows give all of them.
    """
    rows, every = outcome.take(order), np.arange(len(outcome))
    without, having = thresholds.copy(), thresholds.copy()
    without[label], having[label] = np.inf, -np.inf
    off, on = (measure.formula.sums(rows.at_threshold(each), every).cumsum(axis=0) for each in (without, having))
    below = np.searchsorted(rows.scores[:, label], tried, "left")
    zero = np.zeros((1, off.shape[1]))
    off, on = np.concatenate([zero, off]), np.concatenate([zero, on])
    return measure.sign * np.asarray(measure.formula.value(off[below] + on[-1] - on[below]))


def _shared(outcome: Outcome, measure: Together, half: np.ndarray, free: list[int], candidates: np.ndarray | None) -> np.ndarray:
    """The best single threshold for all labels."""
    points = cuts(outcome.scores[:, free].ravel(), SHARED) if candidates is None else candidates
    made = [_put(half, free, each) for each in points] if free else [half]
    values = np.array([measure.sign * measure.value(outcome.at_threshold(each)) for each in made])
    return made[int(np.nanargmax(values))] if not np.isnan(values).all() else half


def _put(thresholds: np.ndarray, labels: list[int], value: float) -> np.ndarray:
    made = thresholds.copy()
    made[labels] = value
    return made


def _alone(outcome: Outcome, candidates: np.ndarray | None) -> np.ndarray:
    """The threshold of each label by itself, where its F1 is best."""
    found = search_thresholds(outcome.truth, outcome.scores, "f1", candidates=candidates, weights=outcome.weights)
    return np.array([each.threshold for each in found])
