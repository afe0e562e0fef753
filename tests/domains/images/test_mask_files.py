"""Files of masks: palettes, gray numbers, colours and arrays as classes; what is left out; and what is said of other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainwright.config.errors import DataError
from trainwright.domains.images.masks.files import reader_of, spread_colours, write_mask
from trainwright.features.npy import Unreadable

CLASSES = np.array([[0, 1, 2, 2], [1, 1, 0, 2], [0, 2, 2, 255]], np.uint8)
WANTED = np.where(CLASSES == 255, -100, CLASSES.astype(int))
COLOURS = {"ground": [0, 0, 0], "cat": [255, 0, 0], "dog": [0, 128, 0], "ignore": [224, 224, 192]}


def in_colours(palette: dict[str, list[int]]) -> np.ndarray:
    return np.array([*palette.values()], np.uint8)[np.where(CLASSES == 255, 3, CLASSES)]


def saved(tmp_path: Path, image: Any, name: str = "mask.png", **options: Any) -> str:
    image.save(tmp_path / name, **options)
    return str(tmp_path / name)


def with_palette(tmp_path: Path) -> str:
    write_mask(tmp_path / "p.png", CLASSES, spread_colours(256))
    return str(tmp_path / "p.png")


@pytest.mark.parametrize("form", ["palette", "gray", "gray saved in colours", "gray with opacity", "array", "array with a channel"])
def test_numbers_of_classes_are_read_from_every_form(tmp_path: Path, form: str) -> None:
    if form.startswith("array"):
        path = str(tmp_path / "mask.npy")
        np.save(path, CLASSES[..., None] if "channel" in form else CLASSES.astype(np.int64))
    elif form == "palette":
        path = with_palette(tmp_path)
    else:
        image = Image.fromarray(CLASSES)
        path = saved(tmp_path, {"gray": image, "gray saved in colours": image.convert("RGB")}.get(form, image.convert("LA")))
    reader = reader_of("mask", None, None, None)
    np.testing.assert_array_equal(reader.read(path), WANTED)
    assert reader.read_shape(path) == (3, 4)


def test_colours_and_values_are_classes_by_the_palette_of_the_options(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(in_colours(COLOURS)))
    np.testing.assert_array_equal(reader_of("mask", COLOURS, None, None).read(path), WANTED)
    black_and_white = saved(tmp_path, Image.fromarray(np.where(CLASSES == 1, 255, 0).astype(np.uint8)))
    found = reader_of("mask", {"ground": 0, "cat": 255}, None, None).read(black_and_white)
    np.testing.assert_array_equal(found, CLASSES == 1)
    bits = saved(tmp_path, Image.fromarray(CLASSES == 1), "bits.png")
    np.testing.assert_array_equal(reader_of("mask", None, None, None).read(bits), CLASSES == 1)
    voc = {name: list(colour) for name, colour in zip(("ground", "plane", "bicycle"), spread_colours(3), strict=True)}
    voc["ignore"] = list(spread_colours(256)[255])
    np.testing.assert_array_equal(reader_of("mask", voc, None, None).read(with_palette(tmp_path)), WANTED)
    assert spread_colours(256)[255] == (224, 224, 192) and spread_colours(3)[2] == (0, 128, 0)


def test_255_is_left_out_unless_it_is_a_class_and_another_value_where_that_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(CLASSES))
    np.testing.assert_array_equal(reader_of("mask", None, None, 256).read(path), CLASSES)
    np.testing.assert_array_equal(reader_of("mask", None, 2, None).read(path), np.where(CLASSES == 2, -100, CLASSES.astype(int)))


def test_16_bit_numbers_keep_their_value(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 300], [301, 1]], np.uint16)))
    np.testing.assert_array_equal(reader_of("mask", None, None, None).read(path), [[0, 300], [301, 1]])


def test_a_mask_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = saved(tmp_path, Image.fromarray(CLASSES), exif=exif)
    reader = reader_of("mask", None, None, None)
    np.testing.assert_array_equal(reader.read(path), np.rot90(WANTED, -1))
    assert reader.read_shape(path) == (4, 3)


def test_colours_without_a_palette_are_refused_with_the_colours_that_were_seen(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(in_colours(COLOURS)))
    with pytest.raises(DataError, match=r"mask\.png is coded in colours") as error:
        reader_of("mask", None, None, None).read(path)
    assert "(0, 128, 0) ×5" in error.value.why and "columns.mask.palette={class_0: [0, 0, 0]" in str(error.value.fix)


@pytest.mark.parametrize(
    ("palette", "seen"),
    [({"ground": [0, 0, 0], "cat": [255, 0, 0], "ignore": [224, 224, 192]}, "(0, 128, 0) ×5"), ({"a": 0, "b": 1}, "2 ×5")],
)
def test_what_the_palette_has_not_is_refused_with_what_was_seen(tmp_path: Path, palette: dict[str, Any], seen: str) -> None:
    image = Image.fromarray(CLASSES if isinstance(palette.get("a"), int) else in_colours(COLOURS))
    with pytest.raises(DataError, match="that the palette of 'mask' has not") as error:
        reader_of("mask", palette, None, None).read(saved(tmp_path, image))
    assert seen in error.value.why


def test_files_that_are_no_masks_are_refused_in_words(tmp_path: Path) -> None:
    reader = reader_of("mask", None, None, None)
    with pytest.raises(DataError, match="is a JPEG"):
        reader.read(saved(tmp_path, Image.fromarray(CLASSES), "mask.jpg"))
    np.save(tmp_path / "half.npy", CLASSES / 2)
    with pytest.raises(DataError, match="numbers with a fraction"):
        reader.read(str(tmp_path / "half.npy"))
    np.save(tmp_path / "one_hot.npy", np.zeros((3, 4, 5)))
    with pytest.raises(Unreadable, match=r"its shape is \(3, 4, 5\), and a mask is \(height, width\)"):
        reader.read_shape(str(tmp_path / "one_hot.npy"))
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(Unreadable, match="it is empty"):
        reader.read(str(tmp_path / "empty.png"))
    whole = Path(with_palette(tmp_path)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2 + 380])
    with pytest.raises(Unreadable):
        reader.read(str(tmp_path / "cut.png"))
    with pytest.raises(Unreadable, match="it is not there"):
        reader.read(str(tmp_path / "none.png"))
