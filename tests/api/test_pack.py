"""A table and its files as one file: trained on with the same results, looked into by others, and refused where it is damaged."""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainwright as tw
from trainwright.api.pack import pack
from trainwright.cli.main import main
from trainwright.config.errors import DataError, RequestError
from trainwright.features.npy import Unreadable, read_array, read_header, read_piece
from trainwright.files.packed import ALIGNED, Broken, Pack

ROWS = 48


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is taken out of packs in these tests lies in a folder of their own."""
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    yield


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    """A table of waves in files, beside two numbers and a target."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "data"
    (folder / "arrays").mkdir(parents=True)
    with (folder / "waves.csv").open("w", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["signal", "a", "note", "y"])
        for row in range(ROWS):
            np.save(
                folder / "arrays" / f"{row}.npy", (np.sin(np.arange(40) * (0.3 + 0.2 * (row % 2))) + rng.normal(size=40)).astype(np.float32)
            )
            table.writerow([f"arrays/{row}.npy", f"{rng.normal():.3f}".replace(".", ","), f"n{row % 3}", "yes" if row % 2 else "no"])
    return folder / "waves.csv"


def train(data: Path, run: Path, workers: int = 0, **given: Any) -> tuple[bytes, list[dict[str, str]], Any]:
    """The weights, metrics and predictions of a short run."""
    crop = [{"random_crop": 32}, {"center_crop": 32}]
    config = {
        "data": {"source": str(data), **given},
        "targets": ["y"],
        "columns": {"signal": {"type": "file", "transform": crop}},
        "trainer": {"max_epochs": 2, "batch_size": 16, "trackers": ["csv"], "loader": {"workers": workers}},
        "evaluation": {"baselines": [], "report": False, "importance": False},
        "run": {"device": "cpu", "dir": str(run)},
    }
    made = tw.train(config=config)
    rows = [
        {key: value for key, value in row.items() if not key.endswith(("seconds", "per_second"))}
        for row in csv.DictReader((run / "metrics.csv").open())
    ]
    return (run / "model" / "model.safetensors").read_bytes(), rows, made.predict(str(data)).to_pydict()


def test_a_pack_is_trained_on_and_predicted_with_the_same_results(waves: Path, tmp_path: Path) -> None:
    made = pack(waves, tmp_path / "w.pack")
    assert made.columns == {"signal": ROWS} and made.tables == ["waves.csv"] and made.missing == {}
    expected = train(waves, tmp_path / "plain")
    for path in (waves, *waves.parent.glob("arrays/*")):
        path.rename(path.with_suffix(".gone"))  # nothing of it is read any more
    assert train(tmp_path / "w.pack", tmp_path / "packed") == expected
    assert train(tmp_path / "w.pack", tmp_path / "workers", workers=2, cache="memory") == expected
    run = tw.load(tmp_path / "packed")
    assert run.predict(str(tmp_path / "w.pack")).to_pydict() == expected[2]


def test_the_same_data_make_the_same_pack_and_any_zip_program_takes_it_apart(waves: Path, tmp_path: Path) -> None:
    pack(waves, tmp_path / "a.pack")
    pack(waves, tmp_path / "b.pack")
    assert (tmp_path / "a.pack").read_bytes() == (tmp_path / "b.pack").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pack") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    assert (tmp_path / "out" / "waves.csv").read_bytes() == waves.read_bytes()
    opened = Pack(str(tmp_path / "a.pack"))
    assert all(opened.place(name)[0] % ALIGNED == 0 for name in opened.names())


