"""Sharpness-aware minimisation (Foret et al. 2021, algorithm 1), and its adaptive form (Kwon et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trainwright.config.errors import TrainwrightError
from trainwright.optim.around import Around
from trainwright.optim.clipping import gradient_norm
from trainwright.optim.options import SAMOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.parts import parts_of

SMALLEST_NORM = 1e-12


class SAM(Around):
    """The inner optimizer's step, from the gradient at the point within `rho` where the loss is about largest."""

    redoes = True

    def __init__(self, options: SAMOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.inner, groups)
        self.options = options

    def layout_fault(self, name: str, sparse: bool) -> str:
        """Sparse gradients are refused: the way to the worst point nearby is along all of the gradient at once."""
        return "sam moves all weights along their gradients together" if sparse else super().layout_fault(name, sparse)

    def step(self) -> None:
        """Raises TrainwrightError: one gradient is not enough."""
        raise TrainwrightError("sam evaluates the gradient twice", fix="call step_with(redo, loss)")

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """Move to the worst point nearby, take the gradient there by `redo()`, put the weights back bit for bit, and make the step."""
        params = [param for param in self.parameters() if param.grad is not None]
        before = [param.detach().clone() for param in params]
        self._climb(params)
        try:
            redo()
        finally:  # also when memory runs out: the step that is tried again must begin where this one began
            with torch.no_grad():
                torch._foreach_copy_(list[Tensor](params), before)
        if self.inner.redoes:
            self.inner.step_with(redo, loss)  # type: ignore[attr-defined]
        else:
            self.inner.step()

    @torch.no_grad()
    def _climb(self, params: list[nn.Parameter]) -> None:
        grads = [param.grad for param in params if param.grad is not None]
        if not grads:
            return
        if self.options.adaptive:  # T = |w| + eta stretches space; the move is rho·T²g/‖Tg‖
            scales = [param.abs().add_(self.options.eta) for param in params]
            grads = list(torch._foreach_mul(grads, scales))
        norm = gradient_norm(grads, parts_of(params))
        length = self.options.rho / norm.clamp(min=max(SMALLEST_NORM, torch.finfo(norm.dtype).tiny))
        moves = list(torch._foreach_mul(grads, scales)) if self.options.adaptive else grads
        for device in {param.device for param in params}:
            here = [i for i, param in enumerate(params) if param.device == device]
            torch._foreach_add_([params[i] for i in here], torch._foreach_mul([moves[i] for i in here], length.to(device)))
