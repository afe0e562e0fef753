"""What is random of a training row: how much noise, which noise, whether its condition is told; from the step and the row's place in it."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.data.counters import fold
from trainwright.domains.diffusion.noise.keyed import keys_of_places, normal_and_uniform_by_key
from trainwright.engine.system import StepContext

GOLDEN = 0.6180339887498949
"""The golden ratio's fraction: multiples of it fill 0 to 1 evenly however many there are."""


class RowDraws:
    """Draws for some rows of a step, of which each follows from the step and its place, so that pieces and ranks change nothing.

    All of them are made at once: `normal` like the rows, and `shares` (float64, b × (2 + more)) from 0 to 1, one for the level of a row,
    one for its condition, and `more` for what else is done to it.
    """

    def __init__(self, key: int, first: int, rows: int, like: Tensor, more: int = 0) -> None:
        """`like`: the rows `(b, …)`, of which the first is at the place `first` among the `rows` of the step."""
        self.first, self.count, self.rows, self.device = first, len(like), max(rows, first + len(like)), like.device
        keys = keys_of_places(fold(key, "diffusion draws"), first, self.count, like.device)
        self.normal, self.shares = normal_and_uniform_by_key(keys, like.shape[1:], 2 + more, dtype=like.dtype)

    @classmethod
    def of_step(cls, context: StepContext, like: Tensor, more: int = 0) -> RowDraws:
        """Those of training rows."""
        return cls(context.key, context.first, context.rows, like, more)

    @classmethod
    def of_evaluation(cls, context: StepContext, like: Tensor) -> EvaluationDraws:
        """Those of rows that are measured: the same in every evaluation and run, so that what is measured can be compared."""
        return EvaluationDraws(0, context.first, context.rows, like)

    def levels(self) -> Tensor:
        """Numbers from 0 to 1, one in each of as many equal parts as the step has rows (float64, b): stratified."""
        places = torch.arange(self.first, self.first + self.count, device=self.device, dtype=torch.float64)
        return places.add_(self.shares[:, 0]).div_(self.rows)

    def chosen(self, share: float) -> Tensor:
        """Which rows are among this share of them that are not told their condition (bool, b)."""
        return self.shares[:, 1] < share


class EvaluationDraws(RowDraws):
    """The same for rows that are measured."""

    def levels(self) -> Tensor:
        """Numbers from 0 to 1 that fill it evenly however many rows there are (float64, b)."""
        places = torch.arange(self.first, self.first + self.count, device=self.device, dtype=torch.float64)
        return (0.5 + places * GOLDEN) % 1.0
