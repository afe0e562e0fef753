"""Encoders of pictures: from `(b, columns, channels, h, w)` to tokens; and their networks, as blocks. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.part import Part

if TYPE_CHECKING:
    from trainwright.domains.images.models.convnext import ImageConvNeXt as ImageConvNeXt
    from trainwright.domains.images.models.resnet import ImageResNet as ImageResNet
    from trainwright.domains.images.models.small_cnn import SmallCNN as SmallCNN
    from trainwright.domains.images.models.vit import ViT as ViT

_HERE = "trainwright.domains.images.models"


def _encoder(name: str, options: str, summary: str) -> Part:
    """An encoder of this package; its options are imported when they are first asked for."""
    return Part(f"{_HERE}.encoders:{name}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "small_cnn": _encoder("small_cnn", "SmallCNNOptions", "stages of convolutions, for few pictures or small ones"),
    "image_resnet": _encoder("image_resnet", "ImageResNetOptions", "residual network, 18 to 101 layers"),
    "image_convnext": _encoder("image_convnext", "ImageConvNeXtOptions", "ConvNeXt, also of version 2"),
    "vit": _encoder("vit", "ViTEncoderOptions", "vision transformer"),
}


def _block(file: str, name: str, summary: str) -> Part:
    """A network of this package as a block, with the options of its own that it shares with its encoder."""
    return Part(f"{_HERE}.{file}:{name}", f"{_HERE}.block_options:{name}Options", summary)


BLOCKS: dict[str, Part] = {
    "small_cnn": _block("small_cnn", "SmallCNN", "stages of convolutions, without pooling"),
    "image_resnet": _block("resnet", "ImageResNet", "residual network, without its head"),
    "image_convnext": _block("convnext", "ImageConvNeXt", "ConvNeXt, without its head"),
    "vit": _block("vit", "ViT", "vision transformer, without its head"),
}
"""Networks over `[b, channels, h, w]`: nodes of graphs, and modules."""

_CLASSES = {part.path.partition(":")[2]: part.path.partition(":")[0] for part in BLOCKS.values()}
__getattr__ = found_later(__name__, _CLASSES)
