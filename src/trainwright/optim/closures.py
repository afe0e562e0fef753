"""Torch optimizers that evaluate the loss and its gradient several times a step, within the step of the trainer."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.optim.torch_optimizer import OwnTorch, TorchOptimizer


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the `step` of a torch optimizer cannot do without a closure."""
    try:
        taken = inspect.signature(type(optimizer).step).parameters.get("closure")
    except (TypeError, ValueError):
        return False
    return taken is not None and taken.default is taken.empty


class StepsByClosure(TorchOptimizer):
    """One whose step asks for the loss by itself, with the gradients of the same rows at the weights of that moment."""

    redoes = True
    combined_as = "sam"
    """The optimizer of ours whose combinations it shares."""

    def step(self) -> None:
        """Raises TrainwrightError: one gradient is not enough."""
        what = f"{type(self.optimizer).__name__} evaluates the gradient several times"
        raise TrainwrightError(what, fix="call step_with(redo, loss); with manual optimization, step(closure)")

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """One step; an evaluation at the first weights is the one that was made, with its gradients and `loss`.

        The host waits for the loss of every evaluation. When one fails, weights and state are put back as they were.
        """
        self.settle()
        weights, state = [param.detach().clone() for param in self.parameters()], self._keep()
        first = [loss]

        def evaluate() -> Tensor:
            found = first.pop() if first and not self._differs(weights) else _redone(redo)
            first.clear()
            for param in self.parameters():  # torch's L-BFGS flattens gradients as views
                if param.grad is not None and param.grad.layout == torch.strided and not param.grad.is_contiguous():
                    param.grad = param.grad.contiguous()
            return found

        try:
            self.optimizer.step(evaluate)  # type: ignore[arg-type]
        except BaseException:  # also out of memory and a second signal: the step that is tried again begins where this one did
            for param, weight in zip(self.parameters(), weights, strict=True):
                param.detach().copy_(weight)
            self._put_back(state)
            raise

    def _differs(self, weights: Sequence[Tensor]) -> bool:
        """Whether the weights are others than at the beginning of the step."""
        return not all(torch.equal(param, weight) for param, weight in zip(self.parameters(), weights, strict=True))

    def _keep(self) -> Any:
        """The state, safe from the next step."""
        return {param: copy.deepcopy(entries) for param, entries in self.optimizer.state.items()}

    def _put_back(self, state: Any) -> None:
        """Make the state what `_keep` gave."""
        self.optimizer.state.clear()
        self.optimizer.state.update(state)


def _redone(redo: Callable[[], Tensor]) -> Tensor:
    """A new evaluation, with gradients also where an optimizer's step is under `no_grad`."""
    with torch.enable_grad():
        return redo()


class OwnByClosure(OwnTorch, StepsByClosure):
    """One that a system made itself."""
