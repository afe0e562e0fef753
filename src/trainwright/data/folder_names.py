"""Values that stand in the names of folders, as Hive and Spark write them: `year=2020/country=DE/part.parquet`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from trainwright.config.errors import DataError
from trainwright.config.received import ask_for_right

MISSING = ("__HIVE_DEFAULT_PARTITION__", "")
"""What the name of a folder says where there is no value."""

MARKERS = ("_SUCCESS", "_metadata", "_common_metadata", "_started_", "_committed_")
"""How files begin that programs write beside tables to say that they are done, or what is in them."""

LOGGED = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
"""Folders beside the rows that say which of the files count."""


def folder_values(file: Path, where: str = "data.source") -> dict[str, str | None]:
    """What the names of the folders say that a file lies in: `year=2020/part.csv` → `{"year": "2020"}`; None where a value is missing.

    Only folders of the path as it is written count. Raises DataError where two folders of one name differ.
    """
    found: dict[str, str | None] = {}
    for folder in Path(os.path.normpath(file)).parent.parts:
        key, equals, written = folder.partition("=")
        if not (equals and key.strip()):
            continue
        _ensure_text(folder, where)
        name, text = _decode_name(key), _decode_name(written)
        value = None if text in MISSING else text
        if name in found and found[name] != value:
            why = f"one folder says {found[name]}, another {value}"
            raise DataError(f"'{file}' has two values of '{name}'", where=where, why=why, fix="rename one of the folders")
        found[name] = value
    return found


def folder_columns(files: Sequence[Path], where: str = "data.source") -> dict[str, list[str | None]]:
    """The columns that the folders of some files make, with a value for each file; raises DataError where files have other columns."""
    each = [folder_values(file, where) for file in files]
    for file, values in zip(files, each, strict=True):
        if set(values) != set(each[0]):
            why = f"'{files[0]}' has {_list_names(each[0])}, '{file}' has {_list_names(values)}"
            fix = "name only files whose folders have the same names before the '='"
            raise DataError("the folders of these files make different columns", where=where, why=why, fix=fix)
    return {name: [values[name] for values in each] for name in each[0]} if each else {}


def partitioned_files(folder: Path, where: str = "data.source") -> list[Path]:
    """All files of a table whose columns stand in folder names, sorted; none where neither the folder nor those in it are named so.

    Raises DataError for a table that keeps a log of which of its files count.
    """
    inside = [each for each in _listing(folder) if os.path.isdir(each)]
    if not folder_values(folder / "file", where) and not any(folder_values(each / "file", where) for each in inside):
        return []
    logged = next((name for name in LOGGED if (folder / name).is_dir()), "")
    if logged:
        why = f"which of its files count stands in '{logged}', which is not read: rows that were deleted would come back"
        raise DataError(f"'{folder}' is {LOGGED[logged]}", where=where, why=why, fix="write its rows as Parquet, and give that folder")
    return sorted(_walk(folder, {os.path.realpath(folder)}), key=str)


def is_marker(name: str) -> bool:
    """Whether a file of this name is one that programs write beside tables, and no table."""
    return name.startswith(MARKERS) or name.endswith(".crc")


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """The files below a folder, links followed, but no folder twice."""
    for each in _listing(folder):
        if not os.path.isdir(each):
            if not is_marker(each.name):
                yield each
        elif not each.name.startswith("_") and os.path.realpath(each) not in seen:
            seen.add(os.path.realpath(each))
            yield from _walk(each, seen)


def _listing(folder: Path) -> list[Path]:
    """What a folder holds, hidden files left out."""
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".")]
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"'{folder}' cannot be read", where="data.source", why=why, fix=ask_for_right(folder)) from error


def _decode_name(written: str) -> str:
    """The text that an escaped name of a folder stands for; as it is written where the escapes are no UTF-8."""
    try:
        return unquote(written, errors="strict")
    except UnicodeDecodeError:
        return written


def _ensure_text(folder: str, where: str) -> None:
    try:
        folder.encode()
    except UnicodeEncodeError:
        shown = ascii(folder)
        raise DataError(f"the name of the folder {shown} is no UTF-8", where=where, why="it is read as a column", fix="rename it") from None


def _list_names(values: dict[str, str | None]) -> str:
    return ", ".join(f"'{name}'" for name in values) or "none"
