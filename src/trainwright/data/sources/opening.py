"""How a path, the options of a source, or data in memory become a source of rows."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from trainwright.config.domains import load_of_domain, register
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, options_class
from trainwright.data.claims import reasons
from trainwright.data.source import Source, TableSource
from trainwright.data.sources import MEMORY_LIMIT, from_text


def options_of(text: str) -> PartConfig:
    """The validated options that a path, a pattern or `builtin:NAME` stands for; raises DataError when there is no such file or set."""
    given = from_text(text)
    return options_class("source", given["type"]).model_validate(given)


def open_source(options: PartConfig, memory_limit: int, keep: Collection[str] = ()) -> Source:
    """The source that `options` describe, read in pieces when larger than `memory_limit` bytes; raises DataError when it cannot be read.

    Columns that stand in the names of folders come after those of the files. `keep`: columns that are wanted even if the file's own
    metadata say that they are a row index.
    """
    from trainwright.data.sources.folders import with_folder_columns

    return with_folder_columns(build_source(options, memory_limit, keep))


def build_source(options: PartConfig, memory_limit: int, keep: Collection[str] = ()) -> Source:
    """The source of the files alone, or of the set, that `options` describe; see `open_source`."""
    if keep and "keep_index" in type(options).model_fields:
        options = options.model_copy(update={"keep_index": [*options.keep_index, *keep]})  # type: ignore[attr-defined]
    source: Source = build("source", options, memory_limit=memory_limit)
    if reason := reasons.get(getattr(options, "path", "")):
        source.notes = [*source.notes, reason]
    return source


def from_object(data: Any, memory_limit: int = MEMORY_LIMIT, *, as_written: bool = False, keep: Collection[str] = ()) -> Source:
    """A pandas DataFrame, an Arrow table, a mapping of column name → values, or a path, as a source; raises DataError for anything else.

    `as_written`: a column of mixed values in memory keeps apart what was text (see `python_values.written_column`). `keep`: columns
    that are wanted even if they are a row index.
    """
    if isinstance(data, str | Path):
        return open_source(options_of(str(data)), memory_limit, keep)
    from trainwright.data.sources.memory import index_of, table_of

    if (adopted := _adopt(data)) is not None:
        return adopted
    return TableSource(table_of(data, as_written), "the given table", index=index_of(data)).keeping(keep)


def _adopt(data: Any) -> Source | None:
    """The source that a domain makes of an object that is its own; None where none does, and for what is in every program."""
    if type(data).__module__.partition(".")[0] in ("builtins", "pandas", "pyarrow", "numpy", "torch"):
        return None
    for each in register().domains.values():
        if each.domain.adopts:
            found: Source | None = load_of_domain("adopts", each.domain.name, each.domain.adopts)(data)
            if found is not None:
                return found
    return None
