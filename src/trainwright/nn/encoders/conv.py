"""Residual 1-D convolutions over a sequence."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import ConvolutionOptions
from trainwright.nn.networks.activations import activation
from trainwright.nn.networks.sequences import SequenceInput, SequencePool, present


class Convolution(nn.Module):
    """A sequence → one token `[b, 1, width]`; what lies beyond a sequence's end is zero before every layer."""

    def __init__(self, options: ConvolutionOptions, group: InputGroup) -> None:
        super().__init__()
        if options.kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd, not {options.kernel}", where=", ".join(group.columns), fix=f"use {options.kernel + 1}")
        self.input = SequenceInput(group, options.width)
        self.layers = nn.ModuleList(
            nn.Conv1d(options.width, options.width, options.kernel, padding=2**i * (options.kernel // 2), dilation=2**i)
            for i in range(options.depth)
        )
        self.activation = activation(options.activation)
        self.dropout = nn.Dropout(options.dropout)
        self.pool = SequencePool(options.pooling, options.width)
        self.tokens, self.width = 1, options.width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, length = self.input(parts)
        outside = ~present(length, x.shape[1]).unsqueeze(1)
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = x + self.dropout(self.activation(layer(x.masked_fill(outside, 0.0))))
        return self.pool(x.transpose(1, 2), length).unsqueeze(1)
