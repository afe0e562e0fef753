"""The body of a request → rows by column: JSON, CSV or Arrow, by its Content-Type."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.csv as arrow_csv

from trainwright.config.errors import DataError, did_you_mean
from trainwright.deploy.server.refusals import Refused

JSON, CSV = "application/json", "text/csv"
STREAM, FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
FORM = "multipart/form-data"
CHARSETS = ("utf-8", "utf-8-sig", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16")
"""How text may be written, by Python's names: others are slow to read, or rare."""
TAKEN = (JSON, CSV, STREAM, FILE, FORM)
PARTS = 1_000
"""Files, and fields, that one form may have."""
HEADER = "send a line with the names of the columns, and below it rows, with a comma, semicolon or tab between values"
EXAMPLE = 'send {"rows": [{"column": value, …}, …]} or {"columns": {"column": [value, …], …}}'


@dataclass(frozen=True)
class Body:
    """Rows of a request: values of JSON by column, or a table."""

    count: int
    columns: Mapping[str, list[Any]] | None = None
    table: pa.Table | None = None
    as_text: bool = False
    """Whether every value of the table is text."""


def read_body(content: bytes, kind: str, max_rows: int, charset: str = "") -> Body:
    """The rows of a body of a content type; raises DataError for what is no such body, Refused for too many rows or another type."""
    if kind == JSON:
        return within(of_json(parse_json(content, charset)), max_rows)
    if kind == CSV:
        return within(_of_csv(decode(content, charset, "the body is not CSV")), max_rows)
    if kind in (STREAM, FILE):
        return within(_of_arrow(content, kind), max_rows)
    fix = did_you_mean(kind, TAKEN)
    raise Refused(415, f"a body of type '{kind}' is not read" if kind else "the body has no Content-Type", where="Content-Type", fix=fix)


def within(body: Body, max_rows: int) -> Body:
    """A body of at least one and at most so many rows; raises DataError and Refused otherwise."""
    if not body.count:
        raise DataError("there are no rows", where="body", fix="send at least one")
    if body.count > max_rows:
        fix = f"send at most {max_rows:,} at once"
        raise Refused(413, f"{body.count:,} rows are too many", where="body", why=f"this server takes {max_rows:,}", fix=fix)
    return body


