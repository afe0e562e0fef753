"""Recordings and spectrograms varied at random, from torch's default generators, which are seeded for every sample and every batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.augmentation_options import (
    AddNoiseOptions,
    BaselineWanderOptions,
    DropLeadsOptions,
    GainOptions,
    ShiftOptions,
    TimeWarpOptions,
    TrainingOptions,
)
from trainwright.domains.signals.processing.rates import check_edges, rate_of


class Augmentation:
    """What varies `(channels, …, time)`, or each row of a batch by itself, where that comes first."""

    def __init__(self, options: TrainingOptions) -> None:
        self.name, self.rows_first = str(options.type), options.rows_first

    def __call__(self, sample: Tensor) -> Tensor:
        least = 3 if self.rows_first else 2
        if sample.dim() < least:
            wanted = "(rows, channels, …, time)" if self.rows_first else "(channels, …, time)"
            what = f"{self.name} is given {tuple(sample.shape)}"
            raise DataError(what, why=f"it varies {wanted}", fix="add the dimension of channels: x[None]")
        return self.vary(sample) if self.rows_first else self.vary(sample[None])[0]

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, channels, …, time)`, each row varied in its own way."""
        raise NotImplementedError


def uniform(*shape: int) -> Tensor:
    """Numbers in [0, 1), drawn on the CPU, so that they are the same on every device."""
    return torch.rand(shape, generator=torch.default_generator)


def over_rows(numbers: Tensor, rows: Tensor) -> Tensor:
    """Numbers of rows `(r, …)` where the rows are, in as many dimensions."""
    return numbers.to(rows.device, non_blocking=True).view(*numbers.shape, *[1] * (rows.dim() - numbers.dim()))


class Gain(Augmentation):
    """Times a number drawn between two, its logarithm uniform."""

    def __init__(self, options: GainOptions) -> None:
        super().__init__(options)
        self.low, self.high = sorted((math.log(options.low), math.log(options.high)))

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, …)`, each at its own loudness."""
        return rows * over_rows((self.low + (self.high - self.low) * uniform(len(rows))).exp(), rows).to(rows.dtype)


class AddNoise(Augmentation):
    """White noise `snr` dB below the power of each channel."""

    def __init__(self, options: AddNoiseOptions) -> None:
        super().__init__(options)
        self.low, self.high = sorted((options.low, options.high))

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, …, time)`, each with noise at its own ratio; the noise is drawn where the rows are."""
        snr = over_rows(self.low + (self.high - self.low) * uniform(len(rows)), rows)
        power = rows.var(dim=-1, keepdim=True, correction=0)
        return rows + torch.randn(rows.shape, device=rows.device, dtype=rows.dtype) * (power * 10 ** (-snr / 10)).sqrt()


class Shift(Augmentation):
    """Turned in time."""

    def __init__(self, options: ShiftOptions) -> None:
        super().__init__(options)
        self.most = max(round(options.seconds * rate_of(options)), 1)

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, …, time)`, each turned by its own number of samples."""
        by = torch.randint(-self.most, self.most + 1, (len(rows),), generator=torch.default_generator).to(rows.device)
        places = (torch.arange(rows.shape[-1], device=rows.device) - by[:, None]).remainder(rows.shape[-1])
        return rows.gather(-1, along_time(places, rows))


class DropLeads(Augmentation):
    """Channels set to zero; of those that would all be, one stays."""

    def __init__(self, options: DropLeadsOptions) -> None:
        super().__init__(options)
        self.p = options.p

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, channels, …)`, each without its own choice of channels."""
        kept = uniform(*rows.shape[:2]) >= self.p
        last = (uniform(len(rows)) * rows.shape[1]).long()
        kept[torch.arange(len(rows)), last] |= ~kept.any(dim=1)
        return rows * over_rows(kept, rows)


class BaselineWander(Augmentation):
    """A sine of random size, pace and phase on each channel."""

    def __init__(self, options: BaselineWanderOptions) -> None:
        super().__init__(options)
        self.rate, self.size, self.low, self.high = rate_of(options), options.size, options.low, options.high
        check_edges("baseline_wander", [options.high], self.rate)

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, channels, time)` with a wave of its own on each channel."""
        size, pace, phase = (over_rows(each, rows) for each in uniform(3, *rows.shape[:2]))
        time = torch.arange(rows.shape[-1], device=rows.device) / self.rate
        hertz = self.low + (self.high - self.low) * pace
        return rows + (self.size * size * torch.sin(2 * math.pi * (hertz * time + phase))).to(rows.dtype)


class TimeWarp(Augmentation):
    """A point of time moved, and linear interpolation on both sides of it (Park et al. 2019, section 2)."""

    def __init__(self, options: TimeWarpOptions) -> None:
        super().__init__(options)
        self.width = options.width

    def vary(self, rows: Tensor) -> Tensor:
        """`(rows, …, time)`, each warped in its own way; its first and last sample stay where they are."""
        last = rows.shape[-1] - 1
        width = min(self.width, last // 2)
        if width < 1:
            return rows
        point, moved = uniform(2, len(rows), 1).to(rows.device)
        point = width + (last - 2 * width) * point
        to = (point + width * (2 * moved - 1)).clamp(1, last - 1)
        time = torch.arange(last + 1, device=rows.device)
        source = torch.where(time < to, time * point / to, point + (time - to) * (last - point) / (last - to)).clamp(0, last)
        before = source.floor().long().clamp_max(last - 1)
        weight = along_time((source - before).to(rows.dtype), rows)
        return torch.lerp(rows.gather(-1, along_time(before, rows)), rows.gather(-1, along_time(before + 1, rows)), weight)


def along_time(numbers: Tensor, rows: Tensor) -> Tensor:
    """Numbers `(rows, time)` for every channel and band."""
    return numbers.view(len(numbers), *[1] * (rows.dim() - 2), -1).expand(*rows.shape[:-1], numbers.shape[-1])
