"""What a LightningModule finds as `self.trainer`: the place of the run, its lengths and parts, and nothing that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from trainwright.adapters.lightning.asked import AskedFor
from trainwright.adapters.lightning.called import first_of
from trainwright.adapters.lightning.log import Asked
from trainwright.adapters.lightning.loops import FitLoop
from trainwright.adapters.lightning.methods import lightning_class
from trainwright.adapters.lightning.run_logger import RunLogger
from trainwright.adapters.lightning.strategy import Strategy, say_missing
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


class Accelerator:
    """The kind of device of a run."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer.accelerator", "read self.device, or trainer.strategy.root_device")

    def name(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        return self._trainer._system.device.type


class PrecisionPlugin:
    """Clipping as `self.clip_gradients` asks for it."""

    def clip_gradients(self, optimizer: Any, clip_val: float = 0.0, gradient_clip_algorithm: Any = "norm") -> None:
        """Clip the gradients of an optimizer's parameters in place, by their norm or by value; 0 clips nothing."""
        if clip_val <= 0:
            return
        by_value = str(getattr(gradient_clip_algorithm, "value", gradient_clip_algorithm)) == "value"
        params = [param for group in optimizer.param_groups for param in group["params"]]
        clip_gradients(params, Clipping(value=clip_val) if by_value else Clipping(norm=clip_val))


MISSING = {
    "save_checkpoint": "the run writes checkpoints by itself: checkpoint={'every': '500 steps'}, or {'weights_every': …} for weights alone",
    "fit": "tw.fit trains, from outside of a run",
    "validate": "evaluate_every= says when the validation split is measured",
    "test": "the test split is measured once, at the end: give tw.fit test data",
    "predict": "tw.load(run, model=…).predict(rows)",
    "predict_loop": "read trainer.predicting",
}
"""Names of Lightning's that have no counterpart → what does the same."""


class LightningTrainer(AskedFor):
    """Stands where a LightningModule looks for its `Trainer`; what has no counterpart raises NotThere, which names what there is."""

    progress_bar_callback = profiler = None

    def __init__(self, system: LightningSystem, settings: TrainerConfig | None = None) -> None:
        self._system, self._settings = system, settings
        self._plan: Plan | None = None
        self._running = "training"
        self._stage = "fit"
        self.sanity_checking = False
        self.strategy, self.precision_plugin, self.state = Strategy(self), PrecisionPlugin(), Stage(self)
        self.logger, self.fit_loop, self.accelerator = RunLogger(self), FitLoop(self), Accelerator(self)
        self.stopped_by = ""
        """Why the run ends, should what is called now end it."""
        self.callback_metrics: dict[str, Any] = {}
        """What was logged last, by name: of a name logged per step and per epoch the step's, and at the end of the epoch the epoch's."""
        self.logged_metrics: dict[str, Any] = {}
        """As loggers are given it: per step and per epoch as `<name>_step` and `<name>_epoch`."""
        self._in_the_bar: dict[str, Any] = {}

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer", MISSING.get(name, ""))

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
        value = value if isinstance(value, Tensor) else torch.tensor(float(value))
        if form == "_epoch" or self._running == "training":  # of a split that is measured callbacks hear the whole
            self.callback_metrics[name] = self.callback_metrics[forked] = value
        if asked.logger:
            self.logged_metrics[forked] = value
        if asked.bar:
            self._in_the_bar[forked] = value

    def hear(self, values: Mapping[str, float]) -> None:
        """Take back what was logged before a run was continued."""
        self.callback_metrics |= {name: torch.tensor(value) for name, value in values.items()}

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
        if self._session is not None:
            return self._session.config
        if self._settings is None:
            raise ConfigError("the settings of the run are not known yet", where="self.trainer", fix="read them in on_fit_start, or later")
        return self._settings

    @property
    def num_val_batches(self) -> list[int]:
        """Batches of the validation split, in a list as Lightning has them."""
        if self._session is None:
            return []
        several = self._system.lengths.get("validation")
        return list(several or [_batches(self._session.validation, self._session.parts.evaluation_batch_size)])

    num_test_batches: tuple[int, ...] = ()
    num_predict_batches: tuple[int, ...] = ()

    @property
    def predict_dataloaders(self) -> Any:
        """The loader that was given, by hand or by the module or data module; None for other data."""
        return self._system.given_loaders.get("predict")

    @property
    def enable_validation(self) -> bool:
        """Whether there is a validation split that is measured."""
        return self._session is not None and self._session.validation is not None

    @property
    def is_last_batch(self) -> bool:
        """Whether the training batch of now is the last of its epoch; an evaluation after it changes nothing."""
        return self._system.now.trained == self.plan.steps_per_epoch - 1

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those that `configure_optimizers` made."""
        return self._system.made.optimizers

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        """The schedulers that `configure_optimizers` made, each in its `.scheduler`."""
        return self._system.made.schedulers

    @property
    def callbacks(self) -> list[Any]:
        """Lightning's, of `callbacks=` and of `configure_callbacks`."""
        return self._system.answers.every

    @property
    def checkpoint_callback(self) -> Any:
        """The first ModelCheckpoint, which the run stands for; None without one."""
        return first_of(self.callbacks, "Checkpoint")

    @property
    def checkpoint_callbacks(self) -> list[Any]:
        """All ModelCheckpoints."""
        return [each for each in self.callbacks if lightning_class(each, "Checkpoint")]

    @property
    def early_stopping_callback(self) -> Any:
        """The first EarlyStopping; None without one."""
        return first_of(self.callbacks, "EarlyStopping")

    @property
    def early_stopping_callbacks(self) -> list[Any]:
        """All of them."""
        return [each for each in self.callbacks if lightning_class(each, "EarlyStopping")]

    @property
    def package(self) -> str:
        """The package of the module's base class: `lightning.pytorch` or `pytorch_lightning`."""
        base = lightning_class(self._system.model, "LightningModule")
        return "" if base is None else base.__module__.partition(".core")[0]

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
            self._session.stop(self.stopped_by or "trainer.should_stop")

    def print(self, *arguments: Any, **named: Any) -> None:
        """As Python's `print`: this is the only process."""
        print(*arguments, **named)


def _batches(rows: Rows | None, size: int) -> int:
    return 0 if rows is None else len(rows) if rows.batched else -(-len(rows) // size)
