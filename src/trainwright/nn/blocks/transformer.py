"""Transformer blocks, and a stack of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.attention_options import TransformerBlockOptions, TransformerStackOptions
from trainwright.nn.blocks.cache import KeyValueCache
from trainwright.nn.blocks.drop_path import DropPath, drop_path_rates
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.layer_scale import LayerScale
from trainwright.nn.blocks.tokens import check_tokens
from trainwright.nn.positions.making import make_positions
from trainwright.nn.positions.rotary import Rotation

NORMS: dict[str, type[nn.Module]] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


class TransformerBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`; with `post_norm` `norm(x + attention(x))`, and so on.

    With a `context_width` there is cross-attention between the two, as in a decoder.
    """

    @checked_by(TransformerBlockOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = True,
        causal: bool = False,
        positions: Any = None,
        context_width: int | None = None,
        inner: int | None = None,
        expansion: float = 4.0,
        activation: str = "gelu",
        norm: str = "layer",
        eps: float = 1e-5,
        post_norm: bool = False,
        first_norm: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
        residual_dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
    ) -> None:
        super().__init__()
        grouped: dict[str, Any] = {"kv_heads": kv_heads, "head_width": head_width, "bias": bias, "dropout": attention_dropout}
        self.width, self.post_norm, self.residual_dropout = width, post_norm, residual_dropout
        self.drop_path = DropPath(drop_path) if drop_path else None
        self.norm_attention = make_norm(norm, width, eps) if first_norm else nn.Identity()
        self.attention = Attention(width, heads, causal=causal, positions=positions, **grouped)
        self.scale_attention = LayerScale(width, layer_scale) if layer_scale else None
        if context_width is not None:
            self.norm_cross = make_norm(norm, width, eps)
            self.cross = Attention(width, heads, context_width=context_width, **grouped)
            self.scale_cross = LayerScale(width, layer_scale) if layer_scale else None
        self.decodes = context_width is not None
        self.norm_feed_forward = make_norm(norm, width, eps)
        self.feed_forward = FeedForward(width, inner or round(width * expansion), activation=activation, bias=bias, dropout=dropout)
        self.scale_feed_forward = LayerScale(width, layer_scale) if layer_scale else None

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        keep: Bool[Tensor, "b ..."] | None = None,
        context: Float[Tensor, "b k c"] | None = None,
        context_keep: Bool[Tensor, "b k"] | None = None,
        *,
        places: Rotation | Float[Tensor, "h l k"] | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "b l w"]:
        """`keep` and `context_keep` are true for tokens that may be attended to."""
        check_tokens(x, self.width, self, 1)
        pre = not self.post_norm
        y = self.attention(self.norm_attention(x) if pre else x, keep, places=places, cache=cache)
        x = self._join(x, y, self.scale_attention, self.norm_attention)
        if self.decodes:
            y = self.cross(self.norm_cross(x) if pre else x, context_keep, context)
            x = self._join(x, y, self.scale_cross, self.norm_cross)
        elif context is not None:
            raise ConfigError("a block without cross-attention was given a context", fix="make it with context_width, the context's width")
        return self._join(x, self.feed_forward(self.norm_feed_forward(x) if pre else x), self.scale_feed_forward, self.norm_feed_forward)

    def _join(self, x: Tensor, branch: Tensor, scale: nn.Module | None, norm: nn.Module) -> Tensor:
        """`x` and what a branch adds to it."""
        if self.residual_dropout:
            branch = F.dropout(branch, self.residual_dropout, self.training)
        if scale is not None:
            branch = scale(branch)
        if self.drop_path is not None:
            branch = self.drop_path(branch)
        return norm(x + branch) if self.post_norm else x + branch


class TransformerStack(nn.Module):
    """`depth` blocks of the same options, positions made once for all of them, and a norm at the end of pre-norm blocks.

    The other options are those of `TransformerBlock`; `drop_path` rises from 0 to the rate given. `cache()` makes what decoding keeps.
    """

    @checked_by(TransformerStackOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = True,
        causal: bool = False,
        positions: Any = None,
        context_width: int | None = None,
        inner: int | None = None,
        expansion: float = 4.0,
        activation: str = "gelu",
        norm: str = "layer",
        eps: float = 1e-5,
        post_norm: bool = False,
        first_norm: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
        residual_dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
        *,
        depth: int,
    ) -> None:
        super().__init__()
        attention: dict[str, Any] = {"kv_heads": kv_heads, "head_width": head_width, "bias": bias, "causal": causal}
        sizes: dict[str, Any] = {"context_width": context_width, "inner": inner, "expansion": expansion, "activation": activation}
        norms: dict[str, Any] = {"norm": norm, "eps": eps, "post_norm": post_norm, "layer_scale": layer_scale}
        drops: dict[str, Any] = {"attention_dropout": attention_dropout, "dropout": dropout, "residual_dropout": residual_dropout}
        self.positions = make_positions(positions, heads, head_width or width // heads, causal=causal)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, first_norm=first_norm or number > 0, drop_path=rate, **attention, **sizes, **norms, **drops)
            for number, rate in enumerate(drop_path_rates(drop_path, depth))
        )
        self.norm = nn.Identity() if post_norm else make_norm(norm, width, eps)

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        keep: Bool[Tensor, "b ..."] | None = None,
        context: Float[Tensor, "b k c"] | None = None,
        context_keep: Bool[Tensor, "b k"] | None = None,
        *,
        cache: Sequence[KeyValueCache] | None = None,
    ) -> Float[Tensor, "b l w"]:
        """As a block; with a `cache` the `x` are the next tokens of its rows, and `keep` counts those before them too."""
        places = None
        if self.positions is not None:
            places = self.positions(x.shape[1], x.shape[1] + (cache[0].length if cache else 0))
        for number, block in enumerate(self.blocks):
            x = block(x, keep, context, context_keep, places=places, cache=cache[number] if cache else None)
        return self.norm(x)

    def cache(self, capacity: int = 64) -> list[KeyValueCache]:
        """An empty cache per block, for decoding one position after the other."""
        return [KeyValueCache(capacity) for _ in self.blocks]


def make_norm(norm: str, width: int, eps: float) -> nn.Module:
    """`layer` or `rms` norm of this width."""
    return NORMS[norm](width, eps=eps)
