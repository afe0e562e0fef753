"""The row index that pandas writes beside the columns of a frame: a name or a number of each row, not something that was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

UNNAMED_INDEX = "Unnamed: 0"
"""What pandas calls a first column without a name, which is where it writes an index into text and sheets."""
INDEX_NAME = re.compile(r"unnamed: 0(\.\d+)*|__index_level_\d+__", re.IGNORECASE)


def is_index_name(name: str) -> bool:
    """Whether a column is called as a row index is in a file that says nothing else of it: `Unnamed: 0`, `__index_level_0__`."""
    return bool(INDEX_NAME.fullmatch(name))


def index_columns(schema: pa.Schema) -> list[str]:
    """The columns that a schema's own metadata name as the row index; none where that would be all there are."""
    written = (schema.metadata or {}).get(b"pandas")
    try:
        named = json.loads(written).get("index_columns", []) if written else []
    except (ValueError, AttributeError):  # metadata that pandas did not write
        return []
    found = [name for name in named if isinstance(name, str) and name in schema.names]  # a range is written as a mapping and is no column
    return found if len(found) < len(schema.names) else []


def without_index(schema: pa.Schema, keep: Collection[str]) -> tuple[list[str], list[str]]:
    """The columns that are read, and those of the row index that are not because nothing names them."""
    left_out = [name for name in index_columns(schema) if name not in keep]
    return [name for name in schema.names if name not in left_out], left_out


def read_schemas(schemas: Sequence[pa.Schema], keep: Collection[str]) -> tuple[list[pa.Schema], list[str]]:
    """The schemas of files without the row index, and the index columns that are left out."""
    both = [without_index(schema, keep) for schema in schemas]
    read = [pa.schema([schema.field(name) for name in names]) for schema, (names, _) in zip(schemas, both, strict=True)]
    return read, list(dict.fromkeys(name for _, left_out in both for name in left_out))


def index_note(left_out: Collection[str]) -> str:
    """What a person is told of the index columns that are not read."""
    listed = ", ".join(f"'{name}'" for name in left_out)
    return f"the row index that pandas wrote ({listed}) is no column and was left out; name it in `inputs` to use it"


def levels_of(frame: Any) -> dict[str, Any]:
    """The levels of a DataFrame's index by the names that pandas writes them under; none of one that only counts the rows."""
    if type(frame.index).__name__ == "RangeIndex" and frame.index.name is None:
        return {}
    columns = {str(name) for name in frame.columns}
    names = [str(name) if name is not None else f"__index_level_{level}__" for level, name in enumerate(frame.index.names)]
    return {name: frame.index.get_level_values(level) for level, name in enumerate(names) if name not in columns}
