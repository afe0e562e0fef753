"""A list of numbers of any length."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.features.base import Counts, Feature, PartLayout
from trainwright.features.lists import Lists, number_lists, pad_rows, with_lists
from trainwright.features.options import TimeseriesOptions
from trainwright.features.statistics import Moments, Reblocked


class TimeseriesFeature(Feature):
    """Numbers in order; part `value` is standardised and padded with 0 at the right, and `length` says how many there are."""

    kind = "timeseries"
    several = True
    config: TimeseriesOptions
    remembers: ClassVar[tuple[str, ...]] = ("longest", "center", "spread")

    def __init__(self, config: TimeseriesOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.blocks, self.moments = Reblocked(), Moments()
        self.longest, self.center, self.spread = 1, 0.0, 1.0

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        lists, flat = self.series(values, rows)
        self.note_missing(lists.absent, rows)
        self.fitted_rows += len(values)
        self.missing_in_training += 0 if lists.absent is None else int(lists.absent.sum())
        self.longest = max(self.longest, int(lists.lengths.max(initial=0)))
        for block in self.blocks.add(flat[~np.isnan(flat)]):
            self.moments.add(block)

    def finish(self) -> None:
        for block in self.blocks.rest():
            self.moments.add(block)
        if self.config.scale != "none":
            self.center, self.spread = float(self.moments.mean), float(self.moments.deviation) or 1.0
        del self.blocks
        self.prepare()

    def series(self, values: pa.Array, rows: np.ndarray) -> tuple[Lists, np.ndarray]:
        """The numbers of each row, flat as float64, NaN where missing; raises DataError for infinities unless they count as missing."""
        if self.policy == "constant" and values.null_count:
            values = with_lists(values, self.config.fill)
        lists, flat = number_lists(values, self.name, rows, self.place)
        infinite = np.isinf(flat)
        if infinite.any() and self.config.infinity == "error":
            at = np.unique(rows[lists.owners[infinite]])
            raise DataError(
                f"column '{self.name}' has infinite values: {self.listed(at)}",
                fix=f"correct them, or count them as missing: columns.{self.name}.infinity=missing",
            ).of_rows(f"column '{self.name}' has infinite values", at)
        return lists, np.where(infinite, np.nan, flat)

    @property
    def width(self) -> int:
        """The longest training row, at most `max_length`."""
        return min(self.longest, self.config.max_length)

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        return (None,)

    def layout(self) -> dict[str, PartLayout]:
        return {"value": PartLayout((self.width,), np.float32), "length": PartLayout((), np.int64)}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        lists, flat = self.series(values, rows)
        self.note_missing(lists.absent, rows, counts)
        scaled = (np.where(np.isnan(flat), self.center, flat) - self.center) / self.spread
        value, length = pad_rows(lists, scaled.astype(np.float32), self.width, self.config.keep == "last")
        return {"value": value, "length": length}
