"""Squeeze-and-excitation (Hu et al. 2018)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual_options import SqueezeExcitationOptions
from trainwright.nn.blocks.spatial import beside_space
from trainwright.nn.networks.activations import activation as activation_named


class SqueezeExcitation(nn.Module):
    """`x · sigmoid(W₂ act(W₁ mean(x)))`, a gate per channel (Hu et al. 2018, eq. 2–4)."""

    @checked_by(SqueezeExcitationOptions)
    def __init__(self, channels: int, reduction: int = 16, activation: str = "relu") -> None:
        super().__init__()
        inner = max(channels // reduction, 1)
        self.fc1 = nn.Linear(channels, inner)
        self.act = activation_named(activation)
        self.fc2 = nn.Linear(inner, channels)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b c *space"]:
        gate = self.fc2(self.act(self.fc1(x.flatten(2).mean(2)))).sigmoid()
        return x * beside_space(gate, x.dim() - 2)
