"""How the pictures were prepared that weights were trained with: what a column takes from them where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

FULL = 255.0
"""The largest value of a channel in a file."""
Resize = Literal["crop", "stretch", "pad"]


class Preprocessing(NamedTuple):
    """Size, scale and interpolation of the pictures that a network was trained with."""

    size: tuple[int, int]
    """Height and width."""
    mean: tuple[float, ...]
    """Of each channel, of values of 0 to 1."""
    std: tuple[float, ...]
    """By which each channel was divided, of values of 0 to 1."""
    interpolation: str
    """`bilinear`, `bicubic`, …"""
    resize: Resize
    """How a picture of another shape was made to fit where it was evaluated."""
    crop_pct: float
    """With `crop`, the share of the short side that was kept."""

    def in_words(self) -> str:
        """One line for the log."""
        kept = f", {self.crop_pct:g} of the short side" if self.resize == "crop" and self.crop_pct != 1 else ""
        side = f"{self.size[0]}×{self.size[1]}"
        return f"{side}, {self.interpolation}, {self.resize}{kept}, mean {_listed(self.mean)}, deviation {_listed(self.std)}"


def _listed(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{each:g}" for each in numbers)


def in_bytes(numbers: Sequence[float], depth: int) -> list[float]:
    """Numbers of values of 0 to 1 as those of 0 to 255, for so many channels: of gray pictures their mean."""
    found = [FULL * each for each in numbers]
    if depth == 1:
        return [sum(found) / len(found)]
    return [*found, FULL / 2][:depth] if len(found) < depth else found[:depth]
