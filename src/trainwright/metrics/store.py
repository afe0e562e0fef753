"""Truth and scores of every row, for metrics that need them all: in memory up to a limit, above it in a temporary file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, SET

HELD_BYTES = 32 * 1024 * 1024
"""Bytes of truth and scores that are held in memory; more lie in a temporary file that is mapped, and gone with the process."""
BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes of rows that are put together before they are laid out by column."""


class RowStore(Protocol):
    """Keeps rows of `truth` and `scores`, all of them or the most recent."""

    def __len__(self) -> int:
        """How many rows are kept."""

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Take in rows that follow those before. Raises ValueError when they have other shapes."""

    def merge(self, other: Any) -> None:
        """Take in what another of its kind keeps, after its own."""

    def outcome(self, kind: str, classes: list[str] | None) -> Any:
        """What metrics of order are computed from: an `Outcome`, or what gives its columns one by one."""

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""


class FileArray(NamedTuple):
    """An array in the file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Block = dict[str, "np.ndarray | FileArray"]
"""`truth` and `scores` of some rows, each [columns, rows]."""


class AllRows:
    """Every row, column by column, exact: its bytes in memory do not pass `limit`, whatever comes."""

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.limit = limit
        self._begin()

    def _begin(self) -> None:
        self._gathered: list[dict[str, Tensor]] = []
        self._gathered_bytes = self._bytes = self._rows = 0
        self._blocks: list[Block] = []
        self._ends: list[int] = []
        self._shape: tuple[int, ...] | None = None
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._rows

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Take in rows that follow those before. Raises ValueError when they have other shapes."""
        shape = tuple(rows["scores"].shape[1:])
        if self._shape is not None and shape != self._shape:
            raise ValueError(f"scores of one batch have shape {shape}, of another {self._shape}, after the rows")
        self._shape = shape
        # what is a part of something larger is copied, so that the whole can be freed
        found = {name: each.detach().cpu() for name, each in rows.items()}
        found = {name: each.clone() if each.untyped_storage().nbytes() > 2 * each.nbytes else each for name, each in found.items()}
        self._gathered.append(found)
        self._gathered_bytes += sum(each.nbytes for each in found.values())
        self._rows += len(found["scores"])
        if self._gathered_bytes >= min(BLOCK_BYTES, self.limit):
            self._lay_out()

    def merge(self, other: AllRows) -> None:
        """Take in all rows of another."""
        for start in range(0, len(other), 65536):
            self.add({name: torch.from_numpy(each) for name, each in other.read(start, min(start + 65536, len(other))).items()})

    def _lay_out(self) -> None:
        """Make a block of what is gathered, each column in one piece; beyond the limit blocks go into the file."""
        if not self._gathered:
            return
        joined = {name: torch.cat([each[name] for each in self._gathered]).numpy() for name in self._gathered[0]}
        self._gathered, self._gathered_bytes = [], 0
        block = {name: np.ascontiguousarray(each.reshape(len(each), math.prod(each.shape[1:])).T) for name, each in joined.items()}
        self._ends.append((self._ends[-1] if self._ends else 0) + block["truth"].shape[1])
        self._blocks.append(block)  # type: ignore[arg-type]
        self._bytes += sum(each.nbytes for each in block.values())
        if self._bytes > self.limit:
            self._spill()

    def _spill(self) -> None:
        """Write the blocks in memory into the file. Raises OSError when the disk refuses."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="trainwright-")  # noqa: SIM115
        for block in self._blocks:
            for name, each in block.items():
                if isinstance(each, np.ndarray):
                    block[name] = FileArray(self._file.seek(0, 2), each.shape, each.dtype)
                    self._file.write(each.data)
        self._file.flush()
        self._bytes = 0

    def _array(self, block: Block, name: str) -> np.ndarray:
        each = block[name]
        if isinstance(each, np.ndarray):
            return each
        return np.memmap(self._file, each.dtype, "r", each.offset, each.shape)  # type: ignore[call-overload]

    def columns(self, name: str) -> int:
        """How many columns `truth` or `scores` have."""
        self._lay_out()
        return self._array(self._blocks[0], name).shape[0] if self._blocks else 0

    def column(self, name: str, place: int) -> np.ndarray:
        """One column of all rows, [n]."""
        self._lay_out()
        return np.concatenate([self._array(block, name)[place] for block in self._blocks])

    def read(self, start: int, end: int) -> dict[str, np.ndarray]:
        """Rows `start` to `end`, in the shapes they came in."""
        self._lay_out()
        found: dict[str, list[np.ndarray]] = {name: [] for name in (self._blocks[0] if self._blocks else ("truth", "scores"))}
        first = 0
        for block, last in zip(self._blocks, self._ends, strict=True):
            if first < end and last > start:
                for name, pieces in found.items():
                    pieces.append(self._array(block, name)[:, max(start - first, 0) : end - first].T)
            first = last
        shapes = {
            "truth": self._shape if found["truth"][0].shape[1] == found["scores"][0].shape[1] else (),
            "scores": self._shape,
            "weights": (),
        }
        return {name: np.concatenate(pieces).reshape(-1, *(shapes[name] or ())) for name, pieces in found.items()}

    def outcome(self, kind: str, classes: list[str] | None) -> StoredOutcome:
        """What metrics of order are computed from."""
        return StoredOutcome(kind, self, classes)

    def tensors(self) -> dict[str, Tensor]:
        """All rows."""
        return {name: torch.from_numpy(each) for name, each in self.read(0, len(self)).items()} if self._rows else {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take rows back; begin anew from nothing."""
        self._begin()
        if tensors:
            self.add(tensors)


class StoredOutcome:
    """An outcome of which one column at a time is in memory; see `Outcome`."""

    def __init__(self, kind: str, store: AllRows, classes: list[str] | None) -> None:
        self.kind, self.store, self.classes = kind, store, classes

    def __len__(self) -> int:
        return len(self.store)

    def ranked_columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each class, or of the positive one: which rows are of it, and their scores."""
        if self.kind == BINARY:
            yield self.store.column("truth", 0) == 1, self.store.column("scores", 0)
            return
        truth = None if self.kind == SET else self.store.column("truth", 0)
        for place in range(self.store.columns("scores")):
            yield self.store.column("truth", place) if truth is None else truth == place, self.store.column("scores", place)

    def ranked_together(self) -> tuple[np.ndarray, np.ndarray]:
        """What `ranked_columns` gives, one after the other; [n k]: as many bytes as the store holds, for as long as they are ordered."""
        pairs = list(self.ranked_columns())
        return np.concatenate([positive for positive, _ in pairs]), np.concatenate([scores for _, scores in pairs])

    def row_blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Which labels rows of a set have, and their scores, some rows at a time; each [b, k]."""
        for start in range(0, len(self.store), 8192):
            rows = self.store.read(start, min(start + 8192, len(self.store)))
            yield rows["truth"].astype(bool), rows["scores"]

    def value_columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Truth and scores of each number, in float64."""
        for place in range(self.store.columns("scores")):
            yield self.store.column("truth", place).astype(np.float64), self.store.column("scores", place).astype(np.float64)

    def whole(self) -> Outcome:
        """All of it in memory."""
        rows = self.store.read(0, len(self.store))
        return Outcome(self.kind, rows["truth"], rows["scores"], self.classes, weights=rows.get("weights"))
