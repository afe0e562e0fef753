"""What a module, its data module and its callbacks put into a checkpoint beside the weights, and get back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainwright.adapters.lightning.log import Asked
from trainwright.adapters.lightning.written import decode_value

if TYPE_CHECKING:
    from trainwright.adapters.lightning.hooks import LightningHooks

log = logging.getLogger("trainwright.systems")


def lightning_checkpoint(module: Any, epoch: int, step: int, state: Mapping[str, Any], callbacks: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint as Lightning lays it out, for hooks that put something in or look for something there."""
    hparams = dict(module.hparams) if getattr(module, "_hparams", None) else {}
    found = {"epoch": epoch, "global_step": step, "state_dict": dict(state), "hyper_parameters": hparams}
    return found | {"callbacks": dict(callbacks), "loops": {}}


def kept_of(hooks: LightningHooks) -> dict[str, Any]:
    """All that a checkpoint keeps of a module, its data module and its callbacks beside the weights."""
    added, states = _collect_added(hooks)
    kept = {"module": added, "steps_made": hooks.steps_made, "epoch": hooks.of_epoch.state(hooks.model), "callbacks": states}
    kept["asked"] = {name: list(each) for name, each in hooks.asked.items()}
    kept["heard"] = {name: float(value) for name, value in hooks.values_for_schedulers().items()}
    if hooks.datamodule is not None:
        kept["datamodule"] = hooks.datamodule.state_dict()
    return kept


def _collect_added(hooks: LightningHooks) -> tuple[dict[str, Any], dict[str, Any]]:
    """What on_save_checkpoint of callbacks and module put into a checkpoint, and the states of the callbacks.

    Changed weights in it are warned of, and not kept.
    """
    states = hooks.called.states()
    checkpoint = lightning_checkpoint(hooks.model, hooks.now.epoch, hooks.updates, hooks.state_dict(), states)
    before, weights = set(checkpoint), set(checkpoint["state_dict"])
    hooks.called.call("on_save_checkpoint", checkpoint)
    hooks.model.on_save_checkpoint(checkpoint)
    if set(checkpoint["state_dict"]) != weights:
        log.warning("on_save_checkpoint changed the state_dict: a checkpoint here holds all weights all the same")
    return {name: value for name, value in checkpoint.items() if name not in before}, states


def give_back(hooks: LightningHooks, kept: Mapping[str, Any]) -> None:
    """Hand everything back to those that put it in, in Lightning's order."""
    hooks.steps_made = kept.get("steps_made", 0)
    hooks.of_epoch.load(kept.get("epoch", {}), hooks.model)
    hooks.asked = {name: Asked(*each) for name, each in kept.get("asked", {}).items()}
    hooks.trainer.hear(kept.get("heard", {}))
    hooks.now.epoch, states = 0 if hooks.session is None else hooks.session.epoch, kept.get("callbacks", {})
    checkpoint = lightning_checkpoint(hooks.model, hooks.now.epoch, hooks.updates, hooks.state_dict(), states)
    checkpoint |= kept.get("module", {})
    hooks.called.call("on_load_checkpoint", checkpoint)
    hooks.called.load(states)
    hooks.model.on_load_checkpoint(checkpoint)
    if hooks.datamodule is not None and "datamodule" in kept:
        hooks.datamodule.load_state_dict(kept["datamodule"])


def remember(module: Any, kept: Any) -> None:
    """Hand a module what it put into the checkpoint of the weights that are about to be loaded, where it put anything."""
    added = decode_value(kept).get("module") if isinstance(kept, Mapping) else None
    if added:
        module.on_load_checkpoint(lightning_checkpoint(module, 0, 0, module.state_dict(), {}) | added)
