"""How hard the made 12-lead set is: what simple models reach on it, and the best that can be reached.

    python benchmarks/signals_synthetic.py [--patients 1200] [--seed 0] [--hard]

Features are those of rhythm and QRS: RR mean, deviation, extremes, RMSSD, share of differences above 50 ms (of the true beats, so that no
detector is at fault), width of QRS (mean, deviation, maximum), amplitude and area in lead II. Logistic regression and boosted trees learn
them on three patients of four and are measured on the others: average precision by label, against what headers say (2 % of the labels are
replaced). Bars: linear <= 0.50, trees <= 0.70; shuffled labels at the share of the labels. The ceiling: the true labels as scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trainwright.domains.signals.synth.ecg import LABELS, MadeRecord, patient_records
from trainwright.domains.signals.synth.options import ECGOptions

Array = np.ndarray[Any, Any]
NAMES = ("RR", "sd RR", "min RR", "max RR", "RMSSD", "pRR50", "width", "sd width", "max width", "amplitude", "area")


def features_of(made: MadeRecord) -> list[float]:
    """`NAMES`, in seconds and mV."""
    length = made.values.shape[1] / made.rate
    beats = made.rhythm.beats[(made.rhythm.beats > 0.15) & (made.rhythm.beats < length - 0.15)]
    intervals, steps = np.diff(beats), np.diff(np.diff(beats))
    widths, amplitudes, areas = zip(*(qrs_of(made.values[1], made.rate, beat) for beat in beats), strict=True)
    rhythm = [
        intervals.mean(),
        intervals.std(),
        intervals.min(),
        intervals.max(),
        np.sqrt((steps**2).mean()),
        (np.abs(steps) > 0.05).mean(),
    ]
    return [*rhythm, np.mean(widths), np.std(widths), np.max(widths), np.mean(amplitudes), np.mean(areas)]


def qrs_of(lead: Array, rate: int, beat: float) -> tuple[float, float, float]:
    """Width above a third of the height (s), height (mV) and area (mV s) of the QRS at a beat, above the median round it."""
    middle, reach = round(beat * rate), round(0.12 * rate)
    window = lead[middle - reach : middle + reach + 1]
    height = window - np.median(window)
    high = np.abs(height) > np.abs(height).max() / 3
    return float(high.sum() / rate), float(height[np.abs(height).argmax()]), float(height.sum() / rate)


def table_of(records: list[MadeRecord], which: str) -> Array:
    return np.array([[label in getattr(each, which) for label in LABELS] for each in records], float)


def scores_of(make: Callable[[], Any], train: tuple[Array, Array], test: Array) -> Array:
    x, y = train
    return np.stack([make().fit(x, column).predict_proba(test)[:, 1] for column in y.T], axis=1)


def precisions(truth: Array, scores: Array) -> list[float]:
    return [float(average_precision_score(*each)) for each in zip(truth.T, scores.T, strict=True)]


def show(name: str, values: list[float]) -> None:
    print(f"{name:<22}" + "".join(f"{each:7.3f}" for each in [*values, float(np.mean(values))]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patients", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hard", action="store_true")
    asked = parser.parse_args()
    options = ECGOptions(patients=asked.patients, hard=asked.hard)
    by_patient = [patient_records(number, asked.seed, options) for number in range(1, asked.patients + 1)]
    cut = asked.patients * 3 // 4
    train, test = ([made for records in part for made in records] for part in (by_patient[:cut], by_patient[cut:]))
    x, other = (np.array([features_of(made) for made in part]) for part in (train, test))
    y, written, true = table_of(train, "written"), table_of(test, "written"), table_of(test, "true")
    print(f"{len(train)} records of {cut} patients, tested on {len(test)} of {asked.patients - cut} others")
    print(f"{'average precision':<22}" + "".join(f"{each:>7}" for each in [*LABELS, "macro"]))
    show("share of the label", written.mean(axis=0).tolist())
    linear = lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))  # noqa: E731
    trees = lambda: HistGradientBoostingClassifier(max_iter=150, learning_rate=0.06, random_state=0)  # noqa: E731
    shuffled = np.random.default_rng(0).permutation(y)
    for name, make, labels in (("linear", linear, y), ("boosted trees", trees, y), ("trees, shuffled", trees, shuffled)):
        show(name, precisions(written, scores_of(make, (x, labels), other)))
    show("ceiling (true labels)", precisions(written, true))


if __name__ == "__main__":
    main()
