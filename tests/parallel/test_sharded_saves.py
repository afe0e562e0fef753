"""Ranks that hold parts save them together, all or none, and any number of ranks goes on from them. Real processes over gloo."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from separable import OPTIONS, joined, state_of, train
from torch import Tensor

from trainwright.checkpoint import snapshot
from trainwright.checkpoint.store import CheckpointStore, verify_checkpoint
from trainwright.config.errors import Interrupted, RunError
from trainwright.engine.callbacks import Callback
from trainwright.engine.saving import sharing
from trainwright.parallel.world import World

WAITING = OPTIONS["checkpoint"] | {"background": False}
"""What is due does not depend on how fast the disk is."""


BLOCKS = {"type": "adamw_8bit", "smallest": 1}
"""Its state is in blocks over what a rank has, which are no part of a whole tensor."""


class At(Callback):
    """Does something once, after a step."""

    every_rank = True

    def __init__(self, step: int, act: Any) -> None:
        self.step, self.act = step, act

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            self.act(session)


def stopped(world: World, folder: Path, rank: int = 0, step: int = 13, **options: Any) -> None:
    """A run that a signal to one rank ends."""
    here = [At(step, lambda session: os.kill(os.getpid(), signal.SIGTERM))] if world.rank == rank else []
    with pytest.raises(Interrupted, match="stopped and saved"):
        train(world, folder, here, **options)


def two_ranks(world: World, folder: Path) -> dict[str, Any]:
    place = folder / "runs"
    world.first(lambda: place.mkdir())
    found: dict[str, Any] = {"unbroken": state_of(train(world, place / "unbroken"))}
    stopped(world, place / "stopped", rank=1)
    for name in ("again", "alone", "three"):
        world.first(partial(shutil.copytree, place / "stopped", place / name, symlinks=True))
    found["again"] = state_of(train(world, place / "again"))
    train(world, place / "waiting-two", checkpoint=WAITING)
    found["blocks"] = state_of(train(world, place / "blocks", optimizer=BLOCKS))
    stopped(world, place / "blocks-stopped", optimizer=BLOCKS)
    world.first(partial(shutil.copytree, place / "blocks-stopped", place / "blocks-alone", symlinks=True))
    found["blocks again"] = state_of(train(world, place / "blocks-stopped", optimizer=BLOCKS))
    found["disk"] = full_disk(world, place / "disk")
    found["torn"] = torn(world, place / "torn")
    found["other disk"] = other_disk(world, folder, place)
    found["missing"] = missing(world, place)
    return found


def full_disk(world: World, place: Path) -> dict[str, Any]:
    """The disk refuses rank 1 once, at the save of step 6."""
    whole, said = sharing.writing_files, list[str]()

    def refuse(hidden: Path, *given: Any) -> Any:
        if world.rank == 1 and hidden.name == ".step-00000006.tmp":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(hidden, *given)

    def look(session: Any) -> None:
        session.parts.saver.wait()
        said.extend(sorted(path.name for path in (place / "checkpoints").iterdir()))

    sharing.writing_files = refuse
    try:
        weights = state_of(train(world, place, [At(7, look)]))
    finally:
        sharing.writing_files = whole
    return {"weights": weights, "there": said}


def torn(world: World, place: Path) -> dict[str, Tensor]:
    """A tensor is changed while rank 1 copies it at step 3."""
    end = snapshot.Snapshot._end
    done: list[int] = []

    def tear(self: Any) -> None:
        if world.rank == 1 and self._versions and not done:
            done.append(1)
            self._versions = [(tensor, version - 1) for tensor, version in self._versions]
        end(self)

    snapshot.Snapshot._end = tear  # type: ignore[method-assign]
    try:
        return state_of(train(world, place))
    finally:
        snapshot.Snapshot._end = end  # type: ignore[method-assign]


def other_disk(world: World, folder: Path, place: Path) -> str:
    """Rank 1 goes on in a copy of the run's directory that lacks the newest parts."""
    world.first(lambda: shutil.copytree(place / "stopped", place / "here", symlinks=True))
    world.first(lambda: shutil.copytree(place / "stopped", folder / "there", symlinks=True))
    if world.rank == 1:
        for path in (folder / "there").rglob("*.rank-*.safetensors"):
            path.unlink()
    world.barrier()
    with pytest.raises(RunError) as caught:
        train(world, place / "here" if world.is_main else folder / "there")
    return f"{caught.value.what} | {caught.value.why} | {sorted(each.name for each in (place / 'here/checkpoints').iterdir())}"


def missing(world: World, place: Path) -> dict[str, Any]:
    """The part of rank 1 of the newest checkpoint is gone."""
    world.first(lambda: shutil.copytree(place / "stopped", place / "missing", symlinks=True))
    newest = max((place / "missing/checkpoints").glob("step-*"))
    world.first((newest / "system.rank-1.safetensors").unlink)
    begun: list[int] = []
    weights = state_of(train(world, place / "missing", [First(begun)]))
    return {"weights": weights, "newest": newest.name, "begun": begun[0]}


class First(Callback):
    """Notes the step from which a run goes on."""

    every_rank = True

    def __init__(self, begun: list[int]) -> None:
        self.begun = begun

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.begun.append(session.step)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("sharded")
    ranks = on_ranks(folder, two_ranks)
    return folder / "runs", ranks, state_of(train(World(), folder / "runs/one"))


