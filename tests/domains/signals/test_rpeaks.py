"""R peaks: found one to one within 150 ms, and none where there is no heart beat."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.models.events import match_events
from trainwright.domains.signals.physiology.rpeaks import METHODS, rpeaks
from trainwright.domains.signals.synth.beats import make_beats
from trainwright.domains.signals.synth.options import BeatOptions

GOLDEN = Path(__file__).parent / "golden"
RATE = 360


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    """`(2, time)` in mV at 360 Hz, and seconds of its beats: N, A and V."""
    values, samples, _ = make_beats(np.random.default_rng([0, 0]), BeatOptions(minutes=3, rate=RATE))
    return values, np.array(samples) / RATE


def test_every_beat_is_found_in_each_lead_and_in_all_together(made: tuple[np.ndarray, np.ndarray]) -> None:
    values, true = made
    for leads in (values[0], values[1], values):
        scores = match_events(rpeaks(leads, RATE) / RATE, true, 0.15)
        assert scores.sensitivity >= 0.995 and scores.precision >= 0.995, scores


def test_a_peak_is_the_largest_sample_of_its_wave(made: tuple[np.ndarray, np.ndarray]) -> None:
    values, true = made
    found = rpeaks(values, RATE) / RATE
    assert np.median(np.abs(found[:, None] - true[None]).min(axis=1)) <= 1.5 / RATE


@pytest.mark.parametrize("rate", [125, 250, 500, 1000])
def test_the_rate_of_the_recording_changes_nothing(rate: int, made: tuple[np.ndarray, np.ndarray]) -> None:
    from scipy.signal import resample_poly

    values, true = made
    there = resample_poly(values[:, : 60 * RATE], rate, RATE, axis=-1)
    scores = match_events(rpeaks(there, rate) / rate, true[true < 60], 0.15)
    assert scores.sensitivity >= 0.98 and scores.precision >= 0.98, scores


def test_gain_sign_and_offset_change_nothing(made: tuple[np.ndarray, np.ndarray]) -> None:
    lead = made[0][0, : 60 * RATE]
    found = rpeaks(lead, RATE)
    for other in (lead * 1000, lead * 1e-6, -lead, lead + 50):
        np.testing.assert_array_equal(rpeaks(other, RATE), found)


def test_what_holds_no_beat_gives_none_and_no_error() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(20 * RATE) / RATE
    for values in (
        np.zeros(3600),
        np.full(3600, np.nan),
        np.full((2, 3600), 7.0),
        np.empty(0),
        np.empty((2, 0)),
        np.zeros(1),
        np.arange(5.0),
        rng.normal(size=20 * RATE),
        np.sin(2 * np.pi * 0.2 * time),
        np.full(3600, np.inf),
    ):
        found = rpeaks(values, RATE)
        assert found.dtype == np.int64 and found.shape == (0,)


@pytest.mark.parametrize("method", ["xqrs", "neurokit2"])
def test_other_detectors_give_none_where_there_is_no_beat(method: str) -> None:
    for values in (np.zeros(3600), np.full(3600, np.nan), np.zeros(2), np.random.default_rng(0).normal(size=40)):
        assert rpeaks(values, RATE, method).shape == (0,)


@pytest.mark.parametrize("method", ["xqrs", "neurokit2"])
def test_other_detectors_find_the_same_beats(method: str, made: tuple[np.ndarray, np.ndarray]) -> None:
    lead = made[0][0, : 40 * RATE]
    scores = match_events(rpeaks(lead, RATE, method) / RATE, made[1][made[1] < 40], 0.15)
    assert scores.sensitivity >= 0.9 and scores.precision >= 0.9, scores


@pytest.mark.parametrize("lead", ["I", "II", "V1"])
def test_xqrs_finds_at_500_hz_what_the_library_finds_at_250(lead: str) -> None:
    stored = np.load(GOLDEN / "ecg_500hz.npz")
    values = stored["microvolts"][stored["leads"].tolist().index(lead)] / 1000
    golden = json.loads((GOLDEN / "xqrs.json").read_text())[lead]
    found = rpeaks(values, 500, "xqrs")
    assert len(found) == len(golden["250"]) >= 11  # the library itself finds nothing at 500 Hz on II and V1
    assert np.abs(found - 2 * np.array(golden["250"])).max() <= 2


def test_gaps_are_bridged_and_hold_no_beat(made: tuple[np.ndarray, np.ndarray]) -> None:
    values, true = made[0][0].copy(), made[1]
    values[20 * RATE : 30 * RATE] = np.nan
    found = rpeaks(values, RATE) / RATE
    assert not ((found > 20) & (found < 30)).any()
    outside = true[(true < 19.8) | (true > 30.2)]
    assert match_events(found, outside, 0.15).sensitivity >= 0.98


def test_noise_in_one_part_hides_no_beat_in_another() -> None:
    lead = np.tile(np.load(GOLDEN / "ecg_500hz.npz")["microvolts"][0] / 1000, 12)
    lead[30_000:] += np.random.default_rng(0).normal(0, 1, 30_000)
    found = rpeaks(lead, 500)
    assert (found < 30_000).sum() == 72 and (found > 31_000).sum() < 10


def test_a_gap_in_a_lead_with_low_beats_costs_those_in_it_alone() -> None:
    lead = np.load(GOLDEN / "ecg_500hz.npz")["microvolts"][1] / 1000
    whole = rpeaks(lead, 500)
    lead[2250:2750] = np.nan
    outside = whole[(whole < 2150) | (whole > 2850)]
    assert match_events(rpeaks(lead, 500) / 500, outside / 500, 0.15).missed == 0


def test_parts_of_a_long_recording_miss_no_beat_at_their_borders_and_find_none_twice(
    made: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rpeaks(made[0], RATE)
    monkeypatch.setattr("trainwright.domains.signals.physiology.rpeaks.PART", 7.3)
    np.testing.assert_array_equal(rpeaks(made[0].astype(np.float32), RATE), whole)


def test_a_dead_lead_among_good_ones_is_left_out(made: tuple[np.ndarray, np.ndarray]) -> None:
    good = made[0][:, : 60 * RATE]
    dead = np.stack([np.full(good.shape[1], np.nan), good[0], np.zeros(good.shape[1]), good[1]])
    np.testing.assert_array_equal(rpeaks(dead, RATE), rpeaks(good, RATE))


def test_mistakes_are_named() -> None:
    lead = np.zeros(1000)
    with pytest.raises(ConfigError, match="no detector of R peaks 'xqr'") as error:
        rpeaks(lead, RATE, "xqr")
    assert "xqrs" in str(error.value)
    with pytest.raises(ConfigError, match="at least 20"):
        rpeaks(lead, 0)
    with pytest.raises(ConfigError, match="holds no QRS"):
        rpeaks(lead, float("nan"))
    with pytest.raises(DataError, match=r"values\.T"):
        rpeaks(np.zeros((1000, 2)), RATE)
    with pytest.raises(DataError, match="shape"):
        rpeaks(np.zeros((2, 2, 100)), RATE)
    with pytest.raises(ConfigError, match="one lead"):
        rpeaks(np.zeros((2, 1000)), RATE, "xqrs")
    assert set(METHODS) == {"band", "xqrs", "neurokit2"}
