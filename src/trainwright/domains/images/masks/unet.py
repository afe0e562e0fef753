"""The way up of a U-Net (Ronneberger et al. 2015): from an encoder's maps of several scales to a class at every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.domains.images.masks.options import UNetDecoderOptions
from trainwright.features.spec import InputGroup, TargetSpec
from trainwright.nn.blocks.residual import draw_convolutions
from trainwright.nn.blocks.spatial import batch_norm, beside_space, convolution
from trainwright.nn.networks.activations import activation

WIDEST = 256
"""Channels of a scale, at most, where none are asked for."""


class UNetDecoder(nn.Module):
    """`[b, w]` or `[b, k, w]`, and maps `[b, c, y, x]` of a picture, the largest first → `[b, classes, h, w]` of the picture's size.

    The row's vector, in which other columns are too, is added to the smallest map; members count as their mean.
    """

    def __init__(
        self,
        options: UNetDecoderOptions,
        width: int,
        members: int,
        target: TargetSpec,
        inputs: Sequence[InputGroup],
        encoders: Mapping[str, nn.Module],
    ) -> None:
        super().__init__()
        group = read_pictures(options.input, target, inputs)
        channels = maps_of(encoders[group.name], target)
        self.reads, self.size, self.mode = f"{group.name}.maps", target.positions, options.upsample
        self.maps = len(channels)
        widths = [min(each, WIDEST) if not options.width else options.width * 2**place for place, each in enumerate(channels)]
        self.row = nn.Linear(width, channels[-1])
        before, self.narrow, self.joins = channels[-1], nn.ModuleList(), nn.ModuleList()
        if self.maps == 1:
            self.joins.append(_convolutions(before, widths[0], options))
            before = widths[0]
        for beside, after in list(zip(channels, widths, strict=True))[-2::-1]:
            self.narrow.append(convolution(2, before, after, 1))
            self.joins.append(_convolutions(after + beside, after, options))
            before = after
        self.dropout = nn.Dropout2d(options.dropout) if options.dropout else nn.Identity()
        draw_convolutions(self)
        self.last = nn.Conv2d(before, target.width, 1)

    def forward(self, hidden: Float[Tensor, "b *k w"], maps: Sequence[Tensor]) -> Float[Tensor, "b c h w"]:
        """The outputs of every class at every pixel."""
        row = hidden if hidden.dim() == 2 else hidden.mean(dim=1)
        x = maps[self.maps - 1] + beside_space(self.row(row), 2)
        if self.maps == 1:
            x = self.joins[0](x)
        else:
            for narrow, join, beside in zip(self.narrow, self.joins, reversed(maps[: self.maps - 1]), strict=True):
                x = join(torch.cat([self._enlarge(narrow(x), beside.shape[2:]), beside], dim=1))
        return self._enlarge(self.last(self.dropout(x)), self.size)

    def _enlarge(self, x: Tensor, size: Sequence[int]) -> Tensor:
        if x.shape[2:] == tuple(size):
            return x
        return functional.interpolate(x, list(size), mode=self.mode, align_corners=False if self.mode == "bilinear" else None)


def _convolutions(channels: int, width: int, options: UNetDecoderOptions) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(options.depth):
        layers += [
            convolution(2, width if number else channels, width, 3, bias=False),
            batch_norm(2, width),
            activation(options.activation),
        ]
    return nn.Sequential(*layers)


def read_pictures(name: str, target: TargetSpec, inputs: Sequence[InputGroup]) -> InputGroup:
    """The group of the pictures whose pixels have the classes; raises ConfigError for none or several, and for another size."""
    where = f"columns.{target.name}.decoder.input"
    if len(target.positions) != 2:
        what = f"decoder 'unet' gives a class at every pixel, and the target '{target.name}' has none"
        raise ConfigError(what, where=f"columns.{target.name}.decoder", fix="use it for masks (type: mask); for others linear or positions")
    groups = [group for group in inputs if group.kind == "image" and (not name or name in group.columns)]
    columns = [column for group in groups for column in group.columns if not name or column == name]
    if len(columns) != 1:
        every = [column for group in inputs for column in group.columns if group.kind == "image"]
        what = f"several columns of pictures for the mask '{target.name}'" if columns else f"no picture for the mask '{target.name}'"
        fix = f"name one: {', '.join(every)}" if every else f"give the column of pictures as an input of type image, beside '{target.name}'"
        raise ConfigError(what, where=where, fix=fix)
    size = tuple(groups[0].parts["value"][-2:])
    if len(groups[0].columns) > 1:
        raise ConfigError(f"the pictures of '{columns[0]}' share an encoder with others", where=where, fix="give it an encoder of its own")
    if size != tuple(target.positions):
        shown = ["×".join(map(str, each)) for each in (target.positions, size)]
        what = f"the masks of '{target.name}' have {shown[0]} pixels, the pictures of '{columns[0]}' {shown[1]}"
        raise ConfigError(what, where=where, fix=f"let the mask follow its picture: columns.{target.name}.draws_as={columns[0]}")
    return groups[0]


def maps_of(encoder: nn.Module, target: TargetSpec) -> list[int]:
    """Channels of the maps of an encoder, the largest map first; raises ConfigError for one without maps."""
    channels = getattr(encoder, "map_channels", None)
    if not channels or not hasattr(encoder, "maps"):
        what = f"decoder 'unet' of '{target.name}' reads maps, and {type(encoder).__name__} gives none"
        fix = "use an encoder of pictures: small_cnn, image_resnet, image_convnext, vit, or a network of timm"
        raise ConfigError(what, where="model.encoders", fix=fix)
    return [int(each) for each in channels]
