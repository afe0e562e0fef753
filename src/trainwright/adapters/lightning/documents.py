"""What a module puts into a checkpoint, as JSON and back: nothing is pickled."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError

log = logging.getLogger("trainwright.systems")


def encode_value(value: Any) -> Any:
    """A value as JSON holds it, tensors with their type. Raises TrainwrightError naming what it cannot hold."""
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping):
        return {str(name): encode_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(each) for each in value]
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        fix = "keep numbers, texts, lists, mappings and tensors"
        raise TrainwrightError(f"on_save_checkpoint kept a {type(value).__name__}", why="nothing is pickled here", fix=fix) from error
    return value


def decode_value(value: Any) -> Any:
    """What `encode_value` was given, tuples as lists."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor", "dtype"}:
            return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
        return {name: decode_value(each) for name, each in value.items()}
    return [decode_value(each) for each in value] if isinstance(value, list) else value


def lightning_checkpoint(module: Any, epoch: int, step: int, state: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint as Lightning lays it out, for hooks that put something in or look for something there."""
    hparams = dict(module.hparams) if getattr(module, "_hparams", None) else {}
    return {"epoch": epoch, "global_step": step, "state_dict": dict(state), "hyper_parameters": hparams, "callbacks": {}, "loops": {}}


def saved_by(module: Any, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What the module's own on_save_checkpoint puts into a checkpoint; a change of the weights in it is warned of, and not kept."""
    before, weights = set(checkpoint), set(checkpoint["state_dict"])
    module.on_save_checkpoint(checkpoint)
    if set(checkpoint["state_dict"]) != weights:
        log.warning("on_save_checkpoint changed the state_dict: a checkpoint here holds all weights all the same")
    return {name: value for name, value in checkpoint.items() if name not in before}
