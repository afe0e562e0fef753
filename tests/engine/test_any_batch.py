"""Batches of any structure in the engine: moved, counted, cut into pieces, named; and steps that give any form of loss."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset

import trainwright as tw
from trainwright.config.errors import TrainwrightError
from trainwright.data.dataset_rows import DatasetRows
from trainwright.data.rows import FirstRows, Rows
from trainwright.engine.dealing import micro_batches
from trainwright.engine.evaluation import as_outputs
from trainwright.engine.pieces import Pieces, batch_of, order_of
from trainwright.engine.step import Backward, has_own_mean
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Loss, change_tensors, rows_in, tensors_in, to_device

META = torch.device("meta")
Pair = namedtuple("Pair", ["x", "y"])


@dataclass
class Sample:
    x: Tensor
    name: str


class Own:
    """A batch class that moves itself and returns nothing."""

    def __init__(self) -> None:
        self.x = torch.zeros(3, 2)

    def to(self, device: torch.device) -> None:
        self.x = self.x.to(device)


def test_every_structure_is_moved_whole() -> None:
    batch = {"a": torch.zeros(2), "b": [torch.ones(2), Pair(torch.ones(1), "text")], "c": Sample(torch.ones(2), "s"), "d": Own(), "e": None}
    moved = to_device(batch, META)
    assert moved["a"].device == moved["b"][0].device == moved["b"][1].x.device == moved["c"].x.device == moved["d"].x.device == META
    assert (moved["b"][1].y, moved["c"].name, moved["e"], type(moved["b"][1])) == ("text", "s", None, Pair)
    assert to_device(pack_sequence([torch.zeros(3), torch.zeros(2)]), META).data.device == META


class Keys(dict[str, Any]):
    """A mapping whose keys are attributes; a name that is no key is a KeyError, as people write it."""

    __getattr__ = dict.__getitem__


class KeysOrNone(dict[str, Any]):
    __getattr__ = dict.get


class ItsOwnAttributes(dict[str, Any]):
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.__dict__ = self


@pytest.mark.parametrize("kind", [Keys, KeysOrNone, ItsOwnAttributes, OrderedDict, UserDict])
def test_mappings_of_any_class_keep_it(kind: Any) -> None:
    batch = kind({"x": torch.ones(3, 2), "name": "text"})
    assert rows_in(batch) == 3
    assert to_device(batch, torch.device("cpu")) is batch
    moved = to_device(batch, META)
    assert type(moved) is kind and moved["x"].device == META and moved["name"] == "text"
    if kind not in (OrderedDict, UserDict):
        assert moved.x.device == META
    assert batch["x"].device != META


def test_mappings_that_cannot_be_filled_become_plain_ones() -> None:
    assert type(to_device(defaultdict(list, x=torch.ones(2)), META)) is defaultdict
    assert type(to_device(MappingProxyType({"x": torch.ones(2)}), META)) is dict


def test_a_batch_on_its_device_is_the_same_object() -> None:
    batch = {"a": torch.zeros(2)}
    assert to_device(batch, torch.device("cpu")) is batch


@pytest.mark.parametrize(
    ("batch", "rows"),
    [
        ({"a": torch.zeros(4, 2)}, 4),
        ([torch.zeros(5), torch.zeros(5)], 5),
        (("text", {"b": torch.zeros(6)}), 6),
        (Own(), 3),
        (pack_sequence([torch.zeros(3), torch.zeros(2)]), 2),
        ("nothing", 1),
        (torch.zeros(()), 1),
    ],
)
def test_rows_are_counted_by_the_first_tensor(batch: Any, rows: int) -> None:
    assert rows_in(batch) == rows


def test_tensors_are_named_by_their_way() -> None:
    batch = {"a": torch.zeros(1), "b": [torch.zeros(2), Pair(torch.zeros(3), "t")], "c": Sample(torch.zeros(4), "s")}
    assert {name: len(each) for name, each in tensors_in(batch).items()} == {"a": 1, "b.0": 2, "b.1.x": 3, "c.x": 4}
    assert tensors_in(torch.zeros(2)).keys() == {"batch"}
    assert change_tensors(batch, len)["b"][1].x == 3


def test_pieces_of_a_mapping_hold_texts_and_tensors_of_the_same_rows() -> None:
    batch = {"x": torch.arange(5), "text": list("abcde"), "in": {"y": torch.arange(5) * 2}, "scale": 3.0}
    pieces = list(micro_batches(batch, 5, 2))
    assert [each["text"] for each in pieces] == [["a", "b"], ["c", "d"], ["e"]]
    assert torch.cat([each["in"]["y"] for each in pieces]).tolist() == [0, 2, 4, 6, 8]
    assert all(each["scale"] == 3.0 for each in pieces)


class Ready(Rows):
    """Rows that are whole batches."""

    batched = True

    def take(self, indices: Tensor) -> Any:
        assert len(indices) == 1
        return [torch.full((int(indices) + 1,), float(indices))]


def test_ready_batches_come_in_their_order_and_are_joined_as_they_are() -> None:
    assert order_of(Ready(), 0, 3, SimpleNamespace(rows=4)).tolist() == [0, 1, 2, 3]
    assert len(batch_of(Ready(), torch.tensor([1]))[0]) == 2
    joined = batch_of(Ready(), torch.tensor([0, 1, 2]))
    assert isinstance(joined, Pieces)
    assert [len(each[0]) for each in micro_batches(joined, 3, 1)] == [1, 2, 3]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans())
@settings(max_examples=40, deadline=None)
def test_means_of_ragged_pieces_go_backwards_as_the_mean_of_all_rows(sizes: list[int], ready: bool) -> None:
    generator = torch.Generator().manual_seed(sum(sizes))
    x = torch.randn(sum(sizes), generator=generator, dtype=torch.float64)
    w, v = (torch.tensor(0.5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ((x * v) ** 2).mean().backward()
    backward, rows, items = Backward(), len(sizes) if ready else sum(sizes), 0
    for part in x.split(sizes):
        loss = as_loss(((part * w) ** 2).mean(), len(part))
        whole = len(sizes) == 1
        backward(loss, rows, whole=whole)
        items += rows if whole else int(loss.count)
    if items != rows:
        backward.finish([w.grad], rows, items)  # type: ignore[list-item]
    torch.testing.assert_close(w.grad, v.grad, rtol=1e-12, atol=1e-12)


def test_a_mean_in_one_piece_has_the_very_gradient_of_its_own_backward_pass() -> None:
    for rows in (3, 7, 49):
        x = torch.randn(rows)
        w, v = (torch.tensor(0.3, requires_grad=True) for _ in range(2))
        (x * v).exp().mean().backward()
        Backward()(as_loss((x * w).exp().mean(), rows), rows, whole=True)
        assert w.grad is not None and torch.equal(w.grad, v.grad)


def test_a_sum_in_one_piece_has_the_very_gradient_of_its_mean_whatever_its_items_are_beside_the_rows() -> None:
    for items in (3, 7, 49):
        x = torch.randn(items)
        w, v = (torch.tensor(0.3, requires_grad=True) for _ in range(2))
        (x * v).exp().mean().backward()
        loss = Loss((x * w).exp().sum(), items)
        assert has_own_mean(loss, whole=True) and not has_own_mean(loss, whole=False)
        Backward()(loss, 1, whole=True)  # one ready batch
        assert w.grad is not None and torch.equal(w.grad, v.grad)
    assert not has_own_mean(Loss(torch.tensor(0.0), 0), whole=True)
    assert not has_own_mean(Loss(torch.tensor(1.0), torch.tensor(3)), whole=True)


def test_every_form_of_a_loss_is_taken() -> None:
    one, two = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    given_loss = Loss(one, 3)
    assert as_loss(given_loss, 5) is given_loss
    assert as_loss(one.reshape(1), 5).total == 5
    weighted = as_loss({"a": one, "b": two}, 4, lambda name: {"a": 1.0, "b": 0.25}[name])
    assert weighted.mean == 1.5
    assert {name: float(part) for name, part in weighted.parts.items()} == {"a": 4.0, "b": 8.0}
    named = as_loss({"loss": two, "other": one, "text": "x"}, 2)
    assert named.mean == 2.0 and named.parts.keys() == {"other"}
    silent = as_loss({"a": one * float("inf"), "b": two}, 1, lambda name: float(name == "b"))
    assert silent.mean == 2.0  # a part of weight 0 does not make it NaN


@pytest.mark.parametrize("wrong", [None, 3, "x", [torch.zeros(1)], {}, {"a": "x"}, torch.zeros(2)])
def test_what_is_no_loss_is_refused_with_the_reason(wrong: Any) -> None:
    with pytest.raises(TrainwrightError) as error:
        as_loss(wrong, 2)
    assert error.value.fix


def test_outputs_of_an_evaluation_step_are_rows_first() -> None:
    batch = {"x": torch.zeros(3, 2)}
    assert as_outputs(None, batch) == {}
    assert as_outputs(torch.tensor(2.0), batch)["loss"].tolist() == [2.0] * 3
    assert as_outputs({"a": 1.5, "b": torch.ones(3, 4), "c": "text"}, batch).keys() == {"a", "b"}
    with pytest.raises(TrainwrightError, match="an evaluation step returned a list"):
        as_outputs([1], batch)


@pytest.mark.parametrize("sized", [True, False])
def test_a_limit_of_batches_counts_those_of_a_loader_as_it_counts_rows(sized: bool, tmp_path: Path) -> None:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] > 0).long())
    given_data: Any = data if sized else DataLoader(data, batch_size=8, shuffle=True)
    size = {"batch_size": 8} if sized else {}
    quiet = {"device": "cpu", "console": False, "trackers": []}
    result = tw.fit(nn.Linear(4, 2), given_data, given_data, max_epochs=3, limit_batches=2, run_dir=tmp_path, **size, **quiet)
    assert result.steps == 6


def test_rows_of_a_limited_dataset_are_drawn_anew_in_each_epoch() -> None:
    class Noisy(Dataset[Any]):
        def __len__(self) -> int:
            return 9

        def __getitem__(self, row: int) -> tuple[Tensor, int]:
            return torch.randn(2), 0

    head = FirstRows(DatasetRows(Noisy(), ["input", "target"]), 4)
    drawn = []
    for epoch in (0, 1, 0):
        head.begin_epoch(3, epoch)
        drawn.append(head.take(torch.arange(2))["input"])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