def test_several_tables_and_folders_in_their_names_are_packed_as_they_lie(waves: Path, tmp_path: Path) -> None:
    for year in (2020, 2021):
        (tmp_path / "parts" / f"year={year}").mkdir(parents=True)
        np.save(tmp_path / "parts" / f"year={year}" / "a.npy", np.full(3, year, np.float32))
        (tmp_path / "parts" / f"year={year}" / "t.csv").write_text("p,y\na.npy,1\na.npy,2\n")
    made = pack(tmp_path / "parts" / "*" / "t.csv", tmp_path / "p.pack")
    assert made.tables == ["year=2020/t.csv", "year=2021/t.csv"] and made.columns == {"p": 2}
    from trainwright.data.sources.opening import from_object
    from trainwright.features.places import Folders

    one, other = from_object(str(tmp_path / "parts" / "*" / "t.csv")), from_object(str(tmp_path / "p.pack"))
    assert one.read().equals(other.read()) and "year" in other.schema.names
    assert [float(read_array(Folders(other).path(row, "a.npy"))[0]) for row in range(4)] == [2020, 2020, 2021, 2021]


@pytest.mark.parametrize(
    "array", [np.arange(12, dtype=">i2").reshape(3, 4), np.asfortranarray(np.ones((5, 3))), np.zeros((600, 600)), np.float32(3)]
)
def test_arrays_in_a_pack_are_read_as_those_in_files(tmp_path: Path, array: Any) -> None:
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "a.npy", array)
    (tmp_path / "d" / "t.csv").write_text("p,y\na.npy,1\n")
    pack(tmp_path / "d" / "t.csv", tmp_path / "p.pack")
    inside, outside = f"{tmp_path}/p.pack!/a.npy", str(tmp_path / "d" / "a.npy")
    found = read_array(inside)
    assert np.array_equal(found, read_array(outside)) and found.dtype == read_array(outside).dtype
    found[...] = 7  # it is the caller's own
    assert np.array_equal(read_array(inside), read_array(outside))
    assert read_header(inside).shape == read_header(outside).shape
    if array.ndim:
        assert np.array_equal(read_piece(inside, 1, 2)[0], read_piece(outside, 1, 2)[0])
    with pytest.raises(Unreadable, match="not in the pack"):
        read_array(f"{tmp_path}/p.pack!/b.npy")


def test_a_damaged_pack_is_told(waves: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.pack"
    pack(waves, path)
    whole = path.read_bytes()
    place, _ = Pack(str(path)).place("arrays/3.npy")
    (tmp_path / "bad.pack").write_bytes(whole[: place + 130] + b"\xff\xff" + whole[place + 132 :])
    with pytest.raises(Unreadable, match="damaged in the pack"):
        read_array(f"{tmp_path}/bad.pack!/arrays/3.npy")
    with pytest.raises(RequestError) as caught:
        train(tmp_path / "bad.pack", tmp_path / "run")
    assert "arrays/3.npy" in str(caught.value) and not (tmp_path / "run").exists()
    (tmp_path / "cut.pack").write_bytes(whole[:-100])
    with zipfile.ZipFile(tmp_path / "other.pack", "w") as archive:
        archive.writestr("a.txt", "a")
    (tmp_path / "empty.pack").write_bytes(b"")
    for name, said in (("cut", "is cut off"), ("other", "did not write it"), ("empty", "is empty")):
        with pytest.raises(RequestError) as wrong:
            train(tmp_path / f"{name}.pack", tmp_path / "run")
        assert said in str(wrong.value)
    with pytest.raises(Broken):
        Pack(str(tmp_path / "none.pack"))


def test_what_cannot_be_packed_is_refused_and_nothing_is_written(waves: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "outside.npy", np.ones(2))
    (tmp_path / "data" / "t.csv").write_text("p,y\n../outside.npy,1\n")
    cases: list[tuple[Any, str, str]] = [
        (tmp_path / "data" / "t.csv", "t.pack", "not below the folder"),
        ("builtin:iris", "i.pack", "is in no file"),
        (waves, "w.zip", "does not end with .pack"),
        (tmp_path / "none.csv", "n.pack", "none.csv"),
        (waves, "no/w.pack", "no such folder"),
    ]
    for data, name, said in cases:
        with pytest.raises(RequestError) as caught:
            pack(data, tmp_path / name)
        assert said in str(caught.value)
        assert not (tmp_path / name).exists()
    pack(waves, tmp_path / "w.pack")
    before = (tmp_path / "w.pack").stat().st_mtime_ns
    with pytest.raises(RequestError, match="there already") as taken:
        pack(waves, tmp_path / "w.pack")
    assert "--overwrite" in taken.value.fix and (tmp_path / "w.pack").stat().st_mtime_ns == before
    pack(waves, tmp_path / "w.pack", overwrite=True)
    with pytest.raises(DataError, match="is a pack already"):
        pack(tmp_path / "w.pack", tmp_path / "again.pack")


def test_paths_that_name_no_file_are_counted_and_stay_missing(waves: Path, tmp_path: Path) -> None:
    (waves.parent / "arrays" / "40.npy").unlink()
    made = pack(waves, tmp_path / "w.pack")
    assert made.columns == {"signal": ROWS - 1} and len(made.missing["signal"]) == 1
    with pytest.raises(RequestError) as caught:
        train(tmp_path / "w.pack", tmp_path / "run")
    assert "w.pack!/arrays/40.npy" in str(caught.value) and "it is not in the pack" in str(caught.value)


def test_the_command_says_what_is_packed_and_how_to_go_on(waves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(waves), "-o", str(tmp_path / "w.pack")]) == 0
    said = capsys.readouterr().out
    assert f"column 'signal': {ROWS} files" in said and "columns.signal.type=file" in said
    assert main(["pack", str(waves), "-o", str(tmp_path / "w.pack")]) == 2
    assert main(["pack", "builtin:titanic"]) == 2
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", str(tmp_path / "w.pack")], capture_output=True, text=True, check=True)
    assert "arrays/0.npy" in listed.stdout and "pack.json" in listed.stdout


