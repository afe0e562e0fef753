"""How large gradients and updates are, module by module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import GradientFlowOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.system import System
from trainwright.optim.clipping import gradients

if TYPE_CHECKING:
    from trainwright.engine.session import Session

SMALLEST = 1e-12
"""Norms of weights are taken as this large at least."""


class GradientFlow(Callback):
    """Logs `gradient_norm/<module>` (clipped as it is used) and `update_ratio/<module>` of the last step before a row."""

    def __init__(self, options: GradientFlowOptions | None = None) -> None:
        self.options = options or GradientFlowOptions()
        self._groups: dict[str, list[nn.Parameter]] = {}
        self._before: dict[str, list[Tensor]] | None = None

    def setup(self, session: Session, system: System) -> None:
        """Sort the parameters by module."""
        self._groups = {}
        for name, param in system.named_parameters():
            self._groups.setdefault(module_of(name, self.options.depth), []).append(param)

    @torch.no_grad()
    def on_before_optimizer_step(self, session: Session, system: System) -> None:
        """Measure the gradients, and remember the weights."""
        self._before = None
        if not row_follows(session, session.step + 1):
            return
        for module, params in self._groups.items():
            found = gradients(params)
            if found:
                session.log(f"gradient_norm/{module}", norm_of(found), reduce="last")
        if self.options.updates:
            self._before = {module: [param.detach().clone() for param in params] for module, params in self._groups.items()}

    @torch.no_grad()
    def on_before_zero_grad(self, session: Session, system: System) -> None:
        """Measure what the update changed."""
        before, self._before = self._before, None
        for module, old in (before or {}).items():
            change = norm_of([new.detach() - each for new, each in zip(self._groups[module], old, strict=True)])
            session.log(f"update_ratio/{module}", change / norm_of(old).clamp_min(SMALLEST), reduce="last")


def module_of(name: str, depth: int) -> str:
    """The module that a parameter is counted with: the first `depth` parts of its name, the parameter's own left out."""
    parts = name.split(".")
    return ".".join(parts[: min(depth, len(parts) - 1)]) or name


def norm_of(tensors: list[Tensor]) -> Tensor:
    """Their 2-norm taken together, a float64 scalar on the device of the first (float32 where there is no float64)."""
    norms = torch._foreach_norm(tensors)
    wide = torch.float32 if norms[0].device.type == "mps" else torch.float64
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device, wide) for norm in norms]))
