"""Kaldi's filter banks (`compute-fbank-feats`, torchaudio's `compliance.kaldi.fbank`), without dither and energy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.spectral_options import FbankOptions


class Fbank:
    """`(…, time)` → `(…, n_mels, frames)`: the natural logarithm of the power in each band."""

    def __init__(self, options: FbankOptions) -> None:
        rate = rate_of(options)
        self.length, self.shift = int(rate * options.frame_length / 1000), int(rate * options.frame_shift / 1000)
        if self.length < 2 or self.shift < 1:
            what, why = f"fbank has frames of {self.length} samples every {self.shift}", f"there are {rate:g} samples a second"
            raise ConfigError(what, why=why, fix="longer frames: frame_length, frame_shift (milliseconds)")
        top = options.f_max or rate / 2
        if not options.f_min < top <= rate / 2:
            why = f"at {rate:g} samples a second there is nothing above {rate / 2:g} Hz"
            raise ConfigError(f"fbank bands from {options.f_min:g} to {top:g} Hz cannot be", why=why, fix=f"f_min < f_max <= {rate / 2:g}")
        self.preemphasis, self.remove_mean = options.preemphasis, options.remove_mean
        self.padded = 1 << (self.length - 1).bit_length()
        self.window = frame_window(options.window, self.length)
        self.bank = kaldi_bank(options.n_mels, self.padded, rate, options.f_min, top)

    def __call__(self, sample: Tensor) -> Tensor:
        if sample.shape[-1] < self.length:
            what = f"a recording of {sample.shape[-1]} samples is too short for fbank"
            raise DataError(what, why=f"a frame has {self.length}", fix="a smaller frame_length, or fit_length before it")
        frames = sample.unfold(-1, self.length, self.shift)
        frames = frames - frames.mean(dim=-1, keepdim=True) if self.remove_mean else frames
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        frames = (frames - self.preemphasis * before) * self.window.to(sample.device, sample.dtype)
        spectrum = torch.fft.rfft(functional.pad(frames, (0, self.padded - self.length)))[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        energies = power @ self.bank.to(sample.device, sample.dtype)
        return energies.clamp_min(torch.finfo(torch.float32).eps).log().transpose(-1, -2)


def frame_window(name: str, length: int) -> Tensor:
    """Kaldi's windows, symmetric, float64; `povey` is hanning to the power of 0.85."""
    if name == "rectangular":
        return torch.ones(length, dtype=torch.float64)
    if name == "hamming":
        return torch.hamming_window(length, periodic=False, alpha=0.54, beta=0.46, dtype=torch.float64)
    hanning = torch.hann_window(length, periodic=False, dtype=torch.float64)
    return hanning.pow(0.85) if name == "povey" else hanning


def kaldi_bank(n_mels: int, padded: int, rate: float, low: float, high: float) -> Tensor:
    """Triangles that are straight over mel (1127 ln(1 + f / 700)), float64 `(padded / 2, n_mels)`."""
    edges = 1127 * torch.log1p(torch.tensor([low, high], dtype=torch.float64) / 700)
    width = (edges[1] - edges[0]) / (n_mels + 1)
    left = edges[0] + width * torch.arange(n_mels, dtype=torch.float64)
    mel = 1127 * torch.log1p(torch.arange(padded // 2, dtype=torch.float64)[:, None] * (rate / padded) / 700)
    return torch.minimum((mel - left) / width, (left + 2 * width - mel) / width).clamp_min(0)
