"""Batches of data given by place, pairs for one: their parts have names and places, whether a loader joined them or not."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

import torch
from torch import Tensor

from trainwright.data.rows import TensorRows, as_blocks


class Placed(list[Any]):
    """`x, y = batch` and `batch["input"], batch["target"]`: a step written for tensors is one for a loader of the same pairs."""

    def __getitem__(self, key: Any) -> Any:
        return self.by_name()[key] if isinstance(key, str) else super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self.by_name() if isinstance(key, str) else super().__contains__(key)

    def by_name(self) -> dict[str, Any]:
        """The parts under the names that tensors given by place have."""
        return as_blocks(list(self))

    def keys(self) -> KeysView[str]:
        """The names."""
        return self.by_name().keys()

    def values(self) -> ValuesView[Any]:
        """The parts."""
        return self.by_name().values()

    def items(self) -> ItemsView[str, Any]:
        """The parts with their names."""
        return self.by_name().items()

    def get(self, key: str, default: Any = None) -> Any:
        """A part by its name."""
        return self.by_name().get(key, default)


def name_parts(batch: Any) -> Any:
    """A list of parts with names; other batches, tuples among them, as they are."""
    return Placed(batch) if type(batch) is list else batch


class PlacedBlocks(dict[str, Any]):
    """`batch["input"], batch["target"]` and `x, y = batch`: a step written for a loader of pairs is one for tensors.

    What goes through it gets the parts in their order, not their names; these are `keys()`.
    """

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int | slice) else super().__getitem__(key)


class PlacedTensors(TensorRows):
    """Rows of tensors given by place."""

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the device of the blocks."""
        return PlacedBlocks(super().take(indices))

    def to(self, device: torch.device) -> TensorRows:
        """The same rows on another device; itself when they are there already."""
        return self if device == self.device else PlacedTensors(self.blocks, device)
