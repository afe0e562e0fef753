"""Colours for single numbers: jet and gray in closed form, viridis and magma from a few of their colours."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.runs.media.arrays import to_bytes

PLACES = (0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255)
VIRIDIS = (0, 16, *PLACES[2:]), (
    (0.267004, 0.004874, 0.329415), (0.282327, 0.094955, 0.417331), (0.277134, 0.185228, 0.489898), (0.253935, 0.265254, 0.529983),
    (0.221989, 0.339161, 0.548752), (0.190631, 0.407061, 0.556089), (0.163625, 0.471133, 0.558148), (0.139147, 0.533812, 0.555298),
    (0.120565, 0.596422, 0.543611), (0.134692, 0.658636, 0.517649), (0.208030, 0.718701, 0.472873), (0.327796, 0.773980, 0.406640),
    (0.477504, 0.821444, 0.318195), (0.647257, 0.858400, 0.209861), (0.824940, 0.884720, 0.106217), (0.993248, 0.906157, 0.143936),
)  # fmt: skip
MAGMA = PLACES, (
    (0.001462, 0.000466, 0.013866), (0.043830, 0.033830, 0.141886), (0.123833, 0.067295, 0.295879), (0.232077, 0.059889, 0.437695),
    (0.341482, 0.080564, 0.492631), (0.445163, 0.122724, 0.506901), (0.550287, 0.161158, 0.505719), (0.658483, 0.196027, 0.490253),
    (0.767398, 0.233705, 0.457755), (0.868793, 0.287728, 0.409303), (0.944006, 0.377643, 0.365136), (0.981000, 0.498428, 0.369734),
    (0.994738, 0.624350, 0.427397), (0.997228, 0.747981, 0.516859), (0.993170, 0.870024, 0.626189), (0.987053, 0.991438, 0.749504),
)  # fmt: skip
JET = (
    ((0, 0.35, 0.66, 0.89, 1), (0, 0, 1, 1, 0.5)),
    ((0, 0.125, 0.375, 0.64, 0.91, 1), (0, 0, 1, 1, 0, 0)),
    ((0, 0.11, 0.34, 0.65, 1), (0.5, 1, 1, 0, 0)),
)
"""Red, green and blue of jet: places and the values there, straight lines between."""
NAMES = ("jet", "gray", "viridis", "magma")


def apply_colormap(values: np.ndarray, cmap: str | None) -> np.ndarray:
    """Values from 0 to 1 (any shape) as 8-bit red, green and blue in a last dimension; None is gray. Raises ConfigError for others."""
    if cmap not in (*NAMES, None):
        raise ConfigError(f"there is no colour map '{cmap}'", fix=did_you_mean(str(cmap), NAMES))
    index = np.minimum((values * 256).astype(np.int64), 255)
    return to_bytes(table(cmap or "gray"))[index]


def table(cmap: str) -> np.ndarray:
    """The 256 colours of a map, (256, 3) from 0 to 1."""
    levels = np.arange(256) / 255
    if cmap == "gray":
        return np.repeat(levels[:, None], 3, axis=1)
    if cmap == "jet":
        return np.stack([np.interp(levels, places, values) for places, values in JET], axis=1)
    places, colours = VIRIDIS if cmap == "viridis" else MAGMA
    return np.stack([np.interp(np.arange(256), places, channel) for channel in zip(*colours, strict=True)], axis=1)
