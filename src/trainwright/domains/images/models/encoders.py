"""The encoders of pictures by name: each a network of this package, pooled."""

from __future__ import annotations

from typing import Any

from torch import nn

from trainwright.config.model import PartConfig
from trainwright.domains.images.models import options as of
from trainwright.domains.images.models.convnext import ImageConvNeXt
from trainwright.domains.images.models.encoder import PictureEncoder
from trainwright.domains.images.models.fields import ConvNeXtFields, ResNetFields, SmallCNNFields, ViTFields
from trainwright.domains.images.models.pictures import SMALL, ensure_pieces, ensure_size, shape_of
from trainwright.domains.images.models.resnet import ImageResNet
from trainwright.domains.images.models.small_cnn import SmallCNN
from trainwright.domains.images.models.vit import EPS, ViT
from trainwright.domains.images.models.weights import begin_encoder
from trainwright.features.spec import InputGroup


def small_cnn(options: of.SmallCNNOptions, group: InputGroup) -> PictureEncoder:
    """Stages of convolutions."""
    channels = shape_of(group, options.type)[1]
    network = SmallCNN(channels, **given(options, SmallCNNFields))
    ensure_size(group, options.type, network.map_strides[-1], "give fewer widths, or stem: 0")
    return PictureEncoder(options, group, network)


def image_resnet(options: of.ImageResNetOptions, group: InputGroup) -> PictureEncoder:
    """A residual network, with the stem that suits the size."""
    _, channels, *size = shape_of(group, options.type)
    stem = options.stem if options.stem != "auto" else "cifar" if min(size) <= SMALL else "imagenet"
    network = ImageResNet(channels, stem=stem, **given(options, ResNetFields))
    ensure_size(group, options.type, network.map_strides[-1], "stem: cifar" if stem == "imagenet" else "use fewer stages (depth: [2, 2])")
    return _begun(PictureEncoder(options, group, network), options)


def image_convnext(options: of.ImageConvNeXtOptions, group: InputGroup) -> PictureEncoder:
    """ConvNeXt, with a norm after pooling."""
    channels = shape_of(group, options.type)[1]
    network = ImageConvNeXt(channels, **given(options, ConvNeXtFields))
    ensure_size(group, options.type, network.map_strides[-1], "a smaller patch" if options.patch > 1 else "fewer depths and widths")
    width = network.width * (2 if options.pooling == "mean_max" else 1)
    norm = nn.LayerNorm(width, eps=EPS) if options.norm and options.pooling != "tokens" else None
    return _begun(PictureEncoder(options, group, network, norm), options)


def vit(options: of.ViTEncoderOptions, group: InputGroup) -> PictureEncoder:
    """A vision transformer whose positions are learned for the size of the pictures."""
    _, channels, *size = shape_of(group, options.type)
    ensure_pieces(group, options.type, options.patch)
    grid = (size[0] // options.patch, size[1] // options.patch)
    network = ViT(channels, grid=grid, **given(options, ViTFields))
    return _begun(PictureEncoder(options, group, network), options, grid)


def _begun(encoder: PictureEncoder, options: of.PretrainedOptions, grid: tuple[int, int] | None = None) -> PictureEncoder:
    """The encoder with the weights that its options name."""
    begin_encoder(encoder, options, grid)
    return encoder


def given(options: PartConfig, fields: type[PartConfig]) -> dict[str, Any]:
    """What the options say of the fields that a network shares with its block."""
    return {name: getattr(options, name) for name in fields.model_fields if name != "type"}
