"""The hooks that the loop calls, named as in Lightning 2 where they mean the same, and who listens to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.engine.system import Batch, Loss, System
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session


class Callback:
    """Override the hooks you need; those left alone cost nothing. `session` carries step, epoch, optimizer, history and `stop(reason)`."""

    after_the_system: tuple[str, ...] = ()
    """Hooks that are called after the system's own of that name, because they read what it leaves."""

    every_rank: bool = False
    """Whether it is called in every process of a run, as one is that changes gradients, weights or batches, or in that of rank 0 alone."""

    @property
    def state_key(self) -> str:
        """The name of this callback's state in checkpoints; override it to have several of one class."""
        return type(self).__name__

    def refuse(self, system: System, plan: Plan) -> None:
        """Raise ConfigError for what does not fit the system or the plan: asked before a run has a directory, and not in the loop."""

    def setup(self, session: Session, system: System) -> None:
        """Before anything else, with the system on its device and a checkpoint, if any, not yet loaded; `session.stage` says what runs."""

    def on_fit_start(self, session: Session, system: System) -> None:
        """Before training, with a checkpoint, if any, loaded."""

    def on_sanity_check_start(self, session: Session, system: System) -> None:
        """Before a few validation rows are tried, so that a mistake there does not end the run after its first epoch."""

    def on_sanity_check_end(self, session: Session, system: System) -> None:
        """They went through."""

    def on_train_start(self, session: Session, system: System) -> None:
        """Before the first epoch of this process."""

    def on_train_epoch_start(self, session: Session, system: System) -> None:
        """Before the first step of an epoch."""

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> int | None:
        """Before a step; `index` counts the batches of the epoch. Return -1 to leave out the rest of the epoch."""
        return None

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

    def on_validation_epoch_start(self, session: Session, system: System) -> None:
        """Before the first batch of the validation split, in evaluation mode, with the averaged weights where those are evaluated."""

    def on_validation_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Before a batch of the validation split."""

    def on_validation_batch_end(self, session: Session, system: System, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """After a batch of the validation split; `outputs` are those of `validation_step`."""

    def on_validation_epoch_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After the last batch of the validation split and its metrics, before they are judged."""

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After an evaluation; `metrics` are those of the validation split."""

    def should_early_stop(self, session: Session, system: System) -> bool:
        """Asked after every evaluation; true ends the run as `early_stopping`."""
        return False

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

    def on_test_epoch_start(self, session: Session, system: System) -> None:
        """Before the first batch of the test split."""

    def on_test_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Before a batch of the test split."""

    def on_test_batch_end(self, session: Session, system: System, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """After a batch of the test split."""

    def on_test_epoch_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After the last batch of the test split and its metrics."""

    def on_test_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """After the test split was evaluated."""

    def on_predict_start(self, session: Session, system: System) -> None:
        """Before rows are predicted."""

    def on_predict_epoch_start(self, session: Session, system: System) -> None:
        """Before the first batch to be predicted."""

    def on_predict_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Before a batch is predicted."""

    def on_predict_batch_end(self, session: Session, system: System, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """After a batch was predicted; `outputs` are those of `predict_step`."""

    def on_predict_epoch_end(self, session: Session, system: System) -> None:
        """After the last batch was predicted."""

    def on_predict_end(self, session: Session, system: System) -> None:
        """After all rows were predicted."""

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


class SplitHooks(NamedTuple):
    """Who listens to the measuring of one split."""

    start: Listeners
    epoch_start: Listeners
    batch_start: Listeners
    batch_end: Listeners
    epoch_end: Listeners
    end: Listeners


NOT_CALLED = ("state_key", "after_the_system", "every_rank", "refuse", "state_dict", "load_state_dict")
HOOKS = tuple(name for name in vars(Callback) if not name.startswith("_") and name not in NOT_CALLED)
"""Every hook, in the order in which a run first calls them."""


def check_signatures(callback: Callback, where: str) -> None:
    """Raise ConfigError for a hook that cannot be called with what it is given, before a run meets it after hours."""
    for name in HOOKS:
        own, plain = getattr(type(callback), name), getattr(Callback, name)
        if own is plain:
            continue
        given = list(signature(plain).parameters)[1:]
        try:
            signature(getattr(callback, name)).bind(*given)
        except ValueError:  # a function without a signature, of C
            continue
        except TypeError as error:
            what = f"{name} of {type(callback).__name__} cannot be called with ({', '.join(given)})"
            raise ConfigError(what, where=where, why=str(error), fix=f"def {name}(self, {', '.join(given)})") from error


class Hooks:
    """For each hook those callbacks that override it, in order, the system's own, then those that wait for it.

    A hook nobody listens to costs an empty loop. Of several processes that of rank 0 calls all of them, the others those that are for
    every rank.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Listeners: ...

    def __init__(self, callbacks: Iterable[Callback], system: System | None = None, world: World | None = None) -> None:
        self.callbacks, self._world = list(callbacks), world or World()
        for name in HOOKS:
            plain = getattr(Callback, name)
            overriding = [each for each in self.callbacks if self._calls(each) and getattr(type(each), name) is not plain]
            before = [self._bound(each, name) for each in overriding if name not in each.after_the_system]
            after = [self._bound(each, name) for each in overriding if name in each.after_the_system]
            own = None if system is None else system.hook_named(name)
            the_system = [] if own is None else [own if name == "on_log" else _without_system(own)]
            setattr(self, name, (*before, *the_system, *after))

    def _calls(self, callback: Callback) -> bool:
        return self._world.is_main or callback.every_rank

    def _bound(self, callback: Callback, name: str) -> Callable[..., Any]:
        alone = self._world.size > 1 and not callback.every_rank
        method: Callable[..., Any] = getattr(callback, name)
        return _leaving_nothing_out(callback) if alone and name == "on_train_batch_start" else method

    def of_split(self, split: str) -> SplitHooks:
        """The hooks of `validation`, `test` or `predict`."""
        return {
            "validation": SplitHooks(
                self.on_validation_start,
                self.on_validation_epoch_start,
                self.on_validation_batch_start,
                self.on_validation_batch_end,
                self.on_validation_epoch_end,
                self.on_validation_end,
            ),
            "test": SplitHooks(
                self.on_test_start,
                self.on_test_epoch_start,
                self.on_test_batch_start,
                self.on_test_batch_end,
                self.on_test_epoch_end,
                self.on_test_end,
            ),
            "predict": SplitHooks(
                self.on_predict_start,
                self.on_predict_epoch_start,
                self.on_predict_batch_start,
                self.on_predict_batch_end,
                self.on_predict_epoch_end,
                self.on_predict_end,
            ),
        }[split]

    def states(self) -> dict[str, Any]:
        """State of every callback that has any, by `state_key`, numbered when a key comes twice."""
        return {key: as_json(key, state) for key, each in self._key_callbacks() if self._calls(each) and (state := each.state_dict())}

    def load_states(self, states: Mapping[str, Any]) -> None:
        """Give each callback its state back; one that was not there when it was saved begins anew."""
        for key, each in self._key_callbacks():
            if key in states and self._calls(each):
                each.load_state_dict(states[key])

    def _key_callbacks(self) -> list[tuple[str, Callback]]:
        seen: dict[str, int] = {}
        keyed = []
        for each in self.callbacks:
            number = seen[each.state_key] = seen.get(each.state_key, 0) + 1
            keyed.append((each.state_key if number == 1 else f"{each.state_key}#{number}", each))
        return keyed


def as_json(key: str, state: dict[str, Any]) -> dict[str, Any]:
    """The state of a callback; raises TrainwrightError naming it when it cannot be kept as JSON."""
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        fix = "keep numbers, texts, lists and mappings: tensor.tolist(), float(value)"
        raise TrainwrightError(f"the state of the callback '{key}' cannot be saved", why=str(error), fix=fix) from error
    return state


def _leaving_nothing_out(callback: Callback) -> Callable[..., Any]:
    """`on_train_batch_start` of one that rank 0 alone calls; raises TrainwrightError where it leaves out batches that the others use."""

    def called(*arguments: Any) -> Any:
        if callback.on_train_batch_start(*arguments) == -1:
            name = type(callback).__name__
            why = "rank 0 alone would leave out the rest of the epoch, and the others would wait for it"
            fix = f"every_rank = True in the class, or every_rank: true in the configuration; {name} must then say so in every process"
            raise TrainwrightError(f"-1 of on_train_batch_start of {name} in a run of several processes", why=why, fix=fix)
        return None

    return called


def _without_system(method: Callable[..., Any]) -> Callable[..., Any]:
    """A system's own hook takes the session and the rest: it is the system itself."""
    return lambda session, _system, *rest: method(session, *rest)
