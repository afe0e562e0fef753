"""Columns with several values per row: lists, or text with a delimiter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.features.base import Place, nulls, plain_place
from trainwright.features.floats import is_list, is_text, to_floats
from trainwright.features.words import text_array

DELIMITERS = ("|", ";", ",", "\t", " ")
"""Tried in this order."""
LOOKED_AT = 1_000
"""The delimiter is chosen from so many training values."""


@dataclass(frozen=True)
class Lists:
    """The lists of a column: row i holds `flat[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray
    flat: pa.Array
    absent: np.ndarray | None

    @property
    def lengths(self) -> np.ndarray:
        """How many values each row has."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> np.ndarray:
        """The row of each value in `flat`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def select(self, kept: np.ndarray) -> Lists:
        """The lists without the values that `kept` marks False."""
        if kept.all():
            return self
        running = np.concatenate([[0], np.cumsum(kept)])
        return Lists(running[self.offsets], self.flat.filter(pa.array(kept)), self.absent)


def from_lists(values: pa.Array) -> Lists:
    """The lists of an arrow list column; null lists are empty and absent."""
    absent = nulls(values)
    if pa.types.is_fixed_size_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return Lists(np.concatenate([[0], np.cumsum(lengths)]), values.flatten(), absent)


def word_lists(values: pa.Array, delimiter: str, name: str) -> Lists:
    """The words of each row: trimmed, empty ones left out; brackets and quotes around a list written as text are taken off."""
    if is_list(values.type):
        lists = from_lists(values)
        lists = Lists(lists.offsets, text_array(lists.flat, name), lists.absent)
    else:
        texts = text_array(values, name)
        unwrapped = pc.replace_substring_regex(texts, r"^\s*[\[({](.*)[\])}]\s*$", r"\1")
        split = pc.utf8_split_whitespace(unwrapped) if delimiter == " " else pc.split_pattern(unwrapped, delimiter)
        lists = from_lists(split)
        flat = pc.utf8_trim_whitespace(lists.flat)
        lists = Lists(lists.offsets, pc.replace_substring_regex(flat, r"""^(["'])(.*)["']$""", r"\2"), lists.absent)
    present = pc.fill_null(pc.not_equal(lists.flat, ""), False).to_numpy(zero_copy_only=False)
    return lists.select(present)


def number_lists(values: pa.Array, name: str, rows: np.ndarray, place: Place = plain_place) -> tuple[Lists, np.ndarray]:
    """The numbers of each row and, flat, as float64 (NaN where missing); text may use spaces, commas, semicolons and brackets."""
    lists = from_lists(values) if is_list(values.type) else number_texts(values, name)
    return lists, to_floats(lists.flat, name, rows[lists.owners], place)


def number_texts(values: pa.Array, name: str) -> Lists:
    """The texts of the numbers in each text, between spaces, commas, semicolons and brackets."""
    texts = pc.replace_substring_regex(text_array(values, name), r"[\[\](){},;|\s]+", " ")
    texts = pc.utf8_trim_whitespace(texts)
    lists = from_lists(pc.utf8_split_whitespace(texts))
    present = pc.fill_null(pc.not_equal(lists.flat, ""), False).to_numpy(zero_copy_only=False)
    return lists.select(present)


def with_lists(values: pa.Array, fill: Any, delimiter: str = " ") -> pa.Array:
    """Lists, or texts of values with a delimiter, with `fill` where they are missing: a list, one value, or such a text."""
    if not is_list(values.type):
        return values.fill_null(delimiter.join(map(_write_item, fill)) if isinstance(fill, list) else _write_item(fill))
    kind = pa.list_(values.type.value_type)
    texts = list(map(_write_item, fill)) if isinstance(fill, list) else _write_item(fill).replace(",", " ").split()
    one = pa.array([texts if is_text(kind.value_type) else list(map(float, texts))]).cast(kind)
    places = np.where(pc.is_null(values).to_numpy(zero_copy_only=False), len(values), np.arange(len(values)))
    return pa.concat_arrays([values.cast(kind), one]).take(pa.array(places))


def _write_item(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def find_delimiter(texts: list[str]) -> str:
    """The first of `|`, `;`, `,` and tab that occurs in the texts, else the space."""
    return next((delimiter for delimiter in DELIMITERS if any(delimiter in text for text in texts)), " ")


def pad_rows(lists: Lists, flat: np.ndarray, width: int, keep_last: bool, padding: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of exactly `width` values, cut at one end and padded at the right, and how many of them are values."""
    lengths = np.minimum(lists.lengths, width)
    first = lists.offsets[1:] - lengths if keep_last else lists.offsets[:-1]
    result = np.full((len(lengths), width), padding, flat.dtype)
    there = np.arange(width) < lengths[:, None]
    result[there] = flat[(first[:, None] + np.arange(width))[there]]
    return result, lengths.astype(np.int64)
