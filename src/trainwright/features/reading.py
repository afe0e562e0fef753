"""Values of new rows as training read them: one by one, whatever file or object brings them, and whatever stands in other rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import RunError
from trainwright.data.arrow import PIECE
from trainwright.data.number_forms import NumberForm
from trainwright.data.number_source import forms_of
from trainwright.data.python_values import float_text, is_written
from trainwright.data.sniffing import Dialect, TextForm
from trainwright.data.source import Source
from trainwright.data.sources import NULLS
from trainwright.features.base import one_array
from trainwright.features.floats import is_text
from trainwright.features.words import code_words

WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
TRUTH: dict[str | float, str] = {"true": "true", "false": "false", 1.0: "true", 0.0: "false"}
"""Words of truth values, as training reads them in a text table, and the numbers that stand for them elsewhere."""

BY_VALUE = ("category", "binary")
"""Column types that know a value by its text, so that one value must always have one text."""


def kind_of(given: pa.DataType) -> str:
    """What the values of a column are: `text`, `integer`, `float`, `boolean`, `date`, `time` or `other`."""
    types = pa.types
    if types.is_dictionary(given):
        return kind_of(given.value_type)
    tests = {
        "text": is_text,
        "integer": types.is_integer,
        "boolean": types.is_boolean,
        "date": types.is_date,
        "time": types.is_timestamp,
    }
    if types.is_floating(given) or types.is_decimal(given):
        return "float"
    return next((kind for kind, test in tests.items() if test(given)), "other")


@dataclass
class Reading:
    """How the columns of the training table were read.

    `kinds` says what each column held (see `kind_of`), `form` how the text table was written, and `words` which of the usual words for a
    missing value are values of a column. `folders` are the columns that stood in the names of folders, and `options` what the source was
    told that makes columns.
    """

    kinds: dict[str, str]
    form: TextForm | None
    words: dict[str, list[str]]
    folders: list[str] = field(default_factory=list)
    numbers: dict[str, NumberForm] = field(default_factory=dict)
    """How the numbers of columns of text are written, where that is otherwise than in plain form."""
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, columns: Iterable[str]) -> Self:
        """How `source` reads its columns; what its values are is learnt with `observe`."""
        kinds = {name: kind_of(source.schema.field(name).type) for name in columns}
        folders = [name for name in kinds if name in source.folders]
        return cls(kinds, source.written, {}, folders, forms_of(source), later_options_of(source))

    def observe(self, table: pa.Table) -> None:
        """Notes which words for missing values are values of a text column in training rows."""
        if self.form is not None:
            return  # a text table has no such words left, and those that its options do not name are values
        for name, kind in self.kinds.items():
            if kind == "text" and is_text(table.schema.field(name).type):
                column = table[name]
                found = column.filter(pc.is_in(column, pa.array(NULLS))).unique().to_pylist()
                self.words[name] = sorted({*self.words.get(name, []), *found})

    @property
    def nulls(self) -> tuple[str, ...]:
        """Texts that stand for a missing value."""
        return self.form.nulls if self.form else tuple(NULLS)

    def state(self) -> dict[str, Any]:
        """The reading in plain JSON types."""
        form = asdict(self.form) if self.form else None
        numbers = {"numbers": {name: each.state() for name, each in self.numbers.items()}} if self.numbers else {}
        options = {"options": self.options} if self.options else {}
        return {"kinds": self.kinds, "form": form, "words": self.words, "folders": self.folders, **numbers, **options}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The reading that `state` describes; raises RunError where it is something else."""
        try:
            form = state["form"]
            written = form and TextForm(Dialect(**form["dialect"]), int(form["skip_rows"]), tuple(form["nulls"]))
            words = {name: list(words) for name, words in state["words"].items()}
            numbers = {name: NumberForm.restore(each) for name, each in state.get("numbers", {}).items()}
            folders = [str(name) for name in state.get("folders", [])]
            return cls(dict(state["kinds"]), written or None, words, folders, numbers, dict(state.get("options", {})))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError("how the columns were read is damaged", why=str(error), fix="restore the run from a copy") from error


def later_options_of(source: Any) -> dict[str, Any]:
    """What a source, or the one inside, was told that makes columns, so that later rows need it too."""
    while source is not None and not hasattr(source, "later_options"):
        source = getattr(source, "source", None)
    return {} if source is None else dict(source.later_options)


def decimal_of(given: Source, trained: TextForm | None) -> str:
    """The decimal mark of numbers that are text in new rows: that of their file, else that of the training file."""
    form = given.written or trained
    return form.dialect.decimal if form else "."


