"""From the content of a file to the pixels of a picture."""

from __future__ import annotations

import struct
import zlib
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from trainwright.domains.images.reading.colours import GRAY as GRAY_MODES
from trainwright.domains.images.reading.colours import convert, fit_channels, from_numbers
from trainwright.domains.images.reading.jpeg import read_head, read_pixels
from trainwright.domains.images.reading.kinds import Kind, pack
from trainwright.domains.images.reading.libraries import FORMATS, pillow, without_limit
from trainwright.domains.images.reading.options import MAX_PIXELS, Decoding
from trainwright.domains.images.reading.orientation import SHIFTS_TIFF, SWAPS, orientation_of, turn, turn_back
from trainwright.domains.images.reading.reference import Reference, read_bytes, split_reference
from trainwright.domains.images.reading.suspects import say_what_it_is, suffix_format
from trainwright.features.npy import Unreadable

JPEGS = ("JPEG", "MPO")
ALIKE = {"MPO": "JPEG", "DIB": "BMP"}
END_OF_JPEG = b"\xff\xd9"
GRAY = {"L": 128, "LA": (128, 255), "RGB": (128, 128, 128), "RGBA": (128, 128, 128, 255), "CMYK": (0, 0, 0, 127), "I;16": 32896, "I": 128}
FAULTS = (
    struct.error,
    zlib.error,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    AssertionError,
)
"""What Pillow raises for damaged files; each is told as a file that cannot be read."""
GAIN = 2
"""How many times a JPEG must be larger than what is wanted of it to be decoded at a part of its size."""
MANY_PAGES = ("TIFF", "ICO", "PSD", "MPO")


class TooManyPixels(Unreadable):
    """A picture of more pixels than are read."""

    def __init__(self, width: int, height: int, most: int) -> None:
        super().__init__(f"it has {width:,} × {height:,} pixels, more than `max_pixels: {most}` allows (a larger one reads it)")
        self.size, self.most = f"{width:,} × {height:,}", most


class Picture(NamedTuple):
    """A decoded picture `(channels, height, width)`, uint8 or float32 in 0 to 255, and what it was like."""

    pixels: np.ndarray
    kind: Kind
    height: int
    width: int
    """As it is in its file, upright; a JPEG that is much larger than what is wanted is decoded smaller."""

    @property
    def packed(self) -> int:
        """What it was like as one number."""
        return pack(self.kind, self.height, self.width)


class Size(NamedTuple):
    """Pixels as a picture is seen, and how many channels its file has: 1, 3 or 4."""

    height: int
    width: int
    channels: int


def read_picture(reference: str, options: Decoding) -> Picture:
    """The picture of a reference. Raises Unreadable."""
    place = split_reference(reference)
    content = read_bytes(place)
    if isinstance(content, np.ndarray):
        pixels, kind = from_numbers(content, options)
        return Picture(_planes(pixels), kind, *pixels.shape[:2])
    return decode_content(content, place, options)


def decode_content(content: bytes, place: Reference, options: Decoding) -> Picture:
    """The picture of a reference, whose content was read. Raises Unreadable."""
    return decode(content, _with_frame(options, place), place.path if place.whole else "")


def read_size(reference: str, options: Decoding | None = None) -> Size:
    """Height, width and channels of a picture from the head of its file, upright unless the options say otherwise. Raises Unreadable."""
    options, place = options or Decoding(), split_reference(reference)
    content = read_bytes(place)
    if isinstance(content, np.ndarray):
        return Size(content.shape[0], content.shape[1], content.shape[2] if content.ndim == 3 else 1)
    return size_of(content, _with_frame(options, place))


def size_of(content: bytes, options: Decoding) -> Size:
    """Height, width and channels that the head of a file tells. Raises Unreadable."""
    picture = _open(content, options)
    height, width = _size_upright(picture, orientation_of(picture), options)
    return Size(height, width, 1 if picture.mode in GRAY_MODES else 3)


def decode(content: bytes, options: Decoding, path: str = "") -> Picture:
    """The picture that the content of a file holds; `path` tells whether its name fits. Raises Unreadable."""
    return _decode_jpeg(content, options, path) or _decode_any(content, options, path)


