"""Training rows drawn by weights, or several times each: which an epoch sees is a pure function of (seed, epoch)."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor

from trainwright.data.counters import fold
from trainwright.data.draws import REPEAT
from trainwright.data.loader_order import times_before
from trainwright.data.order import epoch_order
from trainwright.data.rows import Rows, WrappedRows

PURPOSE = "sampling"


class DrawnRows(WrappedRows):
    """As many rows of others as an epoch draws; place i of an epoch is its draw number i.

    A row that is drawn again in an epoch has other randomness than before, where its samples have any.
    """

    def __init__(self, rows: Rows, samples: int) -> None:
        super().__init__(rows)
        self._samples = samples
        self._begun: tuple[int, int] | None = None
        self._drawn = self._draws = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return self._samples

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """The rows of an epoch (int64, `samples`), a pure function of its arguments."""
        raise NotImplementedError

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Draw the rows of an epoch; nothing where it was begun before."""
        self.rows.begin_epoch(seed, epoch)
        if self._begun == (seed, epoch):
            return
        drawn = self.draw(seed, epoch)
        draws = drawn if self.in_memory else drawn + (times_before(drawn) << REPEAT)  # rows in memory have no randomness
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
        return None if buckets is None else buckets[self.draw(seed, epoch)]

    def sizes(self) -> None:
        """Not told: a place holds another row in every epoch."""

    def largest(self, count: int) -> None:
        """Not told."""

    def describe(self) -> str:
        """What they are, in a few words."""
        return f"{len(self):,} draws from {self.rows.describe()}"


class SampledRows(DrawnRows):
    """Rows drawn by their weights."""

    def __init__(self, rows: Rows, weights: np.ndarray, samples: int, replacement: bool = True) -> None:
        """`weights` (float64, one per row): finite, not negative, and so many above 0 that `samples` can be drawn."""
        super().__init__(rows, samples)
        self._weights, self._replacement = weights, replacement

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """The rows of an epoch (int64, `samples`)."""
        return draw_rows(self._weights, self._samples, self._replacement, seed, epoch)


class RepeatedRows(DrawnRows):
    """Every row that an epoch sees comes several times, one copy after the other (Hoffer et al. 2020; Berman et al. 2019).

    An epoch has as many samples as before, and so a part of the rows, others in every epoch; copies stand together in a step.
    """

    def __init__(self, rows: Rows, repeats: int, samples: int) -> None:
        super().__init__(rows, samples)
        self._repeats = repeats

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """The rows of an epoch (int64, `samples`), placed so that they stand together once the epoch's own order is applied."""
        return repeat_rows(len(self.rows), self._repeats, self._samples, seed, epoch)

    def describe(self) -> str:
        """What they are, in a few words."""
        return f"{self._repeats} copies of each of {-(-len(self) // self._repeats):,} of {self.rows.describe()}"


def repeat_rows(rows: int, repeats: int, samples: int, seed: int, epoch: int) -> np.ndarray:
    """Row numbers (int64, `samples`) by their place in the epoch before it is shuffled, a pure function of its arguments."""
    generator = torch.Generator()
    generator.manual_seed(fold(seed, "repeats", epoch))
    chosen = torch.randperm(rows, generator=generator).numpy()[np.arange(samples) // repeats % rows]
    placed = np.empty(samples, np.int64)
    placed[epoch_order(seed, epoch, samples).numpy()] = chosen
    return placed


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
