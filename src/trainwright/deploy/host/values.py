"""Columns of single values: numbers, words of a limited number, times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data.spelling import key_of
from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import Told
from trainwright.deploy.host.readers import Parts, SingleReader
from trainwright.features.dates import clean_dates, patterns_of, read_any, read_iso, read_typed
from trainwright.features.floats import is_list, is_text, parse
from trainwright.features.words import code_words

NO_TIME = np.iinfo(np.int64).min
"""What stands for a time that is missing."""
LARGEST = 1 << 53
"""Whole numbers below it are exact in float64."""
INFINITE = "{} is infinite as a number of 64 bits"


class NumberReader(SingleReader):
    """float64 `[b]`, NaN where missing."""

    wanted, such = "a number", "1.5"

    def quick(self, written: Sequence[Any], told: Told) -> Parts | None:
        missing = 0
        for each in written:
            if each is None:
                missing += 1
            elif not (type(each) is float or type(each) is int) or not -LARGEST < each < LARGEST:
                return None
        if missing:
            told.count(self.name, "missing", missing)
        return {"": np.array(written, np.float64)}

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        return self.parts(self.numbers(values, rows, told, written), told)  # numbers are too many to be remembered

    def parts(self, numbers: np.ndarray, told: Told) -> Parts:
        told.count(self.name, "missing", np.isnan(numbers))
        return {"": numbers}

    def numbers(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> np.ndarray:
        kind, given = values.type, values
        if is_text(kind):
            values = self._parse(values, rows, told, written)
        elif pa.types.is_null(kind):
            return np.full(len(values), np.nan)
        elif pa.types.is_boolean(kind):
            values = values.cast(pa.uint8())
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            self.refuse_all(values, rows, told)
            return np.full(len(values), np.nan)
        numbers: np.ndarray = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return self._finite(given, numbers, rows, told, written)

    def _parse(self, texts: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None) -> pa.Array:
        numbers, bad = parse(texts)
        if bad is not None and self.column.option("invalid") == "missing":
            told.count(self.name, "invalid", bad)
        elif bad is not None:
            self.refuse(texts, bad, rows, told, "{} is not a number", written)
        return numbers

    def _finite(self, given: pa.Array, numbers: np.ndarray, rows: np.ndarray, told: Told, written: Sequence[Any] | None) -> np.ndarray:
        infinite = np.isinf(numbers)
        if not infinite.any():
            return numbers
        if self.column.option("infinity", "error") == "missing":
            told.count(self.name, "invalid", infinite)
        else:
            self.refuse(given, infinite, rows, told, INFINITE, written)
        return np.where(infinite, np.nan, numbers)


class WordReader(SingleReader):
    """int64 `[b]`: the number of each word in the table; where the graph has the table, the word as it is there."""

    wanted = "one word"

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        table = column.option("table", {})
        exact: dict[str, int] = table.get("exact", {})
        self.key = key_of(table.get("join", ()))
        self.places = {self.key(word): int(number) for word, number in exact.items()}
        self.without_case: dict[str, int] = table.get("without_case", {})
        self.missing, self.unknown = int(column.option("missing", -1)), int(column.option("unknown", -2))
        spelled = {int(number): word for word, number in reversed(exact.items())} | {self.missing: "", self.unknown: "\0"}
        self.spelled = spelled if column.dtype == "string" else None
        self.such = repr(next(iter(exact), "a"))

    def find(self, word: str | None) -> int:
        """The number of a word: by what its spellings have in common, else without its case where the column is read so."""
        if word is None:
            return self.missing
        found = self.places.get(self.key(word))
        return int(self.without_case.get(word.casefold(), self.unknown)) if found is None else found

    def numbers(self, values: pa.Array, rows: np.ndarray, told: Told) -> np.ndarray:
        if is_list(values.type) or pa.types.is_struct(values.type) or pa.types.is_binary(values.type):
            self.refuse_all(values, rows, told)
            values = pa.nulls(len(values))
        codes, words = code_words(values, self.name)
        return np.array([*(self.find(word) for word in words), self.missing], np.int64)[codes]

    def parts(self, numbers: np.ndarray, told: Told) -> Parts:
        found = numbers.tolist()
        for what, number in (("missing", self.missing), ("unknown", self.unknown)):
            if number in found:
                told.count(self.name, what, found.count(number))
        if self.spelled is None:
            return {"": numbers}
        return {"": np.array([self.spelled[each] for each in found], dtype=object)}


class DateReader(SingleReader):
    """int64 `[b]`: microseconds since 1970 without a zone, the smallest int64 where missing."""

    wanted, such = "a date", "'2024-05-31' or '2024-05-31T12:30:00'"

    def parts(self, numbers: np.ndarray, told: Told) -> Parts:
        if (numbers == NO_TIME).any():
            told.count(self.name, "missing", numbers == NO_TIME)
        return {"": numbers}

    def numbers(self, values: pa.Array, rows: np.ndarray, told: Told) -> np.ndarray:
        zone, given = self.column.option("timezone"), self.column.option("format")
        if pa.types.is_nested(values.type) or pa.types.is_binary(values.type) or pa.types.is_boolean(values.type):
            self.refuse_all(values, rows, told)
            values = pa.nulls(len(values))
        times = read_typed(values, given, zone)
        if times is None:
            times = self._of_texts(clean_dates(values), rows, told, given, zone)
        found: np.ndarray = times.to_numpy(zero_copy_only=False).astype("M8[us]").astype(np.int64)
        return found

    def _of_texts(self, texts: pa.Array, rows: np.ndarray, told: Told, given: str | None, zone: Any) -> pa.Array:
        times = read_any(texts, [given], zone)[0] if given else self._by_formats(texts, zone)
        bad = pc.and_(pc.is_null(times), pc.is_valid(texts)).to_numpy(zero_copy_only=False)
        if bad.any() and self.column.option("invalid", "error") == "error":
            self.refuse(texts, bad, rows, told, "{} is not a date")
        else:
            told.count(self.name, "invalid", bad)
        return times

    def _by_formats(self, texts: pa.Array, zone: Any) -> pa.Array:
        """ISO 8601 first, then the formats of training, then others in its order of day and month."""
        times = read_iso(texts, zone)
        if times.null_count == texts.null_count:
            return times
        others = pc.if_else(pc.is_null(times), texts, pa.scalar(None, texts.type))
        learnt = [each for each in self.column.option("formats", []) if each != "iso"]
        return pc.coalesce(times, read_any(others, patterns_of(learnt, self.column.option("order", "")), zone)[0])
