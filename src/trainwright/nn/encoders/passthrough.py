"""The numbers as they are."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import PassthroughOptions
from trainwright.nn.encoders.fitting import unfit


class Passthrough(nn.Module):
    """`value` `[b, f]` or `[b, f, v]` → `[b, f, v]`, with the missing indicator as one more number per column where there is one."""

    def __init__(self, options: PassthroughOptions, group: InputGroup) -> None:
        super().__init__()
        if "value" not in group.parts or "length" in group.parts:
            raise unfit(group, "are not plain numbers")
        shape = group.parts["value"]
        self.flat, self.missing = len(shape) == 1, "missing" in group.parts
        self.tokens = shape[0]
        self.width = (1 if self.flat else shape[1]) + self.missing

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b f v"]:
        value = parts["value"]
        if not value.is_floating_point():
            value = value.float()
        if self.flat:
            value = value.unsqueeze(-1)
        return torch.cat([value, parts["missing"].unsqueeze(-1)], dim=2) if self.missing else value
