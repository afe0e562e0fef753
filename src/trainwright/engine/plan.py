"""The realised lengths of a run: rows per step, steps per epoch, steps in all; where the run is follows from the count of batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from trainwright.config.errors import ConfigError
from trainwright.data.transforms.place import BatchPlace
from trainwright.engine.batch import largest_step, realise_sizes, steps_in_epoch
from trainwright.engine.config import TrainerConfig
from trainwright.optim.schedules.base import Extent

SMALLEST_BATCH, LARGEST_BATCH = 16, 1024
DEFAULT_STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 4_000, 20, 500
"""Without max_epochs, max_steps or max_time a run has about this many steps, within these epochs; early stopping usually ends it before."""


@dataclass(frozen=True)
class Plan:
    """How many rows each step takes and when the run ends."""

    rows: int
    batch_size: int
    micro_batch_size: int
    steps_per_epoch: int
    max_steps: int | None
    """None while only a time limits the run."""
    limit: str
    """What ends the run at max_steps: `max_epochs` or `max_steps`."""
    max_seconds: float | None
    first_tick: int = 0
    """Batches used when this plan began: 0, or an epoch's end at which the batch grew."""
    first_epoch: int = 0
    """The epoch that began there."""
    batch_statistics: bool = False
    """Whether the system normalises over the batch, so that a single row left over joins the step before it."""
    ready: bool = False
    """Whether what is counted as rows are whole batches, as a loader gives them."""
    ranks: int = 1
    """Processes that share the rows of each step."""
    dealt: int = 0
    """Rows of a piece that is dealt to one of several processes; it stays when memory runs out and micro-batches become smaller."""

    def epoch_of(self, batches_seen: int) -> int:
        """Whole passes over the rows once `batches_seen` batches were used."""
        return self.first_epoch + (batches_seen - self.first_tick) // self.steps_per_epoch

    def index_of(self, batches_seen: int) -> int:
        """The place within its epoch of the batch after `batches_seen` others."""
        return (batches_seen - self.first_tick) % self.steps_per_epoch

    def epochs_at(self, batches_seen: int) -> float:
        """Passes over the rows once `batches_seen` batches were used, with the part of the last."""
        return self.first_epoch + (batches_seen - self.first_tick) / self.steps_per_epoch

    def rows_until(self, batches_seen: int) -> int:
        """Training rows seen in `batches_seen` batches."""
        return self.epoch_of(batches_seen) * self.rows + min(self.index_of(batches_seen) * self.batch_size, self.rows)

    def epoch_end(self, batches_seen: int) -> int:
        """Batches used at the end of the epoch in which the batch after `batches_seen` others is."""
        return self.first_tick + (self.epoch_of(batches_seen) - self.first_epoch + 1) * self.steps_per_epoch

    @property
    def extent(self) -> Extent:
        """The lengths that schedules and intervals need."""
        return Extent(self.steps_per_epoch, self.max_steps)

    def bounds(self, index: int) -> tuple[int, int]:
        """First and last+1 place in the epoch's order of the rows of step `index` of the epoch; the last step takes what is left."""
        start = index * self.batch_size
        return start, self.rows if index == self.steps_per_epoch - 1 else start + self.batch_size

    def batches_until(self, index: int) -> int:
        """Batches of its epoch up to step `index` and with it: as many as a loader gave, where steps join several of its batches."""
        return self.bounds(index)[1] if self.ready else index + 1


def place_of(plan: Plan, batch_number: int) -> BatchPlace:
    """Where in the run a batch is, for what is done to it."""
    share = None if plan.max_steps is None else min(batch_number / max(plan.max_steps, 1), 1.0)
    return BatchPlace(batch_number, plan.epochs_at(batch_number), share)


def make_plan(config: TrainerConfig, rows: int, batch_statistics: bool = False, ready: bool = False, ranks: int = 1) -> Plan:
    """The plan for `rows` training rows; `batch_statistics` says that the system normalises over the batch, which one row cannot do.

    `ready`: each row is a whole batch, and a step takes `accumulation` of them, by default one. `ranks`: processes that share each step.
    Raises ConfigError when both max_epochs and max_steps are given, or there are no rows.
    """
    if config.max_epochs is not None and config.max_steps is not None:
        fix = "keep the one that should end the run"
        raise ConfigError("max_epochs and max_steps are both given", where="trainer", why="they are two ends of one run", fix=fix)
    if rows < 1:
        raise ConfigError("there are no training rows", where="data.split")
    batch, micro, pieces = (None if size == "auto" else size for size in (config.batch_size, config.micro_batch_size, config.accumulation))
    if ready:
        batch, micro = min(pieces or 1, rows), 1
    else:
        batch, micro, _ = realise_sizes(batch, micro, pieces, rows, automatic_batch_size(rows), config.max_batch_size)
    steps_per_epoch = steps_in_epoch(rows, batch, batch_statistics)
    max_steps, limit = _end(config, steps_per_epoch)
    seconds = None if config.max_time is None else config.max_time.seconds
    micro = largest_step(rows, batch, steps_per_epoch) if micro == batch and not ready else micro
    dealt = 0 if ready or ranks == 1 else min(micro, dealt_rows(batch, ranks, batch_statistics))
    plan = Plan(rows, batch, dealt or micro, steps_per_epoch, max_steps, limit, seconds, batch_statistics=batch_statistics, ready=ready)
    return replace(plan, ranks=ranks, dealt=dealt)


def dealt_rows(batch: int, ranks: int, batch_statistics: bool = False) -> int:
    """Rows of the pieces of which each of `ranks` processes takes one: two at least where the system normalises over the batch."""
    return max(math.ceil(batch / ranks), min(2, batch) if batch_statistics else 1)


def largest_dealt(plan: Plan) -> int:
    """Rows of the pieces of a plan whose steps are dealt out in one round."""
    return dealt_rows(plan.batch_size, plan.ranks, plan.batch_statistics)


def _end(config: TrainerConfig, steps_per_epoch: int) -> tuple[int | None, str]:
    if config.max_steps is not None:
        return config.max_steps, "max_steps"
    if config.max_epochs is not None:
        return config.max_epochs * steps_per_epoch, "max_epochs"
    if config.max_time is not None:
        return None, "max_time"
    epochs = min(max(DEFAULT_STEPS // steps_per_epoch, FEWEST_EPOCHS), MOST_EPOCHS)
    return epochs * steps_per_epoch, "max_epochs"


def automatic_batch_size(rows: int) -> int:
    """The power of two nearest to 2 √rows, between 16 and 1024: steps grow with the table, but slower than its rows."""
    wanted = 2 * math.sqrt(max(rows, 1))
    return int(min(max(2 ** round(math.log2(wanted)), SMALLEST_BATCH), LARGEST_BATCH))
