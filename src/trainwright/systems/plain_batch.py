"""What of a batch goes into the model, and what is its target: rows by name, tuples, objects of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.losses.wiring import describe, look_inside

TARGET = "target"
TARGETS = (TARGET, "label", "labels", "y")
"""Keys that a target goes by, where none is named."""
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class BatchPlan:
    """Which parts of a batch the model takes, by place or by name, and which is the target; None for a batch taken whole."""

    positional: tuple[Any, ...] | None
    named: tuple[str, ...] = ()
    target: Any = None
    whole_target: bool = False

    def call(self, model: nn.Module, batch: Any) -> Any:
        """The model's output for a batch."""
        if self.positional is None:
            return model(batch)
        if self.named:
            return model(**{name: batch[name] for name in self.named})
        return model(*[batch[name] for name in self.positional])

    def target_of(self, batch: Any) -> Any:
        """The target of a batch; the batch itself where it is an object of one's own without one; None where the loss has none."""
        if self.positional is None:
            return batch if self.whole_target else getattr(batch, self.target)
        return None if self.target is None else batch[self.target]


class BatchReader:
    """Reads batches for one model: plans once for each form of batch, and then only follows the plan."""

    def __init__(
        self,
        model: nn.Module,
        inputs: list[str] | None,
        target: str | int | None,
        claimed: Collection[str | int] = (),
        uses_target: bool = True,
    ) -> None:
        """`inputs`: the blocks the model takes, in order; None to see from the batch. `claimed`: what only the loss reads."""
        self.given = target
        self.claimed, self.uses_target = frozenset(claimed), uses_target
        self.takes = _parameters(getattr(model, "_orig_mod", model))  # torch.compile hides the signature of forward
        self.fixed = None if inputs is None else self._plan_inputs(inputs)
        self._plans: dict[Any, BatchPlan] = {}

    def plan_of(self, batch: Any) -> BatchPlan:
        """The plan for a batch; raises DataError when the target cannot be told."""
        if self.fixed is not None:
            return self.fixed
        # Rows of one form are planned once: names and their order for a mapping, the length for a tuple.
        form = tuple(batch) if isinstance(batch, Mapping) else len(batch) if isinstance(batch, tuple | list) else 0
        found = self._plans.get((type(batch), form))
        if found is None:
            found = self._plans[type(batch), form] = self._plan(batch)
        return found

    def _plan(self, batch: Any) -> BatchPlan:
        if isinstance(batch, Mapping):
            return self._plan_mapping(batch)
        if isinstance(batch, tuple | list):
            return self._plan_tuple(batch)
        return self._plan_object(batch)

    def _plan_inputs(self, inputs: list[str]) -> BatchPlan:
        """What was named in the configuration. A loss without a target leaves the target's block to the model, after the others."""
        name = TARGET if self.given is None else self.given
        return BatchPlan(tuple(inputs), (), name) if self.uses_target else BatchPlan((*inputs, name))

    def _plan_object(self, batch: Any) -> BatchPlan:
        """An object of one's own goes whole into the model; the loss is given its target, or it whole where none is seen."""
        name = next((name for name in self._name_target() if name in look_inside(batch)), None)
        return BatchPlan(None, (), name, whole_target=name is None)

    def _plan_mapping(self, batch: Mapping[str, Any]) -> BatchPlan:
        called = self._name_target() if self.uses_target or self.given is not None else ()
        target = next((name for name in called if name in batch), None)
        names = [name for name in batch if name != target]
        # Rows of Trainwright's own call their blocks `input` and `input.NAME`: they have an order, and no model's parameter is called so.
        if all(name == "input" or name.startswith("input.") for name in names):
            return BatchPlan(tuple(names), (), target)
        parameters = self.takes.names
        candidates = [name for name in names if name in parameters or name not in self.claimed]
        by_name = tuple(name for name in candidates if self.takes.takes_all or name in parameters)
        # By name where each has a parameter, or where all that `forward` must have are among them: the rest is not for the model.
        if len(by_name) == len(candidates) or (self.takes.required and self.takes.required <= set(by_name)):
            return BatchPlan((), by_name, target)
        return BatchPlan(tuple(name for name in names if name not in self.claimed), (), target)

    def _plan_tuple(self, batch: tuple[Any, ...] | list[Any]) -> BatchPlan:
        names = list(getattr(batch, "_fields", range(len(batch))))
        target = self._target_place(batch, names)
        claimed = {names.index(each) if each in names else each for each in self.claimed}
        return BatchPlan(tuple(place for place in range(len(batch)) if place != target and place not in claimed), (), target)

    def _target_place(self, batch: tuple[Any, ...] | list[Any], names: list[Any]) -> int | None:
        """The place of the target: the one given, else a field called so, else the last, as data sets of (input, target) have it."""
        target: Any = self.given
        if target is None and self.uses_target and len(batch) > 1:
            target = next((name for name in TARGETS if name in names), len(batch) - 1)
        if target is None:
            return None
        if isinstance(target, str):
            if target not in names:
                fix = "give its place: target=1" if names and names[0] == 0 else did_you_mean(target, map(str, names))
                raise DataError(f"the batch has no '{target}'", where="target", why=f"it is a tuple of {describe(batch)}", fix=fix)
            target = names.index(target)
        if not -len(batch) <= target < len(batch):
            raise DataError(f"the batch has no place {target}", where="target", why=f"it has {len(batch)} parts, from 0")
        return int(target) % len(batch)

    def _name_target(self) -> tuple[str | int, ...]:
        """What the target may be called."""
        return TARGETS if self.given is None else (self.given,)

    def usual(self, batch: Any, plan: BatchPlan) -> tuple[Any, Any] | None:
        """The one input that the model takes by place, and the target, where a batch is a mapping of just these two."""
        if type(batch) is not dict or len(batch) != 2 or plan.target is None:
            return None
        names = plan.positional or (plan.named if plan.named == self.takes.first else ())
        return (names[0], plan.target) if len(names) == 1 else None

    def require_target(self, batch: Any, plan: BatchPlan) -> None:
        """Raises DataError when the loss has a target and the batch none."""
        if not self.uses_target or plan.positional is None or plan.target is not None:
            return
        if self.given is not None:
            fix = did_you_mean(str(self.given), map(str, look_inside(batch)))
            raise DataError(f"the batch has no '{self.given}'", where="target", why=f"it holds {describe(batch)}", fix=fix)
        fix = "name it: target=…, a key or a place in the batch"
        why = f"the batch holds {describe(batch)}, and none is called {', '.join(TARGETS)}"
        raise DataError("the target cannot be told from the batch", where="target", why=why, fix=fix)


@dataclass(frozen=True)
class Parameters:
    """What `forward` takes by name, what it must be given, and whether it takes any other name (`**batch`)."""

    names: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()
    """The first, where it may be given by place."""
    required: frozenset[str] = frozenset()
    takes_all: bool = False


def _parameters(model: nn.Module) -> Parameters:
    try:
        found = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # a forward written in C says nothing of itself
        return Parameters()
    named = [each for each in found if each.kind in BY_NAME]
    kinds = {each.kind for each in found}
    # With `*args` beside `**kwargs` it is a wrapper, which hands on what it is given: its inner signature is not known.
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds
    required = frozenset(each.name for each in named if each.default is each.empty)
    first = tuple(each.name for each in named[:1] if each.kind is each.POSITIONAL_OR_KEYWORD)
    return Parameters(frozenset(each.name for each in named), first, required, takes_all)


def check_target(target: Any) -> None:
    """Raises ConfigError for a target that is neither a key nor a place."""
    if target is not None and not isinstance(target, str | int):
        raise ConfigError(f"the target is a {type(target).__name__}", where="target", fix="give its key in the batch, or its place")
