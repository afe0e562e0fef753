"""One number per category value."""

from __future__ import annotations

from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import OneHotOptions
from trainwright.nn.encoders.fitting import unfit


def offsets(sizes: list[int]) -> Tensor:
    """Where each column's values begin when the values of all columns are numbered through, `[f]`."""
    return torch.tensor(list(accumulate([0, *sizes[:-1]])), dtype=torch.int64)


def check_index(group: InputGroup) -> None:
    """Raises ConfigError when the group does not hold category indices."""
    if "index" not in group.parts:
        raise unfit(group, "are not categories")


class OneHot(nn.Module):
    """`index` `[b, f]` → one token `[b, 1, sum of sizes]`; columns side by side, so that no width is wasted on small ones."""

    start: Tensor

    def __init__(self, options: OneHotOptions, group: InputGroup) -> None:
        super().__init__()
        check_index(group)
        self.register_buffer("start", offsets(group.sizes), persistent=False)
        self.tokens, self.width = 1, sum(group.sizes)

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        index = parts["index"]
        ones = torch.zeros(index.shape[0], self.width, device=index.device).scatter_(1, index + self.start, 1.0)
        return ones.unsqueeze(1)
