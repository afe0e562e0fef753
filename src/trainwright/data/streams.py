"""Batches of data that can only be gone through in order: iterables, loaders over them, functions that make an iterator, generators."""

from __future__ import annotations

import copy
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.data.counters import fold
from trainwright.data.draws import Draws, keep_draws, keep_draws_unless_reseeded
from trainwright.data.ended import DataEnded
from trainwright.data.loader_workers import end_workers, see_deaths_when_asked
from trainwright.data.passes import Passes
from trainwright.data.placed import name_parts
from trainwright.data.rows import Rows, as_blocks, recast
from trainwright.data.samples import alike, joined_samples, not_joined, own_words
from trainwright.data.sparse import bytes_held

log = logging.getLogger("trainwright.data")

__all__ = ["DataEnded", "Pass", "Passes", "StreamRows", "looks_batched"]

PATIENCE = 10.0
"""Seconds of counting after which it is said that counting goes on."""
KEPT = 64 << 20
"""Bytes of items that are kept when they are counted, so that data need not be begun again for the first epoch."""
ANOTHER = 32
"""Bits of an epoch's number; passes that fill the same epoch are counted above them."""


class Pass:
    """One pass, item by item, each drawn under generators seeded from (seed, number of the pass, item); within `keep_draws`."""

    def __init__(self, passes: Passes, seed: int, number: int, epoch: int, split: str) -> None:
        self._draws, self._split, self.items = Draws(seed, number), split, 0
        self._ahead: list[Any] = []
        try:
            self.iterator = passes.begin(seed, number, epoch)
            see_deaths_when_asked(self.iterator)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            raise DataError(f"the {split} data cannot be begun", where=f"epoch {epoch}", why=own_words(error)) from error

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        self.items += 1
        if self._ahead:
            return self._ahead.pop()
        self._draws.row(self.items - 1)
        try:
            return next(self.iterator)
        except (StopIteration, TrainwrightError):
            self.items -= 1  # nothing came, so that the next item still has this number, and its randomness
            raise
        except FOREIGN as error:
            where = f"item {self.items - 1} of the {self._split} data"
            fix = "leave out what it reads there, or catch the error in the iterable"
            raise DataError("the next item cannot be read", where=where, why=own_words(error), fix=fix) from error

    def again(self, items: list[Any]) -> None:
        """Give these items, which were seen before they were wanted, once more: the first of the pass, in their order."""
        self._ahead, self.items = items[::-1], 0

    def first(self) -> Any:
        """The first item, which the pass will give too. Raises StopIteration when there is none."""
        item = next(self)
        self._ahead.append(item)
        self.items -= 1
        return item


def looks_batched(item: Any) -> int:
    """How many rows an item seems to be: the common length of its two or more tensors, or 0 when it looks like a single sample."""
    if not isinstance(item, tuple | list | Mapping | Tensor | np.ndarray | dict):
        return -1 if hasattr(item, "to") or hasattr(item, "pin_memory") else 0
    leaves = list(_leaves(item))
    if len(leaves) < 2 or not all(isinstance(each, Tensor | np.ndarray) and each.ndim for each in leaves):
        return 0
    lengths = {len(each) for each in leaves}
    return lengths.pop() if len(lengths) == 1 and lengths != {1} else 0


def size_of(item: Any) -> int:
    """Bytes of an item, about: of its tensors and arrays, and something for everything else."""
    return sum(bytes_held(each) if isinstance(each, Tensor | np.ndarray) else max(sys.getsizeof(each), 64) for each in _leaves(item))


def _leaves(item: Any) -> Iterator[Any]:
    if isinstance(item, Mapping):
        item = list(item.values())
    if isinstance(item, tuple | list):
        for each in item:
            yield from _leaves(each)
    else:
        yield item


