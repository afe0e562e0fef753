"""Rows of a map-style dataset of a person's own, each fetched by its number and joined to a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.loader_rows import tell_epoch
from trainwright.data.reader import SampleReader
from trainwright.data.rows import Rows
from trainwright.data.samples import first_of, joined_samples, not_joined


class DatasetRows(Rows):
    """Rows of a map-style `Dataset`, fetched with `__getitems__` where it has one, joined by `collate` and named by `names`.

    Samples are sequences such as (input, target), or mappings or dataclasses, whose own names are kept; a sample that is none of these
    counts as one of a single part. `collate` is torch's `default_collate` unless given. What is random within a sample follows from the
    epoch that was begun and the row's number; for samples fetched together, from the first one's. Raises DataError when a sample cannot
    be read or joined.
    """

    names: Sequence[str]

    def __init__(self, dataset: Any, names: Sequence[str], collate: Callable[[list[Any]], Any] | None = None, *, bulk: bool = True) -> None:
        """`bulk`: samples may be fetched together, with the randomness of the first one."""
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            kind = type(dataset).__name__
            raise DataError(f"{kind} has no length or cannot be indexed", fix="give a map-style Dataset with __len__ and __getitem__")
        self.dataset, self.names, self._collate = dataset, list(names), collate or joined_samples
        self._begun, self._reader = (0, 0), SampleReader(dataset, self._join, self._collate, bulk=bulk)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random within samples come from (seed, epoch, row) from here on; datasets with `set_epoch` are told the epoch."""
        if self._begun == (seed, epoch):
            return
        self._begun = (seed, epoch)
        self._reader.begin_epoch(seed, epoch)
        tell_epoch(self.dataset, epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), joined on the CPU."""
        return self.take_draws(indices, indices)

    def take_draws(self, indices: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """As `take`, with the randomness of each sample from its number in `draws` (int64, b)."""
        found: dict[str, Tensor] = self._reader.batch(indices.tolist(), draws.tolist())
        return found

    def _join(self, samples: list[Any], numbers: list[int]) -> dict[str, Tensor]:
        try:
            joined = self._collate(samples)
        except (RuntimeError, TypeError) as error:
            raise not_joined(error, f"rows {first_of(numbers)}", "a collate function that pads them") from error
        if isinstance(joined, Mapping):
            return dict(joined)
        parts = list(joined) if isinstance(joined, tuple | list) else [joined]
        if len(parts) != len(self.names) or not all(isinstance(part, Tensor) for part in parts):
            found = ", ".join(type(part).__name__ for part in parts)
            what = f"a sample should be {len(self.names)} tensors or numbers, but holds: {found}"
            raise DataError(what, where=f"rows {first_of(numbers)}")
        return dict(zip(self.names, parts, strict=True))
