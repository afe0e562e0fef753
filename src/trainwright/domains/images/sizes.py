"""The size at which pictures of many sizes are given to a network, and how both are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SMALL = 64
"""Pictures of one size with sides of at most so many pixels keep it."""
NEARLY = 0.25
"""A side that is so much of a doubling short of a power of two is taken to it: 28 to 32, and 100 to 64."""


def choose_sides(sizes: list[tuple[int, int]], largest: int) -> tuple[int, int]:
    """Height and width for pictures of some sizes: small ones that are all alike keep theirs; else the power of two that most have, at most
    `largest` (by the square root of the median area)."""
    if len(set(sizes)) == 1 and max(sizes[0]) <= min(SMALL, largest):
        return sizes[0]
    side = float(np.sqrt(np.median([height * width for height, width in sizes]))) if sizes else SMALL
    found = min(1 << max(int(np.log2(max(side, 1)) + NEARLY), 3), largest)
    return found, found


def describe_sizes(sizes: Sequence[tuple[int, int]]) -> str:
    """Width and height of some pictures (height, width): the one that all have, or how far they go."""
    if not sizes:
        return "no picture that can be read"
    heights, widths = zip(*sizes, strict=True)
    if len(set(sizes)) == 1:
        return f"{widths[0]}×{heights[0]}"
    return f"{min(widths)}×{min(heights)} to {max(widths)}×{max(heights)}"
