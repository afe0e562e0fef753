"""Units that never fire: which share of each ReLU's outputs is always zero."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import DeadUnitsOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.system import Batch, System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

LIKE_RELU = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish, nn.Hardsigmoid)
"""Activations whose output and slope are both zero somewhere."""
CONVOLUTIONS = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)


class DeadUnits(Callback):
    """Logs `dead_units/<module>`: the share of units whose output was zero on every training row since the last row, 0 to 1.

    A unit is a channel of an image or of what a convolution gives, else a place of the last dimension. Activations that are functions,
    not modules, are not seen.
    """

    def __init__(self, options: DeadUnitsOptions | None = None) -> None:
        self.options = options or DeadUnitsOptions()
        self.alive: dict[str, Tensor] = {}
        """Module → which of its units fired since the last row, on the device."""
        self._looking = False
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._loaded: dict[str, str] = {}

    def setup(self, session: Session, system: System) -> None:
        """Look at every ReLU-like module from here on; says so when there is none."""
        if session.stage != "fit":
            return
        last: nn.Module | None = None
        for name, module in system.named_modules():
            if isinstance(module, LIKE_RELU):
                self._handles.append(module.register_forward_hook(self._hook(name, isinstance(last, CONVOLUTIONS))))
            elif not list(module.children()):
                last = module
        if not self._handles:
            log.warning("dead_units: the system has no module like ReLU; nothing is logged")

    def _hook(self, name: str, channels_first: bool) -> Any:
        def look(module: nn.Module, given: Any, output: Tensor) -> None:
            if self._looking and module.training and output.dim() > 1:
                self._see(name, output.detach(), 1 if channels_first or output.dim() > 3 else output.dim() - 1)

        return look

    @torch.no_grad()
    def _see(self, name: str, output: Tensor, unit: int) -> None:
        fired = (output != 0).any(dim=[each for each in range(output.dim()) if each != unit])
        if name in self._loaded:
            self.alive[name] = torch.tensor([each == "1" for each in self._loaded.pop(name)], device=fired.device)
        before = self.alive.get(name)
        self.alive[name] = fired if before is None or before.shape != fired.shape else before | fired

    def on_train_batch_start(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Look at this step, if it is its turn."""
        self._looking = session.step % self.options.every == 0

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Log, if a row follows, and begin anew."""
        self._looking = False
        if row_follows(session, session.step):
            for name, alive in self.alive.items():
                session.log(f"dead_units/{name}", 1 - alive.double().mean(), reduce="last")
            self.alive = {}

    def teardown(self, session: Session, system: System) -> None:
        """Look no longer."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._looking = [], False

    def state_dict(self) -> dict[str, Any]:
        """Which units fired since the last row."""
        seen = {name: "".join("1" if each else "0" for each in alive.tolist()) for name, alive in self.alive.items()}
        return {"alive": self._loaded | seen} if self._loaded or seen else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self._loaded, self.alive = dict(state["alive"]), {}
