"""The keys of an epoch, drawn at once, are the very ones that going through the sampler gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from trainwright.config.errors import DataError
from trainwright.data.forms import rows_from
from trainwright.data.loader_order import Order, draw_order, drawn_keys, follows_its_seed, integers, order_of
from trainwright.engine.fingerprint import digest_of

N = 77
ROWS = range(N)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


class Backwards(Sampler[int]):
    """A sampler of one's own, in Python."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(N - 1, -1, -1))

    def __len__(self) -> int:
        return N


class Rest(RandomSampler):
    """A class of one's own below torch's: gone through as it is."""

    def __iter__(self) -> Iterator[int]:
        yield from (each for each in super().__iter__() if each % 2)


SAMPLERS: dict[str, Callable[[], Any]] = {
    "sequential": lambda: SequentialSampler(ROWS),
    "random": lambda: RandomSampler(ROWS),
    "random of its own generator": lambda: RandomSampler(ROWS, generator=seeded()),
    "fewer": lambda: RandomSampler(ROWS, num_samples=10),
    "more": lambda: RandomSampler(ROWS, num_samples=3 * N + 4, generator=seeded()),
    "twice": lambda: RandomSampler(ROWS, num_samples=2 * N),
    "with replacement": lambda: RandomSampler(ROWS, replacement=True, num_samples=101),
    "with replacement of its own generator": lambda: RandomSampler(ROWS, replacement=True, num_samples=64, generator=seeded()),
    "subset": lambda: SubsetRandomSampler([3, 5, 8, 13, 21], generator=seeded()),
    "subset of a range": lambda: SubsetRandomSampler(range(10, 60, 3)),
    "subset of a tensor": lambda: SubsetRandomSampler(torch.arange(40)),
    "subset of an array": lambda: SubsetRandomSampler(np.arange(40, dtype=np.int32)),
    "weighted": lambda: WeightedRandomSampler(torch.rand(N, generator=seeded()).tolist(), 200),
    "weighted without replacement": lambda: WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 4, replacement=False, generator=seeded()),
    "distributed": lambda: DistributedSampler(ROWS, 3, 1, seed=4),  # type: ignore[arg-type]
    "own": Backwards,
    "own below torch's": lambda: Rest(ROWS),
}


def in_python(sampler: Any) -> list[Any]:
    torch.manual_seed(11)
    return [int(each) if isinstance(each, torch.Tensor) else each for each in sampler]


def at_once(sampler: Any, most: int = 10**6) -> list[Any]:
    torch.manual_seed(11)
    keys = drawn_keys(sampler, most)
    return keys.tolist() if isinstance(keys, np.ndarray) else keys


@pytest.mark.parametrize("name", SAMPLERS)
def test_keys_drawn_at_once_are_those_of_the_sampler(name: str) -> None:
    made = SAMPLERS[name]
    expected = in_python(made())
    found = at_once(made())
    assert found == expected and set(map(type, found)) == {int}
    assert at_once(made(), 3) == expected[:3]


@given(st.sampled_from(sorted(SAMPLERS)), st.integers(1, 90), st.booleans())
@settings(max_examples=60, deadline=None)
def test_batches_are_those_of_torchs_batch_sampler(name: str, size: int, drop_last: bool) -> None:
    torch.manual_seed(11)
    expected = [list(map(int, each)) for each in BatchSampler(SAMPLERS[name](), size, drop_last)]
    torch.manual_seed(11)
    order = draw_order(BatchSampler(SAMPLERS[name](), size, drop_last), False, 10**6)
    assert [order.batch(number) for number in range(len(order))] == expected
    assert order.first(1).batch(0) == expected[0] if expected else len(order) == 0


def test_a_samplers_own_class_is_not_taken_for_torchs() -> None:
    assert follows_its_seed(BatchSampler(RandomSampler(ROWS), 4, False)) and follows_its_seed(SequentialSampler(ROWS))
    assert not follows_its_seed(Rest(ROWS)) and not follows_its_seed(BatchSampler(Rest(ROWS), 4, False))


