"""Everything of one fit while it runs: what the loop works with, and what callbacks see."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainwright.checkpoint.names import COLUMNS
from trainwright.config.errors import TrainwrightError, did_you_mean
from trainwright.data.rows import Rows
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.feed import Feed
from trainwright.engine.following import DataFollowers
from trainwright.engine.growth import Growth
from trainwright.engine.held_state import HeldState
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.interval import Interval
from trainwright.engine.modes import Active
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import Plan
from trainwright.engine.precision import Precision
from trainwright.engine.precision_options import PrecisionOptions
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.recovery import Buffers
from trainwright.engine.renamed import ON_SESSION, renamed
from trainwright.engine.running import RunningLoss, RunningValues
from trainwright.engine.running_metrics import RunningMetrics
from trainwright.engine.save_order import SaveIntervals
from trainwright.engine.saving import Saver
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.step import Backward
from trainwright.engine.step_result import Weights
from trainwright.engine.system import Batch, Loss, StepContext, System, to_device
from trainwright.engine.timing import Timing
from trainwright.optim.averages import Averages
from trainwright.optim.base import Optimizer
from trainwright.optim.clipping import gradients
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.swap import weights_inside
from trainwright.tracking.base import Tracker

log = logging.getLogger("trainwright.engine")

REDUCTIONS = ("mean", "sum", "last")
OWN_COLUMNS = (*COLUMNS, "train/loss", "validation/loss")
"""Columns of rows that no logged value may take the place of."""


@dataclass
class Session:
    """The parts of a run and its position: `batches_seen`, from which epoch, order of rows and randomness follow, and `step`."""

    config: TrainerConfig
    plan: Plan
    seed: int
    device: torch.device
    system: System
    optimizer: Optimizer
    rates: LearningRates
    freezing: Freezing
    gradient_hooks: GradientHooks
    train: Rows
    feed: Feed
    """Where batches of the training rows come from."""
    validation: Rows | None
    monitor: Monitor
    best: Best
    hooks: Hooks
    trackers: list[Tracker]
    saver: Saver
    interrupts: Interrupts
    log_interval: Interval
    evaluation_interval: Interval
    seeds: StepSeeds
    continue_with: str
    """The command that continues this run, for a person to copy."""
    running_loss: RunningLoss
    running_metrics: RunningMetrics
    running_values: RunningValues
    timing: Timing = field(default_factory=Timing)
    backward: Backward = field(default_factory=Backward)
    precision: Precision = field(default_factory=lambda: Precision(PrecisionOptions(), torch.device("cpu")))
    spikes: SpikeWatch | None = None
    averages: Averages | None = None
    growth: Growth | None = None
    active: Active = field(default_factory=Active)
    """What the modes ask of batches."""
    losses: list[Loss] = field(default_factory=list)
    """Those of the step being made, where the optimizer needs them."""
    media_folder: Path | None = None
    """Where media go that no run in progress holds: those of a measurement or of predictions."""
    stage: str = "fit"
    """What runs: `fit`, `validate`, `test` or `predict`."""
    saved_extent: list[Any] | None = None
    """Steps per epoch and in all, as the checkpoint that was loaded has them."""
    data_numbers: dict[str, str] = field(default_factory=dict)
    """Numbers by which the data are known again: of rows of theirs, and of a loader's order."""
    fork: bool = False
    """Whether the checkpoint to be loaded is another run's."""
    step: int = 0
    """Optimizer updates made."""
    batches_seen: int = 0
    """Batches used: as many as updates, and those that were left out."""
    skipped_batches: set[int] = field(default_factory=set)
    """Numbers of batches that make no step, because their loss was not finite or a callback said so."""
    skipped: int = 0
    """How many of them were not finite, and left out one by one."""
    rollbacks: int = 0
    """How often the run went back to a checkpoint because of its loss."""
    last_rollback: tuple[int, int] = (-1, 0)
    """The step of the last row before the fault it went back for, and how often it did so for a fault right after that row."""
    overflowed: bool = False
    """Whether the gradient of this step overflowed float16."""
    finished: bool = False
    """Whether the kept weights are in the system."""
    next_boundary: int = 0
    """The first count of batches after which there is something to do beside training."""
    next_due_at: float = math.inf
    """The time (of `time.perf_counter`) at which something is due by the clock: the step that begins after it ends in a boundary."""
    boundary_pending: bool = False
    """An evaluation at this step was cut short by a signal and must be done first when the run continues."""
    epoch_ended_at: int = 0
    """Batches used at the last end of an epoch that hooks were told of."""
    evaluated_at: int = -1
    """The step of the last evaluation."""
    stopped_because: str = ""
    """What ended the run; empty while it goes on."""
    gradient_norm: Tensor | None = None
    """Global 2-norm before clipping of the last step that measured it, on the device."""
    last_row: tuple[int, float] = (0, 0.0)
    """Step and seconds of training at the last logged row."""
    last_tick: int = 0
    """Batches used at the last logged row."""
    first_step_after: float | None = None
    """Seconds from the start of this process to its first step."""
    on_first_step: Callable[[], None] | None = None
    """Called when the first step of this process begins."""
    names_taken: set[str] = field(default_factory=set)
    """Names of logged values that are columns of the run itself, and of which that was said."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Every logged row."""

    def __post_init__(self) -> None:
        self.order_device: torch.device = getattr(self.train, "device", torch.device("cpu"))
        follows = getattr(self.system, "follows_the_run", True)
        self.update_step: Callable[[StepContext], None] | None = getattr(self.system, "update_step", None) if follows else None
        self.update_step_end: Callable[[StepContext], None] | None = getattr(self.system, "update_step_end", None) if follows else None
        self.data_followers = DataFollowers(self.train)
        self._followers_of: dict[int, tuple[Any, DataFollowers]] = {}
        self.manual = not getattr(self.system, "automatic_optimization", True)
        self.measures_norm = self.config.clip.any or self.config.recovery.not_finite == "skip"
        self.evaluation_batch_size = self.config.evaluation_batch_size
        redone = self.precision.scaler is not None or self.config.recovery.out_of_memory == "heal" or self.measures_norm
        self.buffers = Buffers(self.system, needed=redone)
        self.held_state = HeldState(self.system)
        self.forward = self.precision.forward
        self.first_plan = self.plan
        self.batch_size, self.base_learning_rate = self.plan.batch_size, self.optimizer.base_learning_rate

    def __getattr__(self, name: str) -> Any:
        return renamed(self, name, ON_SESSION)

    @property
    def folder(self) -> Path:
        """The run's directory."""
        return self.saver.store.folder.parent

    @property
    def epoch(self) -> int:
        """Passes over the training rows already finished."""
        return self.plan.epoch_of(self.batches_seen)

    @property
    def progress(self) -> float:
        """Share of the run already done; 0 while its length is not known."""
        return min(self.step / self.plan.max_steps, 1.0) if self.plan.max_steps else 0.0

    @property
    def scale(self) -> float:
        """What losses are multiplied by before they go backwards: 1, but for float16."""
        return 1.0 if self.precision.scaler is None else self.precision.scaler.scale

    def context(self) -> StepContext:
        """Where the run is, with the generator seeded for this batch."""
        self.seeds.step(self.batches_seen)
        return StepContext(self.step, self.epoch, self.progress, self.seeds.generator)

    def before_batch(self) -> None:
        """Tell the parts of the training data that follow the run of the step whose batch is about to be read."""
        if self.data_followers.ids:
            self.data_followers.update_step(self.context())

    def before_split(self, rows: Any, context: StepContext) -> None:
        """Tell what follows the run, in the system and in the rows of a split, that these are about to be measured or predicted."""
        if self.update_step is not None:
            self.update_step(context)
        if id(rows) not in self._followers_of:
            self._followers_of[id(rows)] = (rows, DataFollowers(rows))  # held, so that no other rows come to have this id
        self._followers_of[id(rows)][1].update_step(context)

    def after_step(self, context: StepContext) -> None:
        """Tell what follows the run that a step was made, with the context it began with."""
        if self.update_step_end is not None:
            self.update_step_end(context)
        self.data_followers.update_step_end(context)

    def weights_at(self, context: StepContext) -> Weights | None:
        """The weights of the parts of the loss, where the system has any."""
        given: Callable[[StepContext], Weights] | None = getattr(self.system, "loss_weights", None)
        return None if given is None else given(context)

    def unscale(self) -> None:
        """Take the loss scale out of the gradients, and see whether they overflowed."""
        if self.precision.scaler is not None:
            self.overflowed = not self.precision.scaler.unscale(self.gradients())

    def skip_batches(self, batch_numbers: Iterable[int], why: str) -> None:
        """Let batches make no step; said aloud. Raises TrainwrightError when there were too many."""
        self.skipped_batches.update(batch_numbers)
        self.skipped += 1
        log.warning("step %d: %s; batch %d left out (%d so far)", self.step, why, self.batches_seen, self.skipped)
        limit = self.config.recovery.limit
        if self.skipped > limit:
            fix = "look for infinite values in the data, or raise trainer.recovery.limit"
            raise TrainwrightError(f"more than {limit} batches were left out", where=f"step {self.step}", why=why, fix=fix)

    def skip_rest_of_epoch(self) -> None:
        """Let the batches from this one to the end of the epoch make no step."""
        self.skipped_batches.update(range(self.batches_seen, self.plan.epoch_end(self.batches_seen)))

    def placed(self, batch: Batch) -> Batch:
        """A batch on the device, in the memory format of the run."""
        batch = to_device(batch, self.device)
        return batch if self.active.batch is None else self.active.batch(batch)

    def averaged(self) -> dict[str, Tensor] | None:
        """Parameter → the value that is evaluated and shipped in place of the trained one; None where that is the trained one."""
        if self.averages is not None and self.averages.evaluated is not None:
            return self.averages.weights(self.averages.evaluated)
        of_the_optimizer = getattr(self.optimizer, "averaged", None)
        found: dict[str, Tensor] | None = None if of_the_optimizer is None else of_the_optimizer()
        return found

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """The weights that are evaluated and shipped are in the system: an average of the run's or the optimizer's, or the trained ones."""
        averaged = None if self.stage != "fit" or self.finished else self.averaged()
        with nullcontext() if averaged is None else weights_inside(self.system, averaged):  # type: ignore[arg-type]
            yield

    def log(self, name: str, value: float | Tensor, reduce: Literal["mean", "sum", "last"] = "mean") -> None:
        """Put a number into the next logged row: the mean, sum or last of those since the row before; tensors stay on the device."""
        if reduce not in REDUCTIONS or not (isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)):
            raise not_logged(name, value, reduce)
        self.running_values.add(self._free_name(name), value, reduce)

    def _free_name(self, name: str) -> str:
        """The column of a logged value: its name, or one under `logged/` where the run itself has such a column, which is said once."""
        if name not in OWN_COLUMNS:
            return name
        if name not in self.names_taken:
            self.names_taken.add(name)
            log.warning("'%s' is a column of the run itself: what is logged under this name stands in 'logged/%s'", name, name)
        return f"logged/{name}"

    def stop(self, reason: str) -> None:
        """End the run at the next step boundary, saved as one that is done; `reason` is kept in the results."""
        self.stopped_because = self.stopped_because or reason
        self.next_boundary = self.batches_seen

    def gradients(self) -> list[Tensor]:
        """The gradients there are now."""
        return gradients(self.optimizer.parameters())

    def replan(self, plan: Plan) -> None:
        """Go on by another plan: cadences of epochs are counted from its beginning."""
        if plan == self.plan:
            return
        self.plan = plan
        self.log_interval = Interval(self.config.log_every, plan, "trainer.log_every")
        self.evaluation_interval = Interval(self.config.evaluate_every, plan, "trainer.evaluate_every")
        self.saver.intervals = SaveIntervals.of(self.config.checkpoint, plan)

    def plan_next_boundary(self) -> None:
        """Set `next_boundary` and `next_moment`: log, evaluation, checkpoint, end of the epoch or of the run, whichever is first."""
        step, batches_seen, plan = self.step, self.batches_seen, self.plan
        candidates = [
            self.log_interval.next_step(step, batches_seen),
            self.evaluation_interval.next_step(step, batches_seen),
            plan.epoch_end(batches_seen),
        ]
        if plan.max_steps is not None:
            candidates.append(plan.max_steps if plan.limit == "max_epochs" else batches_seen + plan.max_steps - step)
        saving = self.saver.next_step(step, batches_seen)
        candidates += [] if saving is None else [saving]
        self.next_boundary = min(candidates)
        due_times = [self.log_interval.next_due_at(), self.evaluation_interval.next_due_at(), self.saver.next_due_at()]
        due_times += [] if plan.max_seconds is None else [time.perf_counter() + plan.max_seconds - self.elapsed()]
        self.next_due_at = min(due_times)

    def limit_reached(self) -> str:
        """What ends the run by its length: `max_epochs`, `max_steps`, `max_time`, or nothing."""
        done = self.batches_seen if self.plan.limit == "max_epochs" else self.step
        if self.plan.max_steps is not None and done >= self.plan.max_steps:
            return self.plan.limit
        if self.plan.max_seconds is not None and self.elapsed() >= self.plan.max_seconds:
            return "max_time"
        return ""

    def elapsed(self) -> float:
        """Seconds of this run so far, over all its processes."""
        return sum(self.timing.read().values())

    def rows_between(self, before: int, after: int) -> int:
        """Training rows seen from batch count `before` to batch count `after`."""
        return self.plan.rows_until(after) - self.plan.rows_until(before)


def not_logged(name: str, value: object, reduce: str) -> TrainwrightError:
    """The error for what cannot be put into a row."""
    if reduce not in REDUCTIONS:
        return TrainwrightError(f"there is no reduction '{reduce}'", where=f"session.log({name!r})", fix=did_you_mean(reduce, REDUCTIONS))
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
    return TrainwrightError(f"{what} is no number", where=f"session.log({name!r})", fix="log a number or a tensor of one element")
