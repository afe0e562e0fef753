from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import wfdb

from trainwright.config.errors import DataError, RequestError
from trainwright.domains.signals.reading import Unreadable, probe, read
from trainwright.domains.signals.reading.annotations import AAMI, BEATS, SYMBOLS, read_annotations
from trainwright.domains.signals.reading.wfdb_record import checksum_faults
from trainwright.domains.signals.reading.write import Format, write_annotations, write_record, write_sound


def marks(count: int = 500, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    generator = np.random.default_rng(seed)
    samples = np.cumsum(generator.integers(1, 4000, count))  # beyond 1,023 there are skips
    symbols = generator.choice(list(SYMBOLS.values()), count).tolist()
    return samples, symbols, [each if number % 7 == 0 else "" for number, each in enumerate(["(AFIB", "MISSB", "(N"] * 200)][:count]


def test_annotations_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    samples, symbols, texts = marks()
    wfdb.wrann("rec", "atr", samples, symbols, aux_note=texts, chan=np.arange(500) % 2, write_dir=str(tmp_path))
    theirs, ours = wfdb.rdann(str(tmp_path / "rec"), "atr"), read_annotations(tmp_path / "rec")
    np.testing.assert_array_equal(ours.samples, theirs.sample)
    assert (list(ours.symbols), list(ours.texts), list(ours.channels)) == (theirs.symbol, theirs.aux_note, theirs.chan.tolist())


def test_annotations_of_a_window_are_those_of_the_whole(tmp_path: Path) -> None:
    samples, symbols, texts = marks()
    write_annotations(tmp_path, "rec", samples, symbols, texts=texts)
    theirs = wfdb.rdann(str(tmp_path / "rec"), "atr")
    assert (theirs.sample.tolist(), theirs.symbol, theirs.aux_note) == (samples.tolist(), symbols, texts)
    some = read_annotations(tmp_path / "rec", start=int(samples[100]), stop=int(samples[300]))
    assert some.samples.tolist() == samples[100:300].tolist() and list(some.symbols) == symbols[100:300]


def test_marks_that_are_no_beats_are_told_from_beats(tmp_path: Path) -> None:
    from wfdb.io import annotation

    theirs = {SYMBOLS[code] for code, is_beat in enumerate(annotation.is_qrs) if is_beat and code in SYMBOLS}
    assert theirs == BEATS == set(AAMI)
    write_annotations(tmp_path, "rec", [5, 9, 12, 30], ["+", "N", "~", "V"])
    beats = read_annotations(tmp_path / "rec").beats
    assert beats.samples.tolist() == [9, 30] and [AAMI[each] for each in beats.symbols] == ["N", "V"]


def test_the_resolution_of_annotations_is_that_of_the_record_as_it_is_read(tmp_path: Path) -> None:
    write_record(tmp_path, "rec", np.zeros((1, 2000)), 500, ["I"])
    wfdb.wrann("rec", "atr", np.array([100, 250]), ["N", "V"], fs=250, write_dir=str(tmp_path))
    assert read_annotations(tmp_path / "rec").samples.tolist() == [200, 500]


def test_annotations_that_are_not_there_name_those_that_are(tmp_path: Path) -> None:
    write_annotations(tmp_path, "rec", [5], ["N"], extension="qrs")
    with pytest.raises(Unreadable, match=r"'rec.atr' are not there; beside the record there are: qrs"):
        read_annotations(tmp_path / "rec")


@pytest.mark.parametrize("format", get_args(Format))
@pytest.mark.parametrize("length", [1000, 1001])
def test_records_that_are_written_are_read_back_by_the_library(format: Format, length: int, tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(0, 1, (3, length))
    values[0, 7], values[2] = np.nan, np.nan
    write_record(tmp_path, "rec", values, 257, ["I", "aVR", "V 1"], format=format, comments=["Age: 60", "Dx: 1,2"])
    theirs = wfdb.rdrecord(str(tmp_path / "rec"))
    step = 1 / theirs.adc_gain[0]
    np.testing.assert_allclose(theirs.p_signal.T, values, atol=step / 2 + 1e-9)
    assert (theirs.sig_name, theirs.fs, theirs.comments) == (["I", "aVR", "V 1"], 257, ["Age: 60", "Dx: 1,2"])
    np.testing.assert_array_equal(read(tmp_path / "rec").values, theirs.p_signal.T.astype(np.float32))
    assert checksum_faults(str(tmp_path / "rec.hea")) == [] and probe(tmp_path / "rec").codes == ("1", "2")


def test_a_sample_that_was_changed_is_found_by_its_checksum(tmp_path: Path) -> None:
    write_record(tmp_path, "rec", np.random.default_rng(3).normal(0, 1, (2, 100)), 100, ["I", "II"])
    content = bytearray((tmp_path / "rec.dat").read_bytes())
    content[2] ^= 1
    (tmp_path / "rec.dat").write_bytes(content)
    assert [each.split("'")[1] for each in checksum_faults(str(tmp_path / "rec.hea"))] == ["II"]


def test_names_that_wfdb_does_not_take_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="letters, digits, _ and -"):
        write_record(tmp_path / "new", "a.b", np.zeros((1, 5)), 100, ["I"])
    with pytest.raises(DataError, match="does not fit"):
        write_record(tmp_path / "new", "ab", np.full((1, 5), 40.0), 100, ["I"], gain=1000)
    assert not (tmp_path / "new").exists()


def test_sounds_that_would_be_cut_or_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not finite"):
        write_sound(tmp_path / "a.wav", np.array([0, np.nan]), 8000)
    with pytest.raises(DataError, match=r"values reach 1\.5"):
        write_sound(tmp_path / "a.wav", np.array([0, 1.5]), 8000)
    assert list(tmp_path.iterdir()) == []
    values = np.random.default_rng(0).uniform(-1, 1, (2, 50)).astype(np.float32)
    np.testing.assert_allclose(read(write_sound(tmp_path / "a.flac", values, 8000)).values, values, atol=1 / 32768)
