"""A table beside pictures with what is known of each, as the `imagefolder` of Hugging Face has it: `metadata.csv` with `file_name`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.schemas import common_type
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.images.sources.arranging import SPLITS
from trainwright.domains.images.sources.folder_table import UNTOLD, given_split
from trainwright.domains.images.sources.walking import Found, list_names
from trainwright.report.figures import plural

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
COLUMN = "file_name"
WHERE = "data.source.metadata"
LABELS = ("label", "labels")
"""Columns that are predicted where nothing else is said."""


@dataclass
class Metadata:
    """The rows of a table beside pictures."""

    columns: dict[str, Any]
    paths: list[str]
    """Columns of paths below the folder."""
    tables: list[Path]
    targets: list[str] = field(default_factory=list)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_metadata(found: Found, asked: str) -> list[str]:
    """The tables of metadata, below the folder: in itself, or in its split folders. Raises DataError for one that is not there."""
    if asked == "off":
        return []
    if asked != "auto":
        if not (found.root / asked).is_file():
            fix = did_you_mean(asked, found.tables) or "name a table in the folder"
            raise DataError(f"there is no table '{asked}' in '{found.root}'", where=WHERE, fix=fix)
        return [asked]
    here = [each for each in found.tables if each in NAMES]
    below = [each for each in found.tables if each.count("/") == 1 and Path(each).name in NAMES and each.split("/")[0].lower() in SPLITS]
    chosen = here or below
    twice = [each for each in chosen if sum(Path(each).parent == Path(other).parent for other in chosen) > 1]
    if twice:
        raise DataError(f"several tables of metadata: {list_names(twice)}", where=WHERE, fix=f"data.source.metadata={twice[0]}")
    return chosen


def read_metadata(found: Found, tables: Sequence[str], memory_limit: int) -> Metadata:
    """The rows of the tables, with `file` and `image`. Raises DataError for pictures that are not there."""
    read = [_read(found.root / each, memory_limit) for each in tables]
    schema = {name: common_type([each.schema.field(name).type for each in read if name in each.schema.names]) for name in _names(read)}
    columns: dict[str, Any] = {
        name: pa.concat_arrays([_column(each, name, kind) for each in read]) for name, kind in schema.items() if not _is_path(name)
    }
    folders = [str(Path(each).parent) for each in tables]
    paths: dict[str, pa.Array] = {}
    for name in filter(_is_path, schema):
        pieces = [_below(folder, _column(each, name, pa.string())) for folder, each in zip(folders, read, strict=True)]
        paths["image" if name == COLUMN else name.removesuffix(f"_{COLUMN}")] = pa.concat_arrays(pieces)
    _refuse_absent(found, paths["image"], tables)
    made = Metadata({"file": paths["image"], **paths, **columns}, list(paths), [found.root / each for each in tables])
    made.targets = [name for name in LABELS if name in columns][:1]
    made.declared = {"file": UNTOLD, **{name: {"type": "mask" if "mask" in name else "image"} for name in paths}}
    made.notes = _told(found, made, tables)
    splits = [SPLITS.get(folder.lower(), "") for folder in folders]
    if len(tables) > 1 and "train" in splits:
        rows = np.repeat(np.arange(len(read)), [each.num_rows for each in read])
        made.columns["split"] = pa.array(splits, pa.string()).take(pa.array(rows))
        made.declared["split"], made.split = UNTOLD, given_split(made.columns["split"])
    return made


def _read(path: Path, memory_limit: int) -> pa.Table:
    table: pa.Table = open_source(options_of(str(path)), memory_limit).read()
    if COLUMN not in table.column_names:
        why = f"its columns are {', '.join(table.column_names[:12])}"
        fix = did_you_mean(COLUMN, table.column_names) or "data.source.metadata=off reads the folders without it"
        raise DataError(f"'{path.name}' has no column '{COLUMN}'", where=WHERE, why=why, fix=fix)
    return table


def _names(tables: Sequence[pa.Table]) -> list[str]:
    return list(dict.fromkeys(name for each in tables for name in each.column_names))


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    return table[name].combine_chunks().cast(kind) if name in table.column_names else pa.nulls(table.num_rows, kind)


def _is_path(name: str) -> bool:
    return name == COLUMN or name.endswith(f"_{COLUMN}")


def _below(folder: str, names: pa.Array) -> pa.Array:
    """Names in a folder as paths below the root."""
    return names if folder == "." else pc.binary_join_element_wise(f"{folder}/", names, "")


def _refuse_absent(found: Found, files: pa.Array, tables: Sequence[str]) -> None:
    known = pa.concat_arrays([pa.array([], pa.string()), *(each.paths for each in found.pictures)])
    absent = np.flatnonzero(pc.invert(pc.is_in(pc.coalesce(files, ""), known)).to_numpy(zero_copy_only=False))
    if not len(absent):
        return
    shown = ", ".join(f"row {row + 1} '{files[int(row)].as_py() or ''}'" for row in absent[:5])
    lacking = plural(len(absent), "picture that is", "pictures that are")
    what = f"{tables[0]} names {lacking} not there: {shown}{', …' if len(absent) > 5 else ''}"
    fix = did_you_mean(files[int(absent[0])].as_py() or "", known.to_pylist()) or "correct the table"
    raise DataError(what, where=WHERE, fix=f"{fix}; data.source.metadata=off reads the folders without it")


def _told(found: Found, made: Metadata, tables: Sequence[str]) -> list[str]:
    """Which columns the tables bring, that folders say nothing then, and which pictures have no row."""
    named = [name for name in made.columns if name not in ("file", *made.paths)]
    notes = [f"what is known of the pictures is read from {list_names(tables)} ({', '.join(named)}); names of folders are no labels then"]
    rest = found.count - len(pc.unique(made.columns["file"]))
    return [*notes, *([f"{plural(rest, 'picture has', 'pictures have')} no row there: left out"] if rest else [])]
