"""How a session is saved: asks the policy, gathers what is to be written, hears what came of it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.names import second_name
from trainwright.checkpoint.options import CheckpointConfig
from trainwright.checkpoint.retention import BeforeRow, BestK, LastK, Permanent, Policy, Retention
from trainwright.checkpoint.snapshot import Torn
from trainwright.checkpoint.store import CheckpointStore
from trainwright.checkpoint.writer import json_bytes
from trainwright.config.errors import TrainwrightError
from trainwright.engine.monitor import BestEvaluations
from trainwright.engine.plan import Plan
from trainwright.engine.saving.contents import join_evaluated, only_the_step_changes, tensors_of
from trainwright.engine.saving.held_weights import HeldWeights
from trainwright.engine.saving.shards import Shards
from trainwright.engine.saving.sharing import Together, maker, share_request
from trainwright.engine.saving.when import Due, SaveIntervals, SavePolicy, SavePosition, job_end
from trainwright.engine.saving.writing import AsyncWriter, SaveRequest, WriteOutcome
from trainwright.engine.state import EVALUATED, SYSTEM, evaluated_weights, state_of
from trainwright.engine.timing import PhaseTimer

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


class Saver:
    """Writes the checkpoints of a session, and holds the best weights in memory while no checkpoint on disk has them.

    When one is due says the policy, what stays the retention, and the writer writes it while training goes on. The end of the run, signals
    and errors wait until it is on disk.

    Of several processes rank 0 decides. Where all of them hold the same it writes, too, and the others hold the best weights in memory;
    where each holds a part, each writes that. `due`, `save` and `wait` are called by all of them at the same places.
    """

    def __init__(
        self, store: CheckpointStore, config: CheckpointConfig, policy: SavePolicy, retention: Retention, best: BestEvaluations
    ) -> None:
        self.store, self.config, self.policy, self.best = store, config, policy, best
        self.writer, self.held = AsyncWriter(store, config.background), HeldWeights()
        self.retention = retention
        self.together: Together | None = None
        """How processes save that hold a part each; None where rank 0, or the one process there is, has everything."""
        self.saved_step: int | None = None
        """The step whose checkpoint is there, or on its way."""
        self._due = Due()
        self._defers = False
        """Whether only the optimizer's step changes what is trained, so that its copy may be made until then."""
        self._timing = PhaseTimer()

    @classmethod
    def of(cls, folder: Path, config: CheckpointConfig, plan: Plan, best: BestEvaluations, *, rolls_back: bool = False) -> Saver:
        """The saver of a run whose checkpoints are in `folder`. Raises ConfigError for intervals that do not fit the run.

        `rolls_back`: keep what a run may have to be put back to.
        """
        deadline = math.inf if config.before_job_end is None else job_end() - config.before_job_end.seconds
        policy = SavePolicy(SaveIntervals.of(config, plan), config.min_interval.seconds, deadline=deadline)
        return cls(CheckpointStore(folder), config, policy, retention_of(config, rolls_back), best)

    @property
    def resumable(self) -> bool:
        """Whether what it writes can be continued from."""
        return self.config.type == "full"

    def replan(self, plan: Plan) -> None:
        """Go on by another plan: intervals of epochs are counted from its beginning."""
        self.policy.intervals = SaveIntervals.of(self.config, plan)

    def begin(self, session: Session) -> None:
        """Make ready for copies while training goes on: from here `wait_for_snapshot` must be called before every optimizer step."""
        self._timing = session.clock.timing
        self._defers = session.parts.followers.before_step is None
        if self.config.type != "none":
            self.writer.prepare(tensors_of(session, whole=self.resumable))

    def hold_best(self, step: int, value: float) -> None:
        """Hear of an evaluation; if it is among the best its weights are held until a checkpoint has them."""
        if self.best.offer(step, value):
            self.held.expect(step)
        self.held.keep_only(self.best.steps, reuse=not self.writer.busy)

    def hold(self, session: Session) -> None:
        """Copy the weights, if this step is one of the best and only they are missing."""
        if self.held.lacks(session.position.step):
            self.held.copy(session.position.step, evaluated_weights(session))

    def prepare(self, session: Session) -> None:
        """Learn, before anything is read or written, whether each process holds a part; called by all."""
        parts = session.parts
        if parts.world.size == 1:
            return
        self.writer.processes = parts.world.gather(gethostname()).count(gethostname())
        if parts.world.any(parts.strategy.shares_state or Shards.of(session).any):
            self.together = Together(parts.world)

    def due(self, session: Session, evaluated: bool) -> bool:
        """Whether a checkpoint should be written after this step; one due while a large one is being written is due afterwards."""
        if self.config.type == "none":
            return False
        world, ending = session.parts.world, bool(session.position.stopped_because)
        if ending and (self.together or world.is_main):
            self.wait()
        ended, self._due = world.first(lambda: self._ask(session, evaluated))
        if ended and self.together and not world.is_main:
            self.wait()  # it has ended there, and ends here
        return bool(self._due)

    def _ask(self, session: Session, evaluated: bool) -> tuple[bool, Due]:
        """Whether what was under way has ended, and what is to be written now."""
        position, ending, before = session.position, bool(session.position.stopped_because), self.writer.pending
        self._take_in(self.writer.poll())
        saved, step = self.saved_step == position.step, position.step
        due = self.policy.due(SavePosition(step, position.batches_seen, evaluated, ending, saved, self.writer.would_wait))
        return before and not self.writer.pending, due

    def save(self, session: Session, *, wait: bool = False) -> bool:
        """Write what is due now, with the best weights that only memory has; False when the disk refuses, with a warning,
        and for a run that keeps none.

        In the background, where a later warning says what became of it, unless `wait`, the end of the run or a signal wants it on disk.
        """
        if self.config.type == "none":
            return False
        if self.together is None:
            return session.parts.world.first(lambda: self._save(session, wait))
        return self._save(session, wait)

    def _save(self, session: Session, wait: bool) -> bool:
        position, self._timing = session.position, session.clock.timing
        wait = wait or bool(position.stopped_because or session.parts.interrupts.requested) or position.step == 0
        due, self._due = self._due or Due(whole=True), Due()
        with self._timing.phase("checkpoint"):
            self._take_in(self.writer.wait())
            try:
                tensors = tensors_of(session, whole=self.resumable and due.whole)
                request = self._request(session, due)
                if self.together is not None:
                    request, tensors = share_request(self.together, session, request, tensors)
                deferred = only_the_step_changes(session, tensors) if self._defers and not wait else set()
                outcome = self.writer.write(request, tensors, deferred, wait=wait)
            except OSError as error:  # of a tracker whose rows are to be on disk first
                say_refused(position.step, error)
                return False
            finally:
                self.policy.count_attempt(due)
            if outcome is None:
                self.saved_step = position.step if due.whole else self.saved_step
            self._take_in(outcome)
        return outcome is None or outcome.error is None

    def _request(self, session: Session, due: Due) -> SaveRequest:
        """What is to be written, as rank 0 has it."""
        numbers = session.parts.optimizer.numbers()
        if self.together is None:
            return self._make_request(session, due, numbers)
        return session.parts.world.first(lambda: self._make_request(session, due, numbers))

    def _make_request(self, session: Session, due: Due, numbers: dict[str, Any]) -> SaveRequest:
        """What is to be written; numbers and documents as they are now, rows logged so far on disk."""
        position, parts, best = session.position, session.parts, self.best
        for tracker in parts.trackers:
            tracker.sync()
        step, values = position.step, dict(best.entries)
        manifests, document, by = [], b"", maker(session)
        if due.weights and (self.resumable or not due.whole):
            manifests.append(Manifest("weights", step, value=values.get(step), kept=True, **by))
        if due.whole:
            kind, kept = ("full", due.keep) if self.resumable else ("weights", due.stays)
            manifests.append(Manifest(kind, step, best.steps, values.get(step), kept=kept, name=self._name(session), **by))  # type: ignore[arg-type]
        if due.whole and self.resumable:
            documents = state_of(session, numbers)
            for hook in parts.hooks.on_save_checkpoint:
                hook(session, parts.system, documents)
            document = json_bytes(documents)
        held = self.held.list_unsaved(besides=step) if due.whole else {}
        if self.together is not None:  # each puts its own parts there
            held = {each: {} for each in held}
        return SaveRequest(due, manifests, self.retention.before_row(position.last_row[0]), document, held, values)

    def _name(self, session: Session) -> str:
        """The checkpoint's second name, from the latest value of each column."""
        if self.config.name is None:
            return ""
        known = {name: value for row in session.logs.history for name, value in row.items()}
        return second_name(self.config.name, known | {"step": session.position.step, "epoch": session.position.epoch})

    def wait_for_snapshot(self) -> None:
        """Return when the optimizer's step may change what a checkpoint under way copies; called just before every step."""
        if self.writer.holds_changes:
            with self._timing.phase("checkpoint"):
                self.writer.hold_changes()

    def wait(self) -> None:
        """Return when nothing is being written; a warning when the disk refused."""
        with self._timing.phase("checkpoint"):
            self._take_in(self.writer.wait())

    @property
    def busy(self) -> bool:
        """Whether something is being written in the background."""
        return self.writer.busy

    def close(self) -> None:
        """The end of the run: wait for what is being written, and give the memory of the copies back."""
        try:
            self.wait()
        except TrainwrightError as error:  # another process has ended: what ends the run says so
            log.warning("the last checkpoint was not written: %s", error)
        self.writer.close()
        self.held.free()

    def _take_in(self, outcome: WriteOutcome | None) -> None:
        """Hear what became of a request: what the disk has is held no longer."""
        if outcome is None:
            return
        request, error, step = outcome.request, outcome.error, outcome.request.step
        if error is None:
            self.saved_step = step if request.due.whole else self.saved_step
            self.held.forget_written(step, request.held)
            return
        self.saved_step = None
        self.policy.owe(request.due, soon=isinstance(error, Torn))
        if isinstance(error, Torn):
            self._torn(step)
        elif isinstance(error, OSError):
            say_refused(step, error)
            if outcome.copies is not None and self.held.lacks(step):
                self.held.copy(step, join_evaluated(outcome.copies))
        else:
            raise error

    def _torn(self, step: int) -> None:
        """The system changes weights where only the optimizer should: that copy is of no use, later ones are made at once."""
        log.info("step %d: weights changed between two optimizer steps; checkpoints copy them at once from here on", step)
        self._defers = False
        if self.held.lacks(step):
            log.warning("the weights of step %d, among the best, were changed before they could be saved", step)
            self.best.forget([step])
            self.held.keep_only(self.best.steps, reuse=True)

    def continue_at(self, step: int | None) -> None:
        """Hear that the run goes on from the checkpoint of `step`; None where that is still to be evaluated, and saved again."""
        self.best.forget([each for each in self.best.steps if self.store.at(each) is None])
        self.policy.forget()
        self.held.keep_only([], reuse=True)
        self.saved_step = step


def retention_of(config: CheckpointConfig, rolls_back: bool = False) -> Retention:
    """What of a run's checkpoints stays, as its settings say."""
    if config.type == "none":
        return Retention()
    last = None if config.keep_last == "all" else config.keep_last
    if config.type == "weights":  # full ones are from before the setting was another: they are all that the run can be continued from
        return Retention((LastK(last, "weights"), BestK(config.keep_best, "weights"), Permanent(), LastK(None)))
    policies: list[Policy] = [LastK(last), BestK(config.keep_best), Permanent()]
    policies += [BeforeRow()] if rolls_back else []
    return Retention(tuple(policies), (SYSTEM, EVALUATED) if config.best_as_weights else ())


def say_refused(step: int, error: OSError) -> None:
    """Say that the disk refused a checkpoint."""
    log.warning("no checkpoint at step %d: %s; the ones before are untouched, training goes on", step, error.strerror or error)
