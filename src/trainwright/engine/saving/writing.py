"""Writing what is due: at once, or from a copy in a thread of its own while training goes on; needs no session."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from trainwright.checkpoint.background import Background
from trainwright.checkpoint.layout import Shared
from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.retention import Retention
from trainwright.checkpoint.snapshot import Snapshot, SnapshotMemory, TensorFiles, Torn, size_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.checkpoint.writer import all_of
from trainwright.engine.recovery import out_of_memory
from trainwright.engine.saving.contents import join_evaluated
from trainwright.engine.saving.held_weights import Weights
from trainwright.engine.saving.sharing import Together
from trainwright.engine.saving.when import Due
from trainwright.engine.state import STATE, SYSTEM

log = logging.getLogger("trainwright.engine")

SMALL = 8 << 20
"""Bytes of state that are copied at once, in a millisecond, and written at once too while that is quick: a thread for five small files
takes more from training than it gives back (10 ms instead of 6 for a net of 100 weights)."""
SLOW = 0.1
"""Seconds of writing a small state from which on that, too, goes on in the background."""

REST = 6.0
"""Seconds of rest per second of work in the background where training uses every core: the work takes a seventh of one core at most."""


@dataclass(frozen=True)
class SaveRequest:
    """Everything of a checkpoint that is no tensor of its own step, as it was when it was asked for."""

    due: Due
    manifests: list[Manifest]
    """Of the full checkpoint, of the weights alone, or both."""
    retention: Retention
    """What stays once it is written."""
    document: bytes = b""
    """trainer.json of the full one."""
    held: Mapping[int, Weights] = field(default_factory=dict)
    """Weights of best evaluations before, which only memory has."""
    values: Mapping[int, float] = field(default_factory=dict)
    """What was monitored at those."""
    together: Together | None = None
    """How several processes write it that hold a part each; None where this one writes all of it."""
    shared: Sequence[Shared] = ()
    """Which of them writes what, of each checkpoint of `list_writes`."""

    @property
    def step(self) -> int:
        """The step it is of."""
        return self.manifests[0].step

    def list_writes(self, tensors: TensorFiles) -> list[tuple[Manifest, TensorFiles, dict[str, bytes]]]:
        """Every checkpoint that is written, best weights first: manifest, tensors, documents."""
        by = {"strategy": self.manifests[0].strategy, "ranks": self.manifests[0].ranks}
        found: list[tuple[Manifest, TensorFiles, dict[str, bytes]]] = [
            (Manifest("weights", step, value=self.values.get(step), **by), {SYSTEM: weights}, {})  # type: ignore[arg-type]
            for step, weights in sorted(self.held.items())
        ]
        for manifest in self.manifests:
            full = manifest.kind == "full"
            found.append((manifest, tensors, {STATE: self.document}) if full else (manifest, {SYSTEM: join_evaluated(tensors)}, {}))
        return found

    def pieces(self, store: CheckpointStore, tensors: TensorFiles, failed: BaseException | None = None) -> Generator[None, None, None]:
        """Write it, remove what is not kept, set the pointers; in pieces. Raises OSError when the disk refuses.

        `failed`: why the tensors are not what they should be, which other processes are told of before it is raised.
        """
        if self.together is not None:
            self.together.ensure_all(failed)
        elif failed is not None:
            raise failed
        for place, (manifest, files, documents) in enumerate(self.list_writes(tensors)):
            if self.together is None:
                yield from store.writing(manifest, files, documents)
            else:
                yield from self.together.writing(store.folder, manifest, files, documents, self.shared[place])
            if manifest.kind == "full" and self.is_main:
                store.record(manifest.step)
        if self.is_main:
            store.prune(self.retention)
            store.point()

    @property
    def is_main(self) -> bool:
        """Whether this process sees to what follows from a checkpoint that is on disk."""
        return self.together is None or self.together.world.is_main


@dataclass(frozen=True)
class WriteOutcome:
    """What became of a request."""

    request: SaveRequest
    error: BaseException | None = None
    """OSError when the disk refused, Torn when the tensors were changed while they were copied; None when all is on disk."""
    copies: TensorFiles | None = None
    """The tensors as they were, where there is a copy."""


class AsyncWriter:
    """Writes one request at a time.

    Tensors that forward passes change are copied when it is asked for; those in `deferred` while the next gradient is computed, and
    `hold_changes`, just before the step that changes them, waits for the rest.
    """

    def __init__(self, store: CheckpointStore, background: bool = True) -> None:
        self.store, self.background = store, background
        self.processes = 1
        """Of this run on this machine, which train beside the writing."""
        self.written_seconds = 0.0
        """Seconds of work in the background."""
        self._memory = SnapshotMemory()
        self._copying: Snapshot | None = None
        self._task: Background | None = None
        self._request: SaveRequest | None = None
        self._snapshot: Snapshot | None = None
        self._small = self._quick = True

    def prepare(self, tensors: TensorFiles) -> None:
        """Make memory ready for copies of so many tensors, beside what goes on."""
        self._small = size_of(tensors) < SMALL
        if self.background and not self._small:
            pinned = any(tensor.is_cuda for each in tensors.values() for tensor in each.values())
            self._task = Background(self._memory.touching(size_of(tensors), pinned), rest=rest_beside(tensors, self.processes))

    @property
    def busy(self) -> bool:
        """Whether something is under way in the background."""
        return self._task is not None and not self._task.done

    @property
    def pending(self) -> bool:
        """Whether a request is under way, or has ended and nobody has heard of it."""
        return self._request is not None

    @property
    def would_wait(self) -> bool:
        """Whether another request would wait long for the one under way."""
        return self._request is not None and not self._small

    def write(self, request: SaveRequest, tensors: TensorFiles, deferred: set[Any], *, wait: bool) -> WriteOutcome | None:
        """Write a request: the outcome if that was done at once, None when it is under way. None may be under way before.

        In the background unless `wait`, where the state is large or the disk is slow.
        """
        self._small = size_of(tensors) < SMALL
        now = wait or not self.background or (self._small and self._quick)
        if request.together is not None:
            now = request.together.world.any(now)
        if now:
            return self._write_now(request, tensors)
        snapshot = self._copy(tensors, set() if self._small else deferred)
        if snapshot is None:
            return self._write_now(request, tensors)
        self._request, self._snapshot = request, snapshot
        self._task = Background(_from_copy(snapshot, request, self.store), hurry=True, rest=rest_beside(tensors, self.processes))
        return None

    def _write_now(self, request: SaveRequest, tensors: TensorFiles) -> WriteOutcome:
        begun = time.perf_counter()
        try:
            all_of(request.pieces(self.store, tensors))
        except (OSError, Torn) as error:  # Torn: on another process
            return WriteOutcome(request, error)
        self._quick = time.perf_counter() - begun < SLOW
        return WriteOutcome(request)

    def _copy(self, tensors: TensorFiles, deferred: set[Any]) -> Snapshot | None:
        """A copy of the tensors, complete or under way; None, said once, when memory does not suffice for it."""
        try:
            snapshot = Snapshot(tensors, self._memory, deferred)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self._memory.free()
            self.background = False
            log.warning("there is no memory for a copy of the checkpoint: training waits while checkpoints are written from here on")
            return None
        self._copying = snapshot if deferred else None
        return snapshot

    @property
    def holds_changes(self) -> bool:
        """Whether tensors must not be changed before `hold_changes` has returned."""
        return self._copying is not None

    def hold_changes(self) -> None:
        """Return when the tensors may be changed."""
        if self._copying is not None:
            self._copying.hold_changes()
            self._copying = None

    def wait(self) -> WriteOutcome | None:
        """Return when nothing is under way, with what became of it."""
        if self._task is not None:
            if self._request is None:
                self._task.stop()  # memory was being made ready; without that the copy is slower
            self.hold_changes()
            self._task.wait()
        return self.poll()

    def poll(self) -> WriteOutcome | None:
        """What became of the request that was under way, once it has ended. Raises what nobody foresaw."""
        task, request, snapshot = self._task, self._request, self._snapshot
        if task is None or not task.done:
            return None
        self._task = self._request = self._snapshot = None
        if request is None:
            return None
        self.written_seconds += task.seconds
        return WriteOutcome(request, task.error, None if snapshot is None else snapshot.files)

    def close(self) -> None:
        """Give the memory of the copies back, when nothing is under way."""
        self._memory.free()


def rest_beside(tensors: TensorFiles, processes: int = 1) -> float:
    """How long to rest beside the training of these tensors: not at all beside a device, or where a core is free of `processes`."""
    on_device = any(tensor.device.type != "cpu" for each in tensors.values() for tensor in each.values())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0.0 if on_device or torch.get_num_threads() * processes < cores else REST


def _from_copy(snapshot: Snapshot, request: SaveRequest, store: CheckpointStore) -> Iterator[None]:
    """The work of the background: finish the copy, then write it."""
    failed = None
    try:
        snapshot.wait()
    except Exception as error:  # noqa: BLE001  (raised by `pieces`)
        failed = error
    yield
    yield from request.pieces(store, snapshot.files, failed)
