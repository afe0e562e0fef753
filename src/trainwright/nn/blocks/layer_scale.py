"""A learned factor per channel."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.position_options import LayerScaleOptions


class LayerScale(nn.Module):
    """`[…, w]` times a factor per channel that starts small (Touvron et al. 2021, CaiT, eq. 2)."""

    @checked_by(LayerScaleOptions)
    def __init__(self, width: int, start: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Float[Tensor, "*b w"]) -> Float[Tensor, "*b w"]:
        return x * self.weight
