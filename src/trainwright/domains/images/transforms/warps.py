"""Pictures turned, moved, sheared and bent at random; masks by the nearest pixel, boxes around where their corners go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.domains.images.transforms import functions, tensors
from trainwright.domains.images.transforms.base import Drawn, Size, Sometimes, between, generator_of, ignored, whole_below
from trainwright.domains.images.transforms.fit import fill_of
from trainwright.domains.images.transforms.geometry_options import (
    ElasticTransformOptions,
    RandomAffineOptions,
    RandomPerspectiveOptions,
    RandomRotateOptions,
    RandomRotationOptions,
)
from trainwright.domains.images.transforms.masks import perspective_mask, warp_mask
from trainwright.domains.images.transforms.matrices import Matrix, from_corner, inverse_affine, inverted, perspective_of, rotated_size
from trainwright.domains.images.transforms.tensors.pieces import Fill
from trainwright.domains.images.transforms.tensors.warping import smooth_warp

Affine = tuple[float, tuple[float, float], float, tuple[float, float]]
"""Degrees clockwise, pixels along (x, y), how many times as large, and degrees of shear along (x, y)."""


def around(points: Tensor) -> Tensor:
    """`(n, 4, 2)` corners (x, y) → the boxes `(n, 4)` that hold them."""
    return torch.cat([points.amin(1), points.amax(1)], dim=-1)


def corners(boxes: Tensor) -> Tensor:
    """Boxes `(n, 4)` → their four corners `(n, 4, 2)`."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([left, top, right, top, right, bottom, left, bottom], dim=-1).view(-1, 4, 2)


def moved(boxes: Tensor, way: Matrix) -> Tensor:
    """Boxes around where a matrix takes the corners of boxes."""
    a, b, c, d, e, f = way
    x, y = corners(boxes).unbind(-1)
    return around(torch.stack([a * x + b * y + c, d * x + e * y + f], dim=-1))


class Warp(Sometimes):
    """What pictures and the colour of what comes into view have in common where they are turned or bent."""

    options: Any

    def fill(self, picture: Tensor) -> Fill:
        """The colour for the channels of a picture, in its range, or `edge`."""
        return "edge" if self.options.fill == "edge" else fill_of(self.options.fill, picture)

    def route(self, picture: Tensor) -> Any:
        """What has functions for a picture: Pillow knows nothing of edges."""
        return tensors if self.options.fill == "edge" else functions


def symmetric(given: float | Sequence[float]) -> tuple[float, float]:
    """One number as what lies between minus it and it; two as they are."""
    return (given[0], given[1]) if isinstance(given, Sequence) else (-given, given)


class RandomAffine(Warp):
    """Turned, moved, scaled and sheared at once."""

    draws = 6
    options: RandomAffineOptions

    def __init__(self, options: RandomAffineOptions) -> None:
        super().__init__(options)
        self.degrees = symmetric(options.degrees)
        self.translate = options.translate or [0.0, 0.0]
        self.scale = options.scale or [1.0, 1.0]
        shear: Sequence[float] = symmetric(options.shear or 0.0)
        shear = options.shear if isinstance(options.shear, list) else shear
        self.shear = [*shear, 0.0, 0.0] if len(shear) == 2 else list(shear)

    def numbers_of(self, size: Size, drawn: Drawn) -> Affine:
        """What is done to a picture of a size; pictures move by whole pixels, as in torchvision."""
        across, down = self.translate[0] * size[1], self.translate[1] * size[0]
        return (
            between(*self.degrees, drawn[0]),
            (round(between(-across, across, drawn[1])), round(between(-down, down, drawn[2]))),
            between(self.scale[0], self.scale[1], drawn[3]),
            (between(self.shear[0], self.shear[1], drawn[4]), between(self.shear[2], self.shear[3], drawn[5])),
        )

    def matrix(self, size: Size, drawn: Drawn) -> Matrix:
        """Where pixels of the result come from, counted from the upper left."""
        return from_corner(inverse_affine(*self.numbers_of(size, drawn)), size, size)

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        size, fill = (picture.shape[-2], picture.shape[-1]), self.fill(picture)
        matrix = inverse_affine(*self.numbers_of(size, drawn))
        if self.options.interpolation == "bilinear":
            return smooth_warp(picture, [matrix], fill)
        return torch.as_tensor(self.route(picture).by_matrix(picture, matrix, self.options.interpolation, fill))

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return warp_mask(mask, self.matrix((mask.shape[0], mask.shape[1]), drawn))

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        return moved(boxes, inverted(self.matrix(size, drawn)))

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        size = batch.shape[-2], batch.shape[-1]
        rows = [inverse_affine(*self.numbers_of(size, each)) for each in drawn.tolist()]
        return warp_rows(batch, rows, self.options.interpolation, self.fill(batch))


