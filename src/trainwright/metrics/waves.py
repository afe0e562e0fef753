"""How near predicted signals are to the true ones: SNR, SI-SDR, PRD and log-spectral distance; time is the last dimension."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.metrics.pair_options import CenterOptions, SpectrumOptions
from trainwright.metrics.pairs import PairMetric

log = logging.getLogger("trainwright.metrics")

FLOOR = 1e-10
"""Of the largest power of a true signal, below which a spectrum counts as that: its logarithm would say nothing but rounding."""


class SignalMetric(PairMetric):
    """Mean over signals; a true signal that is silent has no such number, is left out, and counted."""

    def take_in(self, output: Tensor, target: Tensor) -> None:
        """Sum up the signals that are not silent: all dimensions but the last are signals of their own."""
        if output.dim() < 2:
            why = f"a batch has shape {tuple(output.shape)}"
            raise DataError(f"'{self.name}' is of signals", where=self.name, why=why, fix="give (rows, time) or (rows, channels, time)")
        one, other = (each.reshape(-1, each.shape[-1]) for each in (output, target))
        if getattr(self.options, "center", False):
            one, other = (each - each.mean(1, keepdim=True) for each in (one, other))
        silent = other.square().sum(1) == 0  # one with a value that is no number is not silent
        values = self.each(one, other).where(~silent, 0.0)
        self.add(total=values.sum(), rows=(~silent).sum(), silent=silent.sum(), undefined=values.isnan().sum())

    def compute(self) -> dict[str, float]:
        """The mean over the signals that are not silent; NaN where there are none."""
        if self.sums and (silent := int(self.sums["silent"])):
            log.info("%s: %s true signals are silent, and left out", self.name, f"{silent:,}")
        return super().compute()


class SNR(SignalMetric):
    """10 log10(Σ true² / Σ (true − predicted)²), dB; infinite where a signal is exact."""

    kind, config = "snr", CenterOptions

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return decibels(target.square().sum(1), (target - output).square().sum(1))


class SISDR(SignalMetric):
    """Scale-invariant signal-to-distortion ratio, dB (Le Roux et al. 2019, equation 5)."""

    kind, config = "si_sdr", CenterOptions

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        scale = (output * target).sum(1, keepdim=True) / target.square().sum(1, keepdim=True)
        scaled = scale * target
        return decibels(scaled.square().sum(1), (scaled - output).square().sum(1))


class PRD(SignalMetric):
    """Percent root-mean-square difference, 100 √(Σ (true − predicted)² / Σ true²); with `center` that of signals without their mean."""

    kind, config, up = "prd", CenterOptions, False

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return 100.0 * ((target - output).square().sum(1) / target.square().sum(1)).sqrt()


class LogSpectralDistance(SignalMetric):
    """Mean over frames of the root mean square over frequencies of 10 log10(true power / predicted power), dB (Gray and Markel 1976)."""

    kind, config, up = "log_spectral_distance", SpectrumOptions, False
    options: SpectrumOptions

    def take_in(self, output: Tensor, target: Tensor) -> None:
        """Sum up the signals. Raises DataError for those that are shorter than a frame."""
        if output.shape[-1] < self.options.n_fft:
            what = f"'{self.name}' needs signals of {self.options.n_fft} samples or more"
            fix = f"shorter frames: {{type: {self.kind}, n_fft: {2 ** max(int(math.log2(output.shape[-1])), 2)}}}"
            raise DataError(what, where=self.name, why=f"these have {output.shape[-1]}", fix=fix)
        super().take_in(output, target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        floor = FLOOR * self._power(target).amax((1, 2), keepdim=True)
        true, predicted = (self._power(each).maximum(floor).log10() for each in (target, output))
        return (10.0 * (true - predicted)).square().mean(1).sqrt().mean(1)

    def _power(self, signals: Tensor) -> Tensor:
        options: Any = self.options
        window = torch.hann_window(options.n_fft, dtype=signals.dtype, device=signals.device)
        hop = options.hop_length or options.n_fft // 4
        return torch.stft(signals, options.n_fft, hop, window=window, center=False, return_complex=True).abs().square()


def decibels(signal: Tensor, noise: Tensor) -> Tensor:
    """10 log10 of a ratio of energies."""
    return 10.0 * (signal / noise).log10()
