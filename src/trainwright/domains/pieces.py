"""Rows that a trained model answers piece by piece: as many as memory holds of them at a time, in their order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REASON = "reason"
"""The column of predictions that says why a row has none."""


class Pieces(ABC):
    """Rows as they come, opened: how many there are, and pieces of them, each of which is what `Predictor.answer` takes."""

    total: int | None
    """How many rows were given; None where that is known once they are read."""
    files: Sequence[Path] = ()
    """The files that they are read from; none for rows of a program."""
    sizes: Sequence[int]
    """How many rows were given of each piece; empty where that is known once they are read."""

    @abstractmethod
    def take_from(self, first: int) -> Iterator[Any]:
        """The pieces from number `first` on, each read as it is asked for; raises DataError for rows that cannot be read."""

    def counted(self) -> dict[str, Any]:
        """What was counted in the pieces so far, as plain JSON."""
        return {}

    def count_on(self, counted: Mapping[str, Any]) -> None:  # noqa: B027 - most count nothing
        """Go on from what was counted in pieces before."""

    def say_counts(self) -> None:  # noqa: B027
        """Log what was counted, once all pieces were taken."""


class OnePiece(Pieces):
    """Rows that were read whole."""

    total = None
    sizes: Sequence[int] = ()

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def take_from(self, first: int) -> Iterator[Any]:
        yield from [self.rows][first:]
