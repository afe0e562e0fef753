"""Attention: what it computes, masks, positions, caches, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainwright.config.errors import ConfigError, RequestError
from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.pooling import AttentionPool, PerceiverPool
from trainwright.nn.blocks.positions import LearnedPositions, SinusoidalPositions, sinusoids
from trainwright.nn.blocks.transformer import TransformerBlock, TransformerStack
from trainwright.nn.positions.making import make_positions

POSITIONS: list[Any] = [None, "rotary", {"type": "rotary", "share": 0.5, "interleaved": True}, "alibi", "relative"]


def by_definition(attention: Attention, x: Tensor, allowed: Tensor, scores: Tensor | None = None) -> Tensor:
    """Softmax of scaled products, query by query, over what is allowed `[b, l, k]`; zeros for a query that may see nothing."""
    b, length, _ = x.shape
    heads, shared, d = attention.heads, attention.kv_heads, attention.head_width
    q, k, v = attention.into(x).view(b, length, heads + 2 * shared, d).split((heads, shared, shared), dim=2)
    found = torch.zeros(b, length, heads, d, dtype=x.dtype)
    for row, query, head in np.ndindex(b, length, heads):
        seen = allowed[row, query].nonzero()[:, 0]
        if len(seen):
            at = q[row, query, head] @ k[row, seen, head // (heads // shared)].T / math.sqrt(d)
            at = at if scores is None else at + scores[head, query, seen]
            found[row, query, head] = at.softmax(-1) @ v[row, seen, head // (heads // shared)]
    return attention.out(found.flatten(2))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("mask", ["none", "keys", "pairs"])
def test_attention_is_its_definition(causal: bool, kv_heads: int, mask: str) -> None:
    torch.manual_seed(0)
    attention = Attention(8, 4, kv_heads=kv_heads, causal=causal)
    x = torch.randn(2, 5, 8)
    keep = {"none": None, "keys": torch.tensor([[True] * 5, [False, True, False, True, False]]), "pairs": torch.rand(2, 5, 5) > 0.5}[mask]
    allowed = torch.ones(2, 5, 5, dtype=torch.bool) if keep is None else keep.unsqueeze(1).expand(2, 5, 5) if keep.dim() == 2 else keep
    allowed = allowed.tril() if causal else allowed
    torch.testing.assert_close(attention(x, keep), by_definition(attention, x, allowed))


def test_scores_of_positions_are_added_before_the_softmax() -> None:
    torch.manual_seed(0)
    for causal in (False, True):
        attention = Attention(8, 4, positions="relative", causal=causal)
        x, allowed = torch.randn(2, 5, 8), torch.ones(2, 5, 5, dtype=torch.bool)
        assert attention.positions is not None
        expected = by_definition(attention, x, allowed.tril() if causal else allowed, attention.positions(5, 5))
        torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", POSITIONS)
def test_a_token_that_may_see_nothing_gets_zeros_and_so_do_its_gradients(causal: bool, positions: Any) -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2, causal=causal, positions=positions)
    x, keep = torch.randn(3, 4, 8, requires_grad=True), torch.ones(3, 4, dtype=torch.bool)
    keep[0], keep[1, :2] = False, False
    y = attention(x, keep)
    assert torch.equal(y[0], attention.out.bias.expand(4, 8))
    assert y.isfinite().all()
    if causal:
        assert torch.equal(y[1, :2], attention.out.bias.expand(2, 8))
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert not x.grad[0].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(POSITIONS), st.integers(1, 6))
def test_padding_changes_nothing_for_what_is_kept(seed: int, positions: Any, length: int) -> None:
    torch.manual_seed(seed)
    block = TransformerBlock(8, 2, causal=True, positions=positions)
    x = torch.randn(1, length, 8)
    padded = torch.cat([x, torch.randn(1, 3, 8) * 100], dim=1)
    keep = torch.arange(length + 3)[None] < length
    torch.testing.assert_close(block(padded, keep)[:, :length], block(x))


@pytest.mark.parametrize("positions", ["rotary", {"type": "rotary", "interleaved": True, "share": 0.5}, "alibi", "relative", None])
def test_padding_on_the_left_changes_nothing_where_positions_are_relative(positions: Any) -> None:
    torch.manual_seed(0)
    stack = TransformerStack(8, 2, depth=2, causal=True, positions=positions)
    x = torch.randn(1, 4, 8)
    padded = torch.cat([torch.randn(1, 3, 8) * 100, x], dim=1)
    keep = torch.arange(7)[None] >= 3
    torch.testing.assert_close(stack(padded, keep)[:, 3:], stack(x), atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(POSITIONS), st.sampled_from([1, 2, 4]), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_decoding_in_pieces_is_the_whole_sequence_at_once(seed: int, positions: Any, kv_heads: int, pieces: list[int]) -> None:
    torch.manual_seed(seed)
    stack = TransformerStack(16, 4, depth=2, kv_heads=kv_heads, causal=True, positions=positions).double().eval()
    x = torch.randn(2, sum(pieces), 16, dtype=torch.float64)
    with torch.no_grad():
        cache = stack.cache(capacity=2)
        found = torch.cat([stack(piece, cache=cache) for piece in x.split(pieces, dim=1)], dim=1)
        torch.testing.assert_close(found, stack(x), atol=1e-10, rtol=0)
    assert all(each.length == sum(pieces) for each in cache)


def test_decoding_heeds_padding_of_the_prompt_and_what_was_cropped_or_taken() -> None:
    torch.manual_seed(0)
    stack = TransformerStack(8, 2, depth=2, causal=True, positions="rotary").double().eval()
    x, keep = torch.randn(2, 7, 8, dtype=torch.float64), torch.ones(2, 7, dtype=torch.bool)
    keep[1, :2] = False
    with torch.no_grad():
        whole, cache = stack(x, keep), stack.cache()
        stack(x[:, :4], keep[:, :4], cache=cache)
        stack(torch.randn(2, 2, 8, dtype=torch.float64), keep[:, :6], cache=cache)
        for each in cache:
            each.crop(4)
            each.take(torch.tensor([1, 0, 1]))
        rows = torch.tensor([1, 0, 1])
        found = stack(x[rows, 4:], keep[rows], cache=cache)
    torch.testing.assert_close(found[0], whole[1, 4:])
    torch.testing.assert_close(found[1], whole[0, 4:])
    torch.testing.assert_close(found[2], found[0])


def test_a_cache_refuses_gradients_and_other_rows() -> None:
    stack = TransformerStack(8, 2, depth=1, causal=True)
    with pytest.raises(RequestError, match="no gradients"):
        stack(torch.randn(1, 2, 8), cache=stack.cache())
    with torch.no_grad():
        cache = stack.cache()
        stack(torch.randn(2, 2, 8), cache=cache)
        with pytest.raises(RequestError, match="holds 2 rows, and 3 came"):
            stack(torch.randn(3, 1, 8), cache=cache)


def test_packed_texts_that_do_not_see_each_other_are_as_if_alone() -> None:
    torch.manual_seed(0)
    stack = TransformerStack(8, 2, depth=2, causal=True, positions="rotary")
    a, b = torch.randn(1, 3, 8), torch.randn(1, 4, 8)
    text = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    packed = stack(torch.cat([a, b], dim=1), (text[:, None] == text)[None])
    torch.testing.assert_close(packed, torch.cat([stack(a), stack(b)], dim=1), atol=1e-5, rtol=1e-5)


def test_a_turn_keeps_lengths_and_depends_on_distances_alone() -> None:
    torch.manual_seed(0)
    for options in ("rotary", {"type": "rotary", "interleaved": True}):
        rotary = make_positions(options, 1, 8, causal=False)
        assert rotary is not None
        q, k = torch.randn(1, 1, 1, 8).expand(1, 1, 9, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 9, 8)
        turned_q, turned_k = rotary(9, 9).turn(q), rotary(9, 9).turn(k)
        torch.testing.assert_close(turned_q.norm(dim=-1), q.norm(dim=-1))
        products = (turned_q @ turned_k.transpose(-1, -2))[0, 0]
        for apart in range(-8, 9):
            along = products.diagonal(apart)
            torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [[4, 3], [2, 3, 2]])
def test_a_turn_on_a_grid_depends_on_distances_along_each_axis(shape: list[int]) -> None:
    torch.manual_seed(0)
    rotary = make_positions({"type": "rotary", "shape": shape, "prefix": 1}, 1, 12, causal=False)
    assert rotary is not None
    count = 1 + math.prod(shape)
    q, k = torch.randn(12), torch.randn(12)
    products = rotary(count, count).turn(q.expand(1, 1, count, 12)) @ rotary(count, count).turn(k.expand(1, 1, count, 12)).transpose(-1, -2)
    cells = list(np.ndindex(*shape))
    by_distance: dict[tuple[int, ...], float] = {}
    for (i, a), (j, b) in ((x, y) for x in enumerate(cells) for y in enumerate(cells)):
        apart = tuple(int(n - m) for n, m in zip(a, b, strict=True))
        found = float(products[0, 0, 1 + i, 1 + j])
        assert math.isclose(by_distance.setdefault(apart, found), found, abs_tol=1e-4)
    assert math.isclose(float(products[0, 0, 0, 0]), float(q @ k), rel_tol=1e-5)


def test_stretched_positions_are_those_between() -> None:
    near = make_positions({"type": "rotary", "stretch": 2.0}, 1, 8, causal=False)
    far = make_positions("rotary", 1, 8, causal=False)
    assert near is not None and far is not None
    torch.testing.assert_close(near(9, 9).cos[::2], far(5, 5).cos)


def test_sinusoids_are_the_sines_and_cosines_of_the_positions() -> None:
    table = sinusoids(5, 4)
    torch.testing.assert_close(table[:, 0], torch.arange(5).float().sin())
    torch.testing.assert_close(table[:, 2], torch.arange(5).float().cos())
    assert sinusoids(5, 7).shape == (5, 7)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_positions_are_added_along_every_axis(dims: int) -> None:
    sides = [3, 4, 2][:dims]
    x = torch.randn(2, *sides, 12)
    learned, sines = LearnedPositions(12, [4, 5, 2][:dims]), SinusoidalPositions(12, dims=dims)
    cut = tuple(slice(side) for side in sides)
    torch.testing.assert_close(learned(x), x + learned.weight[cut])
    assert torch.unique((sines(x) - x)[0].flatten(0, -2), dim=0).shape[0] == math.prod(sides)
    if dims == 1:
        torch.testing.assert_close(torch.cat([learned(x[:, :2]), learned(x[:, 2:], start=2)], dim=1), learned(x))
        torch.testing.assert_close(torch.cat([sines(x[:, :2]), sines(x[:, 2:], start=2)], dim=1), sines(x))
        at = torch.tensor([[0, 0, 1], [2, 1, 0]])
        torch.testing.assert_close(learned(x, at), x + learned.weight[at])


def test_positions_say_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="7 positions, but 5 were learned"):
        LearnedPositions(8, 5)(torch.randn(1, 7, 8))
    with pytest.raises(ConfigError, match="SinusoidalPositions of width 8 cannot take shape"):
        SinusoidalPositions(8)(torch.randn(1, 8, 5))
    with pytest.raises(ConfigError, match="6 tokens, but rotary positions of 2×2 and 1 before them"):
        Attention(8, 2, positions={"type": "rotary", "shape": [2, 2], "prefix": 1})(torch.randn(1, 6, 8))


REFUSED: list[tuple[Any, str]] = [
    (lambda: Attention(10, 4), "Attention: heads: 4 do not divide width 10\n  fix: use heads: 2 or width: 12, or give head_width"),
    (lambda: Attention(16, 4, kv_heads=3), "kv_heads: 3 cannot be shared evenly by 4 heads"),
    (lambda: Attention(16, 4, context_width=8, causal=True), "causal: cannot be with context_width"),
    (lambda: Attention(16, 4, positions="rotery"), "did you mean 'rotary'"),
    (lambda: Attention(16, 4, positions={"type": "rotary", "bace": 1e5}), "did you mean 'base'"),
    (lambda: Attention(12, 4, positions="rotary"), "turn 3 of the 3 numbers of a head, which are no pairs"),
    (lambda: Attention(16, 4, dropout=1.0), "dropout"),
    (lambda: Attention(16, 0), "heads"),
    (lambda: FeedForward(8, 16, activation="swigl"), "did you mean 'swiglu'"),
    (lambda: TransformerBlock(16, 4, post_norm=True, first_norm=False), "first_norm: cannot be left out with post_norm"),
    (lambda: TransformerBlock(16, 4, norm="batch"), "norm"),
    (lambda: TransformerStack(16, 4, depth=0), "depth"),
    (lambda: TransformerStack(16, 5, depth=2), "TransformerStack: heads: 5 do not divide width 16"),
    (lambda: AttentionPool(16, 3), "AttentionPool: heads: 3 do not divide width 16"),
    (lambda: PerceiverPool(16, 4, 0), "latents"),
    (lambda: SinusoidalPositions(10, dims=2), "width: 10 cannot be shared by the sines and cosines of 2 axes"),
]


@pytest.mark.parametrize(("make", "told"), REFUSED)
def test_options_that_cannot_be_are_refused(make: Any, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        make()
    assert told in str(caught.value)
    assert "fix:" in str(caught.value)


def test_a_context_is_given_where_it_belongs_and_nowhere_else() -> None:
    x, context = torch.randn(2, 3, 8), torch.randn(2, 5, 6)
    with pytest.raises(ConfigError, match="was given no context"):
        Attention(8, 2, context_width=6)(x)
    with pytest.raises(ConfigError, match="self-attention was given a context"):
        Attention(8, 2)(x, None, context)
    with pytest.raises(ConfigError, match="without cross-attention was given a context"):
        TransformerBlock(8, 2)(x, None, context)
    assert TransformerBlock(8, 2, context_width=6)(x, None, context).shape == (2, 3, 8)


def test_dropped_paths_leave_whole_rows_as_they_came_and_nothing_in_evaluation() -> None:
    torch.manual_seed(0)
    block, x = TransformerBlock(8, 2, drop_path=0.5), torch.randn(400, 3, 8)
    assert torch.equal(block.eval()(x), block.eval()(x))
    same = (block.train()(x) == x).all(dim=2).all(dim=1)
    assert 60 <= int(same.sum()) <= 140  # both branches of a row are left out in a quarter of them


def test_a_layer_scale_of_nearly_nothing_leaves_tokens_nearly_as_they_came() -> None:
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(TransformerBlock(8, 2, layer_scale=1e-6)(x), x, atol=1e-4, rtol=0)
    stack = TransformerStack(8, 2, depth=3, drop_path=0.2, layer_scale=0.1)
    assert [0.0 if each.drop_path is None else each.drop_path.rate for each in stack.blocks] == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("positions", POSITIONS)
def test_gradients_are_those_of_finite_differences(positions: Any) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, kv_heads=1, causal=True, positions=positions, activation="swiglu", norm="rms", layer_scale=0.5).double()
    x, keep = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True), torch.tensor([[True] * 3, [False, True, True]])
    parameters = dict(block.named_parameters())

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(block, dict(zip(parameters, values, strict=True)), (x, keep))

    assert torch.autograd.gradcheck(call, (x, *parameters.values()))


@pytest.mark.parametrize("make", [lambda: AttentionPool(8, 2, queries=2), lambda: PerceiverPool(8, 2, 3)])
def test_gradients_of_pools_are_those_of_finite_differences(make: Any) -> None:
    torch.manual_seed(0)
    pool = make().double()
    x, keep = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True), torch.tensor([[True] * 4, [False] * 4])
    assert torch.autograd.gradcheck(lambda x: pool(x, keep), (x,))


def test_pooling_leaves_out_what_is_not_kept_takes_grids_and_gives_zeros_for_nothing() -> None:
    torch.manual_seed(0)
    pool, x = AttentionPool(8, 2), torch.randn(3, 4, 5, 8)
    assert torch.equal(pool(x), pool(x.flatten(1, 2)))
    keep = torch.zeros(3, 4, 5, dtype=torch.bool)
    keep[0, :2], keep[1, 0, 0] = True, True
    found = pool(x, keep)
    torch.testing.assert_close(found[:1], pool(x[:1, :2]))
    assert not found[2].any()
    assert PerceiverPool(8, 2, 3)(x, keep).isfinite().all()


def test_turns_are_counted_in_float32_on_any_model_and_after_a_forward_in_inference_mode() -> None:
    torch.manual_seed(0)
    stack = TransformerStack(16, 2, depth=1, positions="rotary", causal=True)
    x = torch.randn(1, 300, 16)
    with torch.inference_mode():
        stack(x)
    stack(x).sum().backward()
    half = TransformerStack(16, 2, depth=1, positions="rotary", causal=True).bfloat16()
    assert half.positions is not None and stack.positions is not None
    assert torch.equal(half.positions(300, 300).cos, stack.positions(300, 300).cos)
