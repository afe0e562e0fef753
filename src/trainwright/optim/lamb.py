"""LAMB (You et al. 2020, algorithm 2) as NVIDIA and timm have it: the gradient within a norm, then Adam's step scaled by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.clipping import gradient_norm, gradients
from trainwright.optim.options import LambOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.parts import parts_of, whole_norms


class Lamb(LeanOptimizer):
    """Each tensor moves by the learning rate times its own norm, along Adam's direction."""

    STATE = ("exp_avg", "exp_avg_sq")

    def __init__(self, options: LambOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay)
        self.options = options
        self.beta1, self.beta2 = options.betas
        self._over: Tensor | None = None
        """By how much the gradient of this step is beyond its largest norm; None where none is set."""

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        most = self.options.max_grad_norm
        if most is not None:
            self._over = (gradient_norm(gradients(self._params), parts_of(self._params)) / most).clamp(min=1.0)
        super().step()

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """m, v ← Adam's means of g; u = m̂ / (√v̂ + eps) + decay·w; w ← w − rate·ratio·u, ratio = ‖w‖ / ‖u‖ of each tensor."""
        means, squares = piece.state["exp_avg"], piece.state["exp_avg_sq"]
        grads = piece.grads if self._over is None else torch._foreach_div(piece.grads, [self._over.to(each) for each in piece.grads])
        torch._foreach_lerp_(means, grads, 1 - self.beta1)
        torch._foreach_mul_(squares, self.beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - self.beta2)
        roots = torch._foreach_div(torch._foreach_sqrt(squares), [_corrected(self.beta2, step).sqrt() for step in piece.steps])
        torch._foreach_add_(roots, self.options.eps)
        moves = torch._foreach_div(torch._foreach_div(means, [_corrected(self.beta1, step) for step in piece.steps]), roots)
        if group.weight_decay:
            torch._foreach_add_(moves, piece.params, alpha=group.weight_decay)
        if group.weight_decay or self.options.always_adapt:
            torch._foreach_mul_(moves, self._ratios(piece, list(moves)))
        torch._foreach_add_(piece.params, moves, alpha=-group.learning_rate)

    def _ratios(self, piece: KernelPiece, moves: list[Tensor]) -> list[Tensor]:
        """‖w‖ / ‖u‖ of each tensor, 1 where either is 0."""
        params: Any = piece.params
        parts = parts_of(params)
        sizes, steps = whole_norms(torch._foreach_norm(params), parts), whole_norms(torch._foreach_norm(moves), parts)
        found = [torch.where((size > 0) & (step > 0), size / step, 1.0) for size, step in zip(sizes, steps, strict=True)]
        return [each.clamp(max=1.0) for each in found] if self.options.trust_clip else found


def _corrected(beta: float, step: Tensor) -> Tensor:
    """1 − beta^step, exact to the last digits also where that is near 0."""
    return -torch.expm1(step * math.log(beta)) if beta else torch.ones_like(step)
