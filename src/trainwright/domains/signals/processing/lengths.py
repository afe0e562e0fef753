"""Recordings at one length."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.signals.processing.channel_options import FitLengthOptions
from trainwright.domains.signals.processing.rates import rate_of


class FitLength:
    """Cuts longer recordings and fills up shorter ones, along time."""

    def __init__(self, options: FitLengthOptions) -> None:
        self.length = max(round(options.seconds * rate_of(options)), 1)
        self.fill, self.place = options.fill, options.place

    def __call__(self, sample: Tensor) -> Tensor:
        there = sample.shape[-1]
        if there >= self.length:
            return sample.narrow(-1, self._before(there - self.length), self.length)
        before = self._before(self.length - there)
        if self.fill == "zeros" or not there:
            return torch.nn.functional.pad(sample, (before, self.length - there - before))
        places = torch.arange(-before, self.length - before, device=sample.device)
        return sample.index_select(-1, source_places(places, there, self.fill))

    def _before(self, difference: int) -> int:
        """How much of a difference in length lies before."""
        return {"start": 0, "middle": difference // 2, "end": difference}[self.place]


def source_places(places: Tensor, there: int, fill: str) -> Tensor:
    """Where samples beyond the ends of a recording of `there` samples come from."""
    if fill == "edge":
        return places.clamp(0, there - 1)
    if fill == "repeat" or there == 1:
        return places.remainder(there)
    turned = places.remainder(2 * there - 2)  # mirrored at the first and the last sample, neither of them twice
    return torch.where(turned < there, turned, 2 * there - 2 - turned)
