from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from recordings import wave, write_sound, write_wfdb

from trainwright.cli.main import main
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.signals.reading import probe, read
from trainwright.domains.signals.reading.rates import resampled_window
from trainwright.domains.signals.synth.ecg import write_ecg
from trainwright.domains.signals.synth.options import ECGOptions, SoundOptions
from trainwright.domains.signals.synth.sounds import write_sounds
from trainwright.features.places import Folders


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken out of packs in these tests lies in a folder of their own."""
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))


def sounds(folder: Path) -> Path:
    """A table of two sounds, a record of three leads with a beat, and what is none."""
    folder.mkdir()
    write_sound(folder, "wav", wave(1, 9000), 8000)
    write_sound(folder, "flac", wave(1, 4001, seed=1), 16000)
    write_wfdb(folder, "16", wave())
    (folder / "none.wav").write_text("nothing")
    (folder / "table.csv").write_text("clip,label\nsound.wav,a\nsound.flac,b\nrec#at=500,b\n")
    return folder / "table.csv"


def opened(path: Path) -> list[tuple[str, str]]:
    """References and labels of a table."""
    source = open_source(options_of(str(path)), 1 << 30)
    folders, table = Folders(source), source.read()
    return [(folders.path(row, each["clip"]), each["label"]) for row, each in enumerate(table.to_pylist())]


def test_recordings_are_decoded_once_at_one_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = sounds(tmp_path / "data")
    assert main(["pack", str(table), "-o", str(tmp_path / "a.pack"), "--rate", "4000", "--seconds", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "3 recordings, 3 resampled, 2 cut" in said
    rows = opened(tmp_path / "a.pack")
    assert [label for _, label in rows] == ["a", "b", "b"]
    for (place, _), length, channels in zip(rows, (2000, 1001, 2000), (("mono",), ("mono",), ("L0", "L1", "L2")), strict=True):
        facts = probe(place)
        assert (facts.rate, facts.length, facts.channels) == (4000, length, channels)
    whole = read(tmp_path / "data" / "sound.wav").values[0]
    expected = resampled_window(lambda a, b: whole[a:b], 9000, 0, 2000, 1, 2)
    np.testing.assert_allclose(read(rows[0][0]).values[0], expected, atol=1e-6)
    assert rows[2][0].rpartition("#")[2].startswith("at=8000&")


def test_whole_numbers_of_16_bits_are_scaled_back(tmp_path: Path) -> None:
    table = sounds(tmp_path / "data")
    assert main(["pack", str(table), "-o", str(tmp_path / "a.pack"), "--dtype", "int16", "--column", "clip"]) == 0
    place = opened(tmp_path / "a.pack")[2][0]
    np.testing.assert_allclose(read(place, 10, 99).values, read(tmp_path / "data" / "rec", 10, 99).values, atol=2e-5)


def test_records_are_written_as_wfdb_that_the_library_reads(tmp_path: Path) -> None:
    table = sounds(tmp_path / "data")
    assert main(["pack", str(table), "-o", str(tmp_path / "out"), "--format", "wfdb", "--rate", "250"]) == 0
    rows = opened(tmp_path / "out" / "recordings.parquet")
    assert [Path(place).name for place, _ in rows] == ["sound", "sound_2", "rec"]
    theirs = wfdb.rdrecord(str(tmp_path / "out" / "rec"))
    assert (theirs.fs, theirs.sig_name) == (250, ["L0", "L1", "L2"])
    np.testing.assert_allclose(theirs.p_signal.T, read(tmp_path / "data" / "rec").values, atol=1e-4)


def test_a_recording_that_cannot_be_read_stops_it_or_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = sounds(tmp_path / "data")
    table.write_text(table.read_text() + "none.wav,a\n")
    assert main(["pack", str(table), "-o", str(tmp_path / "a.pack"), "--rate", "4000"]) == 2
    assert "row 4, 'none.wav': soundfile cannot read it" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*.pack"))
    assert main(["pack", str(table), "-o", str(tmp_path / "a.pack"), "--rate", "4000", "--unreadable", "skip"]) == 0
    assert "1 recording left out that cannot be read: none.wav: " in " ".join(capsys.readouterr().out.split())
    assert len(opened(tmp_path / "a.pack")) == 3


def test_the_policy_reaches_a_source_that_looks_at_its_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ecg").mkdir()
    write_ecg(tmp_path / "ecg", 0, ECGOptions(patients=2, broken=5))
    words = ["pack", str(tmp_path / "ecg"), "-o", str(tmp_path / "a.pack"), "--rate", "50"]
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "3 recordings cannot be read" in said and "fix: --unreadable skip" in said and not list(tmp_path.glob("*.pack"))
    assert main([*words, "--unreadable", "skip"]) == 0
    said = capsys.readouterr().out
    assert "5 recordings left out that cannot be read:" in said
    assert sorted(line.split(":")[0] for line in said.splitlines() if line.startswith("  g1/")) == [
        f"  g1/X{number:05}_1{'' if number in (3, 4) else '.hea'}" for number in (1, 2, 3, 4, 5)
    ], "those that the source leaves out, and those whose values say no rate"
    source = open_source(options_of(str(tmp_path / "a.pack")), 1 << 30)
    assert len(source) == len(list((tmp_path / "ecg").rglob("*.hea"))) - 5
    assert source.default_targets == ["labels"]


def test_a_pack_without_a_place_has_the_name_of_the_data_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "v1.calls").mkdir(parents=True)
    write_sounds(tmp_path / "data" / "v1.calls", 0, SoundOptions(speakers=1, takes=1))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = ["pack", str(tmp_path / "data" / "v1.calls")]
    assert main(words) == 0 and main(words) == 2, "nothing is written over"
    told = capsys.readouterr()
    assert "no -o is given: the pack lies here, as v1.calls.pack" in told.out and "--overwrite replaces it" in told.err
    assert [each.name for each in (tmp_path / "here").iterdir()] == ["v1.calls.pack"]
    rows = open_source(options_of("v1.calls.pack"), 1 << 30)
    assert len(rows) == 6 and probe(Folders(rows).path(0, rows.read()["audio"][0].as_py())).rate == 8000, "sounds are decoded, not named"
    for none in (["builtin:titanic"], ["*.csv"], [words[1], "--format", "wfdb"]):
        assert main(["pack", *none]) == 2 and "fix: -o F" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "--rate is 0"),
        (["--rate", "4000", "--column", "clap"], "did you mean 'clip'"),
        (["--rate", "4000", "--column", "label"], "a recording cannot be read"),
        (["--format", "wfdb", "--dtype", "float32"], "WFDB records have whole numbers"),
    ],
)
def test_what_cannot_be_packed_is_refused_and_nothing_is_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sounds(tmp_path / "data")
    assert main(["pack", str(table), "-o", str(tmp_path / "a.pack"), *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert sorted(each.name for each in tmp_path.iterdir()) in (["data"], ["cache", "data"])
