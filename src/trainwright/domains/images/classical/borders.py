"""Contours of what is brighter than a threshold, each with the one it lies in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.domains.images.classical.gray import Array, Picture, as_gray
from trainwright.domains.images.classical.library import skimage


@dataclass(frozen=True)
class Contour:
    """The border of a region or of a hole in one, through the centres of the region's outermost pixels."""

    points: Array
    """(n, 2) whole numbers: x, y; closed, the first is not repeated."""
    hole: bool
    """Whether it is the border of a hole."""
    parent: int | None
    """The number of the contour that it lies in; None for an outermost one."""
    depth: int
    """0 of outermost ones, 1 of their holes, 2 of what lies in these."""

    @property
    def area(self) -> float:
        """Square pixels within the polygon of its points (half a pixel less on each side than the pixels have)."""
        x, y = self.points.T.astype(np.float64)
        return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2

    @property
    def perimeter(self) -> float:
        """Pixels along the polygon of its points."""
        return float(np.hypot(*(self.points - np.roll(self.points, -1, axis=0)).T).sum())


def contours(picture: Picture, threshold: float | None = None) -> list[Contour]:
    """The contours of what is brighter than a threshold (Otsu's unless given, 0 to 1), as a tree: outer, its holes, what lies in these.

    Regions touch at corners too, holes do not. Truth values are taken as they are. Areas and perimeters are those that border following
    (Suzuki and Abe 1985) gives.
    """
    inside = as_mask(picture, threshold)
    if not inside.any():
        return []
    padded = np.pad(inside, 1)
    lines = skimage("measure").find_contours(padded.astype(np.float64), 0.5, fully_connected="high")
    regions = skimage("measure").label(padded, connectivity=2)
    around = skimage("measure").label(~padded, connectivity=1)
    return as_tree([_traced(line, padded, regions, around) for line in lines], int(around[0, 0]))


def as_mask(picture: Picture, threshold: float | None) -> Array:
    """What is looked at, bool `(height, width)`. Raises ConfigError for a threshold outside 0 to 1."""
    given = np.asarray(picture)
    if given.dtype == bool and given.ndim == 2:
        return given
    gray = as_gray(picture)
    if threshold is None:
        threshold = float(skimage("filters").threshold_otsu(gray)) if np.ptp(gray) else float(gray.max())
    elif not 0 <= threshold <= 1:
        raise ConfigError(f"threshold cannot be {threshold:g}", where="contours", fix="0 to 1, where 1 is white")
    found: Array = gray > threshold
    return found


@dataclass(frozen=True)
class _Traced:
    """A border with the region on one side of it and the background on the other."""

    points: Array
    region: int
    background: int


def _traced(line: Array, padded: Array, regions: Array, around: Array) -> _Traced:
    """The pixels inside along a line that runs half way between pixels."""
    low, high = np.floor(line).astype(int), np.ceil(line).astype(int)
    inner = np.where(padded[low[:, 0], low[:, 1]][:, None], low, high)
    first, other = inner[0], (low[0] + high[0]) - inner[0]
    kept = inner[:-1][(inner[:-1] != np.roll(inner[:-1], 1, axis=0)).any(axis=1)] if len(inner) > 2 else inner[:1]
    points = (kept if len(kept) else inner[:1])[:, ::-1] - 1
    return _Traced(points, int(regions[tuple(first)]), int(around[tuple(other)]))


def as_tree(found: list[_Traced], outside: int) -> list[Contour]:
    """Borders from outside inwards, each behind the one it lies in: a region's outer border is with a background that is known before."""
    by_background: dict[int, list[int]] = {}
    by_region: dict[int, list[int]] = {}
    for place, each in enumerate(found):
        by_background.setdefault(each.background, []).append(place)
        by_region.setdefault(each.region, []).append(place)
    made: list[Contour] = []
    waiting: list[tuple[int, int | None, int]] = [(place, None, 0) for place in reversed(by_background.get(outside, []))]
    while waiting:
        place, parent, depth = waiting.pop()
        number = len(made)
        made.append(Contour(found[place].points, bool(depth % 2), parent, depth))
        if depth % 2:
            inside = [each for each in by_background[found[place].background] if each != place]
        else:
            inside = [each for each in by_region[found[place].region] if each != place]
        waiting += [(each, number, depth + 1) for each in reversed(inside)]
    return made
