"""Filters of finite response over `(…, time)` by FFT, as `filtfilt(taps, 1, x)` and `lfilter(taps, 1, x)` of scipy: differentiable."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.rows import ensure_numbers, given_type, over_rows, rows_of, unrounded, working_type


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
    taps, rows, kind = np.asarray(taps, np.float64), ensure_numbers(rows_of(x, name), name), working_type(x)
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
        whole = torch.nn.functional.pad(whole, (0, _filled(x.shape[-1], shape[-1]) - whole.shape[-1]))
        found = _convolved(taps, whole).reshape(len(rows), -1)[:, : x.shape[-1]]
    return found.reshape(x.shape).to(given_type(x)), last


def _centred(taps: np.ndarray, x: Tensor, name: str) -> Tensor:
    """`(rows, time)` through an odd number of taps, the middle one on each sample."""
    time, reach = x.shape[-1], len(taps) // 2
    if time <= reach:
        why = f"it has {time} samples, and needs more than the {reach} that the ends are continued by"
        raise DataError(f"a recording is too short for {name}", why=why, fix=f"use fewer taps, or phase: causal; or leave {name} out")
    mean = x.mean(-1, keepdim=True)  # what is constant passes by itself: float32 keeps its digits for the rest
    whole = x.new_empty(len(x), _filled(time, 2 * reach))
    inside = whole.narrow(1, reach, time).copy_(x).sub_(mean)
    whole.narrow(1, 0, reach).copy_(2 * inside[:, :1] - inside[:, 1 : reach + 1].flip(-1))
    whole.narrow(1, reach + time, reach).copy_(2 * inside[:, -1:] - inside[:, time - reach - 1 : time - 1].flip(-1))
    whole[:, time + 2 * reach :] = 0
    found = _convolved(taps, whole) + (mean * float(taps.sum()))[..., None]
    return found.reshape(len(x), -1)[:, :time]


def _frame(time: int, reach: int) -> int:
    """Samples of a frame: longer ones leave the cache, shorter ones read more samples twice."""
    size = max(1024, 1 << (4 * reach).bit_length())
    return size if time + reach > size else int(next_fast_len(time + reach, real=True))


def _filled(time: int, reach: int) -> int:
    """Samples of whole frames that overlap by `reach` and give `time` samples or more."""
    hop = _frame(time, reach) - reach
    return -(-time // hop) * hop + reach


def _convolved(taps: np.ndarray, x: Tensor) -> Tensor:
    """`(rows, _filled(time, taps − 1))` → `(rows, frames, samples of each)`, where all taps lie on samples: each by its spectrum."""
    reach = len(taps) - 1
    size = _frame(x.shape[-1] - reach, reach)
    answer = _spectrum(taps.tobytes(), size).to(x.device, x.dtype.to_complex())
    found = torch.fft.irfft(torch.fft.rfft(x.unfold(1, size, size - reach)).mul_(answer), size)
    return found[..., reach:]  # what wraps around lands on samples before the first of all taps


@lru_cache(maxsize=16)
def _spectrum(taps: bytes, size: int) -> Tensor:
    return torch.from_numpy(np.fft.rfft(np.frombuffer(taps), size))
