"""The run that a child begins from: its newest checkpoint and its past."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.names import rank_of
from trainwright.checkpoint.store import Checkpoint, CheckpointStore, verify_checkpoint
from trainwright.config.errors import RunError
from trainwright.config.name_patterns import other_spelling
from trainwright.engine.state import AVERAGES, EVALUATED, OPTIMIZER, RUNNING, STATE, SYSTEM
from trainwright.files.whole import whole_file, whole_folder
from trainwright.runs.directory import RunDirectory
from trainwright.runs.ways_on import to_its_end
from trainwright.systems.run_config import read_config

log = logging.getLogger(__name__)


def require_finished(found: RunDirectory) -> RunDirectory:
    """The run that a child with another model is made of; raises RunError while it is written, and where it has no model yet."""
    if found.alive:
        raise RunError("this run is being written", where=str(found.path), fix="wait for it, or stop it")
    if not found.config.is_file() or found.status != "finished":
        why = "training did not reach its end"
        raise RunError("this run has no model yet", where=str(found.path), why=why, fix=to_its_end(found.path))
    return found


@dataclass(frozen=True)
class Parent:
    """A run with the checkpoint that a child begins from."""

    run: RunDirectory
    checkpoint: Path
    step: int
    weights: Mapping[str, Tensor] | None = None
    """What the child begins with in place of the weights of the checkpoint; of other sizes the optimizer begins anew."""

    @classmethod
    def with_model(cls, found: RunDirectory) -> Parent:
        """The newest checkpoint of a run with the weights of its model: the best ones, or an average. Raises RunError as `of` does."""
        from trainwright.weights.sources import read_weights

        parent = cls.of(found)
        return replace(parent, weights=read_weights(found.path)[0].tensors)

    @classmethod
    def of(cls, found: RunDirectory) -> Parent:
        """The newest checkpoint of a run; raises RunError while it is being written, or where there is none."""
        if found.alive:  # its newest checkpoint may go while it is copied
            raise RunError("this run is being written", where=str(found.path), fix="wait for it, or stop it")
        checkpoint = CheckpointStore(found.checkpoints).latest()
        if checkpoint is None:
            raise _without_checkpoint(found)
        return cls(found, checkpoint.folder, checkpoint.manifest.step)

    def hand_on(self, child: RunDirectory) -> None:
        """Give a child what it begins from, and say whose it is."""
        name_parent(child, self.run, forked_at=self.step)
        if self.weights is None:
            _link_files(self.checkpoint, child.checkpoints / self.checkpoint.name)
        else:
            _write_anew(verify_checkpoint(self.checkpoint), child.checkpoints, self.weights)
        log.info("a child of %s, from step %d: %s", self.run.path, self.step, child.path)


def name_parent(child: RunDirectory, parent: RunDirectory, **more: Any) -> None:
    """Say whose child it is, and give it the parent's logged rows, which are its past."""
    child.update(parent=str(parent.path.absolute()), **more)
    if parent.metrics.is_file():
        with whole_file(child.metrics) as temporary:
            shutil.copyfile(parent.metrics, temporary)


def _without_checkpoint(parent: RunDirectory) -> RunError:
    """The error for a parent that no child can begin from: with what can be done instead."""
    kind = read_config(parent.config).trainer.checkpoint.type
    if kind == "full":
        return RunError("this run has no checkpoint yet", where=str(parent.path), fix="continue it first, or start a new run")
    fix = "start a new run; one with trainer.checkpoint: full can have children"
    return RunError("no child can begin from this run", where=str(parent.path), why=f"its trainer.checkpoint is '{kind}'", fix=fix)


def _write_anew(checkpoint: Checkpoint, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """A checkpoint with other weights, and without averages of those it had."""
    names = {*checkpoint.layout, *(each.name for each in checkpoint.manifest.files if each.name.endswith(".safetensors"))}
    whole = [name for name in names if rank_of(name) is None and name not in (SYSTEM, EVALUATED, AVERAGES)]
    state, system = checkpoint.document(STATE), _named_alike(checkpoint, weights)
    resized = any(each.shape != system[name].shape for name, each in checkpoint.tensors(SYSTEM).items())
    averaging = checkpoint.has(EVALUATED) and not state.get("averages")  # by the optimizer: its state is of weights that are no more
    if averaging or resized:
        whole = [name for name in whole if name != OPTIMIZER]
        state = {**state, "identity": {**state["identity"], "optimizer": ""}}
    tensors: dict[str, Mapping[str, Tensor]] = {SYSTEM: system, **{name: checkpoint.tensors(name) for name in sorted(whole)}}
    if resized:
        tensors[RUNNING] = _masks_of(tensors.get(RUNNING, {}), system)
    manifest = Manifest(checkpoint.manifest.kind, checkpoint.manifest.step)
    CheckpointStore(folder).write(manifest, tensors, {STATE: state})


def _masks_of(running: Mapping[str, Tensor], system: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The masks of pruned weights that have other sizes now: what of them is zero."""
    return {name: system[name.removeprefix("pruned/")] != 0 for name in running if name.startswith("pruned/")}


def _named_alike(checkpoint: Checkpoint, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of a model under the names that its system has for them, which may begin with `model.`; the system's others as they are.

    Raises RunError for those of another model.
    """
    own = checkpoint.tensors(SYSTEM)
    called = {name: name if name in own else other_spelling(name) for name in weights}
    strange = [name for name, here in called.items() if here not in own]
    if strange:
        why = f"it has no {', '.join(strange[:4])}"
        raise RunError("the model of this run is not that of its checkpoint", where=str(checkpoint.folder), why=why, fix="train it anew")
    return {**own, **{here: weights[name] for name, here in called.items()}}


def _link_files(source: Path, target: Path) -> None:
    """A checkpoint's files, linked where the file system can: they never change."""
    with whole_folder(target) as temporary:
        for each in source.iterdir():
            try:
                os.link(each, temporary / each.name)
            except OSError:
                shutil.copy2(each, temporary / each.name)
