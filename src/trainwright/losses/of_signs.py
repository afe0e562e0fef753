"""Losses whose target is −1 or 1."""

from __future__ import annotations

from torch import Tensor

from trainwright.losses.base import Criterion
from trainwright.losses.checks import signs


class OfSigns(Criterion):
    """The last argument holds −1 and 1 only."""

    def check_targets(self, *arguments: Tensor) -> None:
        """Refuses targets other than −1 and 1."""
        signs(self.name, arguments[0], arguments[-1])
