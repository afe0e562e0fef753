"""A source whose columns of written numbers are columns of numbers: `1,234`, `$5.00`, `12 %`, `(123)`, `1.234,56`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import ConfigError
from trainwright.config.places import spell_key
from trainwright.data.arrow import PIECE
from trainwright.data.number_facts import Found, NumberFacts, could_be_written, find_form
from trainwright.data.number_forms import MARKS, NumberForm
from trainwright.data.python_values import is_written
from trainwright.data.source import Source


class NumberSource:
    """Rows of another source in which the numbers of some columns are in plain form.

    A column of which every value is a number is one of float64; any other is text, with each number as `-1234.5`.
    """

    def __init__(self, source: Source, forms: Mapping[str, NumberForm], decimal: str = ".", *, keep_text: bool = False) -> None:
        """`decimal`: the mark that columns of numbers get where `keep_text` leaves them to be read later."""
        self.source, self.forms, self.decimal, self.keep_text = source, dict(forms), decimal, keep_text
        self.name, self.default_targets, self.notes = source.name, source.default_targets, source.notes
        self.boundaries, self.written, self.folders = source.boundaries, source.written, source.folders
        self.how: dict[str, Found] = {}
        """What is said of columns of text that hold, or may hold, numbers."""
        table = getattr(source, "table", None)
        held = [] if table is None else [name for name in self.forms if name in table.column_names]
        self.held: dict[str, pa.ChunkedArray] = {name: self._column(name, table[name]) for name in held if table is not None}

    def __len__(self) -> int:
        return len(self.source)

    @property
    def schema(self) -> pa.Schema:
        """Column names and Arrow types."""
        return pa.schema([field.with_type(self._type(field)) for field in self.source.schema])

    def _type(self, field: pa.Field) -> pa.DataType:
        form = self.forms.get(field.name)
        return pa.float64() if form and form.typed and not self.keep_text else field.type

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order."""
        table = self.source.read(indices, columns)
        if not self.held or indices is not None:
            return self._plain(table)
        return self._plain(table, self.held)

    def batches(self, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        """All rows in order, `rows` at a time."""
        start = 0
        for table in self.source.batches(columns, rows):
            yield self._plain(table, {name: each.slice(start, table.num_rows) for name, each in self.held.items()})
            start += table.num_rows

    def fingerprint(self) -> dict[str, Any]:
        """That of the source, whose rows they are."""
        return self.source.fingerprint()

    def place(self, row: int) -> str:
        """Where a row is in the source."""
        return self.source.place(row)

    def _plain(self, table: pa.Table, held: Mapping[str, pa.ChunkedArray] | None = None) -> pa.Table:
        """The rows with the numbers of their columns in plain form; those that are `held` are so already."""
        held = held or {}
        columns = [
            held[name] if name in held else self._column(name, column) if name in self.forms else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        return pa.Table.from_arrays(columns, names=table.column_names)

    def _column(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        form = self.forms[name]
        decimal = self.decimal if form.typed else "."
        chunks = [_in_plain(each, form, decimal) for each in column.chunks]
        if form.typed and not self.keep_text:
            return pa.chunked_array([each.cast(pa.float64()) for each in chunks], pa.float64())
        return pa.chunked_array(chunks, column.type if not chunks else chunks[0].type)


def _in_plain(values: pa.Array, form: NumberForm, decimal: str) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_written(values.type):
        text, typed = values.field("text"), values.field("typed")
        return pa.StructArray.from_arrays([pc.if_else(typed, text, form.plain(text, decimal)), typed], ["text", "typed"])
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return form.plain(values.cast(pa.string()), decimal) if is_text else values


def forms_of(source: Any) -> dict[str, NumberForm]:
    """How the numbers of columns are written in a source that reads them, or in one that it selects from."""
    while source is not None and not isinstance(source, NumberSource):
        source = getattr(source, "source", None)
    return {} if source is None else source.forms


def read_numbers(source: Source, settings: Mapping[str, Mapping[str, Any]]) -> Source:
    """The source with its written numbers read; itself where it has none.

    Args:
        source: rows to be trained on.
        settings: column → what the configuration says of it: `type`, `thousands` and `decimal`, as far as it does.
    """
    texts = [field.name for field in source.schema if pa.types.is_string(field.type)]
    texts = [name for name in texts if settings.get(name, {}).get("type", "auto") in ("auto", "number")]
    looked = _candidates(source, texts, settings)
    if not looked:
        return source
    facts = {name: NumberFacts() for name in looked}
    for piece in source.batches(looked):
        for name, each in facts.items():
            each.add(piece[name].combine_chunks() if piece[name].num_chunks != 1 else piece[name].chunk(0))
    known = source.written.dialect.decimal if source.written else ""
    found = {name: _find(name, each, known, settings.get(name, {})) for name, each in facts.items()}
    forms = {name: replace(each.form, typed=_all_fit(facts[name], each.form)) for name, each in found.items() if each.form}
    made = NumberSource(source, forms)
    made.how = {name: each for name, each in found.items() if each.how or each.offer}
    return made if made.how or forms else source


def _candidates(source: Source, texts: list[str], settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The columns of text whose first values are numbers of some form, and those for which a form is given."""
    given = [name for name in texts if _is_given(settings.get(name, {}))]
    first = next(iter(source.batches(texts)), None) if texts else None
    if first is None:
        return given
    return [name for name in texts if name in given or could_be_written(first[name])]


def _is_given(setting: Mapping[str, Any]) -> bool:
    return any(setting.get(name, "auto") != "auto" for name in ("thousands", "decimal"))


def _find(name: str, facts: NumberFacts, known: str, setting: Mapping[str, Any]) -> Found:
    """The form of a column, as a person says or as its values do."""
    thousands, decimal = (str(setting.get(each, "auto")) for each in ("thousands", "decimal"))
    if not _is_given(setting):
        return find_form(name, facts, "," if known == "," else "", setting.get("type") == "number")
    mark = MARKS[decimal] if decimal != "auto" else {"comma": ".", "point": ","}.get(thousands, "")
    wanted = facts.forms_with(mark, thousands)
    if not wanted:
        what = f"{thousands} cannot be both the decimal mark and between thousands"
        raise ConfigError(what, where=spell_key(("columns", name)), fix="name one of them")
    form = max(wanted, key=lambda each: facts.fitting(each))
    shown = form.plain(pa.array([facts.example or facts.values[0]]))[0].as_py() if facts.values else ""
    return Found(form, f"{facts.example!r} is {shown}" if facts.example else "")


def _all_fit(facts: NumberFacts, form: NumberForm) -> bool:
    return facts.fitting(form) == facts.present
