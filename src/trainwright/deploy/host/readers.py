"""What reads one column: values as they come → the arrays that the graph takes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import Told

Parts = dict[str, np.ndarray]
"""The arrays of a column by what stands after its name in the graph: "" for values, "length" for how many there are in each row."""
MOST = 1_000
"""Values of one column that are told one by one."""
REMEMBERED = 10_000
"""Values of one column whose numbers are remembered."""


class ColumnReader(ABC):
    """Reads the values of one column; what is wrong with them is told, and never raised."""

    wanted, such = "a value", "1"
    """What a value is, and one that is right, for a message."""
    takes: tuple[type, ...] = (str, int, float, bool)
    """What a value may be in JSON, beside null."""

    def __init__(self, column: Column) -> None:
        self.column, self.name = column, column.name

    accept = ""
    """Endings of files that it takes; empty where its values are no files."""

    records = False
    """Whether a sound that is recorded is a file that it takes."""

    @property
    def axes(self) -> list[Any]:
        """What each dimension of a file's array is: `height`, `width`, `time`, or its size."""
        return []

    def limit(self, pixels: int) -> None:  # noqa: B027 - most columns have no pictures
        """Refuse pictures of more pixels."""

    @abstractmethod
    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        """The arrays of the values; `rows` are their numbers, for messages, and `written` what they were in JSON."""

    def quick(self, written: Sequence[Any], told: Told) -> Parts | None:
        """The arrays of values of JSON where that needs no more than looking them up; None where `read` has to look at them."""
        return None

    def from_json(self, values: list[Any], rows: np.ndarray, told: Told) -> list[Any]:
        """The values with those of a form that no value has told, and null in their place: none depends on its neighbours."""
        bad = [at for at, each in enumerate(values) if each is not None and not isinstance(each, self.takes)]
        if not bad:
            return values
        told.refuse(self.name, rows[bad], [values[at] for at in bad], f"{{}} is not {self.wanted}", fix=self.fix)
        return [None if at in bad else each for at, each in enumerate(values)]

    @property
    def fix(self) -> str:
        """What to send."""
        return f"send {self.wanted}, as {self.such}, or null where there is none"

    def refuse(
        self, values: pa.Array, marked: np.ndarray, rows: np.ndarray, told: Told, what: str, written: Sequence[Any] | None = None
    ) -> None:
        """Note a fault for each of the marked values, named as it was `written`; `what` has a place `{}` for the value."""
        if written is None:
            given = [_shown(each) for each in values.filter(pa.array(marked)).to_pylist()[:MOST]]
        else:
            given = [written[at] for at in np.flatnonzero(marked)[:MOST]]
        told.refuse(self.name, rows[marked][:MOST], given, what, fix=self.fix)

    def refuse_all(self, values: pa.Array, rows: np.ndarray, told: Told) -> None:
        """Note a fault for each value of a column that is of another form."""
        self.refuse(values, pc.is_valid(values).to_numpy(zero_copy_only=False), rows, told, f"{{}} is not {self.wanted}")


class SingleReader(ColumnReader):
    """Reads a column of single values as one number for each."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.known: dict[tuple[type, Any], Any] = {}

    @abstractmethod
    def numbers(self, values: pa.Array, rows: np.ndarray, told: Told) -> np.ndarray:
        """The number of each value."""

    @abstractmethod
    def parts(self, numbers: np.ndarray, told: Told) -> Parts:
        """The arrays of the numbers, with those counted that stand for none."""

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        trouble = told.trouble
        numbers = self.numbers(values, rows, told)
        if written is not None and told.trouble == trouble and len(self.known) + len(written) <= REMEMBERED:
            self.known.update({(type(value), value): number for value, number in zip(written, numbers.tolist(), strict=True)})
        return self.parts(numbers, told)

    def quick(self, written: Sequence[Any], told: Told) -> Parts | None:
        try:
            return self.parts(np.array([self.known[type(each), each] for each in written], np.int64), told)
        except (KeyError, TypeError):  # a list has no hash
            return None


def _shown(value: Any) -> Any:
    return f"{len(value)} bytes" if isinstance(value, bytes) else value
