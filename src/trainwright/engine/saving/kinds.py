"""What a run that keeps weights alone, or nothing, cannot do: said before its first step, at a signal, and where it is to go on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainwright.checkpoint.options import CheckpointConfig
from trainwright.config.errors import ConfigError, RunError, TrainwrightError
from trainwright.engine.recovery_options import RecoveryOptions
from trainwright.runs.ways_on import from_its_weights

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

KEEPS = {"weights": "keeps weights alone", "none": "keeps no checkpoints"}


def check_rollback(config: CheckpointConfig, recovery: RecoveryOptions) -> None:
    """Raise ConfigError for a run that is to be put back to checkpoints which it does not write."""
    if config.type == "full" or not recovery.rolls_back:
        return
    where = "trainer.recovery." + ("not_finite" if recovery.not_finite == "rollback" else "loss_spike.policy")
    why = f"trainer.checkpoint is '{config.type}': there is nothing to go back to"
    raise ConfigError("rollback needs checkpoints", where=where, why=why, fix="set trainer.checkpoint: full, or another policy")


def say_kind(session: Session) -> None:
    """Say before the first step that the run cannot be continued, where that is so."""
    kind = session.parts.config.checkpoint.type
    if kind != "full":
        held = "; the best weights are held in memory until it ends" if kind == "none" else ""
        log.info("trainer.checkpoint: %s: this run cannot be continued after an interruption, nor put back%s", kind, held)


def stop_error(session: Session, name: str, saved: bool) -> TrainwrightError:
    """The error of such a run that a signal ended: what is there, and what is not. Its exit code says that it cannot be continued."""
    parts, step = session.parts, session.position.step
    kind, place = parts.config.checkpoint.type, parts.saver.store.folder
    why = f"trainer.checkpoint is '{kind}'"
    if kind == "weights" and saved:
        what = f"{name}: stopped at step {step}; its weights are saved, and it cannot be continued"
        begin = from_its_weights(parts.folder)
        fix = f"begin another run from them: {begin}" if begin else "begin it again; with trainer.checkpoint: full it could be continued"
        return TrainwrightError(what, where=str(place), why=why, fix=fix)
    fix = "begin it again; with trainer.checkpoint: full it would have been saved"
    return TrainwrightError(f"{name}: stopped at step {step}; nothing is saved, and it cannot be continued", why=why, fix=fix)


def refuse_going_on(session: Session, steps: int) -> None:
    """Raise RunError for such a run that has made `steps` steps and is asked to go on from a checkpoint that was never written."""
    parts = session.parts
    kind = parts.config.checkpoint.type
    if kind == "full" or steps <= 0:
        return
    found = any(each.kind == "weights" for each in parts.saver.store.list_manifests())
    begin = from_its_weights(parts.folder) if found else ""
    begin = f"begin another run in another place from its weights: {begin}" if begin else "begin it again in another place"
    why = f"it {KEEPS[kind]} (trainer.checkpoint: {kind}), and has made {steps} steps"
    fix = f"{begin}; one with trainer.checkpoint: full could be continued"
    raise RunError("this run cannot be continued", where=str(parts.folder), why=why, fix=fix)
