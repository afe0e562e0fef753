"""Columns of several values a row: words, tokens of a text, numbers in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.data.python_values import text_of
from trainwright.data.spelling import key_of
from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import Told
from trainwright.deploy.host.readers import ColumnReader, Parts
from trainwright.deploy.host.values import INFINITE, NumberReader
from trainwright.features.base import nulls
from trainwright.features.floats import is_list, is_text, number_of
from trainwright.features.lists import Lists, from_lists, number_texts, pad_rows, with_lists, word_lists
from trainwright.features.words import code_words, text_array


def padded(lists: Lists, flat: np.ndarray, absent: np.ndarray | None) -> Parts:
    """Rows as long as the longest, at least 1, and how long each is: -1 where it is missing."""
    values, length = pad_rows(lists, flat, max(int(lists.lengths.max(initial=0)), 1), keep_last=False)
    return {"": values, "length": length if absent is None else np.where(absent, -1, length)}


class WordsReader(ColumnReader):
    """int64 `[b, l]`, the indices of words, and `length` `[b]`: of sets, bags and sequences."""

    wanted, such = "a list of words", '["red", "small"]'
    takes = (str, int, float, bool, list)

    def from_json(self, values: list[Any], rows: np.ndarray, told: Told) -> list[Any]:
        values = super().from_json(values, rows, told)
        nested = [at for at, each in enumerate(values) if isinstance(each, list) and any(isinstance(one, list | dict) for one in each)]
        told.refuse(self.name, rows[nested], [values[at] for at in nested], f"{{}} is not {self.wanted}", fix=self.fix)
        texts = [[text_of(one) for one in each] if isinstance(each, list) else each for each in values]
        return [None if at in nested else each for at, each in enumerate(texts)]

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        table = column.option("table", {})
        self.key = key_of(table.get("join", ()))
        self.index = {self.key(word): int(place) for word, place in table.get("exact", {}).items()}
        self.unknown, self.delimiter = int(column.option("unknown", 0)), str(column.option("delimiter", " "))
        self.fill = column.option("fill")

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        if not (is_list(values.type) and not pa.types.is_nested(values.type.value_type)) and not _is_plain(values.type):
            self.refuse_all(values, rows, told)
            values = pa.nulls(len(values), pa.string())
        absent = nulls(values)
        told.count(self.name, "missing", 0 if absent is None else absent)
        if self.fill is not None:
            values = with_lists(values if is_list(values.type) else text_array(values, self.name), self.fill, self.delimiter)
        lists = word_lists(values, self.delimiter, self.name)
        codes, words = code_words(lists.flat, self.name)
        found = np.array(
            [*(self.unknown if word is None else self.index.get(self.key(word), self.unknown) for word in words), self.unknown]
        )
        flat = found.astype(np.int64)[codes]
        told.count(self.name, "unknown", flat == self.unknown)
        return padded(lists, flat, absent)


class TextReader(ColumnReader):
    """int64 `[b, l]`, the indices of the tokenizer's tokens, and `length` `[b]`."""

    wanted, such = "a text", '"some words"'

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        from tokenizers import Tokenizer

        self.split = Tokenizer.from_str(str(column.option("tokenizer", "")))
        self.fill = str(column.option("fill", ""))

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        if not _is_plain(values.type):
            self.refuse_all(values, rows, told)
            values = pa.nulls(len(values), pa.string())
        texts = text_array(values, self.name)
        told.count(self.name, "missing", texts.null_count)
        ids = [each.ids for each in self.split.encode_batch(texts.fill_null(self.fill).to_pylist(), add_special_tokens=False)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
        flat = np.fromiter((token for row in ids for token in row), np.int64, int(offsets[-1]))
        return padded(Lists(offsets, pa.nulls(0), None), flat, None)


class SeriesReader(ColumnReader):
    """float64 `[b, l]` and `length` `[b]`: numbers in order, NaN where missing."""

    wanted, such = "a list of numbers", "[1.5, 2]"
    takes = (str, list)

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.flat = NumberReader(column)

    def from_json(self, values: list[Any], rows: np.ndarray, told: Told) -> list[Any]:
        values = super().from_json(values, rows, told)
        return [self._floats(each, int(row), told) if isinstance(each, list) else each for each, row in zip(values, rows, strict=True)]

    def _floats(self, values: list[Any], row: int, told: Told) -> list[float | None] | None:
        found: list[Any] = [number_of(each) if isinstance(each, str) else each for each in values]
        bad = [each for each in found if not (each is None or isinstance(each, int | float))]
        if bad:
            told.refuse(self.name, [row], bad[:1], "{} in the list is not a number", fix=self.fix)
            return None
        floats = [each if each is None else _float(each) for each in found]
        infinite = [given for given, each in zip(values, floats, strict=True) if each is not None and math.isinf(each)]
        if infinite and self.column.option("infinity", "error") != "missing":
            told.refuse(self.name, [row], infinite[:1], INFINITE, fix=self.fix)
            return None
        return floats

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        lists, flat = self.of_rows(values, rows, told)
        return padded(lists, flat, lists.absent)

    def of_rows(self, values: pa.Array, rows: np.ndarray, told: Told) -> tuple[Lists, np.ndarray]:
        """The numbers of each row, and flat as float64."""
        flat_list = is_list(values.type) and not pa.types.is_nested(values.type.value_type)
        if not flat_list and not is_text(values.type) and not pa.types.is_null(values.type):
            self.refuse_all(values, rows, told)
            values = pa.nulls(len(values), pa.list_(pa.float64()))
        if (fill := self.column.option("fill")) is not None and values.null_count:
            values = with_lists(values, fill)
        lists = from_lists(values) if is_list(values.type) else number_texts(values, self.name)
        told.count(self.name, "missing", 0 if lists.absent is None else lists.absent)
        return lists, self.flat.numbers(lists.flat, rows[lists.owners], told)


class VectorReader(SeriesReader):
    """float64 `[b, width]`, NaN where missing."""

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        lists, flat = self.of_rows(values, rows, told)
        width, lengths = int(self.column.option("length", 0)), lists.lengths
        present = lengths > 0
        wrong = present & (lengths != width)
        if wrong.any():
            told.refuse(self.name, rows[wrong], lengths[wrong].tolist(), "{} numbers", fix=f"send {width}, as training had")
        there = present & ~wrong
        vectors = np.full((len(values), width), np.nan)
        vectors[there] = flat[np.repeat(there, lengths)].reshape(-1, width)
        return {"": vectors}


def _float(number: float) -> float:
    """A number of JSON, which may be larger than any float."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _is_plain(kind: pa.DataType) -> bool:
    """Whether values are single and have a text."""
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
