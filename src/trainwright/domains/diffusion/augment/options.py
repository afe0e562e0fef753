"""The options of augmentation that the network is told of. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from trainwright.config.model import ConfigModel


class AugmentOptions(ConfigModel):
    """Flips, scaling, rotation, stretching and translation of pictures (Karras et al. 2022, appendix F.2)."""

    probability: float = Field(default=0.12, ge=0, le=1)
    """That of each group: vertical flip, scaling, rotation, stretching, translation. 0.12 is for small data, less for large."""
    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a horizontal flip."""
    scale: float = Field(default=2**0.2, ge=1)
    """Factor of scaling for one standard deviation."""
    anisotropy: float = Field(default=2**0.2, ge=1)
    """Factor of stretching along a random axis for one standard deviation."""
    translation: float = Field(default=0.125, ge=0)
    """One standard deviation of the translation, as a share of each side."""


def _by_probability(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return ({"probability": float(value)} if value else None) if isinstance(value, int | float) else value


Augment = Annotated[AugmentOptions | None, BeforeValidator(_by_probability, json_schema_input_type=bool | float | AugmentOptions | None)]
"""A probability, 0 or `false` for none, `true` for the usual ones, or a mapping."""
