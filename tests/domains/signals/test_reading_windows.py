from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import soundfile
import wfdb
from recordings import CLOSE, RATE, WRITERS, wave, write_hdf5, write_mat, write_sound, write_wfdb

from trainwright.domains.signals.reading import probe, read

WINDOWS = [(0, 1), (1, 2), (7, 1001), (1000, 1999), (2000, 2001), (17, None)]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_window_is_the_slice_of_the_whole(kind: str, tmp_path: Path) -> None:
    place = WRITERS[kind](tmp_path)
    whole = read(place)
    assert whole.values.dtype == np.float32 and whole.values.shape == (len(whole.channels), probe(place).length)
    assert np.ptp(whole.values) > 0.5
    for start, stop in WINDOWS:
        piece = read(place, start, stop)
        np.testing.assert_allclose(piece.values, whole.values[:, start:stop], 0, CLOSE.get(kind, 0), err_msg=f"{start}:{stop}")
        assert piece.start == start
    last = read(place, 5, 50, leads=[len(whole.channels) - 1])
    np.testing.assert_allclose(last.values[0], whole.values[-1, 5:50], 0, CLOSE.get(kind, 0))


@pytest.mark.parametrize("kind", [each for each in WRITERS if each.startswith("wfdb")])
def test_wfdb_records_are_read_as_the_library_reads_them(kind: str, tmp_path: Path) -> None:
    place = WRITERS[kind](tmp_path)
    theirs = wfdb.rdrecord(place)
    ours, facts = read(place), probe(place)
    np.testing.assert_array_equal(ours.values, theirs.p_signal.T.astype(np.float32))
    assert (ours.rate, list(ours.channels), list(facts.units)) == (theirs.fs, theirs.sig_name, theirs.units)


def test_all_numbers_of_format_212_come_back_and_the_lowest_is_not_valid(tmp_path: Path) -> None:
    digits = np.arange(-2048, 2048)
    wfdb.wrsamp("rec", 100, ["mV"], ["I"], d_signal=digits[:, None], fmt=["212"], adc_gain=[1.0], baseline=[0], write_dir=str(tmp_path))
    values = read(tmp_path / "rec").values[0]
    assert np.isnan(values[0])
    np.testing.assert_array_equal(values[1:], digits[1:])


@pytest.mark.parametrize(("format", "lowest"), [("16", -(1 << 15)), ("24", -(1 << 23)), ("32", -(1 << 31)), ("80", -(1 << 7))])
def test_the_number_of_an_invalid_sample_is_nan(format: str, lowest: int, tmp_path: Path) -> None:
    digits = np.array([[5], [lowest], [-7]])
    wfdb.wrsamp("rec", 100, ["mV"], ["I"], d_signal=digits, fmt=[format], adc_gain=[2.0], baseline=[1], write_dir=str(tmp_path))
    np.testing.assert_array_equal(read(tmp_path / "rec").values[0], [2, np.nan, -4])


def test_a_matlab_file_of_version_4_is_read_at_its_offset(tmp_path: Path) -> None:
    write_mat(tmp_path, wave(2, 999), format="4")
    lines = [f"rec.mat 16+24 500/mV 16 0 0 0 0 {name}" for name in ("II", "V")]
    (tmp_path / "rec.hea").write_text("\n".join(["rec 2 500 999", *lines, "#Age: 85", "# Sex: Female", "#Dx: 164889003, 59118001"]))
    piece, facts = read(tmp_path / "rec.mat", 11, 500), probe(tmp_path / "rec")
    np.testing.assert_array_equal(piece.values, (scipy.io.loadmat(tmp_path / "rec.mat")["val"][:, 11:500] / 500).astype(np.float32))
    assert (facts.age, facts.sex, facts.codes) == (85, "female", ("164889003", "59118001"))


