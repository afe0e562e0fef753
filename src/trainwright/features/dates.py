"""Dates and times as naive microseconds: formats found from the data, zones applied, components taken."""

from __future__ import annotations

from datetime import datetime
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.date_order import MONTHS, Order, order_of_pattern
from trainwright.features.floats import is_text

DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%y", "%d.%m.%Y", "%m/%d/%y", "%m/%d/%Y", "%d/%m/%y", "%d/%m/%Y",
    "%m-%d-%y", "%m-%d-%Y", "%d-%m-%y", "%d-%m-%Y", "%d %B %Y", "%d-%b-%y", "%d-%b-%Y", "%B %d, %Y", "%B %d %Y", "%a, %d %b %Y",
)  # fmt: skip
TIMES = ("", " %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S%z", "T%H:%M:%S%z")
FORMATS = (*(day + time for time, day in product(TIMES, DAYS)), *MONTHS)
"""Tried on text that is not ISO 8601 throughout; the ones that read most training values come first when values are read."""
ISO = "iso"
ISO_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?)?)?"
ISO_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
EPOCHS = {"epoch": "s", "epoch_ms": "ms"}
MICRO = pa.timestamp("us")
EARLIEST = np.datetime64("1000-01-01", "us")
"""Text read as an earlier date was read with the wrong format (`%Y` takes `20` for the year 20)."""
COMPONENTS = ("year", "month", "day", "weekday", "hour")


def to_local(times: pa.Array, timezone: str | None) -> pa.Array:
    """Timestamps as naive microseconds: those with a zone are converted to `timezone` (UTC when None)."""
    if times.type.tz is None:
        return times.cast(MICRO, safe=False)
    try:
        return pc.local_timestamp(times.cast(pa.timestamp("us", timezone or "UTC"), safe=False))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the time zone '{timezone}' is not known", why=str(error).splitlines()[0], fix="write for example 'Europe/Paris'"
        ) from error


def read_typed(values: pa.Array, given: str | None, timezone: str | None) -> pa.Array | None:
    """Naive microseconds of a column that is not text, or None when it has to be read as text."""
    kind = values.type
    if pa.types.is_null(kind):
        return pa.nulls(len(values), MICRO)
    if pa.types.is_date(kind):
        return values.cast(MICRO)
    if pa.types.is_timestamp(kind):
        return to_local(values, timezone)
    if given in EPOCHS and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        whole = pc.round(values).cast(pa.int64()) if pa.types.is_floating(kind) else values.cast(pa.int64())
        return to_local(whole.cast(pa.timestamp(EPOCHS[given], "UTC")), timezone)
    return None


def read_iso(texts: pa.Array, timezone: str | None) -> pa.Array:
    """Text in ISO 8601, value by value, with a zone or without; null for anything else."""
    plain, zoned = pc.match_substring_regex(texts, ISO_TIME + "$"), pc.match_substring_regex(texts, ISO_TIME + ISO_ZONE + "$")
    read = _cast_where(texts, plain, MICRO)
    if not pc.any(zoned).as_py():
        return read
    return pc.coalesce(read, to_local(_cast_where(texts, zoned, pa.timestamp("us", "UTC")), timezone))


def _cast_where(texts: pa.Array, chosen: pa.Array, kind: pa.DataType) -> pa.Array:
    """The chosen texts as timestamps; null for the others, and for days that no calendar has."""
    if not pc.any(chosen).as_py():
        return pa.nulls(len(texts), kind)
    looked = pc.if_else(chosen, texts, pa.scalar(None, texts.type))
    try:
        return looked.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([_timestamp(text, kind) for text in looked.to_pylist()], kind)


def _timestamp(text: str | None, kind: pa.DataType) -> pa.Scalar | None:
    try:
        return None if text is None else pa.scalar(text).cast(kind).as_py()
    except pa.ArrowInvalid:
        return None