class StreamRows(Rows):
    """Batches taken in order from data without an index; another place than the next is reached by beginning again and passing over.

    An item is a batch as it is (`batched`), or a sample, of which `batch_size` are joined. Without a length, data for a run of `max_steps`
    make one epoch of that many batches, begun again at their end; otherwise they are counted by one pass. What is random follows from
    (seed, epoch, item). Raises DataError when there are no items, one cannot be read, or a generator would have to be read twice, and
    DataEnded when a generator ends.
    """

    batched = True
    iterable = True

    def __init__(
        self,
        data: Any,
        wanted: torch.dtype | None,
        *,
        arrays: bool = True,
        batched: bool | None = None,
        batch_size: int = 64,
        max_steps: int | None = None,
        limit: int | None = None,
        ends_epochs: bool = False,
        seed: int = 0,
        split: str = "train",
        where: str = "tw.fit",
    ) -> None:
        """`wanted`, `arrays`: what becomes of the numbers and arrays of a batch, as `recast` has it.

        `limit`: batches of an epoch that are wanted at most; data without a length are not counted beyond. `ends_epochs`: whether the
        end of data without a length ends an epoch under `max_steps` too, where it comes within as much as can be kept."""
        self.dataset, self._passes, self._wanted = data, Passes(data), wanted
        self._batch_size, self._arrays, self._split, self._where = batch_size, arrays, split, where
        self._begun, self._at, self._again = (seed, 0), 0, 0
        self.single_pass, self.own_workers = self._passes.once, self._passes.workers
        self._running: Pass | None = None
        self._last: tuple[int, list[Any]] | None = None
        self._first_batch: Any = None
        self._limit = limit
        self._told = self._told_other = self._continuous = False
        if self._passes.once and (split != "train" or max_steps is None):
            raise self._read_once()
        self._first_items: dict[tuple[int, int], Any] = {}
        first = self._first()
        self.joins_samples = not self._decide_batched(first, batched)
        why = "a generator is read once: a run over it continues exactly only when the same one is made again, and passed over"
        self.why_not_resumable = why if self.single_pass else ""
        known = self._said_batches()
        self._continuous = known is None and max_steps is not None and split == "train"
        soon = self._count_soon(int(max_steps or 0)) if self._continuous and ends_epochs and not self.single_pass else None
        self._continuous = self._continuous and soon is None
        known = soon if known is None else known
        self._length = int(max_steps or 0) if self._continuous else known if known is not None else self._count_batches()

    def __len__(self) -> int:
        return self._length

    def parts(self) -> Iterator[tuple[str, Any]]:
        """What is gone through."""
        yield "data", self._passes.data

    def describe(self) -> str:
        """How many batches, of what."""
        return f"{len(self):,} batches of a {self._passes.kind}, in their order"

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Take what is random from (seed, epoch) from here on, from the first batch again; the data are told the epoch."""
        if self._begun == (seed, epoch) or self._passes.once:  # a generator has one pass, which goes on over all epochs
            return
        self._look_for_more()
        self._begun = (seed, epoch)
        self._restart()

    def take(self, indices: Tensor) -> Any:
        """Batch `indices[0]` (int64, 1) of the epoch, on the CPU."""
        number = int(indices[0])
        with keep_draws_unless_reseeded():
            if self._last is None or self._last[0] != number or not self._may_be_given_again(number):
                # Nothing here can be indexed. A place further on is reached by reading all before it, and one before by beginning anew:
                # dear, but the only way in which a run that is continued sees what the unbroken one saw.
                if number < self._at:
                    self._restart()
                while self._at < number:
                    self._items()
                self._last = (number, self._items())
            items = self._last[1]
            return name_parts(recast(self._join(items) if self.joins_samples else self._own(items[0], number), self._wanted, self._arrays))

    def _may_be_given_again(self, number: int) -> bool:
        # A batch of the data's own may have been changed by the step that had it, so it is read anew, unless it cannot be (a generator),
        # is joined anew from its samples, or was given as a copy (the first).
        return self.single_pass or self.joins_samples or number == 0

    def _own(self, batch: Any, number: int) -> Any:
        """The batch itself; of the first one a copy, since a trial before step 1, which may change what it is given, takes it too."""
        try:
            return copy.deepcopy(batch) if number == 0 else batch
        except (RuntimeError, TypeError, copy.Error):  # a tensor with a graph, an open file
            return batch

    def example(self) -> Any:
        """The first batch, to be looked at: the data are not begun again for that, and the first step gets it too."""
        if self._first_batch is None:
            self._first_batch = self.take(torch.tensor([0]))
        return self._own(self._first_batch, 0)

    def close(self, now: bool = False) -> None:
        """End the pass, and with it a loader's worker processes, also those that hang."""
        if self._running is not None:
            end_workers(self._running.iterator)
        self._running = None

    def _items(self) -> list[Any]:
        """The items of the next batch, of a new pass where this one is over."""
        running = self._running or self._begin_pass()
        items = list(islice(running, self._batch_size if self.joins_samples else 1))
        if not items:
            items = self._from_the_beginning()
        self._at += 1
        return items

    def _from_the_beginning(self) -> list[Any]:
        if self._passes.once:
            raise DataEnded(f"the {self._split} data ended after {self._at} batches: a generator is read once")
        if not self._continuous and not self._told:
            self._told = True
            what = "the %s data ended after %d batches of epoch %d, which has %d by their length: they are begun again to fill it"
            log.warning(what, self._split, self._at, self._begun[1], self._length)
        self._again += 1  # numbers the pass, so that its randomness is neither the first one's nor that of the epoch after it
        items = list(islice(self._begin_pass(), self._batch_size if self.joins_samples else 1))
        if not items:
            fix = "give an object whose __iter__ begins anew, or a function that makes the iterator"
            why = "nothing came when they were begun again"
            raise DataError(f"the {self._split} data can be read only once", where=self._where, why=why, fix=fix)
        return items

    def _begin_pass(self) -> Pass:
        seed, epoch = self._begun
        # Data without a length make one epoch of the whole run, so they would be told 0 each time they are begun: they are told which time.
        told = self._again if self._again and self._continuous else epoch
        self._running = None  # a loader's workers end before new ones begin
        self._running = Pass(self._passes, fold(seed, "stream"), epoch + (self._again << ANOTHER), told, self._split)
        if not self._again:
            self._compare_first(self._running)
        return self._running

    def _compare_first(self, running: Pass) -> None:
        """Say so, once, when the first item of a pass is another than when the same pass was begun before; nothing is begun to see that."""
        try:
            item = running.first()
        except StopIteration:
            return
        if self._begun not in self._first_items:
            self._first_items = {self._begun: self._own(item, 0)}
        elif not alike(self._first_items[self._begun], item) and not self._told_other:
            self._told_other = True
            what = "%s gives another first item when it is begun again with the same seed: %s"
            harm = "this run cannot be continued exactly" if self._split == "train" else f"the {self._split} rows differ each time"
            log.warning(what, self._passes.kind, harm)

    def _restart(self) -> None:
        if self._passes.once:
            fix = "give a function that makes the generator, or a dataset"
            raise DataError("a generator cannot go back", where=self._where, why=f"batch {self._at} was given", fix=fix)
        self._running, self._last, self._at, self._again = None, None, 0, 0

    def _join(self, samples: list[Any]) -> Any:
        try:
            joined = joined_samples(samples)
        except (RuntimeError, TypeError) as error:
            raise not_joined(error, f"batch {self._at - 1} of the {self._split} data", "ready batches (batched=True)") from error
        return as_blocks(joined)

    def _first(self) -> Any:
        with keep_draws():
            try:
                return self._begin_pass().first()
            except StopIteration:
                why = f"{self._passes.kind} gives nothing"
                fix = "let it give something, or leave the split out"
                raise DataError(f"there are no {self._split} rows", where=self._where, why=why, fix=fix) from None

    def _decide_batched(self, first: Any, batched: bool | None) -> bool:
        if self._passes.is_loader:
            return True  # with batch_size=None too: an item of a loader is what a step sees
        if batched is not None:
            return batched
        rows = looks_batched(first)
        taken = f"a batch of {rows} rows" if rows > 0 else "a batch" if rows else "one sample"
        log.info("an item of the %s data is taken as %s; batched=%s says otherwise", self._split, taken, not rows)
        return bool(rows)

    def _said_batches(self) -> int | None:
        said = self._passes.said_length()
        return -(-said // self._batch_size) if said is not None and self.joins_samples else said

    def _count_soon(self, max_steps: int) -> int | None:
        """How many batches the pass that was begun gives, where it ends within `max_steps` and what can be kept; else None."""
        counting, kept, room = self._running or self._begin_pass(), list[Any](), KEPT
        most = max_steps * (self._batch_size if self.joins_samples else 1)
        with keep_draws():
            for item in islice(counting, most + 1):
                kept.append(item)
                room -= size_of(item)
                if room < 0:
                    break
        counting.again(kept)
        batches = -(-len(kept) // self._batch_size) if self.joins_samples else len(kept)
        return None if room < 0 or len(kept) > most else batches

    def _count_batches(self) -> int:
        """How many batches the pass that was begun gives; its items are the first epoch's where they are few enough to be kept."""
        began = said = time.monotonic()
        log.info("the %s data have no length: they are counted by one pass", self._split)
        counting, kept, room, items = self._running or self._begin_pass(), list[Any](), KEPT, 0
        wanted = None if self._limit is None else self._limit * (self._batch_size if self.joins_samples else 1)
        with keep_draws():
            for item in islice(counting, wanted):
                items, room = items + 1, room - size_of(item)
                if room >= 0:
                    kept.append(item)
                if time.monotonic() - said > PATIENCE:
                    said = time.monotonic()
                    log.warning("still counting the %s data: %d items; if they have no end, give max_steps", self._split, items)
        # To begin data anew may take minutes (a download, an archive), so the items that were counted are the first epoch's if they fit.
        batches = -(-items // self._batch_size) if self.joins_samples else items
        log.info("the %s data: %d items, %d batches, counted in %.1f s", self._split, items, batches, time.monotonic() - began)
        self._told = self._told or items == wanted  # that more may follow is as it was asked for
        if len(kept) == items and not self._passes.follows:
            counting.again(kept)
        else:
            self._restart()
        return batches

    def _look_for_more(self) -> None:
        """Say so, once, when items are left at the end of an epoch."""
        if self._continuous or self._told or self._again or self._running is None or self._at < self._length:
            return
        with keep_draws():
            if next(self._running, None) is not None:
                self._told = True
                what = "the %s data go on after the %d batches that their length says: the rest is not seen"
                log.warning(what, self._split, self._length)

    def _read_once(self) -> DataError:
        if self._split == "train":
            what, fix = "a generator has no length", "give max_steps, or a function that makes the generator"
        else:
            what, fix = (
                f"a generator can be read once, and the {self._split} data are read more often",
                ("give a function that makes the generator, or list(...) of it"),
            )
        return DataError(what, where=self._where, why=f"the {self._split} data are a {self._passes.kind}", fix=fix)
