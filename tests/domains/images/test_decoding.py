"""Pictures are decoded as is written of each kind; expected values are closed forms or Pillow's own (ran with Pillow 13.0.0)."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.domains.images.reading import jpeg
from trainwright.domains.images.reading.decoding import decode, read_picture, read_size
from trainwright.domains.images.reading.kinds import Kind, PictureCounts, pack
from trainwright.domains.images.reading.libraries import simplejpeg
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.reading.reference import Reference, split_reference
from trainwright.features.npy import Unreadable

Image = pytest.importorskip("PIL.Image")
ImageFile = pytest.importorskip("PIL.ImageFile")

ASYMMETRIC = np.arange(60, dtype=np.uint8).reshape(6, 10)
TURNED = {
    1: ASYMMETRIC,
    2: np.fliplr(ASYMMETRIC),
    3: np.rot90(ASYMMETRIC, 2),
    4: np.flipud(ASYMMETRIC),
    5: ASYMMETRIC.T,
    6: np.rot90(ASYMMETRIC, -1),
    7: np.rot90(ASYMMETRIC, 2).T,
    8: np.rot90(ASYMMETRIC),
}


def encoded(picture: Any, form: str, **options: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, form, **options)
    return made.getvalue()


def photo(height: int = 48, width: int = 64, mode: str = "RGB") -> Any:
    small = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def of_colour(mode: str, colour: Any, **info: Any) -> Any:
    picture = Image.new(mode, (4, 3), colour)
    picture.info.update(info)
    return picture


def first_pixel(content: bytes, **options: Any) -> list[int]:
    found: list[int] = decode(content, Decoding(**options)).pixels[:, 0, 0].tolist()
    return found


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_every_orientation_is_turned_upright_or_left_as_the_option_says(form: str, tag: int) -> None:
    exif = Image.Exif()
    exif[274] = tag
    lossless: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    content = encoded(Image.fromarray(ASYMMETRIC), form, exif=exif, **lossless)
    upright = decode(content, Decoding(channels=1))
    assert np.array_equal(upright.pixels[0], TURNED[tag])
    assert upright.kind & Kind.UPRIGHT == (Kind.UPRIGHT if tag > 1 else Kind.PLAIN)
    assert np.array_equal(decode(content, Decoding(channels=1, exif=False)).pixels[0], ASYMMETRIC)


@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_is_read_before_a_jpeg_is_decoded_at_a_part_of_its_size(tag: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = tag
    picture = Image.fromarray(np.kron(ASYMMETRIC * 4, np.ones((64, 64), np.uint8)))
    (tmp_path / "a.jpg").write_bytes(encoded(picture, "JPEG", exif=exif, quality=100))
    reference = str(tmp_path / "a.jpg")
    found = read_picture(reference, Decoding(channels=1, least=(30, 30)))
    shape = TURNED[tag].shape
    assert found.pixels.shape == (1, shape[0] * 16, shape[1] * 16)  # a quarter of each side, twice what is wanted at least
    assert np.abs(found.pixels[0, 8::16, 8::16].astype(int) - TURNED[tag].astype(int) * 4).max() <= 2
    assert read_size(reference)[:2] == (shape[0] * 64, shape[1] * 64)


@pytest.mark.skipif(simplejpeg() is None, reason="simplejpeg is not installed")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tag", [*range(10), "xmp", "long"])
def test_simplejpeg_turns_pictures_as_pillow_does(monkeypatch: pytest.MonkeyPatch, order: str, tag: Any) -> None:
    value = 6 if isinstance(tag, str) else tag
    words = struct.pack(f"{order}HHII" if tag == "long" else f"{order}HHIHxx", 274, 4 if tag == "long" else 3, 1, value)
    entries = words if tag != "xmp" else struct.pack(f"{order}HHIHxx", 275, 3, 1, 6)
    exif = b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1) + entries + bytes(4)
    xmp = {"xmp": b'<x:xmpmeta tiff:Orientation="6"/>'} if tag == "xmp" else {}
    content = encoded(photo(20, 32), "JPEG", exif=exif, **xmp)
    fast = decode(content, Decoding())
    monkeypatch.setattr(jpeg, "simplejpeg", lambda: None)
    plain = decode(content, Decoding())
    assert fast[1:] == plain[1:] and np.array_equal(fast.pixels, plain.pixels)
    assert plain.pixels.shape == ((3, 32, 20) if value in (5, 6, 7, 8) else (3, 20, 32))


def test_a_tag_that_makes_no_sense_turns_nothing() -> None:
    for value in (0, 9):
        exif = Image.Exif()
        exif[274] = value
        assert np.array_equal(decode(encoded(Image.fromarray(ASYMMETRIC), "PNG", exif=exif), Decoding()).pixels[0], ASYMMETRIC)


@pytest.mark.skipif(simplejpeg() is None, reason="simplejpeg is not installed")
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}, {"progressive": True}, {"quality": 20}], ids=str
)
def test_simplejpeg_gives_the_pixels_of_pillow(monkeypatch: pytest.MonkeyPatch, mode: str, options: dict[str, Any]) -> None:
    content = encoded(photo(mode=mode), "JPEG", **options)
    for channels in (None, 1, 3):
        fast = decode(content, Decoding(channels=channels))
        with monkeypatch.context() as patched:
            patched.setattr(jpeg, "simplejpeg", lambda: None)
            plain = decode(content, Decoding(channels=channels))
        assert np.array_equal(fast.pixels, plain.pixels)
        assert fast.kind == plain.kind


@pytest.mark.parametrize(
    ("alpha", "expected"), [("white", [255] * 3), ("black", [0] * 3), ("drop", [10, 20, 30]), ("mean", [124, 116, 104])]
)
def test_what_is_seen_through_a_transparent_pixel_is_what_alpha_says(alpha: str, expected: list[int]) -> None:
    content = encoded(of_colour("RGBA", (10, 20, 30, 0)), "PNG")
    assert first_pixel(content, alpha=alpha) == expected
    assert decode(content, Decoding(alpha=alpha)).kind == Kind.ALPHA  # type: ignore[arg-type]


def test_half_transparent_pixels_are_composited_by_the_formula() -> None:
    assert first_pixel(encoded(of_colour("RGBA", (10, 20, 30, 128)), "PNG")) == [
        round(each * 128 / 255 + 255 * (1 - 128 / 255)) for each in (10, 20, 30)
    ]


def test_alpha_is_kept_as_a_fourth_channel_and_made_where_there_is_none() -> None:
    assert first_pixel(encoded(of_colour("RGBA", (10, 20, 30, 7)), "PNG"), alpha="keep") == [10, 20, 30, 7]
    assert first_pixel(encoded(of_colour("RGB", (10, 20, 30)), "PNG"), alpha="keep", channels=4) == [10, 20, 30, 255]
    assert first_pixel(encoded(of_colour("L", 9), "PNG"), alpha="keep", channels=4) == [9, 9, 9, 255]


def test_an_opaque_alpha_channel_is_nothing_to_tell_of() -> None:
    assert decode(encoded(of_colour("RGBA", (10, 20, 30, 255)), "PNG"), Decoding()).kind == Kind.PLAIN


def test_gray_with_alpha_stays_gray() -> None:
    content = encoded(of_colour("LA", (77, 0)), "PNG")
    assert first_pixel(content) == [255]
    assert first_pixel(content, alpha="drop") == [77]
    assert first_pixel(content, channels=3, alpha="drop") == [77, 77, 77]


def test_a_palette_gives_its_colours_and_a_transparent_entry_the_background() -> None:
    picture = Image.new("P", (4, 3), 1)
    picture.putpalette([1, 2, 3, 40, 50, 60])
    plain = decode(encoded(picture, "PNG"), Decoding())
    assert (plain.pixels[:, 0, 0].tolist(), plain.kind) == ([40, 50, 60], Kind.PALETTE)
    clear = encoded(picture, "PNG", transparency=1)
    assert first_pixel(clear) == [255, 255, 255]
    assert first_pixel(clear, alpha="drop") == [40, 50, 60]
    assert decode(clear, Decoding()).kind == Kind.PALETTE | Kind.ALPHA


def test_cmyk_is_converted_without_a_profile() -> None:
    found = decode(encoded(of_colour("CMYK", (0, 255, 255, 0)), "TIFF"), Decoding())
    assert (found.pixels[:, 0, 0].tolist(), found.kind) == ([255, 0, 0], Kind.CMYK)
    assert decode(encoded(photo(mode="CMYK"), "JPEG"), Decoding()).kind == Kind.CMYK


def test_one_bit_is_black_and_white() -> None:
    found = decode(encoded(Image.fromarray(np.eye(4, dtype=bool)), "PNG"), Decoding())
    assert (found.pixels[0] == np.eye(4) * 255).all()
    assert found.kind == Kind.BINARY


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_the_levels_of_a_gray_ramp_of_16_bits_are_scaled_or_kept(form: str) -> None:
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16).reshape(32, 32)
    content = encoded(Image.fromarray(ramp), form)
    found = decode(content, Decoding())
    assert np.array_equal(found.pixels[0], np.rint(ramp / 257).astype(np.uint8))
    assert found.kind == Kind.DEEP_GRAY
    fine = decode(content, Decoding(levels="float32")).pixels
    assert (len(np.unique(fine)), fine.dtype) == (1024, np.float32)
    assert np.abs(fine[0] - ramp / 257).max() < 1e-4
    assert decode(content, Decoding(channels=3, levels="float32")).pixels.shape == (3, 32, 32)


def test_12_bits_in_16_are_scaled_by_the_range_that_is_given() -> None:
    content = encoded(Image.fromarray(np.full((2, 2), 4095, np.uint16)), "PNG")
    assert first_pixel(content) == [16]
    assert first_pixel(content, value_range=(0, 4095)) == [255]


def test_colour_of_16_bits_keeps_the_upper_ones_and_is_told() -> None:
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC))
    found = decode(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""), Decoding())
    assert found.pixels[:, 0, 0].tolist() == [0x12, 0x56, 0x9A]
    assert found.kind == Kind.DEEP_COLOUR


def test_floating_numbers_are_scaled_by_where_they_lie() -> None:
    def scaled(values: list[float], **options: Any) -> list[int]:
        content = encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")
        found: list[int] = decode(content, Decoding(**options)).pixels[0, 0].tolist()
        return found

    assert scaled([0.0, 0.9, 1.0]) == [0, 230, 255]  # Pillow's own conversion makes 0 of 0.9
    assert scaled([0.0, 128.0, 255.0]) == [0, 128, 255]
    assert scaled([-1.0, 0.0, 1.0], value_range=(-1, 1)) == [0, 128, 255]
    for values in ([-1.0, 0.0], [0.0, 1e6]):
        with pytest.raises(Unreadable, match="value_range"):
            scaled(values)
    with pytest.raises(Unreadable, match="no numbers"):
        scaled([0.0, float("nan")])


def test_gray_of_colour_is_the_weighted_sum_of_pillow() -> None:
    content = encoded(of_colour("RGB", (10, 200, 90)), "PNG")
    assert first_pixel(content, channels=1) == [131]  # (299·10 + 587·200 + 114·90) / 1000 = 130.65
    assert decode(content, Decoding(channels=1)).kind == Kind.TO_GRAY


def test_gray_is_repeated_where_three_channels_are_wanted() -> None:
    for form in ("PNG", "JPEG"):
        found = decode(encoded(of_colour("L", 9), form), Decoding(channels=3))
        assert (found.pixels.tolist(), found.kind) == ([[[9] * 4] * 3] * 3, Kind.TO_COLOUR)


@pytest.mark.parametrize(("form", "kind"), [("GIF", Kind.ANIMATED), ("TIFF", Kind.PAGES), ("PNG", Kind.ANIMATED), ("WEBP", Kind.ANIMATED)])
def test_of_several_frames_one_is_taken(form: str, kind: Kind, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((3, 4), value, np.uint8)) for value in (0, 255)]
    lossless: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:], **lossless)
    first, second = (decode(content, Decoding(channels=1, frame=number)) for number in (0, 1))
    assert (first.pixels.max(), second.pixels.min()) == (0, 255)
    assert first.kind & kind
    with pytest.raises(Unreadable, match="it has 2 frames, counted from 0, and `frame: 2` is asked for"):
        decode(content, Decoding(frame=2))
    (tmp_path / f"a.{form.lower()}").write_bytes(content)
    assert read_picture(f"{tmp_path}/a.{form.lower()}#frame=1", Decoding(channels=1)).pixels.min() == 255


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF"])
def test_half_a_file_is_refused_or_its_tail_gray(form: str) -> None:
    whole = encoded(photo(200, 120), form, **({"interlace": 0} if form == "GIF" else {}))
    half, before = whole[: len(whole) // 2], ImageFile.LOAD_TRUNCATED_IMAGES
    with pytest.raises(Unreadable, match="cut off"):
        decode(half, Decoding())
    found = decode(half, Decoding(repairs=True))
    assert found.kind & Kind.REPAIRED
    gray = (np.abs(found.pixels.astype(int) - 128) <= 45 if form == "GIF" else found.pixels == 128).all(axis=(0, 2))
    first = int(gray.argmax())
    assert 40 < first < 160
    assert gray[first:].all()
    expected = decode(whole, Decoding()).pixels[:, : first - 32]
    assert np.array_equal(found.pixels[:, : first - 32], expected)
    assert before is ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_jpeg_without_its_last_two_bytes_is_cut_off() -> None:
    with pytest.raises(Unreadable, match="cut off"):
        decode(encoded(photo(), "JPEG")[:-2], Decoding())


BROKEN = {
    "empty": (b"", r"it is empty \(0 bytes\)"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", r"web page \(HTML\)"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="x"></svg>', "SVG"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "pdf": (b"%PDF-1.4", "PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not run"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "json": (b'{"error": "gone"}', "JSON"),
    "zeros": (bytes(400), "400 zeros"),
    "cut": (b"\xff\xd8\xff\xe0", "begins as JPEG does"),
    "noise": (bytes(range(7, 99)), "no picture"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_picture_is_told_as_what_it_is(name: str) -> None:
    content, words = BROKEN[name]
    for repairs in (False, True):
        with pytest.raises(Unreadable, match=words) as caught:
            decode(content, Decoding(repairs=repairs))
        assert "0x" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "JPEG2000", "AVIF"]),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    repairs=st.booleans(),
)
def test_damaged_files_give_a_picture_or_say_why_not(form: str, cut: float, changes: list[tuple[float, int]], repairs: bool) -> None:
    content = bytearray(encoded(photo(12, 16), form))
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        found = decode(bytes(content[: int(cut * len(content))]), Decoding(channels=3, repairs=repairs))
    except Unreadable as error:
        assert str(error)
    else:
        assert found.pixels.dtype == np.uint8
        assert found.pixels.shape[0] == 3


def test_a_picture_of_too_many_pixels_is_refused_and_read_where_the_limit_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(large_png())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's warning names no file
        with pytest.raises(Unreadable, match=r"14,000 × 14,000 pixels, more than `max_pixels: 89478485`"):
            read_size(str(path))
        assert read_size(str(path), Decoding(max_pixels=200_000_000)) == (14_000, 14_000, 1)
        small = encoded(photo(), "PNG")
        with pytest.raises(Unreadable, match="max_pixels: 100"):
            decode(small, Decoding(max_pixels=100))
        assert decode(small, Decoding(max_pixels=64 * 48)).pixels.shape == (3, 48, 64)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def test_a_file_is_read_by_what_it_holds_and_a_wrong_suffix_is_told(tmp_path: Path) -> None:
    for name, form, expected in [
        ("a.jpg", "PNG", Kind.SUFFIX),
        ("B.JPG", "JPEG", Kind.PLAIN),
        ("c.jpeg", "JPEG", Kind.PLAIN),
        ("d", "PNG", Kind.PLAIN),
    ]:
        (tmp_path / name).write_bytes(encoded(photo(), form))
        assert read_picture(str(tmp_path / name), Decoding()).kind == expected


def test_a_piece_of_a_file_is_a_picture(tmp_path: Path) -> None:
    content = encoded(photo(), "PNG")
    (tmp_path / "shard.tar").write_bytes(b"x" * 100 + content + b"y" * 100)
    reference = f"{tmp_path}/shard.tar#bytes=100+{len(content)}"
    assert np.array_equal(read_picture(reference, Decoding()).pixels, decode(content, Decoding()).pixels)
    assert read_size(reference) == (48, 64, 3)
    with pytest.raises(Unreadable, match="cut off"):
        read_picture(f"{tmp_path}/shard.tar#bytes=100+100000", Decoding())


@pytest.mark.parametrize(
    "text",
    ["a.jpg", "a#1.jpg", "t.tar#bytes=5+7", "x.npy#row=3", "x.parquet#row=3&column=image", "b.gif#frame=2", "t.tar#bytes=5+7&frame=1"],
)
def test_references_are_read_as_they_are_written(text: str) -> None:
    assert str(split_reference(text)) == text


def test_a_hash_that_begins_no_piece_belongs_to_the_path() -> None:
    assert split_reference("pictures/#1 cat.jpg") == Reference("pictures/#1 cat.jpg")
    assert split_reference("a.jpg#").path == "a.jpg#"


def test_a_path_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat_01.JPG").write_bytes(encoded(photo(), "JPEG"))
    for written in (
        "photos/cat_01.jpg",
        "Photos/cat_01.JPG",
        "photos/cat_01.png",
        "photos\\cat_01.JPG",
        "/home/ann/photos/cat_01.JPG",
        r"C:\data\photos\cat_01.JPG",
    ):
        with pytest.raises(Unreadable, match=r"it is not there; the nearest path that is: photos/cat_01\.JPG"):
            read_picture(written, Decoding())
    with pytest.raises(Unreadable, match="it is a URL"):
        read_picture("https://example.org/cat.jpg", Decoding())
    with pytest.raises(Unreadable, match="it is a folder"):
        read_picture("photos", Decoding())


def test_counts_of_workers_are_merged_and_a_row_is_counted_once() -> None:
    one, other = PictureCounts(np.zeros(9, np.int64)), PictureCounts(np.zeros(9, np.int64))
    one.note(3, pack(Kind.CMYK, 30, 40))
    one.note(3, pack(Kind.CMYK, 30, 40))
    other.note(3, pack(Kind.CMYK, 30, 40))
    other.note(7, pack(Kind.CMYK | Kind.UPRIGHT, 300_000, 2))
    other.note(8, pack(Kind.PLAIN, 5, 6))
    one.merge(other)
    assert one.summary() == {"upright": 1, "cmyk": 2}
    assert (one.looked, one.rows(Kind.CMYK)) == (3, [3, 7])
    assert one.lines() == ["1 turned upright, as EXIF says", "2 CMYK, converted to RGB without a profile"]
    assert one.sizes().tolist() == [[30, 40], [300_000, 2], [5, 6]]


def large_png() -> bytes:
    """The head of a PNG of 14,000 × 14,000 pixels of one bit, and rows of zeros."""
    head = struct.pack(">IIBBBBB", 14_000, 14_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1751 * 14_000), 1)) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
