"""The order in which the training rows of an epoch are seen: a pure function of (seed, epoch, number of rows)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainwright.data.counters import fold


def epoch_order(seed: int, epoch: int, n: int) -> Tensor:
    """A permutation of 0…n−1 (int64, n): every row once, in the order of this epoch."""
    generator = torch.Generator()
    generator.manual_seed(fold(seed, "order", epoch))
    return torch.randperm(n, generator=generator)


def bucketed_order(order: Tensor, buckets: np.ndarray, size: int, seed: int, epoch: int) -> Tensor:
    """The rows of an epoch's order (int64, n) put together so that a batch of `size` rows has those of one bucket, batches shuffled.

    What a bucket leaves over is joined with what the next ones leave, and the rows that make no whole batch come last. A pure function of
    its arguments.
    """
    rows = order.numpy()
    rows = rows[np.argsort(buckets[rows], kind="stable")]  # within a bucket in the order of the epoch
    counts = np.unique(buckets[rows], return_counts=True)[1]
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    whole = places < np.repeat(counts - counts % size, counts)
    rows = np.concatenate([rows[whole], rows[~whole]])
    batches = len(rows) // size
    generator = torch.Generator()
    generator.manual_seed(fold(seed, "order of buckets", epoch))
    shuffled = rows[: batches * size].reshape(batches, size)[torch.randperm(batches, generator=generator).numpy()]
    return torch.from_numpy(np.concatenate([shuffled.reshape(-1), rows[batches * size :]]))