def decode(content: bytes, charset: str, what: str) -> str:
    """The text of a body, without a mark of its byte order; raises Refused with 400 for bytes that are none, or for another charset."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except LookupError:
        name = ""
    if name not in CHARSETS:
        raise Refused(415, f"a body in '{charset[:80]}' is not read", where="Content-Type", fix=did_you_mean(charset, CHARSETS))
    try:
        return content.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        fix = "send UTF-8, or name what it is: text/csv; charset=iso-8859-1"
        raise Refused(400, what, where="body", why=f"byte {error.start} is not {name.upper()}", fix=fix) from error


def parse_json(content: bytes, charset: str = "") -> Any:
    """JSON as RFC 8259 has it, and no object with a key twice; raises Refused with 400 for anything else, DataError for such a key."""
    text = decode(content, charset, "the body is not JSON")
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg}, in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise _malformed(str(error).partition(";")[0]) from error


def _with_keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse_twice([name for name, _ in pairs], "key")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise _malformed(f"JSON has no {text}", fix="send null where there is no number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_with_keys_once)
"""Made once: for a row it would take as long as reading it."""


def _malformed(why: str, fix: str = EXAMPLE) -> Refused:
    return Refused(400, "the body is not JSON", where="body", why=why, fix=fix)


def of_json(given: Any) -> Body:
    """The rows of `{"rows": [{…}]}` or `{"columns": {…: […]}}`; raises DataError for any other form."""
    if not isinstance(given, dict) or set(given) not in ({"rows"}, {"columns"}):
        keys = ", ".join(map(repr, list(given)[:8])) if isinstance(given, dict) else ""
        shown = f"an object with {keys}" if keys else f"{_kind(given)} {'without an entry' if given == {} else ''}".strip()
        raise DataError(f"the body is {shown}", where="body", why="it has to be an object with `rows`, or with `columns`", fix=EXAMPLE)
    return of_rows(given["rows"]) if "rows" in given else of_columns(given["columns"])


def of_rows(rows: Any) -> Body:
    """Rows as a list of objects, or one object; a column that a row does not name is missing in it as null is."""
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        raise DataError(f"`rows` is {_kind(rows)}, and not a list", where="body", fix=EXAMPLE)
    wrong = next((at for at, each in enumerate(rows) if not isinstance(each, dict)), None)
    if wrong is not None:
        raise DataError(f"row {wrong + 1} is {_kind(rows[wrong])}, and not an object", where="body", fix=EXAMPLE)
    names = list(dict.fromkeys(name for each in rows for name in each))
    _refuse_half(rows, names)
    return Body(len(rows), {name: [each.get(name) for each in rows] for name in names})


def _refuse_half(rows: list[dict[str, Any]], names: list[str]) -> None:
    """A row without a column that others have was cut off, or is of other rows: null says that a value is missing."""
    for at, row in enumerate(rows):
        if len(row) < len(names):
            absent = next(name for name in names if name not in row)
            fix = "send null where a value is missing"
            raise DataError(f"row {at + 1} has no '{absent}'", where="body", why="other rows of the request have it", fix=fix)


def of_columns(columns: Any) -> Body:
    """Columns as lists of one length."""
    if not isinstance(columns, dict):
        raise DataError(f"`columns` is {_kind(columns)}, and not an object", where="body", fix=EXAMPLE)
    for name, values in columns.items():
        if not isinstance(values, list):
            raise DataError(f"column '{name}' is {_kind(values)}, and not a list", where="body", fix=EXAMPLE)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' {length}" for name, length in list(lengths.items())[:8])
        raise DataError("columns of different lengths", where="body", why=listed, fix="send one value for each row in every column")
    return Body(next(iter(lengths.values()), 0), columns)


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _of_csv(text: str) -> Body:
    """Rows of text with a header, as RFC 4180 has it, or with semicolons or tabs; words for missing values are those of training."""
    content = text.encode()
    try:
        lines = arrow_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter_of(content))
        names = arrow_csv.open_csv(io.BytesIO(content), parse_options=lines).schema.names
        types = dict.fromkeys(names, pa.string())
        whole = arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
        table = arrow_csv.read_csv(io.BytesIO(content), parse_options=lines, convert_options=whole)
    except pa.ArrowException as error:
        why = str(error).splitlines()[0][:300]
        raise Refused(400, "the body is not CSV", where="body", why=why, fix=HEADER) from error
    if not table.num_rows:
        listed = ", ".join(f"'{each[:40]}'" for each in table.column_names[:8])
        raise DataError("there are no rows", where="body", why=f"the first line names the columns, here {listed}", fix=HEADER)
    _refuse_twice(table.column_names)
    return Body(table.num_rows, None, table, True)


def delimiter_of(content: bytes) -> str:
    """What stands between the names in the first line most often: a comma, a semicolon or a tab."""
    header = content.partition(b"\n")[0]
    return max(",;\t", key=lambda each: header.count(each.encode()))


def _refuse_twice(names: list[str], what: str = "column") -> None:
    seen = set[str]()
    twice = next((each for each in names if each in seen or seen.add(each)), None)  # type: ignore[func-returns-value]
    if twice is not None:
        raise DataError(f"the {what} '{twice}' is there twice", where="body", fix=f"send every {what} once")


def _of_arrow(content: bytes, kind: str) -> Body:
    """A table of Arrow, its buffers checked: what is not whole could be read beyond its end."""
    try:
        buffer = pa.py_buffer(content)
        reader = pa.ipc.open_stream(buffer) if kind == STREAM else pa.ipc.open_file(buffer)
        table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, MemoryError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise Refused(400, "the body is not Arrow", where="body", why=why, fix="send a table written by pyarrow.ipc") from error
    _refuse_twice(table.column_names)
    return Body(table.num_rows, None, table)
