"""Batches of a person's own DataLoader over a map-style dataset, by number: any batch of any epoch can be had at once."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.config.own_code import at_own_line
from trainwright.data.counters import fold
from trainwright.data.draws import SMALL_WORD, Draws, keep_draws
from trainwright.data.loader_order import Order, draw_order, follows_its_seed
from trainwright.data.placed import name_parts
from trainwright.data.reader import SampleReader
from trainwright.data.rows import Rows, recast
from trainwright.data.samples import alike, first_of, not_joined, other_sample, own_words

log = logging.getLogger("trainwright.data")

ENDLESS = 1 << 24
"""Batches after which a sampler without a length is taken to have no end."""


class LoaderRows(Rows):
    """The batches of a torch `DataLoader` over a map-style dataset, in the order of its own sampler and joined by its own `collate_fn`.

    Batch i of the epoch that was begun is `take(tensor([i]))`. The order of an epoch is drawn whole, with all generators (the sampler's own
    too) seeded from (seed, epoch); what is random within a sample follows from (seed, epoch, row). Raises DataError when there are no
    batches, the sampler has no end, or a batch cannot be read or joined.
    """

    batched = True

    def __init__(
        self,
        loader: Any,
        wanted: torch.dtype | None,
        *,
        arrays: bool = True,
        seed: int = 0,
        max_steps: int | None = None,
        split: str = "train",
        where: str = "tw.fit",
    ) -> None:
        """`wanted`, `arrays`: what becomes of the numbers and arrays of a batch, as `recast` has it."""
        self.dataset, self.asked_workers = loader.dataset, int(loader.num_workers)
        self._collate, self._worker_init = loader.collate_fn, loader.worker_init_fn
        self._whole = loader.batch_sampler is None  # each key names a whole batch
        self._sampler = loader.sampler if self._whole else loader.batch_sampler
        self._generator, self._most = loader.generator, max_steps
        self._wanted, self._arrays, self._split, self._where = wanted, arrays, split, where
        self._reader = SampleReader(self.dataset, self._join, self._collate, whole=self._whole)
        self._told, self._worker_begun = set[str](), False
        self.order: Order = self._draw(seed, 0)
        self._length = len(self.order)
        if not self._length:
            why = "the DataLoader gives no batch"
            raise DataError(
                f"there are no {split} rows",
                where=where,
                why=why,
                fix="give it rows, or drop_last=False",
            )
        self._begun = (seed, 0)
        self._reader.begin_epoch(seed, 0)
        tell_epoch(self.dataset, 0)
        other_order = self._why_another_order(seed)
        self.iterable = bool(other_order)  # worker processes would each draw an order of their own
        self.why_not_resumable = other_order or self._why_other_samples()

    def __len__(self) -> int:
        return self._length

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Dataset, sampler and collate function."""
        yield from (("dataset", self.dataset), ("sampler", self._sampler), ("collate_fn", self._collate))

    def describe(self) -> str:
        """How many batches, of which dataset."""
        return f"{len(self):,} batches of a DataLoader over {type(self.dataset).__name__}"

    def find_single_row(self) -> int | None:
        """The first batch that the sampler gives one key for; not known where a key names a whole batch."""
        single = np.flatnonzero(np.diff(self.order.ends, prepend=0) == 1)
        return None if self._whole or not len(single) else int(single[0])

    def without_single_row(self) -> str:
        """What is to be asked of the DataLoader instead."""
        size, rows = getattr(self._sampler, "batch_size", None), len(self.order.keys)
        if type(self._sampler) is not BatchSampler or not isinstance(size, int) or size == 1:
            return "let its sampler give no batch of one row" if size != 1 else "give the DataLoader batch_size=2 or more"
        other = next((each for each in range(size + 1, rows) if rows % each != 1), rows)
        return f"give the DataLoader drop_last=True, or batch_size={other}"

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Take the order and the randomness of an epoch from (seed, epoch); sampler and dataset are told it by `set_epoch`."""
        if self._begun == (seed, epoch):
            return
        self._begun = (seed, epoch)
        self._reader.begin_epoch(seed, epoch)
        self.order = self._of_full_length(seed, epoch)
        tell_epoch(self.dataset, epoch)

    def take(self, indices: Tensor) -> Any:
        """Batch `indices[0]` (int64, 1) of the epoch, on the CPU, as `collate_fn` makes it, in the dtype that is wanted."""
        self._begin_in_worker()
        number = int(indices[0])
        item: Any = self._reader.select(self.order.batch_keys(number))
        if item is None:
            item = self._reader.batch(*self.order.batch_and_draws(number))
        return name_parts(recast(item, self._wanted, self._arrays))

    def _join(self, samples: Any, keys: list[Any]) -> Any:
        try:
            return self._collate(samples)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            raise not_joined(error, f"rows {first_of(keys)}", "a collate_fn that pads them") from error

    def _draw(self, seed: int, epoch: int, again: int = 0) -> Order:
        """The order of an epoch, as the sampler gives it under generators seeded for that."""
        with keep_draws():
            tell_epoch(self._sampler, epoch)
            seed_for(fold(seed, "sampler", again), epoch, self._sampler, self._generator)
            try:
                found = draw_order(self._sampler, self._whole, self._limit())
            except FOREIGN as error:
                raise DataError(
                    f"the sampler of the {self._split} data fails", where=self._where, why=own_words(error), fix=at_own_line(error)
                ) from error
        if self._said_length() is None and self._most is None and len(found) == ENDLESS:
            what, fix = f"the sampler of the {self._split} data does not end", "give max_steps, or the sampler a __len__"
            raise DataError(what, where=self._where, why=f"{ENDLESS} batches came", fix=fix)
        # One more batch than the sampler says was asked for, to see whether there are more.
        if self._said_length() is not None and len(found) > self._said_length():  # type: ignore[operator]
            found = found.first(len(found) - 1)
            self._tell_once("the sampler of the %s data gives more than its __len__ says: an epoch is %d batches", self._split, len(found))
        return found

    def _limit(self) -> int:
        said = self._said_length()
        return said + 1 if said is not None else self._most or ENDLESS

    def _said_length(self) -> int | None:
        try:
            return len(self._sampler)
        except (TypeError, NotImplementedError):
            return None

    def _of_full_length(self, seed: int, epoch: int) -> Order:
        """The order of an epoch, of as many batches as the first one had."""
        # Schedules, `max_steps` and the place in a checkpoint were counted by the first epoch's length: another one would shift them all.
        order, again = self._draw(seed, epoch), 0
        if len(order) != self._length:
            what = "the %s sampler gave %d batches in epoch %d and %d in the first: epochs are kept that long, by drawing on or leaving out"
            self._tell_once(what, self._split, len(order), epoch, self._length)
        while 0 < len(order) < self._length:
            again += 1
            order = order.followed_by(self._check(self._draw(seed, epoch, again), epoch))
        return self._check(order, epoch).first(self._length)

    def _check(self, order: Order, epoch: int) -> Order:
        if not len(order):
            raise DataError(
                f"the sampler of the {self._split} data gives nothing",
                where=f"epoch {epoch}",
                fix="let it give as many in every epoch",
            )
        return order

    def _tell_once(self, what: str, *values: object) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning(what, *values)

    def _why_other_samples(self) -> str:
        if self._reader.still:
            return ""
        keys, numbers = (each[:1] for each in self.order.batch_and_draws(0))
        # What was drawn is put back between the two, so a dataset that differs keeps randomness where no seed of ours comes.
        first, again = (self._reader.samples(keys, numbers) for _ in range(2))
        return "" if alike(first, again) else other_sample(self.dataset)

    def _why_another_order(self, seed: int) -> str:
        if follows_its_seed(self._sampler) or self._draw(seed, 0).same(self.order):
            return ""
        inner = getattr(self._sampler, "sampler", self._sampler)
        return f"{type(inner).__name__} gives another order when it is asked twice with the same seed, so an epoch cannot be entered midway"

    def _begin_in_worker(self) -> None:
        """In a worker process, call the loader's `worker_init_fn` once; `get_worker_info()` tells it of the dataset."""
        if self._worker_begun or self._worker_init is None:
            return
        from torch.utils.data import get_worker_info
        from torch.utils.data._utils import worker

        self._worker_begun, info = True, get_worker_info()
        if info is None:
            return
        worker._worker_info = replace(info, dataset=self.dataset)
        try:
            self._worker_init(info.id)
        finally:
            worker._worker_info = info


