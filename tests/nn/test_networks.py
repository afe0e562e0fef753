from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.nn.networks.activations import entmax15, sparsemax
from trainwright.nn.networks.members import MemberScaling, SeparateLinear, SharedLinear
from trainwright.nn.networks.pieces import PiecewiseLinear, choose_edges
from trainwright.nn.networks.sequences import pool, reverse
from trainwright.nn.networks.tokens import TokenLinear

rows_of_scores = st.lists(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4), min_size=1, max_size=6)


def literal_pieces(x: float, edges: list[float]) -> list[float]:
    """Equation 1 of the paper, one bin after the other, clamped at both ends."""
    encoded = []
    for low, high in itertools.pairwise(edges):
        encoded.append(0.0 if x < low else 1.0 if x >= high else (x - low) / (high - low))
    return encoded


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12, unique=True), st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=8))
def test_piecewise_linear_encoding_equals_the_equation_value_by_value(edges: list[int], values: list[float]) -> None:
    column = [float(edge) for edge in sorted(edges)]
    encoded = PiecewiseLinear([column])(torch.tensor(values).unsqueeze(1))[:, 0]
    expected = torch.tensor([literal_pieces(x, column) for x in values])
    torch.testing.assert_close(encoded, expected, atol=2e-5, rtol=1e-4)


def test_columns_with_fewer_pieces_are_padded_with_zeros() -> None:
    pieces = PiecewiseLinear([[0.0, 1.0], [0.0, 1.0, 2.0, 3.0]])
    assert pieces(torch.full((1, 2), 9.0)).tolist() == [[[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=49), st.integers(1, 48))
def test_chosen_edges_increase_keep_the_ends_and_never_exceed_the_bins(values: list[int], bins: int) -> None:
    edges = sorted(float(value) for value in values)
    (chosen,) = choose_edges([edges], bins)
    assert all(low < high for low, high in itertools.pairwise(chosen))
    assert 2 <= len(chosen) <= max(bins + 1, 2)
    assert chosen[0] == edges[0]
    assert chosen[-1] == edges[-1] or len(set(edges)) == 1


@settings(max_examples=40, deadline=None)
@given(rows_of_scores)
def test_sparsemax_is_the_projection_onto_the_simplex(scores: list[list[float]]) -> None:
    z = torch.tensor(scores, dtype=torch.float64)
    p = sparsemax(z)
    torch.testing.assert_close(p.sum(1), torch.ones(len(z), dtype=torch.float64))
    # the projection is max(z − τ, 0) for the one τ that makes it sum to 1, found here by bisection
    low, high = z.amax(1) - 1, z.amax(1)
    for _ in range(80):
        middle = (low + high) / 2
        over = (z - middle[:, None]).clamp_min(0).sum(1) > 1
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    torch.testing.assert_close(p, (z - low[:, None]).clamp_min(0), atol=1e-9, rtol=0)


@settings(max_examples=40, deadline=None)
@given(rows_of_scores)
def test_entmax15_solves_its_definition(scores: list[list[float]]) -> None:
    z = torch.tensor(scores, dtype=torch.float64)
    p = entmax15(z)
    low, high = z.amax(1) / 2 - 1, z.amax(1) / 2
    for _ in range(80):
        middle = (low + high) / 2
        over = (z / 2 - middle[:, None]).clamp_min(0).square().sum(1) > 1
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    torch.testing.assert_close(p, (z / 2 - low[:, None]).clamp_min(0).square(), atol=1e-6, rtol=0)


def test_the_gradients_of_sparsemax_and_entmax_are_those_of_finite_differences() -> None:
    z = torch.tensor([[0.3, -0.2, 0.75, 0.15]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    for function in (sparsemax, entmax15):
        assert torch.autograd.gradcheck(lambda x, f=function: (f(x) * weight).sum(), (z,))


def test_members_of_a_shared_layer_compute_their_own_scaled_product() -> None:
    layer = SharedLinear(5, 4, members=3)
    torch.nn.init.normal_(layer.r)
    torch.nn.init.normal_(layer.s)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(7, 3, 5)
    y = layer(x)
    for k in range(3):
        expected = ((x[:, k] * layer.r[k]) @ layer.weight.T) * layer.s[k] + layer.bias[k]
        torch.testing.assert_close(y[:, k], expected)


def test_separate_and_token_layers_apply_one_matrix_each() -> None:
    separate, tokens, x = SeparateLinear(5, 4, members=3), TokenLinear(3, 5, 4), torch.randn(7, 3, 5)
    assert tokens.bias is not None
    for k in range(3):
        torch.testing.assert_close(separate(x)[:, k], x[:, k] @ separate.weight[k] + separate.bias[k])
        torch.testing.assert_close(tokens(x)[:, k], x[:, k] @ tokens.weight[k] + tokens.bias[k])


def test_member_scaling_takes_rows_with_and_without_members() -> None:
    scaling = MemberScaling(torch.randn(3, 5))
    x = torch.randn(7, 5)
    torch.testing.assert_close(scaling(x), scaling(x[:, None].expand(7, 3, 5)))


def test_pooling_counts_only_what_lies_inside_a_sequence() -> None:
    x = torch.tensor([[[1.0], [5.0], [99.0]], [[7.0], [8.0], [9.0]]])
    length = torch.tensor([2, 0])
    expected = {"mean": 3.0, "sum": 6.0, "max": 5.0, "first": 1.0, "last": 5.0}
    for how, value in expected.items():
        assert pool(x, length, how).tolist() == [[value], [0.0]]


def test_reversing_twice_gives_the_sequence_back() -> None:
    x, length = torch.randn(3, 5, 2), torch.tensor([5, 2, 0])
    assert torch.equal(reverse(reverse(x, length), length), x)
    assert torch.equal(reverse(x, length)[1, :2], x[1, :2].flip(0))