def _decode_jpeg(content: bytes, options: Decoding, path: str) -> Picture | None:
    """A sound JPEG by simplejpeg, as Pillow gives it; None for others, and for those that are decoded at a part of their size."""
    head = None if options.frame else read_head(content)
    if head is None or head.height * head.width > options.max_pixels:
        return None
    swapped = options.exif and head.orientation in SWAPS
    height, width = (head.width, head.height) if swapped else (head.height, head.width)
    if options.least is not None and min(height // (GAIN * options.least[0]), width // (GAIN * options.least[1])) > 1:
        return None
    found = read_pixels(content, head)
    if found is None:
        return None
    pixels, done = _colours_of(found, options)
    upright, turned = _upright(pixels, head.orientation, JPEGS[0], options)
    return Picture(_planes(upright), done | turned | _told_by_name(JPEGS[0], path), height, width)


def _colours_of(found: np.ndarray, options: Decoding) -> tuple[np.ndarray, Kind]:
    if found.shape[2] == 3 and options.channels == 1:
        return convert(pillow().fromarray(found), options)
    return fit_channels(found, Kind.PLAIN, options)


def _decode_any(content: bytes, options: Decoding, path: str) -> Picture:
    picture = _open(content, options)
    kind = _told_by_head(picture, content, path)
    orientation = orientation_of(picture)  # before a draft, and before Pillow turns a TIFF and forgets the tag
    height, width = _size_upright(picture, orientation, options)
    pixels, done = _pixels(picture, content, options, orientation)
    upright, turned = _upright(pixels, orientation, picture.format, options)
    return Picture(_planes(upright), kind | done | turned, height, width)


def _size_upright(picture: Any, orientation: int, options: Decoding) -> tuple[int, int]:
    """Height and width of an open picture as it will be seen; Pillow gives those of a TIFF as if it were turned already."""
    width, height = picture.size
    swapped = orientation in SWAPS and (options.exif is not (picture.format == SHIFTS_TIFF))
    return (width, height) if swapped else (height, width)


def _with_frame(options: Decoding, place: Reference) -> Decoding:
    return options if place.frame is None else replace(options, frame=place.frame)


def _planes(pixels: np.ndarray) -> np.ndarray:
    """Channels first, in the memory of pixels `(height, width, channels)`, which Pillow's resizing wants again; it may be written to."""
    return np.require(pixels, requirements=("C", "W")).transpose(2, 0, 1)


def _upright(pixels: np.ndarray, orientation: int, form: str, options: Decoding) -> tuple[np.ndarray, Kind]:
    if orientation == 1:
        return pixels, Kind.PLAIN
    if form == SHIFTS_TIFF:
        return (pixels, Kind.UPRIGHT) if options.exif else (turn_back(pixels, orientation), Kind.PLAIN)
    return (turn(pixels, orientation), Kind.UPRIGHT) if options.exif else (pixels, Kind.PLAIN)


def _open(content: bytes, options: Decoding) -> Any:
    """The head of a picture, at the frame that is wanted. Raises Unreadable."""
    image = pillow()
    try:
        with without_limit():
            picture = image.open(BytesIO(content), formats=FORMATS)
    except image.UnidentifiedImageError as error:
        raise Unreadable(say_what_it_is(content)) from error
    except FAULTS as error:
        raise Unreadable(f"{say_what_it_is(content)} ({_words(error)})") from error
    _check_size(picture, options)
    if options.frame:
        _seek(picture, options)
    return picture


def _check_size(picture: Any, options: Decoding) -> None:
    width, height = picture.size
    if width * height > options.max_pixels:
        raise TooManyPixels(width, height, options.max_pixels)
    if not width or not height:
        raise Unreadable(f"it has {width} × {height} pixels")


def _seek(picture: Any, options: Decoding) -> None:
    try:
        with without_limit():
            frames = getattr(picture, "n_frames", 1)
            if options.frame < frames:
                picture.seek(options.frame)
    except FAULTS as error:
        raise Unreadable(f"frame {options.frame} cannot be read ({_words(error)})") from error
    if options.frame >= frames:
        raise Unreadable(f"it has {frames} frame{'s' if frames > 1 else ''}, counted from 0, and `frame: {options.frame}` is asked for")
    _check_size(picture, options)


def _told_by_head(picture: Any, content: bytes, path: str) -> Kind:
    kind = Kind.PLAIN
    if getattr(picture, "is_animated", False) and picture.format not in ("MPO", "ICO"):
        kind |= Kind.PAGES if picture.format in MANY_PAGES else Kind.ANIMATED
    if picture.mode not in ("I;16", "I;16B", "I", "F") and _is_deep(picture, content):
        kind |= Kind.DEEP_COLOUR
    return kind | _told_by_name(picture.format, path)


def _told_by_name(form: str, path: str) -> Kind:
    """Whether the name of a file stands for another format than it has."""
    meant = suffix_format(path, _suffixes()) if path else ""
    return Kind.SUFFIX if meant and ALIKE.get(meant, meant) != ALIKE.get(form, form) else Kind.PLAIN


def _is_deep(picture: Any, content: bytes) -> bool:
    """Whether there were 16 bits in each channel, of which Pillow gives the upper 8."""
    if picture.format == "PNG":
        return content[24:25] == b"\x10"
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(258, ())
        return bool(bits) and max(bits if isinstance(bits, tuple) else (bits,)) == 16
    return False


@lru_cache(maxsize=1)
def _suffixes() -> dict[str, str]:
    image = pillow()
    image.init()
    return {suffix: form for suffix, form in image.registered_extensions().items() if form in FORMATS}


def _pixels(picture: Any, content: bytes, options: Decoding, orientation: int) -> tuple[np.ndarray, Kind]:
    """The pixels as they lie in the file, and what was done."""
    if picture.format in JPEGS and not options.frame:
        _draft(picture, options, orientation)
    loaded, mended = _load(picture, content, options)
    pixels, done = convert(loaded, options)
    return pixels, mended | done


def _draft(picture: Any, options: Decoding, orientation: int) -> None:
    """Let a JPEG that is much larger than what is wanted be decoded at a part of its size."""
    if options.least is not None:
        height, width = options.least[::-1] if options.exif and orientation in SWAPS else options.least
        picture.draft(None, (GAIN * width, GAIN * height))


def _load(picture: Any, content: bytes, options: Decoding) -> tuple[Any, Kind]:
    """The picture with its pixels, and whether it had to be repaired. Raises Unreadable."""
    try:
        _load_pixels(picture)
    except FAULTS as error:
        if not options.repairs:
            raise Unreadable(_say_damage(error)) from error
        return _repair(content, options, _say_damage(error)), Kind.REPAIRED
    return picture, Kind.PLAIN


def _load_pixels(picture: Any) -> None:
    with without_limit() if picture.size[0] * picture.size[1] > MAX_PIXELS else nullcontext():
        picture.load()


def _repair(content: bytes, options: Decoding, damage: str) -> Any:
    """What can be decoded of a damaged picture, the rest gray. Raises Unreadable where nothing of it can."""
    picture = _open(content + END_OF_JPEG, options)  # what ends a JPEG is no part of any other format
    filled = _fill_first(picture)
    try:
        _load_pixels(picture)
    except FAULTS:
        picture.tile = []  # or it would be tried again
    try:
        values = np.asarray(picture)
    except FAULTS as error:
        raise Unreadable(damage) from error
    if not filled or (values == np.asarray(filled[0], values.dtype)).all():
        raise Unreadable(f"{damage}; nothing of it can be decoded")
    return picture


def _fill_first(picture: Any) -> list[Any]:
    """Let the memory of a picture be gray before it is decoded, so that what fails leaves it so; the gray, once it is filled.

    Pillow's own switch for damaged files is one for the whole process, and leaves what fails black.
    """
    filled: list[Any] = []
    prepare = picture.load_prepare

    def prepare_and_fill() -> None:
        prepare()
        gray = _nearest_gray(picture) if picture.mode == "P" else GRAY.get(picture.mode, 0)
        picture.im.paste(gray, (0, 0, *picture.im.size))
        filled.append(gray)

    picture.load_prepare = prepare_and_fill
    return filled


def _nearest_gray(picture: Any) -> int:
    """The colour of a palette that is nearest to the middle gray."""
    mode, held = picture.palette.getdata()
    palette = np.frombuffer(held, np.uint8)
    palette = palette[: len(palette) // len(mode) * len(mode)].reshape(-1, len(mode))[:, :3].astype(np.int64)
    return int(np.abs(palette - 128).sum(axis=1).argmin()) if len(palette) else 0


def _say_damage(error: BaseException) -> str:
    words = _words(error)
    return f"it is cut off or damaged ({words})" if "truncated" in words else f"it is damaged ({words})"


def _words(error: BaseException) -> str:
    """What Pillow says, without the addresses of objects."""
    said = str(error).split(" <_io.")[0] or type(error).__name__
    return said.removeprefix("image file is ")
