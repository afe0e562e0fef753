"""Whether any process has something to tell: known with the gradients of a step, and read without waiting for a device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Heard:
    """Numbers above 0 where some process asked to be heard. Those on a device are read an exchange late, when they are there already."""

    def __init__(self) -> None:
        self._found: bool | None = None
        self._underway: tuple[Tensor, Any] | None = None

    def add(self, asking: Tensor | float) -> None:
        """Take in the sum over all processes, a number or a scalar."""
        if isinstance(asking, float) or asking.device.type == "cpu":
            self._found = bool(self._found) or bool(asking > 0)
            return
        if self._underway is not None:
            number, event = self._underway
            event.synchronize()
            self._found = bool(self._found) or bool(number > 0)
        else:
            self._found = bool(self._found)
        number = torch.empty((), dtype=asking.dtype, pin_memory=True)
        number.copy_(asking, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._underway = number, event

    def take(self) -> bool | None:
        """Whether any asked since the last time; None where there was no exchange."""
        found, self._found = self._found, None
        return found
