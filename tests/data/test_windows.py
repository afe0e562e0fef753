"""Rows cut into windows: which there are, and how their outputs become one answer for each row, whatever the batches were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainwright.data.joined_windows import Joining, join_all
from trainwright.data.order import bucketed_order, epoch_order
from trainwright.data.window_options import WindowConfig
from trainwright.data.windows import Windows, count_windows

KINDS = {"y": "category", "s": "set", "n": "number"}


def by_hand(length: int, size: int, stride: int, rest: str) -> list[int]:
    """Lengths of the windows of a row, found by walking along it."""
    found, start = [], 0
    while start + size <= length:
        found.append(size)
        start += stride
    reached = 0 if not found else (len(found) - 1) * stride + size
    if rest != "drop" and start < length and reached < length:
        found.append(length - start)
    return found or ([] if rest == "drop" else [length])


@pytest.mark.parametrize("rest", ["pad", "drop", "short"])
@pytest.mark.parametrize("stride", [1, 2, 3, 5, 8])
def test_windows_are_those_that_walking_along_a_row_finds(rest: str, stride: int) -> None:
    options = WindowConfig(length=3, stride=stride, rest=rest)
    lengths = np.arange(1, 30)
    expected = [by_hand(int(length), 3, stride, rest) for length in lengths]
    assert count_windows(options, lengths).tolist() == list(map(len, expected))
    windows = Windows(options, lengths[3:], {})
    wanted = [size if rest == "short" else 3 for each in expected[3:] for size in each]
    assert windows.sizes().tolist() == wanted and len(windows) == len(wanted)


def test_each_window_is_found_in_its_row() -> None:
    windows = Windows(WindowConfig(length=4, stride=2), np.array([4, 9, 0, 5]), {})
    assert windows.counts.tolist() == [1, 4, 1, 2]  # a row without a file is one empty sample
    rows, places = windows.locate(np.arange(8))
    assert rows.tolist() == [0, 1, 1, 1, 1, 2, 3, 3] and places.tolist() == [0, 0, 1, 2, 3, 0, 0, 1]
    assert windows.rows().tolist() == rows.tolist()


def outputs(windows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(windows, 3, generator=generator).softmax(1)
    return {
        "y.scores": scores,
        "y.truth": torch.arange(windows),
        "y.loss": torch.rand(windows, generator=generator),
        "s.scores": torch.rand(windows, 2, generator=generator),
        "n.scores": torch.rand(windows, generator=generator, dtype=torch.float64),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_row_has_the_mean_of_its_windows_bit_for_bit_in_batches_of_any_size(size: int) -> None:
    windows = Windows(WindowConfig(length=2, stride=1), np.array([5, 1, 30, 2, 9]), KINDS)
    given, joining = outputs(len(windows)), Joining(windows)
    pieces = [joining.add({name: each[at : at + size] for name, each in given.items()}) for at in range(0, len(windows), size)]
    found = {name: torch.cat([each[name] for each in pieces]) for name in given}
    assert joining.rest() == {}
    whole = Joining(windows).add(given)
    for name, each in found.items():
        assert torch.equal(each, whole[name])
    starts = windows.ends - windows.counts
    assert found["y.truth"].tolist() == starts.tolist()
    for row, (start, end) in enumerate(zip(starts, windows.ends, strict=True)):
        for name in ("y.scores", "y.loss", "s.scores", "n.scores"):
            torch.testing.assert_close(found[name][row], given[name][start:end].double().mean(0).to(given[name].dtype))
    assert np.array_equal(join_all(windows, {"y": given["y.scores"].numpy()})["y"], found["y.scores"].numpy())


def test_windows_vote_for_classes_and_labels() -> None:
    windows = Windows(WindowConfig(length=1, join="vote"), np.array([3, 2]), KINDS)
    scores = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.45, 0.55], [0.7, 0.3], [0.8, 0.2]])
    found = Joining(windows).add({"y.scores": scores, "s.scores": scores})
    torch.testing.assert_close(found["y.scores"], torch.tensor([[1 / 3, 2 / 3], [1.0, 0.0]]))
    torch.testing.assert_close(found["s.scores"], torch.tensor([[1 / 3, 2 / 3], [1.0, 0.0]]))


def test_a_row_of_which_some_windows_came_has_their_mean() -> None:
    windows = Windows(WindowConfig(length=1), np.array([2, 4]), {})
    joining = Joining(windows)
    assert joining.add({"y.scores": torch.tensor([1.0, 3.0, 5.0, 6.0])})["y.scores"].tolist() == [2.0]
    assert joining.rest()["y.scores"].tolist() == [5.5]


@pytest.mark.parametrize("size", [1, 4, 7, 40])
def test_batches_are_of_one_bucket_and_hold_every_row_once(size: int) -> None:
    buckets = np.random.default_rng(0).integers(0, 5, 100)
    order = bucketed_order(epoch_order(3, 1, 100), buckets, size, 3, 1)
    assert sorted(order.tolist()) == list(range(100))
    assert torch.equal(order, bucketed_order(epoch_order(3, 1, 100), buckets, size, 3, 1))
    assert size == 40 or not torch.equal(order, bucketed_order(epoch_order(3, 2, 100), buckets, size, 3, 2))
    batches = [set(buckets[order.numpy()[at : at + size]]) for at in range(0, 100 - size + 1, size)]
    whole = sum(int(np.sum(buckets == each)) // size for each in range(5))
    assert sum(len(each) == 1 for each in batches) >= whole
