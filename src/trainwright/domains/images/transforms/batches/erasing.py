"""Boxes of pictures erased: what is drawn for each row of a batch, and the batch without it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.images.transforms.batches.options import CutoutOptions, RandomErasingOptions

TRIES = 10
"""How often a box is drawn that does not fit; after that the picture keeps it."""


class RandomErasing:
    """A batch `(b, c, h, w)` of normalised pictures with boxes of `value`, of one normal colour, or of normal noise."""

    def __init__(self, options: RandomErasingOptions) -> None:
        self.options, self.least = options, options.least_count or options.count

    def __call__(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Boxes are drawn on the CPU, the same on every device; noise where the batch is."""
        rows, options = len(batch), self.options
        numbers = torch.rand(rows, 2 + options.count * (2 * TRIES + 2), dtype=torch.float64, generator=torch.default_generator)
        boxes = self.boxes(numbers, batch.shape[-2], batch.shape[-1])
        for number in range(options.count):
            inside = inside_boxes(boxes[:, number].to(batch.device, non_blocking=True), *batch.shape[-2:])
            batch = torch.where(inside, self._filling(batch), batch)
        return batch

    def boxes(self, numbers: Float[Tensor, "b n"], height: int, width: int) -> Tensor:
        """Top, left, height and width of the boxes of each row (int64, b × count × 4), 0 high where there is none.

        As timm: area = U(scale)·A / boxes, ratio log-uniform, the first of ten that is smaller than the picture both ways.
        """
        options, rows = self.options, len(numbers)
        applied, drawn = numbers[:, 0] < options.p, self.least + (numbers[:, 1] * (options.count - self.least + 1)).floor().long()
        rest = numbers[:, 2:].view(rows, options.count, 2 * TRIES + 2)
        area = options.scale[0] + (options.scale[1] - options.scale[0]) * rest[..., :TRIES]
        area = area * height * width / drawn.clamp_max(options.count).view(-1, 1, 1)
        low, high = (math.log(each) for each in options.ratio)
        ratio = (low + (high - low) * rest[..., TRIES : 2 * TRIES]).exp()
        high_of, wide_of = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
        fits = (high_of < height) & (wide_of < width)
        first = fits.int().argmax(dim=-1, keepdim=True)
        there = applied.view(-1, 1) & fits.any(dim=-1) & (torch.arange(options.count) < drawn.view(-1, 1))
        tall, wide = (each.gather(-1, first).squeeze(-1) * there for each in (high_of, wide_of))
        top = (rest[..., -2] * (height - tall + 1)).floor().long()
        left = (rest[..., -1] * (width - wide + 1)).floor().long()
        return torch.stack([top, left, tall, wide], dim=-1)

    def _filling(self, batch: Tensor) -> Tensor:
        """What is put into boxes, of a shape that fits the batch."""
        if self.options.mode == "pixel":
            return torch.randn(batch.shape, dtype=batch.dtype, device=batch.device)
        if self.options.mode == "rand":
            return torch.randn(*batch.shape[:2], 1, 1, dtype=batch.dtype, device=batch.device)
        value = self.options.value
        levels = torch.tensor(value if isinstance(value, list) else [value], dtype=batch.dtype, device=batch.device)
        if len(levels) not in (1, batch.shape[1]):
            what = f"random_erasing has {len(levels)} values, and pictures have {batch.shape[1]} channels"
            raise DataError(what, fix="give one value, or one for each channel")
        return levels.view(1, -1, 1, 1)


class Cutout:
    """A batch `(b, c, h, w)` of normalised pictures with squares of zeros."""

    def __init__(self, options: CutoutOptions) -> None:
        self.options = options

    def __call__(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """A square about each of `count` middles; what lies outside the picture is cut off."""
        size, (height, width) = self.options.size, batch.shape[-2:]
        numbers = torch.rand(len(batch), 1 + 2 * self.options.count, dtype=torch.float64, generator=torch.default_generator)
        applied = numbers[:, 0] < self.options.p
        for number in range(self.options.count):
            middle, across = ((numbers[:, 1 + 2 * number + at] * side).floor().long() for at, side in enumerate((height, width)))
            box = torch.stack([middle - size // 2, across - size // 2, size * applied, size * applied], dim=-1)
            batch = batch.masked_fill(inside_boxes(box.to(batch.device, non_blocking=True), height, width), 0)
        return batch


def inside_boxes(boxes: Tensor, height: int, width: int) -> Bool[Tensor, "b 1 h w"]:
    """Which pixels lie in the box of each row, of top, left, height and width (int64, b × 4)."""
    top, left, tall, wide = boxes.unbind(dim=-1)
    down, along = torch.arange(height, device=boxes.device), torch.arange(width, device=boxes.device)
    rows = (down >= top[:, None]) & (down < (top + tall)[:, None])
    columns = (along >= left[:, None]) & (along < (left + wide)[:, None])
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
