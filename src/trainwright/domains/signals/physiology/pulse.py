"""A photoplethysmogram's systolic peaks, heart rate and quality."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.signals.physiology.cleaning import POWERLINE, check_method, clean_filled
from trainwright.domains.signals.physiology.event_rates import rate_between
from trainwright.domains.signals.physiology.inputs import Array, read_channel, runs
from trainwright.domains.signals.physiology.quality import match_template
from trainwright.domains.signals.physiology.results import PPG

FLAT = 1.0
"""Seconds of equal values from which a sensor is not connected."""
PEAK, BEAT, OFFSET, REFRACTORY = 0.111, 0.667, 0.02, 0.3
"""Seconds of a systolic peak and of a beat, share of the mean energy that peaks stand above, least seconds between two (Elgendi, 2013)."""


def ppg(values: Any, rate: float, *, method: str = "neurokit") -> PPG:
    """A pulse in light `(time,)`: cleaned, systolic peaks (Elgendi et al., 2013), beats a minute, how much each resembles the usual one.

    `rate` in samples a second; `method` as in `clean`. Gaps (NaN) and a second without any change are bridged, have no beats and quality
    0. Raises DataError or ConfigError for what cannot be read so.
    """
    check_method("ppg", method)
    channel = read_channel(values, rate, "ppg", FLAT)
    cleaned = clean_filled(channel, "ppg", method, POWERLINE)
    found = find_systolic_peaks(cleaned, rate) if channel.usable.any() else np.empty(0, np.int64)
    found = found[channel.usable[found]]
    return PPG(channel.rate, cleaned, match_template(cleaned, found, channel, 0.5, 0.5), found, rate_between(found, channel))


def find_systolic_peaks(cleaned: Array, rate: float) -> Array:
    """Samples of systolic peaks of a cleaned `(time,)`: where its energy over a peak is more than over a beat (Elgendi et al., 2013)."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    energy = np.maximum(cleaned, 0) ** 2
    over_peak, over_beat = (uniform_filter1d(energy, max(round(each * rate), 1), mode="nearest") for each in (PEAK, BEAT))
    starts, ends = runs(over_peak > over_beat + OFFSET * energy.mean())
    found: list[int] = []
    for start, end in zip(starts - 1, ends - 1, strict=True):
        if start < 0 or end == len(cleaned) - 1 or end - start < round(PEAK * rate):
            continue
        places, about = find_peaks(cleaned[start:end], prominence=(None, None))
        if not len(places):
            continue
        peak = int(start + places[about["prominences"].argmax()])
        if peak - (found[-1] if found else 0) > round(REFRACTORY * rate):
            found.append(peak)
    return np.array(found, np.int64)
