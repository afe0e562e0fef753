"""Options of classical vision. Imports nothing that reads pictures."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from trainwright.baselines import ColumnsOptions

Measure = Literal["moments", "contours", "edges", "lines", "circles", "hog"]


class HogSVMOptions(ColumnsOptions):
    """A support vector machine with a radial kernel on histograms of oriented gradients (HOG)."""

    reads: ClassVar[tuple[str, ...]] = ("image",)
    columns: list[str] = []
    """Columns of pictures that it is given; default: all of the network's."""
    size: int = Field(default=64, ge=16, le=512)
    """Pixels of each side at which pictures are described."""
    penalty: float = Field(default=10.0, gt=0)
    """C of the machine: the larger, the less it gives way to single rows."""
    max_rows: int = Field(default=4000, ge=10)
    """Train on at most this many rows, drawn at random."""
    max_scored: int = Field(default=2000, ge=10)
    """Measure at most this many rows of each split, drawn at random: each picture is read and described for it."""
