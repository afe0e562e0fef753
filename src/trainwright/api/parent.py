"""The run that a child begins from: its newest checkpoint and its past."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.checkpoint.names import step_of
from trainwright.checkpoint.pointers import target_of
from trainwright.checkpoint.store import Checkpoint, CheckpointStore
from trainwright.config.errors import RunError
from trainwright.files.whole import whole_file, whole_folder
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import read_config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parent:
    """A run with the checkpoint that a child begins from."""

    run: RunDirectory
    checkpoint: Path
    step: int

    @classmethod
    def of(cls, found: RunDirectory, best: bool = False) -> Parent:
        """The newest checkpoint of a run, or its `best` one where that is whole; raises RunError while it is being written, or without any."""
        if found.alive:  # its newest checkpoint may go while it is copied
            raise RunError("this run is being written", where=str(found.path), fix="wait for it, or stop it")
        store = CheckpointStore(found.checkpoints)
        checkpoint = (_best_of(found, store) if best else None) or store.latest()
        if checkpoint is None:
            raise _without_checkpoint(found)
        return cls(found, checkpoint.folder, checkpoint.manifest.step)

    def hand_on(self, child: RunDirectory) -> None:
        """Give a child what it begins from, and say whose it is."""
        name_parent(child, self.run, forked_at=self.step)
        _link_files(self.checkpoint, child.checkpoints / self.checkpoint.name)
        log.info("a child of %s, from step %d: %s", self.run.path, self.step, child.path)


def name_parent(child: RunDirectory, parent: RunDirectory, **more: Any) -> None:
    """Say whose child it is, and give it the parent's logged rows, which are its past."""
    child.update(parent=str(parent.path.absolute()), **more)
    if parent.metrics.is_file():
        with whole_file(child.metrics) as temporary:
            shutil.copyfile(parent.metrics, temporary)


def _best_of(found: RunDirectory, store: CheckpointStore) -> Checkpoint | None:
    """The checkpoint that the run points to as its best, where training can go on from it."""
    target = target_of(found.checkpoints / "best")
    best = None if target is None else store.at(step_of(target))
    return best if best is not None and best.manifest.kind == "full" else None


def _without_checkpoint(parent: RunDirectory) -> RunError:
    """The error for a parent that no child can begin from: with what can be done instead."""
    kind = read_config(parent.config).trainer.checkpoint.type
    if kind == "full":
        return RunError("this run has no checkpoint yet", where=str(parent.path), fix="continue it first, or start a new run")
    fix = "start a new run; one with trainer.checkpoint: full can have children"
    return RunError("no child can begin from this run", where=str(parent.path), why=f"its trainer.checkpoint is '{kind}'", fix=fix)


def _link_files(source: Path, target: Path) -> None:
    """A checkpoint's files, linked where the file system can: they never change."""
    with whole_folder(target) as temporary:
        for each in source.iterdir():
            try:
                os.link(each, temporary / each.name)
            except OSError:
                shutil.copy2(each, temporary / each.name)
