"""What every traceable column has: what it takes, how a host reads it, and a module that gives the parts of a batch."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.config.part import load_named
from trainwright.features.base import Feature

Raw = dict[str, Tensor]
"""What a host gives of a column, by what stands after its name: "" for the values, "length" for how many there are in each row."""
MISSING, UNKNOWN = -1, -2
"""Numbers that stand for a value that is missing, and for a text that training did not have."""


class TracedColumn(nn.Module):
    """An input column: `forward` gives the parts that `Feature.encode` gives, of rows as `read` gives them."""

    axis = 0
    """The dimension of the values that may be of any size, counted with that of rows; 0 where there is none."""
    usual = 0
    """How long that is in training, at most."""

    def __init__(self, feature: Any) -> None:
        super().__init__()
        self.indicator = bool(feature.has_indicator)

    @abstractmethod
    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The values as a host gives them; raises what `Feature.encode` raises."""

    @abstractmethod
    def describe(self, feature: Any) -> dict[str, Any]:
        """How a host reads the values, in plain JSON."""

    @abstractmethod
    def example(self, rows: int, steps: int) -> Raw:
        """Rows of nothing in particular, for a tracer; `steps` long where that may be of any size."""

    @abstractmethod
    def forward(self, raw: Raw) -> dict[str, Tensor]:
        """The parts of a batch, rows first."""

    def with_indicator(self, parts: dict[str, Tensor], absent: Tensor) -> dict[str, Tensor]:
        """The parts with which rows were missing, where the network is told that."""
        return {**parts, "missing": absent.float()} if self.indicator else parts


class TracedTarget(nn.Module):
    """A target: `forward` gives what is predicted, of scores, and `columns` puts it into the words of the data."""

    @abstractmethod
    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        """`prediction`, and `probability` `[b, classes]` where there are classes."""

    @abstractmethod
    def describe(self, feature: Any) -> dict[str, Any]:
        """What the numbers stand for, in plain JSON."""

    @abstractmethod
    def columns(self, feature: Any, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        """The columns that `Feature.decode` gives."""


def traced_column(feature: Feature) -> TracedColumn:
    """The module of an input column; raises RequestError for a type that has none."""
    made: TracedColumn = _find(feature, COLUMNS)(feature)
    return made


def traced_target(feature: Feature, threshold: Any) -> TracedTarget:
    """The module of a target, decided at a threshold where it has two classes or labels; raises RequestError for a type that has none."""
    made: TracedTarget = _find(feature, TARGETS)(feature, threshold)
    return made


def _find(feature: Feature, table: dict[str, str]) -> Any:
    kind = feature.traced_as or feature.kind
    if ":" in kind:
        return load_named(kind)
    if kind not in table or not (feature.traced_as or type(feature).__module__.startswith("trainwright.")):
        why = f"its type '{feature.kind}' says how values are encoded, and not as a module"
        fix = f"leave it out (ignore: [{feature.name}]), or export the model as it is, without --to"
        raise RequestError(f"column '{feature.name}' cannot be traced", where=f"columns.{feature.name}", why=why, fix=fix)
    module, _, name = table[kind].partition(":")
    return getattr(import_module(f"trainwright.features.traced.{module}"), name)


COLUMNS = {
    "number": "numbers:NumberColumn",
    "binary": "classes:BinaryColumn",
    "category": "classes:CategoryColumn",
    "set": "words:SetColumn",
    "bag": "words:BagColumn",
    "sequence": "tokens:SequenceColumn",
    "text": "tokens:TextColumn",
    "vector": "numbers:VectorColumn",
    "timeseries": "tokens:TimeseriesColumn",
    "date": "dates:DateColumn",
    "file": "arrays:FileColumn",
}
TARGETS = {
    "number": "numbers:NumberTarget",
    "vector": "numbers:NumberTarget",
    "binary": "classes:BinaryTarget",
    "category": "classes:CategoryTarget",
    "set": "words:SetTarget",
    "file": "arrays:PositionTarget",
}
