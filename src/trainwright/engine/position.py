"""Where a run is: with the state of its parts, all that a checkpoint needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainwright.engine.plan import Plan


@dataclass
class Position:
    """Counts and facts that change while a run goes on; epoch, order of rows and randomness follow from `batches_seen`."""

    plan: Plan
    """The realised lengths; another one from the epoch on in which the batch grows, or once memory ran out."""
    step: int = 0
    """Optimizer updates made."""
    batches_seen: int = 0
    """Batches used: as many as updates, and those that were skipped."""
    skipped_batches: set[int] = field(default_factory=set)
    """Numbers of batches that make no step, because their loss was not finite or a callback said so."""
    skipped: int = 0
    """How many of them were not finite, and skipped one by one."""
    rollbacks: int = 0
    """How often the run went back to a checkpoint because of its loss."""
    last_rollback: tuple[int, int] = (-1, 0)
    """The step of the last row before the fault it went back for, and how often it did so for a fault right after that row."""
    boundary_pending: bool = False
    """An evaluation at this step was cut short by a signal and must be done first when the run continues."""
    epoch_ended_at: int = 0
    """Batches used at the last end of an epoch that hooks were told of."""
    evaluated_at: int = -1
    """The step of the last evaluation."""
    last_row: tuple[int, float] = (0, 0.0)
    """Step and seconds of training at the last logged row."""
    batches_at_last_row: int = 0
    """Batches used at the last logged row."""
    stopped_because: str = ""
    """What ended the run; empty while it goes on."""
    finished: bool = False
    """Whether the kept weights are in the system."""
    data_numbers: dict[str, str] = field(default_factory=dict)
    """Numbers by which the data are known again: of rows of theirs, and of a loader's order."""
    saved_extent: list[Any] | None = None
    """Steps per epoch and in all, as the checkpoint that was loaded has them."""
    fork: bool = False
    """Whether the checkpoint to be loaded is another run's."""

    @property
    def epoch(self) -> int:
        """Passes over the training rows already finished."""
        return self.plan.epoch_of(self.batches_seen)

    @property
    def progress(self) -> float:
        """Share of the run already done; 0 while its length is not known."""
        return min(self.step / self.plan.max_steps, 1.0) if self.plan.max_steps else 0.0

    @property
    def length_reached(self) -> bool:
        """Whether as many steps were made, or batches seen, as the plan has."""
        done = self.batches_seen if self.plan.limit == "max_epochs" else self.step
        return self.plan.max_steps is not None and done >= self.plan.max_steps

    def skip_rest_of_epoch(self) -> None:
        """Let the batches from this one to the end of the epoch make no step."""
        self.skipped_batches.update(range(self.batches_seen, self.plan.epoch_end(self.batches_seen)))

    def rows_since_last_row(self, until: int) -> int:
        """Training rows seen from the last logged row until `until` batches were used."""
        return self.plan.rows_until(until) - self.plan.rows_until(self.batches_at_last_row)
