"""P, QRS and T of each beat of an ECG: peaks, on- and offsets, by slopes at the scales of a wavelet transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.domains.signals.physiology.event_rates import rate_between
from trainwright.domains.signals.physiology.inputs import Array, Channel, check_events, read_channel
from trainwright.domains.signals.physiology.waves import ANALYSIS_RATE, Rhythm, find_waves, scales

BEFORE, AFTER = 0.35, 0.65
"""Shares of the mean interval round an R peak in which Q and S are looked for."""
SMALL = 0.05
"""Of the range of that piece, how much a Q or S stands out at least."""
PIECE, MARGIN = 30.0, 1.6
"""Seconds that are analysed at a time, and intervals on both sides of them that are looked at."""
NAMES = ("p_onsets", "p_peaks", "p_offsets", "qrs_onsets", "q_peaks", "s_peaks", "qrs_offsets", "t_onsets", "t_peaks", "t_offsets")


@dataclass(frozen=True)
class Delineation:
    """Where the waves of each beat are: samples `(beats,)`, NaN for what is not found."""

    sampling_rate: float
    """Samples a second."""
    r_peaks: Array
    """As they were given, int64."""
    p_onsets: Array
    p_peaks: Array
    p_offsets: Array
    qrs_onsets: Array
    q_peaks: Array
    s_peaks: Array
    qrs_offsets: Array
    t_onsets: Array
    t_peaks: Array
    t_offsets: Array

    def to_table(self) -> pa.Table:
        """A row for each beat; samples as whole numbers, null for what is not found."""
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "sampling_rate"}
        return pa.table({name[:-1]: pa.array(np.nan_to_num(each).astype(np.int64), mask=np.isnan(each)) for name, each in columns.items()})

    def intervals(self) -> dict[str, Array]:
        """Milliseconds `(beats,)`, NaN where an end is not found: `p`, `pr`, `qrs`, `qt`, `st`; PR ends and QT begins with QRS."""
        ends = {
            "p": (self.p_onsets, self.p_offsets),
            "pr": (self.p_onsets, self.qrs_onsets),
            "qrs": (self.qrs_onsets, self.qrs_offsets),
            "qt": (self.qrs_onsets, self.t_offsets),
            "st": (self.qrs_offsets, self.t_onsets),
        }
        return {name: (end - start) * 1000 / self.sampling_rate for name, (start, end) in ends.items()}


def delineate(values: Any, peaks: Any, rate: float) -> Delineation:
    """Waves of an ECG `(time,)`, best cleaned (`ecg(...).clean`), round R `peaks` in samples, ascending; a row for each beat.

    As neurokit2's `ecg_delineate(method="dwt")`: P and T are zero crossings between opposite slopes, at the scales of Martínez (2004),
    on- and offsets where a slope has fallen to about half; Q and S are the last trough before and the first behind R. P and T that point
    down are not looked for. `rate` in samples a second. Raises DataError for peaks that are none of the signal's, ConfigError for a rate
    that is none.
    """
    channel = read_channel(values, rate, "delineate")
    beats = check_events(peaks, len(channel.values), "delineate")
    found = {name: np.full(len(beats), np.nan) for name in NAMES}
    if len(beats) and len(channel.values) > 1:
        found["q_peaks"], found["s_peaks"] = find_q_and_s(channel, beats)
        rhythm = Rhythm.of(beats, channel.rate)
        for chosen, start, stop in _pieces(beats, rhythm.interval * MARGIN * channel.rate, channel.rate, len(channel.values)):
            _fill(found, channel.values, (beats, chosen), (start, stop), rhythm, channel.rate)
    for each in found.values():
        each[(each < 0) | (each >= len(channel.values))] = np.nan
    return Delineation(channel.rate, beats, **found)


def find_q_and_s(channel: Channel, beats: Array) -> tuple[Array, Array]:
    """The last trough before each R peak and the first behind it, samples `(beats,)`, NaN for none that stands out."""
    mean_rate = float(rate_between(beats, channel).mean())
    interval = (60 / mean_rate if mean_rate > 0 else 1.0) * channel.rate
    samples, before, after = channel.values, int(BEFORE * interval), int(AFTER * interval)
    q, s = np.full(len(beats), np.nan), np.full(len(beats), np.nan)
    for number, beat in enumerate(beats):
        start = max(beat - before, 0)
        left, right = _troughs(samples[start:beat]), _troughs(samples[beat : beat + after])
        if len(left):
            q[number] = start + left[-1]
        if len(right):
            s[number] = beat + right[0]
    return q, s


def _troughs(piece: Array) -> Array:
    from scipy.signal import find_peaks

    return np.asarray(find_peaks(-piece, prominence=max(SMALL * np.ptp(piece), np.finfo(float).tiny))[0]) if len(piece) > 2 else piece[:0]


def _pieces(beats: Array, margin: float, rate: float, length: int) -> Iterator[tuple[slice, int, int]]:
    """Neighbouring beats that lie within some seconds, and first and last + 1 sample of what is analysed with them."""
    first = 0
    while first < len(beats):
        last = int(np.searchsorted(beats, beats[first] + PIECE * rate))
        yield slice(first, last), max(int(beats[first] - margin), 0), min(int(beats[last - 1] + margin) + 2, length)
        first = last


def _fill(found: dict[str, Array], samples: Array, chosen: tuple[Array, slice], span: tuple[int, int], rhythm: Rhythm, rate: float) -> None:
    """Write what is found of some beats, looking at a piece of the samples."""
    from scipy.ndimage import map_coordinates

    (beats, which), (start, stop) = chosen, span
    origin = int(np.ceil(start * ANALYSIS_RATE / rate))
    count = int((stop - 1) * ANALYSIS_RATE / rate) - origin + 1
    places = (origin + np.arange(count)) * (rate / ANALYSIS_RATE) - start
    fine = map_coordinates(samples[start:stop], [places], order=3, mode="nearest")
    at = (beats[which] * ANALYSIS_RATE / rate).astype(np.int64) - origin
    q = found["q_peaks"][which] * ANALYSIS_RATE / rate - origin
    for name, each in find_waves(fine, scales(fine, rhythm.degree), at, q, rhythm).items():
        found[name][which] = np.round((each + origin) * rate / ANALYSIS_RATE)
