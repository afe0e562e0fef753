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
    good = fill_invalid(leads[[number for number in range(len(leads)) if number not in dead]]).astype(np.float64)
    found = [float(1 - np.isfinite(leads).mean()), kinds.count("flat") / len(leads), kinds.count("clipped") / len(leads)]
    return dict(zip(NAMES, [*found, *shape_of(good, rate)], strict=True))


NAMES = ("gap_share", "flat_leads", "clipped_leads", "kurtosis", "qrs_share", "baseline_share", "noise_share")


def shape_of(leads: Array, rate: float) -> list[float]:
    """Median kurtosis of the leads, and shares of power: QRS, baseline, noise."""
    from scipy.signal import welch

    if not len(leads) or leads.shape[1] < 4:
        return [math.nan] * 4
    centred = leads - leads.mean(axis=1, keepdims=True)
    kurtosis = (centred**4).mean(axis=1) / (centred**2).mean(axis=1) ** 2 - 3
    frequencies, power = welch(centred, rate, nperseg=min(round(4 * rate), leads.shape[1]), axis=-1)
    shares = [
        _share(frequencies, power, QRS, HEART),
        _share(frequencies, power, (0.0, BASELINE), (0.0, math.inf)),
        _share(frequencies, power, (NOISE, math.inf), (0.0, math.inf)) if rate > 2 * NOISE else math.nan,
    ]
    return [float(np.median(kurtosis)), *shares]


def _share(frequencies: Array, power: Array, part: tuple[float, float], whole: tuple[float, float]) -> float:
    """Median over the leads of the power in a band by that in another."""
    inside, all_of = ((frequencies >= low) & (frequencies < high) for low, high in (part, whole))
    totals = power[:, all_of].sum(axis=1)
    known = totals > 0
    return float(np.median(power[known][:, inside].sum(axis=1) / totals[known])) if known.any() else math.nan
