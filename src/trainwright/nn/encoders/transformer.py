"""A small transformer over a sequence."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.blocks.positions import sinusoids
from trainwright.nn.blocks.transformer import TransformerBlock
from trainwright.nn.encoders import TransformerEncoderOptions
from trainwright.nn.networks.sequences import SequenceInput, SequencePool, present


class TransformerEncoder(nn.Module):
    """A sequence → one token `[b, 1, width]`; positions are sinusoids, padding is never attended to."""

    position: Tensor

    def __init__(self, options: TransformerEncoderOptions, group: InputGroup) -> None:
        super().__init__()
        width = options.width
        self.input = SequenceInput(group, width)
        self.register_buffer("position", sinusoids(self.input.steps, width), persistent=False)
        self.dropout = nn.Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width,
                options.heads,
                expansion=options.expansion,
                activation=options.activation,
                attention_dropout=options.dropout,
                dropout=options.dropout,
            )
            for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.pool = SequencePool(options.pooling, width)
        self.tokens, self.width = 1, width

    def _positions(self, steps: int) -> Tensor:
        """The sinusoids of so many steps, which may be more than were seen in training."""
        if torch.compiler.is_exporting() and not isinstance(steps, int):
            return sinusoids(steps, self.width).to(self.position)  # a graph for any number of steps holds none of them
        if steps > len(self.position):  # files may be longer than those that were looked at
            self.position = sinusoids(steps, self.width).to(self.position)
        return self.position[:steps]

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, length = self.input(parts)
        x = self.dropout(x + self._positions(x.shape[1]))
        # an empty sequence attends to its first position, since attention to nothing is not a number; pooling then leaves it out
        keep = present(length.clamp_min(1), x.shape[1])
        for block in self.blocks:
            x = block(x, keep)
        return self.pool(self.norm(x), length).unsqueeze(1)
