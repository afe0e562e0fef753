"""Small networks that denoise, of every kind, and what they are given."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.domains.diffusion.models import MLP, Backbone, BackboneShape, DiT, Hourglass, UNetBackbone
from trainwright.domains.diffusion.models.options import DiTOptions, HourglassOptions, MLPOptions, UNetBackboneOptions

SMALL: dict[str, Any] = {"condition_width": 16, "dropout": 0.5}
MADE = {
    "mlp": lambda shape: MLP(MLPOptions(width=16, depth=2, **SMALL), shape),
    "unet": lambda shape: UNetBackbone(UNetBackboneOptions(width=8, depth=1, **SMALL), shape),
    "dit": lambda shape: DiT(DiTOptions(patch=2, width=16, depth=2, heads=2, **SMALL), shape),
    "hourglass": lambda shape: Hourglass(hourglass("auto"), shape),
    "axial": lambda shape: Hourglass(hourglass(["axial", "none"]), shape),
}
SIZES = {"vector": (), "signal": (16,), "picture": (8, 12), "volume": (4, 4, 8)}
PAIRS = [(name, size) for name in MADE for size in SIZES if name == "mlp" or size != "vector"]
EVERYTHING = BackboneShape(3, (), classes=4, mapping=5, cross=6, concat=2, augment=9, variance=True)


def hourglass(attention: Any) -> HourglassOptions:
    return HourglassOptions(patch=1, widths=[16, 16], depths=[1, 1], attention=attention, window=3, head_width=8, **SMALL)


def draw_weights(network: Backbone) -> Backbone:
    """A network of which nothing is at zero any more."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in network.parameters():
            each.add_(torch.randn(each.shape, generator=generator) * 0.3)
    return network


def inputs(shape: BackboneShape, rows: int = 3, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(2)

    def normal(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator, dtype=dtype)

    conditions: dict[str, Any] = {}
    if shape.classes:
        conditions["class_cond"] = torch.arange(rows) % (shape.classes + 1)
    if shape.mapping:
        conditions["mapping_cond"] = normal(rows, shape.mapping)
    if shape.cross:
        conditions["cross_cond"] = normal(rows, 4, shape.cross)
        conditions["cross_cond_padding"] = torch.arange(4) > torch.tensor([[1], [3], [0]])[:rows]
    if shape.concat:
        conditions["unet_cond"] = normal(rows, shape.concat, *shape.size)
    if shape.augment:
        conditions["aug_cond"] = normal(rows, shape.augment)
    return normal(rows, shape.channels, *shape.size), conditions
