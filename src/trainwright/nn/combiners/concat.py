"""Groups side by side, then fully connected layers."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from trainwright.nn.combiners import ConcatOptions
from trainwright.nn.combiners.base import Combiner, Shapes, side_by_side, total_width
from trainwright.nn.networks.mlp import mlp


class Concat(Combiner):
    """`[b, t, w]` of every group → `[b, width]`."""

    def __init__(self, options: ConcatOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        inputs = total_width(shapes)
        last = options.width if isinstance(options.width, int) else options.width[-1]
        self.width = last if options.depth else inputs
        self.deep = options.depth > 0
        self.layers = mlp(
            inputs, options.width, options.depth, act=options.activation, dropout=options.dropout, norm=options.norm == "layer"
        )

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b h"]:
        x = side_by_side(encoded)
        return self.layers(x) if self.deep else x
