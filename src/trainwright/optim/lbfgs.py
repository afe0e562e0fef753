"""L-BFGS: `torch.optim.LBFGS` within the step of the trainer, with state that is saved and taken back bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.optim.closures import StepsByClosure
from trainwright.optim.options import LBFGSOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.torch_optimizer import OwnTorch, wrap

LISTS = ("old_dirs", "old_stps", "ro")
SCRATCH = ("al",)
"""Written anew in every iteration before it is read."""


class LBFGSSteps(StepsByClosure):
    """Several iterations per step, each from gradients of the same rows; all parameters are one flat vector, and so is the state."""

    combined_as = "lbfgs"

    def _differs(self, weights: Sequence[Tensor]) -> bool:
        return False  # its first evaluation is at the weights that the step begins with

    def _keep(self) -> dict[str, Any]:
        """The state, safe from the next step, which appends to the lists and overwrites the last gradient."""
        return {
            key: list(value) if key in LISTS else value.clone() if key == "prev_flat_grad" else value
            for key, value in self._entries().items()
        }

    def _put_back(self, state: Any) -> None:
        self.optimizer.state[self._holder] = state

    def tensors(self) -> dict[str, Tensor]:
        """The state, which belongs to no single parameter, by its own names; lists as `old_dirs/0`, `old_dirs/1`, …"""
        found: dict[str, Tensor] = {}
        for key, value in self._entries().items():
            each = {f"{key}/{i}": one for i, one in enumerate(value)} if key in LISTS else {key: value}
            found |= {name: one for name, one in each.items() if isinstance(one, Tensor)}
        return found

    def numbers(self) -> dict[str, Any]:
        """The state that is no tensor: counts, and the last loss."""
        return {key: value for key, value in self._entries().items() if key not in LISTS and not isinstance(value, Tensor)}

    def _entries(self) -> dict[str, Any]:
        state = self.optimizer.state.get(self._holder, {})
        return {key: value for key, value in state.items() if key not in SCRATCH and value is not None}

    @property
    def _holder(self) -> nn.Parameter:
        first: nn.Parameter = self.optimizer.param_groups[0]["params"][0]
        return first

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to a model of another size or to another optimizer."""
        unknown = sorted(key for key in tensors if key.partition("/")[0] not in (*LISTS, "d", "t", "H_diag", "prev_flat_grad"))
        size = sum(param.numel() for param in self.parameters())
        sizes = {tensor.numel() for key, tensor in tensors.items() if key.startswith(("d", "old_", "prev_flat_grad"))} - {size}
        if unknown or sizes:
            why = f"unknown: {', '.join(unknown[:5])}" if unknown else f"it holds {sizes.pop()} values, the model {size}"
            raise RunError("the optimizer's saved state belongs to another model or optimizer", why=why, fix="continue with the same ones")
        here = {key: tensor.to(self._holder.device, copy=True) for key, tensor in tensors.items()}
        state: dict[str, Any] = {**numbers, **{key: tensor for key, tensor in here.items() if key.partition("/")[0] not in LISTS}}
        if "d" in here:
            state |= {key: [here[f"{key}/{i}"] for i in range(sum(name.startswith(f"{key}/") for name in here))] for key in LISTS}
        self.optimizer.state[self._holder] = state


class LBFGS(LBFGSSteps):
    """That of the settings."""

    def __init__(self, options: LBFGSOptions, groups: Sequence[ParameterGroup]) -> None:
        given = options.model_dump(exclude={"type", "line_search"}) | {"line_search_fn": options.line_search}
        made = wrap(torch.optim.LBFGS, given, _as_one(groups))
        super().__init__(made.optimizer, made.parameter_groups)


class OwnLBFGS(OwnTorch, LBFGSSteps):
    """One that a system made itself."""


def _as_one(groups: Sequence[ParameterGroup]) -> list[ParameterGroup]:
    """All parameters as one group. Raises ConfigError when groups ask for settings of their own, or live on several devices."""
    asking = [group.label for group in groups if group.scale != 1.0 or group.schedule is not None or group.weight_decay]
    if asking:
        why = f"the parameters of '{asking[0]}' ask for a learning rate or weight decay of their own"
        raise ConfigError("lbfgs has no parameter groups", where="trainer.parameters", why=why, fix="leave the rules out, or use adamw")
    devices = sorted({str(param.device) for group in groups for param in group.params})
    if len(devices) > 1:
        why = f"parameters are on {', '.join(devices)}"
        raise ConfigError("lbfgs needs all parameters on one device", where="trainer.optimizer", why=why, fix="use adamw")
    names, params = [n for group in groups for n in group.names], [p for group in groups for p in group.params]
    return [ParameterGroup("default", names, params)] if params else []
