"""Any `torch.optim.Optimizer`, named by its dotted path, behind the protocol of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.optim.base import check_names


class TorchOptimizer:
    """Wraps a torch optimizer; its state is kept by parameter name, tensors apart from numbers."""

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
        self.optimizer = optimizer
        self._named = dict(parameters)
        self._groups = [(group, float(group["lr"])) for group in optimizer.param_groups]
        self.base_learning_rate = self._groups[0][1]

    @property
    def learning_rate(self) -> float:
        """Used by the next step, of the first group; groups keep their proportions."""
        return float(self._groups[0][0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group, base in self._groups:
            group["lr"] = (
                value if base == self.base_learning_rate else base * (value / self.base_learning_rate if self.base_learning_rate else 1.0)
            )

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.optimizer.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return list(self._named.values())

    def tensors(self) -> dict[str, Tensor]:
        """State as tensors named `<state>/<parameter>`."""
        return {key: value for key, value in self._state().items() if isinstance(value, Tensor)}

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, by the same names."""
        return {key: value for key, value in self._state().items() if not isinstance(value, Tensor)}

    def _state(self) -> dict[str, Any]:
        names = {id(param): name for name, param in self._named.items()}
        state = self.optimizer.state
        return {f"{key}/{names[id(param)]}": value for param, entries in state.items() for key, value in entries.items()}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back, on each parameter's device; raises RunError when it names parameters this model has not."""
        merged: dict[str, Any] = {**tensors, **numbers}
        check_names({name.partition("/")[2] for name in merged} & set(self._named), {name.partition("/")[2] for name in merged})
        for full, value in merged.items():
            key, _, name = full.partition("/")
            param = self._named[name]
            if isinstance(value, Tensor):
                here = self.optimizer.state[param].get(key)
                like_param = value.shape == param.shape and key != "step"
                value = value.clone().to(here.device if isinstance(here, Tensor) else param.device if like_param else value.device)
            self.optimizer.state[param][key] = value


def wrap(made_from: type[torch.optim.Optimizer], options: Mapping[str, Any], parameters: Mapping[str, nn.Parameter]) -> TorchOptimizer:
    """A torch optimizer made with its own options; `learning_rate` is read as `lr`. Raises ConfigError saying what it refused."""
    given = {("lr" if key == "learning_rate" else key): value for key, value in options.items() if value is not None}
    trained = {name: param for name, param in parameters.items() if param.requires_grad}
    try:
        return TorchOptimizer(made_from(list(trained.values()), **given), trained)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{made_from.__name__} refuses its options", where="trainer.optimizer", why=str(error)) from error
