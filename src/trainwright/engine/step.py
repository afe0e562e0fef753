"""A backward pass weighted by items, and the mean of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.engine.system import Loss

_ENGINE: Any = torch.autograd.Variable._execution_engine
"""What `Tensor.backward` calls in the end. With a gradient given, `Tensor.backward` imports sympy first (half a second) and checks
symbolic shapes at every step; multiplying the loss instead costs two more kernels forwards and backwards."""


def has_own_mean(loss: Loss, whole: bool) -> bool:
    """Whether a piece that is the `whole` step goes backwards from the mean over its items, whatever their number beside its rows."""
    return whole and (loss.mean is not None or (type(loss.count) is int and loss.count > 0))


class Backward:
    """Gradients of the mean loss of a step from the sums over its micro-batches, whatever their items are.

    A step in one piece goes backwards from its own mean. Else each piece goes with weight 1 / rows of the step; when the items turn out to
    be others than the rows (tokens, weights), the gradient is corrected once, at the end.
    """

    def __init__(self) -> None:
        self._weights: dict[tuple[float, torch.dtype, torch.device], Tensor] = {}

    def __call__(self, loss: Loss, rows: int, scale: float = 1.0, whole: bool = False) -> None:
        """Backward pass of one piece of a step of `rows` rows, with gradients `scale` times as large (for float16).

        `whole`: the piece is the whole step, so that a mean goes backwards as it is. Raises TrainwrightError when the loss is no scalar
        with a graph.
        """
        root, share = loss.total, scale / rows
        if loss.mean is not None:
            root, share = loss.mean, scale if whole else scale * float(loss.count) / rows
        elif has_own_mean(loss, whole):
            share = scale / float(loss.count)
        if root.dim() or not root.requires_grad:
            raise _no_loss(root)
        key = (share, root.dtype, root.device)
        weight = self._weights.get(key)
        if weight is None:
            weight = self._weights[key] = torch.tensor(share, dtype=root.dtype, device=root.device)
        _ENGINE.run_backward((root,), (weight,), False, False, (), allow_unreachable=True, accumulate_grad=True)

    @torch.no_grad()
    def finish(self, grads: list[Tensor], rows: int, items: int | Tensor) -> None:
        """Scale the gradients in place from per row to per item."""
        if isinstance(items, int):
            if items not in (0, rows):
                torch._foreach_mul_(grads, rows / items)
            return
        wide = torch.float64 if any(grad.dtype == torch.float64 for grad in grads) else torch.float32
        factor = torch.where(items > 0, rows / items.to(wide), 0.0)
        torch._foreach_mul_(grads, factor)


def _no_loss(total: Tensor) -> TrainwrightError:
    if total.dim():
        return TrainwrightError(
            f"training_step gave a loss of shape {tuple(total.shape)}",
            why="Loss.total is the sum over the items, a scalar",
            fix="sum it, and give the number of items as Loss.count",
        )
    return TrainwrightError(
        "the loss does not depend on any trained parameter",
        why="it has no graph",
        fix="let training_step compute the loss from what the model gives, neither detached nor under no_grad",
    )


def mean_of(losses: Sequence[Loss]) -> Tensor:
    """The mean loss of a step from those of its pieces, a scalar on the device; 0 where nothing of the step counts."""
    total = torch.stack([loss.total.detach() for loss in losses]).sum()
    items = sum(loss.count for loss in losses)
    if isinstance(items, Tensor):
        return torch.where(items > 0, total / items, 0.0)
    return total / items if items else total
