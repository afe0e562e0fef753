"""Fully connected layers, then a linear one."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import TargetSpec
from trainwright.nn.decoders import MLPDecoderOptions
from trainwright.nn.decoders.linear import linear
from trainwright.nn.networks.activations import activation


class MLPDecoder(nn.Module):
    """`[b, w]` → `[b, outputs]`, or `[b, k, w]` → `[b, k, outputs]` with weights per member."""

    def __init__(self, options: MLPDecoderOptions, width: int, members: int, target: TargetSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([width, *[options.width] * options.depth]):
            layers += [linear(before, after, members), activation(options.activation)]
            layers += [nn.Dropout(options.dropout)] if options.dropout else []
        self.layers = nn.Sequential(*layers, linear(options.width, target.width, members))

    def forward(self, x: Float[Tensor, "b *k w"]) -> Float[Tensor, "b *k o"]:
        return self.layers(x)
