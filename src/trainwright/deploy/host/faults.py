"""What is wrong with rows, value by value: named by column and row, with the value, why, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from trainwright.config.errors import DataError

SHOWN = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Fault:
    """A value, or a column where `row` is None, that cannot be read."""

    what: str
    column: str
    row: int | None = None
    """Its number, from 0."""
    why: str = ""
    fix: str = ""
    too_large: bool = False
    """Whether it is more than a limit allows, whatever it holds."""

    @property
    def where(self) -> str:
        """The row as a person counts, and the column."""
        place = "" if self.row is None else f"row {self.row + 1}, "
        return f"{place}column '{self.column}'" if self.column else place.removesuffix(", ")


class FaultyRows(DataError):
    """Rows that cannot be answered, each fault by itself in `faults`."""

    def __init__(self, faults: list[Fault]) -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(first.what + more, where=first.where, why=first.why, fix=first.fix)
        self.faults = faults


@dataclass
class Told:
    """What was found while the values of some rows were read: faults, and counts of what was taken otherwise than it was written."""

    faults: list[Fault] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    """Rows that lack a value without which the model answers none."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Column → `missing`, `unknown`, `invalid` → rows."""
    trouble: int = 0
    """How often values were told that are not what a column holds."""

    def refuse(
        self,
        column: str,
        rows: Iterable[int],
        values: Iterable[object],
        what: str,
        why: str = "",
        fix: str = "",
        too_large: bool = False,
    ) -> None:
        """Note a fault for each of some rows; `what` has a place `{}` for the value."""
        self.trouble += 1
        for row, value in zip(rows, values, strict=True):
            self.faults.append(Fault(what.format(shorten(value)), column, int(row), why, fix, too_large))

    def count(self, column: str, what: str, marked: np.ndarray | int) -> None:
        """Count rows, or values, of a column; nothing where there are none."""
        found = int(np.asarray(marked).sum())
        if found:
            self.trouble += what == "invalid"
            of_column = self.counts.setdefault(column, {})
            of_column[what] = of_column.get(what, 0) + found


def shorten(value: object) -> str:
    """A value for a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
