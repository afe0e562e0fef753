"""Other numbers for what a recording or a spectrogram holds."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.signals.processing.channel_options import StandardizeOptions
from trainwright.domains.signals.processing.spectral_options import DecibelOptions, LogOptions


class Standardize:
    """(x − mean) / deviation, of each channel over all that follows it, or of the whole; what is flat, or NaN, becomes 0."""

    def __init__(self, options: StandardizeOptions) -> None:
        self.by, self.eps = options.by, options.eps

    def __call__(self, sample: Tensor) -> Tensor:
        dims = tuple(range(1 if self.by == "channel" else 0, sample.dim()))
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
    """10 log₁₀(max(x, amin) / reference), floored at `top_db` below the greatest (torchaudio's amplitude_to_DB, librosa's power_to_db)."""

    def __init__(self, options: DecibelOptions) -> None:
        self.amin, self.relative, self.top = options.amin, options.reference == "max", options.top_db

    def __call__(self, sample: Tensor) -> Tensor:
        found = 10 * sample.clamp_min(self.amin).log10()
        greatest = found.amax(dim=tuple(range(-min(sample.dim(), 3), 0)), keepdim=True)
        found = found - greatest if self.relative else found
        if self.top is None:
            return found
        return torch.maximum(found, (torch.zeros_like(greatest) if self.relative else greatest) - self.top)
