"""Encoders: a group of encoded columns → tokens `[b, t, w]`. This table imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part
from trainwright.nn.blocks.attention_options import refuse_heads

Activation = Literal["relu", "gelu", "silu", "tanh", "elu", "leaky_relu", "mish"]
"""Names of activations."""
Pooling = Literal["mean", "sum", "max", "last", "first", "attention"]
"""How a sequence becomes one vector; padding never counts. `attention` weighs positions by a learned query."""


class AutoOptions(PartConfig):
    """Chosen by the kind of column, the combiner and the number of training rows."""

    type: str = "auto"


class PassthroughOptions(PartConfig):
    """The numbers as they are."""

    type: str = "passthrough"


class DenseOptions(PartConfig):
    """Fully connected layers over everything the group holds."""

    type: str = "dense"
    depth: int = Field(default=2, ge=1)
    """Hidden layers."""
    width: int = Field(default=256, ge=1)
    """Neurons of each layer."""
    activation: Activation = "relu"
    """Function after each layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class OneHotOptions(PartConfig):
    """One number per value: 1 for the value of the row, 0 for the others."""

    type: str = "one_hot"


class EmbeddingOptions(PartConfig):
    """A learned vector per value."""

    type: str = "embedding"
    width: int = Field(default=0, ge=0)
    """Length of the vectors; 0 takes 1.6 · n^0.56 of the largest column, at most 64."""
    one_hot_up_to: int = Field(default=0, ge=0)
    """Columns with at most this many values are one-hot instead; they are joined with the vectors into one token."""


class PiecewiseLinearOptions(PartConfig):
    """Numbers placed between the quantiles of their column, then a linear map per column (Gorishniy et al. 2022)."""

    type: str = "piecewise_linear"
    bins: int = Field(default=16, ge=1)
    """Pieces per column, at most 48; columns with few values use fewer."""
    width: int = Field(default=8, ge=1)
    """Length of each column's vector."""
    activation: Activation | None = None
    """Function after the map; none by default, as in TabM."""


class PeriodicOptions(PartConfig):
    """Sines and cosines of learned frequencies, then a linear map per column (PLR, Gorishniy et al. 2022)."""

    type: str = "periodic"
    frequencies: int = Field(default=32, ge=1)
    """Learned frequencies per column."""
    width: int = Field(default=16, ge=1)
    """Length of each column's vector."""
    sigma: float = Field(default=0.05, gt=0)
    """Standard deviation of the initial frequencies; the option most worth tuning (0.01 … 1)."""
    activation: Activation | None = "relu"
    """Function after the map."""


class PooledOptions(PartConfig):
    """An embedding per token, pooled over the sequence."""

    type: str = "pooled"
    width: int = Field(default=128, ge=1)
    """Length of the token vectors."""
    pooling: Pooling = "mean"
    """How tokens become one vector."""
    depth: int = Field(default=0, ge=0)
    """Fully connected layers after pooling."""
    activation: Activation = "relu"
    """Function after each fully connected layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class RecurrentOptions(PartConfig):
    """A GRU or LSTM over the sequence (tokens or numbers)."""

    type: str = "rnn"
    cell: Literal["gru", "lstm"] = "gru"
    """Kind of recurrence."""
    width: int = Field(default=128, ge=1)
    """Size of the state, and of token vectors."""
    depth: int = Field(default=1, ge=1)
    """Stacked layers."""
    bidirectional: bool = True
    """Read backwards too."""
    pooling: Pooling = "mean"
    """How states become one vector."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Between stacked layers."""


class TransformerEncoderOptions(PartConfig):
    """A small pre-norm transformer over the sequence (tokens or numbers)."""

    type: str = "transformer"
    width: int = Field(default=128, ge=2)
    """Size of the token vectors; a multiple of `heads`."""
    depth: int = Field(default=2, ge=1)
    """Blocks."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    expansion: float = Field(default=4.0, gt=0)
    """Inner width of the feed-forward layer, in multiples of `width`."""
    activation: Activation = "gelu"
    """Function inside the feed-forward layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""
    pooling: Pooling = "mean"
    """How tokens become one vector."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        refuse_heads(self.width, self.heads)
        return self


class ConvolutionOptions(PartConfig):
    """Residual 1-D convolutions over the sequence (numbers or tokens), then pooling."""

    type: str = "conv"
    width: int = Field(default=64, ge=1)
    """Channels."""
    depth: int = Field(default=3, ge=1)
    """Layers; the dilation doubles with each."""
    kernel: int = Field(default=5, ge=1)
    """Samples under each filter; odd."""
    activation: Activation = "relu"
    """Function after each layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""
    pooling: Pooling = "mean"
    """How positions become one vector."""


class BagOptions(PartConfig):
    """The weighted sum or mean of a learned vector per value, for sets and bags."""

    type: str = "embedding_bag"
    width: int = Field(default=32, ge=1)
    """Length of the vectors."""
    mean: bool = True
    """Divide by the number (or total count) of values."""


PARTS: dict[str, Part] = {
    "auto": Part("trainwright.nn.encoders.auto:automatic", AutoOptions, "chosen by the kind of column, the combiner and the training rows"),
    "passthrough": Part("trainwright.nn.encoders.passthrough:Passthrough", PassthroughOptions, "the numbers as they are"),
    "dense": Part("trainwright.nn.encoders.dense:Dense", DenseOptions, "fully connected layers"),
    "one_hot": Part("trainwright.nn.encoders.one_hot:OneHot", OneHotOptions, "one number per category value"),
    "embedding": Part("trainwright.nn.encoders.embedding:Embedding", EmbeddingOptions, "a learned vector per category value"),
    "piecewise_linear": Part(
        "trainwright.nn.encoders.piecewise_linear:PiecewiseLinearEmbedding",
        PiecewiseLinearOptions,
        "numbers between quantiles, mapped per column",
    ),
    "periodic": Part("trainwright.nn.encoders.periodic:PeriodicEmbedding", PeriodicOptions, "numbers as learned sines, mapped per column"),
    "pooled": Part("trainwright.nn.encoders.pooled:Pooled", PooledOptions, "token vectors, pooled"),
    "rnn": Part("trainwright.nn.encoders.rnn:Recurrent", RecurrentOptions, "GRU or LSTM over a sequence"),
    "transformer": Part(
        "trainwright.nn.encoders.transformer:TransformerEncoder", TransformerEncoderOptions, "a small transformer over a sequence"
    ),
    "conv": Part("trainwright.nn.encoders.conv:Convolution", ConvolutionOptions, "1-D convolutions over a sequence"),
    "embedding_bag": Part(
        "trainwright.nn.encoders.embedding_bag:EmbeddingBag", BagOptions, "sum or mean of learned vectors, for sets and bags"
    ),
}
