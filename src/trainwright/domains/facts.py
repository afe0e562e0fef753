"""What a domain is told of a finished run, so that it can say in the report what it knows of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from trainwright.metrics.outcome import Outcome


@dataclass(frozen=True)
class Rests:
    """Where in an array of one row an answer rests, by a method of explaining."""

    sizes: np.ndarray
    """Of 0 or more, in the shape of `given`, or in that of its places alone."""
    given: np.ndarray
    """What the network was given of the column: after its transforms, scaled."""
    first: int
    """At which step of the whole row it begins, where rows are cut into windows."""
    output: str
    """The class, or what else was explained."""
    answer: float


@dataclass(frozen=True)
class RunFacts:
    """A run of columns: where it is, what its columns are, and what was predicted of the rows that it is measured on."""

    folder: Path
    """The run directory; media that a block names lie in it."""
    columns: Mapping[str, str]
    """Column → its type; inputs, then targets."""
    split: str
    """Which rows are measured: `test`, or `validation` where there are none."""
    rows: np.ndarray
    """Their numbers in the data (n), in the order of the outcomes; for `read`."""
    outcomes: Mapping[str, Outcome]
    """Target → truth and scores of these rows."""
    read: Callable[[np.ndarray, list[str]], pa.Table]
    """(row numbers, names of columns) → the raw values."""

    features: Mapping[str, Any] = field(default_factory=dict)
    """Column → the column as it was fitted; it knows how its rows are read."""
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Column that is read row by row → how long each row of the data that is used is, as its references say."""
    rests: Callable[..., Rests | None] | None = None
    """(place among `rows`, target, class or "" for the likeliest, column, method of explaining) → where the answer rests; None where it
    cannot be told, as by a method that this network is not for. The method is integrated gradients unless named."""
    answers: Callable[[int, str], tuple[np.ndarray, np.ndarray]] | None = None
    """(place among `rows`, target with a class at every position) → the true class of each, negative where it does not count, and that
    which is answered."""
    splits: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Split → the numbers of its rows in the data; `train`, `validation` and `test`, those that there are."""
    known: Sequence[str] = ()
    """All columns of the data, also those that the network is not given."""

    def of_type(self, *types: str) -> list[str]:
        """The columns of these types."""
        return [name for name, each in self.columns.items() if each in types]
