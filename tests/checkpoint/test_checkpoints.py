"""Checkpoints are whole or not there, and what is read is what was written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from trainwright.checkpoint.manifest import FORMAT, Damaged, Manifest, read_manifest, verify
from trainwright.checkpoint.retention import BestK, LastK, Permanent, choose_kept, holders
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import RunError
from trainwright.files.tensors import NAMES, load_tensors, save_tensors


def write(store: CheckpointStore, step: int, *, kind: str = "full", best: list[int] | None = None) -> Path:
    store.folder.mkdir(parents=True, exist_ok=True)
    tensors = {"system.safetensors": {"w": torch.full((3,), float(step))}}
    manifest = store.write(Manifest(kind, step, best or []), tensors, {"trainer.json": {"step": step}} if kind == "full" else {})
    return store.folder / manifest.folder


def names(store: CheckpointStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_tensor_files_are_those_of_the_safetensors_library(tmp_path: Path) -> None:
    tensors = {f"t{number}": torch.arange(6).reshape(2, 3).to(dtype) for number, dtype in enumerate(NAMES) if dtype is not torch.bool}
    tensors |= {
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "strided": torch.arange(6).reshape(2, 3).T,
    }
    save_tensors(tmp_path / "ours", tensors)
    found = load_file(tmp_path / "ours")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in tensors.items())
    plain = {name: torch.rand(4, 2) for name in ("b", "a")}
    save_file(plain, tmp_path / "theirs")
    save_tensors(tmp_path / "mine", plain)
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "mine").read_bytes()


def test_tied_tensors_are_written_under_each_name(tmp_path: Path) -> None:
    weight = torch.rand(3, 3)
    save_tensors(tmp_path / "file", {"a": weight, "b": weight})
    found = load_tensors(tmp_path / "file")
    assert torch.equal(found["a"], weight)
    assert torch.equal(found["b"], weight)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 3)
    write(store, 12)
    latest = store.latest()
    assert latest is not None
    assert latest.manifest.step == 12
    assert latest.tensors("system.safetensors")["w"].tolist() == [12.0] * 3
    assert latest.document("trainer.json") == {"step": 12}


def test_every_flipped_bit_and_every_truncation_is_noticed(tmp_path: Path) -> None:
    folder = write(CheckpointStore(tmp_path), 7, best=[3])
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for place in range(len(content)):
            for damaged in (content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :], content[:place]):
                file.write_bytes(damaged)
                with pytest.raises((Damaged, RunError)):
                    verify(folder)
        file.unlink()
        with pytest.raises(Damaged):
            verify(folder)
        file.write_bytes(content)
    assert verify(folder).step == 7


def test_a_checkpoint_under_another_ones_name_is_damaged(tmp_path: Path) -> None:
    folder = write(CheckpointStore(tmp_path), 7)
    os.rename(folder, tmp_path / "step-00000008")
    with pytest.raises(Damaged, match="that of step-00000007"):
        read_manifest(tmp_path / "step-00000008")


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    from trainwright.checkpoint.manifest import digest

    folder = write(CheckpointStore(tmp_path), 7)
    body = json.loads((folder / "manifest.json").read_text())
    del body["digest"]
    body |= {"format": FORMAT + 1, "files": "in a way not known yet"}
    (folder / "manifest.json").write_text(json.dumps({**body, "digest": digest(body)}))
    with pytest.raises(RunError, match="newer Trainwright"):
        CheckpointStore(tmp_path).latest()
    assert names(CheckpointStore(tmp_path)) == ["step-00000007"]


def test_damaged_ones_are_set_aside_under_names_of_their_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 1)
    for _ in range(2):
        (write(store, 2) / "system.safetensors").unlink()
        latest = store.latest()
        assert latest is not None
        assert latest.manifest.step == 1
    assert names(store) == ["step-00000001", "step-00000002-2.damaged", "step-00000002.damaged"]
    assert "system.safetensors is missing" in caplog.text


def test_when_all_are_damaged_that_is_said(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (write(store, 1) / "trainer.json").write_text("{}")
    with pytest.raises(RunError, match="no checkpoint of this run can be used"):
        store.latest()
    assert CheckpointStore(tmp_path / "none").latest() is None


def test_one_whose_best_weights_are_lost_gives_way_to_one_before_it_that_has_its_own(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 4, best=[4])
    write(store, 6, kind="weights")
    write(store, 8, best=[6])
    (tmp_path / "weights-00000006/system.safetensors").write_bytes(b"?")
    latest = store.latest()
    assert latest is not None
    assert latest.manifest.step == 4


def test_what_a_killed_writer_left_is_swept_and_a_replaced_one_is_put_back(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 1)
    write(store, 2)
    (tmp_path / ".step-00000003.tmp").mkdir()
    (tmp_path / ".step-00000003.tmp" / "system.safetensors").write_bytes(b"half")
    os.rename(tmp_path / "step-00000002", tmp_path / ".step-00000002.old")
    store.prepare()
    assert names(store) == ["step-00000001", "step-00000002"]


def test_writing_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 5)
    write(store, 5, best=[5])
    assert names(store) == ["step-00000005"]
    assert verify(tmp_path / "step-00000005").best == [5]


def test_a_full_disk_leaves_the_others_untouched_and_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(tmp_path)
    write(store, 1)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainwright.checkpoint.writer.os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write(store, 2)
    assert names(store) == ["step-00000001"]


@given(
    steps=st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=12),
    best=st.lists(st.integers(0, 50), unique=True, max_size=3),
    last=st.integers(1, 4),
    count=st.integers(1, 3),
)
def test_the_newest_and_what_it_refers_to_are_always_kept(steps: list[int], best: list[int], last: int, count: int) -> None:
    found = [Manifest("full", step, best) for step in sorted(steps)] + [Manifest("weights", step) for step in best if step not in steps]
    wanted = choose_kept(found, [LastK(last), BestK(count)])
    full = sorted(step for step in steps)
    assert {f"step-{step:08d}" for step in full[-last:]} <= wanted
    assert holders(found, best) <= wanted
    assert len(wanted) <= last + len(best)


def test_permanent_ones_stay_and_all_stay_where_that_is_asked_for() -> None:
    found = [Manifest("full", step, kept=step % 10 == 0) for step in (5, 10, 12, 20, 21)] + [Manifest("weights", 22, kept=True)]
    assert choose_kept(found, [Permanent(), LastK(1)]) == {"step-00000010", "step-00000020", "step-00000021", "weights-00000022"}
    assert len(choose_kept(found, [LastK(None)])) == 5
