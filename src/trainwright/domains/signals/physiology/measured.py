"""Numbers of a whole recording of the body: rates, intervals, amplitudes, quality. Each is `(values, rate, channels)` → name: number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.domains.signals.physiology.breathing import rsp
from trainwright.domains.signals.physiology.delineation import Delineation, delineate
from trainwright.domains.signals.physiology.electrocardiogram import ecg
from trainwright.domains.signals.physiology.inputs import Array, check_rate
from trainwright.domains.signals.physiology.muscle import emg
from trainwright.domains.signals.physiology.pulse import ppg
from trainwright.domains.signals.physiology.rpeaks import rpeaks
from trainwright.domains.signals.physiology.skin import eda

J_POINT = 0.06
"""Seconds behind the end of QRS at which the ST level is taken (J + 60 ms)."""
RHYTHM_LEADS = ("II", "MLII", "I")
"""Leads of an ECG that are measured where nothing is said, the first that there is; else the first channel."""


def ecg_measures(values: Any, rate: float, channels: Sequence[str] | None = None, lead: str | None = None) -> dict[str, float]:
    """Of an ECG `(channels, time)`: beats a minute, quality, and medians over beats of what a lead shows; NaN for what there is none of.

    R peaks are of all leads together; `lead` (default: II, MLII, I or the first) gives the rest: PR, QRS, QT and QTc (Fridericia, 1920) in
    ms, and the level of ST at J + 60 ms above QRS onset in the unit of the signal. Raises as `ecg` does, and ConfigError for no such lead.
    """
    leads, number = _choose(values, rate, channels, lead, RHYTHM_LEADS)
    found = ecg(leads[number], rate, peaks=rpeaks(leads, rate))
    waves = delineate(found.clean, found.peaks, rate)
    intervals = {name: _median(each) for name, each in waves.intervals().items()}
    beat = 60 / _mean(found.rate)
    return {
        "heart_rate": _mean(found.rate),
        "quality": _mean(found.quality),
        "pr_interval": intervals["pr"],
        "qrs_duration": intervals["qrs"],
        "qt_interval": intervals["qt"],
        "qtc_interval": intervals["qt"] / float(np.cbrt(beat)),
        "st_level": _median(st_levels(leads[number], waves, rate)),
    }


def st_levels(samples: Array, waves: Delineation, rate: float) -> Array:
    """Of each beat whose QRS has both ends, the sample 60 ms behind its end less that at its onset, `(beats,)` in the signal's unit."""
    ends = waves.qrs_offsets + round(J_POINT * rate)
    kept = np.isfinite(waves.qrs_onsets) & (ends < len(samples))
    return np.asarray(samples[ends[kept].astype(np.int64)] - samples[waves.qrs_onsets[kept].astype(np.int64)], np.float64)


def eda_measures(values: Any, rate: float, channels: Sequence[str] | None = None, lead: str | None = None) -> dict[str, float]:
    """Of skin conductance `(channels, time)`: mean level in µS, responses a minute, their mean amplitude, quality. Raises as `eda`."""
    found = eda(*_one(values, rate, channels, lead))
    return {
        "tonic_level": _mean(found.tonic),
        "scr_rate": 60 * len(found.peaks) * rate / len(found.clean) if len(found.clean) else float("nan"),
        "scr_amplitude": _mean(found.amplitudes),
        "quality": _mean(found.quality),
    }


def emg_measures(values: Any, rate: float, channels: Sequence[str] | None = None, lead: str | None = None) -> dict[str, float]:
    """Of an EMG `(channels, time)`: mean amplitude, activations a minute, share of time active, quality. Raises as `emg`."""
    found = emg(*_one(values, rate, channels, lead))
    count = len(found.clean)
    return {
        "amplitude": _mean(found.amplitude),
        "activation_rate": 60 * len(found.onsets) * rate / count if count else float("nan"),
        "active_share": float((found.offsets - found.onsets).sum() / count) if count else float("nan"),
        "quality": _mean(found.quality),
    }


def ppg_measures(values: Any, rate: float, channels: Sequence[str] | None = None, lead: str | None = None) -> dict[str, float]:
    """Of a pulse in light `(channels, time)`: beats a minute and quality. Raises as `ppg`."""
    found = ppg(*_one(values, rate, channels, lead))
    return {"pulse_rate": _mean(found.rate), "quality": _mean(found.quality)}


def rsp_measures(values: Any, rate: float, channels: Sequence[str] | None = None, lead: str | None = None) -> dict[str, float]:
    """Of breathing `(channels, time)`: breaths a minute, mean depth, share of a breath that is inhaled, quality. Raises as `rsp`."""
    found = rsp(*_one(values, rate, channels, lead))
    breaths = np.diff(found.inhalations)
    return {
        "breathing_rate": _mean(found.rate),
        "depth": _mean(found.clean[found.exhalations] - found.clean[found.inhalations]),
        "inhaled_share": _mean((found.exhalations - found.inhalations)[:-1] / breaths),
        "quality": _mean(found.quality),
    }


def _one(values: Any, rate: float, channels: Sequence[str] | None, lead: str | None) -> tuple[Array, float]:
    leads, number = _choose(values, rate, channels, lead, ())
    return leads[number], rate


def _choose(values: Any, rate: float, channels: Sequence[str] | None, lead: str | None, usual: Sequence[str]) -> tuple[Array, int]:
    """`(channels, time)` and the number of the channel to measure: the one named, the first usual one, or the first.

    Raises ConfigError for one that is not there, DataError for a shape.
    """
    check_rate(rate, "measures")
    leads = np.atleast_2d(np.asarray(values))
    if leads.ndim != 2 or not len(leads):
        raise DataError(f"channels have the shape (channels, time), not {np.shape(values)}", where="measures", fix="give one recording")
    names = [each.casefold() for each in channels or []]
    if lead is not None:
        if lead.casefold() not in names:
            raise ConfigError(f"there is no channel '{lead}'", where="measures", fix=did_you_mean(lead, channels or []))
        return leads, names.index(lead.casefold())
    there = [names.index(each.casefold()) for each in usual if each.casefold() in names]
    return leads, there[0] if there else 0


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _median(values: Array) -> float:
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else float("nan")
