"""Residual MLP blocks."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.combiners import ResNetOptions
from trainwright.nn.combiners.base import Combiner, Shapes, side_by_side, total_width
from trainwright.nn.networks.activations import activation


def block(options: ResNetOptions) -> nn.Sequential:
    """Norm, linear, activation, dropout, linear, dropout (Gorishniy et al. 2021, section 3.2)."""
    inner = round(options.width * options.expansion)
    return nn.Sequential(
        nn.LayerNorm(options.width),
        nn.Linear(options.width, inner),
        activation(options.activation),
        nn.Dropout(options.dropout),
        nn.Linear(inner, options.width),
        nn.Dropout(options.residual_dropout),
    )


class ResNet(Combiner):
    """`[b, t, w]` of every group → `[b, width]`; layer norm stands where the paper has batch norm, so that rows stay independent."""

    def __init__(self, options: ResNetOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        self.width = options.width
        self.first = nn.Linear(total_width(shapes), options.width)
        self.blocks = nn.ModuleList(block(options) for _ in range(options.depth))
        self.last = nn.Sequential(nn.LayerNorm(options.width), activation(options.activation))

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b h"]:
        x = self.first(side_by_side(encoded))
        for each in self.blocks:
            x = x + each(x)
        return self.last(x)
