"""Masks `(h, w)` of whole numbers moved as their pictures are, by the nearest pixel; where there is no picture they are ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.domains.images.reading.libraries import pillow
from trainwright.domains.images.transforms import tensors
from trainwright.domains.images.transforms.base import Size, ignored
from trainwright.domains.images.transforms.matrices import Matrix

NEAREST, AFFINE, PERSPECTIVE = 0, 0, 2
"""Pillow's numbers of a filter and of two ways to transform."""


def resize_mask(mask: Tensor, size: Size) -> Tensor:
    """At another size: of each pixel the one whose middle is nearest to its own, as Pillow finds it for the picture (nearest-exact)."""
    if tuple(mask.shape) == size:
        return mask
    return _taken(mask, lambda image: image.resize((size[1], size[0]), NEAREST))


def crop_mask(mask: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A piece; what lies outside is ignored."""
    return tensors.crop(mask[None], top, left, height, width, ignored(mask))[0]


def pad_mask(mask: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """A border (left, top, right, bottom) that is ignored, whatever is in that of the picture."""
    return tensors.pad(mask[None], padding, "constant", ignored(mask))[0]


def warp_mask(mask: Tensor, matrix: Matrix, size: Size | None = None) -> Tensor:
    """Taken from where a matrix says, of pixels from the upper left."""
    height, width = size or (mask.shape[0], mask.shape[1])
    return _by_pillow(mask, (width, height), AFFINE, matrix)


def perspective_mask(mask: Tensor, numbers: list[float]) -> Tensor:
    """Seen from another side: by the eight numbers that its picture is."""
    return _by_pillow(mask, (mask.shape[1], mask.shape[0]), PERSPECTIVE, numbers)


def _by_pillow(mask: Tensor, size: tuple[int, int], way: int, numbers: Matrix | list[float]) -> Tensor:
    fill = ignored(mask)
    return _taken(mask, lambda image: image.transform(size, way, numbers, NEAREST, fillcolor=fill))


def _taken(mask: Tensor, take: Callable[[Any], Any]) -> Tensor:
    """What a function of Pillow takes of the pixels of a mask, which have 32 bits unless they are bytes."""
    kind = np.uint8 if mask.dtype == torch.uint8 else np.int32
    return torch.from_numpy(np.array(take(pillow().fromarray(np.ascontiguousarray(mask.numpy().astype(kind)))))).to(mask.dtype)
