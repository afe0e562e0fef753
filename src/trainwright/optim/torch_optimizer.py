"""Any `torch.optim.Optimizer` behind the protocol of ours: made here from options, or by a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.optim.base import Optimizer, check_names, nothing_to_train, sparse_refused
from trainwright.optim.parameter_groups import ParameterGroup

COUNTS = ("step", "mu_product")
DECAYS = ("weight_decay", "lambd")
"""What torch's optimizers call the decay of a group; ASGD's is `lambd`."""
FOLLOWED = (bool, int, float, str, type(None), tuple)
"""What of a param_group is kept: everything but parameters; tuples such as `betas`, which some schedulers move, come back as tuples."""


class TorchOptimizer(Optimizer):
    """Wraps a torch optimizer with one param_group per parameter group; its state is kept by parameter name, tensors apart from numbers."""

    may_leave_kernel = False
    """Whether a fused kernel is left where it does not take a gradient: it was chosen here, not asked for."""

    def __init__(self, optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup]) -> None:
        """`groups` in the order of `optimizer.param_groups`."""
        self.optimizer, self.parameter_groups = optimizer, list(groups)
        self._named = {name: param for group in groups for name, param in zip(group.names, group.params, strict=True)}
        self.base_learning_rate = self.learning_rate = float(optimizer.defaults.get("lr", 1.0))
        self.weight_decay = optimizer.defaults.get("weight_decay")

    def step(self) -> None:
        """Update every parameter that has a gradient. Raises ConfigError where torch's class does not take a sparse one."""
        self.settle()
        try:
            self.optimizer.step()
        except (RuntimeError, NotImplementedError):
            sparse = (name for name, param in self._named.items() if param.grad is not None and param.grad.is_sparse)
            told = next(((name, fault) for name in sparse if (fault := self.layout_fault(name, True))), None)
            if told is None:
                raise
            raise sparse_refused(*told) from None

    def settle(self) -> None:
        """Give torch's param_groups the learning rate and weight decay of this step."""
        for rule, theirs in zip(self.parameter_groups, self.optimizer.param_groups, strict=True):
            if "lr" in theirs:
                theirs["lr"] = rule.learning_rate(self.learning_rate)
            if "weight_decay" in theirs:
                theirs["weight_decay"] = self.weight_decay if rule.weight_decay is None else rule.weight_decay
            if "lambd" in theirs and rule.weight_decay == 0:
                theirs["lambd"] = 0.0  # a group without decay has none under this name either

    def layout_fault(self, name: str, sparse: bool) -> str:
        """Why torch's optimizer cannot train from such a gradient, or its state could not be saved; nothing is known of others' classes."""
        kind = type(self.optimizer)
        if not f"{kind.__module__}.".startswith("torch.optim."):
            return ""
        if kind in (torch.optim.SparseAdam, torch.optim.LBFGS):
            return "" if sparse or kind is torch.optim.LBFGS else "torch's SparseAdam takes sparse gradients only"
        if not sparse:
            return ""
        if kind not in (torch.optim.SGD, torch.optim.Adagrad):
            return f"torch's {kind.__name__} takes dense gradients only"
        return self._sparse_option(name)

    def _sparse_option(self, name: str) -> str:
        """The option of torch's SGD or Adagrad that keeps them from training `name` from a sparse gradient."""
        kind = type(self.optimizer).__name__
        place = next(place for place, group in enumerate(self.parameter_groups) if name in group.names)
        theirs, rule = self.optimizer.param_groups[place], self.parameter_groups[place]
        decay = theirs["weight_decay"] if rule.weight_decay is None else rule.weight_decay
        if decay:
            return f"torch's {kind} has no weight decay for them (it is {decay:g} here); ours, `sgd`, has"
        if theirs.get("momentum"):
            return f"torch's {kind} keeps their momentum as a sparse tensor, which no checkpoint holds; ours, `sgd`, keeps it dense"
        return f"torch's {kind} with fused=True takes dense gradients only" if theirs.get("fused") and not self.may_leave_kernel else ""

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
                value = value.clone().to(here.device if isinstance(here, Tensor) else self._home(key, param, value))
            self.optimizer.state[param][key] = value

    def _home(self, key: str, param: nn.Parameter, value: Tensor) -> torch.device:
        """Beside the parameter; counts stay on the host as torch has them, unless a CUDA graph or a fused kernel reads them."""
        read_by_kernel = any(group.get("capturable") or group.get("fused") for group in self.optimizer.param_groups)
        return value.device if key in COUNTS and not read_by_kernel else param.device


CAPTURING = ("cuda", "xpu", "hpu", "xla")
"""Kinds of device on which torch lets a graph hold an update."""


