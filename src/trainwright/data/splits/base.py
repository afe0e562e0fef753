"""What every way of dividing rows is given, what it returns, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.arrow import int64_array
from trainwright.data.source import Source, known_columns
from trainwright.data.spelling import join_column

NAMES = ("train", "validation", "test")
FEWEST_ROWS = 10
"""With fewer rows there is nothing to learn and nothing to measure."""

PURPOSE = 0x5B11
"""Sets this use of the seed apart from others."""


@dataclass
class Split:
    """Source row numbers (int64, from 0, ascending) of each part, how they were chosen, and what a reader should know."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    method: str
    notes: list[str] = field(default_factory=list)
    hashes: np.ndarray | None = None
    """uint64 per source row, from its content."""
    seed: int | None = None
    """By which rows were drawn, where they were."""

    def parts(self) -> dict[str, np.ndarray]:
        """Rows by name of the split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def without_training(self, rows: np.ndarray) -> Split:
        """The same split, without some of the training rows."""
        return replace(self, train=self.train[~np.isin(self.train, rows)])

    def record(self, numbers: np.ndarray | None = None) -> pa.Table:
        """A table `row`, `split`, `hash` (uint64), in the order of rows, as kept with a run. `numbers`: of the source's rows, if others."""
        rows = np.concatenate(list(self.parts().values()))
        names = np.repeat(np.arange(3), [len(part) for part in self.parts().values()])
        order = np.argsort(rows, kind="stable")
        columns = {
            "row": int64_array(rows[order] if numbers is None else numbers[rows[order]]),
            "split": pa.array(NAMES).take(int64_array(names[order])),
        }
        if self.hashes is not None:
            columns["hash"] = pa.array(self.hashes[rows[order]])
        return pa.table(columns)


@dataclass
class RowsToDivide:
    """The rows to divide: their source, which of them count, the seed, and the targets with their types."""

    source: Source
    numbers: np.ndarray
    seed: int
    targets: list[str]
    kinds: dict[str, str]
    held: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    """Columns read so far, whole: a source may have to be read from its start for each."""
    coded: dict[str, tuple[np.ndarray, list[str]]] = field(default_factory=dict)
    """Codes of columns found so far (see `codes_of`)."""
    orders: Mapping[str, str] = field(default_factory=dict)
    """How the dates of columns are read, where that was given: `day_first` or `month_first`."""
    joins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Which spellings of a column's values are one (see `spelling.key_of`)."""

    @classmethod
    def of(cls, source: Source, seed: int, targets: list[str], kinds: dict[str, str], keep: np.ndarray | None) -> RowsToDivide:
        """The rows that `keep` allows and in which no target is missing; raises DataError when there are fewer than ten."""
        usable = np.ones(len(source), bool) if keep is None else np.asarray(keep, bool).copy()
        held = whole_columns(source, targets)
        for column in held.values():
            if column.null_count:
                usable &= column.is_valid().to_numpy()
        numbers = np.flatnonzero(usable)
        if len(numbers) < FEWEST_ROWS:
            why = f"it has {len(source)} rows, {len(numbers)} of them with a target; at least {FEWEST_ROWS} are needed"
            raise DataError("too few rows to train on", where=source.name, why=why, fix="give more data")
        return cls(source, numbers, seed, targets, kinds, held)

    @cached_property
    def generator(self) -> np.random.Generator:
        """Random numbers that depend on the seed alone."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, PURPOSE])))

    def column(self, name: str) -> pa.ChunkedArray:
        """The values of a column in the rows to divide; raises DataError when there is no such column."""
        known_columns([name], self.source.schema, "data.split")
        if name not in self.held:
            self.held |= whole_columns(self.source, [name])
        whole = self.held[name]
        return whole if len(self.numbers) == len(whole) else whole.take(int64_array(self.numbers))

    def codes(self, name: str) -> tuple[np.ndarray, list[str]]:
        """int64 codes of a column's values, and what each stands for (see `codes_of`)."""
        if name not in self.coded:
            self.coded[name] = codes_of(join_column(self.column(name), self.joins.get(name, ())))
        return self.coded[name]

    def strata(self, name: str) -> np.ndarray:
        """int64 codes of a column's values, or of its tenths for numbers; missing values are a code of their own."""
        values = self.column(name)
        numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        if self.kinds.get(name) == "number" and numeric:
            numbers = pc.fill_null(values.cast(pa.float64()), np.inf).to_numpy()
            return np.searchsorted(np.quantile(numbers, np.linspace(0.1, 0.9, 9)), numbers)
        return self.codes(name)[0]

    def class_targets(self) -> list[str]:
        """Targets that are classes."""
        return [name for name in self.targets if self.kinds.get(name) in ("binary", "category")]


