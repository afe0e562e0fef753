"""Batches of several loaders as those of one: a batch of each at once, or one loader after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.data.rows import FirstRows, Rows

LENGTHS = {"max_size_cycle": max, "max_size": max, "min_size": min}
"""How loaders of different lengths make one epoch: the shorter begin anew, give None, or end it."""


class SeveralRows(Rows):
    """What several rows of whole batches have in common."""

    batched = True

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.all = list(parts)
        for fact in ("iterable", "single_pass"):
            setattr(self, fact, any(getattr(each, fact) for each in parts))
        for fact in ("own_workers", "asked_workers"):
            setattr(self, fact, sum(getattr(each, fact) for each in parts))
        self.why_not_resumable = next((each.why_not_resumable for each in parts if each.why_not_resumable), "")

    def parts(self) -> Iterator[tuple[str, Any]]:
        """The rows, by number."""
        yield from ((f"loader {place}", each) for place, each in enumerate(self.all))

    def close(self, now: bool = False) -> None:
        """As each."""
        for each in self.all:
            each.close(now)


class TogetherRows(SeveralRows):
    """A batch of each at once, in the structure that the loaders were given in."""

    def __init__(self, parts: Sequence[Rows], structure: Any, mode: str = "max_size_cycle", seed: int = 0) -> None:
        """`structure`: lists and mappings with the places of `parts` in them. `mode`: a key of `LENGTHS`. `seed`: what they began with."""
        super().__init__(parts)
        self._structure, self._mode, self._begun = structure, mode, (seed, 0)
        self._length = LENGTHS[mode](len(each) for each in parts)

    def __len__(self) -> int:
        return self._length

    def describe(self) -> str:
        """How many batches, of how many loaders."""
        return f"{len(self):,} batches of {len(self.all)} loaders at once ({self._mode})"

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Take what is random from (seed, epoch); a loader that begins anew within the epoch has an order of its own each time."""
        self._begun = (seed, epoch)

    def take(self, indices: Tensor) -> Any:
        """Batch `indices[0]` (int64, 1) of each, in the structure of the loaders."""
        return self._fill(self._structure, int(indices[0]))

    def _fill(self, structure: Any, number: int) -> Any:
        if isinstance(structure, Mapping):
            return {name: self._fill(each, number) for name, each in structure.items()}
        if isinstance(structure, list):
            return [self._fill(each, number) for each in structure]
        return self._batch(self.all[structure], number)

    def _batch(self, part: Rows, number: int) -> Any:
        seed, epoch = self._begun
        turn, place = divmod(number, len(part))
        if turn and self._mode == "max_size":
            return None
        part.begin_epoch(seed, epoch * -(-self._length // len(part)) + turn)
        return part.take(torch.tensor([place]))


class InTurnRows(SeveralRows):
    """The batches of one after those of the other, in their order."""

    def __init__(self, parts: Sequence[Rows], limit: int | None = None) -> None:
        """`limit`: batches of each at most."""
        super().__init__([each if limit is None else FirstRows(each, limit) for each in parts])
        self.lengths = [len(each) for each in self.all]

    def __len__(self) -> int:
        return sum(self.lengths)

    def describe(self) -> str:
        """How many batches, of how many loaders."""
        return f"{len(self):,} batches of {len(self.all)} loaders in turn"

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """As each."""
        for each in self.all:
            each.begin_epoch(seed, epoch)

    def take(self, indices: Tensor) -> Any:
        """Batch `indices[0]` (int64, 1) of them all."""
        loader, place = place_in(self.lengths, int(indices[0]))
        return self.all[loader].take(torch.tensor([place]))


def place_in(lengths: Sequence[int], number: int) -> tuple[int, int]:
    """Which of several of these lengths has batch `number` of them all, and as which of its own; the last where there is none such."""
    for loader, length in enumerate(lengths[:-1]):
        if number < length:
            return loader, number
        number -= length
    return max(len(lengths) - 1, 0), number
