"""Ordered tokens."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, PartLayout
from trainwright.features.lists import Lists, pad_rows
from trainwright.features.options import SequenceOptions
from trainwright.features.tokens import WordsFeature

PADDING, UNKNOWN = 0, 1


class SequenceFeature(WordsFeature):
    """Ordered tokens; part `tokens` holds indices (0 padding, 1 unknown), padded at the right, and `length` how many there are."""

    kind = "sequence"
    reserved = 2
    config: SequenceOptions
    remembers: ClassVar[tuple[str, ...]] = (*WordsFeature.remembers, "longest")

    def __init__(self, config: SequenceOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.longest = 1

    def limit(self) -> int:
        return self.config.max_tokens

    def count_lists(self, lists: Lists) -> None:
        super().count_lists(lists)
        self.longest = max(self.longest, int(lists.lengths.max(initial=0)))

    @property
    def width(self) -> int:
        """The longest training row, at most `max_length`."""
        return min(self.longest, self.config.max_length)

    def layout(self) -> dict[str, PartLayout]:
        return {"tokens": PartLayout((self.width,), np.int32), "length": PartLayout((), np.int64)}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        lists, flat = self.indices(values, rows, counts, UNKNOWN)
        tokens, length = pad_rows(lists, flat, self.width, self.config.keep == "last")
        return {"tokens": tokens, "length": length}
