"""Spectra over time, with the formulas and defaults of torchaudio and librosa."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.spectral_options import MelOptions, MFCCOptions, SpectrogramOptions

WINDOWS: dict[str, Callable[..., Tensor]] = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "ones": torch.ones,
}


class Spectrogram:
    """`(…, time)` → `(…, n_fft // 2 + 1, frames)`: the power (or magnitude) of a short-time Fourier transform."""

    def __init__(self, options: SpectrogramOptions) -> None:
        self.n_fft, self.power, self.center = options.n_fft, options.power, options.center
        self.win_length = options.win_length or options.n_fft
        self.hop_length = options.hop_length or self.win_length // 2
        self.window = WINDOWS[options.window](self.win_length, dtype=torch.float64)

    def __call__(self, sample: Tensor) -> Tensor:
        least = self.n_fft // 2 + 1 if self.center else self.n_fft
        if sample.shape[-1] < least:
            what = f"a recording of {sample.shape[-1]} samples is too short for a spectrogram with n_fft: {self.n_fft}"
            raise DataError(what, why=f"{least} are needed", fix="a smaller n_fft, or fit_length before it")
        window = self.window.to(sample.device, sample.dtype)
        flat = sample.reshape(-1, sample.shape[-1])
        found = torch.stft(flat, self.n_fft, self.hop_length, self.win_length, window, self.center, "reflect", return_complex=True)
        power = found.real.square() + found.imag.square()  # no root, whose derivative at silence is not finite
        power = power if self.power == 2 else power.pow(self.power / 2)
        return power.reshape(*sample.shape[:-1], *power.shape[-2:])


class Mel(Spectrogram):
    """`(…, time)` → `(…, n_mels, frames)`: a spectrogram in bands of the mel scale."""

    def __init__(self, options: MelOptions) -> None:
        super().__init__(options)
        rate = rate_of(options)
        top = options.f_max or rate / 2
        if not options.f_min < top <= rate / 2:
            why = f"at {rate:g} samples a second there is nothing above {rate / 2:g} Hz"
            raise ConfigError(f"mel bands from {options.f_min:g} to {top:g} Hz cannot be", why=why, fix=f"f_min < f_max <= {rate / 2:g}")
        self.bank = mel_bank(self.n_fft // 2 + 1, options.f_min, top, options.n_mels, rate, options.mel_scale, options.norm == "slaney")

    def __call__(self, sample: Tensor) -> Tensor:
        return self.bank.to(sample.device, sample.dtype).T @ super().__call__(sample)


class MFCC(Mel):
    """`(…, time)` → `(…, n_mfcc, frames)`: the orthonormal cosine transform of the decibels, 80 at most below the greatest (torchaudio)."""

    def __init__(self, options: MFCCOptions) -> None:
        super().__init__(options)
        if options.n_mfcc > options.n_mels:
            what = f"n_mfcc is {options.n_mfcc}, and there are {options.n_mels} mel bands"
            raise ConfigError(what, fix=f"n_mfcc: {options.n_mels} or less")
        self.cosines = cosine_transform(options.n_mfcc, options.n_mels)

    def __call__(self, sample: Tensor) -> Tensor:
        found = 10 * super().__call__(sample).clamp_min(1e-10).log10()
        found = torch.maximum(found, found.amax(dim=tuple(range(-min(found.dim(), 3), 0)), keepdim=True) - 80)
        return self.cosines.to(found.device, found.dtype) @ found


def to_mel(hertz: Tensor, scale: str) -> Tensor:
    """Hz → mel: `htk` 2595 log₁₀(1 + f / 700); `slaney` linear up to 1 kHz, logarithmic above (Slaney 1998)."""
    if scale == "htk":
        return 2595 * torch.log10(1 + hertz / 700)
    step, edge = 200 / 3, 1000.0
    return torch.where(hertz < edge, hertz / step, edge / step + torch.log(hertz.clamp_min(1e-9) / edge) * 27 / math.log(6.4))


def to_hertz(mel: Tensor, scale: str) -> Tensor:
    """mel → Hz."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    step, edge = 200 / 3, 1000.0
    return torch.where(mel < edge / step, mel * step, edge * torch.exp((mel - edge / step) * math.log(6.4) / 27))


def mel_bank(bins: int, f_min: float, f_max: float, n_mels: int, rate: float, scale: str, by_area: bool) -> Tensor:
    """Triangles over frequency, float64 `(bins, n_mels)`, as torchaudio's `melscale_fbanks`; `by_area`: each over its width (Slaney)."""
    frequencies = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    ends = to_mel(torch.tensor([f_min, f_max], dtype=torch.float64), scale)
    points = to_hertz(torch.linspace(float(ends[0]), float(ends[1]), n_mels + 2, dtype=torch.float64), scale)
    widths, slopes = points.diff(), points[None] - frequencies[:, None]
    bank = torch.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]).clamp_min(0)
    return bank * (2 / (points[2:] - points[:-2])) if by_area else bank


def cosine_transform(count: int, size: int) -> Tensor:
    """The orthonormal discrete cosine transform (type 2), float64 `(count, size)`."""
    places, numbers = torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64)
    found = torch.cos(math.pi / size * (places + 0.5) * numbers[:, None]) * math.sqrt(2 / size)
    found[0] /= math.sqrt(2)
    return found
