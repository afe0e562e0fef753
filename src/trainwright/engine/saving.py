"""When a checkpoint is written, how training goes on meanwhile, and how a run continues from one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.checkpoint.background import Background
from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.names import second_name
from trainwright.checkpoint.options import CheckpointConfig
from trainwright.checkpoint.retention import BeforeRow, BestK, LastK, Permanent, Policy, Retention
from trainwright.checkpoint.snapshot import Snapshot, SnapshotMemory, TensorFiles, Torn, size_of
from trainwright.checkpoint.store import Checkpoint, CheckpointStore
from trainwright.checkpoint.writer import all_of, json_bytes
from trainwright.config.errors import FOREIGN, Interrupted
from trainwright.engine.clock import Phase
from trainwright.engine.interval import Interval
from trainwright.engine.plan import Plan
from trainwright.engine.recovery import out_of_memory
from trainwright.engine.save_order import (
    Order,
    SaveIntervals,
    as_evaluated,
    copied,
    only_the_step_changes,
    refused,
    tensors_of,
    writing_from,
)
from trainwright.engine.state import EVALUATED, SYSTEM, Weights, evaluated_weights, restore, state_of
from trainwright.engine.timing import Timing
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

AT_LEAST_EVERY = 600.0
"""Seconds after which a logged row is reason enough for a checkpoint, when the config does not say how often."""
SMALL = 8 << 20
"""Bytes of state that are copied at once, in a millisecond, and written at once too while that is quick: a thread for five small files
takes more from training than it gives back (10 ms instead of 6 for a net of 100 weights)."""
SLOW = 0.1
"""Seconds of writing a small state from which on that, too, goes on in the background."""


class Saver:
    """Writes the checkpoints of a session, and holds the best weights in memory while no checkpoint on disk has them.

    A checkpoint is written in a thread of its own from a copy. What forward passes change is copied when it is asked for; parameters,
    averages and the optimizer's state while the next gradient is computed, and `wait_for_snapshot`, just before the step that changes
    them, waits for the rest. The end of the run, signals and errors wait until it is on disk.
    """

    def __init__(
        self,
        store: CheckpointStore,
        config: CheckpointConfig,
        intervals: SaveIntervals | Interval | None,
        retention: Retention | None = None,
    ) -> None:
        self.store, self.config, self._retention = store, config, retention or Retention()
        self.intervals = intervals if isinstance(intervals, SaveIntervals) else SaveIntervals(every=intervals)
        self.copying: Snapshot | None = None
        """The copy that the optimizer's step has to wait for."""
        self.stalled = self.written_seconds = 0.0
        """Seconds that training waited for checkpoints, and seconds of work on them in the background."""
        self.left_out = 0
        """Checkpoints not written when they were due because the one before was still being written."""
        self._tried = time.perf_counter()
        self._saved_step: int | None = None
        self._values: dict[int, float] = {}
        self._held: dict[int, Weights] = {}
        self._spare: Weights = {}
        self._memory = SnapshotMemory()
        self._task: Background | None = None
        self._order: Order | None = None
        self._due: set[str] = set()
        self._missed = self._deferring = False
        self._small = self._quick = True
        self._background = config.background
        self._timing = Timing()

    @classmethod
    def of(cls, folder: Path, config: CheckpointConfig, plan: Plan, *, rolls_back: bool = False) -> Saver:
        """The saver of a run whose checkpoints are in `folder`. Raises ConfigError for cadences that do not fit the run.

        `rolls_back`: keep what a run may have to be put back to.
        """
        policies: list[Policy] = [LastK(None if config.keep_last == "all" else config.keep_last), BestK(config.keep_best), Permanent()]
        policies += [BeforeRow()] if rolls_back else []
        retention = Retention(tuple(policies), (SYSTEM, EVALUATED) if config.best_as_weights else ())
        return cls(CheckpointStore(folder), config, SaveIntervals.of(config, plan), retention)

    def begin(self, session: Session) -> None:
        """Make ready for copies while training goes on: from here `wait_for_snapshot` must be called before every optimizer step."""
        self._timing = session.timing
        tensors = tensors_of(session)
        self._deferring, self._small = session.parts.followers.before_step is None, size_of(tensors) < SMALL
        if self._background and not self._small:
            pinned = any(tensor.is_cuda for each in tensors.values() for tensor in each.values())
            self._task = Background(self._memory.touching(size_of(tensors), pinned))

    def next_step(self, step: int, batches_seen: int | None = None) -> int | None:
        """The first count of batches at which one of the cadences may be due."""
        return min((each.next_step(step, batches_seen) for each in self.intervals.by_name().values()), default=None)

    def next_due_at(self) -> float:
        """When one of the cadences of time is due; infinity without any."""
        return min((each.next_due_at() for each in self.intervals.by_name().values()), default=math.inf)

    def best_found(self, session: Session, value: float) -> None:
        """Hear of an evaluation; if it is among the best its weights are held until a checkpoint has them."""
        if session.best.offer(session.step, value):
            self._values[session.step] = value
            self._held[session.step] = {}
        self._drop([step for step in self._held if step not in session.best.steps])

    def hold(self, session: Session) -> None:
        """Copy the weights, if this step is one of the best and only they are missing."""
        if self._held.get(session.step) == {}:
            self._held[session.step] = copied(evaluated_weights(session), self._spare)
            self._spare = {}

    def _drop(self, steps: list[int]) -> None:
        """Hold the weights of these steps no longer; their memory is used again, unless it is being written from."""
        for step in steps:
            weights = self._held.pop(step)
            if weights and self._task is None:
                self._spare = weights

    def due(self, session: Session, evaluated: bool) -> bool:
        """Whether a checkpoint should be written after this step; one due while a large one is being written is due afterwards."""
        self._hear()
        due = {name for name, each in self.intervals.by_name().items() if each.due(session.step, session.batches_seen)}
        if session.stopped_because:
            self.wait()
            self._due = due | {"end"}
            return self._saved_step != session.step
        waited = time.perf_counter() - self._tried
        limit = self.config.min_interval.seconds if evaluated else AT_LEAST_EVERY if self.intervals.every is None else float("inf")
        if waited >= limit or self._missed:
            due.add("time")
        if due and self._order is not None and not self._small and not due & {"keep", "weights"}:
            self.left_out += not self._missed
            self._missed, due = True, set()
            log.debug("step %d: the checkpoint before is still being written; the next comes after it", session.step)
        self._due = due
        return bool(due)

    def save(self, session: Session, *, wait: bool = False) -> bool:
        """Write a checkpoint now, with the best weights that only memory has; False, and a warning, when the disk refuses.

        In the background, where a later warning says what became of it, unless `wait`, the end of the run or a signal wants it on disk.
        """
        self._timing = session.timing
        with self._stalling():
            self._finish()
            due, self._due = self._due or {"time"}, set()
            wait = wait or bool(session.stopped_because or session.interrupts.requested) or session.step == 0 or not self._background
            try:
                tensors, order = tensors_of(session), self._ordered(session, due)
                self._small = size_of(tensors) < SMALL
                snapshot = None if wait or (self._small and self._quick) else self._snapshot(session, tensors)
                if snapshot is None:
                    self._write_now(order, tensors)
                    return True
            except OSError as error:
                refused(session.step, error)
                return False
            finally:
                self._tried = time.perf_counter()
                for each in self.intervals.by_name().values():
                    each.done()
            self._order = replace(order, snapshot=snapshot)
            self._task = Background(writing_from(snapshot, order, self.store), hurry=True)
            if any(each.kind == "full" for each in order.manifests):
                self._saved_step = session.step
        return True

    def _ordered(self, session: Session, due: set[str]) -> Order:
        """What is to be written; numbers and documents as they are now, rows logged so far on disk."""
        for tracker in session.trackers:
            tracker.sync()
        step, value, full = session.step, self._values.get(session.step), bool(due - {"weights"})
        retention = self._retention.before_row(session.last_row[0])
        manifests = [Manifest("weights", step, value=value, kept=True)] if "weights" in due else []
        if not full:
            return Order(step, manifests, b"", {}, {}, retention, session.best)
        documents = state_of(session)
        for hook in session.hooks.on_save_checkpoint:
            hook(session, session.system, documents)
        manifests.append(Manifest("full", step, session.best.steps, value, kept="keep" in due, name=self._name(session)))
        held = {each: weights for each, weights in self._held.items() if each != step and weights}
        self._missed = False
        return Order(step, manifests, json_bytes(documents), held, dict(self._values), retention, session.best)

    def _write_now(self, order: Order, tensors: TensorFiles) -> None:
        begun = time.perf_counter()
        all_of(order.writing(self.store, tensors))
        self._quick = time.perf_counter() - begun < SLOW
        self._written(order)

    def _name(self, session: Session) -> str:
        """The checkpoint's second name, from the latest value of each column."""
        if self.config.name is None:
            return ""
        known = {name: value for row in session.history for name, value in row.items()}
        return second_name(self.config.name, known | {"step": session.step, "epoch": session.epoch})

    def _snapshot(self, session: Session, tensors: TensorFiles) -> Snapshot | None:
        """A copy of the tensors, complete or under way; None, said once, when memory does not suffice for it."""
        deferred = only_the_step_changes(session, tensors) if self._deferring and not self._small else set()
        try:
            snapshot = Snapshot(tensors, self._memory, deferred)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self._memory.free()
            self._background = False
            log.warning("there is no memory for a copy of the checkpoint: training waits while checkpoints are written from here on")
            return None
        self.copying = snapshot if deferred else None
        return snapshot

    def wait_for_snapshot(self) -> None:
        """Return when the optimizer's step may change what a checkpoint under way copies; called just before every step."""
        if self.copying is not None:
            with self._stalling():
                self.copying.hold_changes()
                self.copying = None

    def wait(self) -> None:
        """Return when nothing is being written; a warning when the disk refused."""
        with self._stalling():
            self._finish()

    @property
    def busy(self) -> bool:
        """Whether something is being written in the background."""
        return self._task is not None and not self._task.done

    def close(self) -> None:
        """The end of the run: wait for what is being written, and give the memory of the copies back."""
        self.wait()
        self._memory.free()
        self._spare = {}

    @contextmanager
    def _stalling(self) -> Iterator[None]:
        """Time that training spends waiting for checkpoints."""
        begun = time.perf_counter()
        with self._timing.phase("checkpoint"):
            try:
                yield
            finally:
                self.stalled += time.perf_counter() - begun

    def _finish(self) -> None:
        if self._task is not None:
            if self._order is None:
                self._task.stop()  # memory was being made ready; without that the copy is slower
            if self.copying is not None:
                self.copying.hold_changes()
                self.copying = None
            self._task.wait()
            self._hear()

    def _hear(self) -> None:
        """If what was under way in the background has ended, take in how."""
        task, order = self._task, self._order
        if task is None or not task.done:
            return
        self._task = self._order = None
        if order is None:
            return
        self.written_seconds += task.seconds
        if task.error is None:
            self._written(order)
            return
        self._saved_step = None
        if isinstance(task.error, Torn):
            self._torn(order)
        elif isinstance(task.error, OSError):
            refused(order.step, task.error)
            if self._held.get(order.step) == {} and order.snapshot is not None:
                self._held[order.step] = copied(as_evaluated(order.snapshot.files), {})
        else:
            raise task.error

    def _written(self, order: Order) -> None:
        """The disk has it: what was held for it is let go."""
        if any(each.kind == "full" for each in order.manifests):
            self._saved_step = order.step
        self._drop([step for step, weights in self._held.items() if step == order.step or weights is order.held.get(step)])

    def _torn(self, order: Order) -> None:
        """The system changes weights where only the optimizer should: that copy is of no use, later ones are made at once."""
        log.info("step %d: weights changed between two optimizer steps; checkpoints copy them at once from here on", order.step)
        self._deferring, self._missed = False, True
        if self._held.get(order.step) == {}:
            log.warning("the weights of step %d, among the best, were changed before they could be saved", order.step)
            order.best.entries = [entry for entry in order.best.entries if entry[0] != order.step]
            del self._held[order.step]

    def resume(self, session: Session, until: int | None = None) -> bool:
        """Put the session where its newest good checkpoint (no later than step `until`) was; False when none was ever written.

        Raises RunError when none is usable.
        """
        self.wait()
        world = session.parts.world
        checkpoint = self._newest(world, until)
        if checkpoint is None:
            return False
        restore(session, checkpoint)
        session.logs.keep_at_rank_0(world)
        lost = [step for step in session.best.steps if self.store.at(step) is None]
        session.best.entries = [entry for entry in session.best.entries if entry[0] not in lost]
        self._values, self._missed = dict(session.best.entries), False
        self._drop(list(self._held))
        self._saved_step = None if session.boundary_pending else session.step
        if until is not None and world.is_main:
            self.store.forget_after(session.step)
            self.store.record(session.step)
            self.store.point()
        return True

    def _newest(self, world: World, until: int | None) -> Checkpoint | None:
        """The newest good checkpoint; of several processes rank 0 chooses it for all."""
        if world.size == 1:
            return self.store.latest(until)
        step = world.first(lambda: None if (found := self.store.latest(until)) is None else found.manifest.step)
        return None if step is None else self.store.at(step)

    def settle(self, session: Session) -> None:
        """Leave the checkpoints as saving left them: a process may have been killed between writing one and what follows from that."""
        self.store.forget_after(session.step)
        self.store.record(session.step)
        self.store.prune(self._retention.before_row(session.last_row[0]))
        self.store.point()

    def best_weights(self, session: Session) -> Weights | None:
        """The weights of the best evaluation, from memory or from disk; None when there is none or it was lost."""
        found = self.several_best(session, 1)
        return found[0] if found else None

    def several_best(self, session: Session, count: int) -> list[Weights]:
        """The weights of the best `count` evaluations, best first, as far as they are not lost."""
        self.wait()
        found = (self._weights_at(session, step) for step in session.best.steps[:count])
        return [weights for weights in found if weights is not None]

    def _weights_at(self, session: Session, step: int) -> Weights | None:
        if self._held.get(step):
            return self._held[step]
        if step == session.step:
            return evaluated_weights(session)
        checkpoint = self.store.at(step)
        if checkpoint is None:
            log.warning("the best weights, of step %d, are lost", step)
            return None
        return checkpoint.tensors(SYSTEM) | checkpoint.tensors(EVALUATED)

    @contextmanager
    def guard(self, session: Session) -> Iterator[None]:
        """Around the run: an error saves what can be saved before it goes on, and at the end nothing is left half-written."""
        try:
            yield
        except BaseException as error:
            self.rescue(session, error)
            raise
        finally:
            self.close()

    def rescue(self, session: Session, error: BaseException) -> None:
        """Save before an error ends the run, if it came between two steps and the loss is finite; never raises."""
        from trainwright.engine.boundary import check_now

        if session.parts.world.size > 1:
            return  # the others are not at this place, and would be waited for
        left_at_once = isinstance(error, Interrupted) or session.interrupts.requested
        if left_at_once or not self.config.on_exception or session.step == 0 or not session.clock.phase.is_of_one_step:
            return
        try:
            self.wait()
            if self._saved_step == session.step:
                return
            check_now(session)
            session.boundary_pending = session.boundary_pending or session.clock.phase is Phase.EVALUATING
            if self.save(session, wait=True):
                log.warning("saved at step %d before an error ended the run", session.step)
        except FOREIGN as second:  # hooks of others are asked what they save: what they raise must not hide the error that came first
            log.warning("not saved at step %d: %s", session.step, second, exc_info=True)
