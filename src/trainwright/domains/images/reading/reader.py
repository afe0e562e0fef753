"""How the pictures of a column are read, here and in workers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainwright.domains.images.reading.decoding import Picture, read_picture, read_size
from trainwright.domains.images.reading.options import Decoding


@dataclass(frozen=True)
class Reader:
    """Reads references as the options of a column say."""

    decoding: Decoding

    def read_picture(self, reference: str) -> Picture:
        """Pixels `(channels, height, width)`, and what the picture was like. Raises Unreadable."""
        return read_picture(reference, self.decoding)

    def read(self, reference: str) -> np.ndarray:
        """uint8 `(channels, height, width)`. Raises Unreadable."""
        return read_picture(reference, self.decoding).pixels

    def read_shape(self, reference: str) -> tuple[int, ...]:
        """`(channels, height, width)` from the head of the file. Raises Unreadable."""
        height, width, there = read_size(reference, self.decoding)
        return self.decoding.channels or there, height, width
