"""A snapshot is what the tensors were, whoever copied it, and says so when it cannot be."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.checkpoint.background import Background
from trainwright.checkpoint.snapshot import PIECE, Snapshot, SnapshotMemory, Torn, keys_of, size_of


def state() -> dict[str, dict[str, torch.Tensor]]:
    weight = torch.randn(300, 70)
    return {
        "system": {
            "weight": weight,
            "tied": weight,
            "turned": torch.randn(4, 9).T,
            "half": torch.randn(5).half(),
            "brain": torch.randn(3, 3).bfloat16(),
            "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "mask": torch.tensor([True, False]),
            "scalar": torch.tensor(3.5, dtype=torch.float64),
            "none": torch.zeros(0, 4),
            "complex": torch.randn(3, dtype=torch.complex64).conj(),
        },
        "optimizer": {"moment": torch.randn(PIECE // 4 * 2 + 77), "step": torch.tensor(7.0)},
    }


def clones(files: dict[str, dict[str, torch.Tensor]]) -> dict[str, dict[str, torch.Tensor]]:
    return {name: {key: tensor.clone() for key, tensor in each.items()} for name, each in files.items()}


def same(first: dict[str, dict[str, torch.Tensor]], second: dict[str, dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(first[name][key], second[name][key]) for name in first for key in first[name])


@settings(deadline=None, max_examples=30)
@given(
    chosen=st.sets(st.sampled_from(["weight", "turned", "half", "last", "scalar", "complex", "moment", "step"])), helpers=st.integers(0, 3)
)
def test_a_copy_is_what_the_tensors_were_when_changes_waited_for_it(chosen: set[str], helpers: int) -> None:
    files = state()
    before = clones(files)
    every = {key: tensor for each in files.values() for key, tensor in each.items()}
    deferred = keys_of([every[name] for name in chosen])
    snapshot = Snapshot(files, SnapshotMemory(), deferred)
    for name, tensor in every.items():
        if name not in chosen and name != "tied" and tensor.numel():
            tensor.zero_()
    threads = [threading.Thread(target=snapshot.copy) for _ in range(helpers)]
    for thread in threads:
        thread.start()
    snapshot.hold_changes()
    for tensor in every.values():
        tensor.zero_()
    for thread in threads:
        thread.join()
    expected = clones(before)
    if "weight" in chosen:
        assert torch.equal(snapshot.files["system"]["weight"], before["system"]["weight"])
    snapshot.wait()
    assert same(snapshot.files, expected)
    assert snapshot.files["system"]["tied"].data_ptr() == snapshot.files["system"]["weight"].data_ptr()


def test_a_tensor_changed_while_it_was_to_be_copied_is_noticed() -> None:
    files = state()
    snapshot = Snapshot(files, SnapshotMemory(), keys_of(files["optimizer"].values()))
    files["optimizer"]["moment"].add_(1)
    with pytest.raises(Torn):
        snapshot.wait()


def test_memory_is_used_again_and_the_next_snapshot_is_right_too() -> None:
    memory, files = SnapshotMemory(), state()
    size = size_of(files)
    assert list(memory.touching(size))
    place = memory.reserve(size).data_ptr()
    for _ in range(3):
        files["optimizer"]["moment"].add_(1)
        snapshot = Snapshot(files, memory, keys_of(files["optimizer"].values()))
        snapshot.wait()
        assert same(snapshot.files, files)
        assert memory.reserve(size).data_ptr() == place
    memory.free()
    assert not torch.equal(memory.reserve(16), torch.empty(0))


def test_each_distinct_tensor_is_copied_once() -> None:
    weight = torch.randn(1000)
    assert size_of({"a": {"x": weight, "y": weight}, "b": {"z": weight}}) == -(-4000 // 64) * 64


def test_who_waits_does_the_rest_of_the_work_and_hears_of_its_error() -> None:
    held, done, by = threading.Event(), [], set()

    def pieces() -> object:
        held.wait()
        for number in range(50):
            done.append(number)
            by.add(threading.get_ident())
            yield
        raise OSError(5, "Input/output error")

    task = Background(pieces())  # type: ignore[arg-type]
    assert not task.done
    held.set()
    task.wait()
    assert task.done
    assert done == list(range(50))
    assert threading.get_ident() in by or len(by) == 1
    assert isinstance(task.error, OSError)


def test_work_that_is_stopped_ends_after_its_piece() -> None:
    begun = threading.Event()

    def endless() -> object:
        while True:
            begun.set()
            yield

    task = Background(endless())  # type: ignore[arg-type]
    begun.wait()
    task.stop()
    task.wait()
    assert task.done
    assert task.error is None


def test_work_that_rests_is_done_at_once_by_who_waits_for_it() -> None:
    done = []

    def pieces() -> object:
        for number in range(5):
            done.append(sum(range(200_000)) and number)
            yield

    task = Background(pieces(), rest=1e6)  # type: ignore[arg-type]
    task.wait()
    assert task.done
    assert done == list(range(5))


def test_work_that_rests_ends_by_itself_too() -> None:
    task = Background(iter([None] * 5), rest=2.0)
    while not task.done:
        threading.Event().wait(0.001)
    assert task.error is None
