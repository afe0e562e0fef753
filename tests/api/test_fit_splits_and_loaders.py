"""What a loader gives is what a step sees; a mapping of splits is used as if the splits were given one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError


class Seen(tw.System):
    """Keeps what its steps were given."""

    def build(self, spec: Any) -> None:
        self.net, self.batches, self.measured = nn.Linear(2, 1), list[Any](), list[Any]()

    def training_step(self, batch: Any, context: Any) -> Tensor:
        self.batches.append(batch)
        return self.net(torch.ones(3, 2)).pow(2).mean()

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        self.measured.append(batch)
        return {"loss": torch.zeros(1)}


@dataclass
class Views:
    rays: Tensor


class Cameras(IterableDataset[Any]):
    """As threestudio's: what it yields is nothing, and the collate function makes the batch."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield {}

    def collate(self, _: Any) -> Any:
        return {"rays": torch.rand(2, 16, 2), "height": 4}


class Ready(Dataset[Any]):
    """Items that are batches."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 5

    def __getitem__(self, row: int) -> Any:
        x = torch.full((2, 3), float(row))
        return {"tuple": (x, row), "dict": {"rays": x, "height": row}, "class": Views(x), "tensor": x[0], "sample": (x[0, 0], row)}[
            self.kind
        ]


class Streamed(IterableDataset[Any]):
    def __init__(self, kind: str) -> None:
        self.ready = Ready(kind)

    def __iter__(self) -> Iterator[Any]:
        return (self.ready[row] for row in range(5))


def fit(data: Any, **options: Any) -> Seen:
    system = Seen()
    tw.fit(system, data, **{"max_steps": 5, "console": False, "device": "cpu", **options})
    return system


def plain(batch: Any) -> Any:
    if isinstance(batch, Views):
        return plain(vars(batch))
    if isinstance(batch, dict):
        return {name: plain(each) for name, each in batch.items()}
    return [plain(each) for each in batch] if isinstance(batch, tuple | list) else torch.as_tensor(batch).tolist()


@pytest.mark.parametrize("kind", ["tuple", "dict", "class", "tensor", "sample"])
@pytest.mark.parametrize("streamed", [False, True])
def test_items_of_a_loader_without_a_batch_size_are_what_a_step_sees(kind: str, streamed: bool, tmp_path: Path) -> None:
    loader = DataLoader(Streamed(kind) if streamed else Ready(kind), batch_size=None)
    by_hand = [plain(item) for item in loader]
    system = fit(loader, validation=loader, run_dir=tmp_path / "run", evaluate_every="5 steps", sanity_check=0)
    assert [plain(each) for each in system.batches] == by_hand
    assert [plain(each) for each in system.measured] == by_hand


def test_a_collate_function_that_makes_the_batch_is_not_joined_again(tmp_path: Path) -> None:
    data = Cameras()
    system = fit(DataLoader(data, batch_size=None, collate_fn=data.collate), run_dir=tmp_path / "run")
    assert {tuple(each["rays"].shape) for each in system.batches} == {(2, 16, 2)} and {each["height"] for each in system.batches} == {4}


def test_a_sampler_of_batches_in_place_of_a_batch_size_is_followed(tmp_path: Path) -> None:
    data = TensorDataset(torch.arange(10.0))
    loader = DataLoader(data, batch_size=None, sampler=BatchSampler(SequentialSampler(data), 4, False))
    assert [len(each[0]) for each in fit(loader, run_dir=tmp_path / "run").batches] == [4, 4, 2, 4, 4]


def test_items_of_a_loader_that_are_said_to_be_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"said to be samples \(batched=False\)\n.*\n.*give the DataLoader a batch_size"):
        fit(DataLoader(Ready("sample"), batch_size=None), batched=False, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def trained(data: Any, folder: Path, **options: Any) -> Any:
    torch.manual_seed(0)
    return tw.fit(
        nn.Linear(4, 2), data, **{"max_epochs": 2, "batch_size": 8, "console": False, "run_dir": folder, "device": "cpu"} | options
    )


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("training", "val", "testing"), ("train", "dev", "test")])
def test_a_mapping_of_splits_is_used_as_if_they_were_given_apart(names: tuple[str, ...], tmp_path: Path) -> None:
    parts = [(X[:12], Y[:12]), (X[12:18], Y[12:18]), (X[18:], Y[18:])]
    together = trained(dict(zip(names, parts, strict=True)), tmp_path / "together")
    apart = trained(parts[0], tmp_path / "apart", validation=parts[1], test=parts[2])
    assert together.metrics == apart.metrics and set(together.metrics) >= {"validation", "test"}


@pytest.mark.parametrize("kind", ["datasets", "loaders", "a dataset beside tensors"])
def test_a_tuple_of_data_sets_is_splits(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tensors = [(X[:12], Y[:12]), (X[12:18], Y[12:18]), (X[18:], Y[18:])]
    parts: list[Any] = [TensorDataset(*each) for each in tensors]
    if kind == "loaders":
        parts = [DataLoader(each, batch_size=6) for each in parts]
    elif kind == "a dataset beside tensors":
        parts[1:] = tensors[1:]
    options = {"batch_size": None} if kind == "loaders" else {}
    together = trained(tuple(parts), tmp_path / "together", **options)
    apart = trained(parts[0], tmp_path / "apart", validation=parts[1], test=parts[2], **options)
    assert together.metrics == apart.metrics and set(together.metrics) >= {"validation", "test"}
    assert "a tuple of 3 data sets: taken for train, validation, test" in caplog.text
    two = trained((parts[0], parts[1]), tmp_path / "two", **options)
    assert two.metrics["validation"] == apart.metrics["validation"] and "test" not in two.metrics
    none = trained((parts[0], None), tmp_path / "none", validation=parts[1], **options)
    assert none.metrics == two.metrics


def test_a_tuple_that_only_looks_like_splits_is_said_to_be_samples(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = ((X[:4], torch.zeros(4, 2)), (X[4:8], torch.ones(4, 2)))
    trained(pairs, tmp_path / "run", loss="mse", batch_size=2)
    assert "taken for 2 samples; if they are splits, give train_data=data[0], validation=data[1]" in caplog.text
    caplog.clear()
    trained(tuple((X[row], Y[row]) for row in range(3)), tmp_path / "samples", batch_size=3)
    trained((X, Y), tmp_path / "columns")
    assert "taken for" not in caplog.text


def test_a_dataset_dict_has_its_validation_split_measured(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"x": X.tolist(), "labels": Y.tolist()})

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 2)

        def forward(self, x: Tensor, labels: Tensor) -> Any:
            logits = self.net(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    splits = datasets.DatasetDict(train=made, validation=made)
    found = tw.fit(Net(), splits, max_epochs=1, run_dir=tmp_path / "run", console=False, device="cpu").metrics
    twice = tw.fit(Net(), splits, validation=splits, max_epochs=1, run_dir=tmp_path / "twice", console=False, device="cpu").metrics
    assert "validation" in found and "validation" in twice


def test_splits_without_a_place_in_the_run_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    found = trained({"train": (X, Y), "validation_matched": (X, Y), "predict": (X, Y)}, tmp_path / "run").metrics
    assert "splits that this run does not use: 'validation_matched', 'predict'; give one as validation=" in caplog.text
    assert "validation" not in found


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"train": (X, Y), "val": (X, Y)}, {"validation": (X, Y)}, "the data hold a validation split, and validation data are given too"),
        ({"train": (X, Y), "test": (X, Y)}, {"test_data": (X, Y)}, "the data hold a test split, and test data are given too"),
        ({"train": (X, Y), "val": (X, Y), "dev": (X, Y)}, {}, "'val' and 'dev' both mean the validation split"),
        ({"validation": (X, Y)}, {}, "the data have no 'train' split"),
        ((TensorDataset(X, Y), TensorDataset(X, Y)), {"validation": (X, Y)}, r"hold a validation split(.|\n)*train_data=data\[0\]"),
        ((None, TensorDataset(X, Y)), {}, "train data are a tuple with a Dataset in it"),
        ([TensorDataset(X, Y), TensorDataset(X, Y)], {}, r"are a list with a Dataset in it(.|\n)*ConcatDataset"),
        (tuple(TensorDataset(X, Y) for _ in range(4)), {}, "are a tuple with a Dataset in it"),
        ((X, Y), {"validation": (TensorDataset(X, Y), TensorDataset(X, Y))}, "validation data are a tuple with a Dataset in it"),
    ],
)
def test_splits_that_contradict_are_refused_before_anything_is_written(data: Any, options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        trained(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
