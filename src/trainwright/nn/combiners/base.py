"""What combiners share: groups side by side."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

Shapes = list[tuple[int, int]]
"""Tokens and width of every encoded group."""


def total_width(shapes: Shapes) -> int:
    """Numbers per row over all groups."""
    return sum(tokens * width for tokens, width in shapes)


def side_by_side(encoded: list[Tensor]) -> Float[Tensor, "b w"]:
    """Every group flattened, one after the other; a single group is not copied."""
    return encoded[0].flatten(1) if len(encoded) == 1 else torch.cat([group.flatten(1) for group in encoded], dim=1)


class Combiner(nn.Module):
    """Encoded groups → `[b, width]`, or `[b, members, width]` when there are several members."""

    width: int
    members: int = 1
    penalises: bool = False
    """Whether `penalty` is ever set."""
    penalty: Tensor | None = None
    """A term of the loss per row `[b]`, left by the last forward pass in training mode."""
