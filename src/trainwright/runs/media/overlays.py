"""A picture with colours over it where something rests."""

from __future__ import annotations

import numpy as np

from trainwright.runs.media.colormaps import apply_colormap

LEAST_SIDE = 224
"""Pixels that the shorter side of a small picture is enlarged to, so that it can be looked at."""
SHARE = 0.5
"""Of the colours; the rest is the picture."""
LARGEST = 0.995
"""The quantile of sizes that is full colour: a single pixel would leave all others without any."""


def as_pixels(picture: np.ndarray) -> np.ndarray:
    """A picture `(channels, height, width)` with values from 0 to 255 as uint8 `(height, width, 3)`; opacity is left out."""
    found = np.moveaxis(np.clip(np.rint(picture), 0, 255).astype(np.uint8), 0, 2)
    return found.repeat(3, 2) if found.shape[2] < 3 else found[..., :3]


def lay_over(picture: np.ndarray, sizes: np.ndarray, colormap: str = "jet") -> np.ndarray:
    """Sizes `(height, width)` as colours over a picture `(channels, height, width)` of 0 to 255: uint8 pixels, small ones enlarged.

    Nothing and what is below it is the first colour of the map, the largest the last: of `jet` blue and red, as OpenCV has them.
    """
    from PIL import Image

    pixels = Image.fromarray(as_pixels(picture))
    sizes = np.maximum(sizes, 0)
    largest = float(np.quantile(sizes, LARGEST)) or float(sizes.max())
    shares = np.clip(sizes / largest, 0, 1) if largest > 0 else np.zeros(sizes.shape)
    size = enlarged(pixels.size)
    heat = Image.fromarray(shares.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    colours = apply_colormap(np.clip(np.asarray(heat), 0, 1), colormap)
    below = np.asarray(pixels.resize(size, Image.Resampling.BICUBIC), np.float64)
    return np.rint(SHARE * colours + (1 - SHARE) * below).astype(np.uint8)


def enlarged(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture, times a whole number where it is small."""
    times = max(1, min(-(-LEAST_SIDE // min(size)), 2 * LEAST_SIDE // max(size)))
    return size[0] * times, size[1] * times
