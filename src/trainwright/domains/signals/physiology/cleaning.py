"""Cleaned signals of the body, by the filters that neurokit2 has for each: ECG, EDA, EMG, PPG, respiration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.domains.signals.physiology.clean_options import METHODS
from trainwright.domains.signals.physiology.inputs import Array, read_channel
from trainwright.domains.signals.processing.rates import check_edges

Cleaner = Callable[[Array, float], Array]


def clean(values: Any, rate: float, signal: str, method: str = "neurokit", powerline: float = 50.0) -> Array:
    """A cleaned signal `(time,)` in float64, of `ecg`, `eda`, `emg`, `ppg` or `rsp`; gaps are bridged.

    `rate` in samples a second; `method` as in neurokit2, where `neurokit` is its default for that signal; `powerline` in Hz is the hum that
    is taken out of an ECG. Raises ConfigError for a signal, method or rate that will not do, DataError for a recording that is too short.
    """
    check_method(signal, method)
    channel = read_channel(values, rate, f"clean: {signal}")
    return clean_filled(channel.values, channel.rate, signal, method, powerline)


def check_method(signal: str, method: str) -> None:
    """Raise ConfigError for a signal that is none, or a method that there is not for it."""
    if signal not in METHODS:
        raise ConfigError(f"there is no cleaning of '{signal}'", where="clean", fix=did_you_mean(signal, METHODS))
    if method not in METHODS[signal]:
        what = f"there is no method '{method}' to clean {signal}"
        raise ConfigError(what, where="clean", fix=did_you_mean(method, METHODS[signal]))


def clean_filled(samples: Array, rate: float, signal: str, method: str, powerline: float) -> Array:
    """`(time,)` without gaps, cleaned. Raises DataError where it is too short for the filter."""
    if not len(samples):
        return samples
    cleaner: Cleaner = partial(_ecg_neurokit, powerline=powerline) if (signal, method) == ("ecg", "neurokit") else _CLEANERS[signal, method]
    try:
        return np.asarray(cleaner(samples, rate))
    except ValueError as error:
        seconds = len(samples) / rate
        what = f"{seconds:.3g} s ({len(samples)} samples) are too short to clean {signal} with '{method}'"
        raise DataError(what, where="clean", why=str(error), fix="give a longer piece, or clean the whole before it is cut") from error


def butterworth(samples: Array, rate: float, order: int, edges: float | Sequence[float], kind: str) -> Array:
    """A Butterworth filter in second-order sections, forwards and backwards. Raises ConfigError for an edge above half the rate."""
    from scipy.signal import butter, sosfiltfilt

    _check(rate, edges)
    return np.asarray(sosfiltfilt(butter(order, edges, kind, fs=rate, output="sos"), samples))


def smooth(samples: Array, size: int) -> Array:
    """A moving mean over `size` samples and a Parzen window of the same size, the ends held (biosppy's smoother `boxzen`)."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import get_window

    averaged = uniform_filter1d(samples, size, mode="nearest")
    window = get_window("parzen", size)
    held = np.concatenate([np.full(size, averaged[0]), averaged, np.full(size, averaged[-1])])
    return np.convolve(window / window.sum(), held, mode="same")[size:-size]


def _check(rate: float, edges: float | Sequence[float]) -> None:
    check_edges("clean", [edges] if isinstance(edges, int | float) else list(edges), rate)


def _ecg_neurokit(samples: Array, rate: float, powerline: float) -> Array:
    """From 0.5 Hz on (order 5), then a moving mean over one period of the mains, forwards and backwards."""
    from scipy.signal import filtfilt

    slow = butterworth(samples, rate, 5, 0.5, "highpass")
    width = int(rate / powerline) if rate >= 100 else 2
    return np.asarray(filtfilt(np.ones(max(width, 1)), [max(width, 1)], slow))


def _ecg_biosppy(samples: Array, rate: float) -> Array:
    """A windowed FIR filter of 1.5 s from 0.67 to 45 Hz, forwards and backwards, less the mean."""
    from scipy.signal import filtfilt, firwin

    _check(rate, [0.67, 45])
    found = filtfilt(firwin(int(1.5 * rate) | 1, [0.67, 45], pass_zero=False, fs=rate), [1.0], samples)
    return np.asarray(found - found.mean())


def _causal(samples: Array, rate: float, order: int, edges: Sequence[float]) -> Array:
    """A Butterworth band, forwards alone, that begins as if the mean had been there for long."""
    from scipy.signal import butter, sosfilt, sosfilt_zi

    _check(rate, edges)
    sections = butter(order, edges, "bandpass", fs=rate, output="sos")
    return np.asarray(sosfilt(sections, samples, zi=sosfilt_zi(sections) * samples.mean())[0])


def _transfer(samples: Array, rate: float, order: int, edges: float | Sequence[float], kind: str) -> Array:
    """A Butterworth filter as a ratio of polynomials, forwards and backwards, as biosppy does it."""
    from scipy.signal import butter, filtfilt

    _check(rate, edges)
    return np.asarray(filtfilt(*butter(order, edges, kind, fs=rate), samples))


def _eda_neurokit(samples: Array, rate: float) -> Array:
    """Up to 3 Hz (order 4); as it is where there are 6 samples a second or fewer."""
    return samples if rate <= 6 else butterworth(samples, rate, 4, 3.0, "lowpass")


def _eda_biosppy(samples: Array, rate: float) -> Array:
    """Up to 5 Hz (order 4), then smoothed over 0.75 s."""
    size = int(0.75 * rate)
    if size > len(samples):
        raise ValueError(f"it is smoothed over {size} samples")
    return smooth(_transfer(samples, rate, 4, 5.0, "lowpass"), max(size, 1))


def _emg_biosppy(samples: Array, rate: float) -> Array:
    """From 100 Hz on (order 4), less the mean."""
    found = _transfer(samples, rate, 4, 100.0, "highpass")
    return np.asarray(found - found.mean())


def _ppg_goda(samples: Array, rate: float) -> Array:
    """A Chebyshev band of the second kind, 0.5 to 12 Hz, 20 dB (order 4)."""
    from scipy.signal import cheby2, sosfiltfilt

    _check(rate, [0.5, 12])
    return np.asarray(sosfiltfilt(cheby2(4, 20, [0.5, 12], "bandpass", fs=rate, output="sos"), samples))


def _rsp_biosppy(samples: Array, rate: float) -> Array:
    """0.1 to 0.35 Hz (order 2), less the mean."""
    found = _transfer(samples, rate, 2, [0.1, 0.35], "bandpass")
    return np.asarray(found - found.mean())


_ELGENDI = partial(butterworth, order=2, edges=[0.5, 8], kind="bandpass")
_KHODADAD = partial(butterworth, order=2, edges=[0.05, 3], kind="bandpass")
_CLEANERS: dict[tuple[str, str], Cleaner] = {
    ("ecg", "biosppy"): _ecg_biosppy,
    ("ecg", "pantompkins1985"): partial(_causal, order=1, edges=[5, 15]),
    ("ecg", "hamilton2002"): partial(_causal, order=1, edges=[8, 16]),
    ("ecg", "elgendi2010"): partial(_causal, order=2, edges=[8, 20]),
    ("eda", "neurokit"): _eda_neurokit,
    ("eda", "biosppy"): _eda_biosppy,
    ("emg", "neurokit"): _emg_biosppy,
    ("emg", "biosppy"): _emg_biosppy,
    ("ppg", "neurokit"): _ELGENDI,
    ("ppg", "elgendi2013"): _ELGENDI,
    ("ppg", "nabian2018"): partial(butterworth, order=2, edges=40.0, kind="lowpass"),
    ("ppg", "langevin2021"): partial(butterworth, order=2, edges=[0.7, 3.5], kind="bandpass"),
    ("ppg", "goda2024"): _ppg_goda,
    ("rsp", "neurokit"): _KHODADAD,
    ("rsp", "khodadad2018"): _KHODADAD,
    ("rsp", "biosppy"): _rsp_biosppy,
    ("rsp", "charlton2021"): partial(butterworth, order=2, edges=1.0, kind="lowpass"),
}
"""What cleans a signal by a method: `(time,)`, samples a second → `(time,)`."""
