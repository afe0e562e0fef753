"""From what the network gives to the units of the data."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.features.scales import Affine

PICTURES = "image"
"""The type of column whose values go from −1 (black) to 1 (white)."""


class Units:
    """x · spread + center, by value for vectors; pictures stay between −1 and 1."""

    def __init__(self, kind: str, center: Any, spread: Any) -> None:
        self.kind = kind
        self.center, self.spread = torch.as_tensor(center, dtype=torch.float64), torch.as_tensor(spread, dtype=torch.float64)

    @classmethod
    def of(cls, features: dict[str, Any], made: list[str]) -> Units:
        """Those of the columns that are made. Raises ConfigError for a scale that cannot be undone."""
        first = features[made[0]]
        if first.kind == PICTURES:
            return cls(first.kind, 0.0, 1.0)
        if first.kind == "number":
            pairs = [affine_of(features[name]) for name in made]
            return cls(first.kind, [center for center, _ in pairs], [spread for _, spread in pairs])
        return cls(first.kind, first.center, first.spread)

    @property
    def range(self) -> tuple[float, float] | None:
        """The values that are black and white; None for what has no such."""
        return (-1.0, 1.0) if self.kind == PICTURES else None

    def restore(self, made: Tensor) -> Tensor:
        """What was made, in the units of the data (float32)."""
        if self.kind == PICTURES:
            return made.clamp(-1, 1).float()
        center, spread = (each.to(made.device) for each in (self.center, self.spread))
        return (made.double() * spread + center).float()

    def encode(self, values: Tensor) -> Tensor:
        """Values in the units of the data as the network is given them."""
        return ((values.double() - self.center) / self.spread).float() if self.kind != PICTURES else values.float()


def affine_of(feature: Any) -> tuple[float, float]:
    """Center and spread of a column of numbers. Raises ConfigError where it is scaled otherwise."""
    scale = feature.scale
    if isinstance(scale, Affine):
        return float(scale.center), float(scale.spread)
    kind = feature.scaling["kind"]
    if kind == "none":
        return 0.0, 1.0
    where, fix = f"columns.{feature.name}.scale", "use standard, robust, minmax or none"
    raise ConfigError(f"'{feature.name}' is scaled by {kind}, which is not undone for what is made", where=where, fix=fix)