def whole_columns(source: Source, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """All values of some columns, read in one pass."""
    if not names:
        return {}
    table = pa.concat_tables(source.batches(list(names)))
    return {name: table.column(name) for name in names}


def codes_of(values: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """int64 codes of values in the order they first come (the last code for missing ones), and what each stands for."""
    if pa.types.is_nested(values.type):
        values = pa.chunked_array([[str(value) for value in values.to_pylist()]], pa.string())
    coded = pa.chunked_array([values.combine_chunks()] if values.num_chunks != 1 else values.chunks).dictionary_encode().chunk(0)
    names = [str(value) for value in coded.dictionary.to_pylist()]
    codes = pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [*names, "missing"] if coded.null_count else names


def missing_rows(source: Source, columns: Sequence[str]) -> np.ndarray:
    """bool per row: whether any of the columns has no value there."""
    found: list[np.ndarray] = []
    for piece in source.batches(list(columns)):
        absent = np.zeros(piece.num_rows, bool)
        for column in piece.columns:
            if column.null_count:
                absent |= column.is_null().to_numpy()
        found.append(absent)
    return np.concatenate(found) if found else np.zeros(0, bool)


def counts_of(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that make `total` in the proportion of `shares`, by largest remainder; earlier shares win ties."""
    ideal = np.maximum(np.asarray(shares, np.float64), 0) * total / sum(shares)
    counts = np.floor(ideal + 1e-9).astype(int)
    for place in np.argsort(-(ideal - counts), kind="stable")[: total - counts.sum()]:
        counts[place] += 1
    return counts.tolist()


def assemble_split(rows: np.ndarray, part: np.ndarray, method: str, notes: Sequence[str] = ()) -> Split:
    """The split in which row `rows[i]` is in part `part[i]` (0 training, 1 validation, 2 test)."""
    train, validation, test = (np.sort(rows[part == number]).astype(np.int64) for number in range(3))
    return Split(train, validation, test, method, list(notes))


def check_split(split: Split, rows: RowsToDivide, predicted: bool = True) -> Split:
    """The split, with classes that are missing somewhere noted; raises DataError when it cannot be trained or measured on.

    A part that has one class only is refused where classes are `predicted`: where a model is told them, each is one thing to make.
    """
    if not len(split.train):
        raise DataError(
            "no training rows", where="data.split", why=f"the {split.method} split puts every row elsewhere", fix="change data.split"
        )
    for target in rows.class_targets():
        codes, names = rows.codes(target)
        place = np.full(len(rows.source), -1)
        place[rows.numbers] = codes
        classes = {name: np.unique(place[part]) for name, part in split.parts().items() if len(part)}
        for name, found in classes.items():
            if predicted and len(found) == 1:
                raise DataError(
                    f"the {name} rows hold one class of '{target}' only: {names[found[0]]}",
                    where="data.split",
                    why=f"{len(split.parts()[name])} rows, split {split.method}; with one class nothing can be learned or measured",
                    fix=_more_classes(split, target, np.bincount(codes, minlength=len(names)), names),
                )
        unseen = np.setdiff1d(np.concatenate(list(classes.values())), classes["train"])
        if len(unseen):
            listed = ", ".join(names[code] for code in unseen[:5])
            split.notes.append(f"{len(unseen)} classes of '{target}' are in no training row: {listed}")
    return split


def _more_classes(split: Split, target: str, counts: np.ndarray, names: Sequence[str]) -> str:
    """What brings two classes into each part: a split by the target where they have rows enough, else more rows."""
    largest = np.argsort(-counts, kind="stable")
    if len(counts) > 1 and counts[largest[1]] >= len(NAMES) and split.method != f"stratified by {target}":
        by = f" data.split.columns=[{target}]" if split.method.startswith("stratified") else ""
        return f"data.split=stratified{by}, another seed or column, or more rows of the other classes"
    few = f"'{names[largest[1]]}' has {counts[largest[1]]}" if len(counts) > 1 else "there is no other"
    unmeasured = "data.split=random data.split.validation=0 data.split.test=0 trains on all rows and measures nothing"
    return f"more rows of the other classes: each part needs one of a second class, and {few}; {unmeasured}"


def ensure_some_values(present: int, column: str) -> None:
    """Raises DataError when a column that rows are divided by has no value at all."""
    if not present:
        fix = "choose another column or split"
        raise DataError(f"column '{column}' has no value in any row", where="data.split", why="the rows cannot be divided by it", fix=fix)


def shown_parts(part: np.ndarray) -> str:
    """Where some rows went, in words, from the part of each (0 training, 1 validation, 2 test): `3 in training, 1 in test`."""
    counts = np.bincount(part, minlength=3).tolist()
    return ", ".join(f"{count:,} in {name}" for count, name in zip(counts, ("training", "validation", "test"), strict=True) if count)


def not_empty(split: Split, shares: Sequence[float], where: str) -> Split:
    """The split; raises DataError when a part that should have rows has none."""
    for (name, part), wanted in zip(split.parts().items(), shares, strict=True):
        if wanted > 0 and not len(part):
            raise DataError(
                f"no {name} rows", where="data.split", why=f"{where} leaves none", fix=f"give more rows, or set data.split.{name}=0"
            )
    return split
