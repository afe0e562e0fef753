"""The methods as parts: each takes labelled rows and gives what was fitted. A class of one's own gives one of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trainwright.calibration import ConformalOptions, TemperatureOptions, ThresholdOptions, VectorOptions
from trainwright.calibration.conformal import Conformal, fit_class_sets, fit_intervals, fit_quantile_intervals
from trainwright.calibration.criteria import Criterion, criterion, is_of_sets
from trainwright.calibration.scaling import Scaling, fit_temperature, fit_vector
from trainwright.calibration.thresholds import Threshold, grid_points, search_threshold, search_thresholds
from trainwright.calibration.together import Together, search_together
from trainwright.config.errors import ConfigError
from trainwright.metrics.table import BINARY, CLASSES

if TYPE_CHECKING:
    from trainwright.calibration.fitting import Labelled


class Method(Protocol):
    """What a method has, one of a person's own too."""

    def fit(self, rows: Labelled) -> Scaling | Conformal | tuple[str, list[Threshold]]:
        """A `Scaling` of logits, a `Conformal`, or the name of a metric with thresholds; raises ConfigError for rows that do not do."""
        ...


def criterion_of(asked: ThresholdOptions) -> Criterion | Together:
    """What the options choose thresholds by: of one label, or of the whole set."""
    if is_of_sets(asked.metric):
        return Together(asked.metric)
    costs = {"false_positive": asked.false_positive, "false_negative": asked.false_negative}
    return criterion(asked.metric, beta=asked.beta, least=asked.least, **costs)


class Temperature:
    """One number that all logits are divided by."""

    def __init__(self, options: TemperatureOptions) -> None:
        self.options = options

    def fit(self, rows: Labelled) -> Scaling:
        """The temperature; raises ConfigError without logits."""
        return fit_temperature(_logits(rows, "temperature"), rows.truth, weights=rows.weights)


class Vector:
    """A factor and a shift for each logit."""

    def __init__(self, options: VectorOptions) -> None:
        self.options = options

    def fit(self, rows: Labelled) -> Scaling:
        """Factors and shifts; raises ConfigError without logits."""
        return fit_vector(_logits(rows, "vector"), rows.truth, weights=rows.weights)


class Thresholds:
    """The probabilities from which labels are given."""

    def __init__(self, options: ThresholdOptions) -> None:
        self.options = options

    def fit(self, rows: Labelled) -> tuple[str, list[Threshold]]:
        """The name of the metric, and a threshold for a binary target or one for each label of a set."""
        asked, measure = self.options, criterion_of(self.options)
        outcome, candidates = rows.outcome(), None if asked.search == "exact" else grid_points(*asked.grid)
        if isinstance(measure, Together):
            found = search_together(outcome, measure, shared=asked.shared, candidates=candidates)
        elif rows.kind == BINARY:
            scores = outcome.scores[:, 1]
            found = [search_threshold(outcome.truth == 1, scores, measure, candidates=candidates, weights=rows.weights)]
        else:
            found = search_thresholds(
                outcome.truth, outcome.scores, measure, shared=asked.shared, candidates=candidates, weights=rows.weights
            )
        return measure.name, found


class ConformalPrediction:
    """Intervals, or sets of classes, with a stated coverage."""

    def __init__(self, options: ConformalOptions) -> None:
        self.options = options

    def fit(self, rows: Labelled) -> Conformal:
        """Intervals for numbers, sets for classes; rows count alike. Raises ConfigError for a sigma or quantiles that there are not."""
        asked, score = self.options, self.options.score
        if rows.kind in CLASSES:
            chosen = "lac" if score == "auto" else score
            p = rows.outcome().scores
            return fit_class_sets(p, rows.truth, asked.alpha, score=chosen, randomised=asked.randomised, seed=asked.seed)
        if score == "quantile":
            low, high = _given(rows.quantiles, rows, "quantiles", score)
            return fit_quantile_intervals(low, high, rows.truth, asked.alpha)
        sigma = _given(rows.sigma, rows, "sigma", score) if score == "normalised" else None
        return fit_intervals(np.asarray(rows.scores, np.float64), rows.truth, asked.alpha, sigma=sigma)


def _logits(rows: Labelled, method: str) -> np.ndarray:
    if rows.logits is None:
        why = "its scores are probabilities that were joined, or no logits at all"
        fix = "use thresholds or conformal, which take scores as they are"
        raise ConfigError(f"'{rows.name}' has no logits to scale", where=f"calibration: {method}", why=why, fix=fix)
    return rows.logits


def _given(found: Any, rows: Labelled, what: str, score: str) -> Any:
    if found is None:
        fix = "use score: residual, or name the output that has it"
        raise ConfigError(f"the model gives no {what} for '{rows.name}'", where=f"calibration: conformal, score: {score}", fix=fix)
    return found
