"""Methods as threestudio's classes have them, called by the engine: with the place of a batch, with numbers of steps, without a session."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

from torch import Tensor

from trainwright.adapters.lightning.methods import fit_arguments
from trainwright.engine.system import StepContext

Method = Callable[..., Any]

SPLITS = ("validation", "test", "predict")


@dataclass
class At:
    """Where a system is within an epoch or a split."""

    index: int = 0
    """The place of the batch."""
    returned: Any = None
    """What the step gave for it, without its graph."""
    split: str = ""
    """The split whose batches are going by; empty while training."""
    closing: bool = False
    """Whether the hook at the end of a split is running, whose values are the split's."""


def nothing(self: Any, *arguments: Any, **named: Any) -> None:
    """A hook that is there to be called by `super()` alone."""


def first_name(method: Method, after: int) -> str:
    """The name of the parameter that comes after so many others; empty where there is none."""
    names = list(inspect.signature(method).parameters)
    return names[after] if len(names) > after else ""


def adapt(kind: type, adapters: Mapping[str, Callable[[Method], Method]]) -> None:
    """Put the adapted form of each method of a class that a person wrote, mixins included, in its place; what is ours stays as it is."""
    for name, adapter in adapters.items():
        owner = next((each for each in kind.__mro__ if name in vars(each)), None)
        method = None if owner is None else vars(owner)[name]
        if owner is None or not inspect.isfunction(method) or owner.__module__.partition(".")[0] == "trainwright":
            continue
        if not hasattr(method, "as_written"):
            setattr(kind, name, _present_as(adapter(method), method))


def _present_as(adapted: Method, method: Method) -> Method:
    update_wrapper(adapted, method)
    del adapted.__wrapped__  # type: ignore[attr-defined]  # it is asked for its own signature
    adapted.as_written = method  # type: ignore[attr-defined]
    return adapted


def of_training(method: Method) -> Method:
    """`training_step(self, batch, batch_idx)`, called with the context; with `context` in its place it is given that."""

    def finish(self: Any, fitted: Method, batch: Any) -> Any:
        at: At = self.at
        at.index = self.index_of_batch()
        returned = fitted(self, batch, at.index)
        at.returned = without_graph(returned)
        return returned

    return _of_step(method, finish)


def of_evaluation(method: Method) -> Method:
    """`validation_step(self, batch, batch_idx)`: its loss is measured, and all that has rows where metrics are asked for."""

    def finish(self: Any, fitted: Method, batch: Any) -> Any:
        returned = self.at.returned = fitted(self, batch, self.at.index)
        return returned if self.asked_metrics is not None else _loss_of(returned)

    return _of_step(method, finish)


def _of_step(method: Method, finish: Callable[[Any, Method, Any], Any]) -> Method:
    """A step that the engine calls with (batch, context), and a person's own code as it is written."""
    if first_name(method, 2) == "context":
        return lambda self, *arguments, **named: method(self, *arguments, **named)
    fitted = fit_arguments(method, 3)

    def step(self: Any, batch: Any, place: Any = None, *rest: Any, **named: Any) -> Any:
        if not isinstance(place, StepContext):
            return method(self, batch, *(() if place is None else (place,)), *rest, **named)
        return finish(self, fitted, batch)

    return step


def of_prediction(method: Method) -> Method:
    """`predict_step(self, batch, batch_idx)`, which the engine calls with the batch."""
    fitted = fit_arguments(method, 3)

    def step(self: Any, batch: Any, *place: Any, **named: Any) -> Any:
        if place or named:
            return method(self, batch, *place, **named)
        returned = self.at.returned = fitted(self, batch, self.at.index)
        return returned

    return step


def of_following(method: Method) -> Method:
    """`update_step(self, epoch, global_step, on_load_weights=False)`, called with the context; one that takes `context` is given that."""
    if first_name(method, 1) == "context":
        return lambda self, *arguments, **named: method(self, *arguments, **named)
    fitted = fit_arguments(method, 4)

    def update(self: Any, *place: Any, **named: Any) -> Any:
        if len(place) == 1 and isinstance(place[0], StepContext):
            return fitted(self, place[0].epoch, place[0].step, False)
        return method(self, *place, **named)

    return update


STEPS = {
    "training_step": of_training,
    "validation_step": of_evaluation,
    "test_step": of_evaluation,
    "predict_step": of_prediction,
}
FOLLOWING = {"update_step": of_following, "update_step_end": of_following}


def without_graph(returned: Any) -> Any:
    """What a step returned, its loss detached, as hooks are told of it."""
    if isinstance(returned, Tensor):
        return {"loss": returned.detach()}
    if isinstance(returned, Mapping):
        return {name: each.detach() if isinstance(each, Tensor) else each for name, each in returned.items()}
    return {}


def _loss_of(returned: Any) -> Any:
    loss = returned.get("loss") if isinstance(returned, Mapping) else returned
    return {"loss": loss} if isinstance(loss, Tensor | float | int) and (not isinstance(loss, Tensor) or loss.numel() == 1) else None


# hooks


def of_hook(system: Any, name: str, method: Method) -> Method:
    """A hook of the engine, which has the session first, as a call of a method with threestudio's (and Lightning's) arguments.

    A method that names `session` first is called as the engine does it.
    """
    if first_name(method, 0) == "session":
        return method
    arguments = _ARGUMENTS.get(name)
    if arguments is None:
        return lambda session, *given: method()

    def hook(session: Any, *given: Any) -> Any:
        found = arguments(system, session, *given)
        return fit_arguments(method, len(found))(*found)

    return hook


def _optimizer_of(session: Any) -> Any:
    """The optimizer that the system made, torch's own where it is one; the run's where it made none."""
    first = next(iter(getattr(session.optimizer, "members", {}).values()), session.optimizer)
    return getattr(first, "optimizer", first)


def _before_batch(system: Any, session: Any, batch: Any, index: int) -> tuple[Any, ...]:
    return batch, index


def _after_batch(system: Any, session: Any, batch: Any, index: int, *outputs: Any) -> tuple[Any, ...]:
    return system.at.returned, batch, index


_ARGUMENTS: dict[str, Callable[..., tuple[Any, ...]]] = {
    **{f"on_{split}_batch_start": _before_batch for split in ("train", *SPLITS)},
    **{f"on_{split}_batch_end": _after_batch for split in ("train", *SPLITS)},
    "setup": lambda system, session: (session.stage,),
    "teardown": lambda system, session: (session.stage,),
    "on_before_backward": lambda system, session, loss: (loss.mean,),
    "on_before_optimizer_step": lambda system, session: (_optimizer_of(session),),
    "on_before_zero_grad": lambda system, session: (_optimizer_of(session),),
    "on_exception": lambda system, session, error: (error,),
    "on_save_checkpoint": lambda system, session, documents: (documents,),
    "on_load_checkpoint": lambda system, session, documents: (documents,),
    "on_log": lambda system, session, row: (row,),
}
"""Hook → what its method is given; others get nothing, as there."""
