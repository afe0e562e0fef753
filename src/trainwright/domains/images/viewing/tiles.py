"""Small pictures in files of a run, for its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainwright.runs.media.overlays import as_pixels

Array = np.ndarray[Any, Any]

SIDE = 192
"""Pixels of the longer side of a tile, at most."""
LARGE = 1024
"""The same of a picture alone."""
SMALL = 96
"""Pixels that smaller pictures are enlarged to, at least, by whole times: their pixels are what is to be seen."""


def write_tile(folder: Path, name: str, picture: Array) -> str:
    """Write a picture `(channels, height, width)`, or uint8 `(height, width, 3)`, as a small JPEG; gives its path in the folder."""
    pixels = Image.fromarray(picture if picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8 else as_pixels(picture))
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fitted(pixels).save(path, quality=85)
    return name


def write_large(folder: Path, name: str, picture: Array) -> str:
    """The same for a picture that is looked at alone: at most 1,024 pixels a side."""
    pixels = Image.fromarray(as_pixels(picture))
    pixels.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS)
    fitted(pixels, LARGE).save(folder / name, quality=88)
    return name


def fitted(pixels: Image.Image, side: int = SIDE) -> Image.Image:
    """A picture of at most so many pixels a side, a small one enlarged."""
    longer = max(pixels.size)
    if longer < SMALL:
        times = -(-SMALL // longer)
        return pixels.resize((pixels.width * times, pixels.height * times), Image.Resampling.NEAREST)
    if longer <= side:
        return pixels
    width, height = (max(round(each * side / longer), 1) for each in pixels.size)
    return pixels.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
