"""The map that a network gives of a picture, as a vector or as tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.pooling import AttentionPool


class MapPool(nn.Module):
    """`[b, w, *space]` → `[b, n, width]`: `mean`, `max`, `mean_max` side by side, a learned query's `attention`, or all as `tokens`."""

    def __init__(self, how: str, width: int) -> None:
        super().__init__()
        self.how, self.width = how, 2 * width if how == "mean_max" else width
        self.attend = AttentionPool(width) if how == "attention" else None

    def forward(self, x: Float[Tensor, "b w *space"]) -> Float[Tensor, "b n v"]:
        if self.how in ("tokens", "token"):
            return x.flatten(2).transpose(1, 2)
        if self.attend is not None:
            return self.attend(x.flatten(2).transpose(1, 2)).unsqueeze(1)
        space = tuple(range(2, x.dim()))
        found = [x.mean(space)] if self.how in ("mean", "mean_max") else []
        found += [x.amax(space)] if self.how in ("max", "mean_max") else []
        return (torch.cat(found, dim=1) if len(found) > 1 else found[0]).unsqueeze(1)
