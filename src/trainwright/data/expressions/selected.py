"""A source with derived columns, and with the rows alone for which a condition holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.arrow import PIECE, in_pieces, plain_schema
from trainwright.data.expressions.operands import Written, read_operand
from trainwright.data.expressions.selection import WHERE, Selection
from trainwright.data.expressions.typed import Calculation
from trainwright.data.source import Source, known_columns


class SelectedSource:
    """Rows of another source; a row's number here is its place among those that are left, `kept` gives its number there.

    A row for which the condition is missing is left out, as one for which it is false.
    """

    def __init__(
        self,
        source: Source,
        selection: Selection,
        written: Written | None = None,
        derived: Sequence[str] | None = None,
        conditions: Sequence[Calculation] | None = None,
    ) -> None:
        """`derived`, `conditions`: those that are calculated; all unless given. `written`: how texts stand for other values."""
        self.source, self.selection, self.written_as = source, selection, written or Written(nulls=())
        self.derived = list(selection.derived if derived is None else derived)
        self.conditions = list(selection.conditions if conditions is None else conditions)
        self.name, self.default_targets, self.notes = source.name, source.default_targets, list(source.notes)
        self.written, self.folders = source.written, source.folders
        inside = [field for field in source.schema if field.name not in self.derived]
        made = [pa.field(name, selection.calculations[name].type) for name in self.derived]
        self._schema = plain_schema(pa.schema(inside)) if not made else pa.schema([*inside, *made])
        self.valueless = dict.fromkeys(self.derived, 0)
        """Derived column → rows in which the columns it is derived from have values, and it has none."""
        self.holding = [0] * len(self.conditions)
        """In how many rows each condition holds."""
        self.undecided = 0
        """Rows left out because the condition is missing there."""
        self.mask = self._survey()
        self.kept = np.flatnonzero(self.mask) if self.conditions else np.arange(len(source))
        self.boundaries = [int(each) for each in np.searchsorted(self.kept, source.boundaries)]
        self.notes += self._notes()

    @classmethod
    def of(cls, source: Source, where: str, derive: dict[str, str]) -> Source | Self:
        """The source as a configuration selects it for training; raises ConfigError or DataError where that cannot be."""
        if not where and not derive:
            return source
        selection = Selection.of(where, derive, source)
        selected = cls(source, selection)
        if not len(selected):
            raise selected._none_left()
        return selected

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types; derived columns are the last."""
        return self._schema

    @property
    def left_out(self) -> np.ndarray:
        """Numbers, in the source, of the rows that are left out."""
        return np.flatnonzero(~self.mask) if self.conditions else np.empty(0, np.int64)

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        wanted, inside = self._divide(columns)
        rows = self.kept if indices is None else self.kept[np.asarray(indices, np.int64)]
        return self._derive(self.source.read(rows if self.conditions or indices is not None else None, inside), wanted, rows)

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time, one chunk per column."""
        wanted, inside = self._divide(columns)
        yield from in_pieces(self._pieces(wanted, inside), rows)

    def _pieces(self, wanted: list[str], inside: list[str]) -> Iterator[pa.Table]:
        start = 0
        for piece in self.source.batches(inside):
            numbers = np.arange(start, start + piece.num_rows)
            start += piece.num_rows
            if self.conditions:
                mask = self.mask[numbers]
                piece, numbers = (piece, numbers) if mask.all() else (piece.filter(pa.array(mask)), numbers[mask])
            if piece.num_rows:
                yield self._derive(piece, wanted, numbers)

    def fingerprint(self) -> dict[str, Any]:
        """That of the source, whose rows they are."""
        return self.source.fingerprint()

    def place(self, row: int) -> str:
        """Where a row is in the source."""
        return self.source.place(int(self.kept[row]))

    def _divide(self, columns: list[str] | None) -> tuple[list[str], list[str]]:
        """The columns that are wanted, and those of the source that they are made of."""
        wanted = known_columns(self.schema.names if columns is None else columns, self.schema, self.name)
        return wanted, self.selection.columns_under(wanted) if self.derived else wanted

    def _derive(self, table: pa.Table, wanted: list[str], rows: np.ndarray) -> pa.Table:
        """The wanted columns of some rows of the source (numbers `rows`)."""
        if not any(name in self.derived for name in wanted):
            return table.select(wanted)
        columns = self.selection.derive(self._operands(table, self.selection.columns_under(self.derived), rows), wanted)
        return pa.table({name: columns[name] if name in self.derived else table[name] for name in wanted})

    def _operands(self, table: pa.Table, names: Sequence[str], rows: np.ndarray) -> dict[str, pa.Array]:
        def place(row: int) -> str:
            return f"{self.name}: {self.source.place(int(rows[row]))}"

        held = [name for name in names if name in table.column_names]
        return {name: read_operand(name, table[name], self.selection.operands[name], self.written_as, place) for name in held}

    def _survey(self) -> np.ndarray:
        """bool per row of the source: whether the condition holds; every derived value is calculated once, so that none fails later."""
        columns_of = [name for each in self.conditions for name in each.expression.columns]
        needed = self.selection.columns_under([*self.derived, *columns_of])
        masks: list[np.ndarray] = []
        start = 0
        for piece in self.source.batches(needed) if needed else ():
            rows = np.arange(start, start + piece.num_rows)
            start += piece.num_rows
            columns = self.selection.derive(self._operands(piece, needed, rows), [*self.derived, *columns_of])
            mask = self._holds(columns, len(rows))
            for name in self.derived:
                self.valueless[name] += self._without_value(name, columns, mask)
            masks.append(mask)
        return np.concatenate(masks) if masks else np.ones(len(self.source), bool)

    def _holds(self, columns: dict[str, pa.Array], rows: int) -> np.ndarray:
        """bool per row: whether every condition holds; rows of which that is missing are counted."""
        if not self.conditions:
            return np.ones(rows, bool)
        each = [condition.of(columns) for condition in self.conditions]
        self.holding = [count + (pc.sum(held).as_py() or 0) for count, held in zip(self.holding, each, strict=True)]
        found = reduce(pc.and_kleene, each)
        self.undecided += found.null_count
        mask: np.ndarray = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
        return mask

    def _without_value(self, name: str, columns: dict[str, pa.Array], mask: np.ndarray) -> int:
        absent = pc.is_null(columns[name]).to_numpy(zero_copy_only=False) & mask
        for each in self.selection.derived[name].columns if absent.any() else ():
            absent = absent & columns[each].is_valid().to_numpy(zero_copy_only=False)
        return int(absent.sum())

    def _none_left(self) -> DataError:
        told = [
            f"{each.expression.show(each.expression.body)}: {count:,}" for each, count in zip(self.conditions, self.holding, strict=True)
        ]
        why = f"of {len(self.source):,} rows, so many are left by each condition alone: {'; '.join(told)}"
        return DataError("data.where leaves no rows", where=WHERE, why=why, fix="ask for less, or correct a value it compares with")

    def _notes(self) -> list[str]:
        total, left = len(self.source), len(self.kept)
        notes = []
        if self.conditions:
            missing = f", {self.undecided:,} of them because a value it needs is missing" if self.undecided else ""
            notes.append(f"data.where leaves out {total - left:,} of {total:,} rows{missing}")
        notes += [
            f"data.derive.{name} has no value in {count:,} rows whose columns have one (no match, or no finite number)"
            for name, count in self.valueless.items()
            if count
        ]
        return notes

    def describe(self) -> dict[str, Any]:
        """What was selected, as it stands in data.json."""
        return {
            "where": self.selection.where.text if self.selection.where else "",
            "derive": {name: each.text for name, each in self.selection.derived.items()},
            "rows_before": len(self.source),
            "left_out": len(self.source) - len(self.kept),
            "left_out_as_missing": self.undecided,
        }


def given_rows(source: Any) -> tuple[int, np.ndarray | None]:
    """How many rows there were before a condition left some out, and the number among them of each that is left; None where none can be."""
    inside = source
    while not isinstance(inside, SelectedSource) and hasattr(inside, "source"):
        inside = inside.source
    return (len(inside.source), inside.kept) if isinstance(inside, SelectedSource) else (len(source), None)
