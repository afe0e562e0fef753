"""Lookahead (Zhang et al. 2019, algorithm 1): slow weights that follow the fast ones of another optimizer every few steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.optim.around import Around
from trainwright.optim.base import check_names
from trainwright.optim.options import LookaheadOptions
from trainwright.optim.parameter_groups import ParameterGroup


class Lookahead(Around):
    """slow ← slow + alpha·(fast − slow), fast ← slow, every `every` steps; in between the inner optimizer alone acts."""

    def __init__(self, options: LookaheadOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.inner, groups)
        self.options = options
        self.redoes = self.inner.redoes
        self._fast: dict[str, nn.Parameter] = self.named_parameters()
        self._slow: dict[str, Tensor] = {}
        self._made = 0

    def step(self) -> None:
        """An update of the fast weights, and every `every` steps one of the slow."""
        self._begin()
        self.inner.step()
        self._follow()

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """The same round an inner optimizer that evaluates the gradient again."""
        self._begin()
        self.inner.step_with(redo, loss)  # type: ignore[attr-defined]
        self._follow()

    def _begin(self) -> None:
        if not self._slow:
            self._slow = {name: param.detach().clone() for name, param in self._fast.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        self._made += 1
        if self._made % self.options.every == 0:
            trained = [name for name, param in self._fast.items() if param.requires_grad]  # what is frozen stays where it is
            slow, fast = [self._slow[name] for name in trained], [self._fast[name].detach() for name in trained]
            torch._foreach_lerp_(slow, fast, self.options.alpha)
            torch._foreach_copy_(fast, slow)

    def averaged(self) -> dict[str, Tensor] | None:
        """The slow weights by parameter name, or None where the fast ones are evaluated."""
        return dict(self._slow) if self._slow and self.options.evaluate == "slow" else None

    def tensors(self) -> dict[str, Tensor]:
        """The inner optimizer's, and the slow weights once there are any."""
        return self.inner.tensors() | {f"slow/{name}": tensor for name, tensor in self._slow.items()}

    def numbers(self) -> dict[str, Any]:
        """The inner optimizer's, and the updates made."""
        return {"inner": self.inner.numbers(), "made": self._made}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other parameters."""
        slow = {key.removeprefix("slow/"): tensor for key, tensor in tensors.items() if key.startswith("slow/")}
        if slow:
            check_names(set(self._fast), set(slow))
        self.inner.load({key: tensor for key, tensor in tensors.items() if not key.startswith("slow/")}, numbers["inner"])
        self._slow = {name: torch.empty_like(param).copy_(slow[name]) for name, param in self._fast.items()} if slow else {}
        self._made = int(numbers["made"])
