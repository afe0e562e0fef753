"""Options of networks for pictures as blocks, which take `[b, channels, h, w]`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from trainwright.config.model import PartConfig
from trainwright.domains.images.models import fields


class _Channels(PartConfig):
    """What all have."""

    type: str
    channels: int = Field(default=3, ge=1)
    """Channels of the pictures: 3 for colours, 1 for gray."""


class SmallCNNOptions(fields.SmallCNNFields, _Channels):
    """`[b, channels, h, w]` → `[b, width, h / 4, w / 4]`: stages of convolutions."""

    type: str = "small_cnn"


class ImageResNetOptions(fields.ResNetFields, _Channels):
    """`[b, channels, h, w]` → `[b, width, h / 32, w / 32]`: a residual network."""

    type: str = "image_resnet"
    stem: Literal["imagenet", "cifar"] = "imagenet"
    """A 7×7 convolution and a maximum, both with stride 2; or, for small pictures, a 3×3 convolution without one."""


class ImageConvNeXtOptions(fields.ConvNeXtFields, _Channels):
    """`[b, channels, h, w]` → `[b, width, h / 32, w / 32]`: ConvNeXt."""

    type: str = "image_convnext"


class ViTOptions(fields.ViTFields, _Channels):
    """`[b, channels, h, w]` → `[b, width, h / patch, w / patch]`: a vision transformer."""

    type: str = "vit"
    grid: PositiveInt | list[PositiveInt] = 14
    """Pieces in each direction that positions are learned for; others are interpolated."""
