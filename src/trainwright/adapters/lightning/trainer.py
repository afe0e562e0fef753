"""What a LightningModule finds as `self.trainer`: the place of the run, its lengths and parts, and nothing that is not there."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from trainwright.adapters.lightning.log import Asked
from trainwright.adapters.lightning.strategy import InWorld, Strategy, say_missing
from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.plan import Plan
from trainwright.engine.session import Session
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.parameter_options import Clipping
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.adapters.lightning.system import LightningSystem

log = logging.getLogger("trainwright.systems")

STAGES = {"fit": "training", "validate": "validating", "test": "testing", "predict": "predicting"}
"""Stage of a run → what runs, as Lightning's attributes of a trainer name it."""


class Stage:
    """The stage of a run as Lightning's `trainer.state` tells it."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer

    @property
    def fn(self) -> str:
        """`fit`, `validate`, `test` or `predict`."""
        return self._trainer._stage

    @property
    def stage(self) -> str:
        """`train`, `sanity_check`, `validate`, `test` or `predict`."""
        trainer = self._trainer
        return (
            "sanity_check"
            if trainer.sanity_checking
            else {"training": "train", "validating": "validate"}.get(trainer._running, trainer._running)
        )


class PrecisionPlugin:
    """Clipping as `self.clip_gradients` asks for it."""

    def clip_gradients(self, optimizer: Any, clip_val: float = 0.0, gradient_clip_algorithm: Any = "norm") -> None:
        """Clip the gradients of an optimizer's parameters in place, by their norm or by value; 0 clips nothing."""
        if clip_val <= 0:
            return
        by_value = str(getattr(gradient_clip_algorithm, "value", gradient_clip_algorithm)) == "value"
        params = [param for group in optimizer.param_groups for param in group["params"]]
        clip_gradients(params, Clipping(value=clip_val) if by_value else Clipping(norm=clip_val))


