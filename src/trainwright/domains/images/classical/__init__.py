"""Classical vision: edges, contours, lines, circles, moments and HOG of a picture, by scikit-image (the extra `images`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.part import Part

if TYPE_CHECKING:
    from trainwright.domains.images.classical.borders import Contour, contours
    from trainwright.domains.images.classical.gradients import edges, hog
    from trainwright.domains.images.classical.hough import Circle, Line, hough_circles, hough_lines
    from trainwright.domains.images.classical.measures import measure
    from trainwright.domains.images.classical.shape import Moments, moments

__all__ = ["Circle", "Contour", "Line", "Moments", "contours", "edges", "hog", "hough_circles", "hough_lines", "measure", "moments"]

_HERE = "trainwright.domains.images.classical"

PARTS = {
    "hog_svm": Part(f"{_HERE}.baseline:HogSVM", f"{_HERE}.options:HogSVMOptions", "a support vector machine on HOG of the pictures"),
}
"""Baselines that read pictures."""
BASELINES = ("hog_svm",)
"""Those that are measured beside every network that reads pictures."""
_LATER = {
    "Contour": f"{_HERE}.borders",
    "contours": f"{_HERE}.borders",
    "edges": f"{_HERE}.gradients",
    "hog": f"{_HERE}.gradients",
    "Circle": f"{_HERE}.hough",
    "Line": f"{_HERE}.hough",
    "hough_circles": f"{_HERE}.hough",
    "hough_lines": f"{_HERE}.hough",
    "measure": f"{_HERE}.measures",
    "Moments": f"{_HERE}.shape",
    "moments": f"{_HERE}.shape",
}
__getattr__ = found_later(__name__, _LATER)
