"""Pictures flipped in every other epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.data.counters import fold
from trainwright.data.draws import sample_place
from trainwright.domains.images.transforms.base import PictureTransform


class AlternatingFlip(PictureTransform):
    """A picture or mask from left to right or as it is: which follows from the seed, the row and the epoch, and draws nothing."""

    def __call__(self, sample: Tensor) -> Tensor:
        drawn = [float(is_flipped(*sample_place()))]
        return self.mask(sample, drawn) if self.options.on == "mask" else self.picture(sample, drawn)

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        """Flipped where the number is 0.5 or more."""
        return picture.flip(-1) if drawn[0] >= 0.5 else picture

    def mask(self, mask: Tensor, drawn: Sequence[float]) -> Tensor:
        """As its picture."""
        return self.picture(mask, drawn)

    def boxes(self, boxes: Tensor, size: tuple[int, int], drawn: Sequence[float]) -> Tensor:
        """Boxes of the picture flipped with it."""
        if drawn[0] < 0.5:
            return boxes
        return torch.stack([size[1] - boxes[:, 2], boxes[:, 1], size[1] - boxes[:, 0], boxes[:, 3]], dim=1)


def is_flipped(seed: int, epoch: int, row: int, again: int = 0) -> bool:
    """Whether a row is flipped in an epoch, or when it comes again in one: otherwise than the time before, from a start of its own."""
    return bool((fold(seed, "alternating flip", row) + epoch + again) & 1)