class RunLogger:
    """What a module finds as `self.logger`: numbers go into the rows of the run, to every tracker."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer

    def __getattr__(self, name: str) -> NoReturn:
        fix = "log numbers with self.log or self.logger.log_metrics; trackers are chosen by trainer.trackers"
        say_missing(self, name, "self.logger", fix)

    @property
    def name(self) -> str:
        """The name of the run's directory."""
        return Path(self._trainer.default_root_dir).name

    @property
    def save_dir(self) -> str:
        """The run's directory."""
        return self._trainer.default_root_dir

    log_dir = save_dir
    version = 0

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Put numbers into the next row."""
        session = self._trainer._system.session
        for name, value in metrics.items():
            if session is not None:
                session.log(name, value)

    def log_hyperparams(self, params: Any, *arguments: Any, **named: Any) -> None:
        """Say them in the log of the run."""
        log.info("hyperparameters: %s", dict(params) if isinstance(params, Mapping) else params)


class LightningTrainer(InWorld):
    """Stands where a LightningModule looks for its `Trainer`; what has no counterpart raises NotThere, which names what there is."""

    num_devices = num_nodes = accumulate_grad_batches = 1
    barebones = fast_dev_run = interrupted = False
    progress_bar_callback = checkpoint_callback = early_stopping_callback = profiler = None
    callbacks: tuple[Any, ...] = ()
    checkpoint_callbacks: tuple[Any, ...] = ()
    min_epochs: int | None = None
    min_steps: int | None = None
    ckpt_path: str | None = None

    def __init__(self, system: LightningSystem) -> None:
        self._system = system
        self._plan: Plan | None = None
        self._running = "training"
        self._stage = "fit"
        self.sanity_checking = False
        self.strategy, self.precision_plugin, self.state = Strategy(self), PrecisionPlugin(), Stage(self)
        self.logger = RunLogger(self)
        self.callback_metrics: dict[str, Any] = {}
        """What was logged last, by name: of a name logged per step and per epoch the step's, and at the end of the epoch the epoch's."""
        self.logged_metrics: dict[str, Any] = {}
        """As loggers are given it: per step and per epoch as `<name>_step` and `<name>_epoch`."""
        self._in_the_bar: dict[str, Any] = {}

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer")

    @property
    def loggers(self) -> list[RunLogger]:
        """One: the run's."""
        return [self.logger]

    @property
    def progress_bar_metrics(self) -> dict[str, float]:
        """What was logged last with `prog_bar=True`, named as loggers are given it. Waits for the device."""
        return {name: float(value) for name, value in self._in_the_bar.items()}

    def tell(self, name: str, value: Any, form: str, asked: Asked) -> None:
        """Take a value of a form (`_step` or `_epoch`) into what the module, schedulers and callbacks read, as Lightning names it."""
        forked = asked.name_for(name, form)
        if form == "_epoch" or self._running == "training":  # of a split that is measured callbacks hear the whole
            self.callback_metrics[name] = self.callback_metrics[forked] = value
        if asked.logger:
            self.logged_metrics[forked] = value
        if asked.bar:
            self._in_the_bar[forked] = value

    def forget(self) -> None:
        """Forget what the sanity check logged."""
        for values in (self.callback_metrics, self.logged_metrics, self._in_the_bar):
            values.clear()

    @property
    def _session(self) -> Session | None:
        return self._system.session

    @property
    def world(self) -> World:
        """The processes of the run."""
        return World() if self._session is None else self._session.world

    @property
    def current_epoch(self) -> int:
        """Passes over the training rows that are over; that of the epoch that ends while its last hooks are called."""
        return self._system.now.epoch

    @property
    def global_step(self) -> int:
        """Optimizer updates made: with several optimizers those of all of them, as Lightning counts."""
        return self._system.updates

    @property
    def plan(self) -> Plan:
        """The lengths of the run. Raises ConfigError before they are known."""
        found = self._plan if self._session is None else self._session.plan
        if found is None:
            why = "how many rows there are is known once training begins"
            raise ConfigError(
                "the length of the run is not known yet", where="self.trainer", why=why, fix="read it in configure_optimizers, or later"
            )
        return found

    @property
    def config(self) -> TrainerConfig:
        """The settings of the run. Raises ConfigError before it begins."""
        if self._session is None:
            raise ConfigError("the settings of the run are not known yet", where="self.trainer", fix="read them in on_fit_start, or later")
        return self._session.config

    @property
    def max_epochs(self) -> int:
        """Passes over the training rows, the last perhaps in part; -1 where a time ends the run."""
        return -1 if self.plan.max_steps is None else math.ceil(self.plan.max_steps / self.plan.steps_per_epoch)

    @property
    def max_steps(self) -> int:
        """Steps of the run where they end it, else -1."""
        return self.plan.max_steps if self.plan.limit == "max_steps" and self.plan.max_steps is not None else -1

    @property
    def estimated_stepping_batches(self) -> int | float:
        """Steps of the run; infinite where a time ends it."""
        return math.inf if self.plan.max_steps is None else self.plan.max_steps

    @property
    def num_training_batches(self) -> int:
        """Batches of an epoch."""
        return self.plan.steps_per_epoch

    @property
    def num_val_batches(self) -> list[int]:
        """Batches of the validation split, in a list as Lightning has them."""
        return [] if self._session is None else [_batches(self._session.validation, self._session.parts.evaluation_batch_size)]

    @property
    def is_last_batch(self) -> bool:
        """Whether the training batch of now is the last of its epoch; an evaluation after it changes nothing."""
        return self._system.now.trained == self.plan.steps_per_epoch - 1

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
        return {"fp32": "32-true", "tf32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[self.config.precision.type]

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those that `configure_optimizers` made."""
        return self._system.made.optimizers

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        """The schedulers that `configure_optimizers` made, each in its `.scheduler`."""
        return self._system.made.schedulers

    @property
    def model(self) -> Any:
        """The module."""
        return self._system.model

    lightning_module = model

    @property
    def datamodule(self) -> Any:
        """The data module, where there is one."""
        return self._system.datamodule

    @property
    def train_dataloader(self) -> Any:
        """The loader that was given, by hand or by the module or data module; None for other data."""
        return self._system.given_loaders.get("train")

    @property
    def val_dataloaders(self) -> Any:
        """The loader that was given, by hand or by the module or data module; None for other data."""
        return self._system.given_loaders.get("validation")

    @property
    def test_dataloaders(self) -> Any:
        """The loader that was given, by hand or by the module or data module; None for other data."""
        return self._system.given_loaders.get("test")

    @property
    def default_root_dir(self) -> str:
        """The run's directory."""
        return "" if self._session is None else str(self._session.parts.saver.store.folder.parent)

    log_dir = default_root_dir

    @property
    def training(self) -> bool:
        """Whether steps are being made."""
        return self._running == "training" and not self.sanity_checking

    @property
    def validating(self) -> bool:
        """Whether the validation split is being measured."""
        return self._running == "validating" and not self.sanity_checking

    @property
    def testing(self) -> bool:
        """Whether the test split is being measured."""
        return self._running == "testing"

    @property
    def predicting(self) -> bool:
        """Whether rows are being predicted."""
        return self._running == "predicting"

    @property
    def evaluating(self) -> bool:
        """Whether a split is being measured."""
        return self.validating or self.testing

    @property
    def device_ids(self) -> list[int]:
        """The number of the device."""
        return [self._system.device.index or 0]

    @property
    def should_stop(self) -> bool:
        """Whether the run is about to end; setting it ends the run at the next step boundary."""
        return self._session is not None and bool(self._session.stopped_because)

    @should_stop.setter
    def should_stop(self, stop: bool) -> None:
        if stop and self._session is not None:
            self._session.stop("trainer.should_stop")

    def print(self, *arguments: Any, **named: Any) -> None:
        """As Python's `print`: this is the only process."""
        print(*arguments, **named)


def _batches(rows: Rows | None, size: int) -> int:
    return 0 if rows is None else len(rows) if rows.batched else -(-len(rows) // size)
