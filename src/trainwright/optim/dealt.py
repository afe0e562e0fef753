"""An optimizer whose parameters are dealt over processes: each updates its own, and hands them to the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.optim.base import Optimizer
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.several import Optimizers

T = TypeVar("T")
NUMBER = "number:"
"""How the names of numbers begin that are saved as tensors."""


class Dealing(Protocol):
    """The processes, as a strategy knows them; every one calls each method at the same place."""

    @property
    def rank(self) -> int:
        """Which of them this is."""

    @property
    def size(self) -> int:
        """How many there are."""

    def owners(self, tensors: Sequence[Tensor]) -> list[int]:
        """The rank that updates each parameter."""

    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        """Give every process the values that the owner of each tensor has."""

    def gather(self, value: T) -> list[T]:
        """What each process gave, in the order of ranks."""


Build = Callable[[list[ParameterGroup]], Optimizer]


class Deal:
    """Which parameters of a run are whose."""

    def __init__(self, groups: Sequence[ParameterGroup], dealing: Dealing) -> None:
        self.dealing = dealing
        self.params: dict[str, nn.Parameter] = {
            name: param for group in groups for name, param in zip(group.names, group.params, strict=True)
        }
        self.owners = dealing.owners(list(self.params.values()))
        if len(set(self.owners)) < dealing.size:
            why, fix = (
                f"{len(self.params)} parameters are trained, by {dealing.size} processes",
                "use strategy ddp or fsdp, or fewer processes",
            )
            raise ConfigError("some process would have no parameter of its own", where="trainer.strategy", why=why, fix=fix)
        self.own = {name for name, owner in zip(self.params, self.owners, strict=True) if owner == dealing.rank}

    def part(self, group: ParameterGroup) -> ParameterGroup:
        """This process's parameters of a group."""
        pairs = [(name, param) for name, param in zip(group.names, group.params, strict=True) if name in self.own]
        return replace(group, names=[name for name, _ in pairs], params=[param for _, param in pairs])

    @contextmanager
    def updating(self) -> Iterator[None]:
        """The parameters of other processes have no gradient inside; afterwards all have the values of their owners."""
        held = [(param, param.grad) for name, param in self.params.items() if name not in self.own]
        for param, _ in held:
            param.grad = None
        try:
            yield
        finally:
            for param, grad in held:
                param.grad = grad
        self.dealing.spread(list(self.params.values()), self.owners)

    @torch.no_grad()
    def join(self, mine: Mapping[str, Tensor] | None) -> dict[str, Tensor] | None:
        """One tensor for each parameter from what the owners have; None where none has any."""
        if not any(self.dealing.gather(mine is not None)):
            return None
        mine = mine or {}
        found = {name: mine[name].clone() if name in mine else torch.empty_like(param) for name, param in self.params.items()}
        self.dealing.spread(list(found.values()), self.owners)
        return found

    def concerns(self, key: str) -> bool:
        """Whether state `<state>/<parameter>` is of a parameter of this process, or of none."""
        name = key.partition("/")[2]
        return name in self.own or name not in self.params

    def as_tensors(self, numbers: Mapping[str, Any]) -> dict[str, Tensor]:
        """Numbers of this process's own parameters as tensors, since a document is rank 0's. Raises RunError for what is no number."""
        own = {key: value for key, value in numbers.items() if key.partition("/")[2] in self.own and value is not None}
        wrong = next((key for key, value in own.items() if not isinstance(value, int | float)), None)
        if wrong is not None:
            why = f"'{wrong}' is a {type(own[wrong]).__name__}, which one process alone has"
            raise RunError("the optimizer's state cannot be saved by several processes", why=why, fix="use strategy ddp")
        return {f"{NUMBER}{key}": torch.tensor(value) for key, value in own.items()}

    def own_numbers(self, numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """Of the document what belongs to no parameter, and what `as_tensors` made of this process's own."""
        rest = {key: value for key, value in numbers.items() if key.partition("/")[2] not in self.params}
        mine = {key.removeprefix(NUMBER): tensors[key].item() for key in tensors if key.startswith(NUMBER) and self.concerns(key)}
        return rest | mine

    def own_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of this process's own parameters, and of none."""
        return {key: tensors[key] for key in tensors if self.concerns(key) and not key.startswith(NUMBER)}


class DealtOptimizer(Optimizer):
    """The optimizer of this process's own parameters, seen from outside as that of all; state is made for its own alone."""

    def __init__(self, groups: Sequence[ParameterGroup], dealing: Dealing, build: Build) -> None:
        """`groups` of all parameters. Raises what `build` raises."""
        self.deal = Deal(groups, dealing)
        self.inner = build([part for group in groups if (part := self.deal.part(group)).names])
        self.base_learning_rate = self.inner.base_learning_rate
        self.parameter_groups = self._all_groups(groups)

    def _all_groups(self, given: Sequence[ParameterGroup]) -> list[ParameterGroup]:
        """The groups as the optimizers of all processes made them, those of one label as one; others' parameters in them too."""
        schedules = {name: group.schedule for group in given for name in group.names}
        found: dict[str, ParameterGroup] = {}
        for told in self.deal.dealing.gather([replace(group, params=[], schedule=None) for group in self.inner.parameter_groups]):
            for group in told:
                whole = found.setdefault(group.label, replace(group, names=[]))
                whole.names += [name for name in group.names if name not in whole.names]
        for group in found.values():
            group.params = [self.deal.params[name] for name in group.names]
            group.schedule = schedules[group.names[0]]
        return list(found.values())

    @property
    def learning_rate(self) -> float:
        """Used by the next step; the schedule sets it."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.inner.learning_rate = value

    def step(self) -> None:
        """Update this process's own parameters, and take the others' from their owners."""
        asked = {group.label: group for group in self.parameter_groups}
        for group in self.inner.parameter_groups:
            whole = asked[group.label]
            group.scale, group.rate, group.weight_decay = whole.scale, whole.rate, whole.weight_decay
        with self.deal.updating():
            self.inner.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for param in self.deal.params.values():
            param.grad = None

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained, by any process."""
        return list(self.deal.params.values())

    def layout_fault(self, name: str, sparse: bool) -> str:
        """As the optimizer of the process that trains the parameter, which is of the same class."""
        return self.inner.layout_fault(name, sparse) if name in self.deal.own else ""

    def averaged(self) -> dict[str, Tensor] | None:
        """What the optimizers of all processes evaluate in place of the trained weights; each process gets all of them."""
        return self.deal.join(self.inner.averaged())

    def tensors(self) -> dict[str, Tensor]:
        """State of this process's own parameters, as tensors named `<state>/<parameter>`."""
        return self.inner.tensors() | self.deal.as_tensors(self.inner.numbers())

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, and belongs to no parameter."""
        return self.deal.own_numbers(self.inner.numbers(), {})

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back, this process that of its own parameters; raises RunError when it belongs to other parameters."""
        self.inner.load(self.deal.own_tensors(tensors), self.deal.own_numbers(numbers, tensors))


class DealtOptimizers(Optimizers):
    """Optimizers that a system made for all parameters, given in each process the gradients of its own alone."""

    def __init__(self, made: Optimizers, dealing: Dealing) -> None:
        super().__init__(made.members, made.schedulers)
        self.deal = Deal(self.parameter_groups, dealing)

    def step(self) -> None:
        """Update this process's own parameters, and take the others' from their owners."""
        with self.deal.updating():
            super().step()

    def averaged(self) -> dict[str, Tensor] | None:
        """What the members evaluate in place of the trained weights; each process gets all of them."""
        mine = super().averaged()
        return self.deal.join(None if mine is None else {name: each for name, each in mine.items() if name in self.deal.own})

    def tensors(self) -> dict[str, Tensor]:
        """State of this process's own parameters, as tensors named `<member>:<state>/<parameter>`."""
        found = self.deal.own_tensors(super().tensors())
        for name, each in self.members.items():
            found |= {f"{name}:{key}": tensor for key, tensor in self.deal.as_tensors(each.numbers()).items()}
        return found

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, and belongs to no parameter."""
        found = super().numbers()
        return found | {"members": {name: self.deal.own_numbers(each, {}) for name, each in found["members"].items()}}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other optimizers."""
        here = super().tensors()  # what a member made for all parameters at once is there for those of others too
        given = {key: tensors[key] for key in tensors if NUMBER not in key and self.deal.concerns(key)}
        others = {key: tensor for key, tensor in here.items() if not self.deal.concerns(key)}
        members = {name: self.deal.own_numbers(each, _below(f"{name}:", tensors)) for name, each in numbers.get("members", {}).items()}
        super().load(others | given, {**numbers, "members": members})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(f"{prefix}{NUMBER}")}


def deal_optimizer(own: Optimizers | None, groups: Sequence[ParameterGroup], dealing: Dealing, build: Build) -> Optimizer:
    """The optimizers that a system made, or those that `build` makes of groups, dealt over processes."""
    return DealtOptimizer(groups, dealing, build) if own is None else DealtOptimizers(own, dealing)
