"""Random numbers by key: their distribution, that keys and places are independent, and that nothing but the key matters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainwright.config.errors import RequestError
from trainwright.data.counters import fold, fold_each
from trainwright.domains.diffusion.noise.brownian import BrownianPath
from trainwright.domains.diffusion.noise.keyed import (
    keys_of_places,
    normal_and_uniform_by_key,
    normal_by_key,
    row_keys,
    uniform_by_key,
    words_on_cpu,
    words_on_device,
)

IN_A_ROW = torch.arange(2000)
"""The least random keys there are."""


def correlations(rows: torch.Tensor) -> torch.Tensor:
    """Those of every two rows, in units of their standard deviation."""
    centred = rows.double()
    matrix = centred @ centred.T / math.sqrt(rows.shape[1])
    return matrix[~torch.eye(len(rows), dtype=torch.bool)]


def test_normal_numbers_are_normal_by_key_by_place_and_far_out() -> None:
    rows = normal_by_key(IN_A_ROW, (501,), dtype=torch.float64)
    assert stats.kstest(rows.flatten().numpy(), "norm").pvalue > 0.01
    per_row = [stats.kstest(each, "norm").pvalue for each in rows[:200].numpy()]
    per_place = [stats.kstest(each, "norm").pvalue for each in rows.T[:200].numpy()]
    assert stats.kstest(per_row, "uniform").pvalue > 0.01 and stats.kstest(per_place, "uniform").pvalue > 0.01
    beyond = (rows.abs() > 4).sum().item()
    expected = rows.numel() * 2 * stats.norm.sf(4)
    assert abs(beyond - expected) < 4 * math.sqrt(expected)


def test_uniform_numbers_are_uniform_within_0_and_1() -> None:
    for dtype in (torch.float64, torch.float32):
        rows = uniform_by_key(IN_A_ROW, (300,), dtype=dtype)
        assert rows.min() > 0 and rows.max() < 1
        assert stats.kstest(rows.flatten().numpy(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("keys", [IN_A_ROW[:600], row_keys(3, "test", rows=range(600))], ids=["in a row", "folded"])
def test_rows_of_different_keys_and_places_of_a_row_are_independent(keys: torch.Tensor) -> None:
    rows = normal_by_key(keys, (600,))
    for matrix, most in ((rows, 6.5), (rows.T, 6.5), (rows.square().sub(1) / math.sqrt(2), 9.0)):  # torch.randn's: 5.3, 4.7 and 6.5
        found = correlations(matrix)
        assert found.abs().max() < most and abs(found.square().mean().item() - 1) < 0.02


def test_one_other_bit_of_a_key_changes_half_of_the_bits_of_every_word() -> None:
    keys = row_keys(5, "test", rows=range(400))
    bits = torch.stack([keys ^ (1 << bit if bit < 63 else -(1 << 63)) for bit in range(64)])

    def words(some: torch.Tensor) -> np.ndarray:
        return (uniform_by_key(some, (16,)).numpy() * 2.0**32).astype(np.uint32)

    changed = words(bits.flatten()).reshape(64, 400 * 16) ^ words(keys).reshape(1, 400 * 16)
    share = np.stack([(changed >> bit & 1).mean(axis=1) for bit in range(32)])
    assert np.abs(share - 0.5).max() < 6 * 0.5 / math.sqrt(6400)


@given(st.data())
def test_a_row_is_the_same_in_any_batch(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5000))
    start = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(start + 1, count))
    keys = row_keys(1, "test", rows=range(count))
    for make in (normal_by_key, uniform_by_key):
        assert torch.equal(make(keys, (size,))[start:stop], make(keys[start:stop], (size,)))


def test_types_give_the_same_numbers_to_rounding() -> None:
    keys = row_keys(1, "test", rows=range(20))
    exact, single, half = (normal_by_key(keys, (7, 3), dtype=each) for each in (torch.float64, torch.float32, torch.bfloat16))
    assert (exact.dtype, single.dtype, half.dtype) == (torch.float64, torch.float32, torch.bfloat16)
    torch.testing.assert_close(exact.float(), single, rtol=1e-5, atol=1e-5)
    assert torch.equal(single.bfloat16(), half)
    torch.testing.assert_close(uniform_by_key(keys, dtype=torch.float32).double(), uniform_by_key(keys), rtol=0, atol=2.0**-23)


def test_keys_are_those_of_counters() -> None:
    expected = fold_each(fold(7, "noise", 3), np.arange(4, 9)).view(np.int64)
    assert row_keys(7, "noise", 3, rows=range(4, 9)).tolist() == expected.tolist()
    assert row_keys(7, "noise", 3, rows=torch.tensor([8, 4])).tolist() == [expected[4], expected[0]]


def test_rows_of_no_numbers_and_no_rows_are_empty() -> None:
    assert normal_by_key(torch.arange(3), (0,)).shape == (3, 0) and normal_by_key(torch.arange(0), (4, 5)).shape == (0, 4, 5)
    assert uniform_by_key(torch.arange(3)).shape == (3,) and normal_by_key(torch.arange(3), ()).shape == (3,)


def test_the_numbers_stay_what_they_were() -> None:
    """A change of these changes every sample and training of a seed. Computed anew by whole numbers of Python."""
    mask, step, lea = (1 << 64) - 1, 0x9E37_79B9_7F4A_7C15, 0xDABA_0B6E_B093_22E3

    def mix(word: int) -> int:
        word = (word ^ word >> 30) * 0xBF58_476D_1CE4_E5B9 & mask
        word = (word ^ word >> 27) * 0x94D0_49BB_1331_11EB & mask
        return word ^ word >> 31

    def word(key: int, place: int) -> int:
        head = key * step & mask
        made = mix(place * step & mask) ^ head ^ head >> 32
        for _ in range(2):
            made = made * lea & mask
            made ^= made >> 32
        return made

    expected = [[((word(key, place) >> 12) + 0.5) / 2**52 for place in (1, 2, 3)] for key in (0, 12345)]
    assert uniform_by_key(torch.tensor([0, 12345]), (3,)).tolist() == expected


def test_nothing_is_drawn_from_generators() -> None:
    before = torch.get_rng_state()
    normal_by_key(torch.arange(3), (4,)), uniform_by_key(torch.arange(3))
    assert torch.equal(before, torch.get_rng_state())


def test_words_of_a_cpu_are_those_of_other_devices() -> None:
    keys = torch.cat([IN_A_ROW[:5], torch.tensor([-1, -(2**63), 2**63 - 1]), row_keys(1, "test", rows=range(5))])
    assert words_on_device(keys, 37).tolist() == words_on_cpu(keys.numpy(), 37).tolist()


@pytest.mark.parametrize(
    "keys", [torch.arange(3.0), torch.zeros(2, 2, dtype=torch.int64), [1, 2]], ids=["floats", "two dimensions", "a list"]
)
def test_keys_that_are_none_are_told(keys: Any) -> None:
    for make in (lambda: normal_by_key(keys, (2,)), lambda: uniform_by_key(keys), lambda: BrownianPath(keys, (2,))):
        with pytest.raises(RequestError, match="keys are"):
            make()


@pytest.mark.parametrize("size", [1, 64, 40_001])
def test_normal_and_uniform_numbers_of_a_row_are_made_together(size: int) -> None:
    keys = keys_of_places(7, 3, 5, torch.device("cpu"))
    normal, uniform = normal_and_uniform_by_key(keys, (size,), 2)
    assert torch.equal(normal, normal_by_key(keys, (size,)))
    assert torch.equal(uniform, uniform_by_key(keys, ((size + 1) // 2 + 2,))[:, -2:])
    assert torch.equal(keys[2:4], keys_of_places(7, 5, 2, torch.device("cpu")))
    assert normal_and_uniform_by_key(keys[:0], (size,), 2)[1].shape == (0, 2)
