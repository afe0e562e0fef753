"""Steps that fetch their batches themselves: `training_step(self, dataloader_iter)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from trainwright.config.errors import ConfigError
from trainwright.data.draws import keep_draws
from trainwright.data.rows import Rows
from trainwright.engine.system import Batch, NoStep, rows_in, to_device

if TYPE_CHECKING:
    from trainwright.adapters.lightning.system import LightningSystem

WHY_INEXACT = "training_step(dataloader_iter) may hold batches that it fetched ahead, which no checkpoint has"


def fetches(step: Any) -> bool:
    """Whether a step takes the iterator in place of a batch."""
    return callable(step) and "dataloader_iter" in inspect.signature(step).parameters


class Fetcher:
    """The iterator of a split: gives (batch, its number in the epoch, the number of its loader), as many at a step as are asked for."""

    def __init__(self, system: LightningSystem, split: str, step: Callable[..., Any]) -> None:
        self.system, self.split, self.step = system, split, step
        self.fetched = 0
        self._given: tuple[int, Batch] = (-1, None)

    def __iter__(self) -> Fetcher:
        return self

    def __next__(self) -> tuple[Batch, int, int]:
        if self.fetched >= self.total:
            raise StopIteration
        number, self.fetched = self.fetched, self.fetched + 1
        batch = self._given[1] if number == self._given[0] else self._take(number)
        now = self.system.now
        now.batch, now.rows = batch, rows_in(batch)
        return batch, number, now.loader

    @property
    def total(self) -> int:
        """Batches of the pass; of rows that are not known, as far as the engine has come."""
        session = self.system.session
        if session is not None and self.split == "train":
            return session.plan.rows
        known = session is not None and session.validation is not None and self.split == "validation"
        return len(session.validation) if known and not self.system.trainer.sanity_checking else self._given[0] + 1  # type: ignore[union-attr, arg-type]

    @property
    def done(self) -> bool:
        """Whether all batches of the pass were fetched."""
        return self.fetched >= self.total

    def is_over(self, index: int) -> bool:
        """Whether there is nothing left to fetch at step `index` of an epoch, which begins or was entered midway where need be."""
        if index == 0 or self.fetched < index:
            self.begin(index)
        return self.done

    def begin(self, fetched: int = 0) -> None:
        """Begin a pass, or go on within one."""
        self.fetched, self._given = fetched, (-1, None)

    def _take(self, number: int) -> Batch:
        session = self.system.session
        rows: Any = session.train if self.split == "train" else session.validation  # type: ignore[union-attr]
        with keep_draws():
            return self.system.prepare_batch(to_device(rows.take(torch.tensor([number])), self.system.device))

    def train(self, batch: Batch, index: int, *_: Any) -> Any:
        """A training step. Raises NoStep where it ended the epoch by StopIteration, as in Lightning."""
        self._given = (index, batch)
        try:
            return self.step(self)
        except StopIteration:
            self.fetched = self.total
            raise NoStep from None

    def evaluate(self, batch: Batch, index: int, *_: Any) -> Any:
        """A step of a split that is measured; None once all of it was fetched."""
        self._given = (index, batch)
        return self.step(self) if self.fetched < self.total else None


def check_fetched(rows: Rows, name: str) -> None:
    """Say of the rows that a run over them is not continued exactly. Raises ConfigError where they are no ready batches."""
    if not rows.batched:
        why = "a step that fetches its batches wants them ready"
        fix = "give a DataLoader, or take (batch, batch_idx)"
        raise ConfigError("training_step(dataloader_iter) needs a loader", where=name, why=why, fix=fix)
    rows.why_not_resumable = rows.why_not_resumable or WHY_INEXACT
