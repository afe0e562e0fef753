"""A batch from a worker is the batch that was packed: numbers, types, shapes and alignment, by bytes or by shared memory."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from trainwright.data.placed import Placed, PlacedBlocks
from trainwright.engine.packed import ALIGNED, Packed, pack, unpack


def mixed() -> dict[str, torch.Tensor]:
    return {
        "x": torch.randn(3, 1, 7),
        "half": torch.randn(5).half(),
        "n": torch.arange(3),
        "flag": torch.tensor([True, False, True]),
        "one": torch.tensor(2.5, dtype=torch.float64),
        "c": torch.randn(2, 2, dtype=torch.complex64),
    }


@pytest.mark.parametrize("sent", [1 << 20, 0])
def test_a_batch_comes_as_it_was_and_aligned_as_torch_allocates(sent: int) -> None:
    batch = mixed()
    packed = pack(7, batch, sent)
    assert isinstance(packed, Packed) and packed.number == 7
    assert isinstance(packed.memory, bytes) if sent else packed.memory.is_shared()
    found = unpack(pickle.loads(pickle.dumps(packed)) if sent else packed)
    assert list(found) == list(batch)
    for name, each in batch.items():
        assert found[name].dtype == each.dtype and found[name].shape == each.shape and torch.equal(found[name], each)
        assert found[name].data_ptr() % ALIGNED == 0
    found["x"].add_(1)  # what a step changes in place is its own


@pytest.mark.parametrize("sent", [1 << 20, 0])
@pytest.mark.parametrize("kind", [Placed, PlacedBlocks])
def test_pairs_by_place_are_packed_and_come_back_as_what_they_were(kind: Any, sent: int) -> None:
    x, y = torch.randn(4, 3), torch.arange(4)
    packed = pack(3, Placed([x, y]) if kind is Placed else PlacedBlocks(input=x, target=y), sent)
    assert isinstance(packed, Packed)
    found = unpack(pickle.loads(pickle.dumps(packed)) if sent else packed)
    assert type(found) is kind and list(found.keys()) == ["input", "target"]
    first, second = found
    assert torch.equal(first, x) and torch.equal(second, y) and torch.equal(found["target"], y) and torch.equal(found[0], x)


def others() -> list[Any]:
    whole = torch.randn(4, 6)
    return [
        [whole],
        Placed([whole, ["a", "b"]]),
        PlacedBlocks(input=whole.T),
        {"x": whole, "text": ["a", "b"]},
        {"x": whole.T},
        {"x": whole, "again": whole},
        {"x": torch.zeros(0, 3)},
        {"x": torch.nn.Parameter(whole)},
        {},
    ]


@pytest.mark.parametrize("batch", others(), ids=range(len(others())))
def test_what_is_more_than_bytes_and_shape_goes_as_it_is(batch: Any) -> None:
    assert pack(1, batch) == (1, batch)
    assert unpack(pack(1, batch)) is batch