def read_format(texts: pa.Array, pattern: str, timezone: str | None) -> pa.Array:
    """Text read by a strptime pattern, null where it does not fit or names a day that no calendar has."""
    times = to_local(pc.strptime(texts, format=pattern, unit="us", error_is_null=True), timezone)
    return pc.if_else(pc.or_(pc.less(times, pa.scalar(EARLIEST)), _find_rolled_over(texts, times, pattern)), pa.scalar(None, MICRO), times)


def _find_rolled_over(texts: pa.Array, times: pa.Array, pattern: str) -> pa.Array:
    """Which days are beyond the end of their month, such as 31 February, which strptime takes for the 2nd or 3rd of March."""
    suspect = pc.and_(pc.less_equal(pc.day(times), 3), pc.match_substring_regex(texts, "29|30|31"))
    if not pc.any(suspect).as_py():
        return pa.scalar(False)
    distinct = pc.unique(texts.filter(suspect))
    impossible = [text for text in distinct.to_pylist() if text is not None and not _is_in_calendar(text, pattern)]
    return pc.is_in(texts, pa.array(impossible, pa.string()))


def _is_in_calendar(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def clean_dates(values: pa.Array) -> pa.Array:
    """Dates as text: trimmed, blank ones missing, fractions of a second left out."""
    texts = values if is_text(values.type) else values.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)


def without_fractions(texts: pa.Array) -> pa.Array:
    """`10:11:12.345` as `10:11:12`, and a final Z as +0000, which strptime patterns can read."""
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, r"(:\d\d)[.,]\d+", r"\1"), r"(\d)Z$", r"\1+0000")


def patterns_of(learnt: list[str], order: Order | None) -> list[str]:
    """The formats tried on text, those that training learnt first; of two orders of day and month only `order`, or both when None."""
    tried = dict.fromkeys([*learnt, *FORMATS])
    return [pattern for pattern in tried if pattern != ISO and (order is None or order_of_pattern(pattern) in ("", order))]


def read_any(texts: pa.Array, patterns: list[str], timezone: str | None) -> tuple[pa.Array, dict[str, int]]:
    """Text read by the first pattern that fits each value, and how many values each pattern reads."""
    texts = without_fractions(texts)
    times, found = pa.nulls(len(texts), MICRO), dict[str, int]()
    for pattern in patterns:
        read = read_format(texts, pattern, timezone)
        found[pattern] = len(read) - read.null_count
        if found[pattern]:
            times = pc.coalesce(times, read)
    return times, found


def component_names(components: list[str], with_missing: bool) -> list[str]:
    """The names of the encoded numbers, in order."""
    names = [name for each in components for name in ([each] if each == "year" else [f"{each}_sin", f"{each}_cos"])]
    return names + (["missing"] if with_missing else [])


def take_components(times: np.ndarray, components: list[str], center: float, spread: float) -> np.ndarray:
    """The encoded numbers (n, …) of naive microseconds: the year with its fraction, standardised, and the others as points on a circle."""
    columns: list[np.ndarray] = []
    years, months, days = times.astype("M8[Y]"), times.astype("M8[M]"), times.astype("M8[D]")
    for each in components:
        if each == "year":
            columns.append((decimal_years(times) - center) / spread)
            continue
        if each == "month":
            share = (months - years).astype(np.int64) / 12
        elif each == "day":
            share = (days - months.astype("M8[D]")).astype(np.int64) / 31
        elif each == "weekday":
            share = (days.astype(np.int64) + 3) % 7 / 7
        else:
            share = (times - days).astype(np.int64) / 86_400e6
        columns += [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    return np.stack(columns, axis=1)


def decimal_years(times: np.ndarray) -> np.ndarray:
    """Years with the share of the year that has passed."""
    years = times.astype("M8[Y]")
    start, end = years.astype("M8[us]"), (years + 1).astype("M8[us]")
    return years.astype(np.int64) + 1970 + (times - start).astype(np.int64) / (end - start).astype(np.int64)
