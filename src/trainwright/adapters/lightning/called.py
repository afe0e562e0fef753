"""Callbacks of Lightning's, called with (trainer, module) at its hooks, before the module's own as there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from trainwright.adapters.lightning.methods import CALLED, call_if_there, fit_arguments, lightning_class, overrides

WIDTHS = {
    "on_train_batch_start": 2,
    "on_train_batch_end": 3,
    "on_before_backward": 1,
    "on_before_optimizer_step": 1,
    "on_before_zero_grad": 1,
}
WIDTHS |= {f"on_{split}_batch_start": 2 for split in ("validation", "test", "predict")}
WIDTHS |= {f"on_{split}_batch_end": 3 for split in ("validation", "test", "predict")}
"""Hook → how many arguments Lightning gives it, where there is one loader; none where it is not named."""

LATE = ("EarlyStopping", "Checkpoint")
"""Called after the module at the end of an epoch, whose values they judge."""
STOPS = {"EarlyStopping": "early_stopping", "Timer": "max_time"}
"""Why a run ended that one of these ended."""


class Called:
    """The callbacks of one run, and who of them listens to what."""

    def __init__(self, callbacks: Sequence[Any], trainer: Any, module: Any) -> None:
        self.callbacks, self._trainer, self._module = list(callbacks), trainer, module

    def attach(self, log: Callable[..., Any] | None) -> None:
        """Let each find `self.log` and `self.log_dict`, as Lightning does; None takes them away again."""
        for each in self.callbacks:
            if log is None:
                vars(each).pop("log", None)
                vars(each).pop("log_dict", None)
            else:
                each.log, each.log_dict = log, self._module.log_dict

    def call(self, name: str, *arguments: Any) -> None:
        """Call a hook of all that have it."""
        for hook in self.hooks(name, len(arguments)):
            hook(*arguments)

    def hooks(self, name: str, width: int, late: bool | None = None) -> list[Callable[..., Any]]:
        """The hook of all that have it, called with what follows (trainer, module); with `late` only of those that come late, or do not."""
        return [self._bound(each, name, width) for each in self.callbacks if has_hook(each, name) and late in (None, is_late(each))]

    def _bound(self, callback: Any, name: str, width: int) -> Callable[..., Any]:
        method, trainer, module = fit_arguments(getattr(callback, name), width + 2), self._trainer, self._module
        reason = next((why for kind, why in STOPS.items() if lightning_class(callback, kind)), "trainer.should_stop")

        def hook(*arguments: Any) -> None:
            trainer.stopped_by = reason
            method(trainer, module, *arguments)
            trainer.stopped_by = ""

        return hook

    def around(self, name: str, own: Callable[..., Any] | None, width: int) -> Callable[..., Any] | None:
        """The callbacks' hooks and then the module's, as one; None where nobody listens. What the module's returns is returned."""
        at_end = name == "on_train_epoch_end"
        first, last = self.hooks(name, width, False if at_end else None), self.hooks(name, width, True) if at_end else []
        if not first and not last:
            return own

        def hook(*arguments: Any) -> Any:
            for each in first:
                each(*arguments)
            found = None if own is None else own(*arguments)
            for each in last:
                each(*arguments)
            return found

        return hook

    def with_own(self, module: Any, wider: Collection[str] = ()) -> dict[str, Callable[..., Any]]:
        """Hook → what is called at it: the callbacks', then the module's own; those left out that nobody has.

        `wider`: hooks that are given the number of a loader too.
        """
        found: dict[str, Callable[..., Any]] = {}
        for name in (each for each in CALLED if each.startswith("on_") and "transfer" not in each and not each.endswith("checkpoint")):
            width = WIDTHS.get(name, 0) + (name in wider)
            own = fit_arguments(getattr(module, name), width) if overrides(module, name) else None
            whole = self.around(name, own, width)
            if whole is not None:
                found[name] = whole
        return found

    def states(self) -> dict[str, Any]:
        """The state of each that has any, by Lightning's own key."""
        return {each.state_key: state for each in self.callbacks if (state := each.state_dict())}

    def load(self, states: Mapping[str, Any]) -> None:
        """Give each its state back."""
        for each in self.callbacks:
            if each.state_key in states:
                each.load_state_dict(states[each.state_key])


def pass_on(name: str) -> Callable[..., None]:
    """A hook of the engine that is the module's own of the same name, which takes no arguments."""

    def hook(self: Any, session: Any, *_: Any) -> None:
        self.call(name)

    hook.__name__, hook.__doc__ = name, "The module's own."
    return hook


def tear_down(module: Any, datamodule: Any, called: Called, stages: list[str]) -> None:
    """Call `teardown` of data module, callbacks and module, in Lightning's order, for every stage; none is left."""
    for stage in stages:
        if datamodule is not None:
            call_if_there(datamodule, "teardown", stage)
        called.call("teardown", stage)
        call_if_there(module, "teardown", stage)
    stages.clear()


def has_hook(callback: Any, name: str) -> bool:
    """Whether a callback says itself what a hook does, in its class or on the object, as a LambdaCallback does."""
    base = lightning_class(callback, "Callback")
    return name in vars(callback) or getattr(type(callback), name, None) is not getattr(base, name, None)


def is_late(callback: Any) -> bool:
    """Whether a callback judges an epoch after the module's own end of it."""
    return any(lightning_class(callback, name) for name in LATE)


def first_of(callbacks: Iterable[Any], name: str) -> Any:
    """The first callback of a class of Lightning's; None where there is none."""
    return next((each for each in callbacks if lightning_class(each, name) is not None), None)
