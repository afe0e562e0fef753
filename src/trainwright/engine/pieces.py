"""Batches that come ready from a loader of a person's own, joined into one step as they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.data.ended import DataEnded
from trainwright.data.order import bucketed_order, epoch_order
from trainwright.data.rows import FirstRows, Rows
from trainwright.data.several_rows import InTurnRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.plan import Plan, automatic_batch_size
from trainwright.engine.system import Batch


class Pieces(list[Any]):
    """Whole batches that make one step, each a micro-batch."""


def limit_rows(rows: Rows, config: TrainerConfig) -> Rows:
    """The rows of the first `limit_batches` batches; all of them without a limit."""
    if config.limit_batches is None or isinstance(rows, InTurnRows):  # each of several is limited by itself
        return rows
    size = config.batch_size if isinstance(config.batch_size, int) else automatic_batch_size(len(rows))
    return FirstRows(rows, config.limit_batches * (1 if rows.batched else size))


def order_of(rows: Rows, seed: int, epoch: int, plan: Plan) -> Tensor:
    """The order of an epoch (int64, n): a permutation, bucket by bucket where rows have them; as they come where rows are ready batches."""
    if rows.batched:
        return torch.arange(plan.rows)
    order, buckets = epoch_order(seed, epoch, plan.rows), rows.buckets(seed, epoch)
    return order if buckets is None else bucketed_order(order, buckets, plan.batch_size, seed, epoch)


def batch_of(rows: Rows, indices: Tensor) -> Batch:
    """The rows at `indices` (int64, b) as one batch; several ready batches as pieces of one step."""
    if not rows.batched or len(indices) == 1:
        return rows.take(indices)
    pieces = Pieces()
    for place in range(len(indices)):
        try:
            pieces.append(rows.take(indices[place : place + 1]))
        except DataEnded:
            if not pieces or not rows.own_share:
                raise
            break  # of a share of its own a process uses what it has, for others go on
    return pieces
