"""The quick way of the most frequent files: a sound JPEG of gray or colour by simplejpeg, with Pillow's pixels and orientation."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from trainwright.domains.images.reading.libraries import simplejpeg
from trainwright.domains.images.reading.orientation import TAG

START, SCAN, APPLICATION = b"\xff\xd8\xff", 0xDA, 0xE1
WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xDA), 0xFF)
"""Second bytes of markers after which no length stands, and of bytes between markers."""
EXIF, XMP = b"Exif\0\0", b"tiff:Orientation"
SPACES = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB"}
SHORT = 3
"""The type of the tag in a file of TIFF."""


class Head(NamedTuple):
    """What the head of a JPEG says: pixels as they lie in the file, its colours in the words of simplejpeg, which way up it is."""

    height: int
    width: int
    colours: str
    orientation: int


def read_head(content: bytes) -> Head | None:
    """The head of a JPEG of gray or colour; None for anything else, and for what only Pillow decides."""
    library = simplejpeg()
    if library is None or not content.startswith(START):
        return None
    orientation = _find_orientation(content)
    if orientation is None:
        return None
    try:
        height, width, space, _ = library.decode_jpeg_header(content)
    except ValueError:
        return None
    return Head(height, width, SPACES[space], orientation) if space in SPACES else None


def read_pixels(content: bytes, head: Head) -> np.ndarray | None:
    """uint8 (height, width, 1 or 3); None for a file that is not whole, of which Pillow decides what is to be said."""
    library = simplejpeg()
    try:
        found = library.decode_jpeg(content, head.colours) if library is not None else None
    except ValueError:
        return None
    return found if found is not None and found.shape[:2] == (head.height, head.width) else None


def _find_orientation(content: bytes) -> int | None:
    """1 to 8, 1 where nothing is said; None where it is said otherwise than as one tag of EXIF, or markers are not as most are."""
    place, found = 2, 1
    seen = False
    while place + 4 <= len(content):
        if content[place] != 0xFF or content[place + 1] in WITHOUT_LENGTH:
            return None
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == SCAN:
            return found
        if marker == APPLICATION:
            segment = content[place + 4 : place + 2 + length]
            if segment.startswith(EXIF):
                told = None if seen else _read_tag(segment[len(EXIF) :])
                if told is None:
                    return None
                seen, found = True, told
            elif XMP in segment:
                return None
        place += 2 + length
    return None


def _read_tag(held: bytes) -> int | None:
    """The orientation in a block of EXIF, 1 without one; None where it is not written as one number of two bytes."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(held[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", held, 4)
        (count,) = struct.unpack_from(f"{order}H", held, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, numbers, value = struct.unpack_from(f"{order}HHIH", held, place)
            if tag == TAG:
                return value if (kind, numbers) == (SHORT, 1) and 1 <= value <= 8 else None
    except struct.error:
        return None
    return 1
