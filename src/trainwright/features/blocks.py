"""Where encoded rows are kept: arrays in memory, or files that are mapped when they are larger than the memory limit."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from trainwright.features.base import PartLayout
from trainwright.files.whole import Scratch


def block_bytes(layout: dict[str, PartLayout], rows: int) -> int:
    """The size of all blocks in bytes."""
    return sum(int(np.prod(part.shape, dtype=np.int64)) * np.dtype(part.dtype).itemsize for part in layout.values()) * rows


class MemoryBlocks:
    """Arrays of (rows, …) filled in order."""

    def __init__(self, layout: dict[str, PartLayout], rows: int) -> None:
        self.arrays = {key: np.empty((rows, *part.shape), part.dtype) for key, part in layout.items()}
        self.filled = 0

    def piece(self, count: int) -> dict[str, np.ndarray]:
        """Views of the next `count` rows, to be filled."""
        return {key: array[self.filled : self.filled + count] for key, array in self.arrays.items()}

    def commit(self, piece: dict[str, np.ndarray], count: int) -> None:
        """The rows of the last piece are final."""
        self.filled += count

    def finish(self) -> dict[str, np.ndarray]:
        """The filled rows of every block."""
        return {key: array[: self.filled] for key, array in self.arrays.items()}


class FileBlocks:
    """The same rows appended to one file per block, so that no more than one piece is in memory while they are written."""

    def __init__(self, layout: dict[str, PartLayout], directory: Path | None) -> None:
        self.layout = layout
        self.temporary = Scratch() if directory is None else None
        folder = self.temporary.path if self.temporary else Path(directory or ".")
        folder.mkdir(parents=True, exist_ok=True)
        self.paths = {key: folder / f"block-{number:03d}.bin" for number, key in enumerate(layout)}
        self.files: dict[str, IO[bytes]] = {key: path.open("wb") for key, path in self.paths.items()}
        self.filled = 0

    def piece(self, count: int) -> dict[str, np.ndarray]:
        """Empty arrays for the next `count` rows, to be filled."""
        return {key: np.empty((count, *part.shape), part.dtype) for key, part in self.layout.items()}

    def commit(self, piece: dict[str, np.ndarray], count: int) -> None:
        """Writes the rows of the last piece."""
        for key, array in piece.items():
            array.tofile(self.files[key])
        self.filled += count

    def finish(self) -> dict[str, np.ndarray]:
        """The blocks, mapped to be read only."""
        for file in self.files.values():
            file.close()
        return {key: self.map_block(key, part) for key, part in self.layout.items()}

    def map_block(self, key: str, part: PartLayout) -> np.ndarray:
        """One block as a mapped array; an empty file cannot be mapped."""
        shape = (self.filled, *part.shape)
        if not self.filled or 0 in shape:
            return np.empty(shape, part.dtype)
        return np.memmap(self.paths[key], part.dtype, "r", shape=shape)
