"""Options of the encoders of pictures. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.domains.images.models import fields
from trainwright.nn.blocks.refusals import refuse
from trainwright.weights.options import StartingWeights

Pooling = Literal["mean", "max", "mean_max", "attention", "tokens"]
"""How the map that a network gives becomes a vector per picture, or all of it a token at each position."""


class PictureEncoderOptions(PartConfig):
    """What encoders of pictures do with the map that a network gives."""

    type: str
    pooling: Pooling = "mean"
    """Mean or maximum over the picture, both side by side, a learned query's attention, or `tokens`: every position is kept, as a token."""
    head_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the vector zeroed in training, before the decoder."""


class PretrainedOptions(PictureEncoderOptions):
    """Encoders whose networks are published with weights."""

    type: str
    weights: StartingWeights | None = None
    """A file of weights that the network begins with, by the names of timm, torchvision or the paper's code; heads are left out, a stem of
    other channels and positions of another size are made to fit."""


class SmallCNNOptions(fields.SmallCNNFields, PictureEncoderOptions):
    """Stages of two convolutions, each of half the size of the one before: some 290,000 parameters; for few pictures, and small ones."""

    type: str = "small_cnn"


class ImageResNetOptions(fields.ResNetFields, PretrainedOptions):
    """A residual network of 18 to 101 layers (He et al. 2016a)."""

    type: str = "image_resnet"
    stem: Literal["auto", "imagenet", "cifar"] = "auto"
    """A 7×7 convolution and a maximum, both with stride 2; or, for small pictures, a 3×3 convolution without one. `auto`: the second for
    pictures of at most 64 pixels a side."""


class ImageConvNeXtOptions(fields.ConvNeXtFields, PretrainedOptions):
    """ConvNeXt (Liu et al. 2022), also of version 2."""

    type: str = "image_convnext"
    norm: bool = True
    """Layer norm after pooling, as published; not with pooling: tokens."""


class ViTEncoderOptions(fields.ViTFields, PretrainedOptions):
    """A vision transformer (Dosovitskiy et al. 2021)."""

    type: str = "vit"
    pooling: Literal["token", "mean", "max", "mean_max", "attention", "tokens"] = "token"  # type: ignore[assignment]
    """The class token, or what is made of the tokens of the pieces: mean, maximum, both side by side, a learned query's attention, or all
    of them as they are."""

    @model_validator(mode="after")
    def _has_its_token(self) -> Any:
        if self.pooling == "token" and not self.class_token:
            raise refuse("pooling", "there is no class token", fix="pooling: mean, or class_token: true")
        return self
