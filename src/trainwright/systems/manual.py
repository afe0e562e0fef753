"""Optimizers in the hands of a system that steps them by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.optim.base import Optimizer
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.parameter_options import Clipping
from trainwright.optim.several import Optimizers
from trainwright.optim.torch_optimizer import TorchOptimizer

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class ManualOptimizer:
    """One of the optimizers of a run: `step`, `zero_grad`, and its parameters alone trainable within `toggled()`."""

    def __init__(self, name: str, member: Optimizer, session: Session) -> None:
        self.name, self._member, self._session = name, member, session

    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Update its parameters from their gradients, the hook before it called.

        `closure`, for optimizers of torch that evaluate the loss themselves, goes backwards and gives the loss.
        """
        strategy = self._session.parts.strategy
        if closure is None:
            strategy.share_gradients(self._member.parameters())
        for hook in self._session.parts.hooks.on_before_optimizer_step:
            hook(self._session, self._session.system)
        if closure is None or not isinstance(self._member, TorchOptimizer):
            self._member.step()
            return

        def evaluate() -> Any:
            loss = closure()
            strategy.share_gradients(self._member.parameters())
            return strategy.sum_weighed(loss)

        self._member.settle()
        self._member.optimizer.step(evaluate)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of its parameters."""
        if set_to_none:
            self._member.zero_grad()
        else:
            for parameter in self._member.parameters():
                if parameter.grad is not None:
                    parameter.grad.zero_()

    def clip(self, norm: float | None = None, value: float | None = None) -> Tensor:
        """Clip the gradients of its parameters; returns their global 2-norm before, a scalar on the device."""
        return clip_gradients(self._member.parameters(), Clipping(norm=norm, value=value))

    @contextmanager
    def toggled(self) -> Iterator[None]:
        """Parameters of the other optimizers need no gradient inside."""
        own = {id(parameter) for parameter in self._member.parameters()}
        others = [each for each in self._session.optimizer.parameters() if id(each) not in own and each.requires_grad]
        for each in others:
            each.requires_grad_(False)
        try:
            yield
        finally:
            for each in others:
                each.requires_grad_(True)

    @property
    def optimizer(self) -> Any:
        """The optimizer itself: torch's, or one of ours."""
        return self._member.optimizer if isinstance(self._member, TorchOptimizer) else self._member

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Torch's parameter groups. Raises ConfigError for an optimizer that is not torch's."""
        if isinstance(self._member, TorchOptimizer):
            return self._member.optimizer.param_groups
        raise ConfigError(f"'{self.name}' has no param_groups", where="optimizers()", fix="use .optimizer.parameter_groups")

    @property
    def learning_rate(self) -> float:
        """Its learning rate now."""
        return self._member.learning_rate

    def parameters(self) -> list[torch.nn.Parameter]:
        """What it trains."""
        return self._member.parameters()


def handles(session: Session) -> list[ManualOptimizer]:
    """The optimizers of a run, in the order in which they were made."""
    made = session.optimizer
    members = made.members if isinstance(made, Optimizers) else {"optimizer": made}
    return [ManualOptimizer(name, each, session) for name, each in members.items()]
