"""R peaks of an ECG behind one call: an own detector, and those of wfdb and neurokit2 by name. None found is an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.domains.signals.reading.libraries import optional
from trainwright.domains.signals.reading.repair import fill_invalid

Array = np.ndarray[Any, Any]

SLOWEST, FASTEST = 5.0, 20.0
"""Hz between which most of a QRS lies, and little of P, T and baseline."""
REFRACTORY = 0.2
"""Seconds after a beat in which there is no other (Pan and Tompkins, 1985)."""
SMOOTHED = 0.12
"""Seconds over which the energy is averaged: about a QRS."""
REACH = 0.08
"""Seconds from the middle of a QRS in which its peak is looked for."""
PERIOD = 1.5
"""Seconds in which there is a beat in all but the slowest rhythms."""
ROUND = 9
"""Periods whose median of largest energies says how large beats are here."""
LEAST, MOST = 0.1, 0.5
"""Of that, what a beat has at least: in a clean lead the smaller share, in a noisy one up to the larger."""
NOISE = 3.0
"""Times the middle energy, which noise seldom reaches."""
LATE = 1.6
"""Usual intervals without a beat after which is looked again, for wide ones that are slower."""
WIDE_SLOWEST, WIDE_SHARE = 1.0, 0.1
"""Hz from which the energy of wide beats counts, and their least share of that of others."""
T_WAVE, T_SHARE = 0.36, 0.3
"""Seconds after a beat in which one of less than this share of its energy is a T wave (Pan and Tompkins, 1985)."""
PROMINENT, TOGETHER, REGULAR = 6.0, 4.0, 0.1
"""Energy of beats by the middle energy, of one or two leads and of more, in which noise is evener: less is noise without beats, unless
intervals deviate by less than the last share."""
GLOBAL = 0.02
"""Of the usual energy of beats in the whole, what a beat has at least: noise in a pause is none."""
PART, AROUND = 600.0, 20.0
"""Seconds that are filtered together, and more on both sides."""
STRETCH, MARGIN = 15.0, 5.0
"""Seconds that are judged together, and more on both sides to know what is usual there."""
FAINT = 2.0
"""Of how far a lead moves, what the slopes of a QRS are in a second at least: less is what a filter leaves of a slow wave."""
CLEAREST = 100.0
"""Energy at beats by that between them from which a lead counts for no more than others."""
FEWEST = 6
"""Intervals from which it can be said whether they are regular."""
XQRS_RATE = 250.0
"""Hz that XQRS is given where a recording has others than 200 to 400: its learning step has a width in samples."""


def rpeaks(values: Array, rate: float, method: str = "band") -> Array:
    """R peaks of an ECG `(time,)`, or of all leads `(leads, time)` together, as samples, ascending: int64 `(beats,)`, empty for none.

    `rate` in samples a second. Methods: `band`, energy between 5 and 20 Hz against a threshold that adapts; `xqrs` of wfdb and `neurokit2`,
    which are given one lead. Gaps (NaN) are bridged and have no beats. Raises ConfigError for a method that is none or a rate that holds no
    QRS, DataError for values of other shapes.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no detector of R peaks '{method}'", where="rpeaks", fix=did_you_mean(method, METHODS))
    leads = as_leads(values, rate, "rpeaks")
    if method != "band" and len(leads) > 1:
        what = f"{method} looks at one lead, and {len(leads)} were given"
        raise ConfigError(what, where="rpeaks", fix="give one of them: values[1]; or method='band', which looks at all")
    valid = np.isfinite(leads)
    filled = fill_invalid(leads)
    usable = np.ptp(filled, axis=1) > 0 if leads.shape[1] > 1 else np.zeros(len(leads), bool)
    if not usable.any():
        return np.empty(0, np.int64)
    if not usable.all():
        filled, valid = filled[usable], valid[usable]
    found = METHODS[method](filled, float(rate), ~valid)
    return found[valid[:, found].any(axis=0)]


