"""Reads the samples of a map-style dataset by their keys, under randomness that follows from (seed, epoch, sample), and joins them.

A hand-written loop seeds nothing for a sample, and most datasets draw nothing. So the default generators are seeded for each sample only
once something was seen to draw from them: a batch that is read without, and turns out to have drawn, is read again with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset, default_collate

from trainwright.config.errors import FOREIGN, TrainwrightError
from trainwright.data.counters import fold, fold_in
from trainwright.data.draws import GENERATORS, PLACE, keep_draws_unless_reseeded
from trainwright.data.samples import fetches_in_bulk, joined_samples, unreadable

Join = Callable[[Any, list[Any]], Any]
"""Makes the batch of the samples with these keys."""


class SampleReader:
    """Gives the batch of some keys: bit for bit the same in any process, whatever was read before."""

    def __init__(self, dataset: Any, join: Join, collate: Any, *, whole: bool = False, bulk: bool = True) -> None:
        """`collate`: what `join` calls in the end. `whole`: each key names a batch. `bulk`: samples may be fetched together."""
        self._dataset, self._join, self._whole = dataset, join, whole
        self._in_bulk = bulk and not whole and fetches_in_bulk(dataset)
        self._draws_nothing = draws_nothing(dataset)
        self.still = self._draws_nothing and collate in (default_collate, joined_samples)
        """Whether nothing can be random in a batch."""
        self._tensors = tensors_of(dataset) if self.still and collate is default_collate and not whole else None
        self._key = fold(0, "sample", 0)
        self._epoch = (0, 0)
        self._drawn: tuple[str, ...] = ()

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random follow from (seed, epoch) from here on."""
        self._key = fold(seed, "sample", epoch)
        self._epoch = (seed, epoch)

    def select(self, keys: np.ndarray | list[Any]) -> list[Tensor] | None:
        """The rows of tensors in memory, just as `default_collate` would stack them; None where they must be read one by one."""
        held: Any = self._dataset
        if self._tensors is None:
            return None
        try:
            while type(held) is Subset:
                keys, held = [held.indices[key] for key in keys], held.dataset
            rows = torch.from_numpy(keys) if isinstance(keys, np.ndarray) else torch.tensor(keys, dtype=torch.int64)
            return [each.index_select(0, rows) for each in self._tensors]
        except FOREIGN:
            return None  # one of them is not there, or is counted from the end

    def batch(self, keys: list[Any], numbers: list[int]) -> Any:
        """The batch of `keys`; what is random in the sample of each follows from its number. Leaves the default generators as they were.

        Raises DataError where one cannot be read or joined.
        """
        if not self.still:
            with keep_draws_unless_reseeded():
                return self._read_seeded(lambda: self._join_samples(keys, numbers), numbers)
        return self._join_samples(keys, numbers)

    def samples(self, keys: list[Any], numbers: list[int]) -> list[Any]:
        """The samples themselves, before they are joined; otherwise as `batch`."""
        with keep_draws_unless_reseeded():
            found: list[Any] = self._read_seeded(lambda: self._read(keys, numbers), numbers)
            return found

    def _read_seeded(self, read: Callable[[], Any], numbers: list[int]) -> Any:
        """What `read` gives, called again until every generator that it draws from was seeded for each sample."""
        while True:
            watched = {name: each for name, each in GENERATORS.items() if name not in self._drawn}
            key = fold_in(self._key, numbers[0] if numbers else -1)
            for each in watched.values():
                each.watch(key)
            wrong: TrainwrightError | None = None
            try:
                found = read()
            except TrainwrightError as error:
                wrong = error
            drawn = [name for name, each in watched.items() if each.drew()]
            if drawn:
                self._drawn = tuple(name for name in GENERATORS if name in (*self._drawn, *drawn))
            elif wrong is not None:
                raise wrong
            else:
                return found

    def _join_samples(self, keys: list[Any], numbers: list[int]) -> Any:
        samples = self._read(keys, numbers)
        return self._join(samples[0] if self._whole else samples, keys)

    def _read(self, keys: list[Any], numbers: list[int]) -> list[Any]:
        """The samples, each with those generators seeded that are known to be drawn from."""
        samples: list[Any] = []
        seeded = [GENERATORS[name] for name in self._drawn]
        PLACE.seed, PLACE.epoch = self._epoch
        try:
            if self._in_bulk or self._draws_nothing:
                self._seed(seeded, numbers[:1])
            if self._in_bulk:
                return list(self._dataset.__getitems__(keys))
            if not seeded or self._draws_nothing:
                for place, key in enumerate(keys):
                    PLACE.number = numbers[place] if place < len(numbers) else 0
                    samples.append(self._dataset[key])
                return samples
            for key, number in zip(keys, numbers, strict=True):
                PLACE.number = number
                self._seed(seeded, [number])
                samples.append(self._dataset[key])
        except TrainwrightError:
            raise
        except FOREIGN as error:
            raise unreadable(keys if self._in_bulk else [keys[len(samples)]], error) from error
        return samples

    def _seed(self, generators: list[Any], numbers: list[int]) -> None:
        for number in numbers:
            key = fold_in(self._key, number)
            for each in generators:
                each.seed(key)


def draws_nothing(dataset: Any) -> bool:
    """Whether a dataset's samples are certainly without randomness."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset


def tensors_of(dataset: Any) -> tuple[Tensor, ...] | None:
    """The tensors that a TensorDataset is made of, where a row of each is a plain piece of memory on the CPU."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    plain = all(type(each) is Tensor and each.layout is torch.strided and each.is_cpu and not each.is_quantized for each in dataset.tensors)
    return dataset.tensors if plain else None
