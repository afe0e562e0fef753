"""Other numbers for what a recording or a spectrogram holds."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.signals.processing.channel_options import StandardizeOptions
from trainwright.domains.signals.processing.spectral_options import DecibelOptions, LogOptions


class Standardize:
    """(x − mean) / deviation, of each channel over all that follows it, or of the whole; what is flat, or NaN, becomes 0."""

    def __init__(self, options: StandardizeOptions) -> None:
        self.kept, self.eps = int(options.rows_first) + (options.by == "channel"), options.eps

    def __call__(self, sample: Tensor) -> Tensor:
        dims = tuple(range(self.kept, sample.dim()))
        centred = sample - sample.nanmean(dim=dims, keepdim=True)
        scaled = centred / centred.square().nanmean(dim=dims, keepdim=True).sqrt().clamp_min(self.eps)
        return scaled.nan_to_num(nan=0.0)


class Log:
    """log(x + eps)."""

    def __init__(self, options: LogOptions) -> None:
        self.eps = options.eps

    def __call__(self, sample: Tensor) -> Tensor:
        return (sample + self.eps).log()


class Decibel:
    """10 log₁₀ of a power or 20 of a magnitude, no less than `top_db` below the greatest (torchaudio, librosa)."""

    def __init__(self, options: DecibelOptions) -> None:
        self.factor, self.amin = 20.0 if options.stype == "magnitude" else 10.0, options.amin
        self.relative, self.top = options.reference == "max", options.top_db

    def __call__(self, sample: Tensor) -> Tensor:
        found = decibels(sample, self.factor, self.amin, self.top)
        return found - _greatest(found) if self.relative else found


def decibels(values: Tensor, factor: float, amin: float, top: float | None) -> Tensor:
    """`factor` log₁₀ max(x, amin) of `(…, channels, frequencies, frames)`, no less than `top` below the greatest of each recording."""
    found = factor * values.clamp_min(amin).log10()
    return found if top is None else torch.maximum(found, _greatest(found) - top)


def _greatest(values: Tensor) -> Tensor:
    return values.amax(dim=tuple(range(-min(values.dim(), 3), 0)), keepdim=True)
