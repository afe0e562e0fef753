"""Lines and circles by Hough's transform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.domains.images.classical.gradients import edges
from trainwright.domains.images.classical.gray import Array, Picture
from trainwright.domains.images.classical.library import skimage


@dataclass(frozen=True)
class Line:
    """x · cos θ + y · sin θ = ρ."""

    rho: float
    """Pixels from the upper left corner; below 0 where the line passes it on the other side."""
    theta: float
    """Radians from 0 to π: of a horizontal line π/2."""
    votes: int
    """Pixels of edges on it."""


@dataclass(frozen=True)
class Circle:
    """A circle by its centre and radius in pixels."""

    x: float
    y: float
    radius: float
    votes: float
    """The share of its circumference that is an edge, about."""


def as_edges(picture: Picture, sigma: float) -> Array:
    """The edges of a picture; truth values `(height, width)` are taken as they are."""
    given = np.asarray(picture)
    return given if given.dtype == bool and given.ndim == 2 else edges(picture, sigma)


def hough_lines(picture: Picture, most: int = 10, threshold: float = 0.5, angles: int = 180, sigma: float = 1.0) -> list[Line]:
    """The lines in a picture, or in edges (bool), strongest first: at most `most`, with at least `threshold` of the strongest's votes.

    `angles`: steps of 180°. Raises ConfigError for numbers that cannot be.
    """
    ensure_share(threshold, most, "hough_lines")
    found = as_edges(picture, sigma)
    transform = skimage("transform")
    votes, thetas, rhos = transform.hough_line(found, theta=np.linspace(0, np.pi, angles, endpoint=False))
    if not votes.max():
        return []
    peaks = transform.hough_line_peaks(votes, thetas, rhos, threshold=threshold * votes.max(), num_peaks=most)
    return [Line(float(rho), float(theta), int(count)) for count, theta, rho in zip(*peaks, strict=True)]


def hough_circles(
    picture: Picture, radii: Sequence[float] | None = None, most: int = 10, threshold: float = 0.5, sigma: float = 1.0
) -> list[Circle]:
    """The circles in a picture, or in edges (bool), strongest first: at most `most`, with at least `threshold` of their circumference.

    `radii` in pixels; unless given 24 of them, from 5 % to 50 % of the shorter side. Raises ConfigError for numbers that cannot be.
    """
    ensure_share(threshold, most, "hough_circles")
    found = as_edges(picture, sigma)
    tried = usual_radii(found.shape) if radii is None else np.unique(np.rint(np.asarray(radii, np.float64)).astype(int))
    if len(tried) and tried.min() < 1:
        raise ConfigError(f"a circle cannot have the radius {tried.min()}", where="hough_circles", fix="radii of 1 pixel or more")
    if not len(tried) or not found.any():
        return []
    transform = skimage("transform")
    votes = transform.hough_circle(found, tried)
    apart = max(int(tried.min()), 1)
    peaks = transform.hough_circle_peaks(
        votes, tried, min_xdistance=apart, min_ydistance=apart, threshold=threshold, total_num_peaks=most, normalize=False
    )
    return [Circle(float(x), float(y), float(radius), float(count)) for count, x, y, radius in zip(*peaks, strict=True)]


def usual_radii(shape: tuple[int, ...]) -> Array:
    """Radii that are tried, in whole pixels."""
    shorter = min(shape)
    return np.unique(np.linspace(max(0.05 * shorter, 2), 0.5 * shorter, 24).astype(int)) if shorter >= 8 else np.zeros(0, int)


def ensure_share(threshold: float, most: int, where: str) -> None:
    """Raises ConfigError for a threshold that is no share, and for nothing that is looked for."""
    if not 0 < threshold <= 1 or math.isnan(threshold):
        raise ConfigError(f"threshold is a share, not {threshold:g}", where=where, fix="above 0, at most 1")
    if most < 1:
        raise ConfigError(f"most cannot be {most}", where=where, fix="1 or more")
