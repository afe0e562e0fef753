"""Saving where each process holds a part: who writes which parts, and how all of them come to one checkpoint or to none."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.checkpoint.layout import LAYOUT, LocalFiles, Shared, layout_document, share_out
from trainwright.checkpoint.manifest import FileEntry, Manifest
from trainwright.checkpoint.snapshot import TensorFiles, Torn
from trainwright.checkpoint.writer import all_of, committing, hidden_place, make_room, writing_files
from trainwright.config.errors import TrainwrightError
from trainwright.engine.saving.shards import Shards
from trainwright.engine.state import RUNNING
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.saving.writing import SaveRequest
    from trainwright.engine.session import Session


class Together:
    """Saves of processes that each write their part, in the same hidden directory; rank 0 commits what all have written.

    What they tell each other while files are written goes over a group of its own, in the threads that write.
    """

    def __init__(self, world: World) -> None:
        self.world, self.beside = world, world.beside()
        self._digest, self._shared = "", list[Shared]()

    def share(self, told: Sequence[LocalFiles]) -> list[Shared]:
        """Who writes what, of each of several checkpoints; what is as it was the last time is not told again.

        Raises TrainwrightError where what the ranks hold does not make up the tensors.
        """
        digest = hashlib.sha256(repr(told).encode()).hexdigest()
        if self.world.any(digest != self._digest):
            everything = self.world.gather(list(told))
            try:
                self._shared = [share_out(each) for each in zip(*everything, strict=True)]
            except ValueError as error:
                fix = "set checkpoint: none to go on without, and report it with the strategy"
                raise TrainwrightError("what the processes hold cannot be saved", why=str(error), fix=fix) from error
            self._digest = digest
        return self._shared

    def make_rooms(self, folder: Path, manifests: Sequence[Manifest]) -> None:
        """Rank 0 makes the directories that all write into. Raises OSError on all when the disk refuses."""

        def make() -> None:
            for each in manifests:
                make_room(folder, each)

        self.world.first(make)

    def writing(
        self, folder: Path, manifest: Manifest, tensors: TensorFiles, documents: Mapping[str, Any], shared: Shared
    ) -> Generator[None, None, Manifest]:
        """Write this rank's part, then on rank 0 the manifest over all; in pieces. Raises on every rank what any of them met."""
        hidden, rank = hidden_place(folder, manifest), self.world.rank
        mine = {file: {name: tensors[at][name] for name, at in names.items()} for file, names in shared.mine[rank].items()}
        if rank == 0 and shared.files:
            documents = {**documents, LAYOUT: layout_document(shared.files)}
        entries: list[FileEntry] = []
        failed: Exception | None = None
        try:
            entries = yield from writing_files(hidden, mine, documents if rank == 0 else {})
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are told, and do not wait; it is raised below)
            failed = error
        try:
            self.ensure_all(failed)
            written = [entry for each in self.beside.gather(entries) for entry in each]
            whole = replace(manifest, files=written)
            self.beside.first(lambda: all_of(committing(folder, whole)))
        except BaseException:
            if rank == 0:
                shutil.rmtree(hidden, ignore_errors=True)
            raise
        return whole

    def ensure_all(self, failed: BaseException | None) -> None:
        """Raise on every rank what any of them met: the error itself there, and one of its kind elsewhere."""
        told = self.beside.gather(None if failed is None else _describe_error(failed))
        if failed is not None:
            raise failed
        for rank, each in enumerate(told):
            if each is not None:
                raise _make_error(rank, *each)


def _describe_error(error: BaseException) -> tuple[str, int, str]:
    """An error as another rank can be told of it."""
    if isinstance(error, Torn):
        return "torn", 0, ""
    if isinstance(error, OSError):
        return "disk", error.errno or 0, error.strerror or str(error)
    return "other", 0, f"{type(error).__name__}: {error}"


def _make_error(rank: int, kind: str, number: int, text: str) -> BaseException:
    if kind == "torn":
        return Torn()
    if kind == "disk":
        return OSError(number, f"{text} (on rank {rank})")
    return TrainwrightError(f"rank {rank} could not save", why=text, fix="act on what rank 0 and that rank have said")


def maker(session: Session) -> dict[str, Any]:
    """What a manifest says of who writes it: nothing for one process."""
    parts = session.parts
    return {"strategy": parts.strategy.name, "ranks": parts.world.size} if parts.world.size > 1 else {}


def share_request(
    together: Together, session: Session, request: SaveRequest, tensors: TensorFiles
) -> tuple[SaveRequest, dict[str, Mapping[str, Tensor]]]:
    """The request of rank 0 with what this process writes of it, and the tensors under the names they have in it.

    Sums since the last row are those of rank 0. Raises OSError when the disk refuses.
    """
    saver, shards = session.parts.saver, Shards.of(session)
    mine = {file: each for file, each in shards.by_rank(tensors).items() if file != RUNNING or together.world.is_main}
    request = replace(request, held={step: saver.held.get(step) or {} for step in request.held})
    writes = request.list_writes(mine)
    shared = together.share([shards.local(files) for _, files, _ in writes])
    together.make_rooms(saver.store.folder, [manifest for manifest, _, _ in writes])
    return replace(request, together=together, shared=shared), mine
