"""Attention to neighbours, against the definition: a mask over all pairs of cells."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.domains.diffusion.models.grids import grid_rotation, grid_waves, merge_cells, split_cells
from trainwright.domains.diffusion.models.neighbours import attend_near, find_neighbours


def first_seen(place: int, n: int, window: int) -> int:
    """The first cell that a cell sees along an axis (Hassani et al. 2023, section 3.1)."""
    return min(max(place - window // 2, 0), n - min(window, n))


def seen_cells(grid: tuple[int, ...], window: int) -> torch.Tensor:
    """True where a cell (row) sees another (column), by the definition."""
    cells = torch.cartesian_prod(*(torch.arange(n) for n in grid)).view(-1, len(grid)).tolist()

    def sees(one: list[int], other: list[int]) -> bool:
        return all(
            first_seen(a, n, window) <= b < first_seen(a, n, window) + min(window, n) for a, b, n in zip(one, other, grid, strict=True)
        )

    return torch.tensor([[sees(one, other) for other in cells] for one in cells])


@settings(max_examples=25, deadline=None)
@given(grid=st.lists(st.integers(1, 11), min_size=1, max_size=2).map(tuple), window=st.sampled_from([1, 3, 5, 7]))
def test_is_attention_under_the_mask_of_the_definition(grid: tuple[int, ...], window: int) -> None:
    if len(grid) == 1:
        grid = (grid[0] * 13,)  # more than a tile
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, *grid, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    near = find_neighbours(grid, window, q.device)
    found = attend_near(q, k, v, near, 0.7)
    flat = [each.flatten(1, -2) for each in (q, k, v)]
    wanted = torch.nn.functional.scaled_dot_product_attention(*flat, attn_mask=seen_cells(grid, window), scale=0.7)
    torch.testing.assert_close(found.flatten(1, -2), wanted)


def test_volumes_have_neighbours_too() -> None:
    grid = (5, 4, 6)
    q, k, v = (torch.randn(1, *grid, 2, dtype=torch.float64) for _ in range(3))
    found = attend_near(q, k, v, find_neighbours(grid, 3, q.device), 1.0)
    flat = [each.flatten(1, -2) for each in (q, k, v)]
    wanted = torch.nn.functional.scaled_dot_product_attention(*flat, attn_mask=seen_cells(grid, 3), scale=1.0)
    torch.testing.assert_close(found.flatten(1, -2), wanted)


@settings(max_examples=20, deadline=None)
@given(grid=st.lists(st.integers(1, 3), min_size=1, max_size=3), side=st.integers(1, 3))
def test_merged_cells_are_split_again(grid: list[int], side: int) -> None:
    x = torch.randn(2, *(n * side for n in grid), 5)
    merged = merge_cells(x, side)
    assert merged.shape == (2, *grid, 5 * side ** len(grid))
    assert torch.equal(split_cells(merged, side), x)
    assert torch.equal(merged.flatten(1, -2)[:, 0].view(2, *[side] * len(grid), 5), x[(slice(None), *[slice(side)] * len(grid))])


def test_cells_have_places_of_their_own() -> None:
    waves = grid_waves((5, 7), 10, torch.zeros(1)).flatten(0, 1)
    assert waves.shape == (35, 10) and torch.cdist(waves, waves).add(torch.eye(35)).min() > 0.1
    assert not grid_waves((2, 2), 3, torch.zeros(1)).any()


def test_turned_cosines_depend_on_distances_alone() -> None:
    turn = grid_rotation((6, 6), 16, torch.zeros(1, dtype=torch.float64))
    q, k = torch.randn(2, 16, dtype=torch.float64)
    scores = (turn.turn(q.expand(1, 1, 36, 16)) @ turn.turn(k.expand(1, 1, 36, 16)).mT).view(6, 6, 6, 6)
    torch.testing.assert_close(scores[0, 1, 2, 3], scores[3, 2, 5, 4], rtol=1e-5, atol=1e-5)
    assert not torch.isclose(scores[0, 1, 2, 3], scores[0, 1, 3, 3])
