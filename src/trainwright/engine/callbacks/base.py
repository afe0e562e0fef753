"""The hooks that the loop calls, named as in Lightning 2 where they mean the same, and who listens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trainwright.engine.system import Batch, Loss, System

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class Callback:
    """Override the hooks you need; those left alone cost nothing. `session` carries step, epoch, optimizer, history and `stop(reason)`."""

    @property
    def state_key(self) -> str:
        """The name of this callback's state in checkpoints; override it to have several of one class."""
        return type(self).__name__

    def setup(self, session: Session, system: System) -> None:
        """Before anything else, with the system on its device and a checkpoint, if any, not yet loaded."""

    def on_fit_start(self, session: Session, system: System) -> None:
        """Before training, with a checkpoint, if any, loaded."""

    def on_train_start(self, session: Session, system: System) -> None:
        """Before the first epoch of this process."""

    def on_train_epoch_start(self, session: Session, system: System) -> None:
        """Before the first step of an epoch."""

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Before a step; `index` counts the steps of the epoch."""

    def on_before_backward(self, session: Session, system: System, loss: Loss) -> None:
        """After the forward pass of a micro-batch."""

    def on_after_backward(self, session: Session, system: System) -> None:
        """After the backward pass of a micro-batch."""

    def on_before_optimizer_step(self, session: Session, system: System) -> None:
        """Gradients are whole and clipped; `session.gradients()` lists them."""

    def on_before_zero_grad(self, session: Session, system: System) -> None:
        """Weights are updated, gradients still there."""

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """After a step."""

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """A row was logged; the host has just read the device."""

    def on_validation_start(self, session: Session, system: System) -> None:
        """Before an evaluation, in training mode still."""

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After an evaluation; `metrics` are those of the validation split."""

    def on_train_epoch_end(self, session: Session, system: System) -> None:
        """After the last step of an epoch and its evaluation, before a checkpoint is written."""

    def on_save_checkpoint(self, session: Session, system: System, documents: dict[str, Any]) -> None:
        """`documents` is what trainer.json will hold; add JSON-able values of your own."""

    def on_load_checkpoint(self, session: Session, system: System, documents: Mapping[str, Any]) -> None:
        """`documents` is what trainer.json held."""

    def on_train_end(self, session: Session, system: System) -> None:
        """After the last step and its checkpoint."""

    def on_test_start(self, session: Session, system: System) -> None:
        """Before the test split is evaluated, with the best weights."""

    def on_test_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After the test split was evaluated."""

    def on_fit_end(self, session: Session, system: System) -> None:
        """Everything is done; the best weights are in the system."""

    def on_exception(self, session: Session, system: System, error: BaseException) -> None:
        """Something ended the run early: an error, or a signal once the run was saved."""

    def teardown(self, session: Session, system: System) -> None:
        """Last of all, also after an error."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback, JSON-able."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""


Listeners = tuple[Callable[..., Any], ...]


class Hooks:
    """For each hook those callbacks that override it, in order, so that a hook nobody listens to costs an empty loop."""

    setup: Listeners
    on_fit_start: Listeners
    on_train_start: Listeners
    on_train_epoch_start: Listeners
    on_train_batch_start: Listeners
    on_before_backward: Listeners
    on_after_backward: Listeners
    on_before_optimizer_step: Listeners
    on_before_zero_grad: Listeners
    on_train_batch_end: Listeners
    on_log: Listeners
    on_validation_start: Listeners
    on_validation_end: Listeners
    on_train_epoch_end: Listeners
    on_save_checkpoint: Listeners
    on_load_checkpoint: Listeners
    on_train_end: Listeners
    on_test_start: Listeners
    on_test_end: Listeners
    on_fit_end: Listeners
    on_exception: Listeners
    teardown: Listeners

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)
        for name in Hooks.__annotations__:
            plain = getattr(Callback, name)
            setattr(self, name, tuple(getattr(each, name) for each in self.callbacks if getattr(type(each), name) is not plain))

    def states(self) -> dict[str, Any]:
        """State of every callback that has any, by `state_key`, numbered when a key comes twice."""
        return {key: state for key, each in self._keyed() if (state := each.state_dict())}

    def load_states(self, states: Mapping[str, Any]) -> None:
        """Give each callback its state back; one that was not there when it was saved begins anew."""
        for key, each in self._keyed():
            if key in states:
                each.load_state_dict(states[key])

    def _keyed(self) -> list[tuple[str, Callback]]:
        seen: dict[str, int] = {}
        keyed = []
        for each in self.callbacks:
            number = seen[each.state_key] = seen.get(each.state_key, 0) + 1
            keyed.append((each.state_key if number == 1 else f"{each.state_key}#{number}", each))
        return keyed
