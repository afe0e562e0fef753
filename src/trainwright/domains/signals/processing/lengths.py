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
        self.repeats, self.place = options.fill == "repeat", options.place

    def __call__(self, sample: Tensor) -> Tensor:
        there = sample.shape[-1]
        if there >= self.length:
            begin = (there - self.length) // 2 if self.place == "middle" else 0
            return sample.narrow(-1, begin, self.length)
        if self.repeats and there:
            return torch.cat([sample] * -(-self.length // there), dim=-1).narrow(-1, 0, self.length)
        return torch.nn.functional.pad(sample, (0, self.length - there))
