"""Scores of electrocardiograms that have rules of their own: of PhysioNet/CinC 2021, and of CPSC 2018."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from trainwright.config.model import PartConfig
from trainwright.metrics.table import CLASSES, SET, MetricPart

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


class EventOptions(PartConfig):
    """How events are read from a class at every frame, and when a found one is a true one."""

    tolerance: float = Field(default=0.15, ge=0)
    """How far apart both may be, in seconds."""
    rate: float = Field(default=1.0, gt=0)
    """Frames a second; at 1 seconds are frames."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """The probability that a peak must have."""
    distance: float = Field(default=0.0, ge=0)
    """Of peaks closer than this, in seconds, the greatest is an event."""
    background: str = ""
    """The class of frames in which nothing happens; default: the first."""
    average: Literal["micro", "macro"] = "micro"
    """`micro`: all events together; `macro`: mean over the classes that have any, true or found."""


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


def _of_events(name: str, summary: str) -> MetricPart:
    return MetricPart(f"{_HERE}.events:{name}", EventOptions, f"{summary}, one to one within a tolerance", CLASSES, along=True)


PARTS: dict[str, MetricPart] = {
    "event_f1": _of_events("EventF1", "F1 of events in time"),
    "event_precision": _of_events("EventPrecision", "share of found events that are true"),
    "event_recall": _of_events("EventRecall", "share of true events that are found"),
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
