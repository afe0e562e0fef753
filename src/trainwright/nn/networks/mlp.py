"""Fully connected layers."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.networks.activations import function


class MLP(nn.Module):
    """`depth` layers of `width` neurons, each: linear, layer norm if asked, activation, dropout if any.

    Functions are called instead of modules for what has no state: on small networks the calls cost more than the arithmetic.
    """

    def __init__(self, inputs: int, width: int, depth: int, *, act: str = "relu", dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise([inputs, *[width] * depth]))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth if norm else 0))
        self.activate, self.dropout = function(act), dropout
        # lists of their own, because iterating over a ModuleList costs as much as a small layer
        self._layers: list[tuple[nn.Linear, nn.Module | None]] = [
            (linear, self.norms[number] if norm else None)
            for number, linear in enumerate(self.linears)  # type: ignore[misc]
        ]

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        for linear, norm in self._layers:
            x = F.linear(x, linear.weight, linear.bias)
            x = self.activate(x if norm is None else norm(x))
            if self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        return x


def mlp(inputs: int, width: int, depth: int, *, act: str = "relu", dropout: float = 0.0, norm: bool = False) -> nn.Module:
    """An `MLP`, or nothing but the identity when it has no layers."""
    return MLP(inputs, width, depth, act=act, dropout=dropout, norm=norm) if depth else nn.Identity()
