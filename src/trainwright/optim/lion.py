"""Lion (Chen et al. 2023, algorithm 2): every element moves by the learning rate, along the sign of an interpolated momentum."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.options import LionOptions
from trainwright.optim.parameter_groups import ParameterGroup


class Lion(LeanOptimizer):
    """Sign of momentum with decoupled weight decay."""

    STATE = ("exp_avg",)

    def __init__(self, options: LionOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay)
        self.beta1, self.beta2 = options.betas

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """w ← w·(1 − rate·decay) − rate·sign(β₁·m + (1 − β₁)·g), m ← β₂·m + (1 − β₂)·g."""
        momentum = piece.state["exp_avg"]
        signs = torch._foreach_lerp(piece.grads, momentum, self.beta1)
        torch._foreach_sign_(signs)
        if group.weight_decay:
            torch._foreach_mul_(piece.params, 1 - group.learning_rate * group.weight_decay)
        torch._foreach_add_(piece.params, signs, alpha=-group.learning_rate)
        torch._foreach_lerp_(momentum, piece.grads, 1 - self.beta2)
