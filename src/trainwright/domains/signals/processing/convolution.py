"""Filters of finite response over `(…, time)` by FFT, as `filtfilt(taps, 1, x)` and `lfilter(taps, 1, x)` of scipy: differentiable."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.rows import given_type, over_rows, rows_of, unrounded, working_type


def fir_filtfilt(taps: Any, x: Tensor, *, name: str = "fir_filtfilt") -> Tensor:
    """`x` `(…, time)` forwards and backwards through taps, as `scipy.signal.filtfilt(taps, 1, x)`: once through their autocorrelation.

    Raises DataError, which calls the filter `name`, for no more samples than taps − 1 (scipy asks for three times as many), and for values
    that are no numbers.
    """
    taps = np.asarray(taps, np.float64)
    return over_rows(lambda rows: _centred(np.correlate(taps, taps, "full"), rows, name), x, name)


def fir_centred(taps: Any, x: Tensor, *, name: str = "fir_centred") -> Tensor:
    """`x` `(…, time)` once through an odd number of taps and moved back by half of them; beyond its ends it goes on turned about them."""
    return over_rows(lambda rows: _centred(np.asarray(taps, np.float64), rows, name), x, name)


def fir_causal(taps: Any, x: Tensor, state: Tensor | None = None, *, name: str = "fir_causal") -> tuple[Tensor, Tensor]:
    """`x` `(…, time)` forwards through taps from `state` (None: at rest), as `scipy.signal.lfilter(taps, 1, x)`, and the state after it.

    The state `(…, taps − 1)` holds the samples before; pieces that are filtered one after the other are the same as the whole.
    """
    taps, rows, kind = np.asarray(taps, np.float64), rows_of(x, name), working_type(x)
    shape = (*x.shape[:-1], len(taps) - 1)
    if state is None:
        state = rows.new_zeros(shape, dtype=kind)
    if state.shape != shape:
        fix = "give the one that came with the piece before, of as many channels"
        raise DataError(f"{name} is given a state of the shape {tuple(state.shape)}, not {shape}", fix=fix)
    whole = torch.cat([state.reshape(len(rows), shape[-1]).to(kind), rows.to(kind)], dim=1)
    last = whole.narrow(1, x.shape[-1], shape[-1]).reshape(shape)
    if not x.numel():
        return x, last
    with unrounded(x):
        found = _convolved(taps, whole)
    return found.reshape(x.shape).to(given_type(x)), last


def _centred(taps: np.ndarray, x: Tensor, name: str) -> Tensor:
    """`(rows, time)` through an odd number of taps, the middle one on each sample."""
    time, reach = x.shape[-1], len(taps) // 2
    if time <= reach:
        why = f"it has {time} samples, and needs more than the {reach} that the ends are continued by"
        raise DataError(f"a recording is too short for {name}", why=why, fix=f"use fewer taps, or phase: causal; or leave {name} out")
    mean = x.mean(-1, keepdim=True)  # what is constant passes by itself: float32 keeps its digits for the rest
    x = x - mean
    left = 2 * x[:, :1] - x[:, 1 : reach + 1].flip(-1)
    right = 2 * x[:, -1:] - x[:, time - reach - 1 : time - 1].flip(-1)
    return _convolved(taps, torch.cat([left, x, right], dim=1)) + mean * float(taps.sum())


def _convolved(taps: np.ndarray, x: Tensor) -> Tensor:
    """`(rows, time + taps − 1)` → `(rows, time)`, where all taps lie on samples."""
    from scipy.fft import next_fast_len

    size = next_fast_len(x.shape[-1], real=True)
    answer = _spectrum(taps.tobytes(), size).to(x.device, x.dtype.to_complex())
    found = torch.fft.irfft(torch.fft.rfft(x, size) * answer, size)  # what wraps around lands on samples before the first of all taps
    return found[:, len(taps) - 1 : x.shape[-1]]


@lru_cache(maxsize=16)
def _spectrum(taps: bytes, size: int) -> Tensor:
    return torch.from_numpy(np.fft.rfft(np.frombuffer(taps), size))
