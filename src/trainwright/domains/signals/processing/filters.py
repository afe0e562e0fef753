"""Filters along time, as scipy's: designed once, applied to all channels together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.filter_options import BandOptions, FilterOptions, HighpassOptions, LowpassOptions, NotchOptions
from trainwright.domains.signals.processing.rates import check_edges, rate_of


class Butterworth:
    """A Butterworth filter in second-order sections over `(…, time)`, equal to scipy's in float64."""

    def __init__(self, options: FilterOptions) -> None:
        from scipy.signal import butter

        rate, kind = rate_of(options), str(options.type)
        if isinstance(options, LowpassOptions | HighpassOptions):
            edges: Any = options.edge
        else:
            edges = [cast(BandOptions, options).low, cast(BandOptions, options).high]
        check_edges(kind, [edges] if isinstance(edges, float) else edges, rate)
        self.name, self.zero_phase = kind, options.phase == "zero"
        self.sections = butter(options.order, edges, kind, fs=rate, output="sos")

    def __call__(self, sample: Tensor) -> Tensor:
        from scipy.signal import sosfilt, sosfiltfilt

        return filter_along_time(
            self.name, (lambda x: sosfiltfilt(self.sections, x)) if self.zero_phase else (lambda x: sosfilt(self.sections, x)), sample
        )


class Notch:
    """One frequency taken out, forwards and backwards."""

    def __init__(self, options: NotchOptions) -> None:
        from scipy.signal import iirnotch

        rate = rate_of(options)
        check_edges("notch", [options.frequency], rate)
        self.numerator, self.denominator = iirnotch(options.frequency, options.quality, fs=rate)

    def __call__(self, sample: Tensor) -> Tensor:
        from scipy.signal import filtfilt

        return filter_along_time("notch", lambda x: filtfilt(self.numerator, self.denominator, x), sample)


def filter_along_time(name: str, function: Callable[[np.ndarray], np.ndarray], sample: Tensor) -> Tensor:
    """A function of scipy's over a sample, in float64 and back. Raises DataError for one that is too short for its ends, or has gaps."""
    if not bool(torch.isfinite(sample).all()):
        why = "one of them would become of the whole channel"
        raise DataError(f"{name} is given values that are no numbers", why=why, fix="unreadable: repair fills them in where they are read")
    try:
        found = function(sample.detach().to("cpu", torch.float64).numpy())
    except ValueError as error:
        why = f"it has {sample.shape[-1]} samples: {error}"
        raise DataError(
            f"a recording is too short for {name}", why=why, fix=f"use a lower order, or phase: causal; or leave {name} out"
        ) from error
    return torch.from_numpy(np.ascontiguousarray(found)).to(sample.dtype).to(sample.device)
