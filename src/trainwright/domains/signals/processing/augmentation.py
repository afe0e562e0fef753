"""Recordings and spectrograms varied at random, from torch's default generator, which is seeded for every sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.domains.signals.processing.augmentation_options import (
    AddNoiseOptions,
    BaselineWanderOptions,
    DropLeadsOptions,
    GainOptions,
    MaskFrequencyOptions,
    MaskTimeOptions,
    ShiftOptions,
)
from trainwright.domains.signals.processing.rates import check_edges, rate_of


def mask_along(sample: Tensor, dim: int, width: float) -> Tensor:
    """The sample with a stretch of a dimension at its mean: as long as is drawn from [0, width), where it fits (Park et al. 2019)."""
    size = sample.shape[dim]
    length = float(torch.rand(())) * min(width, size)
    begin = int(float(torch.rand(())) * (size - length))
    masked = sample.clone()
    masked.narrow(dim, begin, int(length)).fill_(float(sample.mean()))
    return masked


class MaskFrequency:
    """Bands of `(…, frequencies, frames)` at the mean of the sample."""

    def __init__(self, options: MaskFrequencyOptions) -> None:
        self.width, self.count = options.width, options.count

    def __call__(self, sample: Tensor) -> Tensor:
        for _ in range(self.count):
            sample = mask_along(sample, -2, self.width)
        return sample


class MaskTime:
    """Stretches of `(…, time)` at the mean of the sample."""

    def __init__(self, options: MaskTimeOptions) -> None:
        self.width, self.share, self.count = options.width, options.share, options.count

    def __call__(self, sample: Tensor) -> Tensor:
        for _ in range(self.count):
            sample = mask_along(sample, -1, min(self.width, self.share * sample.shape[-1]))
        return sample


class Gain:
    """Times a number drawn between two, its logarithm uniform."""

    def __init__(self, options: GainOptions) -> None:
        self.low, self.high = sorted((math.log(options.low), math.log(options.high)))

    def __call__(self, sample: Tensor) -> Tensor:
        return sample * math.exp(self.low + (self.high - self.low) * float(torch.rand(())))


class AddNoise:
    """White noise `snr` dB below the power of each channel."""

    def __init__(self, options: AddNoiseOptions) -> None:
        self.low, self.high = sorted((options.low, options.high))

    def __call__(self, sample: Tensor) -> Tensor:
        snr = self.low + (self.high - self.low) * float(torch.rand(()))
        power = sample.var(dim=-1, keepdim=True, correction=0)
        return sample + torch.randn(sample.shape) * (power * 10 ** (-snr / 10)).sqrt()


class Shift:
    """Turned in time."""

    def __init__(self, options: ShiftOptions) -> None:
        self.most = max(round(options.seconds * rate_of(options)), 1)

    def __call__(self, sample: Tensor) -> Tensor:
        return sample.roll(int(torch.randint(-self.most, self.most + 1, ())), dims=-1)


class DropLeads:
    """Channels of `(channels, time)` set to zero; the last one left stays."""

    def __init__(self, options: DropLeadsOptions) -> None:
        self.p = options.p

    def __call__(self, sample: Tensor) -> Tensor:
        kept = torch.rand(sample.shape[0]) >= self.p
        kept[int(torch.randint(len(kept), ()))] |= not bool(kept.any())
        return sample * kept.view(-1, *[1] * (sample.dim() - 1))


class BaselineWander:
    """A sine of random size, pace and phase on each channel."""

    def __init__(self, options: BaselineWanderOptions) -> None:
        self.rate, self.size, self.low, self.high = rate_of(options), options.size, options.low, options.high
        check_edges("baseline_wander", [options.high], self.rate)

    def __call__(self, sample: Tensor) -> Tensor:
        size, pace, phase = torch.rand(3, sample.shape[0], 1)
        time = torch.arange(sample.shape[-1]) / self.rate
        hertz = self.low + (self.high - self.low) * pace
        return sample + self.size * size * torch.sin(2 * math.pi * (hertz * time + phase))
