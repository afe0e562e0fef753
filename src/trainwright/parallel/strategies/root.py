"""A step of a system as the forward pass of a module, for what torch hangs on modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


class Root(nn.Module):
    """What is called in place of a step of the system: torch acts round the forward pass of a module."""

    def __init__(self, system: nn.Module) -> None:
        super().__init__()
        self.system = system

    def forward(self, method: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        """What the method gives."""
        return method(*arguments, **options)
