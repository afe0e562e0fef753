"""L-BFGS: `torch.optim.LBFGS` within the step of the trainer, with state that is saved and taken back bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RunError, TrainwrightError
from trainwright.optim.options import LBFGSOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.torch_optimizer import TorchOptimizer, wrap

LISTS = ("old_dirs", "old_stps", "ro")
SCRATCH = ("al",)
"""Written anew in every iteration before it is read."""


class LBFGS(TorchOptimizer):
    """Several iterations per step, each from gradients of the same rows; all parameters are one flat vector."""

    redoes = True

    def __init__(self, options: LBFGSOptions, groups: Sequence[ParameterGroup]) -> None:
        given = options.model_dump(exclude={"type", "line_search"}) | {"line_search_fn": options.line_search}
        made = wrap(torch.optim.LBFGS, given, _as_one(groups))
        super().__init__(made.optimizer, made.parameter_groups)
        self._size = sum(param.numel() for param in self.parameters())

    def step(self) -> None:
        """Raises TrainwrightError: one gradient is not enough."""
        raise TrainwrightError("lbfgs evaluates the gradient several times", fix="call step_with(redo, loss)")

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """One step of up to `max_iter` iterations; the first evaluation is the one that was made, with its gradients and `loss`.

        The host waits for the loss of every evaluation. When one fails, weights and state are put back as they were.
        """
        evaluations = iter([lambda: loss])

        def evaluate() -> Tensor:
            found = next(evaluations, redo)()
            for param in self.parameters():  # torch flattens gradients as views
                if param.grad is not None and param.grad.layout == torch.strided and not param.grad.is_contiguous():
                    param.grad = param.grad.contiguous()
            return found

        self.settle()
        weights, state = [param.detach().clone() for param in self.parameters()], self._keep()
        try:
            self.optimizer.step(evaluate)  # type: ignore[arg-type]
        except BaseException:  # also out of memory and a second signal: the step that is tried again begins where this one did
            for param, weight in zip(self.parameters(), weights, strict=True):
                param.detach().copy_(weight)
            self.optimizer.state[self._first] = state
            raise

    def _keep(self) -> dict[str, Any]:
        """The state, safe from the next step, which appends to the lists and overwrites the last gradient."""
        return {
            key: list(value) if key in LISTS else value.clone() if key == "prev_flat_grad" else value
            for key, value in self._entries().items()
        }

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
        state = self.optimizer.state.get(self._first, {})
        return {key: value for key, value in state.items() if key not in SCRATCH and value is not None}

    @property
    def _first(self) -> nn.Parameter:
        first: nn.Parameter = self.optimizer.param_groups[0]["params"][0]
        return first

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to a model of another size or to another optimizer."""
        unknown = sorted(key for key in tensors if key.partition("/")[0] not in (*LISTS, "d", "t", "H_diag", "prev_flat_grad"))
        sizes = {tensor.numel() for key, tensor in tensors.items() if key.startswith(("d", "old_", "prev_flat_grad"))} - {self._size}
        if unknown or sizes:
            why = f"unknown: {', '.join(unknown[:5])}" if unknown else f"it holds {sizes.pop()} values, the model {self._size}"
            raise RunError("the optimizer's saved state belongs to another model or optimizer", why=why, fix="continue with the same ones")
        here = {key: tensor.to(self._first.device, copy=True) for key, tensor in tensors.items()}
        state: dict[str, Any] = {**numbers, **{key: tensor for key, tensor in here.items() if key.partition("/")[0] not in LISTS}}
        if "d" in here:
            state |= {key: [here[f"{key}/{i}"] for i in range(sum(name.startswith(f"{key}/") for name in here))] for key in LISTS}
        self.optimizer.state[self._first] = state


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
