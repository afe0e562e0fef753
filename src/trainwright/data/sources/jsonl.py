"""JSON objects, one per line or in one array, read block by block so that the types found do not depend on how much is held."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as arrow_json

from trainwright.config.errors import DataError
from trainwright.data.arrow import plain_schema, plain_table
from trainwright.data.files import content_kind, found_files, shared_name
from trainwright.data.python_values import WRITTEN, column_of, is_written, text_column, written_column
from trainwright.data.schemas import common_type
from trainwright.data.source import FileSource
from trainwright.data.sources import JSONLinesOptions
from trainwright.data.text import compression_of, opened_bytes

BLOCK = 1 << 24
"""Bytes of text turned into a table at a time."""


class JSONLinesSource(FileSource):
    """Rows of one or several files of JSON objects; a key that an object does not have is a missing value.

    With `as_text` every single value is kept as it is written, so that none is read by what stands in other rows.
    """

    def __init__(self, options: JSONLinesOptions, memory_limit: int, *, as_text: bool = False) -> None:
        self.as_text = as_text
        self.found: pa.Schema = pa.schema([])
        super().__init__(found_files(options.path), Path(options.path).name, memory_limit)
        self.name = shared_name(self.files, options.path)

    def memory_needed(self) -> int:
        """Twice the size of the files; ten times when compressed."""
        return sum(path.stat().st_size * (10 if compression_of(path) else 2) for path in self.files)

    def load(self) -> pa.Table:
        """All rows at once."""
        self.found, _ = self.survey()
        return pa.concat_tables([self.found.empty_table(), *self.pieces(None)])

    def survey(self) -> tuple[pa.Schema, int]:
        """Types that fit every block, and the number of rows."""
        types: dict[str, list[pa.DataType]] = {}
        self.rows_by_file = [0] * len(self.files)
        for number, path in enumerate(self.files):
            for first, block in _blocks(path):
                table = self._table(path, first, block)
                self.rows_by_file[number] += table.num_rows
                for field in plain_schema(table.schema):
                    known = types.setdefault(field.name, [])
                    if field.type not in known:
                        known.append(field.type)
        self.found = pa.schema([(name, _common(known)) for name, known in types.items()])
        return self.found, sum(self.rows_by_file)

    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The rows in order, one block at a time."""
        wanted = self.found if columns is None else pa.schema([self.found.field(name) for name in columns])
        for path in self.files:
            for first, block in _blocks(path):
                table = plain_table(self._table(path, first, block))
                if any(_lost(table, field) for field in wanted):
                    table = plain_table(_by_python(path, first, block, text_column))
                yield _as_schema(table, wanted)

    def _table(self, path: Path, first: int, block: bytes) -> pa.Table:
        return _by_python(path, first, block, written_column) if self.as_text else _table(path, first, block)

    def place(self, row: int) -> str:
        """`row 12 (line 12)` for a single file."""
        return f"row {row + 1} (line {row + 1})" if len(self.files) == 1 else super().place(row)


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about 16 MiB at a time, with the number of the first (from 1)."""
    with path.open("rb") as head:
        kind = content_kind(head.read(16))
    if kind and not compression_of(path):
        raise DataError(f"'{path.name}' is not JSON lines", where="data.source", why=f"it is {kind}")
    line, rest = 1, b""
    if _is_array(path):
        yield 1, _lines_of_array(path)
        return
    with opened_bytes(path) as opened:
        while read := opened.read(BLOCK):
            text = rest + read
            cut = text.rfind(b"\n") + 1
            if cut:
                yield line, text[:cut]
                line += text.count(b"\n", 0, cut)
            rest = text[cut:]
    if rest.strip():
        yield line, rest


def _is_array(path: Path) -> bool:
    """Whether a file holds one JSON value rather than one on each line: an array, or an object over several lines or of columns."""
    with opened_bytes(path) as opened:
        head = opened.read(1 << 16)
        if path.suffix.lower() == ".json" and b"\n" not in head:
            head += opened.readline()
        head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if head[:1] == b"[" or path.suffix.lower() != ".json":
        return head[:1] == b"["
    first, _, more = head.partition(b"\n")
    if more.strip():
        return not (first.rstrip().endswith(b"}") and more.lstrip()[:1] == b"{")
    try:
        found = json.loads(first)
    except ValueError:
        return False
    return isinstance(found, dict) and (any(map(_holds_rows, found.values())) or all(isinstance(each, list) for each in found.values()))


def _holds_rows(value: Any) -> bool:
    """Whether a value of an object is a mapping, or an array of some."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _lines_of_array(path: Path) -> bytes:
    """The objects of an array, each on a line. Raises DataError for an array of anything else, and for one object of columns."""
    with opened_bytes(path) as opened:
        text = opened.read()
    try:
        found = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = str(error).splitlines()[0]
        raise DataError(
            f"'{path.name}' is not JSON", where="data.source", why=why, fix="write an array of objects, or one a line"
        ) from error
    if isinstance(found, dict):
        raise _no_rows(path, found)
    odd = next((place for place, each in enumerate(found) if not isinstance(each, dict)), None)
    if odd is not None:
        why = f"number {odd + 1} of the array is {_in_words(found[odd])}"
        raise DataError(
            f"'{path.name}' does not hold objects alone", where="data.source", why=why, fix='write [{"age": 3, "name": "a"}, …]'
        )
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in found)


