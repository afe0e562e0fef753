"""Linear layers for k members at once: sharing one matrix, or each with its own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.networks.initial import uniform_weight


class MemberScaling(nn.Module):
    """Multiplies each member's copy of the input by its own vector: `[b, w]` or `[b, k, w]` → `[b, k, w]`."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(start)

    def forward(self, x: Tensor) -> Float[Tensor, "b k w"]:
        return (x.unsqueeze(1) if x.dim() == 2 else x) * self.weight


class SharedLinear(nn.Module):
    """BatchEnsemble linear layer: member i computes `((x · r_i) Wᵀ) · s_i + b_i` with one shared W (Wen et al. 2020, eq. 4).

    `r` and `s` start at one, so members differ only through their input and bias, as TabM does (Gorishniy et al. 2024, section 3.3).
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, scale_input: bool = True) -> None:
        super().__init__()
        self.weight = uniform_weight(outputs, inputs, fan_in=inputs)
        self.r = nn.Parameter(torch.ones(members, inputs)) if scale_input else None
        self.s = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(uniform_weight(outputs, fan_in=inputs).detach().expand(members, outputs).clone())

    def forward(self, x: Float[Tensor, "b k i"]) -> Float[Tensor, "b k o"]:
        if self.r is not None:
            x = x * self.r
        return torch.addcmul(self.bias, x @ self.weight.T, self.s)


class SeparateLinear(nn.Module):
    """A linear layer with a matrix of its own for each of k members: `[b, k, i]` → `[b, k, o]`."""

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.weight = uniform_weight(members, inputs, outputs, fan_in=inputs)
        self.bias = uniform_weight(members, outputs, fan_in=inputs)

    def forward(self, x: Float[Tensor, "b k i"]) -> Float[Tensor, "b k o"]:
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight).transpose(0, 1)
