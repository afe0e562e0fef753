"""Pictures that are the same, or nearly: by their bytes, and by a hash of 64 bits of what they show."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.images.classical.gray import as_gray, resized

Array = np.ndarray[Any, Any]

NEAR = 6
"""Bits of 64 that hashes of pictures differ in at most, which are nearly the same."""
PLAIN = 8
"""Levels of 255 between which a picture lies that shows nothing: its hash would be that of every other."""
THUMB = 16
"""Pixels a side of what near pictures are compared by, since hashes of other pictures may be alike."""
ALIKE = 0.98
"""The correlation of these from which on pictures are nearly the same."""


def look_at(picture: Array) -> tuple[int, Array] | None:
    """The difference hash of a picture, whether each of 8 × 8 places is brighter than that to the left of it, and 16 × 16 levels of it.

    None for a picture that shows nothing. (Krawetz 2013, dHash.)
    """
    gray = np.rint(as_gray(picture) * 255).astype(np.uint8)
    if int(gray.max()) - int(gray.min()) < PLAIN:
        return None
    small = resized(gray, (8, 9)).astype(np.int64)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    thumb = resized(gray, (THUMB, THUMB)).astype(np.float32).ravel()
    return int(np.packbits(bits).view(">u8")[0]), (thumb - thumb.mean()) / (float(thumb.std()) or 1.0)


def near_pairs(hashes: Array, thumbs: Array, most_bits: int = NEAR) -> list[tuple[int, int, int]]:
    """(first, second, bits between) of all pairs of hashes (n, uint64) that are near and whose levels (n, 256) correlate."""
    found = []
    for start in range(0, len(hashes), 512):
        some = hashes[start : start + 512]
        between = np.bitwise_count(some[:, None] ^ hashes[None, start:])
        first, second = np.nonzero(between <= most_bits)
        kept = second > first
        first, second = first[kept], second[kept]
        alike = (thumbs[start + first] * thumbs[start + second]).mean(axis=1) >= ALIKE
        found += [(start + a, start + b, int(between[a, b])) for a, b in zip(first[alike].tolist(), second[alike].tolist(), strict=True)]
    return found


def grouped(count: int, pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Numbers below `count` that pairs join, at least two together, the largest groups first."""
    root = list(range(count))

    def top(each: int) -> int:
        while root[each] != each:
            root[each] = root[root[each]]
            each = root[each]
        return each

    for first, second in pairs:
        root[top(second)] = top(first)
    groups: dict[int, list[int]] = {}
    for each in range(count):
        groups.setdefault(top(each), []).append(each)
    return sorted((each for each in groups.values() if len(each) > 1), key=lambda each: (-len(each), each))
