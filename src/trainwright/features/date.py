"""Dates and times."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.date_order import Order, OrderVotes, has_order, order_in_words, order_of_pattern
from trainwright.features.base import Counts, Feature, PartLayout
from trainwright.features.dates import (
    COMPONENTS,
    ISO,
    clean_dates,
    component_names,
    patterns_of,
    read_any,
    read_iso,
    read_typed,
    take_components,
)
from trainwright.features.floats import is_text
from trainwright.features.options import DateOptions
from trainwright.features.statistics import Moments, Reblocked

DAY = 86_400_000_000
"""Microseconds."""


class DateFeature(Feature):
    """Dates and times; part `value` holds the year, sine and cosine of each cyclic component, and whether it is missing."""

    kind = "date"
    grouped = True
    config: DateOptions
    remembers: ClassVar[tuple[str, ...]] = ("patterns", "has_times", "center", "spread", "order")
    counts_as = "cannot be read as dates in the way training read them"

    def __init__(self, config: DateOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.blocks, self.moments = Reblocked(), Moments()
        self.found: dict[str, int] = {}
        self.patterns: list[str] = [] if config.format is None else [config.format]
        self.votes = OrderVotes()
        self.order: Order | None = None
        """How dates with two numbers before the year are read; empty where training has none, and then none is. None until it is fitted."""
        self.has_times = False
        self.center, self.spread = 0.0, 1.0

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        times = self.times(values, rows, fitting=True)
        self.note_missing(absent_times(times), rows)
        self.fitted_rows += len(times)
        self.missing_in_training += int(np.isnat(times).sum())
        times = times[~np.isnat(times)]
        self.has_times = self.has_times or bool((times.astype(np.int64) % DAY != 0).any())
        # Whole years are the same whether a date is read day first or month first, which is settled at the end.
        for block in self.blocks.add(times.astype("M8[Y]").astype(np.int64) + 1970.0):
            self.moments.add(block)

    def finish(self) -> None:
        for block in self.blocks.rest():
            self.moments.add(block)
        self.center, self.spread = float(self.moments.mean), float(self.moments.deviation) or 1.0
        if self.config.format is None:
            self.order = self.choose_order()
            self.patterns = sorted((name for name, count in self.found.items() if count), key=lambda name: -self.found[name])
        del self.blocks
        self.prepare()

    def choose_order(self) -> Order:
        """The order of day and month, from now on; raises DataError where training rows contradict it."""
        votes, given = self.votes, self.config.order
        order = votes.order if given == "auto" else given
        if votes.opposed_to(order) and self.config.invalid == "error":
            raise DataError(
                f"column '{self.name}' has dates in two orders: {votes.day_first:,} can only be read day first, "
                f"{votes.month_first:,} only month first",
                why=f"it is read {order_in_words(order)}",
                fix=f"correct them, or count the others as missing: columns.{self.name}.invalid=missing",
            )
        return order

    def notes(self) -> list[str]:
        if not self.order or self.config.format is not None:
            return []
        read = f"'{self.name}': dates are read {order_in_words(self.order)}"
        if self.config.order != "auto":
            return [f"{read}, as `order` says"]
        if self.votes.deciding:
            return [f"{read}, as {self.votes.deciding:,} of them can only be read"]
        other = "day_first" if self.order == "month_first" else "month_first"
        return [f"{read}: assumed, because every one could be read both ways; columns.{self.name}.order={other} reads the other"]

    @classmethod
    def restore(cls, config: Any, name: str, state: dict[str, Any], target: bool = False) -> Self:
        # Models written before the order was kept took the first pattern that they had learnt.
        ordered = next((found for each in state.get("patterns", []) if (found := order_of_pattern(each))), "")
        return super().restore(config, name, {"order": ordered, **state}, target)

    def times(self, values: pa.Array, rows: np.ndarray, fitting: bool = False) -> np.ndarray:
        """Naive microseconds, NaT where missing; raises DataError naming the rows whose text is no date."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        zone = self.config.timezone
        times = read_typed(values, self.config.format, zone)
        if times is None:
            times = self.read_text(values, rows, fitting)
        return times.to_numpy(zero_copy_only=False).astype("M8[us]")

    def read_text(self, values: pa.Array, rows: np.ndarray, fitting: bool) -> pa.Array:
        """Dates written as text (or as numbers such as 20200131)."""
        if pa.types.is_nested(values.type):
            raise DataError(f"column '{self.name}' holds {values.type}, not dates", fix="give it another type, or leave it out")
        texts, zone = clean_dates(values), self.config.timezone
        if self.config.format:
            times, found = read_any(texts, [self.config.format], zone)
        else:
            times, found = self.read_formats(texts, fitting)
        self.note_formats(found, fitting)
        bad = pc.and_(pc.is_null(times), pc.is_valid(texts))
        if self.config.invalid == "error" and pc.any(bad).as_py():
            self.refuse_text(texts, bad if fitting or self.config.format else pc.and_not(bad, has_order(texts)), rows)
        return times

    def read_formats(self, texts: pa.Array, fitting: bool) -> tuple[pa.Array, dict[str, int]]:
        """Dates in ISO 8601 or a known format, each value for itself; while fitting in any order, because only their years count then."""
        if fitting:
            self.votes.add(OrderVotes.of(texts))
        times = read_iso(texts, self.config.timezone)
        iso = len(times) - times.null_count
        if times.null_count == texts.null_count:
            return times, {ISO: iso}
        others = pc.if_else(pc.is_null(times), texts, pa.scalar(None, texts.type))
        learnt = [pattern for pattern in self.patterns if pattern != ISO]
        read, found = read_any(others, patterns_of(learnt, None if fitting else self.order), self.config.timezone)
        return pc.coalesce(times, read), {ISO: iso, **found}

    def refuse_text(self, texts: pa.Array, bad: pa.Array, rows: np.ndarray) -> None:
        """Raises DataError for text that is no date. One with day and month in another order is unreadable, and counted."""
        places = np.flatnonzero(bad.to_numpy(zero_copy_only=False))
        if len(places):
            shown = texts.take(pa.array(places[:5])).to_pylist()
            raise DataError(
                f"column '{self.name}' holds text that is not a date: {self.listed(rows[places], shown)}",
                why=f"expected the format {self.config.format}" if self.config.format else "",
                fix=f"correct these values, or write `columns.{self.name}.format` as in strptime, such as %d.%m.%Y",
            ).of_rows(f"column '{self.name}' holds text that is not a date", rows[places], texts.take(pa.array(places)).to_pylist())

    def note_formats(self, found: dict[str, int], fitting: bool) -> None:
        """Counts how many training values each format reads."""
        if fitting:
            for pattern, count in found.items():
                self.found[pattern] = self.found.get(pattern, 0) + count

    def absent(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        return absent_times(self.times(values, rows))

    @property
    def components(self) -> list[str]:
        """The components that are encoded."""
        found = [each for each in COMPONENTS if each != "hour" or self.has_times]
        return list(self.config.components) if self.config.components else found

    @property
    def names(self) -> list[str]:
        """The names of the encoded numbers."""
        return component_names(self.components, self.has_indicator)

    def layout(self) -> dict[str, PartLayout]:
        return {"value": PartLayout((len(self.names),), np.float32)}

    def extras(self) -> dict[str, Any]:
        return {"components": self.names}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        times = self.times(values, rows)
        absent = np.isnat(times)
        self.note_missing(absent_times(times), rows, counts)
        if counts is not None and is_text(values.type):
            counts.invalid += int(absent.sum()) - clean_dates(values).null_count
        if absent.any() and self.policy == "constant":
            times = np.where(absent, self.times(pa.array([str(self.config.fill)]), rows[:1]), times)
            absent = np.zeros(len(times), bool)
        encoded = take_components(np.where(absent, np.datetime64(0, "us"), times), self.components, self.center, self.spread)
        encoded[absent] = 0
        if self.has_indicator:
            encoded = np.concatenate([encoded, absent[:, None]], axis=1)
        return {"value": encoded.astype(np.float32)}


def absent_times(times: np.ndarray) -> np.ndarray | None:
    """Which times are missing, or None when none is."""
    absent = np.isnat(times)
    return absent if absent.any() else None
