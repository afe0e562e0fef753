"""Whether a function of one's own broadcasts the model's output against the target."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.config.errors import DataError


def watch_broadcast(loss: str, output: Any, target: Any) -> BroadcastWatch | None:
    """A watch for the call of a loss; None where both have one shape, or differ by more than dimensions of 1."""
    if not (isinstance(output, Tensor) and isinstance(target, Tensor)) or output.shape == target.shape:
        return None
    if [each for each in output.shape if each != 1] != [each for each in target.shape if each != 1]:
        return None
    try:
        both = torch.broadcast_shapes(output.shape, target.shape)  # type: ignore[no-untyped-call]
    except RuntimeError:
        return None
    return None if both in (output.shape, target.shape) else BroadcastWatch(loss, output.shape, target.shape, both)


class BroadcastWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises DataError when output (n, 1) and target (n) meet as they are and give (n, n); a function that reshapes one passes."""

    def __init__(self, loss: str, output: torch.Size, target: torch.Size, both: torch.Size) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.loss, self.output, self.target, self.both = loss, output, target, both

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.shape == self.both:
            shapes = {each.shape for each in args if isinstance(each, Tensor)}
            expanded = func is torch.ops.aten.expand.default and shapes <= {self.output, self.target}
            if expanded or shapes == {self.output, self.target}:
                raise self._refusal()
        return result

    def _refusal(self) -> DataError:
        return DataError(
            f"the model gives {tuple(self.output)} for a target of {tuple(self.target)}",
            where=f"loss '{self.loss}'",
            why=f"the function broadcasts them against each other, to {tuple(self.both)}",
            fix="give y.unsqueeze(1) or output.squeeze(1); if it is meant, write it out in the function: target[None, :]",
        )
