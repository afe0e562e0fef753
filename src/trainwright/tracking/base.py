"""What the trainer asks of a tracker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Row = Mapping[str, float]
"""The values of one logged point by column name (`train/loss`); `step` is among them."""


class Tracker(Protocol):
    """Takes the logged rows of a run.

    One that has them is given other kinds too: `image(name, array, step)`, uint8 (h w 3) or (h w 4), of what a system saves;
    `histogram(name, Histogram, step)` of weights and gradients; and once the results are there, after `close`, which then follows again,
    `text(name, text, step)`, `hparams(name, settings, metrics, step)`, `figure(name, array, step)`, `graph(name, [GraphNode])`.
    """

    def begin(self, step: int) -> list[dict[str, float]]:
        """Continue after `step` updates (0: a new run), forgetting rows of later steps; returns the rows it still has, if it can."""

    def log(self, row: Row) -> None:
        """Take a row. Raises OSError when the disk refuses; the row is then written with the next one."""

    def sync(self) -> None:
        """Make what was logged durable."""

    def close(self) -> None:
        """Finish; nothing is logged after this."""
