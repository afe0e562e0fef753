"""Columns of recordings: one rate, one set of channels, windows and moments, and what becomes of files that do not fit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.domains.signals.recording import Reader
from trainwright.features.npy import Unreadable

QUICK: dict[str, Any] = {
    "trainer": {"max_epochs": 1},
    "evaluation": {"baselines": [], "importance": False, "report": False},
    "run": {"device": "cpu"},
}


def write_sounds(folder: Path, rates: tuple[int, ...] = (8000,), count: int = 24) -> Path:
    """A table of sounds of two classes, of different lengths and of some rates in turn."""
    rng, lines = np.random.default_rng(0), ["audio,label"]
    for number in range(count):
        rate = rates[number % len(rates)]
        time = np.arange(rate // 10 + 40 * number) / rate
        label, pitch = ("high", 900) if number % 2 else ("low", 300)
        sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.05 * rng.normal(size=len(time))
        soundfile.write(folder / f"{number}.wav", sound, rate, subtype="FLOAT")
        lines.append(f"{number}.wav,{label}")
    (folder / "sounds.csv").write_text("\n".join(lines) + "\n")
    return folder / "sounds.csv"


def train(table: Path, run: Path, column: dict[str, Any]) -> Any:
    config = {"data": {"source": str(table), "cache": "off"}, "targets": ["label"], "columns": {"audio": {"type": "audio", **column}}}
    return tw.train(config={**config, **QUICK}, run_dir=run)


@pytest.mark.parametrize("rate", [6000, 8000, 16000, 11025])
def test_a_piece_is_that_of_the_whole_at_any_rate(rate: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5001, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", values, 8000, subtype="FLOAT")
    reader = Reader(rate=rate)
    whole = reader.read(str(tmp_path / "a.wav"))
    assert whole.shape == reader.read_shape(str(tmp_path / "a.wav")) == (2, -(-5001 * rate // 8000))
    for first, count in ((0, 100), (1, 7), (777, 1000), (whole.shape[1] - 50, 400)):
        piece, shape = reader.read_piece(str(tmp_path / "a.wav"), first, count)
        assert shape == whole.shape
        np.testing.assert_array_equal(piece, whole[:, first : first + count])


def test_another_rate_is_that_of_scipy_but_for_the_ends(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", values, 8000, subtype="FLOAT")
    found = Reader(rate=6000).read(str(tmp_path / "a.wav"))[0]
    # scipy's phases sum to 1 ± 0.0006, so that a constant would ripple: it is divided out.
    expected = resample_poly(values.astype(np.float64), 3, 4) / resample_poly(np.ones(4000), 3, 4)
    np.testing.assert_allclose(found[20:-20], expected[20:-20], atol=1e-5)


def test_round_a_moment_what_lies_beyond_the_ends_is_zero(tmp_path: Path) -> None:
    values = np.arange(1, 1001, dtype=np.float32)[:, None] / 1000
    soundfile.write(tmp_path / "a.wav", values, 100, subtype="FLOAT")
    reader = Reader(before=0.5, after=0.25)
    early, middle, late = (reader.read(f"{tmp_path}/a.wav#at={at}")[0] for at in (10, 500, 990))
    np.testing.assert_array_equal(middle, values[450:525, 0])
    np.testing.assert_array_equal(early, np.concatenate([np.zeros(40, np.float32), values[:35, 0]]))
    np.testing.assert_array_equal(late, np.concatenate([values[940:, 0], np.zeros(15, np.float32)]))
    with pytest.raises(Unreadable, match="around"):
        Reader().read(f"{tmp_path}/a.wav#at=10")


def test_the_rate_of_most_files_is_taken_and_the_others_are_resampled_and_told(tmp_path: Path) -> None:
    train(write_sounds(tmp_path, rates=(8000, 8000, 16000)), tmp_path / "run", {"encoder": {"type": "small_resnet1d"}})
    notes = (tmp_path / "run/log.txt").read_text()
    with (tmp_path / "run/metrics.csv").open() as file:
        shares = [float(row["validation/padding"]) for row in csv.DictReader(file)]
    assert all(0 < share < 1 for share in shares) and shares
    assert "8000 samples a second" in notes and "16000 samples a second, resampled to 8000" in notes


def test_files_of_another_rate_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read") as caught:
        train(write_sounds(tmp_path, rates=(8000, 8000, 16000)), tmp_path / "run", {"other_rates": "error"})
    assert "16000 samples a second, not 8000" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("channel, said", [("error", "2 channels, and channel is error"), (3, "2 channels, and number 3 is asked for")])
def test_channels_that_are_not_as_asked_are_refused(channel: Any, said: str, tmp_path: Path) -> None:
    table = write_sounds(tmp_path)
    soundfile.write(tmp_path / "0.wav", np.zeros((900, 2)), 8000)
    with pytest.raises(DataError) as caught:
        train(table, tmp_path / "run", {"channel": channel})
    assert "0.wav" in str(caught.value) or said in str(caught.value)


def test_channels_are_mixed_taken_or_all_given(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", values, 8000, subtype="FLOAT")
    path = str(tmp_path / "a.wav")
    np.testing.assert_allclose(Reader(channel="mix").read(path)[0], values.mean(axis=1), atol=1e-7)
    np.testing.assert_array_equal(Reader(channel=1).read(path)[0], values[:, 1])
    np.testing.assert_array_equal(Reader(channel="all").read(path), values.T)


@pytest.mark.parametrize("policy", ["error", "skip", "repair"])
def test_values_that_are_no_numbers_follow_the_policy(policy: str, tmp_path: Path) -> None:
    table = write_sounds(tmp_path)
    sound, rate = soundfile.read(tmp_path / "3.wav", dtype="float32")
    sound[40:50] = np.nan
    soundfile.write(tmp_path / "3.wav", sound, rate, subtype="FLOAT")
    (tmp_path / "4.wav").write_bytes(b"no sound at all")
    if policy == "error":
        with pytest.raises(DataError, match=r"3\.wav.*(?s:.*)values that are no numbers in mono \(10\)"):
            train(table, tmp_path / "run", {"unreadable": policy})
        return
    train(table, tmp_path / "run", {"unreadable": policy})
    log = (tmp_path / "run/log.txt").read_text()
    assert ("left out" if policy == "skip" else "taken as missing") in log and "4.wav" in log
    assert ("3.wav" in log) if policy == "skip" else ("1 files: values that are no numbers, filled in" in log)
