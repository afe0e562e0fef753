"""Transforms of data of a person's own: of samples where they are read, and of whole batches on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from trainwright.config.errors import FOREIGN, ConfigError, DataError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.own_code import at_own_line
from trainwright.config.registry import build
from trainwright.data.datasets.splits import is_column
from trainwright.data.draws import keep_draws
from trainwright.data.rows import Rows
from trainwright.data.samples import alike, own_words
from trainwright.data.transforms import applies_always, on_device, show_transform
from trainwright.data.transforms.batch_checks import copy_batch, seed_of
from trainwright.data.transforms.batches import BatchChain, BatchTransforms, Seed
from trainwright.data.transforms.parts import change_part
from trainwright.data.transforms.place import BatchPlace

WHERE = "data.transform"


class OwnTransforms(BatchTransforms):
    """The transforms of batches, each of the part that it is of, or of all."""

    def __init__(self, options: Sequence[PartConfig]) -> None:
        chosen = [(n, each) for n, each in enumerate(options) if on_device(each)]
        self.steps = [(getattr(each, "of", "input"), BatchChain([each], f"{WHERE}.{n}")) for n, each in chosen]
        self.makes_shares = any(getattr(each, "classes", None) is not None for _, each in chosen)

    def tell_place(self, place: BatchPlace) -> None:
        """Tell those that follow the run where the next batch is."""
        for _, chain in self.steps:
            chain.tell_place(place)

    def in_training(self, batch: Any, seed: Seed) -> Any:
        """The batch of a step under all of them."""
        return self._change(batch, seed)

    def always(self, batch: Any) -> Any:
        """A batch under those that always apply."""
        return self._change(batch, None)

    def _change(self, batch: Any, seed: Seed | None) -> Any:
        for of, chain in self.steps:
            batch = change_part(batch, of, lambda given, chain=chain: chain(given, seed), WHERE)  # type: ignore[misc]
        return batch


class SampleChain:
    """The transforms of samples, each of the part that it is of; another process makes them again from their options."""

    def __init__(self, options: Sequence[PartConfig]) -> None:
        self.options = list(options)
        self.steps = [(show_transform(each), getattr(each, "of", "input"), build("transform", each)) for each in options]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.options,)

    def __call__(self, sample: Any) -> Any:
        """The sample transformed. Raises DataError naming the transform that fails or gives nothing."""
        for name, of, call in self.steps:
            sample = change_part(sample, of, lambda given, call=call, name=name: _change(call, given, name), WHERE)  # type: ignore[misc]
        return sample


def _change(call: Any, given: Any, name: str) -> Any:
    if isinstance(given, np.ndarray) and given.dtype.kind in "biuf":
        given = torch.from_numpy(np.ascontiguousarray(given))
    try:
        found = call(given)
    except TrainwrightError:
        raise
    except FOREIGN as error:
        raise DataError(
            f"transform {name} failed on a sample", where=WHERE, why=own_words(error), fix=f"{at_own_line(error)}, or leave {name} out"
        ) from error
    if found is None:
        fix = "let it return the part of the sample that it was given"
        raise DataError(f"transform {name} gives nothing", where=WHERE, why="a transform gives what goes on", fix=fix)
    return found


class TransformedDataset(Dataset[Any]):
    """A dataset whose samples are transformed when they are read; in all else it answers as the one inside."""

    def __init__(self, dataset: Any, chain: SampleChain) -> None:
        self.dataset, self.chain = dataset, chain

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> Any:
        """The sample of a key, transformed."""
        return self.chain(self.dataset[key])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "dataset" not in vars(self):
            raise AttributeError(name)
        return getattr(self.dataset, name)


class ColumnSamples(Dataset[dict[str, Tensor]]):
    """Named tensors or arrays, a sample of which is a value of each."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = {name: torch.as_tensor(each) for name, each in columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {name: each[row] for name, each in self.columns.items()}


def transform_samples(data: Any, options: Sequence[PartConfig], training: bool, split: str) -> Any:
    """The data of a split with the transforms of samples that apply to it.

    Raises DataError for data whose samples cannot be had one by one, and for what a transform raises; ConfigError for one that gives
    another sample for the same seed.
    """
    wanted = [each for each in options if not on_device(each) and (training or applies_always(each))]
    if not wanted:
        return data
    made = TransformedDataset(_samples(data, split, show_transform(wanted[0])), SampleChain(wanted))
    if len(made):
        with keep_draws():
            found = []
            for _ in range(2):
                seed_of(0)("sample")
                found.append(made.chain(copy_batch(made.dataset[0])))
        if not alike(*found):
            fix = "draw from torch's, numpy's or random's default generator, or take `generator`; all are seeded for every sample"
            what = "a transform does not give the same for the same seed"
            raise ConfigError(what, where=WHERE, why="the first sample was transformed twice, with two results", fix=fix)
    return made


def _samples(data: Any, split: str, name: str) -> Any:
    """The data as something that gives a sample by its number."""
    if isinstance(data, Mapping) and data and all(is_column(each) for each in data.values()):
        return ColumnSamples(data)
    if isinstance(data, tuple) and data and all(isinstance(each, Tensor | np.ndarray) for each in data):
        return TensorDataset(*map(torch.as_tensor, data))
    if callable(getattr(data, "with_format", None)) and getattr(data, "_formatting", True) is None:
        return data.with_format("torch")
    whole = isinstance(data, DataLoader | IterableDataset | Rows | Mapping | Tensor)
    if whole or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        why = f"{split} data of type {type(data).__name__} do not give a sample by its number"
        fix = f"transform samples in its dataset, or add runs_on: device to {name}, which then gets whole batches"
        raise DataError(f"{name} runs in workers, on one sample", where=WHERE, why=why, fix=fix)
    return data
