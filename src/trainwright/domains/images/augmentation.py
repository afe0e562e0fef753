"""What is done with pictures in training where nothing is asked for, and augmentations made for a column."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.config.model import PartConfig
from trainwright.domains.images.transforms.color_options import ColorJitterOptions
from trainwright.domains.images.transforms.geometry_options import RandomAffineOptions, RandomHorizontalFlipOptions
from trainwright.domains.images.transforms.library_options import of_library
from trainwright.domains.images.transforms.options import RandomResizedCropOptions

TINY = 16
"""Up to this size a pixel is much: digits of 8 × 8."""
LARGE = 128
"""From this size on things are found in pieces of a picture, so that pieces are cut of it; what is smaller shows one thing, whole."""


def default_augmentation(sides: Sequence[int], has_mask: bool = False) -> list[PartConfig]:
    """Transforms that suit photographs of a size (height, width).

    Tiny ones move and turn. Small ones move, turn, grow and shrink at once, and change colours: never mirrored, since digits, letters and
    hands are other ones in a mirror. Large ones: a random piece of at least a quarter, mirrored in half of the pictures, colours.
    Small ones with a mask are mirrored alone: every pixel of theirs teaches, and what is warped as well is learnt later
    (measured in docs/segmentation.md).
    """
    if has_mask and min(sides, default=0) < LARGE:
        return [RandomHorizontalFlipOptions()]
    side = min(sides, default=0)
    if side <= TINY:
        return [RandomAffineOptions(degrees=10.0, translate=[0.1, 0.1], fill="edge")]
    if side < LARGE:
        return [
            RandomAffineOptions(degrees=15.0, translate=[0.1, 0.1], scale=[0.85, 1.15], fill="edge"),
            ColorJitterOptions(brightness=0.3, contrast=0.3, saturation=0.3),
        ]
    return [
        RandomResizedCropOptions(size=list(sides), scale=[0.25, 1.0]),
        RandomHorizontalFlipOptions(),
        ColorJitterOptions(brightness=0.3, contrast=0.3, saturation=0.3),
    ]


def of_column(chain: Sequence[PartConfig], sides: Sequence[int]) -> list[PartConfig]:
    """A chain for pictures of a column: random crops make the size of the column where they say none, and paths of libraries are theirs."""
    lacking = [each.type == "random_resized_crop" and getattr(each, "size", None) is None for each in chain]
    sized = [each.model_copy(update={"size": list(sides)}) if lacks else each for each, lacks in zip(chain, lacking, strict=True)]
    return [of_library(each) for each in sized]
