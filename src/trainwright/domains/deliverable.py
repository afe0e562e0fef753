"""A trained model as others can run it: one traceable module, the tensors it takes and gives, and what a host does before and after it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from torch import nn

from trainwright.domains.forms import Columns
from trainwright.domains.predictor import Field, Tensors

ROWS = "rows"
"""The axis of rows, of any size in what is exported."""


@dataclass(frozen=True)
class Given:
    """A tensor that the module takes."""

    name: str
    column: str
    """The column of a row that it is made of."""
    dtype: str
    """As torch names it: `float64`."""
    axes: tuple[int | str, ...]
    """Rows first: the size of an axis, or the name of one of any size (`rows`, `signal.time`); axes of one name are of one size."""


@dataclass(frozen=True)
class TextTable:
    """The number of each text of a column, which a host looks up, or a graph that can hold strings."""

    exact: Mapping[str, int]
    """Texts as they are."""
    without_case: Mapping[str, int] = field(default_factory=dict)
    """Texts after `str.casefold`, where `exact` has none."""
    missing: int = -1
    unknown: int = -2


def distinct_sizes(usual: Mapping[str, int]) -> dict[str, int]:
    """A prime number of entries for each axis, no two alike, and 3 rows: what a tracer fixes at such a number was no other axis."""
    found: dict[str, int] = {ROWS: 3}
    for name, least in usual.items():
        if name != ROWS:
            found[name] = next(each for each in count(max(least, 5)) if is_prime(each) and each not in found.values())
    return found


def is_prime(number: int) -> bool:
    """Whether only 1 and itself divide it."""
    return number > 1 and all(number % each for each in range(2, math.isqrt(number) + 1))


class Deliverable(ABC):
    """What an exporter writes and a server answers with; each kind of run gives its own by `Predictor.deliverable`."""

    module: nn.Module
    """In eval mode; tensors by name → tensors by name, rows first. All that tensors can do of a row is in it."""
    inputs: list[Given]
    outputs: list[Field]
    """What the module gives for a row, by name."""
    tables: Mapping[str, TextTable] = {}
    """Input → the table whose numbers it holds, where its column has texts."""
    host: Mapping[str, Any] = {}
    """How a host reads each column and what the numbers of each output stand for, in plain JSON."""

    usual: Mapping[str, int] = {}
    """Axis of any size, but rows → its size in training, at most."""
    guessed: frozenset[str] = frozenset()
    """Axes of which only a trace can tell whether they may be of any size; the others are, or the model cannot be exported."""

    @abstractmethod
    def example_of(self, sizes: Mapping[str, int]) -> Tensors:
        """Rows of nothing in particular, with axes of these sizes."""

    def example(self, fixed: Mapping[str, int] | None = None) -> Tensors:
        """Three rows for a tracer: no two axes of any size alike, all of them large enough; those that are fixed of that size."""
        return self.example_of(distinct_sizes(self.usual) | dict(fixed or {}))

    @abstractmethod
    def read(self, rows: Any) -> Tensors:
        """Rows as they come → what the module takes; rows that cannot be answered are left out. Raises DataError."""

    @abstractmethod
    def columns(self, outputs: Tensors) -> Columns:
        """What the module gives → predictions in the words and units of the data, as `Predictor.predict` gives them."""