class Column(Protocol):
    """What is asked of a column to read its values: a fitted feature, or what is known of one elsewhere."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def known_values(self) -> list[str]:
        """The values of training that new ones are compared with, as text."""


class AsTrained:
    """A source whose values are read as those of the training table were."""

    def __init__(self, source: Source, reading: Reading, features: Mapping[str, Column]) -> None:
        self.source, self.reading, self.features = source, reading, features
        self.name, self.default_targets, self.notes = source.name, source.default_targets, source.notes
        self.boundaries, self.written, self.folders = source.boundaries, source.written, source.folders
        self.decimal = decimal_of(source, reading.form)
        trimmed = reading.form or source.written
        self.trims = bool(trimmed and trimmed.dialect.blank_after_delimiter)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def schema(self) -> pa.Schema:
        """Column names, and types as the source has them."""
        return self.source.schema

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        return self.read_table(self.source.read(indices, columns))

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time."""
        yield from map(self.read_table, self.source.batches(columns, rows))

    def fingerprint(self) -> dict[str, Any]:
        """That of the source."""
        return self.source.fingerprint()

    def place(self, row: int) -> str:
        """Where a row is, as the source says."""
        return self.source.place(row)

    def read_table(self, table: pa.Table) -> pa.Table:
        """Rows of the source, each value in the form that training has."""
        columns = []  # and one table of them: a table made anew for each column would cost columns × columns
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name in self.features and name in self.reading.kinds:
                column = pa.chunked_array([self._column(name, one_array(column))])
            columns.append(column)
        return pa.Table.from_arrays(columns, names=table.column_names)

    def _column(self, name: str, values: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not is_written(values.type):
            return self._values(name, values, kind_of(values.type))
        texts, typed = values.field("text"), values.field("typed")
        nothing = pa.scalar(None, pa.string())
        words = self._values(name, pc.if_else(typed, nothing, texts), "text")
        return pc.coalesce(words, self._values(name, pc.if_else(typed, texts, nothing), "float"))

    def _values(self, name: str, values: pa.Array, given: str) -> pa.Array:
        """Values that were given as `given`, typed or as their text, in the form that training has."""
        kind, feature = self.reading.kinds[name], self.features[name]
        decimal = self.decimal if given == "text" and name not in self.folders else "."
        if given == "text":
            values = self._without_null_words(name, kind, values)
        if feature.kind == "number":
            return _for_numbers(values, kind, given, decimal)
        if feature.kind in BY_VALUE and "other" not in (kind, given) and (given != kind or is_text(values.type) != (kind == "text")):
            return _by_value(values, kind, given, feature, decimal)
        return values

    def _without_null_words(self, name: str, kind: str, texts: pa.Array) -> pa.Array:
        if self.trims and name not in self.folders:
            texts = pc.utf8_trim_whitespace(texts)
        looked = texts if kind == "text" else pc.utf8_trim_whitespace(texts)
        words = [word for word in self.reading.nulls if word not in self.reading.words.get(name, ())]
        if kind != "text" or self.source.written is not None:
            words.append("")  # a text table has no other way to leave a value out
        missing = pc.is_in(looked, pa.array(words, pa.string()), skip_nulls=True)
        return pc.if_else(missing, pa.scalar(None, texts.type), texts) if pc.any(missing).as_py() else texts


def _for_numbers(values: pa.Array, kind: str, given: str, decimal: str) -> pa.Array:
    """Text with the decimal point that numbers are parsed with, and words of truth as 1 and 0; anything else as it is."""
    if not is_text(values.type):
        return values
    if kind == "boolean" or given != "text":
        words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        return pc.if_else(pc.equal(words, "true"), "1", pc.if_else(pc.equal(words, "false"), "0", values))
    if decimal == "," and kind in ("integer", "float"):
        # A point is no decimal point there: 1.234 could be a thousand, so it is left to be refused.
        pointed = pc.match_substring(values, ".")
        return pc.if_else(pointed, pc.binary_join_element_wise(values, "(decimal point)", " "), pc.replace_substring(values, ",", "."))
    return values


def _by_value(values: pa.Array, kind: str, given: str, feature: Column, decimal: str) -> pa.Array:
    """The column as text, each value in the one spelling that it has in training."""
    codes, words = code_words(values, feature.name)
    if kind == "text":
        spelled = _spell(words, feature) if given in ("integer", "float", "boolean") else words
    else:
        spelled = [None if word is None else canonical(word, kind, decimal) for word in words]
    return pa.array(spelled, pa.string()).take(pa.array(codes, mask=codes < 0))


def canonical(word: str, kind: str, decimal: str = ".") -> str:
    """A value in the spelling it has in a column of this kind; a word that is none of its values as it is."""
    text = word.strip()
    if kind == "boolean":
        return TRUTH.get(float(text) if NUMBER.fullmatch(text) else text.casefold(), word)
    if kind in ("date", "time"):
        return _time_text(text, kind) or word
    if text in ("true", "false") and decimal == ".":
        text = "1" if text == "true" else "0"
    if decimal == ",":
        text = text.replace(",", ".") if "." not in text else ""
    if kind == "integer" and WHOLE.fullmatch(text):
        return str(int(text))
    return float_text(float(text)) if NUMBER.fullmatch(text) and np.isfinite(float(text)) else word


def _time_text(text: str, kind: str) -> str | None:
    """A date or time in the spelling of Arrow, or None for what is none, or has a time of day where training has days."""
    try:
        moment = pa.scalar(text, pa.string()).cast(pa.timestamp("us"))
        return str((moment.cast(pa.date32()) if kind == "date" else moment).cast(pa.string()).as_py())
    except pa.ArrowInvalid:
        return None


def _spell(words: list[str | None], feature: Column) -> list[str | None]:
    """Numbers and truth values given for a text column, in the one spelling of training that has this value.

    A table read elsewhere turns `00501` into 501; where two spellings have the value (1.1 and 1.10), which was meant cannot be known.
    """
    known: dict[str, list[str]] = {}
    for word in feature.known_values():
        known.setdefault(canonical(word, "integer").casefold(), []).append(word)
    return [None if word is None else " or ".join(known.get(word.casefold(), [word])) for word in words]
