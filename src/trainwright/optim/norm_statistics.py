"""Running statistics of batch norms while a gradient is evaluated again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm


@contextmanager
def hold_norm_statistics(model: nn.Module) -> Iterator[None]:
    """Batch and instance norms in training mode normalise by the batch inside, and neither move nor count in their running statistics.

    Optimizers that evaluate a step's rows several times (SAM, L-BFGS) would otherwise let them count several times, at weights that are
    thrown away.
    """
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.training and module.track_running_stats]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 0.0
        module.track_running_stats = isinstance(module, _InstanceNorm)  # these go on reading their statistics, and have no count
    try:
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum, module.track_running_stats = momentum, True
