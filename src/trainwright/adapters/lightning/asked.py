"""The settings and lengths of a run in the words of Lightning's `Trainer`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from trainwright.adapters.lightning.strategy import InWorld
from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.plan import Plan

PRECISIONS = {"fp32": "32-true", "tf32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class AskedFor(InWorld):
    """What a run is asked for, as a module or a callback of Lightning's reads it."""

    num_nodes = 1
    barebones = fast_dev_run = interrupted = received_sigterm = False
    overfit_batches = 0.0
    reload_dataloaders_every_n_epochs = 0
    min_epochs: int | None = None
    min_steps: int | None = None
    ckpt_path: str | None = None
    num_sanity_val_batches: tuple[int, ...] = ()

    @property
    def plan(self) -> Plan:
        """The lengths of the run. Raises ConfigError before they are known."""
        raise NotImplementedError

    @property
    def config(self) -> TrainerConfig:
        """The settings of the run. Raises ConfigError where there are none yet."""
        raise NotImplementedError

    @property
    def num_devices(self) -> int:
        """Processes that train together, each on a device of its own."""
        return self.world.size

    @property
    def max_epochs(self) -> int:
        """Passes over the training rows, the last perhaps in part; -1 where a time ends the run."""
        try:
            plan = self.plan
        except ConfigError:
            if self.config.max_epochs is None:
                raise
            return self.config.max_epochs
        return -1 if plan.max_steps is None else math.ceil(plan.max_steps / plan.steps_per_epoch)

    @property
    def max_steps(self) -> int:
        """Steps of the run where they end it, else -1."""
        try:
            plan = self.plan
        except ConfigError:
            return self.config.max_steps or -1
        return plan.max_steps if plan.limit == "max_steps" and plan.max_steps is not None else -1

    @property
    def estimated_stepping_batches(self) -> int | float:
        """Steps of the run; infinite where a time ends it."""
        return math.inf if self.plan.max_steps is None else self.plan.max_steps

    @property
    def num_training_batches(self) -> int:
        """Batches of an epoch."""
        return self.plan.steps_per_epoch

    @property
    def limit_train_batches(self) -> int | float:
        """`trainer.limit_batches`, or 1.0 for all."""
        return self.config.limit_batches or 1.0

    limit_val_batches = limit_test_batches = limit_predict_batches = limit_train_batches

    @property
    def num_sanity_val_steps(self) -> int:
        """`trainer.sanity_check`."""
        return self.config.sanity_check

    @property
    def accumulate_grad_batches(self) -> int:
        """Batches of a loader that make one step; 1 where a step is a batch, in however many pieces."""
        pieces = self.config.accumulation
        return pieces if isinstance(pieces, int) and self._ready() else 1

    def _ready(self) -> bool:
        try:
            return self.plan.ready
        except ConfigError:
            return False

    @property
    def check_val_every_n_epoch(self) -> int | None:
        """Epochs between two evaluations; None where they are counted otherwise."""
        every = self.config.evaluate_every
        return None if every.kind != "epochs" else max(1, int(every.value))

    @property
    def val_check_interval(self) -> Any:
        """The share of an epoch, the steps, or the time (a timedelta) between two evaluations."""
        every = self.config.evaluate_every
        if every.kind == "epochs":
            return float(min(1.0, every.value))
        return timedelta(seconds=every.seconds) if every.kind == "time" else self._steps(every)

    @property
    def log_every_n_steps(self) -> int:
        """Steps between two rows; 1 where they come by time."""
        return self._steps(self.config.log_every)

    def _steps(self, every: Duration) -> int:
        if every.kind == "steps":
            return int(every.value)
        if every.kind == "time":
            return 1
        whole = self.plan.steps_per_epoch if every.kind == "epochs" else self.plan.max_steps or 1
        return max(1, round(every.value * whole))

    @property
    def gradient_clip_val(self) -> float | None:
        """`trainer.clip.norm`, or `trainer.clip.value`."""
        clip = self.config.clip
        return clip.norm if clip.norm is not None else clip.value

    @property
    def gradient_clip_algorithm(self) -> str | None:
        """`norm` or `value`, where one of them is asked for."""
        return "norm" if self.config.clip.norm is not None else "value" if self.config.clip.value is not None else None

    @property
    def precision(self) -> str:
        """The number format as Lightning writes it."""
        return PRECISIONS[self.config.precision.type]
