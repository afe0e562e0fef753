"""How good the leads of a recording are: gaps, flat and clipped leads, shares of power where baseline, QRS and noise lie."""

from __future__ import annotations

import math

import numpy as np

from trainwright.domains.signals.physiology.intervals import Array
from trainwright.domains.signals.reading.repair import fill_invalid, find_faulty_leads

BASELINE, NOISE = 0.67, 40.0
"""Hz below which there is baseline, and above which there is mostly noise."""
QRS, HEART = (5.0, 15.0), (5.0, 40.0)
"""Hz of most of the QRS, by that of an ECG (Li, Mark and Clifford, 2008)."""


def quality(values: Array, rate: float) -> dict[str, float]:
    """Of `(channels, time)`: shares of gaps, flat and clipped leads; of the others the median kurtosis and shares of power.

    `qrs_share` is the power of 5–15 Hz by that of 5–40 Hz, `baseline_share` that below 0.67 Hz and `noise_share` that above 40 Hz by all.
    NaN where no lead is usable, and for frequencies that the rate has not.
    """
    leads = np.asarray(values, np.float32)
    if not leads.size:
        return dict.fromkeys(NAMES, math.nan)
    faults = find_faulty_leads(leads)
    kinds = [each.kind for each in faults]
    dead = {each.number for each in faults if each.kind != "clipped"}
    good = [number for number in range(len(leads)) if number not in dead]
    found = [float(1 - np.isfinite(leads).mean()), kinds.count("flat") / len(leads), kinds.count("clipped") / len(leads)]
    shapes = [shape_of(fill_invalid(leads[[number]])[0].astype(np.float64), rate) for number in good]
    return dict(zip(NAMES, [*found, *_medians(shapes)], strict=True))


NAMES = ("gap_share", "flat_leads", "clipped_leads", "kurtosis", "qrs_share", "baseline_share", "noise_share")


def _medians(shapes: list[list[float]]) -> list[float]:
    """Of each number the median over the leads that have it."""
    columns = np.array(shapes).reshape(len(shapes), 4).T
    return [float(np.median(each[np.isfinite(each)])) if np.isfinite(each).any() else math.nan for each in columns]


def shape_of(lead: Array, rate: float) -> list[float]:
    """Kurtosis of `(time,)`, and shares of power: QRS, baseline, noise."""
    from scipy.signal import welch

    if len(lead) < 4:
        return [math.nan] * 4
    squares = (lead - lead.mean()) ** 2
    kurtosis = float((squares**2).mean() / squares.mean() ** 2 - 3)
    frequencies, power = welch(lead, rate, nperseg=min(round(4 * rate), len(lead)))
    return [
        kurtosis,
        _share(frequencies, power, QRS, HEART),
        _share(frequencies, power, (0.0, BASELINE), (0.0, math.inf)),
        _share(frequencies, power, (NOISE, math.inf), (0.0, math.inf)) if rate > 2 * NOISE else math.nan,
    ]


def _share(frequencies: Array, power: Array, part: tuple[float, float], whole: tuple[float, float]) -> float:
    """The power in a band by that in another."""
    inside, all_of = (float(power[(frequencies >= low) & (frequencies < high)].sum()) for low, high in (part, whole))
    return inside / all_of if all_of > 0 else math.nan
