"""Rows mixed with others of their step."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.data.transforms.joining import Blocks, Drawn, Shares, Sharing, along_rows


class Mixup(Sharing):
    """x ← λ·x + (1 − λ)·x[partners], λ ~ Beta(α, α), for every block of a batch (Zhang et al. 2018, equation 1).

    A recording that is shorter than its partner ends in nothing but its partner; both are as long as the longer one.
    """

    def join(self, blocks: Blocks, drawn: Drawn) -> tuple[Blocks, Shares]:
        """Every block mixed, and the shares as they are."""
        partners, share = drawn.partners, drawn.share
        lengths = set(self.lengths.values())
        mixed = {name: block if name in lengths else self.mix(name, block, partners, share) for name, block in blocks.items()}
        for name in lengths:
            longer = torch.maximum(blocks[name], blocks[name].index_select(0, partners))
            alone = along_rows(share == 1, longer) if isinstance(share, Tensor) else torch.zeros_like(longer, dtype=torch.bool)
            mixed[name] = torch.where(alone, blocks[name], longer)
        return mixed, share
