"""Intervals between beats, their variability and entropies: equal to neurokit2's and antropy's stored numbers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.physiology.entropy import approximate_entropy, permutation_entropy, sample_entropy, spectral_entropy
from trainwright.domains.signals.physiology.hrv import FREQUENCY, TIME, hrv_frequency, hrv_time
from trainwright.domains.signals.physiology.intervals import heart_rate, rr_intervals
from trainwright.domains.signals.physiology.nonlinear import NONLINEAR, hrv_nonlinear

GOLDEN = Path(__file__).parent / "golden"
HRV = json.loads((GOLDEN / "hrv.json").read_text())
ENTROPY = json.loads((GOLDEN / "entropy.json").read_text())
PEAKS = np.array(HRV["peaks"])
FUNCTIONS = {
    "perm_entropy": permutation_entropy,
    "sample_entropy": sample_entropy,
    "app_entropy": approximate_entropy,
    "spectral_entropy": spectral_entropy,
}


def is_equal(ours: dict[str, float], theirs: dict[str, Any]) -> None:
    """The same names, and values to 1e-6."""
    assert set(theirs) == {f"HRV_{name}" for name in ours}
    for name, value in ours.items():
        np.testing.assert_allclose(value, float(theirs[f"HRV_{name}"]), rtol=1e-6, err_msg=name)


def test_measures_over_time_are_those_of_neurokit2() -> None:
    is_equal(hrv_time(PEAKS, 360), HRV["hrv_time(peaks, sampling_rate=360)"])
    is_equal(hrv_time(HRV["small_peaks"], 500), HRV["small hrv_time(small_peaks, sampling_rate=500)"])
    assert tuple(hrv_time(PEAKS, 360)) == TIME


def test_power_in_bands_is_that_of_neurokit2() -> None:
    is_equal(hrv_frequency(PEAKS, 360, normalize=True), HRV["hrv_frequency(peaks, sampling_rate=360)"])
    is_equal(hrv_frequency(PEAKS, 360), HRV["hrv_frequency(peaks, sampling_rate=360, psd_method='welch', normalize=False)"])
    assert tuple(hrv_frequency(PEAKS, 360)) == FREQUENCY


def test_nonlinear_measures_are_those_of_neurokit2() -> None:
    is_equal(hrv_nonlinear(PEAKS, 360), HRV["hrv_nonlinear(peaks, sampling_rate=360)"])
    assert tuple(hrv_nonlinear(PEAKS, 360)) == NONLINEAR


def test_heart_rate_between_beats_is_that_of_neurokit2() -> None:
    theirs = HRV["signal_rate(peaks, sampling_rate=360, desired_length=108000)[::5000]"]
    np.testing.assert_allclose(heart_rate(PEAKS, 360, 108_000)[::5000], theirs, rtol=1e-9)


@pytest.mark.parametrize("series", sorted(ENTROPY))
def test_entropies_are_those_of_antropy(series: str) -> None:
    values = np.load(GOLDEN / "entropy_series.npz")[series]
    for call, expected in ENTROPY[series].items():
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", call).groups()  # type: ignore[union-attr]
        given = dict(each.split("=") for each in arguments.split(", "))
        kinds: dict[str, Any] = {"order": int, "delay": int, "nperseg": int, "tolerance": float, "sf": float}
        read = {
            key: kinds.get(key, lambda text: text == "True" if text in ("True", "False") else text.strip("'"))(text)
            for key, text in given.items()
        }
        if "sf" in read:
            read["rate"] = read.pop("sf")
        np.testing.assert_allclose(FUNCTIONS[name](values, **read), expected, rtol=1e-6, atol=1e-9, err_msg=call)


def test_entropies_by_hand() -> None:
    assert permutation_entropy(np.array([4, 7, 9, 10, 6, 11, 3]), 2) == pytest.approx(0.9182958340544896)
    assert permutation_entropy(np.array([4, 7, 9, 10, 6, 11, 3]), 3, normalize=True) == pytest.approx(0.5887621559162939)
    rising = np.arange(100.0)
    assert permutation_entropy(rising) == 0 == sample_entropy(rising)
    assert approximate_entropy(rising) == pytest.approx(-0.009807585742785285)
    assert permutation_entropy(np.ones(50)) == 0 == sample_entropy(np.ones(50))


def test_what_there_is_too_little_for_is_missing_and_no_error() -> None:
    for beats in ([], [100], [100, 500], [100, 500, 910], [100, 500, 910, 1300]):
        for measure, names in ((hrv_time, TIME), (hrv_frequency, FREQUENCY), (hrv_nonlinear, NONLINEAR)):
            found = measure(np.array(beats, np.int64), 500)
            assert tuple(found) == names
            assert len(beats) > 3 or all(math.isnan(each) for each in found.values())
        assert np.isnan(heart_rate(np.array(beats), 500, 20)).all() or len(beats) > 3
    for entropy in (permutation_entropy, sample_entropy, approximate_entropy):
        assert math.isnan(entropy(np.array([1.0, 2.0])))
    assert math.isnan(spectral_entropy(np.ones(100), 100)) and math.isnan(spectral_entropy(np.ones(1), 100))


def test_equal_intervals_vary_by_nothing() -> None:
    even = np.arange(0, 60_000, 400)
    found = hrv_time(even, 500)
    assert found["MeanNN"] == 800 and found["SDNN"] == found["RMSSD"] == found["pNN50"] == 0 and math.isnan(found["SDRMSSD"])
    assert math.isnan(hrv_nonlinear(even, 500)["SD1"])
    assert math.isnan(hrv_frequency(even, 500)["TP"])


@settings(max_examples=25)
@given(st.lists(st.integers(150, 800), min_size=12, max_size=60), st.integers(100, 1000))
def test_identities_of_the_plot_of_one_interval_and_the_next(steps: list[int], rate: int) -> None:
    beats = np.cumsum([10, *steps])
    time, plot = hrv_time(beats, rate), hrv_nonlinear(beats, rate)
    if math.isnan(plot["SD1"]):
        assert len(set(steps)) == 1
        return
    assert plot["SD1"] == pytest.approx(time["SDSD"] / math.sqrt(2), abs=1e-9)
    if plot["SD1d"] + plot["SD1a"]:
        assert plot["C1d"] + plot["C1a"] == pytest.approx(1) == plot["Cd"] + plot["Ca"]
    assert time["MinNN"] <= time["MedianNN"] <= time["MaxNN"]


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="do not ascend"):
        hrv_time([800, 790, 810, 805], 1000)
    with pytest.raises(ConfigError, match="rate must be above 0"):
        rr_intervals([1, 2, 3], 0)
    with pytest.raises(DataError, match="shape"):
        rr_intervals(np.zeros((2, 3)), 100)
    with pytest.raises(DataError, match="no numbers"):
        sample_entropy(np.array([1.0, np.nan, 2.0]))
    with pytest.raises(DataError, match=r"values\[0\]"):
        permutation_entropy(np.zeros((2, 100)))
    with pytest.raises(ConfigError, match="order must be 2 or more"):
        permutation_entropy(np.zeros(10), 1)
    with pytest.raises(ConfigError, match="chebyshev or euclidean"):
        approximate_entropy(np.zeros(10), metric="manhattan")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tolerance"):
        sample_entropy(np.zeros(10), tolerance=-1)
    with pytest.raises(ConfigError, match="'fft' or 'welch'"):
        spectral_entropy(np.zeros(10), 100, "lomb")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="interpolation_rate"):
        hrv_frequency(PEAKS, 360, interpolation_rate=0.5)
