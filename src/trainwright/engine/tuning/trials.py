"""Trials: real steps of the real loop on real rows, timed, and without a trace afterwards."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainwright.config.durations import Duration
from trainwright.data.rows import Rows
from trainwright.engine.batch_options import LearningRateScaling
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_step
from trainwright.engine.modes import Active
from trainwright.engine.recovery import out_of_memory
from trainwright.engine.session import Session
from trainwright.engine.surroundings import call_hooks, surroundings
from trainwright.engine.system import System
from trainwright.engine.tuning.kept import change_nothing
from trainwright.engine.tuning.memory import Meter, meter_of
from trainwright.engine.tuning.worst import worst_rows
from trainwright.optim.schedules.options import ConstantOptions

if TYPE_CHECKING:
    from trainwright.engine.trainer import Trainer

NEVER = Duration(10**12, "steps")
WARM_UP = 2
"""Steps before any is timed: memory is allocated, kernels are compiled and searched for in them."""
FEWEST, MOST = 3, 25
"""Steps that are timed; within these, `ENOUGH` seconds of them."""
ENOUGH, LONG = 0.25, 2.0
"""Seconds of steps that are enough, and seconds after which one timed step must do."""


@dataclass(frozen=True)
class Trial:
    """One size, tried."""

    batch_size: int
    micro_batch_size: int
    verdict: str
    """`fits`, `out of memory`, `over the margin`, or `not tried` because it would be."""
    seconds: float | None = None
    """Per step: the fastest of those timed."""
    peak_bytes: int | None = None
    """Most memory in use; null where it cannot be measured."""

    @property
    def fits(self) -> bool:
        """Whether a run may have this size."""
        return self.verdict == "fits"

    @property
    def samples_per_second(self) -> float:
        """Throughput; 0 for a size that does not fit."""
        return self.batch_size / self.seconds if self.seconds else 0.0


def quiet(config: Any, **changes: Any) -> Any:
    """A `trainer:` section whose steps are those of `config`, and which logs, evaluates, saves, heals and ends nothing."""
    recovery = config.recovery.model_copy(update={"out_of_memory": "stop", "not_finite": "ignore", "watchdog": None, "loss_spike": None})
    silent = {
        "trackers": [],
        "callbacks": [],
        "early_stopping": None,
        "schedule": ConstantOptions(),
        "log_every": NEVER,
        "evaluate_every": NEVER,
        "checkpoint": type(config.checkpoint)(),
        "max_epochs": None,
        "max_steps": int(NEVER.value),
        "max_time": None,
        "recovery": recovery,
        "batch_growth": None,
        "loader": type(config.loader)(),
        "learning_rate_scaling": LearningRateScaling(),
        "accumulation": None,
    }
    return config.model_copy(update=silent | changes)


@contextmanager
def trial_session(
    trainer: Trainer, system: System, rows: Rows, active: Active | None = None, snapshot: bool = True, **changes: Any
) -> Iterator[Session]:
    """A session whose steps are those of the run; the system and all generators are as before once it is over.

    `snapshot`: whether weights and buffers are copied before and put back.
    `active`: what the modes of the run ask of batches, where they are switched on already.
    """
    made = type(trainer)(quiet(trainer.config, **changes), seed=trainer.seed, device=trainer.device, console=False)
    around = surroundings(made.config, system, made.device) if active is None else nullcontext(active)
    with change_nothing(system, trainer.device, snapshot), around as found:
        session = made.opening.session(system, rows, None, Path("trials"), Interrupts(), found)
        session.clock.next_boundary = int(NEVER.value)
        with call_hooks(session), session.parts.precision.fp32_regions(system):
            yield session
    del session, made


class Bench:
    """Times steps of one session at different sizes, always on its worst rows."""

    def __init__(self, session: Session, margin: float = 0.1) -> None:
        self.session = session
        self.meter: Meter = meter_of(session.device, margin)
        self._measured: list[tuple[int, int]] = []

    def __call__(self, batch_size: int, micro_batch_size: int) -> Trial:
        """Try a size: warmed up, synchronised, judged by memory. Errors other than of memory are the system's and are raised."""
        if self.predict_bytes(micro_batch_size) > (self.meter.limit or float("inf")) and self.session.device.type != "cuda":
            return Trial(batch_size, micro_batch_size, "not tried")
        failed = False
        self.meter.begin()
        try:
            seconds = self._seconds(batch_size, micro_batch_size)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            failed = True
        if failed:  # outside of `except`, whose traceback holds on to the tensors of the step
            self._clear()
            return Trial(batch_size, micro_batch_size, "out of memory")
        peak = self.meter.peak()
        if peak is not None:
            self._measured.append((micro_batch_size, peak))
        over = peak is not None and self.meter.limit is not None and peak > self.meter.limit
        return Trial(batch_size, micro_batch_size, "over the margin" if over else "fits", seconds, peak)

    def predict_bytes(self, micro_batch_size: int) -> float:
        """Bytes that a size will take, from the largest measured one: what it took beside the start grows with its rows."""
        if not self._measured:
            return 0.0
        size, peak = max(self._measured)
        return self.meter.before + max(peak - self.meter.before, 0) * micro_batch_size / size

    def _seconds(self, batch_size: int, micro_batch_size: int) -> float:
        session = self.session
        indices = worst_rows(session.train, batch_size, session.seed).to(session.parts.order_device)
        session.position.plan = replace(session.plan, batch_size=batch_size, micro_batch_size=micro_batch_size)
        warm = [self._step(indices) for _ in range(WARM_UP)]
        if warm[-1] > LONG:
            return warm[-1]
        timed: list[float] = []
        while len(timed) < MOST and (len(timed) < FEWEST or sum(timed) < ENOUGH) and sum(timed) < LONG:
            timed.append(self._step(indices))
        return min(timed)  # other processes only ever add

    def _step(self, indices: torch.Tensor) -> float:
        """One step with its rows fetched, as the loop makes it; seconds until the device is done with it."""
        session = self.session
        synchronise(session.device)
        started = time.perf_counter()
        batch = session.parts.for_step(session.train.take(indices), session.plan, session.batches_seen)
        train_step(session, batch, 0, rows=len(indices))
        session.position.batches_seen += 1
        synchronise(session.device)
        taken = time.perf_counter() - started
        session.logs.running_loss.reset()
        session.logs.running_metrics.reset()
        return taken

    def _clear(self) -> None:
        self.session.optimizer.zero_grad()
        self.session.logs.running_metrics.reset()
        self.session.logs.running_loss.reset()
        gc.collect()
        if self.session.device.type == "cuda":
            torch.cuda.empty_cache()


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
