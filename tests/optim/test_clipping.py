"""Clipping is torch's and the paper's, leaves small gradients alone, and never waits for the device."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainwright.optim.clipping import (
    clip_adaptively,
    clip_each_norm,
    clip_gradients,
    clip_norm,
    clip_value,
    gradient_norm,
    gradients,
    weights,
)
from trainwright.optim.parameter_options import Clipping

SHAPES = ((7, 5), (5,), (), (4, 3, 2, 2))


def some(scale: float, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) * scale for shape in SHAPES]


def parameters(scale: float, weight: float = 1.0) -> list[nn.Parameter]:
    params = [nn.Parameter(each) for each in some(weight, seed=1)]
    for param, grad in zip(params, some(scale), strict=True):
        param.grad = grad
    return params


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def agc(param: Tensor, grad: Tensor, limit: float, eps: float = 1e-3) -> Tensor:
    """Brock et al. 2021, equation 3, unit by unit in plain numbers."""
    if grad.dim() <= 1:
        largest = limit * max(float(param.norm()), eps)
        return grad * (largest / float(grad.norm())) if float(grad.norm()) > largest else grad
    return torch.stack([agc(p.flatten(), g.flatten(), limit, eps).view_as(g) for p, g in zip(param, grad, strict=True)])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_norm_is_clipped_as_torch_clips_it(scale: float) -> None:
    ours, params = some(scale), parameters(scale)
    norm = torch.nn.utils.clip_grad_norm_(params, 0.7)
    assert torch.allclose(clip_norm(ours, 0.7), norm)
    for grad, param in zip(ours, params, strict=True):
        assert param.grad is not None
        assert torch.allclose(grad, param.grad, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_each_norm_is_clipped_as_torch_clips_one_parameter_at_a_time(scale: float) -> None:
    ours, params = some(scale), parameters(scale)
    clip_each_norm(ours, 0.7)
    for grad, param in zip(ours, params, strict=True):
        torch.nn.utils.clip_grad_norm_([param], 0.7)
        torch.testing.assert_close(grad, param.grad, rtol=1e-6, atol=0)


def test_values_are_limited_on_both_sides_as_torch_limits_them() -> None:
    ours, params = some(1.0), parameters(1.0)
    clip_value(ours, 0.3)
    torch.nn.utils.clip_grad_value_(params, 0.3)
    assert all(torch.equal(grad, param.grad) for grad, param in zip(ours, params, strict=True))


@pytest.mark.parametrize("weight", [0.0, 1e-5, 1.0])
@pytest.mark.parametrize("scale", [1e-5, 1e-2, 1.0, 1e3])
def test_adaptive_clipping_is_the_papers(scale: float, weight: float) -> None:
    params = parameters(scale, weight)
    expected = [agc(param.detach(), grad, 0.01) for param, grad in zip(params, some(scale), strict=True)]
    clip_adaptively(weights(params), gradients(params), 0.01)
    for param, wanted in zip(params, expected, strict=True):
        torch.testing.assert_close(param.grad, wanted, rtol=1e-5, atol=0)


@settings(deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    limits=st.fixed_dictionaries(dict.fromkeys(("norm", "value", "per_parameter", "adaptive"), st.none() | st.floats(1e-2, 10.0))),
)
def test_all_limits_hold_at_once_and_the_norm_told_is_the_one_before(scale: float, limits: dict[str, float | None]) -> None:
    params = parameters(scale)
    before = gradient_norm(some(scale))
    norm = clip_gradients(params, Clipping(**limits))
    assert torch.equal(norm, before)
    grads = gradients(params)
    more = 1 + 1e-5
    if limits["norm"] is not None:
        assert float(gradient_norm(grads)) <= limits["norm"] * more
    if limits["value"] is not None:
        assert max(float(grad.abs().max()) for grad in grads) <= limits["value"] * more
    if limits["per_parameter"] is not None:
        assert max(float(grad.norm()) for grad in grads) <= limits["per_parameter"] * more
    if limits["adaptive"] is not None:
        for param, grad in zip(params, grads, strict=True):
            torch.testing.assert_close(grad, agc(param.detach(), grad, limits["adaptive"] * more), rtol=1e-5, atol=0)


@settings(deadline=None, max_examples=30)
@given(
    pieces=st.integers(1, 12),
    limits=st.fixed_dictionaries(dict.fromkeys(("norm", "value", "per_parameter", "adaptive"), st.none() | st.floats(1e-3, 1.0))),
)
def test_a_batch_in_pieces_is_clipped_as_the_whole(pieces: int, limits: dict[str, float | None]) -> None:
    x = torch.randn(24, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    whole, cut = network(), network()
    whole(x).square().mean().backward()
    for piece in x.tensor_split(pieces):
        (cut(piece).square().sum() / (2 * len(x))).backward()
    norms = [clip_gradients(list(net.parameters()), Clipping(**limits)) for net in (whole, cut)]
    torch.testing.assert_close(norms[0], norms[1])
    for one, other in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_sparse_gradient_is_clipped_as_the_dense_one() -> None:
    rows = torch.tensor([1, 4, 1, 7])
    found = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(9, 5, sparse=sparse)
        (table(rows) * torch.arange(4.0)[:, None]).square().sum().backward()
        norm = clip_gradients([table.weight], Clipping(adaptive=0.5, norm=1.0, value=10.0, per_parameter=2.0))
        assert table.weight.grad is not None
        found.append((norm, table.weight.grad.to_dense()))
    torch.testing.assert_close(found[0], found[1])


def test_no_gradients_have_norm_zero() -> None:
    every = Clipping(norm=1.0, value=1.0, per_parameter=1.0, adaptive=1.0)
    assert float(gradient_norm([])) == 0.0
    assert float(clip_norm([], 1.0)) == 0.0
    assert float(clip_gradients([nn.Parameter(torch.ones(2))], every)) == 0.0


def test_clipping_never_reads_the_device() -> None:
    params = [nn.Parameter(torch.empty(shape, device="meta")) for shape in SHAPES]
    for param in params:
        param.grad = torch.empty_like(param)
    norm = clip_gradients(params, Clipping(norm=1.0, value=1.0, per_parameter=1.0, adaptive=1.0))
    assert norm.device.type == "meta"  # a value read from there would have raised
