"""An electromyogram's amplitude, activations and quality."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.config.errors import DataError
from trainwright.domains.signals.physiology.cleaning import POWERLINE, butterworth, check_method, clean_filled
from trainwright.domains.signals.physiology.inputs import Array, Channel, read_channel, runs
from trainwright.domains.signals.physiology.quality import share_of_power
from trainwright.domains.signals.physiology.results import EMG

FLAT = 0.5
"""Seconds of equal values from which electrodes are not connected."""
LOWEST, HIGHEST, ENVELOPE = 10.0, 400.0, 8.0
"""Hz between which energy counts, and up to which its envelope follows it."""
ACTIVE = 0.1
"""Deviations of the amplitude above which a muscle is active."""
SHORTEST = 0.05
"""Seconds that an activation, and the rest before it, has at least."""
MOTION = 20.0
"""Hz below which power comes of motion and not of muscles (Sinderby et al., 1995)."""


def emg(values: Any, rate: float, *, method: str = "neurokit") -> EMG:
    """A muscle's electricity `(time,)`: cleaned, the envelope of its energy, activations, and the share of power that is none of motion.

    `rate` in samples a second, above 200; `method` as in `clean`. A muscle is active where the amplitude is above a tenth of its standard
    deviation for 50 ms or more, after as much rest. Gaps (NaN) and half a second without any change are bridged, without activations.
    Raises DataError or ConfigError for what cannot be read so.
    """
    check_method("emg", method)
    channel = read_channel(values, rate, "emg", FLAT)
    cleaned = clean_filled(channel, "emg", method, POWERLINE)
    amplitude = envelope(cleaned, rate)
    onsets, offsets = find_activations(amplitude, channel)
    whole = channel.values - np.median(channel.values) if len(channel.values) else channel.values
    quality = share_of_power(above_motion(whole, rate), whole, channel, 1.0)
    return EMG(channel.rate, cleaned, quality, amplitude, onsets, offsets)


def envelope(cleaned: Array, rate: float) -> Array:
    """`(time,)`: Teager and Kaiser's energy x² − x₋₁ x₊₁, from 10 to 400 Hz, without sign, up to 8 Hz. Raises DataError if too short."""
    if len(cleaned) < 3:
        return np.zeros(len(cleaned))
    energy = cleaned.copy()
    energy[1:-1] = cleaned[1:-1] ** 2 - cleaned[:-2] * cleaned[2:]
    energy[0], energy[-1] = energy[1], energy[-2]
    try:
        if rate / 2 > HIGHEST:
            band = butterworth(energy, rate, (LOWEST, HIGHEST), 2, "bandpass")
        else:
            band = butterworth(energy, rate, (LOWEST,), 2, "highpass")
        return butterworth(np.abs(band), rate, (ENVELOPE,), 2, "lowpass")
    except ValueError as error:
        raise DataError(f"{len(cleaned)} samples are too short for an envelope", where="emg", why=str(error)) from error


def above_motion(samples: Array, rate: float) -> Array:
    """`(time,)` from 20 Hz on."""
    return butterworth(samples, rate, (MOTION,), 4, "highpass") if len(samples) else samples


def find_activations(amplitude: Array, channel: Channel) -> tuple[Array, Array]:
    """First samples of activations and the samples after their last; those that touch what is not usable are left out."""
    if not channel.usable.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    active = amplitude > ACTIVE * amplitude[channel.usable].std()
    starts, ends = runs(active)
    rest_starts, rest_ends = runs(~active)
    least = int(SHORTEST * channel.rate)
    after_rest = np.isin(starts, rest_ends[rest_ends - rest_starts >= least])
    unusable = np.concatenate([[0], np.cumsum(~channel.usable)])
    kept = after_rest & (ends - starts >= least) & (unusable[ends] == unusable[starts])
    return starts[kept], ends[kept]
