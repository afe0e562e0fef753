"""An ECG's R peaks, heart rate and quality."""

from __future__ import annotations

from typing import Any

from trainwright.domains.signals.physiology.cleaning import POWERLINE, check_method, clean_filled
from trainwright.domains.signals.physiology.event_rates import rate_between
from trainwright.domains.signals.physiology.inputs import Array, check_events, read_channel
from trainwright.domains.signals.physiology.quality import match_template
from trainwright.domains.signals.physiology.results import ECG
from trainwright.domains.signals.physiology.rpeaks import rpeaks

FLAT = 0.5
"""Seconds of equal values from which a lead is not connected."""
BEFORE, AFTER = 0.35, 0.65
"""Shares of the usual interval that belong to a beat, before and after its R peak."""


def ecg(values: Any, rate: float, *, method: str = "neurokit", peaks: str | Array = "band", powerline: float = POWERLINE) -> ECG:
    """An ECG of one lead `(time,)`: cleaned as neurokit2 does it, R peaks, beats a minute and how much each beat resembles the usual one.

    `rate` in samples a second; `method` as in `clean`; `peaks` names a detector of `rpeaks`, or is what one found; `powerline` in Hz. Gaps
    (NaN) and half a second without any change are bridged, have no beats and quality 0. Raises DataError or ConfigError for what cannot be
    read so.
    """
    check_method("ecg", method)
    channel = read_channel(values, rate, "ecg", FLAT)
    cleaned = clean_filled(channel, "ecg", method, powerline)
    found = rpeaks(channel.values, rate, peaks) if isinstance(peaks, str) else check_events(peaks, len(cleaned), "ecg")
    found = found[channel.usable[found]]
    quality = match_template(cleaned, found, channel, BEFORE, AFTER)
    return ECG(channel.rate, cleaned, quality, found, rate_between(found, channel))
