"""The earliest rows are learned from, the latest are predicted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.date_order import MONTHS, Order, OrderVotes, order_in_words, order_of_pattern
from trainwright.data.splits import TimeOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, counts_of, ensure_some_values, not_empty

FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d %B %Y", "%d-%b-%Y", "%B %d, %Y")
TIMES = ("", " %H:%M", " %H:%M:%S")


class TimeSplit:
    """Rows in order of a column, cut in three; rows of the same time are not divided unless a split would be empty.

    Rows without a time are for training: nothing says that they came after others.
    """

    def __init__(self, options: TimeOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        values, name = rows.column(self.options.column), self.options.column
        written = date_order(values, rows.orders.get(name, "auto"))
        times = as_times(values, name, written)
        dated = np.flatnonzero(np.isfinite(times))
        absent = len(times) - len(dated)
        ensure_some_values(len(dated), name)
        part = np.zeros(len(times), np.int64)
        part[dated] = self._parts_by_time(times[dated])
        notes = [f"{absent:,} rows have no time in '{name}': they are all in training, the others are divided by it"] if absent else []
        if written:
            notes.append(f"times in '{name}' are read {order_in_words(written)}")
        split = assemble_split(rows.numbers, part, f"by time in {name}", notes)
        return not_empty(split, self.options.shares, f"a share of the {len(dated)} rows with a time")

    def _parts_by_time(self, times: np.ndarray) -> np.ndarray:
        """The part of each row, by its time (float64, n, finite)."""
        order = np.argsort(times, kind="stable")
        ordered = times[order]
        first, second, _ = counts_of(len(order), self.options.shares)
        cuts = [_between_times(ordered, cut) for cut in (first, first + second)]
        if not 0 < cuts[0] < len(order) or (second and cuts[0] == cuts[1]) or (first + second < len(order) and cuts[1] == len(order)):
            cuts = [first, first + second]
        part = np.empty(len(order), np.int64)
        part[order] = np.repeat(np.arange(3), np.diff([0, *cuts, len(order)]))
        return part


def _between_times(ordered: np.ndarray, cut: int) -> int:
    """The place nearest to `cut` at which the time changes."""
    if not 0 < cut < len(ordered) or ordered[cut - 1] != ordered[cut]:
        return cut
    left, right = np.searchsorted(ordered, ordered[cut], "left"), np.searchsorted(ordered, ordered[cut], "right")
    return int(left if cut - left <= right - cut else right)


def date_order(values: pa.ChunkedArray, given: str = "auto") -> Order:
    """How the dates of a column of text are read: as `given`, else as those say that can be read one way only."""
    if not pa.types.is_string(values.type) or given != "auto":
        return "day_first" if given == "day_first" else "month_first" if given == "month_first" else ""
    return OrderVotes.of(values).order


def as_times(values: pa.ChunkedArray, name: str, order: Order = "") -> np.ndarray:
    """float64 that ascends with time, minus infinity where there is none; raises DataError for text that is no date."""
    kind = values.type
    if pa.types.is_string(kind):
        values = _parse_times(values, name, order)
    elif pa.types.is_date(kind):
        values = values.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise DataError(
            f"column '{name}' holds no times",
            where="data.split",
            why=f"its values are {kind}",
            fix="name a column of dates, times or numbers",
        )
    return pc.fill_null(values.cast(pa.float64(), safe=False), -np.inf).to_numpy()


def _parse_times(values: pa.ChunkedArray, name: str, order: Order) -> pa.ChunkedArray:
    try:
        return values.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        pass  # not ISO 8601; the formats below are tried
    days = [day for day in FORMATS if order_of_pattern(day) in ("", order)]
    for form in (*(day + time for day in days for time in TIMES), *MONTHS):
        parsed = pc.strptime(values, format=form, unit="us", error_is_null=True)
        if parsed.null_count == values.null_count:
            return parsed
    shown = next((value for value in values.slice(0, 100).to_pylist() if value is not None), "")
    raise DataError(f"column '{name}' holds no times", where="data.split", why=f"such as '{shown}'", fix="write dates as 2024-01-31")
