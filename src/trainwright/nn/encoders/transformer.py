"""A small transformer over a sequence."""

from __future__ import annotations

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

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, length = self.input(parts)
        if x.shape[1] > len(self.position):  # files may be longer than those that were looked at
            self.position = sinusoids(x.shape[1], self.width).to(self.position)
        x = self.dropout(x + self.position[: x.shape[1]])
        # an empty sequence attends to its first position, since attention to nothing is not a number; pooling then leaves it out
        keep = present(length.clamp_min(1), x.shape[1])
        for block in self.blocks:
            x = block(x, keep)
        return self.pool(self.norm(x), length).unsqueeze(1)
