"""The checkpoints of one run: write, find the newest good one, set a damaged one aside, remove what no policy keeps."""

from __future__ import annotations

import errno
import json
import logging
import os
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from trainwright.checkpoint.layout import Files, read_layout
from trainwright.checkpoint.manifest import Damaged, Manifest, read_manifest, verify
from trainwright.checkpoint.names import FOLDER, step_of
from trainwright.checkpoint.parts import TensorsOnDisk, Wanted
from trainwright.checkpoint.pointers import point, remove_dangling
from trainwright.checkpoint.retention import Retention, holders
from trainwright.checkpoint.snapshot import TensorFiles
from trainwright.checkpoint.writer import all_of, reduce_checkpoint, remove_checkpoint, sweep, writing_checkpoint
from trainwright.config.errors import RunError
from trainwright.config.received import damage, read_mapping
from trainwright.files.tensors import load_tensors

log = logging.getLogger("trainwright.checkpoint")

RECORD = "checkpoints.json"
"""The file beside the folder that says which checkpoint was written last."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint; its files are read when asked for."""

    folder: Path
    manifest: Manifest
    layout: Files = field(default_factory=dict)
    """Where parts of tensors lie that several processes wrote."""

    def has(self, name: str) -> bool:
        """Whether it holds tensors under the name of this file, in one piece or in parts."""
        return name in self.layout or (self.folder / name).is_file()

    def tensors(self, name: str) -> Mapping[str, Tensor]:
        """The tensors of one of its files, whole and on the CPU; none when it has no such file."""
        path = self.folder / name
        try:
            if name in self.layout:
                return dict(TensorsOnDisk(self.folder, self.layout[name]))
            return load_tensors(path) if path.is_file() else {}
        except SafetensorError as error:  # its digest agrees, so this is what was written: not by Trainwright
            raise damage(path, str(error)) from error

    def parts(self, name: str, wanted: Wanted) -> TensorsOnDisk:
        """The same, each read when it is asked for, and of it the box alone that is `wanted`."""
        if name in self.layout:
            return TensorsOnDisk(self.folder, self.layout[name], wanted)
        try:
            return TensorsOnDisk.of_file(self.folder / name, wanted) if self.has(name) else TensorsOnDisk(self.folder, {})
        except SafetensorError as error:
            raise damage(self.folder / name, str(error)) from error

    def document(self, name: str) -> dict[str, Any]:
        """One of its JSON files. Raises RunError when it holds no mapping."""
        return read_mapping(self.folder / name)


