"""Filters along time: designed by scipy for the rate of what they are given, applied to all channels together."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.processing.convolution import fir_causal, fir_centred, fir_filtfilt
from trainwright.domains.signals.processing.filter_options import (
    BandOptions,
    BandpassOptions,
    FilterOptions,
    FirOptions,
    HighpassOptions,
    LowpassOptions,
    NotchOptions,
    PresetFilterOptions,
)
from trainwright.domains.signals.processing.functions import transform_of
from trainwright.domains.signals.processing.rates import check_edges, rate_of
from trainwright.domains.signals.processing.sections import sosfilt, sosfiltfilt, steady_state


class Sections:
    """A filter in second-order sections over `(…, time)`."""

    def __init__(self, name: str, sections: np.ndarray, zero_phase: bool) -> None:
        self.name, self.sections, self.zero_phase = name, sections, zero_phase

    def __call__(self, sample: Tensor) -> Tensor:
        return sosfiltfilt(self.sections, sample, name=self.name) if self.zero_phase else self.follow(sample, None)[0]

    def follow(self, piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """A piece `(…, time)` filtered forwards from the state after the piece before, None at the beginning, and the state after it."""
        return sosfilt(self.sections, piece, state, name=self.name)

    def settled(self, first: Tensor) -> Tensor:
        """The state after `first` `(…)` has gone on for ever."""
        return steady_state(self.sections, first)


class Butterworth(Sections):
    """A Butterworth filter, as scipy's `butter` with `sosfiltfilt` or `sosfilt`."""

    def __init__(self, options: FilterOptions) -> None:
        from scipy.signal import butter

        rate, kind = rate_of(options), str(options.type)
        if isinstance(options, LowpassOptions | HighpassOptions):
            edges: Any = options.edge
        else:
            edges = [cast(BandOptions, options).low, cast(BandOptions, options).high]
        check_edges(kind, [edges] if isinstance(edges, float) else edges, rate)
        super().__init__(kind, butter(options.order, edges, kind, fs=rate, output="sos"), options.phase == "zero")


class Notch(Sections):
    """One frequency taken out, forwards and backwards, as scipy's `iirnotch` with `filtfilt`."""

    def __init__(self, options: NotchOptions) -> None:
        from scipy.signal import iirnotch

        rate = rate_of(options)
        check_edges("notch", [options.frequency], rate)
        super().__init__("notch", np.concatenate(iirnotch(options.frequency, options.quality, fs=rate))[None], True)


class Fir:
    """A windowed filter of finite response, as scipy's `firwin` with `filtfilt` or `lfilter`."""

    def __init__(self, options: FirOptions) -> None:
        from scipy.signal import firwin

        rate = rate_of(options)
        edges = [each for each in (options.low, options.high) if each is not None]
        check_edges("fir", edges, rate)
        count = options.taps or int(0.3 * rate) // 2 * 2 + 1
        window = ("kaiser", options.beta) if options.window == "kaiser" else options.window
        self.phase = options.phase
        keeps_zero = (options.low is None) == (options.band == "pass")
        self.taps = firwin(count, edges, window=window, pass_zero=keeps_zero, scale=options.scale, fs=rate)

    def __call__(self, sample: Tensor) -> Tensor:
        if self.phase == "causal":
            return self.follow(sample, None)[0]
        return (fir_filtfilt if self.phase == "zero" else fir_centred)(self.taps, sample, name="fir")

    def follow(self, piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """A piece `(…, time)` filtered forwards from the state after the piece before, None at the beginning, and the state after it."""
        return fir_causal(self.taps, piece, state, name="fir")

    def settled(self, first: Tensor) -> Tensor:
        """The state after `first` `(…)` has gone on for ever."""
        return first[..., None].expand(*first.shape, len(self.taps) - 1)


class PresetFilter:
    """The usual filter of a kind of recording."""

    def __init__(self, options: PresetFilterOptions) -> None:
        rate = rate_of(options)
        self.filter: Fir | Butterworth
        if options.preset == "ecg":
            self.filter = Fir(FirOptions(low=3.0, high=45.0, rate=rate))
        elif options.preset == "eda":
            self.filter = Butterworth(LowpassOptions(edge=5.0, order=4, rate=rate))
        else:
            self.filter = Butterworth(BandpassOptions(low=0.1, high=0.35, order=2, rate=rate))

    def __call__(self, sample: Tensor) -> Tensor:
        return self.filter(sample)


class FilterStream:
    """A filter forwards over pieces as they come: `stream = FilterStream("bandpass", low=0.5, high=40, rate=500)`, then `stream(piece)`.

    Its state is what it has seen: `state` may be kept and set, and `settled=True` begins as though the first value had gone on for ever,
    without the step from 0. Raises ConfigError for a transform that is no filter, and for options that are refused.
    """

    def __init__(self, name: str, *, settled: bool = False, **options: Any) -> None:
        if name not in ("bandpass", "lowpass", "highpass", "bandstop", "notch", "fir"):
            fix = "take bandpass, lowpass, highpass, bandstop, notch or fir"
            raise ConfigError(f"{name} is no filter that goes forwards", where="FilterStream", fix=fix)
        self.filter: Any = transform_of(name, **options)
        self.begins_settled = settled
        self.state: Tensor | None = None
        """`(…, states)` after the last piece; None: at the beginning."""

    def __call__(self, piece: Tensor) -> Tensor:
        """The next piece `(…, time)`, filtered. Raises DataError for other leading dimensions than the pieces before."""
        if self.state is None and self.begins_settled and piece.shape[-1]:
            self.state = self.filter.settled(piece[..., 0])
        found, self.state = self.filter.follow(piece, self.state)
        return found
