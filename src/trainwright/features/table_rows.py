"""Rows of an encoded table as the trainer takes them: blocks that lie ready, and lazy columns that are decoded for every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.data.counters import fold, fold_in
from trainwright.data.mapped_rows import block_rows
from trainwright.data.reader import SampleReader
from trainwright.data.rows import Rows
from trainwright.data.windows import Windows
from trainwright.features.cutting import windows_of
from trainwright.features.encoding import EncodedTable
from trainwright.features.lazy import Decoder, References

Key = tuple[int, int]
"""The position of a row, and which of its windows is meant."""


def table_rows(table: EncodedTable, positions: np.ndarray, training: bool = False) -> Rows:
    """The encoded rows at `positions`, or their windows; `training`: under the transforms that apply to training rows alone."""
    if not table.references:
        return block_rows(table.blocks, positions)
    columns = []
    for group in table.spec.inputs:
        if group.name in table.references:
            feature: Any = table.encoder.features[group.columns[0]]
            references = table.references[group.name].take(positions)
            column = LazyColumn(group.name, feature.decoder(training), references, drawn_as(table, feature.config.draws_as))
            column.cut = table.encoder.window is not None and feature.window is not None
            column.bucket = 0 if feature.config.bucket is None else feature.config.bucket.width
            columns.append(column)
    columns += [target_column(table, name, positions, training) for name in table.encoder.targets if f"target.{name}" in table.references]
    dense = block_rows(table.blocks, positions) if table.blocks else None
    return LazyRows(dense, columns, table.rows[positions], windows_of(table, positions))


def target_column(table: EncodedTable, name: str, positions: np.ndarray, training: bool) -> LazyColumn:
    """A target whose truth is read with its row."""
    feature: Any = table.encoder.features[name]
    references = table.references[f"target.{name}"].take(positions)
    return LazyColumn(f"target.{name}", feature.decoder(training), references, drawn_as(table, feature.config.draws_as))


def drawn_as(table: EncodedTable, column: str) -> str:
    """The name under which a column draws, whose draws another one repeats; empty for none."""
    groups = (group.name for group in table.spec.inputs if column in group.columns)
    return next(groups, f"target.{column}" if column else "")


class LazyColumn:
    """The samples of one column by position and window, each drawn from (seed, column, epoch, a number of its own)."""

    def __init__(self, name: str, decoder: Decoder, references: References, draws_as: str = "") -> None:
        """`draws_as`: the column whose draws it repeats."""
        self.name, self.decoder, self.references, self.draws_as = name, decoder, references, draws_as or name
        self.reader = SampleReader(self, self.join, self.join, bulk=False)
        self.numbers = np.zeros(0, np.int64)
        """Row numbers in the source, for messages."""
        self.cut, self.bucket = False, 0

    def __getitem__(self, key: Key) -> Any:
        """The sample of the row at a position."""
        position, place = key
        return self.decoder.sample(self.references.places[position].as_py(), int(self.numbers[position]), place)

    def join(self, samples: list[Any], keys: list[Key]) -> dict[str, Tensor]:
        """The parts of a batch by their names in it."""
        parts = self.decoder.join(samples, [int(self.numbers[position]) for position, _ in keys])
        return {f"{self.name}.{part}" if part else self.name: value for part, value in parts.items()}

    def take(self, keys: list[Key], draws: list[int]) -> dict[str, Tensor]:
        """The parts of some samples; what is random in each follows from its number in `draws`."""
        if not self.decoder.draws:
            return self.join([self[key] for key in keys], keys)
        found: dict[str, Tensor] = self.reader.batch(keys, draws)
        return found

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random follow from (seed, epoch) from here on, for each column from numbers of its own."""
        self.reader.begin_epoch(fold(seed, f"column {self.draws_as}"), epoch)


class LazyRows(Rows):
    """Blocks beside lazy columns, whole or cut into windows; nothing is kept of what was decoded but in the system's page cache."""

    def __init__(self, dense: Rows | None, columns: list[LazyColumn], numbers: np.ndarray, windows: Windows | None = None) -> None:
        """`numbers`: of the rows in the source, from which randomness follows."""
        self.dense, self.columns, self.numbers, self.windows = dense, columns, numbers, windows
        self.padded = [
            (f"{each.name}.{part}", f"{each.name}.{length}", dim) for each in columns for part, length, dim in each.decoder.padded
        ]
        for column in columns:
            column.numbers = numbers
        self._begun: tuple[int, int] | None = None
        self.begin_epoch(0, 0)

    def __len__(self) -> int:
        return len(self.numbers) if self.windows is None else len(self.windows)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random within samples come from (seed, epoch, row, window) from here on."""
        if self._begun != (seed, epoch):
            self._begun = (seed, epoch)
            for column in self.columns:
                column.begin_epoch(seed, epoch)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the CPU."""
        return self.take_draws(indices, indices)

    def take_draws(self, indices: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """As `take`, with the randomness of each sample from its number in `draws` (int64, b)."""
        rows, _ = self.locate(indices.numpy())
        batch: dict[str, Tensor] = {} if self.dense is None else self.dense.take(torch.from_numpy(rows))
        return batch | self.decode(indices, draws)

    def decode(self, indices: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """The lazy columns of these samples alone."""
        rows, places = self.locate(indices.numpy())
        keys = list(zip(rows.tolist(), places.tolist(), strict=True))
        numbers = (self.numbers[rows] + (draws - indices).numpy()).tolist()
        if self.windows is not None:
            numbers = [fold_in(number, place) for number, (_, place) in zip(numbers, keys, strict=True)]
        batch: dict[str, Tensor] = {}
        for column in self.columns:
            batch |= column.take(keys, numbers)
        return batch

    def ends_at(self, index: int) -> bool:
        """Whether a sample is the last one of its row."""
        return self.windows is None or bool(self.windows.ends[np.searchsorted(self.windows.ends, index + 1)] == index + 1)

    def lengths(self, column: LazyColumn) -> np.ndarray:
        """How long each sample of a column is before its transforms (int64, n)."""
        if self.windows is None:
            return column.references.lengths
        return self.windows.sizes() if column.cut else column.references.lengths[self.windows.rows()]

    def sizes(self) -> np.ndarray | None:
        """The lengths of samples that differ in them; None where all cost the same."""
        ragged = [self.lengths(column) for column in self.columns if column.decoder.padded]
        return np.sum(ragged, axis=0) if ragged else None

    def buckets(self, seed: int, epoch: int) -> np.ndarray | None:
        """By length, where a column asks for it."""
        return next((self.lengths(column) // column.bucket for column in self.columns if column.bucket), None)

    def locate(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row of each sample (int64, b), and which of its row's windows it is."""
        return (indices, np.zeros(len(indices), np.int64)) if self.windows is None else self.windows.locate(indices)

    def describe(self) -> str:
        """How many, and which columns are decoded."""
        what = "rows" if self.windows is None else f"windows of {len(self.numbers):,} rows"
        return f"{len(self):,} {what} with {', '.join(column.name for column in self.columns)} read from files"
