"""Data without an index are batched in their order; any place is reached again by beginning anew, under the same seeds."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler, get_worker_info

import trainwright as tw
from trainwright.config.errors import DataError, Interrupted
from trainwright.data.forms import rows_from
from trainwright.data.samples import alike
from trainwright.data.streams import DataEnded, StreamRows, looks_batched
from trainwright.engine.callbacks import Callback

N = 22


def pairs() -> Iterator[Any]:
    """A function that makes a generator of noisy samples."""
    for row in range(N):
        yield torch.randn(3) + random.gauss(0, 1) + float(np.random.normal()), row


def told(epoch: int) -> Iterator[Any]:
    for row in range(N):
        yield torch.randn(3) + 10 * epoch, row


class Samples(IterableDataset[Any]):
    """A shuffled stream with a generator of its own, split over a loader's workers."""

    def __init__(self) -> None:
        self.generator, self.epoch = np.random.default_rng(0), 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for row in self.generator.permutation(N)[first::step].tolist():
            yield torch.randn(3) + self.epoch, row


class Sized(Samples):
    def __len__(self) -> int:
        return N


class Batches:
    """Re-iterable, gives ready batches of varying size."""

    def __iter__(self) -> Iterator[Any]:
        for size in (5, 3, 4, 2):
            yield torch.randn(size, 3), torch.randint(9, (size,))


class Own:
    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def to(self, *_: Any, **__: Any) -> Own:
        return self


class OwnBatches:
    def __iter__(self) -> Iterator[Own]:
        for _ in range(4):
            yield Own(torch.randn(5, 3, dtype=torch.float64))


class Resetting:
    """Its own iterator, begun anew by `iter`."""

    def __len__(self) -> int:
        return N

    def __iter__(self) -> Resetting:
        self.at = -1
        return self

    def __next__(self) -> Any:
        self.at += 1
        if self.at == N:
            raise StopIteration
        return torch.randn(3), self.at


def hugging_face() -> Any:
    import datasets  # type: ignore[import-untyped]

    made = datasets.Dataset.from_dict({"x": np.arange(N * 3.0).reshape(N, 3).tolist(), "y": list(range(N))})
    return made.to_iterable_dataset(num_shards=2).shuffle(seed=1, buffer_size=6)


FORMS: dict[str, Callable[[], Any]] = {
    "function": lambda: pairs,
    "function told the epoch": lambda: told,
    "iterable dataset": Samples,
    "with a length": Sized,
    "batches": Batches,
    "own batches": OwnBatches,
    "its own iterator": Resetting,
    "loader": lambda: DataLoader(Samples(), batch_size=4),
    "loader of ready items": lambda: DataLoader(Samples(), batch_size=None),
    "loader with workers": lambda: DataLoader(Sized(), batch_size=4, num_workers=2, persistent_workers=True),
    "hugging face": hugging_face,
}


def rows(data: Any, **options: Any) -> StreamRows:
    made = rows_from(data, options.pop("split", "train"), torch.float32, **{"batch_size": 4, **options})
    assert isinstance(made, StreamRows) and made.batched and made.iterable
    return made


def take(data: Any, number: int) -> Any:
    return data.take(torch.tensor([number]))


@pytest.mark.parametrize("name", FORMS)
def test_a_seek_gives_what_a_replay_gives(name: str) -> None:
    straight, sought = rows(FORMS[name](), seed=3), rows(FORMS[name](), seed=3)
    n, replayed = len(straight), []
    for epoch in range(2):
        straight.begin_epoch(3, epoch)
        replayed.append([take(straight, number) for number in range(n)])
    assert straight.resumable and n == (4 if "batches" in name else N if "ready" in name else 6)
    for epoch, number in ((1, n - 1), (1, 1)) if "workers" in name else ((1, n - 1), (0, 1), (1, 0), (1, 2), (0, 2)):
        sought.begin_epoch(3, epoch)
        assert alike(take(sought, number), replayed[epoch][number])
    assert not alike(replayed[0], replayed[1])
    straight.close()
    sought.close()


