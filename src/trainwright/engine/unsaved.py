"""State of a system that is neither parameter nor tensor, changes while it trains, and is in no checkpoint: it is said, once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch import nn

from trainwright.engine.callbacks.base import Callback
from trainwright.nn.untouched import Held

log = logging.getLogger("trainwright.engine")

SHOWN = 4
SAVING = ("get_extra_state", "on_save_checkpoint", "state_dict")
"""Methods by which a module says itself what is saved."""


def describe_unsaved(system: nn.Module, paths: Iterable[str]) -> str:
    """What is to be said of attributes, by path, that changed from one step to the next; "" where each has been seen to."""
    modules = dict(system.named_modules())
    found: dict[str, None] = {}
    for path in paths:
        owner = max((name for name in modules if not name or path.startswith(f"{name}.")), key=len, default="")
        module = modules.get(owner, system)
        if not _saves(module) and not _saves(system):
            found[f"`{path.removeprefix(f'{owner}.') if owner else path}` of {type(module).__name__}"] = None
    if not found:
        return ""
    names = ", ".join(list(found)[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
    fix = "keep it in a tensor (register_buffer), or give it as one from get_extra_state"
    fix += "; random numbers of torch, numpy and random themselves follow the step"
    return f"{names}: changes from step to step and is in no checkpoint, so a continued run begins with its first value; {fix}"


def _saves(module: nn.Module) -> bool:
    kind = type(module)
    own = (getattr(kind, name, None) for name in SAVING)
    libraries = ("torch", "trainwright", "lightning", "pytorch_lightning")
    return any(each is not None and str(each.__module__).partition(".")[0] not in libraries for each in own)


class UnsavedState(Callback):
    """Compares a system after its first and its second step, where none was tried before the run."""

    def __init__(self) -> None:
        self._held: Held | None = None
        self._said = False

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        """Look after the first step, compare after the second, and then no more."""
        if self._said:
            return
        if self._held is None:
            self._held = Held(system, values=False)
            return
        words, self._held, self._said = describe_unsaved(system, self._held.list_changed()), None, True
        if words:
            log.warning("%s", words)
