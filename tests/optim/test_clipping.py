"""Clipping is torch's, and leaves small gradients alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.optim.clipping import clip_norm, clip_value, gradient_norm


def gradients(scale: float) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) * scale for shape in ((7, 5), (5,), ())]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_norm_is_clipped_as_torch_clips_it(scale: float) -> None:
    ours, params = gradients(scale), [nn.Parameter(torch.zeros_like(each)) for each in gradients(scale)]
    for param, grad in zip(params, gradients(scale), strict=True):
        param.grad = grad
    norm = torch.nn.utils.clip_grad_norm_(params, 0.7)
    assert torch.allclose(clip_norm(ours, 0.7), norm)
    for grad, param in zip(ours, params, strict=True):
        assert param.grad is not None
        assert torch.allclose(grad, param.grad, rtol=1e-6)


def test_values_are_limited_on_both_sides() -> None:
    grads = gradients(1.0)
    expected = [grad.clamp(-0.3, 0.3) for grad in grads]
    clip_value(grads, 0.3)
    assert all(torch.equal(*pair) for pair in zip(grads, expected, strict=True))


def test_no_gradients_have_norm_zero() -> None:
    assert float(gradient_norm([])) == 0.0
    assert float(clip_norm([], 1.0)) == 0.0
