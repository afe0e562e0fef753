"""What is fitted after training so that a model says how sure it is: scaled logits, thresholds, conformal intervals and sets.

Arrays in, parameters out; no domain is known here. The table and the options import nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from trainwright.config.elsewhere import found_later
from trainwright.config.limits import MOST_SEED
from trainwright.config.model import PartConfig, with_options_of
from trainwright.config.registry import Part

if TYPE_CHECKING:
    from trainwright.calibration.conformal import (
        Conformal,
        class_scores,
        conformal_quantile,
        fit_class_sets,
        fit_intervals,
        fit_quantile_intervals,
    )
    from trainwright.calibration.criteria import criterion
    from trainwright.calibration.diagram import reliability
    from trainwright.calibration.fitted import Calibrated
    from trainwright.calibration.fitting import Labelled, fit_methods
    from trainwright.calibration.scaling import Scaling, fit_temperature, fit_vector
    from trainwright.calibration.thresholds import search_threshold, search_thresholds, tuned_threshold
    from trainwright.calibration.together import Together, search_together

__all__ = [
    "PARTS",
    "Calibrated",
    "CalibrationMethod",
    "Conformal",
    "ConformalOptions",
    "Labelled",
    "Scaling",
    "TemperatureOptions",
    "ThresholdOptions",
    "Together",
    "VectorOptions",
    "class_scores",
    "conformal_quantile",
    "criterion",
    "fit_class_sets",
    "fit_intervals",
    "fit_methods",
    "fit_quantile_intervals",
    "fit_temperature",
    "fit_vector",
    "reliability",
    "search_threshold",
    "search_thresholds",
    "search_together",
    "tuned_threshold",
]

Share = Annotated[float, Field(ge=0, le=1)]


class CalibrationMethod(PartConfig):
    """What every method has: the targets it is for."""

    targets: list[str] = []
    """The targets it is fitted for; default: all that it fits."""


def extend_options(options: type[PartConfig]) -> type[PartConfig]:
    """The options of a method of one's own with `targets`, unless it takes that, or anything, by itself."""
    return with_options_of(CalibrationMethod, options)


class TemperatureOptions(CalibrationMethod):
    """One number that all logits are divided by (Guo et al. 2017): the likeliest class stays, how sure the model is becomes honest."""

    type: str = "temperature"


class VectorOptions(CalibrationMethod):
    """A factor and a shift for the logit of each class or label (Guo et al. 2017); for one logit that is Platt scaling."""

    type: str = "vector"


class ThresholdOptions(CalibrationMethod):
    """The probability from which a row is called positive, or has a label, where a metric is best on the rows it is fitted on."""

    type: str = "thresholds"
    metric: str = "f1"
    """`f1`, `f_beta`, `accuracy`, `balanced_accuracy`, `youden`, `mcc`, `kappa`, `precision_at_recall`, `recall_at_precision`, `cost`; of
    sets also a metric of whole sets, as `subset_accuracy`, `f1_samples`, `challenge_score`, for which all labels are decided together."""
    beta: float = Field(default=2.0, gt=0)
    """For `f_beta`: how many times more recall counts than precision."""
    least: Share = 0.9
    """For `precision_at_recall` the least recall, for `recall_at_precision` the least precision."""
    false_positive: float = Field(default=1.0, ge=0)
    """For `cost`: what a row costs that is called positive and is not."""
    false_negative: float = Field(default=1.0, ge=0)
    """For `cost`: what a row costs that is positive and is not called so."""
    search: Literal["exact", "grid"] = "exact"
    """`exact`: every cut between two different scores; `grid`: the probabilities of `grid`."""
    grid: tuple[Share, Share, Annotated[float, Field(gt=0, le=1)]] = (0.05, 0.95, 0.05)
    """First, last and step."""
    shared: bool = False
    """One threshold for all labels of a set, in place of one each."""

    @field_validator("metric")
    @classmethod
    def _is_known(cls, value: str) -> str:
        from trainwright.calibration.criteria import known_metric

        return known_metric(value)

    @model_validator(mode="after")
    def _grid_has_a_point(self) -> ThresholdOptions:
        if self.grid[0] > self.grid[1]:
            raise ValueError(f"grid begins at {self.grid[0]:g} and ends before it, at {self.grid[1]:g}")
        return self


class ConformalOptions(CalibrationMethod):
    """Intervals of numbers, or sets of classes, that hold the truth in a share 1 - alpha of new rows (split conformal prediction)."""

    type: str = "conformal"
    alpha: float = Field(default=0.1, gt=0, lt=1)
    """The share of new rows that may be missed."""
    score: Literal["auto", "residual", "lac", "aps", "normalised", "quantile"] = "auto"
    """How badly a row is predicted. Numbers: `residual` |y - prediction|, `normalised` the same over a sigma that the model gives,
    `quantile` beyond the quantiles that it gives. Classes: `lac` 1 - p(y), `aps` the sum of probabilities down to p(y). `auto`: residual,
    or lac."""
    randomised: bool = False
    """For `aps`: a drawn share of the last class counts, so that sets are smaller, and some classes come and go with the draw."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Fixes these draws: the k-th row that is answered has the k-th one."""

    @model_validator(mode="after")
    def _only_aps_is_drawn(self) -> ConformalOptions:
        if self.randomised and self.score != "aps":
            raise ValueError("randomised is for score: aps")
        return self


PARTS: dict[str, Part] = {
    "temperature": Part(
        "trainwright.calibration.methods:Temperature", TemperatureOptions, "logits divided by one number", ("binary", "category", "set")
    ),
    "vector": Part(
        "trainwright.calibration.methods:Vector", VectorOptions, "a factor and a shift for each logit", ("binary", "category", "set")
    ),
    "thresholds": Part(
        "trainwright.calibration.methods:Thresholds", ThresholdOptions, "probabilities from which a label is given", ("binary", "set")
    ),
    "conformal": Part(
        "trainwright.calibration.methods:ConformalPrediction",
        ConformalOptions,
        "intervals, or sets of classes, with a stated coverage",
        ("binary", "category", "number", "vector"),
    ),
}

_LATER = {
    **dict.fromkeys(
        ("Conformal", "class_scores", "conformal_quantile", "fit_class_sets", "fit_intervals", "fit_quantile_intervals"),
        "trainwright.calibration.conformal",
    ),
    "criterion": "trainwright.calibration.criteria",
    "Calibrated": "trainwright.calibration.fitted",
    **dict.fromkeys(("Labelled", "fit_methods"), "trainwright.calibration.fitting"),
    "reliability": "trainwright.calibration.diagram",
    **dict.fromkeys(("Scaling", "fit_temperature", "fit_vector"), "trainwright.calibration.scaling"),
    **dict.fromkeys(("search_threshold", "search_thresholds", "tuned_threshold"), "trainwright.calibration.thresholds"),
    **dict.fromkeys(("Together", "search_together"), "trainwright.calibration.together"),
}
__getattr__ = found_later(__name__, _LATER)
