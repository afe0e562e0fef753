"""A network over pictures as an encoder: it reads a group of columns, and gives a token per picture, or per position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.images.models.options import PictureEncoderOptions
from trainwright.domains.images.models.pictures import shape_of
from trainwright.domains.images.models.pooling import MapPool
from trainwright.features.spec import InputGroup


class MapNetwork(Protocol):
    """A network over `[b, channels, h, w]` with maps of several scales."""

    width: int
    """Channels of the last map."""
    map_channels: tuple[int, ...]
    """Channels of each map, the largest map first."""
    map_strides: tuple[int, ...]
    """Pixels of a picture for one position of each map; maps have ⌈side / stride⌉ positions."""

    def forward_maps(self, x: Tensor) -> list[Tensor]:
        """The maps, the largest first."""


class PictureEncoder(nn.Module):
    """Pictures → `[b, columns · n, width]`, n 1, or every position with `pooling: tokens`; all columns of a group share the network.

    A column's picture that is not there is a learned vector. `maps` and `pool_maps` are the two halves of `forward`, for what reads maps.
    """

    def __init__(self, options: PictureEncoderOptions, group: InputGroup, network: nn.Module, norm: nn.Module | None = None) -> None:
        """`network` is a `MapNetwork`; `norm` is what follows pooling."""
        super().__init__()
        self.columns, _, *size = shape_of(group, options.type)
        self.network = network
        self.map_channels: tuple[int, ...] = network.map_channels  # type: ignore[assignment]
        self.map_strides: tuple[int, ...] = network.map_strides  # type: ignore[assignment]
        self.pool = MapPool(options.pooling, self.map_channels[-1])
        self.of_token = self.pool.how == "token"
        self.norm = norm or nn.Identity()
        self.dropout = nn.Dropout(options.head_dropout) if options.head_dropout else nn.Identity()
        self.width = self.pool.width
        self.each = math.prod(-(-side // self.map_strides[-1]) for side in size) if options.pooling == "tokens" else 1
        self.tokens = self.columns * self.each
        self.absent = nn.Parameter(torch.zeros(self.columns, self.width)) if "missing" in group.parts else None

    def maps(self, parts: dict[str, Tensor]) -> list[Tensor]:
        """The maps of the network `[b · columns, channels, h, w]`, the largest first; a vision transformer's class token follows them."""
        found: list[Tensor] = self.network.forward_maps(parts["value"].flatten(0, 1))  # type: ignore[operator]
        return found

    def pool_maps(self, maps: Sequence[Tensor], parts: dict[str, Tensor]) -> Float[Tensor, "b n w"]:
        """The tokens that are made of the maps."""
        x = self.pool(maps[-1] if self.of_token else maps[len(self.map_channels) - 1])
        x = self.dropout(self.norm(x))
        x = x.view(-1, self.columns, *x.shape[1:])
        if self.absent is not None:
            x = torch.where(parts["missing"][..., None, None] > 0, self.absent.unsqueeze(1), x)
        return x.flatten(1, 2)

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b n w"]:
        return self.pool_maps(self.maps(parts), parts)
