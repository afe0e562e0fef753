"""Limits on the gradient before the update, without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def gradients(params: Sequence[nn.Parameter]) -> list[Tensor]:
    """The gradients there are."""
    return [param.grad for param in params if param.grad is not None]


@torch.no_grad()
def gradient_norm(grads: Sequence[Tensor]) -> Tensor:
    """The global 2-norm of the gradients, a scalar on the device of the first."""
    if not grads:
        return torch.zeros(())
    norms = torch._foreach_norm(list(grads))
    first = norms[0]
    return torch.linalg.vector_norm(torch.stack([norm.to(first.device, first.dtype) for norm in norms]))


@torch.no_grad()
def clip_norm(grads: Sequence[Tensor], limit: float) -> Tensor:
    """Scale the gradients in place so that their global 2-norm is at most `limit`; returns the norm before (Pascanu et al. 2013)."""
    norm = gradient_norm(grads)
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    for device in {grad.device for grad in grads}:
        torch._foreach_mul_([grad for grad in grads if grad.device == device], factor.to(device))
    return norm


@torch.no_grad()
def clip_value(grads: Sequence[Tensor], limit: float) -> None:
    """Limit every element of the gradients to ±`limit`, in place."""
    grads = list(grads)
    if grads:
        torch._foreach_clamp_min_(grads, -limit)
        torch._foreach_clamp_max_(grads, limit)
