"""Activations by name, and the sparse alternatives to softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
}


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "elu": F.elu,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
}


def function(name: str) -> Callable[[Tensor], Tensor]:
    """The activation of this name as a function."""
    return FUNCTIONS[name]


def activation(name: str | None) -> nn.Module:
    """The activation of this name; None is the identity."""
    return nn.Identity() if name is None else ACTIVATIONS[name]()


def sparsemax(z: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Euclidean projection onto the probability simplex (Martins and Astudillo 2016, algorithm 1)."""
    z = z - z.amax(dim=1, keepdim=True)
    ordered = z.sort(dim=1, descending=True).values
    rank = torch.arange(1, z.shape[1] + 1, dtype=z.dtype, device=z.device)
    cumulative = ordered.cumsum(dim=1)
    support = (1 + rank * ordered > cumulative).sum(dim=1, keepdim=True)
    threshold = (cumulative.gather(1, support - 1) - 1) / support
    return (z - threshold).clamp_min(0)


def entmax15(z: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """α-entmax with α = 1.5: `[z/2 − τ]₊²` with τ such that it sums to 1 (Peters et al. 2019, algorithm 2)."""
    z = (z - z.amax(dim=1, keepdim=True)) / 2
    ordered = z.sort(dim=1, descending=True).values
    rank = torch.arange(1, z.shape[1] + 1, dtype=z.dtype, device=z.device)
    mean = ordered.cumsum(dim=1) / rank
    spread = (ordered.square().cumsum(dim=1) / rank - mean.square()) * rank
    # the clamp keeps the gradient of the square root finite where a candidate threshold does not exist
    candidates = mean - ((1 - spread) / rank).clamp_min(1e-12).sqrt()
    support = (candidates <= ordered).sum(dim=1, keepdim=True)
    return (z - candidates.gather(1, support - 1)).clamp_min(0).square()
