"""Breaths in a respiration signal: when each begins and turns, how many a minute, how deep."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.signals.physiology.cleaning import POWERLINE, check_method, clean_filled
from trainwright.domains.signals.physiology.event_rates import interpolate, rate_between
from trainwright.domains.signals.physiology.inputs import Array, read_channel
from trainwright.domains.signals.physiology.quality import match_template
from trainwright.domains.signals.physiology.results import RSP

FLAT = 5.0
"""Seconds of equal values from which a belt is not connected; a breath may be held for less."""
SHALLOW = 0.3
"""Of the usual rise or fall, what one has at least (Khodadad et al., 2018)."""


def rsp(values: Any, rate: float, *, method: str = "neurokit") -> RSP:
    """Breathing `(time,)`, up for in: cleaned, where breaths begin and turn (Khodadad et al., 2018), breaths a minute, depth, quality.

    `rate` in samples a second; `method` as in `clean`. Gaps (NaN) and five seconds without any change are bridged, have no breaths and
    quality 0. Raises DataError or ConfigError for what cannot be read so.
    """
    check_method("rsp", method)
    channel = read_channel(values, rate, "rsp", FLAT)
    cleaned = clean_filled(channel, "rsp", method, POWERLINE)
    troughs, peaks = find_breaths(cleaned) if channel.usable.any() else (np.empty(0, np.int64), np.empty(0, np.int64))
    kept = channel.usable[troughs] & channel.usable[peaks]
    troughs, peaks = troughs[kept], peaks[kept]
    quality = match_template(cleaned, troughs, channel, 0.0, 1.0)
    depth = interpolate(peaks, cleaned[peaks] - cleaned[troughs], len(cleaned))
    return RSP(channel.rate, cleaned, quality, troughs, peaks, rate_between(troughs, channel), depth)


def find_breaths(cleaned: Array) -> tuple[Array, Array]:
    """Samples of troughs and of the peaks that follow them, as many of each, of a cleaned `(time,)` about 0."""
    extrema = without_shallow(cleaned, extrema_between_crossings(cleaned))
    if len(extrema) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    heights = cleaned[extrema]
    begin = 1 if heights[0] > heights[1] else 0
    stop = len(extrema) - 1 if heights[-1] < heights[-2] else len(extrema)
    kept = extrema[begin:stop]
    return kept[0:-1:2], kept[1::2]


def extrema_between_crossings(cleaned: Array) -> Array:
    """The highest sample between a crossing of 0 upwards and the next one, the lowest between one downwards and the next."""
    above, below = cleaned > 0, cleaned < 0
    up, down = np.flatnonzero(below[:-1] & above[1:]), np.flatnonzero(above[:-1] & below[1:])
    crossings = np.sort(np.concatenate([up, down]))
    rising = np.isin(crossings, up)
    pieces = zip(crossings[:-1], crossings[1:], rising[:-1], strict=True)
    found = [start + (cleaned[start:end].argmax() if rises else cleaned[start:end].argmin()) for start, end, rises in pieces]
    return np.array(found, np.int64)


def without_shallow(cleaned: Array, extrema: Array) -> Array:
    """Extrema without those from which the signal goes less than 0.3 of what is usual, alternating between high and low."""
    if len(extrema) < 2:
        return extrema[:0]
    differences = np.abs(np.diff(cleaned[extrema]))
    deep = extrema[np.flatnonzero(differences > SHALLOW * np.median(differences))]
    signs = np.sign(np.diff(cleaned[deep]))
    return np.delete(deep, np.flatnonzero(signs[:-1] + signs[1:]) + 1)
