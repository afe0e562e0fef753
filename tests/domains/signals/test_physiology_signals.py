"""ECG, EDA, EMG, PPG and breathing against neurokit2 (golden/README.md), and what there is to say of signals that hold nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.registry import build, options_class
from trainwright.domains.signals.physiology import clean, delineate, ecg, eda, emg, ppg, rsp
from trainwright.domains.signals.physiology.clean_options import METHODS
from trainwright.domains.signals.physiology.delineation import NAMES
from trainwright.domains.signals.physiology.measured import ecg_measures, eda_measures, emg_measures, ppg_measures, rsp_measures
from trainwright.domains.signals.synth.beats import make_beats
from trainwright.domains.signals.synth.options import BeatOptions

HERE = Path(__file__).with_name("golden")
GOLDEN = np.load(HERE / "physiology.npz")
LEADS = np.load(HERE / "ecg_500hz.npz")["microvolts"] / 1000
SIGNALS = {
    "ecg": (LEADS[1], 500),
    "eda": (GOLDEN["eda"], 100),
    "rsp": (GOLDEN["rsp"], 100),
    "ppg": (GOLDEN["ppg"] / 1e4, 100),
    "emg": (GOLDEN["emg"] / 1e4, 1000),
}
FUNCTIONS: dict[str, Any] = {"ecg": ecg, "eda": eda, "emg": emg, "ppg": ppg, "rsp": rsp}
MEASURES: dict[str, Any] = {
    "ecg": ecg_measures,
    "eda": eda_measures,
    "emg": emg_measures,
    "ppg": ppg_measures,
    "rsp": rsp_measures,
}
DEFAULTS = {"ecg": "neurokit", "eda": "neurokit", "emg": "biosppy", "ppg": "elgendi2013", "rsp": "khodadad2018"}


def events_of(found: Any) -> list[np.ndarray]:
    return [getattr(found, name) for name in ("peaks", "onsets", "offsets", "inhalations", "exhalations") if hasattr(found, name)]


@pytest.mark.parametrize("name", [name for name in GOLDEN.files if "_clean_" in name and "60hz" not in name])
def test_signals_are_cleaned_as_neurokit2_cleans_them(name: str) -> None:
    signal, _, method = name.split("_", 2)
    values, rate = SIGNALS[signal]
    np.testing.assert_allclose(clean(values, rate, signal, method)[::20], GOLDEN[name], rtol=1e-6, atol=1e-12)
    if method == DEFAULTS[signal]:
        np.testing.assert_array_equal(clean(values, rate, signal), FUNCTIONS[signal](values, rate).clean)


def test_every_method_of_every_signal_is_compared_or_is_the_default_by_another_name() -> None:
    compared = {tuple(name.split("_clean_")) for name in GOLDEN.files if "_clean_" in name}
    assert {(signal, method) for signal in METHODS for method in METHODS[signal]} - compared == {
        (each, "neurokit") for each in ("emg", "ppg", "rsp")
    }
    for signal in ("emg", "ppg", "rsp"):
        values, rate = SIGNALS[signal]
        np.testing.assert_array_equal(clean(values, rate, signal), clean(values, rate, signal, DEFAULTS[signal]))


def test_the_hum_that_is_taken_out_of_an_ecg_is_that_of_the_place() -> None:
    found = clean(LEADS[1], 500, "ecg", powerline=60)
    np.testing.assert_allclose(found[::20], GOLDEN["ecg_clean_neurokit_60hz"], rtol=1e-6, atol=1e-12)


def test_heart_rate_between_r_peaks_is_that_of_neurokit2() -> None:
    found = ecg(LEADS[0], 500, peaks=GOLDEN["lead_i_peaks"])
    np.testing.assert_allclose(found.rate[::20], GOLDEN["lead_i_rate"], rtol=1e-9)
    peaks = ecg(LEADS[0], 500).peaks
    nearest = np.abs(peaks[:, None] - GOLDEN["lead_i_peaks"]).min(axis=0)
    assert nearest.max() <= 2 and len(peaks) == 13, "neurokit2 leaves the first and the last out"


def test_skin_conductance_responses_are_those_of_neurokit2() -> None:
    found = eda(*SIGNALS["eda"])
    np.testing.assert_array_equal(found.onsets, GOLDEN["scr_onsets"])
    np.testing.assert_array_equal(found.peaks, GOLDEN["scr_peaks"])
    np.testing.assert_allclose(found.amplitudes, GOLDEN["scr_amplitude"], rtol=1e-6)
    np.testing.assert_allclose(found.recoveries, GOLDEN["scr_recovery_time"], atol=0.011)
    np.testing.assert_allclose(found.tonic[::20], GOLDEN["eda_tonic"], rtol=1e-6)
    np.testing.assert_allclose(found.phasic[::20], GOLDEN["eda_phasic"], rtol=1e-6, atol=1e-9)


def test_breaths_their_rate_and_depth_are_those_of_neurokit2() -> None:
    found = rsp(*SIGNALS["rsp"])
    np.testing.assert_array_equal(found.inhalations, GOLDEN["rsp_troughs"])
    np.testing.assert_array_equal(found.exhalations, GOLDEN["rsp_peaks"])
    np.testing.assert_allclose(found.rate[::20], GOLDEN["rsp_rate"], rtol=1e-6)
    np.testing.assert_allclose(found.amplitude[::20], GOLDEN["rsp_amplitude"], rtol=1e-6)


def test_systolic_peaks_and_their_rate_are_those_of_neurokit2() -> None:
    found = ppg(*SIGNALS["ppg"])
    np.testing.assert_array_equal(found.peaks, GOLDEN["ppg_peaks"])
    np.testing.assert_allclose(found.rate[::20], GOLDEN["ppg_rate"], rtol=1e-6)


def test_activations_of_a_muscle_are_those_of_neurokit2() -> None:
    found = emg(*SIGNALS["emg"])
    np.testing.assert_allclose(found.amplitude[::20], GOLDEN["emg_amplitude"], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.onsets, GOLDEN["emg_onsets"])
    np.testing.assert_array_equal(found.offsets, GOLDEN["emg_offsets"])


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_found_is_a_table_of_samples(signal: str) -> None:
    values, rate = SIGNALS[signal]
    found = FUNCTIONS[signal](values, rate)
    table = found.to_table()
    assert table.num_rows == len(values) and {"time", "clean", "quality"} < set(table.column_names)
    assert found.quality.min() >= 0 and found.quality.max() <= 1 and found.quality.mean() > 0.8
    assert all(each.dtype == np.int64 and (np.diff(each) > 0).all() for each in events_of(found))


@pytest.mark.parametrize("filling", ["nan", "constant", "zero"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_that_holds_nothing_has_no_events_and_quality_0(signal: str, filling: str) -> None:
    rate = SIGNALS[signal][1]
    values = np.full(20 * rate, {"nan": np.nan, "constant": 0.73, "zero": 0.0}[filling])
    found = FUNCTIONS[signal](values, rate)
    assert all(len(each) == 0 for each in events_of(found))
    assert np.isfinite(found.clean).all() and not found.quality.any()
    assert not hasattr(found, "rate") or np.isnan(found.rate).all()
    assert found.to_table().num_rows == len(values)
    measured = MEASURES[signal](values, rate)
    assert measured["quality"] == 0 and all(isinstance(each, float) for each in measured.values())


@pytest.mark.parametrize("signal", SIGNALS)
def test_an_empty_signal_is_an_empty_answer(signal: str) -> None:
    found = FUNCTIONS[signal]([], 500)
    assert len(found.clean) == len(found.quality) == 0 and all(len(each) == 0 for each in events_of(found))


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_gap_has_no_events_and_quality_0_and_what_is_far_from_it_stays(signal: str) -> None:
    values, rate = SIGNALS[signal] if signal != "ecg" else (LEADS[0], 500)
    first, last = round(0.45 * len(values)), round(0.55 * len(values))
    broken = values.copy()
    broken[first:last] = np.nan
    broken[last] = np.inf
    whole, found = FUNCTIONS[signal](values, rate), FUNCTIONS[signal](broken, rate)
    assert np.isfinite(found.clean).all() and not found.quality[first : last + 1].any()
    for before, after in zip(events_of(whole), events_of(found), strict=True):
        assert not ((after > first) & (after < last)).any()
        assert abs(len(before[before < 0.3 * len(values)]) - len(after[after < 0.3 * len(values)])) <= 1
    assert found.quality[: round(0.3 * len(values))].mean() > 0.5


def test_a_lead_that_falls_off_has_no_beats_there_and_no_slow_heart() -> None:
    values = np.tile(LEADS[0], 3)
    values[5000:10000] = 0.2
    found = ecg(values, 500)
    assert not ((found.peaks >= 5000) & (found.peaks < 10000)).any() and not found.quality[5000:10000].any()
    assert found.rate.min() > 60, "the interval over the gap is none of the heart's"


def test_quality_is_low_where_beats_drown_in_noise() -> None:
    values = np.tile(LEADS[0], 4)
    values[10000:] += np.random.default_rng(0).normal(0, 0.5, 10000)
    found = ecg(values, 500)
    assert found.quality[:9000].mean() > 0.9 > 0.8 > found.quality[11000:].mean()


def test_quality_of_skin_conductance_is_0_out_of_its_range_and_round_jumps() -> None:
    values = np.concatenate([GOLDEN["eda"], GOLDEN["eda"] + 5, [0.01] * 100])
    quality = eda(values, 100).quality
    assert set(quality) == {0.0, 1.0}
    np.testing.assert_array_equal(quality[5500:6500] == 0, True)  # the jump by 5 µS, 5 s on both sides
    assert quality[:5400].all() and not quality[-600:].any()


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_quality_of_a_muscle_falls_with_motion_and_others_have_theirs(signal: str) -> None:
    values, rate = SIGNALS[signal]
    slow = values + 50 * np.ptp(values) * np.sin(2 * np.pi * 1.5 * np.arange(len(values)) / rate) * (signal == "emg")
    assert (FUNCTIONS[signal](slow, rate).quality.mean() < 0.1) == (signal == "emg")


def test_measures_are_those_of_the_lead_that_is_named() -> None:
    channels = ["I", "II", "V1"]
    found, named = ecg_measures(LEADS, 500, channels), ecg_measures(LEADS, 500, channels, lead="i")
    assert found["heart_rate"] == named["heart_rate"] == pytest.approx(72, abs=2), "beats are of all leads"
    assert found["st_level"] != named["st_level"]
    assert 60 < named["qrs_duration"] < 300 and named["qt_interval"] > named["qrs_duration"]
    with pytest.raises(ConfigError, match="no channel 'V7'"):
        ecg_measures(LEADS, 500, channels, lead="V7")
    assert eda_measures(GOLDEN["eda"], 100)["scr_rate"] == pytest.approx(5)
    both = np.stack([np.zeros(6000), GOLDEN["eda"]])
    assert eda_measures(both, 100, ["II", "EDA"], lead="eda")["scr_rate"] == pytest.approx(5)
    assert eda_measures(both[::-1], 100, ["EDA", "II"])["scr_rate"] == pytest.approx(5), "II is no lead of skin conductance"
    assert rsp_measures(GOLDEN["rsp"], 100)["breathing_rate"] == pytest.approx(15, abs=1)
    assert ppg_measures(*SIGNALS["ppg"])["pulse_rate"] == pytest.approx(75, abs=2)
    assert emg_measures(*SIGNALS["emg"])["activation_rate"] == pytest.approx(30)


@pytest.mark.parametrize(
    "values, rate, method, error, match",
    [
        (np.zeros((2, 500)), 500, "neurokit", DataError, r"one channel has the shape \(time,\), not \(2, 500\)"),
        (np.array(["a"] * 500), 500, "neurokit", DataError, "numbers, not"),
        (np.zeros(500, complex), 500, "neurokit", DataError, "numbers, not complex"),
        (np.zeros(500), 0, "neurokit", ConfigError, "0 is no number of samples a second"),
        (np.zeros(500), np.nan, "neurokit", ConfigError, "no number of samples"),
        (np.zeros(500), None, "neurokit", ConfigError, "no number of samples"),
        (np.zeros(500), 500, "neurokitt", ConfigError, "no method 'neurokitt'"),
        (np.zeros(500), 0.09, "neurokit", ConfigError, "edge of"),
    ],
)
@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_no_signal_is_refused_with_what_to_do(
    signal: str, values: np.ndarray, rate: Any, method: str, error: type[RequestError], match: str
) -> None:
    with pytest.raises(error, match=match):
        FUNCTIONS[signal](values, rate, method=method)


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_recording_that_is_too_short_for_the_filter_is_refused_with_its_length(signal: str) -> None:
    with pytest.raises(DataError, match=f"3 samples\\) are too short to clean {signal}"):
        FUNCTIONS[signal](np.array([0.0, 1.0, 0.0]), 500)


def test_a_rate_is_never_assumed() -> None:
    for function in (*FUNCTIONS.values(), *MEASURES.values()):
        with pytest.raises(TypeError, match="rate"):
            function(LEADS[0])
    with pytest.raises(ConfigError, match="clean does not know how many samples there are a second"):
        build("transform", options_class("transform", "clean").model_validate({"type": "clean", "signal": "ecg"}))


@pytest.mark.parametrize(
    "options, match",
    [
        ({"signal": "emg", "rate": 150}, "'neurokit' cleans emg with an edge of 100 Hz, and 150 samples"),
        ({"signal": "ppg", "rate": 60, "method": "nabian2018"}, "with an edge of 40 Hz"),
    ],
)
def test_the_transform_is_refused_before_a_recording_is_read_where_the_band_does_not_fit_the_rate(
    options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        build("transform", options_class("transform", "clean").model_validate({"type": "clean", **options}))


def test_mains_have_a_frequency() -> None:
    for refused in (0, -50):
        with pytest.raises(ConfigError, match="make no hum"):
            ecg(LEADS[0], 500, powerline=refused)


def test_the_transform_cleans_each_channel_by_itself() -> None:
    config = options_class("transform", "clean").model_validate({"type": "clean", "signal": "ecg", "rate": 500})
    found = build("transform", config)(torch.from_numpy(LEADS).float())
    assert found.dtype == torch.float32 and found.shape == LEADS.shape
    np.testing.assert_allclose(found, [clean(each, 500, "ecg") for each in LEADS], atol=1e-5)
    with pytest.raises(ValueError, match="emg has no method 'elgendi2013'; available: neurokit, biosppy"):
        options_class("transform", "clean").model_validate({"type": "clean", "signal": "emg", "method": "elgendi2013"})


def test_waves_are_those_of_neurokit2_within_a_sample_or_two() -> None:
    found = delineate(clean(LEADS[0], 500, "ecg"), GOLDEN["lead_i_peaks"], 500)
    theirs = {"qrs_onsets": "R_Onsets", "qrs_offsets": "R_Offsets"}
    for name in NAMES:
        wave, what = name.split("_")
        reference = GOLDEN[f"lead_i_ECG_{theirs.get(name, f'{wave.upper()}_{what.capitalize()}')}"]
        milliseconds = np.abs(getattr(found, name) - reference) * 2
        assert np.nanmedian(milliseconds) <= 2 and milliseconds.max() <= 4, name


@pytest.mark.parametrize("seed", range(3))
def test_t_waves_of_made_beats_are_where_they_were_put(seed: int) -> None:
    options = BeatOptions(minutes=1)
    values, beats, symbols = make_beats(np.random.default_rng(seed), options)
    found = delineate(clean(values[0], options.rate, "ecg"), beats, options.rate)
    normal = np.array(symbols) == "N"
    normal[:-1] &= normal[1:]  # an early beat may hide the T before it
    milliseconds = np.abs(found.t_peaks - np.array(beats) - 0.28 * options.rate)[normal] * 1000 / options.rate
    assert np.median(milliseconds) < 5 and np.mean(milliseconds < 25) > 0.95


def test_a_table_of_waves_has_a_row_for_each_beat_and_null_for_what_is_not_found() -> None:
    cleaned = clean(LEADS[0], 500, "ecg")
    found = delineate(cleaned, GOLDEN["lead_i_peaks"], 500)
    table = found.to_table()
    assert table.column_names == ["r_peak", *(name[:-1] for name in NAMES)] and table.num_rows == 11
    assert table["t_peak"].null_count == 0 and str(table.schema.field("t_peak").type) == "int64"
    order = np.stack(
        [getattr(found, name) for name in ("p_onsets", "p_peaks", "p_offsets", "q_peaks", "r_peaks", "s_peaks", "t_peaks", "t_offsets")]
    )
    assert (np.diff(order, axis=0) > 0).all()
    one = delineate(np.concatenate([np.zeros(3), cleaned[416:500]]), [3], 500).to_table()
    assert one.num_rows == 1 and one["p_peak"].null_count == 1
    assert delineate(cleaned, [], 500).to_table().num_rows == 0
    assert delineate(np.full(5000, np.nan), [100, 2000], 500).to_table()["t_peak"].null_count == 2
    assert {name: len(each) for name, each in found.intervals().items()} == dict.fromkeys(["p", "pr", "qrs", "qt", "st"], 11)


def test_waves_do_not_depend_on_the_unit_nor_on_what_is_analysed_together() -> None:
    long, beats = np.tile(clean(LEADS[0], 500, "ecg"), 8), GOLDEN["lead_i_peaks"].astype(int)
    peaks = np.concatenate([beats + 5000 * number for number in range(8)])
    found, scaled = delineate(long, peaks, 500), delineate(1000 * long, peaks, 500)
    part = delineate(long[15000:25000], peaks[33:55] - 15000, 500)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(scaled, name))
        np.testing.assert_allclose(getattr(found, name)[35:53], getattr(part, name)[2:20] + 15000, atol=1)


@pytest.mark.parametrize(
    "peaks, match",
    [
        ([0.5, 2.0], "whole numbers"),
        ([100, 6000], "of a signal of 5000"),
        ([200, 100], "from 100 to 200"),
        ([[1]], "samples"),
        ([np.nan], "whole"),
    ],
)
def test_peaks_that_are_none_of_the_signal_are_refused(peaks: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        delineate(LEADS[0], peaks, 500)
