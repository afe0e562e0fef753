"""Fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.networks.activations import function
from trainwright.nn.networks.linear import apply_linear


class MLP(nn.Module):
    """Layers of `widths` neurons, each: linear, layer norm if asked, activation, dropout if any.

    Functions are called instead of modules for what has no state: on small networks the calls cost more than the arithmetic.
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, act: str = "relu", dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        linears = [nn.Linear(before, after) for before, after in pairwise([inputs, *widths])]
        norms = [nn.LayerNorm(width) if norm else None for width in widths]
        self.linears = nn.ModuleList(linears)
        self.norms = nn.ModuleList(each for each in norms if each is not None)
        # pairs of their own, because iterating over a ModuleList costs as much as a small layer
        self._layers = list(zip(linears, norms, strict=True))
        self.activate, self.dropout = function(act), dropout

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        for linear, norm in self._layers:
            x = apply_linear(linear, x)
            x = self.activate(x if norm is None else norm(x))
            if self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        return x


def mlp(inputs: int, width: int | Sequence[int], depth: int, *, act: str = "relu", dropout: float = 0.0, norm: bool = False) -> nn.Module:
    """An `MLP` of `depth` layers of `width` neurons, or of a width each; nothing but the identity when it has no layers."""
    widths = [width] * depth if isinstance(width, int) else list(width)
    return MLP(inputs, widths, act=act, dropout=dropout, norm=norm) if depth else nn.Identity()