def as_leads(values: Array, rate: float, where: str) -> Array:
    """`(time,)` or `(leads, time)` as floats `(leads, time)`. Raises DataError for other shapes, ConfigError for too low a rate."""
    leads = np.asarray(values)
    leads = leads if leads.dtype in (np.float32, np.float64) else leads.astype(np.float64)
    if leads.ndim not in (1, 2):
        fix = "give one lead (time,), or several (leads, time)"
        raise DataError(f"an ECG has the shape (time,) or (leads, time), not {leads.shape}", where=where, fix=fix)
    leads = np.atleast_2d(leads)
    if len(leads) > leads.shape[1] > 0:
        what = f"{len(leads)} leads of {leads.shape[1]} samples were given"
        raise DataError(what, where=where, why="time is the last dimension", fix="turn it: values.T")
    if not np.isfinite(rate) or rate < 4 * SLOWEST:
        what = f"an ECG of {rate:g} samples a second holds no QRS"
        raise ConfigError(what, where=where, why=f"at least {4 * SLOWEST:g} are wanted", fix="give samples a second: rate=500")
    return leads


def band(leads: Array, rate: float, gaps: Array) -> Array:
    """Peaks of the energy of slopes between 5 and 20 Hz that stand out of their surroundings, and the peak of the QRS at each.

    Long recordings are gone through part by part, which needs no more memory than one part does.
    """
    shown: tuple[int, int] | None = None
    peaks = []
    for start, stop, first, last in parts_of(leads.shape[1], round(PART * rate), round(AROUND * rate)):
        filtered = filter_band(leads[:, first:last].astype(np.float64), rate, SLOWEST)
        beats = find_beats(leads[:, first:last], filtered, rate, gaps[:, first:last])
        if len(beats):
            here = shown if shown is not None and np.ptp(filtered[shown[0]]) > 0 else clearest_lead(filtered, beats, rate)
            shown = here if len(beats) >= FEWEST else shown
            peaks.append(first + place_peaks(here[1] * filtered[here[0]], beats, rate))
            peaks[-1] = peaks[-1][(peaks[-1] >= start) & (peaks[-1] < stop)]
    found = np.unique(np.concatenate(peaks)) if peaks else np.empty(0, np.int64)
    return found[np.diff(found, prepend=-round(rate)) > REFRACTORY * rate / 2]  # one at a border may be found on both sides


