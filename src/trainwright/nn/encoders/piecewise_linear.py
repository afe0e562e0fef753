"""Numbers placed between the quantiles of their column, then a linear map per column."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import PiecewiseLinearOptions
from trainwright.nn.encoders.fitting import unfit
from trainwright.nn.networks.activations import activation
from trainwright.nn.networks.initial import uniform_weight
from trainwright.nn.networks.pieces import PiecewiseLinear, choose_edges


def check_numbers(group: InputGroup) -> None:
    """Raises ConfigError when the group does not hold one number per column."""
    if len(group.parts.get("value", ())) != 1:
        raise unfit(group, "are not single numbers")


class PiecewiseLinearEmbedding(nn.Module):
    """`value` `[b, f]` → `[b, f, width]`: a linear map of the number plus one of its pieces, which starts at zero.

    Starting the pieces at zero makes the network begin as a plain one on scaled numbers and bend only where the data asks for it
    (version B of the authors' `rtdl_num_embeddings`). Values beyond those of the training rows count as the nearest of these, as they
    do for trees: a linear part that went on outside would turn one wild value into a prediction without bounds.
    """

    low: Tensor
    high: Tensor

    def __init__(self, options: PiecewiseLinearOptions, group: InputGroup) -> None:
        super().__init__()
        check_numbers(group)
        if "quantiles" not in group.extras:
            raise unfit(group, "have no quantiles")
        columns, width = len(group.columns), options.width
        edges = choose_edges(group.extras["quantiles"], options.bins)
        self.pieces = PiecewiseLinear(edges)
        self.register_buffer("low", torch.tensor([column[0] for column in edges]))
        self.register_buffer("high", torch.tensor([column[-1] for column in edges]))
        self.piece_weight = nn.Parameter(torch.zeros(columns, self.pieces.bins, width))
        self.weight = uniform_weight(columns, width, fan_in=1)
        self.bias = uniform_weight(columns, width, fan_in=1)
        self.missing = nn.Parameter(torch.zeros(columns, width)) if "missing" in group.parts else None
        self.activation = activation(options.activation) if options.activation else None
        self.tokens, self.width = columns, width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b f w"]:
        value = parts["value"].clamp(self.low, self.high)
        y = torch.addcmul(self.bias, value.unsqueeze(-1), self.weight)
        y = y + torch.bmm(self.pieces(value).transpose(0, 1), self.piece_weight).transpose(0, 1)
        if self.missing is not None:
            y = torch.addcmul(y, parts["missing"].unsqueeze(-1), self.missing)
        return y if self.activation is None else self.activation(y)
