"""An embedding per token, pooled over the sequence."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import PooledOptions
from trainwright.nn.networks.mlp import mlp
from trainwright.nn.networks.sequences import SequenceInput, SequencePool


class Pooled(nn.Module):
    """A sequence → one token `[b, 1, width]`; the order does not matter unless `pooling` is `first` or `last`."""

    def __init__(self, options: PooledOptions, group: InputGroup) -> None:
        super().__init__()
        self.input = SequenceInput(group, options.width)
        self.pool = SequencePool(options.pooling, options.width)
        self.layers = mlp(options.width, options.width, options.depth, act=options.activation, dropout=options.dropout)
        self.tokens, self.width = 1, options.width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, length = self.input(parts)
        return self.layers(self.pool(x, length)).unsqueeze(1)