def parts_of(length: int, size: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """First and last + 1 sample of each part, and with what lies round it; a short rest belongs to the last one."""
    for start in range(0, max(length - margin, 1), size):
        stop = start + size if start + size + margin < length else length
        yield start, stop, max(start - margin, 0), min(stop + margin, length)


def find_beats(leads: Array, filtered: Array, rate: float, gaps: Array) -> Array:
    """Samples near the beats of `(leads, time)`, stretch by stretch."""
    slopes = np.where(widened(gaps, round(SMOOTHED * rate)), 0, np.gradient(filtered, axis=1))  # a gap's edges are steep, and no beats
    beats = []
    for start, stop, first, last in parts_of(leads.shape[1], round(STRETCH * rate), round(MARGIN * rate)):
        found = first + beats_of(leads[:, first:last], slopes[:, first:last], rate)
        beats.append(found[(found >= start) & (found < stop)])
    return np.concatenate(beats)


def beats_of(leads: Array, slopes: Array, rate: float) -> Array:
    """Samples of the beats of a stretch, which is judged by itself: what is noise elsewhere hides none here."""
    leading = moving(slopes, rate) * rate > FAINT * moving(leads, rate)
    energy = smooth_energy(slopes[leading], rate)
    beats = pick_beats(energy, rate)
    if not stand_out(energy, beats, rate, PROMINENT if len(leads) < 3 else TOGETHER):
        return np.empty(0, np.int64)
    return look_again(beats, lambda: smooth_energy(filter_band(leads[leading], rate, WIDE_SLOWEST), rate), rate)


def widened(gaps: Array, reach: int) -> Array:
    """The gaps of `(leads, time)` and so many samples on both sides."""
    from scipy.ndimage import maximum_filter1d

    return maximum_filter1d(gaps, 2 * reach + 1, axis=1) if gaps.any() else gaps


def moving(leads: Array, rate: float) -> Array:
    """How far each of `(leads, time)` usually moves within 1.5 s."""
    return np.array([np.median(period_maxima(lead, rate) + period_maxima(-lead, rate)) for lead in leads])


def filter_band(leads: Array, rate: float, slowest: float) -> Array:
    """`(leads, time)` between two frequencies, forwards and backwards."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(2, [slowest, min(FASTEST, 0.45 * rate)], "bandpass", fs=rate, output="sos")
    padding = min(round(rate), leads.shape[1] - 1)
    return np.asarray(sosfiltfilt(sections, leads, axis=-1, padlen=padding))


def smooth_energy(filtered: Array, rate: float) -> Array:
    """The leads' squares, each by how large they usually are at beats, averaged over 0.12 s: `(time,)`; clear leads count for more."""
    from scipy.ndimage import uniform_filter1d

    size = max(round(SMOOTHED * rate), 1)
    energy, weights = np.zeros(filtered.shape[1]), 0.0
    for lead in filtered:
        found = uniform_filter1d(lead * lead, size, mode="constant")
        level, quiet = float(np.median(period_maxima(found, rate))), float(np.median(found))
        if level > 0:
            weight = min(level / quiet, CLEAREST) ** 2 if quiet > 0 else CLEAREST**2
            energy += weight * found / level
            weights += weight
    return energy / (weights or 1)


def period_maxima(energy: Array, rate: float) -> Array:
    """The largest value of each 1.5 s of `(time,)`; of the rest at the end together with the last whole one."""
    size = max(round(PERIOD * rate), 1)
    count = max(len(energy) // size, 1)
    starts = np.arange(count) * size
    return np.maximum.reduceat(energy, starts)


def pick_beats(energy: Array, rate: float) -> Array:
    """Samples of the peaks of an energy that are beats."""
    from scipy.signal import find_peaks

    places, _ = find_peaks(energy, distance=max(round(REFRACTORY * rate), 1))
    if not len(places):
        return places
    heights, usual = energy[places], usual_height(energy, rate)
    floor = GLOBAL * float(np.median(usual))
    period = np.minimum((places / (PERIOD * rate)).astype(np.int64), len(usual) - 1)
    quiet = NOISE * float(np.median(energy))
    least = np.maximum(np.clip(quiet, LEAST * usual[period], MOST * usual[period]), floor)
    return places[without_t_waves(places, heights, heights >= least, rate)]


def stand_out(energy: Array, beats: Array, rate: float, least: float) -> bool:
    """Whether what was found are beats: far above what lies between, or at least regular, which noise is not."""
    if not len(beats):
        return False
    if float(np.median(energy[beats])) >= least * float(np.median(energy)):
        return True
    intervals = np.diff(beats) / rate
    usual = float(np.median(intervals)) if len(intervals) >= FEWEST else 0.0
    return usual > 1.5 * REFRACTORY and float(np.percentile(np.abs(intervals - usual), 75)) < REGULAR * usual


def usual_height(energy: Array, rate: float) -> Array:
    """For each 1.5 s how large beats are there: the median of the largest energies of nine such periods round it."""
    from scipy.ndimage import median_filter

    found = period_maxima(energy, rate)
    return np.asarray(median_filter(found, min(ROUND, len(found)), mode="nearest"))


def without_t_waves(places: Array, heights: Array, chosen: Array, rate: float) -> Array:
    """The chosen without those that follow a much larger one too soon."""
    numbers = np.flatnonzero(chosen)
    soon = np.diff(places[numbers], prepend=-len(places) - 10**9) < T_WAVE * rate
    smaller = heights[numbers] < T_SHARE * np.concatenate([[0.0], heights[numbers][:-1]])
    kept = chosen.copy()
    kept[numbers[soon & smaller]] = False
    return kept


def look_again(beats: Array, wide: Callable[[], Array], rate: float) -> Array:
    """The beats, and between two that are far apart the largest of an energy that wide beats have, where it is enough."""
    from scipy.signal import find_peaks

    usual = float(np.median(np.diff(beats))) if len(beats) > 2 else np.inf
    gaps = np.flatnonzero(np.diff(beats) > LATE * usual)
    if not len(gaps):
        return beats
    energy = wide()
    least, added = WIDE_SHARE * float(np.median(energy[beats])), []
    for gap in gaps:
        first, last = beats[gap] + round(T_WAVE * rate), beats[gap + 1] - round(REFRACTORY * rate)
        places, _ = find_peaks(energy[first:last], height=least)
        if len(places):
            added.append(first + places[energy[first:last][places].argmax()])
    return np.sort(np.concatenate([beats, np.array(added, np.int64)]))


def windows_of(beats: Array, length: int, rate: float) -> Array:
    """Numbers of the samples round each beat, `(beats, samples)`."""
    reach = round(REACH * rate)
    return np.clip(beats[:, None] + np.arange(-reach, reach + 1), 0, length - 1)


def clearest_lead(filtered: Array, beats: Array, rate: float) -> tuple[int, int]:
    """The lead that shows beats best, and 1 or −1: the direction that they usually have there."""
    windows = windows_of(beats, filtered.shape[1], rate)
    highest = np.median(filtered[:, windows].max(axis=2), axis=1)
    lowest = np.median(-filtered[:, windows].min(axis=2), axis=1)
    quiet = np.median(np.abs(filtered), axis=1) + 1e-12
    best = int((np.maximum(highest, lowest) / quiet).argmax())
    return best, 1 if highest[best] >= lowest[best] else -1


def place_peaks(upright: Array, beats: Array, rate: float) -> Array:
    """The sample of each QRS where a lead `(time,)` whose beats point up is largest."""
    windows = windows_of(beats, len(upright), rate)
    return np.unique(windows[np.arange(len(beats)), upright[windows].argmax(axis=1)]).astype(np.int64)


def detector_of(module: str, method: str) -> Any:
    """The library of a method. Raises ConfigError where it is not installed."""
    if (found := optional(module)) is None:
        package = module.partition(".")[0]
        what = f"the method {method} is of the library {package}, which cannot be imported"
        raise ConfigError(what, where="rpeaks", fix=f"pip install {package}; or method='band'")
    return found


def xqrs(leads: Array, rate: float, gaps: Array) -> Array:
    """XQRS of wfdb, given 250 Hz where the recording has fewer than 200 or more than 400; none in one shorter than its filters."""
    import contextlib
    import io

    processing = detector_of("wfdb.processing", "xqrs")
    signal, given = leads[0], rate
    if not 200 <= rate <= 400:
        from scipy.signal import resample_poly

        ratio = Fraction(XQRS_RATE / rate).limit_denominator(1000)
        signal, given = resample_poly(signal, ratio.numerator, ratio.denominator), XQRS_RATE
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            detector = processing.XQRS(sig=signal, fs=given)
            detector.detect(verbose=False)
        except (IndexError, ValueError):  # shorter than its filters
            return np.empty(0, np.int64)
    found = np.asarray(detector.qrs_inds, np.float64) * rate / given
    return np.unique(np.clip(np.round(found), 0, leads.shape[1] - 1)).astype(np.int64)


def neurokit2(leads: Array, rate: float, gaps: Array) -> Array:
    """`ecg_peaks` of neurokit2 after its `ecg_clean`; none where it finds none, which older versions of it raise as an error."""
    import warnings

    library = detector_of("neurokit2", "neurokit2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cleaned = library.ecg_clean(leads[0], sampling_rate=round(rate))
            found = library.ecg_peaks(cleaned, sampling_rate=round(rate))[1]["ECG_R_Peaks"]
        except (IndexError, ValueError, TypeError):
            return np.empty(0, np.int64)
    found = np.asarray(found, np.float64)
    return np.unique(found[np.isfinite(found)]).astype(np.int64)


METHODS: dict[str, Callable[[Array, float, Array], Array]] = {"band": band, "xqrs": xqrs, "neurokit2": neurokit2}
"""Detector by name: `(leads, time)` with gaps filled, samples a second, where the gaps were → samples."""