@pytest.mark.parametrize(
    "keys",
    [["a", "b"], [(0, 1), (1, 2)], [slice(0, 2)], [[5]], [torch.tensor([5])], [np.array([1, 2])], [True, False], [1.5], [2**70], [3, "a"]],
    ids=str,
)
def test_keys_that_are_no_whole_numbers_stay_as_they_are(keys: list[Any]) -> None:
    assert integers(keys) is keys


def test_whole_numbers_of_every_kind_become_one_array() -> None:
    found = integers([1, np.int32(2), torch.tensor(3), np.uint8(4)])
    assert isinstance(found, np.ndarray) and found.dtype == np.int64 and found.tolist() == [1, 2, 3, 4]


@given(st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=8))
@settings(max_examples=80, deadline=None)
def test_a_row_that_comes_again_in_an_epoch_has_another_number(batches: list[list[int]]) -> None:
    order = order_of(batches)
    flat = [key for batch in batches for key in batch]
    assert [key for number in range(len(order)) for key in order.batch(number)] == flat
    assert len(set(order.draws.tolist())) == len(flat)
    seen: dict[int, int] = {}
    for key, drawn in zip(flat, order.draws.tolist(), strict=True):
        assert drawn == key + (seen.get(key, 0) << 40)
        seen[key] = seen.get(key, 0) + 1


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=8), st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_an_order_and_what_follows_it_are_that_of_all_batches(batches: list[list[int]], cut: int) -> None:
    joined = order_of(batches[:cut]).followed_by(order_of(batches[cut:]))
    assert joined.same(order_of(batches)) and joined.draws.tolist() == order_of(batches).draws.tolist()
    named = order_of([list(map(str, each)) for each in batches])
    assert named.first(1).followed_by(Order(named.keys[len(batches[0]) :], named.ends[1:] - named.ends[0])).same(named)


def test_the_order_of_a_million_rows_takes_no_step_of_python_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> Iterator[int]:
        raise AssertionError("gone through row by row")

    for kind in (RandomSampler, SequentialSampler, BatchSampler):
        monkeypatch.setattr(kind, "__iter__", refuse)
    data = TensorDataset(torch.arange(1_000_000))
    rows = rows_from(DataLoader(data, batch_size=256, shuffle=True), "train", torch.float32, seed=2)
    rows.begin_epoch(2, 5)
    assert len(rows) == 3907 and sorted(rows.order.keys[:4].tolist()) != [0, 1, 2, 3]
    assert rows.take(torch.tensor([7]))[0].tolist() == rows.order.batch(7)
    assert np.bincount(rows.order.keys).max() == 1


def test_a_batch_sampler_whose_length_is_too_great_still_fills_every_epoch() -> None:
    class Short(Sampler[list[int]]):
        def __init__(self) -> None:
            self.epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Iterator[Any]:
            yield from (torch.tensor([each, each + 1]) for each in range(5 - self.epoch % 3))

    rows = rows_from(DataLoader(TensorDataset(torch.arange(9)), batch_sampler=Short()), "train", torch.float32)
    rows.begin_epoch(0, 2)
    assert [rows.take(torch.tensor([number]))[0].tolist() for number in range(5)] == [[0, 1], [1, 2], [2, 3], [0, 1], [1, 2]]


def test_a_sampler_that_fails_is_named() -> None:
    class Broken(Backwards):
        def __iter__(self) -> Iterator[int]:
            raise OSError("the index file is gone")

    with pytest.raises(DataError, match=r"the sampler of the train data fails\n.*the index file is gone"):
        rows_from(DataLoader(TensorDataset(torch.arange(N)), batch_size=4, sampler=Broken()), "train", torch.float32)


def test_names_as_keys_have_the_number_of_their_texts_one_after_the_other() -> None:
    keys = ["a", "file \ud800.png", b"x", 3, 2.5, None]
    expected = hashlib.sha256(b"list;")
    for place, key in enumerate(keys):
        expected.update(f"{place}={type(key).__name__};{key!r}".encode("utf-8", "backslashreplace"))
    assert digest_of(keys) == expected.hexdigest()[:16] != digest_of(list(map(str, keys)))
