"""Rows of an encoded table as the trainer takes them: blocks that lie ready, and lazy columns that are decoded for every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from trainwright.data.counters import fold
from trainwright.data.reader import SampleReader
from trainwright.data.rows import Rows, block_rows
from trainwright.features.encoding import EncodedTable
from trainwright.features.lazy import Decoder


def table_rows(table: EncodedTable, positions: np.ndarray, training: bool = False) -> Rows:
    """The encoded rows at `positions`; `training`: under the transforms that apply to training rows alone."""
    if not table.references:
        return block_rows(table.blocks, positions)
    columns = []
    for group in table.spec.inputs:
        if group.name in table.references:
            feature: Any = table.encoder.features[group.columns[0]]
            references = table.references[group.name].take(pa.array(positions))
            columns.append(LazyColumn(group.name, feature.decoder(training), references, table.rows[positions]))
    dense = block_rows(table.blocks, positions) if table.blocks else None
    return LazyRows(dense, columns)


class LazyColumn:
    """The samples of one column by position, each drawn from (seed, column, epoch, number of its row in the source)."""

    def __init__(self, name: str, decoder: Decoder, references: pa.Array, numbers: np.ndarray) -> None:
        self.name, self.decoder, self.references, self.numbers = name, decoder, references, numbers
        self.reader = SampleReader(self, self.join, self.join, bulk=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, position: int) -> Any:
        """The sample of the row at a position."""
        return self.decoder.sample(self.references[position].as_py(), int(self.numbers[position]))

    def join(self, samples: list[Any], positions: list[int]) -> dict[str, Tensor]:
        """The parts of a batch by their names in it."""
        parts = self.decoder.join(samples, self.numbers[positions].tolist())
        return {f"{self.name}.{part}": value for part, value in parts.items()}

    def take(self, positions: list[int], again: np.ndarray) -> dict[str, Tensor]:
        """The parts of the rows at some positions; `again` (int64, b) sets a row apart that an epoch draws more than once."""
        if not self.decoder.draws:
            return self.join([self[position] for position in positions], positions)
        found: dict[str, Tensor] = self.reader.batch(positions, (self.numbers[positions] + again).tolist())
        return found

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random follow from (seed, epoch) from here on, for each column from numbers of its own."""
        self.reader.begin_epoch(fold(seed, f"column {self.name}"), epoch)


class LazyRows(Rows):
    """Blocks beside lazy columns; nothing is kept of what was decoded but in the system's page cache."""

    def __init__(self, dense: Rows | None, columns: list[LazyColumn]) -> None:
        self.dense, self.columns = dense, columns
        self._begun: tuple[int, int] | None = None
        self.begin_epoch(0, 0)

    def __len__(self) -> int:
        return len(self.columns[0])

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Let what is random within samples come from (seed, epoch, row) from here on."""
        if self._begun != (seed, epoch):
            self._begun = (seed, epoch)
            for column in self.columns:
                column.begin_epoch(seed, epoch)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the CPU."""
        return self.take_draws(indices, indices)

    def take_draws(self, indices: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """As `take`, with the randomness of each sample from its number in `draws` (int64, b)."""
        batch: dict[str, Tensor] = {} if self.dense is None else self.dense.take(indices)
        positions, again = indices.tolist(), (draws - indices).numpy()
        for column in self.columns:
            batch |= column.take(positions, again)
        return batch

    def describe(self) -> str:
        """How many, and which columns are decoded."""
        return f"{len(self):,} rows with {', '.join(column.name for column in self.columns)} read from files"
