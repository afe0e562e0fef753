"""Answering rows by several views of each (test-time augmentation): what they are is said by the domain of a type of column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from trainwright.config.domains import column_kind
from trainwright.config.errors import ConfigError
from trainwright.config.part import load_named
from trainwright.features.spec import DataSpec

WHERE = "evaluation.views"


class View(Protocol):
    """One way to look at the rows of a batch."""

    name: str
    """What it is called where it is told."""

    def change(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch as it is seen so."""

    def back(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores at positions `[b, c, …]` where the row itself has them, and what each position counts `[…]`: 0 where it was not seen."""


def make_views(spec: DataSpec, names: Sequence[str]) -> list[View]:
    """The views that are asked for, of the columns that have such. Raises ConfigError for rows and names that have none."""
    makers = [(group, column_kind(group.kind).views) for group in spec.inputs if column_kind(group.kind).views]
    if not makers:
        kinds = ", ".join(dict.fromkeys(group.kind for group in spec.inputs))
        why = f"views are of pictures, and the inputs are {kinds}"
        raise ConfigError("these rows cannot be viewed in several ways", where=WHERE, why=why, fix="leave evaluation.views out")
    made: list[View] = load_named(makers[0][1])([group for group, _ in makers], list(names))
    return made


def as_members(outputs: Sequence[Tensor]) -> Tensor:
    """Outputs `[b, o]` or `[b, k, o]` of several views as those of members `[b, views · k, o]`, whose probabilities are averaged."""
    return torch.cat([each if each.dim() == 3 else each.unsqueeze(1) for each in outputs], dim=1)


def join_at_positions(views: Sequence[View], outputs: Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean of the probabilities `[b, c, …]` over the views that see a position."""
    total: Any = 0.0
    weights: Any = 0.0
    for view, output in zip(views, outputs, strict=True):
        scores, weight = view.back(output.softmax(dim=1))
        total, weights = total + scores * weight, weights + weight
    joined: Tensor = total / weights
    return joined.clamp_min(torch.finfo(joined.dtype).tiny).log()
