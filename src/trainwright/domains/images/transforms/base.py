"""What a transform of pictures is: a function of a picture, or of its mask or boxes, and of numbers that are drawn once for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class PictureTransform:
    """A transform of single pictures `(c, h, w)`, uint8, and in the same way of masks `(h, w)` and boxes.

    Its numbers are drawn at once, and always as many: a mask that repeats the draws of its picture meets the same ones.
    """

    numbers: int = 0
    """How many numbers of 0 to 1 it is given for each sample."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def __call__(self, sample: Tensor) -> Tensor:
        drawn = torch.rand(self.numbers).tolist() if self.numbers else []
        return self.mask(sample, drawn) if self.options.on == "mask" else self.picture(sample, drawn)

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        """A picture `(c, h, w)` transformed."""
        raise NotImplementedError

    def mask(self, mask: Tensor, drawn: Sequence[float]) -> Tensor:
        """The classes `(h, w)` of a picture that the same numbers transform; as they are, unless pixels move."""
        return mask

    def boxes(self, boxes: Tensor, size: tuple[int, int], drawn: Sequence[float]) -> Tensor:
        """Boxes `(n, 4)`, x and y of two corners, of a picture of a (height, width) that the same numbers transform."""
        return boxes
