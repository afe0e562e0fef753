"""A loader's item is what a step sees; and what is random in it is the same whether or not generators were seeded for every sample."""

from __future__ import annotations

import pickle
import random
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler, Subset, TensorDataset

from trainwright.config.errors import DataError
from trainwright.data.counters import fold, fold_in
from trainwright.data.draws import GENERATORS, RESEEDING, Draws, keep_draws
from trainwright.data.forms import rows_from
from trainwright.data.placed import Placed
from trainwright.data.reader import SampleReader
from trainwright.engine.feed import Feed
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.plan import Plan

N = 22
X = torch.randn(N, 3, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(N)
Pair = namedtuple("Pair", "x y")
FORMS = ("pair", "one", "tensor", "nested", "named", "text", "integers")
FOURS, ONES = BatchSampler(SequentialSampler(range(N)), 4, False), BatchSampler(SequentialSampler(range(N)), 1, False)


class Table(Dataset[Any]):
    """Samples of a structure that `form` makes."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: Any) -> Any:
        x, y = X[row], Y[row]
        return {
            "pair": lambda: (x, y),
            "one": lambda: (x,),
            "tensor": lambda: x,
            "number": lambda: float(row),
            "nested": lambda: {"image": x, "more": [(y, {"name": f"row {row}", "flag": True})]},
            "named": lambda: Pair(x, int(y)),
            "text": lambda: (f"row {row}", int(y)),
            "arrays": lambda: (x.numpy(), np.int32(row)),
            "integers": lambda: (x, np.int64(row)),
        }[self.form]()


def as_it_comes(samples: Any) -> Any:
    return samples


def ragged(samples: list[Any]) -> Any:
    return {"rows": samples, "count": len(samples), "first": samples[0]}


def strided() -> TensorDataset:
    return TensorDataset(X.permute(0, 2, 1), Y.to(torch.int64), torch.complex(X, X)[:, 0], (Y % 2).bool())


LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "tensors": lambda: DataLoader(TensorDataset(X, Y), batch_size=4),
    "one tensor": lambda: DataLoader(TensorDataset(X), batch_size=4, drop_last=True),
    "strided tensors": lambda: DataLoader(strided(), batch_size=5),
    "part of tensors": lambda: DataLoader(Subset(Subset(TensorDataset(X, Y), list(range(5, 20))), [3, 1, 7, 1, 0]), batch_size=2),
    "counted from the end": lambda: DataLoader(TensorDataset(X, Y), batch_size=2, sampler=[-1, 0, -3]),
    **{
        form: lambda form=form: DataLoader(Table(form), batch_size=4)
        for form in ("pair", "one", "tensor", "nested", "named", "text", "integers")
    },
    "own collate": lambda: DataLoader(Table("nested"), batch_size=3, collate_fn=ragged),
    "as it comes": lambda: DataLoader(Table("pair"), batch_size=3, collate_fn=as_it_comes),
    "arrays": lambda: DataLoader(Table("arrays"), batch_size=3, collate_fn=as_it_comes),
    "own batches": lambda: DataLoader(Table("pair"), batch_sampler=[[1, 2], [0], [5, 5, 7]]),
    "torch's batches": lambda: DataLoader(Table("pair"), batch_sampler=BatchSampler(SequentialSampler(range(N)), 5, True)),
    "pinned": lambda: DataLoader(Table("pair"), batch_size=4, pin_memory=torch.cuda.is_available()),
    **{f"no batch size, {form}": lambda form=form: DataLoader(Table(form), batch_size=None) for form in (*FORMS, "number", "arrays")},
    "no batch size, own collate": lambda: DataLoader(Table("arrays"), batch_size=None, collate_fn=as_it_comes),
    "no batch size, wide": lambda: DataLoader(TensorDataset(X.double(), Y.int()), batch_size=None),
    "no batch size, batches": lambda: DataLoader(
        TensorDataset(X, Y), batch_size=None, sampler=BatchSampler(SequentialSampler(range(N)), 4, False)
    ),
    "no batch size, single": lambda: DataLoader(
        TensorDataset(X, Y), batch_size=None, sampler=BatchSampler(SequentialSampler(range(N)), 1, False)
    ),
}


def same(one: Any, other: Any) -> bool:
    """Whether two items are of the same types, shapes, strides and values, all the way down."""
    if type(one) is not type(other) and (type(one), type(other)) != (Placed, list):  # a list that has names beside its places
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("name", LOADERS)
def test_a_step_sees_exactly_what_the_loader_gives(name: str) -> None:
    rows = rows_from(LOADERS[name](), "train", torch.float32, keeps_arrays=True)
    items = list(LOADERS[name]())
    assert len(rows) == len(items)
    assert all(same(rows.take(torch.tensor([number])), item) for number, item in enumerate(items))
    assert same(rows.example(), items[0])


@pytest.mark.parametrize("name", ["tensors", "nested", "no batch size, arrays", "no batch size, one", "own batches"])
def test_a_step_sees_exactly_what_the_loader_gives_from_workers_too(name: str) -> None:
    rows, items = rows_from(LOADERS[name](), "train", torch.float32), list(LOADERS[name]())
    feed = Feed(rows, LoaderOptions(workers=2), 0, torch.device("cpu"))
    try:
        plan = Plan(len(items), 1, 1, len(items), None, "max_time", 1.0)
        assert all(same(feed.take(torch.tensor([number]), plan, number), item) for number, item in enumerate(items[:4]))
    finally:
        feed.close()


class Drawing(Dataset[Any]):
    """Some rows draw, from one generator or another; the rest are as they are."""

    def __init__(self, *sources: str, rare: int = 1) -> None:
        self.sources, self.rare, self.reads = sources, rare, 0

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Tensor:
        self.reads += 1
        found = [float(row)]
        if row % self.rare == 0:
            found += [float(torch.randn(()))] if "torch" in self.sources else []
            found += [random.gauss(0, 1)] if "random" in self.sources else []
            found += [float(np.random.normal())] if "numpy" in self.sources else []
        return torch.tensor(found + [0.0] * (4 - len(found)), dtype=torch.float64)


SOURCES = [(), ("torch",), ("random",), ("numpy",), ("torch", "random"), ("torch", "random", "numpy")]


def stacked(samples: list[Tensor], keys: list[Any]) -> Tensor:
    return torch.stack(samples)


def by_the_letter(dataset: Any, seed: int, epoch: int, rows: list[int]) -> Tensor:
    """Every generator seeded for every row: what the reader gives without doing so."""
    draws, found = Draws(seed, epoch), []
    with keep_draws():
        for row in rows:
            draws.row(row)
            found.append(dataset[row])
    return torch.stack(found)


@pytest.mark.parametrize("rare", [1, 7])
@pytest.mark.parametrize("sources", SOURCES, ids=",".join)
def test_samples_are_those_of_generators_seeded_for_each(sources: tuple[str, ...], rare: int) -> None:
    reader = SampleReader(Drawing(*sources, rare=rare), stacked, stacked)
    letter = Drawing(*sources, rare=rare)
    for epoch in range(2):
        reader.begin_epoch(3, epoch)
        for rows in ([1, 2, 3], [4, 7, 0], [8, 9], [14, 21, 5]):
            torch.manual_seed(epoch), random.seed(4), np.random.seed(5)
            assert torch.equal(reader.batch(rows, rows), by_the_letter(letter, 3, epoch, rows))
            assert torch.equal(SampleReader(letter, stacked, stacked).batch(rows, rows), by_the_letter(letter, 0, 0, rows))


def test_a_dataset_that_draws_is_read_again_once_and_one_that_does_not_never() -> None:
    still, drawing = Drawing(), Drawing("torch", rare=7)
    for dataset, reads in ((still, 9), (drawing, 12)):
        reader = SampleReader(dataset, stacked, stacked)
        for rows in ([1, 2, 3], [7, 8, 9], [14, 15, 16]):
            reader.batch(rows, rows)
        assert dataset.reads == reads


def test_the_generators_are_left_as_they_were_unless_they_are_seeded_anew() -> None:
    def state() -> Any:
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2:]

    for sources in SOURCES:
        reader = SampleReader(Drawing(*sources), stacked, stacked)
        torch.manual_seed(1), random.seed(1), np.random.seed(1)
        np.random.normal(), random.gauss(0, 1)  # each keeps the second of a pair
        before = state()
        for _ in range(2):
            reader.batch([1, 2], [1, 2])
            assert state() == before
        with RESEEDING:
            reader.batch([1, 2], [1, 2])
            assert RESEEDING.on
        assert state() != before


def test_what_a_dataset_keeps_is_kept_where_the_rest_is_seeded_anew() -> None:
    class Keeping(Dataset[Any]):
        def __getitem__(self, row: int) -> Tensor:
            first = torch.rand(())
            with keep_draws():
                torch.rand(5)
            return torch.stack([first, torch.rand(())])

    reader = SampleReader(Keeping(), stacked, stacked)
    plain = reader.batch([1, 2], [1, 2])
    with RESEEDING:
        assert torch.equal(reader.batch([1, 2], [1, 2]), plain)
    torch.manual_seed(fold_in(fold(0, "sample", 0), 1))
    assert torch.equal(plain[0], torch.rand(2))


def test_what_a_join_draws_is_the_same_after_the_samples_that_drew() -> None:
    def noisy(samples: list[Tensor], keys: list[Any]) -> Tensor:
        return torch.stack(samples).sum() + torch.rand(())

    one, other = (SampleReader(Drawing("random", rare=7), noisy, noisy) for _ in range(2))
    other.batch([7], [7])  # has seen all that it draws from
    assert torch.equal(one.batch([1, 2], [1, 2]), other.batch([1, 2], [1, 2]))


def test_an_error_that_comes_of_what_was_drawn_is_that_of_the_sample_itself() -> None:
    class Failing(Dataset[Any]):
        def __getitem__(self, row: int) -> Tensor:
            if random.Random(random.getrandbits(32)).random() < 0.4:
                raise ValueError("too dark")
            return torch.tensor(row)

    outcomes = []
    for _ in range(2):
        reader, found = SampleReader(Failing(), stacked, stacked), []
        for row in range(12):
            try:
                found.append(int(reader.batch([row], [row])))
            except DataError as error:
                assert error.where == f"row {row}" and "too dark" in error.why
                found.append(-1)
        outcomes.append(found)
        with pytest.raises(DataError):
            SampleReader(Failing(), stacked, stacked).batch([found.index(-1)], [found.index(-1)])
    assert outcomes[0] == outcomes[1] and -1 in outcomes[0] and set(outcomes[0]) != {-1}


def test_each_generator_tells_that_it_was_drawn_from_or_seeded() -> None:
    uses: dict[str, list[Callable[[], Any]]] = {
        "torch": [lambda: torch.rand(1), lambda: torch.manual_seed(3), lambda: torch.randperm(4)],
        "random": [random.random, lambda: random.seed(3), lambda: random.gauss(0, 1)],
        "numpy": [np.random.rand, lambda: np.random.seed(3), np.random.normal],
    }
    with keep_draws():
        for name, each in GENERATORS.items():
            each.watch(17)
            assert not each.drew()
            for use in uses[name]:
                each.watch(17)
                use()
                assert each.drew(), name


def test_a_reader_goes_to_another_process_with_what_it_saw() -> None:
    rows = rows_from(DataLoader(Drawing("numpy"), batch_size=4, sampler=RandomSampler(range(N))), "train", torch.float64)
    again = pickle.loads(pickle.dumps(rows))
    for data in (rows, again):
        data.begin_epoch(2, 1)
    assert torch.equal(rows.take(torch.tensor([3])), again.take(torch.tensor([3]))) and rows._reader._drawn == again._reader._drawn == (
        "numpy",
    )


def test_a_row_that_is_not_there_is_named_in_tensors_too() -> None:
    rows = rows_from(DataLoader(TensorDataset(X, Y), batch_size=3, sampler=[0, 1, 99]), "train", torch.float32)
    with pytest.raises(DataError, match="row 99: a sample cannot be read"):
        rows.take(torch.tensor([0]))
