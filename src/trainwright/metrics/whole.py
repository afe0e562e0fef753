"""A function that reads the outputs of all rows at once, as a metric that holds them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.sizes import size_text
from trainwright.metrics.base import Metric
from trainwright.metrics.recent import RecentRows

log = logging.getLogger("trainwright.metrics")

Function = Callable[[dict[str, Tensor]], Any]


class WholeOutputs(Metric):
    """Gives a function the outputs of all rows, joined, on their device: it grows with the rows, which is said once."""

    holds = "the outputs of all rows"
    holds_rows = True

    def __init__(self, function: Function, where: str = "metrics(outputs)") -> None:
        super().__init__()
        self.function, self.where = function, where
        self.recent: RecentRows | None = None
        self._pieces: list[dict[str, Tensor]] = []

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Hold the rows. Raises ConfigError for training rows of another shape than those before."""
        if self.recent is None:
            self._pieces.append(dict(outputs))
            return
        try:
            self.recent.add(outputs)
        except ValueError as error:
            fix = "let training_step give outputs of one shape for every row, or none"
            raise ConfigError("the training metrics cannot be measured", where="Loss.outputs", why=str(error), fix=fix) from error

    def merge(self, others: Iterable[Metric]) -> None:
        """Take in what others hold, in their order."""
        for other in others:
            if isinstance(other, WholeOutputs) and self.recent is not None and other.recent is not None:
                self.recent.merge(other.recent)
            elif isinstance(other, WholeOutputs):
                self._pieces += other._pieces

    def compute(self) -> Any:
        """What the function gives."""
        if self.recent is not None:
            return self.function(dict(self.recent.rows)) if self.recent.rows else {}
        outputs = join_outputs(self._pieces)
        self._pieces = [outputs] if outputs else []
        return self.function(outputs)

    def tensors(self) -> dict[str, Tensor]:
        """The rows that are held."""
        return join_outputs(self._pieces) if self.recent is None else self.recent.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take rows back; begin anew from nothing."""
        if self.recent is None:
            self._pieces = [dict(tensors)] if tensors else []
        else:
            self.recent.load(tensors)

    def for_training(self, budget: int) -> None:
        """Hold no more than the most recent rows that fit."""
        self.recent = RecentRows(budget)

    def memory_of(self, rows: int) -> str:
        """What it will hold of so many rows, from those it has seen; empty where that is nothing."""
        seen = sum(len(next(iter(piece.values()))) for piece in self._pieces if piece)
        if not seen:
            return ""
        a_row = sum(each.nbytes for piece in self._pieces for each in piece.values()) / seen
        return f"{self.where} reads all rows at once and holds {size_text(a_row * rows)} of outputs for {rows} rows"


def join_outputs(pieces: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of several batches as one, in order (rows first)."""
    if not pieces:
        return {}
    if len(pieces) == 1:
        return pieces[0]
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
