"""Matrices of plane geometry, in Python numbers: where the pixels of a transformed picture come from, and where its points go."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Matrix = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): (x, y) becomes (ax + by + c, dx + ey + f)."""
Points = Sequence[Sequence[float]]


def inverse_affine(
    degrees: float,
    translate: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shear: tuple[float, float] = (0.0, 0.0),
    center: tuple[float, float] = (0.0, 0.0),
) -> Matrix:
    """Where a pixel of the result comes from, of a picture turned (clockwise as seen, with y downwards), sheared, scaled, then moved.

    Rotation, then shear of y, then of x, as torchvision composes them; `center` is the point that stays where it is.
    """
    turn, sx, sy = math.radians(degrees), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -c * math.tan(sx) + math.cos(turn)
    a, b, c, d = d / scale, -b / scale, -c / scale, a / scale  # the inverse: the determinant of rotation and shear is 1
    x, y = -center[0] - translate[0], -center[1] - translate[1]
    return a, b, a * x + b * y + center[0], c, d, c * x + d * y + center[1]


def inverted(matrix: Matrix) -> Matrix:
    """The way back: where a pixel goes, of where one comes from. Raises ZeroDivisionError for a matrix that has none."""
    a, b, c, d, e, f = matrix
    over = a * e - b * d
    return e / over, -b / over, (b * f - c * e) / over, -d / over, a / over, (c * d - a * f) / over


def from_corner(matrix: Matrix, there: tuple[int, int], wanted: tuple[int, int]) -> Matrix:
    """A matrix between places counted from the middle of pictures (height, width), for places counted from their upper left."""
    a, b, c, d, e, f = matrix
    x, y = -0.5 * wanted[1], -0.5 * wanted[0]
    return a, b, a * x + b * y + c + 0.5 * there[1], d, e, d * x + e * y + f + 0.5 * there[0]


def rotated_size(matrix: Matrix, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width that show all of a rotated picture of a (height, width), as torchvision counts pixels."""
    rows, columns = size
    a, b, _, d, e, _ = matrix
    corners = [(x, y) for x in (-0.5 * columns, 0.5 * columns) for y in (-0.5 * rows, 0.5 * rows)]
    found = []
    for places, side in (([a * x + b * y for x, y in corners], columns), ([d * x + e * y for x, y in corners], rows)):
        low, high = min(places) + side * 0.5, max(places) + side * 0.5
        low, high = math.trunc(low / 1e-4) * 1e-4, math.trunc(high / 1e-4) * 1e-4
        found.append(math.ceil(high) - math.floor(low))
    return found[1], found[0]


def perspective_of(start: Points, end: Points) -> list[float]:
    """The eight numbers by which (x, y) of the result comes from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).

    Raises numpy.linalg.LinAlgError where three of the corners lie on a line.
    """
    rows, wanted = [], []
    for (u, v), (x, y) in zip(start, end, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    found: list[float] = np.linalg.solve(np.array(rows, float), np.array(wanted, float)).tolist()
    return found
