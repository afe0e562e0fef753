"""Fully connected layers."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from trainwright.nn.networks.activations import activation


def mlp(inputs: int, width: int, depth: int, *, act: str = "relu", dropout: float = 0.0, norm: bool = False) -> nn.Sequential:
    """`depth` layers of `width` neurons, each: linear, layer norm if asked, activation, dropout if any."""
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *[width] * depth]):
        layers.append(nn.Linear(before, after))
        layers += [nn.LayerNorm(after)] if norm else []
        layers.append(activation(act))
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers)
