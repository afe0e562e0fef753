"""One linear layer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import TargetSpec
from trainwright.nn.decoders import LinearDecoderOptions
from trainwright.nn.networks.linear import apply_linear
from trainwright.nn.networks.members import SeparateLinear


def linear(inputs: int, outputs: int, members: int) -> nn.Linear | SeparateLinear:
    """A linear layer, with weights of its own for each member when there are several."""
    return nn.Linear(inputs, outputs) if members == 1 else SeparateLinear(inputs, outputs, members)


class LinearDecoder(nn.Module):
    """`[b, w]` → `[b, outputs]`, or `[b, k, w]` → `[b, k, outputs]` with weights per member."""

    def __init__(self, options: LinearDecoderOptions, width: int, members: int, target: TargetSpec) -> None:
        super().__init__()
        self.layer = linear(width, target.width, members)
        if options.init_scale != 1:
            with torch.no_grad():
                for each in self.layer.parameters():
                    each.mul_(options.init_scale)

    def forward(self, x: Float[Tensor, "b *k w"]) -> Float[Tensor, "b *k o"]:
        layer = self.layer
        return apply_linear(layer, x) if isinstance(layer, nn.Linear) else layer(x)
