"""What pictures were like that is worth telling, counted: each kind is a bit, so that a row is counted once however often it is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import Self

import numpy as np


class Kind(IntFlag):
    """What was done with a picture, or was found in it."""

    PLAIN = 0
    UPRIGHT = 1 << 0
    ALPHA = 1 << 1
    PALETTE = 1 << 2
    CMYK = 1 << 3
    DEEP_GRAY = 1 << 4
    DEEP_COLOUR = 1 << 5
    FLOAT = 1 << 6
    BINARY = 1 << 7
    ANIMATED = 1 << 8
    PAGES = 1 << 9
    TO_GRAY = 1 << 10
    TO_COLOUR = 1 << 11
    SUFFIX = 1 << 12
    REPAIRED = 1 << 13
    UNREADABLE = 1 << 14
    OTHER_COLOURS = 1 << 15
    BACKSLASHES = 1 << 16


WORDS: dict[Kind, str] = {
    Kind.UPRIGHT: "turned upright, as EXIF says",
    Kind.ALPHA: "with transparency",
    Kind.PALETTE: "with a palette, taken as colours",
    Kind.CMYK: "CMYK, converted to RGB without a profile",
    Kind.DEEP_GRAY: "gray of 16 bits, divided by 257",
    Kind.DEEP_COLOUR: "of 16 bits in each of several channels, of which the upper 8 are kept",
    Kind.FLOAT: "of floating or 32-bit numbers, scaled to 0…255",
    Kind.BINARY: "of one bit, taken as 0 and 255",
    Kind.ANIMATED: "animated, of which one frame is taken",
    Kind.PAGES: "of several pages, of which one is taken",
    Kind.TO_GRAY: "colour, converted to gray",
    Kind.TO_COLOUR: "gray, repeated in three channels",
    Kind.SUFFIX: "of another format than the name says, read by what they hold",
    Kind.REPAIRED: "damaged; what could be decoded is kept, and the rest is gray",
    Kind.UNREADABLE: "not readable",
    Kind.OTHER_COLOURS: "in another colour space (YCbCr, LAB, HSV), converted",
    Kind.BACKSLASHES: "named with backslashes, read as /",
}
NAMES = {kind: str(kind.name).lower() for kind in WORDS}


class PictureCounts:
    """The kinds of the pictures of some rows, by row; those of several workers are merged."""

    def __init__(self, kinds: Mapping[int, int] | None = None) -> None:
        self.kinds = dict(kinds or {})
        """Row → kinds as a number, of rows that are not plain."""
        self.looked = 0
        """Rows that were decoded."""

    def note(self, row: int, kind: Kind) -> None:
        """Takes the picture of a row into account, again or for the first time."""
        if kind:
            self.kinds[row] = int(kind)

    def merge(self, other: Self) -> None:
        """Adds what another found."""
        self.kinds.update(other.kinds)
        self.looked += other.looked

    def counts(self) -> dict[Kind, int]:
        """How many rows are of each kind that occurs."""
        return count_kinds(self.kinds.values())

    def rows(self, kind: Kind, count: int = 5) -> list[int]:
        """The first rows of a kind."""
        return sorted(row for row, each in self.kinds.items() if each & kind)[:count]

    def summary(self) -> dict[str, int]:
        """Name of a kind → how many, for records."""
        return {NAMES[kind]: count for kind, count in self.counts().items()}

    def lines(self) -> list[str]:
        """One line per kind."""
        return [f"{count:,} {WORDS[kind]}" for kind, count in self.counts().items()]


def count_kinds(kinds: Iterable[int]) -> dict[Kind, int]:
    """How many of some numbers have the bit of each kind; kinds that do not occur are left out."""
    held = np.fromiter(kinds, np.int64)
    counted = {kind: int((held & int(kind) != 0).sum()) for kind in WORDS}
    return {kind: count for kind, count in counted.items() if count}
