"""A writer writes requests whole or says what became of them; it needs no run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from trainwright.checkpoint.manifest import Manifest, verify
from trainwright.checkpoint.retention import BestK, LastK, Retention
from trainwright.checkpoint.snapshot import Torn, keys_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.engine.saving import writing
from trainwright.engine.saving.when import Due
from trainwright.engine.saving.writing import AsyncWriter, SaveRequest

KEPT = Retention((LastK(1), BestK(1)))


def tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"system.safetensors": {"w": torch.full((1000,), value)}, "optimizer.safetensors": {"m": torch.full((1000,), value)}}


def request(step: int, best: list[int] | None = None, **more: Any) -> SaveRequest:
    return SaveRequest(Due(whole=True), [Manifest("full", step, best or [], name=f"at-{step}")], KEPT, b"{}", **more)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SMALL", 0)


def writer(folder: Path, background: bool = True) -> AsyncWriter:
    store = CheckpointStore(folder)
    store.prepare()
    return AsyncWriter(store, background)


@pytest.mark.usefixtures("large")
def test_what_is_written_is_what_the_tensors_were_when_it_was_asked_for(tmp_path: Path) -> None:
    made, live = writer(tmp_path), tensors(1.0)
    made.prepare(live)
    assert made.wait() is None
    assert made.write(request(1), live, keys_of(live["system.safetensors"].values()), wait=False) is None
    live["optimizer.safetensors"]["m"].zero_()
    assert made.holds_changes
    made.hold_changes()
    live["system.safetensors"]["w"].zero_()
    outcome = made.wait()
    assert outcome is not None
    assert outcome.error is None
    checkpoint = made.store.at(1)
    assert checkpoint is not None
    for name, each in tensors(1.0).items():
        assert all(torch.equal(checkpoint.tensors(name)[key], tensor) for key, tensor in each.items())
    assert made.written_seconds > 0
    assert made.poll() is None


def test_a_small_state_is_written_at_once(tmp_path: Path) -> None:
    made = writer(tmp_path)
    outcome = made.write(request(1), tensors(1.0), set(), wait=False)
    assert outcome is not None
    assert outcome.error is None
    assert not made.busy
    assert verify(tmp_path / "step-00000001").name == "at-1"


@pytest.mark.usefixtures("large")
def test_who_may_not_write_in_the_background_waits(tmp_path: Path) -> None:
    for background, wait in ((False, False), (True, True)):
        made = writer(tmp_path / f"{background}", background)
        assert made.write(request(1), tensors(1.0), set(), wait=wait) is not None


@pytest.mark.usefixtures("large")
def test_best_weights_of_before_are_written_first_and_what_is_not_kept_goes(tmp_path: Path) -> None:
    made = writer(tmp_path)
    for step, best in ((1, [1]), (2, [1])):
        made.write(request(step, best), tensors(step), set(), wait=False)
        made.wait()
    held = {3: {"w": torch.full((1000,), 3.0)}}
    made.write(request(4, [3], held=held, values={3: 0.5}), tensors(4.0), set(), wait=False)
    outcome = made.wait()
    assert outcome is not None
    assert outcome.request.held == held
    assert [each.folder for each in made.store.list_manifests()] == ["weights-00000003", "step-00000004"]
    assert verify(tmp_path / "weights-00000003").value == 0.5


@pytest.mark.usefixtures("large")
def test_weights_alone_are_those_that_are_evaluated(tmp_path: Path) -> None:
    made = writer(tmp_path)
    given = tensors(1.0) | {"evaluated.safetensors": {"w": torch.full((1000,), 7.0)}}
    made.write(SaveRequest(Due(weights=True), [Manifest("weights", 5, kept=True)], Retention()), given, set(), wait=False)
    made.wait()
    checkpoint = made.store.at(5)
    assert checkpoint is not None
    assert [path.name for path in checkpoint.folder.iterdir() if path.suffix == ".safetensors"] == ["system.safetensors"]
    assert checkpoint.tensors("system.safetensors")["w"][0] == 7.0


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.usefixtures("large")
def test_a_disk_that_refuses_is_an_outcome_with_what_was_to_be_written(
    background: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = writer(tmp_path, background)

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("trainwright.checkpoint.writer.os.fsync", refuse)
        outcome = made.write(request(1), tensors(1.0), set(), wait=False) or made.wait()
    assert outcome is not None
    assert isinstance(outcome.error, OSError)
    assert (outcome.copies is not None) is background
    assert not list(tmp_path.iterdir())
    outcome = made.write(request(2), tensors(2.0), set(), wait=False) or made.wait()
    assert outcome is not None
    assert outcome.error is None


@pytest.mark.usefixtures("large")
def test_tensors_changed_before_they_were_copied_make_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, live = writer(tmp_path), tensors(1.0)
    monkeypatch.setattr(writing.Background, "_run", lambda self: None)  # the thread comes too late
    made.write(request(1), live, keys_of(live["system.safetensors"].values()), wait=False)
    live["system.safetensors"]["w"].add_(1)
    outcome = made.wait()
    assert outcome is not None
    assert isinstance(outcome.error, Torn)
    assert made.store.list_manifests() == []


@pytest.mark.usefixtures("large")
def test_without_memory_for_a_copy_it_is_written_at_once_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = writer(tmp_path)

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(writing, "Snapshot", full)
    assert made.write(request(1), tensors(1.0), set(), wait=False) is not None
    assert made.write(request(2), tensors(1.0), set(), wait=False) is not None
    assert caplog.text.count("there is no memory for a copy") == 1
