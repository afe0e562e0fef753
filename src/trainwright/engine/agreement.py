"""What several processes of a run tell each other while they train, so that each decision is made by all of them at the same step."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.world import Gathering, World

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


class Agreement:
    """Before every batch each process tells what it met and reads, without waiting, what all told before the batch that was just made.

    So a signal that any of them heard, a time that is over by the clock of rank 0, memory that ran out on one of them and a callback that
    wants to stop take effect after the same step on all. A run in one process has none of this.
    """

    def __init__(self, world: World, strategy: Strategy) -> None:
        self.world, self.strategy = world, strategy
        self.fitting = math.inf
        """Rows of the largest micro-batch that fits in memory here, once a larger one did not."""
        self._known_to_fit = math.inf
        """The smallest that any process has told."""
        self.wish = ""
        """Why a callback of this process wants to stop."""
        self._underway: Gathering | None = None

    def exchange(self, session: Session) -> None:
        """Tell what this process met, and take in what all of them told one batch ago.

        That there is something to tell goes along with the gradients; what it is, is asked only then. After a batch that exchanged none
        it is told by itself.
        """
        interrupts, before, told = session.parts.interrupts, self._underway, self.strategy.take_told()
        late = self.world.is_main and time.perf_counter() >= session.clock.next_due_at
        mine = [interrupts.heard, late, self.fitting, bool(self.wish)]
        self._underway = None
        if before is not None:
            self._take_in(session, before.read())
        elif told:
            self._take_in(session, self.world.gather(mine))
        if told is None:
            self._underway = self.world.start_gather(mine)
        unheard = interrupts.heard and not interrupts.requested
        self.strategy.asks = bool(unheard or late or self.wish or self.fitting < self._known_to_fit)

    def _take_in(self, session: Session, told: list[list[float]]) -> None:
        heard, late, fitting, wishes = zip(*told, strict=True)
        position = session.position
        session.parts.interrupts.agree([int(each) for each in heard])
        if any(late):
            session.clock.next_boundary = position.batches_seen + 1
        self._known_to_fit = min(fitting)
        if min(fitting) < position.plan.micro_batch_size:
            position.plan = replace(position.plan, micro_batch_size=int(min(fitting)))
            session.parts.events.tell("out_of_memory", position.step, fitting.index(min(fitting)), micro_batch_size=int(min(fitting)))
            log.info("memory ran out in another process: pieces of %d rows from step %d on", int(min(fitting)), position.step)
        if any(wishes):
            self.settle_wishes(session)

    def settle_wishes(self, session: Session) -> None:
        """End the run where a callback of any process wants to; called by all of them between two steps."""
        reason = next((each for each in self.world.gather(self.wish) if each), "")
        self.wish = ""
        if reason:
            session.end(reason)
