"""P, QRS and T in a piece of an ECG at 2,000 samples a second, as slopes at dyadic scales (Martínez et al., 2004; neurokit2's `dwt`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainwright.domains.signals.physiology.inputs import Array

ANALYSIS_RATE = 2000.0
"""Samples a second that scales are counted at."""
QRS, RT, PR = 0.13, 0.25, 0.2
"""Seconds at 60 beats a minute: width of a QRS, from R to T, from P to R."""
T_SCALE, P_SCALE, SLOPE_SCALE = 3, 2, 2
"""Scales at 250 Hz and 60 beats a minute on which T, P, and slopes of all are looked for."""
T_HEIGHT, P_HEIGHT, LEAST = 0.25, 0.02, 0.025
"""Of the root mean square, what a slope of T and of P has at least; of the largest, what any has."""
AMPLITUDE = 0.3
"""Seconds of distance from the usual place that the highest wave makes good."""
REACH, T_REACH = 0.3, 0.6
"""Seconds at 60 beats a minute in which on- and offsets are looked for; of the onset of T."""
LEVEL, T_LEVEL, QRS_LEVEL = 0.4, 0.6, 0.5
"""Of a slope, what it has fallen to at an on- or offset; at the onset of T; of QRS."""


@dataclass(frozen=True)
class Rhythm:
    """How fast the heart beats, which says at which scale and how far waves are looked for."""

    interval: float
    """Seconds from beat to beat; 1 where there is one beat."""

    @classmethod
    def of(cls, beats: Array, rate: float) -> Rhythm:
        """Of R peaks in samples: the median rate, that of the first beat being the mean."""
        if len(beats) < 2:
            return cls(1.0)
        intervals = np.diff(beats) / rate
        return cls(float(1 / np.median(1 / np.concatenate([[intervals.mean()], intervals]))))

    @property
    def degree(self) -> int:
        """Scales up from those at 250 Hz and 60 beats a minute, -2 to 5."""
        return max(min(int(math.log2(ANALYSIS_RATE / 250 * self.interval)), 5), -2)

    def seconds(self, usual: float) -> float:
        """Of `usual` seconds at 60 beats a minute."""
        return round(usual * self.interval, 3)


def scales(samples: Array, degree: int) -> Array:
    """Slopes of `(time,)` at the scales of a quadratic spline wavelet that are looked at, `(scales, time)`, by the algorithm à trous."""
    smooth, found = samples, []
    for power in range(T_SCALE + degree + 1):
        found.append(_filter(smooth, (2.0, -2.0), power))
        smooth = _filter(smooth, (0.125, 0.375, 0.375, 0.125), power)
    return np.stack(found)


def _filter(samples: Array, taps: tuple[float, ...], power: int) -> Array:
    """The sum of shifted copies, with 2^power - 1 zeros between taps, one step early: zeros beyond the ends."""
    step = 2**power
    padded = np.concatenate([np.zeros(step * (len(taps) - 1)), samples, np.zeros(step)])
    places = [step * (len(taps) - number) for number in range(len(taps))]
    return np.asarray(sum(tap * padded[place : place + len(samples)] for tap, place in zip(taps, places, strict=True)))


def find_waves(samples: Array, slopes: Array, beats: Array, q: Array, rhythm: Rhythm) -> dict[str, Array]:
    """On- and offsets and peaks `(beats,)`, NaN for none, of a piece and its slopes, with R peaks and Q peaks (NaN for none) in it."""
    degree = rhythm.degree
    fine = slopes[SLOPE_SCALE + degree]
    t = np.array([_find_t(samples, slopes[T_SCALE + degree], beat, rhythm) for beat in beats])
    p = np.array([_find_p(samples, slopes[P_SCALE + degree], beat, rhythm) for beat in beats])
    near, far = (int(rhythm.seconds(each) * ANALYSIS_RATE) for each in (REACH, T_REACH))
    return {
        "p_peaks": p,
        "t_peaks": t,
        "p_onsets": np.array([_start(fine, each - near, each, LEVEL) for each in p]),
        "t_onsets": np.array([_start(fine, each - far, each, T_LEVEL) for each in t]),
        "p_offsets": np.array([_end(-fine, each, each + near, LEVEL) for each in p]),
        "t_offsets": np.array([_end(-fine, each, each + near, LEVEL) for each in t]),
        "qrs_onsets": np.array([_start(-fine, *each, QRS_LEVEL) for each in zip(p, q, strict=True)]),
        "qrs_offsets": np.array([_end(fine, *each, QRS_LEVEL) for each in zip(beats, t, strict=True)]),
    }


def _find_t(samples: Array, slope: Array, beat: int, rhythm: Rhythm) -> float:
    usual = rhythm.seconds(RT)
    start, stop = int(beat) + int(QRS / 2 * ANALYSIS_RATE), int(beat) + 2 * int(usual * ANALYSIS_RATE)
    crossings = _crests(slope[start:stop], T_HEIGHT)
    late = crossings / ANALYSIS_RATE - (usual - QRS / 2)
    return _best(samples[start:stop], crossings, late) + start


def _find_p(samples: Array, slope: Array, beat: int, rhythm: Rhythm) -> float:
    usual = rhythm.seconds(PR)
    start, stop = int(beat) - 2 * int(usual * ANALYSIS_RATE), int(beat) - int(QRS / 2 * ANALYSIS_RATE)
    if start < 0:
        return math.nan
    crossings = _crests(slope[start:stop], P_HEIGHT)
    return _best(samples[start:stop], crossings, np.abs(crossings / ANALYSIS_RATE - usual)) + start


def _crests(slope: Array, height: float) -> Array:
    """Where a slope goes from up to down, between two neighbouring extrema of it that are steep enough."""
    from scipy.signal import find_peaks

    if len(slope) < 3:
        return np.empty(0, np.int64)
    steep, _ = find_peaks(np.abs(slope), height=height * math.sqrt(float(np.mean(slope**2))))
    steep = steep[np.abs(slope[steep]) > LEAST * slope.max()]
    if slope[0] > 0:
        steep = np.concatenate([[0], steep])
    pairs = [(a, b) for a, b in pairwise(steep) if slope[a] > 0 > slope[b]]
    return np.array([a + int((slope[a : b + 1] <= 0).argmax()) - 1 for a, b in pairs], np.int64)


def _best(samples: Array, crests: Array, distance: Array) -> float:
    """The crest that is high and near its usual place, whatever the unit of the signal; NaN for none."""
    if not len(crests):
        return math.nan
    deviation = np.abs(samples - np.median(samples))
    most = float(deviation.max())
    score = (AMPLITUDE * deviation[crests] / most if most > 0 else 0.0) - distance
    return float(crests[int(score.argmax())])


def _start(slope: Array, start: float, stop: float, level: float) -> float:
    """The last sample before the last crest of a slope in `start` to `stop` where it is under `level` of it; NaN for none."""
    from scipy.signal import find_peaks

    if math.isnan(start) or math.isnan(stop) or start < 0:
        return math.nan
    piece = slope[int(start) : int(stop)]
    crests = find_peaks(piece)[0]
    under = np.flatnonzero(piece[: crests[-1]] < level * piece[crests[-1]]) if len(crests) else crests
    return start + float(under[-1]) if len(under) else math.nan


def _end(slope: Array, start: float, stop: float, level: float) -> float:
    """The first sample behind the first crest of a slope in `start` to `stop` where it is under `level` of it; NaN for none."""
    from scipy.signal import find_peaks

    if math.isnan(start) or math.isnan(stop):
        return math.nan
    piece = slope[int(start) : int(stop)]
    crests = find_peaks(piece)[0]
    under = np.flatnonzero(piece[crests[0] :] < level * piece[crests[0]]) if len(crests) else crests
    return start + float(crests[0] + under[0]) if len(under) else math.nan
