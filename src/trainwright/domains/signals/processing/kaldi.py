"""Kaldi's filter banks (`compute-fbank-feats`, torchaudio's `compliance.kaldi.fbank`), without dither."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing.kaldi_bank import Warp, frame_window, kaldi_bank
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.spectra import root_of
from trainwright.domains.signals.processing.spectral_options import FbankOptions

EPSILON = torch.finfo(torch.float32).eps
"""The least energy that has a logarithm."""


class Fbank:
    """`(…, time)` → `(…, n_mels, frames)`, with `use_energy` one row more: the natural logarithm of the power in each band."""

    def __init__(self, options: FbankOptions) -> None:
        self.options, rate = options, rate_of(options)
        self.length, self.shift = int(rate * options.frame_length / 1000), options.samples_of_shift(rate)
        if self.length < 2 or self.shift < 1:
            what, why = f"fbank has frames of {self.length} samples every {self.shift}", f"there are {rate:g} samples a second"
            raise ConfigError(what, why=why, fix="longer frames: frame_length, frame_shift (milliseconds)")
        self.padded = 1 << (self.length - 1).bit_length() if options.round_to_power_of_two else self.length
        if self.padded % 2:
            what, why = (
                f"fbank has frames of {self.length} samples",
                "a transform that is not rounded to a power of two needs an even number",
            )
            raise ConfigError(what, why=why, fix="another frame_length, or round_to_power_of_two: true")
        self.window = frame_window(options.window, self.length, options.blackman_coeff)
        self.bank = kaldi_bank(options.n_mels, self.padded, rate, *band_edges(options, rate), _warp(options, rate))

    def __call__(self, sample: Tensor) -> Tensor:
        options, frames = self.options, self._frames(sample)
        frames = frames - frames.mean(dim=-1, keepdim=True) if options.remove_mean else frames
        loudness = self._energy(frames) if options.use_energy and options.raw_energy else None
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        frames = (frames - options.preemphasis * before) * self.window.to(sample.device, sample.dtype)
        loudness = self._energy(frames) if options.use_energy and not options.raw_energy else loudness
        spectrum = torch.fft.rfft(functional.pad(frames, (0, self.padded - self.length)))[..., : self.padded // 2]
        power = spectrum.real.square() + spectrum.imag.square()
        found = (power if options.use_power else root_of(power, 0.5)) @ self.bank.to(sample.device, sample.dtype)
        found = found.clamp_min(EPSILON).log() if options.use_log_fbank else found
        if loudness is not None:
            found = torch.cat([found, loudness] if options.htk_compat else [loudness, found], dim=-1)
        found = found - found.mean(dim=-2, keepdim=True) if options.subtract_mean else found
        return found.transpose(-1, -2)

    def _frames(self, sample: Tensor) -> Tensor:
        """`(…, frames, length)`: those within the recording, or with its ends mirrored (`snip_edges: false`). Raises DataError."""
        there = sample.shape[-1]
        if there < self.length:
            what = f"a recording of {there} samples is too short for fbank"
            raise DataError(what, why=f"a frame has {self.length}", fix="a smaller frame_length, or fit_length before it")
        if self.options.snip_edges:
            return sample.unfold(-1, self.length, self.shift)
        count, before = (there + self.shift // 2) // self.shift, self.length // 2 - self.shift // 2
        mirrored = sample.flip(-1)
        whole = torch.cat([mirrored[..., there - before :], sample, mirrored] if before > 0 else [sample[..., -before:], mirrored], dim=-1)
        return whole.unfold(-1, self.length, self.shift)[..., :count, :]

    def _energy(self, frames: Tensor) -> Tensor:
        """The logarithm of the energy of each frame `(…, frames, 1)`, with Kaldi's floor."""
        found = frames.square().sum(dim=-1, keepdim=True).clamp_min(EPSILON).log()
        return found.clamp_min(math.log(self.options.energy_floor)) if self.options.energy_floor else found


def band_edges(options: FbankOptions, rate: float) -> tuple[float, float]:
    """Hz at which the bands begin and end. Raises ConfigError for those that cannot be."""
    top = rate / 2 if options.f_max is None else options.f_max if options.f_max > 0 else rate / 2 + options.f_max
    if not options.f_min < top <= rate / 2:
        why = f"at {rate:g} samples a second there is nothing above {rate / 2:g} Hz"
        raise ConfigError(f"fbank bands from {options.f_min:g} to {top:g} Hz cannot be", why=why, fix=f"f_min < f_max <= {rate / 2:g}")
    return options.f_min, top


def _warp(options: FbankOptions, rate: float) -> Warp | None:
    if options.vtln_warp == 1:
        return None
    return Warp(options.vtln_warp, options.vtln_low, options.vtln_high if options.vtln_high > 0 else rate / 2 + options.vtln_high)
