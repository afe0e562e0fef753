"""A GRU or LSTM over a sequence."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import RecurrentOptions
from trainwright.nn.networks.sequences import SequenceInput, SequencePool, reverse

CELLS: dict[str, Callable[..., nn.Module]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class Recurrence(nn.Module):
    """One recurrent layer; the backward direction starts at each sequence's own end, so padding never enters it."""

    def __init__(self, cell: str, inputs: int, width: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.forth = CELLS[cell](inputs, width, batch_first=True)
        self.back = CELLS[cell](inputs, width, batch_first=True) if bidirectional else None

    def forward(self, x: Float[Tensor, "b l i"], length: Int[Tensor, " b"]) -> Float[Tensor, "b l w"]:
        states = self.forth(x)[0]
        if self.back is None:
            return states
        return torch.cat([states, reverse(self.back(reverse(x, length))[0], length)], dim=2)


class Recurrent(nn.Module):
    """A sequence → one token `[b, 1, width]`, twice as wide when bidirectional."""

    def __init__(self, options: RecurrentOptions, group: InputGroup) -> None:
        super().__init__()
        self.input = SequenceInput(group, options.width)
        self.tokens, self.width = 1, options.width * (2 if options.bidirectional else 1)
        inputs = [options.width, *[self.width] * (options.depth - 1)]
        self.layers = nn.ModuleList(Recurrence(options.cell, each, options.width, bidirectional=options.bidirectional) for each in inputs)
        self.dropout = nn.Dropout(options.dropout)
        self.pool = SequencePool(options.pooling, self.width)

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, length = self.input(parts)
        for number, layer in enumerate(self.layers):
            x = layer(self.dropout(x) if number else x, length)
        return self.pool(x, length).unsqueeze(1)
