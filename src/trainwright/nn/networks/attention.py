"""Pre-norm transformer blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.networks.activations import activation


class SelfAttention(nn.Module):
    """Multi-head self-attention; `keep` marks the tokens that may be attended to."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                f"width {width} is not a multiple of heads {heads}", fix=f"use width {width - width % heads + heads} or other heads"
            )
        self.heads, self.dropout = heads, dropout
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b l w"], keep: Bool[Tensor, "b l"] | None = None) -> Float[Tensor, "b l w"]:
        b, length, width = x.shape
        q, k, v = self.into(x).view(b, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if keep is None else keep[:, None, None, :]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(b, length, width))


class FeedForward(nn.Module):
    """Two linear layers with an activation between; `gated` is ReGLU (Shazeer 2020)."""

    def __init__(self, width: int, inner: int, *, act: str = "gelu", gated: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.gated = gated
        self.into = nn.Linear(width, inner * (2 if gated else 1))
        self.activation = activation("relu" if gated else act)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.into(x)
        if self.gated:
            value, gate = y.chunk(2, dim=-1)
            y = value * self.activation(gate)
        else:
            y = self.activation(y)
        return self.out(self.dropout(y))


class TransformerBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`; `first_norm=False` leaves the first norm out, as FT-Transformer does."""

    def __init__(self, width: int, attention: SelfAttention, feed_forward: FeedForward, *, first_norm: bool = True) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width) if first_norm else nn.Identity()
        self.attention = attention
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = feed_forward

    def forward(self, x: Float[Tensor, "b l w"], keep: Bool[Tensor, "b l"] | None = None) -> Float[Tensor, "b l w"]:
        x = x + self.attention(self.norm_attention(x), keep)
        return x + self.feed_forward(self.norm_feed_forward(x))


def sinusoids(length: int, width: int) -> Float[Tensor, "l w"]:
    """Positions as sines and cosines of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, section 3.5)."""
    half = (width + 1) // 2
    rate = torch.exp(-torch.arange(half) * (torch.log(torch.tensor(10000.0)) / half))
    angle = torch.arange(length)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width]
