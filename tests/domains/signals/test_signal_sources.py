"""Sources of sounds, published sets, tables of recordings and beats: what they say, how they divide, and what they refuse."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from trainwright.config.errors import DataError
from trainwright.config.registry import build, options_class
from trainwright.data.claims import find_claim
from trainwright.data.source import TableSource
from trainwright.domains.signals.reading import read
from trainwright.domains.signals.reading.write import write_record, write_sound
from trainwright.domains.signals.sources.beats import ratio_to_last
from trainwright.domains.signals.sources.sound_sets import which_set
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.options import BeatOptions, SoundOptions
from trainwright.domains.signals.synth.sounds import CONTOURS, write_sounds

BEEP = np.sin(np.arange(400) / 5)[None] * 0.5


def open_as(kind: str, path: Path | str, **given: object) -> TableSource:
    options = options_class("source", kind).model_validate({"type": kind, "path": str(path), **given})
    source = build("source", options, memory_limit=1 << 30)
    assert isinstance(source, TableSource)
    return source


def values(source: TableSource, column: str) -> list[object]:
    return source.read(columns=[column])[column].to_pylist()


def beeps(folder: Path, *names: str) -> Path:
    for name in names:
        write_sound(folder / name, BEEP, 8000)
    return folder


def write_csv(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    write_sounds(folder, 0, SoundOptions(takes=2))
    return folder


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beats")
    write_beats(folder, 0, BeatOptions(records=3, minutes=1))
    return folder


def test_folders_of_sounds_give_label_and_speaker(sounds: Path) -> None:
    assert find_claim(str(sounds)) == "sound_folder"
    source = open_as("sound_folder", sounds)
    assert set(values(source, "label")) == set(CONTOURS) and source.default_targets == ["label"]
    assert len(set(values(source, "speaker"))) == 6 and source.declared_split == {"type": "grouped", "column": "speaker"}
    audio = source.declared_columns["audio"]
    assert audio["type"] == "audio" and audio["transform"][0] == {"mel": {"n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 40}}
    assert source.declared_columns["speaker"] == {"type": "ignore"}
    assert read(str(values(source, "audio")[0])).rate == 8000


def test_flat_names_in_three_parts_are_digits_speakers_and_takes(tmp_path: Path) -> None:
    beeps(tmp_path, *(f"{digit}_{who}_{take}.wav" for digit in (0, 1) for who in ("jackson", "theo") for take in range(3)))
    source = open_as("sound_folder", tmp_path)
    assert source.default_targets == ["digit"] and source.declared_columns["digit"] == {"type": "category"}
    assert source.declared_split == {} and any("2 speakers are in all splits" in each for each in source.notes)
    assert open_as("sound_folder", tmp_path, group="speaker").declared_split == {"type": "grouped", "column": "speaker"}
    with pytest.raises(DataError, match="no column 'speker'") as caught:
        open_as("sound_folder", tmp_path, group="speker")
    assert "did you mean 'speaker'?" in caught.value.fix


def test_a_pattern_says_what_names_mean_and_has_to_fit_all(tmp_path: Path) -> None:
    beeps(tmp_path, "cat-1.wav", "dog-2.wav")
    source = open_as("sound_folder", tmp_path, pattern=r"(?P<animal>[a-z]+)-(?P<number>\d+)", target="animal")
    assert values(source, "animal") == ["cat", "dog"] and source.default_targets == ["animal"]
    with pytest.raises(DataError, match="the pattern does not fit all") as caught:
        open_as("sound_folder", tmp_path, pattern=r"(?P<animal>cat)-\d")
    assert "the first is 'dog-2.wav'" in caught.value.why
    with pytest.raises(DataError, match="the pattern has no named group"):
        open_as("sound_folder", tmp_path, pattern=r"(cat|dog)-\d")


def test_sounds_without_labels_and_single_ones_are_rows_too(tmp_path: Path) -> None:
    beeps(tmp_path, "a.wav", "b.wav")
    for path, count in ((tmp_path, 2), (tmp_path / "a.wav", 1)):
        assert find_claim(str(path)) == "sound_folder"
        source = open_as("sound_folder", path)
        assert len(source) == count and source.schema.names == ["file", "audio"] and source.default_targets == []


def test_folders_that_are_of_two_kinds_are_told(tmp_path: Path) -> None:
    beeps(tmp_path, "one/a.wav", "b.wav")
    with pytest.raises(DataError, match="some sounds lie in folders") as caught:
        open_as("sound_folder", tmp_path)
    assert "the first is 'b.wav'" in caught.value.why
    beeps(tmp_path / "mixed", "one/a.wav")
    write_record(tmp_path / "mixed", "r1", np.zeros((1, 200)), 100, ["I"])
    from trainwright.data.claims import reasons

    assert find_claim(str(tmp_path / "mixed")) == "wfdb" and "1 sounds in it are not read" in reasons[str(tmp_path / "mixed")]


def test_folders_without_sounds_are_refused(tmp_path: Path) -> None:
    assert find_claim(str(tmp_path)) == ""
    with pytest.raises(DataError, match="no sound in"):
        open_as("sound_folder", tmp_path)
    with pytest.raises(DataError, match="there is no file or folder"):
        open_as("sound_folder", tmp_path / "nothing")


def test_esc50_keeps_its_folds_and_tells_names_that_disagree(tmp_path: Path) -> None:
    names = [f"{fold}-{100 + fold}-A-{number}.wav" for fold in range(1, 6) for number in (0, 1)]
    beeps(tmp_path / "audio", *names)
    rows = [f"{name},{name[0]},{name[8]},{'dog' if name[8] == '0' else 'rain'},True,{name[2:5]},A" for name in names]
    rows[9] = rows[9].replace(",5,", ",4,", 1)
    write_csv(tmp_path / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", *rows)
    assert find_claim(str(tmp_path)) == "esc50"
    source = open_as("esc50", tmp_path, test_fold=2)
    assert source.declared_split == {"type": "kfold", "column": "fold", "fold": 2, "validation_fold": "next"}
    assert any("another fold than esc50.csv" in each for each in source.notes) and any(
        "'source' are in several" in each for each in source.notes
    )
    (tmp_path / "audio" / names[3]).unlink()
    with pytest.raises(DataError, match=r"1 of 10 files are not there: '2-102-A-1.wav'"):
        open_as("esc50", tmp_path)


def test_urbansound8k_is_read_as_it_lies(tmp_path: Path) -> None:
    beeps(tmp_path / "audio", "fold1/7-3-0-0.wav", "fold2/9-3-0-0.wav")
    head = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    write_csv(tmp_path / "metadata" / "UrbanSound8K.csv", head, "7-3-0-0.wav,7,0,1,1,1,3,dog_bark", "9-3-0-0.wav,9,0,1,1,2,3,dog_bark")
    assert find_claim(str(tmp_path)) == "urbansound8k"
    source = open_as("urbansound8k", tmp_path)
    assert values(source, "source") == ["7", "9"] and source.default_targets == ["class"] and source.notes == []


def test_speech_commands_divides_by_its_lists_or_by_the_hash_of_the_speaker(tmp_path: Path) -> None:
    beeps(tmp_path, "yes/aa_nohash_0.wav", "no/aa_nohash_0.wav", "no/bb_nohash_0.wav", "_background_noise_/hum.wav")
    write_csv(tmp_path / "testing_list.txt", "no/bb_nohash_0.wav")
    write_csv(tmp_path / "validation_list.txt", "")
    assert find_claim(str(tmp_path)) == "speech_commands"
    source = open_as("speech_commands", tmp_path, words=["yes"])
    assert values(source, "word") == ["_unknown_", "_unknown_", "yes"] and values(source, "split") == ["train", "test", "train"]
    with pytest.raises(DataError, match="no folder is called 'yess'"):
        open_as("speech_commands", tmp_path, words=["yess"])
    hashed = open_as("speech_commands", tmp_path, split="hash")
    assert values(hashed, "split")[0] == values(hashed, "split")[2], "a speaker is on one side"


def test_the_hash_of_speech_commands_keeps_speakers_whole_and_gives_a_tenth_to_each_part() -> None:
    assert which_set("bed/0c40e715_nohash_0.wav") == which_set("no/0c40e715_nohash_7.wav")
    shares = np.unique([which_set(f"word/{number:08x}_nohash_0.wav") for number in range(4000)], return_counts=True)[1] / 4000
    np.testing.assert_allclose(shares, [0.1, 0.8, 0.1], atol=0.02)


def test_lists_of_sounds_divide_as_they_say(tmp_path: Path) -> None:
    beeps(tmp_path, "cat/a.wav", "dog/b c.wav", "dog/d.wav")
    train = write_csv(tmp_path / "train.txt", "cat/a.wav", "dog/b c.wav", "")
    test = write_csv(tmp_path / "test.txt", "dog/d.wav dog")
    source = open_as("sound_list", train, test=str(test))
    assert values(source, "label") == ["cat", "dog", "dog"] and values(source, "split") == ["train", "train", "test"]
    with pytest.raises(DataError, match="1 sounds are listed twice"):
        open_as("sound_list", train, test=str(write_csv(tmp_path / "again.txt", "cat/a.wav")))
    with pytest.raises(DataError, match="1 of 1 files are not there"):
        open_as("sound_list", write_csv(tmp_path / "gone.txt", "cat/z.wav"))


def test_tables_name_recordings_of_either_kind(tmp_path: Path) -> None:
    beeps(tmp_path / "in", "a.wav", "b.wav")
    table = write_csv(tmp_path / "table.csv", "clip,weight,who", "a,1.5,x", "b,2.5,y")
    source = open_as("recordings_table", table, root=str(tmp_path / "in"), suffix=".wav", target=["weight"], group="who")
    assert source.schema.names == ["weight", "who", "audio"] and values(source, "weight") == [1.5, 2.5]
    assert source.declared_split == {"type": "grouped", "column": "who"}
    write_record(tmp_path, "r1", np.zeros((1, 200)), 100, ["I"])
    assert "signal" in open_as("recordings_table", write_csv(tmp_path / "ecg.csv", "name,age", "r1,60")).schema.names
    gone = write_csv(tmp_path / "gone.csv", "clip,weight", "a,1", "z,2")
    given = {"root": str(tmp_path / "in"), "suffix": ".wav", "file_column": "clip"}
    with pytest.raises(DataError, match="1 of 2 files are not there"):
        open_as("recordings_table", gone, **given)
    assert len(open_as("recordings_table", gone, missing="skip", **given)) == 1
    with pytest.raises(DataError, match="which column names the files"):
        open_as("recordings_table", table)
    with pytest.raises(DataError, match="no column 'wait'"):
        open_as("recordings_table", table, root=str(tmp_path / "in"), suffix=".wav", target=["wait"])


def test_hdf5_files_are_joined_by_an_order_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for part in (1, 2):
        with h5py.File(tmp_path / f"part{part}.h5", "w") as file:
            file["tracings"] = np.full((2, 3, 50), part, np.float32)
    order = write_csv(tmp_path / "order.csv", "label", "a", "b", "a", "c")
    source = open_as("hdf5_records", tmp_path / "part*.h5", order=str(order), target=["label"])
    assert len(source) == 4 and values(source, "label") == ["a", "b", "a", "c"]
    assert read(str(values(source, "signal")[2])).values[0, 0] == 2 or read(str(values(source, "signal")[2]), rate=1).values[0, 0] == 2
    with pytest.raises(DataError, match="the order file has 1 rows, the files have 4 records"):
        open_as("hdf5_records", tmp_path / "part*.h5", order=str(write_csv(tmp_path / "short.csv", "label", "a")))
    with pytest.raises(DataError, match="has no array 'tracing'"):
        open_as("hdf5_records", tmp_path / "part*.h5", key="tracing")
    with h5py.File(tmp_path / "named.h5", "w") as file:
        file["x7"], file["x9"] = np.zeros((1, 10)), np.ones((1, 10))
    named = write_csv(tmp_path / "names.csv", "id,label", "x9,b", "x7,a")
    assert values(open_as("hdf5_records", tmp_path / "named.h5", order=str(named), id_column="id"), "record") == ["key=/x9", "key=/x7"]


def test_beats_are_rows_with_intervals_and_blocks_in_time(beats: Path) -> None:
    source = open_as("wfdb_beats", beats)
    assert source.declared_split == {"type": "grouped", "column": "patient"} and set(values(source, "beat")) == {"normal", "other"}
    assert {"V", "A", "N"} >= set(values(source, "symbol")) and "+" not in values(source, "symbol")
    one = open_as("wfdb_beats", beats / "100")
    assert one.declared_split == {"type": "kfold", "column": "block", "fold": 4, "validation_fold": "next"}
    at, rate = np.array(values(one, "at")), 360
    np.testing.assert_allclose(np.array(values(one, "rr_before"), float)[1:], np.diff(at) / rate)
    early = np.array(values(one, "rr_ratio"))[np.array(values(one, "beat")) == "other"]
    assert early.max() < 0.8, "early beats are told by their interval"
    assert set(values(open_as("wfdb_beats", beats, classes="aami"), "beat")) <= {"N", "S", "V"}
    with pytest.raises(DataError, match=r"no record in .* has annotations '\.qrs'"):
        open_as("wfdb_beats", beats, extension="qrs")


def test_the_ratio_is_to_the_median_of_the_last_eight() -> None:
    interval = np.array([np.nan, *[1.0] * 9, 0.5, 1.5])
    np.testing.assert_allclose(ratio_to_last(interval), [1, 1, *[1.0] * 8, 0.5, 1.5])


PTBXL = "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr"


@pytest.fixture
def ptbxl(tmp_path: Path) -> Path:
    rows = [("1", "15709.0", "56.0", "1", {"NORM": 100.0, "SR": 0.0}, "1"), ("2", "13243.0", "300.0", "0", {"IMI": 0.0, "SR": 0.0}, "10")]
    with (tmp_path / "ptbxl_database.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(PTBXL.split(","))
        writer.writerows([(*each[:4], str(each[4]), each[5], f"r/{each[0]}_lr", f"r/{each[0]}_hr") for each in rows])
    statements = ("NORM,1.0,,,NORM,NORM", "IMI,1.0,,,MI,IMI", "SR,,,1.0,,")
    write_csv(tmp_path / "scp_statements.csv", ",diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass", *statements)
    for number in (1, 2):
        write_record(tmp_path / "r", f"{number}_lr", np.zeros((1, 1000)), 100, ["I"])
    return tmp_path


def test_ptbxl_is_read_as_it_lies(ptbxl: Path) -> None:
    assert find_claim(str(ptbxl)) == "ptbxl"
    source = open_as("ptbxl", ptbxl)
    assert values(source, "labels") == [["NORM"], ["MI"]] and values(source, "sex") == ["female", "male"]
    assert values(source, "age") == [56.0, 90.0] and values(source, "patient_id") == ["15709", "13243"]
    assert source.declared_split["test"] == [10]
    assert values(open_as("ptbxl", ptbxl, task="all"), "labels") == [["NORM", "SR"], ["IMI", "SR"]]
    sure = open_as("ptbxl", ptbxl, min_likelihood=50)
    assert values(sure, "labels") == [["NORM"]] and any("1 of 2 records have no statement" in each for each in sure.notes)
    with pytest.raises(DataError, match=r"2 of 2 files are not there: '1_hr.hea'"):
        open_as("ptbxl", ptbxl, rate=500)


def test_codes_of_ptbxl_are_read_and_never_run(ptbxl: Path) -> None:
    table = ptbxl / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("{'NORM': 100.0, 'SR': 0.0}", "__import__('os').mkdir('ran')"))
    with pytest.raises(DataError, match=r"line 2 of ptbxl_database\.csv: scp_codes is no mapping"):
        open_as("ptbxl", ptbxl)
    assert not Path("ran").exists()
