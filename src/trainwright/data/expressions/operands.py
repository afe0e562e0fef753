"""Columns as an expression takes them: numbers, texts, truth values and times, from whatever form a file or an object brings them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.expressions.functions import NUMBER, NUMBER_TEXT, TEXT, TIME, TRUTH
from trainwright.data.python_values import is_written
from trainwright.data.sniffing import TextForm
from trainwright.data.sources import NULLS

ARROW: dict[str, pa.DataType] = {
    "integer": pa.int64(),
    "float": pa.float64(),
    TEXT: pa.string(),
    TRUTH: pa.bool_(),
    TIME: pa.timestamp("us"),
}
"""What an operand is → the type it is calculated in."""

KIND = {"integer": NUMBER, "float": NUMBER, TEXT: TEXT, TRUTH: TRUTH, TIME: TIME}
"""What an operand is → its kind."""

IN_WORDS = {NUMBER: "a number", TEXT: "a text", TRUTH: "true or false", TIME: "a date", "nothing": "a missing value", "any": "a value"}


def operand_of(given: pa.DataType) -> str:
    """What a column is to an expression, by its Arrow type: one of `ARROW`; empty for lists and other things it cannot take."""
    types = pa.types
    if is_written(given):
        return TEXT
    tests: list[tuple[str, Callable[[pa.DataType], bool]]] = [
        ("float", lambda each: types.is_floating(each) or types.is_decimal(each) or types.is_uint64(each)),
        ("integer", types.is_integer),
        (TEXT, lambda each: types.is_string(each) or types.is_large_string(each) or types.is_null(each)),
        (TRUTH, types.is_boolean),
        (TIME, lambda each: types.is_date(each) or types.is_timestamp(each)),
    ]
    return next((name for name, test in tests if test(given)), "")


@dataclass(frozen=True)
class Written:
    """How texts stand for other values: the decimal point, and the words for a missing value."""

    decimal: str = "."
    nulls: tuple[str, ...] = tuple(NULLS)
    words_among_texts: bool = False
    """Whether these words mean a missing value in a column of texts too, as they do in a text table."""
    trims: bool = False
    """Whether texts lose the blanks round them, as where a blank follows each delimiter."""

    @classmethod
    def of(cls, trained: TextForm | None, given: TextForm | None) -> Written:
        """For rows of a file written as `given` (None: no text table), where the training file was written as `trained`."""
        form = given or trained
        decimal = form.dialect.decimal if form else "."
        nulls = trained.nulls if trained else ("",)
        trimmed = trained or given
        trims = bool(trimmed and trimmed.dialect.blank_after_delimiter)
        return cls("," if decimal == "," else ".", nulls, trained is not None or given is not None, trims)


def read_operand(name: str, column: pa.ChunkedArray, operand: str, written: Written, place: Callable[[int], str]) -> pa.Array:
    """A column in the type of an operand; raises DataError naming the first value that cannot be it. `place` names a row of the column."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_written(values.type):
        values = values.field("text")
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _from_text(name, values.cast(pa.string()), operand, written, place)
    try:
        return values.cast(ARROW[operand])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if operand == "integer" and pa.types.is_floating(values.type):
            return values.cast(pa.float64())  # whole in training; what it is now is calculated with as it is
        why = f"it was {IN_WORDS[KIND[operand]]} in training, and is {values.type} here"
        raise DataError(f"column '{name}' has another type than in training", why=why, fix="give it as in training") from error


def _from_text(name: str, texts: pa.Array, operand: str, written: Written, place: Callable[[int], str]) -> pa.Array:
    if operand == TEXT and not written.words_among_texts:
        return texts
    texts = pc.utf8_trim_whitespace(texts) if written.trims else texts
    words = pa.array([*written.nulls, *(NULLS if operand != TEXT else ())], pa.string())
    missing = pc.is_in(texts if operand == TEXT else pc.utf8_trim_whitespace(texts), words, skip_nulls=True)
    texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts) if pc.any(missing).as_py() else texts
    if operand == TEXT:
        return texts
    read = _texts_as(pc.utf8_trim_whitespace(texts), operand, written)
    lost = np.flatnonzero(pc.and_(pc.is_valid(texts), pc.is_null(read)).to_numpy(zero_copy_only=False))
    if len(lost):
        row = int(lost[0])
        what = f"column '{name}' is {IN_WORDS[KIND[operand]]} in an expression, and has {texts[row].as_py()!r}"
        raise DataError(what, where=place(row), fix="write a value of its type there, or leave it empty")
    return read


def _texts_as(texts: pa.Array, operand: str, written: Written) -> pa.Array:
    """Trimmed texts in the type of an operand; null where they cannot be it."""
    nothing = pa.scalar(None, pa.string())
    if operand == TRUTH:
        words = pc.utf8_lower(texts)
        true, false = (pc.is_in(words, pa.array(each)) for each in (["true", "1"], ["false", "0"]))
        return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
    if operand == TIME:
        return _times(texts)
    if written.decimal == ",":
        texts = pc.if_else(pc.match_substring(texts, "."), nothing, pc.replace_substring(texts, ",", "."))
    numbers = pc.if_else(pc.match_substring_regex(texts, NUMBER_TEXT), texts, nothing)
    try:
        return numbers.cast(ARROW[operand])
    except pa.ArrowInvalid:
        return numbers.cast(pa.float64())


def _times(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # one of them is none: found one by one
        found = [_time(each) for each in texts.to_pylist()]
        return pa.array(found, pa.timestamp("us"))


def _time(text: str | None) -> object:
    try:
        return pa.scalar(text, pa.string()).cast(pa.timestamp("us")).as_py()
    except pa.ArrowInvalid:
        return None