def refuse_capturable(optimizer: Optimizer, device: torch.device) -> None:
    """Raise ConfigError where an optimizer, or one inside it, is to be `capturable` on a device without graphs."""
    inside = [getattr(optimizer, "inner", None), *getattr(optimizer, "parts", ()), *getattr(optimizer, "members", {}).values()]
    for each in inside:
        if each is not None:
            refuse_capturable(each, device)
    theirs = any(group.get("capturable") for group in optimizer.optimizer.param_groups) if isinstance(optimizer, TorchOptimizer) else False
    if (theirs or getattr(getattr(optimizer, "options", None), "capturable", False)) and device.type not in CAPTURING:
        why, where = f"a graph can hold the update on {', '.join(CAPTURING)}; this run is on {device.type}", "trainer.optimizer.capturable"
        raise ConfigError("capturable needs a device with graphs", where=where, why=why, fix="leave capturable out")


class OwnTorch(TorchOptimizer):
    """A torch optimizer as a system made it: its param_groups keep the rates they have, unless the run's schedule moves them."""

    def __init__(self, optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(optimizer, groups)
        self.base_learning_rate = self.learning_rate = float(optimizer.param_groups[0].get("lr", 1.0))
        self._first = [group.get("lr") for group in optimizer.param_groups]
        self._moved = False

    def settle(self) -> None:
        """Move the rates by the run's schedule, where it is not constant."""
        if self.learning_rate == self.base_learning_rate and not self._moved:
            return
        self._moved = True
        factor = self.learning_rate / self.base_learning_rate if self.base_learning_rate else 1.0
        for first, group in zip(self._first, self.optimizer.param_groups, strict=True):
            if isinstance(first, int | float):
                group["lr"] = first * factor

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, and what the param_groups hold now."""
        groups = [{key: value for key, value in group.items() if isinstance(value, FOLLOWED)} for group in self.optimizer.param_groups]
        return {**super().numbers(), "param_groups": groups, "moved": self._moved}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back. Raises RunError when it belongs to other parameters."""
        numbers = dict(numbers)
        groups, self._moved = numbers.pop("param_groups"), bool(numbers.pop("moved"))
        if len(groups) != len(self.optimizer.param_groups):
            raise RunError("the optimizer's saved state belongs to another optimizer", fix="continue with the same configure_optimizers")
        for mine, saved in zip(self.optimizer.param_groups, groups, strict=True):
            mine.update({key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()})
        super().load(tensors, numbers)


def wrap(made_from: type[torch.optim.Optimizer], options: Mapping[str, Any], groups: Sequence[ParameterGroup]) -> TorchOptimizer:
    """A torch optimizer made with its own options; `learning_rate` is read as `lr`. Raises ConfigError saying what it refused."""
    if not groups:
        raise nothing_to_train()
    given = {("lr" if key == "learning_rate" else key): value for key, value in options.items() if value is not None}
    try:
        made = made_from([{"params": list(group.params)} for group in groups], **given)
    except (TypeError, ValueError, RuntimeError) as error:
        fix = f"change or leave out what it refuses of what is set: {', '.join(given) or 'nothing is'}"
        raise ConfigError(f"{made_from.__name__} refuses its options", where="trainer.optimizer", why=str(error), fix=fix) from error
    refuse_differentiable(made, "trainer.optimizer")
    _check_settings(made, groups)
    _refuse_orthogonalised(made, groups)
    return TorchOptimizer(made, groups)


def refuse_differentiable(made: torch.optim.Optimizer, where: str) -> None:
    """Raise ConfigError for an update that is to keep a graph: it would be in place on parameters that require gradients."""
    if any(group.get("differentiable") for group in made.param_groups):
        what, why = f"{type(made).__name__} cannot be differentiable here", "a step is made on the parameters themselves, without a graph"
        raise ConfigError(what, where=where, why=why, fix="leave differentiable out")


def _refuse_orthogonalised(made: torch.optim.Optimizer, groups: Sequence[ParameterGroup]) -> None:
    """Raise ConfigError for an update that takes what it moves for weight matrices, where a parametrization computes them."""
    name = next((group.names[0] for group in groups if group.parametrized), None)
    if name is not None and type(made).__name__ == "Muon":
        why = f"its update is of whole weight matrices, and from '{name}' a parametrization computes one"
        raise ConfigError(
            "Muon cannot train parametrized weights", where="trainer.optimizer", why=why, fix="use muon, which leaves them to adamw"
        )


def _check_settings(made: torch.optim.Optimizer, groups: Sequence[ParameterGroup]) -> None:
    """Raise ConfigError when a group asks for what this optimizer has not."""
    name = type(made).__name__
    asked = {
        "learning rate": ("lr", [group.label for group in groups if group.scale != 1.0 or group.schedule is not None]),
        "weight decay": ("weight_decay", [group.label for group in groups if group.weight_decay]),
    }
    for what, (option, labels) in asked.items():
        if labels and option not in made.defaults:
            why = f"the parameters of '{labels[0]}' ask for one of their own"
            raise ConfigError(f"{name} has no {what}", where="trainer.parameters", why=why, fix=f"leave the {what} out, or use adamw")
