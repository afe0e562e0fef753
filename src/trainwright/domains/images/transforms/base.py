"""What a transform of pictures is: a function of a picture, or of its mask or boxes, and of numbers that are drawn once for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.features.masks import IGNORED

Size = tuple[int, int]
"""Height and width in pixels."""
Drawn = Sequence[float]
"""Numbers of 0 to 1, one uniform draw of a sample."""


class PictureTransform:
    """A transform of single pictures `(c, h, w)`, uint8 or floats of 0 to 1, and in the same way of masks `(h, w)` and boxes.

    Its numbers are drawn at once, and always as many: a mask that repeats the draws of its picture meets the same ones.
    """

    numbers: int = 0
    """How many numbers of 0 to 1 it is given for each sample."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.name = str(options.type)

    def __call__(self, sample: Tensor) -> Tensor:
        """A sample transformed, or on the device a batch of them, by numbers of torch's default generator, which is seeded for it."""
        if self.options.runs_on == "device":
            return self._on_device(sample)
        self._check(sample)
        drawn = torch.rand(self.numbers, generator=torch.default_generator).tolist() if self.numbers else []
        return self.mask(sample, drawn) if self.options.on == "mask" else self.picture(sample, drawn)

    def _check(self, sample: Tensor) -> None:
        wanted = 2 if self.options.on == "mask" else 3
        if sample.dim() == wanted and sample.numel():
            return
        shape = "(height, width)" if wanted == 2 else "(channels, height, width)"
        fix = "add the dimension of channels: x[None]" if sample.dim() < wanted else "give one picture at a time"
        raise DataError(f"{self.name} is given an array of shape {tuple(sample.shape)}", why=f"it takes {shape}", fix=fix)

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        """A picture `(c, h, w)` transformed."""
        raise NotImplementedError

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        """The classes `(h, w)` of a picture that the same numbers transform; as they are, unless pixels move."""
        return mask

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        """Boxes `(n, 4)`, x and y of two corners in pixels, of a picture of a size that the same numbers transform; not yet clipped."""
        return boxes

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        """How large a picture of a size is then."""
        return size

    def batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        """float32 `(rows, c, h, w)` of 0 to 1, by numbers `(rows, numbers)`: each row by its own."""
        raise NotImplementedError

    def _on_device(self, batch: Tensor) -> Tensor:
        """uint8, or floats of 0 to 255, `(rows, …, c, h, w)` → float32 of 0 to 255; the numbers are drawn on the CPU, alike everywhere."""
        if batch.dim() < 4:
            what = f"{self.name} on the device is given an array of shape {tuple(batch.shape)}"
            raise DataError(what, why="it takes batches (rows, channels, height, width)", fix="leave out runs_on: device")
        rows = batch.flatten(0, -4)
        copies = len(rows) // max(len(batch), 1)  # of several pictures in a row each is transformed alike
        drawn = torch.rand((len(batch), self.numbers), generator=torch.default_generator).to(batch.device, non_blocking=True)
        found = self.batch(rows.float() / 255, drawn.repeat_interleave(copies, 0)) * 255
        return found.reshape(*batch.shape[:-2], *found.shape[-2:])


class Sometimes(PictureTransform):
    """A transform that leaves some pictures as they are: the first of its numbers says which."""

    draws = 0
    """How many numbers it is given beside that one."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.p = float(getattr(options, "p", 1.0))
        self.numbers = 1 + self.draws

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return self.change(picture, drawn[1:]) if drawn[0] < self.p else picture

    def mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        return self.change_mask(mask, drawn[1:]) if drawn[0] < self.p else mask

    def boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        return self.change_boxes(boxes, size, drawn[1:]) if drawn[0] < self.p else boxes

    def size_after(self, size: Size, drawn: Drawn) -> Size:
        return self.change_size(size, drawn[1:]) if drawn[0] < self.p else size

    def batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        changed = self.change_batch(batch, drawn[:, 1:])
        return changed if self.p == 1 else torch.where((drawn[:, 0] < self.p).view(-1, 1, 1, 1), changed, batch)

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        """A picture `(c, h, w)` transformed, whatever `p` is."""
        raise NotImplementedError

    def change_mask(self, mask: Tensor, drawn: Drawn) -> Tensor:
        """The classes `(h, w)` of a picture that is transformed so; as they are, unless pixels move."""
        return mask

    def change_boxes(self, boxes: Tensor, size: Size, drawn: Drawn) -> Tensor:
        """Boxes of a picture of a size that is transformed so."""
        return boxes

    def change_size(self, size: Size, drawn: Drawn) -> Size:
        """How large a picture that is transformed so is then."""
        return size

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        """float32 `(rows, c, h, w)` of 0 to 1, each row transformed by its own numbers `(rows, draws)`."""
        raise NotImplementedError


def between(low: float, high: float, drawn: float) -> float:
    """A number of 0 to 1 as one between two."""
    return low + (high - low) * drawn


def whole_below(count: int, drawn: float) -> int:
    """A number of 0 to 1 as a whole one, 0 to `count` − 1, all alike likely."""
    return min(int(drawn * count), count - 1)


def generator_of(drawn: float) -> torch.Generator:
    """A generator of its own, for as many numbers as a picture has pixels; what it gives follows from one number of 0 to 1."""
    return torch.Generator().manual_seed(int(drawn * (1 << 53)))


def ignored(mask: Tensor) -> int:
    """What stands in a mask where there is no picture: what is ignored, −100, or 255 where numbers have no sign."""
    return IGNORED if mask.dtype.is_signed else 255
