"""A U-Net with attention for pictures, signals and volumes."""

from __future__ import annotations

import math

from torch import Tensor

from trainwright.domains.diffusion.models.base import Backbone
from trainwright.domains.diffusion.models.choosing import attention_of, multipliers_of
from trainwright.domains.diffusion.models.options import UNetBackboneOptions
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.nn.blocks.unet import UNet

GROUPS = 32
"""Groups of the norms, where the channels of a level have so many divisors."""


class UNetBackbone(Backbone):
    """Residual blocks of several scales with skips (Ho et al. 2020), scaled and shifted by the conditions (Dhariwal & Nichol 2021)."""

    def __init__(self, options: UNetBackboneOptions, shape: BackboneShape) -> None:
        super().__init__(shape, options.condition_width)
        self.unet = UNet(
            shape.channels + shape.concat,
            shape.channels + shape.variance,
            dims=len(shape.size),
            width=options.width,
            multipliers=multipliers_of(options, shape),
            depth=options.depth,
            attention=attention_of(options, shape),
            middle_attention=options.middle_attention,
            heads=options.heads,
            condition=options.condition_width,
            groups=math.gcd(GROUPS, options.width),
            dropout=options.dropout,
            context_width=shape.cross,
        )

    def denoise(self, x: Tensor, embedding: Tensor, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        return self.unet(x, embedding, context=cross, context_keep=keep)
