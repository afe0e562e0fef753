"""Any picture as the gray levels that are measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.config.errors import DataError

Array = np.ndarray[Any, Any]
Picture = Any
"""A picture: an array or tensor `(height, width)`, `(height, width, 3 or 4)` or `(1, 3 or 4, height, width)`; whole numbers or floats."""
WEIGHTS = np.array([19595, 38470, 7471])
"""Of red, green and blue in gray, of 65,536 (ITU-R 601-2), as Pillow has them."""
CHANNELS = (1, 3, 4)


def as_gray(picture: Picture, size: tuple[int, int] | None = None) -> Array:
    """Gray levels `(height, width)` as float64: 8 and 16 bits from 0 to 1, floats as they are. Raises DataError for other shapes.

    `size`: height and width that it is brought to, bilinear and antialiased.
    """
    given = np.asarray(picture)
    levels = _mixed(given) if given.ndim == 3 else given
    if levels.ndim != 2 or not levels.size:
        fix = "give (height, width), (height, width, 3) or (3, height, width)"
        raise DataError(f"a picture has the shape (height, width) or one with channels, not {given.shape}", where="picture", fix=fix)
    if not np.isfinite(levels).all():
        raise DataError("the picture has values that are no numbers", where="picture", fix="fill NaN and infinity before it is measured")
    levels = levels if size is None or levels.shape == size else resized(levels, size)
    return levels.astype(np.float64) / largest_of(given.dtype)


def resized(levels: Array, size: tuple[int, int]) -> Array:
    """Levels `(height, width)` at another height and width, as Pillow resizes them: 8 bits to 8 bits, all others as float32."""
    from PIL import Image

    picture = Image.fromarray(levels if levels.dtype == np.uint8 else levels.astype(np.float32))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))


def largest_of(kind: np.dtype[Any]) -> float:
    """What is white in a picture of this type; 1 of floats and truth values."""
    return float(np.iinfo(kind).max) if kind.kind in "ui" and kind.itemsize <= 2 else 1.0


def _mixed(given: Array) -> Array:
    """Channels made one: those of a first dimension, or of a last one; alpha is left out. Of 8 bits as Pillow's `L`, to the bit."""
    height, _, width = given.shape
    first = height in CHANNELS and (width not in CHANNELS or height <= width)
    if not first and width not in CHANNELS:
        return given
    channels = given if first else np.moveaxis(given, 2, 0)
    if len(channels) == 1:
        return channels[0]
    if given.dtype == np.uint8:
        return ((np.tensordot(WEIGHTS, channels[:3].astype(np.int64), 1) + 32768) >> 16).astype(np.uint8)
    mixed: Array = np.tensordot(WEIGHTS / 65536, channels[:3].astype(np.float64), 1)
    return mixed
