"""Keys from counters are a fixed function, the same one by one and in bulk."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainwright.data.counters import GAMMA, MASK, fold, fold_each, fold_in, mix
from trainwright.data.order import epoch_order

SEEDS = st.integers(0, 2**63)


@given(seed=SEEDS, epoch=st.integers(0, 10**6), rows=st.lists(st.integers(0, 2**40), max_size=20))
def test_folding_an_array_is_folding_each_of_its_values(seed: int, epoch: int, rows: list[int]) -> None:
    key = fold(seed, "augment", epoch)
    each = [fold(seed, "augment", epoch, row) for row in rows]
    assert fold_each(key, np.array(rows, dtype=np.int64)).tolist() == each == [fold_in(key, row) for row in rows]


def test_seeds_purposes_and_counters_give_keys_of_their_own() -> None:
    keys = {
        fold(seed, purpose, epoch, row) for seed in range(5) for purpose in ("step", "order") for epoch in range(5) for row in range(200)
    }
    assert len(keys) == 5 * 2 * 5 * 200


def test_mixing_is_splitmix64() -> None:
    # The published first outputs of SplitMix64 for seed 1234567.
    outputs = [mix((1234567 + GAMMA * (number + 1)) & MASK) for number in range(5)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]


@given(seed=SEEDS, epoch=st.integers(0, 100), n=st.integers(0, 300))
def test_an_epoch_sees_every_row_once(seed: int, epoch: int, n: int) -> None:
    assert epoch_order(seed, epoch, n).sort().values.tolist() == list(range(n))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_order(1, 2, 1000)
    torch.rand(10)
    assert torch.equal(first, epoch_order(1, 2, 1000))
    assert not torch.equal(first, epoch_order(1, 3, 1000))
    assert not torch.equal(first, epoch_order(2, 2, 1000))
