"""Electrodermal activity: slow level, responses, quality."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.config.errors import DataError
from trainwright.domains.signals.physiology.cleaning import POWERLINE, butterworth, check_method, clean_filled
from trainwright.domains.signals.physiology.inputs import Array, Channel, read_channel
from trainwright.domains.signals.physiology.quality import within_limits
from trainwright.domains.signals.physiology.results import EDA
from trainwright.domains.signals.processing.rates import check_edges

FLAT = 10.0
"""Seconds of equal values from which electrodes are not connected."""
SLOW = 0.05
"""Hz that parts tonic from phasic."""
SMALL = 0.1
"""Of the largest response, what one has at least (neurokit2's `amplitude_min`)."""
LOWEST, HIGHEST, STEEPEST, SETTLING = 0.05, 60.0, 10.0, 5.0
"""µS, µS, µS a second and seconds that a valid signal keeps to (Kleckner et al., 2018)."""


def eda(values: Any, rate: float, *, method: str = "neurokit") -> EDA:
    """Skin conductance `(time,)` in µS: cleaned, parted at 0.05 Hz into tonic and phasic, responses (SCR) of 10 % of the largest or more.

    `rate` in samples a second; `method` as in `clean`. Quality is 1 where values are 0.05 to 60 µS and change by at most 10 µS a second, 5
    s away from where they do not, else 0. Gaps (NaN) and ten seconds without any change are bridged and have no responses. Raises
    DataError or ConfigError for what cannot be read so.
    """
    check_method("eda", method)
    channel = read_channel(values, rate, "eda", FLAT)
    cleaned = clean_filled(channel, "eda", method, POWERLINE)
    tonic, phasic = part(cleaned, rate)
    onsets, peaks = find_responses(phasic, channel)
    amplitudes = phasic[peaks] - phasic[onsets]
    quality = within_limits(channel, LOWEST, HIGHEST, STEEPEST, SETTLING)
    recoveries = half_recoveries(phasic, peaks, phasic[onsets] + amplitudes / 2, rate)
    return EDA(channel.rate, cleaned, quality, tonic, phasic, onsets, peaks, amplitudes, recoveries)


def part(cleaned: Array, rate: float) -> tuple[Array, Array]:
    """Tonic and phasic `(time,)`: below and above 0.05 Hz. Raises DataError where it is too short, ConfigError for a rate below 0.1."""
    check_edges("to part tonic from phasic", [SLOW], rate)
    if not len(cleaned):
        return cleaned, cleaned
    try:
        slow, fast = (butterworth(cleaned, rate, (SLOW,), 2, kind) for kind in ("lowpass", "highpass"))
    except ValueError as error:
        raise DataError(f"{len(cleaned)} samples are too short to part tonic from phasic", where="eda", why=str(error)) from error
    return slow, fast


def find_responses(phasic: Array, channel: Channel) -> tuple[Array, Array]:
    """Samples of onsets and peaks: maxima whose prominence is 10 % of the largest, and the trough before each."""
    from scipy.signal import find_peaks, peak_prominences

    peaks, _ = find_peaks(phasic)
    troughs, _ = find_peaks(-phasic)
    heights = peak_prominences(phasic, peaks)[0] if len(peaks) else np.empty(0)
    before = np.searchsorted(troughs, peaks) - 1
    kept = (before >= 0) & channel.usable[peaks]
    kept &= heights >= SMALL * max(heights[kept], default=0.0)
    return troughs[before[kept]].astype(np.int64), peaks[kept].astype(np.int64)


def half_recoveries(phasic: Array, peaks: Array, levels: Array, rate: float) -> Array:
    """Seconds from each peak until the phasic signal is at a level again, before it rises to the next peak; NaN where it is not."""
    found = np.full(len(peaks), np.nan)
    for number, (peak, level) in enumerate(zip(peaks, levels, strict=True)):
        until = peaks[number + 1] if number + 1 < len(peaks) else len(phasic)
        under = np.flatnonzero(phasic[peak:until] <= level)
        if len(under):
            found[number] = under[0] / rate
    return found
