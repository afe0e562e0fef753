"""Training rows drawn by weights: which rows an epoch sees is a pure function of (seed, epoch), whatever reads them."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor

from trainwright.data.counters import fold
from trainwright.data.loader_order import REPEAT, times_before
from trainwright.data.rows import Rows, WrappedRows

PURPOSE = "sampling"


class SampledRows(WrappedRows):
    """As many rows of others as an epoch draws, by their weights; place i of an epoch is its draw number i.

    A row that is drawn again in an epoch has other randomness than before, where its samples have any.
    """

    def __init__(self, rows: Rows, weights: np.ndarray, samples: int, replacement: bool = True) -> None:
        """`weights` (float64, one per row): finite, not negative, and so many above 0 that `samples` can be drawn."""
        super().__init__(rows)
        self._weights, self._samples, self._replacement = weights, samples, replacement
        self._begun: tuple[int, int] | None = None
        self._drawn = self._draws = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return self._samples

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Draw the rows of an epoch; nothing where it was begun before."""
        self.rows.begin_epoch(seed, epoch)
        if self._begun == (seed, epoch):
            return
        drawn = draw_rows(self._weights, self._samples, self._replacement, seed, epoch)
        again = self._replacement and not self.in_memory  # rows in memory have no randomness
        draws = drawn + (times_before(drawn) << REPEAT) if again else drawn
        self._drawn, self._draws = torch.from_numpy(drawn).to(self.device), torch.from_numpy(draws)
        self._begun = (seed, epoch)

    def take(self, indices: Tensor) -> object:
        """The rows that the epoch drew at places `indices` (int64, b)."""
        if self._begun is None:
            self.begin_epoch(0, 0)
        rows = self._drawn.index_select(0, indices.to(self._drawn.device))
        return self.rows.take(rows) if self.in_memory else self.rows.take_draws(rows, self._draws.index_select(0, indices.cpu()))

    def to(self, device: torch.device) -> Self:
        """The same on another device; what was drawn is drawn there again."""
        moved = super().to(device)
        if moved is not self:
            moved._begun = None
        return moved

    def buckets(self, seed: int, epoch: int) -> np.ndarray | None:
        """Those of the rows that the epoch draws."""
        buckets = self.rows.buckets(seed, epoch)
        return None if buckets is None else buckets[draw_rows(self._weights, self._samples, self._replacement, seed, epoch)]

    def sizes(self) -> None:
        """Not told: a place holds another row in every epoch."""

    def largest(self, count: int) -> None:
        """Not told."""

    def describe(self) -> str:
        """What they are, in a few words."""
        return f"{len(self):,} draws from {self.rows.describe()}"


def draw_rows(weights: np.ndarray, samples: int, replacement: bool, seed: int, epoch: int) -> np.ndarray:
    """Row numbers (int64, `samples`) drawn in proportion to `weights` (float64, n), a pure function of its arguments.

    Without replacement the rows are the first to arrive of exponential clocks with these rates (Efraimidis and Spirakis 2006), which is
    drawing one after the other among those that are left.
    """
    generator = torch.Generator()
    generator.manual_seed(fold(seed, PURPOSE, epoch))
    if not replacement:
        clocks = torch.empty(len(weights), dtype=torch.float64).exponential_(generator=generator).numpy()
        with np.errstate(divide="ignore"):
            return np.argsort(clocks / weights, kind="stable")[:samples].astype(np.int64)
    until = np.cumsum(weights)
    places = torch.rand(samples, dtype=torch.float64, generator=generator).numpy() * until[-1]
    last = int(np.flatnonzero(weights)[-1])  # where a product is rounded up to the sum
    return np.minimum(np.searchsorted(until, places, side="right"), last).astype(np.int64)
