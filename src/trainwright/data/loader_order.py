"""What the batches of an epoch of a person's own DataLoader are made of: the keys that its sampler gives, and where each batch ends.

torch's own samplers are asked for all their keys at once; a sampler of one's own is gone through, which takes Python some time per row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler

from trainwright.data.draws import REPEAT

Keys = np.ndarray | list[Any]


@dataclass(frozen=True)
class Order:
    """What the batches of an epoch are made of."""

    keys: Keys
    """The keys of all batches, one after the other: int64, or whatever the sampler gives."""
    ends: np.ndarray
    """Where each batch ends among them (int64, n)."""

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def draws(self) -> np.ndarray:
        """For each key the number from which its sample's randomness follows (int64); a row that comes again is drawn for anew."""
        if not isinstance(self.keys, np.ndarray):
            return np.arange(len(self.keys))
        return self.keys if _all_differ(self.keys) else self.keys + (times_before(self.keys) << REPEAT)

    def batch(self, number: int) -> list[Any]:
        """Keys of a batch."""
        return _as_list(self.batch_keys(number))

    def batch_keys(self, number: int) -> Keys:
        """Keys of a batch, as they are held."""
        return self.keys[self._place(number)]

    def batch_and_draws(self, number: int) -> tuple[list[Any], list[int]]:
        """Keys of a batch, and the numbers from which the randomness of its samples follows."""
        keys = self.batch(number)
        return keys, keys if self.draws is self.keys else self.draws[self._place(number)].tolist()

    def _place(self, number: int) -> slice:
        return slice(int(self.ends[number - 1]) if number else 0, int(self.ends[number]))

    def first(self, batches: int) -> Order:
        """The order of the first batches alone."""
        ends = self.ends[:batches]
        return Order(self.keys[: int(ends[-1]) if len(ends) else 0], ends)

    def followed_by(self, other: Order) -> Order:
        """This order, and another one after it."""
        both = [self.keys, other.keys]
        arrays = [each for each in both if isinstance(each, np.ndarray)]
        keys: Keys = np.concatenate(arrays) if len(arrays) == len(both) else list(chain.from_iterable(map(_as_list, both)))
        return Order(keys, np.concatenate([self.ends, other.ends + len(self.keys)]))

    def same(self, other: Order) -> bool:
        """Whether both are the same batches."""
        if not np.array_equal(self.ends, other.ends):
            return False
        if isinstance(self.keys, np.ndarray) and isinstance(other.keys, np.ndarray):
            return np.array_equal(self.keys, other.keys)
        return _as_list(self.keys) == _as_list(other.keys)


def draw_order(sampler: Any, whole: bool, most: int) -> Order:
    """At most `most` batches of what a sampler gives now; with `whole` each of its keys names a batch, else it gives lists of keys."""
    if whole:
        keys = drawn_keys(sampler, most)
        return Order(keys, np.arange(1, len(keys) + 1))
    if type(sampler) is BatchSampler:
        return in_batches(drawn_keys(sampler.sampler, most * sampler.batch_size), sampler.batch_size, sampler.drop_last)
    return order_of(list(islice(iter(sampler), most)))


def order_of(batches: Sequence[Any]) -> Order:
    """The order that lists (or tensors, or arrays) of keys make."""
    lists = [each if type(each) is list else _whole_list(each) for each in batches]
    ends = np.cumsum(np.fromiter(map(len, lists), np.int64, len(lists)))
    return Order(integers(list(chain.from_iterable(lists))), ends)


def _whole_list(batch: Any) -> list[Any]:
    if isinstance(batch, Tensor) and batch.ndim == 1 and not (batch.is_floating_point() or batch.is_complex() or batch.dtype == torch.bool):
        return batch.tolist()
    if isinstance(batch, np.ndarray) and batch.ndim == 1 and batch.dtype.kind in "iu":
        return batch.tolist()
    return list(batch)


def in_batches(keys: Keys, size: int, drop_last: bool) -> Order:
    """Keys in batches of one size, the last one smaller or left out, as torch's BatchSampler joins them."""
    rows = len(keys)
    count = rows // size if drop_last else -(-rows // size)
    ends = np.minimum(np.arange(1, count + 1) * size, rows)
    return Order(keys[: int(ends[-1]) if count else 0], ends)


