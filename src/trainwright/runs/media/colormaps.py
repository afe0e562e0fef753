"""Colours for single numbers: the maps of OpenCV to the last bit, matplotlib's Spectral, and gray; `_r` behind a name turns it round."""

from __future__ import annotations

import base64

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.runs.media.colour_tables import JET, MAGMA, SPECTRAL, VIRIDIS

TABLES = {"jet": JET, "viridis": VIRIDIS, "magma": MAGMA, "spectral": SPECTRAL}
NAMES = ("jet", "gray", "viridis", "magma", "spectral")
REVERSED = "_r"
BINS = {"spectral": 256}
"""Maps whose colours are bins of equal width, as matplotlib has it; of the others a colour is that of the byte, as OpenCV has it."""


def apply_colormap(values: np.ndarray, cmap: str | None) -> np.ndarray:
    """Values from 0 to 1 (any shape) as 8-bit red, green and blue in a last dimension; None is gray. Raises ConfigError for others.

    A value takes the colour of its byte, the whole part of 255 times the value, as `cv2.applyColorMap` of `(255 * img).astype(uint8)`.
    """
    name = "gray" if cmap is None else str(cmap).lower()
    base = name.removesuffix(REVERSED)
    if base not in NAMES:
        raise ConfigError(f"there is no colour map '{cmap}'", fix=did_you_mean(str(cmap), [*NAMES, *(each + REVERSED for each in NAMES)]))
    colours = table(base)
    colours = colours[::-1] if name.endswith(REVERSED) else colours
    # In float32, where k / 255 * 255 is k again: images are float32, and a whole number must not fall below itself.
    index = np.minimum((values.astype(np.float32) * np.float32(BINS.get(base, 255))).astype(np.int64), 255)
    return colours[index]


def table(cmap: str) -> np.ndarray:
    """The 256 colours of a map as bytes, (256, 3)."""
    if cmap == "gray":
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return np.frombuffer(base64.b64decode(TABLES[cmap]), np.uint8).reshape(256, 3)
