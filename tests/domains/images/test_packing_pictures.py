"""Packs of pictures: the same rows, smaller pictures, and what cannot be read left out only on request."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from commands import trainwright_command
from trainwright.config.errors import DataError, RequestError
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.images.packing import AskedPictures, pack_pictures
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.features.places import Folders

RNG = np.random.default_rng(0)


def draw(path, height=40, width=60, mode="RGB", **options):
    shape = (height, width) if mode in ("L", "I;16") else (height, width, len(mode))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 1 << 16, shape, np.uint16) if mode == "I;16" else RNG.integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    for number, label in enumerate(["cat", "dog"] * 2):
        draw(tmp_path / "pictures" / label / f"{number}.png")
    return tmp_path / "pictures"


def rows(pack, name="image"):
    source = open_source(options_of(str(pack)), 1 << 30)
    folders = Folders(source)
    return source, [read_bytes(folders.path(row, text)) for row, text in enumerate(source.read()[name].to_pylist())]


def opened(content):
    import io

    return Image.open(io.BytesIO(content))


def test_without_a_size_files_are_taken_as_they_are_with_their_classes_and_names(folder, tmp_path):
    made = pack_pictures(folder, tmp_path / "a.pack", AskedPictures())
    assert made.columns == {"image": 4} and made.smaller == 0 and made.targets == ["label"]
    source, held = rows(tmp_path / "a.pack")
    assert source.read()["label"].to_pylist() == ["cat", "cat", "dog", "dog"] and source.default_targets == ["label"]
    assert source.named_by == ["file"]
    assert held == [(folder / name).read_bytes() for name in source.read()["file"].to_pylist()]


@pytest.mark.parametrize(("form", "kind"), [("jpeg", "JPEG"), ("raw", "PPM")])
def test_the_short_side_is_the_size_where_it_is_more(folder, tmp_path, form, kind):
    draw(folder / "cat" / "small.png", 10, 12)
    draw(folder / "dog" / "turned.jpg", 60, 40, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    made = pack_pictures(folder, tmp_path / "a.pack", AskedPictures(20, form))
    assert made.smaller == 5
    pictures = {each.size: each.format for each in map(opened, rows(tmp_path / "a.pack")[1])}
    assert pictures == {(30, 20): kind, (12, 10): "PNG"}


def test_pictures_of_other_kinds_are_taken_as_they_are_and_counted(folder, tmp_path):
    draw(folder / "cat" / "deep.png", mode="I;16")
    draw(folder / "dog" / "clear.png", mode="RGBA")
    made = pack_pictures(folder, tmp_path / "a.pack", AskedPictures(20))
    assert dict(made.left) == {"of mode I;16": 1} and made.smaller == 5
    held = [opened(each) for each in rows(tmp_path / "a.pack")[1]]
    assert [each.size for each in held if each.mode == "I;16"] == [(60, 40)] and [each.format for each in held if each.mode == "RGBA"] == [
        "PNG"
    ]


def test_masks_keep_their_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    draw(tmp_path / "set/images/1.png")
    (tmp_path / "set/masks").mkdir()
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:] = 3
    Image.fromarray(mask).save(tmp_path / "set/masks/1.png")
    pack_pictures(tmp_path / "set", tmp_path / "a.pack", AskedPictures(20))
    found = np.asarray(opened(rows(tmp_path / "a.pack", "mask")[1][0]))
    assert found.shape == (20, 30) and np.array_equal(found, mask[1::2, 1::2])


def test_what_cannot_be_read_is_named_and_left_out_on_request(folder, tmp_path):
    (folder / "dog" / "page.jpg").write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(DataError) as caught:
        pack_pictures(folder, tmp_path / "a.pack", AskedPictures(20))
    assert "dog/page.jpg" in caught.value.what and "HTML" in str(caught.value.why) and not (tmp_path / "a.pack").exists()
    made = pack_pictures(folder, tmp_path / "a.pack", AskedPictures(20, skips=True))
    assert list(made.skipped) == ["dog/page.jpg"] and made.columns == {"image": 4}


def test_a_table_without_pictures_and_a_place_that_is_taken_are_refused(folder, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"no column of .* names pictures"):
        pack_pictures(tmp_path / "t.csv", tmp_path / "a.pack", AskedPictures(20))
    (tmp_path / "b.pack").write_bytes(b"")
    with pytest.raises(RequestError, match="this is there already"):
        pack_pictures(folder, tmp_path / "b.pack", AskedPictures())
    with pytest.raises(RequestError, match=r"does not end with \.pack"):
        pack_pictures(folder, tmp_path / "b.zip", AskedPictures())


def test_the_command_packs_a_folder_and_train_takes_the_pack(folder, tmp_path):
    done = trainwright_command("pack", "pictures", "--size", "16", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "column 'image': 4 pictures" in done.stdout and "trainwright train pictures.pack" in done.stdout
    for wrong in (("--rate", "3"), ("--size", "0"), ("--format", "raw"), ("--quality", "101")):
        assert trainwright_command("pack", "pictures", "-o", "x.pack", *wrong, folder=tmp_path).returncode == 2
    done = trainwright_command("pack", "none", "--size", "16", folder=tmp_path)
    assert done.returncode == 2 and "none" in done.stderr
