from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import wave, write_edf, write_hdf5, write_mat, write_sound

from trainwright.config.errors import DataError
from trainwright.domains.signals.reading import Reference, Unreadable, probe, read, split_reference
from trainwright.domains.signals.reading.repair import fill_invalid, find_faulty_leads, invalid_share

SIGNALS = ["rec.dat 16 200 16 0 0 0 0 I", "rec.dat 16 200 16 0 0 0 0 II"]


def write_header(folder: Path, first: str, signals: list[str] = SIGNALS, content: bytes | None = bytes(2000)) -> Path:
    (folder / "rec.hea").write_text("\n".join([first, *signals]))
    if content is not None:
        (folder / "rec.dat").write_bytes(content)
    return folder / "rec"


HEADERS: dict[str, tuple[str, list[str], str]] = {
    "fewer samples": ("rec 2 250 5000", SIGNALS, r"'rec.dat' holds 500 samples of each signal in format 16, the header declares 5,000"),
    "rate 0": ("rec 2 0 500", SIGNALS, "gives no sampling frequency, or 0; say it: rate=360"),
    "no rate": ("rec 2", SIGNALS, "gives no sampling frequency"),
    "unknown format": (
        "rec 1 250 100",
        ["rec.dat 999 200 16 0 0 0 0 I"],
        "format 999 is not known; known are 8, 16, 24, 32, 61, 80, 160, 212",
    ),
    "fewer lines": ("rec 3 250 100", SIGNALS, "line 1 of 'rec.hea' declares 3 signals, of which 2 have a line"),
    "empty": ("", [], "'rec.hea' has no line that names the record"),
    "no record line": ("what is this", SIGNALS, "line 1 of 'rec.hea' is no record line: NAME SIGNALS RATE SAMPLES is wanted"),
    "no signal line": ("rec 2 250 100", ["rec.dat x", SIGNALS[1]], "line 2 of 'rec.hea' describes no signal"),
    "no signals": ("rec 0 250 100", [], "has no signals"),
    "two formats": ("rec 2 250 100", [SIGNALS[0], "rec.dat 212 200 12 0 0 0 0 II"], "several formats"),
    "elsewhere": ("rec 1 250 100", ["../rec.dat 16 200 16 0 0 0 0 I"], "signals are in the folder of their header"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_is_wrong_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    first, signals, words = HEADERS[kind]
    with pytest.raises(Unreadable, match=words):
        read(write_header(tmp_path, first, signals))


def test_a_header_without_its_signals_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"the signal file 'rec.dat' of the record 'rec' is not there"):
        probe(write_header(tmp_path, "rec 2 250 500", content=None))
    (tmp_path / "other.dat").write_bytes(b"12")
    with pytest.raises(Unreadable, match=r"whose header 'other.hea' is not there"):
        read(tmp_path / "other.dat")


def test_a_record_that_is_short_is_cut_to_whole_frames_where_that_is_asked(tmp_path: Path) -> None:
    path = write_header(tmp_path, "rec 2 250 5000", content=bytes(2003))
    assert read(path, repair=True).values.shape == (2, 500)
    assert probe(path, repair=True).warnings == ("cut to 500 of 5,000 samples, which is what is there",)


def test_what_a_header_leaves_out_is_told(tmp_path: Path) -> None:
    signals = ["rec.dat 16 0 16 0 0 0 0 I", "rec.dat 16 1000.0(0)/mV 16 0 0 0 0 I"]
    facts = probe(write_header(tmp_path, "old_name 2 250 100", signals))
    assert facts.channels == ("I", "I_2")
    assert [each.split(":")[0] for each in facts.warnings] == [
        "the header names the record 'old_name', the file is 'rec'",
        "the gain of 'I' is missing or 0",
        "2 channels are called 'I'",
        "'rec.dat' holds 500 samples of each signal, the header declares 100",
    ]


def test_a_rate_that_is_given_stands_in_for_the_header(tmp_path: Path) -> None:
    path = write_header(tmp_path, "rec 2 0 500")
    assert probe(path).rate is None
    assert (read(path, rate=360).rate, probe(path, rate=360).seconds) == (360, 500 / 360)


def test_a_lead_that_is_absent_is_refused_or_filled(tmp_path: Path) -> None:
    path = write_header(tmp_path, "rec 2 250 500")
    with pytest.raises(Unreadable, match=r"it has no channel 'III' \(did you mean 'II'\?\); there are: I, II"):
        read(path, leads=["I", "III"])
    piece = read(path, leads=["V5", "ii"], absent="fill")
    assert piece.channels == ("V5", "II") and np.isnan(piece.values[0]).all() and not np.isnan(piece.values[1]).any()
    write_header(tmp_path, "rec 2 250 500", [SIGNALS[0], SIGNALS[0]])
    with pytest.raises(Unreadable, match="several channels are called 'I'"):
        read(path, leads=["I"])


def cut(path: str, name: str, share: float = 0.5) -> Path:
    content = Path(path).read_bytes()
    (Path(path).parent / name).write_bytes(content[: int(len(content) * share)])
    return Path(path).parent / name


def test_a_sound_that_was_cut_off_is_told_or_refused_and_repaired(tmp_path: Path) -> None:
    sound = wave(1, 40000)
    whole = {ending: write_sound(tmp_path, ending, sound) for ending in ("wav", "flac", "mp3", "ogg")}
    assert probe(cut(whole["wav"], "cut.wav")).warnings == ("its header says 40,000 samples, 19,989 are there: it was cut off",)
    assert "it was cut off" in probe(cut(whole["ogg"], "cut.ogg")).warnings[0] and not probe(whole["ogg"]).warnings
    for ending, words in (("flac", "it is damaged .* after"), ("mp3", "its header says 40,000 samples, it ends after")):
        path = cut(whole[ending], f"cut.{ending}")
        with pytest.raises(Unreadable, match=words):
            read(path)
        facts, part = probe(path, repair=True), read(path, repair=True).values
        assert 8000 < part.shape[1] == facts.length < 40000 and "damaged after" in facts.warnings[0]
        np.testing.assert_allclose(part, read(whole[ending]).values[:, : part.shape[1]], atol=1e-6)


def test_a_damaged_mp3_is_refused_and_says_nothing_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(Path(write_sound(tmp_path, "mp3", wave(1, 40000))).read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = np.random.default_rng(0).bytes(300)
    (tmp_path / "bad.mp3").write_bytes(content)
    with pytest.raises(Unreadable):
        read(tmp_path / "bad.mp3")
    assert capfd.readouterr().err == ""


def _text_as(name: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / name).write_text("hello there " * 50)
        return str(folder / name)

    return write


def _empty(name: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / name).write_bytes(b"")
        return str(folder / name)

    return write


def _no_frames(folder: Path) -> str:
    soundfile.write(folder / "none.wav", np.zeros((0, 1)), 8000)
    return str(folder / "none.wav")


def _objects(folder: Path) -> str:
    np.savez(folder / "o.npz", np.array([{}], object))
    return str(folder / "o.npz")


FILES: dict[str, tuple[Callable[[Path], str], str]] = {
    "text as wav": (_text_as("a.wav"), r"Format not recognised; it begins with b'hell', and wav, flac, ogg, mp3, aiff and au are readable"),
    "text as mp3": (_text_as("a.mp3"), "Format not recognised"),
    "text as h5": (_text_as("a.h5"), "it is no HDF5 file, or cut off"),
    "text as mat": (_text_as("a.mat"), "it is no MATLAB file, or damaged"),
    "text as edf": (_text_as("a.edf"), "its header is not one of EDF or BDF"),
    "text as npz": (_text_as("a.npz"), "it is no .npz archive"),
    "unknown ending": (_text_as("a.xyz"), r"by its ending .xyz it is of no kind that is read: WFDB \(.hea\)"),
    **{f"empty {ending}": (_empty(f"a.{ending}"), "it is empty") for ending in ("wav", "mp3", "h5", "mat", "edf", "csv", "npy", "m4a")},
    "no frames": (_no_frames, "it has no samples"),
    "objects": (_objects, "it holds objects, which are not unpickled"),
    "not there": (lambda folder: str(folder / "no.wav"), "'no.wav' is not there"),
    "no record there": (lambda folder: str(folder / "no"), "it is not there, neither as a record with a header .hea"),
    "a folder": (str, "it is a folder"),
    "several arrays": (
        lambda folder: write_hdf5(folder, wave()),
        "it has several arrays: name one, as in #key=/other; there are: /other, /tracings",
    ),
    "another key": (lambda folder: f"{write_hdf5(folder, wave())}#key=/tracing", r"did you mean '/tracings'"),
    "no row": (lambda folder: f"{write_hdf5(folder, wave())}#key=/tracings", "name a row: #row=0 to #row=1"),
    "row beyond": (lambda folder: f"{write_hdf5(folder, wave())}#key=/tracings&row=9", "has 2 rows, no row 9"),
    "cut h5": (lambda folder: str(cut(write_hdf5(folder, wave()), "cut.h5")), "no HDF5 file, or cut off"),
    "cut mat": (lambda folder: str(cut(write_mat(folder, wave()), "cut.mat")), "no MATLAB file, or damaged"),
    "cut mat 4": (
        lambda folder: str(cut(write_mat(folder, wave(), format="4"), "cut.mat")),
        "it is cut off: 3,745 of the 7,503 numbers of 'val'",
    ),
    "cut edf": (lambda folder: str(cut(write_edf(folder, (200,)), "cut.edf")), "it is cut off: 4 of the 10 records of data"),
    "seconds without rate": (
        lambda folder: f"{write_hdf5(folder, wave())}#key=/tracings&row=0&t=1,2",
        "gives no sampling rate; say it: rate=500",
    ),
    "part beyond": (
        lambda folder: f"{write_sound(folder, 'wav', wave(1))}#t=9",
        "the part begins at sample 72,000, the recording has 2,501",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_gives_no_recording_says_why(kind: str, tmp_path: Path) -> None:
    write, words = FILES[kind]
    with pytest.raises(Unreadable, match=words):
        read(write(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("I,II\n1,2\n3\n", "line 3 has 1 fields, others 2"),
        ("I,II\n1,2\n3,x\n", "line 3 is no line of numbers: '3,x'"),
        ("I,II\n", "names of columns and no samples"),
        ("# only\n", "it is empty"),
        ("time\n0\n1\n", "a column of times and no other"),
    ],
)
def test_a_text_that_is_no_signal_says_which_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(Unreadable, match=words):
        read(tmp_path / "a.csv")


def test_a_text_says_its_rate_by_times_or_a_comment(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time;I;II\n0;1;2\n0.004;3;\n0.008;5;6\n")
    facts = probe(tmp_path / "a.csv")
    assert (facts.rate, facts.channels, facts.length) == (250, ("I", "II"), 3)
    np.testing.assert_array_equal(read(tmp_path / "a.csv").values, [[1, 3, 5], [2, np.nan, 6]])
    (tmp_path / "b.txt").write_text("# fs: 500\n1 2\n3 4\n")
    assert read(tmp_path / "b.txt").rate == 500
    (tmp_path / "c.csv").write_text("time,I\n0,1\n0.1,2\n0.4,3\n")
    assert probe(tmp_path / "c.csv").rate is None and "not evenly spaced" in probe(tmp_path / "c.csv").warnings[0]


REFERENCES = {
    "100": Reference("100"),
    "a.wav#t=1.5,4": Reference("a.wav", start_seconds=1.5, stop_seconds=4),
    "a.wav#t=0.25,": Reference("a.wav", start_seconds=0.25),
    "100#at=370": Reference("100", at=370),
    "x.h5#key=/tracings&row=17": Reference("x.h5", key="/tracings", row=17),
    "x.h5#samples=10,20&key=a%26b": Reference("x.h5", start=10, stop=20, key="a&b"),
    "x.npy#layout=time,channels": Reference("x.npy", layout="time,channels"),
    "take #3.wav": Reference("take #3.wav"),
    "a#t=1#": Reference("a#t=1"),
}


@pytest.mark.parametrize("text", REFERENCES)
def test_a_reference_is_written_as_it_is_read(text: str) -> None:
    assert split_reference(text) == REFERENCES[text] and str(REFERENCES[text]) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a#rwo=1", "did you mean 'row'"),
        ("a#t=x", "no range of seconds"),
        ("a#t=4,2", "ends before it begins"),
        ("a#samples=5,2", "ends before it begins"),
        ("a#row=-1", "row=-1 is no whole number"),
        ("a#row=1&row=2", "'row' is there twice"),
        ("a#layout=x", "available: channels,time, time,channels"),
        ("a#t=1,2&samples=3,4", "t and samples both say which part"),
    ],
)
def test_a_fragment_that_is_wrong_is_refused(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        split_reference(text)


def test_faulty_leads_are_found() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(5, 1000)).astype(np.float32)
    values[1], values[2], values[3] = np.nan, 3, np.clip(values[3] * 4, -2, 2).repeat(5)[:1000]
    assert [(each.number, each.kind) for each in find_faulty_leads(values)] == [(1, "invalid"), (2, "flat"), (3, "clipped")]
    assert invalid_share(values) == [0, 1, 0, 0, 0]


def test_values_that_are_no_numbers_are_mended() -> None:
    values = np.array([[np.nan, 1, np.nan, 3, np.inf, -np.inf, 2, np.nan]], np.float32)
    third = 1 / 3
    np.testing.assert_allclose(fill_invalid(values), [[1, 1, 2, 3, 3 - third, 2 + third, 2, 2]], rtol=1e-6)
    np.testing.assert_array_equal(fill_invalid(values, "clamp"), [[1, 1, 1, 3, 3, 1, 2, 2]])
    np.testing.assert_array_equal(fill_invalid(values, "zero"), [[0, 1, 0, 3, 0, 0, 2, 0]])
    np.testing.assert_array_equal(fill_invalid(np.full((1, 3), np.nan, np.float32)), [[0, 0, 0]])
    assert fill_invalid(values[:, 1:2]) is not None and np.isnan(values[0, 0])
