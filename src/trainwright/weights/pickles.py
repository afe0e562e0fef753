"""Files that torch.save wrote, zip or older: read by the reader of torch that knows tensors and plain values only; others are refused."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, RunError
from trainwright.config.received import ensure_right
from trainwright.weights.state_dicts import PROGRAM, choose_state_dict, flat, join_states

STEPS, EPOCHS = ("global_step", "step", "steps", "iteration"), ("epoch", "epochs")
REFUSED = re.compile(r"(?:GLOBAL|global) ([\w.]+)")


def unpickle(path: Path) -> Any:
    """What a pickle holds: tensors and plain values. Nothing of it is run.

    Raises ConfigError where something in it would have to run, RunError where it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open(path, "rb") as file:  # by its name torch.load would take `w.safetensors` for what it is called
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        ensure_right(error, path)
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError("this file cannot be read", where=str(path), why=why, fix="copy or download it again") from error


def pickled_weights(path: Path, key: str = "") -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """The tensors of a pickle's state dict, step and epoch where it says them, and what was left, in words.

    Without `key` the one under a usual name is taken (`state_dict`, `model`, …); several others are joined, their keys before the names.
    """
    content = unpickle(path)
    at, state = choose_state_dict(content, key, path) if key else join_states(content, path)
    entries = dict(flat(state))
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    others = [name for name in entries if name not in tensors]
    notes = [f"of the file, {at} was taken"] if at else []
    notes += [f"{len(others)} entries that are no tensors were left out: {', '.join(others[:3])}"] if others else []
    return tensors, position_of(content), notes


def position_of(content: Any) -> dict[str, str]:
    """Step and epoch that a file says beside its state dict."""
    if not isinstance(content, Mapping):
        return {}
    found = {}
    for word, keys in (("step", STEPS), ("epoch", EPOCHS)):
        value = next((content[key] for key in keys if isinstance(content.get(key), int)), None)
        if value is not None and value >= 0:
            found[word] = str(int(value))
    return found


def _refusal(path: Path, text: str) -> ConfigError:
    named = REFUSED.search(text)
    if named is None:
        why = "it is no file that torch.save wrote, or it holds objects that are no data"
        return ConfigError("this file holds something else than weights", where=str(path), why=why, fix=PROGRAM)
    why = f"to read it, '{named[1]}' would have to run, and that may be anything"
    return ConfigError("this file holds more than weights", where=str(path), why=why, fix=PROGRAM)
