"""Rows that are ready for the model, addressed by index: tensors in memory, or a map-style dataset."""

from __future__ import annotations

import mmap
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.data.draws import Draws, draws_kept

TARGET = "target"
"""The block that is to be predicted, where samples are pairs."""

RESIDENT = 32 << 20
"""Bytes of mapped files that batches may have touched before their pages are given back."""

READ_AROUND = 64 << 10
"""Bytes that the system maps around a page that is read."""


@runtime_checkable
class Rows(Protocol):
    """Rows by index, as named blocks whose first dimension is the row."""

    def __len__(self) -> int:
        """How many rows there are."""

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), in that order."""


class TensorRows:
    """Rows held as tensors of equal length; taking a batch is one index-select per block. Raises DataError when lengths differ."""

    def __init__(self, blocks: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        if not blocks:
            raise DataError("there are no tensors to train on")
        lengths = {name: len(block) if block.dim() else 0 for name, block in blocks.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise DataError("the tensors have different numbers of rows", why=listed, fix="the first dimension of every tensor is the row")
        self.blocks = {name: block.to(device) if device is not None else block for name, block in blocks.items()}
        self._pairs = list(self.blocks.items())
        self._length = next(iter(lengths.values()))
        self.device = self._pairs[0][1].device

    def __len__(self) -> int:
        return self._length

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the device of the blocks."""
        if indices.device != self.device:
            indices = indices.to(self.device)
        return {name: block.index_select(0, indices) for name, block in self._pairs}

    def to(self, device: torch.device) -> TensorRows:
        """The same rows on another device; itself when they are there already."""
        return self if device == self.device else TensorRows(self.blocks, device)


OF_THE_WHOLE = ("ready", "sequential", "once", "inexact", "workers", "batched", "device", "begin_epoch", "close", "order", "dataset")
"""What some rows are the same as all of them."""


class Head:
    """The first rows of others, at most `most` of them; what kind of rows they are, and their epochs, is as it was."""

    def __init__(self, rows: Rows, most: int) -> None:
        self._rows, self._most = rows, most

    def __len__(self) -> int:
        return min(len(self._rows), self._most)

    def __getattr__(self, name: str) -> Any:
        if name not in OF_THE_WHOLE:
            raise AttributeError(name)
        return getattr(self._rows, name)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b)."""
        return self._rows.take(indices)

    def to(self, device: torch.device) -> Head:
        """The same rows on another device, where they can move."""
        return Head(self._rows.to(device), self._most) if hasattr(self._rows, "to") else self


class DatasetRows:
    """Rows of a map-style `Dataset`, fetched with `__getitems__` where it has one, joined by `collate` and named by `names`.

    Samples are sequences such as (input, target), or mappings or dataclasses, whose own names are kept; a sample that is none of these
    counts as one of a single part. `collate` is torch's `default_collate` unless given. What is random within a sample follows from the
    epoch that was begun and the row's number; for samples fetched together, from the first one's. Raises DataError when a sample cannot
    be read or joined.
    """

    def __init__(self, dataset: Any, names: Sequence[str], collate: Callable[[list[Any]], Any] | None = None) -> None:
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            kind = type(dataset).__name__
            raise DataError(f"{kind} has no length or cannot be indexed", fix="give a map-style Dataset with __len__ and __getitem__")
        self.dataset, self.names, self._collate = dataset, list(names), collate or joined_samples
        self._in_bulk = fetches_in_bulk(dataset)
        self._begun, self._draws = (0, 0), Draws(0, 0)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random within samples come from (seed, epoch, row) from here on; a dataset with `set_epoch` is told the epoch."""
        if self._begun == (seed, epoch):
            return
        self._begun, self._draws = (seed, epoch), Draws(seed, epoch)
        told = self.dataset
        while not hasattr(told, "set_epoch") and hasattr(told, "dataset"):
            told = told.dataset  # within a Subset
        if hasattr(told, "set_epoch"):
            told.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), joined on the CPU."""
        with draws_kept():
            return self._taken(indices.tolist())

    def _taken(self, numbers: list[int]) -> dict[str, Tensor]:
        samples = self._samples(numbers)
        try:
            joined = self._collate(samples)
        except (RuntimeError, TypeError) as error:
            fix = "give samples of one shape, or a collate function that pads them"
            where = f"rows {first_of(numbers)}"
            raise DataError("the samples of a batch cannot be joined", where=where, why=str(error), fix=fix) from error
        if isinstance(joined, Mapping):
            return dict(joined)
        parts = list(joined) if isinstance(joined, tuple | list) else [joined]
        if len(parts) != len(self.names) or not all(isinstance(part, Tensor) for part in parts):
            found = ", ".join(type(part).__name__ for part in parts)
            what = f"a sample should be {len(self.names)} tensors or numbers, but holds: {found}"
            raise DataError(what, where=f"rows {first_of(numbers)}")
        return dict(zip(self.names, parts, strict=True))

    def _samples(self, numbers: list[int]) -> list[Any]:
        at = numbers
        try:
            if self._in_bulk:
                self._draws.row(numbers[0])
                return list(self.dataset.__getitems__(numbers))
            samples = []
            for number in numbers:
                at = [number]
                self._draws.row(number)
                samples.append(self.dataset[number])
        except TrainwrightError:
            raise
        except FOREIGN as error:
            raise unreadable(at, error) from error
        return samples


def joined_samples(samples: list[Any]) -> Any:
    """Samples as one batch, by torch's `default_collate`; dataclasses by the names of their fields."""
    from torch.utils.data import default_collate

    if is_dataclass(samples[0]):
        samples = [{each.name: getattr(sample, each.name) for each in fields(sample)} for sample in samples]
    return default_collate(samples)


