"""What the step asks of an optimizer, and the base of our own lean ones.

`torch.optim.Optimizer` imports torch._dynamo when it is made (over a second) and checks much at every step; these call the same
fused kernels, give the same bits, and name their state by parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.optim.parameter_groups import ParameterGroup

FUSED_DEVICES = ("cpu", "cuda", "mps", "xpu")


class Optimizer(Protocol):
    """Updates parameters from their gradients; a class below it has what is not asked of every one."""

    base_learning_rate: float
    learning_rate: float
    """Used by the next step; the schedule sets it."""
    parameter_groups: list[ParameterGroup]
    """Parameters by the settings they share; each group's learning rate follows `learning_rate` unless it has one of its own."""
    redoes: bool = False
    """Whether it evaluates the gradient again within a step: `step_with(redo, loss)` is called instead of `step()`."""
    schedulers: Sequence[Any] = ()
    """Schedulers that came with it, as a system's own optimizers have them."""

    def step(self) -> None:
        """Update every parameter that has a gradient."""

    def zero_grad(self) -> None:
        """Drop all gradients."""

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""

    def averaged(self) -> dict[str, Tensor] | None:
        """Parameter name → the weights to evaluate and to ship; None where those are the trained ones."""
        return None

    def layout_fault(self, name: str, sparse: bool) -> str:
        """Why it cannot train the parameter `name` from a sparse (or dense) gradient; empty where it can, or nothing is known."""
        return ""

    def tensors(self) -> dict[str, Tensor]:
        """State as tensors named `<state>/<parameter>`."""

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, as JSON holds it."""
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state that `tensors` and `numbers` gave; raises RunError when it belongs to other parameters."""


class RedoingOptimizer(Optimizer, Protocol):
    """An optimizer with `redoes = True`."""

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """Update from the gradients there are, of mean loss `loss`; `redo()` computes them anew for the same rows and gives their loss."""


@dataclass
class Group:
    """Parameters of one parameter group, device and dtype, with the state that one kernel call updates."""

    rule: ParameterGroup
    names: list[str]
    params: list[nn.Parameter]
    fused: bool
    learning_rate: float = 0.0
    """Of the step being made, resolved."""
    weight_decay: float = 0.0
    """Of the step being made, resolved."""
    state: dict[str, list[Tensor]] = field(default_factory=dict)
    steps: list[Tensor] = field(default_factory=list)
    """Updates made to each parameter, float32; one shared tensor until a parameter goes without a gradient."""
    shared: bool = True
    fresh: set[int] = field(default_factory=set)
    """Places of the parameters that were never updated; known on the host, so that asking costs no synchronisation."""
    unseen: set[int] = field(default_factory=set)
    """Places of the parameters whose gradients were not looked at yet."""
    sparse: set[int] = field(default_factory=set)
    """Places of the parameters whose gradients are sparse, which no kernel takes together with dense ones."""

    def advance(self, active: list[int] | None) -> None:
        """Count one update of the parameters at `active` (None: all)."""
        if active is not None and self.shared:
            self.steps, self.shared = [step.clone() for step in self.steps], False
        if self.shared:
            self.steps[0].add_(1)
        else:
            torch._foreach_add_(self.steps if active is None else [self.steps[i] for i in active], 1)


class KernelPiece(NamedTuple):
    """The parameters of one kernel call, with their gradients and state in the same order."""

    params: list[Tensor]
    grads: list[Tensor]
    state: dict[str, list[Tensor]]
    steps: list[Tensor]


