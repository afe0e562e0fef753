"""Arrow columns as text values: each distinct value once, with a code per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.features.floats import is_list, is_text


def code_words(values: pa.Array, name: str) -> tuple[np.ndarray, list[str | None]]:
    """Codes per row and the text of each code; the code -1 or the text None is a missing value. Numbers are written without `.0`."""
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), -1, np.int32), []
    if is_list(kind) or pa.types.is_struct(kind):
        fix = f"write columns.{name}=set (or vector, sequence), or leave the column out: columns.{name}=ignore"
        raise DataError(f"column '{name}' holds {kind}, not single values", fix=fix)
    if not pa.types.is_dictionary(kind):
        values = (values.cast(pa.string()) if pa.types.is_string_view(kind) else values).dictionary_encode()
    indices = values.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
    return codes, as_text(values.dictionary)


def as_text(values: pa.Array) -> list[str | None]:
    """Each value as text, None where missing; whole floats lose their `.0`."""
    kind = values.type
    if is_text(kind):
        return values.to_pylist()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return values.cast(pa.binary()).cast(pa.string()).to_pylist()
    texts = values.cast(pa.string()).to_pylist()
    if pa.types.is_floating(kind):
        numbers = values.to_pylist()
        return [float_text(number, text) for number, text in zip(numbers, texts, strict=True)]
    if pa.types.is_decimal(kind):
        return [text.rstrip("0").rstrip(".") if text and "." in text and "E" not in text else text for text in texts]
    return texts


def float_text(number: float | None, text: str | None) -> str | None:
    """A float as text: `3` for 3.0, None for NaN."""
    if number is None or number != number:
        return None
    return str(int(number)) if abs(number) < 2**63 and number == int(number) else text


def text_array(values: pa.Array, name: str) -> pa.Array:
    """The column as a string array, null where missing."""
    if is_text(values.type):
        return values.cast(pa.string()) if pa.types.is_string_view(values.type) else values
    codes, words = code_words(values, name)
    return pa.array(words, pa.string()).take(pa.array(codes, mask=codes < 0))


def sorted_classes(words: list[str]) -> list[str]:
    """Distinct values in order: by number where all are numbers, else alphabetically."""
    try:
        return sorted(words, key=lambda word: (float(word), word))
    except ValueError:
        return sorted(words)


def class_kind(kind: pa.DataType) -> str:
    """How predictions of a class are returned: `integer`, `boolean`, or `text`."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return "boolean" if pa.types.is_boolean(kind) else "integer" if pa.types.is_integer(kind) else "text"


def class_values(classes: list[str], kind: str) -> pa.Array:
    """The classes in the type the column had in training."""
    if kind == "boolean" and set(classes) <= {"true", "false"}:
        return pa.array([name == "true" for name in classes])
    if kind == "integer":
        return pa.array([int(name) for name in classes], pa.int64())
    return pa.array(classes, pa.string())


def lookup_codes(
    codes: np.ndarray, words: list[str | None], index: dict[str, int], unknown: int, missing: int
) -> tuple[np.ndarray, int, int]:
    """Per row the index of its word; returns (indices, rows with unknown words, rows without a value)."""
    table = np.empty(len(words) + 1, np.int64)
    table[-1] = missing
    table[:-1] = [missing if word is None else index.get(word, unknown) for word in words]
    strange = np.zeros(len(words) + 1, bool)
    strange[:-1] = [word is not None and word not in index for word in words]
    absent = np.zeros(len(words) + 1, bool)
    absent[:-1] = [word is None for word in words]
    absent[-1] = True
    return table[codes], count_of(strange, codes), count_of(absent, codes)


def count_of(marked: np.ndarray, codes: np.ndarray) -> int:
    """How many codes point at a marked entry."""
    return int(marked[codes].sum()) if marked.any() else 0


def count_words(codes: np.ndarray, words: list[str | None], into: dict[str, int]) -> int:
    """Adds how often each word occurs to `into`; returns how many rows are missing."""
    found = np.bincount(codes.astype(np.int64) + 1, minlength=len(words) + 1)
    missing = int(found[0])
    for word, count in zip(words, found[1:].tolist(), strict=True):
        if word is None:
            missing += count
        elif count:
            into[word] = into.get(word, 0) + count
    return missing
