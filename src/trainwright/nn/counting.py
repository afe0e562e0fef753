"""How many numbers a module learns."""

from __future__ import annotations

from torch import nn


def n_params(module: nn.Module) -> int:
    """The number of elements of all parameters of a module, each shared one once, frozen ones too; 0 for a module without any.

    Raises ValueError for lazy parameters, which have no size before the first forward pass.
    """
    return sum(each.numel() for each in module.parameters())
