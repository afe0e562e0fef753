"""The rows that cost most: what a size is tried on must be the worst that a run can meet."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.data.order import epoch_order
from trainwright.data.rows import Rows


def worst_rows(rows: Rows, count: int, seed: int = 0) -> Tensor:
    """Indices (int64, `count`) of the largest rows.

    Rows, or the dataset they come from, may tell: `largest(count)` gives the indices, `sizes()` a number per row (the length of a
    sequence, the pixels of an image). Without either all rows cost the same, as those of tensors do, and any will do.
    """
    sizes, largest = rows.sizes(), rows.largest(count)
    if largest is not None:
        return torch.as_tensor(largest, dtype=torch.int64)[:count]
    if sizes is not None:
        return torch.as_tensor(sizes).topk(min(count, len(rows))).indices
    return epoch_order(seed, 0, len(rows))[:count]
