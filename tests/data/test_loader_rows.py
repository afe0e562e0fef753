"""A DataLoader of one's own gives the same batches from any place, by any number of workers, as by itself."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

from trainwright.config.errors import DataError
from trainwright.data.forms import rows_from
from trainwright.data.loader_rows import LoaderRows
from trainwright.engine.feed import Feed
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.plan import Plan

N = 23
PLAIN = TensorDataset(torch.arange(N * 2.0).view(N, 2), torch.arange(N))


class Noisy(Dataset[Any]):
    """Each sample is drawn by torch's, Python's and numpy's generators."""

    def __init__(self, n: int = N) -> None:
        self.n, self.epoch = n, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.randn(2) + random.gauss(0, 1) + float(np.random.normal()) + self.epoch, row


class NoisyInBulk(Noisy):
    def __getitems__(self, rows: list[int]) -> list[tuple[torch.Tensor, int]]:
        return [self[row] for row in rows]


class OwnBatch:
    """A batch class with its own ways to another device and into pinned memory."""

    def __init__(self, samples: list[Any]) -> None:
        self.x = torch.stack([x for x, _ in samples])
        self.y = torch.tensor([int(y) for _, y in samples])

    def to(self, *_: Any, **__: Any) -> OwnBatch:
        return self

    def pin_memory(self) -> OwnBatch:
        self.x = self.x.pin_memory()
        return self


