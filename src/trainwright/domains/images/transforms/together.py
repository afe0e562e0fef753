"""A picture with its mask and boxes through transforms, all by the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.data.transforms import show_transform
from trainwright.domains.images.transforms.base import PictureTransform

LEAST = 1.0
"""Pixels that a side of a box has at least; what is less is nothing that could be found."""


@dataclass(frozen=True)
class Transformed:
    """What became of a picture and what belongs to it."""

    picture: Tensor
    """`(c, h, w)`."""
    mask: Tensor | None
    """`(h, w)`, the class of every pixel; −100 (255 of uint8) where there is no picture."""
    boxes: Tensor | None
    """`(n, 4)`, x and y of two corners in pixels, cut off at the borders; a box of which nothing is left has no area."""
    kept: Tensor | None
    """`(n,)`, of which boxes at least a pixel is left in both directions."""


def transform_together(
    picture: Tensor,
    transforms: Sequence[PartConfig],
    seed: int,
    mask: Tensor | None = None,
    boxes: Tensor | None = None,
) -> Transformed:
    """A picture `(c, h, w)`, the mask `(h, w)` and the boxes `(n, 4)` on it, through transforms by numbers that follow from a seed.

    Raises ConfigError for a transform of which it is not known what it does to masks and boxes.
    """
    if mask is not None or boxes is not None:
        refuse_strange(transforms)
    made: list[PictureTransform] = [build("transform", each) for each in transforms]
    generator = torch.Generator().manual_seed(seed)
    kept = None if boxes is None else torch.ones(len(boxes), dtype=torch.bool)
    for each in made:
        drawn = torch.rand(each.numbers, generator=generator).tolist()
        size = picture.shape[-2], picture.shape[-1]
        picture = each.picture(picture, drawn)
        mask = None if mask is None else each.mask(mask, drawn)
        if boxes is not None and kept is not None:
            boxes = clipped(each.boxes(boxes, size, drawn), (picture.shape[-2], picture.shape[-1]))
            kept = kept & has_area(boxes)
    return Transformed(picture, mask, boxes, kept)


def refuse_strange(transforms: Sequence[PartConfig]) -> None:
    """Raise ConfigError for a transform of which it is not known what it does to masks and boxes."""
    strange = next((each for each in transforms if not getattr(each, "for_masks", False)), None)
    if strange is not None:
        what = f"{show_transform(strange)} cannot be done to masks and boxes alike"
        raise ConfigError(
            what, why="it is not known whether it moves pixels", fix="use a transform of this package: trainwright list transform"
        )


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes `(n, 4)` cut off at the borders of a picture (height, width)."""
    height, width = size
    return torch.minimum(boxes.clamp_min(0), boxes.new_tensor([width, height, width, height]))


def has_area(boxes: Tensor, least: float = LEAST) -> Tensor:
    """Which boxes are at least so many pixels wide and high."""
    return (boxes[:, 2:] - boxes[:, :2] >= least).all(dim=1)
