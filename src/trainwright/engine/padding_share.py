"""How much of what batches hold is padding: of the training rows in every logged row, of other rows in every evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.engine.system import Batch
from trainwright.parallel.world import World

NAME = "padding"
"""Under which it is logged: `train/padding` and `validation/padding`, the mean over batches."""


def padding_share(batch: Batch, padded: Sequence[tuple[str, str, int]]) -> Tensor:
    """The share (0 to 1) of what `padded` blocks hold that is beyond the lengths of their samples, a scalar where the batch is."""
    own = torch.stack([batch[lengths].sum() for _, lengths, _ in padded]).sum()
    there = sum(batch[lengths].numel() * batch[values].shape[dim] for values, lengths, dim in padded)
    return 1 - own / max(there, 1)


class PaddingShares:
    """Hears of the batches of an evaluation."""

    def __init__(self, padded: Sequence[tuple[str, str, int]]) -> None:
        self.padded, self.shares = padded, list[Tensor]()

    def __call__(self, batch: Batch, index: int, outputs: Any) -> None:
        """Take in a batch."""
        if self.padded:
            self.shares.append(padding_share(batch, self.padded))

    def means(self, world: World) -> dict[str, float]:
        """`padding` over the batches of all processes, where anything was padded."""
        found = [share for shares in world.gather([float(each) for each in self.shares]) for share in shares] if self.padded else []
        return {NAME: math.fsum(found) / len(found)} if found else {}
