"""What is done with pictures in training where nothing is asked for, and augmentations made for a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.config.model import PartConfig
from trainwright.domains.images.transforms.color_options import ColorJitterOptions
from trainwright.domains.images.transforms.geometry_options import RandomAffineOptions, RandomHorizontalFlipOptions
from trainwright.domains.images.transforms.options import RandomResizedCropOptions

LARGE = 128
"""From this size on things are found in pieces of a picture, so that pieces are cut of it; what is smaller shows one thing, whole."""


def default_augmentation(sides: Sequence[int]) -> list[PartConfig]:
    """Transforms that suit photographs of a size (height, width).

    Small pictures move, turn and grow a little, at once, and change brightness and contrast: never mirrored, since digits, letters and
    hands are other ones in a mirror. Large ones: a random piece of at least a quarter, mirrored in half of the pictures, colours.
    """
    if min(sides, default=0) < LARGE:
        return [
            RandomAffineOptions(degrees=10.0, translate=[0.08, 0.08], scale=[0.9, 1.1]),
            ColorJitterOptions(brightness=0.2, contrast=0.2),
        ]
    return [
        RandomResizedCropOptions(size=list(sides), scale=[0.25, 1.0]),
        RandomHorizontalFlipOptions(),
        ColorJitterOptions(brightness=0.3, contrast=0.3, saturation=0.3),
    ]


def of_column(chain: Sequence[PartConfig], sides: Sequence[int]) -> list[PartConfig]:
    """A chain for pictures of a column: what makes a size makes that of the column where it says none, and crops of one number are
    square, which of other arrays would cut the last dimension alone."""
    return [_for_size(each, list(sides)) for each in chain]


def _for_size(options: PartConfig, sides: list[int]) -> PartConfig:
    chosen: Any = options
    size = getattr(chosen, "size", sides)
    if size is None and chosen.type == "random_resized_crop":
        return chosen.model_copy(update={"size": sides})
    if isinstance(size, int) and chosen.type in ("random_crop", "center_crop") and chosen.dims is None:
        return chosen.model_copy(update={"size": [size, size]})
    return options
