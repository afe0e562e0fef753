"""Transforms of torchvision, timm and albumentations on pictures of workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.transforms import FunctionOptions
from trainwright.data.transforms.function import Function
from trainwright.domains.images.transforms.base import Drawn, PictureTransform
from trainwright.domains.images.transforms.library_options import LibraryTransformOptions
from trainwright.domains.images.transforms.pillow.pictures import from_pillow, to_pillow

OF_PILLOW = ("ToTensor", "PILToTensor")
"""Transforms of torchvision that take no tensor."""


class LibraryTransform(PictureTransform):
    """Gives a library its own kind of picture, and takes a uint8 one back.

    torchvision and timm draw from the default generators of torch, random and numpy, which are seeded for every sample; albumentations
    keeps generators of its own, and is given a seed for every sample.
    """

    numbers = 1
    options: LibraryTransformOptions

    def __init__(self, options: LibraryTransformOptions) -> None:
        super().__init__(options)
        self.name = options.call
        self.library = options.call.partition(".")[0]
        self.call = Function(FunctionOptions.model_construct(call=options.call, arguments=options.arguments)).call

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        """Raises DataError where it gives no uint8 picture of as many channels."""
        found = self._as_picture(self._called(picture, drawn))
        if found is not None and found.dtype == torch.uint8 and found.dim() == 3:
            return found
        given = "no picture" if found is None else f"{str(found.dtype).removeprefix('torch.')} of shape {tuple(found.shape)}"
        fix = "leave out what makes floats of pictures (ToTensor, ToDtype, Normalize): columns.NAME.normalize says how they are scaled"
        raise DataError(f"{self.name} gives {given}", why="pictures stay uint8 (channels, height, width) until they are a batch", fix=fix)

    def _called(self, picture: Tensor, drawn: Drawn) -> Any:
        if self.library == "albumentations":
            if hasattr(self.call, "set_random_seed"):
                self.call.set_random_seed(int(drawn[0] * (1 << 31)))
            return self.call(image=np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))["image"]
        wants_pillow = self.library == "timm" or self.name.rpartition(".")[2] in OF_PILLOW
        return self.call(to_pillow(picture) if wants_pillow else picture)

    def _as_picture(self, found: Any) -> Tensor | None:
        if isinstance(found, Image.Image):
            return from_pillow(found)
        if isinstance(found, np.ndarray):
            return torch.from_numpy(found[None] if found.ndim == 2 else np.ascontiguousarray(found.transpose(2, 0, 1)))
        return found.as_subclass(Tensor) if isinstance(found, Tensor) else None
