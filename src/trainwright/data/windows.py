"""Long rows cut into windows: which windows a row has, and where each begins. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainwright.data.window_options import WindowConfig


def count_whole(options: WindowConfig, lengths: np.ndarray) -> np.ndarray:
    """How many full windows rows of some lengths have (int64, n)."""
    return np.where(lengths >= options.length, (lengths - options.length) // options.step + 1, 0).astype(np.int64)


def find_covered(options: WindowConfig, lengths: np.ndarray) -> np.ndarray:
    """How far full windows reach (int64, n); where windows have gaps, what would lie in the next gap counts as reached."""
    whole = count_whole(options, lengths)
    return np.where(whole > 0, np.maximum((whole - 1) * options.step + options.length, np.minimum(whole * options.step, lengths)), 0)


def count_windows(options: WindowConfig, lengths: np.ndarray) -> np.ndarray:
    """How many windows rows of some lengths have (int64, n); with `pad` and `short` at least one."""
    whole = count_whole(options, lengths)
    return whole if options.rest == "drop" else np.maximum(whole + (find_covered(options, lengths) < lengths), 1)


def cut_window(options: WindowConfig, array: np.ndarray, axis: int = 0) -> np.ndarray:
    """A window as far as the row reaches, along `axis`, as it is given to transforms."""
    lacking = options.length - array.shape[axis]
    if options.rest != "pad" or lacking <= 0:
        return array
    shape = list(array.shape)
    shape[axis] = lacking
    return np.concatenate([array, np.zeros(shape, array.dtype)], axis)


def without_length(shape: Sequence[Any], axis: int) -> list[Any]:
    """A shape with None for the dimension that may differ."""
    found: list[Any] = list(shape)
    found[axis] = None
    return found


class Windows:
    """The windows of some rows, one after the other: only how many each row has is kept."""

    def __init__(self, options: WindowConfig, lengths: np.ndarray, kinds: Mapping[str, str]) -> None:
        """`lengths`: of the rows (int64, n), 0 where a row has no file, whose one window is empty. `kinds`: type of each target."""
        self.options, self.lengths, self.kinds = options, lengths, dict(kinds)
        counts = np.where(lengths == 0, 1, count_windows(options, lengths))
        self.ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def counts(self) -> np.ndarray:
        """Windows of each row (int64, n)."""
        return np.diff(self.ends, prepend=0)

    def locate(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row of each window (int64, b), and which of its row's windows it is (int64, b)."""
        rows = np.searchsorted(self.ends, indices, side="right")
        return rows, indices - np.where(rows > 0, self.ends[rows - 1], 0)

    def rows(self) -> np.ndarray:
        """The row of each window (int64, m)."""
        return np.repeat(np.arange(len(self.ends)), self.counts)

    def sizes(self) -> np.ndarray:
        """Entries of each window (int64, m), before transforms."""
        rows, places = self.locate(np.arange(len(self)))
        left = np.maximum(self.lengths[rows] - places * self.options.step, 0)
        return np.minimum(left, self.options.length) if self.options.rest == "short" else np.full(len(self), self.options.length)
