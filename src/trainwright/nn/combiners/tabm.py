"""TabM: an ensemble that costs little more than one network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.combiners import TabMOptions
from trainwright.nn.combiners.base import Combiner, Shapes, side_by_side, total_width
from trainwright.nn.networks.activations import function
from trainwright.nn.networks.initial import random_signs
from trainwright.nn.networks.members import MemberScaling, SharedLinear


def first_scaling(shapes: Shapes, members: int) -> Tensor:
    """What tells members apart at the start, `[k, inputs]`: a normal number per column vector, a sign per number elsewhere."""
    pieces = [
        torch.randn(members, tokens, 1).expand(members, tokens, width).flatten(1)
        if tokens > 1 and width > 1
        else random_signs(members, tokens * width)
        for tokens, width in shapes
    ]
    return torch.cat(pieces, dim=1)


class TabM(Combiner):
    """`[b, t, w]` of every group → `[b, k, width]`: k members share one MLP, told apart by vectors (Gorishniy et al. 2024, section 3.3).

    Members are trained on their own losses and averaged in prediction.
    """

    def __init__(self, options: TabMOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        self.members, self.width = options.members, options.width
        self.first = MemberScaling(first_scaling(shapes, options.members))
        inputs = [total_width(shapes), *[options.width] * (options.depth - 1)]
        self.layers = nn.ModuleList(
            SharedLinear(each, options.width, options.members, scale_input=number > 0) for number, each in enumerate(inputs)
        )
        self.activate, self.dropout = function(options.activation), options.dropout

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b k h"]:
        x = self.first(side_by_side(encoded))
        for layer in self.layers:
            x = self.activate(layer(x))
            if self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        return x
