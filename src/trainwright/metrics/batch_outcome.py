"""What was true and what was predicted for a batch of training rows, as tensors on their device; nothing here waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import ClassVar

import torch
from torch import Tensor

from trainwright.metrics.table import BINARY, CATEGORY, CLASSES, SET, VALUES


def wide(device: torch.device) -> torch.dtype:
    """What sums are kept in: float64, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


@dataclass(eq=False)
class BatchOutcome:
    """As `Outcome`, of one batch: `scores` [b, 2] for binary, [b, classes], [b, labels], or values [b] or [b, d]; `truth` beside it.

    Raises ValueError when the shapes do not fit together.
    """

    xp: ClassVar[ModuleType] = torch

    kind: str
    truth: Tensor
    scores: Tensor
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.kind == BINARY and self.scores.dim() == 1:
            self.scores = torch.stack([1.0 - self.scores, self.scores], dim=1)
        truth, scores = tuple(self.truth.shape), tuple(self.scores.shape)
        same = truth == scores[:1] if self.kind in CLASSES else truth == scores
        dimensions = 2 if self.kind in (SET, BINARY, CATEGORY) else len(truth)
        if not same or len(scores) != dimensions or (self.kind == BINARY and scores[1] != 2):
            raise ValueError(f"a {self.kind} outcome cannot have truth {truth} with scores {scores}")
        precise = wide(self.scores.device)
        self.scores = self.scores.to(precise)
        self.truth = self.truth.long() if self.kind in CLASSES else self.truth.bool() if self.kind == SET else self.truth.to(precise)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def width(self) -> int:
        """Classes, labels, or numbers per row."""
        return self.scores.shape[1] if self.scores.dim() == 2 else 1

    @cached_property
    def faults(self) -> Tensor:
        """Scores and true values that are not finite, and true classes that are none; int64 [2]."""
        bad = (~self.scores.isfinite()).sum()
        if self.kind in VALUES:
            bad = bad + (~self.truth.isfinite()).sum()
        outside = self.truth.ne(self._inside).sum() if self.kind in CLASSES else torch.zeros_like(bad)
        return torch.stack([bad, outside])

    @cached_property
    def _inside(self) -> Tensor:
        """The true class, where it is one; the nearest for others, which are counted as faults: an index outside would end the run."""
        return self.truth.clamp(0, self.width - 1)

    @property
    def own(self) -> Tensor:
        """The score of the true class of every row, [b]."""
        return self.scores.gather(1, self._inside[:, None])[:, 0]

    def numbers(self, n: int) -> Tensor:
        """0 to n-1."""
        return torch.arange(n, device=self.scores.device)

    def floats(self, values: Tensor) -> Tensor:
        """Booleans or whole numbers as floating-point ones."""
        return values.to(wide(values.device))

    @cached_property
    def labels(self) -> Tensor:
        """The predicted class index [b] (binary, category) or multi-hot [b, labels] (set)."""
        if self.kind == BINARY:
            return (self.scores[:, 1] >= self.threshold).long()
        return self.scores.argmax(dim=1) if self.kind == CATEGORY else self.scores >= self.threshold

    @cached_property
    def positives(self) -> Tensor:
        """The positive class (binary), each class against the rest, or each label; bool [b, k]."""
        if self.kind == BINARY:
            return (self.truth == 1)[:, None]
        return self.truth if self.kind == SET else self.truth[:, None] == self.numbers(self.width)

    @property
    def ranked(self) -> Tensor:
        """The scores that belong to `positives`, [b, k]."""
        return self.scores[:, 1:] if self.kind == BINARY else self.scores

    @cached_property
    def counts(self) -> Tensor:
        """Hits, predictions and occurrences of every class or label; int64 [3 k]."""
        if self.kind == SET:
            return torch.cat([each.sum(dim=0) for each in (self.truth & self.labels, self.labels, self.truth)])
        truth, labels, width = self._inside, self.labels, self.width
        places = torch.cat([truth, labels + width, truth + 2 * width])
        ones = torch.cat([(labels == self.truth).long(), torch.ones_like(truth), torch.ones_like(truth)])
        return torch.zeros(3 * width, dtype=torch.int64, device=truth.device).index_add_(0, places, ones)

    def columns(self) -> tuple[Tensor, Tensor]:
        """Truth and scores of a number or vector as [b, d]."""
        return (self.truth, self.scores) if self.truth.dim() == 2 else (self.truth[:, None], self.scores[:, None])
