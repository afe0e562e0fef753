"""A model of timm or torchvision without its head: pictures → one vector each, and the maps of several scales that it makes on the way."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Maps(list[Tensor]):
    """Maps `[b, c, h, w]`, the largest first, with what a model makes its vector of, which a last map does not always hold."""

    last: Tensor


class TimmNetwork(nn.Module):
    """A whole model of timm: `[b, c, h, w]` → `[b, width]`, with its own pooling."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.width = int(getattr(model, "head_hidden_size", None) or model.num_features)
        scales = model.feature_info if hasattr(model, "forward_intermediates") else []
        self.map_channels = tuple(int(each["num_chs"]) for each in scales)
        self.map_strides = tuple(int(each["reduction"]) for each in scales)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found

    def forward_maps(self, x: Tensor) -> Maps:
        """The maps, in one pass with what the vector is made of."""
        last, found = self.model.forward_intermediates(x, output_fmt="NCHW")
        maps = Maps(found)
        maps.last = last
        return maps

    def pool(self, maps: Maps) -> Tensor:
        """The vector `[b, width]` of maps that `forward_maps` gave."""
        found: Tensor = self.model.forward_head(maps.last, pre_logits=True)
        return found


class TimmMaps(nn.Module):
    """A model of timm as maps of several scales, without the layers beyond the last of them; its vector is the mean over that one."""

    def __init__(self, model: Any, out_indices: list[int] | None) -> None:
        super().__init__()
        scales = model.feature_info
        wanted = list(range(len(scales))) if out_indices is None else [each % len(scales) for each in out_indices]
        self.indices: list[int] = list(model.prune_intermediate_layers(wanted, prune_norm=True, prune_head=True))
        self.model = model
        self.map_channels = tuple(int(scales[each]["num_chs"]) for each in self.indices)
        self.map_strides = tuple(int(scales[each]["reduction"]) for each in self.indices)
        self.width = self.map_channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.forward_maps(x))

    def forward_maps(self, x: Tensor) -> Maps:
        """The maps."""
        maps = Maps(self.model.forward_intermediates(x, indices=self.indices, intermediates_only=True, output_fmt="NCHW"))
        maps.last = maps[-1]
        return maps

    def pool(self, maps: Maps) -> Tensor:
        """The vector `[b, width]` of maps that `forward_maps` gave."""
        return maps.last.mean((2, 3))


class TorchvisionNetwork(nn.Module):
    """A model of torchvision whose last layer was taken off: `[b, c, h, w]` → `[b, width]`."""

    def __init__(self, model: nn.Module, width: int) -> None:
        super().__init__()
        self.model, self.width = model, width

    def forward(self, x: Tensor) -> Tensor:
        found = self.model(x)
        return found if isinstance(found, Tensor) else found[0]
