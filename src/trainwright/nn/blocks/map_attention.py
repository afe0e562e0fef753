"""Self-attention over the positions of a map (Ho et al. 2020; Vaswani et al. 2017)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.unet_block import start_at_zero
from trainwright.nn.blocks.unet_options import MapAttentionOptions


class MapAttention(nn.Module):
    """`x + W softmax(q kᵀ / √d) v` over the positions of `[b, c, *space]`, q, k and v linear in the group norm of x.

    Starts as the identity. Layers are called as in diffusers' Attention.
    """

    @checked_by(MapAttentionOptions)
    def __init__(self, channels: int, heads: int = 4, groups: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(groups, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        out = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([out])
        start_at_zero(out)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b c *space"]:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        by_head = (*tokens.shape[:2], self.heads, tokens.shape[2] // self.heads)
        q, k, v = (layer(tokens).view(by_head).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(tokens.shape)
        return x + self.to_out[0](mixed).transpose(1, 2).reshape(x.shape)
