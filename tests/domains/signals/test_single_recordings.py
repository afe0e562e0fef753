"""What people name when they have one recording, a folder of EDF files or arrays, or one of another length than those of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trainwright as tw
from trainwright.config.errors import DataError, RequestError
from trainwright.data.claims import find_claim
from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.sources.options import SignalFolderOptions
from trainwright.domains.signals.sources.signal_folder import SignalFolder

SHORT = {"evaluation": {"report": False, "baselines": [], "importance": False, "intervals": False}, "trainer": {"max_epochs": 2}}


def write_records(folder: Path, seconds: float, count: int, rate: int = 100) -> None:
    """Records of two leads with or without a wave of 5 Hz."""
    rng, time = np.random.default_rng(0), np.arange(round(seconds * rate)) / rate
    for number in range(count):
        wave = np.sin(2 * np.pi * 5 * time) * (number % 2) + 0.1 * rng.normal(size=(2, len(time)))
        write_record(folder, f"r{number}", wave, rate, ["I", "II"], comments=[f"Dx: {426783006 if number % 2 else 164889003}"])


def test_a_record_is_named_without_an_ending_and_may_be_longer(tmp_path: Path) -> None:
    """As wfdb names records; `fit_length` takes those of another length than training had."""
    write_records(tmp_path / "train", 2, 40)
    write_records(tmp_path / "long", 5, 2)
    chain = {"signal": {"transform": [{"fit_length": 2}]}}
    run = tw.train(str(tmp_path / "train"), run_dir=tmp_path / "run", columns=chain, **SHORT)
    assert find_claim(str(tmp_path / "long" / "r1")) == "wfdb"
    for name in ("r1", "r1.hea", "r1.dat"):
        found = run.predict(str(tmp_path / "long" / name))
        assert found.column("record").to_pylist() == ["r1"]  # before the predictions
        assert found.column("labels_prediction").null_count == 0
    refuses_and_leaves_out(tmp_path / "run", tmp_path / "long")
    plain = tw.train(str(tmp_path / "train"), run_dir=tmp_path / "plain", **SHORT)
    with pytest.raises(DataError, match="fit_length"):
        plain.predict(str(tmp_path / "long" / "r1"))


def refuses_and_leaves_out(run: Path, folder: Path) -> None:
    """What an error of a folder names as its fix, `predict` takes: for a record with other leads, and for one with an empty header."""
    write_record(folder, "other", np.zeros((1, 500)), 100, ["V9"])
    with pytest.raises(DataError, match=r"columns\.signal\.unreadable=skip"):
        tw.load_predictor(run).predict(str(folder))
    found = tw.load_predictor(run, settings=["columns.signal.unreadable=skip"]).predict(str(folder))
    assert found.column("record").to_pylist() == ["other", "r0", "r1"]
    assert [each is None for each in found.column("labels_prediction").to_pylist()] == [True, False, False]
    (folder / "r0.hea").write_bytes(b"")
    with pytest.raises(DataError, match=r"data\.source\.unreadable=skip"):
        tw.load_predictor(run).predict(str(folder))
    found = tw.load_predictor(run, settings=["data.source.unreadable=skip"]).predict(str(folder))
    assert found.column("record").to_pylist() == ["other", "r1"]
    with pytest.raises(RequestError, match="no column 'signl' of files"):
        tw.load_predictor(run, settings=["columns.signl.unreadable=skip"])


def test_arrays_in_a_folder_for_each_class(tmp_path: Path) -> None:
    """The ending that most files have, unless others are asked for; a folder of something else is refused."""
    for label in ("still", "moving"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            np.save(tmp_path / "set" / label / f"{number}.npy", np.zeros((3, 50), np.float32))
    (tmp_path / "set" / "still" / "one.csv").write_text("a,b\n1,2\n")
    table = SignalFolder(SignalFolderOptions(path=str(tmp_path / "set")), 1 << 20)
    assert table.table.column("label").to_pylist() == ["moving"] * 3 + ["still"] * 3
    assert len(SignalFolder(SignalFolderOptions(path=str(tmp_path / "set"), endings=[".csv"]), 1 << 20).table) == 1
    assert find_claim(str(tmp_path / "set")) == ""  # arrays may be anything
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no recording"):
        SignalFolder(SignalFolderOptions(path=str(tmp_path / "none")), 1 << 20)


def test_a_folder_of_edf_is_seen(tmp_path: Path) -> None:
    """EDF is nothing but recordings; one file is too."""
    pyedflib = pytest.importorskip("pyedflib")
    for label in ("wake", "sleep"):
        (tmp_path / label).mkdir()
        writer = pyedflib.EdfWriter(str(tmp_path / label / "a.edf"), 1, pyedflib.FILETYPE_EDFPLUS)
        head = {"label": "EEG", "dimension": "uV", "sample_frequency": 100}
        limits = {"physical_max": 100, "physical_min": -100, "digital_max": 32767, "digital_min": -32768}
        writer.setSignalHeaders([{**head, **limits, "prefilter": "", "transducer": ""}])
        writer.writeSamples([np.zeros(200)])
        writer.close()
    assert find_claim(str(tmp_path)) == find_claim(str(tmp_path / "wake" / "a.edf")) == "signal_folder"


def test_a_record_that_says_nothing_of_the_person_is_predicted(tmp_path: Path) -> None:
    """Its age and sex are missing, as they would be in training."""
    from trainwright.data.sources.later import later_rows

    write_records(tmp_path, 2, 1)
    found = later_rows(str(tmp_path / "r0"), None, ["signal", "age", "sex"])
    assert found.read(columns=["age", "sex"]).to_pylist() == [{"age": None, "sex": None}]
    assert "age" not in later_rows(str(tmp_path / "r0"), None, ["signal"]).schema.names


def test_of_a_mixed_folder_the_larger_part_is_read(tmp_path: Path) -> None:
    """One stray header does not hide the sounds; what is not read is said."""
    from trainwright.data.claims import reasons
    from trainwright.domains.signals.reading.write import write_sound

    write_records(tmp_path, 1, 1)
    for number in range(3):
        write_sound(tmp_path / f"{number}.wav", np.zeros((1, 80)), 8000)
    assert find_claim(str(tmp_path)) == "sound_folder"
    assert "1 WFDB records in it are not read" in reasons[str(tmp_path)]


def test_of_several_channels_it_is_said_that_they_are_mixed_and_a_recording_without_a_valid_sample_is_none(tmp_path: Path) -> None:
    """`repair` fills gaps; where nothing is valid there is nothing to repair."""
    from trainwright.domains.signals.feature import AudioFeature, SignalFeature
    from trainwright.domains.signals.options import AudioOptions, SignalOptions
    from trainwright.domains.signals.reading.write import write_sound

    write_sound(tmp_path / "two.wav", np.zeros((2, 80)), 8000)
    sounds = AudioFeature(AudioOptions(type="audio"), "audio")
    sounds.look(str(tmp_path / "two.wav"))
    assert sounds.told == {"2 channels, mixed to one (columns.audio.channel)": 1}
    write_record(tmp_path, "none", np.full((2, 100), np.nan), 100, ["I", "II"])
    assert "no sample" in SignalFeature(SignalOptions(type="signal", unreadable="repair"), "signal").look(str(tmp_path / "none"))[1]