class LeanOptimizer(Optimizer):
    """The base of our optimizers: one kernel call per parameter group, device and dtype; state is made up front and named by parameter.

    A subclass names its buffers in `STATE` and overrides `update`, which reads `group.learning_rate` and `group.weight_decay`. A buffer
    begins as zeros like its parameter (same shape, dtype and memory format); override `first_state` for other beginnings or shapes.
    """

    STATE: ClassVar[tuple[str, ...]] = ()
    takes_sparse: ClassVar[bool] = False
    """Whether `update` takes pieces whose gradients are sparse; all of a piece are, or none."""

    def __init__(self, learning_rate: float, groups: Sequence[ParameterGroup], weight_decay: float = 0.0) -> None:
        """Groups that say nothing else have this learning rate and decay. Raises RequestError without a parameter to train."""
        self.base_learning_rate = self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.parameter_groups = list(groups)
        self.groups = _kernel_groups(self.parameter_groups)
        self._params = [param for group in self.groups for param in group.params]
        for group in self.groups:
            group.state = {key: [self.first_state(key, param) for param in group.params] for key in self.STATE}
            device = group.params[0].device if group.fused else torch.device("cpu")
            group.steps = [torch.zeros((), dtype=torch.float32, device=device)] * len(group.params)
            group.fresh, group.unseen = set(range(len(group.params))), set(range(len(group.params)))

    def first_state(self, key: str, param: nn.Parameter) -> Tensor:
        """The buffer `key` of a parameter before its first update."""
        return torch.zeros_like(param, memory_format=torch.preserve_format)

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """Update `piece.params` from `piece.grads` in place; `piece.steps` already count this update, `first` says it is their first."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.groups:
            rule = group.rule
            group.learning_rate = self.learning_rate * rule.scale if rule.rate is None else rule.rate
            group.weight_decay = self.weight_decay if rule.weight_decay is None else rule.weight_decay
            grads = [param.grad for param in group.params]
            if group.fresh or group.unseen or group.sparse or any(grad is None for grad in grads):
                self._step_some(group, grads)
            else:
                group.advance(None)
                self.update(group, KernelPiece(group.params, grads, group.state, group.steps), first=False)  # type: ignore[arg-type]

    def _step_some(self, group: Group, grads: list[Tensor | None]) -> None:
        active = [i for i, grad in enumerate(grads) if grad is not None]
        if active:
            group.advance(active if len(active) < len(grads) else None)
        self._look_at(group, grads)
        for first, sparse in ((False, False), (False, True), (True, False), (True, True)):
            places = [i for i in active if (i in group.fresh) == first and (i in group.sparse) == sparse]
            if places:
                state = {key: [tensors[i] for i in places] for key, tensors in group.state.items()}
                given = [grad for grad in (grads[i] for i in places) if grad is not None]
                piece = KernelPiece([group.params[i] for i in places], given, state, [group.steps[i] for i in places])
                self.update(group, piece, first)
        group.fresh.difference_update(active)

    def _look_at(self, group: Group, grads: list[Tensor | None]) -> None:
        """Note which of the gradients seen for the first time are sparse. Raises TrainwrightError where those are not taken."""
        for place in list(group.unseen):
            grad = grads[place]
            if grad is None:
                continue
            group.unseen.discard(place)
            if grad.is_sparse and not self.takes_sparse:
                raise sparse_refused(group.names[place], self.layout_fault(group.names[place], True))
            if grad.is_sparse:
                group.sparse.add(place)

    def layout_fault(self, name: str, sparse: bool) -> str:
        """Why it cannot train from a sparse gradient; empty where it can."""
        return "" if self.takes_sparse or not sparse else f"{type(self).__name__} moves every value of a parameter at every step"

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for param in self._params:
            param.grad = None

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return self._params

    def tensors(self) -> dict[str, Tensor]:
        """State as tensors named `<state>/<parameter>`."""
        found: dict[str, Tensor] = {}
        for group in self.groups:
            found |= {f"{key}/{name}": tensor for key, each in group.state.items() for name, tensor in zip(group.names, each, strict=True)}
            found |= {f"step/{name}": step for name, step in zip(group.names, group.steps, strict=True)}
        return found

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state that `tensors` gave; raises RunError when it belongs to other parameters."""
        check_names(set(self.tensors()), set(tensors))
        for group in self.groups:
            for key, each in group.state.items():
                for name, tensor in zip(group.names, each, strict=True):
                    tensor.copy_(tensors[f"{key}/{name}"])
            counts = [tensors[f"step/{name}"] for name in group.names]
            group.fresh = {i for i, count in enumerate(counts) if float(count) == 0}
            group.shared = len({float(count) for count in counts}) == 1
            if group.shared:
                group.steps = [group.steps[0].clone().copy_(counts[0])] * len(counts)
            else:
                group.steps = [group.steps[0].clone().copy_(count) for count in counts]


def sparse_refused(name: str, fault: str, alone: bool = False) -> ConfigError:
    """What a person is told whose optimizer cannot take a sparse gradient; `alone`: all that is trained has sparse ones."""
    what = f"'{name}' has sparse gradients, which this optimizer does not take"
    taking = "sparse_adam, sgd, adagrad or lbfgs" if alone else "sgd, adagrad or lbfgs (sparse_adam trains sparse embeddings alone)"
    return ConfigError(what, where="trainer.optimizer", why=fault, fix=f"use {taking}; or make the layer with sparse=False")


OTHER_STATE = "the optimizer's saved state belongs to another model or optimizer"


def check_names(wanted: set[str], found: set[str], what: str = OTHER_STATE, same: str = "model and optimizer") -> None:
    """Raise RunError that says `what` and names what is missing or unknown, when saved state is not that of the `same` things."""
    if wanted != found:
        missing, unknown = sorted(wanted - found), sorted(found - wanted)
        why = "; ".join(f"{word}: {', '.join(names[:5])}" for word, names in (("missing", missing), ("unknown", unknown)) if names)
        raise RunError(what, why=why, fix=f"continue with the same {same}")


def _kernel_groups(groups: Sequence[ParameterGroup]) -> list[Group]:
    found: dict[tuple[int, torch.device, torch.dtype], Group] = {}
    for place, rule in enumerate(groups):
        for name, param in zip(rule.names, rule.params, strict=True):
            if not param.is_floating_point():
                fix = f"use `type: torch.optim.Adam` or another torch optimizer by its path for {param.dtype} parameters"
                raise RequestError(f"parameter '{name}' is {param.dtype}, which this optimizer does not train", fix=fix)
            fused = param.device.type in FUSED_DEVICES
            group = found.setdefault((place, param.device, param.dtype), Group(rule, [], [], fused))
            group.names.append(name)
            group.params.append(param)
    if not found:
        raise nothing_to_train()
    return list(found.values())


def nothing_to_train() -> RequestError:
    """The error for a model without a parameter that needs a gradient."""
    return RequestError("the model has no parameters to train", fix="let some parameter have requires_grad=True")
