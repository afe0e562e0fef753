"""Piecewise-linear encoding of numbers (Gorishniy et al. 2022, eq. 1), vectorised over columns."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def choose_edges(quantiles: list[list[float]], bins: int) -> list[list[float]]:
    """At most `bins + 1` of the given quantiles per column, evenly picked, increasing, without repeats; always at least one bin."""
    chosen = []
    for edges in quantiles:
        unique = sorted(set(edges))
        count = min(bins + 1, len(unique))
        picked = [unique[round(i * (len(unique) - 1) / max(count - 1, 1))] for i in range(count)]
        if len(picked) < 2:
            start = picked[0] if picked else 0.0
            picked = [start, start + 1.0]
        chosen.append(picked)
    return chosen


class PiecewiseLinear(nn.Module):
    """`[b, f]` → `[b, f, bins]`: bin t holds `(x − e_t) / (e_{t+1} − e_t)` clamped to 0…1; columns with fewer bins end in zeros."""

    scale: Tensor
    shift: Tensor

    def __init__(self, edges: list[list[float]]) -> None:
        super().__init__()
        self.bins = max(len(column) for column in edges) - 1
        scale, shift = torch.zeros(len(edges), self.bins, dtype=torch.float64), torch.zeros(len(edges), self.bins, dtype=torch.float64)
        for row, column in enumerate(edges):
            edge = torch.tensor(column, dtype=torch.float64)
            width = edge.diff()
            scale[row, : len(width)] = 1 / width
            shift[row, : len(width)] = -edge[:-1] / width
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b f t"]:
        return torch.addcmul(self.shift, x.unsqueeze(-1), self.scale).clamp_(0.0, 1.0)
