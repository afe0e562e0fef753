"""The base of optimizers that act round another one: all that they leave alone is the inner one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer
from trainwright.optim.parameter_groups import ParameterGroup


class Around(Optimizer):
    """Learning rate, groups, parameters and state of the optimizer inside."""

    def __init__(self, inner: PartConfig, groups: Sequence[ParameterGroup]) -> None:
        self.inner: Optimizer = build_optimizer(inner, groups)
        self.base_learning_rate = self.inner.base_learning_rate
        self.parameter_groups = self.inner.parameter_groups

    @property
    def learning_rate(self) -> float:
        """Used by the next step; the schedule sets it."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.inner.learning_rate = value

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.inner.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        self.inner.zero_grad()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return self.inner.parameters()

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters of all groups, by name."""
        return {name: param for group in self.parameter_groups for name, param in zip(group.names, group.params, strict=True)}

    def averaged(self) -> dict[str, Tensor] | None:
        """The weights that the inner optimizer has for evaluation, if others than the trained ones."""
        return self.inner.averaged()

    def layout_fault(self, name: str, sparse: bool) -> str:
        """As the inner optimizer."""
        return self.inner.layout_fault(name, sparse)

    def tensors(self) -> dict[str, Tensor]:
        """State as tensors named `<state>/<parameter>`."""
        return self.inner.tensors()

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor."""
        return self.inner.numbers()

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other parameters."""
        self.inner.load(tensors, numbers)
