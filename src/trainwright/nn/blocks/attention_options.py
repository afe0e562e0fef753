"""Options of attention, and of what is made of it. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.choice import choice
from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse

FeedForwardActivation = Literal[
    "relu", "gelu", "gelu_tanh", "silu", "tanh", "elu", "leaky_relu", "mish", "reglu", "geglu", "swiglu", "glu"
]  # fmt: skip
"""Functions of feed-forward layers; the last four are gated (Shazeer 2020)."""


class HeadOptions(PartConfig):
    """What all attention has."""

    type: str
    width: int = Field(ge=1)
    """Numbers of a token, of the input and the output."""
    heads: int = Field(ge=1)
    """Attention heads; the width is a multiple unless `head_width` is given."""
    kv_heads: int | None = Field(default=None, ge=1)
    """Key and value heads, each shared by a group of heads (Ainslie et al. 2023); as many as heads by default, 1 is multi-query."""
    head_width: int | None = Field(default=None, ge=1)
    """Numbers of a head; width / heads by default."""
    bias: bool = True
    """Linear layers have a bias."""
    causal: bool = False
    """A token sees itself and those before it."""
    positions: choice("positions") | None = None  # type: ignore[valid-type]
    """Positions between queries and keys: `rotary`, `alibi`, `relative`, with options or without."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        if self.head_width is None:
            refuse_heads(self.width, self.heads, ", or give head_width")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            fitting = ", ".join(str(n) for n in range(1, self.heads + 1) if self.heads % n == 0)
            raise refuse("kv_heads", f"{self.kv_heads} cannot be shared evenly by {self.heads} heads", fix=f"use one of {fitting}")
        return self


class AttentionOptions(HeadOptions):
    """Scaled dot-product attention of several heads (Vaswani et al. 2017), to the tokens themselves or to others."""

    type: str = "attention"
    context_width: int | None = Field(default=None, ge=1)
    """Numbers of a token of the `context` that is attended to; without it tokens attend to each other."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights zeroed in training."""

    @model_validator(mode="after")
    def _context_fits(self) -> Any:
        if self.context_width is not None:
            for name in ("causal", "positions"):
                if getattr(self, name):
                    why = "the tokens attended to are others, in no order with these"
                    raise refuse(name, "cannot be with context_width", why=why, fix="leave one of them out")
        return self


class FeedForwardOptions(PartConfig):
    """Two linear layers with a function between."""

    type: str = "feed_forward"
    width: int = Field(ge=1)
    """Numbers of a token, of the input and the output."""
    inner: int = Field(ge=1)
    """Numbers between the two layers."""
    activation: FeedForwardActivation = "gelu"
    """Function between; `reglu`, `geglu`, `swiglu`, `glu` multiply one half by the function of the other (Shazeer 2020)."""
    bias: bool = True
    """Linear layers have a bias."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed between the two layers in training."""


class TransformerBlockOptions(HeadOptions):
    """Attention and a feed-forward layer, each added to its input (Vaswani et al. 2017), normalised before (Xiong et al. 2020) or after."""

    type: str = "transformer_block"
    context_width: int | None = Field(default=None, ge=1)
    """Numbers of a token of a `context`, to which a cross-attention between the two attends, as in a decoder."""
    inner: int | None = Field(default=None, ge=1)
    """Numbers inside the feed-forward layer; expansion · width by default."""
    expansion: float = Field(default=4.0, gt=0)
    """Numbers inside the feed-forward layer, in multiples of `width`."""
    activation: FeedForwardActivation = "gelu"
    """Function of the feed-forward layer; `reglu`, `geglu`, `swiglu`, `glu` are gated."""
    norm: Literal["layer", "rms"] = "layer"
    """Layer norm, or root mean square norm (Zhang and Sennrich 2019)."""
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance by the norms."""
    post_norm: bool = False
    """Norms after the sums, as in Vaswani et al. 2017, rather than before attention and feed-forward layer."""
    first_norm: bool = True
    """The norm before attention; FT-Transformer leaves it out in its first block."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights zeroed in training."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed inside the feed-forward layer in training."""
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of what attention and feed-forward layer add zeroed in training."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows to which attention, or the feed-forward layer, adds nothing in training."""
    layer_scale: float = Field(default=0.0, ge=0)
    """What a learned factor per channel of the sums starts at (Touvron et al. 2021, CaiT); 0 for no such factor."""

    @model_validator(mode="after")
    def _norms_fit(self) -> Any:
        if self.post_norm and not self.first_norm:
            raise refuse("first_norm", "cannot be left out with post_norm", why="there is none before attention", fix="keep one of them")
        return self


class TransformerStackOptions(TransformerBlockOptions):
    """Transformer blocks one after the other, positions made once for all of them, and a norm after pre-norm blocks."""

    type: str = "transformer_stack"
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """As in a block, of the last one; it rises evenly from 0 (Huang et al. 2016)."""
    first_norm: bool = True
    """The norm before attention of the first block; FT-Transformer leaves it out."""
    depth: int = Field(ge=1)
    """Blocks."""


class AttentionPoolOptions(PartConfig):
    """Tokens → few, by attention of learned queries (Lee et al. 2019, Set Transformer)."""

    type: str = "attention_pool"
    width: int = Field(ge=1)
    """Numbers of a token, of the input and the output."""
    heads: int = Field(default=1, ge=1)
    """Attention heads; the width is a multiple."""
    queries: int = Field(default=1, ge=1)
    """Learned queries; one gives a vector per row, more a sequence."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights zeroed in training."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        refuse_heads(self.width, self.heads)
        return self


class PerceiverPoolOptions(PartConfig):
    """Learned tokens that attend to all tokens once, then among themselves (Jaegle et al. 2021, Perceiver)."""

    type: str = "perceiver_pool"
    width: int = Field(ge=1)
    """Numbers of a learned token, of the output."""
    heads: int = Field(ge=1)
    """Attention heads; the width is a multiple."""
    latents: int = Field(ge=1)
    """Learned tokens."""
    depth: int = Field(default=1, ge=1)
    """Blocks among the learned tokens."""
    context_width: int | None = Field(default=None, ge=1)
    """Numbers of a token of the input; as many as `width` by default."""
    expansion: float = Field(default=4.0, gt=0)
    """Numbers inside the feed-forward layers, in multiples of `width`."""
    activation: FeedForwardActivation = "gelu"
    """Function of the feed-forward layers."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed inside the feed-forward layers in training."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        refuse_heads(self.width, self.heads)
        return self


def refuse_heads(width: int, heads: int, otherwise: str = "") -> None:
    """Raises for heads that do not divide the width; `otherwise` ends the fix."""
    if width % heads:
        fits = max(n for n in range(1, min(heads, width) + 1) if width % n == 0)
        fix = f"use heads: {fits} or width: {width - width % heads + heads}{otherwise}"
        raise refuse("heads", f"{heads} do not divide width {width}", fix=fix)
