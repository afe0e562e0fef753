"""Sum or mean of learned vectors, for sets and bags."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import BagOptions
from trainwright.nn.encoders.fitting import unfit
from trainwright.nn.networks.initial import normal_weight


class EmbeddingBag(nn.Module):
    """Counts `value` `[b, 1, v]` → one token `[b, 1, width]`; an empty set gives zeros, and the missing indicator adds a vector."""

    def __init__(self, options: BagOptions, group: InputGroup) -> None:
        super().__init__()
        if len(group.parts.get("value", ())) != 2 or "length" in group.parts:
            raise unfit(group, "are not sets or bags")
        self.mean = options.mean
        self.table = normal_weight(group.parts["value"][1], options.width, std=1.0 if options.mean else 1 / options.width**0.5)
        self.missing = nn.Parameter(torch.zeros(options.width)) if "missing" in group.parts else None
        self.tokens, self.width = 1, options.width

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        counts = parts["value"].to(self.table.dtype)
        total = counts @ self.table
        if self.mean:
            total = total / counts.sum(dim=2, keepdim=True).clamp_min(1.0)
        return total if self.missing is None else torch.addcmul(total, parts["missing"].unsqueeze(-1), self.missing)
