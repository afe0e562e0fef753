"""What pictures were like that is worth telling, counted: each kind is a bit, so that a row is counted once however often it is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np

from trainwright.report.figures import plural


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
}
MOST_SIDE = (1 << 20) - 1
NAMES = {kind: str(kind.name).lower() for kind in WORDS}


def pack(kind: Kind, height: int, width: int) -> int:
    """What a picture is like as one number that is not 0: its kinds, height and width in pixels."""
    return int(kind) << 40 | min(height, MOST_SIDE) << 20 | min(width, MOST_SIDE)


@dataclass(frozen=True)
class PictureCounts:
    """What the pictures of rows are like: int64 of `pack` for each row, 0 for those not looked at; a tensor where workers share it."""

    held: Any

    @property
    def packed(self) -> np.ndarray:
        """The numbers as an array, which may be written to."""
        return np.asarray(self.held)

    @property
    def looked(self) -> int:
        """Rows whose picture was decoded, or could not be."""
        return int(np.count_nonzero(self.packed))

    @property
    def decoded(self) -> int:
        """Rows whose picture was decoded."""
        return self.looked - int(np.count_nonzero(self.packed >> 40 & int(Kind.UNREADABLE)))

    def note(self, row: int, packed: int) -> None:
        """Takes the picture of a row into account, again or for the first time."""
        self.packed[row] = packed

    def merge(self, other: PictureCounts) -> None:
        """Adds what another found of the same rows."""
        np.copyto(self.packed, other.packed, where=other.packed != 0)

    def counts(self) -> dict[Kind, int]:
        """How many rows are of each kind that occurs."""
        kinds = self.packed >> 40
        counted = {kind: int(np.count_nonzero(kinds & int(kind))) for kind in WORDS}
        return {kind: count for kind, count in counted.items() if count}

    def rows(self, kind: Kind, count: int = 5) -> list[int]:
        """The first rows of a kind."""
        found: list[int] = np.flatnonzero(self.packed >> 40 & int(kind))[:count].tolist()
        return found

    def sizes(self) -> np.ndarray:
        """Height and width (int64, n × 2) of the pictures that were decoded, upright, as they are in their files."""
        there = self.packed[self.packed != 0]
        there = there[(there & MOST_SIDE) > 0]
        return np.stack([there >> 20 & MOST_SIDE, there & MOST_SIDE], axis=1)

    def summary(self) -> dict[str, int]:
        """Name of a kind → how many, for records."""
        return {NAMES[kind]: count for kind, count in self.counts().items()}

    def lines(self) -> list[str]:
        """One line per kind, of those that were decoded."""
        return [f"{count:,} {WORDS[kind]}" for kind, count in self.counts().items() if kind is not Kind.UNREADABLE]

    def remarks(self, column: str) -> list[str]:
        """One line of what the pictures of a column were like that are not plain, of so many that were decoded; none where all are."""
        lines = self.lines()
        return [f"column '{column}': {plural(self.decoded, 'picture')} decoded: {'; '.join(lines)}"] if lines else []

    def size_of(self, row: int) -> tuple[int, int]:
        """Height and width of the picture of a row, upright, as it is in its file; zeros where it was not decoded."""
        packed = int(self.packed[row])
        return packed >> 20 & MOST_SIDE, packed & MOST_SIDE

    def smaller(self, height: int, width: int, both: bool = False) -> np.ndarray:
        """Rows (int64, ascending) of the pictures that were decoded and have a smaller side, or with `both` two smaller ones."""
        tall, wide = self.packed >> 20 & MOST_SIDE, self.packed & MOST_SIDE
        low, narrow = tall < height, wide < width
        return np.flatnonzero((wide > 0) & ((low & narrow) if both else (low | narrow)))
