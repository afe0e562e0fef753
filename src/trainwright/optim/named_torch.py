"""The optimizers of torch.optim by name, with kernels chosen by what was measured (benchmarks of 200 tensors on two CPU cores)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trainwright.config.errors import TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.torch_optimizer import TorchOptimizer, wrap

CLASSES: dict[str, type[torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "adagrad": torch.optim.Adagrad,
    "adamax": torch.optim.Adamax,
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "sparse_adam": torch.optim.SparseAdam,
}
ALWAYS_FOREACH = ("radam", "rprop")
"""Faster on the CPU at every size, by 1.1 to 1.9."""
NEVER_FOREACH = ("asgd",)
"""Slower on the CPU at every size."""
SMALL = 1_000_000
"""Values in all up to which foreach is faster on the CPU, by 1.1 to 2.2; with more, its temporary copies fall out of the cache."""


class NamedTorch(TorchOptimizer):
    """A class of torch.optim, made from registered options."""

    def __init__(self, options: PartConfig, groups: Sequence[ParameterGroup]) -> None:
        given: dict[str, Any] = options.model_dump(exclude={"type"})
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        chosen = choose_kernels(options, groups)
        made = wrap(CLASSES[options.type], given | chosen, groups)
        super().__init__(made.optimizer, made.parameter_groups)
        self._sparse = options.type == "sparse_adam"
        self.may_leave_kernel = "fused" in chosen
        self._unseen = list(self._named) if self.may_leave_kernel else []
        """Parameters whose gradients were not looked at yet, where a kernel was chosen that takes no sparse ones."""

    def step(self) -> None:
        """Update every parameter that has a gradient; raises TrainwrightError for dense gradients where only sparse ones are taken."""
        if self._sparse:
            dense = [name for name, param in self._named.items() if param.grad is not None and not param.grad.is_sparse]
            if dense:
                why = f"'{dense[0]}' has a dense gradient"
                raise TrainwrightError("sparse_adam takes sparse gradients only", where="trainer.optimizer", why=why, fix="use adamw")
        if self._unseen:
            self._leave_kernel()
        super().step()

    def _leave_kernel(self) -> None:
        """Leave the fused kernel, where it was chosen here, for groups with sparse gradients, which it does not take."""
        seen = {name: grad for name in self._unseen if (grad := self._named[name].grad) is not None}
        self._unseen = [name for name in self._unseen if name not in seen]
        sparse = {name for name, grad in seen.items() if grad.is_sparse}
        for rule, theirs in zip(self.parameter_groups, self.optimizer.param_groups, strict=True):
            if sparse.intersection(rule.names):
                theirs |= {"fused": False, "foreach": False}


def choose_kernels(options: PartConfig, groups: Sequence[ParameterGroup]) -> dict[str, bool]:
    """`foreach` and `fused` where the options leave them open: torch's own choice on a GPU, the faster one on the CPU."""
    params = [param for group in groups for param in group.params]
    if not params or any(param.device.type != "cpu" for param in params):
        return {}
    open_to = {name for name in ("foreach", "fused") if getattr(options, name, False) is None}
    if "fused" in open_to and getattr(options, "foreach", None) is None and all(param.is_floating_point() for param in params):
        return {"fused": True}
    if "foreach" not in open_to or getattr(options, "fused", None):
        return {}
    small = sum(param.numel() for param in params) <= SMALL
    return {"foreach": options.type not in NEVER_FOREACH and (small or options.type in ALWAYS_FOREACH)}
