"""Rows are taken by index, in the order asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, StackDataset, Subset

from trainwright.config.errors import DataError
from trainwright.data.dataset_rows import DatasetRows
from trainwright.data.rows import TensorRows


class Squares(Dataset[Any]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return torch.tensor([float(index)]), index**2


class InBulk(Squares):
    def __getitems__(self, indices: list[int]) -> Any:
        self.asked = indices
        return [self[index] for index in indices]


def test_tensor_rows_select_in_the_order_asked_for() -> None:
    rows = TensorRows({"a": torch.arange(10), "b": torch.arange(20).reshape(10, 2)})
    batch = rows.take(torch.tensor([7, 2, 2]))
    assert batch["a"].tolist() == [7, 2, 2]
    assert batch["b"].tolist() == [[14, 15], [4, 5], [4, 5]]
    assert len(rows) == 10


def test_tensors_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="a has 3, b has 4"):
        TensorRows({"a": torch.zeros(3), "b": torch.zeros(4)})


@pytest.mark.parametrize("kind", [Squares, InBulk])
def test_a_dataset_gives_the_rows_asked_for(kind: type[Squares]) -> None:
    batch = DatasetRows(kind(9), ["input", "target"]).take(torch.tensor([4, 1]))
    assert batch["input"].tolist() == [[4.0], [1.0]]
    assert batch["target"].tolist() == [16, 1]


def test_a_dataset_that_reads_in_bulk_is_asked_once() -> None:
    dataset = InBulk(9)
    DatasetRows(dataset, ["input", "target"]).take(torch.tensor([4, 1]))
    assert dataset.asked == [4, 1]


def test_samples_of_different_shapes_are_refused_with_their_rows() -> None:
    class Ragged(Squares):
        def __getitem__(self, index: int) -> Any:
            return torch.zeros(index), 0

    with pytest.raises(DataError, match="cannot be joined") as error:
        DatasetRows(Ragged(5), ["input", "target"]).take(torch.tensor([1, 2]))
    assert "rows 1, 2" in str(error.value)


def test_samples_with_other_parts_than_named_are_refused() -> None:
    with pytest.raises(DataError, match="should be 3 tensors"):
        DatasetRows(Squares(5), ["a", "b", "target"]).take(torch.tensor([1]))


def test_a_stream_is_refused() -> None:
    with pytest.raises(DataError, match="no length"):
        DatasetRows(iter([1]), ["a", "target"])


class Told(Dataset[Any]):
    """Gives the epoch that it was told."""

    epoch = 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, row: int) -> tuple[int, int]:
        return self.epoch, row

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


@pytest.mark.parametrize(
    "around", [lambda one: one, lambda one: Subset(one, [0, 1]), lambda one: ConcatDataset([Subset(one, [1]), Told()])]
)
def test_the_epoch_is_told_to_datasets_in_others(around: Any) -> None:
    rows = DatasetRows(around(Told()), ["input", "target"])
    rows.begin_epoch(0, 3)
    assert rows.take(torch.tensor([0, 1]))["input"].tolist() == [3, 3]


def test_the_epoch_is_told_to_named_parts_of_a_stack() -> None:
    rows = DatasetRows(StackDataset(a=Told(), b=Told()), [])
    rows.begin_epoch(0, 3)
    taken = rows.take(torch.tensor([1]))
    assert taken["a"][0].tolist() == [3] and taken["b"][0].tolist() == [3]
