"""Attention along axes and within windows, over grids of one to three axes, by its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, RequestError
from trainwright.nn.blocks.windows import AxialAttention, AxialBlock, PatchMerging, SwinBlock, WindowAttention

GRIDS: list[tuple[list[int], list[int], bool]] = [
    ([8], [4], False),
    ([10], [4], True),
    ([8, 6], [4, 3], False),
    ([8, 6], [4, 3], True),
    ([7, 5], [4, 3], True),
    ([3, 9], [4, 4], True),
    ([2, 2], [3, 3], True),
    ([4, 4, 4], [2, 2, 2], True),
    ([3, 5, 4], [2, 3, 4], True),
]


def by_definition(attention: WindowAttention, x: Tensor) -> Tensor:
    """Cell by cell: it attends to cells whose window, counted from half a side further on with shift, is its own."""
    sizes, window = x.shape[1:-1], attention.window
    shifts = [w // 2 if attention.shift and n > w else 0 for n, w in zip(sizes, window, strict=True)]
    q, k, v = attention.into(x).view(*x.shape[:-1], 3, attention.heads, attention.head_width).unbind(-3)
    found = torch.zeros_like(q)
    cells = list(np.ndindex(*sizes))
    of = {cell: tuple((at - s) // w for at, s, w in zip(cell, shifts, window, strict=True)) for cell in cells}
    for cell in cells:
        others = [other for other in cells if of[other] == of[cell]]
        near = []
        for other in others:
            index = 0
            for at, to, w in zip(cell, other, window, strict=True):
                index = index * (2 * w - 1) + at - to + w - 1
            near.append(index)
        keys = torch.stack([k[(slice(None), *other)] for other in others], dim=2)
        values = torch.stack([v[(slice(None), *other)] for other in others], dim=2)
        scores = (keys @ q[(slice(None), *cell)].unsqueeze(-1))[..., 0] / math.sqrt(attention.head_width) + attention.scores[near].T
        found[(slice(None), *cell)] = (scores.softmax(-1).unsqueeze(-2) @ values)[..., 0, :]
    return attention.out(found.flatten(-2))


@pytest.mark.parametrize(("sizes", "window", "shift"), GRIDS)
def test_window_attention_is_its_definition_with_padding_and_shift(sizes: list[int], window: list[int], shift: bool) -> None:
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, window, dims=len(window), shift=shift)
    torch.nn.init.normal_(attention.scores)
    x = torch.randn(2, *sizes, 8)
    torch.testing.assert_close(attention(x), by_definition(attention, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_axial_attention_is_attention_of_each_line(dims: int) -> None:
    torch.manual_seed(0)
    sizes = [3, 4, 5][:dims]
    x, keep = torch.randn(2, *sizes, 8), torch.rand(2, *sizes) > 0.3
    for axis in range(dims):
        attention = AxialAttention(8, 2, axis=axis, positions="rotary", causal=True)
        found = attention(x, keep)
        for other in np.ndindex(*(n for i, n in enumerate(sizes) if i != axis)):
            line: list[Any] = list(other)
            line.insert(axis, slice(None))
            at = (slice(None), *line)
            torch.testing.assert_close(found[at], attention.attention(x[at], keep[at]))


def test_an_axial_block_lets_every_cell_see_all() -> None:
    torch.manual_seed(0)
    block, x = AxialBlock(8, 2, dims=3), torch.randn(1, 3, 2, 4, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(block(x)[0, 0, 0, 0].sum(), x)
    assert (gradient.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_blocks_of_a_stage_have_gradients_of_finite_differences(dims: int) -> None:
    torch.manual_seed(0)
    stage = torch.nn.Sequential(
        SwinBlock(4, 2, 2, dims=dims), SwinBlock(4, 2, 2, dims=dims, shift=True), AxialBlock(4, 2, dims=dims), PatchMerging(4, dims=dims)
    ).double()
    x = torch.randn(1, *[3, 2, 2][:dims], 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(stage, (x,))
    assert torch.autograd.gradcheck(
        lambda scores: torch.func.functional_call(stage, {"0.attention.scores": scores}, (x,)), (stage[0].attention.scores,)
    )


def test_merged_patches_have_half_the_sides_and_twice_the_width() -> None:
    assert PatchMerging(8)(torch.randn(2, 6, 5, 8)).shape == (2, 3, 3, 16)
    assert PatchMerging(8, dims=3, out_width=10)(torch.randn(2, 4, 4, 2, 8)).shape == (2, 2, 2, 1, 10)


REFUSED: list[tuple[Any, str]] = [
    (lambda: SwinBlock(10, 4, 7), "heads: 4 do not divide width 10"),
    (lambda: SwinBlock(8, 4, 0), "window: 0 is no window of 2 axes"),
    (lambda: WindowAttention(8, 4, [7, 7, 7]), "window: [7, 7, 7] is no window of 2 axes"),
    (lambda: AxialBlock(8, 4, dims=4), "dims"),
    (lambda: AxialAttention(8, 4, axis=3), "axis"),
]


@pytest.mark.parametrize(("make", "told"), REFUSED)
def test_options_that_cannot_be_are_refused(make: Any, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        make()
    assert told in str(caught.value)


def test_grids_of_other_axes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"windows of 2 axes, but tokens of shape \(1, 8, 8\)"):
        SwinBlock(8, 2, 4)(torch.randn(1, 8, 8))
    with pytest.raises(ConfigError, match="axis 1 of tokens of shape"):
        AxialAttention(8, 2, axis=1)(torch.randn(1, 8, 8))
    with pytest.raises(ConfigError, match="patches of 2 axes cannot be merged"):
        PatchMerging(8)(torch.randn(1, 8, 8))
