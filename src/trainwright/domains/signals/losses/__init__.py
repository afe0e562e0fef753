"""Losses of recordings that have rules of their own: the expected score of PhysioNet/CinC 2021. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from trainwright.config.model import refusal
from trainwright.config.part import Part
from trainwright.domains.signals.metrics import inline_table
from trainwright.losses.shared_options import CriterionOptions

_HERE = "trainwright.domains.signals.losses"


class ChallengeOptions(CriterionOptions):
    """What is lost of the challenge's score by deciding each label with its probability, and what is added to it."""

    type: str = "challenge"
    weights: str | dict[str, list[float]] = "2021"
    """`2021`: the 26 classes of that year's challenge; or a CSV whose first row and column name the classes, equal ones as `a|b`. What
    it holds is kept with the run: class → its row of weights."""
    cross_entropy: float = Field(default=0.3, ge=0)
    """Weight of the binary cross-entropy, averaged over all labels of a row, that is added: labels that are not scored learn by it alone,
    and so do recordings that have none that is."""
    labels: list[str] = []
    """The label of each output; of a column its own."""

    @field_validator("weights", mode="before")
    @classmethod
    def _is_kept_whole(cls, value: Any) -> Any:
        return refusal(inline_table)(value)


PARTS: dict[str, Part] = {
    "challenge": Part(f"{_HERE}.challenge:Challenge", ChallengeOptions, "what is lost of the expected challenge score", ("set",)),
}