def names_of(width: int) -> list[str]:
    """Block names of a sample of so many parts: the last is the target."""
    return ["input", TARGET] if width == 2 else [*(f"input.{number}" for number in range(width - 1)), TARGET]


def as_blocks(batch: Any) -> dict[str, Any]:
    """A batch by name: a mapping by its keys, a sequence as input and target, a tensor as `input`; empty for a class of one's own."""
    if isinstance(batch, Tensor):
        return {"input": batch}
    if isinstance(batch, Mapping):
        return dict(batch)
    if isinstance(batch, tuple | list):
        return dict(zip(names_of(len(batch)) if len(batch) > 1 else ["input"], batch, strict=False))
    return {}


def cast(tensor: Tensor, wanted: torch.dtype) -> Tensor:
    """float64 in the model's dtype, and integers of 8 to 32 bits with a sign as int64."""
    if tensor.dtype == torch.float64:
        return tensor.to(wanted)
    return tensor.long() if tensor.dtype in (torch.int32, torch.int16, torch.int8) else tensor


def recast(batch: Any, wanted: torch.dtype) -> Any:
    """`cast` for all tensors and arrays in tuples, lists and dicts; an object of another class is left alone."""
    if isinstance(batch, Tensor):
        return cast(batch, wanted)
    if isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc":
        return cast(torch.as_tensor(batch), wanted)
    if type(batch) is dict:
        return {name: recast(each, wanted) for name, each in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(recast(each, wanted) for each in batch))
    if type(batch) in (tuple, list):
        return type(batch)(recast(each, wanted) for each in batch)
    return batch


