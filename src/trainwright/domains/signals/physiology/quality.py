"""How far a signal can be trusted at each sample, from 0 to 1."""

from __future__ import annotations

import numpy as np

from trainwright.domains.signals.physiology.inputs import Array, Channel

COMPARED = 1000
"""Cycles of which the usual one is made, evenly chosen."""
BLOCK = 1024
"""Cycles that are compared at a time."""


def match_template(samples: Array, events: Array, channel: Channel, before: float, after: float) -> Array:
    """Quality `(time,)`: how much each cycle resembles the usual one, their correlation, at least 0 (Orphanidou et al., 2015).

    A cycle reaches from `before` to `after` usual intervals round its event; the usual one is the median of them. A cycle's quality holds
    until the next event, the first one's also before it; 0 where the channel is not usable, and everywhere with fewer than three cycles.
    """
    if len(events) < 3:
        return np.zeros(len(samples))
    interval = float(np.median(np.diff(events)))
    offsets = np.arange(-round(before * interval), round(after * interval) + 1)
    inside = events[(events + offsets[0] >= 0) & (events + offsets[-1] < len(samples))]
    if not len(inside):
        return np.zeros(len(samples))
    chosen = inside[np.unique(np.linspace(0, len(inside) - 1, COMPARED).astype(np.int64))]
    usual = np.median(samples[chosen[:, None] + offsets], axis=0)
    likeness = np.concatenate([_correlate(samples, events[at : at + BLOCK], offsets, usual) for at in range(0, len(events), BLOCK)])
    holding = np.searchsorted(events, np.arange(len(samples)), side="right") - 1
    return np.asarray(likeness[np.maximum(holding, 0)] * channel.usable)


def _correlate(samples: Array, events: Array, offsets: Array, usual: Array) -> Array:
    """Of each cycle with the usual one, over what of it is recorded; 0 for a flat one."""
    places = events[:, None] + offsets
    there = (places >= 0) & (places < len(samples))
    count = there.sum(axis=1, keepdims=True)
    cycles = np.where(there, samples[np.clip(places, 0, len(samples) - 1)], 0)
    template = np.where(there, usual, 0)
    cycles = np.where(there, cycles - cycles.sum(axis=1, keepdims=True) / count, 0)
    template = np.where(there, template - template.sum(axis=1, keepdims=True) / count, 0)
    size = np.sqrt((cycles**2).sum(axis=1) * (template**2).sum(axis=1))
    product = (cycles * template).sum(axis=1)
    return np.clip(np.divide(product, size, out=np.zeros_like(product), where=size > 0), 0, 1)


def within_limits(channel: Channel, low: float, high: float, steepest: float, settling: float) -> Array:
    """Quality `(time,)`, 0 or 1: 0 outside `low` to `high`, where it changes by more than `steepest` a second, where it is not usable, and
    for `settling` seconds round each of these (Kleckner et al., 2018)."""
    from scipy.ndimage import maximum_filter1d

    if not len(channel.values):
        return np.zeros(0)
    slope = np.abs(np.diff(channel.values, prepend=channel.values[0])) * channel.rate
    wrong = ~channel.usable | (channel.values < low) | (channel.values > high) | (slope > steepest)
    reach = round(settling * channel.rate)
    return 1.0 - np.asarray(maximum_filter1d(wrong.astype(np.float64), 2 * reach + 1, mode="constant"))


def share_of_power(wanted: Array, whole: Array, channel: Channel, seconds: float) -> Array:
    """Quality `(time,)`: of the power of `whole` round each sample, what `wanted` has; 0 where the channel is not usable."""
    from scipy.ndimage import uniform_filter1d

    if not len(whole):
        return np.zeros(0)
    size = max(round(seconds * channel.rate), 1)
    part, total = (uniform_filter1d(each**2, size, mode="nearest") for each in (wanted, whole))
    share = np.divide(part, total, out=np.zeros_like(part), where=total > 0)
    return np.asarray(np.clip(share, 0, 1) * channel.usable)
