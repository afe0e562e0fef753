"""Scores of electrocardiograms that have rules of their own: of PhysioNet/CinC 2021, and of CPSC 2018."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from trainwright.config.model import PartConfig
from trainwright.metrics.table import SET, MetricPart

_HERE = "trainwright.domains.signals.metrics"


class ChallengeOptions(PartConfig):
    """The table of weights, and what a recording is called where nothing is found."""

    weights: str = "2021"
    """`2021`: the 26 classes of that year's challenge; or a CSV whose first row and column name the classes, equal ones as `a|b`."""
    inactive: str = "426783006"
    """The class that is answered where nothing is known: sinus rhythm. Its score is 0."""

    @field_validator("weights", "inactive", mode="before")
    @classmethod
    def _may_be_a_number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value  # YAML reads 2021 as one


class WeighedByLabelsOptions(PartConfig):
    """How much misses count."""

    beta: float = Field(default=2.0, gt=0)
    """Misses count more than false alarms where it is above 1."""


def inline_table(weights: Any, where: str = "challenge.weights") -> Any:
    """What a CSV of weights holds, class → its row, so that a run needs no file; a name, and what is no text, as it is."""
    named = str(weights) if isinstance(weights, int) else weights  # YAML reads 2021 as a number
    if not isinstance(named, str) or named == ChallengeOptions.model_fields["weights"].default:
        return named
    from trainwright.domains.signals.metrics.weight_table import SHIPPED, rows_of

    return named if named in SHIPPED else rows_of(named, where)


PARTS: dict[str, MetricPart] = {
    "challenge_score": MetricPart(
        f"{_HERE}.challenge:ChallengeScore",
        ChallengeOptions,
        "score of PhysioNet/CinC 2021, by weights of mistakes",
        (SET,),
        low=float("-inf"),
        decided=True,
    ),
    "cinc_fbeta": MetricPart(
        f"{_HERE}.weighed:CinCFBeta", WeighedByLabelsOptions, "F-beta, rows weighed by 1 / labels", (SET,), decided=True
    ),
    "cinc_gbeta": MetricPart(
        f"{_HERE}.weighed:CinCGBeta", WeighedByLabelsOptions, "TP / (TP + FP + β FN), rows weighed so too", (SET,), decided=True
    ),
}
