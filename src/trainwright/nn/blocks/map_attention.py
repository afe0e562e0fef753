"""Attention of the positions of a map, to each other or to tokens (Ho et al. 2020; Vaswani et al. 2017)."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.unet_block import start_at_zero
from trainwright.nn.blocks.unet_options import MapAttentionOptions


class MapAttention(nn.Module):
    """`x + W softmax(q kᵀ / √d) v` over the positions of `[b, c, *space]`, q, k and v linear in the group norm of x.

    With a `context_width` k and v are linear in tokens that are given. Starts as the identity. Layers are called as diffusers calls them.
    """

    @checked_by(MapAttentionOptions)
    def __init__(self, channels: int, heads: int = 4, groups: int = 32, context_width: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(groups, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(context_width or channels, channels)
        self.to_v = nn.Linear(context_width or channels, channels)
        self.crosses = context_width > 0
        out = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([out])
        start_at_zero(out)

    def forward(
        self, x: Float[Tensor, "b c *space"], context: Float[Tensor, "b k w"] | None = None, keep: Bool[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b c *space"]:
        """`keep` is true for tokens of the `context` that may be attended to."""
        if (context is not None) != self.crosses:
            raise ValueError(f"attention was {'made for' if self.crosses else 'made without'} tokens; see the option `context_width`")
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        source = tokens if context is None else context
        q, k, v = (self._by_head(layer(of)) for layer, of in ((self.to_q, tokens), (self.to_k, source), (self.to_v, source)))
        mask = None if keep is None else keep[:, None, None, :]
        mixed = functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(tokens.shape)
        return x + self.to_out[0](mixed).transpose(1, 2).reshape(x.shape)

    def _by_head(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b h l d"]:
        return x.view(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)
