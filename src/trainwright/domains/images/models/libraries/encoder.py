"""Models of timm and torchvision as encoders of columns of pictures."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.trust import is_reading
from trainwright.domains.images.models.libraries.making import fitting_network, timm_network, torchvision_network
from trainwright.domains.images.models.libraries.network import Maps
from trainwright.domains.images.models.libraries.options import LibraryOptions, TimmOptions, TorchvisionOptions
from trainwright.domains.images.models.libraries.starting import begin_network
from trainwright.features.spec import InputGroup

PICTURES = 4
"""Dimensions of the part `value` of a row: columns, channels, height, width."""


class LibraryEncoder(nn.Module):
    """A picture → one token `[b, 1, width]`; several columns share the network, and give a token each."""

    def __init__(self, group: InputGroup, network: Any) -> None:
        super().__init__()
        self.network = network
        self.tokens, self.width = group.parts["value"][0], int(network.width)
        self.absent = nn.Parameter(torch.zeros(self.width)) if "missing" in group.parts else None
        if getattr(network, "map_strides", ()):
            self.map_channels, self.map_strides = network.map_channels, network.map_strides

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b n w"]:
        x = parts["value"]
        return self._present(self.network(x.flatten(0, 1)).view(*x.shape[:2], self.width), parts)

    def maps(self, parts: dict[str, Tensor]) -> Maps:
        """Maps `[b, c, h, w]` of the pictures of one column, the largest first; raises ConfigError for several columns."""
        if self.tokens > 1:
            raise ConfigError("a mask is of one column of pictures", fix="name one of them under inputs")
        found: Maps = self.network.forward_maps(parts["value"].squeeze(1))
        return found

    def pool_maps(self, maps: Maps, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        """What `forward` gives, of maps that `maps` gave."""
        return self._present(self.network.pool(maps).unsqueeze(1), parts)

    def _present(self, found: Tensor, parts: dict[str, Tensor]) -> Tensor:
        """The tokens, with a learned one where there is no picture."""
        return found if self.absent is None else torch.where(parts["missing"].unsqueeze(-1) > 0, self.absent, found)


def timm(options: TimmOptions, group: InputGroup) -> LibraryEncoder:
    """The encoder of a model of timm; raises ConfigError, before anything is trained, for what does not fit."""
    return _encoder(options, group, fitting_network(timm_network(options), options.name, _pictures(options, group)))


def torchvision(options: TorchvisionOptions, group: InputGroup) -> LibraryEncoder:
    """The same of a model of torchvision."""
    return _encoder(options, group, fitting_network(torchvision_network(options), options.name, _pictures(options, group)))


def _encoder(options: LibraryOptions, group: InputGroup, network: nn.Module) -> LibraryEncoder:
    if not is_reading():
        begin_network(network, options)
    return LibraryEncoder(group, network)


def _pictures(options: LibraryOptions, group: InputGroup) -> InputGroup:
    if len(group.parts.get("value", ())) != PICTURES:
        where, fix = f"columns.{group.columns[0]}.encoder", "name an encoder of such columns: trainwright list encoder"
        raise ConfigError(f"'{options.type}' reads pictures, and '{group.columns[0]}' is of type {group.kind}", where=where, fix=fix)
    return group
