"""Edges, and histograms of oriented gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.domains.images.classical.gray import Array, Picture, as_gray
from trainwright.domains.images.classical.library import skimage

SIDE = 64
"""Pixels to which a picture is brought for HOG, so that all have as many numbers."""


def edges(picture: Picture, sigma: float = 1.0, low: float | None = None, high: float | None = None) -> Array:
    """Pixels on an edge by Canny (1986), bool `(height, width)`.

    `sigma` in pixels smooths before; `low` and `high` are the thresholds of the gradient, 0.1 and 0.2 of the range unless given.
    Raises ConfigError for thresholds that cannot be.
    """
    if low is not None and high is not None and low > high:
        raise ConfigError(f"the low threshold {low:g} is above the high one {high:g}", where="edges", fix="give low ≤ high")
    if sigma < 0:
        raise ConfigError(f"sigma cannot be {sigma:g}", where="edges", fix="0 or more pixels")
    found: Array = skimage("feature").canny(as_gray(picture), sigma=sigma, low_threshold=low, high_threshold=high)
    return found


def hog(picture: Picture, size: int | None = SIDE, orientations: int = 9, cell: int = 8, block: int = 2) -> Array:
    """Histograms of oriented gradients (Dalal and Triggs 2005), float32: 1,764 numbers at the defaults.

    The picture is brought to `size`², or left as it is (None); `orientations` bins over 180°, cells of `cell`² pixels, blocks of
    `block`² cells, each normalised (L2-Hys). Raises ConfigError where not one block fits.
    """
    gray = as_gray(picture, None if size is None else (size, size))
    if min(gray.shape) < cell * block:
        fix = f"a size of {cell * block} or more, or smaller cells"
        raise ConfigError(f"a picture of {gray.shape[1]}×{gray.shape[0]} holds no block of {block}×{block} cells", where="hog", fix=fix)
    found: Any = skimage("feature").hog(
        gray, orientations=orientations, pixels_per_cell=(cell, cell), cells_per_block=(block, block), block_norm="L2-Hys"
    )
    return np.asarray(found, np.float32)
