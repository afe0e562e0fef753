"""Statistics of batch norms for weights that no step was made with, such as an average."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

B = TypeVar("B")


def batch_norms(system: nn.Module) -> dict[str, _BatchNorm]:
    """The modules by name that keep running statistics."""
    return {name: each for name, each in system.named_modules() if isinstance(each, _BatchNorm) and each.running_mean is not None}


@torch.no_grad()
def refresh_batch_norm(system: nn.Module, batches: Iterable[B], forward: Callable[[B], object]) -> dict[str, Tensor]:
    """Running statistics of all batch norms as they are over `batches` with the weights of now: buffer name → tensor.

    Each batch counts the same (Izmailov et al. 2018, §3.2). `forward(batch)` runs the system; norms are in training mode and all else
    in evaluation mode, so that dropout, absent when predicting, does not enter. The system itself is left as it was, buffers and modes too.
    """
    norms = batch_norms(system)
    modes = [(module, module.training) for module in system.modules()]
    before = [(norm, dict(norm._buffers), norm.momentum) for norm in norms.values()]
    try:
        system.train(False)
        for norm in norms.values():
            for name, buffer in norm._buffers.items():
                norm._buffers[name] = None if buffer is None else buffer.clone()
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.training = True
        for batch in batches:
            forward(batch)
        own = system.state_dict()
        places = {f"{path}.{name}" if path else name: each for path, norm in norms.items() for name, each in norm._buffers.items()}
        return {name: buffer for name, buffer in places.items() if buffer is not None and name in own}
    finally:
        for norm, buffers, momentum in before:
            norm._buffers.update(buffers)
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode
