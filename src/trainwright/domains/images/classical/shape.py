"""Moments of gray levels: raw, central, normalised, and Hu's seven."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainwright.domains.images.classical.gray import Array, Picture, as_gray
from trainwright.domains.images.classical.library import skimage

ORDER = 3


@dataclass(frozen=True)
class Moments:
    """Moments `m(p, q)`, p of x and q of y, up to the third order; x to the right, y downwards, in pixels."""

    raw: Array
    """m(p, q) = Σ xᵖ yᑫ · level, (4, 4)."""
    central: Array
    """μ(p, q), the same about the centroid, (4, 4)."""
    normalised: Array
    """η(p, q) = μ(p, q) / μ(0, 0)^(1 + (p + q) / 2), (4, 4); NaN below the second order."""
    hu: Array
    """The seven of Hu (1962), which shift, scale and rotation leave as they are."""

    @property
    def centroid(self) -> tuple[float, float]:
        """x and y of the centroid; NaN for a picture that is black."""
        total = float(self.raw[0, 0])
        return (float(self.raw[1, 0]) / total, float(self.raw[0, 1]) / total) if total else (math.nan, math.nan)

    @property
    def eccentricity(self) -> float:
        """√(1 − λ₂ / λ₁) of the covariance of places: 0 for a circle, towards 1 for a line."""
        least, most = self._spread()
        return math.sqrt(max(1 - least / most, 0.0)) if most > 0 else math.nan

    @property
    def orientation(self) -> float:
        """The angle of the long axis to x in radians, from −π/2 to π/2, growing downwards."""
        return 0.5 * math.atan2(2 * float(self.central[1, 1]), float(self.central[2, 0]) - float(self.central[0, 2]))

    def _spread(self) -> tuple[float, float]:
        """The eigenvalues of the covariance of places, the smaller first; 0 for a picture that is black."""
        total = float(self.central[0, 0])
        if not total:
            return 0.0, 0.0
        xx, xy, yy = (float(self.central[place]) / total for place in ((2, 0), (1, 1), (0, 2)))
        middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
        return max(middle - half, 0.0), middle + half


def moments(picture: Picture) -> Moments:
    """The moments of a picture's gray levels (0 to 1), or of a mask's pixels. Raises DataError for what is no picture."""
    measured = skimage("measure")
    gray = as_gray(picture)
    raw = measured.moments(gray, order=ORDER)
    if raw[0, 0]:
        central = measured.moments_central(gray, center=(raw[1, 0] / raw[0, 0], raw[0, 1] / raw[0, 0]), order=ORDER)
        normalised = measured.moments_normalized(central, order=ORDER)
        hu = measured.moments_hu(normalised)
    else:
        central, normalised, hu = raw * 0, raw * math.nan, raw[0].repeat(2)[:7] * math.nan
    return Moments(raw.T, central.T, normalised.T, hu)  # scikit-image has rows first, which are y
