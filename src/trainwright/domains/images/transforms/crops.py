"""Pieces of random size at random places, and pictures on a larger canvas."""

from __future__ import annotations

import math

from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.domains.images.transforms import functions
from trainwright.domains.images.transforms.base import Drawn, PictureTransform, Size, Sometimes, between, whole_below
from trainwright.domains.images.transforms.fit import fill_of
from trainwright.domains.images.transforms.masks import crop_mask, resize_mask
from trainwright.domains.images.transforms.options import RandomResizedCropOptions, RandomZoomOutOptions, sides

TRIES = 10
"""How often an area and a shape are drawn until a piece fits, as in torchvision and timm."""
Box = tuple[int, int, int, int]
"""Top, left, height and width."""


def random_box(size: Size, scale: tuple[float, float], ratio: tuple[float, float], drawn: Drawn) -> tuple[Box, bool]:
    """A piece of a picture (height, width) of random area and shape, from two numbers for each try and two for its place, and whether
    none of the tries fitted, so that it is the largest one in the middle of a ratio that is allowed (torchvision's RandomResizedCrop)."""
    rows, columns = size
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for one in range(TRIES):
        area = rows * columns * between(*scale, drawn[2 * one])
        shape = math.exp(between(low, high, drawn[2 * one + 1]))
        width, height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < width <= columns and 0 < height <= rows:
            top, left = (whole_below(there - wanted + 1, at) for there, wanted, at in zip(size, (height, width), drawn[-2:], strict=True))
            return (top, left, height, width), False
    return middle_box(size, ratio), True


def middle_box(size: Size, ratio: tuple[float, float]) -> Box:
    """The largest piece in the middle whose width over height is allowed."""
    rows, columns = size
    shape = columns / rows
    width, height = columns, rows
    if shape < ratio[0]:
        height = round(width / ratio[0])
    elif shape > ratio[1]:
        width = round(height * ratio[1])
    return (rows - height) // 2, (columns - width) // 2, height, width


class RandomResizedCrop(PictureTransform):
    """`(c, h, w)` → `(c, *size)`, a piece of it."""

    numbers = 2 * TRIES + 3

    def __init__(self, options: RandomResizedCropOptions) -> None:
        super().__init__(options)
        if options.size is None:
            raise ConfigError("random_resized_crop has no size", why="a column of pictures gives it its own", fix="add size: 224")
        self.size = sides(options.size)
        self.scale, self.ratio = (options.scale[0], options.scale[1]), (options.ratio[0], options.ratio[1])

    def box(self, size: Size, drawn: Drawn) -> Box:
        """The piece of a picture of a size."""
        return random_box(size, self.scale, self.ratio, drawn[:-1])[0]

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        chosen = self.options.interpolation
        interpolation = ("bilinear", "bicubic")[drawn[-1] >= 0.5] if chosen == "random" else chosen
        box = self.box((picture.shape[-2], picture.shape[-1]), drawn)
        found: Tensor = functions.resized_crop(picture, box, self.size, interpolation)
        return found

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return resize_mask(crop_mask(mask, *self.box((mask.shape[0], mask.shape[1]), drawn)), self.size)

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        top, left, height, width = self.box(size, drawn)
        return (boxes - boxes.new_tensor([left, top] * 2)) * boxes.new_tensor([self.size[1] / width, self.size[0] / height] * 2)

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        return self.size


class RandomZoomOut(Sometimes):
    """`(c, h, w)` somewhere on a larger canvas."""

    draws = 3
    options: RandomZoomOutOptions

    def __init__(self, options: RandomZoomOutOptions) -> None:
        super().__init__(options)
        if options.side_range[0] < 1:
            fix = "let it begin at 1 or more; random_resized_crop cuts pieces"
            raise ConfigError(f"random_zoom_out.side_range begins at {options.side_range[0]:g}, below 1", fix=fix)

    def canvas(self, size: Size, drawn: Drawn) -> Box:
        """The canvas as a piece of the plane: where it begins, seen from the picture, and how large it is."""
        times = between(self.options.side_range[0], self.options.side_range[1], drawn[0])
        height, width = int(size[0] * times), int(size[1] * times)
        return -int((height - size[0]) * drawn[1]), -int((width - size[1]) * drawn[2]), height, width

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        canvas = self.canvas((picture.shape[-2], picture.shape[-1]), drawn)
        found: Tensor = functions.crop(picture, *canvas, fill_of(self.options.fill, picture))
        return found

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return crop_mask(mask, *self.canvas((mask.shape[0], mask.shape[1]), drawn))

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        top, left, _, _ = self.canvas(size, drawn)
        return boxes - boxes.new_tensor([left, top] * 2)

    def change_size(self, size: Size, drawn: Drawn) -> Size:
        return self.canvas(size, drawn)[2:]
