"""The windows and mel bands of Kaldi, with the warping of vocal tract lengths (`mel-computations.cc`; torchaudio's `get_mel_banks`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError


@dataclass(frozen=True)
class Warp:
    """How frequencies are warped: by 1 / `factor` between two edges in Hz, linearly back to the ends of the bands beyond them."""

    factor: float
    low: float
    high: float


def frame_window(name: str, length: int, blackman_coeff: float = 0.42) -> Tensor:
    """Kaldi's windows, symmetric, float64; `povey` is hanning to the power of 0.85."""
    if name == "rectangular":
        return torch.ones(length, dtype=torch.float64)
    if name == "hamming":
        return torch.hamming_window(length, periodic=False, alpha=0.54, beta=0.46, dtype=torch.float64)
    if name == "blackman":
        turn = 2 * math.pi * torch.arange(length, dtype=torch.float64) / (length - 1)
        return blackman_coeff - 0.5 * turn.cos() + (0.5 - blackman_coeff) * (2 * turn).cos()
    hanning = torch.hann_window(length, periodic=False, dtype=torch.float64)
    return hanning.pow(0.85) if name == "povey" else hanning


def kaldi_bank(n_mels: int, padded: int, rate: float, low: float, high: float, warp: Warp | None = None) -> Tensor:
    """Triangles that are straight over mel, float64 `(padded / 2, n_mels)`."""
    ends = _to_mel(torch.tensor([low, high], dtype=torch.float64))
    width = (ends[1] - ends[0]) / (n_mels + 1)
    edges = ends[0] + width * torch.arange(n_mels + 2, dtype=torch.float64)
    if warp is not None:
        edges = _to_mel(_warped(700 * torch.expm1(edges / 1127), warp, low, high))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mel = _to_mel(torch.arange(padded // 2, dtype=torch.float64)[:, None] * (rate / padded))
    return torch.minimum((mel - left) / (centre - left), (right - mel) / (right - centre)).clamp_min(0)


def _to_mel(hertz: Tensor) -> Tensor:
    return 1127 * torch.log1p(hertz / 700)


def _warped(hertz: Tensor, warp: Warp, low: float, high: float) -> Tensor:
    """Hz → Hz, piecewise linear. Raises ConfigError for edges that are not within the bands."""
    if not low < warp.low < warp.high < high:
        why = f"bands lie between {low:g} and {high:g} Hz"
        raise ConfigError(
            f"vtln_low and vtln_high are {warp.low:g} and {warp.high:g} Hz", why=why, fix="f_min < vtln_low < vtln_high < f_max"
        )
    first, last = warp.low * max(1.0, warp.factor), warp.high * min(1.0, warp.factor)
    below = low + (first / warp.factor - low) / (first - low) * (hertz - low)
    above = high + (high - last / warp.factor) / (high - last) * (hertz - high)
    found = torch.where(hertz < first, below, torch.where(hertz < last, hertz / warp.factor, above))
    return torch.where((hertz < low) | (hertz > high), hertz, found)