class RandomRotation(Warp):
    """Turned about its middle."""

    draws = 1
    options: RandomRotationOptions | RandomRotateOptions

    def __init__(self, options: RandomRotationOptions | RandomRotateOptions) -> None:
        super().__init__(options)
        self.degrees = symmetric(options.degree if isinstance(options, RandomRotateOptions) else options.degrees)
        self.expand = not isinstance(options, RandomRotateOptions) and options.expand

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        size, fill = (picture.shape[-2], picture.shape[-1]), self.fill(picture)
        degrees = between(*self.degrees, drawn[0])
        if self.expand:
            way, wider = inverse_affine(-degrees), self.change_size(size, drawn)
            return torch.as_tensor(self.route(picture).by_matrix(picture, way, self.options.interpolation, fill, wider))
        return torch.as_tensor(self.route(picture).rotate(picture, degrees, self.options.interpolation, False, fill))

    def matrix(self, size: Size, drawn: Drawn) -> Matrix:
        """Where pixels of the result come from, counted from the upper left."""
        return from_corner(inverse_affine(-between(*self.degrees, drawn[0])), size, self.change_size(size, drawn))

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        size = mask.shape[0], mask.shape[1]
        return warp_mask(mask, self.matrix(size, drawn), self.change_size(size, drawn))

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        return moved(boxes, inverted(self.matrix(size, drawn)))

    def change_size(self, size: Size, drawn: Drawn) -> Size:
        return rotated_size(inverse_affine(-between(*self.degrees, drawn[0])), size) if self.expand else size

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        rows = [inverse_affine(-between(*self.degrees, each)) for each in drawn[:, 0].tolist()]
        return warp_rows(batch, rows, self.options.interpolation, self.fill(batch))


def warp_rows(batch: Tensor, matrices: Sequence[Matrix], interpolation: str, fill: Fill) -> Tensor:
    """float `(rows, c, h, w)`, each row sampled where its own matrix says, of places counted from the middle."""
    if interpolation == "bilinear":
        return smooth_warp(batch, matrices, fill)
    return torch.cat([tensors.by_matrix(each[None], one, interpolation, fill) for each, one in zip(batch, matrices, strict=True)])


def is_convex(points: Sequence[tuple[float, float]]) -> bool:
    """Whether four corners, in their order, have an area that can be seen: no three lie on a line, and none beyond the others."""
    turns = []
    for at, (x, y) in enumerate(points):
        (u, v), (w, z) = points[at - 1], points[(at + 1) % len(points)]
        turns.append((x - u) * (z - y) - (y - v) * (w - x))
    return min(turns) > 0


class RandomPerspective(Warp):
    """Seen from another side: each corner moves towards the middle."""

    draws = 8
    options: RandomPerspectiveOptions

    def ends(self, size: Size, drawn: Drawn) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The corners of a picture of a size, and where they come to lie (torchvision's RandomPerspective)."""
        rows, columns = size
        across, down = int(self.options.distortion_scale * (columns // 2)), int(self.options.distortion_scale * (rows // 2))
        start = [(0, 0), (columns - 1, 0), (columns - 1, rows - 1), (0, rows - 1)]
        moves = [(whole_below(across + 1, drawn[2 * one]), whole_below(down + 1, drawn[2 * one + 1])) for one in range(4)]
        end = [(x + dx if x == 0 else x - dx, y + dy if y == 0 else y - dy) for (x, y), (dx, dy) in zip(start, moves, strict=True)]
        return (start, end) if is_convex(end) else (start, start)

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return super().picture(picture, drawn) if min(picture.shape[-2:]) > 1 else picture  # a line has no other side

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return super().mask(mask, drawn) if min(mask.shape) > 1 else mask

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        return super().boxes(boxes, size, drawn) if min(size) > 1 else boxes

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        corners = self.ends((picture.shape[-2], picture.shape[-1]), drawn)
        return torch.as_tensor(self.route(picture).perspective(picture, *corners, self.options.interpolation, self.fill(picture)))

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return perspective_mask(mask, perspective_of(*self.ends((mask.shape[0], mask.shape[1]), drawn)))

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        start, end = self.ends(size, drawn)
        a, b, c, d, e, f, g, h = perspective_of(end, start)  # the way back: where points go
        x, y = corners(boxes).unbind(-1)
        below = g * x + h * y + 1
        return around(torch.stack([(a * x + b * y + c) / below, (d * x + e * y + f) / below], dim=-1))


class ElasticTransform(Warp):
    """Bent by a smooth field of random moves."""

    draws = 1
    options: ElasticTransformOptions

    def displacement(self, size: Size, drawn: Drawn) -> Tensor:
        """Where pixels come from, less where they are, `(1, h, w, 2)` in halves of width and height (torchvision's ElasticTransform)."""
        alpha, sigma = self.options.alpha, self.options.sigma
        noise = torch.rand((2, 1, *size), generator=generator_of(drawn[0])) * 2 - 1
        kernel = [min(int(8 * sigma + 1) | 1, 2 * side - 1) for side in reversed(size)]  # no wider than a mirrored border can be
        smooth = tensors.gaussian_blur(noise, kernel, [sigma, sigma])
        return torch.stack([smooth[0, 0] * (alpha / size[1]), smooth[1, 0] * (alpha / size[0])], dim=-1)[None]

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        field = self.displacement((picture.shape[-2], picture.shape[-1]), drawn)
        return tensors.elastic(picture, field, self.options.interpolation, self.fill(picture))

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        field = self.displacement((mask.shape[0], mask.shape[1]), drawn)
        return tensors.elastic(mask[None].double(), field, "nearest", ignored(mask))[0].to(mask.dtype)

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        """Corners moved against the field where they are, which is near to where they go while moves are small."""
        points = corners(boxes)
        places = 2 * points / points.new_tensor([size[1], size[0]]) - 1
        field = self.displacement(size, drawn).permute(0, 3, 1, 2).to(points)
        there = torch.nn.functional.grid_sample(field, places[None], padding_mode="border", align_corners=False)
        return around(points - there[0].permute(1, 2, 0) * points.new_tensor([size[1] / 2, size[0] / 2]))