def _no_rows(path: Path, found: dict[str, Any]) -> DataError:
    """The refusal of an object: rows stand in it under a name, or its columns, or it is one row alone."""
    under = [name for name, each in found.items() if isinstance(each, list) and each and all(isinstance(one, dict) for one in each)]
    if under:
        fix = f"write the array under '{under[0]}' to a file of its own, without what is round it"
        return DataError(f"'{path.name}' is one object, no array", where="data.source", why=f"its rows are under '{under[0]}'", fix=fix)
    why = f"it has {', '.join(list(found)[:5])}" if found else "it is empty"
    fix = "write one object per row: frame.to_json(FILE, orient='records')"
    return DataError(f"'{path.name}' is one object, no array of rows", where="data.source", why=why, fix=fix)


def _in_words(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _table(path: Path, first: int, block: bytes) -> pa.Table:
    """A block as a table; values Arrow refuses (mixed types, NaN) are read by Python. Raises DataError naming a broken line."""
    if not block.strip():
        return pa.table({})
    try:
        return arrow_json.read_json(io.BytesIO(block), read_options=arrow_json.ReadOptions(block_size=max(len(block), 1 << 20)))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _by_python(path, first, block)


def _common(types: list[pa.DataType]) -> pa.DataType:
    """The type that holds the values of all blocks; values as they are written stay so beside a block that has only lists."""
    return WRITTEN if WRITTEN in types else common_type(types)


def _lost(table: pa.Table, field: pa.Field) -> bool:
    """Whether a block has a column as values that is text as a whole: what was written cannot be told from them."""
    if not pa.types.is_string(field.type) or field.name not in table.column_names:
        return False
    kind = table.column(field.name).type
    return not pa.types.is_string(kind) and not pa.types.is_null(kind)


def _by_python(path: Path, first: int, block: bytes, singles: Callable[[list[Any]], pa.Array] = column_of) -> pa.Table:
    """A block read line by line; `singles` makes a column of values that are no lists."""
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(block.split(b"\n"), start=first):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            what = f"line {number} of '{path.name}' is not JSON"
            fix = 'each line is one whole object: {"age": 3, "name": "a"}'
            shown = line[:60].decode("utf-8", "replace")
            raise DataError(what, where="data.source", why=f"{getattr(error, 'msg', error)}: {shown}", fix=fix) from error
        if not isinstance(value, dict):
            raise DataError(f"line {number} of '{path.name}' is no JSON object", where="data.source", why=f"it is {type(value).__name__}")
        objects.append(value)
    names = list(dict.fromkeys(name for each in objects for name in each))
    columns = {name: [each.get(name) for each in objects] for name in names}
    return pa.table({name: (column_of if _are_lists(values) else singles)(values) for name, values in columns.items()})


def _are_lists(values: list[Any]) -> bool:
    return any(isinstance(value, list) for value in values) and all(value is None or isinstance(value, list) for value in values)


def _as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
            continue
        column = table.column(field.name)
        if pa.types.is_string(field.type) and pa.types.is_nested(column.type):
            column = pa.chunked_array([text_column(column.to_pylist())])
        elif is_written(field.type) and not is_written(column.type):
            column = pa.chunked_array([written_column(column.to_pylist())])
        columns.append(column.cast(field.type, safe=False))
    return pa.Table.from_arrays(columns, names=schema.names)
