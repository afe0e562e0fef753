"""Where samples are kept: in memory while some process uses them, on disk for the next run; and what is removed to make room."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from trainwright.data.cache.store import DATA, USERS, SampleStore, unused
from trainwright.files.download import cache_folder
from trainwright.files.memory import total_bytes

log = logging.getLogger("trainwright.data")

SHARED_MEMORY = Path("/dev/shm")
LEFT_FREE = 0.1
"""Share of the file system in memory, or of the disk, that samples leave free."""


def memory_root() -> Path:
    """The folder of this person's samples in memory; where the system has no files in memory, among its temporary files."""
    base = SHARED_MEMORY if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return base / f"trainwright-samples-{os.getuid()}"


def disk_root() -> Path:
    """The folder of samples on disk."""
    return cache_folder() / "samples"


def memory_limit(share: float) -> int:
    """Bytes that samples in memory may take: a share of all memory, and no more than what the file system in memory can hold."""
    root = memory_root().parent
    whole = shutil.disk_usage(root).total
    return int(min(share * (total_bytes() or whole), whole * (1 - LEFT_FREE)))


class Place:
    """Samples of one kind below a root, which share a limit with the others there; `lasting` ones stay when nobody uses them."""

    def __init__(self, root: Path, name: str, limit: int, lasting: bool) -> None:
        self.root, self.name, self.limit, self.lasting = root, name, limit, lasting
        self._others: int | None = None
        self._store: SampleStore | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.root, self.name, self.limit, self.lasting)

    @property
    def store(self) -> SampleStore:
        """The samples, opened when they are asked for first. Raises OSError where they cannot be."""
        if self._store is not None and self._store.inherited:
            self._store.abandon()
            self._store = None
        if self._store is None:
            remove_abandoned(self.root, everything=not self.lasting)
            self._store = SampleStore(self.root / self.name, self.has_room)
        return self._store

    def has_room(self, size: int) -> bool:
        """Whether its file may grow to so many bytes; removes what was not used for longest, and is used by nobody, to make it so."""
        if self._others is None:
            self._others = sum(size_of(each) for each in stores_in(self.root) if each.name != self.name)
        if size + self._others <= self.limit:
            return True
        for each in sorted(stores_in(self.root), key=last_used):
            if each.name != self.name and size + self._others > self.limit:
                self._others -= remove_unused(each)
        return size + self._others <= self.limit

    def close(self) -> None:
        """Leave the samples; those that do not last are removed by the last process that used them."""
        if self._store is None:
            return
        store, self._store = self._store, None
        if store.inherited:
            return
        if store.close() and not self.lasting:
            shutil.rmtree(store.folder, ignore_errors=True)
        store.leave()


def stores_in(root: Path) -> list[Path]:
    """The folders of samples below a root."""
    with suppress(OSError):
        return [each for each in root.iterdir() if (each / USERS).is_file()]
    return []


def size_of(folder: Path) -> int:
    """Bytes of the samples in a folder."""
    with suppress(OSError):
        return (folder / DATA).stat().st_size
    return 0


def last_used(folder: Path) -> float:
    """When a process began to use it, in seconds."""
    with suppress(OSError):
        return (folder / USERS).stat().st_mtime
    return 0.0


def remove_unused(folder: Path) -> int:
    """Remove samples that no process uses; how many bytes that made free."""
    with unused(folder) as free:
        size = size_of(folder)
        if not free:
            return 0
        shutil.rmtree(folder, ignore_errors=True)
    log.info("samples in %s were not used for longest and are removed", folder)
    return size


def remove_abandoned(root: Path, everything: bool) -> None:
    """Remove what killed processes left of samples that were not to last."""
    for each in stores_in(root):
        if everything or each.name.startswith("of-"):
            with unused(each) as free:
                if free:
                    shutil.rmtree(each, ignore_errors=True)


def name_of(recipe: str, lasting: bool) -> str:
    """The folder of the samples that a recipe makes; `of-` before those of one run."""
    made = hashlib.sha256(recipe.encode()).hexdigest()[:32]
    return made if lasting else f"of-{made}"
