"""Rows by index: what the engine may ask of them, and those that lie in memory or in mapped files."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.sparse import is_sparse, refuse_layout, select_rows

if TYPE_CHECKING:
    from trainwright.data.loader_order import Order
    from trainwright.data.windows import Windows

TARGET = "target"
"""The block that is to be predicted, where samples are pairs."""

FEW = 2
"""Rows of an example."""
CPU = torch.device("cpu")

RENAMED = {"ready": "batched", "sequential": "iterable", "once": "single_pass", "inexact": "why_not_resumable"}
"""Facts of before, known for one more release."""


class Rows:
    """Rows by index. A class of one's own gives `__len__` and `take`, and says of the facts below what is otherwise with it.

    Everything that the engine may ask of rows is written here, with what holds unless a class says otherwise; nothing else is looked for.
    """

    batched: bool = False
    """Whether each row is a whole batch, in an order of its own; a step then takes it as it is."""
    joins_samples: bool = False
    """Whether these batches were joined from samples by the batch size that was asked for."""
    iterable: bool = False
    """Whether they can only be gone through in order: another place than the next costs passing over those between."""
    single_pass: bool = False
    """Whether they can be gone through once, as a generator can."""
    own_share: bool = False
    """Whether other processes of the run have rows of their own, which are not these."""
    why_not_resumable: str = ""
    """Why a run over them cannot be continued bit for bit; empty where it can."""
    in_memory: bool = False
    """Whether they lie in memory, so that nothing is gained by reading them ahead."""
    mapped: bool = False
    """Whether they lie in mapped files as they are wanted, so that thousands are soon read."""
    own_workers: int = 0
    """Worker processes that they read with by themselves."""
    asked_workers: int = 0
    """Worker processes that a loader of a person's own asks for, and that `trainer.loader.workers` begins."""
    device: torch.device = CPU
    """Where `take` gives its batches."""
    dataset: Any = None
    """What they are read from, where that is an object of a person's own."""
    names: Sequence[str] | None = None
    """The names of blocks whose samples are sequences; empty for samples that bring their own, None where that is not known."""
    order: Order | None = None
    """The keys of the batches of the epoch that was begun, where a loader's sampler gives them."""
    windows: Windows | None = None
    """Of which rows these are windows, whose outputs are joined to one for each row; None where each row is one."""
    padded: Sequence[tuple[str, str, int]] = ()
    """Blocks whose samples are filled up to one length in every batch, the block of their own lengths, and the dimension that differs."""

    def __getattr__(self, name: str) -> Any:
        if name not in RENAMED:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        warnings.warn(f"{type(self).__name__}.{name} is now called {RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return getattr(self, RENAMED[name])

    @property
    def resumable(self) -> bool:
        """Whether a run over them can be continued bit for bit."""
        return not self.why_not_resumable

    def __len__(self) -> int:
        """How many rows (or batches) there are."""
        raise NotImplementedError

    def take(self, indices: Tensor) -> Any:
        """The rows at `indices` (int64, b), in that order: blocks by name, rows first; of batched rows the one batch at `indices[0]`."""
        raise NotImplementedError

    def take_draws(self, indices: Tensor, draws: Tensor) -> Any:
        """As `take`, what is random in each sample following from its number in `draws` (int64, b); rows without randomness ignore them."""
        return self.take(indices)

    def find_single_row(self) -> int | None:
        """The first batch of the epoch that has one row, of rows that come in batches; None where there is none, or it is not known."""
        return None

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Take what is random in samples and order from (seed, epoch) from here on; called before every `take`, mostly for nothing."""

    def to(self, device: torch.device) -> Rows:
        """The same rows on another device for good, where they can move; else themselves."""
        return self

    def close(self, now: bool = False) -> None:
        """End what they began: processes, files; by themselves, or `now`."""

    def example(self) -> Any:
        """A small batch of the first rows, of batched ones the first, to be looked at; it changes nothing that a run reads later."""
        if not self.batched:
            self.begin_epoch(0, 0)
        return self.take(torch.arange(1 if self.batched else min(FEW, len(self))))

    def sizes(self) -> Any:
        """What each row costs (its length, its pixels: n numbers), where rows or their dataset say so; else None."""
        told = getattr(self.dataset, "sizes", None)
        return told() if callable(told) else None

    def buckets(self, seed: int, epoch: int) -> np.ndarray | None:
        """The bucket of each row of an epoch (int64, n), of one of which a batch is made; None where any rows may make a batch."""
        return None

    def largest(self, count: int) -> Any:
        """The indices of the `count` rows that cost most, where rows or their dataset say so; else None."""
        told = getattr(self.dataset, "largest", None)
        return told(count) if callable(told) else None

    def parts(self) -> Iterator[tuple[str, Any]]:
        """(name, part) of what they read with: dataset, sampler, collate function. Parts that follow the run are found in them."""
        if self.dataset is not None:
            yield "dataset", self.dataset

    def describe(self) -> str:
        """What they are, in a few words."""
        what = "ready batches" if self.batched else "rows"
        read = f" of {type(self.dataset).__name__}" if self.dataset is not None else ""
        return f"{len(self):,} {what}{read}{' in memory' if self.in_memory else ''}"


class WrappedRows(Rows):
    """Rows that are others in all but what a class says: every fact and every method is theirs."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Tensor) -> Any:
        """As the rows inside."""
        return self.rows.take(indices)

    def take_draws(self, indices: Tensor, draws: Tensor) -> Any:
        """As the rows inside."""
        return self.rows.take_draws(indices, draws)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """As the rows inside."""
        self.rows.begin_epoch(seed, epoch)

    def to(self, device: torch.device) -> Self:
        """The same round the rows on another device; itself where they stay."""
        moved = self.rows.to(device)
        if moved is self.rows:
            return self
        again = copy.copy(self)
        again.rows = moved
        return again

    def close(self, now: bool = False) -> None:
        """As the rows inside."""
        self.rows.close(now)

    def example(self) -> Any:
        """As the rows inside."""
        return self.rows.example()

    def find_single_row(self) -> int | None:
        """As the rows inside."""
        return self.rows.find_single_row()

    def sizes(self) -> Any:
        """As the rows inside."""
        return self.rows.sizes()

    def buckets(self, seed: int, epoch: int) -> np.ndarray | None:
        """As the rows inside."""
        return self.rows.buckets(seed, epoch)

    def largest(self, count: int) -> Any:
        """As the rows inside."""
        return self.rows.largest(count)

    def parts(self) -> Iterator[tuple[str, Any]]:
        """The rows inside."""
        yield "rows", self.rows

    def describe(self) -> str:
        """As the rows inside."""
        return self.rows.describe()


FACTS = tuple(Rows.__annotations__)
for _fact in FACTS:  # all of them, so that a fact that comes to be is no wrapper's to forget
    setattr(WrappedRows, _fact, property(attrgetter(f"rows.{_fact}")))


class FirstRows(WrappedRows):
    """The first rows of others, at most `most` of them."""

    def __init__(self, rows: Rows, most: int) -> None:
        super().__init__(rows)
        self._most = most

    def __len__(self) -> int:
        return min(len(self.rows), self._most)

    def sizes(self) -> Any:
        """What each of the first rows costs."""
        sizes = self.rows.sizes()
        return None if sizes is None else sizes[: len(self)]

    def buckets(self, seed: int, epoch: int) -> np.ndarray | None:
        """Those of the first rows."""
        buckets = self.rows.buckets(seed, epoch)
        return None if buckets is None else buckets[: len(self)]

    def largest(self, count: int) -> Any:
        """Not told of the first rows alone."""


class TensorRows(Rows):
    """Rows held as tensors of equal length; taking a batch is one index-select per block. Raises DataError when lengths differ."""

    in_memory = True

    def __init__(self, blocks: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        if not blocks:
            raise DataError("there are no tensors to train on")
        lengths = {name: len(block) if block.dim() else 0 for name, block in blocks.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise DataError("the tensors have different numbers of rows", why=listed, fix="the first dimension of every tensor is the row")
        self.blocks = {name: block.to(device) if device is not None else block for name, block in blocks.items()}
        for name, block in self.blocks.items():
            refuse_layout(name, block)
        self._select = select_rows if any(map(is_sparse, self.blocks.values())) else _select_dense
        self._pairs = list(self.blocks.items())
        self._length = next(iter(lengths.values()))
        self.device = self._pairs[0][1].device

    def __len__(self) -> int:
        return self._length

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the device of the blocks."""
        if indices.device != self.device:
            indices = indices.to(self.device)
        return {name: self._select(block, indices) for name, block in self._pairs}

    def to(self, device: torch.device) -> TensorRows:
        """The same rows on another device; itself when they are there already."""
        return self if device == self.device else TensorRows(self.blocks, device)


def _select_dense(block: Tensor, indices: Tensor) -> Tensor:
    return block.index_select(0, indices)


def check_rows(rows: Rows, where: str) -> None:
    """Raises DataError for a class of a person's own that lacks what rows must have, or takes it otherwise."""
    kind = type(rows)
    for name, written in (("take", "def take(self, indices)"), ("__len__", "def __len__(self)")):
        if getattr(kind, name) is getattr(Rows, name):
            why, fix = f"a class below trainwright.Rows gives its rows by `{name}`", f"write `{written}: …` in {kind.__name__}"
            raise DataError(f"{kind.__name__} has no {name}", where=where, why=why, fix=fix)
    try:
        taken = inspect.signature(rows.take)
    except ValueError:
        return  # written in another language: it does not say what it takes
    try:
        taken.bind(None)
    except TypeError:
        what = f"{kind.__name__}.take{taken} takes no single argument"
        raise DataError(what, where=where, fix="write `def take(self, indices): …`; indices is an int64 tensor") from None


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


def recast(batch: Any, wanted: torch.dtype | None, arrays: bool = True) -> Any:
    """`cast` for all tensors in tuples, lists and dicts, and `arrays` made into tensors; an object of another class is left alone.

    Without a `wanted` dtype the batch is as it was.
    """
    if wanted is None:
        return batch
    if isinstance(batch, Tensor):
        return cast(batch, wanted)
    if arrays and isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc":
        return cast(torch.as_tensor(batch), wanted)
    if type(batch) is dict:
        return {name: recast(each, wanted, arrays) for name, each in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(recast(each, wanted, arrays) for each in batch))
    if type(batch) in (tuple, list):
        return type(batch)(recast(each, wanted, arrays) for each in batch)
    return batch
