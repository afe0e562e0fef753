"""What is measured in a whole recording, as numbers for columns beside it: rhythm, heart-rate variability, entropies, quality."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.domains.signals.physiology.entropy import approximate_entropy, permutation_entropy, sample_entropy, spectral_entropy
from trainwright.domains.signals.physiology.hrv import hrv_frequency, hrv_time
from trainwright.domains.signals.physiology.intervals import Array, rr_intervals
from trainwright.domains.signals.physiology.measured import ecg_measures, eda_measures, emg_measures, ppg_measures, rsp_measures
from trainwright.domains.signals.physiology.nonlinear import hrv_nonlinear
from trainwright.domains.signals.physiology.quality_of_leads import quality
from trainwright.domains.signals.physiology.rpeaks import rpeaks
from trainwright.domains.signals.reading.repair import fill_invalid

USUAL = ("rhythm", "hrv", "entropy", "quality")
LEAD = re.compile(
    r"(?:(?:ecg|ekg|lead)[\s_:.-]*)?(?:i{1,3}|av[rlf]|v\d?r?|m?l?i{1,3}|mcl\d?|v[xyz])|(?:ecg|ekg)[\s_:.-]*\w*", re.IGNORECASE
)
"""How leads of an ECG are called."""
LAST = 8
"""Intervals whose median an interval is compared with."""
EARLY, LATE = 0.8, 1.5
"""Of that median, what an early beat comes within, and a pause is longer than."""
ENTROPY_RATE, PIECE, MOST = 100.0, 10.0, 12
"""Hz and seconds of the pieces that entropies are of, so that those of all recordings can be compared; at most so many, spread evenly."""
LONG, FINE, COARSE = 3600.0, 100.0, 4.0
"""Seconds from which on intervals are interpolated at the last rate (Hz) for their spectrum, else at the one before."""
BEST = ("ii", "mlii", "i", "v5")
"""Leads that entropies are of, the first that is there."""


@dataclass(frozen=True)
class Recorded:
    """A recording that is measured: float `(channels, time)` in any unit, samples a second, names of the channels."""

    values: Array
    rate: float
    channels: tuple[str, ...]

    @cached_property
    def of_heart(self) -> list[int]:
        """The numbers of its channels that are of an ECG by their names; all where none is."""
        chosen = [number for number, name in enumerate(self.channels) if LEAD.fullmatch(name.strip())]
        return chosen or list(range(len(self.channels)))

    @cached_property
    def leads(self) -> Array:
        """Those channels."""
        return self.values if len(self.of_heart) == len(self.values) else self.values[self.of_heart]

    @cached_property
    def beats(self) -> Array:
        """R peaks as samples."""
        return rpeaks(self.leads, self.rate)


def measure(values: Array, rate: float, channels: Sequence[str] | None = None, measures: Sequence[str] = USUAL) -> dict[str, float]:
    """Numbers about a recording `(channels, time)`, or `(time,)`, by name: `rhythm_heart_rate`, `hrv_RMSSD`, `entropy_sample`, …

    `rate` in samples a second; `channels` their names, by which those of an ECG are known (default: all are). What cannot be measured, as
    where no beat is found, is NaN. Raises ConfigError for a measure that is none or a rate that holds no QRS, DataError for other shapes.
    """
    recorded = as_recorded(values, rate, channels)
    return {name: value for each in dict.fromkeys(measures) for name, value in numbers_of(recorded, each).items()}


def numbers_of(recorded: Recorded, measure: str) -> dict[str, float]:
    """Those of one measure, by names that begin with its name. Raises ConfigError for one that is none, or that the rate does not allow."""
    if measure not in MEASURES:
        raise ConfigError(f"there is no measure '{measure}'", where="measures", fix=did_you_mean(measure, MEASURES))
    return {f"{measure}_{part}": value for part, value in MEASURES[measure](recorded).items()}


def as_recorded(values: Array, rate: float, channels: Sequence[str] | None) -> Recorded:
    """A recording of one channel or several, which are numbered where they have no names. Raises DataError."""
    leads = np.atleast_2d(np.asarray(values))
    leads = leads if leads.dtype in (np.float32, np.float64) else leads.astype(np.float64)
    if leads.ndim != 2:
        fix = "give one channel (time,), or several (channels, time)"
        raise DataError(f"a recording has the shape (channels, time), not {leads.shape}", where="measure", fix=fix)
    if channels is not None and len(channels) != len(leads):
        what = f"{len(leads)} channels and {len(channels)} names were given"
        raise DataError(what, where="measure", fix="give a name for each channel, time as the last dimension")
    return Recorded(leads, float(rate), tuple(channels or [f"{number}" for number in range(len(leads))]))


RHYTHM = (
    *("beats", "heart_rate", "rr_mean", "rr_sd", "rr_min", "rr_max", "rr_ratio_min", "rr_ratio_max"),
    *("rmssd", "pnn50", "irregularity", "early_share", "late_share"),
)


def rhythm(recorded: Recorded) -> dict[str, float]:
    """Heart rate, intervals in ms, their deviation and change, and how many beats are early or late; all NaN for fewer than three beats."""
    intervals = rr_intervals(recorded.beats, recorded.rate)
    if len(intervals) < 2:
        return dict.fromkeys(RHYTHM, math.nan)
    steps, ratios = np.diff(intervals), ratios_to_last(intervals)
    found = (len(recorded.beats), 60_000 / np.median(intervals), intervals.mean(), intervals.std(ddof=1), intervals.min(), intervals.max())
    change = (ratios.min(), ratios.max(), np.sqrt((steps**2).mean()), 100 * (np.abs(steps) > 50).mean())
    shares = (np.median(np.abs(steps)) / np.median(intervals), (ratios < EARLY).mean(), (ratios > LATE).mean())
    return {name: float(value) for name, value in zip(RHYTHM, (*found, *change, *shares), strict=True)}


def ratios_to_last(intervals: Array) -> Array:
    """Each interval as a share of the median of the last eight before it; the first, of the median of all."""
    middles = [np.median(intervals[max(0, place - LAST) : place] if place else intervals) for place in range(len(intervals))]
    return intervals / np.array(middles)


def variability(recorded: Recorded) -> dict[str, float]:
    """Heart-rate variability over time and frequency, and nonlinear; intervals are taken as they are, those of ectopic beats too."""
    beats, rate = recorded.beats, recorded.rate
    finely = FINE if recorded.values.shape[1] < LONG * rate else COARSE
    return hrv_time(beats, rate) | hrv_frequency(beats, rate, interpolation_rate=finely) | hrv_nonlinear(beats, rate)


def entropies(recorded: Recorded) -> dict[str, float]:
    """Permutation, sample, approximate and spectral entropy of pieces of 10 s of one lead at 100 Hz, the median of them."""
    names = ("permutation", "sample", "approximate", "spectral")
    found = [
        (permutation_entropy(each, normalize=True), sample_entropy(each), approximate_entropy(each), spectral_entropy(each, ENTROPY_RATE))
        for each in pieces_of(recorded)
    ]
    known = np.array(found)
    known = np.where(np.isfinite(known), known, np.nan) if found else np.full((1, len(names)), np.nan)
    return {name: float(np.nanmedian(each)) if np.isfinite(each).any() else math.nan for name, each in zip(names, known.T, strict=True)}


def pieces_of(recorded: Recorded) -> list[Array]:
    """Pieces of 10 s of the lead that shows most, at 100 Hz, spread evenly; of a shorter recording the whole."""
    from fractions import Fraction

    from scipy.signal import resample_poly

    lead = fill_invalid(recorded.values[[best_lead(recorded)]])[0].astype(np.float64)
    size = round(PIECE * recorded.rate)
    starts = np.unique(np.linspace(0, len(lead) - size, min(MOST, len(lead) // size)).astype(int)) if len(lead) > size else [0]
    ratio = Fraction(ENTROPY_RATE / recorded.rate).limit_denominator(1000)
    pieces = [lead[start : start + size] for start in starts]
    return [resample_poly(each - each.mean(), ratio.numerator, ratio.denominator) for each in pieces if len(each) > 1 and np.ptp(each)]


def best_lead(recorded: Recorded) -> int:
    """The number of lead II where there is one, else of others that are usual, else of the first that is not flat."""
    usable = [number for number, lead in enumerate(recorded.values) if np.isfinite(lead).any() and np.nanmax(lead) > np.nanmin(lead)]
    named = {recorded.channels[number].strip().lower(): number for number in reversed(usable)}
    return next((named[each] for each in BEST if each in named), usable[0] if usable else 0)


def of_the_heart(recorded: Recorded) -> dict[str, float]:
    """Beats, intervals between waves and the ST level, of its leads of an ECG."""
    return ecg_measures(recorded.leads, recorded.rate, [recorded.channels[number] for number in recorded.of_heart])


def of_channel(function: Callable[..., dict[str, float]], names: str) -> Callable[[Recorded], dict[str, float]]:
    """The numbers of the first channel that is called so, or of the only one. Raises ConfigError where it is not known which."""
    called = re.compile(names, re.IGNORECASE)

    def numbers(recorded: Recorded) -> dict[str, float]:
        found = [number for number, name in enumerate(recorded.channels) if called.search(name)]
        if not found and len(recorded.channels) > 1:
            what = f"no channel is called {names.replace('|', ', ')} or alike"
            raise ConfigError(
                what, where="measures", why=f"there are {', '.join(recorded.channels)}", fix="name the channels, or leave it out"
            )
        return function(recorded.values[found[0] if found else 0], recorded.rate)

    return numbers


MEASURES: dict[str, Callable[[Recorded], dict[str, float]]] = {
    "rhythm": rhythm,
    "hrv": variability,
    "entropy": entropies,
    "quality": lambda recorded: quality(recorded.values, recorded.rate),
    "ecg": of_the_heart,
    "eda": of_channel(eda_measures, "eda|gsr|skin"),
    "emg": of_channel(emg_measures, "emg"),
    "ppg": of_channel(ppg_measures, "ppg|pleth|pulse"),
    "rsp": of_channel(rsp_measures, "resp|rsp|breath"),
}
"""What can be measured, by name: recording → numbers by name."""
