"""A transformer over pieces of a sample (Peebles & Xie 2023, DiT)."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.domains.diffusion.models.base import Backbone
from trainwright.domains.diffusion.models.choosing import patch_of
from trainwright.domains.diffusion.models.grids import grid_waves, merge_cells, split_cells
from trainwright.domains.diffusion.models.options import DiTOptions
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.unet_block import start_at_zero

EPS = 1e-6
"""Added to the variance by the norms, as published."""


class DiT(Backbone):
    """Pieces of `patch` a side as tokens, blocks that the conditions scale, shift and gate (adaLN-Zero), and pieces again."""

    def __init__(self, options: DiTOptions, shape: BackboneShape) -> None:
        super().__init__(shape, options.condition_width)
        self.patch = patch_of(options, shape)
        cells = self.patch ** len(shape.size)
        self.into = nn.Linear((shape.channels + shape.concat) * cells, options.width)
        self.blocks = nn.ModuleList(DiTBlock(options, shape.cross) for _ in range(options.depth))
        self.norm = nn.LayerNorm(options.width, elementwise_affine=False, eps=EPS)
        self.modulate = nn.Linear(options.condition_width, 2 * options.width)
        self.out = nn.Linear(options.width, (shape.channels + shape.variance) * cells)
        start_at_zero(self.modulate)
        start_at_zero(self.out)

    def denoise(self, x: Tensor, embedding: Tensor, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        pieces = self.into(merge_cells(x.movedim(1, -1), self.patch))
        grid = pieces.shape[1:-1]
        h = (pieces + grid_waves(grid, pieces.shape[-1], pieces)).flatten(1, -2)
        for block in self.blocks:
            h = block(h, embedding, cross, keep)
        scale, shift = self.modulate(functional.silu(embedding)).unsqueeze(1).chunk(2, dim=2)
        h = self.out(self.norm(h) * (1 + scale) + shift)
        return split_cells(h.unflatten(1, grid), self.patch).movedim(-1, 1)


class DiTBlock(nn.Module):
    """`x + g₁ attention(norm(x) (1 + s₁) + b₁)`, then the same with a feed-forward layer; all six are linear in the embedding, first 0.

    With a context there is attention to its tokens between the two, which starts at 0.
    """

    def __init__(self, options: DiTOptions, context_width: int) -> None:
        super().__init__()
        width = options.width
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False, eps=EPS)
        self.attention = Attention(width, options.heads)
        self.norm_cross = nn.LayerNorm(width, eps=EPS) if context_width else None
        self.cross = Attention(width, options.heads, context_width=context_width) if context_width else None
        self.norm_feed_forward = nn.LayerNorm(width, elementwise_affine=False, eps=EPS)
        self.feed_forward = FeedForward(width, round(width * options.expansion), "gelu_tanh", dropout=options.dropout)
        self.modulate = nn.Linear(options.condition_width, 6 * width)
        start_at_zero(self.modulate)
        if self.cross is not None:
            start_at_zero(self.cross.out)

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        embedding: Float[Tensor, "b e"],
        cross: Float[Tensor, "b k c"] | None = None,
        keep: Bool[Tensor, "b k"] | None = None,
    ) -> Float[Tensor, "b l w"]:
        """`keep` is true for tokens of `cross` that may be attended to."""
        scale, shift, gate, scale_ff, shift_ff, gate_ff = self.modulate(functional.silu(embedding)).unsqueeze(1).chunk(6, dim=2)
        x = x + gate * self.attention(self.norm_attention(x) * (1 + scale) + shift)
        if self.cross is not None and self.norm_cross is not None:
            x = x + self.cross(self.norm_cross(x), keep, cross)
        return x + gate_ff * self.feed_forward(self.norm_feed_forward(x) * (1 + scale_ff) + shift_ff)
