"""How many events there are a minute, at each sample between them."""

from __future__ import annotations

import numpy as np

from trainwright.domains.signals.physiology.inputs import Array, Channel

LOST = 0.2
"""Share of an interval that may be lost; with more, an event may have been in what was lost."""


def rate_between(events: Array, channel: Channel) -> Array:
    """Events a minute at each sample, `(time,)`; NaN everywhere where there are fewer than two.

    `events` are samples, ascending. The interval before each (before the first: the mean) is interpolated by monotone cubic pieces
    (Fritsch and Carlson, 1980) and held beyond the first and last, as neurokit2's `signal_rate` does it; intervals over gaps are no knots.
    """
    kept = seen_whole(events, channel)
    intervals = np.diff(events)[kept] / channel.rate
    if not len(intervals):
        return np.full(len(channel.values), np.nan)
    places, values = events[1:][kept], intervals
    if kept[0]:
        places, values = np.concatenate([events[:1], places]), np.concatenate([[intervals.mean()], values])
    return 60 / interpolate(places, values, len(channel.values))


def seen_whole(events: Array, channel: Channel) -> Array:
    """Of each interval between two events, `(events - 1,)`, whether a fifth of it at most is not usable."""
    lost = np.concatenate([[0], np.cumsum(~channel.usable)])[events]
    return np.asarray(np.diff(lost) <= LOST * np.diff(events))


def interpolate(places: Array, values: Array, length: int) -> Array:
    """Values at samples `places` as `(length,)`: monotone cubic pieces between, held beyond the ends; NaN where there are none."""
    from scipy.interpolate import PchipInterpolator

    if not len(places):
        return np.full(length, np.nan)
    if len(places) == 1:
        return np.full(length, float(values[0]))
    within = np.clip(np.arange(length), places[0], places[-1])
    return np.asarray(PchipInterpolator(places, values)(within))
