"""When a checkpoint is written, what is in it, and how a run continues from one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.store import Checkpoint, CheckpointStore
from trainwright.config.errors import RunError
from trainwright.engine.cadence import Cadence
from trainwright.engine.config import CheckpointConfig
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

SYSTEM, OPTIMIZER, RUNNING, STATE = "system.safetensors", "optimizer.safetensors", "running.safetensors", "trainer.json"
FORMAT = 1
AT_LEAST_EVERY = 600.0
"""Seconds after which a logged row is reason enough for a checkpoint, when the config does not say how often."""
LENGTHS = ("max_epochs", "max_steps", "max_time")
"""Reasons to stop that a continued run looks at anew, since its length may have been changed."""

Weights = dict[str, Tensor]


class Saver:
    """Writes the checkpoints of a session, and holds the best weights in memory while no checkpoint on disk has them."""

    def __init__(self, store: CheckpointStore, config: CheckpointConfig, cadence: Cadence | None) -> None:
        self.store, self.cadence = store, cadence
        self._min_interval = config.min_interval.seconds
        self._tried = time.perf_counter()
        self._saved_step: int | None = None
        self._values: dict[int, float] = {}
        self._held: dict[int, Weights] = {}

    def next_step(self, step: int) -> int | None:
        """The first step after `step` at which `checkpoint.every` may be due."""
        return None if self.cadence is None else self.cadence.next_step(step)

    def best_found(self, session: Session, value: float) -> None:
        """Hear of an evaluation; if it is among the best its weights are held until a checkpoint has them."""
        if session.best.offer(session.step, value):
            self._values[session.step] = value
            self._held[session.step] = {}
        self._held = {step: weights for step, weights in self._held.items() if step in session.best.steps}

    def hold(self, session: Session) -> None:
        """Copy the weights, if this step is one of the best and only they are missing."""
        if self._held.get(session.step) == {}:
            self._held[session.step] = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights_of(session.system).items()}

    def due(self, session: Session, evaluated: bool) -> bool:
        """Whether a checkpoint should be written after this step."""
        if session.stopped_because:
            return self._saved_step != session.step
        waited = time.perf_counter() - self._tried
        if self.cadence is not None and self.cadence.due(session.step):
            return True
        return waited >= (self._min_interval if evaluated else AT_LEAST_EVERY if self.cadence is None else float("inf"))

    def save(self, session: Session) -> bool:
        """Write a checkpoint now, with the best weights that only memory has; False, and a warning, when the disk refuses."""
        with session.timing.phase("checkpoint"):
            try:
                self._write(session)
            except OSError as error:
                log.warning(
                    "no checkpoint at step %d: %s; the ones before are untouched, training goes on", session.step, error.strerror or error
                )
                return False
            finally:
                self._tried = time.perf_counter()
                if self.cadence is not None:
                    self.cadence.done()
        return True

    def _write(self, session: Session) -> None:
        for tracker in session.trackers:
            tracker.sync()
        for step, held in sorted(self._held.items()):
            if step != session.step:
                self.store.write(Manifest("weights", step, value=self._values.get(step)), {SYSTEM: held}, {})
        documents = state_of(session)
        for hook in session.hooks.on_save_checkpoint:
            hook(session, session.system, documents)
        tensors: dict[str, Mapping[str, Tensor]] = {SYSTEM: weights_of(session.system), OPTIMIZER: session.optimizer.tensors()}
        tensors[RUNNING] = running_tensors(session)
        manifest = Manifest("full", session.step, session.best.steps, self._values.get(session.step))
        self.store.write(manifest, tensors, {STATE: documents})
        self._held, self._saved_step = {}, session.step
        self.store.prune()

    def resume(self, session: Session) -> bool:
        """Put the session where its newest good checkpoint was; False when none was ever written. Raises RunError when none is usable."""
        checkpoint = self.store.latest()
        if checkpoint is None:
            return False
        load(session, checkpoint)
        lost = [step for step in session.best.steps if self.store.at(step) is None]
        session.best.entries = [entry for entry in session.best.entries if entry[0] not in lost]
        self._values = dict(session.best.entries)
        self._saved_step = None if session.boundary_pending else session.step
        self.store.forget_after(session.step)
        return True

    def best_weights(self, session: Session) -> Weights | None:
        """The weights of the best evaluation, from memory or from disk; None when there is none or it was lost."""
        if not session.best.steps:
            return None
        step = session.best.steps[0]
        if self._held.get(step):
            return self._held[step]
        if step == session.step:
            return weights_of(session.system)
        checkpoint = self.store.at(step)
        if checkpoint is None:
            log.warning("the best weights, of step %d, are lost; the last ones are used", step)
            return None
        return checkpoint.tensors(SYSTEM)


def weights_of(system: System) -> Weights:
    """Parameters and buffers by name. Raises RunError for state that is no tensor, which a checkpoint cannot hold."""
    found = system.state_dict()
    other = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if other:
        fix = "keep it in a buffer, or in a callback's state_dict"
        raise RunError(
            f"'{other[0]}' of the system's state is no tensor", why="checkpoints hold tensors and JSON, nothing pickled", fix=fix
        )
    return found


def running_tensors(session: Session) -> Weights:
    """Losses and outputs since the last row and the last evaluation: metrics after a restart are the same to the bit."""
    found = {f"loss/{name}": tensor for name, tensor in session.running_loss.tensors().items()}
    found |= {f"outputs/{name}": tensor for name, tensor in session.running_outputs.tensors().items()}
    return found if session.gradient_norm is None else found | {"gradient_norm": session.gradient_norm}


def identity(session: Session) -> dict[str, Any]:
    """What must be the same when a run continues: with any of it changed, the past would have been another."""
    return {
        "rows": session.plan.rows,
        "batch_size": session.plan.batch_size,
        "seed": session.seed,
        "optimizer": session.config.optimizer.type,
    }


def state_of(session: Session) -> dict[str, Any]:
    """trainer.json: everything of a session that is no tensor."""
    return {
        "format": FORMAT,
        "step": session.step,
        "identity": identity(session),
        "optimizer": session.optimizer.numbers(),
        "schedule": session.schedule.state(),
        "best": session.best.state(),
        "callbacks": session.hooks.states(),
        "boundary_pending": session.boundary_pending,
        "evaluated_at": session.evaluated_at,
        "last_row": list(session.last_row),
        "stopped_because": "" if session.stopped_because in LENGTHS else session.stopped_because,
        "seconds": session.timing.read(),
    }


def load(session: Session, checkpoint: Checkpoint) -> None:
    """Put the session where the checkpoint was. Raises RunError when it was made with other data, settings or another model."""
    state = checkpoint.document(STATE)
    check_identity(state["identity"], identity(session), checkpoint)
    load_weights(session.system, checkpoint.tensors(SYSTEM), where=str(checkpoint.folder))
    session.optimizer.load(checkpoint.tensors(OPTIMIZER), state["optimizer"])
    session.schedule.load(state["schedule"])
    session.best.load(state["best"])
    session.hooks.load_states(state["callbacks"])
    session.step, session.boundary_pending = state["step"], state["boundary_pending"]
    session.evaluated_at, session.stopped_because = state["evaluated_at"], state["stopped_because"]
    session.last_row = (state["last_row"][0], state["last_row"][1])
    session.timing.load(state["seconds"])
    session.optimizer.learning_rate = session.optimizer.base_learning_rate * session.schedule.factor(max(session.step - 1, 0))
    running = checkpoint.tensors(RUNNING)
    session.gradient_norm = running.get("gradient_norm")
    session.running_loss.load({name[5:]: tensor for name, tensor in running.items() if name.startswith("loss/")})
    session.running_outputs.load({name[8:]: tensor for name, tensor in running.items() if name.startswith("outputs/")}, session.device)
    for hook in session.hooks.on_load_checkpoint:
        hook(session, session.system, state)


def check_identity(saved: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Raise RunError naming each setting that would have made the past another."""
    changed = [f"{name} was {saved.get(name)} and is {value} now" for name, value in now.items() if saved.get(name) != value]
    if changed:
        fix = "continue with the settings it was started with, or start a new run"
        raise RunError("this run cannot be continued with these settings", where=str(checkpoint.folder), why="; ".join(changed), fix=fix)


def load_weights(system: System, weights: Mapping[str, Tensor], where: str) -> None:
    """Put weights into the system. Raises RunError naming what does not fit when they are another model's."""
    own = system.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in weights] + [f"{name} is unknown" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        if own[name].shape != weights[name].shape:
            wrong.append(f"{name} has shape {tuple(weights[name].shape)} there and {tuple(own[name].shape)} here")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        fix = "use the model the run was started with"
        raise RunError("these weights are another model's", where=where, why="; ".join(sorted(wrong)[:5]) + more, fix=fix)
    with torch.no_grad():
        system.load_state_dict(dict(weights))