def test_signals_of_several_rates_keep_theirs_and_are_brought_to_the_highest(tmp_path: Path) -> None:
    time = np.arange(4000) / 400
    fast, slow = np.sin(2 * np.pi * 3 * time), 90 + np.sin(2 * np.pi * time)
    wfdb.wrsamp(
        "rec",
        100,
        ["mV", "mmHg"],
        ["II", "ABP"],
        e_p_signal=[fast, slow[::4].copy()],
        samps_per_frame=[4, 1],
        fmt=["16", "16"],
        adc_gain=[1e4, 100.0],
        baseline=[0, -9000],
        write_dir=str(tmp_path),
    )
    facts, piece = probe(tmp_path / "rec"), read(tmp_path / "rec")
    assert (facts.rate, facts.rates, facts.length) == (400, (400, 100), 4000)
    np.testing.assert_allclose(piece.values[0], fast, atol=1e-4)
    np.testing.assert_allclose(piece.values[1, 100:-100], slow[100:-100], atol=0.02)
    assert abs(piece.values[1] - slow).max() < 0.5  # the ends are continued: they do not fall to 0
    np.testing.assert_array_equal(read(tmp_path / "rec", 1001, 2003).values, piece.values[:, 1001:2003])


def test_sound_is_read_as_soundfile_reads_it(tmp_path: Path) -> None:
    for ending in ("wav", "flac", "ogg", "mp3"):
        path = write_sound(tmp_path, ending, wave(2, 9001))
        theirs = soundfile.read(path, dtype="float32")[0][100:900].T
        np.testing.assert_allclose(read(path, 100, 900).values, theirs, 0, CLOSE.get(ending, 0))
        facts = probe(path)
        assert (facts.rate, facts.channels, facts.length) == (8000, ("left", "right"), 9001)


def test_a_row_of_an_array_of_recordings_is_one(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path, wave(12, 400), fs=400.0)
    piece = read(f"{path}#key=/tracings&row=1", 10, 90)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(piece.values, file["tracings"][1, 10:90].T)
    assert piece.rate == 400 and piece.values.shape == (12, 80)


def test_a_part_in_seconds_is_a_recording_of_its_own(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "16", wave())
    whole = read(path).values
    assert probe(f"{path}#t=2,4").length == 2 * RATE
    np.testing.assert_array_equal(read(f"{path}#t=2,4", 10, 30).values, whole[:, 510:530])
    np.testing.assert_array_equal(read(f"{path}#samples=100,200").values, whole[:, 100:200])
    assert read(f"{path}#t=2,4", -50, 9999).values.shape == (3, 2 * RATE)
    assert probe(f"{path}#at=370").length == 2501


def test_a_window_that_begins_before_the_recording_is_cut_and_says_where(tmp_path: Path) -> None:
    piece = read(write_wfdb(tmp_path, "16", wave()), -100, 50)
    assert (piece.start, piece.values.shape) == (0, (3, 50))
    assert read(write_wfdb(tmp_path, "16", wave()), 9000, 9010).values.shape == (3, 0)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "hdf5", "edf", "wfdb_212"])
def test_processes_that_were_forked_read_their_own_windows(kind: str, tmp_path: Path) -> None:
    place = WRITERS[kind](tmp_path)
    whole = read(place).values  # the handle is open before the fork
    starts = np.random.default_rng(1).integers(0, whole.shape[1] - 100, 300)
    children = []
    for share in (starts[:150], starts[150:]):
        child = os.fork()
        if child == 0:
            wrong = [abs(read(place, int(each), int(each) + 100).values - whole[:, each : each + 100]).max() for each in share]
            os._exit(int(max(wrong) > CLOSE.get(kind, 0)))
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0, 0]


def test_a_file_that_changed_is_opened_again(tmp_path: Path) -> None:
    path = write_sound(tmp_path, "wav", wave(1, 500))
    assert probe(path).length == 500
    write_sound(tmp_path, "wav", wave(1, 700, seed=1))
    assert read(path).values.shape == (1, 700)


def test_reading_imports_no_torch() -> None:
    code = "import sys, trainwright.domains.signals.reading; print([x for x in ('torch', 'scipy', 'wfdb', 'h5py') if x in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
