"""Cleaned signals of the body, by the filters that neurokit2 has for each: ECG, EDA, EMG, PPG, respiration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.domains.signals.physiology.clean_options import METHODS
from trainwright.domains.signals.physiology.inputs import Array, Channel, read_channel

POWERLINE = 50.0
"""Hz of the mains where nothing is said."""
Edges = tuple[float, ...]
Cleaner = Callable[[Array, float, Edges], Array]


def clean(values: Any, rate: float, signal: str, method: str = "neurokit", powerline: float = POWERLINE) -> Array:
    """A cleaned signal `(time,)` in float64, of `ecg`, `eda`, `emg`, `ppg` or `rsp`; gaps are bridged.

    `rate` in samples a second; `method` as in neurokit2, where `neurokit` is its default for that signal; `powerline` in Hz is the hum that
    is taken out of an ECG. Raises ConfigError for a signal, method or rate that will not do, DataError for a recording that is too short.
    """
    check_method(signal, method)
    channel = read_channel(values, rate, f"clean: {signal}")
    return clean_filled(channel, signal, method, powerline)


def check_method(signal: str, method: str) -> None:
    """Raise ConfigError for a signal that is none, or a method that there is not for it."""
    if signal not in METHODS:
        raise ConfigError(f"there is no cleaning of '{signal}'", where="clean", fix=did_you_mean(signal, METHODS))
    if method not in METHODS[signal]:
        what = f"there is no method '{method}' to clean {signal}"
        raise ConfigError(what, where="clean", fix=did_you_mean(method, METHODS[signal]))


def check_cleaning(rate: float, signal: str, method: str, powerline: float) -> None:
    """Raise ConfigError where the filters of a method do not fit a rate, or the mains have no frequency."""
    if not powerline > 0:
        what = f"mains of {powerline:g} Hz make no hum"
        raise ConfigError(what, where="clean", fix="give powerline=50, or 60 in America; method='biosppy' takes none out")
    _, edges = _CLEANERS[signal, method]
    if max(edges) >= rate / 2 and not ((signal, method) == ("eda", "neurokit") and rate <= BARE):
        what = f"'{method}' cleans {signal} with an edge of {max(edges):g} Hz, and {rate:g} samples a second were given"
        why = f"they hold nothing above {rate / 2:g} Hz (Nyquist)"
        fix = f"give a rate above {2 * max(edges):g}, or another method: {', '.join(METHODS[signal])}"
        raise ConfigError(what, where="clean", why=why, fix=fix)


def clean_filled(channel: Channel, signal: str, method: str, powerline: float) -> Array:
    """A channel cleaned, `(time,)`. Raises ConfigError where filters do not fit its rate, DataError where it is too short for them."""
    check_cleaning(channel.rate, signal, method, powerline)
    samples, (cleaner, edges) = channel.values, _CLEANERS[signal, method]
    if not len(samples):
        return samples
    try:
        found = cleaner(samples, channel.rate, edges)
        return without_hum(found, channel.rate, powerline) if (signal, method) == ("ecg", "neurokit") else found
    except ValueError as error:
        seconds = len(samples) / channel.rate
        what = f"{seconds:.3g} s ({len(samples)} samples) are too short to clean {signal} with '{method}'"
        raise DataError(what, where="clean", why=str(error), fix="give a longer piece, or clean the whole before it is cut") from error


def butterworth(samples: Array, rate: float, edges: Edges, order: int, kind: str) -> Array:
    """A Butterworth filter in second-order sections, forwards and backwards; raises ValueError for a signal that is too short."""
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(order, _flat(edges), kind, fs=rate, output="sos"), samples))


def smooth(samples: Array, size: int) -> Array:
    """A moving mean over `size` samples and a Parzen window of the same size, the ends held (biosppy's smoother `boxzen`)."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import get_window

    averaged = uniform_filter1d(samples, size, mode="nearest")
    window = get_window("parzen", size)
    held = np.concatenate([np.full(size, averaged[0]), averaged, np.full(size, averaged[-1])])
    return np.convolve(window / window.sum(), held, mode="same")[size:-size]


def without_hum(samples: Array, rate: float, powerline: float) -> Array:
    """`(time,)` averaged over one period of the mains, forwards and backwards; over two samples below 100 a second, as neurokit2 does."""
    from scipy.signal import filtfilt

    width = max(int(rate / powerline), 1) if rate >= 100 else 2
    return np.asarray(filtfilt(np.ones(width), [width], samples))


def _flat(edges: Edges) -> Any:
    """What scipy takes: a number where there is one."""
    return edges[0] if len(edges) == 1 else list(edges)


def _windowed(samples: Array, rate: float, edges: Edges) -> Array:
    """A windowed FIR filter of 1.5 s, forwards and backwards, less the mean."""
    from scipy.signal import filtfilt, firwin

    found = filtfilt(firwin(int(1.5 * rate) | 1, list(edges), pass_zero=False, fs=rate), [1.0], samples)
    return np.asarray(found - found.mean())


def _causal(samples: Array, rate: float, edges: Edges, order: int) -> Array:
    """A Butterworth band, forwards alone, that begins as if the mean had been there for long."""
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sections = butter(order, _flat(edges), "bandpass", fs=rate, output="sos")
    return np.asarray(sosfilt(sections, samples, zi=sosfilt_zi(sections) * samples.mean())[0])


def _transfer(samples: Array, rate: float, edges: Edges, order: int, kind: str) -> Array:
    """A Butterworth filter as a ratio of polynomials, forwards and backwards, less the mean, as biosppy does it."""
    from scipy.signal import butter, filtfilt

    found = filtfilt(*butter(order, _flat(edges), kind, fs=rate), samples)
    return np.asarray(found - found.mean())


def _eda_neurokit(samples: Array, rate: float, edges: Edges) -> Array:
    """Up to 3 Hz (order 4); as it is where there are 6 samples a second or fewer."""
    return samples if rate <= BARE else butterworth(samples, rate, edges, 4, "lowpass")


def _eda_biosppy(samples: Array, rate: float, edges: Edges) -> Array:
    """Up to 5 Hz (order 4), then smoothed over 0.75 s."""
    from scipy.signal import butter, filtfilt

    size = int(0.75 * rate)
    if size > len(samples):
        raise ValueError(f"it is smoothed over {size} samples")
    return smooth(filtfilt(*butter(4, _flat(edges), "lowpass", fs=rate), samples), max(size, 1))


def _chebyshev(samples: Array, rate: float, edges: Edges) -> Array:
    """A Chebyshev band of the second kind, 20 dB down beside it (order 4), forwards and backwards."""
    from scipy.signal import cheby2, sosfiltfilt

    return np.asarray(sosfiltfilt(cheby2(4, 20, list(edges), "bandpass", fs=rate, output="sos"), samples))


BARE = 6.0
"""Samples a second of skin conductance up to which it is taken as it is, as neurokit2 does."""
_ELGENDI: tuple[Cleaner, Edges] = partial(butterworth, order=2, kind="bandpass"), (0.5, 8.0)
_KHODADAD: tuple[Cleaner, Edges] = partial(butterworth, order=2, kind="bandpass"), (0.05, 3.0)
_MUSCLE: tuple[Cleaner, Edges] = partial(_transfer, order=4, kind="highpass"), (100.0,)
_CLEANERS: dict[tuple[str, str], tuple[Cleaner, Edges]] = {
    ("ecg", "neurokit"): (partial(butterworth, order=5, kind="highpass"), (0.5,)),
    ("ecg", "biosppy"): (_windowed, (0.67, 45.0)),
    ("ecg", "pantompkins1985"): (partial(_causal, order=1), (5.0, 15.0)),
    ("ecg", "hamilton2002"): (partial(_causal, order=1), (8.0, 16.0)),
    ("ecg", "elgendi2010"): (partial(_causal, order=2), (8.0, 20.0)),
    ("eda", "neurokit"): (_eda_neurokit, (3.0,)),
    ("eda", "biosppy"): (_eda_biosppy, (5.0,)),
    ("emg", "neurokit"): _MUSCLE,
    ("emg", "biosppy"): _MUSCLE,
    ("ppg", "neurokit"): _ELGENDI,
    ("ppg", "elgendi2013"): _ELGENDI,
    ("ppg", "nabian2018"): (partial(butterworth, order=2, kind="lowpass"), (40.0,)),
    ("ppg", "langevin2021"): (partial(butterworth, order=2, kind="bandpass"), (0.7, 3.5)),
    ("ppg", "goda2024"): (_chebyshev, (0.5, 12.0)),
    ("rsp", "neurokit"): _KHODADAD,
    ("rsp", "khodadad2018"): _KHODADAD,
    ("rsp", "biosppy"): (partial(_transfer, order=2, kind="bandpass"), (0.1, 0.35)),
    ("rsp", "charlton2021"): (partial(butterworth, order=2, kind="lowpass"), (1.0,)),
}
"""What cleans a signal by a method, `(time,)`, samples a second, Hz → `(time,)`, and the edges of its band in Hz."""
