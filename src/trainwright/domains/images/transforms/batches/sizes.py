"""Pictures of a size that grows over the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from trainwright.data.transforms.place import BatchPlace
from trainwright.domains.images.transforms.batches.options import ProgressiveResizeOptions

WHERE = "columns.NAME.augment"


class ProgressiveResize:
    """A batch `(b, c, h, w)` at the size of the moment, antialiased; which follows from the number of the batch alone."""

    def __init__(self, options: ProgressiveResizeOptions) -> None:
        self.options, self.done = options, 0.0

    def tell_place(self, place: BatchPlace) -> None:
        """How much of the way to full size is made."""
        self.done = min(place.part_of(self.options.until, WHERE), 1.0)

    def __call__(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w2"]:
        """The batch made smaller, or as it is at full size."""
        scale = self.scale()
        height, width = (self.side(each, scale) for each in batch.shape[-2:])
        if (height, width) == tuple(batch.shape[-2:]):
            return batch
        return functional.interpolate(batch, (height, width), mode="bilinear", antialias=True)

    def scale(self) -> float:
        """The share of full size; draws one number where there are several sizes."""
        options = self.options
        if options.sizes is None:
            return options.initial_scale + (options.final_scale - options.initial_scale) * self.done
        mark = float(torch.rand((), dtype=torch.float64, generator=torch.default_generator))
        for size, chance in zip(options.sizes, chances(len(options.sizes), self.done, options.spread, options.random_mix), strict=True):
            mark -= chance
            if mark < 0:
                return size
        return options.sizes[-1]

    def side(self, full: int, scale: float) -> int:
        """A side in pixels: the nearest multiple of the increment, full size where the share is 1."""
        step = self.options.size_increment
        return full if scale >= 1 else min(max(round(full * scale / step) * step, step), full)


def chances(count: int, done: float, spread: float, random_mix: float) -> Sequence[float]:
    """The probability of each of `count` sizes, `done` of the way from the first to the last: a bell of `spread` places about the middle of
    the moment, and `random_mix` of all alike (timm's ScheduledBatchSampler)."""
    middle = done * (count - 1)
    if spread == 0:
        nearest = min(abs(place - middle) for place in range(count))
        weights = [float(abs(place - middle) == nearest) for place in range(count)]
    else:
        weights = [math.exp(-0.5 * ((place - middle) / spread) ** 2) for place in range(count)]
    total = sum(weights)
    return [(1 - random_mix) * each / total + random_mix / count for each in weights]
