"""The quick way of the most frequent files: a sound JPEG of gray or colour by simplejpeg, with Pillow's pixels and orientation."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from trainwright.domains.images.reading.libraries import simplejpeg
from trainwright.domains.images.reading.orientation import TAG

START, SCAN, APPLICATION = b"\xff\xd8\xff", 0xDA, 0xE1
FRAMES = (0xC0, 0xC1, 0xC2)
"""Second bytes of the markers before the size: baseline, extended, progressive."""
SEGMENT = struct.Struct(">BBH")
WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDA), 0xFF))
"""Second bytes of markers after which no length stands, and of bytes between markers."""
EXIF, XMP = b"Exif\0\0", b"tiff:Orientation"
COLOURS = {1: "GRAY", 3: "RGB"}
"""Components of a file → what they are decoded to; whether three are RGB already is libjpeg's to say."""
SHORT = 3
"""The type of the tag in a file of TIFF."""


class Head(NamedTuple):
    """What the head of a JPEG says: pixels as they lie in the file, its colours in the words of simplejpeg, which way up it is."""

    height: int
    width: int
    colours: str
    orientation: int


def read_head(content: bytes) -> Head | None:
    """The head of a JPEG of gray or colour; None for anything else, and where its markers are not as most are: Pillow decides."""
    if simplejpeg() is None or not content.startswith(START):
        return None
    place, size, orientation, end = 2, b"", 0, len(content) - SEGMENT.size
    while place <= end:
        first, marker, length = SEGMENT.unpack_from(content, place)
        if first != 0xFF or marker in WITHOUT_LENGTH:
            return None
        if marker == SCAN:
            return _head_of(size, orientation or 1)
        if marker in FRAMES:
            if size:
                return None
            size = content[place + 4 : place + 2 + length]
        elif marker == APPLICATION:
            segment = content[place + 4 : place + 2 + length]
            if segment.startswith(EXIF) and not orientation:
                orientation = _read_tag(segment[len(EXIF) :])
                if not orientation:
                    return None
            elif segment.startswith(EXIF) or XMP in segment:
                return None
        place += 2 + length
    return None


def _head_of(size: bytes, orientation: int) -> Head | None:
    """From the segment of a file's size: bits of a number, height, width, components."""
    if len(size) < 6:
        return None
    bits, height, width, components = struct.unpack_from(">BHHB", size)
    return Head(height, width, COLOURS[components], orientation) if bits == 8 and height and width and components in COLOURS else None


def read_pixels(content: bytes, head: Head) -> np.ndarray | None:
    """uint8 (height, width, 1 or 3); None for a file that is not whole, of which Pillow decides what is to be said."""
    library = simplejpeg()
    try:
        found = library.decode_jpeg(content, head.colours) if library is not None else None
    except ValueError:
        return None
    return found if found is not None and found.shape[:2] == (head.height, head.width) else None


def _read_tag(held: bytes) -> int:
    """The orientation in a block of EXIF, 1 without one; 0 where it is not written as one number of two bytes."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(held[:4])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(f"{order}I", held, 4)
        (count,) = struct.unpack_from(f"{order}H", held, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, numbers, value = struct.unpack_from(f"{order}HHIH", held, place)
            if tag == TAG:
                return value if (kind, numbers) == (SHORT, 1) and 1 <= value <= 8 else 0
    except struct.error:
        return 0
    return 1
