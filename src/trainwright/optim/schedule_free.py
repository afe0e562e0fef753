"""Schedule-free learning (Defazio et al. 2024): gradients are taken at y, between the iterate z and the average x that is evaluated.

    y = (1 − β)·z + β·x      z ← z − γ·d(y)      x ← (1 − c)·x + c·z      c = γ² / Σγ², γ the largest rate so far

The parameters hold y, the state holds z, and x follows from both; so nothing has to be switched for evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.bias_correction import bias_correction
from trainwright.optim.options import ScheduleFreeAdamWOptions, ScheduleFreeSGDOptions
from trainwright.optim.parameter_groups import ParameterGroup


class ScheduleFree(LeanOptimizer):
    """The recurrences; a subclass says in which direction z moves."""

    def __init__(self, learning_rate: float, groups: Sequence[ParameterGroup], weight_decay: float, beta: float) -> None:
        super().__init__(learning_rate, groups, weight_decay)
        self.beta = beta
        self._largest = self._total = self._share = 0.0

    def directions(self, group: Group, piece: KernelPiece) -> list[Tensor]:
        """The directions d at y without weight decay, tensors of their own."""
        raise NotImplementedError

    def step(self) -> None:
        """Update every parameter that has a gradient; the share of z in the average grows with the square of the rate, as in warm-up."""
        self._largest = max(self._largest, self.learning_rate)
        self._total += self._largest**2
        self._share = self._largest**2 / self._total if self._total else 0.0
        super().step()

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """Move y and z; the new y is the old one moved by c towards z and by −γ·(1 − β·(1 − c)) along d."""
        iterates, share, rate = piece.state["z"], self._share, group.learning_rate
        if first:
            torch._foreach_copy_(iterates, piece.params)
        moves = self.directions(group, piece)
        if group.weight_decay:
            torch._foreach_add_(moves, piece.params, alpha=group.weight_decay)
        torch._foreach_lerp_(piece.params, iterates, share)
        torch._foreach_add_(piece.params, moves, alpha=rate * (self.beta * (1 - share) - 1))
        torch._foreach_add_(iterates, moves, alpha=-rate)

    @torch.no_grad()
    def averaged(self) -> dict[str, Tensor]:
        """x by parameter name, the weights to evaluate and to ship; running statistics of batch norms still belong to y."""
        found: dict[str, Tensor] = {}
        for group in self.groups:
            for i, (name, param, iterate) in enumerate(zip(group.names, group.params, group.state["z"], strict=True)):
                found[name] = param.detach().clone() if i in group.fresh else torch.lerp(param.detach(), iterate, 1 - 1 / self.beta)
        return found

    def numbers(self) -> dict[str, Any]:
        """The largest rate so far, and the sum of the weights of the average."""
        return {"largest_rate": self._largest, "total_weight": self._total}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other parameters."""
        super().load(tensors, {})
        self._largest, self._total = float(numbers["largest_rate"]), float(numbers["total_weight"])


class ScheduleFreeSGD(ScheduleFree):
    """The direction is the gradient."""

    STATE = ("z",)

    def __init__(self, options: ScheduleFreeSGDOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay, options.momentum)

    def directions(self, group: Group, piece: KernelPiece) -> list[Tensor]:
        """The gradients themselves, which nothing reads after the update, unless decay is to be added to them."""
        return [grad.clone() for grad in piece.grads] if group.weight_decay else piece.grads


class ScheduleFreeAdamW(ScheduleFree):
    """The direction is the gradient over its root mean square, bias-corrected by the updates of the parameter itself."""

    STATE = ("z", "exp_avg_sq")

    def __init__(self, options: ScheduleFreeAdamWOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay, options.betas[0])
        self.beta2, self.eps = options.betas[1], options.eps

    def directions(self, group: Group, piece: KernelPiece) -> list[Tensor]:
        """g / (√(v / (1 − β₂ᵗ)) + ε)."""
        squares = piece.state["exp_avg_sq"]
        torch._foreach_mul_(squares, self.beta2)
        torch._foreach_addcmul_(squares, piece.grads, piece.grads, value=1 - self.beta2)
        roots = list(torch._foreach_sqrt(squares))
        if group.shared:
            torch._foreach_div_(roots, bias_correction(self.beta2, piece.steps[0]).sqrt())
        else:
            for root, step in zip(roots, piece.steps, strict=True):
                root.div_(bias_correction(self.beta2, step).sqrt())
        torch._foreach_add_(roots, self.eps)
        return list(torch._foreach_div(piece.grads, roots))
