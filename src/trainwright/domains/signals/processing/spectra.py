"""Spectra over time, with the formulas and defaults of torchaudio and librosa."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.rows import AT_ONCE, joined
from trainwright.domains.signals.processing.scaling import decibels
from trainwright.domains.signals.processing.spectral_options import LFCCOptions, MelOptions, MFCCOptions, SpectrogramOptions

WINDOWS: dict[str, Callable[..., Tensor]] = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "ones": torch.ones,
}


class Spectrogram:
    """`(…, time)` → `(…, n_fft // 2 + 1, frames)`: the power (magnitude, complex numbers) of a short-time Fourier transform."""

    def __init__(self, options: SpectrogramOptions) -> None:
        self.n_fft, self.power, self.center = options.n_fft, options.power, options.center
        self.pad, self.pad_mode = options.pad, options.pad_mode
        self.win_length = options.win_length or options.n_fft
        self.hop_length = options.hop_length or self.win_length // 2
        shape = WINDOWS[options.window]
        window = shape(self.win_length, **({} if options.window == "ones" else {"periodic": options.periodic}), dtype=torch.float64)
        scales = {"none": 1.0, "window": float(window.square().sum()) ** -0.5, "frame_length": self.n_fft**-0.5}
        self.window = window * scales[options.normalized]

    def __call__(self, sample: Tensor) -> Tensor:
        flat = functional.pad(sample.reshape(-1, sample.shape[-1]), (self.pad, self.pad))
        self._ensure_long_enough(flat.shape[-1])
        window = self.window.to(sample.device, sample.dtype)
        found = torch.stft(flat, self.n_fft, self.hop_length, self.win_length, window, self.center, self.pad_mode, return_complex=True)
        found = found.reshape(*sample.shape[:-1], *found.shape[-2:])
        if self.power is None:
            return found
        power = found.real.square() + found.imag.square()
        return power if self.power == 2 else root_of(power, self.power / 2)

    def _ensure_long_enough(self, there: int) -> None:
        least = (self.n_fft // 2 + 1 if self.pad_mode == "reflect" else 1) if self.center else self.n_fft
        if there < least:
            what = f"a recording of {there} samples is too short for a spectrogram with n_fft: {self.n_fft}"
            raise DataError(what, why=f"{least} are needed", fix="a smaller n_fft, or fit_length before it")


def root_of(power: Tensor, exponent: float) -> Tensor:
    """Power to an exponent; silence has a derivative of 0, where that of a root is not finite."""
    return power.clamp_min(torch.finfo(power.dtype).tiny).pow(exponent)


class Mel(Spectrogram):
    """`(…, time)` → `(…, n_mels, frames)`: a spectrogram in bands of the mel scale."""

    def __init__(self, options: MelOptions) -> None:
        super().__init__(options)
        _ensure_real("mel", options)
        rate = rate_of(options)
        top = top_edge("mel", options.f_min, options.f_max, rate)
        self.bank = mel_bank(self.n_fft // 2 + 1, options.f_min, top, options.n_mels, rate, options.mel_scale, options.norm == "slaney")

    def __call__(self, sample: Tensor) -> Tensor:
        bank = self.bank.to(sample.device, sample.dtype).T
        rows = sample.reshape(-1, sample.shape[-1])
        if sample.device.type != "cpu" or sample.numel() <= AT_ONCE:
            return bank @ super().__call__(sample)
        pieces = list(torch.split(rows, max(AT_ONCE // sample.shape[-1], 1)))  # a spectrum is larger than its bands, and leaves the cache
        found = joined(pieces, lambda each: bank @ Spectrogram.__call__(self, each))
        return found.reshape(*sample.shape[:-1], *found.shape[-2:])


class MFCC(Mel):
    """`(…, time)` → `(…, n_mfcc, frames)`: the cosine transform of the decibels, 80 at most below the greatest (torchaudio)."""

    def __init__(self, options: MFCCOptions) -> None:
        super().__init__(options)
        if options.n_mfcc > options.n_mels:
            what = f"n_mfcc is {options.n_mfcc}, and there are {options.n_mels} mel bands"
            raise ConfigError(what, fix=f"n_mfcc: {options.n_mels} or less")
        self.cepstrum = Cepstrum(options.n_mfcc, options.n_mels, options.log_mels, options.dct_norm)

    def __call__(self, sample: Tensor) -> Tensor:
        return self.cepstrum(super().__call__(sample))


class LFCC(Spectrogram):
    """`(…, time)` → `(…, n_lfcc, frames)`: the same of bands that are equally wide in Hz (torchaudio's LFCC)."""

    def __init__(self, options: LFCCOptions) -> None:
        super().__init__(options)
        _ensure_real("lfcc", options)
        if options.n_lfcc > options.n_filter:
            what = f"n_lfcc is {options.n_lfcc}, and there are {options.n_filter} bands"
            raise ConfigError(what, fix=f"n_lfcc: {options.n_filter} or less")
        rate = rate_of(options)
        top = top_edge("lfcc", options.f_min, options.f_max, rate)
        points = torch.linspace(options.f_min, top, options.n_filter + 2, dtype=torch.float64)
        self.bank = triangles(torch.linspace(0, rate / 2, self.n_fft // 2 + 1, dtype=torch.float64), points)
        self.cepstrum = Cepstrum(options.n_lfcc, options.n_filter, options.log_lf, options.dct_norm)

    def __call__(self, sample: Tensor) -> Tensor:
        return self.cepstrum(self.bank.to(sample.device, sample.dtype).T @ super().__call__(sample))


class Cepstrum:
    """`(…, bands, frames)` of power → `(…, count, frames)`: a cosine transform of decibels, or of log(x + 1e-6)."""

    def __init__(self, count: int, bands: int, natural: bool, norm: str) -> None:
        self.cosines, self.natural = cosine_transform(count, bands, norm == "ortho"), natural

    def __call__(self, power: Tensor) -> Tensor:
        found = (power + 1e-6).log() if self.natural else decibels(power, 10.0, 1e-10, 80.0)
        return self.cosines.to(found.device, found.dtype) @ found


def top_edge(name: str, f_min: float, f_max: float | None, rate: float) -> float:
    """Hz at which the bands of a transform end. Raises ConfigError for bands that cannot be at a rate."""
    top = f_max or rate / 2
    if not f_min < top <= rate / 2:
        why = f"at {rate:g} samples a second there is nothing above {rate / 2:g} Hz"
        raise ConfigError(f"{name} bands from {f_min:g} to {top:g} Hz cannot be", why=why, fix=f"f_min < f_max <= {rate / 2:g}")
    return top


def _ensure_real(name: str, options: SpectrogramOptions) -> None:
    if options.power is None:
        raise ConfigError(f"{name} is of power or magnitude, and `power` is null", fix="power: 2, or spectrogram for complex numbers")


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
    bank = triangles(frequencies, points)
    return bank * (2 / (points[2:] - points[:-2])) if by_area else bank


def triangles(frequencies: Tensor, points: Tensor) -> Tensor:
    """One triangle for each three neighbouring points in Hz, of height 1, over frequencies: `(frequencies, points - 2)`."""
    widths, slopes = points.diff(), points[None] - frequencies[:, None]
    return torch.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]).clamp_min(0)


def cosine_transform(count: int, size: int, orthonormal: bool = True) -> Tensor:
    """The discrete cosine transform (type 2), float64 `(count, size)`; one that is not orthonormal is twice the sum, as scipy's."""
    places, numbers = torch.arange(size, dtype=torch.float64), torch.arange(count, dtype=torch.float64)
    found = 2 * torch.cos(math.pi / size * (places + 0.5) * numbers[:, None])
    if orthonormal:
        found *= math.sqrt(1 / (2 * size))
        found[0] /= math.sqrt(2)
    return found