def test_a_pass_of_workers_that_came_to_its_end_is_closed_in_peace() -> None:
    counted = rows(DataLoader(Samples(), batch_size=4, num_workers=1))
    assert counted._running is not None and len(counted) == 6
    counted.close()


@pytest.mark.parametrize("data", [pairs, Batches()])
def test_a_batch_is_given_again_as_it_was_whatever_was_done_to_it(data: Any) -> None:
    given = rows(data)
    for number in (0, 0, 2, 2, 0):
        batch, untouched = take(given, number), take(rows(data), number)
        assert alike(batch, untouched)
        parts = list(batch.values()) if isinstance(batch, dict) else batch
        parts[0].zero_()
        batch.clear() if isinstance(batch, dict) else None


def test_the_first_batch_of_a_generator_is_there_after_a_trial_that_spoils_it() -> None:
    data = rows(iter([{"x": torch.ones(3, 2), "y": torch.ones(3)}] * 2), max_steps=2)
    take(data, 0).pop("y").zero_()
    assert data.single_pass and take(data, 0)["y"].tolist() == [1.0, 1.0, 1.0]


def test_samples_are_joined_and_named_as_those_of_a_dataset() -> None:
    batch = take(rows(pairs), 5)
    assert batch["input"].shape == (2, 3) and batch["target"].tolist() == [20, 21]
    assert take(rows([{"a": 1.0, "text": "b"}].__iter__, batched=False), 0) == {"a": torch.tensor([1.0]), "text": ["b"]}


def test_samples_do_not_depend_on_how_many_make_a_batch() -> None:
    small, large = rows(pairs, batch_size=2), rows(pairs, batch_size=8)
    assert torch.equal(torch.cat([take(small, each)["input"] for each in range(4)]), take(large, 0)["input"])


def test_what_an_item_is_is_seen_from_the_first_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert take(rows(Batches()), 1)[0].shape == (3, 3)
    assert "an item of the train data is taken as a batch of 5 rows; batched=False says otherwise" in caplog.text
    assert take(rows(pairs), 0)["input"].shape == (4, 3)
    assert "is taken as one sample; batched=True says otherwise" in caplog.text
    assert take(rows(lambda: iter([(torch.zeros(7), torch.ones(7))] * 8), batched=False), 0)["input"].shape == (4, 7)
    assert take(rows(OwnBatches()), 0).x.dtype == torch.float64


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ((torch.zeros(5, 2), torch.zeros(5)), 5),
        ({"a": np.zeros((5, 2)), "b": [torch.zeros(5)]}, 5),
        ((torch.zeros(5, 2), torch.zeros(4)), 0),
        ((torch.zeros(5, 2), 3), 0),
        ((torch.zeros(5), torch.tensor(1)), 0),
        ((torch.zeros(1, 2), torch.zeros(1)), 0),
        (torch.zeros(5, 2), 0),
        (Own(torch.zeros(2)), -1),
    ],
)
def test_a_batch_is_told_by_the_common_length_of_its_parts(item: Any, found: int) -> None:
    assert looks_batched(item) == found