class Buckets(Sampler[list[int]]):
    """Batches of varying size, without a length, drawn by numpy's own generator."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def __iter__(self) -> Iterator[list[int]]:
        order = self.generator.permutation(N).tolist()
        while order:
            size = min(int(self.generator.integers(2, 5)), len(order))
            yield [order.pop() for _ in range(size)]


class Halves(Sampler[int]):
    """Another half each time, by a count that no seed resets."""

    def __init__(self) -> None:
        self.times = 0

    def __len__(self) -> int:
        return N // 2

    def __iter__(self) -> Iterator[int]:
        self.times += 1
        return iter([(each + self.times) % N for each in range(N // 2)])


class Endless(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        while True:
            yield random.randrange(N)


def loaders() -> dict[str, Any]:
    weights = torch.linspace(0.1, 1, N)
    return {
        "sequential": DataLoader(Noisy(), batch_size=4),
        "shuffled": DataLoader(Noisy(), batch_size=4, shuffle=True, generator=torch.Generator()),
        "drop_last": DataLoader(Noisy(), batch_size=4, shuffle=True, drop_last=True),
        "weighted": DataLoader(Noisy(), batch_size=5, sampler=WeightedRandomSampler(weights.tolist(), 40)),
        "subset": DataLoader(Noisy(), batch_size=3, sampler=SubsetRandomSampler(range(3, 17), generator=torch.Generator())),
        "distributed": DataLoader(Noisy(), batch_size=3, sampler=DistributedSampler(Noisy(), 2, 1)),
        "batches": DataLoader(Noisy(), batch_sampler=BatchSampler(RandomSampler(Noisy()), 4, False)),
        "buckets": DataLoader(Noisy(), batch_sampler=Buckets(), collate_fn=OwnBatch),
        "bulk": DataLoader(NoisyInBulk(), batch_size=4, shuffle=True),
        "own": DataLoader(Noisy(), batch_size=4, shuffle=True, collate_fn=OwnBatch),
    }


def rows(loader: Any, **options: Any) -> LoaderRows:
    made = rows_from(loader, "train", torch.float32, **options)
    assert isinstance(made, LoaderRows)
    return made


def batch(data: Any, seed: int, epoch: int, number: int) -> list[Any]:
    data.begin_epoch(seed, epoch)
    found = data.take(torch.tensor([number]))
    x, y = (found.x, found.y) if isinstance(found, OwnBatch) else found
    return [*x.flatten().tolist(), *y.tolist()]


def epoch_of(data: Any, seed: int, epoch: int) -> list[list[Any]]:
    return [batch(data, seed, epoch, number) for number in range(len(data))]


def test_a_sequential_loader_gives_what_it_gives_by_itself() -> None:
    loader = DataLoader(PLAIN, batch_size=4, drop_last=True)
    data = rows(loader)
    assert len(data) == len(loader) == 5
    for number, (x, y) in enumerate(loader):
        mine = data.take(torch.tensor([number]))
        assert isinstance(mine, list) and len(mine) == 2 and torch.equal(mine[0], x) and torch.equal(mine[1], y)


@pytest.mark.parametrize("name", loaders())
def test_a_seek_gives_what_a_replay_gives(name: str) -> None:
    straight, sought = rows(loaders()[name], seed=3), rows(loaders()[name], seed=3)
    replayed = [epoch_of(straight, 3, epoch) for epoch in range(3)]
    assert straight.resumable and straight.batched
    last = len(sought) - 1
    for epoch, number in ((2, last), (0, 1), (1, 0), (2, 1)):
        assert batch(sought, 3, epoch, number) == replayed[epoch][number]
    assert replayed[0] != replayed[1]


def test_an_epoch_of_a_random_sampler_is_each_row_once() -> None:
    data = rows(DataLoader(PLAIN, batch_size=4, shuffle=True))
    for epoch in range(2):
        data.begin_epoch(0, epoch)
        seen = [row for number in range(len(data)) for row in data.take(torch.tensor([number]))[1].tolist()]
        assert sorted(seen) == list(range(N)) and seen != sorted(seen)


def test_a_row_that_a_sampler_gives_twice_is_drawn_anew() -> None:
    data = rows(DataLoader(Noisy(), batch_size=4, sampler=[5, 5, 5, 2]))
    x, y = data.take(torch.tensor([0]))
    assert y.tolist() == [5, 5, 5, 2]
    assert len({tuple(row) for row in x.tolist()}) == 4


@pytest.mark.parametrize("name", ["shuffled", "weighted", "own", "buckets"])
def test_workers_give_the_same_batches(name: str) -> None:
    data, here = rows(loaders()[name]), rows(loaders()[name])
    n = len(here)
    plan = Plan(n, 1, 1, n, None, "max_time", 1.0)
    feed = Feed(data, LoaderOptions(workers=2), 7, torch.device("cpu"))
    try:
        for batches_seen in (0, 1, n - 1, n, n + 1):
            found = feed.take(torch.tensor([batches_seen % n]), plan, batches_seen)
            x, y = (found.x, found.y) if isinstance(found, OwnBatch) else found
            assert [*x.flatten().tolist(), *y.tolist()] == batch(here, 7, batches_seen // n, batches_seen % n)
    finally:
        feed.close()


def test_taking_leaves_all_generators_as_they_were() -> None:
    data = rows(loaders()["shuffled"])
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    batch(data, 0, 1, 2)
    found = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    assert found == (torch.rand(1).item(), random.random(), np.random.rand())


def test_sampler_and_dataset_are_told_the_epoch() -> None:
    loader = loaders()["distributed"]
    data = rows(loader)
    data.begin_epoch(0, 4)
    assert (loader.sampler.epoch, loader.dataset.epoch) == (4, 4)


def test_batches_of_ones_own_class_are_left_alone_and_tensors_cast() -> None:
    wide = TensorDataset(torch.zeros(6, 2, dtype=torch.float64), torch.zeros(6, dtype=torch.int32))
    found = rows(DataLoader(wide, batch_size=3)).take(torch.tensor([0]))
    assert [each.dtype for each in found] == [torch.float32, torch.int64]
    own = rows(DataLoader(wide, batch_size=3, collate_fn=OwnBatch)).take(torch.tensor([0]))
    assert type(own) is OwnBatch and own.x.dtype == torch.float64


def test_a_sampler_without_a_seed_is_told_of_before_the_first_step() -> None:
    data = rows(DataLoader(PLAIN, batch_size=4, sampler=Halves()))
    assert data.iterable
    assert data.why_not_resumable.startswith("Halves gives another order when it is asked twice with the same seed")


def test_a_dataset_with_a_generator_of_its_own_is_told_of() -> None:
    class Drawing(Noisy):
        own = np.random.default_rng(0)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            return torch.tensor([self.own.normal()]), row

    data = rows(DataLoader(Drawing(), batch_size=4))
    assert not data.iterable
    assert data.why_not_resumable.startswith("Drawing gives another sample when a row is read twice with the same seed")


def test_epochs_of_varying_length_are_kept_as_long_as_the_first(caplog: pytest.LogCaptureFixture) -> None:
    data = rows(loaders()["buckets"], seed=1)
    lengths = set()
    for epoch in range(6):
        data.begin_epoch(1, epoch)
        lengths.add(len(data.order))
    assert lengths == {len(data)}
    assert caplog.text.count("epochs are kept that long") == 1


def test_a_sampler_without_an_end_is_drawn_for_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(rows(DataLoader(PLAIN, batch_size=4, sampler=Endless()), max_steps=11)) == 11
    monkeypatch.setattr("trainwright.data.loader_rows.ENDLESS", 1000)
    with pytest.raises(DataError, match="does not end") as error:
        rows(DataLoader(PLAIN, batch_size=4, sampler=Endless()))
    assert error.value.fix == "give max_steps, or the sampler a __len__"


def test_a_length_that_is_too_small_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Short(Halves):
        def __iter__(self) -> Iterator[int]:
            return iter(range(N))

    assert len(rows(DataLoader(PLAIN, batch_size=1, sampler=Short()))) == N // 2
    assert "gives more than its __len__ says" in caplog.text


def test_samplers_of_batches_without_a_batch_size_and_keys_that_are_no_numbers_work() -> None:
    whole = DataLoader(PLAIN, batch_size=None, sampler=BatchSampler(RandomSampler(PLAIN), 4, False))
    data = rows(whole)
    assert len(data) == 6 and data.take(torch.tensor([1]))[0].shape == (4, 2)

    class ByName(Dataset[Any]):
        def __getitem__(self, name: str) -> Any:
            return torch.randn(2), len(name)

    named = rows(DataLoader(ByName(), batch_size=2, sampler=["a", "bb", "ccc"]))
    assert named.take(torch.tensor([1]))[1].tolist() == [3] and named.resumable


def test_a_loader_goes_to_another_process() -> None:
    data = rows(loaders()["shuffled"])
    assert batch(pickle.loads(pickle.dumps(data)), 5, 2, 3) == batch(data, 5, 2, 3)


def opens(number: int) -> None:
    get_worker_info().dataset.offset = 100.0  # type: ignore[union-attr]


class Opened(Noisy):
    offset = 0.0

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.full((2,), self.offset), row


def test_the_loaders_worker_init_fn_is_called_in_workers() -> None:
    data = rows(DataLoader(Opened(), batch_size=4, worker_init_fn=opens, num_workers=1))
    assert data.asked_workers == 1
    feed = Feed(data, LoaderOptions(workers=1), 0, torch.device("cpu"))
    try:
        found = feed.take(torch.tensor([0]), Plan(6, 1, 1, 6, None, "max_time", 1.0), 0)
        assert found[0].unique().tolist() == [100.0]
    finally:
        feed.close()
    assert data.take(torch.tensor([0]))[0].unique().tolist() == [0.0]


class Broken(Noisy):
    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if row == 6:
            raise OSError("the image is truncated")
        return super().__getitem__(row)


def bad_collate(samples: list[Any]) -> Any:
    raise KeyError("caption")


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (DataLoader(TensorDataset(torch.zeros(0, 2)), batch_size=2), "there are no train rows\n.*the DataLoader gives no batch"),
        (DataLoader(PLAIN, batch_size=50, drop_last=True), "there are no train rows\n.*gives no batch"),
        (DataLoader(Broken(), batch_size=4, sampler=[6]), "row 6: a sample cannot be read\n.*OSError: the image is truncated"),
    ],
)
def test_loaders_that_give_no_batch_are_refused(loader: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_from(loader, "train", torch.float32)


def test_what_fails_within_a_batch_is_named() -> None:
    with pytest.raises(DataError, match=r"row 6: a sample cannot be read\n.*truncated"):
        rows(DataLoader(Broken(), batch_size=4)).take(torch.tensor([1]))
    with pytest.raises(DataError, match=r"rows 4, 5, 6, 7: the samples of a batch cannot be joined\n.*KeyError: 'caption'"):
        rows(DataLoader(PLAIN, batch_size=4, collate_fn=bad_collate)).take(torch.tensor([1]))
