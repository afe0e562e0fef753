"""What the columns hold: one pass over the source, vectorised, in bounded memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data import wording
from trainwright.data.source import Source
from trainwright.data.written_numbers import forms_in, reason_to_keep

CAP, FLOAT_CAP = 1 << 16, 1 << 13
"""Different values are counted exactly up to here; of numbers with fractions fewer, because nothing hangs on how many there are."""

SAMPLE = 1000
"""Different values kept to judge a column by: the first that come."""

EXAMPLES, INFINITE_SHOWN = 3, 5


@dataclass
class ColumnProfile:
    """What one column holds.

    `unique` counts different values, nulls aside; when `unique_capped`, there are more than that.
    `values` are the first 1000 different ones at most.
    """

    name: str
    type: pa.DataType
    count: int = 0
    missing: int = 0
    unique: int = 0
    unique_capped: bool = False
    examples: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None
    all_integer: bool = False
    counts_up: bool = False
    """Integers that go up by one from row to row, as a row number does."""
    infinite: int = 0
    infinite_rows: list[int] = field(default_factory=list)
    """The first row numbers, from 0, with an infinite value."""
    length_low: int | None = None
    length_high: int | None = None
    """Characters of a text, or values of a list."""
    kept_as_text: str = ""
    """Why written numbers have to stay text, such as `leading zeros`; empty where they need not."""
    spellings: int = 0
    """How many different texts stand for the values, where some are one value on request."""

    numbers: str = ""
    """How its numbers were written: `'1,234' is 1234`; empty where nothing is to be said of that."""
    offer: str = ""
    """Why a column of text may be one of numbers, with the lines that read it so."""

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.count - self.missing

    @property
    def unique_per_row(self) -> bool:
        """Whether no value comes twice, as far as was counted."""
        return self.unique_capped or self.unique == self.present


class _Column:
    """Gathers the profile of one column, piece by piece."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.profile = ColumnProfile(name, kind, all_integer=pa.types.is_integer(kind), counts_up=pa.types.is_integer(kind))
        self.distinct: pa.Array | None = None
        self.last: int | None = None
        self.fractions = False
        self.forms: set[str] = set()

    def add(self, values: pa.Array) -> None:
        """Take in the next piece of the column."""
        profile = self.profile
        first = profile.count
        profile.count += len(values)
        profile.missing += values.null_count
        kind = profile.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            self._numbers(values, first)
        elif pa.types.is_string(kind):
            self._lengths(pc.utf8_length(values))
        elif pa.types.is_list(kind):
            self._lengths(pc.list_value_length(values))
            self._list_examples(values)
            return
        if not pa.types.is_null(kind) and not pa.types.is_nested(kind):
            self._distinct(values)
        if pa.types.is_string(kind) and self._mostly_numbers():
            self.forms |= forms_in(values)

    def _mostly_numbers(self) -> bool:
        """Whether the values so far could be taken for numbers; a form that only later values have matters there alone."""
        return wording.share(self.profile.values, wording.NUMBER.fullmatch) >= wording.MOSTLY

    def _numbers(self, values: pa.Array, first: int) -> None:
        profile = self.profile
        bounds = pc.min_max(values)
        low, high = bounds["min"].as_py(), bounds["max"].as_py()
        if low is None:
            return
        profile.minimum = low if profile.minimum is None else min(profile.minimum, low)
        profile.maximum = high if profile.maximum is None else max(profile.maximum, high)
        if pa.types.is_floating(profile.type):
            self._floats(values, low, high, first)
        elif profile.counts_up:
            self._counting(values)

    def _floats(self, values: pa.Array, low: float, high: float, first: int) -> None:
        profile = self.profile
        if low == -np.inf or high == np.inf:
            places = np.flatnonzero(pc.fill_null(pc.is_inf(values), False).to_numpy(zero_copy_only=False))
            profile.infinite += len(places)
            profile.infinite_rows += [first + int(place) for place in places[: INFINITE_SHOWN - len(profile.infinite_rows)]]
        if not self.fractions:
            head = values.slice(0, 256)
            self.fractions = not _whole(head) or not _whole(values)
        profile.all_integer = not self.fractions

    def _counting(self, values: pa.Array) -> None:
        numbers = values.to_numpy(zero_copy_only=False) if not values.null_count else None
        if (
            numbers is None
            or (len(numbers) > 1 and not (np.diff(numbers[:64]) == 1).all())
            or (self.last is not None and numbers[0] != self.last + 1)
        ):
            self.profile.counts_up = False
            return
        self.profile.counts_up = bool((np.diff(numbers) == 1).all())
        self.last = int(numbers[-1])

    def _lengths(self, lengths: pa.Array) -> None:
        bounds = pc.min_max(lengths)
        low, high = bounds["min"].as_py(), bounds["max"].as_py()
        if low is None:
            return
        profile = self.profile
        profile.length_low = low if profile.length_low is None else min(profile.length_low, low)
        profile.length_high = high if profile.length_high is None else max(profile.length_high, high)

    def _distinct(self, values: pa.Array) -> None:
        """Different values, counted until there are more than CAP; a prefix of the piece first, because it often settles the matter."""
        profile = self.profile
        if profile.unique_capped:
            return
        cap = FLOAT_CAP if self.fractions else CAP
        start, step = 0, 4096
        while start < len(values) and not profile.unique_capped:
            new = pc.drop_null(values.slice(start, step))
            new = (pc.add(new, 0.0) if pa.types.is_floating(new.type) else new).unique()  # -0.0 and 0.0 are one number
            self.distinct = new if self.distinct is None else pa.concat_arrays([self.distinct, new]).unique()
            profile.unique_capped = len(self.distinct) > cap
            profile.unique = min(len(self.distinct), cap)
            start, step = start + step, max(step, 4 * step - len(self.distinct))
        if len(profile.values) < SAMPLE and self.distinct is not None:
            profile.values = self.distinct.slice(0, SAMPLE).to_pylist()
        if profile.unique_capped:
            self.distinct = None

    def _list_examples(self, values: pa.Array) -> None:
        if len(self.profile.values) < SAMPLE:
            self.profile.values += pc.drop_null(values).slice(0, SAMPLE - len(self.profile.values)).to_pylist()

    def finish(self) -> ColumnProfile:
        """The profile, once every piece was added."""
        profile = self.profile
        profile.examples = [_shorten(value) for value in profile.values[:EXAMPLES]]
        profile.counts_up = profile.counts_up and profile.count > 1
        if pa.types.is_floating(profile.type):
            profile.all_integer = not self.fractions and profile.present > 0
        if pa.types.is_string(profile.type) and self._mostly_numbers():
            self.forms |= forms_in(pa.array(profile.values, pa.string()))
            profile.kept_as_text = reason_to_keep(profile.name, self.forms, profile.values)
        return profile


def _whole(values: pa.Array) -> bool:
    return bool(pc.all(pc.equal(values, pc.floor(values)), skip_nulls=True).as_py() is not False)


def _shorten(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def profile(source: Source) -> list[ColumnProfile]:
    """What every column holds, in one pass over the source; the same for a source in memory and a streamed one."""
    columns = [_Column(each.name, each.type) for each in source.schema]
    with ThreadPoolExecutor() as workers:
        for piece in source.batches():
            list(workers.map(lambda column, values: column.add(values.chunk(0)), columns, piece.columns))
    return [column.finish() for column in columns]
