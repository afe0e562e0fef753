"""Stochastic gradient descent, bit-equal to `torch.optim.SGD(fused=True)`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.optim.base import Group, KernelPiece, LeanOptimizer
from trainwright.optim.options import SGDOptions
from trainwright.optim.parameter_groups import ParameterGroup


class SGD(LeanOptimizer):
    """Gradient descent; with momentum the first update is the gradient itself, as in torch.

    A sparse gradient has the same effect as the dense one of the same values; without momentum and decay only its rows are touched.
    """

    takes_sparse = True

    def __init__(self, options: SGDOptions, groups: Sequence[ParameterGroup]) -> None:
        if options.nesterov and (not options.momentum or options.dampening):
            raise ConfigError("nesterov needs momentum above 0 and no dampening", where="trainer.optimizer", fix="set momentum: 0.9")
        self.STATE = ("momentum_buffer",) if options.momentum else ()  # type: ignore[misc]
        super().__init__(options.rate, groups, options.weight_decay)
        self.options = options

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """One kernel call for the group, or parameter by parameter where the device has no fused kernel."""
        options = self.options
        buffers = piece.state.get("momentum_buffer", [])
        if piece.grads[0].is_sparse or not group.fused:
            for i, (param, grad) in enumerate(zip(piece.params, piece.grads, strict=True)):
                self.update_one(group, param, grad, buffers[i] if buffers else None, first)
            return
        torch._fused_sgd_(
            piece.params,
            piece.grads,
            buffers,
            weight_decay=group.weight_decay,
            momentum=options.momentum,
            lr=group.learning_rate,
            dampening=options.dampening,
            nesterov=options.nesterov,
            maximize=False,
            is_first_step=first and bool(buffers),
        )

    def update_one(self, group: Group, param: Tensor, grad: Tensor, buffer: Tensor | None, first: bool) -> None:
        """The update of one parameter in plain operations, bit-equal to torch's single-tensor path."""
        options = self.options
        if group.weight_decay:
            grad = param.mul(group.weight_decay).add_(grad) if grad.is_sparse else grad.add(param, alpha=group.weight_decay)
        if buffer is not None:
            if first:
                buffer.zero_().add_(grad) if grad.is_sparse else buffer.copy_(grad)
            else:
                buffer.mul_(options.momentum).add_(grad, alpha=1 - options.dampening)
            if options.nesterov:
                grad = buffer.mul(options.momentum).add_(grad) if grad.is_sparse else grad.add(buffer, alpha=options.momentum)
            else:
                grad = buffer
        param.add_(grad, alpha=-group.learning_rate)
