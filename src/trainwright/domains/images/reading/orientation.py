"""Which way up a picture is: the eight values of the tag 274 of EXIF and TIFF."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

TAG = 274
SWAPS = (5, 6, 7, 8)
"""Values under which height and width change places."""
INVERSE = {6: 8, 8: 6}
SHIFTS_TIFF = "TIFF"
"""The format whose pictures Pillow turns itself, when it loads them."""


def orientation_of(picture: Any) -> int:
    """The tag's value of an open picture of Pillow that is not loaded, 1 to 8; 1 where there is none, or none that makes sense."""
    try:
        found = picture.getexif().get(TAG, 1)
    except (ValueError, OSError, SyntaxError, KeyError, TypeError, struct.error):
        return 1  # a damaged tag says nothing about which way up the picture is
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels `(height, width, channels)` as they are seen upright."""
    if orientation in SWAPS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def turn_back(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels that were turned upright as they lie in the file."""
    return turn(pixels, INVERSE.get(orientation, orientation))
