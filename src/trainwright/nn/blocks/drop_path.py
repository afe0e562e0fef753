"""Stochastic depth (Huang et al. 2016)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual_options import DropPathOptions


class DropPath(nn.Module):
    """`[b, …]` → the same, in training with whole rows 0 at probability `rate` and the others divided by 1 − rate; else as it is."""

    @checked_by(DropPathOptions)
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(x.shape[0], *(1,) * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * kept.div_(1 - self.rate)

    def extra_repr(self) -> str:
        """The rate, as it is printed."""
        return f"rate={self.rate}"


def make_drop_path(rate: float) -> nn.Module:
    """Drop path at this rate; the identity for 0."""
    return DropPath(rate) if rate else nn.Identity()


def drop_path_rates(last: float, depth: int) -> list[float]:
    """The rate of each of `depth` blocks: linear from 0 to `last`, as deep networks are trained (Huang et al. 2016, section 3)."""
    return [last * number / max(depth - 1, 1) for number in range(depth)]
