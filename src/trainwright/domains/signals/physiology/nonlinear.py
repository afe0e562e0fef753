"""Heart-rate variability as a point in the plane of one interval and the next, by runs of change, over scales, and as entropies.

Formulas and names are neurokit2's (`hrv_nonlinear`), without its prefix `HRV_`.
"""

from __future__ import annotations

import math

import numpy as np

from trainwright.domains.signals.physiology.entropy import approximate_entropy, sample_entropy
from trainwright.domains.signals.physiology.intervals import Array, rr_intervals

POINCARE = ("SD1", "SD2", "SD1SD2", "S", "CSI", "CVI", "CSI_Modified")
FRAGMENTS = ("PIP", "IALS", "PSS", "PAS")
ASYMMETRY = (*("GI", "SI", "AI", "PI", "C1d", "C1a", "SD1d", "SD1a", "C2d", "C2a", "SD2d", "SD2a"), *("Cd", "Ca", "SDNNd", "SDNNa"))
COMPLEXITY = ("DFA_alpha1", "DFA_alpha2", "ApEn", "SampEn", "ShanEn", "HFD", "KFD")
SYMBOLIC = tuple(f"Symbolic_EqualProb4_{each}" for each in ("0V", "1V", "2LV", "2UV"))
NONLINEAR = (*POINCARE, *FRAGMENTS, *ASYMMETRY, *COMPLEXITY, *SYMBOLIC)
FEWEST = 6
"""Intervals from which something is told."""
SHORT, LONG = (4, 11), 12
"""Beats of the windows of DFA_alpha1, and of the shortest of DFA_alpha2 (Peng et al., 1995)."""