def drawn_keys(sampler: Any, most: int) -> Keys:
    """At most `most` keys of a sampler: the very ones that going through it would give, all at once where it is one of torch's."""
    draw = AT_ONCE.get(type(sampler))
    keys = None if draw is None else draw(sampler)
    return integers(list(islice(iter(sampler), most))) if keys is None else keys[:most]


def follows_its_seed(sampler: Any) -> bool:
    """Whether a sampler is certain to give the same keys again under the same seed."""
    inner = sampler.sampler if type(sampler) is BatchSampler else sampler
    return type(inner) in AT_ONCE


def integers(keys: list[Any]) -> Keys:
    """Keys that are all whole numbers, or tensors or arrays of one each, as int64; others as they are: names, pairs, slices, lists."""
    kinds = set(map(type, keys))
    if any(issubclass(kind, Tensor | np.ndarray) for kind in kinds) and not any(getattr(key, "ndim", 0) for key in keys):
        keys = [key.item() if isinstance(key, Tensor | np.ndarray) else key for key in keys]
        kinds = set(map(type, keys))
    if not all(kind is int or issubclass(kind, np.integer) for kind in kinds):
        return keys
    try:
        return np.fromiter(keys, np.int64, len(keys))
    except OverflowError:
        return keys


def _sequential(sampler: Any) -> np.ndarray | None:
    return np.arange(len(sampler.data_source))


def _random(sampler: Any) -> np.ndarray | None:
    """As torch's RandomSampler draws: from a generator of its own, whose seed comes from the default one, unless one was given."""
    rows, wanted, generator = len(sampler.data_source), sampler.num_samples, sampler.generator
    if not rows:
        return None
    if generator is None:
        generator = torch.Generator()
        generator.manual_seed(int(torch.empty((), dtype=torch.int64).random_().item()))
    if sampler.replacement:
        return torch.randint(high=rows, size=(wanted,), dtype=torch.int64, generator=generator).numpy()
    passes = [torch.randperm(rows, generator=generator).numpy() for _ in range(-(-wanted // rows))]
    return passes[0][:wanted] if len(passes) == 1 else np.concatenate(passes)[:wanted]


def _subset(sampler: Any) -> np.ndarray | None:
    """As torch's SubsetRandomSampler draws; None where its indices are no whole numbers."""
    indices = sampler.indices
    if isinstance(indices, range):
        indices = np.arange(indices.start, indices.stop, indices.step)
    if isinstance(indices, Tensor):
        indices = indices.numpy(force=True)
    if isinstance(indices, list | tuple):
        indices = integers(list(indices))
    if not isinstance(indices, np.ndarray) or indices.ndim != 1 or indices.dtype.kind not in "iu":
        return None
    return indices.astype(np.int64)[torch.randperm(len(indices), generator=sampler.generator).numpy()]


def _draw_weighted(sampler: Any) -> np.ndarray | None:
    return torch.multinomial(sampler.weights, sampler.num_samples, sampler.replacement, generator=sampler.generator).numpy()


AT_ONCE: dict[type, Callable[[Any], np.ndarray | None]] = {
    SequentialSampler: _sequential,
    RandomSampler: _random,
    SubsetRandomSampler: _subset,
    WeightedRandomSampler: _draw_weighted,
}
"""torch's samplers, of exactly these classes → all their keys (int64), drawn as going through them would."""


def _as_list(keys: Keys) -> list[Any]:
    return keys.tolist() if isinstance(keys, np.ndarray) else keys


def _all_differ(keys: np.ndarray) -> bool:
    """Whether no key comes twice, by counting where the numbers are about as many as the keys."""
    if not len(keys) or keys.min() < 0 or keys.max() > 16 * len(keys):
        return len(np.unique(keys)) == len(keys)
    return int(np.bincount(keys).max()) == 1


def times_before(keys: np.ndarray) -> np.ndarray:
    """How often each key came before, for every place of `keys` (int64, n)."""
    sorting = np.argsort(keys, kind="stable")
    ordered = keys[sorting]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    places = np.arange(len(keys))
    times = np.empty(len(keys), np.int64)
    times[sorting] = places - np.maximum.accumulate(np.where(first, places, 0))
    return times
