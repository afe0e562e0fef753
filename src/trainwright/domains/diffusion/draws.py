"""What is random of a training row: how much noise, which noise, whether its condition is told; from the step and the row's place in it."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.data.counters import fold, fold_each
from trainwright.domains.diffusion.noise.keyed import normal_by_key, uniform_by_key
from trainwright.engine.system import StepContext

GOLDEN = 0.6180339887498949
"""The golden ratio's fraction: multiples of it fill 0 to 1 evenly however many there are."""


class RowDraws:
    """Draws for some rows of a step, of which each follows from the step and its place, so that pieces and ranks change nothing."""

    def __init__(self, key: int, first: int, count: int, rows: int, device: torch.device) -> None:
        """`first`: the place of the first of `count` rows among the `rows` of the step."""
        self.key, self.first, self.count, self.rows, self.device = key, first, count, max(rows, first + count), device

    @classmethod
    def of_step(cls, context: StepContext, count: int, device: torch.device) -> RowDraws:
        """Those of training rows."""
        return cls(context.key, context.first, count, context.rows, device)

    @classmethod
    def of_evaluation(cls, context: StepContext, count: int, device: torch.device) -> EvaluationDraws:
        """Those of rows that are measured: the same in every evaluation and run, so that what is measured can be compared."""
        return EvaluationDraws(fold(0, "diffusion evaluation"), context.first, count, context.rows, device)

    def keys(self, purpose: str) -> Tensor:
        """A key for each row (int64, b)."""
        places = torch.arange(self.first, self.first + self.count)
        return torch.from_numpy(fold_each(fold(self.key, purpose), places.numpy()).view("int64")).to(self.device)

    def uniform(self, purpose: str) -> Tensor:
        """A number from 0 to 1 for each row (float64, b)."""
        return uniform_by_key(self.keys(purpose), (), device=self.device, dtype=torch.float64)

    def uniforms(self, purpose: str, count: int) -> Tensor:
        """`count` numbers from 0 to 1 for each row (float64, b × count)."""
        return uniform_by_key(self.keys(purpose), (count,), device=self.device, dtype=torch.float64)

    def normal(self, purpose: str, like: Tensor) -> Tensor:
        """Standard normal numbers, as many as `like` has."""
        return normal_by_key(self.keys(purpose), tuple(like.shape[1:]), device=self.device, dtype=like.dtype)

    def levels(self) -> Tensor:
        """Numbers from 0 to 1, one in each of as many equal parts as the step has rows (float64, b): stratified."""
        places = torch.arange(self.first, self.first + self.count, device=self.device, dtype=torch.float64)
        return (places + self.uniform("level")) / self.rows


class EvaluationDraws(RowDraws):
    """The same for rows that are measured."""

    def levels(self) -> Tensor:
        """Numbers from 0 to 1 that fill it evenly however many rows there are (float64, b)."""
        places = torch.arange(self.first, self.first + self.count, device=self.device, dtype=torch.float64)
        return (0.5 + places * GOLDEN) % 1.0
