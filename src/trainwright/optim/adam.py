"""Adam (Kingma and Ba 2015, algorithm 1), bit-equal to `torch.optim.Adam(fused=True)`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.options import AdamOptions
from trainwright.optim.parameter_groups import ParameterGroup


class Adam(LeanOptimizer):
    """Adaptive moments; weight decay is added to the gradient."""

    STATE = ("exp_avg", "exp_avg_sq")
    decoupled = False

    def __init__(self, options: AdamOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay)
        self.options = options
        self.beta1, self.beta2 = options.betas
        self._kernel = torch._fused_adamw_ if self.decoupled else torch._fused_adam_

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """One kernel call for the group, or parameter by parameter where the device has no fused kernel."""
        params, grads, state, steps = piece
        if not group.fused:
            for param, grad, mean, square, step in zip(params, grads, state["exp_avg"], state["exp_avg_sq"], steps, strict=True):
                self.update_one(group, param, grad, mean, square, float(step))
            return
        self._kernel(
            params,
            grads,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            steps,
            lr=group.learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=group.weight_decay,
            eps=self.options.eps,
            amsgrad=False,
            maximize=False,
        )

    def update_one(self, group: Group, param: Tensor, grad: Tensor, mean: Tensor, square: Tensor, step: float) -> None:
        """The update of one parameter in plain operations, bit-equal to torch's single-tensor path."""
        decay = group.weight_decay
        if decay and self.decoupled:
            param.mul_(1 - group.learning_rate * decay)
        elif decay:
            grad = grad.add(param, alpha=decay)
        mean.lerp_(grad, 1 - self.beta1)
        square.mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
        root = (1 - self.beta2**step) ** 0.5
        denominator = (square.sqrt() / root).add_(self.options.eps)
        param.addcdiv_(mean, denominator, value=-(group.learning_rate / (1 - self.beta1**step)))