def verify_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a directory, every file of it found whole. Raises Damaged when one is not, RunError without the right to read."""
    manifest = verify(folder)
    return Checkpoint(folder, manifest, read_layout(folder, manifest))


class CheckpointStore:
    """The folder of a run's checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder, try to write in it, clear what a killed writer left. Raises RunError when the place cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"\0" * 4096)
                file.flush()
        except OSError as error:
            raise refusal(error, self.folder) from error
        sweep(self.folder)

    def list_manifests(self) -> list[Manifest]:
        """Manifests of the checkpoints there are, oldest first; those without a readable one are left out. Hashes are not checked."""
        manifests = []
        for path in self._folders():
            try:
                manifests.append(read_manifest(path))
            except Damaged:
                continue
        return sorted(manifests, key=lambda each: (each.step, each.kind == "full"))

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [each for each in self.folder.iterdir() if FOLDER.fullmatch(each.name) and each.is_dir() and not each.is_symlink()]

    def write(self, manifest: Manifest, tensors: TensorFiles, documents: Mapping[str, Any]) -> Manifest:
        """Write one whole, and return its manifest with its files. Raises OSError when the disk refuses; the others are untouched then."""
        return all_of(self.writing(manifest, tensors, documents))

    def writing(self, manifest: Manifest, tensors: TensorFiles, documents: Mapping[str, Any]) -> Generator[None, None, Manifest]:
        """The same in pieces of a few milliseconds."""
        return writing_checkpoint(self.folder, manifest, tensors, documents)

    def prune(self, retention: Retention) -> None:
        """Remove what is not to be kept, and reduce to its weights what is kept for those alone."""
        found = self.list_manifests()
        decided = retention.decide(found)
        for name in decided.remove:
            remove_checkpoint(self.folder / name)
        for each in found:
            if each.folder in decided.reduce:
                reduce_checkpoint(self.folder, each, retention.weights_files)

    def point(self) -> None:
        """Lead `last`, `best` and the second names to what they say, as the manifests have it; remove what leads nowhere."""
        found = self.list_manifests()
        newest = ([each for each in found if each.kind == "full"] or found)[-1:]
        try:
            for each in found:
                if each.name:
                    point(self.folder / each.name, each.folder)
            for each in newest:
                point(self.folder / "last", each.folder)
                for holder in holders(found, each.best[:1]):
                    point(self.folder / "best", holder)
            remove_dangling(self.folder)
        except OSError as error:
            log.debug("the pointers beside the checkpoints are not as they should be: %s", error.strerror or error)

    def record(self, step: int) -> None:
        """Write beside the folder that there is a checkpoint of this step: should the folder be lost, it is known that something was."""
        path = self.folder.with_name(RECORD)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            temporary.write_text(json.dumps({"format": 1, "newest": step}) + "\n", encoding="utf-8")
            os.replace(temporary, path)
        except OSError as error:
            log.debug("%s is not written: %s", path, error.strerror or error)

    def newest_written(self) -> int:
        """The step of the newest checkpoint that was ever written, as far as it is on record; -1 for none."""
        try:
            newest = read_mapping(self.folder.with_name(RECORD)).get("newest")
        except FileNotFoundError:
            return -1
        return newest if isinstance(newest, int) else -1

    def latest(self, until: int | None = None) -> Checkpoint | None:
        """The newest that can be continued, verified with the best weights it refers to; damaged ones are set aside by name, said aloud.

        With `until` the newest of those of no later step; where there is none, the oldest. None when none was ever written. Raises RunError
        when there were some and none is whole, or when one is from a newer format.
        """
        names = sorted((each.name for each in self._folders() if each.name.startswith("step-")), key=step_of, reverse=True)
        if until is not None:
            later = [name for name in names if step_of(name) > until]
            names = names[len(later) :] + later[::-1]
        lost: list[str] = []
        incomplete: Checkpoint | None = None
        for name in names:
            checkpoint = self._verify(self.folder / name)
            if checkpoint is None:
                lost.append(name)
                continue
            if all(self.at(step) is not None for step in checkpoint.manifest.best):
                return self._choose(checkpoint, lost)
            incomplete = incomplete or checkpoint
        if incomplete is not None:
            log.warning("%s: the best weights it refers to are lost; the best starts anew", incomplete.folder)
            return self._choose(incomplete, lost)
        if lost:
            fix = "restore one from a copy, or train again in another place"
            raise RunError("no checkpoint of this run can be used", where=str(self.folder), why=f"damaged: {', '.join(lost)}", fix=fix)
        return None

    def _choose(self, checkpoint: Checkpoint, lost: list[str]) -> Checkpoint:
        if lost:
            log.warning("continuing from the one before: step %d", checkpoint.manifest.step)
        return checkpoint

    def at(self, step: int) -> Checkpoint | None:
        """The checkpoint that holds the weights of `step`, verified; None when there is none that is whole."""
        for name in sorted(holders(self.list_manifests(), [step])):
            return self._verify(self.folder / name)
        return None

    def _verify(self, path: Path) -> Checkpoint | None:
        try:
            return verify_checkpoint(path)
        except Damaged as damage:
            aside = set_aside(path)
            log.warning("checkpoint %s is damaged (%s); set aside as %s", path.name, damage, aside.name)
            return None

    def forget_after(self, step: int) -> None:
        """Remove checkpoints of steps after `step`: what is continued from `step` will make them again."""
        for each in self.list_manifests():
            if each.step > step:
                remove_checkpoint(self.folder / each.folder)


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint to `<name>.damaged` (numbered when taken) and return the new path."""
    aside, number = path.with_name(f"{path.name}.damaged"), 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}-{number}.damaged"), number + 1
    os.rename(path, aside)
    return aside


def refusal(error: OSError, path: Path) -> RunError:
    """The RunError that says why checkpoints cannot be written at `path`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "free some space, or choose another place for the run" if full else "choose another place for the run"
    what = "the disk is full" if full else "checkpoints cannot be written here"
    return RunError(what, where=str(path), why=error.strerror or str(error), fix=fix)
