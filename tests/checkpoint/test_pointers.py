"""Second names lead to checkpoints, and nothing takes them for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from trainwright.checkpoint.manifest import Manifest, read_manifest
from trainwright.checkpoint.names import check_pattern, second_name
from trainwright.checkpoint.options import CheckpointConfig
from trainwright.checkpoint.pointers import follow_pointer, target_of
from trainwright.checkpoint.retention import BestK, LastK, Permanent, Retention
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import ConfigError

FILES = {"system.safetensors": {"w": torch.ones(3)}, "optimizer.safetensors": {"m": torch.ones(3)}}


ONE, TWO = Retention((LastK(1), BestK(1))), Retention((LastK(2), BestK(1)))
REDUCING = Retention((LastK(1), BestK(1), Permanent()), ("system.safetensors", "evaluated.safetensors"))


def save(store: CheckpointStore, retention: Retention, step: int, best: list[int], name: str = "", kept: bool = False) -> None:
    store.write(Manifest("full", step, best, kept=kept, name=name), FILES, {"trainer.json": {}})
    store.prune(retention)
    store.point()


def links(folder: Path) -> dict[str, str]:
    return {path.name: target for path in folder.iterdir() if (target := target_of(path)) is not None}


def test_last_best_and_names_follow_what_is_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for step, best in ((1, [1]), (2, [1]), (3, [3]), (4, [3])):
        save(store, ONE, step, best, f"at-{step}")
    assert links(tmp_path) == {"last": "step-00000004", "best": "step-00000003", "at-3": "step-00000003", "at-4": "step-00000004"}
    assert [each.step for each in store.list_manifests()] == [3, 4]
    assert follow_pointer(tmp_path / "best") == tmp_path / "step-00000003"
    latest = store.latest()
    assert latest is not None
    assert latest.folder.name == "step-00000004"


def test_where_links_cannot_be_made_a_text_file_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    store = CheckpointStore(tmp_path)
    save(store, ONE, 1, [1], "at-1")
    save(store, ONE, 2, [2], "at-2")
    assert (tmp_path / "last").read_text() == "step-00000002\n"
    assert links(tmp_path) == {"last": "step-00000002", "best": "step-00000002", "at-2": "step-00000002"}
    assert [each.step for each in store.list_manifests()] == [2]


def test_what_is_not_a_pointer_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "last").write_text("notes of my own")
    (tmp_path / "best").mkdir()
    os.symlink("elsewhere", tmp_path / "mine")
    save(CheckpointStore(tmp_path), ONE, 1, [1])
    assert (tmp_path / "last").read_text() == "notes of my own"
    assert (tmp_path / "best").is_dir()
    assert (tmp_path / "mine").is_symlink()


def test_a_damaged_checkpoint_is_set_aside_and_its_link_is_not(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    save(store, TWO, 1, [1], "first")
    save(store, TWO, 2, [1], "second")
    (tmp_path / "step-00000002/optimizer.safetensors").write_bytes(b"")
    latest = store.latest()
    assert latest is not None
    assert latest.manifest.step == 1
    assert (tmp_path / "step-00000002.damaged").is_dir()
    store.point()
    assert links(tmp_path) == {"last": "step-00000001", "best": "step-00000001", "first": "step-00000001"}


def test_those_kept_only_as_the_best_are_reduced_to_their_weights(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    save(store, REDUCING, 1, [1])
    save(store, REDUCING, 2, [1], kept=True)
    save(store, REDUCING, 3, [1])
    save(store, REDUCING, 4, [1])
    assert sorted(each.folder for each in store.list_manifests()) == ["step-00000002", "step-00000004", "weights-00000001"]
    best = store.at(1)
    assert best is not None
    assert best.tensors("system.safetensors")["w"].tolist() == [1.0] * 3
    assert best.tensors("optimizer.safetensors") == {}
    assert target_of(tmp_path / "best") == "weights-00000001"


def test_weights_written_to_stay_are_not_taken_for_those_of_a_checkpoint_reduced_at_the_same_step(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.write(Manifest("weights", 1, kept=True), {"system.safetensors": FILES["system.safetensors"]}, {})
    for step, best in ((1, [1]), (2, [1]), (3, [3]), (4, [4])):
        save(store, REDUCING, step, best)
    assert sorted(each.folder for each in store.list_manifests()) == ["step-00000004", "weights-00000001"]
    assert read_manifest(tmp_path / "weights-00000001").kept


def test_a_reduced_checkpoint_is_what_its_evaluated_weights_alone_would_have_been(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    raw, averaged = {"w": torch.zeros(3), "buffer": torch.ones(1)}, {"w": torch.full((3,), 7.0)}
    files = {"system.safetensors": raw, "evaluated.safetensors": averaged, "optimizer.safetensors": raw}
    store.write(Manifest("full", 1, [1], value=0.5), files, {"trainer.json": {}})
    save(store, REDUCING, 2, [1])
    alone = CheckpointStore(tmp_path / "alone")
    alone.write(Manifest("weights", 1, value=0.5), {"system.safetensors": raw | averaged}, {})
    for path in (tmp_path / "alone/weights-00000001").iterdir():
        assert (tmp_path / "weights-00000001" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("left_out", ["point", "prune"])
def test_what_a_killed_process_left_undone_follows_from_the_checkpoints_alone(left_out: str, tmp_path: Path) -> None:
    stores = [CheckpointStore(tmp_path / name) for name in ("whole", "killed")]
    for store in stores:
        for step, best in ((1, [1]), (2, [1]), (3, [3])):
            save(store, REDUCING, step, best, f"at-{step}", kept=step == 2)
        store.write(Manifest("full", 4, [3], name="at-4"), FILES, {"trainer.json": {}})
    stores[0].prune(REDUCING)
    stores[0].point()
    getattr(stores[1], {"point": "prune", "prune": "point"}[left_out])(*([REDUCING] if left_out == "point" else []))
    stores[1].prune(REDUCING)
    stores[1].point()
    left = [{str(path.relative_to(store.folder)) for path in store.folder.rglob("*")} for store in stores]
    assert left[0] == left[1]
    assert links(stores[0].folder) == links(stores[1].folder)
    assert "at-4" in links(stores[0].folder)


def test_a_manifest_without_the_new_field_is_written_and_read_as_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    save(store, Retention(), 1, [1])
    save(store, Retention(), 2, [1], kept=True)
    save(store, Retention(), 3, [1], "third")
    assert '"format": 3' in (tmp_path / "step-00000003/manifest.json").read_text()
    assert read_manifest(tmp_path / "step-00000003").name == "third"
    assert '"format": 1' in (tmp_path / "step-00000001/manifest.json").read_text()
    assert '"kept"' not in (tmp_path / "step-00000001/manifest.json").read_text()
    assert '"format": 2' in (tmp_path / "step-00000002/manifest.json").read_text()
    assert not read_manifest(tmp_path / "step-00000001").kept
    assert read_manifest(tmp_path / "step-00000002").kept


def test_names_carry_metrics_and_no_slash() -> None:
    values = {"step": 1200, "epoch": 3, "validation/loss": 0.34567, "validation/species.accuracy": 0.5}
    assert second_name("{step:08d}-{validation/loss:.3f}", values) == "00001200-0.346"
    assert second_name("e{epoch}/s{step} acc={validation/species.accuracy:.2f}", values) == "e3.s1200 acc=0.50"
    assert second_name("{step}-{test/loss:.3f}", values) == "1200--"
    assert second_name("{step}-{validation/loss:.3f}", values | {"validation/loss": float("nan")}) == "1200-nan"


@pytest.mark.parametrize("pattern", ["{epoch}", "step-{step:08d}", "{step", "{step:q}", "..{step}", "{step:0300d}", "{step}{x:d}"])
def test_patterns_that_could_not_be_second_names_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        check_pattern(pattern)
    with pytest.raises(ValidationError):
        CheckpointConfig.model_validate({"name": pattern})


@pytest.mark.parametrize(
    "given", [{"keep_last": 0}, {"keep_last": "none"}, {"keep_best": 0}, {"keep_every": "0 steps"}, {"min_interval": "3 steps"}]
)
def test_settings_that_could_lose_a_run_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CheckpointConfig.model_validate(given)


def test_all_may_be_kept() -> None:
    assert CheckpointConfig.model_validate({"keep_last": "all"}).keep_last == "all"
