"""Tables whose rows name recordings: CSV with a column of files, and HDF5 files with an order file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.source import TableSource
from trainwright.domains.signals.sources.measured import add_measures
from trainwright.domains.signals.sources.options import HDF5RecordsOptions, RecordingsTableOptions
from trainwright.domains.signals.sources.usual import declare

SHOWN = 3
LOOKED_AT = 20
SOUND_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".m4a", ".mp4")
UNTOLD: dict[str, object] = {"type": "ignore"}


class RecordingsTable(TableSource):
    """The columns of the table, and `signal` or `audio`: the file that each row names."""

    def __init__(self, options: RecordingsTableOptions, memory_limit: int) -> None:
        table = Path(options.path).expanduser().absolute()
        rows = read_rows(table, (options.file_column,) if options.file_column else ())
        root = Path(options.root).expanduser().absolute() if options.root else table.parent
        column = options.file_column or find_file_column(rows, root, options.suffix, table.name)
        paths = [root / f"{row[column]}{options.suffix}" for row in rows]
        there = [is_recording(each) for each in paths]
        notes = refuse_missing(paths, there, options.missing)
        kept = [row for row, found in zip(rows, there, strict=True) if found]
        files = [path for path, found in zip(paths, there, strict=True) if found]
        name = kind_of(files, options.kind)
        columns: dict[str, Any] = {name: pa.array([str(each) for each in files], pa.string())}
        columns = {**infer_columns(kept, [each for each in rows[0] if each != column]), **columns}
        check_columns(options.target, columns, "target")
        check_columns([options.group] if options.group else [], columns, "group")
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=options.target,
            files=[table],
            columns={
                name: declare(name, [str(each) for each in files]),
                **({options.group: UNTOLD} if options.group else {}),
            },
            split={"type": "grouped", "column": options.group} if options.group else {},
        )
        self.notes = notes
        add_measures(self, name, options)


class HDF5Records(TableSource):
    """A row for each record of the files: `signal` (or `audio`), `record`, and the columns of the order file."""

    def __init__(self, options: HDF5RecordsOptions, memory_limit: int) -> None:
        files = find_hdf5(options.path)
        order = (
            read_rows(Path(options.order).expanduser().absolute(), (options.id_column,) if options.id_column else ())
            if options.order
            else None
        )
        references = named_records(files, options, order) if options.id_column else rows_of_arrays(files, options)
        if order is not None and len(order) != len(references):
            what = f"the order file has {len(order):,} rows, the files have {len(references):,} records"
            raise DataError(what, where="data.source.order", fix="give one row for each record, in the order of the files")
        columns: dict[str, Any] = infer_columns(order, list(order[0])) if order else {}
        columns |= {"record": pa.array([each.partition("#")[2] for each in references]), options.kind: pa.array(references)}
        check_columns(options.target, columns, "target")
        check_columns([options.group] if options.group else [], columns, "group")
        untold = {
            "record": UNTOLD,
            **({options.group: UNTOLD} if options.group else {}),
            **({options.id_column: UNTOLD} if options.id_column else {}),
        }
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=options.target,
            files=files,
            columns={**untold, options.kind: declare(options.kind, references)},
            split={"type": "grouped", "column": options.group} if options.group else {},
            named_by=[] if order else ["record"],
        )
        add_measures(self, options.kind, options)


def find_hdf5(given: str) -> list[Path]:
    """The files that a path or pattern names. Raises DataError where there is none."""
    import glob
    import os

    files = [Path(each).absolute() for each in sorted(glob.glob(os.path.expanduser(given)))]
    if not files:
        raise DataError(f"no file '{given}'", where="data.source", fix="name an HDF5 file, or several by a pattern: 'part*.h5'")
    return files


def named_records(files: Sequence[Path], options: HDF5RecordsOptions, order: list[dict[str, str]] | None) -> list[str]:
    """A reference to the array of each record that the order file names, in whichever of the files it is. Raises DataError."""
    if order is None:
        raise DataError(
            "id_column names a column of an order file, and there is none", where="data.source.id_column", fix="data.source.order=FILE.csv"
        )
    where = {key: file for file in reversed(files) for key, _ in arrays_of(file, options.key or "")}
    names = [row[str(options.id_column)] for row in order]
    missing = [each for each in names if each not in where]
    if missing:
        what = f"{len(missing):,} of {len(names):,} records are in none of the files, the first is '{missing[0]}'"
        raise DataError(what, where="data.source.order", fix=did_you_mean(missing[0], where))
    group = f"{options.key.strip('/')}/" if options.key else ""
    return [f"{where[each]}#key=/{group}{each}" for each in names]


def rows_of_arrays(files: Sequence[Path], options: HDF5RecordsOptions) -> list[str]:
    """A reference to each entry of the array of each file. Raises DataError for a key that is not there, or is not said."""
    found = []
    for file in files:
        arrays = dict(arrays_of(file, ""))
        key = (options.key or "").strip("/") or (next(iter(arrays)) if len(arrays) == 1 else "")
        if key not in arrays:
            what = f"'{file.name}' has no array '{options.key}'" if options.key else f"'{file.name}' has {len(arrays)} arrays"
            fix = did_you_mean(key, arrays) if options.key else f"data.source.key={next(iter(arrays), 'NAME')}"
            raise DataError(what, where="data.source.key", fix=fix)
        found += [f"{file}#key=/{key}&row={row}" for row in range(arrays[key][0])]
    return found


def arrays_of(file: Path, group: str) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of each array in a group of an HDF5 file, those of groups in it included. Raises DataError."""
    from trainwright.domains.signals.reading.libraries import need

    h5py = need("h5py", "HDF5 files")
    found = list[tuple[str, tuple[int, ...]]]()
    try:
        with h5py.File(file, "r") as opened:
            place = opened[group] if group else opened
            place.visititems(lambda name, each: found.append((name, each.shape)) if isinstance(each, h5py.Dataset) else None)
    except (OSError, KeyError, AttributeError) as error:
        raise DataError(
            f"'{file.name}' cannot be read: {error}", where="data.source", fix="give HDF5 files and a group that they have"
        ) from error
    return found


