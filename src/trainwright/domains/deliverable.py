"""A trained model as others can run it: one traceable module, the tensors it takes and gives, and what a host does before and after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
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

    @abstractmethod
    def example(self) -> Tensors:
        """Some rows for a tracer: at least two, and no two axes of any size alike."""

    @abstractmethod
    def read(self, rows: Any) -> Tensors:
        """Rows as they come → what the module takes; rows that cannot be answered are left out. Raises DataError."""

    @abstractmethod
    def columns(self, outputs: Tensors) -> Columns:
        """What the module gives → predictions in the words and units of the data, as `Predictor.predict` gives them."""
