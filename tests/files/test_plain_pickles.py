from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainwright.cli.main import main
from trainwright.config.errors import ConfigError
from trainwright.files.plain_pickles import read_plain_pickle


class Runs:
    """What would leave a file where it was unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.place}",)


def dumped(folder: Path, content: Any, protocol: int = 4) -> Path:
    (folder / "old.pkl").write_bytes(pickle.dumps(content, protocol))
    return folder / "old.pkl"


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_plain_values_come_back(protocol: int, tmp_path: Path) -> None:
    content = {
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fs": np.float64(500),
        "names": ["I", "II"],
        "o": OrderedDict(a=1),
        "s": {1, 2},
    }
    content["f"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    content["t"] = np.array(["a", "bc"])
    found = read_plain_pickle(dumped(tmp_path, content, protocol))
    for name in ("x", "f", "t"):
        np.testing.assert_array_equal(found[name], content[name])
        assert found[name].dtype == content[name].dtype  # type: ignore[attr-defined]
    assert (found["fs"], found["names"], found["o"], found["s"]) == (500, ["I", "II"], {"a": 1}, {1, 2})


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"posix.system' would have to run, and that may be anything"):
        read_plain_pickle(dumped(tmp_path, [Runs(tmp_path / "ran")]))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"cnumpy\nload\n(S'x.npy'\ntR.",
        b"c_codecs\nencode\n(Vx\nVzip\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I100000000000\ntS'd'\ntR.",
        b"cos.path\nos\n.",
        b"cnumpy\nndarray\n(I100000000000\ntR.",
        # an array of objects whose numbers would be taken for places in memory
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntRI00\nS'AAAAAAAA'\ntb.",
        b"(lp0\ng0\na.",
        b"",
        b"no pickle",
        b"\x80\x04\x95\xff\xff",
    ],
    ids=["eval", "load", "codec", "unfilled", "module", "huge", "pointers", "itself", "empty", "text", "cut"],
)
def test_what_a_pickle_may_not_hold_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "old.pkl").write_bytes(content)
    with pytest.raises(ConfigError):
        read_plain_pickle(tmp_path / "old.pkl")


def test_a_pickle_of_recordings_becomes_an_archive_of_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waves = [np.ones((12, 50), np.int16), np.zeros((12, 70), np.int16)]
    old = dumped(tmp_path, {"fs": 500, "records": [{"wave": each, "age": 60} for each in waves], "when": {1}, "labels": ["a", "b"]})
    assert main(["convert", str(old), str(tmp_path / "new.npz")]) == 0
    said = capsys.readouterr().out
    assert "taken: 6 arrays" in said and "left: when (set)" in said
    with np.load(tmp_path / "new.npz", allow_pickle=False) as found:
        assert sorted(found.files) == ["fs", "labels", "records.0.age", "records.0.wave", "records.1.age", "records.1.wave"]
        np.testing.assert_array_equal(found["records.1.wave"], waves[1])
    from trainwright.domains.signals.reading import read

    assert read(f"{tmp_path / 'new.npz'}#key=records.1.wave").rate == 500


def test_an_array_that_was_pickled_under_the_name_npy_becomes_one(tmp_path: Path) -> None:
    (tmp_path / "raw100.npy").write_bytes(pickle.dumps(np.arange(24.0).reshape(2, 4, 3), protocol=4))
    assert main(["convert", str(tmp_path / "raw100.npy"), str(tmp_path / "raw.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "raw.npy"), np.arange(24.0).reshape(2, 4, 3))
    np.save(tmp_path / "objects.npy", np.array([np.ones(3), np.ones(5)], object), allow_pickle=True)
    assert main(["convert", str(tmp_path / "objects.npy"), str(tmp_path / "objects.npz")]) == 0
    assert sorted(np.load(tmp_path / "objects.npz").files) == ["0", "1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.npy"], "the file holds 2 arrays: x, y"),
        (["a.npz", "--key", "z"], "there is no 'z' in the file"),
        (["a.npz", "--dtype", "fp16"], "--dtype is for weights"),
    ],
)
def test_a_conversion_that_cannot_be_is_refused(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = dumped(tmp_path, {"x": np.ones(3), "y": np.ones(4)})
    assert main(["convert", str(old), str(tmp_path / words[0]), *words[1:]]) == 2
    assert said in capsys.readouterr().err and [each.name for each in tmp_path.iterdir()] == ["old.pkl"]
