"""What a LightningModule finds as `self.logger`: numbers go into the rows of the run, all else to TensorBoard where it is written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from trainwright.adapters.lightning.hyperparameters import plain_values
from trainwright.adapters.lightning.strategy import say_missing

if TYPE_CHECKING:
    from trainwright.adapters.lightning.trainer import LightningTrainer

log = logging.getLogger("trainwright.systems")


class RunLogger:
    """The logger of a run, in the words of Lightning's TensorBoardLogger, which it is taken for where event files are written."""

    name = "tensorboard"
    version = 0

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer
        self._writer: tuple[Any, Any] | None = None
        self._unrecorded: Unrecorded | None = None
        self.hparams: dict[str, Any] = {}

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        loggers = sys.modules.get(f"{self._trainer.package}.loggers") if self._tracker() is not None else None
        return RunLogger if loggers is None else loggers.TensorBoardLogger

    def __getattr__(self, name: str) -> NoReturn:
        fix = "log numbers with self.log or self.logger.log_metrics, and all else with self.logger.experiment, a SummaryWriter of torch"
        say_missing(self, name, "self.logger", fix)

    @property
    def experiment(self) -> Any:
        """The open SummaryWriter; what takes every call and says once that nothing is recorded where there is none."""
        tracker = self._tracker()
        if tracker is None:
            self._unrecorded = self._unrecorded or Unrecorded(self._trainer)
            return self._unrecorded
        if self._writer is None or self._writer[0] is not tracker:
            self._writer = (tracker, tracker.summary_writer())
        return self._writer[1]

    def _tracker(self) -> Any:
        """The tracker of the run that writes event files."""
        session = self._trainer._system.session
        trackers = [] if session is None else session.parts.trackers
        return next((each for each in trackers if hasattr(each, "summary_writer")), None)

    @property
    def save_dir(self) -> str:
        """The run's directory."""
        return self._trainer.default_root_dir

    root_dir = save_dir

    @property
    def log_dir(self) -> str:
        """Where the event files lie; the run's directory where none are written."""
        tracker = self._tracker()
        return self.save_dir if tracker is None else str(tracker.folder)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Put numbers into the next row."""
        session = self._trainer._system.session
        for name, value in metrics.items():
            if session is not None:
                session.log(name, value)

    def log_hyperparams(self, params: Any, *arguments: Any, **named: Any) -> None:
        """Say them in the log of the run; those that `save_hyperparameters` keeps are in its configuration."""
        self.hparams |= plain_values(params)
        log.info("hyperparameters: %s", self.hparams)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Write the graph of a model for TensorBoard, of its `example_input_array` unless another input is given."""
        given = input_array if input_array is not None else getattr(model, "example_input_array", None)
        if given is not None:
            self.experiment.add_graph(model, given)

    def save(self) -> None:
        """Write what is kept back."""
        self.experiment.flush()

    def finalize(self, status: str = "") -> None:
        """Nothing: the run closes its files."""


class Unrecorded:
    """Takes the calls of a SummaryWriter where there is none, and says once that nothing comes of them."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer, self._said = trainer, set[bool]()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def take(*arguments: Any, **named: Any) -> None:
            begun = self._trainer._system.session is not None
            if begun not in self._said and self._trainer.is_global_zero:
                self._said.add(begun)
                fix = "trackers=['csv', 'tensorboard'] writes event files" if begun else "call it in on_fit_start, or later"
                why = "no event files are written" if begun else "the run has not begun"
                log.warning("self.logger.experiment.%s records nothing, since %s: %s", name, why, fix)

        return take
