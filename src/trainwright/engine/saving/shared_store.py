"""The checkpoints of a run as all of its processes see them: one choice, and each of them verifies a share of the files."""

from __future__ import annotations

import logging
from pathlib import Path

from trainwright.checkpoint.layout import Files, read_layout
from trainwright.checkpoint.manifest import Damaged, Manifest, read_manifest, verify_files
from trainwright.checkpoint.store import Checkpoint, CheckpointStore, set_aside
from trainwright.config.errors import RunError
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.checkpoint")


class SharedStore(CheckpointStore):
    """The folder of a run's checkpoints, to be read by all processes at the same places: each answer is the same on all of them."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder)
        self.world, self._seen = world, CheckpointStore(folder)

    def list_manifests(self) -> list[Manifest]:
        """As in `CheckpointStore`, as rank 0 sees it."""
        return self.world.first(self._seen.list_manifests)

    def _folders(self) -> list[Path]:
        return self.world.first(self._seen._folders)

    def _verify(self, path: Path) -> Checkpoint | None:
        """The checkpoint, its files verified by one process each; one that is damaged for rank 0 too is set aside.

        Raises RunError where it is whole for rank 0 and not for another: their folders are not the same.
        """
        manifest, layout, damage = self.world.first(lambda: _describe(path))
        if not damage:
            told = self.world.gather(_fault(path, manifest, self.world.rank, self.world.size))
            damage = self.world.first(lambda: _settle(path, manifest, told))
        if not damage:
            return Checkpoint(path, manifest, layout)
        aside = self.world.first(lambda: set_aside(path))
        if self.world.is_main:
            log.warning("%s: %s; set aside as %s", path.name, damage, aside.name)
        return None

    def _choose(self, checkpoint: Checkpoint, lost: list[str]) -> Checkpoint:
        if lost and self.world.is_main:
            log.warning("using %s on all ranks", checkpoint.folder.name)
        return checkpoint


def _describe(path: Path) -> tuple[Manifest, Files, str]:
    """What a checkpoint says of itself, or how it is damaged."""
    try:
        manifest = read_manifest(path)
        return manifest, read_layout(path, manifest), ""
    except Damaged as damage:
        return Manifest("full", 0), {}, str(damage)


def _share(manifest: Manifest, rank: int, size: int) -> list[int]:
    """Places of the files that a rank verifies: dealt by size, so that all read about as much."""
    by_size = sorted(range(len(manifest.files)), key=lambda place: -manifest.files[place].bytes)
    return by_size[rank::size]


def _fault(path: Path, manifest: Manifest, rank: int, size: int) -> str:
    """What is wrong with this rank's share of the files, for this rank; nothing when they are whole."""
    try:
        verify_files(path, [manifest.files[place] for place in _share(manifest, rank, size)])
    except Damaged as damage:
        return str(damage)
    except RunError as error:  # without the right to read, which is to be raised by all
        return f"{error.what} {error.why}".strip()
    return ""


def _settle(path: Path, manifest: Manifest, told: list[str]) -> str:
    """How a checkpoint is damaged, of what the ranks told: rank 0 looks at what another could not read."""
    for rank, fault in enumerate(told):
        if not fault:
            continue
        if rank == 0 or (found := _fault(path, manifest, rank, len(told))):
            return fault if rank == 0 else found
        what = f"rank {rank} does not see the checkpoint {path.name}"
        why = f"{fault}, for it; rank 0 finds that file whole: the folder is on another disk for one of them"
        raise RunError(what, where=str(path.parent), why=why, fix="put the run on a disk that all ranks share")
    return ""
