"""Bytes → pixels, upright and with the channels that are wanted."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from trainwright.features.npy import Unreadable
from trainwright.files.packed import open_file


@dataclass(frozen=True)
class Reader:
    """How pictures are read, here or in a worker."""

    channels: int = 3
    """1, 3 or 4."""
    upright: bool = True
    """Whether EXIF orientation is followed."""

    def read(self, reference: str) -> np.ndarray:
        """uint8 `(channels, height, width)`. Raises Unreadable."""
        try:
            with open_file(reference) as file, Image.open(io.BytesIO(file.read())) as picture:
                found = ImageOps.exif_transpose(picture) if self.upright else picture
                pixels = np.asarray(found.convert({1: "L", 3: "RGB", 4: "RGBA"}[self.channels]))
        except (OSError, ValueError, SyntaxError) as error:
            raise Unreadable(str(error)) from error
        return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))

    def read_shape(self, reference: str) -> tuple[int, ...]:
        """`(channels, height, width)` from the head of the file. Raises Unreadable."""
        _, height, width = probe(reference)
        return self.channels, height, width


def probe(reference: str) -> tuple[int, int, int]:
    """Channels, height and width as the head of a file says, upright. Raises Unreadable."""
    try:
        with open_file(reference) as file, Image.open(file) as picture:
            turned = picture.getexif().get(0x0112, 1) >= 5
            width, height = picture.size[::-1] if turned else picture.size
            return (1 if picture.mode in ("1", "L", "I", "I;16", "F") else 3), height, width
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable(str(error)) from error
