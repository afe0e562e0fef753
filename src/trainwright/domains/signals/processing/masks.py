"""Stretches of recordings and spectrograms that are silenced (SpecAugment, Park et al. 2019), with torchaudio's widths and places."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.signals.processing.augmentation import Augmentation, over_rows, uniform
from trainwright.domains.signals.processing.augmentation_options import MaskFrequencyOptions, MaskOptions, MaskTimeOptions


class Mask(Augmentation):
    """Stretches along a dimension, at the mean of their row or at a number."""

    dim: int

    def __init__(self, options: MaskOptions, width: int, share: float = 1.0) -> None:
        super().__init__(options)
        self.width, self.share, self.count, self.value = width, share, options.count, options.value

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, …)` with other masks in each row."""
        size, axis = rows.shape[self.dim], rows.dim() + self.dim
        at = torch.arange(size, device=rows.device).view([-1 if each == axis else 1 for each in range(rows.dim())])
        for _ in range(self.count):
            length, place = uniform(2, len(rows))
            begin, end = mask_span(length, place, size, self.width, self.share)
            inside = (at >= over_rows(begin, rows)) & (at < over_rows(end, rows))
            value = rows.flatten(1).mean(dim=1) if self.value == "mean" else torch.full((len(rows),), float(self.value))
            rows = torch.where(inside, over_rows(value, rows).to(rows.dtype), rows)
        return rows


def mask_span(length: Tensor, place: Tensor, size: int, width: int, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """First and last + 1 entry of masks, of two numbers in [0, 1) for each: torchaudio's `mask_along_axis`, where a mask fits."""
    most = min(width, size if share >= 1 else int(size * share))
    span = length.double() * most
    begin = (place.double() * (size - span)).floor()
    return begin.long(), (begin + span.floor()).long()


class MaskFrequency(Mask):
    """Bands of `(…, frequencies, frames)`."""

    dim = -2

    def __init__(self, options: MaskFrequencyOptions) -> None:
        super().__init__(options, options.width)


class MaskTime(Mask):
    """Stretches of `(…, time)`."""

    dim = -1

    def __init__(self, options: MaskTimeOptions) -> None:
        super().__init__(options, options.width, options.share)
