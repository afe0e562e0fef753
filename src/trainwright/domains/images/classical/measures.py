"""What is measured in a picture, as numbers for columns beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.domains.images.classical.borders import contours
from trainwright.domains.images.classical.gradients import edges, hog
from trainwright.domains.images.classical.gray import Array, Picture, as_gray
from trainwright.domains.images.classical.hough import hough_circles, hough_lines
from trainwright.domains.images.classical.shape import moments

LARGEST = 256
"""Pixels of the longer side at which pictures are measured, so that those of all sizes can be compared, and none takes long."""
OF_CIRCLES = 128
"""The same where circles are looked for, which is slow in proportion to edges, radii and circumferences."""
SECOND_AND_THIRD = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))


def measure(picture: Picture, measures: Sequence[str] = ("moments", "contours", "edges", "lines", "circles")) -> dict[str, float]:
    """Numbers about a picture by name: `moments_eccentricity`, `contours_count`, `edges_share`, `lines_theta`, `circles_radius`, …

    Gray levels from 0 to 1, of larger pictures at 256 pixels of the longer side (circles at 128). Places are shares of width and height,
    lengths of the longer side, areas of the picture. What cannot be measured, as where there is no circle, is NaN. Raises ConfigError for
    a measure that is none, DataError for what is no picture.
    """
    gray = shrunk(picture)
    found: dict[str, float] = {}
    for each in dict.fromkeys(measures):
        if each not in MEASURES:
            raise ConfigError(f"there is no measure '{each}'", where="measures", fix=did_you_mean(each, MEASURES))
        found |= {f"{each}_{name}": float(value) for name, value in MEASURES[each](gray).items()}
    return found


def shrunk(picture: Picture, largest: int = LARGEST) -> Array:
    """Gray levels of at most so many pixels a side. Raises DataError for what is no picture."""
    gray = as_gray(picture)
    longer = max(gray.shape)
    if longer <= largest:
        return gray
    height, width = (max(round(side * largest / longer), 1) for side in gray.shape)
    return as_gray(picture, (height, width))


def of_moments(gray: Array) -> dict[str, float]:
    """Brightness, centroid, form, normalised central moments, and Hu's seven as -sign · log₁₀ of their size, which differ by magnitudes."""
    found = moments(gray)
    x, y = found.centroid
    height, width = gray.shape
    named = {"mean": float(found.raw[0, 0]) / gray.size, "x": (x + 0.5) / width, "y": (y + 0.5) / height}
    named |= {"eccentricity": found.eccentricity, "orientation": found.orientation if found.raw[0, 0] else math.nan}
    named |= {f"eta{p}{q}": float(found.normalised[p, q]) for p, q in SECOND_AND_THIRD}
    return named | {f"hu{number}": logarithm(float(value)) for number, value in enumerate(found.hu, 1)}


def logarithm(value: float) -> float:
    """-sign · log₁₀ |value|, 0 of 0."""
    return -math.copysign(math.log10(abs(value)), value) if value and math.isfinite(value) else value


def of_contours(gray: Array) -> dict[str, float]:
    """How many regions and holes are brighter than Otsu's threshold, how deep they lie in each other, and the form of the largest."""
    found = contours(gray)
    outer = [each for each in found if not each.hole]
    largest = max(outer, key=lambda each: each.area, default=None)
    named: dict[str, float] = {"count": len(outer), "holes": len(found) - len(outer)}
    named["depth"] = max((each.depth + 1 for each in found), default=0)
    area = largest.area if largest else math.nan
    perimeter = largest.perimeter if largest else math.nan
    named |= {"area": area / gray.size, "perimeter": perimeter / max(gray.shape)}
    return named | {"circularity": 4 * math.pi * area / perimeter**2 if perimeter else math.nan}


def of_edges(gray: Array) -> dict[str, float]:
    """The share of pixels on an edge, and of these how many the gradient crosses within 22.5° of each of four directions."""
    found = edges(gray)
    down, right = np.gradient(gray) if min(gray.shape) > 1 else (gray * 0, gray * 0)
    angles = np.degrees(np.arctan2(down[found], right[found])) % 180
    bins = np.bincount(((angles + 22.5) // 45).astype(int) % 4, minlength=4) / max(int(found.sum()), 1)
    names = ("vertical", "falling", "horizontal", "rising")
    shares = dict(zip(names, bins.tolist() if found.any() else [math.nan] * 4, strict=True))
    return {"share": float(found.mean()), **shares}


def of_lines(gray: Array) -> dict[str, float]:
    """How many straight lines there are, and the strongest: angle, distance from the centre, and its share of the longer side."""
    found = hough_lines(gray)
    if not found:
        return {"count": 0, **dict.fromkeys(("theta", "distance", "votes"), math.nan)}
    best, (height, width) = found[0], gray.shape
    distance = best.rho - (width - 1) / 2 * math.cos(best.theta) - (height - 1) / 2 * math.sin(best.theta)
    longer = max(gray.shape)
    return {"count": len(found), "theta": best.theta, "distance": distance / longer, "votes": best.votes / longer}


def of_circles(gray: Array) -> dict[str, float]:
    """How many circles there are, and the strongest: centre, radius, and how much of its circumference is an edge."""
    gray = shrunk(gray, OF_CIRCLES)
    found = hough_circles(gray)
    if not found:
        return {"count": 0, **dict.fromkeys(("x", "y", "radius", "votes"), math.nan)}
    best, (height, width) = found[0], gray.shape
    place = {"x": (best.x + 0.5) / width, "y": (best.y + 0.5) / height, "radius": best.radius / max(gray.shape)}
    return {"count": len(found), **place, "votes": best.votes}


def of_hog(gray: Array) -> dict[str, float]:
    """The 1,764 numbers of HOG at 64²."""
    return {f"{number:04d}": float(value) for number, value in enumerate(hog(gray))}


MEASURES: dict[str, Callable[[Array], dict[str, float]]] = {
    "moments": of_moments,
    "contours": of_contours,
    "edges": of_edges,
    "lines": of_lines,
    "circles": of_circles,
    "hog": of_hog,
}
"""Name → what it gives of gray levels, whose names are put behind it."""