Runs = tuple[Path, list[dict[str, Any]], dict[str, Tensor]]


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_two_ranks_with_parts_end_as_one_process(runs: Runs) -> None:
    _, ranks, one = runs
    assert same(joined([each["unbroken"] for each in ranks]), one)


def test_a_run_of_two_ranks_goes_on_under_two_one_and_three(runs: Runs, tmp_path: Path) -> None:
    place, ranks, one = runs
    assert same(joined([each["again"] for each in ranks]), one)
    assert same(state_of(train(World(), place / "alone")), one)
    three = on_ranks(tmp_path / "three", lambda world, folder: state_of(train(world, place / "three")), 3)
    assert same(joined(three), one)


def test_a_run_of_one_process_goes_on_under_three_and_then_under_two(runs: Runs, tmp_path: Path) -> None:
    _, _, one = runs
    stopped(World(), tmp_path / "run", step=7)
    on_ranks(tmp_path / "three", lambda world, folder: stopped(world, tmp_path / "run", step=13), 3)
    assert (tmp_path / "run/checkpoints/last").resolve().name > "step-00000013"
    assert verify_checkpoint((tmp_path / "run/checkpoints/last").resolve()).manifest.made_by == "fsdp × 3"
    two = on_ranks(tmp_path / "two", lambda world, folder: state_of(train(world, tmp_path / "run")), 2)
    assert same(joined(two), one)


def test_each_rank_writes_its_part_and_what_all_have_is_written_once(runs: Runs) -> None:
    place, _, _ = runs
    last = (place / "stopped/checkpoints/last").resolve()
    names = {path.name for path in last.iterdir()}
    assert {"system.rank-0.safetensors", "system.rank-1.safetensors", "optimizer.rank-1.safetensors", "layout.json"} <= names
    assert {"evaluated.rank-1.safetensors", "running.safetensors", "trainer.json"} <= names
    checkpoint = verify_checkpoint(last)
    assert checkpoint.manifest.made_by == "fsdp × 2"
    assert [part.file for part in checkpoint.layout["system.safetensors"]["b"].parts] == ["system.rank-0.safetensors"]
    assert checkpoint.layout["optimizer.safetensors"]["exp_avg/w"].shape == (7, 3)
    assert not list((place / "stopped/checkpoints").glob(".*.tmp"))


def test_what_is_kept_is_what_one_process_keeps(runs: Runs) -> None:
    place, _, _ = runs
    train(World(), place / "waiting-one", checkpoint=WAITING)
    kept = sorted(path.name for path in (place / "waiting-one/checkpoints").iterdir())
    assert sorted(path.name for path in (place / "waiting-two/checkpoints").iterdir()) == kept
    assert any(name.startswith("weights-") for name in kept)
    store, alone = CheckpointStore(place / "waiting-two/checkpoints"), CheckpointStore(place / "waiting-one/checkpoints")
    for ours, theirs in zip(store.list_manifests(), alone.list_manifests(), strict=True):
        assert (ours.step, ours.kind, ours.best, ours.value) == (theirs.step, theirs.kind, theirs.best, theirs.value)
        here, there = verify_checkpoint(store.folder / ours.folder), verify_checkpoint(alone.folder / theirs.folder)
        expected = there.tensors("system.safetensors")
        assert here.tensors("system.safetensors").keys() == expected.keys()
        for name, tensor in here.tensors("system.safetensors").items():
            assert torch.allclose(tensor, expected[name], atol=1e-6), (ours.folder, name)  # an average is rounded by how long a row is


def test_a_disk_that_refuses_one_rank_fails_the_save_on_all_and_the_next_one_is_whole(runs: Runs) -> None:
    _, ranks, one = runs
    assert same(joined([each["disk"]["weights"] for each in ranks]), one)
    for rank in ranks:
        there = rank["disk"]["there"]
        assert "step-00000003" in there and not any(name.startswith("step-00000006") for name in there)


def test_a_copy_that_is_torn_on_one_rank_is_thrown_away_on_all(runs: Runs) -> None:
    _, ranks, one = runs
    assert same(joined([each["torn"] for each in ranks]), one)


def test_a_folder_that_one_rank_does_not_see_is_told_and_nothing_is_set_aside(runs: Runs) -> None:
    _, ranks, _ = runs
    assert ranks[0]["other disk"] == ranks[1]["other disk"]
    assert re.match(r"rank 1 does not see the checkpoint step-\d+ \| .*on another disk", ranks[0]["other disk"])
    assert "damaged" not in ranks[0]["other disk"]


def test_where_a_part_is_missing_all_ranks_use_the_one_before(runs: Runs) -> None:
    place, ranks, one = runs
    assert ranks[0]["missing"]["begun"] == ranks[1]["missing"]["begun"] < int(ranks[0]["missing"]["newest"][-8:])
    assert same(joined([each["missing"]["weights"] for each in ranks]), one)
    assert (place / "missing/checkpoints" / f"{ranks[0]['missing']['newest']}.damaged").is_dir()


def test_state_that_is_of_a_part_alone_goes_on_with_as_many_ranks_and_is_refused_with_others(runs: Runs) -> None:
    place, ranks, _ = runs
    assert same(joined([each["blocks again"] for each in ranks]), joined([each["blocks"] for each in ranks]))
    with pytest.raises(RunError, match="fits no other number of processes") as caught:
        train(World(), place / "blocks-alone", optimizer=BLOCKS)
    assert "fsdp × 2" in caught.value.why and "continue with fsdp × 2" in caught.value.fix
