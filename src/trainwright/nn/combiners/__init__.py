"""Combiners: the encoded groups → one vector per row, or one per row and member. This table imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part
from trainwright.nn.blocks.attention_options import refuse_heads
from trainwright.nn.encoders import Activation


class AutoCombinerOptions(PartConfig):
    """TabM, sized by the number of training rows."""

    type: str = "auto"


class ConcatOptions(PartConfig):
    """Everything side by side, then fully connected layers."""

    type: str = "concat"
    depth: int = Field(default=0, ge=0)
    """Fully connected layers."""
    width: Annotated[int, Field(ge=1)] | Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = 256
    """Neurons of each layer; or a list of them, one for each."""
    activation: Activation = "relu"
    """Function after each layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""
    norm: Literal["none", "layer"] = "none"
    """Layer normalisation before each activation."""

    @model_validator(mode="after")
    def _each(self) -> ConcatOptions:
        if isinstance(self.width, list) and len(self.width) != self.depth:
            raise ValueError(f"width names {len(self.width)} layers, and depth is {self.depth}")
        return self


class MLPOptions(ConcatOptions):
    """Everything side by side, then two fully connected layers."""

    type: str = "mlp"
    depth: int = Field(default=2, ge=1)
    """Fully connected layers."""


class ProjectAggregateOptions(PartConfig):
    """Each group projected to one size, the projections averaged, then fully connected layers."""

    type: str = "project_aggregate"
    projection: int = Field(default=128, ge=1)
    """Size that every group is projected to."""
    depth: int = Field(default=2, ge=0)
    """Fully connected layers after the average."""
    width: int = Field(default=128, ge=1)
    """Neurons of each layer."""
    activation: Activation = "relu"
    """Function after each layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class TransformerCombinerOptions(PartConfig):
    """FT-Transformer: every column a token, attention between them, a class token read out (Gorishniy et al. 2021)."""

    type: str = "transformer"
    width: int = Field(default=96, ge=2)
    """Size of the tokens; a multiple of `heads`."""
    depth: int = Field(default=3, ge=1)
    """Blocks."""
    heads: int = Field(default=8, ge=1)
    """Attention heads."""
    expansion: float = Field(default=4 / 3, gt=0)
    """Inner width of the gated feed-forward layer, in multiples of `width`."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share zeroed in training, inside the feed-forward layers."""
    attention_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of attention weights zeroed in training."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        refuse_heads(self.width, self.heads)
        return self


class TabNetOptions(PartConfig):
    """TabNet: several steps, each attending to a sparse choice of inputs (Arik and Pfister 2021)."""

    type: str = "tabnet"
    width: int = Field(default=32, ge=1)
    """Size of the decision output of each step."""
    attention_width: int = Field(default=32, ge=1)
    """Size of what is passed to the next step's attention."""
    steps: int = Field(default=3, ge=1)
    """Decision steps."""
    shared_layers: int = Field(default=2, ge=0)
    """Gated layers shared by all steps."""
    step_layers: int = Field(default=2, ge=1)
    """Gated layers of each step."""
    relaxation: float = Field(default=1.5, ge=1)
    """How often an input may be chosen again (γ); 1 means once."""
    sparsity: float = Field(default=1e-4, ge=0)
    """Weight of the entropy of the choices in the loss."""
    mask: Literal["sparsemax", "entmax15", "softmax"] = "entmax15"
    """Function that makes the choice."""
    norm: Literal["layer", "ghost_batch"] = "layer"
    """`ghost_batch` is the paper's: rows of one virtual batch then influence each other, and micro-batches must be multiples of it."""
    virtual_batch_size: int = Field(default=128, ge=2)
    """Rows of a virtual batch of `ghost_batch`, in the order they come."""
    momentum: float = Field(default=0.02, gt=0, le=1)
    """Share of each new virtual batch in the running statistics of `ghost_batch`."""


class TabMOptions(PartConfig):
    """TabM: k members that share one MLP's matrices and are trained and averaged together (Gorishniy et al. 2024)."""

    type: str = "tabm"
    members: int = Field(default=16, ge=1)
    """Predictions per row; their mean is the answer."""
    depth: int = Field(default=2, ge=1)
    """Layers."""
    width: int = Field(default=128, ge=1)
    """Neurons of each layer."""
    activation: Activation = "relu"
    """Function after each layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class ResNetOptions(PartConfig):
    """Residual MLP blocks (Gorishniy et al. 2021), with layer instead of batch normalisation."""

    type: str = "resnet"
    width: int = Field(default=192, ge=1)
    """Size of the residual stream."""
    depth: int = Field(default=2, ge=1)
    """Blocks."""
    expansion: float = Field(default=2.0, gt=0)
    """Inner width of a block, in multiples of `width`."""
    activation: Activation = "relu"
    """Function inside a block."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed inside a block in training."""
    residual_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of a block's output zeroed in training."""


PARTS: dict[str, Part] = {
    "auto": Part("trainwright.nn.combiners.auto:automatic", AutoCombinerOptions, "TabM, sized by the number of training rows"),
    "concat": Part("trainwright.nn.combiners.concat:Concat", ConcatOptions, "side by side, with optional fully connected layers"),
    "mlp": Part("trainwright.nn.combiners.concat:Concat", MLPOptions, "side by side, then fully connected layers"),
    "project_aggregate": Part(
        "trainwright.nn.combiners.project_aggregate:ProjectAggregate", ProjectAggregateOptions, "groups projected to one size and averaged"
    ),
    "transformer": Part(
        "trainwright.nn.combiners.transformer:FeatureTransformer", TransformerCombinerOptions, "attention between columns (FT-Transformer)"
    ),
    "tabnet": Part("trainwright.nn.combiners.tabnet:TabNet", TabNetOptions, "sparse choices of inputs in several steps"),
    "tabm": Part("trainwright.nn.combiners.tabm:TabM", TabMOptions, "k members sharing one MLP, averaged"),
    "resnet": Part("trainwright.nn.combiners.resnet:ResNet", ResNetOptions, "residual MLP blocks"),
}