def chain(owner: Any) -> Iterator[Any]:
    """A sampler, loader or dataset, and those within it."""
    seen: list[Any] = []
    waiting = [owner]
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        held = getattr(each, "__dict__", {})
        inner = [held.get(name) for name in ("batch_sampler", "sampler", "base_sampler", "dataset")]
        several = [held.get(name) for name in ("samplers", "datasets")]
        waiting += inner + [one for some in several if isinstance(some, list | tuple) for one in some]
        waiting += [one for some in several if isinstance(some, dict) for one in some.values()]


def tell_epoch(owner: Any, epoch: int) -> None:
    """Call `set_epoch` of a sampler, loader or dataset, and of those within it."""
    for each in chain(owner):
        if callable(getattr(each, "set_epoch", None)):
            each.set_epoch(epoch)


def seed_for(seed: int, epoch: int, owner: Any, *generators: Any) -> None:
    """Seed the default generators, and those that a sampler or dataset holds, for an epoch; to be called within `keep_draws`."""
    key = fold(seed, "pass", epoch)
    Draws(seed, epoch).row(-1)
    held: Iterable[Any] = (value for each in chain(owner) for value in list(getattr(each, "__dict__", {}).values()))
    for generator in (*generators, *held):
        _reseed(generator, key)


def _generator_again(device: str, state: bytes) -> torch.Generator:
    generator = torch.Generator(device)
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return generator


def _as_bytes(generator: torch.Generator) -> tuple[Any, ...]:
    return _generator_again, (str(generator.device), generator.get_state().numpy().tobytes())


# torch sends a generator's state to another process as shared memory, which it cannot open there
ForkingPickler.register(torch.Generator, _as_bytes)


def _reseed(generator: Any, key: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(key)
    elif isinstance(generator, random.Random):
        generator.seed(key)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(key & SMALL_WORD)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(key).state