def alike(one: Any, other: Any, depth: int = 8) -> bool:
    """Whether two samples or batches hold the same; what cannot be compared, or lies deeper, counts as the same."""
    if type(one) is not type(other) or depth == 0:
        return depth == 0
    if isinstance(one, Tensor | np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and _equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(alike(each, other[name], depth - 1) for name, each in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(alike(*pair, depth - 1) for pair in zip(one, other, strict=True))
    if isinstance(one, str | bytes | int | float | complex):
        return one == other or one != one
    return alike(vars(one), vars(other), depth - 1) if hasattr(one, "__dict__") and not callable(one) else True


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        floats = one.is_floating_point() or one.is_complex()
        return bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) if floats else torch.equal(one, other))
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def other_sample(dataset: Any) -> str:
    """Why a run cannot be resumed exactly when a dataset gives another sample for the same row and seed."""
    return f"{type(dataset).__name__} gives another sample when a row is read twice with the same seed: it keeps randomness of its own"


def fetches_in_bulk(dataset: Any) -> bool:
    """Whether a dataset fetches a whole batch at once; torch's Subset always could, but does so only where what it is of does."""
    from torch.utils.data import Subset

    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return hasattr(dataset, "__getitems__")


def unreadable(numbers: list[Any], error: BaseException) -> DataError:
    """What a person is told when the dataset fails: the rows, the error's own last line, and where it was raised."""
    rows = f"row {numbers[0]}" if len(numbers) == 1 else f"rows {first_of(numbers)}"
    fix = "mend or leave out the row, or catch the error in the dataset"
    return DataError("a sample cannot be read", where=rows, why=own_words(error), fix=fix)


def own_words(error: BaseException) -> str:
    """The error's own last line, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_exception_only(error)[-1].strip() + (f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else "")


def first_of(numbers: list[Any]) -> str:
    """The first five of some rows, for a message."""
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")


class MappedRows:
    """Some rows of arrays that lie in memory-mapped files: a batch reads its own rows only.

    Pages that were read stay in the page cache but are given back by this process from time to time, so that its own size stays bounded.
    """

    def __init__(self, blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of arrays that must not be written to; these are only read
            self._blocks = {name: torch.from_numpy(block) for name, block in blocks.items()}
        self._positions = torch.from_numpy(positions)
        self._mapped = list(blocks.values())
        self._touched = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the places of the files, so that another process maps them too."""
        places = {name: _place(block) for name, block in zip(self._blocks, self._mapped, strict=True)}
        return _mapped_again, (places, self._positions.numpy())

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the CPU."""
        rows = self._positions.index_select(0, indices.cpu())
        batch = {name: block.index_select(0, rows) for name, block in self._blocks.items()}
        self._touched += len(rows) * len(self._mapped) * READ_AROUND  # at most: rows far from each other
        if self._touched > RESIDENT:
            self._touched = 0
            for block in self._mapped:
                give_back(block)
        return batch


def _place(block: np.ndarray) -> np.ndarray | tuple[Any, ...]:
    """File, type, first byte and shape of a mapped array; the array itself when it is none, or has gaps."""
    if not isinstance(block, np.memmap) or block.filename is None or not block.flags.c_contiguous:
        return np.asarray(block)
    whole = block
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    return str(block.filename), block.dtype, whole.offset + block.ctypes.data - whole.ctypes.data, block.shape


def _mapped_again(places: Mapping[str, np.ndarray | tuple[Any, ...]], positions: np.ndarray) -> MappedRows:
    def mapped(place: np.ndarray | tuple[Any, ...]) -> np.ndarray:
        if isinstance(place, np.ndarray):
            return place
        file, dtype, offset, shape = place
        return np.memmap(file, dtype, mode="r", offset=offset, shape=shape)

    return MappedRows({name: mapped(place) for name, place in places.items()}, positions)


def give_back(block: np.ndarray) -> None:
    """Drop the pages of a mapped array from this process; it is mapped to be read only, so nothing is lost."""
    if isinstance(block, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        block._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def block_rows(blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> Rows:
    """The rows of encoded blocks at `positions`: copied once when they are in memory, read batch by batch when they are mapped files."""
    if any(isinstance(block, np.memmap) for block in blocks.values()):
        return MappedRows(blocks, positions)
    return TensorRows({name: torch.from_numpy(block[positions]) for name, block in blocks.items()})
