"""When a checkpoint is due: a policy that looks at counts and a clock alone, and answers with plain data."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from trainwright.checkpoint.options import CheckpointConfig
from trainwright.engine.interval import Interval
from trainwright.engine.plan import Plan

AT_LEAST_EVERY = 600.0
"""Seconds after which a logged row is reason enough for a checkpoint, when the config does not say how often."""


@dataclass(frozen=True)
class Due:
    """What is to be written now."""

    whole: bool = False
    """The checkpoint that the run goes on from; of a run that keeps weights alone, those."""
    keep: bool = False
    """That stays for good."""
    weights: bool = False
    """The weights alone, for good."""

    def __bool__(self) -> bool:
        return self.whole or self.weights

    def __or__(self, other: Due) -> Due:
        return Due(self.whole or other.whole, self.keep or other.keep, self.weights or other.weights)

    @property
    def stays(self) -> bool:
        """Whether what is due is to be of this very step."""
        return self.keep or self.weights


NOTHING = Due()


@dataclass(frozen=True)
class SavePosition:
    """Where a run is when it asks."""

    step: int
    batches_seen: int
    evaluated: bool = False
    """Whether the validation split has just been measured."""
    ending: bool = False
    saved: bool = False
    """Whether a checkpoint of this step is there, or on its way."""
    busy: bool = False
    """Whether the one before, a large one, is still being written."""


@dataclass
class SaveIntervals:
    """When checkpoints are due by count or by time: those that may be removed again, those that stay, the weights alone."""

    every: Interval | None = None
    keep: Interval | None = None
    weights: Interval | None = None

    @classmethod
    def of(cls, config: CheckpointConfig, plan: Plan) -> SaveIntervals:
        """As the config says; raises ConfigError for what does not fit the run."""
        given = {"every": config.every, "keep_every": config.keep_every, "weights_every": config.weights_every}
        return cls(*(None if each is None else Interval(each, plan, f"trainer.checkpoint.{name}") for name, each in given.items()))

    def list_given(self) -> list[Interval]:
        """Those there are."""
        return [each for each in (self.every, self.keep, self.weights) if each is not None]

    def due(self, step: int, batches_seen: int) -> Due:
        """What they ask for here."""
        every, keep, weights = (each is not None and each.due(step, batches_seen) for each in (self.every, self.keep, self.weights))
        return Due(every or keep, keep, weights)


class SavePolicy:
    """Due by intervals, after evaluations that are not too soon after a checkpoint, once before a deadline, and at the end of the run.

    One that is due while a large one is being written is due again as soon as that is on disk, unless it is to stay: then it is waited for.
    What a checkpoint that came to nothing was to be besides, the next one is.
    """

    def __init__(
        self,
        intervals: SaveIntervals,
        min_interval: float = 0.0,
        *,
        deadline: float = math.inf,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`min_interval`: seconds. `deadline`: when, by the clock, one more is wanted whatever else is due."""
        self.intervals, self._min_interval, self._clock = intervals, min_interval, clock
        self._last = clock()
        self._deadline = deadline if deadline > self._last else math.inf
        self._postponed, self._owed = NOTHING, NOTHING
        self.postponed = 0
        """How many were due while the one before was still being written."""

    def due(self, at: SavePosition) -> Due:
        """What is to be written after this step."""
        found = self.intervals.due(at.step, at.batches_seen)
        if at.ending:
            return NOTHING if at.saved else self._add_owed(found | Due(whole=True))
        if self._waited_enough(at.evaluated) or self._clock() >= self._deadline:
            found |= Due(whole=True)
        found |= self._postponed
        if found and at.busy and not found.stays:
            self.postponed += not self._postponed
            self._postponed = found
            return NOTHING
        return self._add_owed(found)

    def _add_owed(self, found: Due) -> Due:
        return found | self._owed if found.whole else found

    def _waited_enough(self, evaluated: bool) -> bool:
        limit = self._min_interval if evaluated else AT_LEAST_EVERY if self.intervals.every is None else math.inf
        return self._clock() - self._last >= limit

    def count_attempt(self, due: Due) -> None:
        """Hear that what was due is written, or on its way, or was refused."""
        self._last = self._clock()
        if self._last >= self._deadline:
            self._deadline = math.inf
        for each in self.intervals.list_given():
            each.done()
        if due.whole:
            self._postponed = self._owed = NOTHING

    def owe(self, due: Due, *, soon: bool = False) -> None:
        """Hear that nothing came of it: what was to stay is made up for by the next one; `soon` makes that due at once."""
        self._owed |= Due(keep=due.keep, weights=due.weights)
        if soon:
            self._postponed |= Due(whole=True)

    def forget(self) -> None:
        """Begin anew, where a run goes on from a checkpoint."""
        self._postponed = self._owed = NOTHING

    def next_step(self, step: int, batches_seen: int | None = None) -> int | None:
        """The first count of batches at which one of the intervals may be due."""
        return min((each.next_step(step, batches_seen) for each in self.intervals.list_given()), default=None)

    def next_due_at(self) -> float:
        """When something is due by the clock; infinity if nothing is."""
        return min([self._deadline, *(each.next_due_at() for each in self.intervals.list_given())])


def job_end() -> float:
    """When the time of this job of Slurm's is over, by `time.perf_counter`; infinity where that is not known."""
    try:
        return time.perf_counter() + float(os.environ["SLURM_JOB_END_TIME"]) - time.time()
    except (KeyError, ValueError):
        return math.inf
