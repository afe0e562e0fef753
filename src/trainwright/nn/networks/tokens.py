"""Layers with weights of their own per token (column)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.networks.initial import uniform_weight


class TokenLinear(nn.Module):
    """A linear map per token: `[b, f, i]` → `[b, f, o]`."""

    def __init__(self, tokens: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = uniform_weight(tokens, inputs, outputs, fan_in=inputs)
        self.bias = uniform_weight(tokens, outputs, fan_in=inputs) if bias else None

    def forward(self, x: Float[Tensor, "b f i"]) -> Float[Tensor, "b f o"]:
        y = torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1)
        return y if self.bias is None else y + self.bias
