"""Positions from their options, for the attention that they are in."""

from __future__ import annotations

from typing import Any

from torch import nn

from trainwright.config.choice import choose
from trainwright.config.registry import build


def make_positions(positions: Any, heads: int, head_width: int, *, causal: bool) -> nn.Module | None:
    """`rotary`, or a mapping with `type`, or options → positions for these heads; None for none."""
    if positions is None:
        return None
    made: nn.Module = build("positions", choose("positions", positions), heads=heads, head_width=head_width, causal=causal)
    return made
