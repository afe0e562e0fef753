"""What is done with pictures in training where nothing is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.config.model import PartConfig


def default_augmentation(sides: Sequence[int]) -> list[PartConfig]:
    """Transforms that suit photographs of a size."""
    return []
