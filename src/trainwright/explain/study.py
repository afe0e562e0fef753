"""A question to a model: which rows, which columns, which output, against which baseline, and how they are walked through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.config.model import PartConfig
from trainwright.explain.baselines import Baseline, make_baseline
from trainwright.explain.batches import Player, answers, padded_alike, pieces
from trainwright.explain.subject import Column, Subject, Tensors, find_columns, find_output

GRADIENT_FREE = ("occlusion", "shapley", "permutation", "partial_dependence")
"""Methods that ask a model for nothing but its answers."""


@dataclass(frozen=True)
class Asked:
    """What a person asks."""

    method: PartConfig
    columns: Sequence[str] = ()
    groups: Sequence[Sequence[str]] = ()
    """Columns that count as one."""
    output: str = ""
    """The class, or the output, that is explained."""
    baseline: str = ""
    rows: int = 1000
    """Rows that are looked at, at most, drawn by the seed."""
    row: Sequence[int] = ()
    """Rows by number, from 1, in place of that."""
    seed: int = 0
    batch_size: int = 256
    maps: int = 12
    """Rows of which maps are kept whole."""

    def check(self) -> None:
        """Raises RequestError for numbers that cannot be."""
        least = {"--rows": (self.rows, 1), "--seed": (self.seed, 0), "--batch-size": (self.batch_size, 1)}
        for flag, (value, smallest) in least.items():
            if value < smallest:
                raise RequestError(f"{flag} cannot be {value}", where=f"{flag} {value}", fix=f"write {smallest} or more")


@dataclass
class Study:
    """A question that was understood."""

    subject: Subject
    asked: Asked
    indices: np.ndarray
    """The rows that are looked at."""
    players: list[Player]
    """The columns that are told of, those of a group together."""
    named: bool
    """Whether a person named them; others are left as they are, then."""
    output: int | None
    """The output that is explained; None for the likeliest of each row."""
    _baseline: Baseline | None = field(default=None, repr=False)

    @property
    def baseline(self) -> Baseline:
        """The baseline, made when a method asks for it."""
        if self._baseline is None:
            self._baseline = make_baseline(self.subject, self.asked.baseline, self.indices, self.asked.batch_size)
        return self._baseline

    @property
    def names(self) -> list[str]:
        """What the players are called."""
        return [name_of(player) for player in self.players]

    def batches(self) -> Iterator[tuple[np.ndarray, Tensors]]:
        """The places of rows in the result, and their inputs, some at a time."""
        for places in pieces(len(self.indices), self.asked.batch_size):
            yield places, self.subject.take(self.indices[places])

    def with_baseline(self, tensors: Tensors) -> tuple[Tensors, Tensors]:
        """A batch, and its baseline in as many rows and of the same shapes."""
        row = {name: each for name, each in self.baseline.row.items() if name in tensors}
        tensors, row = padded_alike(tensors, row)
        count = len(next(iter(tensors.values())))
        return tensors, {**tensors, **{name: each.expand(count, *each.shape[1:]) for name, each in row.items()}}

    def chosen(self, tensors: Tensors) -> Tensor:
        """The output that is explained of each row (b): by name, or the likeliest."""
        count = len(next(iter(tensors.values())))
        if self.output is not None:
            return torch.full((count,), self.output)
        return answers(self.subject, tensors).argmax(1)

    def about(self, logit: bool) -> str:
        """What is explained, in words."""
        words = self.subject.about_logit if logit else self.subject.about
        if "{}" not in words:
            return words
        if self.output is None:
            return words.format("the likeliest class")
        return words.format(f"{'class' if self.subject.chooses else 'output'} '{self.subject.outputs[self.output]}'")

    def require_gradient(self, method: str) -> None:
        """Raises RequestError, with what works instead, for a model without a gradient."""
        if self.subject.no_gradient:
            raise no_gradient(method, self.subject.no_gradient)

    def settings(self) -> dict[str, Any]:
        """The options of the method."""
        return self.asked.method.model_dump(mode="json")


def no_gradient(method: str, why: str) -> RequestError:
    """The refusal of a method that needs a gradient."""
    fix = f"use a method that asks for answers alone: --method {', '.join(GRADIENT_FREE)}"
    return RequestError(f"{method} needs the gradient of the model, which has none", where="--method", why=why, fix=fix)


def name_of(player: Player) -> str:
    """What a player is called."""
    return " + ".join(column.name for column in player)


def make_study(subject: Subject, asked: Asked) -> Study:
    """The question as the model has its inputs and outputs; raises RequestError for names and rows that there are not."""
    if not len(subject.rows):
        raise RequestError("there are no rows to explain", fix="name data with at least one row that the model can answer")
    if not subject.columns:
        raise RequestError("the model has no inputs that can be told apart", why="no tensor of its batches has a name and numbers")
    asked.check()
    players = _choose_players(subject, asked)
    named = bool(asked.columns or asked.groups)
    return Study(subject, asked, _choose_rows(subject, asked), players, named, find_output(subject, asked.output))


def _choose_players(subject: Subject, asked: Asked) -> list[Player]:
    """Groups first, then the columns that are named, or all where none is; raises RequestError for a column that would count twice."""
    groups: list[Player] = []
    taken: set[str] = set()
    for names in asked.groups:
        groups.append(_without(taken, find_columns(subject, names, "--group"), "in two groups"))
        taken |= {column.name for column in groups[-1]}
    if not all(groups):
        raise RequestError("a group has no columns", where="--group", fix="name its columns, with commas between them")
    named = _without(taken, find_columns(subject, asked.columns), "named alone and in a group")
    alone = named if asked.columns or groups else list(subject.columns)
    return [*groups, *([column] for column in alone)]


def _without(taken: set[str], columns: list[Column], where: str) -> list[Column]:
    twice = next((column.name for column in columns if column.name in taken), "")
    if twice:
        raise RequestError(f"'{twice}' is {where}", where="--group", fix="name each column once")
    return columns


def _choose_rows(subject: Subject, asked: Asked) -> np.ndarray:
    total = len(subject.rows)
    if asked.row:
        wrong = next((row for row in asked.row if not 1 <= row <= total), None)
        if wrong is not None:
            why = f"there are {total:,}, from 1" + (f"; {subject.left_out}" if subject.left_out else "")
            raise RequestError(f"there is no row {wrong}", where="--row", why=why, fix=f"--row {total}")
        twice = next((row for row in asked.row if asked.row.count(row) > 1), None)
        if twice is not None:
            raise RequestError(f"row {twice} is named twice", where="--row", fix="name each row once")
        return np.array([row - 1 for row in asked.row], np.int64)
    if total <= asked.rows:
        return np.arange(total)
    return np.sort(np.random.default_rng(asked.seed).choice(total, asked.rows, replace=False))


def single_columns(study: Study, method: str) -> list[Column]:
    """The columns that are told of, for a method that takes them one by one. Raises RequestError for groups."""
    if any(len(player) > 1 for player in study.players):
        fix = "name columns: --column A --column B; groups are for permutation, shapley and occlusion"
        raise RequestError(f"{method} looks at columns one by one", where="--group", fix=fix)
    return [player[0] for player in study.players]