def hrv_nonlinear(peaks: Array, rate: float) -> dict[str, float]:
    """Poincaré plot, its asymmetry, fragmentation, detrended fluctuations, entropies, fractal dimensions and words of symbols.

    `peaks` are samples, ascending, of `rate` a second. NaN where there are too few. Raises as `rr_intervals`.
    """
    intervals = rr_intervals(peaks, rate)
    if len(intervals) < FEWEST or not np.ptp(intervals):
        return dict.fromkeys(NONLINEAR, math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return poincare(intervals) | fragmentation(intervals) | asymmetry(intervals) | complexity(intervals) | symbolic(intervals)


def poincare(intervals: Array) -> dict[str, float]:
    """Deviations across (SD1) and along (SD2) the line of equal neighbours, in ms, and what follows of them (Brennan et al., 2001)."""
    before, after = intervals[:-1], intervals[1:]
    across, along = (float(((before + sign * after) / math.sqrt(2)).std(ddof=1)) for sign in (-1, 1))
    longest, widest = np.float64(4 * along), np.float64(4 * across)
    return {
        "SD1": across,
        "SD2": along,
        "SD1SD2": float(np.float64(across) / along),
        "S": math.pi * across * along,
        "CSI": float(longest / widest),
        "CVI": float(np.log10(longest * widest)),
        "CSI_Modified": float(longest**2 / widest),
    }


def fragmentation(intervals: Array) -> dict[str, float]:
    """How often change turns round (PIP), how short its runs are (IALS, PSS), how much alternates (PAS) (Costa et al., 2017)."""
    steps = np.diff(intervals)
    turns = np.flatnonzero(np.diff(np.sign(steps)))
    runs = np.concatenate([runs_of(np.flatnonzero(steps > 0)), runs_of(np.flatnonzero(steps < 0))])
    alternating = runs_of(turns)
    return {
        "PIP": len(turns) / len(intervals),
        "IALS": float(1 / np.mean(runs)) if len(runs) else math.nan,
        "PSS": float(runs[runs < 3].sum() / runs.sum()) if len(runs) else math.nan,
        "PAS": float((alternating >= 4).mean()) if len(alternating) else math.nan,
    }


def runs_of(places: Array) -> Array:
    """Lengths of the runs of consecutive numbers."""
    if not len(places):
        return np.empty(0)
    ends = np.flatnonzero(np.diff(places) != 1)
    return np.diff(np.concatenate([[-1], ends, [len(places) - 1]])).astype(np.float64)


def asymmetry(intervals: Array) -> dict[str, float]:
    """Shares of slowing (d) and quickening (a) in what changes from beat to beat (Piskorski and Guzik, 2011; Yan et al., 2017)."""
    before, after = intervals[:-1], intervals[1:]
    slower, quicker = after > before, after < before
    count = len(before) - 1
    across = np.abs(after - before) / math.sqrt(2)
    along = np.abs(before - before.mean() + after - after.mean()) / math.sqrt(2)
    angle = np.abs(math.pi / 4 - np.arctan(after / before))
    area = angle * (before**2 + after**2) / 2
    shares = {name: 100 * each[slower].sum() / each.sum() for name, each in (("GI", across), ("SI", angle), ("AI", area))}
    shares["PI"] = 100 * quicker.sum() / (slower | quicker).sum()
    same = 0.5 * (along[~slower & ~quicker] ** 2).sum() / count
    one = {key: (across[each] ** 2).sum() / count for key, each in (("d", slower), ("a", quicker))}
    two = {key: (along[each] ** 2).sum() / count + same for key, each in (("d", slower), ("a", quicker))}
    both = {key: 0.5 * (one[key] + two[key]) for key in one}
    found = dict(shares)
    for key in one:
        found |= {f"C1{key}": one[key] / sum(one.values()), f"SD1{key}": math.sqrt(one[key])}
        found |= {f"C2{key}": two[key] / sum(two.values()), f"SD2{key}": math.sqrt(two[key])}
        found |= {f"C{key}": both[key] / sum(both.values()), f"SDNN{key}": math.sqrt(both[key])}
    return {name: float(found[name]) for name in ASYMMETRY}


def complexity(intervals: Array) -> dict[str, float]:
    """Exponents of detrended fluctuations, approximate, sample and Shannon entropy, and the fractal dimensions of Higuchi and Katz."""
    tolerance = 0.2 * float(intervals.std(ddof=1))
    _, counts = np.unique(intervals, return_counts=True)
    shares = counts / counts.sum()
    return {
        "DFA_alpha1": fluctuation_exponent(intervals, np.arange(SHORT[0], SHORT[1] + 1)),
        "DFA_alpha2": fluctuation_exponent(intervals, np.arange(LONG, int((len(intervals) + 1) / 10) + 1)),
        "ApEn": approximate_entropy(intervals, 2, tolerance),
        "SampEn": sample_entropy(intervals, 2, tolerance),
        "ShanEn": float(-(shares * np.log2(shares)).sum()),
        "HFD": higuchi_dimension(intervals, 10),
        "KFD": katz_dimension(intervals),
    }


def fluctuation_exponent(series: Array, windows: Array) -> float:
    """Slope of the logarithm of fluctuations round straight lines in windows over that of their length, half overlapping (Peng, 1994)."""
    windows = windows[windows < len(series)]
    if len(windows) < 2 or len(series) < LONG:
        return math.nan
    profile = np.cumsum(series - series.mean())
    fluctuations = [_fluctuation(profile, int(window)) for window in windows]
    return float(np.polyfit(np.log2(windows), np.log2(fluctuations), 1)[0])


def _fluctuation(profile: Array, window: int) -> float:
    starts = np.arange(0, len(profile) - window, window // 2)
    pieces = profile[starts[:, None] + np.arange(window)]
    time = np.arange(window) - (window - 1) / 2
    centred = pieces - pieces.mean(axis=1, keepdims=True)
    rest = centred - np.outer(centred @ time / (time @ time), time)
    variances = rest.var(axis=1)
    variances = variances[variances > 1e-8 * variances.max()]
    return float(np.sqrt(variances.mean())) if len(variances) else math.nan


def higuchi_dimension(series: Array, longest: int) -> float:
    """Fractal dimension by the length of the curve at steps of 1 to `longest` (Higuchi, 1988); NaN for a series that is too short."""
    if len(series) < 2 * longest:
        return math.nan
    steps = np.arange(1, longest + 1)
    lengths = [np.mean([_curve_length(series, start, step) for start in range(step)]) for step in steps.tolist()]
    return float(-np.polyfit(np.log(steps), np.log(lengths), 1)[0])


def _curve_length(series: Array, start: int, step: int) -> float:
    some = series[start::step]
    return float(np.abs(np.diff(some)).sum() * (len(series) - 1) / ((len(some) - 1) * step) / step)


def katz_dimension(series: Array) -> float:
    """Fractal dimension by the length of the curve and how far it gets from its first value (Katz, 1988)."""
    distances = np.abs(np.diff(series))
    mean, farthest = distances.mean(), np.abs(series - series[0]).max()
    return float(np.log10(distances.sum() / mean) / np.log10(farthest / mean))


def symbolic(intervals: Array) -> dict[str, float]:
    """Shares of three intervals in a row whose quarter of all stays, changes once, or twice alike or unlike (Porta et al., 2007)."""
    edges = np.percentile(intervals, [0, 25, 50, 75, 100])
    symbols = np.clip(np.digitize(intervals, edges) - 1, 0, 3)
    first, second = np.diff(symbols)[:-1], np.diff(symbols)[1:]
    changes = (first != 0).astype(int) + (second != 0)
    alike = first * second > 0
    kinds = (changes == 0, changes == 1, (changes == 2) & alike, (changes == 2) & ~alike)
    return {name: float(each.mean()) for name, each in zip(SYMBOLIC, kinds, strict=True)}
