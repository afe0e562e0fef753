"""How the pictures of a column are read, here and in workers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trainwright.domains.images.reading.decoding import Picture, decode_content, read_picture, read_size
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.reading.reference import split_reference
from trainwright.features.npy import Unreadable

WHITE = np.float32(255)
SMALL = 32
"""Height and width at which the colours of a large JPEG are looked at."""


@dataclass(frozen=True)
class Reader:
    """Reads references as the options of a column say: uint8, or where finer levels are kept float32 of 0 to 1, as transforms take them."""

    decoding: Decoding

    def read_picture(self, reference: str) -> Picture:
        """Pixels `(channels, height, width)`, and what the picture was like. Raises Unreadable."""
        return self._in_range(read_picture(reference, self.decoding))

    def of_content(self, content: bytes, reference: str) -> Picture:
        """The picture that the content of its file, or of its piece of one, holds. Raises Unreadable."""
        return self._in_range(decode_content(content, split_reference(reference), self.decoding))

    def _in_range(self, picture: Picture) -> Picture:
        kept = self.decoding.levels == "float32"
        return picture._replace(pixels=picture.pixels.astype(np.float32) / WHITE) if kept else picture

    def read(self, reference: str) -> np.ndarray:
        """`(channels, height, width)`. Raises Unreadable."""
        return self.read_picture(reference).pixels

    def read_shape(self, reference: str) -> tuple[int, ...]:
        """`(channels, height, width)` from the head of the file. Raises Unreadable."""
        height, width, there = read_size(reference, self.decoding)
        return self.decoding.channels or there, height, width


def is_gray(reference: str, decoding: Decoding) -> bool | None:
    """Whether a picture has one channel, or three that are equal everywhere; None where it cannot be read."""
    try:
        pixels = read_picture(reference, replace(decoding, channels=None, alpha="white", least=(SMALL, SMALL))).pixels
    except Unreadable:
        return None
    return len(pixels) == 1 or bool((pixels[:1] == pixels[1:3]).all())


def piece_of_file(reference: str) -> tuple[list[str], str]:
    """The file of a reference, and which piece of it is the picture."""
    if "#" not in reference:
        return [reference], ""
    path = split_reference(reference).path
    return [path], reference[len(path) :]
