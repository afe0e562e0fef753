"""Tar shards as WebDataset writes them."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from trainwright.config.errors import DataError
from trainwright.data.files import expand_braces
from trainwright.data.sources import from_text
from trainwright.domains.images.claims import claims
from trainwright.domains.images.sources.options import TarOptions
from trainwright.domains.images.sources.tar import TarShards, index_of, split_member_name


def shard(path, members: dict[str, Any]):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            held = (
                content
                if isinstance(content, bytes)
                else json.dumps(content).encode()
                if isinstance(content, dict)
                else str(content).encode()
            )
            told = tarfile.TarInfo(name)
            told.size = len(held)
            archive.addfile(told, io.BytesIO(held))
    return path


def opened(path) -> TarShards:
    return TarShards(TarOptions(path=str(path)), 1 << 20)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a,b}-{1..2}", ["a-1", "a-2", "b-1", "b-2"]),
        ("plain.tar", ["plain.tar"]),
    ],
)
def test_braces_stand_for_names_as_in_a_shell(text, names):
    assert expand_braces(text) == names


@pytest.mark.parametrize(
    ("name", "parts"),
    [("0001.jpg", ("0001", ".jpg")), ("a.b/0001.seg.PNG", ("a.b/0001", ".seg.png")), ("x/README", ("x/README", ""))],
)
def test_the_key_of_a_member_is_its_name_up_to_the_first_dot_of_the_last_part(name, parts):
    assert split_member_name(name) == parts


def test_members_of_one_stem_are_a_row_and_pictures_are_read_where_they_lie(tmp_path):
    shard(tmp_path / "s-0.tar", {"a/1.jpg": b"one", "a/1.cls": 3, "a/1.json": {"age": 5, "box": {"x": 1}}, "a/1.npy": b"-"})
    shard(tmp_path / "s-1.tar", {"2.jpg": b"second", "2.cls": 4, "._2.jpg": b"litter"})
    text = str(tmp_path / "s-{0..1}.tar")
    assert from_text(text) == {"type": "tar", "path": text}
    source = opened(text)
    table = source.read()
    assert table["key"].to_pylist() == ["a/1", "2"] and table["label"].to_pylist() == [3, 4] and table["age"].to_pylist() == [5, None]
    assert "box" not in table.column_names and source.default_targets == ["label"]
    for reference, content in zip(table["image"].to_pylist(), (b"one", b"second"), strict=True):
        path, _, piece = reference.partition("#bytes=")
        offset, size = map(int, piece.split("+"))
        with open(path, "rb") as file:
            assert file.read()[offset : offset + size] == content
    assert "neither pictures nor text are not read: 1 .npy" in "".join(source.notes)


def test_a_shard_is_indexed_once_as_long_as_it_is_the_same(tmp_path, monkeypatch):
    path = shard(tmp_path / "s.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    first = index_of(path)
    assert len(list((tmp_path / "cache/data").glob("*.members.parquet"))) == 1
    with monkeypatch.context() as patched:
        patched.setattr(tarfile, "open", None)
        assert index_of(path).equals(first)
    shard(path, {"1.jpg": b"another one"})
    assert index_of(path)["size"].to_pylist() == [11]


def test_several_pictures_of_a_row_are_columns_by_their_endings(tmp_path):
    path = shard(tmp_path / "s.tar", {"1.left.png": b"l", "1.right.png": b"r", "2.left.png": b"l"})
    table = opened(path).read()
    assert table.column_names == ["key", "left", "right"] and table["right"].null_count == 1


def test_folders_and_files_of_shards_with_pictures_are_claimed_and_other_archives_are_not(tmp_path):
    shard(tmp_path / "tables.tar", {"x.csv": b"a,b\n1,2\n"})
    assert claims(tmp_path / "tables.tar") is None and claims(tmp_path) is None
    shard(tmp_path / "z.tar", {"1.jpg": b"one"})
    assert claims(tmp_path / "z.tar")[2] == claims(tmp_path)[2] == "tar"


@pytest.mark.parametrize("cut", [700, 5000])
def test_a_shard_that_is_cut_off_is_refused_by_name(tmp_path, cut):
    path = shard(tmp_path / "s.tar", {"1.jpg": b"x" * 3000, "2.jpg": b"y" * 3000})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"'s\.tar' cannot be read"):
        opened(path)


def test_shards_that_are_not_there_and_members_that_are_there_twice_are_named(tmp_path):
    shard(tmp_path / "s-0.tar", {"1.jpg": b"one"})
    with pytest.raises(DataError, match=r"there is no shard 's-1\.tar', 's-2\.tar'"):
        opened(tmp_path / "s-{0..2}.tar")
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("1.jpg"), io.BytesIO())
    with pytest.raises(DataError, match=r"member '1\.jpg' twice"):
        opened(tmp_path / "t.tar")
    shard(tmp_path / "u.tar", {"1.jpg": b"", "1.json": b"{"})
    with pytest.raises(DataError, match=r"'1\.json' in 'u\.tar' is no JSON"):
        opened(tmp_path / "u.tar")
