"""A model is left exactly as it was found: its modes, buffers, gradients and the random numbers around it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.nn.modes import eval_mode


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards modes, buffers and random generators are as before, also after an exception."""
    buffers = [(module, name, held, _copy(held)) for module in model.modules() for name, held in module._buffers.items()]
    devices = {each.device for each in (*model.parameters(), *model.buffers()) if each.device.type == "cuda"}
    plain, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=sorted({each.index or 0 for each in devices})), eval_mode(model), torch.no_grad():
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numpy)
        for module, name, held, (version, copied) in buffers:
            module._buffers[name] = held
            if held is not None and copied is not None and held._version != version:
                with torch.no_grad():
                    held.copy_(copied)


def _copy(held: Tensor | None) -> tuple[int, Tensor | None]:
    """The version of a tensor, and a copy of its values; a lazy one has none."""
    if held is None or torch.nn.parameter.is_lazy(held):
        return 0, None
    return (held._version if not held.is_inference() else 0), held.detach().clone()
