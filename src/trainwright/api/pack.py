"""A table and the files that it names as one file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright._version import __version__
from trainwright.config.errors import DataError, RequestError
from trainwright.data.source import Source
from trainwright.data.sources.opening import open_source, options_of
from trainwright.features.floats import is_text
from trainwright.features.npy import is_array
from trainwright.features.places import Folders
from trainwright.files.outputs import ensure_output, write_output
from trainwright.files.packed import FORMAT, MANIFEST, write_pack

LOOKED_AT = 20
"""Values of a column of text of which all must name files for it to be one of files."""
WHERE = "command line: DATA"


@dataclass
class Packing:
    """What was packed."""

    path: Path
    bytes: int
    tables: list[str]
    columns: dict[str, int]
    """Column → how many files its values name."""
    missing: dict[str, list[str]] = field(default_factory=dict)
    """Column → paths that name no file, which the pack has not either."""
    other: dict[str, str] = field(default_factory=dict)
    """Column → one of its files that is not an `.npy` array, which needs a reader of one's own."""


def pack(data: str | os.PathLike[str], output: str | os.PathLike[str], *, overwrite: bool = False) -> Packing:
    """Write a table, and the files that its columns of paths name, to one file that `train` takes in its place with the same results.

    Raises DataError or RequestError, with nothing written, for data that are no files, files outside of the table's folder, and a place
    that is taken.
    """
    path = Path(output)
    if path.suffix != ".pack":
        raise RequestError(
            f"'{path}' does not end with .pack", where="-o", why="by that it is known for one", fix=f"-o {path.with_suffix('.pack')}"
        )
    if path.exists() and not overwrite:
        raise RequestError("this file is there already", where=f"-o {path}", fix="--overwrite replaces it, or name another")
    options: Any = options_of(str(data))
    ensure_output(path, [str(data)])
    source = open_source(options, 4 << 30)
    files = _files_of(source, str(data))
    if [str(each) for each in files] != sorted(str(each) for each in files):
        raise DataError(
            "these tables are read in an order of their own", where=WHERE, why="a pack reads them by name", fix="name a pattern"
        )
    root = Path(os.path.commonpath([str(each.parent) for each in files]))
    columns, missing = _named_files(source, root)
    written = {**options.model_dump(mode="json"), "path": _path_in_pack(files, root)}
    tables = [str(each.relative_to(root)) for each in files]
    counts = {name: len(found) for name, found in columns.items()}
    manifest = {"format": FORMAT, "trainwright": __version__, "source": written, "tables": tables, "files": counts, "rows": len(source)}
    every = dict.fromkeys([*tables, *(name for found in columns.values() for name in found)])
    if MANIFEST in every:
        raise DataError(f"a file of the data is called {MANIFEST}", where=WHERE, why="the pack has one of that name", fix="rename it")
    with write_output(path) as place:
        write_pack(place, manifest, ((name, root / name) for name in every))
    other = {
        name: each for name, found in columns.items() if (each := next((one for one in found[:LOOKED_AT] if not is_array(root / one)), ""))
    }
    return Packing(path, path.stat().st_size, tables, counts, missing, other)


def _files_of(source: Any, named: str) -> list[Path]:
    inner = source
    while not getattr(inner, "files", None) and getattr(inner, "source", None) is not None:
        inner = inner.source
    if getattr(inner, "packed", None) is not None:
        raise DataError(f"'{named}' is a pack already", where=WHERE, fix="copy it")
    found = [Path(each).absolute() for each in getattr(inner, "files", None) or []]
    if not found or named.startswith("builtin:"):
        raise DataError(
            f"'{named}' is in no file", where=WHERE, why="a pack holds a table of yours and the files that it names", fix="name a table"
        )
    return found


def _path_in_pack(files: list[Path], root: Path) -> str:
    """What names the tables in the pack: the file, or a pattern that finds these and no other."""
    return str(files[0].relative_to(root)) if len(files) == 1 else "**/*"


def _named_files(source: Source, root: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Column of paths → the files that its values name, below the root; and what of its values names none. Raises DataError."""
    folders, found, missing = Folders(source), dict[str, list[str]](), dict[str, list[str]]()
    for name in [each.name for each in source.schema if is_text(each.type)]:
        values = source.read(columns=[name])[name]
        texts = [(row, each) for row, each in enumerate(values.cast(pa.string()).to_pylist()) if each]
        if not texts or not all(os.path.isfile(folders.path(row, text)) for row, text in texts[:LOOKED_AT]):
            continue
        places = dict.fromkeys(folders.path(row, text) for row, text in texts)
        there = [each for each in places if os.path.isfile(each)]
        missing[name] = [each for each in places if not os.path.isfile(each)]
        found[name] = [_below(each, root, name) for each in there]
    return found, {name: paths for name, paths in missing.items() if paths}


def _below(path: str, root: Path, column: str) -> str:
    written = os.path.normpath(path)
    if not Path(written).is_relative_to(root) or written != str(Path(path)):
        why = f"'{path}' is not below the folder of the table, '{root}'"
        fix = "write paths relative to the table, of files in its folder or below it"
        raise DataError(f"column '{column}' names files that a pack cannot hold", where=WHERE, why=why, fix=fix)
    return Path(written).relative_to(root).as_posix()
