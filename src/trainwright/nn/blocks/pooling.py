"""Many tokens → few, by attention from learned queries."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.attention_options import AttentionPoolOptions, PerceiverPoolOptions
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.tokens import check_tokens
from trainwright.nn.blocks.transformer import TransformerStack


class AttentionPool(nn.Module):
    """Attention of learned queries to all tokens (Lee et al. 2019, Set Transformer, eq. 12, the attention alone).

    Tokens `[b, *d, w]` → `[b, w]`, or `[b, queries, w]` of more than one query. A row of which nothing is kept gives zeros.
    """

    @checked_by(AttentionPoolOptions)
    def __init__(self, width: int, heads: int = 1, queries: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.queries = learned_tokens(queries, width)
        self.attention = Attention(width, heads, context_width=width, dropout=dropout)

    def forward(
        self, x: Float[Tensor, "b *d w"], keep: Bool[Tensor, " b *d"] | None = None
    ) -> Float[Tensor, "b w"] | Float[Tensor, "b q w"]:
        """`keep` is true for tokens that count."""
        check_tokens(x, self.queries.shape[-1], self)
        mask = None if keep is None else keep.flatten(1)
        y = self.attention(self.queries.expand(x.shape[0], -1, -1), mask, x.flatten(1, -2))
        y = y if mask is None else y.masked_fill(~mask.any(1)[:, None, None], 0.0)
        return y.squeeze(1) if len(self.queries) == 1 else y


class PerceiverPool(nn.Module):
    """Learned tokens that attend to all tokens, then `depth` blocks among themselves (Jaegle et al. 2021, Perceiver, section 3.1).

    Tokens `[b, *d, c]` → `[b, latents, w]`; the cost grows with tokens times latents.
    """

    @checked_by(PerceiverPoolOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        latents: int,
        depth: int = 1,
        context_width: int | None = None,
        expansion: float = 4.0,
        activation: str = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        context = self.context_width = context_width or width
        self.latents = learned_tokens(latents, width)
        self.norm_context, self.norm_cross = nn.LayerNorm(context), nn.LayerNorm(width)
        self.cross = Attention(width, heads, context_width=context)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, round(width * expansion), activation, dropout=dropout)
        self.stack = TransformerStack(width, heads, depth=depth, expansion=expansion, activation=activation, dropout=dropout)

    def forward(self, x: Float[Tensor, "b *d c"], keep: Bool[Tensor, " b *d"] | None = None) -> Float[Tensor, "b n w"]:
        """`keep` is true for tokens that count."""
        check_tokens(x, self.context_width, self)
        mask = None if keep is None else keep.flatten(1)
        y = self.latents.expand(x.shape[0], -1, -1)
        y = y + self.cross(self.norm_cross(y), mask, self.norm_context(x.flatten(1, -2)))
        y = y + self.feed_forward(self.norm_feed_forward(y))
        return self.stack(y)


def learned_tokens(number: int, width: int) -> nn.Parameter:
    """That many vectors to learn, drawn small."""
    return nn.Parameter(torch.randn(number, width) * 0.02)
