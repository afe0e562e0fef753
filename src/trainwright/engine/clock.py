"""When something is due beside training, where the time goes, and what the run is doing at this moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from trainwright.engine.config import TrainerConfig
from trainwright.engine.interval import NEVER, Interval
from trainwright.engine.plan import Plan
from trainwright.engine.position import Position
from trainwright.engine.timing import PhaseTimer


class Phase(Enum):
    """What a run is doing: an error may be followed by a checkpoint only where the state is that of a whole number of steps."""

    OUTSIDE = "outside the loop"
    """Before the first step, or after the last: the state may be anything."""
    BETWEEN_STEPS = "between steps"
    """Everything is as the last step left it."""
    READING = "data"
    """The same, while a batch is read."""
    IN_STEP = "in a step"
    """Weights, gradients and counts may be of neither step."""
    AT_BOUNDARY = "at a boundary"
    """A row is logged, hooks run, a checkpoint is written: part of it may be done."""
    EVALUATING = "evaluating"
    """A split is measured: nothing of the training changes, and the evaluation is done again where the run continues."""

    @property
    def is_of_one_step(self) -> bool:
        """Whether the session's state is that of one step, so that it may be saved and continued from."""
        return self in (Phase.BETWEEN_STEPS, Phase.READING, Phase.EVALUATING)


@dataclass
class Clock:
    """Intervals of a run and the first of them that is due; the loop looks at two numbers of it per step."""

    log_interval: Interval
    evaluation_interval: Interval
    sampling_interval: Interval | None = None
    timing: PhaseTimer = field(default_factory=PhaseTimer)
    phase: Phase = Phase.OUTSIDE
    next_boundary: int = 0
    """The first count of batches after which there is something to do beside training."""
    next_due_at: float = math.inf
    """The time (of `time.perf_counter`) at which something is due by the clock: the step that begins after it ends in a boundary."""
    first_step_after: float | None = None
    """Seconds from the start of this process to its first step."""
    on_first_step: Callable[[], None] | None = None
    """Called when the first step of this process begins."""

    @classmethod
    def of(cls, config: TrainerConfig, plan: Plan) -> Clock:
        """The intervals of a run. Raises ConfigError for those that do not fit its length."""
        return cls(*intervals_of(config, plan))

    def replan(self, config: TrainerConfig, plan: Plan) -> None:
        """Go on by another plan: intervals of epochs are counted from its beginning."""
        self.log_interval, self.evaluation_interval, self.sampling_interval = intervals_of(config, plan)

    def elapsed(self) -> float:
        """Seconds of this run so far, over all its processes."""
        return sum(self.timing.read().values())

    def limit_reached(self, position: Position) -> str:
        """What ends the run by its length: `max_epochs`, `max_steps`, `max_time`, or nothing."""
        plan = position.plan
        if position.length_reached:
            return plan.limit
        return "max_time" if plan.max_seconds is not None and self.elapsed() >= plan.max_seconds else ""

    def plan_next_boundary(self, position: Position, save_at: int | None, save_due_at: float) -> None:
        """Find what is first: log, evaluation, checkpoint (at a count of batches or by the clock), end of the epoch or of the run."""
        step, batches_seen, plan = position.step, position.batches_seen, position.plan
        intervals = [each for each in (self.log_interval, self.evaluation_interval, self.sampling_interval) if each is not None]
        counts = [each.next_step(step, batches_seen) for each in intervals]
        counts += [plan.epoch_end(batches_seen), NEVER if save_at is None else save_at]
        if plan.max_steps is not None:
            counts.append(plan.max_steps if plan.limit == "max_epochs" else batches_seen + plan.max_steps - step)
        times = [*(each.next_due_at() for each in intervals), save_due_at]
        if plan.max_seconds is not None:
            times.append(time.perf_counter() + plan.max_seconds - self.elapsed())
        self.next_boundary, self.next_due_at = min(counts), min(times)


def intervals_of(config: TrainerConfig, plan: Plan) -> tuple[Interval, Interval, Interval | None]:
    """When a row is logged, the validation split is evaluated, and samples are made. Raises ConfigError for what does not fit the run."""
    evaluating = Interval(config.evaluate_every, plan, "trainer.evaluate_every")
    sampling = None if config.sampling is None else Interval(config.sampling.every, plan, "trainer.sampling.every")
    return Interval(config.log_every, plan, "trainer.log_every"), evaluating, sampling