def read_rows(path: Path, needed: Sequence[str | None]) -> list[dict[str, str]]:
    """The rows of a CSV table by column. Raises DataError where it is not there, has no rows, or lacks a column."""
    if not path.is_file():
        raise DataError(f"there is no table '{path}'", where="data.source", fix="name the folder, or table, as it was published")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"'{path.name}' has no rows", where="data.source", fix="give a table with a header and rows")
    for each in needed:
        if each is not None and each not in rows[0]:
            raise DataError(
                f"'{path.name}' has no column '{each}'", where="data.source", fix=did_you_mean(each, [name for name in rows[0] if name])
            )
    return rows


def infer_columns(rows: Sequence[dict[str, str]], names: Sequence[str]) -> dict[str, Any]:
    """Columns of text as numbers where all their values are some; empty ones are missing."""
    return {name: _infer([row[name] or None for row in rows]) for name in names if name}


def _infer(values: list[str | None]) -> Any:
    array = pa.array(values, pa.string())
    for kind in (pa.int64(), pa.float64()):
        try:
            return array.cast(kind)
        except pa.ArrowInvalid:
            continue
    return array


def find_file_column(rows: Sequence[dict[str, str]], root: Path, suffix: str, table: str) -> str:
    """The first column whose values are all found as files. Raises DataError where there is none."""
    for name in rows[0]:
        if name and all(row[name] and is_recording(root / f"{row[name]}{suffix}") for row in rows[:LOOKED_AT]):
            return name
    why = f"no column of '{table}' names files of '{root}'"
    raise DataError(
        "it is not known which column names the files", where="data.source", why=why, fix="data.source.file_column=NAME, and root=FOLDER"
    )


def is_recording(path: Path) -> bool:
    """Whether a file is there, or a WFDB record of this name."""
    return path.is_file() or path.with_name(f"{path.name}.hea").is_file()


def existing(paths: Sequence[Path], where: str) -> list[Path]:
    """The paths; raises DataError naming the first that are not there."""
    refuse_missing(paths, [each.is_file() for each in paths], "error", where)
    return list(paths)


def refuse_missing(paths: Sequence[Path], there: Sequence[bool], policy: str, where: str = "data.source") -> list[str]:
    """A note on files that are not there; raises DataError where they are not to be skipped, or none is there."""
    missing = [path for path, found in zip(paths, there, strict=True) if not found]
    if not missing:
        return []
    shown = ", ".join(f"'{each.name}'" for each in missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    what = f"{len(missing):,} of {len(paths):,} files are not there: {shown}"
    if policy == "error" or len(missing) == len(paths):
        fix = f"they are looked for in '{missing[0].parent}'"
        raise DataError(what, where=where, fix=fix)
    return [f"{what}; their rows are left out"]


def kind_of(files: Sequence[Path], asked: str) -> str:
    """`audio` or `signal`, by how most of the names end."""
    if asked != "auto":
        return asked
    sounds = sum(each.suffix.lower() in SOUND_ENDINGS for each in files)
    return "audio" if 2 * sounds > len(files) else "signal"


def check_columns(wanted: Sequence[str], columns: dict[str, Any], option: str) -> None:
    """Raises DataError for a column that there is not."""
    for each in wanted:
        if each not in columns:
            raise DataError(f"no column '{each}'", where=f"data.source.{option}", fix=did_you_mean(each, columns))
