"""Long rows cut into windows: how that is asked for, which windows a row has, and where each begins. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from trainwright.config.model import ConfigModel


class WindowConfig(ConfigModel):
    """How long rows are cut into samples of one length; a row's answer is made from those of its windows."""

    column: str = ""
    """The column of files that is cut, along the first dimension of its arrays; default: the only one."""
    length: int = Field(ge=1)
    """Entries of a window."""
    stride: int | None = Field(default=None, ge=1)
    """Entries from the beginning of a window to that of the next; default: `length`, so that they neither overlap nor leave gaps."""
    rest: Literal["pad", "drop", "short"] = "pad"
    """What is left over at a row's end: filled up with zeros (`pad`), left out (`drop`), or a window of its own length (`short`)."""
    join: Literal["mean", "vote"] = "mean"
    """A row's prediction: the `mean` over its windows (of probabilities, of values), or the share of them that `vote` for each class."""

    @property
    def step(self) -> int:
        """Entries between the beginnings of two windows."""
        return self.stride or self.length

    def whole(self, lengths: np.ndarray) -> np.ndarray:
        """How many full windows rows of some lengths have (int64, n)."""
        return np.where(lengths >= self.length, (lengths - self.length) // self.step + 1, 0).astype(np.int64)

    def covered(self, lengths: np.ndarray) -> np.ndarray:
        """How far full windows reach (int64, n); where windows have gaps, what would lie in the next gap counts as reached."""
        whole = self.whole(lengths)
        return np.where(whole > 0, np.maximum((whole - 1) * self.step + self.length, np.minimum(whole * self.step, lengths)), 0)

    def count(self, lengths: np.ndarray) -> np.ndarray:
        """How many windows rows of some lengths have (int64, n); with `pad` and `short` at least one."""
        whole = self.whole(lengths)
        return whole if self.rest == "drop" else np.maximum(whole + (self.covered(lengths) < lengths), 1)

    def cut(self, array: np.ndarray) -> np.ndarray:
        """A window as far as the row reaches (time, …) as it is given to transforms."""
        lacking = self.length - len(array)
        if self.rest != "pad" or lacking <= 0:
            return array
        return np.concatenate([array, np.zeros((lacking, *array.shape[1:]), array.dtype)])


class Windows:
    """The windows of some rows, one after the other: only how many each row has is kept."""

    def __init__(self, options: WindowConfig, lengths: np.ndarray, kinds: Mapping[str, str]) -> None:
        """`lengths`: of the rows (int64, n), 0 where a row has no file, whose one window is empty. `kinds`: type of each target."""
        self.options, self.lengths, self.kinds = options, lengths, dict(kinds)
        counts = np.where(lengths == 0, 1, options.count(lengths))
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
