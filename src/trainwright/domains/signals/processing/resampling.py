"""Recordings `(…, time)` at another rate: batched, differentiable, on any device."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.filter_options import ResampleOptions
from trainwright.domains.signals.processing.polyphase import Polyphase, polyphase_kernel, sinc_kernel
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.rows import over_rows
from trainwright.domains.signals.reading.rates import MOST_RATIO


class Resample:
    """`(…, time)` of one rate at another: `ceil(time · to / rate)` samples."""

    def __init__(self, options: ResampleOptions) -> None:
        self.rate, self.to, self.ends = rate_of(options), options.to, options.ends if options.method == "polyphase" else "zeros"
        ratio = Fraction(self.to).limit_denominator(MOST_RATIO) / Fraction(self.rate).limit_denominator(MOST_RATIO)
        self.up, self.down = ratio.numerator, ratio.denominator
        self.filter: Polyphase | None = None
        if self.up == self.down:
            return
        if options.method == "polyphase":
            self.filter = Polyphase(self.up, self.down, polyphase_kernel(self.up, self.down))
        elif options.method == "sinc":
            beta = options.beta if options.window == "kaiser" else None
            self.filter = Polyphase(self.up, self.down, sinc_kernel(self.up, self.down, options.width, options.rolloff, beta))

    def __call__(self, sample: Tensor) -> Tensor:
        if self.up == self.down:
            return sample
        if not sample.shape[-1]:
            raise DataError("a recording without samples has no other rate", fix="leave its row out")
        return over_rows(self._resampled, sample, "resample")

    def _resampled(self, x: Tensor) -> Tensor:
        count = -(-x.shape[-1] * self.up // self.down)
        if self.filter is None:
            exact = x.double() if x.device.type != "mps" else x  # a sum over all of time, which other threads split otherwise
            return resample_fourier(exact, count).to(x.dtype)
        if self.ends == "zeros":
            return self.filter(x, count)
        if self.ends == "mean":
            mean = x.mean(-1, keepdim=True)
            return self.filter(x - mean, count) + mean
        first, slope = x[:, :1], (x[:, -1:] - x[:, :1]) / max(x.shape[-1] - 1, 1)
        given = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
        wanted = torch.arange(count, dtype=x.dtype, device=x.device) * (self.down / self.up)
        return self.filter(x - (first + slope * given), count) + first + slope * wanted


def resample_fourier(x: Tensor, count: int) -> Tensor:
    """`(…, time)` → `(…, count)` by its spectrum, taken as periodic, as `scipy.signal.resample(x, count)`."""
    time = x.shape[-1]
    spectrum, common = torch.fft.rfft(x), min(time, count)
    kept = spectrum[..., : common // 2 + 1]
    if common % 2 == 0 and time != count:  # the highest frequency stands for itself and its mirror image
        factor = torch.ones(kept.shape[-1], dtype=x.dtype, device=x.device)
        factor[-1] = 2.0 if count < time else 0.5
        kept = kept * factor
    return torch.fft.irfft(kept, count) * (count / time)