def test_data_without_a_length_are_counted_by_one_pass(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert len(rows(pairs)) == 6
    assert "they are counted by one pass" in caplog.text and "22 items, 6 batches, counted in" in caplog.text


def test_a_run_limited_by_steps_is_one_epoch_that_begins_again_at_the_end() -> None:
    data = rows(told, max_steps=15)
    assert len(data) == 15
    found = [take(data, number) for number in range(15)]
    assert [len(batch["target"]) for batch in found] == [4, 4, 4, 4, 4, 2] * 2 + [4] * 3
    assert found[6]["input"].mean() > 5 > found[5]["input"].mean()  # the second pass is told epoch 1
    again = rows(told, max_steps=15)
    assert alike(take(again, 13), found[13])


def test_an_endless_stream_is_as_long_as_the_run() -> None:
    def endless() -> Iterator[Any]:
        while True:
            yield torch.randn(2), 1

    assert len(rows(endless, max_steps=7)) == 7


def test_validation_data_are_counted_whatever_limits_the_run() -> None:
    data = rows(pairs, max_steps=100, split="validation")
    assert len(data) == 6
    assert alike([take(data, each) for each in range(6)], [take(data, each) for each in range(6)])


def test_a_generator_is_read_once_and_its_end_is_the_end_of_the_data() -> None:
    data = rows(pairs(), max_steps=50)
    assert data.why_not_resumable.startswith("a generator is read once")
    rows_seen = [row for number in range(6) for row in take(data, number)["target"].tolist()]
    assert rows_seen == list(range(N))
    with pytest.raises(DataEnded, match="the train data ended after 6 batches"):
        take(data, 6)
    with pytest.raises(DataError, match="a generator cannot go back"):
        take(data, 2)


def test_a_generator_made_again_is_passed_over_to_the_place_asked_for() -> None:
    assert take(rows(pairs(), max_steps=50), 3)["target"].tolist() == [12, 13, 14, 15]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", "a generator has no length\n.*the train data are a generator\n.*give max_steps, or a function"),
        ("validation", "read once, and the validation data are read more often\n.*\n.*a function that makes the generator, or list"),
    ],
)
def test_a_generator_without_an_end_known_is_refused(split: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(pairs(), split=split)


def test_an_iterable_that_begins_elsewhere_loses_nothing_and_is_told_of_when_it_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    class Counting:
        at = 0

        def __iter__(self) -> Iterator[Any]:
            self.at += 100
            return ((torch.tensor([first]), first) for first in range(self.at, self.at + 8))

    data = rows(Counting(), max_steps=3)
    assert data.example()["target"].tolist() == take(data, 0)["target"].tolist() == [100, 101, 102, 103]
    assert take(data, 1)["target"].tolist() == [104, 105, 106, 107] and "another first item" not in caplog.text
    assert take(data, 0)["target"].tolist() == [200, 201, 202, 203]
    said = "Counting gives another first item when it is begun again with the same seed: this run cannot be continued exactly"
    assert said in caplog.text


class Begun:
    """Counts how often it is begun, and gives one item more each time."""

    def __init__(self, length: bool = False) -> None:
        self.begun, self.given = 0, list[float]()
        if length:
            self.__class__ = type("Sized", (Begun,), {"__len__": lambda _: 4})

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        for item in range(3 + self.begun):
            self.given.append(item)
            yield torch.full((2, 3), float(item)), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("options", "train", "validation"),
    [
        ({"max_steps": 4}, 1, 0),
        ({"max_epochs": 1}, 1, 0),
        ({"max_epochs": 3}, 3, 0),
        ({"max_epochs": 2, "evaluate_every": "1 epochs"}, 2, 2),
    ],
)
@pytest.mark.parametrize("length", [False, True])
@pytest.mark.parametrize("seed", [0, 5])
def test_an_iterable_is_begun_once_an_epoch_and_its_epoch_is_what_it_gave(
    options: Any, train: int, validation: int, length: bool, seed: int, tmp_path: Path
) -> None:
    data, held_out, steps = Begun(length), Begun(length), list[float]()

    class Notes(tw.Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            steps.append(float(batch["input"][0, 0] if isinstance(batch, dict) else batch[0][0, 0]))

    model = torch.nn.Linear(3, 2)
    given = {"validation": held_out} if validation else {}
    tw.fit(model, data, run_dir=tmp_path / "run", seed=seed, console=False, callbacks=[Notes()], **options, **given)
    assert data.begun == train and held_out.begun == validation
    assert steps[:4] == [0.0, 1.0, 2.0, 3.0] and len(steps) == 4 * (1 if "max_steps" in options else options["max_epochs"])


def test_data_without_an_end_are_counted_only_as_far_as_a_limit_of_batches_asks(tmp_path: Path) -> None:
    class Endless(Begun):
        def __iter__(self) -> Iterator[Any]:
            self.begun += 1
            while True:
                self.given.append(1.0)
                yield torch.ones(2, 3), torch.tensor([0, 1])

    data, held_out = Endless(), Endless()
    options: dict[str, Any] = {"limit_batches": 2, "max_epochs": 2, "validation": held_out, "evaluate_every": "1 epochs"}
    result = tw.fit(torch.nn.Linear(3, 2), data, run_dir=tmp_path / "run", console=False, **options)
    assert result.steps == 4 and data.begun == 2 and len(data.given) <= 5 and len(held_out.given) <= 6


def test_items_that_were_counted_are_not_kept_where_they_are_many_or_follow_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.data.streams.KEPT", 100)
    data = Begun()
    assert len(rows(data)) == 4 and data.begun == 1
    assert take(rows(data), 0)[0].shape == (2, 3) and data.begun == 3


def test_an_iterable_that_gives_nothing_again_is_refused_when_it_is_needed() -> None:
    class Drained:
        def __init__(self) -> None:
            self.items = iter([(torch.zeros(1), each) for each in range(6)])

        def __iter__(self) -> Iterator[Any]:
            return (each for each in self.items)

    data = rows(Drained(), max_steps=5)
    with pytest.raises(DataError, match=r"can be read only once\n.*\n.*__iter__ begins anew"):
        [take(data, each) for each in range(5)]


def test_a_length_that_is_wrong_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Long(Samples):
        def __len__(self) -> int:
            return 40

    class Short(Samples):
        def __len__(self) -> int:
            return 12

    data = rows(Long())
    assert len([take(data, each) for each in range(len(data))]) == 10
    assert "ended after 6 batches of epoch 0, which has 10 by their length" in caplog.text
    data = rows(Short())
    take(data, 2)
    data.begin_epoch(0, 1)
    assert "go on after the 3 batches that their length says" in caplog.text


def test_taking_leaves_all_generators_as_they_were() -> None:
    data = rows(pairs)
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    take(data, 2)
    found = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    assert found == (torch.rand(1).item(), random.random(), np.random.rand())


class StopAt(Callback):
    """Asks for what a signal asks for, after step k."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            session.parts.interrupts.request()


def labelled(epoch: int = 0) -> Iterator[Any]:
    for row in range(N):
        yield torch.randn(3) + epoch, row % 2


class Labelled(Dataset[Any]):
    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.randn(3) + row / N, row % 2


def weighted() -> Any:
    return DataLoader(Labelled(), batch_size=4, sampler=WeightedRandomSampler(torch.linspace(0.1, 1, N).tolist(), N))


RUNS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "loader": (weighted, {"max_epochs": 3}),
    "function": (lambda: labelled, {"max_epochs": 3, "batch_size": 4}),
    "function, by steps": (lambda: labelled, {"max_steps": 16, "batch_size": 4}),
    "generator made again": (lambda: labelled(), {"max_steps": 5, "batch_size": 4}),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("k", [3, 4])
def test_a_run_over_them_that_stops_midway_continues_to_the_bit(name: str, k: int, tmp_path: Path) -> None:
    data, length = RUNS[name]

    def trained(place: str, **options: Any) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2))
        tw.fit(model, data(), run_dir=tmp_path / place, console=False, seed=5, **length, **options)
        return torch.cat([each.detach().flatten() for each in model.parameters()])

    with pytest.raises(Interrupted):
        trained("halved", callbacks=[StopAt(k)])
    assert torch.equal(trained("halved", resume=True), trained("whole"))


def fails_later() -> Iterator[Any]:
    yield from islice(pairs(), 5)
    raise OSError("the shard is truncated")


def ragged() -> Iterator[Any]:
    for size in (2, 3, 2, 2):
        yield torch.zeros(size), 1


def test_what_fails_is_told_with_its_place() -> None:
    with pytest.raises(DataError, match=r"item 5 of the train data: the next item cannot be read\n.*OSError: the shard is truncated"):
        take(rows(fails_later, max_steps=3), 1)
    with pytest.raises(DataError, match="batch 0 of the train data: the samples of a batch cannot be joined"):
        take(rows(ragged), 0)
    with pytest.raises(DataError, match=r"there are no train rows\n.*gives nothing"):
        rows(lambda: iter(()))
    with pytest.raises(DataError, match=r"the train data cannot be begun\n.*TypeError"):
        rows(lambda needed: iter(()))
