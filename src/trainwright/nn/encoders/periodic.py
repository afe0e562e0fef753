"""Numbers as sines and cosines of learned frequencies, then a linear map per column."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import PeriodicOptions
from trainwright.nn.encoders.piecewise_linear import check_numbers
from trainwright.nn.networks.activations import activation
from trainwright.nn.networks.initial import normal_weight
from trainwright.nn.networks.tokens import TokenLinear


class PeriodicEmbedding(nn.Module):
    """`value` `[b, f]` → `[b, f, width]` by `act(Linear(concat[sin(2π c x), cos(2π c x)]))`, c learned (Gorishniy et al. 2022, eq. 3)."""

    def __init__(self, options: PeriodicOptions, group: InputGroup) -> None:
        super().__init__()
        check_numbers(group)
        columns = len(group.columns)
        self.frequency = normal_weight(columns, options.frequencies, std=options.sigma)
        self.linear = TokenLinear(columns, 2 * options.frequencies, options.width)
        self.missing = nn.Parameter(torch.zeros(columns, options.width)) if "missing" in group.parts else None
        self.activation = activation(options.activation)
        self.tokens, self.width = columns, options.width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b f w"]:
        angle = 2 * math.pi * parts["value"].unsqueeze(-1) * self.frequency
        y = self.linear(torch.cat([angle.sin(), angle.cos()], dim=-1))
        if self.missing is not None:
            y = torch.addcmul(y, parts["missing"].unsqueeze(-1), self.missing)
        return self.activation(y)
