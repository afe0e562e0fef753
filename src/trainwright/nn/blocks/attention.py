"""Multi-head attention, and the feed-forward layer that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.blocks.attention_options import AttentionOptions, FeedForwardOptions
from trainwright.nn.blocks.cache import KeyValueCache
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.tokens import check_tokens
from trainwright.nn.networks.activations import FUNCTIONS
from trainwright.nn.positions.making import make_positions
from trainwright.nn.positions.rotary import Rotation

GATED: dict[str, Callable[[Tensor], Tensor]] = {"reglu": torch.relu, "geglu": F.gelu, "swiglu": F.silu, "glu": torch.sigmoid}
"""Gated feed-forward layers (Shazeer 2020) and the function of their gate."""
PLAIN: dict[str, Callable[[Tensor], Tensor]] = {**FUNCTIONS, "gelu_tanh": partial(F.gelu, approximate="tanh")}
"""Functions of plain ones."""


class Attention(nn.Module):
    """Scaled dot-product attention of several heads (Vaswani et al. 2017, section 3.2), of `x` to itself or to a `context`.

    `positions` is a name (`rotary`, `alibi`, `relative`), or a mapping with `type`. A query that may attend to nothing gets zeros
    before the output layer.
    """

    @checked_by(AttentionOptions)
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
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads or heads, head_width or width // heads
        self.width = width
        self.dropout, self.causal, self.grouped = dropout, causal, self.kv_heads != heads
        queries, shared = heads * self.head_width, 2 * self.kv_heads * self.head_width
        if context_width is None:
            self.into = nn.Linear(width, queries + shared, bias=bias)
        else:
            self.query, self.context = nn.Linear(width, queries, bias=bias), nn.Linear(context_width, shared, bias=bias)
        self.out = nn.Linear(queries, width, bias=bias)
        self.positions = make_positions(positions, heads, self.head_width, causal=causal)

    def forward(
        self,
        x: Float[Tensor, "b l w"],
        keep: Bool[Tensor, "b k"] | Bool[Tensor, "b _ k"] | Bool[Tensor, "b _ _ k"] | None = None,
        context: Float[Tensor, "b k c"] | None = None,
        *,
        places: Rotation | Float[Tensor, "h l k"] | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "b l w"]:
        """`keep` is true for what may be attended to: keys, or keys per query; `places` are positions that were made before."""
        check_tokens(x, self.width, self, 1)
        length = x.shape[1]
        q, k, v = self._project(x, context)
        total = k.shape[2] if cache is None else cache.length + length
        if self.positions is not None and places is None:
            places = self.positions(length, total)
        if isinstance(places, Rotation):
            q, k, places = places.turn(q), places.turn(k), None
        if cache is not None:
            k, v = cache.append(k, v)
        mask, causal = join_masks(keep, places, length, total, self.causal, x)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal, enable_gqa=self.grouped)
        return self.out(y.transpose(1, 2).flatten(2))

    def _project(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values `[b, heads, l, d]`."""
        heads, shared = self.heads, self.kv_heads
        if hasattr(self, "into"):
            if context is not None:
                raise ConfigError("self-attention was given a context", fix="make it with context_width, the width of the context")
            all_heads = self.into(x).view(*x.shape[:2], heads + 2 * shared, self.head_width).transpose(1, 2)
            return all_heads.split((heads, shared, shared), dim=1)
        if context is None:
            raise ConfigError("cross-attention was given no context", fix="give it the tokens to attend to as `context`")
        q = self.query(x).view(*x.shape[:2], heads, self.head_width).transpose(1, 2)
        k, v = self.context(context).view(*context.shape[:2], 2 * shared, self.head_width).transpose(1, 2).chunk(2, dim=1)
        return q, k, v


def join_masks(keep: Tensor | None, bias: Tensor | None, queries: int, keys: int, causal: bool, like: Tensor) -> tuple[Tensor | None, bool]:
    """One mask of what may be attended to and what is added to the scores, and whether order alone is left to the attention itself."""
    if keep is not None and keep.dim() < 4:
        keep = keep[:, None, None, :] if keep.dim() == 2 else keep[:, None]
    alone = causal and queries == keys and keep is None and bias is None
    if causal and not alone and queries > 1:  # a single query is the last, and may see all
        before = torch.ones(queries, keys, dtype=torch.bool, device=like.device).tril(keys - queries)
        keep = before if keep is None else keep & before
    if bias is None:
        return keep, alone
    bias = bias.to(like.dtype)
    return (bias.unsqueeze(0) if keep is None else torch.where(keep, bias, -torch.inf)), False


class FeedForward(nn.Module):
    """Two linear layers with a function between: plain (`gelu`, …), or gated (`reglu`, `geglu`, `swiglu`, `glu`; Shazeer 2020).

    A gated one computes `value · f(gate)` of the halves of its first layer, the value first.
    """

    @checked_by(FeedForwardOptions)
    def __init__(self, width: int, inner: int, activation: str = "gelu", bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.gated = activation in GATED
        self.function = GATED[activation] if self.gated else PLAIN[activation]
        self.into = nn.Linear(width, inner * (2 if self.gated else 1), bias=bias)
        self.dropout = dropout
        self.out = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Float[Tensor, "*b w"]) -> Float[Tensor, "*b w"]:
        y = self.into(x)
        if self.gated:
            value, gate = y.chunk(2, dim=-1)
            y = value * self.function(gate)
        else:
            y = self.function(y)
        return self.out(F.dropout(y, self.dropout, self.training) if self.dropout else y)
