"""uint8 pictures `(c, h, w)` resized and warped by Pillow; angles are degrees counter-clockwise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from trainwright.domains.images.resizing import FILTERS, resize_and_crop_image, resize_image
from trainwright.domains.images.transforms.matrices import Matrix, Points, from_corner, inverse_affine, perspective_of
from trainwright.domains.images.transforms.pillow.pictures import Fill, changed, color_of, planes_of, to_pillow


def resize(picture: Tensor, size: tuple[int, int], interpolation: str = "bilinear", antialias: bool = True) -> Tensor:
    """`(c, h, w)` → `(c, *size)`, always antialiased: Pillow has no other way."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    return each_kind(picture, lambda image, _: resize_image(image, size, interpolation), None)


def resize_and_crop(
    picture: Tensor, resized: tuple[int, int], box: tuple[int, int, int, int], interpolation: str = "bilinear", antialias: bool = True
) -> Tensor:
    """The piece `box` (top, left, height, width), which lies inside, of the picture at another size."""
    if len(picture) not in (1, 3):
        return torch.cat([resize_and_crop(plane[None], resized, box, interpolation) for plane in picture])
    return planes_of(resize_and_crop_image(to_pillow(picture), resized, box, interpolation))


def resized_crop(
    picture: Tensor, box: tuple[int, int, int, int], size: tuple[int, int], interpolation: str = "bilinear", antialias: bool = True
) -> Tensor:
    """The piece `box` (top, left, height, width) of the picture, at another size."""
    top, left, height, width = box
    return resize(picture[:, top : top + height, left : left + width], size, interpolation)


def rotate(picture: Tensor, degrees: float, interpolation: str = "nearest", expand: bool = False, fill: Fill | None = None) -> Tensor:
    """Turned about its middle; with `expand` as large as is needed to show all of it."""
    return each_kind(picture, lambda image, color: image.rotate(degrees, FILTERS[interpolation], expand, fillcolor=color), fill)


def affine(
    picture: Tensor,
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shear: tuple[float, float] = (0.0, 0.0),
    interpolation: str = "nearest",
    fill: Fill | None = None,
) -> Tensor:
    """Turned (here clockwise, as torchvision has it), moved by (x, y) pixels, scaled, and sheared by (x, y) degrees about its middle."""
    return by_matrix(picture, inverse_affine(degrees, translate, scale, shear), interpolation, fill)


def by_matrix(
    picture: Tensor, matrix: Matrix, interpolation: str = "nearest", fill: Fill | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Sampled where a matrix (a, b, c, d, e, f) says: of the pixel (x, y), from the middle, comes (ax + by + c, dx + ey + f)."""
    there = picture.shape[-2], picture.shape[-1]
    return transform(picture, from_corner(matrix, there, size or there), interpolation, fill, size)


def transform(
    picture: Tensor, matrix: Matrix, interpolation: str = "nearest", fill: Fill | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """The same with places counted from the upper left corner: `Image.transform` by an affine matrix."""
    height, width = size or (picture.shape[-2], picture.shape[-1])

    def change(image: Image.Image, color: int | tuple[int, ...] | None) -> Image.Image:
        return image.transform((width, height), Image.Transform.AFFINE, matrix, FILTERS[interpolation], fillcolor=color)

    return each_kind(picture, change, fill)


def perspective(picture: Tensor, start: Points, end: Points, interpolation: str = "bilinear", fill: Fill | None = None) -> Tensor:
    """Seen so that the four corners `start` (x, y) come to lie at `end`."""
    numbers = perspective_of(start, end)

    def transform(image: Image.Image, color: int | tuple[int, ...] | None) -> Image.Image:
        return image.transform(image.size, Image.Transform.PERSPECTIVE, numbers, FILTERS[interpolation], fillcolor=color)

    return each_kind(picture, transform, fill)


def each_kind(picture: Tensor, change: Callable[[Image.Image, int | tuple[int, ...] | None], Image.Image], fill: Fill | None) -> Tensor:
    """What a function of a picture and a colour makes of one of any number of channels."""
    channels = len(picture)
    if channels in (1, 3):
        return changed(picture, lambda image: change(image, color_of(fill, channels)))
    colors = color_of(fill, channels)
    found = []
    for place, plane in enumerate(picture):
        color = colors[place] if isinstance(colors, tuple) else colors
        found.append(changed(plane[None], lambda image, color=color: change(image, color)))  # type: ignore[misc]
    return torch.cat(found)
