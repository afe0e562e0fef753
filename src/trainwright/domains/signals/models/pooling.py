"""What a network gives over time, as a vector per recording; and the head that the PTB-XL benchmark puts after it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.domains.signals.models.padded import max_where, mean_where
from trainwright.nn.blocks.pooling import AttentionPool


class TimePool(nn.Module):
    """`[b, w, t]` → `[b, width]`: `mean_max`, `mean`, `max`, or the `attention` of a learned query; of an empty recording zeros."""

    def __init__(self, how: str, width: int) -> None:
        super().__init__()
        self.how, self.width = how, 2 * width if how == "mean_max" else width
        self.attend = AttentionPool(width) if how == "attention" else None

    def forward(self, x: Float[Tensor, "b w t"], keep: Bool[Tensor, "b t"] | None = None) -> Float[Tensor, "b v"]:
        """`keep` is true for what lies within each recording."""
        if self.attend is not None:
            return self.attend(x.transpose(1, 2), keep)
        found = []
        if self.how in ("mean_max", "max"):
            found.append(x.amax(2) if keep is None else max_where(x, keep))
        if self.how in ("mean_max", "mean"):
            found.append(x.mean(2) if keep is None else mean_where(x, keep))
        return torch.cat(found, dim=1) if len(found) > 1 else found[0]


def published_head(inputs: int, width: int, dropout: float) -> nn.Sequential:
    """Batch norm, dropout / 2, linear, ReLU, batch norm, dropout (Strodthoff et al. 2021); a linear decoder is what follows there."""
    return nn.Sequential(
        nn.BatchNorm1d(inputs), nn.Dropout(dropout / 2), nn.Linear(inputs, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(dropout)
    )
