"""Fully connected layers for vectors and the smallest pictures."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.domains.diffusion.models.base import Backbone
from trainwright.domains.diffusion.models.options import MLPOptions
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.nn.blocks.unet_block import start_at_zero


class MLP(Backbone):
    """Residual layers over all numbers of a sample, scaled and shifted by the conditions (Perez et al. 2018; Peebles & Xie 2023)."""

    def __init__(self, options: MLPOptions, shape: BackboneShape) -> None:
        super().__init__(shape, options.condition_width)
        beside = shape.concat * (shape.numbers // shape.channels)
        self.into = nn.Linear(shape.numbers + beside, options.width)
        inner = round(options.width * options.expansion)
        self.blocks = nn.ModuleList(MLPBlock(options.width, inner, options.condition_width, options.dropout) for _ in range(options.depth))
        self.norm = nn.LayerNorm(options.width)
        self.out = nn.Linear(options.width, shape.numbers + shape.variance)
        start_at_zero(self.out)

    def denoise(self, x: Tensor, embedding: Tensor, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        h = self.into(x.flatten(1))
        for block in self.blocks:
            h = block(h, embedding)
        return self.out(self.norm(h))


class MLPBlock(nn.Module):
    """`x + W₂ silu(W₁ (norm(x) · (1 + scale) + shift))`, scale and shift linear in the embedding; starts as the identity."""

    def __init__(self, width: int, inner: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(embedding, 2 * width)
        self.hidden, self.out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        start_at_zero(self.modulate)
        start_at_zero(self.out)

    def forward(self, x: Float[Tensor, "b w"], embedding: Float[Tensor, "b e"]) -> Float[Tensor, "b w"]:
        scale, shift = self.modulate(functional.silu(embedding)).chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm(x), 1 + scale)
        return x + self.out(self.dropout(functional.silu(self.hidden(h))))
