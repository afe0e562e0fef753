"""The numbers as they are."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import PassthroughOptions
from trainwright.nn.encoders.fitting import unfit


class Passthrough(nn.Module):
    """`value` `[b, f]` or `[b, f, …]`, whose last dimensions become one → `[b, f, v]`; the missing indicator is one more number of each."""

    def __init__(self, options: PassthroughOptions, group: InputGroup) -> None:
        super().__init__()
        if "value" not in group.parts or "length" in group.parts:
            raise unfit(group, "are not plain numbers")
        shape = group.parts["value"]
        self.flat, self.missing = len(shape) == 1, "missing" in group.parts
        self.tokens = shape[0]
        self.width = math.prod(shape[1:]) + self.missing

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b f v"]:
        value = parts["value"]
        if not value.is_floating_point():
            value = value.float()
        if self.flat:
            value = value.unsqueeze(-1)
        elif value.dim() > 3:
            value = value.flatten(2)
        return torch.cat([value, parts["missing"].unsqueeze(-1)], dim=2) if self.missing else value
