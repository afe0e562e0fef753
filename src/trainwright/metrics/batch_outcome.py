"""What was true and what was predicted for some rows, as tensors on their device; nothing here waits for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trainwright.metrics.base import wide
from trainwright.metrics.table import BINARY, CATEGORY, CLASSES, SET, VALUES

MOST_CONFUSED = 64
"""Classes of which every pair of true and predicted one is counted; of more only hits, predictions and occurrences are."""


@dataclass(eq=False)
class BatchOutcome:
    """As `Outcome`, of one batch: `given` [b, 2] or [b] for binary, [b, classes], [b, labels], or values [b] or [b, d]; `truth` beside it.

    `given` are probabilities, or what `activation` makes such of. Rows of classes where `keep` is false count for nothing. Raises
    ValueError when the shapes do not fit together.
    """

    xp: ClassVar[ModuleType] = torch

    kind: str
    truth: Tensor
    given: Tensor
    threshold: float = 0.5
    activation: Literal["", "softmax", "sigmoid"] = ""
    keep: Tensor | None = None
    weights: Tensor | None = None
    """How much each row counts, [b]; such rows are kept rather than counted."""
    classes: list[str] | None = None
    """The names of the classes or labels, where metrics go by them."""
    positions: tuple[int, ...] = ()
    """Where a row is one of the positions of a sample, one sample after the other: how many of them lie along each of its axes."""

    def __post_init__(self) -> None:
        truth, given = tuple(self.truth.shape), tuple(self.given.shape)
        flat = self.kind == BINARY and len(given) == 1
        same = truth == given[:1] if self.kind in CLASSES else truth == given
        dimensions = 2 if self.kind in (SET, BINARY, CATEGORY) else len(truth)
        if not same or not (flat or len(given) == dimensions) or (self.kind == BINARY and not flat and given[1] != 2):
            raise ValueError(f"a {self.kind} outcome cannot have truth {truth} with scores {given}")
        self.true_values = self.truth
        precise = wide(self.given.device)
        self.truth = self.truth.long() if self.kind in CLASSES else self.truth.bool() if self.kind == SET else self.truth.to(precise)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def width(self) -> int:
        """Classes, labels, or numbers per row."""
        return 2 if self.kind == BINARY else self.given.shape[1] if self.given.dim() == 2 else 1

    @cached_property
    def probabilities(self) -> Tensor:
        """What is stored of the scores: of the positive class alone for a binary target, [b] or [b, k], in the type they came in."""
        if self.activation == "softmax":
            shares, total = self._shares
            return shares / total[:, None]
        found = self.given.sigmoid() if self.activation == "sigmoid" else self.given
        return found[:, 1] if self.kind == BINARY and found.dim() == 2 else found

    @cached_property
    def scores(self) -> Tensor:
        """Probabilities or values in float64; [b, 2] for a binary target."""
        found = self.given if self.kind == BINARY and self.given.dim() == 2 else self.probabilities
        if self.kind == BINARY and found.dim() == 1:
            found = torch.stack([1.0 - found, found], dim=1)
        return found.to(wide(found.device))

    @cached_property
    def _largest(self) -> tuple[Tensor, Tensor]:
        found = self.given.max(dim=1)
        return found.values, found.indices

    @cached_property
    def _shares(self) -> tuple[Tensor, Tensor]:
        """exp(logit - largest) [b, k] and its sum [b]: of softmax, which is much slower over a few classes, what metrics need."""
        shares = (self.given - self._largest[0][:, None]).exp()
        return shares, shares.sum(dim=1)

    @cached_property
    def faults(self) -> Tensor:
        """Whether scores or true values are not finite, and whether true classes are none; int64 [2]."""
        precise = wide(self.given.device)
        # of logits a class may be ruled out by -inf, as long as another is not: the largest of a row shows NaN and infinity
        total = (self._largest[0] if self.kind == CATEGORY else self.given).sum(dtype=precise)
        if self.kind in VALUES:
            total = total + self.truth.sum(dtype=precise)
        if self.given.device.type == "cpu":  # the host need not be waited for
            return torch.tensor([int(not math.isfinite(total.item())), int(self.kind in CLASSES and bool(self._outside))])
        outside = self._outside if self.kind in CLASSES else torch.zeros_like(total, dtype=torch.bool)
        return torch.stack([~total.isfinite(), outside]).long()

    @cached_property
    def _outside(self) -> Tensor:
        """Whether a true class that counts is none."""
        if not len(self):
            return torch.zeros((), dtype=torch.bool, device=self.truth.device)
        truth = self.truth if self.keep is None else self.truth.where(self.keep, 0)
        low, high = truth.aminmax()
        return (low < 0) | (high >= self.width)

    @cached_property
    def _inside(self) -> Tensor:
        """The true class, where it is one; the nearest for others, which are counted as faults: an index outside would end the run."""
        if self.truth.device.type == "cpu" and self.keep is None and not self._outside:  # the host need not be waited for
            return self.truth
        return self.truth.clamp(0, self.width - 1)

    @cached_property
    def own(self) -> Tensor:
        """The score of the true class of every row, [b]."""
        place = self._inside[:, None]
        if self.kind == CATEGORY:
            precise = wide(self.given.device)
            if self.activation != "softmax":
                return self.given.gather(1, place)[:, 0].to(precise)
            shares, total = self._shares
            return shares.gather(1, place)[:, 0].to(precise) / total.to(precise)
        return self.scores.gather(1, place)[:, 0]

    @cached_property
    def top(self) -> Tensor:
        """The score of the likeliest class of every row, [b]."""
        precise = wide(self.given.device)
        return 1.0 / self._shares[1].to(precise) if self.activation == "softmax" else self._largest[0].to(precise)

    def numbers(self, n: int) -> Tensor:
        """0 to n-1."""
        return torch.arange(n, device=self.given.device)

    def floats(self, values: Tensor) -> Tensor:
        """Booleans or whole numbers as floating-point ones."""
        return values.to(wide(values.device))

    @cached_property
    def labels(self) -> Tensor:
        """The predicted class index [b] (binary, category) or multi-hot [b, labels] (set)."""
        if self.kind == CATEGORY:
            return self._largest[1]
        chosen = self.probabilities >= self.threshold
        return chosen.long() if self.kind == BINARY else chosen

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
        """How often each true class (rows) was predicted as each (columns), int64 [k, k]; of sets and of more than `MOST_CONFUSED` classes
        hits, predictions and occurrences of each, [3, k]."""
        if self.kind == SET:
            return torch.stack([each.sum(dim=0) for each in (self.truth & self.labels, self.labels, self.truth)])
        truth, labels, width = self._inside, self.labels, self.width
        if width <= MOST_CONFUSED:
            return self._count_cells(torch.add(labels, truth, alpha=width), width * width).reshape(width, width)
        hits = torch.where(labels == truth, truth, 3 * width)
        found = self._count_cells(torch.cat([hits, labels + width, truth + 2 * width]), 3 * width)
        return found.reshape(3, width)

    def _count_cells(self, cells: Tensor, number: int) -> Tensor:
        """How often each of `number` cells occurs among those that are kept; those outside count for nothing."""
        if self.keep is not None:
            cells = torch.where(self.keep.repeat(len(cells) // len(self.keep)), cells, number)
        if cells.device.type == "cpu":
            return cells.bincount(minlength=number + 1)[:number]
        zeros = torch.zeros(number + 1, dtype=torch.int64, device=cells.device)
        return zeros.index_add_(0, cells, torch.ones_like(cells))[:number]

    def sum_bins(self, cells: Tensor, values: Tensor, number: int) -> Tensor:
        """Sums of values [b, k] over the rows of each cell, [number, k], the same in every run; rows that do not count are left out."""
        if self.keep is not None:
            values = values.where(self.keep[:, None], 0.0)
        if cells.device.type == "cpu":
            return torch.zeros(number, values.shape[1], dtype=values.dtype).index_add_(0, cells, values)
        return (cells[:, None] == self.numbers(number)).to(values.dtype).T @ values  # scattered sums have no order on other devices

    def columns(self) -> tuple[Tensor, Tensor]:
        """Truth and scores of a number or vector as [b, d]."""
        return (self.truth, self.scores) if self.truth.dim() == 2 else (self.truth[:, None], self.scores[:, None])

    def small(self) -> dict[str, Tensor]:
        """Truth and scores of the rows that count, in as few bytes as hold them exactly: what metrics of order are computed from."""
        truth, scores = self.true_values, self.probabilities
        if self.kind in CLASSES:
            truth = truth.to(torch.uint8 if self.width <= 256 else torch.int32)
        elif self.kind == SET:
            truth = truth.bool()
        rows = {"truth": truth, "scores": scores} | ({} if self.weights is None else {"weights": self.weights})
        return rows if self.keep is None else {name: each[self.keep] for name, each in rows.items()}
