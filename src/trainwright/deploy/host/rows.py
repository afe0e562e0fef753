"""Rows as they come → the arrays that the graph takes: by the names of columns, read as training read them, and every fault told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.config.part import load_named
from trainwright.data.python_values import column_of
from trainwright.data.sniffing import Dialect, TextForm
from trainwright.data.source import TableSource
from trainwright.deploy.host.description import Description
from trainwright.deploy.host.faults import Fault, FaultyRows, Told
from trainwright.deploy.host.lists import SeriesReader, TextReader, VectorReader, WordsReader
from trainwright.deploy.host.readers import ColumnReader
from trainwright.deploy.host.values import NO_TIME, DateReader, NumberReader, WordReader
from trainwright.features.base import one_array
from trainwright.features.reading import AsTrained

Raw = dict[str, np.ndarray]
"""What the graph takes of some rows, by the names of its inputs, rows first."""

PLAIN = TextForm(Dialect("utf-8", ",", '"', "", ".", True, False), 0, ())
"""How rows in text are written where training had no table in text."""
_HERE = "trainwright.deploy.host"
DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
"""What the numbers of a block are, of a model whose inputs are no columns."""
READERS: dict[str, type[ColumnReader] | str] = {
    "number": NumberReader,
    "binary": WordReader,
    "category": WordReader,
    "date": DateReader,
    "set": WordsReader,
    "bag": WordsReader,
    "sequence": WordsReader,
    "text": TextReader,
    "timeseries": SeriesReader,
    "vector": VectorReader,
    "file": f"{_HERE}.recordings:ArrayReader",
    "signal": f"{_HERE}.recordings:RecordingReader",
    "audio": f"{_HERE}.recordings:RecordingReader",
    "image": f"{_HERE}.pictures:PictureReader",
    **dict.fromkeys(DTYPES, f"{_HERE}.blocks:BlockReader"),
}


@dataclass(frozen=True)
class Asked:
    """Rows that were read."""

    raw: Raw
    """Of those that can be answered."""
    places: np.ndarray
    """The place of each of them among those that were given."""
    count: int
    """How many were given."""
    faults: list[Fault] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)
    """Counts of values that were missing or unknown, and what was ignored."""


class RowReader:
    """Reads rows of a model by its description."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.readers = {name: self._reader(name) for name in description.columns}
        reading = description.reading
        form = reading.form if reading is not None else None
        self.lacking = {name for name, each in description.columns.items() if each.policy in ("drop", "error")}
        self.typed, self.written = self._as_trained(None), self._as_trained(form or PLAIN)

    def _reader(self, name: str) -> ColumnReader:
        column = self.description.columns[name]
        if column.kind not in READERS:
            fix = "serve the run itself, which reads them as in training"
            raise RequestError(f"columns of type '{column.kind}' are not read here", where=f"column '{name}'", fix=fix)
        found = READERS[column.kind]
        made: ColumnReader = (load_named(found) if isinstance(found, str) else found)(column)
        return made

    def _as_trained(self, form: TextForm | None) -> AsTrained | None:
        """What gives values the form that they have in training; `form` of rows that come as text."""
        if self.description.reading is None:
            return None
        nothing = TableSource(pa.table({"": pa.nulls(1)}), "rows")
        nothing.written = form
        return AsTrained(nothing, self.description.reading, self.description.columns)

    def limit_pixels(self, pixels: int) -> None:
        """Refuse pictures of more pixels, before they are decoded."""
        for each in self.readers.values():
            each.limit(pixels)

    def read(self, table: pa.Table, as_text: bool = False) -> Asked:
        """The rows of a table, `as_text` where every value is text as in a CSV file; raises DataError where columns are missing.

        Rows with a fault are left out, as those that lack what a policy asks for; whoever takes no such rows calls `require_whole`.
        """
        self._refuse_absent(table.column_names, self.readers)
        told, rows = Told(), np.arange(table.num_rows)
        raw = self._arrays({name: table[name] for name in self.readers}, rows, told, as_text, {})
        return self._asked(raw, rows, told, [each for each in table.column_names if each not in self.readers])

    def read_json(self, columns: Mapping[str, list[Any]], count: int, chosen: Sequence[str] | None = None) -> Asked:
        """The same of values of JSON by column, a list of `count` each, of the `chosen` ones or all; no value depends on others."""
        readers = self.readers if chosen is None else {name: self.readers[name] for name in chosen}
        self._refuse_absent(list(columns), readers)
        told, rows = Told(), np.arange(count)
        raw, left, written = Raw(), dict[str, pa.Array](), dict[str, list[Any]]()
        for name, reader in readers.items():
            parts = reader.quick(columns[name], told)
            if parts is not None:
                raw |= self._named(name, parts, rows, told)
                continue
            values = self._unicode(name, reader.from_json(columns[name], rows, told), rows, told)
            left[name], written[name] = column_of(values, as_written=True), values
        raw |= self._arrays(left, rows, told, False, written) if left else {}
        return self._asked(raw, rows, told, [each for each in columns if each not in self.readers])

    def _unicode(self, name: str, values: list[Any], rows: np.ndarray, told: Told) -> list[Any]:
        """The values without those that hold half of a pair of surrogates, which is no text."""
        bad = [at for at, each in enumerate(values) if isinstance(each, str | list) and not _is_unicode(each)]
        if not bad:
            return values
        told.refuse(name, rows[bad], [values[at] for at in bad], "{} is no text in Unicode", fix="send whole characters")
        return [None if at in bad else each for at, each in enumerate(values)]

    def _arrays(self, columns: Mapping[str, Any], rows: np.ndarray, told: Told, as_text: bool, written: Mapping[str, list[Any]]) -> Raw:
        """What readers give of some columns, whose values get the form of training first."""
        table = self._in_training_form(pa.table(dict(columns)), as_text)
        raw: Raw = {}
        for name in columns:
            parts = self.readers[name].read(one_array(table[name]), rows, told, written.get(name))
            raw |= self._named(name, parts, rows, told)
        return raw

    def _named(self, name: str, parts: Mapping[str, np.ndarray], rows: np.ndarray, told: Told) -> Raw:
        """The arrays of a column by the names of the graph's inputs."""
        if name in self.lacking:
            self._note_lacking(name, parts, rows, told)
        return {f"{name}.{part}" if part else name: each for part, each in parts.items()}

    def _in_training_form(self, table: pa.Table, as_text: bool) -> pa.Table:
        reading = self.written if as_text else self.typed
        forms = self.description.reading.numbers if self.description.reading else {}
        for name, form in forms.items():
            if name in table.column_names and pa.types.is_string(table.schema.field(name).type):
                table = table.set_column(table.column_names.index(name), name, pa.chunked_array([form.plain(one_array(table[name]))]))
        return table if reading is None else reading.read_table(table)

    def _refuse_absent(self, given: list[str], needed: Iterable[str]) -> None:
        absent = [name for name in needed if name not in given]
        if not absent:
            return
        listed = ", ".join(f"'{each}'" for each in absent)
        extra = [each for each in given if each not in self.readers]
        near = "; ".join(f"for '{name}': {said}" for name in absent[:3] if (said := did_you_mean(name, extra, 3)))
        what = f"the column{'s' * (len(absent) > 1)} {listed} {'are' if len(absent) > 1 else 'is'} missing"
        fix = near if "did you mean" in near else "send every column; null says that a value is missing"
        raise FaultyRows([Fault(what, absent[0], None, "columns are known by their names", fix)])

    def _note_lacking(self, name: str, parts: Mapping[str, np.ndarray], rows: np.ndarray, told: Told) -> None:
        """Missing values under `missing: drop` and `error`: the row gets no answer, or is a fault."""
        absent = absent_in(parts)
        if self.description.columns[name].policy == "drop":
            told.left_out.update(rows[absent].tolist())
            return
        for row in rows[absent].tolist():
            why, fix = "the model was trained to take no row without it", "send a value"
            told.faults.append(Fault("the value is missing", name, row, why, fix))

    def _asked(self, raw: Raw, rows: np.ndarray, told: Told, ignored: list[str]) -> Asked:
        if not (told.left_out or told.faults or told.counts or ignored):
            return Asked(raw, rows, len(rows))
        out = told.left_out | {each.row for each in told.faults if each.row is not None}
        keep = np.ones(len(rows), bool)
        keep[list(out)] = False
        if out:
            raw = {name: each[keep] for name, each in raw.items()}
        notes: dict[str, object] = {name: dict(counts) for name, counts in told.counts.items()}
        found: dict[str, object] = {"columns": notes} if notes else {}
        found |= {"ignored": ignored} if ignored else {}
        found |= {"unanswered": sorted(row + 1 for row in told.left_out)} if told.left_out else {}
        return Asked(raw, rows[keep], len(rows), sorted(told.faults, key=lambda each: each.row or 0), found)


def absent_in(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which rows have no value, bool `[b]`, of the arrays of a column."""
    values = parts[""]
    if "length" in parts:
        absent = parts["length"] < 0
    elif values.dtype.kind == "f":
        absent = np.isnan(values).reshape(len(values), -1).any(axis=1)
    elif values.dtype == object:
        absent = values == ""
    else:
        absent = (values == -1) | (values == NO_TIME)
    return np.asarray(absent, bool)


def _is_unicode(value: Any) -> bool:
    """Whether a text, or every text of a list, has whole characters alone."""
    if isinstance(value, list):
        return all(map(_is_unicode, value))
    try:
        return not isinstance(value, str) or bool(value.encode()) or not value
    except UnicodeEncodeError:
        return False


def require_whole(asked: Asked) -> Asked:
    """Rows without a fault; raises FaultyRows otherwise."""
    if asked.faults:
        raise FaultyRows(asked.faults)
    return asked
