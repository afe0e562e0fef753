"""A linear layer called at the cost of its arithmetic."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def apply_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """What `layer(x)` gives. The call of a module costs as much as a small layer, and is left out where nothing hangs on it: hooks of a
    person's own, or those by which a strategy deals its weights over processes."""
    if layer._forward_pre_hooks or layer._forward_hooks:
        called: Tensor = layer(x)
        return called
    return F.linear(x, layer.weight, layer.bias)
