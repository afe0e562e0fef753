"""Batches that come ready from a loader of a person's own, joined into one step as they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.data.order import epoch_order
from trainwright.engine.system import Batch


class Pieces(list[Any]):
    """Whole batches that make one step, each a micro-batch."""


def is_ready(rows: Any) -> bool:
    """Whether each row is a whole batch, in an order of its own."""
    return bool(getattr(rows, "ready", False))


def order_of(rows: Any, seed: int, epoch: int, n: int) -> Tensor:
    """The order of an epoch (int64, n): a permutation, or as they come where rows are ready batches."""
    return torch.arange(n) if is_ready(rows) else epoch_order(seed, epoch, n)


def batch_of(rows: Any, indices: Tensor) -> Batch:
    """The rows at `indices` (int64, b) as one batch; several ready batches as pieces of one step."""
    if not is_ready(rows):
        return rows.take(indices)
    found = [rows.take(indices[place : place + 1]) for place in range(len(indices))]
    return found[0] if len(found) == 1 else Pieces(found)
