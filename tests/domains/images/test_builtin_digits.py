"""The digits that scikit-learn carries, as pictures."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainwright.config.errors import DataError
from trainwright.data.sources.opening import from_object
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.features.npy import Unreadable


def test_the_digits_are_those_of_scikit_learn_in_bytes() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), from_object("builtin:digits_images")
    assert ours.default_targets == ["digit"] and ours.schema.names == ["image", "digit"]
    table = ours.read()
    assert table["digit"].to_pylist() == theirs.target.tolist()
    pictures = np.stack([read_bytes(each) for each in table["image"].to_pylist()])
    assert pictures.dtype == np.uint8 and pictures.shape == (1797, 8, 8)
    assert set(pictures[theirs.images == 0]) == {0} and set(pictures[theirs.images == 16]) == {255}
    np.testing.assert_allclose(pictures, theirs.images * 255 / 16, atol=0.5)


def test_nothing_is_written_for_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = from_object("builtin:digits_images")
    read_bytes(source.read(np.arange(1))["image"][0].as_py())
    found = source.fingerprint()
    assert found["rows"] == 1797 and Path(found["paths"][0]).name == "digits.csv.gz"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no gzip", "cannot be read"), (gzip.compress(b"1,2\n"), "64 pixels and a digit")],
    ids=["no gzip", "two numbers"],
)
def test_another_file_of_that_name_is_told_of(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        read_bytes(f"{tmp_path}/digits.csv.gz#row=0")


def test_a_name_that_is_nearly_right_is_answered_with_it() -> None:
    with pytest.raises(DataError, match="digit_images") as caught:
        from_object("builtin:digit_images")
    assert "did you mean 'digits_images'" in caught.value.fix
