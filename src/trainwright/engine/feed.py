"""Where the loop gets its batches from: taken on the spot, or ahead of time by worker processes; the same samples either way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainwright.data.draws import RESEEDING
from trainwright.data.rows import Rows, WrappedRows
from trainwright.engine.dealing import Dealer
from trainwright.engine.interrupt import WaitedTooLong, Waits, too_late
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.pieces import batch_of, order_of
from trainwright.engine.plan import Plan
from trainwright.engine.system import Batch

if TYPE_CHECKING:
    from trainwright.engine.workers import BatchRequest, DataWorkers

log = logging.getLogger("trainwright.engine")
ALL = Dealer()
"""Of one process, which reads all rows."""


class Feed:
    """Batches of the training rows, and of splits read in order."""

    def __init__(
        self,
        rows: Rows,
        options: LoaderOptions,
        seed: int,
        device: torch.device,
        waits: Waits | None = None,
        dealer: Dealer | None = None,
    ) -> None:
        """`waits`: told when batches are waited for. `dealer`: knows which rows of a step this process reads, all of them unless given."""
        self._dealer = ALL if dealer is None else dealer
        self._rows, self._options, self._seed = rows, options, seed
        self._waits = Waits() if waits is None else waits
        self._in_memory = rows.in_memory
        self._pin = bool(options.pin) and device.type == "cuda"
        self._ahead = bool(options.workers) and not self._in_memory and not rows.iterable
        self._workers: DataWorkers | None = None
        self._shape: tuple[int, ...] = ()
        self._in_order: list[InOrder] = []
        if self._ahead:
            from trainwright.engine.worker_checks import check_beginning

            check_beginning(rows, options)
        elif options.workers and rows.iterable:
            log.info("%s: trainer.loader.workers starts none; a DataLoader's own are used", rows.describe())
        elif options.workers:
            log.info("%s: no data workers are needed, none are started", rows.describe())
        elif rows.asked_workers:
            asked = rows.asked_workers
            log.warning("num_workers=%d of the DataLoader starts none: trainer.loader.workers=%d reads its batches ahead", asked, asked)

    def take(self, indices: Tensor, plan: Plan, batch_number: int) -> Batch:
        """Of the rows at `indices` (int64, b), which are this batch of `plan`, those of this process; with workers, those of the batches
        after it follow."""
        if not self._ahead:
            with RESEEDING:  # the step seeds the default generators
                return self.again(self._dealer.select(plan, indices), plan, batch_number)
        shape = (plan.batch_size, plan.steps_per_epoch, plan.first_tick, plan.first_epoch)
        if self._workers is None or shape != self._shape or not self._workers.near(batch_number):
            self._begin(plan, batch_number)
            self._shape = shape
        return self._workers.take(batch_number)  # type: ignore[union-attr]

    @property
    def reading_elsewhere(self) -> int:
        """How many worker processes read the training rows; 0 where they are read in this one."""
        return self._options.workers if self._ahead else self._rows.own_workers

    def again(self, indices: Tensor, plan: Plan, batch_number: int) -> Batch:
        """The same batch taken in this process, out of turn."""
        self._rows.begin_epoch(self._seed, plan.epoch_of(batch_number))
        if self._in_memory:
            return batch_of(self._rows, indices)
        try:
            with self._waits:
                return batch_of(self._rows, indices)
        except WaitedTooLong:
            raise too_late("training", batch_number, indices.tolist(), self._waits.limit) from None

    def in_order(self, rows: Rows) -> Rows:
        """Rows that will be read in their order, by workers where there are any."""
        if not self._options.workers or rows.in_memory or rows.batched:
            return rows
        self._in_order.append(InOrder(rows, self._options, pin=self._pin, waits=self._waits))
        return self._in_order[-1]

    def close(self, now: bool = False) -> None:
        """End all workers: by themselves, or `now`."""
        if self._workers is not None:
            self._workers.close(now)
        for each in self._in_order:
            each.end(now)
        self._rows.close(now)
        self._workers = None

    def _begin(self, plan: Plan, batch_number: int) -> None:
        from trainwright.engine.workers import DataWorkers

        if self._workers is not None:
            self._workers.close()
        self._workers = DataWorkers(
            self._rows,
            self._options,
            self._seed,
            lambda number: batches_from(plan, self._rows, self._seed, number, self._dealer),
            batch_number,
            pin=self._pin,
            name="training",
            waits=self._waits,
        )


def batches_from(plan: Plan, rows: Rows, seed: int, batch_number: int, dealer: Dealer = ALL) -> Iterator[BatchRequest]:
    """What a process reads of the batches of a plan, from number `batch_number` on, over the ends of epochs, to the end of the run where
    that is known.
    """
    from trainwright.engine.workers import BatchRequest

    end_of_run = plan.max_steps if plan.limit == "max_epochs" else None
    while end_of_run is None or batch_number < end_of_run:
        epoch = plan.epoch_of(batch_number)
        order = order_of(rows, seed, epoch, plan)
        for index in range(plan.index_of(batch_number), plan.steps_per_epoch):
            start, end = plan.bounds(index)
            yield BatchRequest(batch_number, epoch, dealer.select(plan, order[start:end]).numpy())
            batch_number += 1


class InOrder(WrappedRows):
    """Rows that are read from the first to the last over and over, taken ahead of time by workers that wait between the passes."""

    def __init__(self, rows: Rows, options: LoaderOptions, *, pin: bool, waits: Waits) -> None:
        super().__init__(rows)
        self._options, self._pin, self._waits = options, pin, waits
        self._workers: DataWorkers | None = None
        self._next = self._size = 0
        self.turn, self.turns = 0, 1
        """Of so many batches this process takes one, this one of them."""

    def take(self, indices: Tensor) -> Batch:
        """The rows at `indices` (int64, b): from workers where they follow those before, else taken here."""
        first, size = int(indices[0]), len(indices)
        end, begin = first + size, self.turn * size
        if not torch.equal(indices, torch.arange(first, end)):
            return self.rows.take(indices)
        if first == begin and begin + self.turns * size < len(self):  # of one batch nothing can be taken ahead
            self._begin(size)
        if self._workers is None or first != self._next or end != min(first + self._size, len(self)):
            self.end()
            return self.rows.take(indices)
        self._next = first + self.turns * self._size
        return self._workers.take(first)

    def end(self, now: bool = False) -> None:
        """End the workers: by themselves, or `now`."""
        if self._workers is not None:
            self._workers.close(now)
        self._workers = None

    def close(self, now: bool = False) -> None:
        """End the workers, and what the rows began."""
        self.end(now)
        super().close(now)

    def _begin(self, size: int) -> None:
        from trainwright.engine.workers import BatchRequest, DataWorkers

        begin, stride = self.turn * size, self.turns * size
        whole, self._next = self._workers is not None and self._next >= len(self) and self._size == size, begin
        if whole:
            self._workers.begin_again(begin)  # type: ignore[union-attr]
            return

        def line(start: int) -> Iterator[BatchRequest]:
            for first in range(start, len(self), stride):
                yield BatchRequest(first, None, torch.arange(first, min(first + size, len(self))).numpy())

        self.end()
        self._size = size
        self._workers = DataWorkers(self.rows, self._options, 0, line, begin, pin=self._pin, name="evaluated", waits=self._waits)
