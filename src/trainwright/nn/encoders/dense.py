"""Fully connected layers over everything a group holds."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import DenseOptions, PassthroughOptions
from trainwright.nn.encoders.passthrough import Passthrough
from trainwright.nn.networks.mlp import mlp


class Dense(nn.Module):
    """`value` `[b, f]` or `[b, f, v]` → one token `[b, 1, width]`."""

    def __init__(self, options: DenseOptions, group: InputGroup) -> None:
        super().__init__()
        self.numbers = Passthrough(PassthroughOptions(), group)
        self.layers = mlp(
            self.numbers.tokens * self.numbers.width, options.width, options.depth, act=options.activation, dropout=options.dropout
        )
        self.tokens, self.width = 1, options.width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        return self.layers(self.numbers(parts).flatten(1)).unsqueeze(1)
