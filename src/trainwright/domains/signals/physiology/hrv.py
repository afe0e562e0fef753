"""Heart-rate variability over time and frequency. Formulas, defaults and names are neurokit2's, without its prefix `HRV_`.

What there are too few beats for is NaN. Intervals are taken as they are: those of ectopic beats count.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.physiology.intervals import Array, rr_intervals

TO_DEVIATION = 1.4826
"""Median absolute deviation → standard deviation, of a normal distribution."""
BIN = 1000 / 128
"""Milliseconds of a bar of the histogram of intervals (Task Force, 1996)."""
BANDS: dict[str, tuple[float, float]] = {
    "ULF": (0.0, 0.0033),
    "VLF": (0.0033, 0.04),
    "LF": (0.04, 0.15),
    "HF": (0.15, 0.4),
    "VHF": (0.4, 0.5),
}
"""Hz (Task Force of the European Society of Cardiology, 1996)."""
TIME = (
    *("MeanNN", "SDNN", "SDANN1", "SDNNI1", "SDANN2", "SDNNI2", "SDANN5", "SDNNI5", "RMSSD", "SDSD", "CVNN", "CVSD", "MedianNN", "MadNN"),
    *("MCVNN", "IQRNN", "SDRMSSD", "Prc20NN", "Prc80NN", "pNN50", "pNN20", "MinNN", "MaxNN", "HTI", "TINN"),
)
FREQUENCY = (*BANDS, "TP", "LFHF", "LFn", "HFn", "LnHF")


def hrv_time(peaks: Array, rate: float) -> dict[str, float]:
    """Deviations, differences, quantiles and histogram of the intervals between beats, in ms; pNN50 and pNN20 in percent.

    `peaks` are samples, ascending, of `rate` a second. Raises as `rr_intervals`.
    """
    intervals = rr_intervals(peaks, rate)
    if len(intervals) < 3:
        return dict.fromkeys(TIME, math.nan)
    steps = np.diff(intervals)
    mean, deviation, change = float(intervals.mean()), float(intervals.std(ddof=1)), math.sqrt(float((steps**2).mean()))
    middle = float(np.median(intervals))
    spread = TO_DEVIATION * float(np.median(np.abs(intervals - middle)))
    low, first, third, high = np.percentile(intervals, [20, 25, 75, 80]).tolist()
    found = {"MeanNN": mean, "SDNN": deviation}
    for minutes in (1, 2, 5):
        found |= by_window(intervals, minutes)
    found |= {"RMSSD": change, "SDSD": float(steps.std(ddof=1)), "CVNN": deviation / mean, "CVSD": change / mean}
    found |= {"MedianNN": middle, "MadNN": spread, "MCVNN": spread / middle, "IQRNN": third - first}
    found |= {"SDRMSSD": deviation / change if change else math.nan, "Prc20NN": low, "Prc80NN": high}
    for limit in (50, 20):
        found[f"pNN{limit}"] = 100 * float((np.abs(steps) > limit).sum()) / len(intervals)
    return found | {"MinNN": float(intervals.min()), "MaxNN": float(intervals.max())} | histogram_measures(intervals)


def by_window(intervals: Array, minutes: int) -> dict[str, float]:
    """Deviation of the means (SDANN) and mean of the deviations (SDNNI) of windows of so many minutes; NaN for fewer than three."""
    ends = np.cumsum(intervals)
    size = minutes * 60_000
    count = round(float(ends[-1]) / size)
    means, deviations = [], []
    for start in range(0, count * size if count >= 3 else 0, size):
        inside = intervals[(ends >= start) & (ends < start + size)]
        if len(inside) > 1:
            means.append(inside.mean())
            deviations.append(inside.std(ddof=1))
    known = len(means) > 1
    return {
        f"SDANN{minutes}": float(np.std(means, ddof=1)) if known else math.nan,
        f"SDNNI{minutes}": float(np.mean(deviations)) if known else math.nan,
    }


def histogram_measures(intervals: Array) -> dict[str, float]:
    """Triangular index (HTI), and the base in ms of the triangle from the shortest interval that fits the histogram best (TINN)."""
    edges = np.arange(0, intervals.max() + BIN, BIN)
    counts, _ = np.histogram(intervals, edges)
    highest, low = int(counts.argmax()), int((edges <= intervals.min()).sum())
    index = len(intervals) / float(counts[highest])
    last = int((edges < intervals.max()).sum())
    if low >= highest or last <= highest + 1:
        return {"HTI": index, "TINN": 0.0}
    best = min(range(highest + 1, last), key=lambda high: _misfit(counts, low, highest, high))
    return {"HTI": index, "TINN": (best - low) * BIN}


def _misfit(counts: Array, low: int, highest: int, high: int) -> float:
    """Squares between a histogram and a triangle over it."""
    rising = np.linspace(0, 1, highest - low + 1)
    falling = np.linspace(1, 0, high - highest + 1)
    triangle = counts[highest] * np.concatenate([rising, falling[1:]])
    return float(((counts[low : high + 1] - triangle) ** 2).sum())


def hrv_frequency(
    peaks: Array, rate: float, normalize: bool = False, interpolation_rate: float = 100.0, method: Literal["welch"] = "welch"
) -> dict[str, float]:
    """Power in ms² of the intervals between beats in bands of frequency, by Welch's method; LF/HF, shares, log HF.

    Intervals are interpolated by parabolas at `interpolation_rate` Hz. `normalize` divides the spectrum by its maximum, as neurokit2 does
    unless told otherwise. A band that the recording is too short for is NaN, and all is of equal
    intervals. Raises as `rr_intervals`, and ConfigError.
    """
    if method != "welch" or not interpolation_rate >= 1:
        what = f"a spectrum of intervals by '{method}' at {interpolation_rate:g} Hz is not computed"
        raise ConfigError(what, where="hrv_frequency", fix="method='welch', and interpolation_rate of 1 Hz or more")
    intervals = rr_intervals(peaks, rate)
    if len(intervals) < 4 or not np.ptp(intervals):
        return dict.fromkeys(FREQUENCY, math.nan)
    frequencies, power = spectrum_of(evenly(intervals, interpolation_rate), interpolation_rate, normalize)
    found = {name: power_between(frequencies, power, *band) for name, band in BANDS.items()}
    total = math.fsum(each for each in found.values() if not math.isnan(each))
    shares = {f"{name}n": found[name] / total if total else math.nan for name in ("LF", "HF")}
    return {
        **found,
        "TP": total or math.nan,
        "LFHF": found["LF"] / found["HF"],
        **shares,
        "LnHF": math.log(found["HF"]) if found["HF"] else math.nan,
    }


def evenly(intervals: Array, rate: float) -> Array:
    """Intervals at even times, `rate` a second, by parabolas between beats."""
    from scipy.interpolate import interp1d

    ends = np.cumsum(intervals) / 1000
    times = np.arange(ends[0], ends[-1] + 1 / rate, 1 / rate)
    ends_of = (intervals[0], intervals[-1])
    return np.asarray(interp1d(ends, intervals, kind="quadratic", bounds_error=False, fill_value=ends_of)(times))


def spectrum_of(series: Array, rate: float, normalize: bool) -> tuple[Array, Array]:
    """Frequencies (Hz) of which half of the series holds two periods, and power (ms²/Hz), of Hann windows of half its length."""
    from scipy.signal import welch

    half = len(series) // 2
    frequencies, power = welch(series - series.mean(), rate, nperseg=half, nfft=2 * half, detrend=False)
    if normalize:
        power = power / (power.max() or 1)
    known = (frequencies >= 4 * rate / len(series)) & (frequencies <= BANDS["VHF"][1])
    return frequencies[known], power[known]


def power_between(frequencies: Array, power: Array, low: float, high: float) -> float:
    """Power from one frequency up to another, by trapezoids; NaN for none."""
    inside = (frequencies >= low) & (frequencies < high)
    return float(np.trapezoid(power[inside], frequencies[inside])) or math.nan
