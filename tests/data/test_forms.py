"""Whatever form data have, they become rows; what they cannot be is said with what to give instead."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from trainwright.config.errors import DataError
from trainwright.data.forms import CastRows, ColumnRows, rows_from
from trainwright.data.loader_rows import LoaderRows
from trainwright.data.rows import TensorRows, as_blocks
from trainwright.data.samples import alike
from trainwright.data.streams import StreamRows

X = torch.arange(20.0, dtype=torch.float64).view(10, 2)
Y = torch.arange(10, dtype=torch.int32)
SOME = torch.tensor([4, 1])


@dataclass
class Sample:
    x: torch.Tensor
    y: int


Pair = collections.namedtuple("Pair", ["image", "label"])


class Given(Dataset[Any]):
    def __init__(self, sample: Any) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 10

    def __getitem__(self, row: int) -> Any:
        return self.sample(row)


def hugging_face(**columns: Any) -> Any:
    import datasets  # type: ignore[import-untyped]

    return datasets.Dataset.from_dict({"x": X.tolist(), "y": Y.tolist(), **columns})


PAIRS: dict[str, Any] = {
    "tensors": (X, Y),
    "arrays": (X.numpy(), Y.numpy()),
    "list of tensors": [X, Y],
    "TensorDataset": TensorDataset(X, Y),
    "dataset of tuples": Given(lambda row: (X[row], row)),
    "dataset of namedtuples": Given(lambda row: Pair(X[row], row)),
    "list of pairs": [(X[row], row) for row in range(10)],
}
NAMED: dict[str, Any] = {
    "mapping of tensors": {"x": X, "y": Y},
    "mapping of arrays": {"x": X.numpy(), "y": list(range(10))},
    "dataset of mappings": Given(lambda row: {"x": X[row], "y": row}),
    "dataset of dataclasses": Given(lambda row: Sample(X[row], row)),
    "list of mappings": [{"x": X[row], "y": row} for row in range(10)],
    "hugging face": hugging_face(),
    "hugging face, numpy": hugging_face().with_format("numpy"),
    "mapping of splits": {"train": hugging_face(), "val": None},
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_become_input_and_target(name: str) -> None:
    batch = rows_from(PAIRS[name], "train", torch.float32).take(SOME)
    assert list(batch) == ["input", "target"]
    assert torch.equal(batch["input"], X[SOME].float()) and torch.equal(batch["target"], SOME)
    assert (batch["input"].dtype, batch["target"].dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("name", NAMED)
def test_named_samples_and_columns_keep_their_names(name: str) -> None:
    rows = rows_from(NAMED[name], "train", torch.float32)
    batch = rows.take(SOME)
    assert len(rows) == 10 and list(batch) == ["x", "y"]
    assert torch.equal(batch["x"], X[SOME].float()) and torch.equal(batch["y"], SOME)
    assert rows.resumable


def test_several_inputs_are_numbered_and_one_part_is_allowed_where_asked() -> None:
    assert list(rows_from((X, X, Y), "train", torch.float32).take(SOME)) == ["input.0", "input.1", "target"]
    for alone in (TensorDataset(X), (X,), Given(lambda row: X[row])):
        rows = rows_from(alone, "train", torch.float32, unlabelled=True)
        assert list(rows.take(SOME)) == ["input"]


def test_each_form_gets_its_kind_of_rows() -> None:
    kinds = {
        "tensors": (TensorRows, (X, Y)),
        "dataset": (CastRows, Given(lambda row: (X[row], row))),
        "hugging face": (ColumnRows, hugging_face()),
        "loader": (LoaderRows, DataLoader(TensorDataset(X, Y), batch_size=4)),
        "function": (StreamRows, lambda: iter([(X[0], 1)])),
    }
    for kind, data in kinds.values():
        assert type(rows_from(data, "train", torch.float32)) is kind
    rows = TensorRows({"a": X})
    assert rows_from(rows, "train", torch.float32) is rows


def test_a_loader_with_an_iterator_of_its_own_is_taken_in_its_order() -> None:
    class Doubling(DataLoader[Any]):
        def __iter__(self) -> Any:
            return iter([[2 * each for each in batch] for batch in super().__iter__()])

    rows = rows_from(Doubling(TensorDataset(X, Y), batch_size=4), "train", torch.float32)
    assert isinstance(rows, StreamRows) and len(rows) == 3
    assert rows.take(torch.tensor([1]))[1].tolist() == [8, 10, 12, 14]


def test_columns_of_text_come_along_and_ragged_ones_are_refused() -> None:
    batch = rows_from(hugging_face(text=list("abcdefghij")), "train", torch.float32).take(SOME)
    assert batch["text"] == ["e", "b"]
    ragged = hugging_face(ids=[[1] * (row + 1) for row in range(10)])
    with pytest.raises(
        DataError, match=r"rows 4, 1: the samples of a batch cannot be joined\n.*column 'ids'.*different shapes\n.*collate_fn"
    ):
        rows_from(ragged, "train", torch.float32).take(SOME)


def test_a_transform_of_a_hugging_face_dataset_is_kept_and_its_randomness_follows_from_the_row() -> None:
    data = hugging_face()
    data.set_transform(lambda columns: {"x": [torch.tensor(each) + torch.randn(2) for each in columns["x"]], "y": columns["y"]})
    rows = rows_from(data, "train", torch.float32)
    assert alike(rows.take(SOME)["x"][1], rows.take(torch.tensor([1]))["x"][0])
    assert not torch.equal(rows.take(SOME)["x"], X[SOME].float())


def test_a_dataset_with_randomness_of_its_own_is_told_of() -> None:
    own = np.random.default_rng(0)
    rows = rows_from(Given(lambda row: (torch.tensor(own.normal()), row)), "train", torch.float32)
    assert rows.why_not_resumable.startswith("Given gives another sample when a row is read twice with the same seed")
    assert rows_from(Given(lambda row: (torch.randn(2), row)), "train", torch.float32).resumable


def test_a_split_is_picked_from_a_mapping_of_data_sets() -> None:
    import datasets

    data = datasets.DatasetDict({"train": hugging_face(), "valid": hugging_face().select(range(3))})
    assert len(rows_from(data, "validation", torch.float32)) == 3
    with pytest.raises(DataError, match=r"the data have no 'test' split\n.*available: train, valid"):
        rows_from(data, "test", torch.float32)


def test_batches_are_named_as_samples_are() -> None:
    assert list(as_blocks([X, Y])) == ["input", "target"]
    assert list(as_blocks((X, X, Y))) == ["input.0", "input.1", "target"]
    assert list(as_blocks({"a": X})) == ["a"] and list(as_blocks(X)) == ["input"]
    assert as_blocks(Sample(X, 1)) == {}


def pandas_frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"a": [1, 2]})


LOADER = DataLoader(TensorDataset(X, Y), batch_size=2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"tw.fit: there are no train data\n.*fix: give \(x, y\) tensors, a TensorDataset, a Dataset, a DataLoader"),
        ("rows.csv", r"train data cannot be a str\n.*read the file first.*tw\.train\(data, target"),
        (Path("rows.csv"), "train data cannot be a PosixPath"),
        (pandas_frame(), r"train data cannot be a DataFrame\n.*tw\.train\(df, target"),
        (X, "train data cannot be a Tensor"),
        (5, "train data cannot be a int"),
        ({1, 2}, "train data cannot be a set"),
        (torch.nn.Linear(1, 1), "train data cannot be a Linear"),
        (Given, r"train data cannot be a type\n.*give an instance: Given\(…\)"),
        (
            (LOADER, LOADER),
            "the train data are a tuple with a DataLoader in it\n.*inputs and targets together\n.*give one DataLoader alone",
        ),
        ([X, LOADER], "the train data are a list with a DataLoader in it"),
        ((X[:0], Y[:0]), "there are no train rows"),
        ((X, Y[:4]), "different numbers of rows\n.*target has 4"),
        ({"x": X, "y": Y[:4]}, "different numbers of rows\n.*y has 4"),
        ({"x": X, "y": "abc"}, "holds more than columns of numbers\n.*y is a str\n.*give tensors or arrays"),
        ({}, "holds more than columns of numbers\n.*it is empty"),
        ([], "there are no train rows"),
        ([1, 2, 3], r"a sample of the train data is a int, not a pair\n.*\(input, target\)"),
        (Given(lambda row: Pair), "not a pair"),
    ],
)
def test_what_is_no_data_is_refused_with_what_to_give(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_from(data, "train", torch.float32)


def test_samples_that_fail_or_cannot_be_joined_are_named() -> None:
    with pytest.raises(DataError, match="rows 4, 1: the samples of a batch cannot be joined"):
        rows_from(Given(lambda row: (torch.zeros(row + 1), row)), "train", torch.float32).take(SOME)
    with pytest.raises(DataError, match=r"row 4: a sample cannot be read\n.*ZeroDivisionError"):
        rows_from(Given(lambda row: (X[row], 1 / (row - 4))), "train", torch.float32).take(SOME)