READER = """
import numpy as np
from trainwright.features.file import FileFeature
from trainwright.features.npy import Unreadable
from trainwright.files.packed import open_file


class Bytes(FileFeature):
    @staticmethod
    def read_array(path):
        try:
            with open_file(path) as file:
                return np.frombuffer(file.read(), np.uint8).astype(np.float32)
        except OSError as error:
            raise Unreadable(str(error)) from error

    @staticmethod
    def read_shape(path):
        return Bytes.read_array(path).shape
"""


def test_files_of_other_kinds_need_a_reader_which_reads_them_from_a_pack_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "reader.py").write_text(READER)
    for row in range(60):
        (tmp_path / "raw" / f"{row}.bin").write_bytes(bytes((row * step + row % 2 * 90) % 256 for step in range(1, 9)))
    (tmp_path / "raw.csv").write_text("path,y\n" + "".join(f"raw/{row}.bin,{'ab'[row % 2]}\n" for row in range(60)))
    assert main(["pack", str(tmp_path / "raw.csv"), "-o", str(tmp_path / "raw.pack")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "raw/0.bin is not an .npy file" in said and "columns.path.type=./READER.py:CLASS" in said and "columns.path.type=file" not in said
    )
    for data in ("raw.csv", "raw.pack"):
        with pytest.raises(DataError, match="cannot be read") as caught:
            tw.train(tmp_path / data, target="y", columns={"path": {"type": "file"}}, run_dir=tmp_path / "refused")
        assert "not an .npy file" in caught.value.why and "columns.path.type=./reader.py:Picture" in caught.value.fix
    asked: dict[str, Any] = {
        "target": "y",
        "columns": {"path": {"type": f"{tmp_path / 'reader.py'}:Bytes"}},
        "trainer": {"max_epochs": 1, "trackers": ["csv"]},
        "evaluation": {"baselines": [], "report": False, "importance": False},
    }
    runs = [tw.train(tmp_path / data, run_dir=tmp_path / f"run-{data}", **asked) for data in ("raw.csv", "raw.pack")]
    weights = [(tmp_path / f"run-{data}" / "model" / "model.safetensors").read_bytes() for data in ("raw.csv", "raw.pack")]
    assert weights[0] == weights[1]
    assert runs[0].predict(str(tmp_path / "raw.csv")).to_pydict() == runs[1].predict(str(tmp_path / "raw.pack")).to_pydict()
