"""Limits on the gradient before the update, without waiting for the device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from trainwright.optim.parameter_options import Clipping
from trainwright.optim.parts import Part, parts_of, whole_norms, whole_unit_norms

EPS = 1e-6
"""Added to a norm before the division, as torch does."""
SMALLEST_WEIGHT_NORM = 1e-3
"""A unit's weights count as this large at least, so that units that begin at zero can move (Brock et al. 2021)."""


def gradients(params: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients there are; of a sparse one the values, summed by row first, which share its memory."""
    return [_values(param) if param.grad.is_sparse else param.grad for param in params if param.grad is not None]


def _values(param: nn.Parameter) -> Tensor:
    """Values (rows seen x columns) of a sparse gradient, one per row: a row seen twice would be counted as two."""
    grad = param.grad
    if grad is None:
        raise ValueError("the parameter has no gradient")
    if not grad.is_coalesced():
        param.grad = grad = grad.coalesce()
    return grad._values()


@torch.no_grad()
def clip_gradients(params: Sequence[nn.Parameter], limits: Clipping) -> Tensor:
    """Clip in place, in the order value, per parameter, adaptive, norm; returns the global 2-norm before, a scalar on the device.

    From the smallest part to the whole, so that an outlier is cut before it shrinks the rest; every limit given holds afterwards.
    """
    grads, parts = gradients(params), parts_of(params)
    others = limits.value is not None or limits.per_parameter is not None or limits.adaptive is not None
    if not others:
        return gradient_norm(grads, parts) if limits.norm is None else clip_norm(grads, limits.norm, parts)
    norm = gradient_norm(grads, parts)
    if limits.value is not None:
        clip_value(grads, limits.value)
    if limits.per_parameter is not None:
        clip_each_norm(grads, limits.per_parameter, parts)
    if limits.adaptive is not None:
        clip_adaptively(weights(params), grads, limits.adaptive, parts)
    if limits.norm is not None:
        clip_norm(grads, limits.norm, parts)
    return norm


def weights(params: Iterable[nn.Parameter]) -> list[Tensor]:
    """The weights that `gradients` are of, in the same order and shapes: of a sparse gradient the rows that it has."""
    having = [param for param in params if param.grad is not None]
    return [param[param.grad._indices()[0]] if param.grad is not None and param.grad.is_sparse else param.detach() for param in having]


@torch.no_grad()
def gradient_norm(grads: Sequence[Tensor], parts: Sequence[Part] = ()) -> Tensor:
    """The global 2-norm of the gradients, a scalar on the device of the first; of all processes, where these are `parts` of gradients."""
    if not grads:
        return torch.zeros(())
    norms = whole_norms(torch._foreach_norm(list(grads)), parts)
    first = norms[0]
    return torch.linalg.vector_norm(torch.stack([norm.to(first.device, first.dtype) for norm in norms]))


@torch.no_grad()
def clip_norm(grads: Sequence[Tensor], limit: float, parts: Sequence[Part] = ()) -> Tensor:
    """Scale the gradients in place so that their global 2-norm is at most `limit`; returns the norm before (Pascanu et al. 2013)."""
    norm = gradient_norm(grads, parts)
    factor = (limit / (norm + EPS)).clamp(max=1.0)
    for device in {grad.device for grad in grads}:
        torch._foreach_mul_([grad for grad in grads if grad.device == device], factor.to(device))
    return norm


@torch.no_grad()
def clip_each_norm(grads: Sequence[Tensor], limit: float, parts: Sequence[Part] = ()) -> None:
    """Scale every gradient in place so that its own 2-norm, that of the whole where these are `parts`, is at most `limit`."""
    norms = whole_norms(torch._foreach_norm(list(grads)), parts) if grads else []
    for device in {grad.device for grad in grads}:
        here = [grad for grad in grads if grad.device == device]
        held = [norm for grad, norm in zip(grads, norms, strict=True) if grad.device == device]
        factors = (limit / (torch.stack(held) + EPS)).clamp(max=1.0)
        torch._foreach_mul_(here, list(factors.unbind()))


@torch.no_grad()
def clip_adaptively(weights: Sequence[Tensor], grads: Sequence[Tensor], limit: float, parts: Sequence[Part] = ()) -> None:
    """Scale each unit's gradient in place so that its norm is at most `limit` times that of its weights (Brock et al. 2021, equation 3).

    A unit is what one place of the first dimension holds (an output of a linear or convolution layer); a vector is one unit.
    """
    if not grads:
        return
    largest = torch._foreach_clamp_min(unit_norms(weights, parts), SMALLEST_WEIGHT_NORM)
    torch._foreach_mul_(largest, limit)
    norms = torch._foreach_maximum(unit_norms(grads, parts), largest)
    torch._foreach_mul_(list(grads), torch._foreach_div(largest, norms))


def unit_norms(tensors: Sequence[Tensor], parts: Sequence[Part]) -> list[Tensor]:
    """2-norm of each unit of each tensor, over all processes where these are `parts`."""
    return whole_unit_norms(tensors, parts) if parts else [unit_norm(tensor) for tensor in tensors]


def unit_norm(tensor: Tensor) -> Tensor:
    """2-norm of each unit, broadcastable to the tensor: over all dimensions but the first, or over a vector as a whole."""
    if tensor.dim() <= 1:
        return torch.linalg.vector_norm(tensor)
    return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.dim())), keepdim=True)


@torch.no_grad()
def clip_value(grads: Sequence[Tensor], limit: float) -> None:
    """Limit every element of the gradients to ±`limit`, in place."""
    grads = list(grads)
    if grads:
        torch._foreach_clamp_min_(grads, -limit)
        torch._foreach_clamp_max_(grads, limit)
