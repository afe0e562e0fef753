"""Where a run is, by the names that Lightning's loops have for it: `trainer.fit_loop` and what lies below."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from trainwright.adapters.lightning.strategy import say_missing

if TYPE_CHECKING:
    from trainwright.adapters.lightning.trainer import LightningTrainer


class Counted:
    """How many epochs were begun and done."""

    def __init__(self, done: int, begun: int) -> None:
        self.completed = self.processed = done
        self.ready = self.started = begun


class Progress:
    """The epochs of a run, counted."""

    def __init__(self, done: int, begun: int) -> None:
        self.current = self.total = Counted(done, begun)


class EpochLoop:
    """The epoch of now."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer.fit_loop.epoch_loop", "read trainer.global_step, current_epoch and num_training_batches")

    @property
    def batch_idx(self) -> int:
        """The place in its epoch of the batch that was trained on last."""
        return self._trainer._system.now.trained

    @property
    def total_batch_idx(self) -> int:
        """The number of that batch in the run, from 0 on."""
        trainer = self._trainer
        return trainer.current_epoch * trainer.num_training_batches + self.batch_idx

    @property
    def global_step(self) -> int:
        """As `trainer.global_step`."""
        return self._trainer.global_step

    @property
    def _batches_that_stepped(self) -> int:
        return 0 if self._trainer._session is None else self._trainer._session.step


class FitLoop:
    """The whole run."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer, self.epoch_loop = trainer, EpochLoop(trainer)

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer.fit_loop", "read trainer.current_epoch, max_epochs and num_training_batches")

    @property
    def max_epochs(self) -> int:
        """As `trainer.max_epochs`."""
        return self._trainer.max_epochs

    @property
    def max_steps(self) -> int:
        """As `trainer.max_steps`."""
        return self._trainer.max_steps

    @property
    def max_batches(self) -> int:
        """Batches of an epoch."""
        return self._trainer.num_training_batches

    @property
    def min_epochs(self) -> int | None:
        """None: a run ends early only by what is asked for."""
        return self._trainer.min_epochs

    @property
    def batch_idx(self) -> int:
        """As that of the epoch."""
        return self.epoch_loop.batch_idx

    @property
    def total_batch_idx(self) -> int:
        """As that of the epoch."""
        return self.epoch_loop.total_batch_idx

    @property
    def epoch_progress(self) -> Progress:
        """Epochs of the run."""
        epoch = self._trainer.current_epoch
        return Progress(epoch, epoch + (self._trainer._session is not None))
